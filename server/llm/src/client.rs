//! One question, one answer: the request, the stream, patience, repetition and giving up. It logs
//! sizes, times and kinds of errors, never a text or a key.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use revision::{Answer, Cost, Gap, Model, ModelError, Question, State, Watch};
use serde_json::Value;

use crate::key::{self, Key};
use crate::sse::Events;
use crate::wire::{Piece, code_of};
use crate::{Protocol, Setup};

/// The most that is read of an answer, in bytes: some hundred times the longest function.
const MAX_ANSWER: usize = 4 << 20;

/// The most that is read of a refusal, in bytes.
const MAX_REFUSAL: usize = 64 << 10;

/// How often somebody is asked whether the answer is still wanted.
const GLANCE: Duration = Duration::from_millis(50);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The first pause before a question is put again; each later one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest pause, also when a server asks for a longer one: then it is given up.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A model behind HTTP.
#[derive(Debug)]
pub(crate) struct Http {
    setup: Setup,
    name: String,
    /// Host and port, for messages.
    server: String,
    url: Url,
    proxy: Option<reqwest::Proxy>,
    roots: Vec<reqwest::Certificate>,
    /// The socket of a server on this machine, and what it asks for.
    door: Option<Door>,
}

/// The way to a server that this program started.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) socket: PathBuf,
    pub(crate) token: Arc<Key>,
}

impl Http {
    /// A client of a server that this program started.
    pub(crate) fn behind(door: Door, name: &str, patience: Duration) -> Result<Self, ModelError> {
        let setup = Setup {
            protocol: Protocol::Codecode,
            url: "http://localhost/v1".to_owned(),
            model: name.to_owned(),
            key: crate::KeyFrom::Nowhere,
            ca_file: None,
            proxy: None,
            patience,
            retries: 3,
        };
        let mut out = Self::new(setup)?;
        out.door = Some(door);
        Ok(out)
    }

    /// Looks whether the settings can be used. Opens no connection.
    pub(crate) fn new(setup: Setup) -> Result<Self, ModelError> {
        let wrong = |problem: String| ModelError::Setup { problem };
        let url = Url::parse(&setup.protocol.address(&setup.url))
            .map_err(|_| wrong(format!("`{}` is no address", setup.url)))?;
        let (Some(host), true) = (url.host_str(), matches!(url.scheme(), "http" | "https")) else {
            return Err(wrong(format!(
                "`{}` is no http or https address",
                setup.url
            )));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("the address must not hold a password".to_owned()));
        }
        let server = match url.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if url.scheme() == "http" && !local && setup.key != crate::KeyFrom::Nowhere {
            return Err(wrong(format!(
                "a key would go to {server} in the clear; use https"
            )));
        }
        let proxy = match &setup.proxy {
            Some(address) => Some(
                reqwest::Proxy::all(address)
                    .map_err(|_| wrong("the proxy's address cannot be used".to_owned()))?,
            ),
            None => None,
        };
        let mut roots = Vec::new();
        if let Some(path) = &setup.ca_file {
            let unread = |_| wrong(format!("{}: cannot be read", path.display()));
            let pem = std::fs::read(path).map_err(unread)?;
            roots = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|_| wrong(format!("{}: holds no certificate", path.display())))?;
            if roots.is_empty() {
                return Err(wrong(format!("{}: holds no certificate", path.display())));
            }
        }
        let name = format!("{} at {server}", setup.model);
        Ok(Self {
            setup,
            name,
            server,
            url,
            proxy,
            roots,
            door: None,
        })
    }

    fn client(&self) -> Result<Client, ModelError> {
        // A second call finds the first one's choice, which is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .connect_timeout(CONNECT.min(self.setup.patience))
            .user_agent(concat!("secondlook/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry code to somebody whom nobody named.
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .retry(reqwest::retry::never());
        if let Some(door) = &self.door {
            builder = builder.unix_socket(door.socket.as_path()).no_proxy();
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        if !self.roots.is_empty() {
            builder = builder.tls_certs_merge(self.roots.clone());
        }
        builder.build().map_err(|error| ModelError::Tls {
            server: self.server.clone(),
            reason: cause(&error),
        })
    }

    fn headers(&self, key: Option<&Key>) -> HeaderMap {
        let mut out = HeaderMap::new();
        out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        out.insert(
            ACCEPT,
            HeaderValue::from_static("text/event-stream, application/json"),
        );
        if self.setup.protocol == Protocol::Anthropic {
            out.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        }
        if let Some(key) = key {
            let (name, text) = match self.setup.protocol {
                Protocol::Anthropic => ("x-api-key", key.0.clone()),
                _ => (AUTHORIZATION.as_str(), format!("Bearer {}", key.0)),
            };
            if let Ok(mut value) = HeaderValue::from_str(&text) {
                value.set_sensitive(true);
                out.insert(name, value);
            }
        }
        out
    }

    /// Puts one request, again where that may help, and reads its answers.
    async fn answers(&self, wanted: &Wanted, watch: &dyn Watch) -> Result<Taken, ModelError> {
        let started = Instant::now();
        let key = match &self.door {
            Some(door) => Some(Arc::clone(&door.token)),
            None => key::read(&self.setup.key).await?.map(Arc::new),
        };
        let client = self.client()?;
        let headers = self.headers(key.as_deref());
        let mut attempt = 1;
        loop {
            watch.state(State::Waiting);
            let request = client
                .post(wanted.url.clone())
                .headers(headers.clone())
                .body(wanted.body.clone());
            let sent = tokio::time::timeout(self.left(wanted, started), request.send()).await;
            let trouble = match sent {
                Err(_) => Trouble::Final(self.slow(false)),
                Ok(Err(error)) => self.no_connection(&error),
                Ok(Ok(response)) if response.status().is_success() => {
                    let taken = self.read(response, wanted, started, watch).await;
                    let mut taken = taken.map_err(|error| match error {
                        // Its word for the trouble is the server's, and not worth a risk.
                        ModelError::Unreadable { server, reason }
                            if key.as_deref().is_some_and(|it| reason.contains(&it.0)) =>
                        {
                            let reason = "it failed while answering".to_owned();
                            ModelError::Unreadable { server, reason }
                        }
                        other => other,
                    })?;
                    taken.time = started.elapsed();
                    tracing::debug!(
                        attempt,
                        bytes = taken.bytes(),
                        elapsed = ?taken.time,
                        "answered"
                    );
                    return Ok(taken);
                }
                Ok(Ok(response)) => self.refused(response).await,
            };
            let (error, wished) = match trouble {
                Trouble::Final(error) => return Err(without(key.as_deref(), error)),
                Trouble::Passing(error, wished) => (without(key.as_deref(), error), wished),
            };
            let pause = wished.unwrap_or_else(|| PAUSE * 2_u32.saturating_pow(attempt - 1));
            if attempt > wanted.retries || pause > LONGEST_PAUSE {
                return Err(error);
            }
            attempt += 1;
            tracing::debug!(attempt, ?pause, "the question is put again");
            watch.state(State::Retrying { attempt, pause });
            tokio::time::sleep(pause).await;
        }
    }

    async fn read(
        &self,
        mut response: Response,
        wanted: &Wanted,
        started: Instant,
        watch: &dyn Watch,
    ) -> Result<Taken, ModelError> {
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind
            .and_then(|it| it.to_str().ok())
            .unwrap_or("")
            .to_lowercase();
        let streams = kind.starts_with("text/event-stream");
        if !streams && !kind.starts_with("application/json") {
            // The kind is the server's word, so only its form is shown.
            let shown = kind.split(';').next().unwrap_or("").trim();
            let shown = if shown.is_empty() { "nothing" } else { shown };
            return Err(self.unreadable(&format!("it sent {} instead of JSON", word(shown))));
        }
        let mut events = Events::default();
        let mut whole: Vec<u8> = Vec::new();
        let mut taken = Taken::of(wanted.samples);
        let mut total = 0_usize;
        loop {
            let chunk = tokio::time::timeout(self.left(wanted, started), response.chunk()).await;
            let chunk = match chunk {
                Err(_) if wanted.budget.is_some() && taken.pieces > 0 => return Ok(taken),
                Err(_) => return Err(self.slow(total > 0)),
                // The connection broke: what came may be looked at, but not taken for whole.
                Ok(Err(_)) | Ok(Ok(None)) => break,
                Ok(Ok(Some(chunk))) => chunk,
            };
            total += chunk.len();
            if total > MAX_ANSWER {
                return Err(ModelError::TooLarge {
                    server: self.server.clone(),
                    limit: MAX_ANSWER,
                });
            }
            if !streams {
                whole.extend_from_slice(&chunk);
                continue;
            }
            for data in events.push(&chunk) {
                if data.trim() == "[DONE]" {
                    return Ok(taken);
                }
                self.event(&data, &mut taken)?;
            }
            watch.state(State::Answering {
                bytes: taken.bytes(),
            });
            // Going away ends the generation, so nobody pays for the rest.
            if let ([sample], false) = (taken.samples.as_mut_slice(), wanted.fills)
                && revision::rambles(&sample.text)
            {
                sample.over = true;
                return Ok(taken);
            }
        }
        if streams {
            if let Some(data) = events.finish().filter(|it| it.trim() != "[DONE]") {
                // A last event that broke off is no news: the answer is cut.
                let _ = self.event(&data, &mut taken);
            }
            if taken.pieces == 0 {
                return Err(self.unreadable("the stream ended before it began"));
            }
            return Ok(taken);
        }
        let value: Value = serde_json::from_slice(&whole)
            .map_err(|_| self.unreadable("it sent something that is no JSON"))?;
        let piece = self.setup.protocol.read(&value);
        if piece.error.is_none() && piece.ended.is_none() && piece.text.is_empty() {
            return Err(self.unreadable("its JSON holds no answer"));
        }
        self.take(piece, &mut taken)?;
        Ok(taken)
    }

    fn event(&self, data: &str, taken: &mut Taken) -> Result<(), ModelError> {
        let value: Value = serde_json::from_str(data)
            .map_err(|_| self.unreadable("an event of its stream is no JSON"))?;
        self.take(self.setup.protocol.read(&value), taken)
    }

    fn take(&self, piece: Piece, taken: &mut Taken) -> Result<(), ModelError> {
        if let Some(code) = piece.error {
            if self.door.is_some() {
                let problem = "it failed while answering".to_owned();
                return Err(ModelError::Local { problem });
            }
            return Err(self.unreadable(&format!("it failed while answering ({})", word(&code))));
        }
        taken.pieces += 1;
        if let Some(sample) = taken.samples.get_mut(piece.index) {
            sample.text.push_str(&piece.text);
            sample.ended = piece.ended.or(sample.ended.take());
        }
        taken.asked = piece.asked_tokens.unwrap_or(taken.asked);
        taken.answered = piece.answered_tokens.unwrap_or(taken.answered);
        Ok(())
    }

    async fn refused(&self, mut response: Response) -> Trouble {
        let status = response.status();
        let wished = response.headers().get(RETRY_AFTER);
        let wished = wished.and_then(|it| it.to_str().ok()?.trim().parse::<f64>().ok());
        let wished = wished.and_then(|it| Duration::try_from_secs_f64(it).ok());
        let mut body = Vec::new();
        let reading = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_REFUSAL {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(CONNECT, reading).await;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if let (true, Some(said)) = (self.door.is_some() && status.as_u16() != 429, said(&value)) {
            return Trouble::Final(ModelError::Local { problem: said });
        }
        let error = ModelError::Refused {
            server: self.server.clone(),
            status: status.as_u16(),
            code: value.get("error").map(code_of).unwrap_or_default(),
        };
        if status.as_u16() == 429 || status.is_server_error() {
            Trouble::Passing(error, wished)
        } else {
            Trouble::Final(error)
        }
    }

    /// How long something may take that has begun.
    fn left(&self, wanted: &Wanted, started: Instant) -> Duration {
        let budget = wanted.budget.unwrap_or(Duration::MAX);
        budget
            .saturating_sub(started.elapsed())
            .min(self.setup.patience)
    }

    fn slow(&self, answering: bool) -> ModelError {
        ModelError::Slow {
            server: self.server.clone(),
            waited: self.setup.patience,
            answering,
        }
    }

    fn unreadable(&self, reason: &str) -> ModelError {
        ModelError::Unreadable {
            server: self.server.clone(),
            reason: reason.to_owned(),
        }
    }

    fn no_connection(&self, error: &reqwest::Error) -> Trouble {
        let server = self.server.clone();
        let reason = cause(error);
        let chain = chain(error).to_lowercase();
        let tls = ["certificate", "tls", "handshake", "invalid peer"];
        Trouble::Final(if error.is_timeout() {
            self.slow(false)
        } else if tls.iter().any(|it| chain.contains(it)) {
            ModelError::Tls { server, reason }
        } else {
            ModelError::Unreachable { server, reason }
        })
    }
}

enum Trouble {
    /// It will be the same the next time.
    Final(ModelError),
    /// It may go by; the server may have said when.
    Passing(ModelError, Option<Duration>),
}

/// One request.
struct Wanted {
    url: Url,
    body: String,
    /// How many answers it is for.
    samples: usize,
    /// Whether the answers are to fill a gap and not to hold a block of code.
    fills: bool,
    /// How often it may be put again.
    retries: u32,
    /// What came by then is taken.
    budget: Option<Duration>,
}

#[derive(Default)]
struct Sample {
    text: String,
    ended: Option<String>,
    /// No more of it was waited for.
    over: bool,
}

#[derive(Default)]
struct Taken {
    samples: Vec<Sample>,
    pieces: usize,
    asked: u64,
    answered: u64,
    time: Duration,
}

impl Taken {
    fn of(samples: usize) -> Self {
        Self {
            samples: (0..samples).map(|_| Sample::default()).collect(),
            ..Self::default()
        }
    }

    fn bytes(&self) -> usize {
        self.samples.iter().map(|it| it.text.len()).sum()
    }

    /// Each answer; the first one bears what all cost.
    fn answers(self, protocol: Protocol) -> Vec<Answer> {
        let mut cost = Cost {
            calls: 1,
            asked_tokens: self.asked,
            answered_tokens: self.answered,
            time: self.time,
        };
        let answer = |it: Sample| Answer {
            text: it.text,
            cut: !it.over && !it.ended.is_some_and(|it| protocol.is_whole(&it)),
            cost: std::mem::take(&mut cost),
        };
        self.samples.into_iter().map(answer).collect()
    }
}

/// An error that does not repeat the key, should a server give it back as its word.
fn without(key: Option<&Key>, mut error: ModelError) -> ModelError {
    if let (Some(key), ModelError::Refused { code, .. }) = (key, &mut error)
        && (key.0.contains(code.as_str()) || code.contains(&key.0))
    {
        code.clear();
    }
    error
}

/// What our own server says went wrong: one line that quotes no question.
fn said(body: &Value) -> Option<String> {
    let text = body.pointer("/error/message")?.as_str()?;
    Some(text.lines().next()?.chars().take(400).collect())
}

/// What a server calls something, as far as it is a plain word.
fn word(text: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+');
    text.chars().filter(allowed).take(48).collect()
}

fn chain(error: &reqwest::Error) -> String {
    let mut out = String::new();
    let mut source = error.source();
    while let Some(it) = source {
        out.push_str(&it.to_string());
        out.push(' ');
        source = it.source();
    }
    out
}

/// The innermost reason, which names no address and no text.
fn cause(error: &reqwest::Error) -> String {
    let mut last = String::from("it failed");
    let mut source = error.source();
    while let Some(it) = source {
        last = it.to_string();
        source = it.source();
    }
    // The number in brackets says nothing more to a person.
    last.split(" (os error")
        .next()
        .unwrap_or(&last)
        .to_lowercase()
}

impl Http {
    /// Waits for the answers of one request, looking now and then whether they are still wanted.
    fn wait(&self, wanted: &Wanted, watch: &dyn Watch) -> Result<Vec<Answer>, ModelError> {
        if watch.cancelled() {
            return Err(ModelError::Cancelled);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| ModelError::Setup {
            problem: format!("no connection can be made ({})", error.kind()),
        })?;
        let taken = runtime.block_on(async {
            let taken = self.answers(wanted, watch);
            tokio::pin!(taken);
            loop {
                tokio::select! {
                    taken = &mut taken => return taken,
                    () = tokio::time::sleep(GLANCE) => {
                        if watch.cancelled() {
                            // Dropping the future closes its connection.
                            return Err(ModelError::Cancelled);
                        }
                    }
                }
            }
        });
        // A name that is being looked up must not hold anybody.
        runtime.shutdown_background();
        Ok(taken?.answers(self.setup.protocol))
    }
}

impl Model for Http {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask(&self, question: &Question, watch: &dyn Watch) -> Result<Answer, ModelError> {
        let body = self.setup.protocol.body(&self.setup.model, question);
        let wanted = Wanted {
            url: self.url.clone(),
            body: body.to_string(),
            samples: 1,
            fills: false,
            retries: self.setup.retries,
            budget: None,
        };
        let answers = self.wait(&wanted, watch)?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }

    fn fill(&self, gap: &Gap, watch: &dyn Watch) -> Result<Vec<Answer>, ModelError> {
        let Setup {
            protocol,
            url,
            model,
            ..
        } = &self.setup;
        let Some((url, body)) = protocol.gap(url, model, gap) else {
            return Err(no_gaps());
        };
        let wanted = Wanted {
            url: Url::parse(&url).map_err(|_| no_gaps())?,
            body: body.to_string(),
            samples: usize::try_from(gap.samples).unwrap_or(1),
            fills: true,
            // Whoever cannot wait does not ask twice.
            retries: if gap.budget.is_some() {
                0
            } else {
                self.setup.retries
            },
            budget: gap.budget,
        };
        self.wait(&wanted, watch)
    }
}

fn no_gaps() -> ModelError {
    ModelError::Setup {
        problem: "only a local model (model-provider = \"codecode\") fills gaps".to_owned(),
    }
}
