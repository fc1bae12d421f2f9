//! What one document's last analysis left behind, and what of it still holds for a new text.
//! It knows functions by their place, their key and their text; it evaluates nothing.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use crate::env::Env;
use crate::eval::{Found, Outcome};
use crate::ir::{Declarations, ExprKind, Function};
use crate::lower::Scope;
use crate::map::Map;
use crate::query::Demanded;
use crate::slice::Slicer;

/// A function's last evaluation.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Hash of everything the outcome depends on, other functions that it asked for apart.
    pub(crate) inputs: u64,
    pub(crate) asked: Asked,
    pub(crate) outcome: Arc<Outcome>,
    /// Hash of the summary, which callers depend on.
    pub(crate) digest: u64,
    pub(crate) queries: Vec<Found>,
}

/// The functions of this file that an evaluation asked for by name, found or not. Which these are
/// shows only then: a value may be a function under another name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) names: Box<[u64]>,
    /// Hash of what was known of them.
    pub(crate) answers: u64,
}

/// A name, or the name of a member.
pub(crate) type Mention = (bool, Box<str>);

/// A lowered function and every name in it, each of which may be a function of this file: whether
/// it is one can change with an edit elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Lowered {
    pub(crate) function: Arc<Function>,
    pub(crate) mentions: Arc<[Mention]>,
    pub(crate) too_deep: usize,
    /// The names that it mentions, those of its parameters' classes among them.
    names: NameSet,
    slicer: Arc<OnceLock<Slicer>>,
}

impl Lowered {
    pub(crate) fn new(function: Function, too_deep: usize) -> Self {
        let mentions = mentions(&function);
        let mut names = NameSet::default();
        mentions.iter().for_each(|(_, name)| names.insert(name));
        let params = function.params.iter();
        params.for_each(|it| names.insert(it.ty.head()));
        Self {
            function: Arc::new(function),
            mentions,
            too_deep,
            names,
            slicer: Arc::default(),
        }
    }

    /// Whether it mentions one of these names; now and then it says so of others.
    pub(crate) fn uses_any(&self, names: &NameSet) -> bool {
        self.names.meets(names)
    }

    /// Its statements, for slices.
    pub(crate) fn slicer(&self) -> &Slicer {
        self.slicer.get_or_init(|| Slicer::new(&self.function))
    }
}

/// The distinct names of a function, in order of first mention.
fn mentions(function: &Function) -> Arc<[Mention]> {
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

/// Some bits of each of many names, by which it is told from afar that two functions, or a function
/// and a module, have none in common. Of a dotted name the last part counts, which is how members
/// are mentioned, and the whole.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NameSet([u64; 4]);

impl NameSet {
    pub(crate) fn insert(&mut self, name: &str) {
        self.note(name);
        if let Some((_, last)) = name.rsplit_once('.') {
            self.note(last);
        }
    }

    fn note(&mut self, name: &str) {
        let mut hasher = FxHasher::default();
        name.hash(&mut hasher);
        // The upper bits are the better ones.
        let bit = hasher.finish() >> 56;
        self.0[usize::from(bit as u8 / 64)] |= 1 << (bit % 64);
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }
}

/// A function whose outcome another one uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Need {
    pub(crate) index: usize,
    /// It is meant whenever the name is; a method may be another class's.
    pub(crate) surely: bool,
}

/// A module as its functions see it.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Hash of everything that it depends on.
    pub(crate) inputs: u64,
    pub(crate) env: Env,
    /// A digest of each of the module's names: a function depends on those that it mentions.
    pub(crate) digests: FxHashMap<Arc<str>, u64>,
    /// The same of names bound in the bodies of classes, by their last part.
    pub(crate) class_digests: FxHashMap<Box<str>, u64>,
}

/// What one document's last analysis left behind, by the places of its scopes.
#[derive(Debug, Default)]
pub(crate) struct Kit {
    /// Other versions of the text will follow.
    pub(crate) follows: bool,
    pub(crate) map: Map,
    /// What each scope's text comes down to.
    pub(crate) texts: Vec<u64>,
    pub(crate) lowered: Vec<Option<Lowered>>,
    pub(crate) kept: Vec<Option<Kept>>,
    /// The functions whose outcome each scope uses.
    pub(crate) needs: Vec<Vec<Need>>,
    /// Callees before callers.
    pub(crate) order: Vec<usize>,
    /// Each function's place in that order.
    pub(crate) rank: Vec<usize>,
    /// Of the values that functions take from around them; `None` when not all outcomes are of one
    /// text.
    pub(crate) values: Option<u64>,
    /// What a C file declares outside of functions, as long as none but functions were edited.
    pub(crate) declared: Option<Arc<Declarations>>,
    /// What the module said of itself.
    pub(crate) module: Option<Arc<Module>>,
    /// What raw queries found in the text outside of functions, and that text's digest.
    pub(crate) queries: Option<(u64, Vec<Found>)>,
    /// What the text is without, of queries about all of it; told by their rules.
    pub(crate) missing: FxHashMap<u32, Demanded>,
    /// How many functions the last run evaluated anew.
    pub(crate) evaluated: usize,
}

impl Kit {
    /// Takes in a text with other scopes and puts what is still of use where they are now. Says
    /// whether they only moved.
    pub(crate) fn arrange(&mut self, map: Map, texts: Vec<u64>) -> bool {
        let before = std::mem::replace(&mut self.map, map);
        if before.frame == self.map.frame && self.texts.len() == texts.len() {
            for (index, text) in texts.into_iter().enumerate() {
                self.renew(index, text);
            }
            return true;
        }
        let texts_before = std::mem::replace(&mut self.texts, texts);
        let by_text = texts_before
            .into_iter()
            .zip(std::mem::take(&mut self.lowered));
        let mut by_text: FxHashMap<u64, Option<Lowered>> = by_text.collect();
        let keys_before = before.scopes.iter().map(|it| it.key);
        let by_key = keys_before.zip(std::mem::take(&mut self.kept));
        let mut by_key: FxHashMap<u64, Option<Kept>> = by_key.collect();
        // Functions of the same text share one lowered form.
        let lowered = |text: &u64| by_text.get_mut(text).and_then(|it| it.clone());
        self.lowered = self.texts.iter().map(lowered).collect();
        let kept = |it: &Scope| by_key.remove(&it.key).flatten();
        self.kept = self.map.scopes.iter().map(kept).collect();
        self.needs.clear();
        false
    }

    /// Notes a scope's text; says whether it is new.
    pub(crate) fn renew(&mut self, index: usize, text: u64) -> bool {
        let is_new = self.texts[index] != text;
        if is_new {
            self.texts[index] = text;
            self.lowered[index] = None;
        }
        is_new
    }

    /// Takes in the order in which functions are evaluated; says whether it is the one there was.
    pub(crate) fn put_in_order(&mut self, order: Vec<usize>, needs: Vec<Vec<Need>>) -> bool {
        let is_same = self.order == order;
        self.rank = vec![usize::MAX; needs.len()];
        for (rank, index) in order.iter().enumerate() {
            self.rank[*index] = rank;
        }
        (self.order, self.needs) = (order, needs);
        is_same
    }
}
