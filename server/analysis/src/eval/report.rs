//! From a fact to a finding: tries the patterns filed for it and keeps what matched, with its
//! trace, its parts, and what would match if a caller passed source data.

use std::cell::RefCell;
use std::sync::Arc;

use kb_schema::{ArgKey, Op, Pattern};
use syntax::Language;

use super::Eval;
use super::call::CallFact;
use super::local::{Bound, Passed};
use crate::env::Open;
use crate::finding::PartKey;
use crate::ir::{CmpOp, ExprId, ExprKind, Span};
use crate::matching::{Arguments, Evidence, Given, Matcher, NoArguments, Written};
use crate::rules::Rule;
use crate::value::{Note, Origin, Place, Root, Seg, Value};

/// A part of the match, relative to its function.
#[derive(Debug, Clone, Hash)]
pub(crate) struct RawPart {
    pub(crate) key: RawKey,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, Hash)]
pub(crate) enum RawKey {
    Plain(PartKey),
    Arg {
        position: usize,
        keyword: Option<Box<str>>,
        whole: Span,
    },
}

#[derive(Debug, Clone, Hash)]
pub(crate) enum RawPiece {
    Text(Arc<str>),
    Hole(Span),
}

/// A match, relative to functions, so that it stays right when text before them moves.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Found {
    pub(crate) rule: u32,
    pub(crate) place: Place,
    pub(crate) matched: Span,
    pub(crate) trace: Vec<(Place, String)>,
    pub(crate) parts: Vec<RawPart>,
    pub(crate) built: Option<(Span, Vec<RawPiece>)>,
}

/// A match that holds once a caller passes source data.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    pub(crate) found: Arc<Found>,
    pub(crate) params: Vec<u16>,
    pub(crate) sources: Vec<u16>,
    /// Whether the size of a number is what matters.
    pub(crate) amount: bool,
    /// How many calls it has come through.
    pub(crate) depth: u8,
    /// The argument that has to be built text, where that is a parameter and callers build it.
    pub(crate) stencil: Option<ArgKey>,
    /// What the matched call was given, where callers say which array that fills.
    pub(crate) passed: Option<Arc<[Value]>>,
}

/// What callers need to know of a function.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    pub(crate) returns: Value,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) is_method: bool,
    pub(crate) params: Vec<(Box<str>, u8)>,
    /// What becomes of objects in it.
    pub(crate) handling: super::lifetime::Handling,
}

/// Calls that a sink is followed through, and the most sinks one function passes on.
pub(super) const MAX_SINK_DEPTH: u8 = 6;
pub(super) const MAX_SINKS: usize = 64;
/// The most findings one function gives: far beyond what a person reads.
const MAX_FINDINGS: usize = 500;

/// A fact that patterns are tried on.
pub(super) struct Fact<'f> {
    pub(super) span: Span,
    pub(super) matched: Span,
    pub(super) args: &'f dyn Arguments,
    pub(super) parts: Vec<RawPart>,
}

impl<'a> Eval<'a> {
    /// Asks a rule's tests of arguments, as things stand here.
    pub(super) fn matcher<'m>(&'m self, rule: &'m Rule, args: &'m dyn Arguments) -> Matcher<'m> {
        Matcher {
            rules: self.around.rules,
            rule,
            guards: &self.env.guards,
            args,
            written: self,
            assume: false,
            evidence: RefCell::default(),
        }
    }

    pub(super) fn match_call(&mut self, call: &CallFact<'a>, discarded: bool) {
        let rules = self.around.rules;
        let ids: Vec<u32> = rules.calls.find(&call.path).copied().collect();
        for id in ids {
            let pattern = rules.rules[id as usize].pattern();
            if pattern.unused.is_some_and(|wanted| wanted != discarded) {
                continue;
            }
            let span = match &pattern.at {
                Some(key) => call.find_arg(key).map_or(call.span, |arg| arg.span),
                None => call.span,
            };
            let receiver = call
                .receiver
                .as_ref()
                .map(|(id, value)| (*id, self.last_name(*id), value.clone()));
            let parts = self.call_parts(call);
            let fact = Fact {
                span,
                matched: call.span,
                args: call,
                parts,
            };
            let receiver_holds =
                |matcher: &Matcher<'_>, pattern: &Pattern| match (&pattern.receiver, &receiver) {
                    (None, _) => true,
                    (Some(test), Some((id, name, value))) => {
                        matcher.holds(test, &Given::of(value, *name).at(*id))
                    }
                    (Some(_), None) => false,
                };
            let matched = self.attempt(id, fact, |matcher, pattern| {
                receiver_holds(matcher, pattern) && matcher.args_hold(&pattern.args)
            });
            if !matched {
                self.keep_stencil(id, span, call, receiver_holds);
                self.keep_filling(id, span, call);
            }
        }
    }

    pub(super) fn match_mention(&mut self, id: ExprId, path: &Arc<str>) {
        let rules = self.around.rules;
        let ids: Vec<u32> = rules.mentions.find(path).copied().collect();
        for rule in ids {
            let span = self.span(id);
            let fact = Fact {
                span,
                matched: span,
                args: &NoArguments,
                parts: Vec::new(),
            };
            self.attempt(rule, fact, |_, _| true);
        }
    }

    /// A value is bound to a name.
    pub(super) fn bound(
        &mut self,
        name: &str,
        whole: Span,
        target: Span,
        (from, value): (ExprId, &Value),
        base: Option<(ExprId, &Value)>,
    ) {
        let rules = self.around.rules;
        let base_name = base.and_then(|(id, _)| self.last_name(id));
        for &rule in &self.around.active.assigns {
            let pattern = rules.rules[rule as usize].pattern();
            if !pattern.target.as_ref().is_some_and(|it| it.is_match(name)) {
                continue;
            }
            let last = self.last_name(from);
            let parts = vec![
                RawPart {
                    key: RawKey::Plain(PartKey::Target),
                    span: target,
                },
                RawPart {
                    key: RawKey::Plain(PartKey::Value),
                    span: self.span(from),
                },
            ];
            let fact = Fact {
                span: self.span(from),
                matched: whole,
                args: &NoArguments,
                parts,
            };
            self.attempt(rule, fact, |matcher, pattern| {
                let given = Given::of(value, last).at(from);
                let base = base.map(|(_, value)| Given::of(value, base_name));
                pattern
                    .value
                    .as_ref()
                    .is_none_or(|test| matcher.holds(test, &given))
                    && pattern.base.as_ref().is_none_or(|test| {
                        base.as_ref()
                            .is_some_and(|given| matcher.holds(test, given))
                    })
            });
        }
    }

    /// A value is stored under a key that is not one known text.
    pub(super) fn match_key(
        &mut self,
        base: (ExprId, &Value),
        key: (ExprId, &Value),
        from: (ExprId, &Value),
        whole: Span,
    ) {
        let rules = self.around.rules;
        for &rule in &self.around.active.assigns {
            if rules.rules[rule as usize].pattern().key.is_none() {
                continue;
            }
            let fact = Fact {
                span: whole,
                matched: whole,
                args: &NoArguments,
                parts: vec![RawPart {
                    key: RawKey::Plain(PartKey::Value),
                    span: self.span(from.0),
                }],
            };
            let names = [base.0, key.0, from.0].map(|id| self.last_name(id));
            self.attempt(rule, fact, |matcher, pattern| {
                let tests = [&pattern.base, &pattern.key, &pattern.value];
                let values = [base.1, key.1, from.1];
                tests
                    .iter()
                    .zip(values)
                    .zip(names)
                    .all(|((test, value), name)| {
                        let test = test.as_ref();
                        test.is_none_or(|test| matcher.holds(test, &Given::of(value, name)))
                    })
            });
        }
    }

    /// A division or a remainder; text formatting with `%` is none.
    pub(super) fn match_divide(&mut self, whole: ExprId, id: ExprId, value: &Value, over: &Value) {
        let rules = self.around.rules;
        if rules.divides.is_empty()
            || self.divides_safely > 0
            || self.around.language == Language::Python
                && matches!(
                    over.kind,
                    crate::value::Kind::Str | crate::value::Kind::Bytes
                )
            || over.path.as_deref() == Some("pathlib.Path()")
        {
            return;
        }
        let last = self.last_name(id);
        for &rule in &rules.divides {
            let fact = Fact {
                span: self.span(id),
                matched: self.span(whole),
                args: &NoArguments,
                parts: vec![RawPart {
                    key: RawKey::Plain(PartKey::Value),
                    span: self.span(id),
                }],
            };
            self.attempt(rule, fact, |matcher, pattern| {
                let given = Given::of(value, last).at(id);
                pattern
                    .value
                    .as_ref()
                    .is_none_or(|test| matcher.holds(test, &given))
            });
        }
    }

    pub(super) fn match_index(&mut self, whole: ExprId, base: ExprId, index: ExprId, key: &Value) {
        let rules = self.around.rules;
        if rules.indexes.is_empty() {
            return;
        }
        let object = self
            .path_of(base)
            .and_then(|path| self.env.get(&path).cloned())
            .or_else(|| self.values.get(&base).cloned())
            .unwrap_or_else(Value::number);
        let (base_name, index_name) = (self.last_name(base), self.last_name(index));
        let reach = self.reach(whole, (base, &object), (index, key));
        for &rule in &rules.indexes {
            let parts = vec![
                RawPart {
                    key: RawKey::Plain(PartKey::Receiver),
                    span: self.span(base),
                },
                RawPart {
                    key: RawKey::Plain(PartKey::Value),
                    span: self.span(index),
                },
            ];
            let span = self.span(whole);
            let fact = Fact {
                span,
                matched: span,
                args: &NoArguments,
                parts,
            };
            let mut base = Given::of(&object, base_name);
            let mut index = Given::of(key, index_name);
            base.reach = Some(&reach);
            index.reach = Some(&reach);
            self.attempt(rule, fact, |matcher, pattern| {
                pattern
                    .base
                    .as_ref()
                    .is_none_or(|test| matcher.holds(test, &base))
                    && pattern
                        .index
                        .as_ref()
                        .is_none_or(|test| matcher.holds(test, &index))
            });
        }
    }

    pub(super) fn match_return(&mut self, id: ExprId, value: &Value, whole: Span) {
        let rules = self.around.rules;
        for &rule in &rules.returns {
            let last = self.last_name(id);
            let span = self.span(id);
            let parts = vec![RawPart {
                key: RawKey::Plain(PartKey::Value),
                span,
            }];
            let fact = Fact {
                span,
                matched: whole,
                args: &NoArguments,
                parts,
            };
            self.attempt(rule, fact, |matcher, pattern| {
                let given = Given::of(value, last).at(id);
                pattern
                    .value
                    .as_ref()
                    .is_none_or(|test| matcher.holds(test, &given))
            });
        }
    }

    pub(super) fn match_compare(
        &mut self,
        id: ExprId,
        op: CmpOp,
        left: (ExprId, &Value),
        right: (ExprId, &Value),
    ) {
        let Some(op) = op_of(op) else { return };
        let rules = self.around.rules;
        for &rule in &rules.compares {
            let pattern = rules.rules[rule as usize].pattern();
            let fits = |op: Op| match pattern.op.as_slice() {
                [] => matches!(op, Op::Equal | Op::NotEqual),
                some => some.contains(&op),
            };
            let (plain, turned) = (fits(op), fits(op.flipped()));
            if plain || turned {
                self.match_sides(rule, self.span(id), left, right, (plain, turned));
            }
        }
    }

    /// What an `assert` demands, each operand of `and` for itself.
    pub(super) fn match_assert(&mut self, cond: ExprId, whole: Span, depth: usize) {
        let rules = self.around.rules;
        if rules.asserts.is_empty() || depth > 8 {
            return;
        }
        let func = self.func;
        let known = |eval: &Self, id: ExprId| {
            let value = eval.values.get(&id).cloned();
            value.unwrap_or_else(Value::number)
        };
        match &func.expr(cond).kind {
            ExprKind::Logic {
                and: true,
                operands,
            } => {
                for operand in operands {
                    self.match_assert(*operand, whole, depth + 1);
                }
            }
            ExprKind::Compare { left, right, .. } => {
                let (a, b) = (known(self, *left), known(self, *right));
                for &rule in &rules.asserts {
                    if rules.rules[rule as usize].pattern().other.is_some() {
                        self.match_sides(rule, whole, (*left, &a), (*right, &b), (true, false));
                    }
                }
            }
            _ => {
                let value = known(self, cond);
                let last = self.last_name(cond);
                let callee = match &func.expr(cond).kind {
                    ExprKind::Call { callee, .. } => known(self, *callee).path.clone(),
                    _ => None,
                };
                for &rule in &rules.asserts {
                    let pattern = rules.rules[rule as usize].pattern();
                    let names = &pattern.callee;
                    let fits = |path: &Arc<str>| names.iter().any(|it| it.matches(path));
                    let called = names.is_empty() || callee.as_ref().is_some_and(fits);
                    if pattern.other.is_some() || !called {
                        continue;
                    }
                    let fact = Fact {
                        span: whole,
                        matched: whole,
                        args: &NoArguments,
                        parts: vec![RawPart {
                            key: RawKey::Plain(PartKey::Value),
                            span: self.span(cond),
                        }],
                    };
                    self.attempt(rule, fact, |matcher, pattern| {
                        let given = Given::of(&value, last).at(cond);
                        let test = pattern.value.as_ref();
                        test.is_none_or(|test| matcher.holds(test, &given))
                    });
                }
            }
        }
    }

    /// Two values side by side, as they stand and exchanged, as far as the operator allows.
    fn match_sides(
        &mut self,
        rule: u32,
        span: Span,
        left: (ExprId, &Value),
        right: (ExprId, &Value),
        (plain, turned): (bool, bool),
    ) {
        let (a, b) = (self.last_name(left.0), self.last_name(right.0));
        let parts = vec![
            RawPart {
                key: RawKey::Plain(PartKey::Target),
                span: self.span(left.0),
            },
            RawPart {
                key: RawKey::Plain(PartKey::Value),
                span: self.span(right.0),
            },
        ];
        let fact = Fact {
            span,
            matched: span,
            args: &NoArguments,
            parts,
        };
        let left = Given::of(left.1, a).at(left.0);
        let right = Given::of(right.1, b).at(right.0);
        self.attempt(rule, fact, |matcher, pattern| {
            let test = |test: &Option<kb_schema::Test>, given: &Given<'_>| {
                test.as_ref().is_none_or(|test| matcher.holds(test, given))
            };
            (plain && test(&pattern.value, &left) && test(&pattern.other, &right))
                || (turned && test(&pattern.value, &right) && test(&pattern.other, &left))
        });
    }

    /// A call whose error is caught and dropped.
    pub(super) fn match_ignored(&mut self, id: ExprId, call: &CallFact<'a>) {
        let Some(ignored) = self.ignored.filter(|it| it.call == id) else {
            return;
        };
        let span = ignored.span;
        let rules = self.around.rules;
        let ids: Vec<u32> = rules.ignored.find(&call.path).copied().collect();
        for id in ids {
            let wanted = rules.rules[id as usize].pattern().logged;
            if wanted.is_some_and(|it| it != ignored.logged) {
                continue;
            }
            let fact = Fact {
                span,
                matched: span,
                args: call,
                parts: self.call_parts(call),
            };
            self.attempt(id, fact, |matcher, pattern| {
                matcher.args_hold(&pattern.args)
            });
        }
    }

    /// Tries a rule as things are, and then as if parameters carried source data.
    ///
    /// True where it matched in one of the two ways.
    fn attempt(
        &mut self,
        id: u32,
        fact: Fact<'_>,
        holds: impl Fn(&Matcher<'_>, &Pattern) -> bool,
    ) -> bool {
        let rules = self.around.rules;
        let rule = &rules.rules[id as usize];
        let pattern = rule.pattern();
        if !self.around.active.has(id) || !self.in_scope(rule) {
            return false;
        }
        let mut matcher = self.matcher(rule, fact.args);
        if holds(&matcher, pattern) {
            if !rule.in_body(self.src) {
                return false;
            }
            let evidence = matcher.evidence.into_inner();
            let found = self.found(id, fact, &evidence);
            self.keep(found);
            return true;
        }
        matcher.assume = true;
        matcher.evidence = RefCell::default();
        if !holds(&matcher, pattern) || !rule.in_body(self.src) {
            return false;
        }
        let evidence = matcher.evidence.into_inner();
        if evidence.params.is_empty() || self.sinks.len() >= MAX_SINKS {
            return false;
        }
        let (params, sources) = (evidence.params.clone(), evidence.sources.clone());
        let found = self.found(id, fact, &evidence);
        self.sinks.push(Sink {
            found: Arc::new(found),
            params,
            sources,
            amount: evidence.amount,
            depth: 0,
            stencil: None,
            passed: None,
        });
        true
    }

    pub(super) fn in_scope(&self, rule: &crate::rules::Rule) -> bool {
        rule.in_scope(&self.func.name, self.handler)
    }

    pub(super) fn keep(&mut self, found: Found) {
        let known = self
            .findings
            .iter()
            .any(|it| it.rule == found.rule && it.place == found.place);
        if !known && self.findings.len() < MAX_FINDINGS {
            self.findings.push(found);
        }
    }

    pub(super) fn found(&self, id: u32, fact: Fact<'_>, evidence: &Evidence) -> Found {
        let root = evidence
            .roots
            .iter()
            .find(|root| matches!(root.origin, Origin::Source(_)))
            .or_else(|| evidence.roots.first());
        Found {
            rule: id,
            place: self.place(fact.span),
            matched: fact.matched,
            trace: root
                .map(|root| trace(root, self.place(fact.span)))
                .unwrap_or_default(),
            parts: fact.parts,
            built: evidence.built.as_ref().and_then(|value| self.pieces(value)),
        }
    }

    /// The pieces of built text, when one expression of this function builds all of it.
    fn pieces(&self, value: &Value) -> Option<(Span, Vec<RawPiece>)> {
        let at = value.built_at.filter(|place| place.func == self.key)?;
        let mut out = Vec::new();
        for seg in value.text.as_ref()?.iter() {
            match seg {
                Seg::Lit(text) => out.push(RawPiece::Text(text.clone())),
                Seg::Hole(_, place) => {
                    let inside = place.func == self.key
                        && place.span.start >= at.span.start
                        && place.span.end <= at.span.end;
                    if !inside {
                        return None;
                    }
                    out.push(RawPiece::Hole(place.span));
                }
            }
        }
        Some((at.span, out))
    }

    pub(super) fn call_parts(&self, call: &CallFact<'a>) -> Vec<RawPart> {
        let plain = |key, span| RawPart {
            key: RawKey::Plain(key),
            span,
        };
        let mut out = vec![
            plain(PartKey::Callee, self.span(call.callee)),
            plain(PartKey::Args, call.args_span),
        ];
        match &self.func.expr(call.callee).kind {
            ExprKind::Attr {
                base, name_span, ..
            } => {
                out.push(plain(PartKey::CalleeName, *name_span));
                out.push(plain(PartKey::Receiver, self.span(*base)));
            }
            _ => out.push(plain(PartKey::CalleeName, self.span(call.callee))),
        }
        for (position, arg) in call.args.iter().enumerate() {
            let key = RawKey::Arg {
                position,
                keyword: arg.name.map(Into::into),
                whole: arg.whole,
            };
            out.push(RawPart {
                key,
                span: arg.span,
            });
        }
        out
    }

    pub(super) fn report_event(
        &mut self,
        id: u32,
        open: &Open,
        span: Span,
        call: Option<&CallFact<'a>>,
    ) {
        let rules = self.around.rules;
        let pattern = rules.rules[id as usize].pattern();
        let rule = &rules.rules[id as usize];
        if !self.in_scope(rule) || !rule.in_body(self.src) {
            return;
        }
        let first = match pattern.start {
            Some(kb_schema::Event::Use(_)) => "it is read through here",
            _ => "this comes first",
        };
        let reported = match (&pattern.at, call) {
            (Some(key), Some(call)) => call.find_arg(key).map_or(span, |arg| arg.span),
            _ => span,
        };
        let found = Found {
            rule: id,
            place: self.place(reported),
            matched: span,
            trace: vec![
                (open.place, first.to_owned()),
                (self.place(span), "and then this".to_owned()),
            ],
            parts: call.map(|call| self.call_parts(call)).unwrap_or_default(),
            built: None,
        };
        self.keep(found);
    }

    /// A callee's sinks, with what this call passes in.
    pub(super) fn apply_sinks(
        &mut self,
        summary: &super::Summary,
        call: &CallFact<'a>,
        bound: &Bound,
    ) {
        let rules = self.around.rules;
        for sink in &summary.sinks {
            if sink.depth >= MAX_SINK_DEPTH {
                continue;
            }
            if sink.passed.is_some() {
                self.apply_filling(sink, call, bound);
                continue;
            }
            if sink.stencil.is_some() {
                self.apply_stencil(sink, call, bound);
                continue;
            }
            let rule = &rules.rules[sink.found.rule as usize];
            let matcher = self.matcher(rule, &NoArguments);
            let mut direct: Option<Root> = None;
            let mut params: Vec<u16> = Vec::new();
            for param in &sink.params {
                let value = match bound.get(*param) {
                    Passed::Value(value) => value,
                    Passed::Origin(Origin::Param(index)) => {
                        params.push(index);
                        continue;
                    }
                    _ => continue,
                };
                let amounts = value.amounts.iter().filter(|_| sink.amount);
                for root in value
                    .roots
                    .iter()
                    .chain(amounts)
                    .filter(|root| matcher.is_live(root))
                {
                    match root.origin {
                        Origin::Source(id) if sink.sources.contains(&id) => {
                            direct = direct.or_else(|| Some(root.clone()));
                        }
                        Origin::Param(index) if !params.contains(&index) => params.push(index),
                        _ => {}
                    }
                }
            }
            let through = (
                self.place(call.span),
                format!("passed to `{}`", short(self.source(self.span(call.callee)))),
            );
            if let Some(root) = direct {
                let mut found = (*sink.found).clone();
                let mut steps = trace(&root, self.place(call.span));
                steps.pop();
                steps.push(through);
                steps.append(&mut found.trace);
                found.trace = steps;
                self.keep(found);
            } else if !params.is_empty() && self.sinks.len() < MAX_SINKS {
                let mut found = (*sink.found).clone();
                found.trace.insert(0, through);
                self.sinks.push(Sink {
                    found: Arc::new(found),
                    params,
                    sources: sink.sources.clone(),
                    amount: sink.amount,
                    depth: sink.depth + 1,
                    stencil: None,
                    passed: None,
                });
            }
        }
    }
}

impl Written for Eval<'_> {
    fn call(&self, expr: ExprId) -> Option<Box<dyn Arguments + '_>> {
        let mut current = expr;
        for _ in 0..8 {
            match &self.func.expr(current).kind {
                ExprKind::Carry(inner) => current = *inner,
                ExprKind::Call { callee, args, .. } => {
                    return Some(Box::new(self.remembered(current, *callee, args)));
                }
                _ => return None,
            }
        }
        None
    }

    fn elements(&self, expr: ExprId) -> Option<Vec<ExprId>> {
        match &self.func.expr(expr).kind {
            ExprKind::List(items) | ExprKind::Tuple(items) | ExprKind::Set(items) => {
                Some(items.clone())
            }
            _ => None,
        }
    }

    fn last(&self, expr: ExprId) -> Option<&str> {
        self.last_name(expr)
    }

    fn tallied(&self, expr: ExprId) -> bool {
        self.is_tallied(expr)
    }

    fn claimed(&self, expr: ExprId, value: &Value) -> bool {
        self.is_claimed(expr, value)
    }

    fn text(&self, place: Place) -> &str {
        if place.func == self.key {
            self.source(place.span)
        } else {
            ""
        }
    }
}

/// An order or an equality of two values.
fn op_of(op: CmpOp) -> Option<Op> {
    Some(match op {
        CmpOp::Eq => Op::Equal,
        CmpOp::NotEq => Op::NotEqual,
        CmpOp::Less => Op::Less,
        CmpOp::LessEq => Op::LessEqual,
        CmpOp::Greater => Op::Greater,
        CmpOp::GreaterEq => Op::GreaterEqual,
        CmpOp::In | CmpOp::NotIn | CmpOp::Is | CmpOp::IsNot => return None,
    })
}

/// A root's steps in order, and the sink last.
pub(super) fn trace(root: &Root, sink: Place) -> Vec<(Place, String)> {
    let mut out = vec![(sink, "and is used here".to_owned())];
    let mut step = root.steps.as_ref();
    while let Some(it) = step {
        let note = match &it.note {
            Note::Enters(about) => format!("{about} enters here"),
            Note::Into(name) => format!("goes into `{name}`"),
            Note::Passed(text) => format!("passed in `{}`", short(text)),
            Note::Returned(text) => format!("given back by `{}`", short(text)),
        };
        out.push((it.place, note));
        step = it.before.as_ref();
    }
    out.reverse();
    // The sink alone tells a reader nothing new.
    if out.len() == 1 {
        out.clear();
    }
    out
}

/// One line of source for a note.
pub(super) fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    let cut: String = line.chars().take(40).collect();
    if cut.len() < text.len() {
        format!("{cut}…")
    } else {
        cut
    }
}
