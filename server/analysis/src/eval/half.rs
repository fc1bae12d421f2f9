//! Variables that a choice sets in each of its cases, though none of them need fit.
//! It knows branches and declarations; what an unset variable does is the entries' business.

use super::Eval;
use crate::env::{Env, Fact, Open};
use crate::ir::{Arm, ExprId, ExprKind};
use crate::value::{Const, Value};

/// The most variables without a value that a choice is followed for; more are generated.
const MAX_UNSET: usize = 16;

/// The variables that every case so far has set, and that nothing has set where none fits.
#[derive(Default)]
pub(super) struct HalfSet {
    vars: Vec<Open>,
    /// Whether a condition of the choice was looked at.
    asked: bool,
    /// Whether some case goes on behind the choice.
    goes_on: bool,
}

impl HalfSet {
    /// A case has come to its end, or does not come there.
    pub(super) fn passed(&mut self, end: Option<&Env>) {
        if let Some(env) = end {
            self.vars.retain(|it| !is_unset(env, it.obj));
            self.goes_on = true;
        }
    }

    /// None of the cases fits.
    pub(super) fn left_out(&mut self, end: Option<&Env>) {
        match end {
            Some(env) => self.vars.retain(|it| is_unset(env, it.obj)),
            None => self.vars.clear(),
        }
    }
}

fn is_unset(env: &Env, obj: u64) -> bool {
    env.open.iter().any(|it| it.obj == obj)
}

impl Eval<'_> {
    /// The variables that have no value yet, where a choice may leave them so.
    pub(super) fn maybe_half_set(&self, may: bool) -> HalfSet {
        let active = self.around.active;
        if !may || active.half_sets.is_empty() {
            return HalfSet::default();
        }
        let open = self.env.open.iter();
        let vars =
            open.filter(|it| active.declares.contains(&it.pattern) && it.depth == self.depth);
        let vars: Vec<Open> = vars.take(MAX_UNSET).cloned().collect();
        HalfSet {
            vars,
            ..HalfSet::default()
        }
    }

    /// Keeps them only where a condition asks for one of many values that nothing has asked for
    /// before: orders and flags have no third way.
    pub(super) fn keep_half(&self, half: &mut HalfSet, cond: ExprId, about: &[(u64, Fact)]) {
        if half.vars.is_empty() {
            return;
        }
        let text = self.source(self.span(cond)).replace("->", ".");
        let asks = text.contains("==") || text.contains("cmp(");
        let known = !half.asked && about.iter().any(|(id, _)| self.env.has_decided(*id));
        half.asked = true;
        if !asks || known || text.contains(['<', '>']) {
            half.vars.clear();
        }
    }

    /// Whether the labels leave values out: plain numbers and letters of a variable that nothing
    /// has looked at, and not all that fit into a few bits.
    pub(super) fn is_open_choice(&self, subject: ExprId, value: &Value, arms: &[Arm]) -> bool {
        if self.around.active.half_sets.is_empty() {
            return false;
        }
        let is_name = matches!(self.func.expr(subject).kind, ExprKind::Name(_));
        let labels = arms.iter().flat_map(|it| &it.values);
        let mut numbers = Vec::new();
        for label in labels {
            match &self.func.expr(*label).kind {
                ExprKind::Name(_) | ExprKind::Attr { .. } => return false,
                ExprKind::Int(number) => numbers.push(*number),
                _ => {}
            }
        }
        let all = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
        let is_all = !numbers.is_empty()
            && all.count_ones() == 1
            && (0..all).all(|it| numbers.contains(&it));
        let bounded = value.consts.iter().any(|it| matches!(it, Const::Int(_)));
        let decided = value.roots.iter().any(|root| self.env.has_decided(root.id));
        is_name && !is_all && !bounded && !decided && arms.len() > 1
    }

    /// The choice is over: what it may have left unset is remembered until somebody sets it or
    /// another condition comes up, which may know.
    pub(super) fn half_set(&mut self, half: HalfSet) {
        if !half.goes_on || !self.reachable {
            return;
        }
        for open in half.vars {
            for pattern in &self.around.active.half_sets {
                self.env.open.push(Open {
                    pattern: *pattern,
                    everywhere: true,
                    partial: false,
                    ..open.clone()
                });
            }
        }
    }

    pub(super) fn forget_half_set(&mut self) {
        let patterns = &self.around.active.half_sets;
        if !patterns.is_empty() && !self.env.open.is_empty() {
            self.env.open.retain(|it| !patterns.contains(&it.pattern));
        }
    }
}
