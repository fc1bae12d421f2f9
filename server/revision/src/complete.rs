//! What a local model would write where somebody is typing, without what brings a finding. It holds
//! to a budget of time. Knows no network and no files.

use std::time::Duration;

use crate::edit::{Edit, boundary, indentation, line_ending};
use crate::gate::{self, Code};
use crate::model::{Answer, Gap, Model, ModelError, Watch};
use crate::regenerate::{closes, depth, head};
use crate::revise::Task;

/// How many completions are asked for; within a budget, mostly the first alone is ready.
const SAMPLES: u32 = 2;

/// How far they stray from the likeliest.
const TEMPERATURE: f32 = 0.2;

/// The longest completion, in tokens: a few lines.
const MAX_TOKENS: u32 = 64;

/// Bytes before the place that are read, at the least; half as many more are at the most.
const BEFORE: usize = 2 << 10;

/// Bytes behind the place that are read. They are read again at every key.
const AFTER: usize = 512;

/// Completions for a place in a text, the likeliest first, none of which brings a finding.
///
/// # Errors
/// The model gave no answer.
pub fn complete(
    task: &Task<'_>,
    at: usize,
    budget: Duration,
    model: &dyn Model,
    watch: &dyn Watch,
) -> Result<Vec<String>, ModelError> {
    if !task.text.is_char_boundary(at) {
        return Ok(Vec::new());
    }
    let (before, after) = task.text.split_at(at);
    let behind = after.lines().next().unwrap_or("");
    // Within a line only the rest of it is wanted.
    let stop = if behind.trim().is_empty() {
        "\n\n"
    } else {
        "\n"
    };
    let gap = Gap {
        before: since(before).to_owned(),
        after: head(after, AFTER).to_owned(),
        samples: SAMPLES,
        max_tokens: MAX_TOKENS,
        temperature: TEMPERATURE,
        seed: 1,
        stops: vec![stop.to_owned()],
        budget: Some(budget),
    };
    let answers = model.fill(&gap, watch)?;
    let tree = syntax::parse(task.language, task.text);
    let code = Code {
        snapshot: task.snapshot,
        language: task.language,
        text: task.text,
        root: tree.root_node(),
    };
    let base = indentation(task.text, at).len();
    let mut out: Vec<String> = Vec::new();
    for answer in answers {
        if watch.cancelled() {
            return Err(ModelError::Cancelled);
        }
        let text = kept(task, &answer, base, after).replace('\n', line_ending(task.text));
        if text.trim().is_empty() || out.contains(&text) {
            continue;
        }
        let edit = Edit::insertion(at, &text);
        if gate::check_completion(&code, task.before, &edit).is_ok() {
            out.push(text);
        }
    }
    Ok(out)
}

/// The end of a text, from a place that stays the same while somebody types on: what a model has
/// read once it need not read again.
fn since(text: &str) -> &str {
    let chunk = BEFORE / 2;
    let cut = text.len().saturating_sub(BEFORE) / chunk * chunk;
    if cut == 0 {
        return text;
    }
    let cut = boundary(text, cut);
    let line = text[cut..].find('\n').map_or(cut, |at| cut + at + 1);
    &text[line..]
}

/// The whole lines of an answer that belong to the block where somebody is typing.
fn kept(task: &Task<'_>, answer: &Answer, base: usize, after: &str) -> String {
    let text = answer.text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    if answer.cut {
        // Its last line is a part of one.
        lines.pop();
    }
    let next = after.lines().find(|it| !it.trim().is_empty());
    let ends = |line: &&str| {
        line.trim_start().starts_with("```")
            || Some(*line) == next
            || !line.trim().is_empty() && depth(line) < base && !closes(task.language, line)
    };
    // The first goes on with what stands there already.
    let end = lines.iter().skip(1).position(ends);
    lines.truncate(end.map_or(lines.len(), |at| at + 1));
    lines.join("\n").trim_end().to_owned()
}
