//! Puts a value that becomes part of a text, or of a path that is joined, through a function first.
//! Knows nothing of what the function does; the gate tells whether it was the right value.

use std::ops::Range;

use analysis::{Finding, PartKey};
use syntax::{Language, Node, NodeNames};

use crate::edit::Edit;
use crate::parameterize::{Merged, pieces_in};

/// The most values of one text that are tried one by one.
pub(crate) const MOST: usize = 8;

/// The edit that wraps the value with this number, from 0, of those in the built text.
pub(crate) fn edit(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    wrapper: &str,
    number: usize,
) -> Option<Edit> {
    if language != Language::Python || number >= MOST {
        return None;
    }
    let hole = match &finding.built {
        Some((_, pieces)) => {
            let pieces = pieces_in(text, root, pieces)?;
            let mut holes = pieces.iter().filter_map(Merged::hole);
            holes.nth(number)?
        }
        None => joined(text, root, finding).into_iter().nth(number)?,
    };
    let value = text.get(hole.clone())?;
    // Within an f-string of older Pythons the same quote would end it.
    let inside = root
        .named_descendant_for_byte_range(hole.start, hole.end)?
        .parent()
        .is_some_and(|it| it.kind_name() == "interpolation");
    if inside && wrapper.contains(['"', '\'', '\\']) {
        return None;
    }
    Some(Edit::new(hole, wrapper.replace("{}", value)))
}

/// The values that a path is joined from, in the flagged call or in the variable that it is given.
/// Empty where nothing is joined: a whole path cut to its last name would mean another file.
fn joined(text: &str, root: Node<'_>, finding: &Finding) -> Vec<Range<usize>> {
    let first = finding.parts.iter().find_map(|it| match &it.key {
        PartKey::Arg { position: 0, .. } => Some(it.range.clone()),
        _ => None,
    });
    let Some(node) = first.and_then(|it| root.named_descendant_for_byte_range(it.start, it.end))
    else {
        return Vec::new();
    };
    let mut holes = Vec::new();
    match node.kind_name() {
        "identifier" => {
            let value = assigned(text, node);
            value
                .into_iter()
                .for_each(|it| leaves(text, it, &mut holes));
        }
        _ => leaves(text, node, &mut holes),
    }
    holes
}

/// What the variable was given last before this use, in the same function.
fn assigned<'a>(text: &str, used: Node<'a>) -> Option<Node<'a>> {
    let name = text.get(used.byte_range())?;
    let mut node = used;
    loop {
        let mut before = node.prev_named_sibling();
        while let Some(statement) = before {
            let assignment = statement
                .named_child(0)
                .filter(|it| it.kind_name() == "assignment");
            let left = assignment.and_then(|it| it.field("left"));
            if left.is_some_and(|it| text.get(it.byte_range()) == Some(name)) {
                return assignment.and_then(|it| it.field("right"));
            }
            before = statement.prev_named_sibling();
        }
        node = node
            .parent()
            .filter(|it| it.kind_name() != "function_definition")?;
    }
}

/// The values below joins of paths and sums of texts, in their order; what is no such thing as a
/// whole is one value only where something joined it.
fn leaves(text: &str, top: Node<'_>, out: &mut Vec<Range<usize>>) {
    let mut open = vec![(top, false)];
    while let Some((node, below)) = open.pop() {
        if out.len() >= MOST {
            return;
        }
        let callee = node.field("function");
        let joins = callee
            .and_then(|it| text.get(it.byte_range()))
            .is_some_and(|it| it.ends_with("path.join") || it == "join" || it.ends_with("Path"));
        let arguments = node.field("arguments").filter(|_| joins);
        match (node.kind_name(), arguments) {
            ("call", Some(arguments)) if arguments.named_child_count() > 1 => {
                let mut cursor = arguments.walk();
                let inner: Vec<Node<'_>> = arguments.named_children(&mut cursor).collect();
                // Where a path begins is nobody's name.
                open.extend(inner.into_iter().skip(1).rev().map(|it| (it, true)));
            }
            ("binary_operator", _) => {
                let mut cursor = node.walk();
                let inner: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
                open.extend(inner.into_iter().rev().map(|it| (it, true)));
            }
            ("parenthesized_expression", _) => {
                open.extend(node.named_child(0).map(|it| (it, below)));
            }
            ("identifier" | "attribute" | "subscript" | "call", _) if below => {
                out.push(node.byte_range());
            }
            _ => {}
        }
    }
}
