//! Requests and answers in the shapes of OpenAI's completions and chat completions, as editors and tools speak them.
//! Knows JSON and event streams; decoding is behind the worker.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Shared,
    worker::{Job, News, Question, Turned},
};
use crate::{
    decode::Counts,
    law::{Law, Mode},
    options::{Plans, checked},
    session::{Finish, Traced},
    template::{Message, Role},
};

type Taken<T> = Result<Json<T>, JsonRejection>;

#[derive(Deserialize)]
pub(super) struct Common {
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    n: Option<u32>,
    seed: Option<u64>,
    #[serde(default)]
    stream: bool,
    stop: Option<OneOrMore>,
    logprobs: Option<Value>,
    #[serde(default)]
    codecode: Own,
}

/// What only this server understands.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Own {
    mode: Option<String>,
    threshold: Option<f64>,
    security_temperature: Option<f64>,
    ahead: Option<usize>,
    lookup: Option<bool>,
    base_only: bool,
    trace: bool,
    /// Whether a model without marks for gaps goes on from the prompt instead of refusing.
    r#continue: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
pub(super) struct Completion {
    prompt: OneOrMore,
    suffix: Option<String>,
    #[serde(flatten)]
    common: Common,
}

#[derive(Deserialize)]
pub(super) struct Chat {
    messages: Vec<Said>,
    #[serde(flatten)]
    common: Common,
}

#[derive(Deserialize)]
struct Said {
    role: Role,
    content: Content,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: String,
}

pub(super) async fn health(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({ "status": "ok", "model": shared.worker.numbers.state() }))
}

pub(super) async fn models(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({
        "object": "list",
        "data": [{ "id": shared.name, "object": "model", "owned_by": "local", "co_decoding": shared.pair }],
    }))
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> String {
    let numbers = &shared.worker.numbers;
    let counts = numbers
        .counts
        .lock()
        .map_or_else(|_| Counts::default(), |counts| *counts);
    let read = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed);
    let rows: [(&str, &str, u64); 14] = [
        ("requests_total", "counter", read(&numbers.requests)),
        (
            "requests_turned_away_total",
            "counter",
            read(&numbers.turned_away),
        ),
        (
            "requests_cancelled_total",
            "counter",
            read(&numbers.cancelled),
        ),
        ("requests_failed_total", "counter", read(&numbers.failed)),
        ("model_loads_total", "counter", read(&numbers.loads)),
        (
            "busy_milliseconds_total",
            "counter",
            read(&numbers.milliseconds),
        ),
        (
            "requests_waiting",
            "gauge",
            numbers.waiting.load(Ordering::Relaxed) as u64,
        ),
        ("tokens_total", "counter", counts.emitted),
        ("tokens_accepted_total", "counter", counts.accepted),
        ("tokens_rejected_total", "counter", counts.rejected),
        ("drafts_dropped_total", "counter", counts.dropped),
        ("draft_passes_total", "counter", counts.draft_passes),
        ("base_passes_total", "counter", counts.base_passes),
        ("tokens_guessed_total", "counter", counts.guessed),
    ];
    rows.iter()
        .map(|(name, kind, value)| {
            format!("# TYPE codecode_{name} {kind}\ncodecode_{name} {value}\n")
        })
        .collect()
}

pub(super) async fn completions(
    State(shared): State<Arc<Shared>>,
    body: Taken<Completion>,
) -> Response {
    let Json(body) = match body {
        Ok(body) => body,
        Err(wrong) => return bad(&wrong.body_text()),
    };
    let text = match body.prompt {
        OneOrMore::One(text) => text,
        OneOrMore::More(texts) => match <[String; 1]>::try_from(texts) {
            Ok([text]) => text,
            Err(_) => return bad("`prompt` must be one text; send one request for each"),
        },
    };
    let question = match body.suffix {
        Some(after) if !after.is_empty() => Question::Gap {
            before: text,
            after,
            or_continue: body.common.codecode.r#continue,
        },
        _ => Question::Text(text),
    };
    answer(&shared, question, body.common, Shape::Text).await
}

pub(super) async fn chat(State(shared): State<Arc<Shared>>, body: Taken<Chat>) -> Response {
    let Json(body) = match body {
        Ok(body) => body,
        Err(wrong) => return bad(&wrong.body_text()),
    };
    let messages = body.messages.into_iter().map(|said| Message {
        role: said.role,
        content: match said.content {
            Content::Text(text) => text,
            Content::Parts(parts) => parts.into_iter().map(|part| part.text).collect(),
        },
    });
    let question = Question::Chat(messages.collect());
    answer(&shared, question, body.common, Shape::Chat).await
}

/// Which of the two protocols an answer is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Chat,
}

/// What an answer needs to know of its request.
struct Frame {
    shape: Shape,
    id: String,
    created: u64,
    model: String,
    logprobs: bool,
    trace: bool,
}

async fn answer(shared: &Shared, question: Question, common: Common, shape: Shape) -> Response {
    let seed = common.seed.unwrap_or_else(clock);
    let frame = Frame {
        shape,
        id: format!("codecode-{:016x}", clock()),
        created: clock() / 1_000_000_000,
        model: shared.name.clone(),
        logprobs: common
            .logprobs
            .as_ref()
            .is_some_and(|asked| asked != &json!(false) && !asked.is_null()),
        trace: common.codecode.trace,
    };
    let (to, news) = mpsc::channel(16_384);
    let stream = common.stream;
    let job = match job(shared, question, common, seed, to) {
        Ok(job) => job,
        Err(wrong) => return bad(&format!("{wrong:#}")),
    };
    match shared.worker.submit(job) {
        Ok(()) => {}
        Err(Turned::Full) => {
            return problem(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                "too many requests are waiting; try again when one has ended",
            );
        }
        Err(Turned::Gone) => {
            return problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                "the decoding thread is gone; restart the server",
            );
        }
    }
    if stream {
        streamed(frame, news).await
    } else {
        whole(frame, news).await
    }
}

fn job(
    shared: &Shared,
    question: Question,
    common: Common,
    seed: u64,
    to: mpsc::Sender<News>,
) -> anyhow::Result<Job> {
    let own = common.codecode;
    let mut law: Law = shared.law;
    if let Some(mode) = own.mode {
        law.mode = match mode.as_str() {
            "paper" => Mode::Paper,
            "code" => Mode::Code,
            _ => anyhow::bail!("`codecode.mode` must be `paper` or `code`"),
        };
    }
    law.threshold = own.threshold.unwrap_or(law.threshold);
    if let Some(temperature) = common.temperature {
        (law.base.temperature, law.draft.temperature) = (temperature, temperature);
    }
    law.draft.temperature = own.security_temperature.unwrap_or(law.draft.temperature);
    if let Some(top_p) = common.top_p {
        (law.base.top_p, law.draft.top_p) = (top_p, top_p);
    }
    let plans = Plans {
        ahead: own.ahead.or(shared.plans.ahead),
        doubt: shared.plans.doubt,
        lookup: own.lookup.unwrap_or(shared.plans.lookup),
    };
    let samples = common.n.unwrap_or(1);
    anyhow::ensure!((1..=32).contains(&samples), "`n` must be between 1 and 32");
    let stops = match common.stop {
        None => Vec::new(),
        Some(OneOrMore::One(stop)) => vec![stop],
        Some(OneOrMore::More(stops)) => stops,
    };
    anyhow::ensure!(
        stops.len() <= 16 && stops.iter().all(|stop| (1..=256).contains(&stop.len())),
        "`stop` takes up to 16 texts of 1 to 256 bytes"
    );
    Ok(Job {
        question,
        law: checked(law)?,
        plan: plans.plan(),
        seed,
        samples,
        limit: common
            .max_completion_tokens
            .or(common.max_tokens)
            .unwrap_or(256),
        stops,
        base_only: own.base_only,
        to,
    })
}

#[derive(Default)]
struct Sample {
    text: String,
    tokens: Vec<Traced>,
    finish: Option<Finish>,
    counts: Counts,
}

async fn whole(frame: Frame, mut news: mpsc::Receiver<News>) -> Response {
    let mut samples = BTreeMap::<u32, Sample>::new();
    let mut prompt_tokens = 0;
    while let Some(one) = news.recv().await {
        match one {
            News::Started { prompt } => prompt_tokens = prompt,
            News::Piece {
                sample,
                text,
                token,
            } => {
                let sample = samples.entry(sample).or_default();
                sample.text.push_str(&text);
                if frame.logprobs || frame.trace {
                    sample.tokens.push(token);
                }
            }
            News::Done {
                sample,
                rest,
                finish,
                counts,
            } => {
                let sample = samples.entry(sample).or_default();
                sample.text.push_str(&rest);
                (sample.finish, sample.counts) = (Some(finish), counts);
            }
            News::Refused(why) => return bad(&why),
            News::Failed(why) => {
                return problem(StatusCode::SERVICE_UNAVAILABLE, "server_error", &why);
            }
        }
    }
    if samples.is_empty() || samples.values().any(|sample| sample.finish.is_none()) {
        return problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "server_error",
            "the server is stopping",
        );
    }
    let mut all = Counts::default();
    let mut choices = Vec::new();
    for (index, sample) in &samples {
        all.add(&sample.counts);
        let mut choice =
            json!({ "index": index, "finish_reason": sample.finish, "logprobs": null });
        match frame.shape {
            Shape::Text => choice["text"] = json!(sample.text),
            Shape::Chat => {
                choice["message"] = json!({ "role": "assistant", "content": sample.text });
            }
        }
        if frame.logprobs {
            choice["logprobs"] = frame.logprobs(&sample.tokens);
        }
        if frame.trace {
            choice["codecode"] = json!({ "trace": sample.tokens });
        }
        choices.push(choice);
    }
    let mut body = frame.head("");
    body["choices"] = json!(choices);
    body["usage"] = usage(prompt_tokens, &all);
    body["codecode"] = json!(all);
    Json(body).into_response()
}

async fn streamed(frame: Frame, mut news: mpsc::Receiver<News>) -> Response {
    // A refusal is an answer with its own status; only when the first news are good does the stream begin.
    let mut prompt_tokens = 0;
    match news.recv().await {
        Some(News::Started { prompt }) => prompt_tokens = prompt,
        Some(News::Refused(why)) => return bad(&why),
        Some(News::Failed(why)) => {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "server_error", &why);
        }
        _ => {}
    }
    let state = (frame, news, Counts::default(), false);
    let events =
        futures_util::stream::unfold(state, move |(frame, mut news, mut all, ended)| async move {
            if ended {
                return None;
            }
            let event = match news.recv().await {
                Some(News::Started { .. }) => Event::default().comment("started"),
                Some(News::Piece {
                    sample,
                    text,
                    token,
                }) => {
                    let mut choice =
                        json!({ "index": sample, "finish_reason": null, "logprobs": null });
                    match frame.shape {
                        Shape::Text => choice["text"] = json!(text),
                        Shape::Chat => {
                            choice["delta"] = json!({ "role": "assistant", "content": text });
                        }
                    }
                    let tokens = [token];
                    if frame.logprobs {
                        choice["logprobs"] = frame.logprobs(&tokens);
                    }
                    if frame.trace {
                        choice["codecode"] = json!({ "trace": tokens });
                    }
                    frame.chunk(choice)
                }
                Some(News::Done {
                    sample,
                    rest,
                    finish,
                    counts,
                }) => {
                    all.add(&counts);
                    let mut choice =
                        json!({ "index": sample, "finish_reason": finish, "logprobs": null });
                    match frame.shape {
                        Shape::Text => choice["text"] = json!(rest),
                        Shape::Chat => choice["delta"] = json!({ "content": rest }),
                    }
                    let mut body = frame.head(".chunk");
                    body["choices"] = json!([choice]);
                    body["usage"] = usage(prompt_tokens, &all);
                    body["codecode"] = json!(all);
                    Event::default().data(body.to_string())
                }
                Some(News::Refused(why) | News::Failed(why)) => Event::default().data(
                    json!({ "error": { "message": why, "type": "server_error" } }).to_string(),
                ),
                None => {
                    let done = Event::default().data("[DONE]");
                    return Some((
                        Ok::<_, std::convert::Infallible>(done),
                        (frame, news, all, true),
                    ));
                }
            };
            Some((Ok(event), (frame, news, all, false)))
        });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

impl Frame {
    fn head(&self, suffix: &str) -> Value {
        let object = match self.shape {
            Shape::Text => "text_completion".to_owned(),
            Shape::Chat => format!("chat.completion{suffix}"),
        };
        json!({ "id": self.id, "object": object, "created": self.created, "model": self.model })
    }

    fn chunk(&self, choice: Value) -> Event {
        let mut body = self.head(".chunk");
        body["choices"] = Value::Array(vec![choice]);
        Event::default().data(body.to_string())
    }

    fn logprobs(&self, tokens: &[Traced]) -> Value {
        match self.shape {
            Shape::Text => json!({
                "tokens": tokens.iter().map(|token| &token.text).collect::<Vec<_>>(),
                "token_logprobs": tokens.iter().map(|token| token.logprob).collect::<Vec<_>>(),
            }),
            Shape::Chat => json!({
                "content": tokens
                    .iter()
                    .map(|token| json!({ "token": token.text, "logprob": token.logprob, "top_logprobs": [] }))
                    .collect::<Vec<_>>(),
            }),
        }
    }
}

fn usage(prompt: usize, counts: &Counts) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": counts.emitted,
        "total_tokens": prompt as u64 + counts.emitted,
    })
}

fn bad(why: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "invalid_request_error", why)
}

/// An error in the protocol's shape.
pub(super) fn problem(status: StatusCode, kind: &str, why: &str) -> Response {
    (
        status,
        Json(json!({ "error": { "message": why, "type": kind } })),
    )
        .into_response()
}

/// Nanoseconds since 1970: names answers, and seeds those that ask for no seed.
fn clock() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(0)
}
