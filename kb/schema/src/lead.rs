//! The lead: imported discussions alone suggest a look at some code. It is never a finding.
//! It holds what was found and who said it; how it was found is not its business.

use std::ops::Range;
use std::sync::Arc;

use crate::{Comment, Post};

/// A sign in code that several people warn of, and nobody credible defends.
#[derive(Debug, Clone)]
pub struct Lead {
    /// Where the sign stands, in bytes of the text that was asked about.
    pub range: Range<usize>,
    /// The sign as the text writes it, such as `parcel.unwrap`.
    pub sign: String,
    /// How many people warn of it, each counted once.
    pub warners: usize,
    /// The discussions in which they do, best first.
    pub sources: Vec<LeadSource>,
}

/// One discussion behind a lead.
#[derive(Debug, Clone)]
pub struct LeadSource {
    /// The name of the index it stands in.
    pub index: Arc<str>,
    /// The discussion.
    pub post: Arc<Post>,
    /// The comments that warn of the sign, as places in the post's comments; none where the text
    /// itself warns.
    pub warnings: Vec<usize>,
}

impl LeadSource {
    /// The best comment that warns of the sign.
    #[must_use]
    pub fn warning(&self) -> Option<&Comment> {
        self.post.comments.get(*self.warnings.first()?)
    }

    /// What it warns of in one line, with who said so.
    #[must_use]
    pub fn gist(&self) -> String {
        match self.warning() {
            Some(warning) => warning.gist(),
            None => self.post.gist(),
        }
    }
}
