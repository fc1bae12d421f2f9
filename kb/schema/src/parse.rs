//! From the text of a knowledge file to an entry or a library, or to problems with their lines.
//! It reads text only; unknown keys, predicates and names are refused here.

mod body;
mod front;
mod library;

use crate::{Entry, Library, Problem};

/// Reads one entry. `path` is used in problems and must end in `<id after the prefix>.md`.
///
/// # Errors
/// Every mistake found, each with its line.
pub fn parse_entry(path: &str, text: &str) -> Result<Entry, Vec<Problem>> {
    front::parse(path, text)
}

/// Reads one entry that is about to be built in and tested.
///
/// # Errors
/// Every mistake found, each with its line.
pub fn parse_bundled(path: &str, text: &str) -> Result<Entry, Vec<Problem>> {
    let mut entry = front::parse(path, text)?;
    entry.bundled = true;
    Ok(entry)
}

/// Reads one `library.toml`.
///
/// # Errors
/// Every mistake found, each with its line.
pub fn parse_library(path: &str, text: &str) -> Result<Library, Vec<Problem>> {
    library::parse(path, text)
}

/// Collects the problems of one file and finds their lines.
struct Reporter<'a> {
    path: &'a str,
    text: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Reporter<'a> {
    fn new(path: &'a str, text: &'a str) -> Self {
        Self {
            path,
            text,
            problems: Vec::new(),
        }
    }

    fn at_line(&mut self, line: usize, message: impl Into<String>) {
        self.problems.push(Problem {
            path: self.path.to_owned(),
            line,
            message: message.into(),
        });
    }

    fn at_byte(&mut self, byte: usize, message: impl Into<String>) {
        let line = line_of(self.text, byte);
        self.at_line(line, message);
    }

    /// Reports at the first place where `word` stands, which is where an author looks first.
    fn at_word(&mut self, word: &str, message: impl Into<String>) {
        let byte = self.text.find(word).unwrap_or(0);
        self.at_byte(byte, message);
    }
}

fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte.min(text.len())]
        .iter()
        .filter(|&&b| b == b'\n')
        .count()
        + 1
}

/// A TOML error in one line: the parser's own message spans several.
fn toml_message(error: &toml::de::Error) -> String {
    error.message().lines().collect::<Vec<_>>().join(" ")
}
