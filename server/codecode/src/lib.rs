//! Co-decoding on this machine: a small security model drafts, a bigger base model verifies, and what comes out follows
//! CoSec's law exactly.
//! Knows nothing of findings, entries, editors or any other crate of this project; the emission rule in
//! [`law`] is a pure function of two rows of logits and a draw.

pub mod bench;
pub mod decode;
pub mod draws;
pub mod engine;
pub mod law;
pub mod lookup;
pub mod model;
pub mod options;
mod pieces;
mod pointwise;
pub mod pull;
pub mod serve;
pub mod session;
pub mod template;
pub mod tokens;

/// One line for whoever started the program, on the error channel. Never text of a document.
#[expect(
    clippy::print_stderr,
    reason = "the binary's only way to speak beside its answers"
)]
pub fn notice(line: &str) {
    eprintln!("secondlook-codecode: {line}");
}
