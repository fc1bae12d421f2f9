//! Which functions a text has and what lies around them, without lowering any of them.
//! It visits statements only, so that an edit in a long file costs little.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;
use rustc_hash::{FxHashMap, FxHasher};
use syntax::{Language, NodeNames};
use tree_sitter::{Node, TreeCursor};

/// One function, or the module (always first).
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Empty for the module.
    pub(crate) name: Box<str>,
    /// The class around it, if it is a method.
    pub(crate) class: Option<Arc<str>>,
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

impl<'t> Outline<'t> {
    fn of_module(root: Node<'t>, len: usize) -> Self {
        let module = Scope {
            name: "".into(),
            class: None,
            parent: 0,
            range: 0..len,
            key: MODULE,
        };
        Self {
            scopes: vec![module],
            nodes: vec![root],
        }
    }
}

/// The key of what lies outside of functions.
pub(crate) const MODULE: u64 = 0;

/// How many functions one text may have; more are left out and said so by the caller.
pub(crate) const MAX_SCOPES: usize = 50_000;

/// Finds every function of the tree in source order.
pub(crate) fn outline<'t>(language: Language, text: &str, root: Node<'t>) -> Outline<'t> {
    let mut out = Outline::of_module(root, text.len());
    walk(language, text, root, Level::default(), &mut out);
    out
}

/// Finds every function in one that stands outside of all others, behind a module of no text. The
/// ordinals in their keys are as if there were no other functions.
pub(crate) fn outline_within<'t>(
    language: Language,
    text: &str,
    function: Node<'t>,
    class: Option<Arc<str>>,
) -> Outline<'t> {
    let mut out = Outline::of_module(function, 0);
    let level = Level {
        class,
        ..Level::default()
    };
    walk(language, text, function, level, &mut out);
    out
}

fn walk<'t>(
    language: Language,
    text: &str,
    root: Node<'t>,
    level: Level<'t>,
    out: &mut Outline<'t>,
) {
    let mut seen: FxHashMap<u64, u64> = FxHashMap::default();
    let mut cursor = root.walk();
    // The scope and class that hold at each open level of the walk.
    let mut levels: Vec<Level<'t>> = vec![level];
    'walk: loop {
        let node = cursor.node();
        let Level {
            scope,
            class,
            decorated,
        } = levels.last().cloned().unwrap_or_default();
        let mut inner = Level {
            scope,
            class: class.clone(),
            decorated: (node.kind_name() == "decorated_definition").then_some(node),
        };
        let descend = match node.kind_name() {
            "function_definition" if out.scopes.len() < MAX_SCOPES => {
                let whole = decorated.unwrap_or(node);
                let name: Box<str> = function_name(language, text, node).into();
                let base = hash(&(
                    class.as_deref().unwrap_or(""),
                    &*name,
                    out.scopes[scope].key,
                ));
                let ordinal = seen.entry(base).or_insert(0);
                *ordinal += 1;
                let key = hash(&(base, *ordinal));
                out.scopes.push(Scope {
                    name,
                    class: class.clone(),
                    parent: scope,
                    range: whole.byte_range(),
                    key,
                });
                out.nodes.push(whole);
                inner.scope = out.scopes.len() - 1;
                inner.class = None;
                may_nest(language, text, node)
            }
            "class_definition" => {
                let name = node.field("name").and_then(|it| text.get(it.byte_range()));
                inner.class = name.map(Into::into);
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
}

// Making a finder costs as much as asking it about a short function.
static DEF: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("def "));
static DEF_TAB: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("def\t"));
static CLASS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("class "));

/// Whether a function may hold another one; looking at the words is far cheaper than walking.
fn may_nest(language: Language, text: &str, node: Node<'_>) -> bool {
    if language == Language::C {
        return false;
    }
    let source = text.get(node.byte_range()).unwrap_or("").as_bytes();
    DEF.find_iter(source).nth(1).is_some()
        || CLASS.find(source).is_some()
        || DEF_TAB.find(source).is_some()
}

fn leave(cursor: &mut TreeCursor<'_>, levels: &mut Vec<Level<'_>>) -> bool {
    levels.pop();
    cursor.goto_parent() && !levels.is_empty()
}

fn function_name<'t>(language: Language, text: &'t str, node: Node<'_>) -> &'t str {
    let mut name = match language {
        Language::Python => node.field("name"),
        Language::C => node.field("declarator"),
    };
    // A C declarator wraps the name: `*name(params)`.
    for _ in 0..16 {
        match name {
            Some(inner) if inner.kind_name().ends_with("declarator") => {
                name = inner.field("declarator").or_else(|| inner.named_child(0));
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

/// What holds of the nodes at one level of the walk.
#[derive(Clone, Default)]
struct Level<'t> {
    /// The scope around them.
    scope: usize,
    class: Option<Arc<str>>,
    /// The definition with its decorators, where they are in one.
    decorated: Option<Node<'t>>,
}

fn hash(parts: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    parts.hash(&mut hasher);
    hasher.finish()
}
