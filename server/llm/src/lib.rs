//! HTTP clients of language models: OpenAI's and Anthropic's protocols, and whatever serves them.
//! It alone opens connections, only when somebody configured a model or asks for one by command, and it logs no key and no
//! text of a question or an answer.

mod client;
mod key;
mod local;
mod process;
mod pull;
mod setup;
mod sse;
mod wire;

use std::sync::Arc;

use revision::{Model, ModelError};

pub use local::Local;
pub use pull::{Fetch, FetchError, fetch};
pub use setup::{KeyFrom, LocalSetup, Protocol, Setup};

/// A model that is ready to be asked. Nothing is sent and no key is read before the first question.
///
/// # Errors
/// Says which setting cannot be used.
pub fn connect(setup: Setup) -> Result<Box<dyn Model>, ModelError> {
    Ok(Box::new(client::Http::new(setup)?))
}

/// A model that a program on this machine serves. The program starts with the first question.
#[must_use]
pub fn local(setup: LocalSetup, owner: Arc<Local>) -> Box<dyn Model> {
    Box::new(local::LocalModel::new(setup, owner))
}
