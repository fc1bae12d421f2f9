//! Rows of a dump: one `<row …/>` a line, taken apart by their raw bytes, decoded only on demand.
//! It knows XML as far as dumps use it; no entity but the five of XML is ever expanded.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use quick_xml::XmlVersion;
use quick_xml::events::Event;

use crate::error::ImportError;
use crate::lines::{Line, Lines};
use crate::source::Stream;

/// After so many rows that cannot be read a file is no dump.
const MAX_BAD: u64 = 1_000;
/// So many of them are told of by line.
const SAMPLES: usize = 5;
/// So many bytes may stand behind the root element: a few ends of lines do.
const MAX_BEHIND: u64 = 64 << 10;
/// How many bytes lie between two looks at the clock, the bar and the stop sign.
const PAUSE: u64 = 4 << 20;

/// Where a reader stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Bytes of the text that are done.
    pub(crate) offset: u64,
    /// Lines that are done.
    pub(crate) line: u64,
    /// Bytes of the file that are done, which differ where it is compressed.
    pub(crate) consumed: u64,
}

/// Who takes rows.
pub(crate) trait Visitor {
    /// One row: what stands between `<row` and `/>`, and where its line begins. An error says why
    /// the row cannot be used.
    fn row(&mut self, attributes: &[u8], offset: u64) -> Result<(), &'static str>;

    /// Called now and then, and at the end.
    fn pause(&mut self, _at: Place) -> Result<(), ImportError> {
        Ok(())
    }
}

/// What could not be read.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Bad {
    pub(crate) count: u64,
    pub(crate) samples: Vec<String>,
}

impl Bad {
    pub(crate) fn add(&mut self, path: &Path, line: u64, reason: &str) {
        self.count += 1;
        if self.samples.len() < SAMPLES {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            self.samples.push(format!("{name}:{line}: {reason}"));
        }
    }
}

/// The rows of one file.
pub(crate) struct Rows {
    path: PathBuf,
    root: &'static str,
    lines: Lines<Stream>,
    line: u64,
    opened: bool,
    pub(crate) bad: Bad,
}

impl Rows {
    /// Opens a file whose root element should be `root`.
    pub(crate) fn open(path: &Path, root: &'static str) -> Result<Self, ImportError> {
        Ok(Self {
            path: path.to_owned(),
            root,
            lines: Lines::new(Stream::open(path)?),
            line: 0,
            opened: false,
            bad: Bad::default(),
        })
    }

    /// Goes on where an earlier run stood.
    pub(crate) fn resume(&mut self, offset: u64, line: u64) -> Result<(), ImportError> {
        let moved = if self.lines.inner().is_plain() {
            self.lines.seek(offset)
        } else {
            self.lines.skip(offset)
        };
        moved.map_err(ImportError::io(&self.path))?;
        self.line = line;
        self.opened = offset > 0;
        Ok(())
    }

    /// Whether the file can be entered anywhere.
    pub(crate) fn is_plain(&self) -> bool {
        self.lines.inner().is_plain()
    }

    /// Gives every row from here to the end of the document.
    pub(crate) fn each(&mut self, visitor: &mut impl Visitor) -> Result<(), ImportError> {
        let mut next_pause = self.lines.offset() + PAUSE;
        loop {
            if self.lines.offset() >= next_pause {
                next_pause = self.lines.offset() + PAUSE;
                visitor.pause(self.place())?;
            }
            let line = match self.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return Err(self.cut()),
                Err(error) => return Err(ImportError::io(&self.path)(error)),
            };
            self.line += 1;
            let ended = line.ended;
            let refused = match Kind::of(&line) {
                Kind::Row(row) if self.opened => visitor.row(row, line.offset).err(),
                Kind::Row(_) => Some("a row before the root element"),
                Kind::Blank => None,
                Kind::Open(name) => {
                    if self.opened || name != self.root.as_bytes() {
                        let name = String::from_utf8_lossy(name).into_owned();
                        return Err(self.other(&name));
                    }
                    self.opened = true;
                    None
                }
                Kind::Close(name) if self.opened && name == self.root.as_bytes() => {
                    visitor.pause(self.place())?;
                    return self.end();
                }
                Kind::Close(_) => Some("an end tag that ends nothing"),
                Kind::Fatal(reason) => return Err(self.refuse(reason)),
                Kind::Bad(reason) => Some(reason),
            };
            if let Some(reason) = refused {
                if !ended {
                    return Err(self.cut());
                }
                if !self.opened {
                    return Err(self.refuse(
                        "this is no file of a Stack Exchange dump; it should begin with an XML declaration and its root element",
                    ));
                }
                self.bad.add(&self.path, self.line, reason);
                if self.bad.count > MAX_BAD {
                    return Err(self.refuse(
                        "more than 1000 rows cannot be read; this is no whole dump, get it again",
                    ));
                }
            }
        }
    }

    /// Gives the rows that begin in a stretch of a plain file. What is bad there was told before.
    pub(crate) fn each_within(
        &mut self,
        from: u64,
        to: u64,
        visitor: &mut impl Visitor,
    ) -> Result<(), ImportError> {
        self.lines.seek(from).map_err(ImportError::io(&self.path))?;
        while self.lines.offset() < to {
            match self.lines.next() {
                Ok(Some(line)) => {
                    if let Kind::Row(row) = Kind::of(&line) {
                        let _ = visitor.row(row, line.offset);
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(ImportError::io(&self.path)(error)),
            }
        }
        visitor.pause(self.place())
    }

    /// Reads a packed file to its very end, where the sum of what was in it stands.
    fn end(&mut self) -> Result<(), ImportError> {
        if self.lines.inner().is_plain() {
            return Ok(());
        }
        let from = self.lines.offset();
        loop {
            let line = self.lines.next().map_err(ImportError::io(&self.path))?;
            if line.is_none() {
                return Ok(());
            }
            if self.lines.offset() - from > MAX_BEHIND {
                let root = self.root;
                return Err(self.refuse(&format!("the file goes on behind </{root}>")));
            }
        }
    }

    fn place(&self) -> Place {
        let offset = self.lines.offset();
        Place {
            offset,
            line: self.line,
            consumed: self.lines.inner().consumed().unwrap_or(offset),
        }
    }

    fn refuse(&self, reason: &str) -> ImportError {
        ImportError::Format {
            path: self.path.clone(),
            line: self.line.max(1),
            reason: reason.to_owned(),
        }
    }

    fn cut(&self) -> ImportError {
        let root = self.root;
        self.refuse(&format!(
            "the file ends before </{root}>; it was cut, get it again"
        ))
    }

    fn other(&self, name: &str) -> ImportError {
        let name: String = name
            .chars()
            .take(40)
            .filter(|it| !it.is_control())
            .collect();
        self.refuse(&format!(
            "the root element is <{name}> instead of <{}>; give the file of that name",
            self.root
        ))
    }
}

/// What a line is.
enum Kind<'a> {
    Row(&'a [u8]),
    Open(&'a [u8]),
    Close(&'a [u8]),
    Blank,
    Bad(&'static str),
    Fatal(&'static str),
}

impl<'a> Kind<'a> {
    #[inline]
    fn of(line: &Line<'a>) -> Self {
        let Some(bytes) = line.bytes else {
            return Self::Bad("the line is longer than 4 MiB");
        };
        let text = bytes.trim_ascii_start();
        if let Some(row) = text.strip_prefix(b"<row")
            && row
                .first()
                .is_some_and(|it| it.is_ascii_whitespace() || *it == b'/')
        {
            return match row.trim_ascii_end().strip_suffix(b"/>") {
                Some(row) => Self::Row(row),
                None => Self::Bad("the row does not end with />"),
            };
        }
        let text = text
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(text)
            .trim_ascii();
        if text.is_empty() || (text.starts_with(b"<?xml") && text.ends_with(b"?>")) {
            return Self::Blank;
        }
        if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
            return Self::Fatal("the file is UTF-16; dumps are UTF-8");
        }
        let upper = text.get(..9).map(<[u8]>::to_ascii_uppercase);
        if upper.is_some_and(|it| it == b"<!DOCTYPE" || it.starts_with(b"<!ENTITY")) {
            return Self::Fatal(
                "a document type with entities is no part of a dump and is not read",
            );
        }
        // Both may stand on the first line.
        let text = match (
            text.starts_with(b"<?xml"),
            memchr::memmem::find(text, b"?>"),
        ) {
            (true, Some(end)) => &text[end + 2..],
            _ => text,
        };
        let name = |it: &'a [u8]| it.trim_ascii();
        match text.strip_suffix(b">") {
            Some(tag) if tag.starts_with(b"</") => Self::Close(name(&tag[2..])),
            Some(tag) if tag.starts_with(b"<") && is_name(&tag[1..]) => Self::Open(name(&tag[1..])),
            _ => Self::Bad("neither a row nor the root element"),
        }
    }
}

fn is_name(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    !text.is_empty() && text.iter().all(|it| it.is_ascii_alphanumeric())
}

/// The attributes of a row as raw bytes: name and value, entities and all.
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), &'static str>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_ascii_start();
        if text.is_empty() {
            return None;
        }
        self.0 = b"";
        let Some(equals) = text.iter().position(|it| *it == b'=') else {
            return Some(Err("an attribute has no value"));
        };
        let name = text[..equals].trim_ascii_end();
        let value = text[equals + 1..].trim_ascii_start();
        let Some((quote @ (b'"' | b'\''), value)) = value.split_first() else {
            return Some(Err("an attribute's value is not quoted"));
        };
        let Some(end) = memchr::memchr(*quote, value) else {
            return Some(Err("a value is not closed"));
        };
        self.0 = &value[end + 1..];
        Some(Ok((name, &value[..end])))
    }
}

/// A number as dumps write it; nothing where it is none or too large to be one of a post.
#[inline]
pub(crate) fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    let mut value = 0_u64;
    for digit in text {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    u32::try_from(value).ok()
}

/// A score, which may be below nothing.
pub(crate) fn score(text: &[u8]) -> i64 {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// All attributes of one row, decoded.
pub(crate) struct Fields(HashMap<String, String>);

impl Fields {
    /// Decodes a row that stands between `<row` and `/>`. It must be well-formed throughout.
    pub(crate) fn read(attributes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(attributes).map_err(|_| "the row is not UTF-8")?;
        let whole = format!("<row {text}/>");
        let mut reader = quick_xml::Reader::from_str(&whole);
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let Event::Empty(row) = event else {
            return Err("the row is no empty element".to_owned());
        };
        let mut fields = HashMap::new();
        for attribute in row.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| error.to_string())?;
            let name = attribute.key.as_ref();
            fields.insert(name.to_string(), value.into_owned());
        }
        if !matches!(reader.read_event(), Ok(Event::Eof)) {
            return Err("something stands behind the row".to_owned());
        }
        Ok(Self(fields))
    }

    /// A value; nothing where it is absent or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        number(self.get(name)?.as_bytes())
    }

    pub(crate) fn score(&self) -> i64 {
        self.get("Score").map_or(0, |it| score(it.as_bytes()))
    }
}
