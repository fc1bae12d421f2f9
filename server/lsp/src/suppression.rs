//! Where a comment can stand that silences a finding. Decides nothing about findings and proves no
//! fix.

use std::ops::Range;

use analysis::Finding;
use syntax::{Language, Nodes};

use crate::worker::Analyzed;

/// How many letters a line may have with a comment behind it; beyond, the comment goes above it.
const LONG: usize = 100;

/// The insertion that silences a finding: into a comment that silences others already, or at the
/// end of its first or last line, or above it; nowhere, where a comment would become part of the
/// code.
pub(crate) fn of(analyzed: &Analyzed, finding: &Finding) -> Option<(Range<usize>, String)> {
    let text = analyzed.text.as_str();
    let id = &finding.entry.id;
    let first = line_at(text, finding.range.start);
    let last = line_at(text, finding.matched.end.max(finding.range.start + 1) - 1);
    let before = (first.start > 0).then(|| line_at(text, first.start - 1));
    let alone = before.filter(|line| {
        let line = text[line.clone()].trim_start();
        line.starts_with('#') || line.starts_with("//") || line.starts_with("/*")
    });
    let merged = [Some(first.clone()), Some(last.clone()), alone];
    if let Some(at) = merged
        .into_iter()
        .flatten()
        .find_map(|line| list_end(text, line))
    {
        return Some((at..at, format!(", {id}")));
    }
    let comment = match analyzed.document.language {
        Language::Python => format!("# secondlook: ignore[{id}]"),
        Language::C => format!("// secondlook: ignore[{id}]"),
    };
    let nodes = analyzed.document.nodes();
    let behind = [&first, &last]
        .into_iter()
        .find(|line| can_end(text, line, nodes))
        .map(|line| {
            let at = line.end;
            let spaced = text[..at].ends_with([' ', '\t']);
            let gap = if spaced { "" } else { "  " };
            (at..at, format!("{gap}{comment}"))
        });
    let above = || above(text, &first, nodes, &comment);
    if text[first.clone()].chars().count() + comment.len() > LONG
        && let Some(edit) = above()
    {
        return Some(edit);
    }
    // In C a comment can end before the sign that continues its line.
    let within = || {
        let mut lines = [&first, &last].into_iter();
        lines.find_map(|line| {
            let content = text[line.clone()].strip_suffix('\\')?.trim_end();
            let at = line.start + content.len();
            let free = analyzed.document.language == Language::C && !inside_token(nodes, at);
            free.then(|| (at..at, format!(" /* secondlook: ignore[{id}] */")))
        })
    };
    behind.or_else(within).or_else(above)
}

/// The insertion of a line of its own above a line, where that line does not continue another.
fn above(
    text: &str,
    line: &Range<usize>,
    nodes: Nodes<'_>,
    comment: &str,
) -> Option<(Range<usize>, String)> {
    let before = text[..line.start].trim_end_matches(['\r', '\n']);
    if before.ends_with('\\') || inside_token(nodes, line.start) {
        return None;
    }
    let content = &text[line.clone()];
    let indent = &content[..content.len() - content.trim_start().len()];
    let end = if text[line.end..].starts_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    Some((line.start..line.start, format!("{indent}{comment}{end}")))
}

/// The line around a byte, without its terminator.
fn line_at(text: &str, byte: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let byte = byte.min(bytes.len());
    let start = bytes[..byte]
        .iter()
        .rposition(|it| *it == b'\n')
        .map_or(0, |at| at + 1);
    let end = bytes[byte..]
        .iter()
        .position(|it| *it == b'\n')
        .map_or(bytes.len(), |at| byte + at);
    let end = if end > start && bytes[end - 1] == b'\r' {
        end - 1
    } else {
        end
    };
    start..end
}

/// Where another id can join those that a comment on this line silences.
fn list_end(text: &str, line: Range<usize>) -> Option<usize> {
    const OPEN: &str = "secondlook: ignore[";
    let content = &text[line.clone()];
    let open = content.find(OPEN)? + OPEN.len();
    content[open..]
        .find(']')
        .map(|close| line.start + open + close)
}

/// Whether a comment can stand at a line's end: the line does not continue and does not end within
/// a string or a comment of several lines.
fn can_end(text: &str, line: &Range<usize>, nodes: Nodes<'_>) -> bool {
    !text[line.clone()].ends_with('\\') && !inside_token(nodes, line.end)
}

/// Whether a byte lies inside a string or a comment, not at its edge.
fn inside_token(nodes: Nodes<'_>, byte: usize) -> bool {
    let mut cursor = nodes.root_of(&(byte..byte)).walk();
    loop {
        let node = cursor.node();
        let kind = node.kind();
        let token = ["string", "comment", "char"]
            .iter()
            .any(|part| kind.contains(part));
        if token && node.start_byte() < byte && byte < node.end_byte() {
            return true;
        }
        if cursor.goto_first_child_for_byte(byte).is_none() {
            return false;
        }
    }
}
