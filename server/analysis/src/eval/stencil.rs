//! Text that a helper passes on as it came: what is built in the caller is judged by the callee's
//! pattern. It knows one call and one summary, and evaluates no body.

use std::sync::Arc;

use kb_schema::{ArgKey, Pattern, Test};

use super::Eval;
use super::call::CallFact;
use super::local::{Bound, Passed, substitute};
use super::report::{Fact, MAX_SINK_DEPTH, MAX_SINKS, Sink, short, trace};
use crate::ir::Span;
use crate::matching::{Arguments, Evidence, Found, Given, Matcher, NoArguments};
use crate::rules::Rule;
use crate::value::{Origin, Value};

impl<'a> Eval<'a> {
    /// Remembers a call that would match if one of its arguments were built text, where that
    /// argument is a parameter that nothing was done to: callers may build it.
    pub(super) fn keep_stencil(
        &mut self,
        id: u32,
        span: Span,
        call: &CallFact<'a>,
        receiver_holds: impl Fn(&Matcher<'_>, &Pattern) -> bool,
    ) {
        let rules = self.around.rules;
        let rule = &rules.rules[id as usize];
        let pattern = rule.pattern();
        let mut wanted = pattern
            .args
            .iter()
            .filter(|(_, test)| test.built == Some(true));
        let (Some((key, _)), None) = (wanted.next(), wanted.next()) else {
            return;
        };
        let Some(arg) = single(key).then(|| call.find_arg(key)).flatten() else {
            return;
        };
        let Some(param) = untouched(&arg.value) else {
            return;
        };
        if self.sinks.len() >= MAX_SINKS || !self.in_scope(rule) {
            return;
        }
        let matcher = self.matcher(rule, call);
        let others = pattern.args.iter().filter(|(other, _)| *other != key);
        if !receiver_holds(&matcher, pattern)
            || !matcher.args_hold(others)
            || !rule.in_body(self.src)
        {
            return;
        }
        let fact = Fact {
            span,
            matched: call.span,
            args: call,
            parts: self.call_parts(call),
        };
        let found = self.found(id, fact, &Evidence::default());
        self.sinks.push(Sink {
            found: Arc::new(found),
            params: vec![param],
            sources: Vec::new(),
            amount: false,
            depth: 0,
            stencil: Some(key.clone()),
            passed: None,
        });
    }

    /// Remembers a call that would match if one of its arguments were an array, where that is a
    /// pointer that was passed in: callers know what it points at.
    pub(super) fn keep_filling(&mut self, id: u32, span: Span, call: &CallFact<'a>) {
        let rules = self.around.rules;
        let rule = &rules.rules[id as usize];
        let pattern = rule.pattern();
        let mut wanted = pattern.args.iter().filter(|(_, test)| is_array(test));
        let (Some((key, _)), None) = (wanted.next(), wanted.next()) else {
            return;
        };
        let target = place_of(key).and_then(|at| call.positional(at));
        let Some(param) = target.and_then(|arg| self.param_of(arg.value.obj)) else {
            return;
        };
        let full = self.sinks.len() >= MAX_SINKS || call.args.len() > MAX_PASSED;
        if full || !self.around.active.has(id) || !self.in_scope(rule) || !rule.in_body(self.src) {
            return;
        }
        let matcher = self.matcher(rule, call);
        let others = pattern.args.iter().filter(|(other, _)| *other != key);
        if !matcher.args_hold(others) {
            return;
        }
        let fact = Fact {
            span,
            matched: call.span,
            args: call,
            parts: self.call_parts(call),
        };
        let found = self.found(id, fact, &Evidence::default());
        self.sinks.push(Sink {
            found: Arc::new(found),
            params: vec![param],
            sources: Vec::new(),
            amount: false,
            depth: 0,
            stencil: Some(key.clone()),
            passed: Some(call.args.iter().map(|arg| arg.value.clone()).collect()),
        });
    }

    /// A callee's pattern, asked of the array that this call passes in.
    pub(super) fn apply_filling(&mut self, sink: &Sink, call: &CallFact<'a>, bound: &Bound) {
        let rules = self.around.rules;
        let rule = &rules.rules[sink.found.rule as usize];
        let (Some(passed), Some(param)) = (&sink.passed, sink.params.first()) else {
            return;
        };
        let Passed::Value(target) = bound.get(*param) else {
            return;
        };
        let at = sink.stencil.as_ref().and_then(place_of);
        let values = passed.iter().enumerate().map(|(index, value)| {
            if Some(index) == at {
                target.clone()
            } else {
                substitute(value, bound, 3)
            }
        });
        let values: Arc<[Value]> = values.collect();
        let through = (
            self.place(call.span),
            format!("passed to `{}`", short(self.source(self.span(call.callee)))),
        );
        let mut found = (*sink.found).clone();
        found.trace.insert(0, through);
        if let Some(param) = self.param_of(target.obj) {
            if sink.depth + 1 < MAX_SINK_DEPTH && self.sinks.len() < MAX_SINKS {
                self.sinks.push(Sink {
                    found: Arc::new(found),
                    params: vec![param],
                    depth: sink.depth + 1,
                    passed: Some(values),
                    ..sink.clone()
                });
            }
            return;
        }
        let given = Values(&values);
        let matcher = self.matcher(rule, &given);
        if matcher.args_hold(&rule.pattern().args) {
            self.keep(found);
        }
    }

    /// Whether the call itself was found to be weak in the same way: one report is enough.
    fn is_reported(&self, rule: &Rule, call: &CallFact<'a>) -> bool {
        let place = self.place(call.span);
        let rules = &self.around.rules.rules;
        self.findings
            .iter()
            .any(|it| it.place == place && rules[it.rule as usize].entry.id == rule.entry.id)
    }

    /// A callee's pattern, asked of the text that this call passes in.
    pub(super) fn apply_stencil(&mut self, sink: &Sink, call: &CallFact<'a>, bound: &Bound) {
        let rules = self.around.rules;
        let rule = &rules.rules[sink.found.rule as usize];
        let (Some(key), Some(param)) = (&sink.stencil, sink.params.first()) else {
            return;
        };
        let (Passed::Value(value), Some(test)) = (bound.get(*param), rule.pattern().args.get(key))
        else {
            return;
        };
        let through = (
            self.place(call.span),
            format!("passed to `{}`", short(self.source(self.span(call.callee)))),
        );
        let mut found = (*sink.found).clone();
        if let Some(param) = untouched(value) {
            if sink.depth + 1 < MAX_SINK_DEPTH && self.sinks.len() < MAX_SINKS {
                found.trace.insert(0, through);
                self.sinks.push(Sink {
                    found: Arc::new(found),
                    params: vec![param],
                    depth: sink.depth + 1,
                    ..sink.clone()
                });
            }
            return;
        }
        let matcher = self.matcher(rule, &NoArguments);
        if !matcher.holds(test, &Given::of(value, None)) || self.is_reported(rule, call) {
            return;
        }
        let evidence = matcher.evidence.into_inner();
        let source = evidence
            .roots
            .iter()
            .find(|root| matches!(root.origin, Origin::Source(_)));
        let mut steps = source
            .map(|root| trace(root, self.place(call.span)))
            .unwrap_or_default();
        steps.pop();
        steps.push(through);
        steps.append(&mut found.trace);
        found.trace = steps;
        self.keep(found);
    }
}

/// The most arguments of a call whose values are kept for callers.
const MAX_PASSED: usize = 12;

/// Positional arguments that stand in another function.
struct Values<'v>(&'v [Value]);

impl Arguments for Values<'_> {
    fn find(&self, key: &ArgKey) -> Found<'_> {
        let (ArgKey::Position(at) | ArgKey::From(at) | ArgKey::Either(at, _)) = key else {
            return Found::Absent;
        };
        let value = self.0.get(*at);
        value.map_or(Found::Absent, |it| Found::There(Given::of(it, None)))
    }

    fn each(&self, from: usize, _keywords: bool) -> Vec<Given<'_>> {
        let rest = self.0.iter().skip(from);
        rest.map(|it| Given::of(it, None)).collect()
    }
}

/// Where the argument stands that a key names.
fn place_of(key: &ArgKey) -> Option<usize> {
    match key {
        ArgKey::Position(at) | ArgKey::Either(at, _) => Some(*at),
        _ => None,
    }
}

/// Whether a test asks for an array and nothing else.
fn is_array(test: &Test) -> bool {
    test.kind.as_deref() == Some("array")
}

/// Whether a key names one argument.
fn single(key: &ArgKey) -> bool {
    !matches!(key, ArgKey::From(_) | ArgKey::Each)
}

/// The parameter that a value is, as it was passed.
fn untouched(value: &Value) -> Option<u16> {
    let [root] = value.roots.as_slice() else {
        return None;
    };
    match root.origin {
        Origin::Param(index)
            if value.text.is_none() && root.via.is_empty() && root.checked.is_empty() =>
        {
            Some(index)
        }
        _ => None,
    }
}
