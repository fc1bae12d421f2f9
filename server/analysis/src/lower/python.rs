//! Python to `ir`. It keeps what data flow needs; types and patterns of `match` become opaque.

use syntax::NodeNames;
use tree_sitter::Node;

use super::classes;
use super::{Builder, between_brackets, bin_op, children, operator, spine};
use crate::ir::{
    Arg, BinOp, Block, CmpOp, ExprId, ExprKind, FormatPart, Function, Handler, Import, Param, Stmt,
    StmtKind, Type,
};

pub(super) fn lower(b: &mut Builder<'_>, node: Node<'_>, out: &mut Function) {
    let mut definition = node;
    if node.kind_name() == "decorated_definition" {
        for child in children(node) {
            if child.kind_name() == "decorator" {
                if let Some(inner) = child.named_child(0) {
                    let id = expr(b, inner);
                    out.decorators.push(id);
                }
            } else {
                definition = child;
            }
        }
    }
    if let Some(list) = definition.field("parameters") {
        out.params = params(b, list);
    }
    if let Some(body) = definition.field("body") {
        out.body = block(b, body);
    }
}

fn params(b: &mut Builder<'_>, list: Node<'_>) -> Vec<Param> {
    let mut out = Vec::new();
    for node in children(list) {
        let span = b.span(node);
        let mut name = node;
        let mut ty = Type::default();
        let (mut default, mut made_by) = (None, None);
        if matches!(
            node.kind_name(),
            "default_parameter" | "typed_default_parameter"
        ) {
            if let Some(inner) = node.field("name") {
                name = inner;
            }
            default = node.field("value").map(|value| expr(b, value));
        } else if node.kind_name() == "typed_parameter"
            && let Some(inner) = node.named_child(0)
        {
            name = inner;
        }
        if let Some(annotation) = node.field("type") {
            ty.base = b.text(annotation).into();
            if let Some((plain, call)) = annotated(b, annotation) {
                ty.base = plain.into();
                made_by = call;
            }
        }
        let star = match name.kind_name() {
            "list_splat_pattern" => 1,
            "dictionary_splat_pattern" => 2,
            "keyword_separator" | "positional_separator" => continue,
            _ => 0,
        };
        if star > 0
            && let Some(inner) = name.named_child(0)
        {
            name = inner;
        }
        out.push(Param {
            name: b.text(name).into(),
            ty,
            default,
            annotated: made_by,
            star,
            span,
        });
    }
    out
}

/// `Annotated[int, Query(le=100)]`: the type, and what makes the value.
fn annotated<'t>(b: &mut Builder<'t>, annotation: Node<'_>) -> Option<(&'t str, Option<ExprId>)> {
    let inner = annotation.named_child(0)?;
    let name = match inner.kind_name() {
        "generic_type" => inner.named_child(0)?,
        "subscript" => inner.field("value")?,
        _ => return None,
    };
    if !matches!(
        b.text(name),
        "Annotated" | "typing.Annotated" | "t.Annotated"
    ) {
        return None;
    }
    let parts = match inner.kind_name() {
        "generic_type" => children(inner.named_child(1)?),
        _ => children(inner).into_iter().skip(1).collect(),
    };
    let (first, rest) = parts.split_first()?;
    let call = rest.iter().find_map(|it| {
        let it = if it.kind_name() == "type" {
            it.named_child(0)?
        } else {
            *it
        };
        (it.kind_name() == "call").then_some(it)
    });
    let call = call.map(|it| expr(b, it));
    Some((b.text(*first), call))
}

fn block(b: &mut Builder<'_>, node: Node<'_>) -> Block {
    statements(b, children(node))
}

pub(super) fn statements(b: &mut Builder<'_>, nodes: Vec<Node<'_>>) -> Block {
    let mut out = Block::new();
    for child in nodes {
        if b.deeper(|b| stmt(b, child, &mut out)).is_none() {
            break;
        }
    }
    out.shrink_to_fit();
    out
}

pub(super) fn field_block(b: &mut Builder<'_>, node: Node<'_>, field: &str) -> Block {
    node.field(field)
        .map(|body| block(b, body))
        .unwrap_or_default()
}

fn field_expr(b: &mut Builder<'_>, node: Node<'_>, field: &str) -> ExprId {
    match node.field(field) {
        Some(inner) => expr(b, inner),
        None => b.opaque(node),
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of statement")]
fn stmt(b: &mut Builder<'_>, node: Node<'_>, out: &mut Block) {
    let span = b.span(node);
    let kind = match node.kind_name() {
        "expression_statement" => {
            for child in children(node) {
                let kind = match child.kind_name() {
                    "assignment" => assignment(b, child),
                    "augmented_assignment" => {
                        let target = field_expr(b, child, "left");
                        let value = field_expr(b, child, "right");
                        let op = child
                            .field("operator")
                            .map_or(BinOp::Other, |op| bin_op(b.text(op).trim_end_matches('=')));
                        StmtKind::AugAssign { target, op, value }
                    }
                    _ => StmtKind::Expr(expr(b, child)),
                };
                out.push(Stmt { span, kind });
            }
            return;
        }
        "if_statement" => if_chain(b, node),
        "while_statement" => {
            let cond = Some(field_expr(b, node, "condition"));
            let body = field_block(b, node, "body");
            let other = field_block_of(b, node, "alternative");
            StmtKind::While {
                cond,
                step: None,
                body,
                other,
                at_least_once: false,
            }
        }
        "for_statement" => {
            let target = field_expr(b, node, "left");
            let iter = field_expr(b, node, "right");
            let body = field_block(b, node, "body");
            let other = field_block_of(b, node, "alternative");
            StmtKind::For {
                target,
                iter,
                body,
                other,
            }
        }
        "return_statement" => StmtKind::Return(node.named_child(0).map(|value| expr(b, value))),
        "raise_statement" => {
            let parts = children(node)
                .into_iter()
                .map(|child| expr(b, child))
                .collect();
            StmtKind::Raise(parts)
        }
        "assert_statement" => match node.named_child(0) {
            Some(cond) => StmtKind::Assert {
                cond: expr(b, cond),
            },
            None => return,
        },
        "with_statement" => with(b, node),
        "try_statement" => try_statement(b, node),
        "delete_statement" => {
            let parts = children(node)
                .into_iter()
                .map(|child| expr(b, child))
                .collect();
            StmtKind::Delete(parts)
        }
        "break_statement" => StmtKind::Break,
        "continue_statement" => StmtKind::Continue,
        "import_statement" | "import_from_statement" | "future_import_statement" => {
            StmtKind::Import(imports(b, node))
        }
        "function_definition" => {
            let name = node.field("name").map_or("", |it| b.text(it));
            StmtKind::Function(name.into())
        }
        "decorated_definition" => match node.field("definition") {
            Some(inner) => return stmt(b, inner, out),
            None => return,
        },
        "class_definition" => StmtKind::Block(class_body(b, node)),
        "match_statement" => {
            let value = field_expr(b, node, "subject");
            StmtKind::Switch {
                value,
                arms: super::cases::match_arms(b, node, value),
                fallthrough: false,
            }
        }
        "print_statement" | "exec_statement" => {
            // Python 2: `exec code` is a call of exec in all that matters here.
            let name = node.kind_name().trim_end_matches("_statement");
            let callee = b.push(node, ExprKind::Name(name.into()));
            let mut args = Vec::new();
            for child in children(node) {
                let value = expr(b, child);
                args.push(Arg {
                    name: None,
                    value,
                    star: 0,
                    span: b.span(child),
                });
            }
            StmtKind::Expr(b.push(
                node,
                ExprKind::Call {
                    callee,
                    args,
                    args_span: span,
                },
            ))
        }
        "block" | "ERROR" => StmtKind::Block(block(b, node)),
        "pass_statement" | "type_alias_statement" | "global_statement" | "nonlocal_statement" => {
            return;
        }
        _ => StmtKind::Expr(expr(b, node)),
    };
    out.push(Stmt { span, kind });
}

/// The block of an `else` clause that stands under a field.
fn field_block_of(b: &mut Builder<'_>, node: Node<'_>, field: &str) -> Block {
    node.field(field)
        .map(|clause| field_block(b, clause, "body"))
        .unwrap_or_default()
}

fn assignment(b: &mut Builder<'_>, node: Node<'_>) -> StmtKind {
    let mut targets = Vec::new();
    let mut current = node;
    // `a = b = value` nests to the right.
    for _ in 0..64 {
        targets.push(field_expr(b, current, "left"));
        match current.field("right") {
            Some(right) if right.kind_name() == "assignment" => current = right,
            Some(right) => {
                return StmtKind::Assign {
                    targets,
                    value: expr(b, right),
                };
            }
            None => break,
        }
    }
    let ty = Type {
        base: current.field("type").map_or("", |it| b.text(it)).into(),
        ..Type::default()
    };
    let name = current.field("left").map_or("", |it| b.text(it));
    StmtKind::Declare {
        name: name.into(),
        ty,
        value: None,
    }
}

fn if_chain(b: &mut Builder<'_>, node: Node<'_>) -> StmtKind {
    let cond = field_expr(b, node, "condition");
    let mut arms = vec![(cond, field_block(b, node, "consequence"))];
    let mut other = Block::new();
    for child in children(node) {
        match child.kind_name() {
            "elif_clause" => {
                let cond = field_expr(b, child, "condition");
                arms.push((cond, field_block(b, child, "consequence")));
            }
            "else_clause" => other = field_block(b, child, "body"),
            _ => {}
        }
    }
    StmtKind::If { arms, other }
}

fn with(b: &mut Builder<'_>, node: Node<'_>) -> StmtKind {
    let mut items = Vec::new();
    for clause in children(node)
        .into_iter()
        .filter(|it| it.kind_name() == "with_clause")
    {
        for item in children(clause) {
            let Some(value) = item.field("value") else {
                continue;
            };
            if value.kind_name() == "as_pattern" {
                let context = value.named_child(0).map(|it| expr(b, it));
                let target = value
                    .field("alias")
                    .and_then(|alias| alias.named_child(0))
                    .map(|it| expr(b, it));
                items.extend(context.map(|context| (context, target)));
            } else {
                items.push((expr(b, value), None));
            }
        }
    }
    StmtKind::With {
        items,
        body: field_block(b, node, "body"),
    }
}

fn try_statement(b: &mut Builder<'_>, node: Node<'_>) -> StmtKind {
    let body = field_block(b, node, "body");
    let (mut handlers, mut other, mut finally) = (Vec::new(), Block::new(), Block::new());
    for child in children(node) {
        match child.kind_name() {
            "except_clause" | "except_group_clause" => {
                let inner = children(child)
                    .into_iter()
                    .find(|it| it.kind_name() == "block");
                let value = child.field("value");
                let alias = child.field("alias").or_else(|| {
                    value
                        .filter(|it| it.kind_name() == "as_pattern")
                        .and_then(|it| it.field("alias"))
                });
                let name = alias.map(|it| b.text(it).into());
                let caught = value.map(|it| match it.kind_name() {
                    "as_pattern" => it.named_child(0).unwrap_or(it),
                    _ => it,
                });
                let types = match caught {
                    Some(it) if it.kind_name() == "tuple" => {
                        children(it).into_iter().map(|it| expr(b, it)).collect()
                    }
                    Some(it) => vec![expr(b, it)],
                    None => Vec::new(),
                };
                handlers.push(Handler {
                    types,
                    name,
                    body: inner.map(|it| block(b, it)).unwrap_or_default(),
                });
            }
            "else_clause" => other = field_block(b, child, "body"),
            "finally_clause" => {
                if let Some(inner) = children(child)
                    .into_iter()
                    .find(|it| it.kind_name() == "block")
                {
                    finally = block(b, inner);
                }
            }
            _ => {}
        }
    }
    StmtKind::Try {
        body,
        handlers,
        other,
        finally,
    }
}

/// A class body's own statements; its names are bound as attributes of the class.
fn class_body(b: &mut Builder<'_>, node: Node<'_>) -> Block {
    let mut out = Block::new();
    let class = node.field("name");
    if let Some(bases) = node.field("superclasses") {
        let mut plain = Vec::new();
        for base in children(bases) {
            let span = b.span(base);
            let value = expr(b, base);
            match base.kind_name() {
                "identifier" | "attribute" => plain.push(value),
                _ => out.push(Stmt {
                    span,
                    kind: StmtKind::Expr(value),
                }),
            }
        }
        if let Some(class) = class.filter(|_| !plain.is_empty()) {
            out.push(classes::listed(b, class, bases, classes::BASES, plain));
        }
    }
    if let Some(class) = class.filter(|_| classes::is_record(b, node)) {
        let names = classes::fields(node).into_iter();
        let names: Vec<ExprId> = names
            .map(|it| b.push(it, ExprKind::Str(b.text(it).into())))
            .collect();
        if !names.is_empty() {
            out.push(classes::listed(b, class, class, classes::FIELDS, names));
        }
    }
    let mut body = field_block(b, node, "body");
    for stmt in &mut body {
        if let (StmtKind::Assign { targets, .. }, Some(class)) = (&mut stmt.kind, class) {
            for target in targets {
                let span = b.exprs[target.0 as usize].span;
                let ExprKind::Name(name) = &b.exprs[target.0 as usize].kind else {
                    continue;
                };
                let name = name.clone();
                let base = b.push(class, ExprKind::Name(b.text(class).into()));
                *target = b.push_span(
                    span,
                    ExprKind::Attr {
                        base,
                        name,
                        name_span: span,
                        arrow: false,
                    },
                );
            }
        }
    }
    out.append(&mut body);
    out
}

fn imports(b: &mut Builder<'_>, node: Node<'_>) -> Vec<Import> {
    let module_node = node.field("module_name");
    let module = module_node.map(|it| b.text(it).trim_start_matches('.'));
    let mut out = Vec::new();
    for child in children(node) {
        if Some(child) == module_node {
            continue;
        }
        let (name, alias) = match child.kind_name() {
            "aliased_import" => {
                let name = child.field("name").map_or("", |it| b.text(it));
                (name, child.field("alias").map(|it| b.text(it)))
            }
            "dotted_name" | "identifier" => (b.text(child), None),
            _ => continue,
        };
        let (alias, path) = match (module, alias) {
            (Some(module), alias) => (alias.unwrap_or(name), format!("{module}.{name}")),
            (None, Some(alias)) => (alias, name.to_owned()),
            // `import a.b` binds `a`.
            (None, None) => {
                let first = name.split('.').next().unwrap_or(name);
                (first, first.to_owned())
            }
        };
        let path = path.trim_start_matches('.');
        out.push(Import {
            alias: alias.into(),
            path: path.into(),
        });
    }
    out
}

fn cmp_op(text: &str) -> CmpOp {
    match text {
        "!=" | "<>" => CmpOp::NotEq,
        "<" => CmpOp::Less,
        "<=" => CmpOp::LessEq,
        ">" => CmpOp::Greater,
        ">=" => CmpOp::GreaterEq,
        "in" => CmpOp::In,
        "not in" => CmpOp::NotIn,
        "is" => CmpOp::Is,
        "is not" => CmpOp::IsNot,
        _ => CmpOp::Eq,
    }
}

pub(super) fn expr(b: &mut Builder<'_>, node: Node<'_>) -> ExprId {
    match b.deeper(|b| expr_kind(b, node)) {
        Some(Ok(kind)) => b.push(node, kind),
        Some(Err(id)) => id,
        None => b.opaque(node),
    }
}

fn exprs(b: &mut Builder<'_>, node: Node<'_>) -> Vec<ExprId> {
    children(node)
        .into_iter()
        .map(|child| expr(b, child))
        .collect()
}

/// A kind to push, or the id of an expression that stands for this node as it is.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
fn expr_kind(b: &mut Builder<'_>, node: Node<'_>) -> Result<ExprKind, ExprId> {
    Ok(match node.kind_name() {
        "identifier" => ExprKind::Name(b.text(node).into()),
        "string" => string(b, &[node]),
        "concatenated_string" => string(b, &children(node)),
        "integer" => ExprKind::Int(integer(b.text(node))),
        "float" => ExprKind::Float,
        "true" => ExprKind::Bool(true),
        "false" => ExprKind::Bool(false),
        "none" => ExprKind::Null,
        "attribute" => {
            let base = field_expr(b, node, "object");
            let name = node.field("attribute");
            let name_span = name.map_or(b.span(node), |it| b.span(it));
            let name = name.map_or("", |it| b.text(it)).into();
            ExprKind::Attr {
                base,
                name,
                name_span,
                arrow: false,
            }
        }
        "subscript" => {
            let base = field_expr(b, node, "value");
            let mut cursor = node.walk();
            let subscripts: Vec<_> = node
                .children_by_field_name("subscript", &mut cursor)
                .collect();
            let slice = subscripts.iter().any(|it| it.kind_name() == "slice");
            let index = match subscripts.as_slice() {
                [one] => expr(b, *one),
                _ => b.opaque(node),
            };
            ExprKind::Index { base, index, slice }
        }
        "slice" => ExprKind::Tuple(exprs(b, node)),
        "call" => {
            let callee = field_expr(b, node, "function");
            let mut args = Vec::new();
            let mut args_span = b.span(node);
            if let Some(list) = node.field("arguments") {
                if list.kind_name() == "argument_list" {
                    args_span = b.span_of(between_brackets(list));
                    args = call_args(b, list);
                } else {
                    args_span = b.span(list);
                    let value = expr(b, list);
                    args.push(Arg {
                        name: None,
                        value,
                        star: 0,
                        span: args_span,
                    });
                }
            }
            ExprKind::Call {
                callee,
                args,
                args_span,
            }
        }
        "binary_operator" => {
            let op = bin_op(operator(b, node));
            let operands = match op {
                BinOp::Add | BinOp::Or => {
                    spine(b, node).into_iter().map(|it| expr(b, it)).collect()
                }
                _ => vec![field_expr(b, node, "left"), field_expr(b, node, "right")],
            };
            ExprKind::Binary { op, operands }
        }
        "boolean_operator" => {
            let and = operator(b, node) == "and";
            let operands = spine(b, node).into_iter().map(|it| expr(b, it)).collect();
            ExprKind::Logic { and, operands }
        }
        "not_operator" => ExprKind::Not(field_expr(b, node, "argument")),
        "unary_operator" => ExprKind::Neg(field_expr(b, node, "argument")),
        "comparison_operator" => comparison(b, node)?,
        "conditional_expression" => match children(node).as_slice() {
            [then, cond, other] => ExprKind::Choice {
                then: expr(b, *then),
                cond: expr(b, *cond),
                other: expr(b, *other),
            },
            _ => ExprKind::Opaque(exprs(b, node)),
        },
        "list" | "list_pattern" => ExprKind::List(exprs(b, node)),
        "tuple" | "expression_list" | "pattern_list" | "tuple_pattern" => {
            ExprKind::Tuple(exprs(b, node))
        }
        "set" => ExprKind::Set(exprs(b, node)),
        "dictionary" => {
            let mut entries = Vec::new();
            for child in children(node) {
                if child.kind_name() == "pair" {
                    let key = field_expr(b, child, "key");
                    entries.push((Some(key), field_expr(b, child, "value")));
                } else {
                    entries.push((None, expr(b, child)));
                }
            }
            ExprKind::Dict(entries)
        }
        "list_comprehension"
        | "set_comprehension"
        | "generator_expression"
        | "dictionary_comprehension" => comprehension(b, node),
        "lambda" => {
            let params = node.field("parameters");
            let params = params.map(|list| params_names(b, list)).unwrap_or_default();
            ExprKind::Lambda {
                params,
                body: field_expr(b, node, "body"),
            }
        }
        "parenthesized_expression" | "as_pattern_target" => match node.named_child(0) {
            Some(inner) if inner.kind_name() != "comment" => return Err(expr(b, inner)),
            _ => ExprKind::Opaque(exprs(b, node)),
        },
        "yield" => match node.named_child(0) {
            Some(inner) => ExprKind::Yield(expr(b, inner)),
            None => ExprKind::Null,
        },
        "await" | "type" => match node.named_child(0) {
            Some(inner) => ExprKind::Carry(expr(b, inner)),
            None => ExprKind::Null,
        },
        "named_expression" => {
            let target = field_expr(b, node, "name");
            ExprKind::Assign {
                target,
                value: field_expr(b, node, "value"),
                op: None,
            }
        }
        "list_splat" | "dictionary_splat" | "list_splat_pattern" => match node.named_child(0) {
            Some(inner) => ExprKind::Star(expr(b, inner)),
            None => ExprKind::Opaque(Vec::new()),
        },
        _ => ExprKind::Opaque(exprs(b, node)),
    })
}

fn params_names(b: &Builder<'_>, list: Node<'_>) -> Vec<Box<str>> {
    children(list)
        .into_iter()
        .map(|it| it.field("name").unwrap_or(it))
        .map(|it| b.text(it).into())
        .collect()
}

fn call_args(b: &mut Builder<'_>, list: Node<'_>) -> Vec<Arg> {
    let mut out = Vec::new();
    for child in children(list) {
        let span = b.span(child);
        let (name, value, star) = match child.kind_name() {
            "keyword_argument" => {
                let name = child.field("name").map_or("", |it| b.text(it));
                (Some(name.into()), child.field("value"), 0)
            }
            "list_splat" => (None, child.named_child(0), 1),
            "dictionary_splat" => (None, child.named_child(0), 2),
            _ => (None, Some(child), 0),
        };
        if let Some(value) = value {
            let value = expr(b, value);
            out.push(Arg {
                name,
                value,
                star,
                span,
            });
        }
    }
    out.shrink_to_fit();
    out
}

fn comparison(b: &mut Builder<'_>, node: Node<'_>) -> Result<ExprKind, ExprId> {
    let operands = exprs(b, node);
    let mut cursor = node.walk();
    let ops: Vec<CmpOp> = node
        .children_by_field_name("operators", &mut cursor)
        .map(|it| cmp_op(b.text(it)))
        .collect();
    let mut parts = Vec::new();
    for (pair, op) in operands.windows(2).zip(ops) {
        parts.push(ExprKind::Compare {
            op,
            left: pair[0],
            right: pair[1],
        });
    }
    if parts.len() == 1
        && let Some(one) = parts.pop()
    {
        return Ok(one);
    }
    // `a < b < c` means `a < b and b < c`.
    let operands = parts.into_iter().map(|part| b.push(node, part)).collect();
    Ok(ExprKind::Logic {
        and: true,
        operands,
    })
}

fn comprehension(b: &mut Builder<'_>, node: Node<'_>) -> ExprKind {
    let (mut clauses, mut conds) = (Vec::new(), Vec::new());
    for child in children(node) {
        match child.kind_name() {
            "for_in_clause" => {
                let target = field_expr(b, child, "left");
                clauses.push((target, field_expr(b, child, "right")));
            }
            "if_clause" => {
                if let Some(cond) = child.named_child(0) {
                    conds.push(expr(b, cond));
                }
            }
            _ => {}
        }
    }
    let body = node.field("body");
    let value = match body {
        Some(pair) if pair.kind_name() == "pair" => field_expr(b, pair, "value"),
        Some(body) => expr(b, body),
        None => b.opaque(node),
    };
    ExprKind::Comprehension {
        value,
        clauses: clauses.into(),
        conds: conds.into(),
    }
}

fn integer(text: &str) -> i64 {
    let clean: String = text.chars().filter(|c| *c != '_').collect();
    let lower = clean.to_ascii_lowercase();
    let lower = lower.trim_end_matches('l');
    let parse = |digits: &str, radix| i64::from_str_radix(digits, radix).unwrap_or(i64::MAX);
    match lower.get(..2) {
        Some("0x") => parse(&lower[2..], 16),
        Some("0o") => parse(&lower[2..], 8),
        Some("0b") => parse(&lower[2..], 2),
        // Python 2 wrote octal with a bare zero.
        _ if lower.len() > 1 && lower.starts_with('0') => parse(&lower[1..], 8),
        _ => parse(lower, 10),
    }
}

/// One or several adjacent string literals as one value.
fn string(b: &mut Builder<'_>, nodes: &[Node<'_>]) -> ExprKind {
    let mut parts: Vec<FormatPart> = Vec::new();
    let mut known = String::new();
    let mut bytes = false;
    for node in nodes.iter().filter(|it| it.kind_name() == "string") {
        let prefix = node
            .named_child(0)
            .filter(|it| it.kind_name() == "string_start")
            .map_or("", |it| b.text(it));
        let raw = prefix.contains(['r', 'R']);
        bytes |= prefix.contains(['b', 'B']);
        for child in children(*node) {
            match child.kind_name() {
                "string_content" => unescape(b, child, raw, &mut known),
                "interpolation" => {
                    if !known.is_empty() {
                        parts.push(FormatPart::Text(std::mem::take(&mut known).into()));
                    }
                    let expr = field_expr(b, child, "expression");
                    let spec = child.field("format_specifier").map_or("", |it| b.text(it));
                    let numeric = spec.ends_with([
                        'd', 'f', 'x', 'X', 'e', 'g', 'o', 'b', 'n', '%', 'F', 'E', 'G',
                    ]);
                    let quoted = children(child).into_iter().any(|it| {
                        it.kind_name() == "type_conversion" && matches!(b.text(it), "!r" | "!a")
                    });
                    parts.push(FormatPart::Value {
                        expr,
                        numeric,
                        quoted,
                    });
                }
                _ => {}
            }
        }
    }
    if parts.is_empty() {
        return if bytes {
            ExprKind::Bytes(known.into())
        } else {
            ExprKind::Str(known.into())
        };
    }
    if !known.is_empty() {
        parts.push(FormatPart::Text(known.into()));
    }
    ExprKind::Format(parts)
}

/// Appends a literal's content with its escapes resolved.
fn unescape(b: &Builder<'_>, content: Node<'_>, raw: bool, out: &mut String) {
    let mut at = content.start_byte();
    for child in children(content) {
        let skipped = b.text.get(at..child.start_byte()).unwrap_or("");
        out.push_str(skipped);
        at = child.end_byte();
        let text = b.text(child);
        match child.kind_name() {
            "escape_interpolation" => out.push_str(text.get(..1).unwrap_or("")),
            _ if raw => out.push_str(text),
            _ => out.push_str(match text {
                "\\n" => "\n",
                "\\t" => "\t",
                "\\r" => "\r",
                "\\\\" => "\\",
                "\\'" => "'",
                "\\\"" => "\"",
                "\\0" => "\0",
                "\\\n" | "\\\r\n" => "",
                other => other,
            }),
        }
    }
    out.push_str(b.text.get(at..content.end_byte()).unwrap_or(""));
}
