//! What a Python class says of itself, as members that evaluation reads: what it is made from, and
//! which fields a call of it fills.

use syntax::NodeNames;
use tree_sitter::Node;

use super::{Builder, children};
use crate::ir::{ExprId, ExprKind, Stmt, StmtKind};

pub(super) use crate::eval::class::{BASES, FIELDS};

/// Whether a class is made with a value for each of its fields.
pub(super) fn is_record(b: &Builder<'_>, class: Node<'_>) -> bool {
    let decorated = class
        .parent()
        .filter(|it| it.kind_name() == "decorated_definition");
    let decorators = decorated.map_or_else(Vec::new, children);
    let by_decorator = decorators
        .iter()
        .any(|it| it.kind_name() == "decorator" && b.text(*it).contains("dataclass"));
    let bases = class.field("superclasses");
    by_decorator || bases.is_some_and(|it| b.text(it).contains("NamedTuple"))
}

/// The names of a class's fields, as they stand in its body with their types.
pub(super) fn fields(class: Node<'_>) -> Vec<Node<'_>> {
    let stmts = class.field("body").map_or_else(Vec::new, children);
    let inner = stmts.into_iter().filter_map(|it| it.named_child(0));
    inner
        .filter(|it| it.kind_name() == "assignment" && it.field("type").is_some())
        .filter_map(|it| it.field("left"))
        .filter(|it| it.kind_name() == "identifier")
        .collect()
}

/// A list that belongs to a class, as a member of it.
pub(super) fn listed(
    b: &mut Builder<'_>,
    class: Node<'_>,
    at: Node<'_>,
    name: &str,
    items: Vec<ExprId>,
) -> Stmt {
    let span = b.span(at);
    let base = b.push(class, ExprKind::Name(b.text(class).into()));
    let target = b.push_span(
        span,
        ExprKind::Attr {
            base,
            name: name.into(),
            name_span: span,
            arrow: false,
        },
    );
    let value = b.push(at, ExprKind::Tuple(items));
    Stmt {
        span,
        kind: StmtKind::Assign {
            targets: vec![target],
            value,
        },
    }
}
