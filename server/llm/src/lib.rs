//! HTTP clients of language models: OpenAI's and Anthropic's protocols, and whatever serves them.
//! It alone opens connections, only when somebody configured a model, and it logs no key and no
//! text of a question or an answer.

mod setup;

pub use setup::{KeyFrom, Protocol, Setup};
