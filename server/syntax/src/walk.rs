//! Walking trees of any depth. Knows nodes, not languages.

use std::ops::Range;

use tree_sitter::Node;

/// Where a walk goes after a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descend {
    /// To its children.
    Into,
    /// Past its children.
    Past,
    /// Nowhere: the walk ends.
    Stop,
}

/// Visits a node and its descendants, parents first, in the order of the text. Uses no recursion,
/// so the depth of a tree does not matter.
pub fn walk<'t>(root: Node<'t>, mut visit: impl FnMut(Node<'t>) -> Descend) {
    let mut cursor = root.walk();
    loop {
        match visit(cursor.node()) {
            Descend::Stop => return,
            Descend::Into if cursor.goto_first_child() => continue,
            Descend::Into | Descend::Past => {}
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}

/// The ranges that the grammar could not read, outermost first, at most `limit` of them. A token
/// that is missing has an empty range.
#[must_use]
pub fn error_nodes(root: Node<'_>, limit: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if limit == 0 {
        return found;
    }
    walk(root, |node| {
        if !node.has_error() {
            return Descend::Past;
        }
        if !node.is_error() && !node.is_missing() {
            return Descend::Into;
        }
        found.push(node.byte_range());
        if found.len() < limit {
            Descend::Past
        } else {
            Descend::Stop
        }
    });
    found
}
