//! A function or class that stands by itself in a file, read without the rest. Tree-sitter goes through all statements
//! of a module when one of them changes; this keeps a key in proportion to what it changes.
//! Knows nodes and ranges of bytes; what was edited since when is the document's business.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use crate::parse::parse_range;
use crate::{Language, NodeNames, Text};

/// The longest part that is read by itself. A longer one takes about as long as the rest of the tree, of which a parse
/// can keep what was not edited.
const MAX_BYTES: usize = 16 << 10;

/// The part of a text around an edit: a definition at the outermost level, and all up to the next statement, where the
/// edit lies within the definition and behind its first byte. `None` where there is none.
///
/// The tree is that of the text before the edit, and the range is one of that text.
pub(crate) fn around(tree: &Tree, text_end: usize, edited: &Range<usize>) -> Option<Range<usize>> {
    let root = tree.root_node();
    if root.has_error() {
        return None;
    }
    let node = root.first_child_for_byte(edited.start)?;
    let is_within = node.start_byte() < edited.start && edited.end < node.end_byte();
    if !is_within || !is_definition(node) || node.start_position().column != 0 {
        return None;
    }
    let mut next = root.first_child_for_byte(node.end_byte());
    while let Some(comment) = next.filter(|it| it.kind_name() == "comment") {
        next = comment.next_sibling();
    }
    match next {
        Some(next) if next.start_position().column != 0 => None,
        Some(next) => Some(node.start_byte()..next.start_byte()),
        None => Some(node.start_byte()..text_end),
    }
}

/// The tree of a part alone, its nodes where they stand in the whole text; `None` where it cannot be read by itself.
///
/// What stands before and behind begins a line at the outermost level. So the grammar comes to the part in its first
/// state, and the part's end looks to it like the end of a text.
pub(crate) fn read(language: Language, text: &Text, range: &Range<usize>) -> Option<Tree> {
    if range.len() > MAX_BYTES || goes_on(language, &text.slice(range.clone())) {
        return None;
    }
    let tree = parse_range(language, text, range)?;
    is_one_definition(tree.root_node(), range.start).then_some(tree)
}

/// Whether the text behind a part may belong to its last token: a line that goes on, or a comment of C, which without
/// its end would be read as a division by what a pointer points to.
fn goes_on(language: Language, part: &str) -> bool {
    let opens = match language {
        Language::C => part.rfind("/*"),
        Language::Python => None,
    };
    part.trim_end().ends_with('\\') || opens.is_some_and(|at| !part[at + 2..].contains("*/"))
}

/// Whether there is a definition from the start on, nothing behind it but comments, and all of it could be read.
fn is_one_definition(root: Node<'_>, start: usize) -> bool {
    let mut cursor = root.walk();
    let mut nodes = root.children(&mut cursor);
    let mut first = nodes.next().into_iter();
    !root.has_error()
        && first.any(|it| is_definition(it) && it.start_byte() == start)
        && nodes.all(|it| it.kind_name() == "comment")
}

fn is_definition(node: Node<'_>) -> bool {
    matches!(
        node.kind_name(),
        "function_definition" | "class_definition" | "decorated_definition"
    )
}
