//! One row a line, for dumps that other programs wrote: rows side by side, over several lines, or
//! with an end tag of their own.
//! It knows tags and quotes; what a row says, and what is wrong with it, is the reader's business.

use std::io::{self, BufRead, Read};

use crate::lines::MAX_LINE;

/// Between which bytes the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Between tags.
    Outside,
    /// In a tag, between its values.
    Tag,
    /// In a value with this quote.
    Value(u8),
}

/// Whether a text, as far as it is given, has each tag on a line of its own, as dumps do. A text
/// that does not begin with a tag is left to its reader.
pub(crate) fn is_one_a_line(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if text.trim_ascii_start().first() != Some(&b'<') {
        return true;
    }
    let (mut at, mut closed, mut broken) = (At::Outside, false, false);
    let mut before = 0;
    for byte in text {
        match (at, byte) {
            (At::Outside, b'\n') => closed = false,
            (At::Outside, b'<') if closed => return false,
            (At::Outside, b'<') => at = At::Tag,
            // Neither a tag nor a value holds it: a row was not closed, which its reader says best.
            (At::Tag | At::Value(_), b'<') => return true,
            (At::Tag | At::Value(_), b'\n') => broken = true,
            (At::Tag, b'"' | b'\'') => at = At::Value(*byte),
            (At::Tag, b'>') if broken => return false,
            // The declaration may share its line with the root element.
            (At::Tag, b'>') => (at, closed) = (At::Outside, before != b'?'),
            (At::Value(quote), _) if *byte == quote => at = At::Tag,
            _ => {}
        }
        before = *byte;
    }
    true
}

/// Gives a stream's tags one a line.
pub(crate) struct Reflow<R> {
    inner: R,
    at: At,
    /// The tag at hand; of one that is too long to be given, as much as shows it.
    tag: Vec<u8>,
    ready: Vec<u8>,
    given: usize,
}

impl<R: BufRead> Reflow<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            at: At::Outside,
            tag: Vec::new(),
            ready: Vec::new(),
            given: 0,
        }
    }

    /// Takes what the stream holds ready; says whether there was anything.
    fn step(&mut self) -> io::Result<bool> {
        self.ready.clear();
        self.given = 0;
        let bytes = self.inner.fill_buf()?;
        let count = bytes.len();
        for byte in bytes {
            take(&mut self.at, &mut self.tag, &mut self.ready, *byte);
        }
        self.inner.consume(count);
        if count == 0 {
            // What is cut stays without the end of a line, which shows it.
            self.ready.append(&mut self.tag);
        }
        Ok(count > 0 || !self.ready.is_empty())
    }
}

fn take(at: &mut At, tag: &mut Vec<u8>, ready: &mut Vec<u8>, byte: u8) {
    let in_comment = tag.starts_with(b"<!--");
    match (*at, byte) {
        (At::Outside, b'<') => {
            if !tag.is_empty() {
                end(tag, ready);
            }
            *at = At::Tag;
            tag.push(byte);
        }
        // Space between tags says nothing.
        (At::Outside, _) if tag.is_empty() && byte.is_ascii_whitespace() => {}
        (At::Tag, b'>') if !in_comment || tag.ends_with(b"--") => {
            *at = At::Outside;
            if in_comment {
                tag.clear();
                return;
            }
            if tag.starts_with(b"</row") {
                tag.clear();
                return;
            }
            if is_row(tag) && !tag.ends_with(b"/") {
                tag.push(b'/');
            }
            tag.push(byte);
            end(tag, ready);
        }
        (At::Tag, b'"' | b'\'') if !in_comment => {
            *at = At::Value(byte);
            push(tag, byte);
        }
        (At::Value(quote), _) if byte == quote => {
            *at = At::Tag;
            push(tag, byte);
        }
        // Neither a tag nor a value holds it: the row before was broken, and the next one begins.
        (At::Tag | At::Value(_), b'<') if !in_comment => {
            end(tag, ready);
            *at = At::Tag;
            tag.push(byte);
        }
        // As XML has it: a line end within a tag is a space.
        (_, b'\n' | b'\r') => push(tag, b' '),
        _ => push(tag, byte),
    }
}

fn is_row(tag: &[u8]) -> bool {
    tag.strip_prefix(b"<row")
        .is_some_and(|it| it.first().is_none_or(u8::is_ascii_whitespace))
}

fn push(tag: &mut Vec<u8>, byte: u8) {
    // A comment is looked at by both its ends only, and a line that is too long is not given.
    if tag.len() <= MAX_LINE {
        tag.push(byte);
    } else if let Some(last) = tag.len().checked_sub(2) {
        tag.remove(last);
        tag.push(byte);
    }
}

fn end(tag: &mut Vec<u8>, ready: &mut Vec<u8>) {
    ready.append(tag);
    ready.push(b'\n');
}

impl<R: BufRead> Read for Reflow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() {
            if buffer.is_empty() || !self.step()? {
                return Ok(0);
            }
        }
        let rest = &self.ready[self.given..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}
