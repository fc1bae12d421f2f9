//! How far an index may go: what it was compared with, and how long the array is.
//! It knows conditions and declared lengths; whether that is too far is the entries' business.

use syntax::Language;

use super::Eval;
use crate::env::{Fact, bound_id};
use crate::ir::{BinOp, CmpOp, ExprId, ExprKind};
use crate::matching::Reach;
use crate::value::Value;

/// The longest function whose counters are looked for in its text.
const MAX_BODY: usize = 32 << 10;

impl Eval<'_> {
    /// What a comparison that came out as `truth` says of how large each side can be. Only `<=` is
    /// remembered; `<` and `!=` on the same name take it back.
    pub(super) fn bounds(
        &self,
        op: CmpOp,
        (left, a): (ExprId, &Value),
        (right, b): (ExprId, &Value),
        truth: bool,
        out: &mut Vec<(u64, Fact)>,
    ) {
        if self.around.language != Language::C || !self.around.active.asks_reach {
            return;
        }
        let mut add = |side: ExprId, limit: ExprId, value: &Value, inclusive: bool| {
            let Some(path) = self.path_of(side) else {
                return;
            };
            let limit = inclusive.then(|| self.limit_text(limit, value).into());
            out.push((bound_id(&path), Fact::Bound(limit)));
        };
        match (op, truth) {
            (CmpOp::LessEq, true) | (CmpOp::Greater, false) => {
                add(left, right, b, true);
                add(right, left, a, false);
            }
            (CmpOp::GreaterEq, true) | (CmpOp::Less, false) => {
                add(right, left, a, true);
                add(left, right, b, false);
            }
            (CmpOp::NotEq, true)
            | (CmpOp::Eq | CmpOp::Less | CmpOp::Greater, _)
            | (CmpOp::NotEq | CmpOp::LessEq | CmpOp::GreaterEq, false) => {
                add(left, right, b, false);
                add(right, left, a, false);
            }
            _ => {}
        }
    }

    /// A limit's source without spaces and brackets around it; a known number as such.
    fn limit_text(&self, id: ExprId, value: &Value) -> String {
        if let Some(number) = value.as_int().filter(|_| value.size_of.is_none()) {
            return number.to_string();
        }
        let text = self.source(self.span(id));
        let mut plain: String = text.split_whitespace().collect();
        while plain.starts_with('(') && plain.ends_with(')') && !plain[1..].contains('(') {
            plain = plain[1..plain.len() - 1].to_owned();
        }
        plain
    }

    /// How far an element's index may lie behind the array's end.
    pub(super) fn reach(
        &self,
        whole: ExprId,
        (base, object): (ExprId, &Value),
        (index, key): (ExprId, &Value),
    ) -> Reach {
        let mut out = Reach::default();
        if self.around.language != Language::C || !self.around.active.asks_reach {
            return out;
        }
        out.overrun = self.is_overrun(whole, (base, object), index);
        if self.addressed == Some(whole) {
            return out;
        }
        out.unmeasured = self.unmeasured(base);
        out.stepped = self.stepped(index);
        let written: String = self.source(self.span(base)).split_whitespace().collect();
        let closes = self.is_closed(whole);
        let bound = self.path_of(index).map(|it| bound_id(&it));
        for (_, fact) in self.env.guards.iter().filter(|it| Some(it.0) == bound) {
            if let Fact::Bound(Some(limit)) = fact {
                out.count = out.count.or_else(|| member_beside(limit, &written));
            }
        }
        let Some(path) = self.path_of(base) else {
            return out;
        };
        let ty = match &self.func.expr(base).kind {
            ExprKind::Name(name) => self.types.get(name),
            ExprKind::Attr { name, .. } => self.around.declared.type_of(name),
            _ => return out,
        };
        let named = ty.and_then(|it| it.size_name.as_deref());
        // One element at the end of a structure stands for as many as were allocated.
        let len = object.array_len.filter(|it| *it > 1);
        let fixed = match &self.func.expr(index).kind {
            ExprKind::Int(_) | ExprKind::SizeOf(_) => true,
            ExprKind::Name(name) => !self.types.contains_key(name),
            _ => false,
        };
        if fixed && len.is_some() | named.is_some() | key.size_of.is_some() {
            let limit = self.limit_text(index, key);
            let itself = key.size_of.as_ref();
            out.past = itself.is_some_and(|(of, pointer)| !pointer && **of == *path)
                || reaches(&limit, &written, len, named);
        }
        for (_, fact) in self.env.guards.iter().filter(|it| Some(it.0) == bound) {
            match fact {
                Fact::Bound(Some(limit)) => out.past_bound |= reaches(limit, &written, len, named),
                Fact::Counted(limit) if closes => {
                    out.past_loop |=
                        reaches(limit, &written, len, named) || self.is_size_of_param(limit, base);
                }
                _ => {}
            }
        }
        out
    }

    /// Whether the element is where the zero byte is stored.
    fn is_closed(&self, element: ExprId) -> bool {
        let end = self.span(element).end as usize;
        let rest = self.src.get(end..).unwrap_or("").trim_start();
        let stored = rest.strip_prefix('=').map(str::trim_start);
        stored.is_some_and(|it| {
            let zero = it.strip_prefix("'\\0'").or_else(|| it.strip_prefix('0'));
            zero.is_some_and(|it| it.trim_start().starts_with(';'))
        })
    }

    /// Whether a limit is the size that is passed with a buffer, by its name. What is called a
    /// length may leave out the zero byte.
    fn is_size_of_param(&self, limit: &str, base: ExprId) -> bool {
        let ExprKind::Name(name) = &self.func.expr(base).kind else {
            return false;
        };
        let params = &self.func.params;
        let is_buffer = |it: &&crate::ir::Param| it.name == *name && it.ty.pointers == 1;
        let lower = limit.to_ascii_lowercase();
        params.iter().any(|it| is_buffer(&it))
            && params
                .iter()
                .any(|it| &*it.name == limit && it.ty.is_number())
            && ["size", "sz", "cap", "capacity"]
                .iter()
                .any(|it| lower.ends_with(it))
    }

    /// What a loop's end says of its counter: where nothing else stopped it, that has reached the
    /// limit.
    pub(super) fn counted(&mut self, cond: ExprId, whole: &str) {
        if self.around.language != Language::C || !self.around.active.asks_reach {
            return;
        }
        let func = self.func;
        let operands = match &func.expr(cond).kind {
            ExprKind::Logic {
                and: true,
                operands,
            } => operands.as_slice(),
            _ => &[cond],
        };
        for operand in operands {
            let ExprKind::Compare { op, left, right } = &func.expr(*operand).kind else {
                continue;
            };
            let (counter, limit) = match op {
                CmpOp::Less => (*left, *right),
                CmpOp::Greater => (*right, *left),
                _ => continue,
            };
            let is_place = matches!(
                &func.expr(counter).kind,
                ExprKind::Name(_) | ExprKind::Attr { .. }
            );
            let Some(path) = self.path_of(counter).filter(|_| is_place) else {
                continue;
            };
            if !is_raised(whole, self.source(self.span(counter))) {
                continue;
            }
            let value = self.values.get(&limit).cloned();
            let limit = self.limit_text(limit, &value.unwrap_or_else(Value::number));
            self.env.guard(bound_id(&path), Fact::Counted(limit.into()));
        }
    }

    /// Whether a member that the function counts up is the index, and nothing is compared with it.
    fn stepped(&self, index: ExprId) -> bool {
        let member = |id: ExprId| match &self.func.expr(id).kind {
            ExprKind::Attr { .. } => self.last_name(id),
            _ => None,
        };
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let body = self.src.find('{').and_then(|at| self.src.get(at..));
        // Each index reads all of the function.
        let body = body.filter(|it| it.len() <= MAX_BODY).unwrap_or("");
        let mentions = |name: &str| body.split(|c| !is_part(c)).filter(|it| *it == name).count();
        // Who is handed the structure may look at how full it is.
        let handed = |of: ExprId| {
            let written = self.source(self.span(of));
            let owner = written.split(|c| !is_part(c)).next().unwrap_or("");
            [")", ","]
                .iter()
                .any(|end| body.contains(&format!("({owner}{end}")))
        };
        // Any other mention may be what keeps it small.
        if let ExprKind::Assign {
            target,
            op: Some(BinOp::Add),
            ..
        } = &self.func.expr(index).kind
        {
            return member(*target).is_some_and(|name| mentions(name) == 1) && !handed(*target);
        }
        let Some(name) = member(index) else {
            return false;
        };
        let written = self.source(self.span(index));
        let times = |text: &str| body.matches(text).count();
        let raised = times(&format!("{written}++")) + times(&format!("++{written}"));
        let used = times(&format!("[{written}]"));
        let emptied = times(&format!("{written} = 0;"));
        raised > 0 && mentions(name) == raised + used + emptied && !handed(index)
    }

    /// The name of the length that is passed next to a buffer, where nothing has looked at it.
    fn unmeasured(&self, base: ExprId) -> Option<String> {
        let ExprKind::Name(name) = &self.func.expr(base).kind else {
            return None;
        };
        let params = &self.func.params;
        let at = params.iter().position(|it| it.name == *name)?;
        let (buffer, length) = (&params[at], params.get(at + 1)?);
        let measures = buffer.ty.pointers == 1 && length.ty.is_number();
        let until = self.span(base).start as usize;
        let signature = self.src.find('{').unwrap_or(0);
        let before = self.src.get(signature..until)?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mentioned = |word: &str| before.split(|c| !is_part(c)).any(|it| it == word);
        // A buffer that was moved or handed on is another's business.
        // Whether there is a buffer at all is not how long it is.
        let unchecked = before
            .replace(&format!("!{name}"), "")
            .replace(&format!("{name}["), "");
        let moved = unchecked.split(|c| !is_part(c)).any(|it| it == &**name);
        (measures && !mentioned(&length.name) && !moved).then(|| length.name.to_string())
    }
}

/// Whether a text counts a name up by one.
fn is_raised(text: &str, name: &str) -> bool {
    [format!("{name}++"), format!("++{name}")]
        .iter()
        .any(|it| text.contains(it.as_str()))
}

/// Whether a limit is the length of the array, or more.
fn reaches(limit: &str, array: &str, len: Option<u64>, named: Option<&str>) -> bool {
    if named == Some(limit) {
        return true;
    }
    if let (Ok(number), Some(len)) = (limit.parse::<u64>(), len) {
        return number >= len;
    }
    let (head, rest) = match limit.split_once('(') {
        Some(parts) => parts,
        None => return false,
    };
    let Some(rest) = rest.strip_prefix(array).and_then(|it| it.strip_prefix(')')) else {
        return false;
    };
    match head {
        "sizeof" => {
            rest.is_empty()
                || rest == format!("/sizeof({array}[0])")
                || rest == format!("/sizeof(*{array})")
        }
        "ARRAY_SIZE" | "countof" | "_countof" | "nitems" | "G_N_ELEMENTS" => rest.is_empty(),
        _ => false,
    }
}

/// The last name of a limit that is a member of what the array is a member of.
fn member_beside(limit: &str, array: &str) -> Option<String> {
    let cut = |text: &str| text.rfind(['.', '>']).map(|at| at + 1);
    let (a, b) = (cut(limit)?, cut(array)?);
    let name = &limit[a..];
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (limit[..a] == array[..b] && plain).then(|| name.to_owned())
}
