//! What can be wrong with an installed index, each with what to do about it.
//! It knows no cause that a user cannot act on.

use std::io;
use std::path::PathBuf;

/// Why an index cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A name that could lead out of the folder of indexes, or that some file system cannot hold.
    #[error(
        "`{name}` cannot name an index; use letters, digits, `.`, `_` and `-`, at most 64, and begin with a letter or digit"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Nothing of that name.
    #[error("there is no index `{name}`; `secondlook kb info` names those that are installed")]
    Unknown {
        /// The name.
        name: String,
    },
    /// Somebody else writes.
    #[error(
        "another import is writing the index `{name}`{by}; wait until it has ended ({path} is its lock)",
        path = path.display()
    )]
    Locked {
        /// The index.
        name: String,
        /// ` (process 123)`, where that is known.
        by: String,
        /// The lock.
        path: PathBuf,
    },
    /// Written by another version.
    #[error(
        "{path}: the index has format {found}, this version reads {expected}; import it again with --rebuild",
        path = path.display()
    )]
    Format {
        /// The index's folder.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The format that is read.
        expected: u32,
    },
    /// Files are missing, cut or changed.
    #[error(
        "{path}: the index is damaged ({reason}); import it again with --rebuild, or take it away with `secondlook kb remove`",
        path = path.display()
    )]
    Damaged {
        /// The index's folder.
        path: PathBuf,
        /// What was seen.
        reason: String,
    },
    /// The file system refused.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Documents could not be written.
    #[error("{path}: the index cannot be written: {error}", path = path.display())]
    Write {
        /// The index's folder.
        path: PathBuf,
        /// What was said.
        error: tantivy::TantivyError,
    },
}

impl IndexError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, error }
    }
}
