//! Which functions a text has and what lies around them, without lowering any of them.
//! It visits statements only, so that an edit in a long file costs little.

use std::ops::Range;

use rustc_hash::FxHashMap;
use syntax::Language;
use tree_sitter::{Node, TreeCursor};

/// One function, or the module (always first).
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Empty for the module.
    pub(crate) name: Box<str>,
    /// The class around it, if it is a method.
    pub(crate) class: Option<Box<str>>,
    /// Index of the scope around it.
    pub(crate) parent: usize,
    /// Decorators included.
    pub(crate) range: Range<usize>,
    /// A name that survives edits elsewhere: class, name and ordinal among equals.
    pub(crate) key: u64,
}

/// The scopes of a text, and their nodes in the same order.
pub(crate) struct Outline<'t> {
    pub(crate) scopes: Vec<Scope>,
    pub(crate) nodes: Vec<Node<'t>>,
}

/// How many functions one text may have; more are left out and said so by the caller.
pub(crate) const MAX_SCOPES: usize = 50_000;

/// Finds every function of the tree in source order.
pub(crate) fn outline<'t>(language: Language, text: &str, root: Node<'t>) -> Outline<'t> {
    let module = Scope {
        name: "".into(),
        class: None,
        parent: 0,
        range: 0..text.len(),
        key: 0,
    };
    let mut out = Outline {
        scopes: vec![module],
        nodes: vec![root],
    };
    let mut seen: FxHashMap<u64, u64> = FxHashMap::default();
    let mut cursor = root.walk();
    // The scope and class that hold at each open level of the walk.
    let mut levels: Vec<(usize, Option<Box<str>>)> = vec![(0, None)];
    'walk: loop {
        let node = cursor.node();
        let (scope, class) = levels.last().cloned().unwrap_or((0, None));
        let mut inner = (scope, class.clone());
        let descend = match node.kind() {
            "function_definition" if out.scopes.len() < MAX_SCOPES => {
                let whole = decorated(node);
                let name: Box<str> = function_name(language, text, node).into();
                let base = hash(&[
                    class.as_deref().unwrap_or(""),
                    &name,
                    &out.scopes[scope].key.to_string(),
                ]);
                let ordinal = seen.entry(base).or_insert(0);
                *ordinal += 1;
                let key = hash(&[&base.to_string(), &ordinal.to_string()]);
                out.scopes.push(Scope {
                    name,
                    class: class.clone(),
                    parent: scope,
                    range: whole.byte_range(),
                    key,
                });
                out.nodes.push(whole);
                inner = (out.scopes.len() - 1, None);
                may_nest(language, text, node)
            }
            "class_definition" => {
                let name = node
                    .child_by_field_name("name")
                    .and_then(|it| text.get(it.byte_range()));
                inner = (scope, name.map(Into::into));
                true
            }
            kind => holds_statements(kind),
        };
        if descend && cursor.goto_first_child() {
            levels.push(inner);
            continue;
        }
        loop {
            if cursor.goto_next_sibling() {
                break;
            }
            if !leave(&mut cursor, &mut levels) {
                break 'walk;
            }
        }
    }
    out
}

/// Whether a function may hold another one; looking at the words is far cheaper than walking.
fn may_nest(language: Language, text: &str, node: Node<'_>) -> bool {
    if language == Language::C {
        return false;
    }
    let source = text.get(node.byte_range()).unwrap_or("").as_bytes();
    memchr::memmem::find_iter(source, b"def ").nth(1).is_some()
        || memchr::memmem::find(source, b"class ").is_some()
        || memchr::memmem::find(source, b"def\t").is_some()
}

fn leave(cursor: &mut TreeCursor<'_>, levels: &mut Vec<(usize, Option<Box<str>>)>) -> bool {
    levels.pop();
    cursor.goto_parent() && !levels.is_empty()
}

fn decorated(node: Node<'_>) -> Node<'_> {
    node.parent()
        .filter(|parent| parent.kind() == "decorated_definition")
        .unwrap_or(node)
}

fn function_name<'t>(language: Language, text: &'t str, node: Node<'_>) -> &'t str {
    let mut name = match language {
        Language::Python => node.child_by_field_name("name"),
        Language::C => node.child_by_field_name("declarator"),
    };
    // A C declarator wraps the name: `*name(params)`.
    for _ in 0..16 {
        match name {
            Some(inner) if inner.kind().ends_with("declarator") => {
                name = inner
                    .child_by_field_name("declarator")
                    .or_else(|| inner.named_child(0));
            }
            _ => break,
        }
    }
    name.and_then(|it| text.get(it.byte_range())).unwrap_or("")
}

fn holds_statements(kind: &str) -> bool {
    matches!(
        kind,
        "module"
            | "block"
            | "decorated_definition"
            | "if_statement"
            | "elif_clause"
            | "else_clause"
            | "for_statement"
            | "while_statement"
            | "try_statement"
            | "except_clause"
            | "finally_clause"
            | "with_statement"
            | "match_statement"
            | "case_clause"
            | "translation_unit"
            | "compound_statement"
            | "preproc_if"
            | "preproc_ifdef"
            | "preproc_else"
            | "preproc_elif"
            | "preproc_elifdef"
            | "linkage_specification"
            | "declaration_list"
            | "ERROR"
    )
}

pub(crate) fn hash(parts: &[&str]) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = rustc_hash::FxHasher::default();
    for part in parts {
        part.hash(&mut hasher);
    }
    hasher.finish()
}
