//! From syntax trees to the small language of `ir`: what both languages share.
//! Lowering is bounded in depth; what lies deeper becomes an opaque leaf and is counted.

mod c;
mod cases;
mod classes;
mod outline;
mod python;

use std::ops::Range;

use syntax::{Language, NodeNames};
use tree_sitter::Node;

pub(crate) use c::declarations;
pub(crate) use outline::{MAX_SCOPES, MODULE, Outline, Scope, outline, outline_within};

use crate::ir::{BinOp, Block, Expr, ExprId, ExprKind, Function, Span};
use crate::own::Own;

/// How deep statements and expressions may nest together. The evaluator recurses as deep as the
/// lowered code, so this also bounds its stack; hand-written code stays under 40.
const MAX_DEPTH: usize = 96;

/// What spans are told by, so that what is lowered stays valid when other text changes.
#[derive(Clone, Copy)]
pub(crate) enum Ground<'a> {
    /// The first byte of a function.
    From(usize),
    /// What is left of a text without its functions.
    Own(&'a Own),
}

impl Ground<'_> {
    pub(crate) fn span(self, range: std::ops::Range<usize>) -> Span {
        Span::new(match self {
            Self::From(base) => range.start.saturating_sub(base)..range.end.saturating_sub(base),
            Self::Own(own) => own.inward(range),
        })
    }
}

/// Builds one function's arena.
pub(crate) struct Builder<'a> {
    text: &'a str,
    ground: Ground<'a>,
    exprs: Vec<Expr>,
    depth: usize,
    /// How many nodes were left out because they nest too deeply.
    pub(crate) too_deep: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, ground: Ground<'a>) -> Self {
        Self {
            text,
            ground,
            exprs: Vec::new(),
            depth: 0,
            too_deep: 0,
        }
    }

    fn span(&self, node: Node<'_>) -> Span {
        self.span_of(node.start_byte()..node.end_byte())
    }

    fn span_of(&self, range: std::ops::Range<usize>) -> Span {
        self.ground.span(range)
    }

    fn text(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or("")
    }

    fn push(&mut self, node: Node<'_>, kind: ExprKind) -> ExprId {
        let span = self.span(node);
        self.push_span(span, kind)
    }

    fn push_span(&mut self, span: Span, kind: ExprKind) -> ExprId {
        let id = ExprId(u32::try_from(self.exprs.len()).unwrap_or(u32::MAX));
        self.exprs.push(Expr { span, kind });
        id
    }

    fn opaque(&mut self, node: Node<'_>) -> ExprId {
        self.push(node, ExprKind::Opaque(Vec::new()))
    }

    /// Runs `lower` one level deeper, or gives `otherwise` when that is too deep.
    fn deeper<T>(&mut self, lower: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            self.too_deep += 1;
            return None;
        }
        self.depth += 1;
        let out = lower(self);
        self.depth -= 1;
        Some(out)
    }
}

/// Named children without comments, which may stand anywhere.
fn children<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor)
        .filter(|child| !is_comment(child))
        .collect()
}

fn is_comment(node: &Node<'_>) -> bool {
    node.kind_name() == "comment"
}

/// The text of a node's operator.
fn operator<'a>(b: &Builder<'a>, node: Node<'_>) -> &'a str {
    node.field("operator").map_or("", |it| b.text(it))
}

/// The operands of a left-leaning chain of one operator, flattened: long sums nest as deep as they
/// are long.
fn spine<'t>(b: &Builder<'_>, node: Node<'t>) -> Vec<Node<'t>> {
    let op = operator(b, node);
    let mut operands = Vec::new();
    let mut current = node;
    loop {
        let (Some(left), Some(right)) = (current.field("left"), current.field("right")) else {
            operands.push(current);
            break;
        };
        operands.push(right);
        if left.kind_name() == node.kind_name() && operator(b, left) == op {
            current = left;
        } else {
            operands.push(left);
            break;
        }
    }
    operands.reverse();
    operands
}

/// An operator by its sign, which both languages share.
fn bin_op(text: &str) -> BinOp {
    match text {
        "+" => BinOp::Add,
        "-" => BinOp::Sub,
        "*" => BinOp::Mul,
        "%" => BinOp::Mod,
        "<<" => BinOp::Shl,
        "/" | "//" => BinOp::Div,
        "&" => BinOp::And,
        "|" => BinOp::Or,
        _ => BinOp::Other,
    }
}

/// What is lowered.
pub(crate) enum Code<'t> {
    /// A function, its decorators included.
    Function(Node<'t>),
    /// The statements of a module.
    Module(Vec<Node<'t>>),
}

/// Lowers one function, or the module.
pub(crate) fn lower(
    language: Language,
    text: &str,
    code: Code<'_>,
    scope: &Scope,
    ground: Ground<'_>,
) -> (Function, usize) {
    let mut builder = Builder::new(text, ground);
    let mut function = Function {
        name: scope.name.clone(),
        params: Vec::new(),
        decorators: Vec::new(),
        body: Block::new(),
        exprs: Vec::new(),
    };
    match (code, language) {
        (Code::Function(node), Language::Python) => {
            python::lower(&mut builder, node, &mut function);
        }
        (Code::Function(node), Language::C) => {
            c::lower(&mut builder, node, &mut function);
        }
        (Code::Module(mut statements), _) => {
            statements.retain(|it| !is_comment(it));
            function.body = match language {
                Language::Python => python::statements(&mut builder, statements),
                Language::C => c::outside(&mut builder, statements),
            };
        }
    }
    function.exprs = builder.exprs;
    // A server keeps it as long as the text is open.
    function.exprs.shrink_to_fit();
    (function, builder.too_deep)
}

/// What stands between a call's brackets, of which broken text may lack the second.
fn between_brackets(list: Node<'_>) -> Range<usize> {
    let last = list.child_count().checked_sub(1);
    let last = last.and_then(|at| list.child(at));
    let closed = last.is_some_and(|it| it.kind_name() == ")" && !it.is_missing());
    let start = list.start_byte() + 1;
    start..(list.end_byte() - usize::from(closed)).max(start)
}
