//! Asks a model for a revision and believes none of its answers: each is read, put in place and
//! proved by the gate; a refused one is sent back with the reason. Knows no network and no files.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use analysis::{Analysis, Finding, Memo, Snapshot};
use kb_schema::{Applicability, Entry};
use syntax::Language;

use crate::advice::Advice;
use crate::answer::{self, Fault, Reading};
use crate::candidate::{self, Candidate, Region};
use crate::edit::{self, Edit};
use crate::gate::{self, Code, Rejection};
use crate::model::{Cost, Message, Model, ModelError, Question, Role, State, Watch};
use crate::prompt::{self, Mode, Prompt, Subject};
use crate::{Fixes, Proposal};

/// What is to be revised.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// The code that a finding is about.
    Finding(&'a Finding),
    /// A block of code, with entries that are about such code.
    Block(&'a Range<usize>, &'a [Arc<Entry>]),
}

/// A text, what is known of it, and what is to be revised in it.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// The rules that the text was analysed with.
    pub snapshot: &'a Snapshot,
    /// The language of the text.
    pub language: Language,
    /// The text.
    pub text: &'a str,
    /// What was found in it.
    pub before: &'a Analysis,
    /// What is to be revised.
    pub target: Target<'a>,
}

impl Task<'_> {
    /// The entry's own fixes for a finding of the text, each proved by the gate.
    #[must_use]
    pub fn fixes(&self, finding: &Finding) -> Fixes {
        crate::fixes(
            self.snapshot,
            self.language,
            self.text,
            self.before,
            finding,
        )
    }
}

/// How hard it is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// How many first answers are asked for; the smallest that passes wins.
    pub samples: u32,
    /// How often a refused answer is sent back with the reason, for each sample.
    pub repairs: u32,
    /// The longest answer, in tokens.
    pub max_tokens: u32,
    /// The longest question, in bytes.
    pub prompt_bytes: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            samples: 1,
            repairs: 2,
            max_tokens: 2_048,
            prompt_bytes: 16 << 10,
        }
    }
}

/// How far the second and later samples stray from the likeliest answer.
const VARIETY: f32 = 0.6;

/// A check of the user's own, such as a test or a type checker.
pub trait Checks: Send + Sync {
    /// Looks at the text that a candidate would leave.
    ///
    /// # Errors
    /// The check's name, and what became of it in a few words without text of the document.
    fn check(&self, after: &str, watch: &dyn Watch) -> Result<(), (String, String)>;
}

/// What came of asking.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The smallest candidate that passed.
    pub proposal: Option<Proposal>,
    /// The model would leave the code as it is.
    pub unchanged: bool,
    /// Why each other candidate was refused, in the order they came.
    pub rejected: Vec<Rejection>,
    /// The text that the very first answer would have left, had somebody believed it; `None` when it
    /// held no code for this place. For measures only: nothing has proven it.
    pub believed: Option<String>,
    /// What the answers cost.
    pub cost: Cost,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.proposal, self.unchanged, self.rejected.last()) {
            (Some(proposal), ..) => f.write_str(&proposal.title),
            (None, true, _) => f.write_str("the model would leave the code as it is"),
            (None, false, Some(last)) if self.rejected.len() == 1 => {
                write!(f, "the model's revision was refused: {last}")
            }
            (None, false, Some(last)) => write!(
                f,
                "all {} revisions of the model were refused; the last: {last}",
                self.rejected.len()
            ),
            (None, false, None) => f.write_str("the model was not asked"),
        }
    }
}

/// What stops a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The code is too long to be written again as a whole.
    TooLong,
    /// The mode asks no model.
    NoPrompt,
    /// The model gave no answer.
    Model(ModelError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(
                f,
                "the code around it is longer than the {} KiB that a model is asked to write again",
                candidate::MAX_REGION >> 10
            ),
            Self::NoPrompt => f.write_str("this mode asks no model"),
            Self::Model(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Failure {}

/// The question that would be put.
///
/// # Errors
/// The code is too long, or the mode asks nobody.
pub fn prompt(
    task: &Task<'_>,
    mode: Mode,
    advice: &[Advice],
    bytes: usize,
) -> Result<Prompt, Failure> {
    let tree = syntax::parse(task.language, task.text);
    let region = region(task, tree.root_node()).ok_or(Failure::TooLong)?;
    build(task, &region, mode, advice, bytes)
}

fn region(task: &Task<'_>, root: syntax::Node<'_>) -> Option<Region> {
    match task.target {
        Target::Finding(finding) => Region::of_finding(task.text, root, finding),
        Target::Block(range, _) => Region::of_block(task.text, root, range),
    }
}

fn build(
    task: &Task<'_>,
    region: &Region,
    mode: Mode,
    advice: &[Advice],
    bytes: usize,
) -> Result<Prompt, Failure> {
    let mode = mode.asks().ok_or(Failure::NoPrompt)?;
    Ok(prompt::build(&subject(task, region), mode, advice, bytes))
}

fn subject<'a>(task: &Task<'a>, region: &Region) -> Subject<'a> {
    Subject {
        language: task.language,
        text: task.text,
        region: region.lines.clone(),
        finding: match task.target {
            Target::Finding(finding) => Some(finding),
            Target::Block(..) => None,
        },
        entries: match task.target {
            Target::Finding(_) => &[],
            Target::Block(_, entries) => entries,
        },
    }
}

/// Asks for a revision, with repairs, and gives back the smallest candidate that passes the gate.
///
/// # Errors
/// The code is too long, or the model gave no answer at all. An answer that is refused is no error:
/// the reason is in the outcome.
pub fn revise(
    task: &Task<'_>,
    mode: Mode,
    advice: &[Advice],
    effort: &Effort,
    model: &dyn Model,
    checks: Option<&dyn Checks>,
    watch: &dyn Watch,
) -> Result<Outcome, Failure> {
    let tree = syntax::parse(task.language, task.text);
    let region = region(task, tree.root_node()).ok_or(Failure::TooLong)?;
    let prompt = build(task, &region, mode, advice, effort.prompt_bytes)?;
    let brief = mode.asks().and_then(|mode| {
        let subject = subject(task, &region);
        prompt::build_brief(&subject, mode, advice, effort.prompt_bytes)
    });
    let code = Code {
        snapshot: task.snapshot,
        language: task.language,
        text: task.text,
        root: tree.root_node(),
    };
    let mut judge = Judge {
        task,
        code,
        region: &region,
        prompt: &prompt,
        checks,
        watch,
        memo: Memo::default(),
        left: None,
    };
    let mut out = Outcome::default();
    let mut best: Option<Vec<Edit>> = None;
    for sample in 0..effort.samples.max(1) {
        let mut talk = Talk::new(&prompt, brief.as_ref().filter(|_| effort.repairs > 0));
        for attempt in 0..=effort.repairs {
            let question = Question {
                messages: talk.messages.clone(),
                max_tokens: effort.max_tokens,
                // Asked in the same way, a model says the same; told twice, it needs room.
                temperature: if sample == 0 && attempt < 2 && !talk.insisted {
                    0.0
                } else {
                    VARIETY
                },
                seed: u64::from(sample) * 1_000 + u64::from(attempt),
            };
            let answer = model.ask(&question, watch);
            let answer = match answer {
                Ok(answer) => answer,
                // What passed already is not lost because the server went away later.
                Err(error) if best.is_some() && error != ModelError::Cancelled => break,
                Err(error) => return Err(Failure::Model(error)),
            };
            out.cost.add(answer.cost);
            if watch.cancelled() {
                return Err(Failure::Model(ModelError::Cancelled));
            }
            watch.state(State::Proving);
            let verdict = judge.judge(&answer.text, answer.cut);
            if out.cost.calls <= 1 {
                out.believed = judge.left.take();
            }
            let rejection = match verdict {
                Ok(Some(edits)) => {
                    let smaller = best
                        .as_ref()
                        .is_none_or(|it| candidate::size(&edits) < candidate::size(it));
                    if smaller {
                        best = Some(edits);
                    }
                    break;
                }
                Ok(None) => {
                    if attempt < effort.repairs && talk.reword(&prompt) {
                        continue;
                    }
                    // What is proven is said once more before the model is taken at its word.
                    if let Target::Finding(finding) = task.target
                        && mode.asks() == Some(Mode::Community)
                        && !talk.insisted
                        && attempt < effort.repairs
                    {
                        talk.insisted = true;
                        talk.reply(&answer.text, prompt.insist(task.text, finding));
                        continue;
                    }
                    out.unchanged = true;
                    break;
                }
                Err(rejection) => rejection,
            };
            let told = prompt::repair(&rejection);
            out.rejected.push(rejection);
            if !talk.reword(&prompt) {
                talk.reply(&answer.text, told);
            }
        }
        // Where nothing is proven, nothing changed is an answer; else another sample is asked for.
        let open = matches!(task.target, Target::Block(..)) || mode.asks() != Some(Mode::Community);
        if out.unchanged && best.is_none() && sample == 0 && open {
            break;
        }
    }
    out.unchanged &= best.is_none();
    out.proposal = best.map(|edits| Proposal {
        title: title(task),
        applicability: Applicability::Review,
        kind: "model",
        edits,
    });
    Ok(out)
}

/// One sample's questions. What goes wrong in one wording often goes right in the other, and an
/// answer that is sent back mostly comes again: so the second wording comes before any repair.
struct Talk {
    messages: Vec<Message>,
    /// Asked without the general advice so far.
    is_brief: bool,
    /// What is proven was said once more.
    insisted: bool,
}

impl Talk {
    fn new(prompt: &Prompt, brief: Option<&Prompt>) -> Self {
        Self {
            messages: brief.unwrap_or(prompt).messages.clone(),
            is_brief: brief.is_some(),
            insisted: false,
        }
    }

    /// Begins anew in the other wording; `false` where there is none left.
    fn reword(&mut self, prompt: &Prompt) -> bool {
        if self.is_brief {
            self.messages.clone_from(&prompt.messages);
        }
        std::mem::take(&mut self.is_brief)
    }

    /// Sends an answer back with what is to be said of it.
    fn reply(&mut self, answer: &str, told: Message) {
        self.messages.push(Message {
            role: Role::Assistant,
            text: candidate_text(answer),
        });
        self.messages.push(told);
    }
}

/// A refused answer as it is sent back: so much that the model knows what is spoken of.
fn candidate_text(answer: &str) -> String {
    const MOST: usize = 32 << 10;
    crate::advice::shorten(answer, MOST)
}

fn title(task: &Task<'_>) -> String {
    match task.target {
        Target::Finding(finding) => format!("Revise: {}", finding.entry.title),
        Target::Block(..) => "Revise this block".to_owned(),
    }
}

struct Judge<'a> {
    task: &'a Task<'a>,
    code: Code<'a>,
    region: &'a Region,
    prompt: &'a Prompt,
    checks: Option<&'a dyn Checks>,
    watch: &'a dyn Watch,
    memo: Memo,
    /// The text that the last answer would leave.
    left: Option<String>,
}

impl Judge<'_> {
    /// The edits of an answer that passes; `None` when it would change nothing.
    fn judge(&mut self, text: &str, cut: bool) -> Result<Option<Vec<Edit>>, Rejection> {
        let reading = answer::read(self.task.language, text, cut).map_err(Rejection::Answer)?;
        let Reading::Code(code) = reading else {
            return Ok(None);
        };
        let code = self.prompt.mask.restore(&code);
        let code = code.ok_or(Rejection::Answer(Fault::Secret))?;
        let entry = match self.task.target {
            Target::Finding(finding) => Some(&*finding.entry),
            Target::Block(..) => None,
        };
        let whole = Candidate::read(&self.code, self.region, &code).map_err(Rejection::Answer)?;
        let edits = whole.edits(&self.code, self.region, entry);
        let after = edit::apply(self.code.text, &edits).ok_or(Rejection::Unusable)?;
        if after == self.code.text {
            return Ok(None);
        }
        self.left = Some(after);
        let rejection = match self.prove(&edits) {
            Ok(()) => return Ok(Some(edits)),
            Err(rejection) => rejection,
        };
        // What a finding's cure needs may be in it all the same. A block has no such measure.
        if matches!(self.task.target, Target::Finding(_)) {
            for part in whole.parts(&self.code, self.region) {
                let edits = part.edits(&self.code, self.region, entry);
                if !self.watch.cancelled() && self.prove(&edits).is_ok() {
                    return Ok(Some(edits));
                }
            }
        }
        Err(rejection)
    }

    /// Lets the gate, and then the user's own checks, judge some edits.
    fn prove(&mut self, edits: &[Edit]) -> Result<(), Rejection> {
        let after = match self.task.target {
            Target::Finding(finding) => gate::check_with(
                &self.code,
                Some(&mut self.memo),
                self.task.before,
                finding,
                edits,
            )?,
            Target::Block(..) => gate::check_block(
                self.task.snapshot,
                self.task.language,
                self.code.text,
                self.task.before,
                &self.region.lines,
                edits,
            )?,
        };
        if let Some(checks) = self.checks {
            let verdict = checks.check(&after, self.watch);
            verdict.map_err(|(name, reason)| Rejection::Check { name, reason })?;
        }
        Ok(())
    }
}
