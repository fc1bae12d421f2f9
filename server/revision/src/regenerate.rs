//! A block written anew from what stands before and after it: several fillings of the gap, each
//! proved by the gate, the smallest that passes. Knows no network and no files.

use std::ops::Range;

use kb_schema::Applicability;
use syntax::Language;

use crate::Proposal;
use crate::answer::Fault;
use crate::candidate::{self, MAX_REGION, size};
use crate::edit::{Edit, boundary, line_ending};
use crate::gate::{self, Code, Rejection};
use crate::model::{Answer, Gap, Model, ModelError, State, Watch};
use crate::revise::{Checks, Effort, Failure, Outcome, Target, Task};

/// The least number of fillings: one alone is refused too often to be worth reading the gap for.
const SAMPLES: u32 = 4;

/// How far the fillings stray from the likeliest: enough to differ.
const TEMPERATURE: f32 = 0.6;

/// The most bytes before and after the gap that are read. A laptop reads some hundred tokens of
/// about four bytes in a second, and the person is waiting.
const WINDOW: usize = 6 << 10;

/// Of these, how many parts in four stand before the gap.
const BEFORE: usize = 3;

/// Bytes of code in one token at the least, on an average: fillings are given half as many tokens
/// again as the block had.
const TOKEN: usize = 2;

/// Tokens that every filling may have, however short the block was.
const SPARE: usize = 48;

/// Writes the block of a task anew and gives back the smallest filling that passes the gate.
/// Nothing is masked in what is read: it goes to a program on this machine.
///
/// # Errors
/// The block is too long, or the model gave no filling at all. One that is refused is no error.
pub fn regenerate(
    task: &Task<'_>,
    effort: &Effort,
    model: &dyn Model,
    checks: Option<&dyn Checks>,
    watch: &dyn Watch,
) -> Result<Outcome, Failure> {
    let block = match task.target {
        Target::Finding(finding) => finding.matched.clone(),
        Target::Block(range, _) => range.clone(),
    };
    let block = hole(task.text, &block).ok_or(Failure::TooLong)?;
    let old = &task.text[block.clone()];
    let window = WINDOW.min(effort.prompt_bytes);
    let before = tail(&task.text[..block.start], window / 4 * BEFORE);
    let after = head(&task.text[block.end..], window / 4);
    let longest = u32::try_from(old.len() / TOKEN + SPARE).unwrap_or(u32::MAX);
    let gap = Gap {
        before: before.to_owned(),
        after: after.to_owned(),
        samples: effort.samples.max(SAMPLES),
        max_tokens: longest.min(effort.max_tokens),
        temperature: TEMPERATURE,
        seed: 1,
        stops: Vec::new(),
        budget: None,
    };
    let answers = model.fill(&gap, watch).map_err(Failure::Model)?;
    if watch.cancelled() {
        return Err(Failure::Model(ModelError::Cancelled));
    }
    watch.state(State::Proving);
    let tree = syntax::parse(task.language, task.text);
    let judge = Judge {
        code: Code {
            snapshot: task.snapshot,
            language: task.language,
            text: task.text,
            root: tree.root_node(),
        },
        task,
        block: &block,
        checks,
        watch,
    };
    let mut out = Outcome::default();
    let mut best: Option<Vec<Edit>> = None;
    for answer in answers {
        if watch.cancelled() {
            return Err(Failure::Model(ModelError::Cancelled));
        }
        out.cost.add(answer.cost);
        match judge.sample(&fillings(task.language, old, &answer, after)) {
            Ok(None) => out.unchanged = true,
            Ok(Some(edits)) if best.as_ref().is_none_or(|it| size(&edits) < size(it)) => {
                best = Some(edits);
            }
            Ok(Some(_)) => {}
            Err(rejection) => out.rejected.push(rejection),
        }
    }
    out.unchanged &= best.is_none();
    out.proposal = best.map(|edits| Proposal {
        title: "Regenerate this block".to_owned(),
        applicability: Applicability::Review,
        kind: "model",
        edits,
    });
    Ok(out)
}

/// The code of a block without the blanks around it, but with those in front of it on its line: models
/// were trained to begin lines whole. `None` when it is too long, or no code at all.
fn hole(text: &str, block: &Range<usize>) -> Option<Range<usize>> {
    let inside = text.get(block.clone())?;
    let end = block.start + inside.trim_end().len();
    let first = block.start + (inside.len() - inside.trim_start().len());
    let line = text[..first].rfind('\n').map_or(0, |at| at + 1);
    // Within a line, the blank in front belongs to the next word's token.
    let start = line + text[line..first].trim_end().len();
    (first < end && end - start <= MAX_REGION).then_some(start..end)
}

/// The end of a text, from the beginning of a line where it is cut.
fn tail(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let cut = boundary(text, text.len() - most);
    let line = text[cut..].find('\n').map_or(cut, |at| cut + at + 1);
    &text[line..]
}

/// The beginning of a text, to the end of a line where it is cut.
pub(crate) fn head(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let cut = boundary(text, most);
    let line = text[..cut].rfind('\n').map_or(cut, |at| at + 1);
    &text[..line]
}

/// What an answer may mean: all of it, what keeps its indentation, and as many
/// statements as there were. Some models go on
/// beyond the gap; one that was not trained to fill any goes on for ever.
fn fillings(language: Language, old: &str, answer: &Answer, after: &str) -> Vec<String> {
    let text = answer.text.replace("\r\n", "\n").replace('\r', "\n");
    let whole = if old.starts_with([' ', '\t']) || !text.starts_with(' ') {
        text.trim_start_matches('\n')
    } else {
        &text
    };
    let mut lines: Vec<&str> = whole.lines().collect();
    if answer.cut {
        // Its last line is a part of one.
        lines.pop();
    }
    let fence = lines
        .iter()
        .position(|it| it.trim_start().starts_with("```"));
    lines.truncate(fence.unwrap_or(lines.len()));
    // Some fillings go on with what stands after the gap.
    let next = after.lines().find(|it| !it.trim().is_empty());
    if let Some(next) = next.filter(|next| !old.lines().any(|it| it == *next)) {
        let repeats = lines.iter().position(|it| it == &next);
        lines.truncate(repeats.unwrap_or(lines.len()));
    }
    let base = old.lines().next().map_or(0, depth);
    let blank = |line: &&str| line.trim().is_empty();
    let mut dedent = lines.iter().skip(1);
    let dedent = dedent.position(|it| !blank(it) && depth(it) < base && !closes(language, it));
    let kept = &lines[..dedent.map_or(lines.len(), |at| at + 1)];
    let begins = |line: &&str| !blank(line) && depth(line) <= base && !closes(language, line);
    let statements = old.lines().filter(begins).count().max(1);
    let starts = kept.iter().enumerate().filter(|(_, it)| begins(it));
    let next = starts.map(|(at, _)| at).nth(statements);
    let counted = &kept[..next.unwrap_or(kept.len())];
    let mut out: Vec<String> = Vec::new();
    for lines in [lines.as_slice(), kept, counted] {
        let text = lines.join("\n").trim_end().to_owned();
        if !text.trim().is_empty() && !out.contains(&text) {
            out.push(text);
        }
    }
    out
}

pub(crate) fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a line goes on with the statement above it.
pub(crate) fn closes(language: Language, line: &str) -> bool {
    let words: &[&str] = match language {
        Language::Python => &[")", "]", "}", "else:", "elif ", "except", "finally:"],
        Language::C => &["}", "{", ")", "else"],
    };
    words.iter().any(|it| line.trim_start().starts_with(it))
}

struct Judge<'a> {
    task: &'a Task<'a>,
    code: Code<'a>,
    block: &'a Range<usize>,
    checks: Option<&'a dyn Checks>,
    watch: &'a dyn Watch,
}

impl Judge<'_> {
    /// The smallest edits that pass among the readings of one answer; `None` when one reading says
    /// what stands there already: more than that was not asked for.
    fn sample(&self, readings: &[String]) -> Result<Option<Vec<Edit>>, Rejection> {
        // What holds no code at all is refused as such.
        let mut refused = Rejection::Answer(Fault::NoCode);
        let mut best: Option<Vec<Edit>> = None;
        for (at, reading) in readings.iter().enumerate() {
            match self.judge(reading) {
                Ok(None) => return Ok(None),
                Ok(Some(edits)) if best.as_ref().is_none_or(|it| size(&edits) < size(it)) => {
                    best = Some(edits);
                }
                Ok(Some(_)) => {}
                // The reason that counts is about the first reading, which is all of it.
                Err(rejection) if at == 0 => refused = rejection,
                Err(_) => {}
            }
        }
        best.map(Some).ok_or(refused)
    }

    /// The edits of a filling that passes; `None` when it says what stands there already.
    fn judge(&self, filling: &str) -> Result<Option<Vec<Edit>>, Rejection> {
        let old = &self.code.text[self.block.clone()];
        let new = filling.replace('\n', line_ending(self.code.text));
        if new == old {
            return Ok(None);
        }
        let (was, is) = (0..old.len(), 0..new.len());
        let mut edits = vec![candidate::tight(old, &new, &was, &is, self.block.start)];
        candidate::with_imports(&self.code, self.block, &mut edits);
        let after = gate::check_regenerated(&self.code, self.task.before, self.block, &edits)?;
        if let Some(checks) = self.checks {
            let verdict = checks.check(&after, self.watch);
            verdict.map_err(|(name, reason)| Rejection::Check { name, reason })?;
        }
        Ok(Some(edits))
    }
}
