//! What somebody must say before a model can be asked. It knows no settings file.

use std::path::PathBuf;
use std::time::Duration;

/// The language that a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's chat completions: `POST {base}/chat/completions`.
    OpenAiChat,
    /// OpenAI's older text completions: `POST {base}/completions`.
    OpenAiCompletions,
    /// Anthropic's messages: `POST {base}/v1/messages`.
    Anthropic,
    /// OpenAI's chat completions with what only `secondlook-codecode` understands.
    Codecode,
}

/// Where a key comes from. The key itself stands in no settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFrom {
    /// The server wants none.
    Nowhere,
    /// The environment variable of that name.
    Environment(String),
    /// What a command prints first: the program and its arguments, without a shell.
    Command(Vec<String>),
}

/// A model and the way to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The language its server speaks.
    pub protocol: Protocol,
    /// Where the server is; for OpenAI's protocols with the version, `http://localhost:8080/v1`.
    pub url: String,
    /// The model's name, as the server knows it.
    pub model: String,
    /// Where the key comes from.
    pub key: KeyFrom,
    /// Certificates to trust beside the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// A proxy's address; without one, those of the environment hold.
    pub proxy: Option<String>,
    /// How long nothing may come before it is given up.
    pub patience: Duration,
    /// How often a question is put again when the server is busy or failed.
    pub retries: u32,
}

/// Two models on this machine that decode together, and the program that runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSetup {
    /// The program `secondlook-codecode`; without one it is looked for beside this program, then on PATH.
    pub program: Option<PathBuf>,
    /// The base model's file or folder.
    pub base: PathBuf,
    /// The security model's; without one the base runs alone.
    pub security: Option<PathBuf>,
    /// A LoRA adapter's folder, for the security model.
    pub adapter: Option<PathBuf>,
    /// Tokens of question and answer together.
    pub context: u32,
    /// How long nothing may come before it is given up.
    pub patience: Duration,
}
