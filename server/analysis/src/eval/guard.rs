//! What a condition proves on each of its sides.
//! Facts attach to the data's roots, so that a check of a derived value guards its source too.

use syntax::Language;

use super::Eval;
use crate::env::Fact;
use crate::ir::{CmpOp, ExprId, ExprKind};
use crate::value::{Kind, Value};

impl Eval<'_> {
    /// Adds what is known when the condition came out as `truth`.
    pub(super) fn refine(&mut self, cond: ExprId, truth: bool) {
        let facts = self.proven(cond, truth);
        self.learn(facts, truth);
    }

    /// What a condition that has just been evaluated proves when it came out as `truth`.
    pub(super) fn proven(&mut self, cond: ExprId, truth: bool) -> Vec<(u64, Fact)> {
        let mut facts = Vec::new();
        self.facts(cond, truth, &mut facts, 0);
        facts
    }

    /// Takes facts for true from here on.
    pub(super) fn learn(&mut self, facts: Vec<(u64, Fact)>, truth: bool) {
        self.forget_half_set();
        let about = facts.iter().filter(|(_, fact)| !fact.is_apart());
        let ids: Vec<u64> = about.map(|(id, _)| *id).collect();
        for (obj, _) in facts.iter().filter(|(_, fact)| *fact == Fact::Nought) {
            self.forget_null(*obj);
        }
        // What bounds a loop is no flag.
        if !self.in_loop_condition {
            ids.iter().for_each(|id| self.env.tell_apart(*id));
        }
        self.env.decide(ids.into_iter(), truth);
        for (id, fact) in facts {
            self.env.guard(id, fact);
        }
    }

    fn facts(&mut self, cond: ExprId, truth: bool, out: &mut Vec<(u64, Fact)>, depth: usize) {
        if depth > 24 {
            return;
        }
        let func = self.func;
        match &func.expr(cond).kind {
            ExprKind::Not(inner) => self.facts(*inner, !truth, out, depth + 1),
            ExprKind::Carry(inner) => self.facts(*inner, truth, out, depth + 1),
            ExprKind::Logic { and, operands } => {
                if *and == truth {
                    for operand in operands {
                        self.facts(*operand, truth, out, depth + 1);
                    }
                    return;
                }
                // `a or b` proves what both prove; so does the failure of `a and b`. A condition
                // that mentions the data at all is still a condition on it.
                let mut common: Option<Vec<(u64, Fact)>> = None;
                for operand in operands {
                    let mut own = Vec::new();
                    self.facts(*operand, truth, &mut own, depth + 1);
                    // One letter beside a class of letters: `isalnum(*p) || *p == '-'`.
                    let letters: Vec<(u64, Fact)> = own
                        .iter()
                        .filter(|(_, fact)| *fact == Fact::Equality)
                        .map(|(id, _)| (*id, Fact::Pattern))
                        .collect();
                    own.extend(letters);
                    out.extend(own.iter().filter(|(_, fact)| is_mention(fact)).cloned());
                    common = Some(match common {
                        None => own,
                        Some(before) => before.into_iter().filter(|it| own.contains(it)).collect(),
                    });
                }
                out.extend(common.unwrap_or_default());
            }
            ExprKind::Compare { op, left, right } => {
                self.comparison(*op, *left, *right, truth, out);
            }
            ExprKind::Call { callee, args, .. } => {
                let args: Vec<ExprId> = args.iter().map(|arg| arg.value).collect();
                self.compared_text(*callee, &args, !truth, out);
                self.predicate(*callee, &args, truth, out);
            }
            ExprKind::Assign { target, .. } => {
                self.mention(*target, out);
                if !truth {
                    self.nought(cond, out);
                }
            }
            ExprKind::Attr { base, name, .. } if name.starts_with("is_") => {
                self.mention(cond, out);
                // A property may be a predicate as well as a method: `address.is_private`.
                let value = self.peek(cond);
                let path = value.path.clone().unwrap_or_else(|| (**name).into());
                Self::add(&value, &Fact::Call(path.clone()), out);
                Self::add(&self.peek(*base), &Fact::Call(path), out);
            }
            _ => {
                self.mention(cond, out);
                if !truth {
                    self.nought(cond, out);
                }
            }
        }
    }

    /// What an expression came to when the condition was evaluated.
    fn peek(&self, id: ExprId) -> Value {
        self.values.get(&id).cloned().unwrap_or_else(Value::number)
    }

    fn add(value: &Value, fact: &Fact, out: &mut Vec<(u64, Fact)>) {
        for root in value.roots.iter().chain(&value.amounts) {
            out.push((root.id, fact.clone()));
        }
        // That a text is ten characters long says nothing of which text it is.
        if !matches!(fact, Fact::Equality | Fact::Membership) {
            out.extend(value.measures.iter().map(|id| (*id, fact.clone())));
        }
    }

    /// A comparison with a limit. One with `sizeof` is one of unsigned numbers, where no negative
    /// one is left.
    fn limit(value: &Value, fact: &Fact, limit: &Value, out: &mut Vec<(u64, Fact)>) {
        Self::add(value, fact, out);
        let unsigned = *fact == Fact::Upper && limit.size_of.is_some();
        if unsigned {
            Self::add(value, &Fact::Lower, out);
        }
        let telling = !matches!(limit.as_int(), Some(-1..=1));
        if *fact == Fact::Lower && telling {
            Self::add(value, &Fact::Above, out);
        }
    }

    /// The expression's object is null.
    fn nought(&self, id: ExprId, out: &mut Vec<(u64, Fact)>) {
        let obj = self.peek(id).obj;
        if obj != 0 && self.around.language == Language::C {
            out.push((obj, Fact::Nought));
        }
    }

    fn mention(&mut self, id: ExprId, out: &mut Vec<(u64, Fact)>) {
        let value = self.peek(id);
        Self::add(&value, &Fact::Null, out);
        Self::add(&value, &Fact::Any, out);
    }

    fn comparison(
        &mut self,
        op: CmpOp,
        left: ExprId,
        right: ExprId,
        truth: bool,
        out: &mut Vec<(u64, Fact)>,
    ) {
        let (a, b) = (self.peek(left), self.peek(right));
        self.bounds(op, (left, &a), (right, &b), truth, out);
        Self::add(&a, &Fact::Any, out);
        Self::add(&b, &Fact::Any, out);
        // How somebody is asked says nothing of who is asked.
        if [&a, &b].iter().any(|it| is_scheme(it)) {
            return;
        }
        // A call inside a comparison is a predicate too: `commonpath([base, p]) == base`.
        for (side, other) in [(left, &b), (right, &a)] {
            if let ExprKind::Call { callee, args, .. } = &self.func.expr(side).kind {
                // How long a text became says nothing of what stands in it.
                if self
                    .last_name(*callee)
                    .is_some_and(|it| it.ends_with("printf"))
                {
                    continue;
                }
                let args: Vec<ExprId> = args.iter().map(|arg| arg.value).collect();
                let equal = matches!(op, CmpOp::Eq | CmpOp::Is) == truth;
                let callee = *callee;
                if other.as_int() == Some(0) && matches!(op, CmpOp::Eq | CmpOp::NotEq) {
                    self.compared_text(callee, &args, equal, out);
                }
                // `find(x) != -1`, `strncmp(x, y, n) == 0`: which way is safe differs, so either counts.
                self.predicate(callee, &args, equal || other.kind == Kind::Number, out);
            }
        }
        match (op, truth) {
            (CmpOp::Eq | CmpOp::Is, true) | (CmpOp::NotEq | CmpOp::IsNot, false) => {
                if b.kind == Kind::Null || a.kind == Kind::Null {
                    Self::add(&a, &Fact::Null, out);
                    Self::add(&b, &Fact::Null, out);
                    self.nought(if b.kind == Kind::Null { left } else { right }, out);
                    return;
                }
                if a.kind == Kind::Pointer && b.as_int() == Some(0) {
                    self.nought(left, out);
                }
                // Equal to a constant, or to something that carries no foreign data.
                if b.is_constant() || b.roots.is_empty() {
                    Self::add(&a, &Fact::Equality, out);
                }
                if a.is_constant() || a.roots.is_empty() {
                    Self::add(&b, &Fact::Equality, out);
                }
                Self::add(&a, &Fact::Upper, out);
                Self::add(&b, &Fact::Upper, out);
            }
            (CmpOp::NotEq | CmpOp::IsNot, true) | (CmpOp::Eq | CmpOp::Is, false) => {
                if b.kind == Kind::Null || a.kind == Kind::Null || b.as_int() == Some(0) {
                    Self::add(&a, &Fact::Null, out);
                    Self::add(&b, &Fact::Null, out);
                }
            }
            (CmpOp::In, true) | (CmpOp::NotIn, false) => {
                let own = b
                    .roots
                    .iter()
                    .all(|root| !a.roots.iter().any(|it| it.id == root.id));
                if own && b.kind != Kind::Str {
                    Self::add(&a, &Fact::Membership, out);
                }
                // `ROOT in path.parents` says that the path lies below.
                if matches!(&self.func.expr(right).kind, ExprKind::Attr { name, .. } if &**name == "parents")
                {
                    Self::add(&b, &Fact::Prefix, out);
                }
            }
            (CmpOp::In, false) | (CmpOp::NotIn, true) => {
                // `".." not in path`: a pattern of what must not be there.
                if a.is_constant() {
                    Self::add(&b, &Fact::Pattern, out);
                }
            }
            (CmpOp::Less | CmpOp::LessEq, true) | (CmpOp::Greater | CmpOp::GreaterEq, false) => {
                Self::limit(&a, &Fact::Upper, &b, out);
                Self::limit(&b, &Fact::Lower, &a, out);
            }
            (CmpOp::Greater | CmpOp::GreaterEq, true) | (CmpOp::Less | CmpOp::LessEq, false) => {
                Self::limit(&a, &Fact::Lower, &b, out);
                Self::limit(&b, &Fact::Upper, &a, out);
            }
        }
    }

    /// `strcmp(a, b)` is zero when the texts are equal.
    fn compared_text(
        &mut self,
        callee: ExprId,
        args: &[ExprId],
        equal: bool,
        out: &mut Vec<(u64, Fact)>,
    ) {
        let ExprKind::Name(name) = &self.func.expr(callee).kind else {
            return;
        };
        let fact = match &**name {
            "strcmp" | "strcasecmp" | "memcmp" | "wcscmp" => Fact::Equality,
            "strncmp" | "strncasecmp" if !args.iter().any(|it| self.names_schemes(*it)) => {
                Fact::Prefix
            }
            _ => return,
        };
        if let (true, [left, right, ..]) = (equal, args) {
            let (a, b) = (self.peek(*left), self.peek(*right));
            if b.is_constant() || b.roots.is_empty() {
                Self::add(&a, &fact, out);
            }
            if a.is_constant() || a.roots.is_empty() {
                Self::add(&b, &fact, out);
            }
        }
    }

    /// `"http://"`, or several of the kind: every address begins so.
    fn names_schemes(&self, arg: ExprId) -> bool {
        match &self.func.expr(arg).kind {
            ExprKind::Str(text) => {
                let name = text.trim_end_matches('/').trim_end_matches(':');
                matches!(name, "http" | "https" | "ftp" | "ftps" | "ws" | "wss")
            }
            ExprKind::Tuple(all) => all.iter().all(|it| {
                matches!(&self.func.expr(*it).kind, ExprKind::Str(_)) && self.names_schemes(*it)
            }),
            _ => false,
        }
    }

    fn predicate(
        &mut self,
        callee: ExprId,
        args: &[ExprId],
        truth: bool,
        out: &mut Vec<(u64, Fact)>,
    ) {
        let func = self.func;
        let (name, receiver) = match &func.expr(callee).kind {
            ExprKind::Attr { base, name, .. } => (&**name, Some(*base)),
            ExprKind::Name(name) => (&**name, None),
            _ => return,
        };
        let path = {
            let value = self.peek(callee);
            value.path.clone().unwrap_or_else(|| name.into())
        };
        let mut values: Vec<Value> = Vec::new();
        if let Some(receiver) = receiver {
            values.push(self.peek(receiver));
        }
        // `..` still stands in what was only put together: such a path begins with the folder in
        // any case.
        let joined = values.first().and_then(|it| it.path.as_deref());
        let proves = !matches!(
            (name, joined),
            ("startswith", Some("os.path.join()")) | ("is_relative_to", Some("pathlib.Path()"))
        ) && !args.iter().any(|it| self.names_schemes(*it));
        for arg in args {
            values.push(self.peek(*arg));
        }
        let kind = match name {
            "startswith" | "is_relative_to" | "commonpath" | "commonprefix" | "strncmp"
            | "strncasecmp" | "relpath" => (truth && proves).then_some(Fact::Prefix),
            "match" | "fullmatch" | "search" | "isalnum" | "isalpha" | "isdigit" | "isdecimal"
            | "isnumeric" | "isidentifier" | "endswith" | "fnmatch" => Some(Fact::Pattern),
            "isinstance" => truth.then_some(Fact::Pattern),
            "get" | "has_key" | "__contains__" => None,
            _ => None,
        };
        let asked = self.around.rules.answers.has(&path);
        for value in &values {
            if let Some(kind) = &kind {
                Self::add(value, kind, out);
            }
            Self::add(value, &Fact::Call(path.clone()), out);
            if asked {
                let answer = if truth { Fact::Yes } else { Fact::No };
                Self::add(value, &answer(path.clone()), out);
                let own = value.constant_id();
                out.extend(own.map(|id| (id, answer(path.clone()))));
            }
            Self::add(value, &Fact::Any, out);
        }
    }
}

/// Whether a value is the scheme of an address, such as `urlsplit(url).scheme`.
fn is_scheme(value: &Value) -> bool {
    let path = value.path.as_deref();
    path.is_some_and(|it| it.ends_with("().scheme"))
}

fn is_mention(fact: &Fact) -> bool {
    matches!(fact, Fact::Any | Fact::Call(_))
}
