//! Runs one function over abstract values, in source order, joining where paths join.
//! It computes facts and hands each to the matcher; what is flagged is the entries' business.

mod arithmetic;
mod bounds;
mod call;
pub(crate) mod class;
mod effects;
mod event;
mod expr;
mod flow;
mod format;
mod guard;
mod half;
mod lifetime;
mod local;
mod names;
mod options;
mod overrun;
pub(crate) mod report;
mod stencil;
mod tally;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use syntax::Language;

use crate::env::{Env, join};
use crate::ir::{
    Block, Declarations, ExprId, ExprKind, Function, Import, Span, Stmt, StmtKind, Type,
};
use crate::rules::{Active, LangRules};
use crate::value::{self, Const, Data, Kind, Note, Origin, Place, Seg, Value};

pub(crate) use report::{Found, Sink, Summary};

/// What lies around the function that is evaluated.
pub(crate) struct Around<'a> {
    pub(crate) rules: &'a LangRules,
    pub(crate) active: &'a Active,
    pub(crate) language: Language,
    /// Values of the module's names at its end; empty while the module itself is evaluated.
    pub(crate) module: &'a Env,
    /// Values of the enclosing function, for a nested one.
    pub(crate) closure: Option<&'a Env>,
    /// `self.*` as the class's constructor leaves it.
    pub(crate) fields: Option<&'a Env>,
    /// What the function's class is made from, directly or not, by resolved name.
    pub(crate) bases: &'a [Arc<str>],
    /// Whether the function is called when a signal arrives.
    pub(crate) signal_handler: bool,
    /// What a C file declares outside its functions.
    pub(crate) declared: &'a Declarations,
    /// Finds the summary of a function of this file: class (for methods) and name.
    pub(crate) summary: &'a dyn Fn(Option<&str>, &str) -> Local,
}

/// What is known of a name as a function of this file.
pub(crate) enum Local {
    /// No function of this file.
    Unknown,
    /// One that is being evaluated already, or comes later in a cycle.
    Pending,
    /// One that has been evaluated.
    Known(Arc<Summary>),
}

/// What evaluation of one function gives.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) findings: Vec<Found>,
    pub(crate) summary: Arc<Summary>,
    pub(crate) end: Env,
    /// Whether the function is a route handler.
    pub(crate) handler: bool,
}

/// Exceptions that a division by zero is one of.
const CATCH_DIVISION: [&str; 4] = [
    "ZeroDivisionError",
    "ArithmeticError",
    "Exception",
    "BaseException",
];

/// A call that is all of a `try` whose error some handler drops.
#[derive(Debug, Clone, Copy)]
struct Ignored {
    call: ExprId,
    /// The whole statement.
    span: Span,
    /// The error is told to a log first.
    logged: bool,
}

/// The most statements evaluated in one function, counting repeats in loops; a bound on hostile
/// input, thousands of times what people write.
const MAX_STEPS: usize = 200_000;

pub(crate) struct Eval<'a> {
    around: &'a Around<'a>,
    func: &'a Function,
    class: Option<&'a str>,
    /// Source of the function; spans are relative to it.
    src: &'a str,
    key: u64,
    env: Env,
    reachable: bool,
    types: FxHashMap<Box<str>, Type>,
    findings: Vec<Found>,
    sinks: Vec<Sink>,
    returned: Option<Value>,
    end: Option<Env>,
    breaks: Vec<Vec<Env>>,
    continues: Vec<Vec<Env>>,
    gotos: FxHashMap<Box<str>, Env>,
    handler: bool,
    /// How many `try` blocks around would catch a division by zero.
    divides_safely: usize,
    /// The call of a `try` whose error is dropped, and the whole statement.
    ignored: Option<Ignored>,
    /// Whether something follows the statement in its block.
    followed: bool,
    /// Where the parts of what `%` fills in are written, with their keys.
    filled: Vec<(Option<Box<str>>, Span)>,
    /// A check for null here says nothing of doubt.
    quiet_checks: bool,
    in_loop_condition: bool,
    /// How many conditions there are around.
    depth: u16,
    /// What comes from here on may not happen whenever the function is called.
    branched: bool,
    /// What becomes of objects, for those who call.
    handling: lifetime::Handling,
    /// The events that all that was given back so far has had.
    given_back: Option<Vec<u32>>,
    /// The expression whose address is being taken.
    addressed: Option<ExprId>,
    /// Expressions whose value nobody takes.
    discarded: Option<ExprId>,
    steps: usize,
    /// How many objects have come into being.
    objects: u64,
    /// What a parser of the command line was told of its options.
    options: Vec<(Arc<str>, options::Holds)>,
    /// What the expressions of the current statement came to, for what its conditions prove.
    values: FxHashMap<ExprId, Value>,
}

/// Evaluates a function or the module.
pub(crate) fn evaluate(
    around: &Around<'_>,
    func: &Function,
    class: Option<&str>,
    src: &str,
    key: u64,
) -> Outcome {
    let mut eval = Eval {
        around,
        func,
        class,
        src,
        key,
        env: Env::default(),
        reachable: true,
        types: FxHashMap::default(),
        findings: Vec::new(),
        sinks: Vec::new(),
        returned: None,
        end: None,
        breaks: Vec::new(),
        continues: Vec::new(),
        gotos: FxHashMap::default(),
        handler: around.signal_handler,
        divides_safely: 0,
        ignored: None,
        filled: Vec::new(),
        followed: false,
        quiet_checks: false,
        in_loop_condition: false,
        depth: 0,
        branched: false,
        handling: lifetime::Handling::default(),
        given_back: None,
        addressed: None,
        discarded: None,
        steps: 0,
        objects: 0,
        options: Vec::new(),
        values: FxHashMap::default(),
    };
    eval.enter();
    eval.block(&func.body);
    if eval.reachable {
        eval.leave_function(Span::default(), None);
    }
    let end = eval.end.take().unwrap_or_else(|| eval.env.clone());
    eval.settle(&end);
    eval.handling.gives = eval.given_back.take().unwrap_or_default();
    eval.findings
        .sort_by_key(|it| (it.place.span.start, it.rule));
    let summary = Arc::new(Summary {
        returns: eval
            .returned
            .take()
            .unwrap_or_else(|| Value::constant(Const::Null)),
        sinks: eval.sinks,
        is_method: class.is_some() && eval.around.language == Language::Python,
        params: func
            .params
            .iter()
            .map(|param| (param.name.clone(), param.star))
            .collect(),
        handling: std::mem::take(&mut eval.handling),
    });
    Outcome {
        findings: eval.findings,
        summary,
        end,
        handler: eval.handler,
    }
}

impl<'a> Eval<'a> {
    fn place(&self, span: Span) -> Place {
        Place {
            func: self.key,
            span,
        }
    }

    fn source(&self, span: Span) -> &'a str {
        self.src.get(span.range()).unwrap_or("")
    }

    fn span(&self, id: ExprId) -> Span {
        self.func.expr(id).span
    }

    /// Binds parameters; those of a route handler are request data.
    fn enter(&mut self) {
        let mut routes = String::new();
        // Whether it is a route's is known before anything is matched, its decorators included.
        for decorator in &self.func.decorators {
            let path = match &self.func.expr(*decorator).kind {
                ExprKind::Call { callee, .. } => self.name_of_callee(*callee),
                _ => self.expr(*decorator).path.clone().unwrap_or_default(),
            };
            if self.around.rules.handlers.has(&path) {
                self.handler = true;
                routes.push_str(self.source(self.span(*decorator)));
            }
        }
        for decorator in &self.func.decorators {
            self.expr(*decorator);
        }
        let answers = self.answers_requests();
        self.handler |= answers;
        for (index, param) in self.func.params.iter().enumerate() {
            let (mut handed_over, mut bounds) = (false, Vec::new());
            for default in param.default.into_iter().chain(param.annotated) {
                let value = self.expr(default);
                bounds.extend(value.limits());
                handed_over |= self.handler && self.is_handed_over(&value);
                self.bound(&param.name, param.span, param.span, (default, &value), None);
            }
            let place = self.place(param.span);
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let by_name = self
                .around
                .rules
                .library
                .sources
                .iter()
                .position(|source| source.params.iter().any(|name| **name == *param.name));
            let by_name = by_name.and_then(|it| u16::try_from(it).ok());
            let is_self =
                index == 0 && self.class.is_some() && matches!(&*param.name, "self" | "cls");
            let request_data = self
                .handler
                .then_some(self.around.rules.handler_source)
                .flatten()
                .filter(|id| {
                    let source = &self.around.rules.library.sources[usize::from(*id)];
                    !handed_over && !source.not_params.iter().any(|name| **name == *param.name)
                });
            // `<int:number>` in a route lets only numbers through.
            let converted = ["int", "float", "uuid"]
                .iter()
                .any(|kind| routes.contains(&format!("<{kind}:{}>", param.name)))
                // Where the route is not in sight, a number is known by its name.
                || answers && class::is_number(&param.name);
            let source = if is_self {
                None
            } else {
                request_data.or(by_name)
            };
            let origin = source.map_or(Origin::Param(index), Origin::Source);
            let about = source.map(|it| &self.around.rules.source_about[usize::from(it)]);
            let id = value::id_of(&param.name);
            let roots = if is_self {
                Vec::new()
            } else {
                vec![value::root(id, origin, place, about)]
            };
            let kind = match (&*param.ty.base, param.ty.pointers, param.star) {
                (_, _, 1) => Kind::List,
                (_, _, 2) => Kind::Dict,
                ("int" | "float" | "bool", 0, 0) if self.around.language == Language::Python => {
                    Kind::Number
                }
                ("str", 0, 0) => Kind::Str,
                (_, 1.., _) => Kind::Pointer,
                _ if self.around.language == Language::C && param.ty.is_number() => Kind::Number,

                _ if converted => Kind::Number,
                ("", 0, 0) if is_piece(&routes, &param.name) => Kind::Str,
                _ => Kind::Unknown,
            };
            // In C a number is data too: it becomes a length or an index.
            let numeric = kind == Kind::Number && self.around.language == Language::Python;
            let value: Value = Data {
                path: Some(self.param_path(param).into()),
                measures: if numeric { vec![id] } else { Vec::new() },
                signed: self.around.language == Language::C && param.ty.is_signed(),
                amounts: if numeric { roots.clone() } else { Vec::new() },
                roots: if numeric { Vec::new() } else { roots },
                kind,
                obj: id,
                ..Data::default()
            }
            .into();
            for root in value.roots.iter().chain(&value.amounts) {
                for fact in &bounds {
                    self.env.guard(root.id, fact.clone());
                }
            }
            self.types.insert(param.name.clone(), param.ty.clone());
            self.env.bind(&param.name, value);
        }
    }

    /// `db = Depends(get_db)`: the framework makes the value, the request does not.
    fn is_handed_over(&self, default: &Value) -> bool {
        let path = default.path.as_deref().unwrap_or("");
        self.around
            .rules
            .trusted
            .has(path.strip_suffix("()").unwrap_or(path))
    }

    /// A parameter's annotation names what it is: `request: fastapi.Request`.
    fn param_path(&self, param: &crate::ir::Param) -> String {
        let annotated = self.around.language == Language::Python
            && !param.ty.base.is_empty()
            && param
                .ty
                .base
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        if annotated {
            let (head, rest) = param
                .ty
                .base
                .split_once('.')
                .unwrap_or((&param.ty.base, ""));
            if let Some(path) = self
                .around
                .module
                .get(head)
                .and_then(|it| it.path.as_deref())
                && !path.starts_with(['?', '~'])
            {
                let dot = if rest.is_empty() { "" } else { "." };
                return format!("{path}{dot}{rest}()");
            }
        }
        format!("?{}", param.name)
    }

    fn block(&mut self, block: &'a Block) {
        for (index, stmt) in block.iter().enumerate() {
            self.followed = index + 1 < block.len();
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return;
            }
            self.values.clear();
            if let StmtKind::Label(name) = &stmt.kind {
                let here = self.reachable.then(|| self.env.clone());
                let jumped = self.gotos.remove(name);
                self.resume(join(here, jumped));
            } else if self.reachable {
                self.stmt(stmt);
            }
        }
    }

    /// Goes on with a state that may be impossible.
    fn resume(&mut self, env: Option<Env>) {
        self.reachable = env.is_some();
        if let Some(env) = env {
            self.env = env;
        }
    }

    fn state(&self) -> Option<Env> {
        self.reachable.then(|| self.env.clone())
    }

    /// Runs a block from a state and gives the state after it.
    fn run(&mut self, from: Option<Env>, block: &'a Block) -> Option<Env> {
        self.resume(from);
        self.block(block);
        self.state()
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of statement")]
    fn stmt(&mut self, stmt: &'a Stmt) {
        match &stmt.kind {
            StmtKind::Expr(id) => {
                self.discarded = Some(*id);
                let value = self.expr(*id);
                self.discarded = None;
                let _ = value;
            }
            StmtKind::Assign { targets, value } => {
                let result = self.expr(*value);
                for target in targets {
                    self.assign(*target, Some(*value), &result, stmt.span);
                }
            }
            StmtKind::AugAssign { target, op, value } => {
                let added = self.expr(*value);
                let old = self.expr(*target);
                let result = self.binary(
                    *op,
                    &[(old, self.span(*target)), (added, self.span(*value))],
                    stmt.span,
                );
                self.assign(*target, Some(*value), &result, stmt.span);
            }
            StmtKind::Declare { name, ty, value } => self.declare(name, ty, *value, stmt.span),
            StmtKind::If { arms, other } => self.if_chain(arms, other),
            StmtKind::While {
                cond,
                step,
                body,
                other,
                at_least_once,
            } => {
                self.while_loop(*cond, *step, body, other, *at_least_once);
            }
            StmtKind::For {
                target,
                iter,
                body,
                other,
            } => self.for_loop(*target, *iter, body, other),
            StmtKind::Switch {
                value,
                arms,
                fallthrough,
            } => self.switch(*value, arms, *fallthrough),
            StmtKind::Return(value) => {
                let span = value.map_or(stmt.span, |id| self.span(id));
                let result = value.map(|id| self.expr(id));
                if let (Some(result), Some(id)) = (&result, value) {
                    self.match_return(*id, result, stmt.span);
                    self.use_event(*id, kb_schema::Use::Return, result);
                }
                self.leave_function(span, result);
            }
            StmtKind::Raise(parts) => {
                for part in parts {
                    self.expr(*part);
                }
                self.reachable = false;
            }
            StmtKind::Assert { cond } => {
                self.expr(*cond);
                self.match_assert(*cond, stmt.span, 0);
                self.refine(*cond, true);
            }
            StmtKind::With { items, body } => {
                for (context, target) in items {
                    let value = self.expr(*context);
                    if let Some(target) = target {
                        self.assign(*target, Some(*context), &value, stmt.span);
                    }
                }
                self.block(body);
            }
            StmtKind::Try {
                body,
                handlers,
                other,
                finally,
            } => {
                self.ignored = self.ignores(stmt);
                self.try_block(body, handlers, other, finally);
            }
            StmtKind::Delete(parts) => {
                for part in parts {
                    if let Some(path) = self.path_of(*part) {
                        self.env.vars.remove(path.as_str());
                    }
                }
            }
            StmtKind::Break => {
                let env = self.state();
                if let Some(list) = self.breaks.last_mut() {
                    list.extend(env);
                }
                self.reachable = false;
            }
            StmtKind::Continue => {
                let env = self.state();
                if let Some(list) = self.continues.last_mut() {
                    list.extend(env);
                }
                self.reachable = false;
            }
            StmtKind::Goto(label) => {
                let env = self.env.clone();
                let before = self.gotos.remove(label);
                if let Some(env) = join(Some(env), before) {
                    self.gotos.insert(label.clone(), env);
                }
                self.reachable = false;
            }
            StmtKind::Import(imports) => self.import(imports),
            StmtKind::Function(name) => {
                let value: Value = Data {
                    path: Some(format!("~.{name}").into()),
                    kind: Kind::Function,
                    ..Data::default()
                }
                .into();
                self.env.bind(name, value);
            }
            StmtKind::Block(inner) => self.block(inner),
            StmtKind::Label(_) => {}
        }
    }

    fn leave_function(&mut self, span: Span, result: Option<Value>) {
        if let Some(result) = &result {
            self.note_given_back(result);
        }
        self.scope_end(span, result.as_ref());
        // What was proven of it on this way out holds for whoever gets it.
        let result = result.map(|it| crate::env::checked(&it, &Value::number(), &self.env.guards));
        if let Some(result) = result.map(|it| self.parser_given_back(it)) {
            self.returned = Some(match self.returned.take() {
                Some(before) => before.merge(&result),
                None => result,
            });
        }
        let state = self.state();
        self.end = join(self.end.take(), state);
        self.reachable = false;
    }

    fn declare(&mut self, name: &'a str, ty: &Type, value: Option<ExprId>, span: Span) {
        self.types.insert(name.into(), ty.clone());
        let initial = value.map(|id| self.expr(id));
        let id = value::id_of(name);
        // In a loop each round has a variable of its own.
        self.env.open.retain(|open| open.obj != id);
        if value.is_none() {
            self.declare_unset(name, ty, span);
        } else {
            self.is_set(name);
        }
        if let Some(initial) = initial.as_ref().filter(|_| ty.is_static) {
            self.escape(initial);
        }
        let mut bound = match (&initial, ty.array) {
            (Some(value), None) => value.clone(),
            (Some(value), Some(_)) => {
                Value::carrying([value]).with(|data| data.items.clone_from(&value.items))
            }
            (None, _) => Value::from(Data {
                obj: id,
                ..Data::default()
            }),
        };
        if ty.array.is_some() {
            bound = bound.with(|data| {
                data.kind = Kind::Array;
                data.array_len = self.around.declared.len(ty);
                data.bytes = self.around.declared.bytes(ty);
                data.local = !ty.is_static;
                data.obj = id;
                if let Some(Const::Str(text)) = initial.as_ref().and_then(|it| it.consts.first()) {
                    // The beginning of what is put together in it.
                    data.text = Some([Seg::Lit(text.clone())].into());
                    data.array_len = data.array_len.or(Some(text.len() as u64 + 1));
                }
            });
        }
        if self.around.language == Language::C && ty.array.is_none() {
            bound = self.as_declared(name, bound);
        }
        if let (Some(id), Some(value)) = (value, &initial) {
            self.bound(name, span, span, (id, value), None);
        }
        if initial.is_some() || self.around.language == Language::C {
            self.env
                .bind(name, bound.step(self.place(span), &Note::Into(name.into())));
        }
    }

    /// Binds the value to whatever stands on the left.
    fn assign(&mut self, target: ExprId, from: Option<ExprId>, value: &Value, span: Span) {
        self.escape_into(target, value);
        if let ExprKind::Name(name) = &self.func.expr(target).kind {
            self.is_set(name);
        }
        match &self.func.expr(target).kind {
            ExprKind::Tuple(parts) | ExprKind::List(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    let item = value
                        .items
                        .as_ref()
                        .and_then(|items| items.get(index))
                        .cloned();
                    let item = item.unwrap_or_else(|| self.piece(value, index, self.span(target)));
                    self.assign(*part, None, &item, span);
                }
            }
            ExprKind::Star(inner) | ExprKind::Carry(inner) => {
                self.assign(*inner, from, value, span);
            }
            ExprKind::Index { base, index, .. } => {
                let (base, index) = (*base, *index);
                let key = self.expr(index);
                let object = self.expr(base);
                if self.around.language == Language::C {
                    self.dereference(base, &object);
                }
                self.match_index(target, base, index, &key);
                if let (Some(name), Some(from)) = (key.as_str(), from) {
                    let name = name.clone();
                    let base = (base, &object);
                    self.bound(&name, span, self.span(target), (from, value), Some(base));
                }
                if let (None, Some(from)) = (key.as_str(), from) {
                    self.match_key((base, &object), (index, &key), (from, value), span);
                }
                self.store_element(base, &key, value);
            }
            ExprKind::Deref(inner) => {
                let inner = *inner;
                // `*(T **)&name = value` is a way to write past `const`.
                if let Some(name) = self.address_taken(inner) {
                    self.assign(name, from, value, span);
                    return;
                }
                let pointer = self.expr(inner);
                self.dereference(inner, &pointer);
                if let Some(path) = self.path_of(inner) {
                    self.env.overwrite(&path);
                }
                if let Some(path) = self.slot(inner) {
                    self.env.bind(&path, value.clone());
                }
            }
            _ => {
                let mut of = None;
                if let ExprKind::Attr { base, .. } = &self.func.expr(target).kind {
                    let base = *base;
                    let object = self.expr(base);
                    if self.around.language == Language::C {
                        self.dereference(base, &object);
                    }
                    of = Some((base, object));
                }
                let Some(path) = self.path_of(target) else {
                    return;
                };
                let last = path.rsplit(['.', '>']).next().unwrap_or(&path).to_owned();
                if let Some(from) = from {
                    let base = of.as_ref().map(|(base, object)| (*base, object));
                    self.bound(&last, span, self.span(target), (from, value), base);
                }
                let mut stepped = value.step(self.place(span), &Note::Into(last.as_str().into()));
                if self.around.language == Language::C {
                    stepped = self.as_declared(&path, stepped);
                }
                self.env.bind(&path, stepped);
            }
        }
    }

    /// In C a name keeps its declared shape whatever is assigned to it.
    fn as_declared(&self, path: &str, value: Value) -> Value {
        let signed = self.types.get(path).is_some_and(Type::is_signed);
        let value = if signed == value.signed {
            value
        } else {
            value.with(|data| data.signed = signed)
        };
        match self.types.get(path) {
            Some(ty)
                if ty.pointers > 0 && value.kind != Kind::Pointer && value.kind != Kind::Null =>
            {
                value.with(|data| data.kind = Kind::Pointer)
            }
            Some(ty) if ty.is_number() && value.kind == Kind::Unknown => {
                value.with(|data| data.kind = Kind::Number)
            }
            Some(ty) if ty.is_number() && value.local => value.with(|data| data.local = false),
            _ => value,
        }
    }

    fn store_element(&mut self, base: ExprId, key: &Value, value: &Value) {
        let old = self.expr(base);
        let updated = old.with(|data| {
            value::add_roots(&mut data.roots, &value.roots);
            data.exact = false;
            if let Some(name) = key.as_str() {
                let mut entries = data
                    .entries
                    .as_ref()
                    .map(|it| it.to_vec())
                    .unwrap_or_default();
                entries.retain(|(known, _)| known != name);
                if entries.len() < value::MAX_ITEMS {
                    entries.push((name.clone(), value.clone()));
                }
                data.entries = Some(entries.into());
            } else if let Some(entries) = &data.entries {
                let any = (value::ANY_KEY.into(), value.clone());
                let entries = entries.iter().take(value::MAX_ITEMS).cloned();
                data.entries = Some(entries.chain([any]).collect());
            }
        });
        if let Some(path) = self.path_of(base) {
            self.env.set(&path, updated);
        }
    }

    fn import(&mut self, imports: &[Import]) {
        for import in imports {
            let path = self.canonical(&import.path);
            self.env.bind(&import.alias, Value::named(path));
        }
    }

    /// One of several names that a value is taken apart into. What held of the whole holds of it;
    /// what is found out about it later says nothing of the others.
    fn piece(&self, value: &Value, index: usize, span: Span) -> Value {
        let item = self.element(value, span);
        if item.roots.is_empty() || self.around.language != Language::Python {
            return item;
        }
        let key = Value::constant(Const::Int(i64::try_from(index).unwrap_or(i64::MAX)));
        crate::env::checked(&item, &Value::number(), &self.env.guards).part(&key)
    }

    /// One element of a container, as a loop or an index takes it.
    fn element(&self, list: &Value, span: Span) -> Value {
        if let Some(items) = &list.items {
            let mut items = items.iter();
            if let Some(first) = items.next() {
                return items.fold(first.clone(), |all, item| all.merge(item));
            }
        }
        if list.roots.is_empty() {
            // Elements of constants and of the owner's own lists are as harmless as they are.
            return Data {
                kind: if list.kind == Kind::Number {
                    Kind::Number
                } else {
                    Kind::Unknown
                },
                // What `struct.unpack` gives back are numbers of which each is somebody's to say.
                amounts: list.amounts.clone(),
                measures: list.measures.clone(),
                ..Data::default()
            }
            .into();
        }
        let _ = span;
        Value::carrying([list])
    }
}

/// Whether a route takes the parameter out of its path as text.
fn is_piece(routes: &str, name: &str) -> bool {
    ["<", "<string:", "<path:"]
        .iter()
        .any(|open| routes.contains(&format!("{open}{name}>")))
        || routes.contains(&format!("{{{name}}}"))
        || routes.contains(&format!("{{{name}:path}}"))
}

fn surely(value: &Value, wanted: bool) -> bool {
    matches!(value.consts.as_slice(), [Const::Bool(it)] if *it == wanted && value.exact)
        || matches!(value.consts.as_slice(), [Const::Int(it)] if (*it != 0) == wanted && value.exact)
}
