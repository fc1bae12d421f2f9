//! Co-decoding on this machine: a small security model drafts, a bigger base model verifies, and what comes out follows
//! CoSec's law exactly.
//! Knows nothing of findings, entries, editors or any other crate of this project; the emission rule in
//! [`law`] is a pure function of two rows of logits and a draw.

pub mod decode;
pub mod draws;
pub mod law;
pub mod lookup;
pub mod model;
