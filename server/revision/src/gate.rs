//! The gate: whatever wants to change code, a template or a model, passes here first. It judges a
//! patch by its effect alone and does not know who made it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use analysis::{Analysis, Finding, Memo, Snapshot, Source};
use syntax::Node;

use crate::edit::{self, Edit};
use crate::imports;

/// Why a patch was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The edits overlap or do not fit the text.
    Unusable,
    /// The patch changes nothing.
    Unchanged,
    /// Nothing was tried: proofs of other fixes of this text took all the time that there is.
    Untried,
    /// It changes code that the finding is not about.
    Outside {
        /// Line from 1, in the text before.
        line: usize,
    },
    /// The result parses worse than what was there.
    Broken {
        /// How many places did not parse before.
        before: usize,
        /// How many do not parse afterwards.
        after: usize,
    },
    /// The weakness is still reported.
    Remains {
        /// The entry that reports it.
        entry: String,
    },
    /// A comment now hides the weakness, which does not cure it.
    Hidden {
        /// The entry that would report it.
        entry: String,
    },
    /// Something is reported that was not before.
    New {
        /// The entry that reports it.
        entry: String,
        /// What it says.
        message: String,
        /// Line from 1, in the text afterwards.
        line: usize,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable => f.write_str("its edits overlap or do not fit the text"),
            Self::Unchanged => f.write_str("it changes nothing"),
            Self::Untried => f.write_str("too many fixes were tried in this file already"),
            Self::Outside { line } => {
                write!(f, "it changes line {line}, which the finding is not about")
            }
            Self::Broken { before, after } => write!(
                f,
                "the result does not parse: {after} unreadable places instead of {before}"
            ),
            Self::Remains { entry } => write!(f, "{entry} still reports the result"),
            Self::Hidden { entry } => {
                write!(f, "it silences {entry} with a comment instead of curing it")
            }
            Self::New {
                entry,
                message,
                line,
            } => {
                write!(
                    f,
                    "it brings a new finding on line {line}, {entry}: {message}"
                )
            }
        }
    }
}

impl std::error::Error for Rejection {}

/// The text after the edits, when they are worth it: it parses no worse, the finding is gone,
/// nothing new is reported, and nothing but the finding's function and the imports is touched.
///
/// # Errors
/// The first of these that does not hold.
pub fn check(
    snapshot: &Snapshot,
    language: syntax::Language,
    before_text: &str,
    before: &Analysis,
    finding: &Finding,
    edits: &[Edit],
) -> Result<String, Rejection> {
    let tree = syntax::parse(language, before_text);
    let code = Code {
        snapshot,
        language,
        text: before_text,
        root: tree.root_node(),
    };
    check_with(&code, &mut Memo::default(), before, finding, edits)
}

/// The code that patches are made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) language: syntax::Language,
    pub(crate) text: &'a str,
    pub(crate) root: Node<'a>,
}

/// As [`check`], remembering from one patch of a text to the next what they leave as it is.
pub(crate) fn check_with(
    code: &Code<'_>,
    memo: &mut Memo,
    before: &Analysis,
    finding: &Finding,
    edits: &[Edit],
) -> Result<String, Rejection> {
    let Code { language, text, .. } = *code;
    let after_text = edit::apply(text, edits).ok_or(Rejection::Unusable)?;
    if after_text == text {
        return Err(Rejection::Unchanged);
    }
    inside(language, text, code.root, finding, edits)?;
    let tree = syntax::parse(language, &after_text);
    parses(code.root, tree.root_node())?;
    let source = Source {
        language,
        text: &after_text,
        tree: &tree,
    };
    let after = code.snapshot.analyze(&source, memo, &|| false);
    let after = after.unwrap_or_default();
    gone(before, &after, finding, edits)?;
    nothing_new(before, &after, &after_text)?;
    Ok(after_text)
}

/// The part of the gate that looks at no single finding: for several patches at once.
pub(crate) fn check_all(
    snapshot: &Snapshot,
    language: syntax::Language,
    before_text: &str,
    before: &Analysis,
    edits: &[Edit],
) -> Result<String, Rejection> {
    let after_text = edit::apply(before_text, edits).ok_or(Rejection::Unusable)?;
    if after_text == before_text {
        return Err(Rejection::Unchanged);
    }
    let tree = syntax::parse(language, before_text);
    let after_tree = syntax::parse(language, &after_text);
    parses(tree.root_node(), after_tree.root_node())?;
    let after = snapshot.check(language, &after_text);
    nothing_new(before, &after, &after_text)?;
    Ok(after_text)
}

fn line_of(text: &str, byte: usize) -> usize {
    let bytes = &text.as_bytes()[..byte.min(text.len())];
    bytes.iter().filter(|it| **it == b'\n').count() + 1
}

fn inside(
    language: syntax::Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    edits: &[Edit],
) -> Result<(), Rejection> {
    let header_end = header_end(root, &finding.function);
    for edit in edits {
        let within =
            |range: &Range<usize>| range.start <= edit.range.start && edit.range.end <= range.end;
        let in_header = header_end
            .as_ref()
            .is_some_and(|end| edit.range.start < *end);
        let allowed = within(&finding.matched)
            || within(&finding.function) && !in_header
            || imports::only_imports(language, root, edit);
        if !allowed {
            return Err(Rejection::Outside {
                line: line_of(text, edit.range.start),
            });
        }
    }
    Ok(())
}

/// Where the signature ends of the function that has exactly this range.
fn header_end(root: Node<'_>, function: &Range<usize>) -> Option<usize> {
    let mut node = root.descendant_for_byte_range(function.start, function.end)?;
    loop {
        if let Some(body) = node.child_by_field_name("body") {
            return Some(body.start_byte());
        }
        // A decorated function holds the definition as a child.
        node = node.child_by_field_name("definition")?;
    }
}

fn parses(old: Node<'_>, new: Node<'_>) -> Result<(), Rejection> {
    // Far more than anyone would repair, and a bound for what is counted.
    const LIMIT: usize = 10_000;
    let before = syntax::error_nodes(old, LIMIT).len();
    let after = syntax::error_nodes(new, LIMIT).len();
    if after > before {
        return Err(Rejection::Broken { before, after });
    }
    Ok(())
}

fn gone(
    before: &Analysis,
    after: &Analysis,
    finding: &Finding,
    edits: &[Edit],
) -> Result<(), Rejection> {
    let entry = &finding.entry.id;
    let place = edit::map(&finding.matched, edits);
    let count = |findings: &[Finding], place: &Range<usize>| {
        let touching = |it: &&Finding| {
            it.entry.id == *entry && it.range.start < place.end && place.start < it.range.end
        };
        findings.iter().filter(touching).count()
    };
    // Others of the same entry may stand inside the matched code; those may stay.
    let known = count(&before.findings, &finding.matched);
    let left = count(&after.findings, &place);
    if left > 0 && left >= known {
        return Err(Rejection::Remains {
            entry: entry.clone(),
        });
    }
    let of_entry =
        |findings: &[Finding]| findings.iter().filter(|it| it.entry.id == *entry).count();
    if of_entry(&after.suppressed) > of_entry(&before.suppressed) {
        return Err(Rejection::Hidden {
            entry: entry.clone(),
        });
    }
    // Moving the weakness elsewhere is no cure either.
    if of_entry(&after.findings) >= of_entry(&before.findings) {
        return Err(Rejection::Remains {
            entry: entry.clone(),
        });
    }
    Ok(())
}

fn nothing_new(before: &Analysis, after: &Analysis, after_text: &str) -> Result<(), Rejection> {
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for finding in before.findings.iter().chain(&before.suppressed) {
        *known
            .entry((&finding.entry.id, &finding.message))
            .or_default() += 1;
    }
    for finding in after.findings.iter().chain(&after.suppressed) {
        match known.get_mut(&(finding.entry.id.as_str(), finding.message.as_str())) {
            Some(left) if *left > 0 => *left -= 1,
            _ => {
                return Err(Rejection::New {
                    entry: finding.entry.id.clone(),
                    message: finding.message.clone(),
                    line: line_of(after_text, finding.range.start),
                });
            }
        }
    }
    Ok(())
}
