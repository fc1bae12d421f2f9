//! The server as a client sees it, message by message.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod client;
mod findings;
mod model;
mod session;
mod sync;
