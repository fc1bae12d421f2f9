//! A run of statements at the outermost level of a file, read without the rest. Tree-sitter goes through all
//! statements of a module when one of them changes; this keeps a key in proportion to what it changes.
//! Knows nodes and ranges of bytes; what was edited since when is the document's business.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use crate::parse::parse_range;
use crate::{Descend, Language, NodeNames, Text, walk};

/// The longest part that is read by itself. A longer one takes about as long as the rest of the tree, of which a parse
/// can keep what was not edited.
const MAX_BYTES: usize = 16 << 10;

/// The part of a text around an edit: from the last statement at the outermost level that begins before the edit up to
/// the first one that begins behind it. In C the edit must lie within a function. `None` where there is no such part.
///
/// The tree is that of the text before the edit, and the range is one of that text; of the text after it what stands
/// before the edit is read.
pub(crate) fn around(
    language: Language,
    tree: &Tree,
    text: &Text,
    text_end: usize,
    edited: &Range<usize>,
) -> Option<Range<usize>> {
    let root = tree.root_node();
    if root.has_error() {
        return None;
    }
    let at = root.first_child_for_byte(edited.start.saturating_sub(1));
    let mut first = at.or_else(|| root.child(root.child_count().checked_sub(1)?));
    while let Some(it) = first.filter(|it| it.start_byte() >= edited.start || !begins_line(*it)) {
        first = it.prev_sibling();
    }
    if language == Language::C {
        let is_function = |it: &Node<'_>| it.kind_name() == "function_definition";
        first.filter(|it| is_function(it) && edited.end < it.end_byte())?;
    }
    if language == Language::Python && first.is_some_and(|it| is_led_into(text, it)) {
        return None;
    }
    let mut next = match first {
        Some(first) => first.next_sibling(),
        None => root.child(0),
    };
    while let Some(it) = next.filter(|it| it.start_byte() < edited.end || !begins_line(*it)) {
        next = it.next_sibling();
    }
    let start = first.map_or(0, |it| it.start_byte());
    Some(start..next.map_or(text_end, |it| it.start_byte()))
}

/// Whether what stands before a statement may go on in it: a line by a backslash, or a list of patterns by the comma
/// that it ends in.
fn is_led_into(text: &Text, statement: Node<'_>) -> bool {
    let mut before = statement.prev_sibling();
    while let Some(it) = before.filter(|it| it.is_extra()) {
        before = it.prev_sibling();
    }
    let Some(before) = before else {
        return text.slice(0..statement.start_byte()).contains('\\');
    };
    let mut last = before;
    while let Some(it) = last.child(last.child_count().saturating_sub(1)) {
        last = it;
    }
    let is_word = before.kind_name() == "expression_statement"
        && last.byte_range() == before.byte_range()
        && last.kind_name() == "identifier";
    is_word
        || last.kind_name() == ","
        || text
            .slice(before.end_byte()..statement.start_byte())
            .contains('\\')
}

/// Whether a child of the root is a statement that begins a line. Where comments belong rests on what follows them.
fn begins_line(node: Node<'_>) -> bool {
    node.is_named() && node.kind_name() != "comment" && node.start_position().column == 0
}

/// The tree of a part alone, its nodes where they stand in the whole text; `None` where it cannot be read by itself.
///
/// What stands before and behind begins a line at the outermost level. So the grammar comes to the part in its first
/// state, and the part's end looks to it like the end of a text.
pub(crate) fn read(language: Language, text: &Text, range: &Range<usize>) -> Option<Tree> {
    if range.len() > MAX_BYTES {
        return None;
    }
    let part = text.slice(range.clone());
    let ends_line = range.end == text.len_bytes() || part.ends_with('\n');
    if !ends_line || goes_on(language, &part) {
        return None;
    }
    let tree = parse_range(language, text, range)?;
    let root = tree.root_node();
    let is_sure = !root.has_error()
        && match language {
            Language::Python => !is_ambiguous(root),
            Language::C => is_one_function(root, range.start),
        };
    is_sure.then_some(tree)
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

/// Whether the grammar of Python may have read a line's end in two ways, of which it takes one by what stands around:
/// behind a comma that another pattern may follow, or behind a word that begins a statement only where more follows.
fn is_ambiguous(root: Node<'_>) -> bool {
    let mut found = false;
    walk(root, |node| {
        let last = || node.child(node.child_count().saturating_sub(1));
        let is_over_lines = node.start_position().row != node.end_position().row;
        found |= match node.kind_name() {
            "expression_statement" => last().is_some_and(|it| {
                it.kind_name() == ","
                    || it.byte_range() == node.byte_range() && it.kind_name() == "identifier"
            }),
            "pattern_list" | "print_statement" | "exec_statement" | "type_alias_statement" => {
                is_over_lines
            }
            _ => false,
        };
        match found {
            true => Descend::Stop,
            false => Descend::Into,
        }
    });
    found
}

/// Whether there is a function from the start on and nothing behind it but comments.
fn is_one_function(root: Node<'_>, start: usize) -> bool {
    let mut cursor = root.walk();
    let mut nodes = root.children(&mut cursor);
    let mut first = nodes.next().into_iter();
    first.any(|it| it.kind_name() == "function_definition" && it.start_byte() == start)
        && nodes.all(|it| it.kind_name() == "comment")
}
