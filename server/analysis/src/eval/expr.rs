//! Values of expressions: names, members, literals, operators, containers.
//! Calls and formatting have files of their own.

use std::sync::Arc;

use syntax::Language;

use super::class::field;
use super::options::option;
use super::{Eval, Local};
use crate::env::Fact;
use crate::ir::{BinOp, CmpOp, ExprId, ExprKind, FormatPart, Span};
use crate::value::{self, Const, Data, Kind, Origin, Seg, Value};

/// The longest name that is kept; generated code can build endless chains.
const MAX_PATH: usize = 160;

impl<'a> Eval<'a> {
    pub(super) fn expr(&mut self, id: ExprId) -> Value {
        let value = self.expr_value(id);
        self.values.insert(id, value.clone());
        value
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
    fn expr_value(&mut self, id: ExprId) -> Value {
        let func = self.func;
        let node = func.expr(id);
        let span = node.span;
        match &node.kind {
            ExprKind::Name(name) => {
                self.read_name(id, name);
                self.name(id, name)
            }
            ExprKind::Str(text) => Value::str(text),
            ExprKind::Bytes(text) => Value::str(text).with(|data| data.kind = Kind::Bytes),
            ExprKind::Int(number) => Value::constant(Const::Int(*number)),
            ExprKind::Float => Value::constant(Const::Other).with(|data| data.kind = Kind::Number),
            ExprKind::Bool(it) => Value::constant(Const::Bool(*it)),
            ExprKind::Null => Value::constant(Const::Null),
            ExprKind::Format(parts) => self.format_string(parts, span),
            ExprKind::Attr { .. } => self.attribute(id),
            ExprKind::Index { base, index, slice } => self.index(id, *base, *index, *slice),
            ExprKind::Call { .. } => self.call(id),
            ExprKind::Binary { op, operands } => {
                let values: Vec<(Value, Span)> = operands
                    .iter()
                    .map(|it| (self.expr(*it), self.span(*it)))
                    .collect();
                if let (BinOp::Div | BinOp::Mod, [_, divisors @ ..]) = (*op, &operands[..]) {
                    for (divisor, (value, _)) in divisors.iter().zip(&values[1..]) {
                        self.match_divide(id, *divisor, value, &values[0].0);
                    }
                }
                if let (BinOp::Mod, [_, right]) = (*op, &operands[..]) {
                    self.filled = self.parts_of(*right);
                }
                let value = self.binary(*op, &values, span);
                self.filled.clear();
                value
            }
            ExprKind::Not(inner) => {
                let value = self.expr(*inner);
                self.null_check(*inner, &value);
                match value.consts.as_slice() {
                    [Const::Bool(it)] if value.exact => Value::constant(Const::Bool(!it)),
                    _ => truth(),
                }
            }
            ExprKind::Neg(inner) => {
                let value = self.expr(*inner);
                match value.as_int() {
                    Some(number) => Value::constant(Const::Int(number.wrapping_neg())),
                    None => Value::carrying([&value]).with(|data| data.kind = Kind::Number),
                }
            }
            ExprKind::Logic { and, operands } => self.logic(*and, operands),
            ExprKind::Compare { op, left, right } => self.compare(id, *op, *left, *right),
            ExprKind::Choice { cond, then, other } => {
                let known = self.expr(*cond);
                self.null_check(*cond, &known);
                self.branched = true;
                let before = self.env.clone();
                self.refine(*cond, true);
                self.depth += 1;
                let yes = self.expr(*then);
                let after = std::mem::replace(&mut self.env, before);
                self.refine(*cond, false);
                let no = self.expr(*other);
                self.depth -= 1;
                // As where two paths meet: each value keeps what its own side has proven of it.
                let one = crate::env::checked(&yes, &no, &after.guards);
                let other = crate::env::checked(&no, &yes, &self.env.guards);
                let env = std::mem::take(&mut self.env);
                self.env = env.merge(&after);
                one.merge(&other)
            }
            ExprKind::List(items) | ExprKind::Tuple(items) | ExprKind::Set(items) => {
                let values: Vec<Value> = items.iter().map(|it| self.expr(*it)).collect();
                values.iter().for_each(|it| self.escape(it));
                list_of(values)
            }
            ExprKind::Dict(entries) => self.dict(entries),
            ExprKind::Comprehension {
                value,
                clauses,
                conds,
            } => {
                for (target, iter) in clauses {
                    let list = self.expr(*iter);
                    let item = self.element(&list, self.span(*iter));
                    self.assign(*target, None, &item, self.span(*target));
                }
                let around = self.env.guards.clone();
                for cond in conds {
                    self.expr(*cond);
                    self.refine(*cond, true);
                }
                let mut item = self.expr(*value);
                // What the conditions prove holds of what they let through, and of nothing else.
                let guards = std::mem::replace(&mut self.env.guards, around);
                if !conds.is_empty() {
                    item =
                        item.proven(&|value| crate::env::checked(value, &Value::number(), &guards));
                }
                Value::carrying([&item]).with(|data| {
                    data.kind = Kind::List;
                    data.items = Some(Arc::from([item]));
                })
            }
            ExprKind::Lambda { params, body } => {
                let before = self.env.clone();
                for (index, param) in params.iter().enumerate() {
                    let origin = Origin::Unknown;
                    let _ = index;
                    let root = value::root(value::id_of(param), origin, self.place(span), None);
                    let path: Arc<str> = format!("?{param}").into();
                    self.env.bind(
                        param,
                        Data {
                            path: Some(path),
                            roots: vec![root],
                            ..Data::default()
                        }
                        .into(),
                    );
                }
                self.expr(*body);
                self.env = before;
                Data {
                    kind: Kind::Function,
                    ..Data::default()
                }
                .into()
            }
            ExprKind::Carry(inner) | ExprKind::Star(inner) => self.expr(*inner),
            ExprKind::Yield(inner) => {
                let value = self.expr(*inner);
                let given = Value::carrying([&value]);
                self.returned = Some(match self.returned.take() {
                    Some(before) => before.merge(&given),
                    None => given,
                });
                Value::from(Data {
                    roots: vec![value::root(
                        value::id_of(self.source(span)),
                        Origin::Unknown,
                        self.place(span),
                        None,
                    )],
                    ..Data::default()
                })
            }
            ExprKind::Cast { to, value } => {
                if &**to == "void" {
                    // `(void)x` quiets a compiler.
                    self.may_be_set(*value);
                }
                let value = self.expr(*value);
                let pointer = to.contains('*');
                value.with(|data| {
                    if pointer && data.kind == Kind::Unknown {
                        data.kind = Kind::Pointer;
                    }
                    data.signed &=
                        !to.contains("unsigned") && !to.contains("size_t") && !to.starts_with('u');
                })
            }
            ExprKind::AddrOf(inner) => self.address_of(*inner),
            ExprKind::Deref(inner) => {
                let pointer = self.expr(*inner);
                self.dereference(*inner, &pointer);
                self.pointee(*inner, &pointer)
            }
            ExprKind::SizeOf(operand) => self.size_of(*operand),
            ExprKind::Assign { target, value, op } => {
                let mut result = self.expr(*value);
                if let Some(op) = op {
                    let old = self.expr(*target);
                    if matches!(op, BinOp::Div | BinOp::Mod) {
                        self.match_divide(id, *value, &result, &old);
                    }
                    result = self.binary(
                        *op,
                        &[(old, self.span(*target)), (result, self.span(*value))],
                        span,
                    );
                }
                self.assign(*target, Some(*value), &result, span);
                result
            }
            ExprKind::Comma(parts) => {
                let mut last = Value::number();
                for part in parts {
                    last = self.expr(*part);
                }
                last
            }
            ExprKind::Opaque(parts) => {
                // Assembly writes too.
                parts.iter().for_each(|it| self.may_be_set(*it));
                let values: Vec<Value> = parts.iter().map(|it| self.expr(*it)).collect();
                values.iter().for_each(|it| self.escape(it));
                Value::carrying(&values)
            }
        }
    }

    /// Where the parts of a tuple or a dictionary are written.
    fn parts_of(&self, id: ExprId) -> Vec<(Option<Box<str>>, Span)> {
        match &self.func.expr(id).kind {
            ExprKind::Tuple(items) => items.iter().map(|it| (None, self.span(*it))).collect(),
            ExprKind::Dict(entries) => entries
                .iter()
                .filter_map(|(key, value)| match &self.func.expr((*key)?).kind {
                    ExprKind::Str(key) => Some((Some(key.clone()), self.span(*value))),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A name as the language would look it up; unbound ones mean what they usually mean.
    fn name(&mut self, id: ExprId, name: &str) -> Value {
        if let Some(value) = self.env.get(name) {
            return value.clone();
        }
        let outer = self
            .around
            .closure
            .and_then(|env| env.get(name))
            .or_else(|| self.around.module.get(name));
        // What a C variable begins as says little of what it is when a function runs.
        let fixed = |it: &&Value| self.around.language != Language::C || it.kind != Kind::Null;
        if let Some(value) = outer.filter(fixed) {
            return value.clone();
        }
        if !matches!((self.around.summary)(None, name), Local::Unknown) {
            return Data {
                path: Some(format!("~.{name}").into()),
                kind: Kind::Function,
                ..Data::default()
            }
            .into();
        }
        let rules = self.around.rules;
        let constants = &rules.library.constants;
        if let Some(number) = self
            .around
            .declared
            .macros
            .get(name)
            .or_else(|| constants.get(name))
        {
            return Value::constant(Const::Int(*number)).with(|data| {
                data.path = Some(name.into());
                data.obj = value::id_of(name);
            });
        }
        if let Some(usual) = rules.library.usual.get(name) {
            let value = Value::named(usual.as_str());
            return self.with_source(value, self.span(id));
        }
        let value = Value::named(name);
        if rules.known.contains(name) {
            return self.with_source(value, self.span(id));
        }
        if is_constant_name(name) {
            return value.with(|data| {
                data.consts = vec![Const::Other];
                data.exact = true;
                data.obj = value::id_of(name);
            });
        }
        let root = value::root(
            value::id_of(name),
            Origin::Unknown,
            self.place(self.span(id)),
            None,
        );
        let value = value.with(|data| {
            data.roots = vec![root];
            data.obj = value::id_of(name);
        });
        // Two mentions of one unknown thing are the same thing.
        self.env.set(name, value.clone());
        value
    }

    /// Makes a value source data when its name is one of the library's sources.
    pub(super) fn with_source(&self, value: Value, span: Span) -> Value {
        let rules = self.around.rules;
        let Some(path) = value.path.as_deref() else {
            return value;
        };
        let Some(source) = rules.sources.find(path).next().copied() else {
            return value;
        };
        let about = &rules.source_about[usize::from(source)];
        let id = value::id_of(self.source(span));
        let root = value::root(id, Origin::Source(source), self.place(span), Some(about));
        value.with(|data| {
            data.roots.retain(|it| it.origin != Origin::Unknown);
            data.roots.push(root);
        })
    }

    /// Applies the library's aliases to a dotted name: the longest prefix wins.
    pub(super) fn canonical(&self, path: &str) -> Arc<str> {
        let aliases = &self.around.rules.library.aliases;
        if aliases.is_empty() {
            return path.into();
        }
        let mut end = path.len();
        loop {
            if let Some(target) = aliases.get(&path[..end]) {
                return format!("{target}{}", &path[end..]).into();
            }
            match path[..end].rfind('.') {
                Some(dot) => end = dot,
                None => return path.into(),
            }
        }
    }

    fn attribute(&mut self, id: ExprId) -> Value {
        let func = self.func;
        let ExprKind::Attr {
            base, name, arrow, ..
        } = &func.expr(id).kind
        else {
            return Value::number();
        };
        let object = self.expr(*base);
        if *arrow {
            self.dereference(*base, &object);
        }
        if let Some(path) = self.path_of(id)
            && let Some(value) = self.env.get(&path).cloned().or_else(|| self.field(&path))
        {
            return value;
        }
        if let Some(value) = self.class_constant(*base, name) {
            return value.clone();
        }
        if let Some(held) = option(&object, name).or_else(|| field(&object, name)) {
            return held.clone();
        }
        let mut value = self.member(id, *base, &object, name);
        let limits = self.field_limits(*base, name);
        if !limits.is_empty() {
            value = value.with(|data| {
                for root in data.roots.iter_mut().chain(&mut data.amounts) {
                    root.checked = root.checked.iter().chain(&limits).cloned().collect();
                }
            });
        }
        if let Some(path) = &value.path {
            self.match_mention(id, path);
        }
        if self.around.language == Language::C
            && let Some(path) = self.path_of(id)
        {
            self.env.set(&path, value.clone());
        }
        value
    }

    /// What the class that annotates a variable says of its field: `months: int = Field(gt=0)`.
    fn field_limits(&self, base: ExprId, name: &str) -> Vec<Fact> {
        let ExprKind::Name(base) = &self.func.expr(base).kind else {
            return Vec::new();
        };
        let class = self.types.get(base).map_or("", |it| &*it.base);
        if class.is_empty() || self.around.language != Language::Python {
            return Vec::new();
        }
        let declared = self.around.module.get(&format!("{class}.{name}"));
        declared.map(Value::limits).unwrap_or_default()
    }

    /// `self.LIMIT` or `Vault.LIMIT`, where the class's own body gives it a constant.
    fn class_constant(&self, base: ExprId, name: &str) -> Option<&'a Value> {
        let ExprKind::Name(base) = &self.func.expr(base).kind else {
            return None;
        };
        let class = match &**base {
            "self" | "cls" => self.class?,
            other => other,
        };
        let value = self.around.module.get(&format!("{class}.{name}"))?;
        // A tally begins small, so a large number is a rule: `rounds = 1000`.
        let rule = || value.as_int().is_some_and(|it| it >= LEAST_RULE);
        let fixed =
            is_constant_name(name) || matches!(value.kind, Kind::Bytes | Kind::Str) || rule();
        // `loader = yaml.Loader`, `mode = AES.MODE_ECB`: a class or a constant of another module's.
        let class_of = |path: &str| {
            let (module, class) = path.rsplit_once('.').unwrap_or_default();
            module.starts_with(|c: char| c.is_ascii_lowercase())
                && class.starts_with(|c: char| c.is_ascii_uppercase())
                && class.chars().all(|c| c.is_ascii_alphanumeric())
                || module.starts_with(|c: char| c.is_ascii_alphabetic()) && is_constant_name(class)
        };
        let is_class = value.path.as_deref().is_some_and(class_of);
        let table = value.kind == Kind::Dict
            && value.entries.as_ref().is_some_and(|entries| {
                !entries.is_empty() && entries.iter().all(|(_, value)| value.is_constant())
            });
        (table || is_class || fixed && value.is_constant()).then_some(value)
    }

    /// `self.name` as the class's constructor leaves it.
    pub(super) fn field(&self, path: &str) -> Option<Value> {
        let fields = self.around.fields.filter(|_| path.starts_with("self."))?;
        fields.get(path).map(|it| it.of_instance(3))
    }

    /// `object.name`, where nothing was assigned to it before.
    pub(super) fn member(&self, id: ExprId, base: ExprId, object: &Value, name: &str) -> Value {
        let span = self.span(id);
        let mut path = self.member_path(base, object, name);
        if &*path == "pathlib.Path().parent" {
            path = "pathlib.Path()".into();
        }
        let rules = self.around.rules;
        let named: Value = Data {
            path: Some(path.clone()),
            ..Data::default()
        }
        .into();
        if object.kind == Kind::Dict || object.kind == Kind::List {
            return Value::carrying([object]).with(|data| data.path = Some(path));
        }
        let sourced = self.with_source(named, span);
        if !sourced.roots.is_empty() {
            return sourced;
        }
        if let Some(inherited) = self.inherited(base, &path, span) {
            return inherited;
        }
        if rules.trusted.has(&path) || rules.inert.has(&path) {
            return sourced;
        }
        // The last part of a path, and whatever else the library says is clean.
        if !object.roots.is_empty() && path.contains("().") && rules.sanitizers.has(&path) {
            return Value::carrying([object])
                .through(&path)
                .with(|data| data.path = Some(path.clone()));
        }
        if let Some(number) = rules.library.constants.get(&*path) {
            return sourced.with(|data| {
                data.consts = vec![Const::Int(*number)];
                data.exact = true;
                data.kind = Kind::Number;
            });
        }
        let resolved = !path.starts_with('?') && object.roots.is_empty();
        if resolved {
            // A module's own attribute: fixed by whoever wrote the module.
            return sourced;
        }
        if is_constant_name(name) {
            return sourced.with(|data| {
                data.consts = vec![Const::Other];
                data.exact = true;
            });
        }
        let declared = self.around.declared.type_of(name);
        let is_field = object
            .roots
            .iter()
            .all(|root| root.origin == Origin::Unknown)
            || object.roots.is_empty();
        // A member of something unknown, such as an element, may be another one each time.
        let obj = if object.obj == 0 || object.moved {
            0
        } else {
            value::id_of(&format!("{}.{name}", object.obj))
        };
        sourced.with(|data| {
            data.obj = obj;
            if let Some(ty) = declared {
                data.array_len = self.around.declared.len(ty);
                data.bytes = self.around.declared.bytes(ty);
                data.kind = match (ty.array, ty.pointers) {
                    (Some(_), _) => Kind::Array,
                    (None, 1..) => Kind::Pointer,
                    _ if ty.is_number() => Kind::Number,
                    _ => data.kind,
                };
            }
            data.roots = if is_field {
                vec![value::root(
                    value::id_of(&path),
                    Origin::Unknown,
                    self.place(span),
                    None,
                )]
            } else {
                object.roots.clone()
            };
        })
    }

    fn member_path(&self, base: ExprId, object: &Value, name: &str) -> Arc<str> {
        let path = match object.path.as_deref() {
            Some(path) if path.len() < MAX_PATH => format!("{path}.{name}"),
            _ => match self.path_of(base) {
                Some(base) => format!("?{base}.{name}"),
                None => format!("?.{name}"),
            },
        };
        self.canonical(&path)
    }

    fn index(&mut self, id: ExprId, base: ExprId, index: ExprId, slice: bool) -> Value {
        let list = self.expr(base);
        let key = self.expr(index);
        if self.around.language == Language::C {
            self.dereference(base, &list);
        }
        if !slice {
            self.match_index(id, base, index, &key);
        }
        if let (Some(entries), Some(name)) = (&list.entries, key.as_str())
            && let Some((_, value)) = entries.iter().find(|(known, _)| known == name)
        {
            return value.clone();
        }
        if let (Some(items), Some(position), false) = (&list.items, key.as_int(), slice)
            && let Some(item) = usize::try_from(position).ok().and_then(|it| items.get(it))
        {
            return item.clone();
        }
        if slice {
            return list.with(|data| {
                data.consts.clear();
                data.exact = false;
                data.items = None;
                data.text = None;
                data.path = match &data.path {
                    Some(path) if path.len() < MAX_PATH => Some(format!("{path}[]").into()),
                    _ => None,
                };
            });
        }
        // Choosing among one's own constants by foreign data gives one's own constant.
        let mut out = self.element(&list, self.span(id)).part(&key);
        if list.roots.is_empty()
            && list.amounts.is_empty()
            && list.entries.is_none()
            && list.items.is_none()
            && list.path.is_none()
        {
            out = Value::carrying([&list, &key]);
        }
        if let Some(entries) = &list.entries {
            out = entries.iter().fold(out, |all, (_, item)| all.merge(item));
        }
        if self.around.language == Language::C {
            let obj = self.argument_id(base, &list, &key);
            return out.with(|data| {
                data.path = None;
                data.obj = obj;
            });
        }
        match list.path.as_deref().filter(|it| it.len() < MAX_PATH) {
            Some(path) => out.with(|data| data.path = Some(format!("{path}[]").into())),
            None => out,
        }
    }

    /// The identity of `argv[1]`, which stays the same text while the program runs; 0 for elements
    /// of anything else.
    fn argument_id(&self, base: ExprId, list: &Value, key: &Value) -> u64 {
        let ExprKind::Name(name) = &self.func.expr(base).kind else {
            return 0;
        };
        let is_source = |root: &value::Root| matches!(root.origin, Origin::Source(_));
        let is_param = self.func.params.iter().any(|it| it.name == *name);
        let whole = is_param && !list.moved && list.roots.iter().all(is_source);
        match key.as_int() {
            Some(at) if whole && !list.roots.is_empty() && list.obj != 0 => {
                value::id_of(&format!("{}[{at}]", list.obj))
            }
            _ => 0,
        }
    }

    fn logic(&mut self, and: bool, operands: &[ExprId]) -> Value {
        let mut out: Option<Value> = None;
        let mut states = Vec::new();
        let mut uses = None;
        for operand in operands {
            self.depth += u16::from(operand != &operands[0]);
            let value = self.expr(*operand);
            self.depth -= u16::from(operand != &operands[0]);
            self.branched = true;
            // The others are evaluated on some ways only.
            if uses.is_none() {
                uses = Some(self.env.uses());
            }
            if self.around.language == Language::C {
                self.null_check(*operand, &value);
            }
            out = Some(match out {
                // `body or {}` is the body, or nothing at all.
                Some(before) if !and && self.is_empty(*operand) => before,
                Some(before) if !and => before.merge(&value),
                _ => value,
            });
            states.push(self.env.guards.clone());
            self.refine(*operand, and);
        }
        if let Some(uses) = uses {
            self.env.keep_uses(&uses);
        }
        // What the operands proved of each other ends with the expression.
        if let Some(guards) = states.into_iter().next() {
            self.env.guards = guards;
        }
        match (out, self.around.language) {
            (Some(value), Language::Python) => value,
            _ => truth(),
        }
    }

    /// Whether something is a text, a list or a dictionary with nothing in it.
    fn is_empty(&self, id: ExprId) -> bool {
        match &self.func.expr(id).kind {
            ExprKind::Str(text) | ExprKind::Bytes(text) => text.is_empty(),
            ExprKind::List(items) | ExprKind::Tuple(items) => items.is_empty(),
            ExprKind::Dict(entries) => entries.is_empty(),
            _ => false,
        }
    }

    fn compare(&mut self, id: ExprId, op: CmpOp, left: ExprId, right: ExprId) -> Value {
        let a = self.expr(left);
        let b = self.expr(right);
        if a.kind == Kind::Null {
            self.null_check(right, &b);
        }
        if b.kind == Kind::Null || b.as_int() == Some(0) {
            self.null_check(left, &a);
        }
        self.match_compare(id, op, (left, &a), (right, &b));
        if matches!(op, CmpOp::Eq | CmpOp::Is)
            && let ([Const::Str(x)], [Const::Str(y)]) = (a.consts.as_slice(), b.consts.as_slice())
            && a.exact
            && b.exact
        {
            return Value::constant(Const::Bool(x == y));
        }
        truth()
    }

    fn dict(&mut self, entries: &[(Option<ExprId>, ExprId)]) -> Value {
        let mut known: Vec<(Arc<str>, Value)> = Vec::new();
        let mut all = Vec::new();
        for (key, value) in entries {
            let name = key.map(|key| self.expr(key));
            let item = self.expr(*value);
            if let Some(name) = name.as_ref().and_then(|it| it.as_str()) {
                self.bound(
                    name,
                    self.span(*value),
                    key.map_or(Span::default(), |it| self.span(it)),
                    (*value, &item),
                    None,
                );
                if known.len() < value::MAX_ITEMS {
                    known.push((name.clone(), item.clone()));
                }
            } else if let Some(inner) = &item.entries {
                known.extend(inner.iter().cloned());
            } else {
                // What else it may hold nobody knows.
                known.push((value::ANY_KEY.into(), item.clone()));
            }
            all.push(item);
        }
        Value::carrying(&all).with(|data| {
            data.kind = Kind::Dict;
            data.entries = Some(known.into());
        })
    }

    fn address_of(&mut self, inner: ExprId) -> Value {
        self.addressed = Some(inner);
        let value = self.expr(inner);
        self.addressed = None;
        self.escape_address(inner, &value);
        let name = match &self.func.expr(inner).kind {
            ExprKind::Name(name) => Some(name),
            _ => None,
        };
        let local = name.is_some_and(|name| self.types.get(name).is_some_and(|ty| !ty.is_static))
            && !self
                .func
                .params
                .iter()
                .any(|param| Some(&param.name) == name);
        let path = self.path_of(inner).map(|path| format!("&{path}").into());
        Value::from(Data {
            kind: Kind::Pointer,
            roots: value.roots.clone(),
            local,
            path,
            obj: value::id_of(&format!("&{}", value.obj)),
            ..Data::default()
        })
    }

    /// What stands at a pointer. Of a pointer to a pointer it is the same thing until somebody
    /// writes there, so that `free(*slot)` ends what `*slot` means afterwards.
    fn pointee(&mut self, inner: ExprId, pointer: &Value) -> Value {
        let value = Value::carrying([pointer]);
        let Some(path) = self.slot(inner) else {
            return value;
        };
        if let Some(known) = self.env.get(&path) {
            return known.clone();
        }
        let params = &self.func.params;
        let given = path.strip_suffix(".*");
        let given = params.iter().any(|it| Some(&*it.name) == given);
        let obj = match (pointer.obj, pointer.moved) {
            (0, _) | (_, true) => 0,
            (obj, false) if given => value::id_of(&format!("{obj}.*")),
            // One that walks along a list leads to another thing at each turn.
            _ => self.fresh_object(),
        };
        let value = value.with(|data| data.obj = obj);
        self.env.set(&path, value.clone());
        value
    }

    /// The name under which is kept what a pointer to a pointer points at, as a part of it.
    pub(super) fn slot(&self, pointer: ExprId) -> Option<String> {
        let ExprKind::Name(name) = &self.func.expr(pointer).kind else {
            return None;
        };
        let ty = self.types.get(name)?;
        (ty.pointers > 1 && ty.array.is_none()).then(|| format!("{name}.*"))
    }

    fn size_of(&mut self, operand: Option<ExprId>) -> Value {
        let Some(operand) = operand else {
            return Value::constant(Const::Other).with(|data| data.kind = Kind::Number);
        };
        let path = self.path_of(operand);
        let known = path.as_deref().and_then(|path| self.env.get(path)).cloned();
        let pointer = path
            .as_deref()
            .and_then(|path| self.types.get(path))
            .is_some_and(|ty| ty.pointers > 0 && ty.array.is_none());
        let member = match &self.func.expr(operand).kind {
            ExprKind::Attr { name, .. } => self.around.declared.type_of(name),
            _ => None,
        };
        let member = member.and_then(|ty| self.around.declared.bytes(ty));
        let len = known
            .and_then(|it| it.array_len)
            .or(member)
            .and_then(|it| i64::try_from(it).ok());
        let one_byte = member.is_some()
            || path
                .as_deref()
                .and_then(|path| self.types.get(path))
                .is_some_and(|ty| &*ty.base == "char");
        let mut out = match len.filter(|_| one_byte) {
            Some(len) => Value::constant(Const::Int(len)),
            None => Value::constant(Const::Other).with(|data| data.kind = Kind::Number),
        };
        if let Some(path) = path {
            out = out.with(|data| data.size_of = Some((path.into(), pointer)));
        }
        out
    }

    pub(super) fn concat(&mut self, operands: &[(Value, Span)], span: Span) -> Value {
        let all = |kind| operands.iter().all(|(value, _)| value.kind == kind);
        if all(Kind::Number) {
            return Value::number();
        }
        // A number is added to numbers only; what is text or a list would refuse it.
        let plain = |value: &Value| {
            matches!(value.kind, Kind::Number | Kind::Unknown)
                && value.text.is_none()
                && !value.consts.iter().any(|it| matches!(it, Const::Str(_)))
        };
        let counts = operands.iter().any(|(value, _)| value.as_int().is_some());
        if counts && operands.iter().all(|(value, _)| plain(value)) {
            return Value::amount(operands.iter().map(|(value, _)| value));
        }
        if operands.iter().any(|(value, _)| value.kind == Kind::List) {
            let mut items = Vec::new();
            for (value, _) in operands {
                match &value.items {
                    Some(inner) => items.extend(inner.iter().cloned()),
                    None => items.push(value.clone()),
                }
            }
            return list_of(items);
        }
        let mut segs: Vec<Seg> = Vec::new();
        for (value, at) in operands {
            value.segments(self.place(*at), &mut segs);
        }
        Value::from_segments(segs, self.place(span))
    }

    fn format_string(&mut self, parts: &[FormatPart], span: Span) -> Value {
        let mut segs = Vec::new();
        for part in parts {
            match part {
                FormatPart::Text(text) => segs.push(Seg::Lit((&**text).into())),
                FormatPart::Value {
                    expr,
                    numeric,
                    quoted,
                } => {
                    let mut value = self.expr(*expr);
                    if *quoted && !value.roots.is_empty() {
                        value = Value::carrying([&value]).through(&"repr".into());
                    }
                    let place = self.place(self.span(*expr));
                    if *numeric {
                        segs.push(Seg::Hole(Value::number(), place));
                    } else {
                        value.segments(place, &mut segs);
                    }
                }
            }
        }
        Value::from_segments(segs, self.place(span))
    }
}

/// A truth value that is not known.
fn truth() -> Value {
    Data {
        kind: Kind::Bool,
        ..Data::default()
    }
    .into()
}

pub(super) fn list_of(items: Vec<Value>) -> Value {
    Value::carrying(&items).with(|data| {
        data.kind = Kind::List;
        data.exact = false;
        data.items = Some(
            items
                .into_iter()
                .take(value::MAX_ITEMS)
                .collect::<Vec<_>>()
                .into(),
        );
    })
}

/// The most bytes that repeated text is followed to.
pub(super) const MAX_REPEATED: usize = 4096;

/// The least number that a class's own body is believed to fix under a name that is no constant's.
const LEAST_RULE: i64 = 64;

/// `MAX_SIZE` and the like: by convention fixed by the program's owner.
fn is_constant_name(name: &str) -> bool {
    name.len() > 1
        && name.chars().any(|c| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}
