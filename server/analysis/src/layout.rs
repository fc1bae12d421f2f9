//! Where a text's functions lie, told from its bytes alone: a reader of brackets, strings,
//! comments and line ends, ten times faster than a parser.
//! It knows no rules, and it says nothing rather than guess about a text that it cannot follow.

mod c;
mod python;

use std::ops::Range;

use syntax::Language;

/// The outermost functions of a text and what never holds a fact.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// In the order of the text; they do not overlap.
    pub(crate) parts: Vec<Part>,
    /// Comments and documentation, in the order of the text.
    pub(crate) idle: Vec<Range<usize>>,
    /// Statements that may bind a name for other functions: those outside of functions, and those
    /// that set an attribute of `self`.
    pub(crate) statements: Vec<Range<usize>>,
}

/// An outermost function; nested ones are part of it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: Range<usize>,
    /// The class around it.
    pub(crate) class: Option<Range<usize>>,
    /// Decorators included.
    pub(crate) whole: Range<usize>,
    /// What may be left out, so that a function with an empty body remains.
    pub(crate) body: Option<Range<usize>>,
}

/// Reads a text's layout. `None` where it is not what it should be.
pub(crate) fn layout(language: Language, text: &[u8]) -> Option<Layout> {
    match language {
        Language::Python => python::layout(text),
        Language::C => c::layout(text),
    }
}

/// What is written for a body that is left out: as long as it was, lines kept.
pub(crate) fn blank(language: Language, body: &mut [u8]) {
    for byte in body.iter_mut().filter(|it| !matches!(it, b'\n' | b'\r')) {
        *byte = b' ';
    }
    if let (Language::Python, Some(first)) = (language, body.first_mut()) {
        *first = b'0';
    }
}

/// A byte of a word; those of letters outside ASCII too.
pub(crate) fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The word that begins at `at`.
fn word(text: &[u8], at: usize) -> Range<usize> {
    let rest = text.get(at..).unwrap_or_default();
    let len = rest.iter().position(|it| !is_part(*it));
    at..at + len.unwrap_or(rest.len())
}

/// Where the line that holds `at` ends, its line feed not included.
fn line_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + memchr::memchr(b'\n', rest).unwrap_or(rest.len())
}
