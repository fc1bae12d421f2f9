//! Calls of this file's own functions and methods, by what their summaries say.
//! It evaluates no body.

use syntax::Language;

use super::call::CallFact;
use super::{Eval, Local, Summary};
use crate::value::{self, Data, Note, Origin, Root, Seg, Value};

impl<'a> Eval<'a> {
    /// What a function of this file gives back, and what it does with what goes in.
    pub(super) fn local_result(&mut self, call: &CallFact<'a>) -> Option<Value> {
        let name = call.path.rsplit('.').next().unwrap_or(&call.path);
        let own_method = matches!(call.path.split('.').next(), Some("?self" | "?cls"))
            && call.path.matches('.').count() == 1;
        let class = instance_of(&call.path);
        let is_method = own_method || class.is_some();
        let local = if own_method {
            (self.around.summary)(self.class, name)
        } else if let Some(class) = class {
            (self.around.summary)(Some(class), name)
        } else if call.path.starts_with("~.") {
            (self.around.summary)(None, name)
        } else {
            return None;
        };
        let Local::Known(summary) = local else {
            return matches!(local, Local::Pending).then(|| {
                let root = value::root(
                    value::id_of(self.source(call.span)),
                    Origin::Unknown,
                    self.place(call.span),
                    None,
                );
                Data {
                    roots: vec![root],
                    ..Data::default()
                }
                .into()
            });
        };
        let bound = bind(&summary, call, is_method);
        self.apply_sinks(&summary, call, &bound);
        let passed = self.note_passed(call.span);
        let place = self.place(call.span);
        let given_back = substitute(&summary.returns, &bound, 3);
        let is_argument = call.args.iter().any(|arg| arg.value.obj == given_back.obj);
        let obj = if is_argument {
            given_back.obj
        } else {
            self.fresh_object()
        };
        Some(
            given_back
                .with(|data| data.obj = obj)
                .step(place, &returned(passed)),
        )
    }

    /// What a class's constructor does with its arguments.
    pub(super) fn construct(&mut self, call: &CallFact<'a>) {
        let class = call.path.trim_start_matches('?');
        if class.contains('.') || self.around.language != Language::Python {
            return;
        }
        if let Local::Known(summary) = (self.around.summary)(Some(class), "__init__") {
            let bound = bind(&summary, call, true);
            self.apply_sinks(&summary, call, &bound);
        }
    }
}

pub(super) fn returned(passed: Note) -> Note {
    match passed {
        Note::Passed(text) => Note::Returned(text),
        other => other,
    }
}

/// The call's arguments in the order of the callee's parameters.
pub(super) fn bind(summary: &Summary, call: &CallFact<'_>, own_method: bool) -> Vec<Option<Value>> {
    let mut out: Vec<Option<Value>> = vec![None; summary.params.len()];
    let skip = usize::from(summary.is_method && own_method);
    let mut next = skip;
    for arg in &call.args {
        match arg.name {
            Some(name) => {
                if let Some(index) = summary
                    .params
                    .iter()
                    .position(|(param, _)| **param == *name)
                {
                    out[index] = Some(arg.value.clone());
                }
            }
            None if arg.star == 0 => {
                // What is left over goes into `*args`.
                let rest = summary.params.iter().position(|(_, star)| *star == 1);
                let index = rest.map_or(next, |rest| next.min(rest));
                if let Some(slot) = out.get_mut(index) {
                    *slot = Some(match slot.take() {
                        Some(before) => Value::carrying([&before, &arg.value]),
                        None => arg.value.clone(),
                    });
                }
                next += 1;
            }
            None => {}
        }
    }
    out
}

/// The class of which `?Mailer().send` is a method, where that is one name.
pub(super) fn instance_of(path: &str) -> Option<&str> {
    let (object, _) = path.rsplit_once('.')?;
    let class = object.strip_suffix("()")?.trim_start_matches('?');
    let plain = !class.is_empty()
        && class
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || it == b'_');
    plain.then_some(class)
}

/// A callee's value with its parameters replaced by what was passed.
pub(super) fn substitute(value: &Value, bound: &[Option<Value>], depth: usize) -> Value {
    let touches = value
        .roots
        .iter()
        .chain(&value.amounts)
        .any(|root| matches!(root.origin, Origin::Param(_)));
    if !touches && value.text.is_none() && value.items.is_none() {
        return value.clone();
    }
    // A parameter given back as it came is the argument itself.
    if let [only] = value.roots.as_slice()
        && let Origin::Param(index) = only.origin
        && value.text.is_none()
        && value.items.is_none()
        && only.via.is_empty()
        && value.obj == only.id
        && let Some(Some(argument)) = bound.get(usize::from(index))
    {
        return argument.clone();
    }
    value.with(|data| {
        let mut roots = Vec::new();
        for root in &data.roots {
            let Origin::Param(index) = root.origin else {
                value::add_roots(&mut roots, std::slice::from_ref(root));
                continue;
            };
            let Some(Some(argument)) = bound.get(usize::from(index)) else {
                continue;
            };
            for from in &argument.roots {
                let mut via = from.via.to_vec();
                via.extend(root.via.iter().cloned());
                let passed = Root {
                    via: via.into(),
                    ..from.clone()
                };
                value::add_roots(&mut roots, &[passed]);
            }
        }
        data.roots = roots;
        let mut amounts = Vec::new();
        for root in &data.amounts {
            let Origin::Param(index) = root.origin else {
                value::add_roots(&mut amounts, std::slice::from_ref(root));
                continue;
            };
            if let Some(Some(argument)) = bound.get(usize::from(index)) {
                value::add_roots(&mut amounts, &argument.roots);
                value::add_roots(&mut amounts, &argument.amounts);
            }
        }
        data.amounts = amounts;
        if depth == 0 {
            return;
        }
        if let Some(text) = &data.text {
            let segs: Vec<Seg> = text
                .iter()
                .map(|seg| match seg {
                    Seg::Hole(inner, place) => {
                        let mut inner = substitute(inner, bound, depth - 1);
                        if inner.text.is_some() {
                            inner = Value::carrying([&inner]);
                        }
                        Seg::Hole(inner, *place)
                    }
                    Seg::Lit(text) => Seg::Lit(text.clone()),
                })
                .collect();
            data.text = Some(segs.into());
        }
        if let Some(items) = &data.items {
            data.items = Some(
                items
                    .iter()
                    .map(|item| substitute(item, bound, depth - 1))
                    .collect(),
            );
        }
    })
}
