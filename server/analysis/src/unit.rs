//! One text as a whole: which functions it has, in which order they are evaluated, and what of
//! the last time still holds. A function is evaluated again only when its text, the module's
//! values, or a summary it uses has changed.

use std::cell::{OnceCell, RefCell};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use syntax::{Language, NodeNames, Nodes};
use tree_sitter::Node;

use crate::env::Env;
use crate::eval::{self, Around, Found, Local, Outcome, Summary};
use crate::host::Source;
use crate::ir::{Declarations, Function, Span};
use crate::kit::{Asked, Kept, Kit, Lowered, Module, NameSet, Need};
use crate::lower::{self, Code, Ground, Outline, Scope};
use crate::map::{self, Map, Place};
use crate::query::{Below, Demanded, RawQuery};
use crate::rules::{Active, LangRules};
use crate::signals;
use crate::sum::term;
use crate::value::{self, Value};

/// The functions of a text with everything found in them.
pub(crate) struct Results<'k> {
    kit: &'k Kit,
    pub(crate) too_deep: Vec<Range<usize>>,
}

impl Results<'_> {
    /// Everything that was found, function by function.
    pub(crate) fn found(&self) -> impl Iterator<Item = &Found> {
        let kept = self.kit.kept.iter().flatten();
        kept.flat_map(|it| it.outcome.findings.iter().chain(&it.queries))
    }

    /// How many functions the text has, the module among them.
    pub(crate) fn len(&self) -> usize {
        self.kit.map.scopes.len()
    }

    /// Whether the text has a function of that key, or it is the module's.
    pub(crate) fn knows(&self, key: u64) -> bool {
        self.kit.map.index(key).is_some()
    }

    /// Where in the text a span of that function stands.
    pub(crate) fn at(&self, key: u64, span: Span) -> Option<Range<usize>> {
        self.kit.map.at(key, span)
    }

    /// A function's place in the text and its lowered form.
    pub(crate) fn function(&self, key: u64) -> Option<(&Range<usize>, &Lowered)> {
        let index = self.kit.map.index(key)?;
        let lowered = self.kit.lowered[index].as_ref()?;
        Some((&self.kit.map.scopes[index].range, lowered))
    }
}

pub(crate) fn run<'k>(
    rules: &LangRules,
    active: &Active,
    source: &Source<'_>,
    kit: &'k mut Kit,
    cancelled: &dyn Fn() -> bool,
) -> Option<Results<'k>> {
    let (language, text) = (source.language, source.text);
    let nodes = source.nodes;
    let handlers = match language {
        Language::C => signals::handlers(text),
        Language::Python => FxHashSet::default(),
    };
    let mut unit = Unit {
        rules,
        active,
        language,
        text,
        nodes,
        scopes: OnceCell::new(),
        declared: Arc::default(),
        handlers,
        reached: 0,
        evaluated: 0,
        kit,
        module: Arc::new(Module::default()),
    };
    let edited = unit.arrange();
    unit.declared = unit.declared();
    unit.evaluate(edited, cancelled)
}

struct Unit<'a, 't, 'k> {
    rules: &'a LangRules,
    active: &'a Active,
    language: Language,
    text: &'a str,
    nodes: Nodes<'t>,
    /// The scopes' nodes, once all of them were looked for.
    scopes: OnceCell<Vec<Node<'t>>>,
    /// What a C file declares outside its functions.
    declared: Arc<Declarations>,
    /// Functions of a C file that are called when a signal arrives.
    handlers: FxHashSet<Box<str>>,
    kit: &'k mut Kit,
    /// How many functions were gone through; the outcomes of those behind are not to be used.
    reached: usize,
    evaluated: usize,
    module: Arc<Module>,
}

/// Scopes whose text is new; all of them, where the scopes themselves are others.
enum Edited {
    All,
    Some(Vec<usize>),
}

/// A step of the walk that puts callees before callers.
enum Visit {
    Enter(usize),
    Try(usize),
    Leave(usize),
}

/// How many classes may have a method of one name for calls of it to be followed.
pub(crate) const MAX_NAMESAKES: usize = 4;

/// What a function is known by. Where the grammar could not read all of it, its tree depends on what
/// stands around it, and so the tree counts as well as the text; of the module, all of the text.
fn digest_text(text: &str, scope: &Scope, node: Node<'_>) -> u64 {
    let mut hasher = FxHasher::default();
    // A function's own text does not say whether it is one.
    false.hash(&mut hasher);
    text.get(scope.range.clone()).hash(&mut hasher);
    if node.has_error() {
        syntax::walk(node, |it| {
            let start = it.start_byte() - node.start_byte();
            (it.kind_id(), start, it.end_byte() - it.start_byte()).hash(&mut hasher);
            syntax::Descend::Into
        });
    }
    hasher.finish()
}

/// The same of the module, which binds the functions that were taken out of it.
fn digest_module(text: &str, map: &Map, nodes: Nodes<'_>) -> u64 {
    let mut hasher = FxHasher::default();
    (true, map.own.digest(), map.frame).hash(&mut hasher);
    if nodes.has_error() && is_torn(nodes.root()) {
        text.hash(&mut hasher);
    }
    hasher.finish()
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

impl<'a, 't, 'k> Unit<'a, 't, 'k> {
    /// Puts what is known where it belongs in this text.
    fn arrange(&mut self) -> Edited {
        let (language, text, nodes) = (self.language, self.text, self.nodes);
        match self.kit.map.follow(language, text, nodes) {
            Some(Place::Inside(scopes)) => {
                let edited = scopes.filter(|it| {
                    let digest = digest_text(text, &self.kit.map.scopes[*it], self.node(*it));
                    self.kit.renew(*it, digest)
                });
                return Edited::Some(edited.collect());
            }
            Some(Place::Outside) => {
                let digest = digest_module(text, &self.kit.map, nodes);
                self.kit.renew(0, digest);
                return Edited::Some(Vec::new());
            }
            None => {}
        }
        self.kit.declared = None;
        let root = nodes.root();
        let Outline {
            scopes,
            nodes: scope_nodes,
        } = lower::outline(language, text, root);
        let mut map = Map::new(text, scopes);
        let functions = map.scopes.iter().zip(&scope_nodes).skip(1);
        let functions = functions.map(|(scope, node)| digest_text(text, scope, *node));
        let module = digest_module(text, &map, nodes);
        let texts: Vec<u64> = std::iter::once(module).chain(functions).collect();
        if self.kit.follows && !root.has_error() {
            map.expect_edits(text);
        }
        self.scopes = scope_nodes.into();
        let known = self.kit.texts.iter().zip(&texts).enumerate();
        let edited = known.filter(|(index, (old, new))| *index > 0 && old != new);
        let edited = edited.map(|(index, _)| index).collect();
        match self.kit.arrange(map, texts) {
            true => Edited::Some(edited),
            false => Edited::All,
        }
    }

    /// What the file declares outside of functions.
    fn declared(&mut self) -> Arc<Declarations> {
        let gather = || match self.language {
            Language::C => lower::declarations(self.text, self.nodes.root()).into(),
            Language::Python => Arc::default(),
        };
        self.kit.declared.get_or_insert_with(gather).clone()
    }

    fn evaluate(mut self, edited: Edited, cancelled: &dyn Fn() -> bool) -> Option<Results<'k>> {
        let is_same = matches!(edited, Edited::Some(_));
        // The module first, for its imports and constants; it runs again at the end, when its
        // calls have summaries.
        let before = self.kit.module.as_ref().map(|it| it.inputs);
        self.module = self.module();
        let same_module = is_same && before == Some(self.module.inputs);
        let values = self.values();
        let same_values = is_same && self.kit.values == Some(values);
        let same_order = self.is_in_order(&edited) || self.put_in_order();
        // Of the module it says whether what its own calls come to may be new.
        let mut in_doubt = match self.new_names().filter(|_| is_same && !same_values) {
            // In another order other callees are known when a cycle is entered.
            _ if !same_order => vec![true; self.kit.map.scopes.len()],
            Some(names) => {
                let lowered = self.kit.lowered.iter();
                let uses = |it: &Lowered| it.uses_any(&names);
                lowered.map(|it| it.as_ref().is_none_or(uses)).collect()
            }
            None => vec![!same_values; self.kit.map.scopes.len()],
        };
        if let Edited::Some(edited) = edited {
            edited.into_iter().for_each(|it| in_doubt[it] = true);
        }
        self.kit.values = None;
        let mut changed = FxHashSet::default();
        for at in 0..self.kit.order.len() {
            let index = self.kit.order[at];
            if !in_doubt[index] && !self.rests_on(index, &changed) {
                continue;
            }
            if cancelled() {
                // What is kept is of two texts now, and its order of neither.
                self.kit.needs.clear();
                self.kit.missing.clear();
                return None;
            }
            self.reached = at;
            let before = self.kit.kept[index].take();
            let digest = before.as_ref().map(|it| it.digest);
            let kept = self.function(index, before);
            if digest != Some(kept.digest) {
                changed.insert(index);
            }
            self.kit.kept[index] = Some(kept);
        }
        self.reached = usize::MAX;
        let is_same = same_module && !in_doubt[0] && !self.rests_on(0, &changed);
        let (outcome, names) = match self.kit.kept[0].take().filter(|_| is_same) {
            Some(kept) => (kept.outcome, kept.asked.names),
            None => {
                let lowered = self.lower(0);
                let (mut outcome, names) = self.evaluate_one(0, &lowered.function);
                outcome.end = Env::default();
                (Arc::new(outcome), names)
            }
        };
        self.kit.kept[0] = Some(Kept {
            inputs: 0,
            asked: Asked { names, answers: 0 },
            digest: 0,
            outcome,
            queries: self.module_queries(),
        });
        self.kit.values = Some(values);
        self.kit.evaluated = self.evaluated;
        self.kit.module = Some(self.module);
        let kit: &'k Kit = self.kit;
        let deep = kit.lowered.iter().zip(&kit.map.scopes);
        let deep = deep.filter(|(it, _)| it.as_ref().is_some_and(|it| it.too_deep > 0));
        Some(Results {
            too_deep: deep.map(|(_, scope)| scope.range.clone()).collect(),
            kit,
        })
    }

    /// The module's names of which something else is known than before; `None` where all that
    /// functions take from around them may be new.
    fn new_names(&self) -> Option<NameSet> {
        let before = self.kit.module.as_ref()?;
        if self.language != Language::Python || self.kit.values.is_none() {
            return None;
        }
        let (before, now) = (&before.digests, &self.module.digests);
        let others = now
            .iter()
            .filter(|(name, digest)| before.get(*name) != Some(*digest));
        let gone = before.keys().filter(|it| !now.contains_key(*it));
        let mut out = NameSet::default();
        for name in others.map(|it| it.0).chain(gone) {
            // What a class is made from and has as fields counts where nobody writes its name.
            if name.ends_with(eval::class::BASES) || name.ends_with(eval::class::FIELDS) {
                return None;
            }
            out.insert(name);
        }
        Some(out)
    }

    /// A function's node.
    fn node(&self, index: usize) -> Node<'t> {
        let all = || lower::outline(self.language, self.text, self.nodes.root()).nodes;
        let alone = || map::function_at(self.nodes, &self.kit.map.scopes[index].range);
        match self.scopes.get() {
            Some(nodes) => nodes[index],
            None => alone().unwrap_or_else(|| self.scopes.get_or_init(all)[index]),
        }
    }

    /// What is known of a function that was gone through already.
    fn known(&self, index: usize) -> Option<&Kept> {
        let rank = self.kit.rank.get(index);
        let kept = rank.filter(|it| **it < self.reached);
        kept.and_then(|_| self.kit.kept[index].as_ref())
    }

    /// The module as its functions see it: before any of them was looked at.
    fn module(&mut self) -> Arc<Module> {
        let mut hasher = FxHasher::default();
        (self.kit.texts[0], self.kit.map.frame, self.declared.digest).hash(&mut hasher);
        let inputs = hasher.finish();
        if let Some(known) = self.kit.module.as_ref().filter(|it| it.inputs == inputs) {
            return known.clone();
        }
        let lowered = self.lower(0);
        let mut env = self.evaluate_one(0, &lowered.function).0.end;
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
                let all = class_digests.entry(last.into()).or_default();
                *all = all.wrapping_add(term(&(name, digest)));
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
        let names = self.module.digests.iter().map(|it| term(&it));
        let handlers = self.handlers.iter().map(term);
        let declared = self.declared.digest;
        names.chain(handlers).fold(declared, u64::wrapping_add)
    }

    /// Whether the order of these functions is known: only those whose text is new can use others
    /// now.
    fn is_in_order(&mut self, edited: &Edited) -> bool {
        let Edited::Some(edited) = edited else {
            return false;
        };
        self.kit.needs.len() == self.kit.map.scopes.len()
            && edited
                .iter()
                .all(|it| self.find_needs(*it) == self.kit.needs[*it])
    }

    /// Callees before callers; a cycle is entered at its first function in the text. A method that
    /// may be meant by its name alone is not looked at first where it calls a function that is
    /// waited for: `params.get()` in a helper is not the view's `get` that calls the helper.
    ///
    /// Says whether they are in the order of the last time.
    fn put_in_order(&mut self) -> bool {
        let count = self.kit.map.scopes.len();
        let mut needs = vec![Vec::new(); count];
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
                needs[index] = self.find_needs(index);
                let open = needs[index].iter().rev();
                let open = open.filter(|it: &&Need| !entered[it.index]);
                stack.extend(open.map(|it| match it.surely {
                    true => Visit::Enter(it.index),
                    false => Visit::Try(it.index),
                }));
            }
        }
        self.kit.put_in_order(order, needs)
    }

    /// The functions whose outcome this one uses, in source order of first use.
    fn find_needs(&mut self, index: usize) -> Vec<Need> {
        let scope = self.kit.map.scopes[index].clone();
        let mut out = Vec::new();
        let sure = |index| Need {
            index,
            surely: true,
        };
        if scope.parent != 0 {
            out.push(sure(scope.parent));
        }
        if scope.class.is_some()
            && let Some(constructor) = self.kit.map.find(scope.class.as_deref(), "__init__")
        {
            out.push(sure(constructor));
        }
        let lowered = self.lower(index);
        let map = &self.kit.map;
        for (member, name) in lowered.mentions.iter() {
            if !member {
                out.extend(map.find(None, name).map(sure));
                // A class that is made here.
                out.extend(map.find(Some(name), "__init__").map(sure));
            }
            if scope.class.is_some() {
                out.extend(map.find(scope.class.as_deref(), name).map(sure));
            }
            if *member {
                // Methods of an object made of one of this file's classes; a name that many
                // classes share says too little to follow.
                let methods = map.methods(name);
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

    /// What a scope's spans are told by.
    fn ground(&self, index: usize) -> Ground<'_> {
        match index {
            0 => Ground::Own(&self.kit.map.own),
            _ => Ground::From(self.kit.map.scopes[index].range.start),
        }
    }

    /// What a scope's spans are spans of.
    fn source(&self, index: usize) -> &str {
        if index == 0 {
            return &self.kit.map.own.text;
        }
        self.text
            .get(self.kit.map.scopes[index].range.clone())
            .unwrap_or("")
    }

    fn lower(&mut self, index: usize) -> Lowered {
        if let Some(known) = &self.kit.lowered[index] {
            return known.clone();
        }
        let scope = &self.kit.map.scopes[index];
        let code = match index {
            0 => Code::Module(self.nodes.statements()),
            _ => Code::Function(self.node(index)),
        };
        let ground = self.ground(index);
        let (function, too_deep) = lower::lower(self.language, self.text, code, scope, ground);
        let lowered = Lowered::new(function, too_deep);
        self.kit.lowered[index] = Some(lowered.clone());
        lowered
    }

    /// Evaluates a function, unless what is known of it still holds.
    fn function(&mut self, index: usize, before: Option<Kept>) -> Kept {
        let lowered = self.lower(index);
        let mut hasher = FxHasher::default();
        self.kit.texts[index].hash(&mut hasher);
        let is_handler = self.handlers.contains(&self.kit.map.scopes[index].name);
        (self.declared.digest, is_handler).hash(&mut hasher);
        for (member, name) in lowered.mentions.iter() {
            if !member {
                self.module.digests.get(&**name).hash(&mut hasher);
            }
        }
        if !self.module.class_digests.is_empty() {
            // What is made may be an object of any of these.
            let fields = self.module.class_digests.get(eval::class::FIELDS);
            fields.hash(&mut hasher);
            // A member may be a constant of some class's body.
            for (_, name) in lowered.mentions.iter() {
                self.module.class_digests.get(&**name).hash(&mut hasher);
            }
        }
        for param in &lowered.function.params {
            // An annotation names a class by its import.
            self.module.digests.get(param.ty.head()).hash(&mut hasher);
        }
        for kept in [self.parent(index), self.constructor(index)] {
            kept.map(|it| it.digest).hash(&mut hasher);
        }
        self.bases(index).hash(&mut hasher);
        let inputs = hasher.finish();
        let holds =
            |it: &Kept| it.inputs == inputs && it.asked.answers == self.answers(&it.asked.names);
        if let Some(kept) = before.filter(holds) {
            return kept;
        }
        self.evaluated += 1;
        let (mut outcome, names) = self.evaluate_one(index, &lowered.function);
        let is_looked_into = self.is_looked_into(index);
        let digest = digest(&outcome, is_looked_into);
        if !is_looked_into {
            // Nobody asks for it, and a server would keep it as long as the text is open.
            outcome.end = Env::default();
        }
        Kept {
            inputs,
            asked: Asked {
                answers: self.answers(&names),
                names,
            },
            digest,
            queries: self.queries(index, outcome.handler),
            outcome: Arc::new(outcome),
        }
    }

    /// Whether others read this function's variables: nested functions and methods do.
    fn is_looked_into(&self, index: usize) -> bool {
        let map = &self.kit.map;
        &*map.scopes[index].name == "__init__" || !map.inner[index].is_empty()
    }

    /// Whether a function's last evaluation rests on one of these: the function around it, its
    /// class's constructor, or one that it asked for by name.
    fn rests_on(&self, index: usize, changed: &FxHashSet<usize>) -> bool {
        if changed.is_empty() {
            return false;
        }
        let map = &self.kit.map;
        let scope = &map.scopes[index];
        let class = scope.class.as_deref();
        let constructor = class.and_then(|it| map.find(Some(it), "__init__"));
        let names = self.kit.kept[index].iter().flat_map(|it| &it.asked.names);
        let asked = names.filter_map(|it| map.named(*it));
        let around = std::iter::once(scope.parent).chain(constructor);
        around.chain(asked).any(|it| changed.contains(&it))
    }

    /// What is known of functions by name. Whether one is known yet counts as well: cycles are cut
    /// by order.
    fn answers(&self, names: &[u64]) -> u64 {
        let mut hasher = FxHasher::default();
        for name in names {
            let found = self.kit.map.named(*name);
            let digest = found.map(|it| self.known(it).map(|it| it.digest));
            digest.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// What is known of the function around a nested one.
    fn parent(&self, index: usize) -> Option<&Kept> {
        match self.kit.map.scopes[index].parent {
            0 => None,
            parent => self.known(parent),
        }
    }

    /// What is known of the constructor of a method's class.
    fn constructor(&self, index: usize) -> Option<&Kept> {
        let map = &self.kit.map;
        let class = map.scopes[index].class.as_deref()?;
        let found = map.find(Some(class), "__init__")?;
        self.known(found).filter(|_| found != index)
    }

    /// What the class is made from that a method belongs to.
    fn bases(&self, index: usize) -> Vec<Arc<str>> {
        let class = self.kit.map.scopes[index].class.as_deref();
        class.map_or_else(Vec::new, |it| eval::class::bases(&self.module.env, it))
    }

    /// Evaluates a function; says which functions it asked for by name.
    fn evaluate_one(&self, index: usize, function: &Function) -> (Outcome, Box<[u64]>) {
        let map = &self.kit.map;
        let scope = &map.scopes[index];
        let asked = RefCell::<FxHashSet<u64>>::default();
        let summary = |class: Option<&str>, name: &str| {
            let name = map::name_key(class, name);
            asked.borrow_mut().insert(name);
            match map.named(name).map(|it| self.known(it)) {
                None => Local::Unknown,
                Some(Some(kept)) => Local::Known(kept.outcome.summary.clone()),
                Some(None) => Local::Pending,
            }
        };
        let around = Around {
            rules: self.rules,
            active: self.active,
            language: self.language,
            declared: &self.declared,
            signal_handler: self.handlers.contains(&scope.name),
            module: &self.module.env,
            closure: self.parent(index).map(|kept| &kept.outcome.end),
            fields: self.constructor(index).map(|kept| &kept.outcome.end),
            bases: &self.bases(index),
            summary: &summary,
        };
        let outcome = eval::evaluate(
            &around,
            function,
            scope.class.as_deref(),
            self.source(index),
            scope.key,
        );
        (outcome, asked.into_inner().into_iter().collect())
    }

    /// Hits of raw queries in one function, its nested functions left to themselves.
    fn queries(&self, index: usize, handler: bool) -> Vec<Found> {
        let scope = &self.kit.map.scopes[index];
        let source = self.source(index);
        let may_stand = self.standing(source);
        let below = self.below(self.node(index));
        let mut out = Vec::new();
        for raw in self.wanted(&scope.name, handler) {
            if raw.whole_file || !may_stand(raw) || !raw.may_match(source) {
                continue;
            }
            let before = out.len();
            raw.run(self.text, &below, &mut |range| {
                self.hit(index, raw, range, &mut out);
            });
            self.judge_body(raw, source, before, &mut out);
        }
        out
    }

    /// The same of the module, and of queries that ask about the whole text.
    fn module_queries(&mut self) -> Vec<Found> {
        let known = std::mem::take(&mut self.kit.missing);
        let mut missing = FxHashMap::default();
        let (mut asked, mut rests_on_methods) = (Vec::new(), false);
        let wide = self.wanted("", false);
        for raw in wide.filter(|it| it.whole_file || it.reads_methods) {
            match self.missing(raw, known.get(&raw.rule).copied()) {
                Some(demanded) => drop(missing.insert(raw.rule, demanded)),
                None if raw.whole_file => asked.push(raw),
                None => rests_on_methods = true,
            }
        }
        self.kit.missing = missing;
        let mut digest = self.kit.texts[0];
        if rests_on_methods {
            let mut hasher = FxHasher::default();
            (digest, self.text).hash(&mut hasher);
            digest = hasher.finish();
        }
        let known = self.kit.queries.take().filter(|it| it.0 == digest);
        let found = match known {
            Some((_, found)) => found,
            None => self.own_queries(),
        };
        let mut out = found.clone();
        self.kit.queries = Some((digest, found));
        for raw in asked {
            let before = out.len();
            let below = self.below(self.nodes.root());
            raw.run(self.text, &below, &mut |range| {
                self.hit(0, raw, range, &mut out);
            });
            self.judge_body(raw, self.text, before, &mut out);
        }
        out
    }

    /// Something that the text is without and no match of a query is. What was missing before still
    /// is where it does not stand in the lines that were edited.
    fn missing(&self, raw: &RawQuery, before: Option<Demanded>) -> Option<Demanded> {
        let still = before.filter(|it| {
            let edited = self.kit.map.edited.as_ref();
            edited.is_some_and(|edited| {
                !raw.has(*it, lines_around(self.text, edited, raw.reach(*it)))
            })
        });
        still.or_else(|| raw.missing(self.text))
    }

    /// Hits outside of functions, statement by statement, so that functions are not walked again.
    fn own_queries(&self) -> Vec<Found> {
        let own = &*self.kit.map.own.text;
        let may_match = |raw: &&RawQuery| {
            // A class's body holds the methods that this text is without.
            let text = if raw.reads_methods { self.text } else { own };
            !raw.whole_file && raw.may_match(text)
        };
        let asked: Vec<&RawQuery> = self.wanted("", false).filter(may_match).collect();
        let mut out = Vec::new();
        let statements = match asked.is_empty() {
            true => Vec::new(),
            false => self.nodes.statements(),
        };
        for statement in statements.into_iter().filter(|it| !is_function(*it)) {
            let text = self.text.get(statement.byte_range()).unwrap_or("");
            let may_stand = self.standing(text);
            let below = self.below(statement);
            for raw in asked
                .iter()
                .filter(|it| may_stand(it) && it.may_match(text))
            {
                let before = out.len();
                raw.run(self.text, &below, &mut |range| {
                    self.hit(0, raw, range, &mut out);
                });
                self.judge_body(raw, own, before, &mut out);
            }
        }
        out
    }

    /// Whether a query's words stand in a text, all of them looked for at once. An editor, which asks
    /// of one function at a time, looks for each query's own.
    fn standing(&self, text: &str) -> impl Fn(&RawQuery) -> bool {
        let words = self.rules.known_words();
        let shown = words.map(|it| (it, it.marks(text.as_bytes(), None)));
        move |raw| {
            let shown = shown.as_ref();
            shown.is_none_or(|(words, marks)| words.may_stand(raw.rule as usize, marks))
        }
    }

    fn below(&self, node: Node<'t>) -> Below<'_, 't> {
        Below::new(node, self.rules.begins())
    }

    fn wanted(&self, name: &str, handler: bool) -> impl Iterator<Item = &'a RawQuery> {
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

    /// Notes what a query found, unless it stands in a function within, which is asked by itself.
    fn hit(&self, index: usize, raw: &RawQuery, range: Range<usize>, out: &mut Vec<Found>) {
        let Map { scopes, inner, .. } = &self.kit.map;
        let mut index = index;
        while let Some(within) = inner[index]
            .iter()
            .find(|it| scopes[**it].range.contains(&range.start))
        {
            if !raw.whole_file {
                return;
            }
            index = *within;
        }
        let span = self.ground(index).span(range);
        out.push(Found {
            rule: raw.rule,
            place: value::Place {
                func: scopes[index].key,
                span,
            },
            matched: span,
            trace: Vec::new(),
            parts: Vec::new(),
            built: None,
        });
    }
}

/// The whole lines that hold a range of a text and so many bytes on either side of it.
fn lines_around<'a>(text: &'a str, range: &Range<usize>, reach: usize) -> &'a str {
    let bytes = text.as_bytes();
    let start = range.start.saturating_sub(reach);
    let start = memchr::memrchr(b'\n', &bytes[..start]).map_or(0, |it| it + 1);
    let end = (range.end + reach).min(text.len());
    let end = memchr::memchr(b'\n', &bytes[end..]).map_or(text.len(), |it| end + it);
    &text[start..end]
}

fn is_function(node: Node<'_>) -> bool {
    let inner = match node.kind_name() {
        "decorated_definition" => node.field("definition"),
        _ => Some(node),
    };
    inner.is_some_and(|it| it.kind_name() == "function_definition")
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
        (&sink.found, &sink.params, &sink.sources).hash(&mut hasher);
        (sink.amount, sink.depth, &sink.stencil).hash(&mut hasher);
        for value in sink.passed.iter().flat_map(|it| it.iter()) {
            value.digest(&mut hasher, 3);
        }
    }
    (&summary.params, &summary.handling).hash(&mut hasher);
    if with_variables {
        digest_env(&outcome.end).hash(&mut hasher);
    }
    hasher.finish()
}
