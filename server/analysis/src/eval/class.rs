//! What a method has from the classes that its own is made from: that it answers requests, and
//! members that hold what they brought.
//! It knows names of classes; what those mean is the library's business.

use std::sync::Arc;

use super::Eval;
use super::call::CallFact;
use crate::env::Env;
use crate::ir::{ExprId, ExprKind, Span};
use crate::value::{Entry, Kind, Value};

/// The name under which a class's own list of what it is made from is kept.
pub(crate) const BASES: &str = "__bases__";

/// The name under which a class's own list of its fields is kept, where calling it fills them.
pub(crate) const FIELDS: &str = "__fields__";

/// How many classes are followed upwards.
const MAX_BASES: usize = 12;

/// The classes that a class of this file is made from, the nearest first.
pub(crate) fn bases(module: &Env, class: &str) -> Vec<Arc<str>> {
    let mut out: Vec<Arc<str>> = Vec::new();
    let mut at = 0;
    let mut class: Arc<str> = class.into();
    loop {
        if let Some(known) = module.get(&format!("{class}.{BASES}")) {
            let paths = known.items.iter().flat_map(|it| it.iter());
            for path in paths.filter_map(|it| it.path.as_ref()) {
                if out.len() < MAX_BASES && !out.contains(path) {
                    out.push(path.clone());
                }
            }
        }
        match out.get(at) {
            Some(next) => class = next.clone(),
            None => return out,
        }
        at += 1;
    }
}

/// Whether a parameter of that name is a number wherever people write one.
pub(super) fn is_number(name: &str) -> bool {
    matches!(name, "id" | "pk" | "page" | "year" | "month" | "day") || name.ends_with("_id")
}

/// What a field of an object holds that was made with all of them.
pub(super) fn field<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    let class = object.path.as_deref()?.strip_suffix("()")?;
    if class.contains(['.', '(', '[']) || object.kind == Kind::Dict {
        return None;
    }
    let mut known = object.entries.as_ref()?.iter();
    known.find(|(known, _)| **known == *name).map(|it| &it.1)
}

impl Eval<'_> {
    /// What a call of a class of this file makes whose fields are its arguments: `Job(name, path)`.
    pub(super) fn with_fields(&self, call: &CallFact<'_>, value: Value) -> Value {
        if call.path.contains('.') || call.args.is_empty() {
            return value;
        }
        let listed = self.around.module.get(&format!("{}.{FIELDS}", call.path));
        let Some(names) = listed.and_then(|it| it.items.as_ref()) else {
            return value;
        };
        let mut fields: Vec<Entry> = Vec::new();
        for (index, name) in names.iter().filter_map(Value::as_str).enumerate() {
            let whole = || call.args.iter().find(|it| it.star == 2);
            let held = match call.keyword(name).or_else(|| call.positional(index)) {
                Some(arg) => arg.value.clone(),
                None => match whole() {
                    Some(arg) => Value::carrying([&arg.value]).part(&Value::str(name)),
                    None => continue,
                },
            };
            fields.push((name.clone(), held));
        }
        value.with(|data| data.entries = Some(fields.into()))
    }

    /// Whether this is a method that the class's base calls for each request.
    pub(super) fn answers_requests(&self) -> bool {
        let rules = self.around.rules;
        let methods = &rules.library.handler_methods;
        !self.around.bases.is_empty()
            && methods.iter().any(|it| **it == *self.func.name)
            && (self.around.bases.iter()).any(|it| rules.handler_classes.has(it))
    }

    /// `self.path`, where the library says that a class above fills it with data.
    pub(super) fn inherited(&self, base: ExprId, path: &Arc<str>, span: Span) -> Option<Value> {
        let ExprKind::Name(name) = &self.func.expr(base).kind else {
            return None;
        };
        if &**name != "self" {
            return None;
        }
        let member = kb_schema::last_segment(path);
        let found = self.around.bases.iter().find_map(|it| {
            let value = self.with_source(Value::named(format!("{it}().{member}")), span);
            (!value.roots.is_empty()).then_some(value)
        });
        found.map(|it| it.with(|data| data.path = Some(path.clone())))
    }
}
