//! Pieces of words: what stands around a hit for it to be one.
//! It knows bytes; which rule asks is not its business.

use std::ops::Range;

use kb_schema::{Shape, Then};

use crate::layout::{is_part, word_fits};

/// A piece of a word and where it must stand.
#[derive(Debug)]
pub(super) struct Piece {
    /// In lower case.
    pub(super) text: Box<str>,
    pub(super) opens: Opens,
    pub(super) then: Next,
    /// What the whole word around it must look like.
    pub(super) fits: Option<Shape>,
    pub(super) lies: Lies,
}

/// Where a piece lies, in a language whose strings are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lies {
    Anywhere,
    /// In a string: it is part of a text.
    InText,
    /// Outside of strings, those apart that hold code.
    InCode,
    /// In a function, its comments included.
    InBody,
    /// In a name that looks as `fits` says, or in a string, which may be a key.
    InName,
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        let fits = |it: &Self| it.fits.as_ref().map(|it| it.as_str().to_owned());
        (&self.text, &self.opens, &self.then, self.lies)
            == (&other.text, &other.opens, &other.then, other.lies)
            && fits(self) == fits(other)
    }
}

/// What stands behind a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    As(Then),
    /// A colon, with blanks and broken lines between.
    Colon,
}

/// What stands before a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// Anything.
    No,
    /// No other part of a word.
    Word,
    /// A quotation mark, with spaces and opening brackets between.
    Text,
}

impl Piece {
    /// Whether the word around a hit looks as it must.
    pub(super) fn fits(&self, text: &[u8], at: &Range<usize>) -> bool {
        let shape = self.fits.as_ref();
        shape.is_none_or(|it| word_fits(it, text, at))
    }

    /// Whether what stands before and after a hit is as it must be.
    pub(super) fn stands(&self, text: &[u8], at: Range<usize>) -> bool {
        let before = &text[..at.start];
        let opened = match self.opens {
            Opens::No => true,
            Opens::Word => before
                .last()
                .is_none_or(|byte| !byte.is_ascii() || !is_part(*byte)),
            Opens::Text => opens_text(before),
        };
        let next = text.get(at.end).copied();
        opened
            && (self.lies == Lies::InName || self.fits(text, &at))
            && match self.then {
                Next::Colon => opens_block(text.get(at.end..).unwrap_or_default()),
                Next::As(Then::Any) => true,
                Next::As(Then::Break) => next.is_none_or(|byte| byte >= 0x80 || !is_part(byte)),
                // A space may be written out or as `\n`.
                Next::As(Then::Space) => next
                    .is_none_or(|byte| byte.is_ascii_whitespace() || byte == b'\\' || byte >= 0x80),
            }
    }
}

/// Whether a text begins with a colon, blanks and broken lines apart.
fn opens_block(text: &[u8]) -> bool {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\\';
    let next = text.iter().find(|it| !blank(it));
    next == Some(&b':')
}

/// Whether a text ends in a quotation mark, spaces (written out or as `\n`) and brackets apart.
fn opens_text(mut text: &[u8]) -> bool {
    loop {
        text = match text {
            [.., b'\'' | b'"'] => return true,
            [rest @ .., b'\\', b'n' | b't' | b'r' | b'f' | b'v' | b'\\'] => rest,
            [rest @ .., b'(' | b'\\'] => rest,
            [rest @ .., byte] if byte.is_ascii_whitespace() => rest,
            // A space outside ASCII, or written as a number: rather say yes.
            [.., 0x80.. | b'0'..=b'9'] => return true,
            _ => return false,
        };
    }
}
