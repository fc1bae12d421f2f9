//! What holds at one point of a function: values of variables, guards, and open events.
//! It knows how two paths join; it does not know what any of it is for.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::value::{Place, Value};

/// A condition that is known to have held for a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    Equality,
    Membership,
    Prefix,
    Pattern,
    Null,
    Upper,
    Lower,
    Call(Arc<str>),
    Any,
}

/// The first event of a pattern has happened to an object.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) pattern: u32,
    pub(crate) obj: u64,
    pub(crate) place: Place,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Env {
    pub(crate) vars: FxHashMap<Arc<str>, Value>,
    pub(crate) guards: Vec<(u64, Fact)>,
    pub(crate) open: Vec<Open>,
}

impl Env {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.vars.get(name)
    }

    /// Binds a name; what was known of its parts is gone.
    pub(crate) fn bind(&mut self, name: &str, value: Value) {
        self.forget_parts(name);
        self.vars.insert(name.into(), value);
    }

    pub(crate) fn forget_parts(&mut self, name: &str) {
        self.vars.retain(|key, _| {
            !key.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
        });
    }

    pub(crate) fn guard(&mut self, id: u64, fact: Fact) {
        if !self
            .guards
            .iter()
            .any(|(other, known)| *other == id && *known == fact)
        {
            self.guards.push((id, fact));
        }
    }

    /// What holds when either path was taken: all values, but only the guards and open events
    /// that both paths have.
    pub(crate) fn merge(mut self, other: &Self) -> Self {
        for (name, value) in &other.vars {
            match self.vars.get_mut(name) {
                Some(mine) if mine.is_same(value) => {}
                Some(mine) => *mine = mine.merge(value),
                None => {
                    self.vars.insert(name.clone(), value.clone());
                }
            }
        }
        self.guards.retain(|guard| other.guards.contains(guard));
        self.open.retain(|open| {
            other
                .open
                .iter()
                .any(|it| it.pattern == open.pattern && it.obj == open.obj)
        });
        self
    }
}

/// Joins paths of which either may be impossible.
pub(crate) fn join(a: Option<Env>, b: Option<Env>) -> Option<Env> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.merge(&b)),
        (a, b) => a.or(b),
    }
}
