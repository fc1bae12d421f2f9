//! Rewrites pieces of the matched code that are no arguments: expressions by their text,
//! comparisons, assertions. Knows the shape of Python's and C's trees, and no entry.

use analysis::Finding;
use regex::Regex;
use syntax::{Descend, Language, Node, NodeNames, walk};

use crate::edit::{Edit, indentation, line_ending};

/// Puts new text in the place of every outermost expression of the finding whose whole text fits
/// a pattern; `{}` in it stands for the old text. `None` when none fits.
pub(crate) fn swap(
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    old: &str,
    new: &str,
) -> Option<Vec<Edit>> {
    // The longest expression that is looked at, in bytes: patterns speak of short ones.
    const LONGEST: usize = 200;
    let pattern = Regex::new(&format!("^(?:{old})$")).ok()?;
    let around = &finding.matched;
    let mut edits = Vec::new();
    walk(root, |node| {
        let range = node.byte_range();
        if range.end <= around.start || range.start >= around.end {
            return Descend::Past;
        }
        let inside = around.start <= range.start && range.end <= around.end;
        if inside && node.is_named() && range.len() <= LONGEST {
            let source = &text[range.clone()];
            if pattern.is_match(source) {
                edits.push(Edit::new(range, new.replace("{}", source)));
                return Descend::Past;
            }
        }
        Descend::Into
    });
    (!edits.is_empty()).then_some(edits)
}

/// Asks a function instead of comparing: `a == b` becomes `same(a, b)`, and `a != b` its negation.
pub(crate) fn compare(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    same: &str,
) -> Option<Edit> {
    if language != Language::Python {
        return None;
    }
    let node = enclosing(root, finding, "comparison_operator")?;
    if node.named_child_count() != 2 {
        return None;
    }
    let (left, right) = (node.named_child(0)?, node.named_child(1)?);
    let between = text.get(left.end_byte()..right.start_byte())?.trim();
    let (left, right) = (&text[left.byte_range()], &text[right.byte_range()]);
    let not = match between {
        "==" => "",
        "!=" => "not ",
        _ => return None,
    };
    // A negation binds more loosely than what may stand around it.
    let loose = node.parent().is_some_and(|it| {
        matches!(
            it.kind_name(),
            "not_operator" | "comparison_operator" | "binary_operator"
        )
    });
    if loose && !not.is_empty() {
        return None;
    }
    Some(Edit::new(
        node.byte_range(),
        format!("{not}{same}({left}, {right})"),
    ))
}

/// Raises an error where an assertion stood, which optimised programs leave out.
pub(crate) fn raise(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    error: &str,
) -> Option<Edit> {
    if language != Language::Python {
        return None;
    }
    let node = enclosing(root, finding, "assert_statement")?;
    let condition = node.named_child(0)?;
    let message = node.named_child(1).map(|it| &text[it.byte_range()]);
    let source = &text[condition.byte_range()];
    let plain = matches!(
        condition.kind_name(),
        "identifier" | "attribute" | "call" | "subscript" | "parenthesized_expression"
    );
    let source = if plain {
        source.to_owned()
    } else {
        format!("({source})")
    };
    let end = line_ending(text);
    let indent = indentation(text, node.start_byte());
    let step = if indent.contains('\t') { "\t" } else { "    " };
    let message = message.map(|it| format!("({it})")).unwrap_or_default();
    Some(Edit::new(
        node.byte_range(),
        format!("if not {source}:{end}{indent}{step}raise {error}{message}"),
    ))
}

fn enclosing<'t>(root: Node<'t>, finding: &Finding, kind: &str) -> Option<Node<'t>> {
    let range = &finding.matched;
    let mut node = root.named_descendant_for_byte_range(range.start, range.end)?;
    while node.kind_name() != kind {
        // Expressions lie in their statement, and a statement in no other of its kind.
        if matches!(node.kind_name(), "module" | "function_definition" | "block") {
            return None;
        }
        node = node.parent()?;
    }
    Some(node)
}
