//! Small questions about syntax trees that several checks of the gate ask. Knows the node kinds of
//! both grammars and nothing about findings.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use syntax::{Descend, Language, Node, NodeNames, walk};

/// One text and its tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) language: Language,
    pub(super) text: &'a str,
    pub(super) root: Node<'a>,
}

/// A call as it is written.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// The dotted callee without blanks; `*.name` for a method of anything but a name.
    pub(super) name: String,
    pub(super) callee: Range<usize>,
    pub(super) range: Range<usize>,
    pub(super) arguments: Option<Node<'a>>,
}

/// The last name of a dotted one.
pub(super) fn last(name: &str) -> &str {
    name.rsplit(['.', '>']).next().unwrap_or(name)
}

pub(super) fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

pub(super) fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

impl<'a> Side<'a> {
    pub(super) fn of(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or("")
    }

    /// Visits every node that lies within a range.
    pub(super) fn within(&self, range: &Range<usize>, mut visit: impl FnMut(Node<'a>)) {
        walk(self.root, |node| {
            let here = node.byte_range();
            if here.end < range.start || here.start > range.end {
                return Descend::Past;
            }
            if contains(range, &here) {
                visit(node);
            }
            Descend::Into
        });
    }

    pub(super) fn calls(&self, range: &Range<usize>) -> Vec<Call<'a>> {
        let mut out = Vec::new();
        self.within(range, |node| {
            if matches!(node.kind_name(), "call" | "call_expression")
                && let Some(callee) = node.field("function")
            {
                out.push(Call {
                    name: self.dotted(callee),
                    callee: callee.byte_range(),
                    range: node.byte_range(),
                    arguments: node.field("arguments"),
                });
            }
        });
        out
    }

    /// What stands on a call's lines before and after its callee.
    pub(super) fn around(&self, call: &Call<'a>) -> (&'a str, &'a str) {
        let Range { start, end } = call.callee;
        let before = self.text.get(..start).unwrap_or("");
        let line = before.rfind('\n').map_or(0, |it| it + 1);
        let after = self.text.get(end..).unwrap_or("");
        let rest = after.find('\n').unwrap_or(after.len());
        (
            before.get(line..).unwrap_or(""),
            after.get(..rest).unwrap_or(""),
        )
    }

    fn dotted(&self, callee: Node<'a>) -> String {
        let mut base = callee;
        while let Some(object) = base.field("object").or_else(|| base.field("argument")) {
            base = object;
        }
        let plain = base.kind_name() == "identifier";
        let text: String = self.of(callee).split_whitespace().collect();
        if plain {
            return text.replace("->", ".");
        }
        let end = callee.field("attribute").or_else(|| callee.field("field"));
        end.map_or(text, |it| format!("*.{}", self.of(it)))
    }

    /// Names that stand for values: neither attributes nor keywords of arguments.
    pub(super) fn names(&self, range: &Range<usize>) -> Vec<(&'a str, Node<'a>)> {
        let mut out = Vec::new();
        self.within(range, |node| {
            if node.kind_name() == "identifier" && !is_label(node) {
                out.push((self.of(node), node));
            }
        });
        out
    }

    /// The smallest nodes where a word stands, once for each time. Asking for a few words takes far
    /// less than visiting the whole tree of a long text.
    pub(super) fn leaves(&self, word: &str) -> impl Iterator<Item = Node<'a>> {
        let part =
            |byte: Option<&u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric() || *it == b'_');
        let bytes = self.text.as_bytes();
        let root = self.root;
        let places = match word.is_empty() {
            true => "",
            false => self.text,
        };
        let places = places.match_indices(word).filter(move |(at, word)| {
            let before = at.checked_sub(1).and_then(|it| bytes.get(it));
            !part(before) && !part(bytes.get(at + word.len()))
        });
        let places: Vec<usize> = places.map(|it| it.0).collect();
        let length = word.len();
        let leaf = move |at| root.descendant_for_byte_range(at, at + length);
        places.into_iter().filter_map(leaf)
    }

    /// How often a name stands for a value.
    pub(super) fn count_name(&self, name: &str) -> usize {
        let stands = |it: &Node<'_>| {
            it.kind_name() == "identifier" && self.of(*it) == name && !is_label(*it)
        };
        self.leaves(name).filter(stands).count()
    }

    pub(super) fn name_set(&self, range: &Range<usize>) -> HashSet<&'a str> {
        self.names(range)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    /// The texts of string, number and other literals, with how often each stands there.
    pub(super) fn literals(&self, range: &Range<usize>) -> HashMap<&'a str, usize> {
        let mut out = HashMap::new();
        self.within(range, |node| {
            if matches!(
                node.kind_name(),
                "string"
                    | "string_literal"
                    | "integer"
                    | "float"
                    | "number_literal"
                    | "char_literal"
                    | "true"
                    | "false"
                    | "none"
            ) {
                *out.entry(self.of(node)).or_default() += 1;
            }
        });
        out
    }

    pub(super) fn line(&self, byte: usize) -> usize {
        super::line_of(self.text, byte)
    }
}

/// Whether an identifier only names an attribute or an argument.
fn is_label(node: Node<'_>) -> bool {
    let Some(parent) = node.parent() else {
        return false;
    };
    match parent.kind_name() {
        "attribute" => parent.field("attribute") == Some(node),
        "keyword_argument" => parent.field("name") == Some(node),
        _ => false,
    }
}

pub(super) fn is_function(node: Node<'_>) -> bool {
    node.kind_name() == "function_definition"
}

/// How often each item of a list stands there.
pub(super) fn tally<T: std::hash::Hash + Eq>(
    items: impl IntoIterator<Item = T>,
) -> HashMap<T, usize> {
    let mut out = HashMap::new();
    for item in items {
        *out.entry(item).or_default() += 1;
    }
    out
}

/// The statements of a block or a body.
pub(super) fn statements(block: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = block.walk();
    block
        .named_children(&mut cursor)
        .filter(|it| it.kind_name() != "comment")
        .collect()
}
