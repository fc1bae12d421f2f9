//! The cases of Python's `match`: which values an arm is for, and which names it binds.
//! It knows patterns; what an arm does is lowered as any other block.

use syntax::NodeNames;
use tree_sitter::Node;

use super::python::{expr, field_block};
use super::{Builder, children};
use crate::ir::{Arm, Block, ExprId, ExprKind, Stmt, StmtKind};

/// The names that a pattern of `match` binds: `case {"host": host}`, `case [verb, *rest]`.
fn captures<'t>(pattern: Node<'t>, out: &mut Vec<Node<'t>>, depth: usize) {
    if depth > 24 {
        return;
    }
    let parts = children(pattern);
    match pattern.kind_name() {
        // One with a dot in it is a value.
        "dotted_name" => out.extend(parts.first().filter(|_| parts.len() == 1).copied()),
        "splat_pattern" => out.extend(
            parts
                .into_iter()
                .filter(|it| it.kind_name() == "identifier"),
        ),
        "as_pattern" => {
            for part in parts {
                match part.kind_name() {
                    "identifier" => out.push(part),
                    _ => captures(part, out, depth + 1),
                }
            }
        }
        // The name of the class, the name of the field.
        "class_pattern" | "keyword_pattern" => {
            let inner = parts.into_iter().skip(1);
            inner.for_each(|it| captures(it, out, depth + 1));
        }
        _ => parts
            .into_iter()
            .for_each(|it| captures(it, out, depth + 1)),
    }
}

/// A name that a pattern binds holds what the subject holds.
fn captured(b: &mut Builder<'_>, name: Node<'_>, subject: ExprId) -> Stmt {
    let span = b.span(name);
    let target = b.push(name, ExprKind::Name(b.text(name).into()));
    let value = b.push(name, ExprKind::Opaque(vec![subject]));
    Stmt {
        span,
        kind: StmtKind::Assign {
            targets: vec![target],
            value,
        },
    }
}

pub(super) fn match_arms(b: &mut Builder<'_>, node: Node<'_>, subject: ExprId) -> Vec<Arm> {
    let Some(body) = node.field("body") else {
        return Vec::new();
    };
    let mut arms = Vec::new();
    for clause in children(body)
        .into_iter()
        .filter(|it| it.kind_name() == "case_clause")
    {
        let mut values = Vec::new();
        let mut default = false;
        for pattern in children(clause)
            .into_iter()
            .filter(|it| it.kind_name() == "case_pattern")
        {
            match pattern.named_child(0) {
                Some(inner)
                    if matches!(
                        inner.kind_name(),
                        "string" | "integer" | "true" | "false" | "none"
                    ) =>
                {
                    values.push(expr(b, inner));
                }
                _ => default = true,
            }
        }
        let mut names = Vec::new();
        for pattern in children(clause)
            .into_iter()
            .filter(|it| it.kind_name() == "case_pattern")
        {
            captures(pattern, &mut names, 0);
        }
        let mut body: Block = names.iter().map(|it| captured(b, *it, subject)).collect();
        body.append(&mut field_block(b, clause, "consequence"));
        arms.push(Arm {
            values,
            default,
            body,
        });
    }
    arms
}
