//! The form in which the bundled knowledge travels: written by the build script, read at start.
//! It knows no files; the build script takes it in as a module of its own.

use std::ops::Range;

use kb_schema::{Entry, Library};
use serde::{Deserialize, Serialize};

/// All bundled knowledge but for the bodies of entries, which lie apart and are read when somebody
/// asks for them.
#[derive(Deserialize, Serialize)]
pub(crate) struct Packed {
    pub(crate) entries: Vec<PackedEntry>,
    /// Each with the fingerprint of its file.
    pub(crate) libraries: Vec<(Library, u64)>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct PackedEntry {
    pub(crate) entry: Entry,
    /// The fingerprint of its file.
    pub(crate) hash: u64,
    /// Where its body stands among the bodies, in bytes.
    pub(crate) body: Range<usize>,
}
