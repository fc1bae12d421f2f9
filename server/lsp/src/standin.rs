//! Stands in for `revision::fixes` until that crate has it; proposes nothing.

use std::ops::Range;

use analysis::{Finding, Snapshot, Source};
use kb_schema::Applicability;

#[derive(Debug)]
pub(crate) struct TextEdit {
    pub(crate) range: Range<usize>,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) struct ProposedFix {
    pub(crate) title: String,
    pub(crate) applicability: Applicability,
    pub(crate) edits: Vec<TextEdit>,
}

pub(crate) fn fixes(_: &Snapshot, _: &Source<'_>, _: &Finding) -> Vec<ProposedFix> {
    Vec::new()
}
