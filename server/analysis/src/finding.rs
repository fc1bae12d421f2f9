//! What analysis gives back: plain values over byte ranges of the analysed text.
//! Nothing here knows how a finding was computed or how it will be shown.

use std::ops::Range;
use std::sync::Arc;

use kb_schema::{Entry, Severity};

use crate::Comment;

/// One step of a trace: from the source to the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStep {
    /// Bytes in the analysed text.
    pub range: Range<usize>,
    /// What happens there: lower case, no full stop.
    pub note: String,
}

/// Which part of the matched code a range is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PartKey {
    /// The whole callee, `conn.execute`.
    Callee,
    /// The callee's last name, `execute`.
    CalleeName,
    /// What stands before the callee's last name, `conn`.
    Receiver,
    /// Everything between the call's brackets, which may be empty.
    Args,
    /// One argument's value: its position, and its keyword when it has one.
    Arg {
        /// Position from 0 among all arguments as written.
        position: usize,
        /// The keyword, for `shell=True`.
        keyword: Option<String>,
        /// The argument with its keyword.
        whole: Range<usize>,
    },
    /// What is bound, for assignments.
    Target,
    /// The value bound, returned, indexed by or compared.
    Value,
}

/// A named range of the matched code, for template fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which part.
    pub key: PartKey,
    /// Where it stands.
    pub range: Range<usize>,
}

/// A piece of text that is built at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Known text, escapes resolved.
    Text(String),
    /// A part computed at run time: the expression's bytes, without formatting.
    Hole(Range<usize>),
}

/// A hit of one pattern of an entry.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The entry.
    pub entry: Arc<Entry>,
    /// Index of the pattern in `entry.patterns`.
    pub pattern: usize,
    /// The pattern's severity, or the entry's.
    pub severity: Severity,
    /// The pattern's message, or the entry's.
    pub message: String,
    /// What is underlined, in bytes of the analysed text.
    pub range: Range<usize>,
    /// The matched code as a whole (a call, an assignment); contains `range`.
    pub matched: Range<usize>,
    /// From the source to the sink; empty when the fact speaks for itself.
    pub trace: Vec<TraceStep>,
    /// The function around it, or the whole text.
    pub function: Range<usize>,
    /// Statements it depends on, in source order (RESCUE's slice, METHODS.md §2.1), whole lines.
    pub slice: Vec<Range<usize>>,
    /// Named ranges for template fixes.
    pub parts: Vec<Part>,
    /// How the dangerous text is put together, where that happens in one expression: the
    /// expression's range and its pieces.
    pub built: Option<(Range<usize>, Vec<Piece>)>,
}

impl Finding {
    /// The slice as text: the dependent lines with their indentation.
    #[must_use]
    pub fn slice_text(&self, text: &str) -> String {
        let mut out = String::new();
        for range in &self.slice {
            if let Some(lines) = text.get(range.clone()) {
                out.push_str(lines.trim_end_matches(['\r', '\n']));
                out.push('\n');
            }
        }
        out
    }
}

/// Something that could not be analysed, said plainly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub range: Range<usize>,
    /// What was left out and why: lower case, no full stop.
    pub message: String,
}

/// Everything said about one text.
#[derive(Debug, Clone, Default)]
pub struct Analysis {
    /// Findings by position, then by entry id.
    pub findings: Vec<Finding>,
    /// Findings that a comment `secondlook: ignore[id]` silences.
    pub suppressed: Vec<Finding>,
    /// Comments that ask for silence, ours and other checkers', in the order of the text.
    pub comments: Vec<Comment>,
    /// What was not analysed.
    pub notes: Vec<Note>,
}
