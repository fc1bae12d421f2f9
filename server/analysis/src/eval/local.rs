//! Calls of this file's own functions and methods, by what their summaries say.
//! It evaluates no body.

use std::sync::Arc;

use syntax::Language;

use super::call::CallFact;
use super::{Eval, Local, Summary};
use crate::value::{self, Data, Entry, Note, OF_INSTANCE, Origin, Root, Seg, Value};

impl<'a> Eval<'a> {
    /// What a function of this file gives back, and what it does with what goes in.
    pub(super) fn local_result(&mut self, call: &CallFact<'a>) -> Option<Value> {
        let name = call.path.rsplit('.').next().unwrap_or(&call.path);
        let own_method = matches!(call.path.split('.').next(), Some("?self" | "?cls"))
            && call.path.matches('.').count() == 1;
        let class = instance_of(&call.path);
        let of_class = class_of(&call.path).filter(|_| !own_method && class.is_none());
        let local = if own_method {
            (self.around.summary)(self.class, name)
        } else if let Some(class) = class {
            (self.around.summary)(Some(class), name)
        } else if call.path.starts_with("~.") {
            (self.around.summary)(None, name)
        } else if let Some(class) = of_class {
            match (self.around.summary)(Some(class), name) {
                Local::Unknown => return None,
                known => known,
            }
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
        let receiver = call.receiver.as_ref().and_then(|(_, it)| it.made.clone());
        let is_constructor = &*self.func.name == "__init__";
        let bound = Bound {
            params: bind(&summary, call, own_method || class.is_some()),
            instance: match receiver {
                _ if own_method && is_constructor => Instance::Made,
                _ if own_method => Instance::Same,
                Some(made) => Instance::Known(made),
                None => Instance::Unknown,
            },
        };
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

    /// What a class's constructor does with its arguments, and those arguments.
    pub(super) fn construct(&mut self, call: &CallFact<'a>) -> Option<Arc<[Option<Value>]>> {
        let class = call.path.trim_start_matches('?');
        if class.contains('.') || self.around.language != Language::Python {
            return None;
        }
        let Local::Known(summary) = (self.around.summary)(Some(class), "__init__") else {
            return None;
        };
        let bound = Bound {
            params: bind(&summary, call, true),
            instance: Instance::Made,
        };
        self.apply_sinks(&summary, call, &bound);
        let outline = |it: &Option<Value>| it.as_ref().map(Value::outline);
        Some(bound.params.iter().map(outline).collect())
    }
}

/// What stands for a callee's parameters at one call.
pub(super) struct Bound {
    params: Vec<Option<Value>>,
    instance: Instance,
}

/// Whose method is called.
enum Instance {
    /// That of the calling method itself.
    Same,
    /// That which the calling constructor makes.
    Made,
    /// One that was made with these arguments.
    Known(Arc<[Option<Value>]>),
    Unknown,
}

/// What a parameter's data is at a call.
pub(super) enum Passed<'b> {
    /// It was not passed.
    Nothing,
    /// What was passed.
    Value(&'b Value),
    /// Data of that origin, which the caller knows no more of.
    Origin(Origin),
}

impl Bound {
    /// What stands for a parameter.
    pub(super) fn get(&self, index: u16) -> Passed<'_> {
        let Some(field) = index.checked_sub(OF_INSTANCE) else {
            return Self::passed(&self.params, index);
        };
        match &self.instance {
            Instance::Same => Passed::Origin(Origin::Param(index)),
            Instance::Made => Passed::Origin(Origin::Param(field)),
            Instance::Known(made) => Self::passed(made, field),
            Instance::Unknown => Passed::Origin(Origin::Unknown),
        }
    }

    fn passed(values: &[Option<Value>], index: u16) -> Passed<'_> {
        match values.get(usize::from(index)) {
            Some(Some(value)) => Passed::Value(value),
            _ => Passed::Nothing,
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
    let first = summary.params.first().map_or("", |(name, _)| name);
    // A static method has no receiver, and a method of the class itself always has one.
    let takes_receiver = match first {
        "self" => own_method,
        "cls" => true,
        _ => false,
    };
    let skip = usize::from(summary.is_method && takes_receiver);
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

/// The class in `Feed.read`, where that is one name.
fn class_of(path: &str) -> Option<&str> {
    let (class, method) = path.rsplit_once('.')?;
    let class = class.trim_start_matches('?');
    let plain = |it: &str| {
        it.bytes()
            .all(|it| it.is_ascii_alphanumeric() || it == b'_')
    };
    (!class.is_empty() && plain(class) && plain(method)).then_some(class)
}

/// A callee's value with its parameters replaced by what was passed.
pub(super) fn substitute(value: &Value, bound: &Bound, depth: usize) -> Value {
    let touches = value
        .roots
        .iter()
        .chain(&value.amounts)
        .any(|root| matches!(root.origin, Origin::Param(_)));
    let plain = value.text.is_none()
        && value.items.is_none()
        && value.entries.is_none()
        && value.made.is_none();
    if !touches && plain {
        return value.clone();
    }
    // A parameter given back as it came is the argument itself.
    if let [only] = value.roots.as_slice()
        && let Origin::Param(index) = only.origin
        && value.text.is_none()
        && value.items.is_none()
        && only.via.is_empty()
        && value.obj == only.id
        && let Passed::Value(argument) = bound.get(index)
    {
        return argument.clone();
    }
    value.with(|data| {
        data.roots = roots_of(&data.roots, bound);
        data.amounts = amounts_of(&data.amounts, bound);
        if depth == 0 {
            return;
        }
        if let Some(made) = &data.made {
            let inner = |it: &Option<Value>| it.as_ref().map(|it| substitute(it, bound, depth - 1));
            data.made = Some(made.iter().map(inner).collect());
        }
        if let Some(entries) = &data.entries {
            let entry = |(key, value): &Entry| (key.clone(), substitute(value, bound, depth - 1));
            data.entries = Some(entries.iter().map(entry).collect());
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

/// Where a callee's data comes from, seen from the call.
fn roots_of(from: &[Root], bound: &Bound) -> Vec<Root> {
    let mut roots = Vec::new();
    for root in from {
        let Origin::Param(index) = root.origin else {
            value::add_roots(&mut roots, std::slice::from_ref(root));
            continue;
        };
        let argument = match bound.get(index) {
            Passed::Value(argument) => argument,
            Passed::Nothing => continue,
            Passed::Origin(origin) => {
                let kept = Root {
                    origin,
                    ..root.clone()
                };
                value::add_roots(&mut roots, &[kept]);
                continue;
            }
        };
        for inner in &argument.roots {
            let mut via = inner.via.to_vec();
            via.extend(root.via.iter().cloned());
            let mut checked = inner.checked.to_vec();
            checked.extend(root.checked.iter().cloned());
            let passed = Root {
                via: via.into(),
                checked: checked.into(),
                ..inner.clone()
            };
            value::add_roots(&mut roots, &[passed]);
        }
    }
    roots
}

/// What decides a callee's number, seen from the call.
fn amounts_of(from: &[Root], bound: &Bound) -> Vec<Root> {
    let mut amounts = Vec::new();
    for root in from {
        let Origin::Param(index) = root.origin else {
            value::add_roots(&mut amounts, std::slice::from_ref(root));
            continue;
        };
        match bound.get(index) {
            Passed::Value(argument) => {
                value::add_roots(&mut amounts, &argument.roots);
                value::add_roots(&mut amounts, &argument.amounts);
            }
            Passed::Origin(origin) => {
                let kept = Root {
                    origin,
                    ..root.clone()
                };
                value::add_roots(&mut amounts, &[kept]);
            }
            Passed::Nothing => {}
        }
    }
    amounts
}
