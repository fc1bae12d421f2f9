//! Where a text's functions lie, told from its bytes alone: a reader of brackets, strings,
//! comments and line ends, ten times faster than a parser.
//! It knows no rules, and it says nothing rather than guess about a text that it cannot follow.

mod c;
mod python;

use std::ops::Range;

use kb_schema::Shape;
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
    /// Strings in the order of the text, those that hold code marked; none of a language where they
    /// are not told.
    pub(crate) strings: Option<Vec<Quoted>>,
}

/// A string of a text.
#[derive(Debug)]
pub(crate) struct Quoted {
    pub(crate) range: Range<usize>,
    /// It holds expressions.
    pub(crate) formatted: bool,
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
    const PARTS: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = (byte as u8).is_ascii_alphanumeric() || byte == 0x5f || byte >= 0x80;
            byte += 1;
        }
        table
    };
    PARTS[usize::from(byte)]
}

/// The words of a text. What is outside ASCII may be a letter or end a word, as a hard space does
/// that was pasted: such a word is followed by what there is between. A number may end where a word
/// begins: it is followed by what may be that.
pub(crate) fn words(text: &[u8]) -> Words<'_> {
    Words {
        text,
        at: 0,
        inner: Vec::new(),
    }
}

/// Goes through [`words`].
pub(crate) struct Words<'a> {
    text: &'a [u8],
    at: usize,
    /// What may be words within the last one, the next one last.
    inner: Vec<&'a [u8]>,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some(word) = self.inner.pop() {
            return Some(word);
        }
        let rest = &self.text[self.at..];
        let start = self.at + rest.iter().position(|it| is_part(*it))?;
        let rest = &self.text[start..];
        let len = rest.iter().position(|it| !is_part(*it));
        self.at = start + len.unwrap_or(rest.len());
        let word = &self.text[start..self.at];
        if word[0].is_ascii_digit() || !word.is_ascii() {
            self.look_into(word);
        }
        Some(word)
    }
}

impl<'a> Words<'a> {
    fn look_into(&mut self, word: &'a [u8]) {
        let parts = word.split(|it| !it.is_ascii());
        let parts = parts.filter(|it| !it.is_empty() && it.len() < word.len());
        for part in std::iter::once(word).chain(parts) {
            if part.len() < word.len() {
                self.inner.push(part);
            }
            // Right behind a number: `1if` is two words, and `0x1free` too.
            if part[0].is_ascii_digit() {
                let starts = (1..part.len()).filter(|at| !part[*at].is_ascii_digit());
                self.inner.extend(starts.map(|at| &part[at..]));
            }
        }
        self.inner.reverse();
    }
}

/// Whether the word around a place is what an expression asks for.
pub(crate) fn word_fits(shape: &Shape, text: &[u8], at: &Range<usize>) -> bool {
    let part = |byte: &u8| is_part(*byte);
    let before = text[..at.start].iter().rev().take_while(|it| part(it));
    let after = text[at.end..].iter().take_while(|it| part(it));
    let (start, end) = (at.start - before.count(), at.end + after.count());
    // Some compilers take a dollar sign for a letter.
    let beside = |at: Option<usize>| at.and_then(|it| text.get(it)) == Some(&b'$');
    let word = std::str::from_utf8(&text[start..end]);
    beside(start.checked_sub(1))
        || beside(Some(end))
        || !text[start..end].is_ascii()
        || !shape.compiles()
        || word.is_ok_and(|it| shape.is_match(it))
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
