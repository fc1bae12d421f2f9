//! Comments that ask for silence: `# secondlook: ignore[id]`, the same in C, and what people wrote
//! for other checkers. It knows comments and lines, nothing of what they silence.

use std::ops::Range;

use kb_schema::{Language, PeerRule};
use memchr::memmem;
use syntax::{NodeNames, Nodes};

use crate::{Analysis, Finding};

/// The words that begin a request for silence inside a comment.
const MARKS: [(&str, Dialect); 3] = [
    ("secondlook: ignore", Dialect::Own),
    ("nosec", Dialect::Nosec),
    ("noqa", Dialect::Noqa),
];

/// Whether our words occur in a text, so that it has to be parsed to know who means them.
pub(crate) fn asks(text: &str) -> bool {
    memmem::find(text.as_bytes(), MARKS[0].0.as_bytes()).is_some()
}

/// Whose words a comment uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `secondlook: ignore`, which always holds.
    Own,
    /// `nosec` of Bandit.
    Nosec,
    /// `noqa` of flake8 and ruff.
    Noqa,
}

/// One name in a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// An id of ours, or a rule of the other checker.
    pub name: String,
    /// Where it stands.
    pub range: Range<usize>,
    /// It silenced a finding; known for our own comments only.
    pub used: bool,
}

/// One comment that asks for silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Whose words it uses.
    pub dialect: Dialect,
    /// The comment, from the sign that begins it to its last word.
    pub range: Range<usize>,
    /// The lines it speaks of, from 1: its own, and the next one when it stands alone.
    pub lines: Range<usize>,
    /// What it names; nothing means everything.
    pub names: Vec<Named>,
    /// It silenced a finding; known for our own comments only.
    pub used: bool,
}

/// A comment of ours, or a name in one, that silences nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// The comment or the name.
    pub range: Range<usize>,
    /// The id, where the comment names others that do silence something.
    pub name: Option<String>,
    /// What to take out of the text to be rid of it.
    pub removal: Range<usize>,
}

impl Analysis {
    /// For each finding, whether a comment of another checker asks for silence about it.
    #[must_use]
    pub fn silenced_for_others(&self, text: &str, dialects: &[Dialect]) -> Vec<bool> {
        let mut comments = self
            .comments
            .iter()
            .filter(|it| it.dialect != Dialect::Own && dialects.contains(&it.dialect))
            .peekable();
        if comments.peek().is_none() {
            return vec![false; self.findings.len()];
        }
        let comments: Vec<&Comment> = comments.collect();
        let lines = Lines::of(text);
        self.findings
            .iter()
            .map(|finding| {
                finding.entry.language == Language::Python
                    && comments.iter().any(|comment| {
                        lines.touch(comment, finding) && comment.means_peer(&finding.entry.cwe)
                    })
            })
            .collect()
    }

    /// Our own comments that silence nothing. Where a part of the text was not analysed nothing is
    /// said: they may be about that part.
    #[must_use]
    pub fn idle_comments(&self, text: &str) -> Vec<Idle> {
        if !self.notes.is_empty() {
            return Vec::new();
        }
        let own = self.comments.iter().filter(|it| it.dialect == Dialect::Own);
        own.flat_map(|comment| comment.idle(text)).collect()
    }
}

impl Comment {
    /// Whether it speaks of a weakness in the words of another checker.
    fn means_peer(&self, cwe: &[u32]) -> bool {
        if self.names.is_empty() {
            return self.dialect == Dialect::Nosec;
        }
        let mut rules = self
            .names
            .iter()
            .flat_map(|it| PeerRule::meant_by(&it.name));
        rules.any(|rule| rule.cwe.iter().any(|it| cwe.contains(it)))
    }

    fn idle(&self, text: &str) -> Vec<Idle> {
        if !self.used {
            return vec![Idle {
                range: self.range.clone(),
                name: None,
                removal: whole_removal(text, &self.range),
            }];
        }
        let mut out = Vec::new();
        for (at, name) in self.names.iter().enumerate() {
            if name.used {
                continue;
            }
            // With the comma that parts it from the one before, or from the next one where none
            // before it stays.
            let removal = if self.names[..at].iter().any(|it| it.used) {
                self.names[at - 1].range.end..name.range.end
            } else {
                let next = self
                    .names
                    .get(at + 1)
                    .map_or(name.range.end, |it| it.range.start);
                name.range.start..next
            };
            out.push(Idle {
                range: name.range.clone(),
                name: Some(name.name.clone()),
                removal,
            });
        }
        out
    }
}

/// A comment with the space before it, and its line when nothing else stands there.
fn whole_removal(text: &str, comment: &Range<usize>) -> Range<usize> {
    let line_start = text[..comment.start].rfind('\n').map_or(0, |it| it + 1);
    let before = text[line_start..comment.start].trim_end_matches([' ', '\t']);
    let rest = &text[comment.end..];
    let end = rest
        .find('\n')
        .map_or(text.len(), |it| comment.end + it + 1);
    let after = text[comment.end..end].trim();
    if before.is_empty() && after.is_empty() {
        return line_start..end;
    }
    line_start + before.len()..comment.end
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let ends = memchr::memchr2_iter(b'\n', b'\r', bytes)
            .filter(|at| bytes[*at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'));
        Self(std::iter::once(0).chain(ends.map(|at| at + 1)).collect())
    }

    fn number(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }

    /// A multi-line finding may be silenced on its first or its last line, because formatters move
    /// trailing comments to either. Bandit takes its comment on any line between as well.
    fn touch(&self, comment: &Comment, finding: &Finding) -> bool {
        let first = self.number(finding.range.start);
        let last = self.number(finding.matched.end.max(finding.range.start + 1) - 1);
        comment.lines.contains(&first)
            || comment.lines.contains(&last)
            || comment.dialect == Dialect::Nosec && (first..=last).contains(&comment.lines.start)
    }
}

/// Splits findings into those that stay and those that a comment of ours silences, and notes in
/// the comments which of them did.
pub(crate) fn split(
    text: &str,
    mut comments: Vec<Comment>,
    findings: Vec<Finding>,
) -> (Vec<Finding>, Vec<Finding>, Vec<Comment>) {
    if !comments.iter().any(|it| it.dialect == Dialect::Own) {
        return (findings, Vec::new(), comments);
    }
    let lines = Lines::of(text);
    let (stay, silenced) = findings.into_iter().partition(|finding| {
        let mut stays = true;
        for comment in &mut comments {
            if comment.dialect != Dialect::Own || !lines.touch(comment, finding) {
                continue;
            }
            if comment.names.is_empty() {
                comment.used = true;
                stays = false;
            }
            for name in &mut comment.names {
                if name.name == finding.entry.id {
                    name.used = true;
                    comment.used = true;
                    stays = false;
                }
            }
        }
        stays
    });
    (stay, silenced, comments)
}

/// The comments of a text that ask for silence.
pub(crate) fn comments(text: &str, nodes: Nodes<'_>) -> Vec<Comment> {
    let mut found: Vec<(usize, usize, Dialect)> = MARKS
        .iter()
        .flat_map(|(mark, dialect)| {
            memmem::find_iter(text.as_bytes(), mark).map(|at| (at, mark.len(), *dialect))
        })
        .chain(memmem::find_iter(text.as_bytes(), "NOQA").map(|at| (at, 4, Dialect::Noqa)))
        .collect();
    if found.is_empty() {
        return Vec::new();
    }
    found.sort_unstable_by_key(|it| it.0);
    let lines = Lines::of(text);
    found
        .into_iter()
        .filter_map(|(at, length, dialect)| {
            // Only a comment silences: the same words in a string are data.
            let root = nodes.root_of(&(at..at + 1));
            let node = root.descendant_for_byte_range(at, at + 1)?;
            if node.kind_name() != "comment" {
                return None;
            }
            read(text, &lines, at..at + length, dialect)
        })
        .collect()
}

/// Reads one comment around its mark.
fn read(text: &str, lines: &Lines, mark: Range<usize>, dialect: Dialect) -> Option<Comment> {
    let number = lines.number(mark.start);
    let line_start = lines.0[number - 1];
    let line_end = memchr::memchr2(b'\n', b'\r', &text.as_bytes()[mark.end..])
        .map_or(text.len(), |it| mark.end + it);
    let mut before = text[line_start..mark.start].trim_end();
    // `# ruff: noqa: S608` speaks of the whole file.
    let mut whole_file = false;
    if dialect == Dialect::Noqa {
        for tool in ["ruff:", "flake8:"] {
            if let Some(rest) = before.strip_suffix(tool) {
                (before, whole_file) = (rest.trim_end(), true);
            }
        }
    }
    let code = before
        .strip_suffix('#')
        .or_else(|| before.strip_suffix("//"))
        .or_else(|| before.strip_suffix("/*"))?;
    let start = line_start + code.len();
    let rest = &text[mark.end..line_end];
    let (names, end) = match dialect {
        Dialect::Own => own_names(rest),
        Dialect::Nosec | Dialect::Noqa => peer_names(rest, dialect)?,
    };
    let names = names
        .into_iter()
        .map(|range| Named {
            name: rest[range.clone()].to_owned(),
            range: mark.end + range.start..mark.end + range.end,
            used: false,
        })
        .collect();
    let alone = code.trim().is_empty();
    let covered = match dialect {
        _ if whole_file => 1..usize::MAX,
        Dialect::Own => number..number + 1 + usize::from(alone),
        Dialect::Nosec | Dialect::Noqa => number..number + 1,
    };
    Some(Comment {
        dialect,
        range: start..mark.end + end,
        lines: covered,
        names,
        used: false,
    })
}

/// The ids in brackets, and where the comment ends: at the next comment sign or with the line.
fn own_names(rest: &str) -> (Vec<Range<usize>>, usize) {
    let end = rest
        .find("*/")
        .map(|at| at + 2)
        .or_else(|| rest.find(" #").or_else(|| rest.find("\t#")))
        .unwrap_or(rest.len());
    let end = rest[..end].trim_end().len();
    let opened = rest.len() - rest.trim_start().len();
    let list = rest[opened..]
        .strip_prefix('[')
        .and_then(|it| it.split_once(']'));
    let Some((list, _)) = list else {
        return (Vec::new(), end);
    };
    (
        words(list, opened + 1, &[',']),
        end.max(opened + list.len() + 2),
    )
}

/// The rules that a comment of another checker names. `None` when it is no such comment, but a
/// longer word or prose.
fn peer_names(rest: &str, dialect: Dialect) -> Option<(Vec<Range<usize>>, usize)> {
    let next = rest.chars().next();
    if next.is_some_and(|it| it.is_alphanumeric() || matches!(it, '_' | '-')) {
        return None;
    }
    let end = rest.find('#').unwrap_or(rest.len());
    let colon = rest.len() - rest.trim_start().len();
    let after = match rest[colon..].strip_prefix(':') {
        Some(_) => colon + 1,
        // Without its colon a `noqa` has no codes, whatever follows; a `nosec` may have some.
        None if dialect == Dialect::Noqa => return Some((Vec::new(), end)),
        None => colon,
    };
    let listed = words(&rest[after.min(end)..end], after, &[',', ' ', '\t']);
    if dialect == Dialect::Noqa {
        return Some((listed, end));
    }
    // What Bandit does not know in a `nosec` is a remark.
    let known = |it: &Range<usize>| PeerRule::meant_by(&rest[it.clone()]).next().is_some();
    let looks = |it: &Range<usize>| {
        let word = rest[it.clone()].as_bytes();
        word.len() == 4 && word[0] == b'B' && word[1..].iter().all(u8::is_ascii_digit)
    };
    Some((
        listed
            .into_iter()
            .filter(|it| known(it) || looks(it))
            .collect(),
        end,
    ))
}

/// The words of a list, as ranges that start from `offset`.
fn words(list: &str, offset: usize, separators: &[char]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut at = offset;
    for part in list.split(separators) {
        let word = part.trim();
        let start = at + (part.len() - part.trim_start().len());
        if !word.is_empty() {
            out.push(start..start + word.len());
        }
        at += part.len() + 1;
    }
    out
}
