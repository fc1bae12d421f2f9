//! The API boundary: a mutable host that takes entries, and cheap snapshots that analyse texts.
//! It knows no documents; whoever keeps them keeps each one's memo beside it.

use std::sync::Arc;

use kb_schema::{EntrySet, Problem};
use tree_sitter::Tree;

use crate::Analysis;

/// A text to analyse. Offsets in results are bytes of `text`.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The language of the tree.
    pub language: syntax::Language,
    /// The whole text.
    pub text: &'a str,
    /// Its tree; it may hold error nodes.
    pub tree: &'a Tree,
}

/// What one document's last analysis left behind, so that the next one redoes only what an edit
/// can have changed. An empty memo is always right.
#[derive(Debug, Default)]
pub struct Memo {}

/// Holds the compiled entries; changes when they do.
#[derive(Debug)]
pub struct Host {
    snapshot: Snapshot,
    problems: Vec<Problem>,
}

/// Compiled entries at one moment: cheap to clone, free to send.
#[derive(Debug, Clone)]
pub struct Snapshot {
    _rules: Arc<()>,
}

impl Host {
    /// Compiles entries. Those that cannot be compiled are left out and named in `problems`.
    #[must_use]
    pub fn new(_set: &EntrySet) -> Self {
        Self { snapshot: Snapshot { _rules: Arc::new(()) }, problems: Vec::new() }
    }

    /// Replaces the entries; snapshots taken before keep the old ones.
    pub fn load(&mut self, set: &EntrySet) {
        *self = Self::new(set);
    }

    /// What was refused: an unknown source or group, a query that the grammar does not know.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The entries as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }
}

impl Snapshot {
    /// Analyses a text, reusing what `memo` still knows of it. `None` when `cancelled` said so.
    #[must_use]
    pub fn analyze(
        &self,
        _source: &Source<'_>,
        _memo: &mut Memo,
        cancelled: &dyn Fn() -> bool,
    ) -> Option<Analysis> {
        (!cancelled()).then(Analysis::default)
    }
}
