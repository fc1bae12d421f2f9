//! What a call does to what it was given: buffers filled and copied, dictionaries grown.
//! It knows the library's effects; what the call gives back is not its business.

use std::sync::Arc;

use syntax::Language;

use super::Eval;
use super::call::CallFact;
use crate::env::Fact;
use crate::ir::{ExprId, ExprKind, Span};
use crate::rules::Effect;
use crate::scanf::conversions;
use crate::value::{self, Data, Kind, Origin, Value};

impl<'a> Eval<'a> {
    /// `claims.update(...)` and `claims.setdefault(...)` put keys into a dictionary.
    pub(super) fn grow_dict(&mut self, call: &CallFact<'a>) {
        let Some((id, receiver)) = &call.receiver else {
            return;
        };
        let (Some(entries), Some(path)) = (&receiver.entries, self.path_of(*id)) else {
            return;
        };
        let mut entries = entries.to_vec();
        match kb_schema::last_segment(&call.path) {
            "update" => {
                for arg in &call.args {
                    match (&arg.name, &arg.value.entries) {
                        (Some(name), _) => entries.push(((*name).into(), arg.value.clone())),
                        (None, Some(more)) => entries.extend(more.iter().cloned()),
                        (None, None) => {
                            entries.push((value::ANY_KEY.into(), arg.value.clone()));
                        }
                    }
                }
            }
            "setdefault" => {
                let key = call
                    .positional(0)
                    .and_then(|arg| arg.value.as_str().cloned());
                let item = call
                    .positional(1)
                    .map_or_else(Value::number, |arg| arg.value.clone());
                entries.push((key.unwrap_or_else(|| value::ANY_KEY.into()), item));
            }
            _ => return,
        }
        entries.truncate(2 * value::MAX_ITEMS);
        let inputs: Vec<&Value> = call.args.iter().map(|arg| &arg.value).collect();
        let grown = receiver.with(|data| {
            for value in inputs {
                value::add_roots(&mut data.roots, &value.roots);
            }
            data.entries = Some(entries.into());
        });
        self.env.set(&path, grown);
    }

    /// Writes through arguments: library effects, and in C whatever gets an address.
    pub(super) fn effects(&mut self, call: &CallFact<'a>) {
        let rules = self.around.rules;
        let mut written: Vec<usize> = Vec::new();
        for effect in rules.effects.find(&call.path).copied().collect::<Vec<_>>() {
            match effect {
                Effect::Fills { source, arg } => {
                    // The last position stands for all that follow, as in scanf.
                    let targets: Vec<usize> = match call.positional(arg) {
                        Some(_) if is_variadic(&call.path) => (arg..call.args.len()).collect(),
                        Some(_) => vec![arg],
                        None => Vec::new(),
                    };
                    for position in targets {
                        self.fill(call, position, source);
                        written.push(position);
                    }
                }
                Effect::Reads { arg } => {
                    if let Some(arg) = call.positional(arg) {
                        let value = arg.value.clone();
                        self.dereference(arg.expr, &value);
                    }
                }
                Effect::Copies { to, from } => {
                    let (Some(target), Some(data)) = (call.positional(to), call.positional(from))
                    else {
                        continue;
                    };
                    let copied = data.value.clone();
                    let target = (target.expr, target.value.clone());
                    if is_variadic(&call.path) {
                        self.scan(call, to, &copied);
                        written.extend(to..call.args.len());
                        continue;
                    }
                    self.copy(call, &target, &copied);
                    written.push(to);
                }
                Effect::Formats { to, format } => {
                    let (Some(target), Some(shape)) =
                        (call.positional(to), call.positional(format))
                    else {
                        continue;
                    };
                    let values: Vec<(Value, Span)> = call
                        .args
                        .iter()
                        .skip(format + 1)
                        .map(|arg| (arg.value.clone(), arg.span))
                        .collect();
                    let text = self.c_format(&shape.value.clone(), &values, call.span);
                    self.write_into(target.expr, &target.value.clone(), |old| {
                        old.with(|it| {
                            it.roots.clone_from(&text.roots);
                            it.text.clone_from(&text.text);
                            it.consts.clone_from(&text.consts);
                            it.exact = text.exact;
                            it.built_at = text.built_at;
                        })
                    });
                    written.push(to);
                }
            }
        }
        if self.around.language != Language::C {
            return;
        }
        for (position, arg) in call.args.iter().enumerate() {
            if written.contains(&position) {
                continue;
            }
            if let Some(inner) = self.address_taken(arg.expr) {
                let root = value::root(
                    value::id_of(self.source(call.span)),
                    Origin::Unknown,
                    self.place(call.span),
                    None,
                );
                let obj = self.fresh_object();
                if let Some(path) = self.path_of(inner) {
                    let old = self.env.get(&path).cloned();
                    let fresh: Value = Data {
                        roots: vec![root],
                        obj,
                        ..Data::default()
                    }
                    .into();
                    let fresh = match old {
                        Some(old) if old.kind == Kind::Array => old,
                        _ => fresh,
                    };
                    self.env.bind(&path, fresh);
                }
            }
        }
    }

    /// What is copied is added to what is there, and its text put over or behind that.
    fn copy(&mut self, call: &CallFact<'a>, target: &(ExprId, Value), copied: &Value) {
        let place = self.place(call.span);
        self.write_into(target.0, &target.1, |old| {
            let text = copied_text(kb_schema::last_segment(&call.path), old, copied, place);
            old.with(|it| {
                value::add_roots(&mut it.roots, &copied.roots);
                if let Some(text) = text {
                    it.text.clone_from(&text.text);
                    it.consts.clone_from(&text.consts);
                    it.exact = text.exact;
                    it.built_at = text.built_at;
                }
            })
        });
    }

    /// What is read out of a text is its data; a width is a limit of its length.
    fn scan(&mut self, call: &CallFact<'a>, first: usize, text: &Value) {
        let format = call.positional(first - 1);
        // Pieces between which a macro stands may get their widths from that.
        let one = format.filter(|it| self.source(it.span).matches('"').count() == 2);
        let known = one.and_then(|it| it.value.as_str().map(|it| conversions(it)));
        let limited: Arc<[Fact]> = [Fact::Upper].into();
        for (at, arg) in call.args.iter().skip(first).enumerate() {
            let place = self.place(call.span);
            let bounded = known
                .as_ref()
                .is_none_or(|it| it.get(at).is_some_and(|it| it.width.is_some()));
            self.write_into(arg.expr, &arg.value.clone(), |old| {
                old.with(|data| {
                    data.roots.clone_from(&text.roots);
                    for root in data.roots.iter_mut().filter(|_| bounded) {
                        root.checked = limited.clone();
                    }
                    data.consts.clear();
                    data.exact = false;
                    data.text = None;
                })
                .step(place, &value::Note::Passed("sscanf".into()))
            });
        }
    }

    /// `&x`, also behind casts: what a callee can write to.
    pub(super) fn address_taken(&self, id: ExprId) -> Option<ExprId> {
        let mut current = id;
        for _ in 0..8 {
            match &self.func.expr(current).kind {
                ExprKind::AddrOf(inner) => return Some(*inner),
                ExprKind::Carry(inner) | ExprKind::Cast { value: inner, .. } => current = *inner,
                _ => return None,
            }
        }
        None
    }

    pub(super) fn fill(&mut self, call: &CallFact<'a>, position: usize, source: u16) {
        let Some(arg) = call.positional(position) else {
            return;
        };
        let about = &self.around.rules.source_about[usize::from(source)];
        let id = value::id_of(self.source(arg.span)) ^ u64::from(call.span.start);
        let root = value::root(
            id,
            Origin::Source(source),
            self.place(call.span),
            Some(about),
        );
        self.write_into(arg.expr, &arg.value.clone(), |old| {
            old.with(|data| {
                data.roots = vec![root];
                data.consts.clear();
                data.exact = false;
                data.text = None;
            })
        });
    }

    /// Changes the variable that a pointer argument stands for: `buf`, `&n`, `buf + 4`, `p->data`.
    pub(super) fn write_into(
        &mut self,
        target: ExprId,
        value: &Value,
        change: impl FnOnce(&Value) -> Value,
    ) {
        let mut current = target;
        for _ in 0..8 {
            match &self.func.expr(current).kind {
                ExprKind::AddrOf(inner)
                | ExprKind::Carry(inner)
                | ExprKind::Cast { value: inner, .. } => {
                    current = *inner;
                }
                ExprKind::Binary { operands, .. } => match operands.first() {
                    Some(first) => current = *first,
                    None => return,
                },
                ExprKind::Index { base, .. } => current = *base,
                _ => break,
            }
        }
        if let Some(path) = self.path_of(current) {
            let old = self
                .env
                .get(&path)
                .cloned()
                .unwrap_or_else(|| value.clone());
            self.env.set(&path, change(&old));
        }
    }
}

pub(super) fn is_variadic(path: &str) -> bool {
    path.rsplit('.')
        .next()
        .is_some_and(|name| name.contains("scanf"))
}

/// Whether the size in one argument is that of the whole array in another.
pub(super) fn fills(call: &CallFact<'_>, buffer: usize, size: usize) -> bool {
    let (Some(buffer), Some(size)) = (call.positional(buffer), call.positional(size)) else {
        return false;
    };
    let measured = size.value.size_of.as_ref();
    let same =
        measured.is_some_and(|(path, pointer)| !pointer && buffer.path.as_deref() == Some(path));
    let number = size.value.as_int().and_then(|it| u64::try_from(it).ok());
    same || (number.is_some() && number == buffer.value.array_len)
}

/// The text of a buffer after `strcpy` and its like put other text into it or behind it.
pub(super) fn copied_text(
    name: &str,
    old: &Value,
    copied: &Value,
    place: value::Place,
) -> Option<Value> {
    let is_text = |value: &Value| value.text.is_some() || value.as_str().is_some();
    match name {
        "strcpy" | "strncpy" | "strlcpy" | "stpcpy" | "memcpy" if is_text(copied) => {
            Some(copied.clone())
        }
        "strcat" | "strncat" | "strlcat" if is_text(old) || is_text(copied) => {
            let mut segs = Vec::new();
            old.segments(place, &mut segs);
            copied.segments(place, &mut segs);
            Some(Value::from_segments(segs, place))
        }
        _ => None,
    }
}
