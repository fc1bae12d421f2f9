//! One case in one mode: its findings are revised one after the other, as `secondlook revise --all`
//! does it; a case without a finding is asked about as a whole. It judges nothing.

use std::collections::HashSet;
use std::sync::Arc;

use analysis::{Finding, Snapshot};
use kb_schema::Entry;
use revision::{Advice, Cost, Effort, Failure, Mode, Model, ModelError, Target, Task, Watch};
use serde::{Deserialize, Serialize};

use super::{digest, language_of};
use crate::Case;

/// The most findings of one case that are revised.
const MOST: usize = 12;

/// Where advice comes from.
pub trait Adviser {
    /// For a finding.
    fn of_finding(&self, finding: &Finding, text: &str) -> Vec<Advice>;
    /// For code in which nothing was found, with the entries that it resembles.
    fn of_block(&self, language: analysis::Language, text: &str) -> (Vec<Advice>, Vec<Arc<Entry>>);
}

/// Everything that stays the same from case to case.
pub struct Bench<'a> {
    /// The rules.
    pub snapshot: &'a Snapshot,
    /// Whoever is asked; without one, only `templates` can run.
    pub model: Option<&'a dyn Model>,
    /// How hard it is tried.
    pub effort: Effort,
    /// Where advice comes from.
    pub adviser: &'a dyn Adviser,
    /// Whoever waits.
    pub watch: &'a dyn Watch,
    /// Whether code without a finding is asked about too, as the paper does.
    pub ask_clean: bool,
}

/// What became of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Changed, by a template or by the model, and proven by the gate.
    Revised,
    /// The model would leave it.
    Unchanged,
    /// Nothing passed the gate.
    Refused,
    /// Neither a fix of its own nor a model that this mode may ask.
    Nothing,
    /// The model's answer was no answer.
    Failed,
}

/// One finding, or the whole of a case without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The entry's id; empty for a whole case.
    pub entry: String,
    /// Its line when it was revised, from 1.
    pub line: usize,
    /// What became of it.
    pub how: How,
    /// `template` or `model`; empty when nothing was changed.
    pub by: String,
    /// Why candidates were refused.
    pub reasons: Vec<String>,
}

/// A case after one mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// What it was made from, see [`key_of`].
    pub key: String,
    /// The case's id.
    pub case: String,
    /// The mode's id.
    pub mode: String,
    /// The text that is left.
    pub after: String,
    /// The text that the model's first answer would have left without the gate; `None` where no
    /// model was asked, or about several findings, which makes such a text meaningless.
    pub believed: Option<String>,
    /// Each question.
    pub steps: Vec<Step>,
    /// Answers of the model.
    pub calls: u32,
    /// As the provider counts.
    pub asked_tokens: u64,
    /// As the provider counts.
    pub answered_tokens: u64,
    /// Waiting for the model, when it was first asked.
    pub seconds: f32,
}

/// Why a run cannot go on. What was done until then stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The next question would meet the same.
    #[error("{0}")]
    Model(ModelError),
}

/// What an attempt depends on: the case, the mode, the model, the effort and the knowledge.
#[must_use]
pub fn key_of(case: &Case, mode: Mode, bench: &Bench<'_>, knowledge: &str) -> String {
    let effort = format!("{:?}", bench.effort);
    let asks = mode.asks().is_some();
    let model = bench.model.filter(|_| asks).map_or("", |it| it.name());
    let clean = if asks && bench.ask_clean { "clean" } else { "" };
    let effort = if asks { effort.as_str() } else { "" };
    digest(&[
        env!("CARGO_PKG_VERSION"),
        &case.lang,
        &case.code,
        mode.id(),
        model,
        effort,
        clean,
        knowledge,
    ])
}

impl Bench<'_> {
    /// Revises a case; `None` for a language that is not known.
    ///
    /// # Errors
    /// The model cannot be asked any more.
    pub fn attempt(&self, case: &Case, mode: Mode, key: &str) -> Result<Option<Attempt>, Stop> {
        let Some(language) = language_of(case) else {
            return Ok(None);
        };
        let mut out = Attempt {
            key: key.to_owned(),
            case: case.id.clone(),
            mode: mode.id().to_owned(),
            after: case.code.clone(),
            believed: None,
            steps: Vec::new(),
            calls: 0,
            asked_tokens: 0,
            answered_tokens: 0,
            seconds: 0.0,
        };
        let mut given_up: HashSet<(String, String, usize)> = HashSet::new();
        let mut asked = 0;
        while out.steps.len() < MOST {
            let text = out.after.clone();
            let before = self.snapshot.check(language, &text);
            let mut counts: std::collections::HashMap<(String, String), usize> =
                std::collections::HashMap::new();
            let next = before.findings.iter().find_map(|finding| {
                let quoted = text.get(finding.matched.clone()).unwrap_or("");
                let name = (finding.entry.id.clone(), quoted.to_owned());
                let nth = counts.entry(name.clone()).or_default();
                *nth += 1;
                let print = (name.0, name.1, *nth);
                (!given_up.contains(&print)).then_some((finding, print))
            });
            let Some((finding, print)) = next else {
                break;
            };
            let task = Task {
                snapshot: self.snapshot,
                language,
                text: &text,
                before: &before,
                target: Target::Finding(finding),
            };
            let mut step = Step {
                entry: finding.entry.id.clone(),
                line: text
                    .get(..finding.range.start)
                    .unwrap_or("")
                    .matches('\n')
                    .count()
                    + 1,
                how: How::Nothing,
                by: String::new(),
                reasons: Vec::new(),
            };
            if mode.templates() && self.template(&task, finding, &mut step, &mut out.after) {
                out.steps.push(step);
                continue;
            }
            if let (Some(ask), Some(model)) = (mode.asks(), self.model) {
                let advice = if ask == Mode::Community {
                    self.adviser.of_finding(finding, &text)
                } else {
                    Vec::new()
                };
                let believed = self.ask(&task, ask, &advice, model, &mut step, &mut out)?;
                asked += 1;
                out.believed = believed.filter(|_| asked == 1);
            }
            if step.how != How::Revised {
                given_up.insert(print);
            }
            out.steps.push(step);
        }
        if out.steps.is_empty()
            && self.ask_clean
            && let (Some(ask), Some(model)) = (mode.asks(), self.model)
        {
            self.whole(case, language, ask, model, &mut out)?;
        }
        Ok(Some(out))
    }

    /// Whether an entry's own fix passed.
    fn template(
        &self,
        task: &Task<'_>,
        finding: &Finding,
        step: &mut Step,
        after: &mut String,
    ) -> bool {
        let fixes = task.fixes(finding);
        step.reasons.extend(fixes.refusals());
        for proposal in fixes.proposals {
            if let Some(text) = revision::apply(task.text, &proposal.edits) {
                *after = text;
                step.how = How::Revised;
                step.by = proposal.kind.to_owned();
                return true;
            }
        }
        false
    }

    /// A case in which nothing was found, asked about as a block that an AI wrote.
    fn whole(
        &self,
        case: &Case,
        language: analysis::Language,
        ask: Mode,
        model: &dyn Model,
        out: &mut Attempt,
    ) -> Result<(), Stop> {
        let before = self.snapshot.check(language, &case.code);
        let (advice, entries) = self.adviser.of_block(language, &case.code);
        let advice = if ask == Mode::Community {
            advice
        } else {
            Vec::new()
        };
        let range = 0..case.code.len();
        let task = Task {
            snapshot: self.snapshot,
            language,
            text: &case.code,
            before: &before,
            target: Target::Block(&range, &entries),
        };
        let mut step = Step {
            entry: String::new(),
            line: 1,
            how: How::Nothing,
            by: String::new(),
            reasons: Vec::new(),
        };
        out.believed = self.ask(&task, ask, &advice, model, &mut step, out)?;
        out.steps.push(step);
        Ok(())
    }

    /// Puts one question. Gives back the text that the first answer would have left.
    fn ask(
        &self,
        task: &Task<'_>,
        ask: Mode,
        advice: &[Advice],
        model: &dyn Model,
        step: &mut Step,
        out: &mut Attempt,
    ) -> Result<Option<String>, Stop> {
        let answered = revision::revise(task, ask, advice, &self.effort, model, None, self.watch);
        let outcome = match answered {
            Ok(outcome) => outcome,
            Err(Failure::Model(error)) if ends(&error) => return Err(Stop::Model(error)),
            Err(error) => {
                step.how = How::Failed;
                step.reasons.push(error.to_string());
                return Ok(None);
            }
        };
        add(out, outcome.cost);
        let reasons = outcome.rejected.iter().map(ToString::to_string);
        step.reasons.extend(reasons);
        step.how = match (&outcome.proposal, outcome.unchanged) {
            (Some(_), _) => How::Revised,
            (None, true) => How::Unchanged,
            (None, false) => How::Refused,
        };
        if let Some(proposal) = &outcome.proposal
            && let Some(text) = revision::apply(task.text, &proposal.edits)
        {
            out.after = text;
            step.by = proposal.kind.to_owned();
        }
        Ok(Some(
            outcome.believed.unwrap_or_else(|| task.text.to_owned()),
        ))
    }
}

fn add(out: &mut Attempt, cost: Cost) {
    out.calls += cost.calls;
    out.asked_tokens += cost.asked_tokens;
    out.answered_tokens += cost.answered_tokens;
    out.seconds += cost.time.as_secs_f32();
}

/// Whether a failure says more about the server than about the question.
fn ends(error: &ModelError) -> bool {
    match error {
        ModelError::TooLarge { .. } | ModelError::Unreadable { .. } => false,
        ModelError::Refused { status, .. } => !matches!(status, 400 | 413 | 422),
        _ => true,
    }
}
