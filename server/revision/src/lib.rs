//! Text in, checked patch out: template fixes, revision by a model that somebody else runs, and the
//! gate before both. It knows no files, no network, no async and no word of the editor protocol.

mod advice;
mod answer;
mod arguments;
mod argv;
mod candidate;
mod complete;
mod demonstration;
mod edit;
mod escape;
mod fix_all;
pub mod gate;
mod guard;
mod helper;
mod imports;
mod mask;
mod model;
mod parameterize;
mod parts;
mod prompt;
mod regenerate;
mod render;
mod revise;
mod rewrite;
mod sql;
mod template;
mod width;

use analysis::{Analysis, Finding, Memo, Snapshot};
use kb_schema::Applicability;

pub use advice::Advice;
pub use answer::{Fault, SENTINEL, rambles};
pub use complete::complete;
pub use edit::{Edit, apply};
pub use fix_all::{Applied, Fixed, fix_all, fix_chosen};
use gate::Code;
pub use gate::Rejection;
pub use model::{
    Answer, Cost, Gap, Message, Model, ModelError, Patient, Question, Role, State, Watch,
};

pub use prompt::{
    Mode, Prompt, demonstration_advice, entry_advice, guideline, post_advice, voices,
};
pub use regenerate::regenerate;
pub use revise::{Checks, Effort, Failure, Outcome, Target, Task, prompt, revise};

/// A revision that the gate let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What it does, in the imperative: `Use yaml.safe_load`.
    pub title: String,
    /// Whether it may be applied unseen.
    pub applicability: Applicability,
    /// How it was made: `template` or `model`.
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

impl Fixes {
    /// Why some were refused, each in words.
    pub fn refusals(&self) -> impl Iterator<Item = String> {
        let rejected = self.rejected.iter();
        rejected.map(|(title, why)| format!("{title}: {why}"))
    }
}

/// How much text is analysed to prove the fixes of one text. Each proof analyses the whole text,
/// so that a long one with many findings would take for ever.
const MAX_PROOF_BYTES: usize = 8 << 20;

/// The patches of up to so many findings are proved one by one; those of more share what they
/// leave as it is.
const FEW: usize = 2;

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
    let mut left = usize::MAX;
    let tree = syntax::parse(language, text);
    let code = Code {
        snapshot,
        language,
        text,
        root: tree.root_node(),
    };
    prove(&code, None, &mut left, before, finding)
}

/// The fixes of every finding of a text, in the order of the findings. In a long text with many
/// of them the last ones are not tried, and say so.
#[must_use]
pub fn fixes_of_all(
    snapshot: &Snapshot,
    language: syntax::Language,
    text: &str,
    before: &Analysis,
) -> Vec<Fixes> {
    let mut left = MAX_PROOF_BYTES;
    let fixable = |it: &&Finding| !it.entry.fixes.is_empty();
    let fixable = before.findings.iter().filter(fixable).count();
    if fixable == 0 {
        return vec![Fixes::default(); before.findings.len()];
    }
    let mut memo = (fixable > FEW).then(Memo::default);
    let tree = syntax::parse(language, text);
    let code = Code {
        snapshot,
        language,
        text,
        root: tree.root_node(),
    };
    let findings = before.findings.iter();
    findings
        .map(|finding| prove(&code, memo.as_mut(), &mut left, before, finding))
        .collect()
}

fn prove(
    code: &Code<'_>,
    mut memo: Option<&mut Memo>,
    left: &mut usize,
    before: &Analysis,
    finding: &Finding,
) -> Fixes {
    let mut out = Fixes::default();
    for fix in &finding.entry.fixes {
        let meant = fix.patterns.is_empty() || fix.patterns.contains(&(finding.pattern + 1));
        if !meant {
            continue;
        }
        if *left == 0 {
            out.rejected.push((fix.title.clone(), Rejection::Untried));
            continue;
        }
        let mut refused = None;
        for attempt in 0..template::attempts(fix) {
            let edits = template::edits(code.language, code.text, code.root, finding, fix, attempt);
            let Some(edits) = edits else {
                break;
            };
            *left = left.saturating_sub(code.text.len());
            match gate::check_with(code, memo.as_deref_mut(), before, finding, &edits) {
                Ok(_) => {
                    refused = None;
                    out.proposals.push(Proposal {
                        title: fix.title.clone(),
                        applicability: fix.applicability.unwrap_or(Applicability::Review),
                        kind: "template",
                        edits,
                    });
                    break;
                }
                Err(rejection) => refused = Some(rejection),
            }
        }
        out.rejected
            .extend(refused.map(|rejection| (fix.title.clone(), rejection)));
    }
    out
}
