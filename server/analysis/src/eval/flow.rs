//! Branches, loops and exceptions: where paths part and join.
//! What a statement does is not its business.

use std::sync::Arc;

use syntax::Language;

use super::{CATCH_DIVISION, Eval, Ignored, surely};
use crate::env::{Env, Fact, join};
use crate::ir::{Block, ExprId, ExprKind, Handler, Span, Stmt, StmtKind};
use crate::value::Value;

/// Functions and methods that tell a log.
const LOGS: [&str; 8] = [
    "print",
    "debug",
    "info",
    "warning",
    "warn",
    "error",
    "exception",
    "log",
];

/// Parts of the names of functions that give something back.
const RELEASES: [&str; 7] = [
    "free", "close", "destroy", "unref", "release", "delete", "cleanup",
];

impl<'a> Eval<'a> {
    pub(super) fn if_chain(&mut self, arms: &'a [(ExprId, Block)], other: &'a Block) {
        let mut after: Option<Env> = None;
        let mut half = self.maybe_half_set(other.is_empty() && arms.len() > 1);
        for (cond, body) in arms {
            // `if (p) free(p);` is needless at worst.
            let releases = self.releases(body);
            let before = std::mem::replace(&mut self.quiet_checks, releases);
            let known = self.expr(*cond);
            self.null_check(*cond, &known);
            self.quiet_checks = before;
            self.branched = true;
            let no = self.env.clone();
            let denied = self.proven(*cond, false);
            self.keep_half(&mut half, *cond, &denied);
            self.refine(*cond, true);
            // A constant condition leaves one way only, but both are code that somebody reads;
            // only `if 0:` style dead code is skipped.
            if surely(&known, false) {
                self.reachable = false;
            }
            self.depth += 1;
            self.block(body);
            self.depth -= 1;
            let end = self.state();
            half.passed(end.as_ref());
            after = join(after, end);
            self.resume(Some(no));
            self.learn(denied, false);
        }
        self.depth += 1;
        self.block(other);
        self.depth -= 1;
        let end = self.state();
        half.left_out(end.as_ref());
        self.resume(join(after, end));
        self.half_set(half);
    }

    /// Whether a block gives something back: a check in front of it is no sign of doubt.
    fn releases(&self, body: &Block) -> bool {
        let (Some(first), Some(last)) = (body.first(), body.last()) else {
            return false;
        };
        let text = self.source(Span {
            start: first.span.start,
            end: last.span.end,
        });
        let text = text.to_ascii_lowercase();
        RELEASES.iter().any(|word| text.contains(word))
    }

    pub(super) fn while_loop(
        &mut self,
        cond: Option<ExprId>,
        step: Option<ExprId>,
        body: &'a Block,
        other: &'a Block,
        at_least_once: bool,
    ) {
        let mut exits: Option<Env> = None;
        let mut letters: Vec<(u64, Fact)> = Vec::new();
        let uses = self.env.uses();
        // Twice: what the first round binds late is read early in the second.
        for round in 0..2 {
            if !self.reachable {
                break;
            }
            self.env.keep_uses(&uses);
            let mut forever = cond.is_none();
            if let Some(cond) = cond.filter(|_| !(at_least_once && round == 0)) {
                // `while (p)` asks where to stop, not whether there is anything.
                let before = std::mem::replace(&mut self.quiet_checks, true);
                self.in_loop_condition = true;
                let known = self.expr(cond);
                self.null_check(cond, &known);
                self.quiet_checks = before;
                self.branched = true;
                forever = surely(&known, true);
                let before = self.env.clone();
                self.refine(cond, false);
                if !forever {
                    exits = join(exits, self.state());
                }
                self.resume(Some(before));
                self.refine(cond, true);
                self.in_loop_condition = false;
            }
            let known = self.env.guards.len();
            exits = self.round(body, exits);
            if self.reachable && self.around.language == Language::C {
                let new = self.env.guards.iter().skip(known);
                letters.extend(new.filter(|it| it.1 == Fact::Pattern).cloned());
            }
            if let Some(step) = step.filter(|_| self.reachable) {
                self.expr(step);
            }
            if at_least_once && let Some(cond) = cond.filter(|_| self.reachable) {
                self.expr(cond);
            }
            if !forever && round == 1 {
                exits = join(exits, self.state());
            }
        }
        self.resume(exits);
        if let (Some(cond), Some(first), true) = (cond, body.first(), self.reachable) {
            let last = body.last().unwrap_or(first);
            let start = self.span(cond).start;
            let end = step.map_or(last.span.end, |it| self.span(it).end.max(last.span.end));
            let whole = self.source(Span { start, end });
            // Whoever leaves by the condition has seen every letter.
            let all = !letters.is_empty() && !whole.contains("break");
            self.counted(cond, whole);
            for (id, fact) in letters.into_iter().filter(|_| all) {
                self.env.guard(id, fact);
            }
        }
        self.block(other);
    }

    /// Runs a loop's body once and goes on where the next round begins; gives the ways out.
    pub(super) fn round(&mut self, body: &'a Block, mut exits: Option<Env>) -> Option<Env> {
        self.breaks.push(Vec::new());
        self.continues.push(Vec::new());
        self.block(body);
        let mut state = self.state();
        for env in self.continues.pop().unwrap_or_default() {
            state = join(state, Some(env));
        }
        for env in self.breaks.pop().unwrap_or_default() {
            exits = join(exits, Some(env));
        }
        self.resume(state);
        exits
    }

    pub(super) fn for_loop(
        &mut self,
        target: ExprId,
        iter: ExprId,
        body: &'a Block,
        other: &'a Block,
    ) {
        let list = self.expr(iter);
        let item = self.element(&list, self.span(iter));
        let mut exits = self.state();
        let uses = self.env.uses();
        for _ in 0..2 {
            if !self.reachable {
                break;
            }
            self.env.keep_uses(&uses);
            self.assign(target, None, &item, self.span(target));
            exits = self.round(body, exits);
            exits = join(exits, self.state());
        }
        self.resume(exits);
        self.block(other);
    }

    pub(super) fn switch(&mut self, value: ExprId, arms: &'a [crate::ir::Arm], fallthrough: bool) {
        let subject = self.expr(value);
        self.branched = true;
        let has_all = arms.iter().any(|it| it.default);
        let mut half = self.maybe_half_set(!has_all && self.is_open_choice(value, &subject, arms));
        self.forget_half_set();
        let start = self.state();
        let mut exits: Option<Env> = None;
        let mut falling: Option<Env> = None;
        let mut has_default = false;
        self.breaks.push(Vec::new());
        for arm in arms {
            has_default |= arm.default;
            let mut from = start.clone();
            if let Some(env) = &mut from
                && !arm.values.is_empty()
            {
                for root in &subject.roots {
                    env.guard(root.id, crate::env::Fact::Equality);
                }
            }
            if fallthrough {
                from = join(from, falling.take());
            }
            self.depth += 1;
            let end = self.run(from, &arm.body);
            self.depth -= 1;
            if fallthrough {
                falling = end;
            } else {
                exits = join(exits, end);
            }
        }
        half.passed(falling.as_ref());
        exits = join(exits, falling);
        for env in self.breaks.pop().unwrap_or_default() {
            half.passed(Some(&env));
            exits = join(exits, Some(env));
        }
        if !has_default {
            half.left_out(start.as_ref());
            exits = join(exits, start);
        }
        self.resume(exits);
        self.half_set(half);
    }

    /// The one call of a `try` statement, where some handler does nothing with its error, or only
    /// logs it and goes on.
    pub(super) fn ignores(&self, stmt: &Stmt) -> Option<Ignored> {
        let StmtKind::Try {
            body,
            handlers,
            other,
            ..
        } = &stmt.kind
        else {
            return None;
        };
        let [
            Stmt {
                kind: StmtKind::Expr(only),
                ..
            },
        ] = body.as_slice()
        else {
            return None;
        };
        let kind = |id: ExprId| match &self.func.expr(id).kind {
            ExprKind::Carry(inner) => (*inner, &self.func.expr(*inner).kind),
            other => (id, other),
        };
        let (call, ExprKind::Call { .. }) = kind(*only) else {
            return None;
        };
        let logs = |stmt: &Stmt| {
            let StmtKind::Expr(id) = &stmt.kind else {
                return false;
            };
            let ExprKind::Call { callee, .. } = &self.func.expr(*id).kind else {
                return false;
            };
            let name = match &self.func.expr(*callee).kind {
                ExprKind::Attr { name, .. } | ExprKind::Name(name) => &**name,
                _ => "",
            };
            LOGS.contains(&name)
        };
        let dropped = handlers.iter().any(|it| it.body.is_empty());
        let told = |it: &Handler| !it.body.is_empty() && it.body.iter().all(logs);
        let logged = self.followed && other.is_empty() && handlers.iter().any(told);
        (dropped || logged).then_some(Ignored {
            call,
            span: stmt.span,
            logged: !dropped,
        })
    }

    pub(super) fn try_block(
        &mut self,
        body: &'a Block,
        handlers: &'a [Handler],
        other: &'a Block,
        finally: &'a Block,
    ) {
        let before = self.state();
        let caught: Vec<Vec<Arc<str>>> = handlers.iter().map(|it| self.caught(it)).collect();
        let divides = caught.iter().any(|types| {
            let catches = |name: &Arc<str>| CATCH_DIVISION.contains(&&**name);
            types.is_empty() || types.iter().any(catches)
        });
        self.divides_safely += usize::from(divides);
        self.block(body);
        self.divides_safely -= usize::from(divides);
        let done = self.state();
        // An exception may come at any point of the body: before it, or as late as its end.
        let raised = join(before, done.clone());
        self.resume(done);
        self.block(other);
        let mut after = self.state();
        for (handler, types) in handlers.iter().zip(&caught) {
            let mut from = raised.clone();
            if let (Some(env), Some(name)) = (&mut from, &handler.name) {
                env.bind(name, self.exception(name, types, handler));
            }
            let end = self.run(from, &handler.body);
            after = join(after, end);
        }
        if finally.is_empty() {
            self.resume(after);
            return;
        }
        let came_through = after.is_some();
        self.resume(after.or(raised));
        self.block(finally);
        self.reachable &= came_through;
    }

    /// The resolved names of what a handler catches.
    pub(super) fn caught(&mut self, handler: &Handler) -> Vec<Arc<str>> {
        let values = handler.types.iter().map(|it| self.expr(*it));
        values.filter_map(|it| it.path.clone()).collect()
    }

    /// What a handler's name is bound to: an instance of what it catches, of the broadest where
    /// there are several.
    pub(super) fn exception(&self, name: &str, types: &[Arc<str>], handler: &Handler) -> Value {
        let broad = types
            .iter()
            .find(|it| matches!(&***it, "Exception" | "BaseException"));
        let span = handler
            .types
            .first()
            .map_or(Span::default(), |it| self.span(*it));
        match broad.or(types.first()) {
            Some(path) => self.with_source(Value::named(format!("{path}()")), span),
            None => Value::named(format!("?{name}")),
        }
    }
}
