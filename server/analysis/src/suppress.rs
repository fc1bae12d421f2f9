//! Comments that silence findings: `# secondlook: ignore[id]`, and the same in C.
//! It knows comments and lines, nothing of what it silences.

use std::ops::Range;

use tree_sitter::Node;

use crate::Finding;

/// The word that begins a suppression inside a comment.
const MARK: &str = "secondlook: ignore";

/// One suppression.
#[derive(Debug)]
struct Suppression {
    /// The line it stands on, and what else it covers: the next line when it stands alone.
    lines: Range<usize>,
    /// Empty means every entry.
    ids: Vec<String>,
}

/// Splits findings into those that stay and those that a comment silences.
pub(crate) fn split(
    text: &str,
    root: Node<'_>,
    findings: Vec<Finding>,
) -> (Vec<Finding>, Vec<Finding>) {
    if !text.contains(MARK) {
        return (findings, Vec::new());
    }
    let suppressions = find(text, root);
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at + 1))
        .collect();
    let line_of = |byte: usize| starts.partition_point(|start| *start <= byte);
    findings.into_iter().partition(|finding| {
        // A multi-line finding may be silenced on its first or its last line, because formatters
        // move trailing comments to either.
        let first = line_of(finding.range.start);
        let last = line_of(finding.matched.end.max(finding.range.start + 1) - 1);
        !suppressions.iter().any(|it| {
            (it.lines.contains(&first) || it.lines.contains(&last))
                && (it.ids.is_empty() || it.ids.contains(&finding.entry.id))
        })
    })
}

fn find(text: &str, root: Node<'_>) -> Vec<Suppression> {
    let mut out = Vec::new();
    let mut start = 0;
    for (index, whole) in text.split_inclusive('\n').enumerate() {
        let line_start = start;
        start += whole.len();
        let line = whole.trim_end_matches(['\n', '\r']);
        let Some(at) = line.find(MARK) else { continue };
        // Only a comment silences: the same words in a string are data.
        let here = line_start + at;
        let node = root.descendant_for_byte_range(here, here + 1);
        if node.is_none_or(|it| it.kind() != "comment") {
            continue;
        }
        let before = line[..at].trim_end();
        let Some(code) = before
            .strip_suffix('#')
            .or_else(|| before.strip_suffix("//"))
            .or_else(|| before.strip_suffix("/*"))
        else {
            continue;
        };
        let rest = line[at + MARK.len()..].trim_start();
        let ids = match rest.strip_prefix('[').and_then(|it| it.split_once(']')) {
            Some((ids, _)) => ids
                .split(',')
                .map(|id| id.trim().to_owned())
                .filter(|id| !id.is_empty())
                .collect(),
            None => Vec::new(),
        };
        let number = index + 1;
        let alone = code.trim().is_empty();
        out.push(Suppression {
            lines: number..number + 1 + usize::from(alone),
            ids,
        });
    }
    out
}
