//! From a Stack Exchange dump, or a folder of notes, to an installed index of discussions.
//! It knows what is worth keeping; it knows no analysed code, no editor, no network.
//!
//! A dump is read twice: once to decide which answers are kept, once to fetch them. Between the two
//! stand sets of numbers, never the dump itself, so that memory does not grow with it.

mod clean;
mod comments;
mod dump;
mod error;
mod gather;
mod html;
mod lines;
mod notes;
mod options;
mod post;
mod posts;
mod reflow;
mod row;
mod security;
mod source;
mod spill;
mod state;
mod update;
mod verify;

pub use dump::{import, time_of};
pub use error::ImportError;
pub use notes::{NotesOptions, import_notes};
pub use options::{DumpOptions, Filter, Progress, Report};
pub use security::{CATEGORIES, expression};
pub use verify::{Verdict, VerdictKind, verify};
