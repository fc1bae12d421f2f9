//! What one document's last analysis left behind, and what of it still holds for a new text.
//! It knows functions by their place, their key and their text; it evaluates nothing.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHasher};

use crate::env::Env;
use crate::eval::{Found, Outcome};
use crate::ir::Function;
use crate::lower::Scope;

/// A function's last evaluation.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Hash of everything the outcome depends on.
    pub(crate) inputs: u64,
    pub(crate) outcome: Arc<Outcome>,
    /// Hash of the summary, which callers depend on.
    pub(crate) digest: u64,
    pub(crate) queries: Vec<Found>,
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
    /// Of which scopes there are and how they lie in each other.
    pub(crate) frame: u64,
    /// Of the values that functions take from around them.
    pub(crate) values: u64,
    pub(crate) keys: Vec<u64>,
    pub(crate) texts: Vec<u64>,
    pub(crate) lowered: Vec<Option<Lowered>>,
    pub(crate) kept: Vec<Option<Kept>>,
    /// The functions whose outcome each scope uses.
    pub(crate) needs: Vec<Vec<Need>>,
    /// Callees before callers.
    pub(crate) order: Vec<usize>,
    /// What the module said of itself.
    pub(crate) module: Option<Arc<Module>>,
    /// What raw queries found in the text outside of functions, and that text's digest.
    pub(crate) queries: Option<(u64, Vec<Found>)>,
    /// How many functions the last run evaluated anew.
    pub(crate) evaluated: usize,
}

impl Kit {
    /// What is still of use for a text with these scopes, put where they are now.
    pub(crate) fn arrange(&mut self, frame: u64, scopes: &[Scope], texts: &[u64]) {
        let keys: Vec<u64> = scopes.iter().map(|it| it.key).collect();
        if self.frame == frame && self.keys == keys {
            for (lowered, same) in self.lowered.iter_mut().zip(self.texts.iter().zip(texts)) {
                if same.0 != same.1 {
                    *lowered = None;
                }
            }
            return;
        }
        let by_text = self
            .texts
            .iter()
            .copied()
            .zip(std::mem::take(&mut self.lowered));
        let mut by_text: FxHashMap<u64, Option<Lowered>> = by_text.collect();
        let by_key = self
            .keys
            .iter()
            .copied()
            .zip(std::mem::take(&mut self.kept));
        let mut by_key: FxHashMap<u64, Option<Kept>> = by_key.collect();
        // Functions of the same text share one lowered form.
        let lowered = |text: &u64| by_text.get_mut(text).and_then(|it| it.clone());
        self.lowered = texts.iter().map(lowered).collect();
        let kept = |key: &u64| by_key.remove(key).flatten();
        self.kept = keys.iter().map(kept).collect();
        self.keys = keys;
        self.order.clear();
        self.needs.clear();
    }
}

/// Which scopes there are and how they lie in each other, as one number.
pub(crate) fn frame(scopes: &[Scope]) -> u64 {
    let mut hasher = FxHasher::default();
    for scope in scopes {
        (scope.key, &scope.class, &scope.name, scope.parent).hash(&mut hasher);
    }
    hasher.finish()
}
