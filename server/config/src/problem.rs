//! What is wrong with a configuration, and where.
//! It knows names and lines, never how the text was read.

use std::fmt;

/// One mistake in one source of settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The file, or what else the settings came from.
    pub source: String,
    /// Line in the file, from 1; settings of a client have none.
    pub line: Option<usize>,
    /// What is wrong and how to mend it: lower case, no full stop.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.source, self.message),
            None => write!(f, "{}: {}", self.source, self.message),
        }
    }
}

impl std::error::Error for Problem {}
