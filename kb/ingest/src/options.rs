//! What an import is told, and what it tells.
//! It knows no file format.

use std::path::PathBuf;

use kb_index::{Manifest, Step};

/// The published filter, each step by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Only answers to questions with one of these tags; none means all.
    pub tags: Vec<String>,
    /// Only answers with a block of code.
    pub code: bool,
    /// Only answers that somebody commented on.
    pub comment: bool,
    /// Only answers with a comment that this expression matches, letter case apart.
    pub security: Option<String>,
    /// Only answers that have so many votes, or a comment that has.
    pub votes: Option<i64>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            tags: Vec::new(),
            code: true,
            comment: true,
            security: Some(crate::expression()),
            votes: Some(1),
        }
    }
}

/// One import of a dump.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// `Posts.xml`, also compressed (`.gz`, `.zst`).
    pub posts: PathBuf,
    /// `Comments.xml`; needed unless no step asks for comments.
    pub comments: Option<PathBuf>,
    /// `Users.xml`, for the names of authors that posts give as numbers.
    pub users: Option<PathBuf>,
    /// The address of the site, for links: `https://stackoverflow.com`.
    pub site: String,
    /// What is kept.
    pub filter: Filter,
    /// Where indexes live.
    pub index_dir: PathBuf,
    /// The index that is made or brought up to date.
    pub name: String,
    /// Whether an index that is damaged or of another format is replaced.
    pub rebuild: bool,
}

/// Who follows an import.
pub trait Progress {
    /// A new phase begins, of so many bytes or things.
    fn phase(&mut self, name: &str, total: u64);
    /// So much of the phase is done.
    fn at(&mut self, done: u64);
    /// Whether the import should stop where it can go on later.
    fn interrupted(&self) -> bool;
}

/// What an import did.
#[derive(Debug, Clone)]
pub struct Report {
    /// What the index now says of itself, with the steps of the filter.
    pub manifest: Manifest,
    /// Posts that were not there before.
    pub added: u64,
    /// Posts that are there in a new form.
    pub changed: u64,
    /// Posts that are no longer there.
    pub removed: u64,
    /// Posts that stayed as they were.
    pub unchanged: u64,
    /// Where an earlier run was taken up, in words.
    pub resumed: Option<String>,
    /// What could not be read: how many rows or files, and the first of them in words.
    pub skipped: (u64, Vec<String>),
}

impl Report {
    /// Of an import that has done nothing yet.
    pub(crate) fn of(manifest: Manifest) -> Self {
        Self {
            manifest,
            added: 0,
            changed: 0,
            removed: 0,
            unchanged: 0,
            resumed: None,
            skipped: (0, Vec::new()),
        }
    }

    /// The steps of the filter with what each kept.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.manifest.steps
    }
}
