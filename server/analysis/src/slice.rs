//! The statements a finding depends on (RESCUE, METHODS.md §2.1): backward over names, two steps.
//! It works on one function's lowered form and gives whole lines.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::ir::{Block, ExprId, ExprKind, Function, Span, Stmt, StmtKind};

/// How many definitions the slice goes back, as in the paper (h = 2).
const STEPS: usize = 2;

/// The simple statements of a function with the names they set and read.
#[derive(Debug)]
struct Line {
    span: Span,
    sets: Vec<Box<str>>,
    reads: Vec<Box<str>>,
}

/// One function's statements, ready for any number of slices.
#[derive(Debug)]
pub(crate) struct Slicer {
    lines: Vec<Line>,
    /// The statements of slices that were asked for; which they are depends on the function alone.
    taken: Mutex<FxHashMap<Span, Arc<[Span]>>>,
}

impl Slicer {
    pub(crate) fn new(function: &Function) -> Self {
        let mut lines = Vec::new();
        collect(function, &function.body, &mut lines);
        Self {
            lines,
            taken: Mutex::default(),
        }
    }

    /// Bytes of whole lines of `text`, in order, that the match at `span` of the function depends
    /// on; `at` says where in the text the function's spans stand.
    pub(crate) fn slice(
        &self,
        text: &str,
        at: &dyn Fn(Span) -> Range<usize>,
        span: Span,
    ) -> Vec<Range<usize>> {
        let known = || self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known().get(&span).cloned();
        let taken = before.unwrap_or_else(|| {
            let taken: Arc<[Span]> = taken(&self.lines, span).into();
            known().insert(span, taken.clone());
            taken
        });
        let mut ranges: Vec<Range<usize>> =
            taken.iter().map(|it| whole_lines(text, at(*it))).collect();
        let start = at(Span::new(0..0)).start;
        ranges.push(whole_lines(text, start..start));
        ranges.sort_by_key(|range| (range.start, range.end));
        let mut out: Vec<Range<usize>> = Vec::new();
        for range in ranges {
            match out.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => out.push(range),
            }
        }
        out
    }
}

/// The statements that a slice consists of.
fn taken(lines: &[Line], span: Span) -> Vec<Span> {
    let mut wanted: FxHashSet<&str> = FxHashSet::default();
    let mut taken: Vec<Span> = vec![span];
    for line in lines
        .iter()
        .filter(|it| it.span.start <= span.start && it.span.end >= span.end)
    {
        taken.push(line.span);
        wanted.extend(line.reads.iter().map(|it| &**it));
    }
    for _ in 0..STEPS {
        let mut more: FxHashSet<&str> = FxHashSet::default();
        for line in lines.iter().filter(|it| it.span.start < span.start) {
            if line.sets.iter().any(|name| wanted.contains(&**name)) && !taken.contains(&line.span)
            {
                taken.push(line.span);
                more.extend(line.reads.iter().map(|it| &**it));
            }
        }
        wanted.extend(more);
    }
    taken
}

fn whole_lines(text: &str, range: Range<usize>) -> Range<usize> {
    let bytes = text.as_bytes();
    let at = range.start.min(bytes.len());
    let end = range.end.clamp(at, bytes.len());
    let start = bytes[..at]
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |it| it + 1);
    let end = bytes[end..]
        .iter()
        .position(|b| *b == b'\n')
        .map_or(bytes.len(), |it| end + it + 1);
    start..end
}

fn collect(function: &Function, block: &Block, out: &mut Vec<Line>) {
    for stmt in block {
        let Stmt { span, kind } = stmt;
        let mut line = Line {
            span: *span,
            sets: Vec::new(),
            reads: Vec::new(),
        };
        let mut inner: Vec<&Block> = Vec::new();
        match kind {
            StmtKind::Expr(id) => mentions(function, *id, &mut line),
            StmtKind::Return(value) => value
                .iter()
                .for_each(|id| mentions(function, *id, &mut line)),
            StmtKind::Assign { targets, value } => {
                targets.iter().for_each(|id| sets(function, *id, &mut line));
                mentions(function, *value, &mut line);
            }
            StmtKind::AugAssign { target, value, .. } => {
                sets(function, *target, &mut line);
                mentions(function, *target, &mut line);
                mentions(function, *value, &mut line);
            }
            StmtKind::Declare { name, value, .. } => {
                line.sets.push(name.clone());
                value
                    .iter()
                    .for_each(|id| mentions(function, *id, &mut line));
            }
            StmtKind::If { arms, other } => {
                line.span.end = arms
                    .first()
                    .map_or(span.end, |(cond, _)| function.expr(*cond).span.end);
                arms.iter()
                    .take(1)
                    .for_each(|(cond, _)| mentions(function, *cond, &mut line));
                inner.extend(arms.iter().map(|(_, body)| body));
                inner.push(other);
            }
            StmtKind::While { body, other, .. } => inner.extend([body, other]),
            StmtKind::For {
                target,
                iter,
                body,
                other,
            } => {
                line.span.end = function.expr(*iter).span.end;
                sets(function, *target, &mut line);
                mentions(function, *iter, &mut line);
                inner.extend([body, other]);
            }
            StmtKind::With { items, body } => {
                line.span.end = items
                    .last()
                    .map_or(span.end, |(value, _)| function.expr(*value).span.end);
                for (value, target) in items {
                    mentions(function, *value, &mut line);
                    target.iter().for_each(|id| sets(function, *id, &mut line));
                }
                inner.push(body);
            }
            StmtKind::Try {
                body,
                handlers,
                other,
                finally,
            } => {
                inner.push(body);
                inner.extend(handlers.iter().map(|it| &it.body));
                inner.extend([other, finally]);
            }
            StmtKind::Switch { arms, .. } => inner.extend(arms.iter().map(|arm| &arm.body)),
            StmtKind::Block(body) => inner.push(body),
            _ => {}
        }
        if !line.sets.is_empty() || !line.reads.is_empty() {
            out.push(line);
        }
        inner
            .into_iter()
            .for_each(|block| collect(function, block, out));
    }
}

fn sets(function: &Function, id: ExprId, line: &mut Line) {
    match &function.expr(id).kind {
        ExprKind::Name(name) => line.sets.push(name.clone()),
        ExprKind::Attr { base, .. } | ExprKind::Index { base, .. } => sets(function, *base, line),
        ExprKind::Tuple(parts) | ExprKind::List(parts) => {
            parts.iter().for_each(|part| sets(function, *part, line));
        }
        ExprKind::Star(inner) | ExprKind::Deref(inner) => sets(function, *inner, line),
        _ => {}
    }
}

/// Every name an expression mentions, without recursion: an expression's parts stand right before
/// it in the arena, and inside its span.
fn mentions(function: &Function, id: ExprId, line: &mut Line) {
    let whole = function.expr(id).span;
    let inside = |span: Span| span.start >= whole.start && span.end <= whole.end;
    let parts = function.exprs[..=id.0 as usize]
        .iter()
        .rev()
        .take_while(|it| inside(it.span));
    for expr in parts {
        match &expr.kind {
            ExprKind::Name(name) => line.reads.push(name.clone()),
            ExprKind::Assign { target, .. } => sets(function, *target, line),
            _ => {}
        }
    }
}
