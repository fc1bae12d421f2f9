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

/// The words of a text. What is outside ASCII may be a letter or end a word, as a hard space does
/// that was pasted: such a word is followed by what there is between. A number may end where a word
/// begins: it is followed by what may be that.
pub(crate) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    let whole = std::iter::from_fn(move || {
        while !is_part(*text.get(at)?) {
            at += 1;
        }
        let start = at;
        while text.get(at).is_some_and(|it| is_part(*it)) {
            at += 1;
        }
        Some(&text[start..at])
    });
    whole.flat_map(|word| {
        let inner = (!word.is_ascii()).then(|| word.split(|it| !it.is_ascii()));
        let inner = inner.into_iter().flatten().filter(|it| !it.is_empty());
        std::iter::once(word)
            .chain(inner)
            .flat_map(|word| std::iter::once(word).chain(behind_number(word)))
    })
}

/// What may be a word right behind a number: `1if` is two words, and `0x1free` too.
fn behind_number(word: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts = if word.first().is_some_and(u8::is_ascii_digit) {
        1..word.len()
    } else {
        0..0
    };
    starts
        .filter(|at| !word[*at].is_ascii_digit())
        .map(|at| &word[at..])
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
