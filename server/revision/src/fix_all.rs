//! Applies every fix of a text that may be applied, each proved on its own and all proved
//! together. Knows no files.

use analysis::{Analysis, Finding, Snapshot};
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
    let every = |_: &str, before: &Analysis| vec![true; before.findings.len()];
    fix_chosen(snapshot, language, text, unsafe_too, &every)
}

/// As [`fix_all`], for the findings that `chosen` says `true` of, one for each finding of an
/// analysis. It is asked again in every round, because fixes move and uncover findings.
#[must_use]
pub fn fix_chosen(
    snapshot: &Snapshot,
    language: Language,
    text: &str,
    unsafe_too: bool,
    chosen: &dyn Fn(&str, &Analysis) -> Vec<bool>,
) -> Fixed {
    let mut fixed = Fixed {
        text: text.to_owned(),
        applied: Vec::new(),
    };
    for _ in 0..MAX_ROUNDS {
        let before = snapshot.check(language, &fixed.text);
        let all = fixes_of_all(snapshot, language, &fixed.text, &before);
        let chosen = chosen(&fixed.text, &before);
        let wanted = before
            .findings
            .iter()
            .zip(all)
            .zip(chosen)
            .filter_map(|(both, chosen)| chosen.then_some(both))
            .filter_map(|(finding, fixes)| {
                let mut proposals = fixes.proposals.into_iter();
                let fix =
                    proposals.find(|it| unsafe_too || it.applicability == Applicability::Safe);
                Some((finding, fix?))
            })
            .collect();
        let Some((text, applied)) = round(snapshot, language, &fixed.text, &before, wanted) else {
            break;
        };
        fixed.text = text;
        fixed.applied.extend(applied);
    }
    fixed
}

/// Applies fixes as far as they do not meet.
fn round(
    snapshot: &Snapshot,
    language: Language,
    text: &str,
    before: &Analysis,
    wanted: Vec<(&Finding, Proposal)>,
) -> Option<(String, Vec<Applied>)> {
    let mut all: Vec<Edit> = Vec::new();
    let mut first: Option<Vec<Edit>> = None;
    let mut applied = Vec::new();
    for (finding, proposal) in wanted {
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
