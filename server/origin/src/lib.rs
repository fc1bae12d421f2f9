//! Ranges that an AI inserted, moving with every later edit.
//!
//! Origin changes how a finding is presented, never whether it exists. This crate names `syntax`
//! and nothing else; it knows no files, no network, no async and no word of the editor protocol.

pub mod heuristics;
mod marks;
mod memory;

pub use marks::{Carried, Confidence, MAX_SOURCE, Mark, Origins};
