//! Text that a helper passes on as it came: what is built in the caller is judged by the callee's
//! pattern. It knows one call and one summary, and evaluates no body.

use std::cell::RefCell;
use std::sync::Arc;

use kb_schema::{ArgKey, Pattern};

use super::Eval;
use super::call::CallFact;
use super::local::{Bound, Passed};
use super::report::{Fact, MAX_SINK_DEPTH, MAX_SINKS, Sink, short, trace};
use crate::ir::Span;
use crate::matching::{Evidence, Given, Matcher, NoArguments};
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
        let matcher = Matcher {
            rules,
            rule,
            guards: &self.env.guards,
            args: call,
            written: self,
            assume: false,
            evidence: RefCell::default(),
        };
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
        });
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
        let matcher = Matcher {
            rules,
            rule,
            guards: &self.env.guards,
            args: &NoArguments,
            written: self,
            assume: false,
            evidence: RefCell::default(),
        };
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
