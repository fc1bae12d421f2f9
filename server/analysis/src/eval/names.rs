//! What expressions are called: paths, last names, notes.
//! It evaluates nothing.

use super::Eval;
use crate::ir::{BinOp, ExprId, ExprKind, Span};
use crate::value::Note;

impl<'a> Eval<'a> {
    /// The variable or member an expression names, as a key: `x`, `self.x`, `p.buf`.
    pub(super) fn path_of(&self, id: ExprId) -> Option<String> {
        let mut parts: Vec<&str> = Vec::new();
        let mut current = id;
        loop {
            match &self.func.expr(current).kind {
                ExprKind::Name(name) => {
                    parts.push(name);
                    break;
                }
                ExprKind::Attr { base, name, .. } => {
                    parts.push(name);
                    current = *base;
                }
                ExprKind::Carry(inner) | ExprKind::Cast { value: inner, .. } => current = *inner,
                _ => return None,
            }
            if parts.len() > 12 {
                return None;
            }
        }
        parts.reverse();
        Some(parts.join("."))
    }

    /// The last name in an expression: a variable, an attribute, a constant key, a function.
    pub(super) fn last_name(&self, id: ExprId) -> Option<&'a str> {
        let mut current = id;
        for _ in 0..12 {
            match &self.func.expr(current).kind {
                ExprKind::Name(name) => return Some(name),
                ExprKind::Attr { name, .. } => return Some(name),
                ExprKind::Index { index, base, .. } => match &self.func.expr(*index).kind {
                    ExprKind::Str(text) => return Some(text),
                    _ => current = *base,
                },
                ExprKind::Call { callee, args, .. } => match args
                    .first()
                    .map(|arg| &self.func.expr(arg.value).kind)
                {
                    // `data.get("password")` is named by its key, `password.encode()` by what it encodes.
                    Some(ExprKind::Str(text)) if self.is_accessor(*callee) => return Some(text),
                    _ => match &self.func.expr(*callee).kind {
                        ExprKind::Attr { base, .. }
                            if args.is_empty() || self.is_text_method(*callee) =>
                        {
                            current = *base;
                        }
                        ExprKind::Name(name)
                            if args.len() == 1
                                || (args.len() == 2
                                    && matches!(&**name, "bytes" | "str" | "pad")) =>
                        {
                            current = args[0].value;
                        }
                        _ => return None,
                    },
                },
                ExprKind::Carry(inner)
                | ExprKind::Star(inner)
                | ExprKind::Deref(inner)
                | ExprKind::AddrOf(inner) => {
                    current = *inner;
                }
                ExprKind::Cast { value, .. } => current = *value,
                ExprKind::Binary {
                    op: BinOp::Add,
                    operands,
                } => {
                    current = *operands
                        .iter()
                        .find(|it| !matches!(self.func.expr(**it).kind, ExprKind::Str(_)))?;
                }
                _ => return None,
            }
        }
        None
    }

    pub(super) fn is_accessor(&self, callee: ExprId) -> bool {
        matches!(&self.func.expr(callee).kind, ExprKind::Attr { name, .. }
            if matches!(&**name, "get" | "pop" | "getlist" | "get_argument" | "getenv" | "setdefault"))
    }

    /// The last names of a sum's operands: `salt + password.encode()` has two.
    pub(super) fn other_names(&self, id: ExprId) -> Vec<&'a str> {
        let mut current = id;
        for _ in 0..6 {
            match &self.func.expr(current).kind {
                ExprKind::Call { callee, .. } if self.is_text_method(*callee) => {
                    match &self.func.expr(*callee).kind {
                        ExprKind::Attr { base, .. } => current = *base,
                        _ => return Vec::new(),
                    }
                }
                ExprKind::Carry(inner) => current = *inner,
                ExprKind::Binary {
                    op: BinOp::Add,
                    operands,
                } => {
                    return operands
                        .iter()
                        .filter_map(|it| self.last_name(*it))
                        .collect();
                }
                _ => return Vec::new(),
            }
        }
        Vec::new()
    }

    pub(super) fn is_text_method(&self, callee: ExprId) -> bool {
        matches!(&self.func.expr(callee).kind, ExprKind::Attr { name, .. }
            if matches!(&**name, "encode" | "decode" | "strip" | "lower" | "upper" | "format" | "ljust" | "rjust" | "zfill" | "lstrip" | "rstrip"))
    }

    pub(super) fn note_passed(&self, span: Span) -> Note {
        Note::Passed(
            self.source(span)
                .chars()
                .take(40)
                .collect::<String>()
                .into(),
        )
    }
}
