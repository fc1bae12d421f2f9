//! Applies every fix of a text that may be applied, each proved on its own and all proved
//! together. Knows no files.

use analysis::{Analysis, Snapshot};
use kb_schema::Applicability;
use syntax::Language;

use crate::{Edit, Proposal, fixes_of_all, gate};

/// After this many rounds the text stays as it is: a fix may uncover what another one cures, but
/// not for ever.
const MAX_ROUNDS: usize = 10;

/// A text with its fixes applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The text afterwards.
    pub text: String,
    /// What was applied, in order of application.
    pub applied: Vec<Applied>,
}

/// One fix that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The entry whose finding is gone.
    pub entry: String,
    /// What was done.
    pub title: String,
    /// Line from 1 of the finding in the text of its round.
    pub line: usize,
}

/// Applies all safe fixes, and those that need a look when `unsafe_too` says so.
#[must_use]
pub fn fix_all(snapshot: &Snapshot, language: Language, text: &str, unsafe_too: bool) -> Fixed {
    let mut fixed = Fixed {
        text: text.to_owned(),
        applied: Vec::new(),
    };
    for _ in 0..MAX_ROUNDS {
        let before = snapshot.check(language, &fixed.text);
        let Some((text, applied)) = round(snapshot, language, &fixed.text, &before, unsafe_too)
        else {
            break;
        };
        fixed.text = text;
        fixed.applied.extend(applied);
    }
    fixed
}

/// Applies the first fix of each finding as far as they do not meet.
fn round(
    snapshot: &Snapshot,
    language: Language,
    text: &str,
    before: &Analysis,
    unsafe_too: bool,
) -> Option<(String, Vec<Applied>)> {
    let mut all: Vec<Edit> = Vec::new();
    let mut first: Option<Vec<Edit>> = None;
    let mut applied = Vec::new();
    let all_fixes = fixes_of_all(snapshot, language, text, before);
    for (finding, fixes) in before.findings.iter().zip(all_fixes) {
        let wanted = |it: &Proposal| unsafe_too || it.applicability == Applicability::Safe;
        let Some(proposal) = fixes.proposals.into_iter().find(wanted) else {
            continue;
        };
        if !join(&mut all, &proposal.edits) {
            continue;
        }
        first.get_or_insert(proposal.edits);
        applied.push(Applied {
            entry: finding.entry.id.clone(),
            title: proposal.title,
            line: text[..finding.range.start].matches('\n').count() + 1,
        });
    }
    if let Ok(text) = gate::check_all(snapshot, language, text, before, &all) {
        return Some((text, applied));
    }
    // Together they do harm; the first alone was proved to do none.
    applied.truncate(1);
    Some((crate::apply(text, &first?)?, applied))
}

/// Adds edits to those of other fixes, unless they meet; the same edit is added once.
fn join(all: &mut Vec<Edit>, new: &[Edit]) -> bool {
    let meets = |edit: &Edit| {
        all.iter().any(|it| {
            let apart = it.range.end < edit.range.start || edit.range.end < it.range.start;
            let both_imports =
                it.range.is_empty() && edit.range.is_empty() && is_line(it) && is_line(edit);
            !apart && !both_imports && it != edit
        })
    };
    if new.iter().any(meets) {
        return false;
    }
    for edit in new {
        if !all.contains(edit) {
            all.push(edit.clone());
        }
    }
    true
}

/// Whether an edit adds a line of its own.
fn is_line(edit: &Edit) -> bool {
    edit.range.is_empty() && edit.text.contains('\n')
}
