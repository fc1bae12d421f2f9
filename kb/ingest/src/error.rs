//! What can stop an import, each with the file, the place and the mend.
//! Whatever it is, the index that stood before still stands.

use std::io;
use std::path::PathBuf;

use kb_index::IndexError;

/// Why an import did not end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or folder could not be read or written.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is no dump of the kind that was asked for.
    #[error("{path}:{line}: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The options cannot be meant.
    #[error("{reason}")]
    Options {
        /// What is wrong with them.
        reason: String,
    },
    /// Somebody asked for the end.
    #[error("interrupted; the same command goes on from here")]
    Interrupted,
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl ImportError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, error }
    }
}
