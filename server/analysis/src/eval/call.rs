//! Calls: who is called, what goes in, what comes out, and what it does to its arguments.
//! Library behaviour comes from the library's data, behaviour of this file from summaries.

use std::sync::Arc;

use kb_schema::ArgKey;
use syntax::Language;

use super::Eval;
use super::effects::fills;
use super::expr::list_of;
use crate::env::Fact;
use crate::ir::{Arg, ExprId, ExprKind, Span};
use crate::matching::{Arguments, Found, Given};
use crate::value::{self, Const, Data, Entry, Kind, Origin, Seg, Value};

/// One evaluated argument.
pub(super) struct Passed<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) star: u8,
    pub(super) expr: ExprId,
    pub(super) span: Span,
    pub(super) whole: Span,
    pub(super) value: Value,
    /// The expression's own last name.
    pub(super) last: Option<&'a str>,
    /// The last names of what else it is put together from.
    pub(super) others: Vec<&'a str>,
    pub(super) path: Option<String>,
}

/// One evaluated call.
pub(super) struct CallFact<'a> {
    pub(super) span: Span,
    pub(super) callee: ExprId,
    pub(super) args_span: Span,
    pub(super) path: Arc<str>,
    pub(super) receiver: Option<(ExprId, Value)>,
    pub(super) args: Vec<Passed<'a>>,
}

impl CallFact<'_> {
    /// The argument at a position, starred ones apart.
    pub(super) fn positional(&self, position: usize) -> Option<&Passed<'_>> {
        let mut plain = self
            .args
            .iter()
            .filter(|arg| arg.name.is_none() && arg.star == 0);
        plain.nth(position)
    }

    pub(super) fn find_arg(&self, key: &ArgKey) -> Option<&Passed<'_>> {
        match key {
            ArgKey::Position(position) | ArgKey::From(position) => self.positional(*position),
            ArgKey::Keyword(name) => self.keyword(name),
            ArgKey::Either(position, name) => {
                self.keyword(name).or_else(|| self.positional(*position))
            }
            ArgKey::Each => self.args.first(),
        }
    }

    pub(super) fn keyword(&self, name: &str) -> Option<&Passed<'_>> {
        self.args.iter().find(|arg| arg.name == Some(name))
    }
}

impl Arguments for CallFact<'_> {
    fn find(&self, key: &ArgKey) -> Found<'_> {
        if let Some(arg) = self.find_arg(key) {
            return Found::There(given(arg));
        }
        let starred = |star| self.args.iter().any(|arg| arg.star == star);
        let hidden = match key {
            ArgKey::Keyword(_) => starred(2),
            ArgKey::Either(..) => starred(1) || starred(2),
            _ => starred(1),
        };
        if let ArgKey::Keyword(name) | ArgKey::Either(_, name) = key {
            // `f(**{"shell": True})` passes what the literal says.
            for arg in self.args.iter().filter(|arg| arg.star == 2) {
                if let Some((_, value)) = arg
                    .value
                    .entries
                    .iter()
                    .flat_map(|it| it.iter())
                    .find(|(known, _)| **known == **name)
                {
                    return Found::There(Given::of(value, None));
                }
            }
        }
        if hidden { Found::Maybe } else { Found::Absent }
    }

    fn each(&self, from: usize, keywords: bool) -> Vec<Given<'_>> {
        let mut position = 0;
        let mut out = Vec::new();
        for arg in &self.args {
            if arg.name.is_some() || arg.star == 2 {
                if keywords {
                    out.push(given(arg));
                }
                continue;
            }
            if position >= from {
                out.push(given(arg));
            }
            position += 1;
        }
        out
    }
}

/// Methods of a path that give a path.
const PATH_METHODS: [&str; 9] = [
    "resolve",
    "absolute",
    "joinpath",
    "expanduser",
    "with_name",
    "with_stem",
    "with_suffix",
    "relative_to",
    "readlink",
];

/// `Query(1, ge=1, le=100)`, `Field(gt=0)`: what a framework checks before it lets data through.
fn limits(call: &CallFact<'_>) -> Vec<Fact> {
    let name = kb_schema::last_segment(&call.path);
    if !matches!(
        name,
        "Query" | "Path" | "Body" | "Form" | "Header" | "Cookie" | "Field"
    ) {
        return Vec::new();
    }
    let facts = call.args.iter().filter_map(|arg| match arg.name? {
        "le" | "lt" => Some(Fact::Upper),
        "ge" | "gt" => Some(Fact::Lower),
        "pattern" | "regex" => Some(Fact::Pattern),
        _ => None,
    });
    facts.chain([Fact::Any]).collect()
}

/// `dict(other, key=value)`.
fn dict_of(call: &CallFact<'_>) -> Value {
    let mut entries: Vec<Entry> = Vec::new();
    for arg in &call.args {
        match (arg.name, &arg.value.entries) {
            (Some(name), _) => {
                entries.retain(|(known, _)| **known != *name);
                entries.push((name.into(), arg.value.clone()));
            }
            (None, Some(more)) => entries.extend(more.iter().cloned()),
            (None, None) => entries.push((value::ANY_KEY.into(), arg.value.clone())),
        }
    }
    entries.truncate(2 * value::MAX_ITEMS);
    Value::carrying(call.args.iter().map(|arg| &arg.value)).with(|data| {
        data.kind = Kind::Dict;
        data.entries = Some(entries.into());
    })
}

/// `OWN.get(key, default)` of a dictionary that is known gives one of its values or the default;
/// a copy of one is one.
fn own_entry(call: &CallFact<'_>) -> Option<Value> {
    let (_, receiver) = call.receiver.as_ref()?;
    if &*call.path == "os.environ.copy" {
        let entries = [(value::ANY_KEY.into(), receiver.clone())];
        return Some(Value::carrying([receiver]).with(|data| {
            data.kind = Kind::Dict;
            data.path = Some("os.environ.copy()".into());
            data.entries = Some(entries.into());
        }));
    }
    let entries = receiver.entries.as_ref().filter(|it| !it.is_empty())?;
    if receiver.kind != Kind::Dict {
        return None;
    }
    match kb_schema::last_segment(&call.path) {
        "copy" => return Some(receiver.clone()),
        "get" => {}
        _ => return None,
    }
    let key = call.positional(0)?;
    let default = match call.args.get(1) {
        Some(default) => default.value.clone(),
        None => Value::constant(Const::Null),
    };
    let named = key.value.as_str();
    let found = entries.iter().find(|(name, _)| Some(name) == named);
    if let Some((_, value)) = found {
        return Some(value.clone());
    }
    let others = entries.iter().map(|(_, value)| value);
    Some(others.fold(default, |all, value| value.merge(&all)))
}

fn given<'a>(arg: &'a Passed<'_>) -> Given<'a> {
    Given {
        reach: None,
        value: &arg.value,
        name: arg.last,
        path: arg.path.as_deref(),
        others: &arg.others,
        expr: Some(arg.expr),
    }
}

impl<'a> Eval<'a> {
    /// A call that was evaluated before in the same statement.
    pub(super) fn remembered(&self, id: ExprId, callee: ExprId, args: &'a [Arg]) -> CallFact<'a> {
        let known = |id: ExprId| self.values.get(&id).cloned();
        let passed = args.iter().map(|arg| Passed {
            name: arg.name.as_deref(),
            star: arg.star,
            expr: arg.value,
            span: self.span(arg.value),
            whole: arg.span,
            last: self.last_name(arg.value),
            others: self.other_names(arg.value),
            path: self.path_of(arg.value),
            value: known(arg.value).unwrap_or_else(Value::number),
        });
        let path = known(callee).and_then(|it| it.path.clone());
        CallFact {
            span: self.span(id),
            callee,
            args_span: Span::default(),
            path: path.unwrap_or_else(|| "?".into()),
            receiver: None,
            args: passed.collect(),
        }
    }

    pub(super) fn call(&mut self, id: ExprId) -> Value {
        let func = self.func;
        let ExprKind::Call {
            callee,
            args,
            args_span,
        } = &func.expr(id).kind
        else {
            return Value::number();
        };
        let discarded = self.discarded.take() == Some(id);
        let (path, receiver) = self.callee(*callee);
        self.arguments_may_be_set(*callee, args);
        let mut passed = Vec::with_capacity(args.len());
        for arg in args {
            let value = self.expr(arg.value);
            passed.push(Passed {
                name: arg.name.as_deref(),
                star: arg.star,
                expr: arg.value,
                span: self.span(arg.value),
                whole: arg.span,
                last: self.last_name(arg.value),
                others: self.other_names(arg.value),
                path: self.path_of(arg.value),
                value,
            });
        }
        let call = CallFact {
            span: func.expr(id).span,
            callee: *callee,
            args_span: *args_span,
            path,
            receiver,
            args: passed,
        };
        for arg in &call.args {
            if let Some(name) = arg.name {
                self.bound(name, arg.whole, arg.whole, (arg.expr, &arg.value), None);
            }
        }
        self.values.insert(*callee, Value::named(call.path.clone()));
        self.match_mention(*callee, &call.path);
        self.match_call(&call, discarded);
        self.match_ignored(id, &call);
        let result = self.result(&call);
        self.grow_dict(&call);
        self.effects(&call);
        self.call_events(&call, &result);
        if self.is_assertion(&call) {
            self.refine(call.args[0].expr, true);
        }
        if self.around.rules.never_return.has(&call.path) {
            self.reachable = false;
        }
        result
    }

    /// `assert(n < MAX)` and its many relatives in C: a macro that goes on only if its condition
    /// holds.
    fn is_assertion(&self, call: &CallFact<'a>) -> bool {
        let condition = call.args.first().is_some_and(|arg| {
            matches!(
                self.func.expr(arg.expr).kind,
                ExprKind::Compare { .. } | ExprKind::Logic { .. } | ExprKind::Not(_)
            )
        });
        let name = call.path.to_ascii_lowercase();
        condition
            && self.around.language == Language::C
            && (name.contains("assert") || name.starts_with("require") || name.starts_with("check"))
    }

    /// The callee's resolved name.
    pub(super) fn name_of_callee(&mut self, callee: ExprId) -> Arc<str> {
        self.callee(callee).0
    }

    /// The callee's resolved name, and the receiver of a method.
    fn callee(&mut self, callee: ExprId) -> (Arc<str>, Option<(ExprId, Value)>) {
        let func = self.func;
        match &func.expr(callee).kind {
            ExprKind::Attr {
                base, name, arrow, ..
            } => {
                let object = self.expr(*base);
                if *arrow {
                    self.dereference(*base, &object);
                }
                let stored = self
                    .path_of(callee)
                    .and_then(|path| self.env.get(&path).cloned().or_else(|| self.field(&path)));
                let path = match stored.and_then(|it| it.path.clone()) {
                    Some(path) => path,
                    None => {
                        let member = self.member(callee, *base, &object, name);
                        member.path.clone().unwrap_or_else(|| "?".into())
                    }
                };
                (path, Some((*base, object)))
            }
            ExprKind::Name(_) => {
                let value = self.expr(callee);
                (value.path.clone().unwrap_or_else(|| "?".into()), None)
            }
            _ => {
                let value = self.expr(callee);
                (value.path.clone().unwrap_or_else(|| "?".into()), None)
            }
        }
    }

    fn result(&mut self, call: &CallFact<'a>) -> Value {
        if let Some(value) = self.local_result(call) {
            return value;
        }
        let made = self.construct(call);
        self.note_option(call);
        if let Some(value) = own_entry(call).or_else(|| self.text_method(call)) {
            return value;
        }
        let path: Arc<str> = if call.path.len() < 160 {
            self.result_path(call)
        } else {
            "?()".into()
        };
        let obj = self.fresh_object();
        let value = self
            .modelled_result(call, &path)
            .unwrap_or_else(|| self.unknown_result(call));
        let value = self.with_options(call, value);
        let value = self.with_fields(call, value);
        let limits = limits(call);
        value.with(|data| {
            if let (false, [root]) = (limits.is_empty(), data.roots.as_mut_slice()) {
                root.checked = limits.into();
            }
            data.made = made;
            data.path = Some(path);
            data.obj = if data.obj == 0 { obj } else { data.obj };
        })
    }

    /// The name of a call's result. In C it also tells of reads that may fill their whole buffer,
    /// `recv(whole)`, and of allocations of a fixed size, `malloc(fixed)`.
    fn result_path(&self, call: &CallFact<'a>) -> Arc<str> {
        if self.around.language == Language::C {
            let name = &*call.path;
            let size = |at: usize| call.positional(at).map(|arg| &arg.value);
            let whole = match name {
                "read" | "recv" | "recvfrom" | "pread" | "SSL_read" => fills(call, 1, 2),
                "readlink" => fills(call, 1, 2),
                _ => false,
            };
            if whole {
                return format!("{name}(whole)").into();
            }
            let fixed = match name {
                "malloc" => size(0).is_some_and(|it| it.is_constant() && it.size_of.is_none()),
                "calloc" => [0, 1]
                    .iter()
                    .all(|at| size(*at).is_some_and(Value::is_constant)),
                _ => false,
            };
            if fixed {
                return format!("{name}(fixed)").into();
            }
        }
        if let Some(("pathlib.Path()", method)) = call.path.rsplit_once('.')
            && PATH_METHODS.contains(&method)
        {
            return "pathlib.Path()".into();
        }
        format!("{}()", call.path).into()
    }

    /// What the library's model says a call gives back.
    fn modelled_result(&self, call: &CallFact<'a>, path: &Arc<str>) -> Option<Value> {
        let rules = self.around.rules;
        let with_key: Option<Arc<str>> = match call.args.first().and_then(|it| it.value.as_str()) {
            Some(key) if key.len() < 40 => Some(format!("{}({key})", call.path).into()),
            _ => None,
        };
        for name in with_key.iter().chain([&call.path, path]) {
            let sourced = self.with_source(Value::named(name.clone()), call.span);
            if let [only] = sourced.roots.as_slice() {
                // What is quiet was made of the arguments, and a check of it is one of them.
                let quiet = matches!(only.origin, Origin::Source(id) if rules.is_quiet(id));
                let inputs = call.args.iter().map(|arg| &arg.value);
                let receiver = call.receiver.as_ref().map(|(_, value)| value);
                let measures = Value::measure(inputs.chain(receiver).filter(|_| quiet));
                return Some(sourced.with(|data| data.measures.clone_from(&measures.measures)));
            }
        }
        let inputs = || call.args.iter().map(|arg| &arg.value);
        let receiver = call.receiver.as_ref().map(|(_, value)| value);
        if rules.inert.has(&call.path) {
            return Some(Value::measure(inputs().chain(receiver)));
        }
        if let ("bytes" | "bytearray", [only]) = (&*call.path, call.args.as_slice())
            && let Some(size) = only.value.as_int().and_then(|it| usize::try_from(it).ok())
        {
            let zeros = "\0".repeat(size.min(super::expr::MAX_REPEATED));
            return Some(Value::str(&zeros).with(|data| data.kind = Kind::Bytes));
        }
        if &*call.path == "dict" && self.around.language == Language::Python {
            return Some(dict_of(call));
        }
        if rules.numeric.has(&call.path) {
            // Sixteen bits are a limit in themselves.
            let narrow = call.path.starts_with("struct.")
                && call
                    .args
                    .first()
                    .and_then(|it| it.value.as_str())
                    .is_some_and(|it| !it.contains(|c| "iIlLqQnNP".contains(c)));
            return Some(match narrow {
                true => Value::measure(inputs()),
                false => Value::amount(inputs()),
            });
        }
        // One entry's sanitizer is nothing to the others; that a number holds no text is.
        if rules.sanitizers.has(&call.path) {
            let all = Value::carrying(inputs().chain(receiver));
            return Some(all.through(&call.path).with(|data| data.kind = Kind::Str));
        }
        if rules.trusted.has(&call.path) {
            return Some(Data::default().into());
        }
        if !rules.carries.has(&call.path) {
            return None;
        }
        let joins = matches!(&*call.path, "os.path.join" | "pathlib.Path");
        if let (true, Some(first)) = (joins, call.args.first())
            && first.value.is_in_shared_folder()
        {
            // A name below the folder that everybody shares.
            let mut segs = Vec::new();
            for (index, arg) in call.args.iter().enumerate() {
                if index > 0 {
                    segs.push(Seg::Lit("/".into()));
                }
                arg.value.segments(self.place(arg.span), &mut segs);
            }
            return Some(Value::from_segments(segs, self.place(call.span)));
        }
        let is_text = matches!(&*call.path, "str" | "unicode" | "bytes" | "repr");
        if let ([only], None, true) = (call.args.as_slice(), receiver, is_text) {
            // `str(x)` is x.
            return Some(only.value.with(|data| data.kind = Kind::Str));
        }
        let all = Value::carrying(inputs().chain(receiver.filter(|it| !it.roots.is_empty())));
        let constant = call.args.iter().all(|arg| arg.value.is_constant()) && receiver.is_none();
        Some(all.with(|data| {
            if constant {
                data.consts = vec![Const::Other];
                data.exact = true;
            }
        }))
    }

    /// What a call that nobody models gives back.
    fn unknown_result(&self, call: &CallFact<'a>) -> Value {
        let receiver = call.receiver.as_ref().map(|(_, value)| value);
        // A method of data gives data; whether its arguments come along nobody knows.
        let is_data = |value: &&Value| {
            value
                .roots
                .iter()
                .any(|root| root.origin != Origin::Unknown)
        };
        if let Some(receiver) = receiver.filter(is_data) {
            let all = Value::carrying([receiver]);
            let name = kb_schema::last_segment(&call.path);
            return match call.args.first() {
                Some(key) if matches!(name, "get" | "getlist" | "getfirst" | "pop") => {
                    all.part(&key.value)
                }
                _ => all,
            };
        }
        let made_without_data = self.around.language == Language::Python
            && !call.path.starts_with('?')
            && call.path.contains("()")
            && call.args.is_empty()
            && receiver.is_some_and(|it| it.roots.is_empty());
        if made_without_data {
            return Data::default().into();
        }
        let id = value::id_of(self.source(call.span));
        let root = value::root(id, Origin::Unknown, self.place(call.span), None);
        Data {
            roots: vec![root],
            ..Data::default()
        }
        .into()
    }

    /// The identity of something that was not there before: another one at every evaluation, so
    /// that what happened to the last round's object is not held against this round's.
    pub(super) fn fresh_object(&mut self) -> u64 {
        self.objects += 1;
        value::id_of(&format!("{}:{}", self.key, self.objects))
    }

    /// Methods of text, which every Python value might be.
    fn text_method(&mut self, call: &CallFact<'a>) -> Option<Value> {
        if self.around.language != Language::Python {
            return None;
        }
        let (receiver_id, receiver) = call.receiver.as_ref()?;
        let name = call.path.rsplit('.').next().unwrap_or("");
        let first = call.positional(0);
        match name {
            "format" => {
                let text = receiver
                    .as_str()
                    .cloned()
                    .or_else(|| receiver.rendered().map(Into::into))
                    .or_else(|| receiver.template())?;
                if receiver.text.is_some() {
                    let all: Vec<&Value> = call.args.iter().map(|arg| &arg.value).collect();
                    let mut segs = Vec::new();
                    receiver.segments(self.place(call.span), &mut segs);
                    segs.push(Seg::Hole(Value::carrying(all), self.place(call.args_span)));
                    return Some(Value::from_segments(segs, self.place(call.span)));
                }
                let positional: Vec<(Value, Span)> = call
                    .args
                    .iter()
                    .filter(|arg| arg.name.is_none() && arg.star == 0)
                    .map(|arg| (arg.value.clone(), arg.span))
                    .collect();
                let named: Vec<(&str, Value, Span)> = call
                    .args
                    .iter()
                    .filter_map(|arg| arg.name.map(|name| (name, arg.value.clone(), arg.span)))
                    .collect();
                let rest = Value::carrying(
                    call.args
                        .iter()
                        .filter(|arg| arg.star > 0)
                        .map(|arg| &arg.value),
                );
                Some(self.str_format(&text, &positional, &named, &rest, call.span))
            }
            "join" if matches!(receiver.kind, Kind::Str | Kind::Bytes) => {
                let list = first?;
                Some(self.join(receiver, &list.value, list.span, call.span))
            }
            "encode" | "decode" | "strip" | "lstrip" | "rstrip" | "lower" | "upper" | "title"
            | "format_map" | "capitalize"
                if receiver.text.is_some() || receiver.as_str().is_some() =>
            {
                Some(receiver.clone())
            }
            "replace" if receiver.text.is_some() || receiver.as_str().is_some() => {
                let parts = call.args.iter().map(|arg| &arg.value).chain([receiver]);
                if receiver.is_constant() && call.args.iter().all(|arg| arg.value.is_constant()) {
                    return Some(receiver.clone());
                }
                // `template.replace("NAME", name)` builds text.
                let all = Value::carrying(parts);
                let mut segs = vec![Seg::Lit(receiver.rendered().unwrap_or_default().into())];
                segs.push(Seg::Hole(all, self.place(call.args_span)));
                Some(Value::from_segments(segs, self.place(call.span)))
            }
            "replace" if call.args.iter().any(|arg| arg.value.text.is_some()) => {
                // `text.replace(word, "<b>" + word + "</b>")` builds text too.
                let mut segs = vec![Seg::Hole(receiver.clone(), self.place(call.span))];
                for arg in call.args.iter().filter(|arg| arg.value.text.is_some()) {
                    arg.value.segments(self.place(arg.span), &mut segs);
                }
                Some(Value::from_segments(segs, self.place(call.span)))
            }
            "split" | "splitlines" | "rsplit" | "partition"
                if receiver.kind == Kind::Str || !receiver.roots.is_empty() =>
            {
                Some(Value::carrying([receiver]).with(|data| data.kind = Kind::List))
            }
            "append" | "add" | "insert" | "extend" | "appendleft" => {
                let added = call.args.last()?;
                let known = receiver.items.is_some() || receiver.kind == Kind::List;
                if !known {
                    return None;
                }
                let mut items: Vec<Value> = receiver
                    .items
                    .as_ref()
                    .map(|it| it.to_vec())
                    .unwrap_or_default();
                match (&added.value.items, name) {
                    (Some(more), "extend") => items.extend(more.iter().cloned()),
                    _ => items.push(added.value.clone()),
                }
                let roots = receiver.roots.clone();
                let grown = list_of(items).with(|data| value::add_roots(&mut data.roots, &roots));
                if let Some(path) = self.path_of(*receiver_id) {
                    self.env.set(&path, grown);
                }
                Some(Value::constant(Const::Null))
            }
            _ => None,
        }
    }
}
