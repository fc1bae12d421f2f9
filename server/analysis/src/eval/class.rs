//! What a method has from the classes that its own is made from: that it answers requests, and
//! members that hold what they brought.
//! It knows names of classes; what those mean is the library's business.

use std::sync::Arc;

use super::Eval;
use crate::env::Env;
use crate::ir::{ExprId, ExprKind, Span};
use crate::value::Value;

/// The name under which a class's own list of what it is made from is kept.
pub(crate) const BASES: &str = "__bases__";

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

impl Eval<'_> {
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
