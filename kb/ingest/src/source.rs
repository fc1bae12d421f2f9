//! The files of a dump as streams: plain, gzip or Zstandard, by what they begin with.
//! It knows bytes only; what they say is not its business.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::error::ImportError;
use crate::reflow::{Reflow, is_one_a_line};

/// Compressed bytes that are read at once.
const BUFFER: usize = 128 << 10;
/// So many bytes show whether a text has one row a line.
const BEGIN: u64 = 64 << 10;

/// A file of a dump, decompressed.
pub(crate) enum Stream {
    /// As it lies on the disk; it can be entered anywhere.
    Plain(File),
    /// Compressed, or not one row a line; it can only be read from the beginning.
    Packed {
        inner: Box<dyn Read>,
        consumed: Rc<Cell<u64>>,
    },
}

impl Stream {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Self, ImportError> {
        let mut file = File::open(path).map_err(ImportError::io(path))?;
        let mut magic = [0; 4];
        let mut held = 0;
        while held < magic.len() {
            match file
                .read(&mut magic[held..])
                .map_err(ImportError::io(path))?
            {
                0 => break,
                count => held += count,
            }
        }
        file.rewind().map_err(ImportError::io(path))?;
        let gzip = magic.starts_with(&[0x1f, 0x8b]);
        let zstd = magic == [0x28, 0xb5, 0x2f, 0xfd]
            || (magic[0] & 0xf0 == 0x50 && magic[1..] == [0x2a, 0x4d, 0x18]);
        if !gzip && !zstd {
            let known = matches!(&magic, b"7z\xbc\xaf" | b"PK\x03\x04" | b"BZh9" | b"\xfd7zX");
            if known {
                return Err(ImportError::Format {
                    path: path.to_owned(),
                    line: 1,
                    reason:
                        "this is an archive; unpack it first, or pack its files with gzip or zstd"
                            .to_owned(),
                });
            }
            let begin = begin(&mut file).map_err(ImportError::io(path))?;
            file.rewind().map_err(ImportError::io(path))?;
            if is_one_a_line(&begin) {
                return Ok(Self::Plain(file));
            }
            let consumed = Rc::new(Cell::new(0));
            let counted = Counted {
                inner: file,
                count: Rc::clone(&consumed),
            };
            let buffered = BufReader::with_capacity(BUFFER, counted);
            let inner = Box::new(Reflow::new(buffered));
            return Ok(Self::Packed { inner, consumed });
        }
        let consumed = Rc::new(Cell::new(0));
        let counted = Counted {
            inner: file,
            count: Rc::clone(&consumed),
        };
        let buffered = BufReader::with_capacity(BUFFER, counted);
        let mut inner: Box<dyn Read> = if gzip {
            Box::new(MultiGzDecoder::new(buffered))
        } else {
            Box::new(Zstd {
                source: buffered,
                decoder: FrameDecoder::new(),
                within: false,
            })
        };
        let begin = begin(&mut inner).map_err(ImportError::io(path))?;
        let lined = is_one_a_line(&begin);
        let whole = io::Cursor::new(begin).chain(inner);
        let inner: Box<dyn Read> = if lined {
            Box::new(whole)
        } else {
            Box::new(Reflow::new(BufReader::with_capacity(BUFFER, whole)))
        };
        Ok(Self::Packed { inner, consumed })
    }

    /// Whether it can be entered anywhere.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// How much of the file has been read, in its own bytes; nothing of a plain one, whose reader
    /// knows where it stands.
    pub(crate) fn consumed(&self) -> Option<u64> {
        match self {
            Self::Plain(_) => None,
            Self::Packed { consumed, .. } => Some(consumed.get()),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed { inner, .. } => inner.read(buffer),
        }
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Plain(file) => file.seek(to),
            Self::Packed { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// The beginning of a text.
fn begin(text: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut begin = Vec::new();
    text.take(BEGIN).read_to_end(&mut begin)?;
    Ok(begin)
}

struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// A file of Zstandard frames, one after the other, as parallel compressors write them.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    within: bool,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let broken = |error: FrameDecoderError| {
            io::Error::new(io::ErrorKind::InvalidData, format!("not whole: {error}"))
        };
        loop {
            if !self.within {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.init(&mut self.source) {
                    Ok(()) => self.within = true,
                    // A frame that carries no data.
                    Err(FrameDecoderError::ReadFrameHeaderError(
                        ReadFrameHeaderError::SkipFrame { length, .. },
                    )) => {
                        let mut rest = (&mut self.source).take(length.into());
                        io::copy(&mut rest, &mut io::sink())?;
                        continue;
                    }
                    Err(error) => return Err(broken(error)),
                }
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            if self.decoder.is_finished() {
                self.within = false;
                continue;
            }
            self.decoder
                .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(broken)?;
        }
    }
}
