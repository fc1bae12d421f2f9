//! Rows that are needed later, on the disk: appended once, read back by where they stand.
//! Each record may name an earlier one, which makes lists without holding any in memory.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::ImportError;

/// The longest record, in bytes; longer ones are refused when they are read, as damage.
const MAX_RECORD: u32 = crate::lines::MAX_LINE as u32;
/// What stands before each record: where the one before it stands, and its length.
const HEAD: usize = 12;

/// A file of records that only grows.
pub(crate) struct Spill {
    path: PathBuf,
    file: BufWriter<File>,
    end: u64,
}

impl Spill {
    /// An empty one.
    pub(crate) fn create(path: &Path) -> Result<Self, ImportError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(path)
            .map_err(ImportError::io(path))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(64 << 10, file),
            end: 0,
        })
    }

    /// Adds a record behind the one at `before` (0: none), and says where it stands, from 1.
    pub(crate) fn add(&mut self, before: u64, bytes: &[u8]) -> Result<u64, ImportError> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let at = self.end + 1;
        self.file
            .write_all(&before.to_le_bytes())
            .and_then(|()| self.file.write_all(&length.to_le_bytes()))
            .and_then(|()| self.file.write_all(bytes))
            .map_err(ImportError::io(&self.path))?;
        self.end += (HEAD + bytes.len()) as u64;
        Ok(at)
    }

    /// Ends writing.
    pub(crate) fn finish(self) -> Result<Records, ImportError> {
        let path = self.path;
        let file = self
            .file
            .into_inner()
            .map_err(|error| ImportError::io(&path)(error.into_error()))?;
        Ok(Records { path, file })
    }
}

/// A spill that is read back.
pub(crate) struct Records {
    path: PathBuf,
    file: File,
}

impl Records {
    /// The record there, and where the one before it stands.
    pub(crate) fn read(&mut self, at: u64) -> Result<(u64, Vec<u8>), ImportError> {
        let mut read = || {
            self.file.seek(SeekFrom::Start(at.saturating_sub(1)))?;
            let mut head = [0; HEAD];
            self.file.read_exact(&mut head)?;
            let (before, length) = head.split_at(8);
            let before = u64::from_le_bytes(before.try_into().unwrap_or_default());
            let length = u32::from_le_bytes(length.try_into().unwrap_or_default());
            let mut bytes = vec![0; length.min(MAX_RECORD) as usize];
            self.file.read_exact(&mut bytes)?;
            Ok((before, bytes))
        };
        read().map_err(ImportError::io(&self.path))
    }
}
