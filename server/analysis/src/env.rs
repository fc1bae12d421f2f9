//! What holds at one point of a function: values of variables, guards, and open events.
//! It knows how two paths join; it does not know what any of it is for.

use std::cell::OnceCell;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::value::{Place, Value};

/// A condition that is known to have held for a root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    Equality,
    Membership,
    Prefix,
    Pattern,
    Null,
    Upper,
    Lower,
    /// A lower limit other than nought or one.
    Above,
    Call(Arc<str>),
    /// Given to a predicate that said yes; kept where some pattern asks.
    Yes(Arc<str>),
    /// Given to a predicate that said no.
    No(Arc<str>),
    Any,
    /// At most this, as it is written; `None` where a stricter limit is known. It is about a
    /// name (see [`bound_id`]), not about data.
    Bound(Option<Arc<str>>),
    /// A loop counted a name up to this, as it is written; about the name too.
    Counted(Arc<str>),
    /// It is null here. It is about an object, not about data.
    Nought,
}

impl Fact {
    /// Whether it is about something else than data.
    pub(crate) fn is_apart(&self) -> bool {
        matches!(self, Self::Bound(_) | Self::Counted(_) | Self::Nought)
    }
}

/// The first event of a pattern has happened to an object.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) pattern: u32,
    pub(crate) obj: u64,
    pub(crate) place: Place,
    /// Empty when every path here had the event; otherwise the data that the conditions on the
    /// way to it looked at.
    pub(crate) under: Vec<u64>,
    /// It counts only where every path had it.
    pub(crate) everywhere: bool,
    /// What the object was called there.
    pub(crate) name: Option<Box<str>>,
    /// The data it is, so that what is made of it is known; 0 where that is unknown.
    pub(crate) root: u64,
    /// How deep in conditions a variable was declared, where the event is that.
    pub(crate) depth: u16,
    /// Some way here did not have the event.
    pub(crate) partial: bool,
}

impl Open {
    /// The event holds only under conditions on this data.
    fn depend(&mut self, conditions: &[u64]) {
        for id in conditions {
            if !self.under.contains(id) && self.under.len() < MAX_DECIDED {
                self.under.push(*id);
            }
        }
    }
}

/// How many names are followed at once; a function with more is generated, and joining paths
/// costs time in proportion.
const MAX_VARS: usize = 2_000;

/// How many conditions of a path are remembered.
const MAX_DECIDED: usize = 48;

/// How many facts hold at once before the oldest is forgotten: joining two paths compares them all,
/// and a generated function with thousands of conditions would take minutes.
const MAX_GUARDS: usize = 128;

#[derive(Debug, Clone, Default)]
pub(crate) struct Env {
    pub(crate) vars: FxHashMap<Arc<str>, Value>,
    /// Whether the limit of some name is among the guards.
    has_bounds: bool,
    /// Whether a member (`x.y`) is among them; most functions have none to forget.
    has_parts: bool,
    pub(crate) guards: Vec<(u64, Fact)>,
    pub(crate) open: Vec<Open>,
    /// The data that conditions on the way here looked at, in order, and how each came out.
    pub(crate) decided: Vec<(u64, bool)>,
}

impl Env {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.vars.get(name)
    }

    /// Binds a name; what was known of its parts is gone.
    pub(crate) fn bind(&mut self, name: &str, value: Value) {
        self.forget_parts(name);
        self.set(name, value);
    }

    /// Changes what is known of a name and leaves its parts as they are.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        if self.vars.len() >= MAX_VARS && !self.vars.contains_key(name) {
            return;
        }
        self.has_parts |= name.contains('.');
        if self.has_bounds {
            let id = bound_id(name);
            self.guards.retain(|guard| guard.0 != id);
        }
        self.vars.insert(name.into(), value);
    }

    fn forget_parts(&mut self, name: &str) {
        if !self.has_parts {
            return;
        }
        self.vars.retain(|key, _| {
            !key.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
        });
    }

    pub(crate) fn guard(&mut self, id: u64, fact: Fact) {
        if let Fact::Bound(limit) = &fact {
            if self.has_bounds && limit.is_none() {
                self.guards.retain(|guard| guard.0 != id);
            }
            if limit.is_none() {
                return;
            }
            self.has_bounds = true;
        }
        self.has_bounds |= matches!(fact, Fact::Counted(_));
        if !self
            .guards
            .iter()
            .any(|(other, known)| *other == id && *known == fact)
        {
            if self.guards.len() >= MAX_GUARDS {
                self.guards.remove(0);
            }
            self.guards.push((id, fact));
        }
    }

    /// A guard holds where both paths have it, or where the other path replaced the data: after
    /// `if x not in ALLOWED: x = DEFAULT` every `x` is harmless.
    fn join_guards(&mut self, other: &Self) {
        let mut kept = self.shared_guards(other);
        let surplus = kept.len().saturating_sub(MAX_GUARDS);
        kept.drain(..surplus);
        self.guards = kept;
    }

    fn shared_guards(&self, other: &Self) -> Vec<(u64, Fact)> {
        // Paths that part late have most of their guards in common.
        let pairs = self.guards.iter().zip(&other.guards);
        let common = pairs.take_while(|(a, b)| a == b).count();
        let (mine, others) = (&self.guards[common..], &other.guards[common..]);
        if mine.is_empty() && others.is_empty() {
            return self.guards.clone();
        }
        let known: FxHashSet<&(u64, Fact)> = self.guards.iter().collect();
        let known_there: FxHashSet<&(u64, Fact)> = other.guards.iter().collect();
        // Most joins never ask which data each path holds.
        let (ours, theirs) = (OnceCell::new(), OnceCell::new());
        let in_ours = |id: u64| ours.get_or_init(|| self.mentioned()).contains(&id);
        let in_theirs = |id: u64| theirs.get_or_init(|| other.mentioned()).contains(&id);
        let about_name = |guard: &(u64, Fact)| guard.1.is_apart();
        let kept_here = mine.iter().filter(|guard| {
            known_there.contains(guard)
                || (!about_name(guard) && in_ours(guard.0) && !in_theirs(guard.0))
        });
        let kept_there = others.iter().filter(|guard| {
            !known.contains(guard) && !about_name(guard) && in_theirs(guard.0) && !in_ours(guard.0)
        });
        let common = self.guards[..common].iter();
        common.chain(kept_here).chain(kept_there).cloned().collect()
    }

    /// The roots of which variables hold data.
    fn mentioned(&self) -> FxHashSet<u64> {
        let roots = self.vars.values().flat_map(|value| &value.roots);
        roots.map(|root| root.id).collect()
    }

    /// Open events of either path stay open, under the conditions that told the paths apart.
    ///
    /// `nulls` are the guards of each path: what is null there cannot have had the event.
    fn join_open(&mut self, other: &Self, nulls: [&[(u64, Fact)]; 2]) {
        let [mine, theirs] = nulls;
        let is_null = |guards: &[(u64, Fact)]| -> FxHashSet<u64> {
            let null = guards.iter().filter(|it| it.1 == Fact::Nought);
            null.map(|it| it.0).collect()
        };
        let shared = self
            .decided
            .iter()
            .zip(&other.decided)
            .take_while(|(a, b)| a == b)
            .count();
        let apart: Vec<u64> = self
            .decided
            .iter()
            .skip(shared)
            .chain(other.decided.iter().skip(shared))
            .map(|(id, _)| *id)
            .collect();
        // By hash, because a long function opens hundreds of events and joins as many paths.
        let key = |open: &Open| (open.pattern, open.obj);
        let mut there: FxHashMap<(u32, u64), bool> = FxHashMap::default();
        for open in &other.open {
            there.entry(key(open)).or_insert(open.partial);
        }
        self.open
            .retain(|open| !open.everywhere || there.contains_key(&key(open)));
        let mut here: FxHashSet<(u32, u64)> = self.open.iter().map(key).collect();
        if !self.open.is_empty() {
            let null = is_null(theirs);
            for open in &mut self.open {
                match there.get(&key(open)) {
                    Some(partial) => open.partial |= partial,
                    None if !null.contains(&open.obj) => {
                        open.partial = true;
                        open.depend(&apart);
                    }
                    None => {}
                }
            }
        }
        if !other.open.is_empty() {
            let null = is_null(mine);
            for open in &other.open {
                if !open.everywhere && here.insert(key(open)) {
                    let mut open = open.clone();
                    if !null.contains(&open.obj) {
                        open.partial = true;
                        open.depend(&apart);
                    }
                    self.open.push(open);
                }
            }
        }
        // What told the paths apart was looked at, whichever way it came out.
        self.decided.truncate(shared);
        for id in apart {
            if !self.has_decided(id) && self.decided.len() < MAX_DECIDED {
                self.decided.push((id, true));
            }
        }
    }

    /// Whether a condition on the way here looked at this data.
    pub(crate) fn has_decided(&self, id: u64) -> bool {
        self.decided.iter().any(|(known, _)| *known == id)
    }

    /// An event that only some ways had is forgotten where a condition on the same data comes up
    /// again: the ways are probably told apart by it.
    pub(crate) fn tell_apart(&mut self, id: u64) {
        self.open.retain(|open| !open.under.contains(&id));
    }

    /// A condition that looks at this data came out as `truth`.
    pub(crate) fn decide(&mut self, ids: impl Iterator<Item = u64>, truth: bool) {
        for id in ids {
            if self.decided.last() != Some(&(id, truth)) && self.decided.len() < MAX_DECIDED {
                self.decided.push((id, truth));
            }
        }
    }

    /// What a pointer points at is another thing from here on: nothing is known of its parts.
    pub(crate) fn overwrite(&mut self, name: &str) {
        let inside = |key: &str| {
            key.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        let parts = self.vars.iter().filter(|(key, _)| inside(key));
        let lost: Vec<u64> = parts.map(|(_, value)| value.obj).collect();
        self.open.retain(|open| !lost.contains(&open.obj));
        self.forget_parts(name);
    }

    /// Which uses so far would make a later check late.
    pub(crate) fn uses(&self) -> Vec<(u32, u64)> {
        let uses = self.open.iter().filter(|open| open.everywhere);
        uses.map(|open| (open.pattern, open.obj)).collect()
    }

    /// Forgets uses other than these: they were on one of several ways.
    pub(crate) fn keep_uses(&mut self, known: &[(u32, u64)]) {
        self.open
            .retain(|open| !open.everywhere || known.contains(&(open.pattern, open.obj)));
    }

    /// Objects that a variable still means on the other path while it is null on this one.
    fn nulled(&self, other: &Self) -> Vec<u64> {
        if self.open.is_empty() {
            return Vec::new();
        }
        let null = |value: &Value| value.kind == crate::value::Kind::Null;
        let lost = self.vars.iter().filter(|(_, value)| null(value));
        lost.filter_map(|(name, _)| other.vars.get(name))
            .filter(|value| !null(value) && value.obj != 0)
            .map(|value| value.obj)
            .collect()
    }

    /// What holds when either path was taken: all values and open events, but only the guards
    /// that both paths have. An event of one path remembers the conditions that led to it.
    pub(crate) fn merge(mut self, other: &Self) -> Self {
        self.has_parts |= other.has_parts;
        self.has_bounds |= other.has_bounds;
        // `if (c) { free(p); p = NULL; }`: where the object was freed, the name no longer means it.
        let lost = self.nulled(other);
        self.open.retain(|open| !lost.contains(&open.obj));
        let mut other = other.clone();
        let lost = other.nulled(&self);
        other.open.retain(|open| !lost.contains(&open.obj));
        let other = &other;
        let guards = self.guards.clone();
        self.join_guards(other);
        for (name, value) in &other.vars {
            match self.vars.get_mut(name) {
                Some(mine) if mine.is_same(value) => {}
                Some(mine) => {
                    // `if n > MAX: n = MAX`: where the data is still in the value, it was checked.
                    let a = checked(mine, value, &guards);
                    let b = checked(value, mine, &other.guards);
                    *mine = a.merge(&b);
                }
                None => {
                    self.vars.insert(name.clone(), value.clone());
                }
            }
        }
        self.join_open(other, [&guards, &other.guards]);
        self
    }
}

/// A value whose data that the other path's value lacks keeps what its own path proved of it.
pub(crate) fn checked(value: &Value, other: &Value, guards: &[(u64, Fact)]) -> Value {
    let lacks = |id: u64| !other.roots.iter().any(|root| root.id == id);
    let proven = |id: u64| guards.iter().any(|(known, _)| *known == id);
    if !value
        .roots
        .iter()
        .any(|root| lacks(root.id) && proven(root.id))
    {
        return value.clone();
    }
    value.with(|data| {
        for root in data.roots.iter_mut().filter(|root| lacks(root.id)) {
            let mut facts = root.checked.to_vec();
            for (_, fact) in guards.iter().filter(|(known, _)| *known == root.id) {
                if !facts.contains(fact) {
                    facts.push(fact.clone());
                }
            }
            root.checked = facts.into();
        }
    })
}

/// What the limit of a name is filed under.
pub(crate) fn bound_id(name: &str) -> u64 {
    crate::value::id_of(name) ^ 0x5eed_0b0d
}

/// Joins paths of which either may be impossible.
pub(crate) fn join(a: Option<Env>, b: Option<Env>) -> Option<Env> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.merge(&b)),
        (a, b) => a.or(b),
    }
}
