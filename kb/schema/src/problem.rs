//! What is wrong with a knowledge file, and where.
//! It knows only names and lines, never how the file was read.

use std::fmt;

/// One mistake in one knowledge file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name as the caller gave it.
    pub path: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong and how to mend it: lower case, no full stop.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

impl std::error::Error for Problem {}
