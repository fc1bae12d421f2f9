//! A place as line and column, and the unit that the column counts. Knows no text.

/// What one step of a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Bytes of UTF-8.
    Utf8,
    /// Code units of UTF-16: two for a character outside the basic plane.
    Utf16,
    /// Unicode characters.
    Utf32,
}

impl Encoding {
    /// How many units of this encoding a character takes.
    #[must_use]
    pub const fn units(self, character: char) -> usize {
        match self {
            Self::Utf8 => character.len_utf8(),
            Self::Utf16 => character.len_utf16(),
            Self::Utf32 => 1,
        }
    }
}

/// A place in a text, counted from 0. Lines end at `\n`, `\r\n` and a lone `\r`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in units of an [`Encoding`] that is named beside it.
    pub column: usize,
}

impl Position {
    /// A position from its two parts.
    #[must_use]
    pub const fn new(line: usize, column: usize) -> Self {
        Self { line, column }
    }
}
