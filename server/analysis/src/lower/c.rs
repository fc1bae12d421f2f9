//! C to `ir`, with the C++ that reads as C. Macros that look like calls are calls; conditional
//! compilation keeps every branch in sequence; types keep their text and shape only.

use syntax::NodeNames;
use tree_sitter::Node;

use super::{Builder, Ground, between_brackets, bin_op, children, operator, spine};
use crate::ir::{
    Arg, Arm, BinOp, Block, CmpOp, Declarations, ExprId, ExprKind, FormatPart, Function, Param,
    Stmt, StmtKind, Type,
};

pub(super) fn lower(b: &mut Builder<'_>, node: Node<'_>, out: &mut Function) {
    if let Some(declarator) = node.field("declarator") {
        out.params = params(b, declarator);
    }
    if let Some(body) = node.field("body") {
        out.body = block(b, body);
    }
}

/// What stands outside of functions.
pub(super) fn outside(b: &mut Builder<'_>, nodes: Vec<Node<'_>>) -> Block {
    let mut out = statements(b, nodes);
    for stmt in &mut out {
        outlive(stmt);
    }
    out
}

/// What is declared outside every function lives as long as the program.
fn outlive(stmt: &mut Stmt) {
    match &mut stmt.kind {
        StmtKind::Declare { ty, .. } => ty.is_static = true,
        StmtKind::Block(inner) => {
            for stmt in inner {
                if let StmtKind::Declare { ty, .. } = &mut stmt.kind {
                    ty.is_static = true;
                }
            }
        }
        _ => {}
    }
}

fn params(b: &mut Builder<'_>, declarator: Node<'_>) -> Vec<Param> {
    let mut current = declarator;
    for _ in 0..16 {
        if current.kind_name() == "function_declarator" {
            break;
        }
        match current.field("declarator") {
            Some(inner) => current = inner,
            None => return Vec::new(),
        }
    }
    let Some(list) = current.field("parameters") else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for node in children(list)
        .into_iter()
        .filter(|it| it.kind_name() == "parameter_declaration")
    {
        let base = base_type(b, node);
        let Some(declarator) = node.field("declarator") else {
            continue;
        };
        let (name, mut ty) = declared(b, declarator, base);
        // An array parameter is a pointer.
        if ty.array.take().is_some() {
            ty.pointers += 1;
        }
        out.push(Param {
            name: name.into(),
            ty,
            default: None,
            annotated: None,
            star: 0,
            span: b.span(node),
        });
    }
    out
}

fn base_type(b: &Builder<'_>, node: Node<'_>) -> Type {
    let base = node.field("type").map_or("", |it| b.text(it));
    let mut cursor = node.walk();
    let is_static = node.children(&mut cursor).any(|it| {
        it.kind_name() == "storage_class_specifier" && matches!(b.text(it), "static" | "extern")
    });
    Type {
        base: base.into(),
        is_static,
        ..Type::default()
    }
}

/// The name and type that a declarator gives to a base type.
fn declared<'a>(b: &Builder<'a>, declarator: Node<'_>, mut ty: Type) -> (&'a str, Type) {
    let mut current = declarator;
    for _ in 0..24 {
        match current.kind_name() {
            "pointer_declarator" => ty.pointers = ty.pointers.saturating_add(1),
            "array_declarator" => {
                let size = current.field("size");
                let number = size
                    .and_then(|it| number(b.text(it)))
                    .and_then(|it| u64::try_from(it).ok());
                ty.size_name = size
                    .filter(|it| it.kind_name() == "identifier")
                    .map(|it| b.text(it).into());
                ty.variable_length = size.is_some_and(|it| is_variable(b.text(it)));
                ty.grid |= ty.array.is_some();
                ty.array = Some(number);
            }
            "identifier" | "field_identifier" => break,
            _ => {}
        }
        match current
            .field("declarator")
            .or_else(|| current.named_child(0))
        {
            Some(inner) => current = inner,
            None => break,
        }
    }
    (b.text(current), ty)
}

/// What a file declares outside its functions: macros that are numbers, and the members of its
/// structures, whichever of them they belong to.
pub(crate) fn declarations(text: &str, root: Node<'_>) -> Declarations {
    let b = Builder::new(text, Ground::From(0));
    let mut out = Declarations::default();
    let mut open = vec![root];
    let mut seen = 0_usize;
    while let Some(node) = open.pop() {
        seen += 1;
        if seen > MAX_DECLARATIONS {
            break;
        }
        match node.kind_name() {
            "preproc_def" => {
                let name = node.field("name").map(|it| b.text(it));
                let value = node.field("value").map(|it| b.text(it));
                let number = value.and_then(|it| number(it.trim().trim_matches(['(', ')'])));
                if let (Some(name), Some(number)) = (name, number) {
                    out.macros.insert(name.into(), number);
                }
            }
            "field_declaration" => {
                let base = base_type(&b, node);
                let mut cursor = node.walk();
                let declarators: Vec<Node<'_>> = node
                    .children_by_field_name("declarator", &mut cursor)
                    .collect();
                for declarator in declarators {
                    if declares_function(declarator) {
                        continue;
                    }
                    let (name, ty) = declared(&b, declarator, base.clone());
                    out.member(name, &ty);
                }
                open.extend(node.field("type"));
            }
            "translation_unit"
            | "preproc_if"
            | "preproc_ifdef"
            | "preproc_else"
            | "preproc_elif"
            | "linkage_specification"
            | "declaration_list"
            | "declaration"
            | "type_definition"
            | "struct_specifier"
            | "union_specifier"
            | "field_declaration_list" => {
                let mut cursor = node.walk();
                open.extend(node.named_children(&mut cursor));
            }
            _ => {}
        }
    }
    out.settle();
    out
}

/// The most nodes that are looked at for declarations.
const MAX_DECLARATIONS: usize = 200_000;

/// Whether an array's size names something that is not a constant by convention.
fn is_variable(size: &str) -> bool {
    size.chars().any(|c| c.is_ascii_lowercase()) && !size.contains("sizeof")
}

fn block(b: &mut Builder<'_>, node: Node<'_>) -> Block {
    statements(b, children(node))
}

fn statements(b: &mut Builder<'_>, nodes: Vec<Node<'_>>) -> Block {
    let mut out = Block::new();
    for child in nodes {
        if b.deeper(|b| stmt(b, child, &mut out)).is_none() {
            break;
        }
    }
    out.shrink_to_fit();
    out
}

/// `#if … #else … #endif`: one of them is compiled, and nobody here knows which.
fn preproc_choice(b: &mut Builder<'_>, node: Node<'_>) -> StmtKind {
    let alternative = node.field("alternative");
    let head = ["condition", "name"].map(|it| node.field(it));
    let cond = b.opaque(node);
    let mut then = Block::new();
    for child in children(node) {
        if Some(child) == alternative || head.contains(&Some(child)) {
            continue;
        }
        if b.deeper(|b| stmt(b, child, &mut then)).is_none() {
            break;
        }
    }
    let mut other = Block::new();
    if let Some(alternative) = alternative {
        b.deeper(|b| stmt(b, alternative, &mut other));
    }
    StmtKind::If {
        arms: vec![(cond, then)],
        other,
    }
}

/// A statement as a block of its own.
fn body(b: &mut Builder<'_>, node: Option<Node<'_>>) -> Block {
    let Some(node) = node else {
        return Block::new();
    };
    if node.kind_name() == "compound_statement" {
        return block(b, node);
    }
    let mut out = Block::new();
    b.deeper(|b| stmt(b, node, &mut out));
    out
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
        "expression_statement" => match node.named_child(0) {
            Some(inner) => StmtKind::Expr(expr(b, inner)),
            None => return,
        },
        "declaration" => {
            declaration(b, node, out);
            return;
        }
        "if_statement" => if_chain(b, node),
        "while_statement" => {
            let cond = Some(field_expr(b, node, "condition"));
            let body = body(b, node.field("body"));
            StmtKind::While {
                cond,
                step: None,
                body,
                other: Block::new(),
                at_least_once: false,
            }
        }
        "do_statement" => {
            let body = body(b, node.field("body"));
            let cond = Some(field_expr(b, node, "condition"));
            StmtKind::While {
                cond,
                step: None,
                body,
                other: Block::new(),
                at_least_once: true,
            }
        }
        "for_statement" => {
            if let Some(start) = node.field("initializer") {
                if start.kind_name() == "declaration" {
                    declaration(b, start, out);
                } else {
                    let id = expr(b, start);
                    out.push(Stmt {
                        span: b.span(start),
                        kind: StmtKind::Expr(id),
                    });
                }
            }
            let cond = node.field("condition").map(|it| expr(b, it));
            let step = node.field("update").map(|it| expr(b, it));
            let body = body(b, node.field("body"));
            StmtKind::While {
                cond,
                step,
                body,
                other: Block::new(),
                at_least_once: false,
            }
        }
        "switch_statement" => {
            let value = field_expr(b, node, "condition");
            StmtKind::Switch {
                value,
                arms: arms(b, node),
                fallthrough: true,
            }
        }
        "return_statement" => StmtKind::Return(node.named_child(0).map(|it| expr(b, it))),
        "break_statement" => StmtKind::Break,
        "continue_statement" => StmtKind::Continue,
        "goto_statement" => StmtKind::Goto(node.field("label").map_or("", |it| b.text(it)).into()),
        "labeled_statement" => {
            let label = node.field("label");
            out.push(Stmt {
                span,
                kind: StmtKind::Label(label.map_or("", |it| b.text(it)).into()),
            });
            for child in children(node).into_iter().filter(|it| Some(*it) != label) {
                b.deeper(|b| stmt(b, child, out));
            }
            return;
        }
        "function_definition" => {
            let name = node.field("declarator").map_or("", |it| {
                let (name, _) = declared(b, it, Type::default());
                name
            });
            StmtKind::Function(name.into())
        }
        "preproc_def" => {
            let name = node.field("name").map_or("", |it| b.text(it));
            let value = node.field("value");
            let Some(number) = value.and_then(|it| number(b.text(it).trim())) else {
                return;
            };
            let value = b.push(node, ExprKind::Int(number));
            let target = b.push(node, ExprKind::Name(name.into()));
            StmtKind::Assign {
                targets: vec![target],
                value,
            }
        }
        // Switched off by hand.
        "preproc_if" if node.field("condition").is_some_and(|it| b.text(it) == "0") => {
            let Some(alternative) = node.field("alternative") else {
                return;
            };
            StmtKind::Block(body(b, Some(alternative)))
        }
        "preproc_if" | "preproc_ifdef" | "preproc_elif" | "preproc_elifdef"
            if node.field("alternative").is_some() =>
        {
            preproc_choice(b, node)
        }
        "compound_statement"
        | "preproc_if"
        | "preproc_ifdef"
        | "preproc_else"
        | "preproc_elif"
        | "preproc_elifdef"
        | "linkage_specification"
        | "declaration_list"
        | "ERROR"
        | "attributed_statement"
        | "translation_unit" => StmtKind::Block(block(b, node)),
        "preproc_include"
        | "preproc_function_def"
        | "preproc_call"
        | "type_definition"
        | "struct_specifier"
        | "enum_specifier"
        | "union_specifier"
        | "preproc_directive"
        | "statement_identifier"
        | "type_identifier"
        | "primitive_type" => return,
        "case_statement" => StmtKind::Block(case_body(b, node)),
        _ => StmtKind::Expr(expr(b, node)),
    };
    out.push(Stmt { span, kind });
}

fn declaration(b: &mut Builder<'_>, node: Node<'_>, out: &mut Block) {
    let base = base_type(b, node);
    let mut cursor = node.walk();
    let declarators: Vec<Node<'_>> = node
        .children_by_field_name("declarator", &mut cursor)
        .collect();
    for declarator in declarators {
        let span = b.span(declarator);
        let (shape, value) = if declarator.kind_name() == "init_declarator" {
            let value = declarator.field("value").map(|it| expr(b, it));
            (declarator.field("declarator").unwrap_or(declarator), value)
        } else {
            (declarator, None)
        };
        if declares_function(shape) {
            continue;
        }
        let (name, ty) = declared(b, shape, base.clone());
        out.push(Stmt {
            span,
            kind: StmtKind::Declare {
                name: name.into(),
                ty,
                value,
            },
        });
    }
}

/// A prototype, however its declarator is wrapped: `char *f(int);`. A variable that points to a
/// function has its name inside brackets instead.
fn declares_function(declarator: Node<'_>) -> bool {
    let mut current = declarator;
    for _ in 0..24 {
        match current.kind_name() {
            "function_declarator" => {
                let inner = current.field("declarator");
                return inner.is_none_or(|it| it.kind_name() != "parenthesized_declarator");
            }
            "pointer_declarator" | "attributed_declarator" => {}
            _ => return false,
        }
        match current
            .field("declarator")
            .or_else(|| current.named_child(0))
        {
            Some(inner) => current = inner,
            None => return false,
        }
    }
    false
}

fn if_chain(b: &mut Builder<'_>, node: Node<'_>) -> StmtKind {
    let mut arms = Vec::new();
    let mut other = Block::new();
    let mut current = node;
    loop {
        let cond = field_expr(b, current, "condition");
        arms.push((cond, body(b, current.field("consequence"))));
        let Some(clause) = current.field("alternative") else {
            break;
        };
        match children(clause).into_iter().next() {
            Some(inner) if inner.kind_name() == "if_statement" => current = inner,
            inner => {
                other = body(b, inner);
                break;
            }
        }
    }
    StmtKind::If { arms, other }
}

fn arms(b: &mut Builder<'_>, node: Node<'_>) -> Vec<Arm> {
    let Some(list) = node.field("body") else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for case in children(list) {
        if case.kind_name() != "case_statement" {
            continue;
        }
        let value = case.field("value");
        let values = value.map(|it| expr(b, it)).into_iter().collect();
        out.push(Arm {
            values,
            default: value.is_none(),
            body: case_body(b, case),
        });
    }
    out
}

fn case_body(b: &mut Builder<'_>, case: Node<'_>) -> Block {
    let value = case.field("value");
    let mut out = Block::new();
    for child in children(case).into_iter().filter(|it| Some(*it) != value) {
        if b.deeper(|b| stmt(b, child, &mut out)).is_none() {
            break;
        }
    }
    out
}

fn expr(b: &mut Builder<'_>, node: Node<'_>) -> ExprId {
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
        "identifier" | "field_identifier" => ExprKind::Name(b.text(node).into()),
        "number_literal" => match number(b.text(node)) {
            Some(number) => ExprKind::Int(number),
            None => ExprKind::Float,
        },
        "char_literal" => ExprKind::Int(i64::from(
            b.text(node).as_bytes().get(1).copied().unwrap_or(0),
        )),
        "string_literal" => ExprKind::Str(string(b, node).into()),
        "concatenated_string" => concatenated(b, node),
        "true" => ExprKind::Bool(true),
        "false" => ExprKind::Bool(false),
        "null" => ExprKind::Null,
        "call_expression" => {
            let callee = field_expr(b, node, "function");
            let mut args = Vec::new();
            let mut args_span = b.span(node);
            if let Some(list) = node.field("arguments") {
                args_span = b.span_of(between_brackets(list));
                for child in children(list) {
                    let value = expr(b, child);
                    args.push(Arg {
                        name: None,
                        value,
                        star: 0,
                        span: b.span(child),
                    });
                }
            }
            ExprKind::Call {
                callee,
                args,
                args_span,
            }
        }
        "field_expression" => {
            let base = field_expr(b, node, "argument");
            let field = node.field("field");
            let name_span = field.map_or(b.span(node), |it| b.span(it));
            let name = field.map_or("", |it| b.text(it)).into();
            ExprKind::Attr {
                base,
                name,
                name_span,
                arrow: operator(b, node) == "->",
            }
        }
        "subscript_expression" => {
            let base = field_expr(b, node, "argument");
            let index = field_expr(b, node, "index");
            ExprKind::Index {
                base,
                index,
                slice: false,
            }
        }
        "pointer_expression" => {
            let inner = field_expr(b, node, "argument");
            if operator(b, node) == "&" {
                ExprKind::AddrOf(inner)
            } else {
                ExprKind::Deref(inner)
            }
        }
        "unary_expression" => {
            let inner = field_expr(b, node, "argument");
            if operator(b, node) == "!" {
                ExprKind::Not(inner)
            } else {
                ExprKind::Neg(inner)
            }
        }
        "binary_expression" => binary(b, node),
        "assignment_expression" => {
            let target = field_expr(b, node, "left");
            let value = field_expr(b, node, "right");
            let op = operator(b, node);
            let op = (op != "=").then(|| bin_op(op.trim_end_matches('=')));
            ExprKind::Assign { target, value, op }
        }
        "update_expression" => {
            let target = field_expr(b, node, "argument");
            let value = b.push(node, ExprKind::Int(1));
            let op = if operator(b, node) == "--" {
                BinOp::Sub
            } else {
                BinOp::Add
            };
            ExprKind::Assign {
                target,
                value,
                op: Some(op),
            }
        }
        "conditional_expression" => {
            let cond = field_expr(b, node, "condition");
            let other = field_expr(b, node, "alternative");
            // `a ?: b` leaves the middle out.
            let then = node.field("consequence").map_or(cond, |it| expr(b, it));
            ExprKind::Choice { cond, then, other }
        }
        "cast_expression" => {
            let to = node.field("type").map_or("", |it| b.text(it)).into();
            ExprKind::Cast {
                to,
                value: field_expr(b, node, "value"),
            }
        }
        "sizeof_expression" => ExprKind::SizeOf(node.field("value").map(|it| expr(b, it))),
        "comma_expression" => {
            // Left operand first, the rest nests to the right.
            let mut parts = Vec::new();
            let mut current = node;
            loop {
                parts.push(field_expr(b, current, "left"));
                match current.field("right") {
                    Some(right) if right.kind_name() == "comma_expression" => current = right,
                    Some(right) => {
                        parts.push(expr(b, right));
                        break;
                    }
                    None => break,
                }
            }
            ExprKind::Comma(parts)
        }
        "parenthesized_expression" | "extension_expression" => match children(node).first() {
            Some(inner) if inner.kind_name() != "compound_statement" => {
                return Err(expr(b, *inner));
            }
            _ => ExprKind::Opaque(Vec::new()),
        },
        "initializer_list" => ExprKind::List(exprs(b, node)),
        "initializer_pair" => ExprKind::Carry(field_expr(b, node, "value")),
        "compound_literal_expression" => ExprKind::Carry(field_expr(b, node, "value")),
        "type_descriptor"
        | "offsetof_expression"
        | "alignof_expression"
        | "type_identifier"
        | "primitive_type"
        | "gnu_asm_expression"
        | "compound_statement" => ExprKind::Opaque(Vec::new()),
        _ => ExprKind::Opaque(exprs(b, node)),
    })
}

fn binary(b: &mut Builder<'_>, node: Node<'_>) -> ExprKind {
    let text = operator(b, node);
    let operands = match text {
        "+" | "&&" | "||" | "|" => spine(b, node).into_iter().map(|it| expr(b, it)).collect(),
        _ => {
            let left = field_expr(b, node, "left");
            vec![left, field_expr(b, node, "right")]
        }
    };
    let cmp = |op| match operands.as_slice() {
        [left, right] => ExprKind::Compare {
            op,
            left: *left,
            right: *right,
        },
        _ => ExprKind::Opaque(operands.clone()),
    };
    match text {
        "==" => cmp(CmpOp::Eq),
        "!=" => cmp(CmpOp::NotEq),
        "<" => cmp(CmpOp::Less),
        "<=" => cmp(CmpOp::LessEq),
        ">" => cmp(CmpOp::Greater),
        ">=" => cmp(CmpOp::GreaterEq),
        "&&" => ExprKind::Logic {
            and: true,
            operands,
        },
        "||" => ExprKind::Logic {
            and: false,
            operands,
        },
        other => ExprKind::Binary {
            op: bin_op(other),
            operands,
        },
    }
}

/// A whole number in any C notation, suffixes included.
fn number(text: &str) -> Option<i64> {
    let lower = text.trim().to_ascii_lowercase();
    let hex = lower.starts_with("0x");
    let digits = lower.trim_end_matches(['u', 'l', 'z']);
    if hex {
        return i64::from_str_radix(digits.get(2..)?, 16).ok();
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return i64::from_str_radix(digits, 8).ok();
    }
    digits.parse().ok()
}

fn string(b: &Builder<'_>, node: Node<'_>) -> String {
    let mut out = String::new();
    for child in children(node) {
        let text = b.text(child);
        match (child.kind_name(), text) {
            ("escape_sequence", "\\n") => out.push('\n'),
            ("escape_sequence", "\\t") => out.push('\t'),
            ("escape_sequence", "\\\"") => out.push('"'),
            ("escape_sequence", "\\\\") => out.push('\\'),
            ("escape_sequence", "\\0") => out.push('\0'),
            _ => out.push_str(text),
        }
    }
    out
}

/// Adjacent literals; a macro among them (`PRIu64`) is a constant that nobody knows.
fn concatenated(b: &mut Builder<'_>, node: Node<'_>) -> ExprKind {
    let mut parts = Vec::new();
    for child in children(node) {
        if child.kind_name() == "string_literal" {
            parts.push(FormatPart::Text(string(b, child).into()));
        } else {
            // `"%" PRIu64` formats a number: the conversion letter is inside the macro.
            parts.push(FormatPart::Text("d".into()));
        }
    }
    let text: String = parts
        .iter()
        .map(|part| match part {
            FormatPart::Text(text) => &**text,
            FormatPart::Value { .. } => "",
        })
        .collect();
    ExprKind::Str(text.into())
}
