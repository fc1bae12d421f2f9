//! Turns a string that is put together from data into one with placeholders, and passes the data
//! beside it. Knows Python's literals, and no drivers.

use std::ops::Range;

use analysis::{Finding, Piece};
use syntax::{Descend, Language, Node, NodeNames, walk};

use crate::arguments::Arguments;
use crate::edit::{Edit, line_ending};
use crate::imports::binds;
use crate::sql;

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
    let (query, values) = query(text, &pieces_in(text, root, pieces)?, mark)?;
    let source = text.get(built.clone())?;
    if values.is_empty() || is_bytes(text, root, built) {
        return None;
    }
    let comma = if values.len() == 1 { "," } else { "" };
    let long = source.contains("\"\"\"") || source.contains("'''");
    Some(vec![
        Edit::new(built.clone(), literal(&query, long, line_ending(text))),
        Edit::insertion(first.whole.end, format!(", ({}{comma})", values.join(", "))),
    ])
}

/// The node of an argument without the brackets around it.
pub(crate) fn unwrapped<'t>(text: &str, root: Node<'t>, range: Range<usize>) -> Option<Node<'t>> {
    let mut node = root.named_descendant_for_byte_range(range.start, range.end)?;
    while node.kind_name() == "parenthesized_expression" {
        node = node
            .named_child(0)
            .filter(|_| node.named_child_count() == 1)?;
    }
    let inside = range.start <= node.start_byte() && node.end_byte() <= range.end;
    (inside && !text[node.byte_range()].is_empty()).then_some(node)
}

/// Holds where the argument is a variable that the built text is assigned to once, that is used
/// nowhere else, and where nothing in between could change what the holes give.
pub(crate) fn assigned_once(
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    variable: Node<'_>,
    built: &Range<usize>,
) -> Option<()> {
    if variable.kind_name() != "identifier" {
        return None;
    }
    let name = &text[variable.byte_range()];
    let value = root.named_descendant_for_byte_range(built.start, built.end)?;
    let value = outside_brackets(value);
    let assignment = value.parent().filter(|it| it.kind_name() == "assignment")?;
    let target = assignment.field("left")?;
    if target.kind_name() != "identifier" || &text[target.byte_range()] != name {
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
            if node.kind_name() == "identifier" {
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
        if node.kind_name() == "identifier" {
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
        match parent.kind_name() {
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

pub(crate) fn is_bytes(text: &str, root: Node<'_>, built: &Range<usize>) -> bool {
    let mut found = false;
    walk(root, |node| {
        if node.end_byte() <= built.start || node.start_byte() >= built.end {
            return Descend::Past;
        }
        if node.kind_name() == "string_start" {
            found |= text[node.byte_range()].contains(['b', 'B']);
        }
        Descend::Into
    });
    found
}

/// The text with marks, and the source of the values that they stand for.
fn query(text: &str, pieces: &[Merged], mark: &str) -> Option<(String, Vec<String>)> {
    let mut out = String::new();
    let mut values = Vec::new();
    let mut pieces = pieces.to_vec();
    for index in 0..pieces.len() {
        let hole = match &pieces[index] {
            Merged::Text(piece) if mark == "?" && piece.contains('?') => return None,
            Merged::Text(piece) => {
                out.push_str(piece);
                continue;
            }
            Merged::Hole(hole) => text.get(hole.clone())?,
        };
        let value = match sql::open_quote(&out) {
            Some(at) => {
                // The quotes go, and what stood with the value between them goes with the value.
                let quoted = out.split_off(at);
                let prefix = &quoted[1..];
                let quote = quoted.chars().next()?;
                let Some(Merged::Text(next)) = pieces.get_mut(index + 1) else {
                    return None;
                };
                let close = next.find(quote)?;
                let suffix = next[..close].to_owned();
                next.drain(..=close);
                surrounded(prefix, hole, &suffix)?
            }
            None => hole.to_owned(),
        };
        let joined = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '(');
        let goes_on = match pieces.get(index + 1) {
            Some(Merged::Text(next)) => next.starts_with(joined),
            Some(Merged::Hole(_)) => true,
            None => false,
        };
        if goes_on || !sql::takes_value(&out) {
            return None;
        }
        // No SQL holds this character, so that the marks can be told from the text below.
        out.push('\0');
        values.push(value);
    }
    if mark.starts_with('%') {
        out = out.replace('%', "%%");
    }
    (out.matches('\0').count() == values.len()).then(|| (out.replace('\0', mark), values))
}

/// A value with fixed text around it, such as the `%` of LIKE, as one expression.
pub(crate) fn surrounded(prefix: &str, hole: &str, suffix: &str) -> Option<String> {
    if prefix.is_empty() && suffix.is_empty() {
        return Some(hole.to_owned());
    }
    let special = ['\\', '{', '}', '"', '\'', '\n', '\r', '\0'];
    let mut not_in_hole = vec!['\\', '{', '}', '\n', '\r', '!', ':', '#'];
    let quote = if hole.contains('"') { '\'' } else { '"' };
    not_in_hole.push(quote);
    if prefix.contains(special) || suffix.contains(special) || hole.contains(&not_in_hole[..]) {
        return None;
    }
    Some(format!("f{quote}{prefix}{{{hole}}}{suffix}{quote}"))
}

/// The pieces, with texts that touch as one and each hole narrowed to the one value that it takes.
/// `None` when a hole takes its value in a way that is not understood, such as from a dictionary.
pub(crate) fn pieces_in(text: &str, root: Node<'_>, pieces: &[Piece]) -> Option<Vec<Merged>> {
    let mut merged = merged(pieces);
    let holes: Vec<Range<usize>> = merged.iter().filter_map(Merged::hole).collect();
    let mut seen: Vec<Range<usize>> = Vec::new();
    for piece in &mut merged {
        let Merged::Hole(hole) = piece else { continue };
        let node = root.named_descendant_for_byte_range(hole.start, hole.end)?;
        if node.byte_range() != *hole {
            return None;
        }
        let times = holes.iter().filter(|it| *it == hole).count();
        let turn = seen.iter().filter(|it| *it == hole).count();
        seen.push(hole.clone());
        let outer = outside_brackets(node);
        let parent = outer.parent()?;
        match parent.kind_name() {
            "interpolation" => {}
            "binary_operator" => {
                let operator = parent.field("operator")?;
                let of_percent = operator.kind_name() == "%";
                if of_percent && node.kind_name() == "tuple" {
                    if node.named_child_count() != times {
                        return None;
                    }
                    let value = node.named_child(u32::try_from(turn).ok()?)?;
                    *hole = value.byte_range();
                } else if of_percent {
                    let left = parent.field("left")?;
                    let named = text[left.byte_range()].contains("%(");
                    if times > 1 || named || node.kind_name() == "dictionary" {
                        return None;
                    }
                } else if operator.kind_name() != "+" {
                    return None;
                }
            }
            "tuple" => {
                let holder = outside_brackets(parent).parent()?;
                if holder.kind_name() != "binary_operator" {
                    return None;
                }
            }
            "argument_list" | "keyword_argument" => {
                let mut call = parent.parent()?;
                if parent.kind_name() == "keyword_argument" {
                    call = call.parent()?;
                }
                let function = call.field("function")?;
                let name = function.field("attribute").unwrap_or(function);
                if !matches!(&text[name.byte_range()], "format" | "str") {
                    return None;
                }
            }
            _ => return None,
        }
        if text[hole.clone()].starts_with('*') {
            return None;
        }
    }
    Some(merged)
}

pub(crate) fn outside_brackets(mut node: Node<'_>) -> Node<'_> {
    while let Some(parent) = node.parent()
        && parent.kind_name() == "parenthesized_expression"
    {
        node = parent;
    }
    node
}

#[derive(Clone)]
pub(crate) enum Merged {
    Text(String),
    Hole(Range<usize>),
}

impl Merged {
    pub(crate) fn hole(&self) -> Option<Range<usize>> {
        match self {
            Self::Text(_) => None,
            Self::Hole(range) => Some(range.clone()),
        }
    }
}

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

/// A Python literal of this text.
pub(crate) fn literal(text: &str, long: bool, end: &str) -> String {
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
