//! Cures that take the data out of the code and put it nowhere: a text is told to fill in values
//! that it has no place for, a statement has marks and gets no values, a name of the file is
//! declared again. Each was written by a small model, and to a checker the weakness is gone.

use std::ops::Range;

use syntax::{Language, Node, NodeNames};

use super::Rejection;
use super::tree::{Side, last};

/// How a database is told to run a statement.
const RUNS: &[&str] = &["execute", "executemany", "executescript", "raw", "mogrify"];

/// Refuses what only the text afterwards does.
///
/// # Errors
/// The first such thing.
pub(super) fn check(
    before: &Side<'_>,
    after: &Side<'_>,
    region: &(Range<usize>, Range<usize>),
) -> Result<(), Rejection> {
    let more = |count: fn(&Side<'_>, &Range<usize>) -> Vec<usize>| {
        let old = count(before, &region.0);
        let new = count(after, &region.1);
        (new.len() > old.len()).then(|| after.line(new.last().copied().unwrap_or(0)))
    };
    match after.language {
        Language::Python => {
            if let Some(line) = more(unfilled) {
                return Err(Rejection::Unfilled { line });
            }
            if let Some(line) = more(unbound) {
                return Err(Rejection::Unbound { line });
            }
            if let Some(line) = more(misplaced) {
                return Err(Rejection::Misplaced { line });
            }
            if has_wildcards(before.text.get(region.0.clone()).unwrap_or(""))
                && !has_wildcards(after.text.get(region.1.clone()).unwrap_or(""))
            {
                return Err(Rejection::Wildcards);
            }
        }
        Language::C => {
            if let Some(line) = more(redeclared) {
                return Err(Rejection::Redeclared { line });
            }
        }
    }
    Ok(())
}

/// Where values are filled into a text that has no place for them.
fn unfilled(side: &Side<'_>, range: &Range<usize>) -> Vec<usize> {
    let mut out = Vec::new();
    side.within(range, |node| {
        let hollow = match node.kind_name() {
            "call" => {
                let callee = node.field("function");
                let text = callee
                    .filter(|it| attribute(side, *it) == Some("format"))
                    .and_then(|it| it.field("object"))
                    .and_then(|it| literal(side, it));
                let arguments = node.field("arguments");
                let given = arguments.is_some_and(|it| it.named_child_count() > 0);
                given && text.is_some_and(|it| !it.contains('{'))
            }
            "binary_operator" => {
                let is_format = node
                    .field("operator")
                    .is_some_and(|it| it.kind_name() == "%");
                let text = node.field("left").and_then(|it| literal(side, it));
                is_format && text.is_some_and(|it| !it.contains('%'))
            }
            _ => false,
        };
        if hollow {
            out.push(node.start_byte());
        }
    });
    out
}

/// Where a statement with marks for values is run without any.
fn unbound(side: &Side<'_>, range: &Range<usize>) -> Vec<usize> {
    let calls = side.calls(range);
    let alone = calls.iter().filter(|it| RUNS.contains(&last(&it.name)));
    let alone = alone.filter_map(|call| {
        let arguments = call.arguments?;
        let first = arguments.named_child(0)?;
        let only = arguments.named_child_count() == 1;
        let text = match first.kind_name() {
            "identifier" => bound(side, range, side.of(first), call.range.start)?,
            _ => first,
        };
        (only && has_marks(&text_of(side, text)?)).then_some(call.range.start)
    });
    alone.collect()
}

/// Whether a search by `LIKE` begins or ends with anything: a `%` at a quote, or before a hole. One
/// that becomes a mark has to go into the value.
fn has_wildcards(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let near = ["'%", "\"%", "%'", "%\"", "%{", "}%"];
    lower.contains("like")
        && near.iter().any(|it| {
            let mut places = lower.match_indices(it);
            // `'%s'` is a place for a value and no wildcard.
            places.any(|(at, found)| {
                let rest = lower.get(at + found.len()..).unwrap_or("");
                !(found.ends_with('%') && rest.starts_with(['s', '(']))
            })
        })
}

/// Where a statement has a mark for a value after words that a name follows: the database refuses
/// it, or orders by a text that is the same for every row.
fn misplaced(side: &Side<'_>, range: &Range<usize>) -> Vec<usize> {
    const NAMES: &[&str] = &["by", "from", "into", "table", "join", "update"];
    let mut out = Vec::new();
    side.within(range, |node| {
        let text = (node.kind_name() == "string").then(|| literal(side, node));
        let Some(text) = text.flatten() else {
            return;
        };
        let mut words = text.split(|c: char| c.is_whitespace() || "(),;".contains(c));
        let mut before = words.next().unwrap_or("");
        for word in words.filter(|it| !it.is_empty()) {
            let mark = matches!(word, "?" | "%s") || word.starts_with("%(");
            if mark && NAMES.iter().any(|it| before.eq_ignore_ascii_case(it)) {
                out.push(node.start_byte());
            }
            before = word;
        }
    });
    out
}

/// What a name was bound to last before a place, within a function.
fn bound<'a>(side: &Side<'a>, range: &Range<usize>, name: &str, at: usize) -> Option<Node<'a>> {
    let mut found = None;
    side.within(range, |node| {
        let left = node.field("left");
        let is_it = node.kind_name() == "assignment" && left.is_some_and(|it| side.of(it) == name);
        if is_it && node.end_byte() <= at {
            found = node.field("right");
        }
    });
    found
}

/// The text of a literal, whether or not values are filled in.
fn text_of<'a>(side: &Side<'a>, node: Node<'a>) -> Option<String> {
    if node.kind_name() == "call" {
        let callee = node.field("function")?;
        let is_format = attribute(side, callee) == Some("format");
        let object = callee.field("object")?;
        return is_format.then(|| literal(side, object)).flatten();
    }
    literal(side, node)
}

/// Whether a statement has a mark for a value, outside of its own quotes: `?`, `%s`, `%(name)s`.
/// Drivers that take `%` for themselves also take `%%`, so a mark must stand where a value does.
fn has_marks(text: &str) -> bool {
    let quoted = text.split('\'').step_by(2);
    let mut marks = quoted.flat_map(|part| {
        let parts = part.split(|c: char| c.is_whitespace() || "(),=<>;".contains(c));
        parts.filter(|it| matches!(*it, "?" | "%s") || it.starts_with("%("))
    });
    marks.next().is_some()
}

fn attribute<'a>(side: &Side<'a>, callee: Node<'a>) -> Option<&'a str> {
    (callee.kind_name() == "attribute").then(|| {
        let name = callee.field("attribute");
        name.map(|it| side.of(it))
    })?
}

/// A text that is written out in full: no f-string, one piece or several side by side.
fn literal(side: &Side<'_>, node: Node<'_>) -> Option<String> {
    match node.kind_name() {
        "string" => {
            let text = side.of(node);
            let start = text.find(['"', '\''])?;
            let plain = !text[..start].contains(['f', 'F', 't', 'T']);
            plain.then(|| text[start..].trim_matches(['"', '\'']).to_owned())
        }
        "concatenated_string" => {
            let mut cursor = node.walk();
            let parts = node.named_children(&mut cursor);
            parts
                .filter(|it| it.kind_name() == "string")
                .map(|it| literal(side, it))
                .collect()
        }
        "parenthesized_expression" => literal(side, node.named_child(0)?),
        _ => None,
    }
}

/// Where a function declares something of the file anew.
fn redeclared(side: &Side<'_>, range: &Range<usize>) -> Vec<usize> {
    let mut out = Vec::new();
    side.within(range, |node| {
        let is_extern = node.kind_name() == "storage_class_specifier" && side.of(node) == "extern";
        let mut parent = node.parent();
        let inside = std::iter::from_fn(|| {
            let it = parent?;
            parent = it.parent();
            Some(it)
        });
        if is_extern
            && inside
                .take(4)
                .any(|it| it.kind_name() == "compound_statement")
        {
            out.push(node.start_byte());
        }
    });
    out
}
