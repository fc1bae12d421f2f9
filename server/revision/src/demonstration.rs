//! Which of an entry's own examples a model is shown for some code: the weak one with its cure
//! where both are there, else a safe one (SecCoder's safe demonstrations, METHODS.md §3). It knows
//! no prompt.

use std::collections::BTreeSet;

use kb_schema::{Entry, ExampleKind};
use similar::{Algorithm, capture_diff_slices, get_diff_ratio};

/// Enough for a function of a dozen lines; longer ones teach a small model nothing more.
const MOST: usize = 900;

/// How much of two functions must be the same, line by line, for one to be the other's cure: much
/// where their heads differ, little where they do not.
const ALIKE: f32 = 0.5;
const AKIN: f32 = 0.2;

/// A weak function and the same function made safe.
pub(crate) struct Cure {
    pub(crate) before: String,
    /// The line of `before` that is reported, from 1.
    pub(crate) line: usize,
    /// Begins with the imports that it needs and `before`'s file has not.
    pub(crate) after: String,
}

/// A definition of an example with the line of the block that it begins in, from 0.
struct Part<'a> {
    at: usize,
    lines: Vec<&'a str>,
}

impl Part<'_> {
    fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The line with its name.
    fn head(&self) -> Option<&str> {
        let lines = self.lines.iter().copied();
        lines.into_iter().find(|it| !it.starts_with('@'))
    }
}

/// The cure among the entry's examples whose weak side has most words in common with some code, a
/// small change before a big one.
pub(crate) fn cure(entry: &Entry, code: &str) -> Option<Cure> {
    let wanted = words(code);
    let mut best: Option<(f32, Cure)> = None;
    for weak in entry.examples(ExampleKind::Vulnerable) {
        for before in parts(&weak.code) {
            let inside = |line: &&usize| (1..=before.lines.len()).contains(&(**line - before.at));
            let Some(line) = weak.lines.iter().filter(|it| **it > before.at).find(inside) else {
                continue;
            };
            let common = likeness(&words(&before.text()), &wanted);
            let Some((ratio, after)) = mended(entry, &before, &weak.code) else {
                continue;
            };
            // A small change shows best what is to be done.
            let worth = common * ratio;
            let cure = Cure {
                before: before.text(),
                line: line - before.at,
                after,
            };
            let fits = cure.before.len() <= MOST && cure.after.len() <= MOST;
            if fits && best.as_ref().is_none_or(|it| it.0 < worth) {
                best = Some((worth, cure));
            }
        }
    }
    best.map(|it| it.1)
}

/// The safe function that is most like a weak one, with the share of lines that they have in common.
fn mended(entry: &Entry, before: &Part<'_>, weak: &str) -> Option<(f32, String)> {
    let mut best: Option<(f32, String)> = None;
    for safe in entry.examples(ExampleKind::Secure) {
        for after in parts(&safe.code) {
            let ops = capture_diff_slices(Algorithm::Myers, &before.lines, &after.lines);
            let ratio = get_diff_ratio(&ops, before.lines.len(), after.lines.len());
            let least = if before.head() == after.head() {
                AKIN
            } else {
                ALIKE
            };
            if (least..1.0).contains(&ratio) && best.as_ref().is_none_or(|it| it.0 < ratio) {
                let text = after.text();
                let used = words(&text);
                let fresh = imports(&safe.code).filter(|it| !weak.contains(it));
                let needed = fresh.filter(|it| words(it).iter().any(|it| used.contains(it)));
                let head: String = needed.map(|it| format!("{it}\n")).collect();
                best = Some((ratio, head + &text));
            }
        }
    }
    best
}

/// The function of the entry's safe examples that has most words in common with some code, with
/// the imports of its block.
pub(crate) fn safe(entry: &Entry, code: &str) -> Option<String> {
    let wanted = words(code);
    let mut best: Option<(usize, String)> = None;
    for block in entry.examples(ExampleKind::Secure) {
        for part in parts(&block.code) {
            let text = part.text();
            let used = words(&text);
            let common = used.intersection(&wanted).count();
            let needed =
                imports(&block.code).filter(|it| words(it).iter().any(|it| used.contains(it)));
            let head: String = needed.map(|it| format!("{it}\n")).collect();
            let text = head + &text;
            if text.len() <= MOST && common > 0 && best.as_ref().is_none_or(|it| it.0 < common) {
                best = Some((common, text));
            }
        }
    }
    best.map(|it| it.1)
}

/// How much of all words two texts share, from 0 to 1.
fn likeness(one: &BTreeSet<String>, other: &BTreeSet<String>) -> f32 {
    let common = one.intersection(other).count();
    let all = one.len() + other.len() - common;
    #[expect(clippy::cast_precision_loss, reason = "counts of words in a function")]
    let share = common as f32 / all.max(1) as f32;
    share
}

fn words(text: &str) -> BTreeSet<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    parts.filter(|it| it.len() > 2).map(str::to_owned).collect()
}

fn imports(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter(|line| {
        line.starts_with("import ") || line.starts_with("from ") || line.starts_with("#include")
    })
}

/// The definitions of a block of code, each with the lines that belong to it.
fn parts(code: &str) -> Vec<Part<'_>> {
    let mut out: Vec<Part<'_>> = Vec::new();
    for (at, line) in code.lines().enumerate() {
        let label = line.trim_end().ends_with(':') && !line.contains([' ', '(']);
        let starts =
            !label && line.starts_with(|c: char| c.is_alphabetic() || c == '@' || c == '_');
        let decorated = out
            .last()
            .is_some_and(|it| it.lines.last().is_some_and(|it| it.starts_with('@')));
        match out.last_mut() {
            Some(last) if !starts || decorated => last.lines.push(line),
            _ => out.push(Part {
                at,
                lines: vec![line],
            }),
        }
    }
    for part in &mut out {
        while part.lines.last().is_some_and(|it| it.trim().is_empty()) {
            part.lines.pop();
        }
    }
    out.retain(|it| it.lines.len() > 1 && it.lines.iter().any(|it| it.contains('(')));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_with_a_label_is_one_part() {
        let code = "int f(void)\n{\n    goto out;\nout:\n    return g();\n}\n";
        assert_eq!(parts(code).len(), 1);
        let code = "@route(\"/\")\ndef f():\n    g()\n\n\ndef h():\n    g()\n";
        assert_eq!(parts(code).len(), 2);
    }
}
