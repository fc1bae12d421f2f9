//! Turns a string that is put together from data into one with placeholders, and passes the data
//! beside it. Knows Python's literals and just enough SQL to leave alone what no placeholder can
//! stand for.

use std::ops::Range;

use analysis::{Finding, Piece};
use syntax::{Descend, Language, Node, walk};

use crate::arguments::Arguments;
use crate::edit::{Edit, line_ending};
use crate::imports::binds;

pub(crate) fn edits(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    arguments: &Arguments,
    mark: &str,
) -> Option<Vec<Edit>> {
    if language != Language::Python {
        return None;
    }
    let (built, pieces) = finding.built.as_ref()?;
    let [first, others @ ..] = arguments.list.as_slice() else {
        return None;
    };
    let names = ["parameters", "params", "args", "vars", "multiparams"];
    let keyword = |word: Option<&str>| word.is_some_and(|it| !names.contains(&it));
    if first.keyword.is_some() || !others.iter().all(|it| keyword(it.keyword.as_deref())) {
        return None;
    }
    let inner = unwrapped(text, root, first.value.clone())?;
    if inner.byte_range() != *built {
        assigned_once(text, root, finding, inner, built)?;
    }
    let (query, holes) = query(text, pieces, mark)?;
    let source = text.get(built.clone())?;
    if holes.is_empty() || is_bytes(text, root, built) {
        return None;
    }
    let values: Vec<&str> = holes.iter().filter_map(|it| text.get(it.clone())).collect();
    let comma = if values.len() == 1 { "," } else { "" };
    let long = source.contains("\"\"\"") || source.contains("'''");
    Some(vec![
        Edit::new(built.clone(), literal(&query, long, line_ending(text))),
        Edit::insertion(first.whole.end, format!(", ({}{comma})", values.join(", "))),
    ])
}

/// The node of an argument without the brackets around it.
fn unwrapped<'t>(text: &str, root: Node<'t>, range: Range<usize>) -> Option<Node<'t>> {
    let mut node = root.named_descendant_for_byte_range(range.start, range.end)?;
    while node.kind() == "parenthesized_expression" {
        node = node
            .named_child(0)
            .filter(|_| node.named_child_count() == 1)?;
    }
    let inside = range.start <= node.start_byte() && node.end_byte() <= range.end;
    (inside && !text[node.byte_range()].is_empty()).then_some(node)
}

/// Holds where the argument is a variable that the built text is assigned to once, that is used
/// nowhere else, and where nothing in between could change what the holes give.
fn assigned_once(
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    variable: Node<'_>,
    built: &Range<usize>,
) -> Option<()> {
    if variable.kind() != "identifier" {
        return None;
    }
    let name = &text[variable.byte_range()];
    let mut value = root.named_descendant_for_byte_range(built.start, built.end)?;
    while value.parent()?.kind() == "parenthesized_expression" {
        value = value.parent()?;
    }
    let assignment = value.parent().filter(|it| it.kind() == "assignment")?;
    let target = assignment.child_by_field_name("left")?;
    if target.kind() != "identifier" || &text[target.byte_range()] != name {
        return None;
    }
    let function = &finding.function;
    let between = assignment.end_byte()..finding.matched.start;
    if built.start < function.start || between.start > between.end {
        return None;
    }
    let mut uses = 0;
    let mut changed = false;
    let read: Vec<&str> = {
        let mut read = Vec::new();
        walk(value, |node| {
            if node.kind() == "identifier" {
                read.push(&text[node.byte_range()]);
            }
            Descend::Into
        });
        read
    };
    walk(root, |node| {
        if node.end_byte() <= function.start || node.start_byte() >= function.end {
            return Descend::Past;
        }
        if node.kind() == "identifier" {
            let word = &text[node.byte_range()];
            uses += usize::from(word == name);
            let bound = node.parent().is_some_and(|parent| binds(parent, node));
            let there = between.contains(&node.start_byte());
            changed |= there && bound && read.contains(&word);
        }
        Descend::Into
    });
    let block = assignment.parent()?.parent()?;
    (uses == 2 && !changed && reached_once(block, variable)).then_some(())
}

/// Whether what stands at `node` runs at most once for each time the block runs.
fn reached_once(block: Node<'_>, node: Node<'_>) -> bool {
    let mut node = node;
    while let Some(parent) = node.parent() {
        if parent == block {
            return true;
        }
        match parent.kind() {
            "for_statement"
            | "while_statement"
            | "lambda"
            | "function_definition"
            | "class_definition"
            | "for_in_clause"
            | "list_comprehension"
            | "generator_expression"
            | "set_comprehension"
            | "dictionary_comprehension" => {
                return false;
            }
            _ => node = parent,
        }
    }
    false
}

fn is_bytes(text: &str, root: Node<'_>, built: &Range<usize>) -> bool {
    let mut found = false;
    walk(root, |node| {
        if node.end_byte() <= built.start || node.start_byte() >= built.end {
            return Descend::Past;
        }
        if node.kind() == "string_start" {
            found |= text[node.byte_range()].contains(['b', 'B']);
        }
        Descend::Into
    });
    found
}

/// The text with marks, and the holes that they stand for.
fn query(text: &str, pieces: &[Piece], mark: &str) -> Option<(String, Vec<Range<usize>>)> {
    let mut out = String::new();
    let mut holes = Vec::new();
    let mut after_hole = None;
    let mut pieces = merged(pieces).into_iter().peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Merged::Text(piece) => {
                let mut piece = piece.as_str();
                if let Some(quote) = after_hole.take() {
                    piece = piece.strip_prefix(quote)?;
                }
                if mark == "?" && piece.contains('?') {
                    return None;
                }
                if mark.starts_with('%') {
                    out.push_str(&piece.replace('%', "%%"));
                } else {
                    out.push_str(piece);
                }
            }
            Merged::Hole(range) => {
                if after_hole.is_some() {
                    return None;
                }
                let quoted = out.ends_with(['\'', '"']) && inside_quotes(&out);
                if quoted {
                    after_hole = out.pop();
                    // The other half must be there to go with it.
                    pieces.peek()?;
                }
                if inside_quotes(&out) || is_name(&out) {
                    return None;
                }
                out.push_str(mark);
                text.get(range.clone())?;
                holes.push(range);
            }
        }
    }
    after_hole.is_none().then_some((out, holes))
}

enum Merged {
    Text(String),
    Hole(Range<usize>),
}

/// Texts that touch, as one.
fn merged(pieces: &[Piece]) -> Vec<Merged> {
    let mut out: Vec<Merged> = Vec::new();
    for piece in pieces {
        match (piece, out.last_mut()) {
            (Piece::Text(more), Some(Merged::Text(text))) => text.push_str(more),
            (Piece::Text(text), _) if text.is_empty() => {}
            (Piece::Text(text), _) => out.push(Merged::Text(text.clone())),
            (Piece::Hole(range), _) => out.push(Merged::Hole(range.clone())),
        }
    }
    out
}

/// Whether SQL text ends within a quoted literal or name.
fn inside_quotes(sql: &str) -> bool {
    let mut open = None;
    for c in sql.chars() {
        match open {
            Some(quote) if quote == c => open = None,
            None if matches!(c, '\'' | '"' | '`') => open = Some(c),
            _ => {}
        }
    }
    open.is_some()
}

/// Whether what follows is a name, a list or a direction, which cannot be bound.
fn is_name(sql: &str) -> bool {
    let before = sql.trim_end();
    if before.len() == sql.len()
        && sql.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '['))
    {
        return true;
    }
    let before = before.trim_end_matches('(').trim_end();
    let lower = before.to_ascii_lowercase();
    let word = lower
        .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
        .unwrap_or("");
    let names = [
        "", "from", "into", "table", "update", "join", "exists", "view", "index", "database",
        "schema", "truncate", "by", "as", "in", "on", "user", "role", "select", "distinct", "set",
        "asc", "desc", "column", "use", "pragma", "show", "describe",
    ];
    if word.is_empty() {
        // After a comma in a list, the list decides.
        return match before.chars().last() {
            None => true,
            Some(',') => {
                !lower.contains("values") && !lower.contains(" set ") && !lower.contains("limit")
            }
            Some(_) => false,
        };
    }
    if word == "values" {
        return sql.trim_end() == before;
    }
    names.contains(&word)
}

/// A Python literal of this text.
fn literal(text: &str, long: bool, end: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let long = long && text.contains('\n');
    let quote = if !long && text.contains('"') && !text.contains('\'') {
        '\''
    } else {
        '"'
    };
    let fence: String = std::iter::repeat_n(quote, if long { 3 } else { 1 }).collect();
    let mut out = fence.clone();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' if long => out.push_str(end),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' if long => out.push('\t'),
            '\t' => out.push_str("\\t"),
            c if c == quote && !long => out.extend(['\\', c]),
            // The third of three in a row would close the literal, and so would one at its end.
            c if c == quote => out.push(c),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    if long {
        let body = out.split_off(fence.len());
        out.push_str(&body.replace("\"\"\"", "\\\"\\\"\\\""));
        if out.len() > fence.len() && out.ends_with('"') && !out.ends_with("\\\"") {
            out.pop();
            out.push_str("\\\"");
        }
    }
    out.push_str(&fence);
    out
}
