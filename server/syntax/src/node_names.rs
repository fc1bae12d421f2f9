//! Kinds and fields of nodes by their names, without asking the grammar each time. Knows no
//! language's kinds.

use std::num::NonZeroU16;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use tree_sitter::Node;

use crate::Language;

/// What a grammar calls its kinds and its fields.
struct Names {
    language: tree_sitter::Language,
    kinds: Vec<Box<str>>,
    fields: FxHashMap<Box<str>, NonZeroU16>,
}

static NAMES: LazyLock<[Names; Language::ALL.len()]> =
    LazyLock::new(|| Language::ALL.map(Names::of));

impl Names {
    fn of(language: Language) -> Self {
        let language = language.grammar();
        let ids = 0..u16::try_from(language.node_kind_count()).unwrap_or(u16::MAX);
        let kind = |id| language.node_kind_for_id(id).unwrap_or("").into();
        let fields = 1..=u16::try_from(language.field_count()).unwrap_or(u16::MAX);
        let field = |id| Some((language.field_name_for_id(id)?.into(), NonZeroU16::new(id)?));
        Self {
            kinds: ids.map(kind).collect(),
            fields: fields.filter_map(field).collect(),
            language,
        }
    }
}

/// Questions to a node that a walk asks at every step. The library answers each by comparing texts
/// with what the grammar names, one after the other.
pub trait NodeNames<'t> {
    /// Its kind, as [`Node::kind`] gives it.
    fn kind_name(&self) -> &'t str;

    /// Its child in a field, as [`Node::child_by_field_name`] gives it.
    fn field(&self, name: &str) -> Option<Node<'t>>;
}

impl<'t> NodeNames<'t> for Node<'t> {
    fn kind_name(&self) -> &'t str {
        let id = usize::from(self.kind_id());
        let known: Option<&'t str> = names(*self).and_then(|it| Some(&**it.kinds.get(id)?));
        known.unwrap_or_else(|| self.kind())
    }

    fn field(&self, name: &str) -> Option<Node<'t>> {
        match names(*self) {
            Some(names) => self.child_by_field_id(names.fields.get(name)?.get()),
            None => self.child_by_field_name(name),
        }
    }
}

/// The names of the grammar that a node is of.
fn names(node: Node<'_>) -> Option<&'static Names> {
    let language = node.language();
    NAMES.iter().find(|it| it.language == *language)
}
