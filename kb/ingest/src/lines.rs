//! Lines of a stream, in large reads and bounded memory.
//! It knows bytes and where they stand, nothing of what they say.

use std::io::{self, Read, Seek, SeekFrom};

/// How much is read at once, in bytes: small enough to stay in the processor's cache.
const BUFFER: usize = 256 << 10;
/// The longest line that is given, in bytes. The longest rows of a dump are under 200 KiB.
pub(crate) const MAX_LINE: usize = 4 << 20;

/// One line without its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Its bytes; nothing of a line that is longer than [`MAX_LINE`].
    pub(crate) bytes: Option<&'a [u8]>,
    /// Where it begins.
    pub(crate) offset: u64,
    /// Whether a line end follows it.
    pub(crate) ended: bool,
}

/// Reads lines.
pub(crate) struct Lines<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    done: bool,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            offset: 0,
            done: false,
        }
    }

    /// Where the next line begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// What is read from.
    pub(crate) fn inner(&self) -> &R {
        &self.inner
    }

    /// Leaves out so many bytes, for streams that cannot be entered in the middle.
    pub(crate) fn skip(&mut self, to: u64) -> io::Result<()> {
        while self.offset < to {
            if self.start == self.end && !self.fill()? {
                return Ok(());
            }
            let ready = (self.end - self.start) as u64;
            let step = ready.min(to - self.offset);
            self.start += step as usize;
            self.offset += step;
        }
        Ok(())
    }

    /// The next line.
    #[inline]
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut searched = self.start;
        let mut overlong = false;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[searched..self.end]) {
                let (from, to) = (self.start, searched + at);
                return Ok(Some(self.take(from, to, overlong, true)));
            }
            let held = self.end - self.start;
            if held >= MAX_LINE {
                // What is known of it is thrown away, so that memory stays bounded.
                overlong = true;
                self.offset += held as u64;
                self.start = 0;
                self.end = 0;
            }
            searched = self.end - self.start;
            let more = self.fill()?;
            searched += self.start;
            if !more {
                if self.start == self.end && !overlong {
                    return Ok(None);
                }
                let (from, to) = (self.start, self.end);
                return Ok(Some(self.take(from, to, overlong, false)));
            }
        }
    }

    fn take(&mut self, from: usize, to: usize, overlong: bool, ended: bool) -> Line<'_> {
        let offset = self.offset;
        self.start = (to + usize::from(ended)).min(self.end);
        self.offset += (self.start - from) as u64;
        let bytes = &self.buffer[from..to];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        Line {
            bytes: (!overlong).then_some(bytes),
            offset,
            ended,
        }
    }

    /// Reads more behind what is held; says whether there was any.
    fn fill(&mut self) -> io::Result<bool> {
        if self.done {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            let wanted = (self.buffer.len() * 2).min(MAX_LINE + BUFFER);
            self.buffer.resize(wanted, 0);
        }
        loop {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.done = true;
                    return Ok(false);
                }
                Ok(count) => {
                    self.end += count;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read + Seek> Lines<R> {
    /// Goes to where a line begins.
    pub(crate) fn seek(&mut self, offset: u64) -> io::Result<()> {
        // What is already held is not read again.
        let held = self.offset..=self.offset + (self.end - self.start) as u64;
        if held.contains(&offset) {
            self.start += (offset - self.offset) as usize;
        } else {
            self.inner.seek(SeekFrom::Start(offset))?;
            self.start = 0;
            self.end = 0;
            self.done = false;
        }
        self.offset = offset;
        Ok(())
    }
}
