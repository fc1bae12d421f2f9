//! An editable text: a rope with positions in every encoding. Knows no language and no tree.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use ropey::Rope;
use tree_sitter::{InputEdit, Point};

use crate::{Encoding, Position};

/// A text that is cheap to clone and cheap to edit.
///
/// Offsets are bytes of UTF-8. No method panics: an offset past the end means the end, and one
/// inside a character means the character's start.
#[derive(Debug, Clone)]
pub struct Text {
    rope: Rope,
    /// How many `\r` are not followed by `\n`. While there are none, the rope's lines are also
    /// tree-sitter's rows, which count `\n` only.
    lone_returns: usize,
}

impl Text {
    /// A text with this content.
    #[must_use]
    pub fn new(content: &str) -> Self {
        let rope = Rope::from_str(content);
        let mut text = Self {
            rope,
            lone_returns: 0,
        };
        text.lone_returns = text.count_lone_returns(0..text.len_bytes());
        text
    }

    /// The length in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.rope.len_bytes()
    }

    /// All of it in one piece.
    #[must_use]
    pub fn contents(&self) -> String {
        let mut out = String::with_capacity(self.len_bytes());
        self.rope.chunks().for_each(|it| out.push_str(it));
        out
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len_bytes() == 0
    }

    /// The number of lines; a text that ends in a line break has an empty last line.
    #[must_use]
    pub fn len_lines(&self) -> usize {
        self.rope.len_lines()
    }

    /// The byte at a position. A column past the end of its line means the line's end, before its
    /// terminator; a line past the last means the end of the text; a column inside a character
    /// means the character's start.
    #[must_use]
    pub fn byte_of(&self, position: Position, encoding: Encoding) -> usize {
        if position.line >= self.rope.len_lines() {
            return self.len_bytes();
        }
        let start = self.rope.line_to_char(position.line);
        let end = self.line_end(position.line);
        let char = match encoding {
            Encoding::Utf32 => start.saturating_add(position.column),
            Encoding::Utf16 => {
                let unit = self
                    .rope
                    .char_to_utf16_cu(start)
                    .saturating_add(position.column);
                self.rope
                    .utf16_cu_to_char(unit.min(self.rope.len_utf16_cu()))
            }
            Encoding::Utf8 => {
                let byte = self
                    .rope
                    .char_to_byte(start)
                    .saturating_add(position.column);
                self.rope.byte_to_char(byte.min(self.len_bytes()))
            }
        };
        self.rope.char_to_byte(char.min(end))
    }

    /// The position of a byte. It never lies inside a line's terminator.
    #[must_use]
    pub fn position_of(&self, byte: usize, encoding: Encoding) -> Position {
        let byte = byte.min(self.len_bytes());
        // Each question to a long rope takes longer than reading what one answer gives.
        let (chunk, chunk_start, _, chunk_line) = self.rope.chunk_at_byte(byte);
        if let Some((lines, start)) = last_line(chunk, byte - chunk_start) {
            let line = chunk_line + lines;
            let part = &chunk[start..floor_of(chunk, byte - chunk_start)];
            let column = units(part, encoding) - usize::from(part.ends_with('\r'));
            return Position { line, column };
        }
        let line = self.rope.byte_to_line(byte);
        let chunk = self
            .rope
            .byte_slice(self.rope.line_to_byte(line)..self.floor(byte));
        let mut column = 0;
        let mut last = None;
        for part in chunk.chunks() {
            column += units(part, encoding);
            last = part.as_bytes().last().copied().or(last);
        }
        // Between the two characters of a line's end.
        column -= usize::from(last == Some(b'\r'));
        Position { line, column }
    }

    /// The place of a byte as tree-sitter counts it: rows end at `\n` alone, columns are bytes.
    #[must_use]
    pub fn point_of(&self, byte: usize) -> Point {
        let byte = self.floor(byte);
        if self.lone_returns == 0 {
            let row = self.rope.byte_to_line(byte);
            return Point {
                row,
                column: byte - self.rope.line_to_byte(row),
            };
        }
        let (mut row, mut row_start, mut offset) = (0, 0, 0);
        for chunk in self.rope.byte_slice(..byte).chunks() {
            for (index, _) in chunk.bytes().enumerate().filter(|(_, byte)| *byte == b'\n') {
                row += 1;
                row_start = offset + index + 1;
            }
            offset += chunk.len();
        }
        Point {
            row,
            column: byte - row_start,
        }
    }

    /// Replaces a range of bytes and says, for a tree, what moved.
    pub fn replace(&mut self, range: Range<usize>, new: &str) -> InputEdit {
        let start = self.floor(range.start);
        let old_end = self.floor(range.end).max(start);
        let new_end = start + new.len();
        let start_position = self.point_of(start);
        let old_end_position = self.point_of(old_end);

        // Whether a return is lone depends on the byte after it, so the byte before the edit counts
        // as touched.
        let touched = start.saturating_sub(1);
        self.lone_returns -= self.count_lone_returns(touched..old_end);
        let start_char = self.rope.byte_to_char(start);
        self.rope
            .remove(start_char..self.rope.byte_to_char(old_end));
        self.rope.insert(start_char, new);
        self.lone_returns += self.count_lone_returns(touched..new_end);

        InputEdit {
            start_byte: start,
            old_end_byte: old_end,
            new_end_byte: new_end,
            start_position,
            old_end_position,
            new_end_position: self.point_of(new_end),
        }
    }

    /// The text of a range of bytes; borrowed where it lies in one chunk.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Cow<'_, str> {
        let start = self.floor(range.start);
        let end = self.floor(range.end).max(start);
        self.rope.byte_slice(start..end).into()
    }

    /// The chunk that starts at a byte, up to the chunk's end; empty at the end of the text.
    #[must_use]
    pub fn chunk_from(&self, byte: usize) -> &str {
        if byte >= self.len_bytes() {
            return "";
        }
        let (chunk, chunk_start, _, _) = self.rope.chunk_at_byte(byte);
        chunk.get(byte - chunk_start..).unwrap_or("")
    }

    /// The whole content, piece by piece.
    pub fn chunks(&self) -> impl Iterator<Item = &str> {
        self.rope.chunks()
    }

    /// The smallest replacement that turns this text into `new`: the range of bytes between the
    /// common prefix and the common suffix, and the range of `new` that takes its place.
    #[must_use]
    pub fn difference(&self, new: &str) -> (Range<usize>, Range<usize>) {
        let mut prefix = 0;
        for chunk in self.rope.chunks() {
            let rest = &new.as_bytes()[prefix..];
            let same = chunk.bytes().zip(rest).take_while(|(a, b)| a == *b).count();
            prefix += same;
            if same < chunk.len() {
                break;
            }
        }
        while !new.is_char_boundary(prefix) {
            prefix -= 1;
        }
        let limit = (self.len_bytes() - prefix).min(new.len() - prefix);
        let mut suffix = 0;
        let mut chunks = self.rope.chunks_at_byte(self.len_bytes()).0;
        while let Some(chunk) = chunks.prev() {
            let rest = &new.as_bytes()[..new.len() - suffix];
            let same = chunk
                .bytes()
                .rev()
                .zip(rest.iter().rev())
                .take_while(|(a, b)| a == *b)
                .count();
            suffix += same;
            if same < chunk.len() || suffix >= limit {
                break;
            }
        }
        suffix = suffix.min(limit);
        while !new.is_char_boundary(new.len() - suffix) {
            suffix -= 1;
        }
        (
            prefix..self.len_bytes() - suffix,
            prefix..new.len() - suffix,
        )
    }

    /// The character index of a line's end, before its terminator.
    fn line_end(&self, line: usize) -> usize {
        let start = self.rope.line_to_char(line);
        let mut end = self.rope.line_to_char(line + 1);
        while end > start && matches!(self.rope.char(end - 1), '\n' | '\r') {
            end -= 1;
        }
        end
    }

    /// The start of the character that a byte is in.
    fn floor(&self, byte: usize) -> usize {
        self.rope
            .char_to_byte(self.rope.byte_to_char(byte.min(self.len_bytes())))
    }

    /// The `\r` in a range that no `\n` follows, wherever that `\n` would stand.
    fn count_lone_returns(&self, range: Range<usize>) -> usize {
        let end = range.end.min(self.len_bytes());
        let (mut count, mut offset, mut after_return) = (0, range.start, false);
        while offset < end {
            let chunk = self.chunk_bytes_from(offset);
            let chunk = &chunk[..chunk.len().min(end - offset)];
            for byte in chunk {
                count += usize::from(after_return && *byte != b'\n');
                after_return = *byte == b'\r';
            }
            offset += chunk.len();
        }
        let next = self.chunk_bytes_from(end).first();
        count + usize::from(after_return && next != Some(&b'\n'))
    }

    pub(crate) fn chunk_bytes_from(&self, byte: usize) -> &[u8] {
        if byte >= self.len_bytes() {
            return &[];
        }
        let (chunk, chunk_start, _, _) = self.rope.chunk_at_byte(byte);
        &chunk.as_bytes()[byte - chunk_start..]
    }
}

/// How many of the code units that columns count a text has.
fn units(text: &str, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Utf8 => text.len(),
        Encoding::Utf16 => text.chars().map(char::len_utf16).sum(),
        Encoding::Utf32 => text.chars().count(),
    }
}

/// How many lines end in a chunk before a byte, and where the last of them does; `None` where none
/// does. A chunk never ends between the two characters of a line's end.
fn last_line(chunk: &str, byte: usize) -> Option<(usize, usize)> {
    let bytes = chunk.as_bytes();
    let (mut lines, mut start) = (0, 0);
    for at in memchr::memchr2_iter(b'\n', b'\r', &bytes[..byte]) {
        if bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n') {
            lines += 1;
            start = at + 1;
        }
    }
    (lines > 0).then_some((lines, start))
}

/// The start of the character that a byte is in.
fn floor_of(text: &str, mut byte: usize) -> usize {
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rope.chunks().try_for_each(|chunk| f.write_str(chunk))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.rope == other
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.rope == other.rope
    }
}

impl Eq for Text {}
