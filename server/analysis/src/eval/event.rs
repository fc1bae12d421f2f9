//! Ordered events on one value: allocate, check, free, use. An event that only some paths had
//! stays open until a condition on the same data comes up again, which keeps code quiet that
//! decides twice by one flag.

use kb_schema::{ArgKey, Event, Subject, Use};

use super::Eval;
use super::call::CallFact;
use super::lifetime::ends_with_scope;
use crate::env::{Fact, Open};
use crate::ir::{ExprId, ExprKind, Span};
use crate::rules::Role;
use crate::value::{self, Const, Kind, Value};

impl<'a> Eval<'a> {
    /// The identity of the object a value is, for events.
    pub(super) fn object(value: &Value) -> Option<u64> {
        if value.kind == Kind::Null {
            return None;
        }
        if value.obj != 0 {
            return Some(value.obj);
        }
        match value.consts.as_slice() {
            [Const::Str(text)] if value.exact => Some(value::id_of(text)),
            _ => None,
        }
    }

    /// Events of a call: ends are looked at before starts, so that `free(p); free(p);` is seen
    /// and one `free(p)` is not its own second.
    pub(super) fn call_events(&mut self, call: &CallFact<'a>, result: &Value) {
        self.argument_uses(call);
        self.forget_uses(call);
        for arg in &call.args {
            // Whoever is given a pointer to a pointer may set that anew.
            if let ExprKind::Name(name) = &self.func.expr(arg.expr).kind
                && self.slot(arg.expr).is_some()
            {
                self.env.overwrite(name);
            }
        }
        let rules = self.around.rules;
        let active = self.around.active;
        let hits = rules.event_calls.find(&call.path).copied();
        let mut hits: Vec<(u32, Role)> = hits.filter(|(id, _)| active.has(*id)).collect();
        hits.sort_by_key(|(_, role)| match role {
            Role::Cancel(_) => 1,
            Role::End => 0,
            Role::Start => 2,
        });
        for (id, role) in hits {
            if !self.event_args_hold(id, role, call) {
                continue;
            }
            let (subject, at) = match rules.subject(id, role) {
                Some(Subject::Result) => (Some(result.clone()), call.span),
                Some(Subject::Receiver) => (
                    call.receiver.as_ref().map(|(_, value)| value.clone()),
                    call.span,
                ),
                Some(Subject::Argument(key)) => {
                    let found = call.find_arg(key);
                    (found.map(|arg| arg.value.clone()), call.span)
                }
                None => continue,
            };
            let Some(obj) = subject.as_ref().and_then(Self::object) else {
                continue;
            };
            match role {
                Role::Start => {
                    let place = self.place(at);
                    self.env
                        .open
                        .retain(|open| !(open.pattern == id && open.obj == obj));
                    let open = Open {
                        pattern: id,
                        obj,
                        place,
                        under: Vec::new(),
                        everywhere: false,
                        name: None,
                        depth: 0,
                        partial: false,
                        root: subject
                            .as_ref()
                            .and_then(|it| it.roots.first())
                            .map_or(0, |it| it.id),
                    };
                    self.env.open.push(open);
                }
                Role::Cancel(_) => self
                    .env
                    .open
                    .retain(|open| !(open.pattern == id && open.obj == obj)),
                Role::End => {
                    self.note_end(id, obj);
                    self.end_event(id, obj, call.span, Some(call));
                }
            }
        }
        self.local_events(call, result);
        self.escape_arguments(call);
    }

    fn event_args_hold(&self, id: u32, role: Role, call: &CallFact<'a>) -> bool {
        let rules = self.around.rules;
        let Some(Event::Call { args, .. }) = rules.event(id, role) else {
            return false;
        };
        let matcher = self.matcher(&rules.rules[id as usize], call);
        matcher.args_hold(args)
    }

    /// Passing a value to a function is a use of it.
    fn argument_uses(&mut self, call: &CallFact<'a>) {
        if self.env.open.is_empty() && !self.is_unconditional() {
            return;
        }
        let rules = self.around.rules;
        let takes: Vec<(u32, ArgKey)> = rules
            .event_calls
            .find(&call.path)
            .filter_map(|(id, role)| match rules.subject(*id, *role) {
                Some(Subject::Argument(key)) => Some((*id, key.clone())),
                _ => None,
            })
            .collect();
        for arg in &call.args {
            let value = arg.value.clone();
            // A call that is itself an event of the pattern is not a plain use.
            let own: Vec<u32> = takes
                .iter()
                .filter(|(_, key)| call.find_arg(key).is_some_and(|it| it.expr == arg.expr))
                .map(|(id, _)| *id)
                .collect();
            self.use_events(Use::Any, arg.expr, &value, &own);
        }
    }

    /// `*p`, `p->x`, `p[i]`.
    pub(super) fn dereference(&mut self, id: ExprId, value: &Value) {
        if self.env.open.is_empty() && !self.around.active.starts_by_use && !self.is_unconditional()
        {
            return;
        }
        self.use_events(Use::Dereference, id, value, &[]);
        self.use_events(Use::Any, id, value, &[]);
    }

    pub(super) fn use_event(&mut self, id: ExprId, kind: Use, value: &Value) {
        if self.env.open.is_empty() {
            return;
        }
        self.use_events(kind, id, value, &[]);
        if kind == Use::Return {
            self.use_events(Use::Any, id, value, &[]);
        }
    }

    pub(super) fn null_check(&mut self, id: ExprId, value: &Value) {
        if !self.env.open.is_empty() {
            // Whatever looks at the value at all ends a need for a check, but only a plain mention
            // is a check that may come too late.
            let ends: Vec<u32> = if self.is_plain(id) && !self.quiet_checks {
                Vec::new()
            } else {
                let late = self
                    .around
                    .active
                    .event_uses
                    .iter()
                    .filter(|(_, role, kind)| *role == Role::End && *kind == Use::NullCheck);
                late.map(|(id, ..)| *id).collect()
            };
            self.use_events(Use::NullCheck, id, value, &ends);
        }
    }

    fn is_plain(&self, id: ExprId) -> bool {
        matches!(
            self.func.expr(id).kind,
            ExprKind::Name(_) | ExprKind::Attr { .. }
        )
    }

    fn use_events(&mut self, kind: Use, at: ExprId, value: &Value, except: &[u32]) {
        let Some(obj) = Self::object(value) else {
            return;
        };
        let span = self.span(at);
        let active = self.around.active;
        for (id, role, wanted) in &active.event_uses {
            if *wanted != kind || except.contains(id) {
                continue;
            }
            match role {
                Role::Cancel(_) => self
                    .env
                    .open
                    .retain(|open| !(open.pattern == *id && open.obj == obj)),
                Role::End if self.was_named_otherwise(*id, obj, at) => {}
                Role::End => {
                    self.note_end(*id, obj);
                    self.end_event(*id, obj, span, None);
                }
                Role::Start => self.start_use(*id, obj, value, at),
            }
        }
    }

    /// A use opens an event only where no condition has looked at the value before: what was
    /// checked is used on purpose.
    fn start_use(&mut self, id: u32, obj: u64, value: &Value, at: ExprId) {
        let checked = value.roots.iter().any(|root| {
            self.env
                .guards
                .iter()
                .any(|(known, fact)| *known == root.id && *fact == Fact::Null)
                || self.env.has_decided(root.id)
        });
        let known = self
            .env
            .open
            .iter()
            .any(|open| open.pattern == id && open.obj == obj);
        if !checked && !known && !value.roots.is_empty() {
            let place = self.place(self.span(at));
            let name = self.path_of(at).map(String::into_boxed_str);
            self.env.open.push(Open {
                pattern: id,
                obj,
                place,
                under: Vec::new(),
                everywhere: true,
                name,
                depth: 0,
                partial: false,
                root: 0,
            });
        }
    }

    /// A copy is checked for reasons of its own, whatever was read through the original.
    fn was_named_otherwise(&self, id: u32, obj: u64, at: ExprId) -> bool {
        let open = self
            .env
            .open
            .iter()
            .find(|open| open.pattern == id && open.obj == obj && open.everywhere);
        let name = self.path_of(at);
        // A parameter under a second name, of the right type, is the parameter itself.
        let is_param = self
            .func
            .params
            .iter()
            .any(|it| Some(&*it.name) == name.as_deref());
        !is_param && open.is_some_and(|open| open.name.as_deref() != name.as_deref())
    }

    /// What a function was given may have been changed by it, or set by a macro, so that a check
    /// behind the call is not late.
    fn forget_uses(&mut self, call: &CallFact<'a>) {
        if !self.env.open.iter().any(|open| open.everywhere) {
            return;
        }
        let known = call.path.starts_with("~.") || self.around.rules.effects.has(&call.path);
        for arg in &call.args {
            let inner = self.address_taken(arg.expr);
            let Some(path) = self.path_of(inner.unwrap_or(arg.expr)) else {
                continue;
            };
            let changes = |name: &str| match name.strip_prefix(path.as_str()) {
                Some("") => !known || inner.is_some(),
                Some(rest) => rest.starts_with('.'),
                None => false,
            };
            self.env
                .open
                .retain(|open| !open.everywhere || !open.name.as_deref().is_some_and(changes));
        }
    }

    pub(super) fn end_event(&mut self, id: u32, obj: u64, span: Span, call: Option<&CallFact<'a>>) {
        let Some(open) = self
            .env
            .open
            .iter()
            .find(|it| it.pattern == id && it.obj == obj)
            .cloned()
        else {
            return;
        };
        // Once reported, one object is not reported again on this path.
        self.env
            .open
            .retain(|it| !(it.pattern == id && it.obj == obj));
        self.report_event(id, &open, span, call);
    }

    /// The function ends: what is still open and held by nobody else is lost.
    pub(super) fn scope_end(&mut self, span: Span, result: Option<&Value>) {
        if self.env.open.is_empty() {
            return;
        }
        let active = self.around.active;
        let uses = active.event_uses.iter();
        let ends = uses.filter(|(_, role, kind)| ends_with_scope(*role, *kind));
        let ends: Vec<u32> = ends.map(|(id, ..)| *id).collect();
        for id in ends {
            for open in self.lost(id, result) {
                // A function that runs into its end has no statement for that.
                let at = if span == Span::default() {
                    open.place.span
                } else {
                    span
                };
                self.end_event(id, open.obj, at, None);
            }
        }
    }
}
