//! The demonstration: a function as it should be, shown to whoever writes or revises one like it.
//! It knows the record; how pairs are kept, and how they are found, is not its business.

use crate::Language;

/// A safe function (SecCoder's demonstration), with the weakness that it once had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demonstration {
    /// Where it comes from: an entry's id, or the name that a pair was given.
    pub id: String,
    /// Its language.
    pub language: Language,
    /// The weaknesses that it does without.
    pub cwe: Vec<u32>,
    /// The safe code.
    pub code: String,
    /// The code before it was fixed, where a pair was added.
    pub before: Option<String>,
}
