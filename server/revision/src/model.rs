//! What this crate asks of a language model, whoever runs it. It knows no network, no key and no
//! way to make one: those who have a model implement [`Model`].

use std::fmt;
use std::time::Duration;

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Whoever set the model to work.
    System,
    /// Whoever asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// The word that providers use.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said. It holds the user's code, so it is never logged.
    pub text: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.text.len();
        write!(f, "Message({}, {bytes} bytes)", self.role.id())
    }
}

/// One question to a model. Two that are equal may share an answer from a cache.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The conversation so far; the last turn is the user's.
    pub messages: Vec<Message>,
    /// At most so many tokens are wanted back.
    pub max_tokens: u32,
    /// 0 for the likeliest answer; more for variety.
    pub temperature: f32,
    /// Tells samples of one question apart, where the provider takes a seed.
    pub seed: u64,
}

/// A gap in a text that a model is to fill, several times from one reading.
#[derive(Clone, PartialEq)]
pub struct Gap {
    /// What stands before it. It holds the user's code, so it is never logged.
    pub before: String,
    /// What stands after it, likewise.
    pub after: String,
    /// How many fillings are wanted.
    pub samples: u32,
    /// At most so many tokens are wanted of each.
    pub max_tokens: u32,
    /// 0 for the likeliest filling; more for variety.
    pub temperature: f32,
    /// Tells fillings of one gap apart, where the provider takes a seed.
    pub seed: u64,
    /// Texts that end a filling and do not belong to it.
    pub stops: Vec<String>,
    /// What has come by then counts, and no more is waited for.
    pub budget: Option<Duration>,
}

impl fmt::Debug for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (self.before.len(), self.after.len());
        write!(
            f,
            "Gap(between {before} and {after} bytes, {} times)",
            self.samples
        )
    }
}

/// What a model gave back.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Everything it said. It may quote the user's code, so it is never logged.
    pub text: String,
    /// It did not come to its end: a limit of tokens, or the stream broke off.
    pub cut: bool,
    /// What it cost.
    pub cost: Cost,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("bytes", &self.text.len())
            .field("cut", &self.cut)
            .field("cost", &self.cost)
            .finish()
    }
}

/// What one or several answers cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Questions that were answered.
    pub calls: u32,
    /// Tokens of the questions, as the provider counts them; 0 where it does not say.
    pub asked_tokens: u64,
    /// Tokens of the answers, likewise.
    pub answered_tokens: u64,
    /// From the first question to the last word, waiting and repeating included.
    pub time: Duration,
}

impl Cost {
    /// Adds what another answer cost.
    pub fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.asked_tokens += other.asked_tokens;
        self.answered_tokens += other.answered_tokens;
        self.time += other.time;
    }
}

/// What a model is doing, for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A program on this machine that serves the model is being started.
    Starting,
    /// That program reads the model into memory.
    Loading,
    /// Nothing has come back yet.
    Waiting,
    /// So many bytes have come back.
    Answering {
        /// Bytes of the answer so far.
        bytes: usize,
    },
    /// The server is busy or failed; the question is put again.
    Retrying {
        /// The attempt that begins, from 2.
        attempt: u32,
        /// How long it waits before that.
        pause: Duration,
    },
    /// A candidate is being proved.
    Proving,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting the local model"),
            Self::Loading => f.write_str("loading the local model into memory"),
            Self::Waiting => f.write_str("waiting for the model"),
            Self::Answering { bytes } => write!(f, "the model is answering ({bytes} bytes)"),
            Self::Retrying { attempt, pause } => write!(
                f,
                "the model's server is busy; attempt {attempt} in {} s",
                pause.as_secs_f32().ceil()
            ),
            Self::Proving => f.write_str("checking the model's answer"),
        }
    }
}

/// Whoever waits for an answer: is told how it goes, and may stop waiting.
pub trait Watch: Sync {
    /// Whether nobody wants the answer any more. Asked often; must be quick.
    fn cancelled(&self) -> bool {
        false
    }

    /// What is being done now. Must be quick.
    fn state(&self, _state: State) {}
}

/// Waits for ever and looks at nothing.
#[derive(Debug, Clone, Copy)]
pub struct Patient;

impl Watch for Patient {}

/// Why there is no answer: one sentence each, without any text of the document, the answer or a
/// key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelError {
    /// Nobody wants it any more.
    Cancelled,
    /// There is no key where the settings say there is one.
    Key {
        /// What is wrong with that place.
        problem: String,
    },
    /// The settings name something that cannot be used.
    Setup {
        /// What, and what to do about it.
        problem: String,
    },
    /// The program on this machine that serves the model failed.
    Local {
        /// What it said last, or how it ended.
        problem: String,
    },
    /// No connection came about.
    Unreachable {
        /// Host and port.
        server: String,
        /// Why.
        reason: String,
    },
    /// The secure connection failed.
    Tls {
        /// Host and port.
        server: String,
        /// Why.
        reason: String,
    },
    /// Nothing came for too long.
    Slow {
        /// Host and port.
        server: String,
        /// How long it was waited for.
        waited: Duration,
        /// Whether a part of the answer had come.
        answering: bool,
    },
    /// The server refused.
    Refused {
        /// Host and port.
        server: String,
        /// The number of the HTTP status.
        status: u16,
        /// The provider's word for it, such as `model_not_found`; empty when it gave none.
        code: String,
    },
    /// The answer is no answer of this protocol.
    Unreadable {
        /// Host and port.
        server: String,
        /// What was there instead.
        reason: String,
    },
    /// The answer is larger than any useful one.
    TooLarge {
        /// Host and port.
        server: String,
        /// The limit in bytes.
        limit: usize,
    },
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("cancelled"),
            Self::Key { problem } => write!(f, "no key for the model: {problem}"),
            Self::Setup { problem } => write!(f, "the model's settings: {problem}"),
            Self::Local { problem } => write!(f, "the local model: {problem}"),
            Self::Unreachable { server, reason } => {
                write!(f, "no connection to the model at {server}: {reason}")
            }
            Self::Tls { server, reason } => {
                write!(f, "no secure connection to the model at {server}: {reason}")
            }
            Self::Slow {
                server,
                waited,
                answering,
            } => {
                let what = if *answering {
                    "stopped answering"
                } else {
                    "did not answer"
                };
                let seconds = waited.as_secs_f32();
                write!(f, "the model at {server} {what} within {seconds} s")
            }
            Self::Refused {
                server,
                status,
                code,
            } => {
                write!(f, "the model at {server} refused with status {status}")?;
                if !code.is_empty() {
                    write!(f, " ({code})")?;
                }
                f.write_str(match status {
                    401 | 403 => ": check the key",
                    404 => ": check the address and the model's name",
                    429 => ": it has too much to do, or the quota is used up",
                    _ => "",
                })
            }
            Self::Unreadable { server, reason } => {
                write!(f, "the model at {server} gave no readable answer: {reason}")
            }
            Self::TooLarge { server, limit } => {
                write!(f, "the model at {server} answered more than {limit} bytes")
            }
        }
    }
}

impl std::error::Error for ModelError {}

/// A language model.
pub trait Model: Send + Sync {
    /// Its name for people and for caches: provider, model, and whatever else tells it apart.
    fn name(&self) -> &str;

    /// Puts one question and waits for the answer. Whoever calls it keeps it off threads that must
    /// stay free.
    ///
    /// # Errors
    /// Says why there is no answer. When `watch` says that it is cancelled, it returns soon, and
    /// nothing is left behind: no connection, no task, no process.
    fn ask(&self, question: &Question, watch: &dyn Watch) -> Result<Answer, ModelError>;

    /// Fills a gap, as often as is wanted; a filling of which nothing came is empty and cut.
    ///
    /// # Errors
    /// As [`Model::ask`]; that this model fills no gaps, where it does not.
    fn fill(&self, _gap: &Gap, _watch: &dyn Watch) -> Result<Vec<Answer>, ModelError> {
        Err(ModelError::Setup {
            problem: "only a local model (model-provider = \"codecode\") fills gaps".to_owned(),
        })
    }
}
