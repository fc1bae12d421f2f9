//! One text as a whole: which functions it has, in which order they are evaluated, and what of
//! the last time still holds. A function is evaluated again only when its text, the module's
//! values, or a summary it uses has changed.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use syntax::{Language, NodeNames};
use tree_sitter::Node;

use crate::env::Env;
use crate::eval::{self, Around, Found, Local, Outcome, Summary};
use crate::ir::{Declarations, Function, Span};
use crate::kit::{self, Kept, Kit, Lowered, Mention, Module, Need};
use crate::lower::{self, Ground, MODULE, Outline, Scope};
use crate::own::Own;
use crate::query::RawQuery;
use crate::rules::{Active, LangRules};
use crate::value::{Place, Value};

/// The functions of a text with everything found in them.
pub(crate) struct Results {
    pub(crate) scopes: Vec<Scope>,
    pub(crate) found: Vec<Found>,
    /// Where the functions begin that spans are told by.
    starts: FxHashMap<u64, usize>,
    own: Own,
    pub(crate) too_deep: Vec<Range<usize>>,
    pub(crate) lowered: FxHashMap<u64, Arc<Function>>,
}

impl Results {
    /// Whether the text has a function of that key, or it is the module's.
    pub(crate) fn knows(&self, key: u64) -> bool {
        key == MODULE || self.starts.contains_key(&key)
    }

    /// Where in the text a span of that function stands.
    pub(crate) fn at(&self, key: u64, span: Span) -> Option<Range<usize>> {
        if key == MODULE {
            return Some(self.own.outward(span));
        }
        let start = self.starts.get(&key)?;
        Some(start + span.start as usize..start + span.end as usize)
    }
}

pub(crate) fn run(
    rules: &LangRules,
    active: &Active,
    language: Language,
    text: &str,
    root: Node<'_>,
    kit: &mut Kit,
    cancelled: &dyn Fn() -> bool,
) -> Option<Results> {
    let outline = lower::outline(language, text, root);
    let declared = match language {
        Language::C => lower::declarations(text, root),
        Language::Python => Declarations::default(),
    };
    let handlers = match language {
        Language::C => signal_handlers(text),
        Language::Python => FxHashSet::default(),
    };
    let inner = inner(&outline.scopes);
    let directly = inner[0].iter().map(|it| &outline.scopes[*it].range);
    let own = Own::new(text, directly);
    let texts = texts(text, &outline, &own, root);
    let frame = kit::frame(&outline.scopes);
    let is_same = kit.frame == frame;
    kit.arrange(frame, &outline.scopes, &texts);
    let unit = Unit {
        rules,
        active,
        language,
        text,
        names: names(&outline.scopes),
        methods: methods(&outline.scopes),
        needs: std::mem::take(&mut kit.needs),
        inner,
        own,
        outcomes: vec![None; outline.scopes.len()],
        lowered: std::mem::take(&mut kit.lowered),
        texts,
        frame,
        is_same,
        outline,
        declared,
        handlers,
        evaluated: 0,
        kit,
        module: Arc::new(Module::default()),
    };
    unit.evaluate(cancelled)
}

struct Unit<'a, 't> {
    rules: &'a LangRules,
    active: &'a Active,
    language: Language,
    text: &'a str,
    outline: Outline<'t>,
    /// What a C file declares outside its functions.
    declared: Declarations,
    /// Functions of a C file that are called when a signal arrives.
    handlers: FxHashSet<Box<str>>,
    /// The functions directly inside each.
    inner: Vec<Vec<usize>>,
    /// Functions by class and name; the last definition wins, as at run time.
    names: Names,
    /// Methods by name, whatever their class.
    methods: FxHashMap<Box<str>, Vec<usize>>,
    /// What each scope's text comes down to.
    texts: Vec<u64>,
    /// The functions whose outcome each scope uses.
    needs: Vec<Vec<Need>>,
    kit: &'a mut Kit,
    /// The scopes are those of the last text.
    is_same: bool,
    frame: u64,
    lowered: Vec<Option<Lowered>>,
    outcomes: Vec<Option<Kept>>,
    evaluated: usize,
    module: Arc<Module>,
    /// The text outside of functions.
    own: Own,
}

/// The functions that a text registers for signals: `signal(SIGTERM, stop)`, `sa.sa_handler = stop`.
fn signal_handlers(text: &str) -> FxHashSet<Box<str>> {
    let mut out = FxHashSet::default();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut take = |rest: &str| {
        let rest = rest.trim_start().trim_start_matches('&');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let name = &rest[..end];
        if !name.is_empty() && !name.starts_with("SIG_") {
            out.insert(name.into());
        }
    };
    for word in ["sa_handler", "sa_sigaction"] {
        for (at, _) in text.match_indices(word) {
            let rest = text[at + word.len()..].trim_start();
            if let Some(rest) = rest.strip_prefix('=').filter(|it| !it.starts_with('=')) {
                take(rest);
            }
        }
    }
    for (at, word) in text.match_indices("signal(") {
        let inside = &text[at + word.len()..];
        // `signal(SIGINT, stop)`: the second argument of a call on one line.
        let line = inside.lines().next().unwrap_or("");
        if let Some((first, rest)) = line.split_once(',')
            && first.trim_start().starts_with("SIG")
            && !text[..at].ends_with(is_part)
        {
            take(rest);
        }
    }
    out
}

/// A step of the walk that puts callees before callers.
enum Visit {
    Enter(usize),
    Try(usize),
    Leave(usize),
}

/// How many classes may have a method of one name for calls of it to be followed.
pub(crate) const MAX_NAMESAKES: usize = 4;

fn methods(scopes: &[Scope]) -> FxHashMap<Box<str>, Vec<usize>> {
    let mut out: FxHashMap<Box<str>, Vec<usize>> = FxHashMap::default();
    for (index, scope) in scopes.iter().enumerate() {
        if scope.class.is_some() {
            out.entry(scope.name.clone()).or_default().push(index);
        }
    }
    out
}

fn inner(scopes: &[Scope]) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); scopes.len()];
    for (index, scope) in scopes.iter().enumerate().skip(1) {
        out[scope.parent].push(index);
    }
    out
}

/// Functions by the hash of class and name.
type Names = FxHashMap<u64, usize>;

fn names(scopes: &[Scope]) -> Names {
    let named = scopes.iter().enumerate().skip(1);
    named
        .map(|(index, scope)| (name_key(scope.class.as_deref(), &scope.name), index))
        .collect()
}

fn name_key(class: Option<&str>, name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    (class, name).hash(&mut hasher);
    hasher.finish()
}

/// What a function is known by. Where the grammar could not read all of it, its tree depends on what
/// stands around it, and so the tree counts as well as the text; of the module, all of the text.
fn texts(text: &str, outline: &Outline<'_>, own: &Own, root: Node<'_>) -> Vec<u64> {
    let one = |(index, (scope, node)): (usize, (&Scope, &Node<'_>))| {
        let mut hasher = FxHasher::default();
        // A function's own text does not say whether it is one.
        (index == 0).hash(&mut hasher);
        if index == 0 {
            own.digest().hash(&mut hasher);
            if is_torn(root) {
                text.hash(&mut hasher);
            }
            return hasher.finish();
        }
        text.get(scope.range.clone()).hash(&mut hasher);
        if node.has_error() {
            syntax::walk(*node, |it| {
                let start = it.start_byte() - node.start_byte();
                (it.kind_id(), start, it.end_byte() - it.start_byte()).hash(&mut hasher);
                syntax::Descend::Into
            });
        }
        hasher.finish()
    };
    let scopes = outline.scopes.iter().zip(&outline.nodes);
    scopes.enumerate().map(one).collect()
}

/// Whether the grammar could not read something outside of functions.
fn is_torn(root: Node<'_>) -> bool {
    let mut torn = false;
    syntax::walk(root, |it| {
        torn |= it.is_error() || it.is_missing();
        match it.has_error() && it.kind_name() != "function_definition" {
            _ if torn => syntax::Descend::Stop,
            true => syntax::Descend::Into,
            false => syntax::Descend::Past,
        }
    });
    torn
}

impl Unit<'_, '_> {
    fn evaluate(mut self, cancelled: &dyn Fn() -> bool) -> Option<Results> {
        // The module first, for its imports and constants; it runs again at the end, when its
        // calls have summaries.
        let before = self.kit.module.as_ref().map(|it| it.inputs);
        self.module = self.module();
        let same_module = self.is_same && before == Some(self.module.inputs);
        let values = self.values();
        let same_values = self.is_same && self.kit.values == values;
        let order = self.order();
        let mut changed = vec![!same_values; self.outcomes.len()];
        for index in &order {
            if cancelled() {
                // What was put in order holds no longer for the text that it came from.
                *self.kit = Kit::default();
                return None;
            }
            let same_text = self.kit.texts.get(*index) == Some(&self.texts[*index]);
            let same =
                same_values && same_text && !self.needs[*index].iter().any(|it| changed[it.index]);
            let before = self.kit.kept[*index].take();
            let digest = before.as_ref().map(|it| it.digest);
            match before {
                Some(kept) if same => self.outcomes[*index] = Some(kept),
                before => self.function(*index, before),
            }
            changed[*index] |= self.outcomes[*index].as_ref().map(|it| it.digest) != digest;
        }
        let is_same = same_module && !order.iter().any(|it| changed[*it]);
        let outcome = match self.kit.kept[0].take().filter(|_| is_same) {
            Some(kept) => kept.outcome,
            None => {
                let lowered = self.lower(0);
                Arc::new(self.evaluate_one(0, &lowered.function))
            }
        };
        self.outcomes[0] = Some(Kept {
            inputs: 0,
            digest: 0,
            outcome,
            queries: self.module_queries(),
        });
        Some(self.finish(values, order))
    }

    /// The module as its functions see it: before any of them was looked at.
    fn module(&mut self) -> Arc<Module> {
        let mut hasher = FxHasher::default();
        (self.texts[0], self.frame, self.declared.digest).hash(&mut hasher);
        let inputs = hasher.finish();
        if let Some(known) = self.kit.module.as_ref().filter(|it| it.inputs == inputs) {
            return known.clone();
        }
        let lowered = self.lower(0);
        let mut env = self.evaluate_one(0, &lowered.function).end;
        // Only values count for others, not what holds of them at the module's end.
        env.guards.clear();
        env.open.clear();
        env.decided.clear();
        let digest = |(name, value): (&Arc<str>, &Value)| {
            let mut hasher = FxHasher::default();
            value.digest(&mut hasher, 3);
            (name.clone(), hasher.finish())
        };
        let digests: FxHashMap<Arc<str>, u64> = env.vars.iter().map(digest).collect();
        let mut class_digests: FxHashMap<Box<str>, u64> = FxHashMap::default();
        for (name, digest) in &digests {
            if let Some((_, last)) = name.rsplit_once('.') {
                // A sum, because the order of a hash table is its own affair.
                let all = class_digests.entry(last.into()).or_default();
                *all = all.wrapping_add(*digest);
            }
        }
        Arc::new(Module {
            inputs,
            env,
            digests,
            class_digests,
        })
    }

    /// Everything that functions take from around them, as one number.
    fn values(&self) -> u64 {
        let mut sum = 0_u64;
        // A sum, because the order of a hash table is its own affair.
        for (name, digest) in &self.module.digests {
            let mut hasher = FxHasher::default();
            (name, digest).hash(&mut hasher);
            sum = sum.wrapping_add(hasher.finish());
        }
        for name in &self.handlers {
            let mut hasher = FxHasher::default();
            name.hash(&mut hasher);
            sum = sum.wrapping_add(hasher.finish());
        }
        sum.wrapping_add(self.declared.digest)
    }

    /// Callees before callers; a cycle is entered at its first function in the text. A method that
    /// may be meant by its name alone is not looked at first where it calls a function that is
    /// waited for: `params.get()` in a helper is not the view's `get` that calls the helper.
    fn order(&mut self) -> Vec<usize> {
        let count = self.outline.scopes.len();
        if self.needs.len() == count {
            // The same functions: only those whose text is new can use others now.
            let changed = (1..count).filter(|it| self.kit.texts[*it] != self.texts[*it]);
            let changed: Vec<usize> = changed.collect();
            let same = changed
                .into_iter()
                .all(|it| self.find_needs(it) == self.needs[it]);
            if same {
                return std::mem::take(&mut self.kit.order);
            }
        }
        self.needs = vec![Vec::new(); count];
        let mut entered = vec![false; count];
        let mut left = vec![false; count];
        let mut order = Vec::with_capacity(count);
        for start in 1..count {
            let mut stack = vec![Visit::Enter(start)];
            while let Some(visit) = stack.pop() {
                let index = match visit {
                    Visit::Leave(index) => {
                        left[index] = true;
                        order.push(index);
                        continue;
                    }
                    Visit::Enter(index) => index,
                    Visit::Try(index) => {
                        let calls = self.find_needs(index);
                        let waited = |it: &Need| it.surely && entered[it.index] && !left[it.index];
                        if calls.iter().any(waited) {
                            continue;
                        }
                        index
                    }
                };
                if std::mem::replace(&mut entered[index], true) {
                    continue;
                }
                stack.push(Visit::Leave(index));
                let needs = self.find_needs(index);
                let open = needs.iter().rev().filter(|it| !entered[it.index]);
                stack.extend(open.map(|it| match it.surely {
                    true => Visit::Enter(it.index),
                    false => Visit::Try(it.index),
                }));
                self.needs[index] = needs;
            }
        }
        order
    }

    /// The functions whose outcome this one uses, in source order of first use.
    fn find_needs(&mut self, index: usize) -> Vec<Need> {
        let scope = self.outline.scopes[index].clone();
        let mut out = Vec::new();
        let sure = |index| Need {
            index,
            surely: true,
        };
        if scope.parent != 0 {
            out.push(sure(scope.parent));
        }
        if scope.class.is_some()
            && let Some(constructor) = self.find(scope.class.as_deref(), "__init__")
        {
            out.push(sure(constructor));
        }
        for (member, name) in self.lower(index).mentions.iter() {
            if !member {
                out.extend(self.find(None, name).map(sure));
                // A class that is made here.
                out.extend(self.find(Some(name), "__init__").map(sure));
            }
            if scope.class.is_some() {
                out.extend(self.find(scope.class.as_deref(), name).map(sure));
            }
            if let (true, Some(methods)) = (member, self.methods.get(name)) {
                // Methods of an object made of one of this file's classes; a name that many
                // classes share says too little to follow.
                let few = methods.iter().filter(|_| methods.len() <= MAX_NAMESAKES);
                out.extend(few.map(|index| Need {
                    index: *index,
                    surely: false,
                }));
            }
        }
        out.retain(|it| it.index != index);
        out
    }

    fn find(&self, class: Option<&str>, name: &str) -> Option<usize> {
        self.names.get(&name_key(class, name)).copied()
    }

    /// What a scope's spans are told by.
    fn ground(&self, index: usize) -> Ground<'_> {
        match index {
            0 => Ground::Own(&self.own),
            _ => Ground::From(self.outline.scopes[index].range.start),
        }
    }

    /// What a scope's spans are spans of.
    fn source(&self, index: usize) -> &str {
        if index == 0 {
            return &self.own.text;
        }
        self.text
            .get(self.outline.scopes[index].range.clone())
            .unwrap_or("")
    }

    fn lower(&mut self, index: usize) -> Lowered {
        if let Some(known) = &self.lowered[index] {
            return known.clone();
        }
        let scope = &self.outline.scopes[index];
        let node = self.outline.nodes[index];
        let ground = self.ground(index);
        let (function, too_deep) = lower::lower(self.language, self.text, node, scope, ground);
        let lowered = Lowered {
            mentions: mentions(&function),
            function: Arc::new(function),
            too_deep,
        };
        self.lowered[index] = Some(lowered.clone());
        lowered
    }

    /// Evaluates a function, unless what is known of it still holds.
    fn function(&mut self, index: usize, before: Option<Kept>) {
        let lowered = self.lower(index);
        let scope = self.outline.scopes[index].clone();
        let mut hasher = FxHasher::default();
        self.texts[index].hash(&mut hasher);
        (self.declared.digest, self.handlers.contains(&scope.name)).hash(&mut hasher);
        for (member, name) in lowered.mentions.iter() {
            if !member {
                self.module.digests.get(&**name).hash(&mut hasher);
            }
        }
        if !self.module.class_digests.is_empty() {
            // A member may be a constant of some class's body.
            for (_, name) in lowered.mentions.iter() {
                self.module.class_digests.get(&**name).hash(&mut hasher);
            }
        }
        for param in &lowered.function.params {
            // An annotation names a class by its import.
            let head = param.ty.base.split('.').next().unwrap_or("");
            self.module.digests.get(head).hash(&mut hasher);
        }
        for Need { index: need, .. } in &self.needs[index] {
            // Whether a callee is known yet is itself an input: cycles are cut by order.
            let kept = self.outcomes[*need].as_ref();
            kept.map(|it| it.digest).hash(&mut hasher);
        }
        let inputs = hasher.finish();
        let kept = match before.filter(|it| it.inputs == inputs) {
            Some(kept) => kept,
            None => {
                self.evaluated += 1;
                let outcome = self.evaluate_one(index, &lowered.function);
                let digest = digest(&outcome, self.is_looked_into(index));
                let queries = self.queries(index, outcome.handler);
                Kept {
                    inputs,
                    digest,
                    outcome: Arc::new(outcome),
                    queries,
                }
            }
        };
        self.outcomes[index] = Some(kept);
    }

    /// Whether others read this function's variables: nested functions and methods do.
    fn is_looked_into(&self, index: usize) -> bool {
        &*self.outline.scopes[index].name == "__init__" || !self.inner[index].is_empty()
    }

    fn evaluate_one(&self, index: usize, function: &Function) -> Outcome {
        let scope = &self.outline.scopes[index];
        let summary = |class: Option<&str>, name: &str| match self.find(class, name) {
            None => Local::Unknown,
            Some(found) => match &self.outcomes[found] {
                Some(kept) => Local::Known(kept.outcome.summary.clone()),
                None => Local::Pending,
            },
        };
        let parent = (scope.parent != 0)
            .then(|| self.outcomes[scope.parent].as_ref())
            .flatten();
        let constructor = scope
            .class
            .as_deref()
            .and_then(|class| self.find(Some(class), "__init__"))
            .filter(|it| *it != index)
            .and_then(|it| self.outcomes[it].as_ref());
        let around = Around {
            rules: self.rules,
            active: self.active,
            language: self.language,
            declared: &self.declared,
            signal_handler: self.handlers.contains(&scope.name),
            module: &self.module.env,
            closure: parent.map(|kept| &kept.outcome.end),
            fields: constructor.map(|kept| &kept.outcome.end),
            summary: &summary,
        };
        eval::evaluate(
            &around,
            function,
            scope.class.as_deref(),
            self.source(index),
            scope.key,
        )
    }

    /// Hits of raw queries in one function, its nested functions left to themselves.
    fn queries(&self, index: usize, handler: bool) -> Vec<Found> {
        let scope = &self.outline.scopes[index];
        let mut out = Vec::new();
        for raw in self.wanted(&scope.name, handler) {
            if raw.whole_file || !raw.may_match(self.source(index)) {
                continue;
            }
            let before = out.len();
            raw.run(self.text, self.outline.nodes[index], &mut |range| {
                self.hit(index, raw, range, &mut out);
            });
            self.judge_body(raw, self.source(index), before, &mut out);
        }
        out
    }

    /// The same of the module, and of queries that ask about the whole text.
    fn module_queries(&mut self) -> Vec<Found> {
        let digest = self.texts[0];
        let known = self.kit.queries.take().filter(|it| it.0 == digest);
        let found = match known {
            Some((_, found)) => found,
            None => self.own_queries(),
        };
        let mut out = found.clone();
        self.kit.queries = Some((digest, found));
        for raw in self.wanted("", false) {
            if raw.whole_file && raw.may_match(self.text) {
                let before = out.len();
                raw.run(self.text, self.outline.nodes[0], &mut |range| {
                    self.hit(0, raw, range, &mut out);
                });
                self.judge_body(raw, self.text, before, &mut out);
            }
        }
        out
    }

    /// Hits outside of functions, statement by statement, so that functions are not walked again.
    fn own_queries(&self) -> Vec<Found> {
        let mut out = Vec::new();
        for raw in self.wanted("", false) {
            if raw.whole_file || !raw.may_match(&self.own.text) {
                continue;
            }
            let node = self.outline.nodes[0];
            let mut cursor = node.walk();
            let statements = node.named_children(&mut cursor);
            for statement in statements.filter(|it| !is_function(*it)) {
                let before = out.len();
                raw.run(self.text, statement, &mut |range| {
                    self.hit(0, raw, range, &mut out);
                });
                self.judge_body(raw, &self.own.text, before, &mut out);
            }
        }
        out
    }

    fn wanted(&self, name: &str, handler: bool) -> impl Iterator<Item = &RawQuery> {
        let rules = &self.rules.rules;
        let queries = self.rules.queries.iter();
        let active = queries.filter(|it| self.active.has(it.rule));
        active.filter(move |it| rules[it.rule as usize].in_scope(name, handler))
    }

    /// Takes back what a query found in text that its pattern does not accept around it.
    fn judge_body(&self, raw: &RawQuery, text: &str, before: usize, out: &mut Vec<Found>) {
        let rule = &self.rules.rules[raw.rule as usize];
        if out.len() > before && !rule.in_body(text) {
            out.truncate(before);
        }
    }

    /// Notes what a query found, unless it stands in a function within.
    fn hit(&self, index: usize, raw: &RawQuery, range: Range<usize>, out: &mut Vec<Found>) {
        let scopes = &self.outline.scopes;
        let mut inner = self.inner[index].iter();
        if inner.any(|it| scopes[*it].range.contains(&range.start)) {
            return;
        }
        let span = self.ground(index).span(range);
        out.push(Found {
            rule: raw.rule,
            place: Place {
                func: scopes[index].key,
                span,
            },
            matched: span,
            trace: Vec::new(),
            parts: Vec::new(),
            built: None,
        });
    }

    fn finish(self, values: u64, order: Vec<usize>) -> Results {
        let mut found = Vec::new();
        let mut too_deep = Vec::new();
        for (index, scope) in self.outline.scopes.iter().enumerate() {
            if self.lowered[index]
                .as_ref()
                .is_some_and(|it| it.too_deep > 0)
            {
                too_deep.push(scope.range.clone());
            }
            if let Some(kept) = &self.outcomes[index] {
                found.extend(kept.outcome.findings.iter().cloned());
                found.extend(kept.queries.iter().cloned());
            }
        }
        let scopes = &self.outline.scopes;
        let starts = match found.is_empty() {
            true => FxHashMap::default(),
            false => scopes.iter().map(|it| (it.key, it.range.start)).collect(),
        };
        // A finding may stand in another function than the one that it was found from.
        let places: FxHashSet<u64> = found.iter().map(|it: &Found| it.place.func).collect();
        let functions = scopes.iter().zip(&self.lowered);
        let functions = functions.filter(|(scope, _)| places.contains(&scope.key));
        let functions = functions
            .filter_map(|(scope, lowered)| Some((scope.key, lowered.as_ref()?.function.clone())));
        let functions = functions.collect();
        *self.kit = Kit {
            frame: self.frame,
            values,
            keys: scopes.iter().map(|it| it.key).collect(),
            texts: self.texts,
            lowered: self.lowered,
            kept: self.outcomes,
            needs: self.needs,
            order,
            module: Some(self.module),
            queries: self.kit.queries.take(),
            evaluated: self.evaluated,
        };
        Results {
            scopes: self.outline.scopes,
            found,
            starts,
            own: self.own,
            too_deep,
            lowered: functions,
        }
    }
}

fn is_function(node: Node<'_>) -> bool {
    let inner = match node.kind_name() {
        "decorated_definition" => node.field("definition"),
        _ => Some(node),
    };
    inner.is_some_and(|it| it.kind_name() == "function_definition")
}

/// The distinct names of a function, in order of first mention.
fn mentions(function: &Function) -> Arc<[Mention]> {
    use crate::ir::ExprKind;
    let mut seen: FxHashSet<(bool, &str)> = FxHashSet::default();
    let mut out: Vec<Mention> = Vec::new();
    for expr in &function.exprs {
        let (member, name) = match &expr.kind {
            ExprKind::Name(name) => (false, name),
            ExprKind::Attr { name, .. } => (true, name),
            _ => continue,
        };
        if seen.insert((member, name)) {
            out.push((member, name.clone()));
        }
    }
    out.into()
}

fn digest_env(env: &Env) -> u64 {
    let mut names: Vec<_> = env.vars.iter().collect();
    names.sort_by(|a, b| a.0.cmp(b.0));
    let mut hasher = FxHasher::default();
    for (name, value) in names {
        name.hash(&mut hasher);
        value.digest(&mut hasher, 3);
    }
    hasher.finish()
}

fn digest(outcome: &Outcome, with_variables: bool) -> u64 {
    let mut hasher = FxHasher::default();
    let summary: &Summary = &outcome.summary;
    summary.returns.digest(&mut hasher, 3);
    for sink in &summary.sinks {
        sink.found.rule.hash(&mut hasher);
        sink.found.place.hash(&mut hasher);
        sink.params.hash(&mut hasher);
        (&sink.sources, sink.amount).hash(&mut hasher);
        for (place, _) in &sink.found.trace {
            place.hash(&mut hasher);
        }
    }
    (&summary.params, &summary.handling).hash(&mut hasher);
    if with_variables {
        digest_env(&outcome.end).hash(&mut hasher);
    }
    hasher.finish()
}
