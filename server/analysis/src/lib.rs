//! Facts, data flow, slices and matching: a finding is a function of (text, entries) and nothing
//! else. This crate knows no network, no files, no async and no word of the editor protocol.

mod env;
mod eval;
mod finding;
mod focus;
mod host;
mod ir;
mod kit;
mod layout;
mod lower;
mod map;
mod matching;
mod own;
mod query;
mod rules;
mod scanf;
mod signals;
mod slice;
mod sum;
mod suppress;
mod unit;
mod value;
mod words;

pub use finding::{Analysis, Finding, Note, Part, PartKey, Piece, TraceStep};
pub use host::{Host, Memo, Snapshot, Source};
pub use suppress::{Comment, Dialect, Idle, Named};
pub use syntax::Language;
