//! Text in, checked patch out: template fixes and the gate. It knows no files, no network, no
//! async and no word of the editor protocol.

mod arguments;
mod edit;
mod fix_all;
pub mod gate;
mod imports;
mod parameterize;
mod render;
mod sql;
mod template;

use analysis::{Analysis, Finding, Snapshot};
use kb_schema::Applicability;

pub use edit::{Edit, apply};
pub use fix_all::{Applied, Fixed, fix_all};
pub use gate::Rejection;

/// A revision that the gate let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What it does, in the imperative: `Use yaml.safe_load`.
    pub title: String,
    /// Whether it may be applied unseen.
    pub applicability: Applicability,
    /// How it was made: `template`.
    pub kind: &'static str,
    /// What to change, in the order of the text; they do not overlap.
    pub edits: Vec<Edit>,
}

/// What can be done about a finding, and what could not.
#[derive(Debug, Clone, Default)]
pub struct Fixes {
    /// What passed the gate, in the entry's order.
    pub proposals: Vec<Proposal>,
    /// The titles of those that did not, and why.
    pub rejected: Vec<(String, Rejection)>,
}

/// The entry's own fixes for a finding, each proved by the gate. A fix whose parts the code does
/// not have is in neither list: it was not meant for such code.
#[must_use]
pub fn fixes(
    snapshot: &Snapshot,
    language: syntax::Language,
    text: &str,
    before: &Analysis,
    finding: &Finding,
) -> Fixes {
    let mut out = Fixes::default();
    if finding.entry.fixes.is_empty() {
        return out;
    }
    let tree = syntax::parse(language, text);
    for fix in &finding.entry.fixes {
        let meant = fix.patterns.is_empty() || fix.patterns.contains(&(finding.pattern + 1));
        if !meant {
            continue;
        }
        let Some(edits) = template::edits(language, text, tree.root_node(), finding, fix) else {
            continue;
        };
        match gate::check(snapshot, language, text, before, finding, &edits) {
            Ok(_) => out.proposals.push(Proposal {
                title: fix.title.clone(),
                applicability: fix.applicability.unwrap_or(Applicability::Review),
                kind: "template",
                edits,
            }),
            Err(rejection) => out.rejected.push((fix.title.clone(), rejection)),
        }
    }
    out
}
