//! HTTP clients of language models: OpenAI's and Anthropic's protocols, and whatever serves them.
//! It alone opens connections, only when somebody configured a model or asks for one by command, and it logs no key and no
//! text of a question or an answer.

mod client;
mod key;
mod pull;
mod setup;
mod sse;
mod wire;

use revision::{Model, ModelError};

pub use pull::{Fetch, FetchError, fetch};
pub use setup::{KeyFrom, Protocol, Setup};

/// A model that is ready to be asked. Nothing is sent and no key is read before the first question.
///
/// # Errors
/// Says which setting cannot be used.
pub fn connect(setup: Setup) -> Result<Box<dyn Model>, ModelError> {
    Ok(Box::new(client::Http::new(setup)?))
}
