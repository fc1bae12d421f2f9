//! What each protocol writes into a request and how it answers, as JSON. Knows no connection.

use revision::{Gap, Question, Role};
use serde_json::{Value, json};

use crate::Protocol;

/// What one event or one whole answer said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which of several answers it belongs to.
    pub(crate) index: usize,
    pub(crate) text: String,
    /// The provider's word for why it ended.
    pub(crate) ended: Option<String>,
    pub(crate) asked_tokens: Option<u64>,
    pub(crate) answered_tokens: Option<u64>,
    /// The provider's word for what went wrong within the stream.
    pub(crate) error: Option<String>,
}

impl Protocol {
    /// The address that questions go to.
    pub(crate) fn address(self, url: &str) -> String {
        let base = url.trim_end_matches('/');
        match self {
            Self::OpenAiChat | Self::Codecode => format!("{base}/chat/completions"),
            Self::OpenAiCompletions => format!("{base}/completions"),
            Self::Anthropic => {
                let base = base.strip_suffix("/v1").unwrap_or(base);
                format!("{base}/v1/messages")
            }
        }
    }

    /// The address that gaps go to, and the body of their request, where the protocol has any.
    pub(crate) fn gap(self, url: &str, model: &str, gap: &Gap) -> Option<(String, Value)> {
        if self != Self::Codecode {
            return None;
        }
        let body = json!({
            "model": model,
            "prompt": gap.before,
            "suffix": gap.after,
            "n": gap.samples,
            "max_tokens": gap.max_tokens,
            "temperature": gap.temperature,
            "seed": gap.seed,
            "stop": gap.stops,
            "stream": true,
            // A model that was never trained to fill gaps goes on from what stands before.
            "codecode": { "lookup": true, "continue": true },
        });
        let base = url.trim_end_matches('/');
        Some((format!("{base}/completions"), body))
    }

    /// The body of a request.
    pub(crate) fn body(self, model: &str, question: &Question) -> Value {
        let mut body = self.plain_body(model, question);
        if self == Self::Codecode {
            // Much of a revision stands in the question already.
            body["codecode"] = json!({ "lookup": true });
        }
        body
    }

    fn plain_body(self, model: &str, question: &Question) -> Value {
        let turn = |it: &revision::Message| json!({ "role": it.role.id(), "content": it.text });
        match self {
            Self::OpenAiChat | Self::Codecode => json!({
                "model": model,
                "messages": question.messages.iter().map(turn).collect::<Vec<_>>(),
                "max_tokens": question.max_tokens,
                "temperature": question.temperature,
                "seed": question.seed,
                "stream": true,
                "stream_options": { "include_usage": true },
            }),
            Self::OpenAiCompletions => json!({
                "model": model,
                "prompt": flat(question),
                "max_tokens": question.max_tokens,
                "temperature": question.temperature,
                "seed": question.seed,
                "stop": ["\n### "],
                "stream": true,
            }),
            Self::Anthropic => {
                let turns = question
                    .messages
                    .iter()
                    .filter(|it| it.role != Role::System);
                let system = question
                    .messages
                    .iter()
                    .filter(|it| it.role == Role::System);
                let system: Vec<&str> = system.map(|it| it.text.as_str()).collect();
                json!({
                    "model": model,
                    "system": system.join("\n\n"),
                    "messages": turns.map(turn).collect::<Vec<_>>(),
                    "max_tokens": question.max_tokens,
                    "temperature": question.temperature,
                    "stream": true,
                })
            }
        }
    }

    /// Reads one event of a stream, or a whole answer of a server that does not stream.
    pub(crate) fn read(self, value: &Value) -> Piece {
        let text = |path: &str| {
            value
                .pointer(path)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let number = |path: &str| value.pointer(path).and_then(Value::as_u64);
        let error = value.get("error").map(code_of);
        match self {
            Self::OpenAiChat | Self::OpenAiCompletions | Self::Codecode => Piece {
                index: number("/choices/0/index")
                    .map_or(0, |it| usize::try_from(it).unwrap_or(usize::MAX)),
                text: text("/choices/0/delta/content")
                    .or_else(|| text("/choices/0/message/content"))
                    .or_else(|| text("/choices/0/text"))
                    .unwrap_or_default(),
                ended: text("/choices/0/finish_reason"),
                asked_tokens: number("/usage/prompt_tokens"),
                answered_tokens: number("/usage/completion_tokens"),
                error,
            },
            Self::Anthropic => {
                let whole = value.get("content").and_then(Value::as_array);
                let whole = whole.map(|list| {
                    let parts = list.iter().filter_map(|it| it.get("text")?.as_str());
                    parts.collect::<String>()
                });
                Piece {
                    index: 0,
                    text: text("/delta/text").or(whole).unwrap_or_default(),
                    ended: text("/delta/stop_reason").or_else(|| text("/stop_reason")),
                    asked_tokens: number("/message/usage/input_tokens")
                        .or_else(|| number("/usage/input_tokens")),
                    answered_tokens: number("/usage/output_tokens"),
                    error,
                }
            }
        }
    }

    /// Whether an answer that ended with this word is whole.
    pub(crate) fn is_whole(self, ended: &str) -> bool {
        match self {
            Self::OpenAiChat | Self::OpenAiCompletions | Self::Codecode => ended == "stop",
            Self::Anthropic => matches!(ended, "end_turn" | "stop_sequence"),
        }
    }
}

/// The conversation for models that only continue a text.
fn flat(question: &Question) -> String {
    let mut out = String::new();
    for message in &question.messages {
        let head = match message.role {
            Role::System => "Instruction",
            Role::User => "Task",
            Role::Assistant => "Answer",
        };
        out.push_str("### ");
        out.push_str(head);
        out.push_str(":\n");
        out.push_str(&message.text);
        out.push_str("\n\n");
    }
    out.push_str("### Answer:\n");
    out
}

/// A provider's word for an error. Messages are left out: they quote keys and questions.
pub(crate) fn code_of(error: &Value) -> String {
    let words = ["code", "type"]
        .into_iter()
        .filter_map(|key| error.get(key)?.as_str());
    let plain = |it: &&str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        !it.is_empty()
            && it.len() <= 48
            && it.chars().all(allowed)
            && it.chars().filter(char::is_ascii_digit).count() < 8
    };
    words.into_iter().find(plain).unwrap_or("").to_owned()
}
