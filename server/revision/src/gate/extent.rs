//! A revision touches what its finding is about, and nothing else: which changed lines belong to
//! it, and whether the rest of the text keeps its form. Knows lines and names, not their meaning.

use std::collections::HashSet;
use std::ops::Range;
use syntax::NodeNames;

use analysis::Finding;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::Rejection;
use super::tree::{Side, overlap};

/// One run of changed lines, as bytes of both texts.
#[derive(Debug, Clone)]
pub(crate) struct Hunk {
    pub(crate) before: Range<usize>,
    pub(crate) after: Range<usize>,
}

/// The lines that differ between two texts.
pub(crate) fn hunks(before: &str, after: &str) -> Vec<Hunk> {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    // A long text with a small change is compared around the change only.
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let room = old.len().min(new.len()) - head;
    let pairs = old.iter().rev().zip(new.iter().rev());
    let tail = pairs.take(room).take_while(|(a, b)| a == b).count();
    let ops = capture_diff_slices(
        Algorithm::Myers,
        &old[head..old.len() - tail],
        &new[head..new.len() - tail],
    );
    let place = |lines: &[&str], at: usize| lines[..at].iter().map(|it| it.len()).sum::<usize>();
    ops.iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| {
            let (one, other) = (op.old_range(), op.new_range());
            Hunk {
                before: place(&old, head + one.start)..place(&old, head + one.end),
                after: place(&new, head + other.start)..place(&new, head + other.end),
            }
        })
        .collect()
}

/// What is compared.
pub(super) struct Extent<'a> {
    pub(super) before: Side<'a>,
    pub(super) after: Side<'a>,
}

impl Extent<'_> {
    /// The line endings, the last line's end and the indentation are those of the text.
    pub(super) fn form(&self, hunks: &[Hunk]) -> Result<(), Rejection> {
        let (before, after) = (self.before.text, self.after.text);
        let crlf = before.matches("\r\n").count();
        let lines = before.matches('\n').count();
        for hunk in hunks {
            let new = &after[hunk.after.clone()];
            let line = self.after.line(hunk.after.start);
            let bare = new.matches('\n').count() - new.matches("\r\n").count();
            if lines > 0 && (crlf == lines && bare > 0 || crlf == 0 && new.contains("\r\n")) {
                return Err(Rejection::Form {
                    line,
                    what: "line endings",
                });
            }
            let begins = |text: &str, with: char| text.lines().any(|it| it.starts_with(with));
            let tabs = begins(before, '\t') && !before.lines().any(|it| it.starts_with("  "));
            let spaces = !begins(before, '\t') && before.lines().any(|it| it.starts_with("  "));
            let wrong =
                tabs && new.lines().any(|it| it.starts_with("    ")) || spaces && begins(new, '\t');
            if wrong {
                return Err(Rejection::Form {
                    line,
                    what: "indentation",
                });
            }
        }
        if !before.is_empty() && before.ends_with('\n') != after.ends_with('\n') {
            let line = self.after.line(after.len());
            return Err(Rejection::Form {
                line,
                what: "the end of the last line",
            });
        }
        Ok(())
    }

    /// Every changed line is the finding's, or what those changes need.
    pub(super) fn relevant(&self, finding: &Finding, hunks: &[Hunk]) -> Result<(), Rejection> {
        let hunks: Vec<Hunk> = hunks.iter().flat_map(|it| self.pairs(it)).collect();
        let mut places: Vec<Range<usize>> = finding.slice.clone();
        places.extend([finding.matched.clone(), finding.range.clone()]);
        places.extend(finding.trace.iter().map(|it| it.range.clone()));
        places.extend(finding.built.iter().map(|it| it.0.clone()));
        let places: Vec<Range<usize>> = places
            .iter()
            .map(|it| whole_lines(self.before.text, it))
            .collect();
        let mut slice_names: HashSet<&str> = HashSet::new();
        for place in &places {
            slice_names.extend(self.before.name_set(place));
        }
        let mut strict: HashSet<&str> = HashSet::new();
        for place in &places {
            strict.extend(self.assigned(place));
        }
        let is_new = |name: &&&str| self.before.count_name(name) == 0;
        let mut open: Vec<&Hunk> = Vec::new();
        for hunk in &hunks {
            let own = !hunk.before.is_empty() && places.iter().any(|it| overlap(it, &hunk.before));
            if own || self.is_import(hunk) {
                let new = self.after.name_set(&hunk.after);
                strict.extend(new.iter().filter(is_new));
            } else {
                open.push(hunk);
            }
        }
        loop {
            let found = open.iter().position(|hunk| {
                let new = self.after.name_set(&hunk.after);
                if hunk.before.is_empty() {
                    let bare = new.is_empty()
                        && !self.after.text[hunk.after.clone()].contains(['"', '\'']);
                    return !self.idle(hunk)
                        && (bare
                            || new
                                .iter()
                                .any(|it| slice_names.contains(it) || strict.contains(it)));
                }
                let old = self.before.name_set(&hunk.before);
                !self.idle(hunk) && old.union(&new).any(|it| strict.contains(it))
            });
            let Some(found) = found else { break };
            let hunk = open.remove(found);
            let new = self.after.name_set(&hunk.after);
            strict.extend(new.iter().filter(is_new));
            // What was made of the finding's values may be made otherwise further on.
            strict.extend(self.assigned(&hunk.before));
        }
        match open.first() {
            Some(hunk) => Err(Rejection::Outside {
                line: self.before.line(hunk.before.start),
            }),
            None => Ok(()),
        }
    }

    /// A run of as many new lines as old ones, line by line; lines that only moved to the right or
    /// left belong to what moved them.
    fn pairs(&self, hunk: &Hunk) -> Vec<Hunk> {
        let old: Vec<&str> = self.before.text[hunk.before.clone()]
            .split_inclusive('\n')
            .collect();
        let new: Vec<&str> = self.after.text[hunk.after.clone()]
            .split_inclusive('\n')
            .collect();
        if old.len() != new.len() {
            return vec![hunk.clone()];
        }
        let (mut one, mut other) = (hunk.before.start, hunk.after.start);
        let mut out = Vec::new();
        for (a, b) in old.iter().zip(&new) {
            let pair = Hunk {
                before: one..one + a.len(),
                after: other..other + b.len(),
            };
            one += a.len();
            other += b.len();
            if a.trim() != b.trim() {
                out.push(pair);
            }
        }
        out
    }

    /// Names that are given a value in a range.
    fn assigned(&self, place: &Range<usize>) -> HashSet<&str> {
        let names = self.before.names(place).into_iter();
        names
            .filter(|(_, node)| {
                let mut inner = *node;
                while let Some(parent) = inner.parent() {
                    let left = parent.field("left") == Some(inner)
                        || parent.field("declarator") == Some(inner);
                    if left {
                        return true;
                    }
                    if !matches!(
                        parent.kind_name(),
                        "pattern_list"
                            | "tuple_pattern"
                            | "array_declarator"
                            | "pointer_declarator"
                    ) {
                        return false;
                    }
                    inner = parent;
                }
                false
            })
            .map(|(name, _)| name)
            .collect()
    }

    fn is_import(&self, hunk: &Hunk) -> bool {
        let new = self.after.text[hunk.after.clone()].lines();
        let old = self.before.text[hunk.before.clone()].lines();
        let import = |line: &str| {
            let line = line.trim();
            line.is_empty()
                || line.starts_with("import ")
                || line.starts_with("from ") && line.contains(" import ")
                || line.starts_with("#include ")
        };
        let old: Vec<&str> = old.collect();
        new.clone().all(import)
            && new.clone().any(|it| !it.trim().is_empty())
            && (old.iter().all(|it| it.trim().is_empty()) || old.iter().all(|it| import(it)))
    }

    /// Whether only blanks and comments differ.
    fn idle(&self, hunk: &Hunk) -> bool {
        let mark = match self.before.language {
            syntax::Language::Python => "#",
            syntax::Language::C => "//",
        };
        let bare = |text: &str| {
            let lines = text.lines().map(|it| it.split(mark).next().unwrap_or(it));
            lines.flat_map(str::split_whitespace).collect::<String>()
        };
        bare(&self.before.text[hunk.before.clone()]) == bare(&self.after.text[hunk.after.clone()])
    }
}

/// The lines around a range.
pub(crate) fn whole_lines(text: &str, range: &Range<usize>) -> Range<usize> {
    let start = text
        .get(..range.start)
        .and_then(|it| it.rfind('\n'))
        .map_or(0, |at| at + 1);
    let last = range.end.max(range.start);
    let end = text
        .get(last.max(1) - 1..)
        .and_then(|it| it.find('\n'))
        .map_or(text.len(), |at| last.max(1) + at);
    start..end.max(start)
}
