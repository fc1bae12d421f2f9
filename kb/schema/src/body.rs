//! The Markdown half of an entry: reasons, advice and examples, which no scan has a use for.
//! It knows when a body is read, not where it lies.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

/// Whether an example is the weakness or the cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum ExampleKind {
    /// Must be reported on the marked lines, no more and no fewer.
    Vulnerable,
    /// Must be silent under every entry of the language.
    Secure,
    /// Weak, and known to be missed: must stay silent until it is moved.
    KnownMiss,
    /// Safe, and known to be flagged: must fire until it is moved.
    KnownNoise,
}

/// One code block of an entry: shown to people, given to models, and run as a test.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Example {
    /// Weakness or cure.
    pub kind: ExampleKind,
    /// The code without its markers.
    pub code: String,
    /// Lines of `code`, from 1, that carried the marker `finding`.
    pub lines: Vec<usize>,
    /// Line of the block's first line in the entry's file, from 1.
    pub at_line: usize,
}

/// What stands below an entry's front matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
pub struct Body {
    /// Why it is dangerous, Markdown.
    pub why: String,
    /// What to do instead, Markdown (RESCUE's guideline).
    pub guideline: String,
    /// Its tests and demonstrations.
    pub examples: Vec<Example>,
}

type Read = Box<dyn FnOnce() -> Body + Send>;

/// A body that is read when it is first asked for. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Later(Arc<LazyLock<Body, Read>>);

impl Later {
    pub(crate) fn new(read: impl FnOnce() -> Body + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(read))))
    }

    pub(crate) fn get(&self) -> &Body {
        &self.0
    }
}

impl Default for Later {
    fn default() -> Self {
        Self::new(Body::default)
    }
}
