//! Abstract values: what is known of an expression without running the code.
//! They know names, constants, text shapes and where data came from; nothing of patterns.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHasher;

use crate::env::Fact;
use crate::ir::Span;

/// A range of one function: its key and bytes relative to its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) func: u64,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq, Hash)]
pub(crate) enum Const {
    Str(Arc<str>),
    Int(i64),
    Bool(bool),
    Null,
    /// A float, a named constant: fixed, though its value is unknown.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Kind {
    #[default]
    Unknown,
    Str,
    Bytes,
    Number,
    Bool,
    Null,
    List,
    Dict,
    Array,
    Pointer,
    Function,
}

/// Where parameters of an instance's constructor begin to be counted; no function has as many.
pub(crate) const OF_INSTANCE: u16 = 1 << 12;

/// Which data a root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// Index of a named source in the library.
    Source(u16),
    /// A parameter of the function; from `OF_INSTANCE` on, one of the constructor of the instance
    /// whose method the function is.
    Param(u16),
    /// Not constant, and nobody knows.
    Unknown,
}

/// One place where data entered, and what it passed on the way.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    /// Equal for equal expressions, so that a check of one mention serves the next.
    pub(crate) id: u64,
    pub(crate) origin: Origin,
    /// Names of known sanitizers that the data passed through.
    pub(crate) via: Arc<[Arc<str>]>,
    /// Conditions that hold wherever the data is in this value, though not everywhere.
    pub(crate) checked: Arc<[Fact]>,
    pub(crate) steps: Option<Arc<Step>>,
}

impl Root {
    fn same(&self, other: &Self) -> bool {
        self.id == other.id
            && self.origin == other.origin
            && self.via == other.via
            && self.checked == other.checked
    }

    fn digest(&self, state: &mut FxHasher) {
        (self.id, self.origin, &self.via, &self.checked).hash(state);
        let mut step = self.steps.as_ref();
        while let Some(it) = step {
            (it.place, &it.note).hash(state);
            step = it.before.as_ref();
        }
    }
}

/// A step of a trace, latest first.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) place: Place,
    pub(crate) note: Note,
    pub(crate) before: Option<Arc<Step>>,
    pub(crate) depth: u16,
}

#[derive(Debug, Clone, Hash)]
pub(crate) enum Note {
    /// Data enters; the text says what it is.
    Enters(Arc<str>),
    /// Data is bound to a name.
    Into(Arc<str>),
    /// Data is passed to a function of this text.
    Passed(Arc<str>),
    /// A function of this text gives it back.
    Returned(Arc<str>),
}

#[derive(Debug, Clone)]
pub(crate) enum Seg {
    Lit(Arc<str>),
    Hole(Value, Place),
}

/// The most roots one value keeps; more add nothing a reader could follow.
const MAX_ROOTS: usize = 12;
/// The most alternatives of a constant.
const MAX_CONSTS: usize = 6;
/// The most segments of built text.
const MAX_SEGS: usize = 96;
/// The most bytes of built text whose letters are kept: more than any name, query or command that a
/// pattern asks for. A text that is doubled line by line is soon longer than any memory.
const MAX_TEXT: usize = 16 << 10;
/// The most steps of a trace.
const MAX_STEPS: u16 = 10;
/// The most elements a list keeps apart.
pub(crate) const MAX_ITEMS: usize = 64;

/// Stands for keys that nobody knows, of `**others`.
pub(crate) const ANY_KEY: &str = "**";

/// A key of a dictionary literal with its value.
pub(crate) type Entry = (Arc<str>, Value);

/// An immutable value, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Value(Arc<Data>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Data {
    /// Possible constants.
    pub(crate) consts: Vec<Const>,
    /// Whether it is surely one of them.
    pub(crate) exact: bool,
    pub(crate) kind: Kind,
    /// The resolved name, `subprocess.run` or `hashlib.md5()`.
    pub(crate) path: Option<Arc<str>>,
    /// The shape of built text; holes hold no text themselves.
    pub(crate) text: Option<Arc<[Seg]>>,
    pub(crate) roots: Vec<Root>,
    pub(crate) items: Option<Arc<[Value]>>,
    pub(crate) entries: Option<Arc<[Entry]>>,
    /// Identity of the object for ordered events; 0 when unknown.
    pub(crate) obj: u64,
    /// A pointer into the object that need not be its beginning: what it points at is another
    /// element.
    pub(crate) moved: bool,
    /// Address of something that dies with the function.
    pub(crate) local: bool,
    /// Element count of an array.
    pub(crate) array_len: Option<u64>,
    /// How many bytes an array takes.
    pub(crate) bytes: Option<u64>,
    /// A variable of a signed type.
    pub(crate) signed: bool,
    /// A difference from which a constant is taken.
    pub(crate) minus: bool,
    /// Result of arithmetic that can wrap around.
    pub(crate) arithmetic: bool,
    /// How many factors of a product are not constant.
    pub(crate) factors: u8,
    /// Ids of roots that a harmless value was measured from (`len(x)`): a check of the measure is
    /// a check of the data.
    pub(crate) measures: Vec<u64>,
    /// Where the data came from that decides how large a number is (`int(x)`). A number carries
    /// no text, so these are no roots of it.
    pub(crate) amounts: Vec<Root>,
    /// `sizeof path`, and whether that is a pointer.
    pub(crate) size_of: Option<(Arc<str>, bool)>,
    /// The expression that put the text together.
    pub(crate) built_at: Option<Place>,
    /// What an instance of one of this file's classes was made with, by parameter.
    pub(crate) made: Option<Arc<[Option<Value>]>>,
}

impl std::ops::Deref for Value {
    type Target = Data;
    fn deref(&self) -> &Data {
        &self.0
    }
}

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        Self(Arc::new(data))
    }
}

impl Value {
    pub(crate) fn constant(value: Const) -> Self {
        let kind = match &value {
            Const::Str(_) => Kind::Str,
            Const::Int(_) => Kind::Number,
            Const::Bool(_) => Kind::Bool,
            Const::Null => Kind::Null,
            Const::Other => Kind::Unknown,
        };
        Data {
            consts: vec![value],
            exact: true,
            kind,
            ..Data::default()
        }
        .into()
    }

    pub(crate) fn str(text: &str) -> Self {
        Self::constant(Const::Str(text.into()))
    }

    /// A number that carries no text: nothing an attacker could write into a string.
    pub(crate) fn number() -> Self {
        Data {
            kind: Kind::Number,
            ..Data::default()
        }
        .into()
    }

    pub(crate) fn named(path: impl Into<Arc<str>>) -> Self {
        Data {
            path: Some(path.into()),
            ..Data::default()
        }
        .into()
    }

    /// Changes a copy.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Data)) -> Self {
        let mut data = (*self.0).clone();
        change(&mut data);
        data.into()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The one constant text it surely is.
    pub(crate) fn as_str(&self) -> Option<&Arc<str>> {
        match self.consts.as_slice() {
            [Const::Str(text)] if self.exact => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        match self.consts.as_slice() {
            [Const::Int(number)] if self.exact => Some(*number),
            _ => None,
        }
    }

    /// Whether it is a pointer to the beginning of an array whose length is known.
    pub(crate) fn is_array_s_start(&self) -> bool {
        self.kind == Kind::Pointer && self.array_len.is_some() && !self.moved
    }

    pub(crate) fn is_constant(&self) -> bool {
        self.exact && !self.consts.is_empty()
    }

    /// What is known to hold of all its data, as of the limits in `Query(le=100)`.
    pub(crate) fn limits(&self) -> Vec<Fact> {
        self.roots
            .iter()
            .flat_map(|root| root.checked.iter().cloned())
            .collect()
    }

    /// Whether it is the name of the folder that everybody shares, or of something below it.
    pub(crate) fn is_in_shared_folder(&self) -> bool {
        let first = self.text.as_ref().and_then(|it| match it.first() {
            Some(Seg::Lit(text)) => Some(text),
            _ => None,
        });
        let text = first.or(self.as_str());
        text.is_some_and(|it| it.starts_with("/tmp") || it.starts_with("/var/tmp"))
    }

    /// It and the data in its text as `mark` makes them.
    pub(crate) fn proven(&self, mark: &dyn Fn(&Self) -> Self) -> Self {
        let marked = mark(self);
        let Some(text) = &marked.text else {
            return marked;
        };
        let seg = |seg: &Seg| match seg {
            Seg::Hole(value, place) => Seg::Hole(mark(value), *place),
            Seg::Lit(text) => Seg::Lit(text.clone()),
        };
        let text = text.iter().map(seg).collect();
        marked.with(|data| data.text = Some(text))
    }

    /// What it says by itself, without what it is made of: safe to keep inside another value.
    pub(crate) fn outline(&self) -> Self {
        self.with(|data| {
            data.items = None;
            data.entries = None;
            data.text = None;
            data.made = None;
        })
    }

    /// A field as the constructor left it, seen from a method: the constructor's parameters are
    /// those that the instance was made with.
    pub(crate) fn of_instance(&self, depth: usize) -> Self {
        let is_own = |root: &Root| matches!(root.origin, Origin::Param(it) if it < OF_INSTANCE);
        let plain = self.text.is_none() && self.items.is_none() && self.entries.is_none();
        if plain && !self.roots.iter().chain(&self.amounts).any(is_own) {
            return self.clone();
        }
        self.with(|data| {
            for root in data.roots.iter_mut().chain(&mut data.amounts) {
                if let Origin::Param(index) = root.origin
                    && index < OF_INSTANCE
                {
                    root.origin = Origin::Param(OF_INSTANCE + index);
                }
            }
            data.made = None;
            if depth == 0 {
                data.text = None;
                data.items = None;
                data.entries = None;
                return;
            }
            let inner = |value: &Self| value.of_instance(depth - 1);
            data.text = data.text.as_ref().map(|text| {
                let seg = |seg: &Seg| match seg {
                    Seg::Hole(value, place) => Seg::Hole(inner(value), *place),
                    Seg::Lit(text) => Seg::Lit(text.clone()),
                };
                text.iter().map(seg).collect()
            });
            data.items = data.items.as_ref().map(|it| it.iter().map(inner).collect());
            data.entries = data.entries.as_ref().map(|it| {
                let entry = |(key, value): &Entry| (key.clone(), inner(value));
                it.iter().map(entry).collect()
            });
        })
    }

    /// The identity of a constant text, which carries no data that conditions could be about.
    pub(crate) fn constant_id(&self) -> Option<u64> {
        let text = self.as_str().filter(|_| self.roots.is_empty())?;
        Some(id_of(&format!("'{text}")))
    }

    /// What it adds to text: its own segments, or itself as a hole.
    pub(crate) fn segments(&self, place: Place, out: &mut Vec<Seg>) {
        if out.len() >= MAX_SEGS {
            return;
        }
        if let Some(text) = &self.text {
            out.extend(text.iter().take(MAX_SEGS - out.len()).cloned());
            return;
        }
        match self.consts.as_slice() {
            [Const::Str(text)] if self.exact => out.push(Seg::Lit(text.clone())),
            [Const::Int(number)] if self.exact => out.push(Seg::Lit(number.to_string().into())),
            _ => out.push(Seg::Hole(self.clone(), place)),
        }
    }

    /// Text put together from segments.
    pub(crate) fn from_segments(segs: Vec<Seg>, place: Place) -> Self {
        let mut merged: Vec<Seg> = Vec::with_capacity(segs.len());
        let mut roots = Vec::new();
        let (mut known, mut is_whole) = (0, true);
        for seg in segs {
            if let Seg::Lit(text) = &seg {
                is_whole &= known + text.len() <= MAX_TEXT;
                if !is_whole {
                    continue;
                }
                known += text.len();
            }
            match (merged.last_mut(), seg) {
                (Some(Seg::Lit(before)), Seg::Lit(text)) => {
                    *before = format!("{before}{text}").into();
                }
                (_, seg) => {
                    if let Seg::Hole(value, _) = &seg {
                        add_roots(&mut roots, &value.roots);
                    }
                    merged.push(seg);
                }
            }
        }
        match merged.as_slice() {
            [] | [Seg::Lit(_)] if !is_whole => {
                Self::constant(Const::Other).with(|data| data.kind = Kind::Str)
            }
            [] => Self::str(""),
            [Seg::Lit(text)] => Self::constant(Const::Str(text.clone())),
            _ => Data {
                kind: Kind::Str,
                text: Some(merged.into()),
                roots,
                built_at: Some(place),
                ..Data::default()
            }
            .into(),
        }
    }

    /// Of several texts of the program's own, the one with the most places to fill.
    pub(crate) fn template(&self) -> Option<Arc<str>> {
        if !self.roots.is_empty() || self.text.is_some() {
            return None;
        }
        let texts = self.consts.iter().filter_map(|it| match it {
            Const::Str(text) => Some(text),
            _ => None,
        });
        texts.max_by_key(|it| it.matches('{').count()).cloned()
    }

    /// Its known text with `{}` for every hole; `None` when nothing is known of it.
    pub(crate) fn rendered(&self) -> Option<String> {
        self.rendered_with(&|_| true)
    }

    /// Its known text with `{}` for a hole that is dynamic and `_` for any other.
    fn rendered_with(&self, dynamic: &dyn Fn(&Self) -> bool) -> Option<String> {
        if let Some(text) = &self.text {
            let mut out = String::new();
            for seg in text.iter() {
                match seg {
                    Seg::Lit(text) => out.push_str(text),
                    Seg::Hole(part, _) if dynamic(part) => out.push_str("{}"),
                    Seg::Hole(..) => out.push('_'),
                }
            }
            return Some(out);
        }
        self.as_str().map(|text| text.to_string())
    }

    /// Every text it may be.
    pub(crate) fn texts(&self, dynamic: &dyn Fn(&Self) -> bool) -> Vec<String> {
        let mut out: Vec<String> = self
            .consts
            .iter()
            .filter_map(|it| match it {
                Const::Str(text) => Some(text.to_string()),
                _ => None,
            })
            .collect();
        if self.text.is_some() {
            out.extend(self.rendered_with(dynamic));
        }
        out
    }

    /// What holds on either of two paths.
    pub(crate) fn merge(&self, other: &Self) -> Self {
        if self.is_same(other) {
            return self.clone();
        }
        let (a, b) = (self, other);
        let mut consts = a.consts.clone();
        for it in &b.consts {
            if !consts.contains(it) && consts.len() < MAX_CONSTS {
                consts.push(it.clone());
            }
        }
        let mut roots = a.roots.clone();
        add_roots(&mut roots, &b.roots);
        let null = |it: &Self| it.kind == Kind::Null;
        let pick = |from_a: bool| if from_a { a } else { b };
        // A null alternative says nothing of what the other one is.
        let (kind, path, obj) = if null(a) || null(b) {
            let other = pick(null(b));
            (other.kind, other.path.clone(), other.obj)
        } else {
            (
                if a.kind == b.kind {
                    a.kind
                } else {
                    Kind::Unknown
                },
                if a.path == b.path {
                    a.path.clone()
                } else {
                    None
                },
                if a.obj == b.obj { a.obj } else { 0 },
            )
        };
        let text_from_a = match (&a.text, &b.text) {
            (Some(_), None) => true,
            (None, Some(_)) => false,
            // The shape with more data in it is the one that matters.
            (Some(x), Some(y)) => holes(x) >= holes(y),
            (None, None) => true,
        };
        let texty = pick(text_from_a);
        Data {
            consts,
            exact: a.exact && b.exact,
            kind,
            path,
            text: texty.text.clone(),
            built_at: texty.built_at,
            roots,
            items: longer(a.items.as_ref(), b.items.as_ref()),
            entries: longer(a.entries.as_ref(), b.entries.as_ref()),
            obj,
            moved: a.moved || b.moved,
            local: a.local || b.local,
            array_len: if a.array_len == b.array_len {
                a.array_len
            } else {
                None
            },
            bytes: a.bytes.filter(|it| Some(*it) == b.bytes),
            signed: a.signed && b.signed,
            minus: a.minus || b.minus,
            arithmetic: a.arithmetic || b.arithmetic,
            factors: a.factors.max(b.factors),
            measures: if a.measures == b.measures {
                a.measures.clone()
            } else {
                Vec::new()
            },
            amounts: {
                let mut amounts = a.amounts.clone();
                add_roots(&mut amounts, &b.amounts);
                amounts
            },
            made: match (&a.made, &b.made) {
                (Some(x), Some(y)) if Arc::ptr_eq(x, y) => Some(x.clone()),
                (Some(x), None) if null(b) => Some(x.clone()),
                (None, Some(y)) if null(a) => Some(y.clone()),
                _ => None,
            },
            size_of: if a.size_of == b.size_of {
                a.size_of.clone()
            } else {
                None
            },
        }
        .into()
    }

    /// A number that was measured from data: it carries none of it, but a check of it counts.
    pub(crate) fn measure<'v>(values: impl IntoIterator<Item = &'v Self>) -> Self {
        let mut measures: Vec<u64> = Vec::new();
        for value in values {
            measures.extend(value.roots.iter().map(|root| root.id));
            measures.extend(&value.measures);
        }
        measures.truncate(MAX_ROOTS);
        Data {
            kind: Kind::Number,
            measures,
            ..Data::default()
        }
        .into()
    }

    /// A number that these values decide.
    pub(crate) fn amount<'v>(values: impl IntoIterator<Item = &'v Self> + Clone) -> Self {
        let mut amounts = Vec::new();
        for value in values.clone() {
            add_roots(&mut amounts, &value.roots);
            add_roots(&mut amounts, &value.amounts);
        }
        Self::measure(values).with(|data| data.amounts = amounts)
    }

    /// Everything of several values that a container or an unknown function could pass on.
    pub(crate) fn carrying<'v>(values: impl IntoIterator<Item = &'v Self>) -> Self {
        let mut roots = Vec::new();
        for value in values {
            add_roots(&mut roots, &value.roots);
        }
        Data {
            roots,
            ..Data::default()
        }
        .into()
    }

    /// One element of source data. A check of one field says nothing of the next, so each constant
    /// key has an identity of its own.
    pub(crate) fn part(&self, key: &Self) -> Self {
        let key = match key.consts.as_slice() {
            [Const::Str(text)] if key.exact => text.to_string(),
            [Const::Int(number)] if key.exact => number.to_string(),
            _ => return self.clone(),
        };
        self.with(|data| {
            for root in &mut data.roots {
                if matches!(root.origin, Origin::Source(_)) {
                    root.id = id_of(&format!("{}[{key}]", root.id));
                }
            }
        })
    }

    /// Adds a step to every root.
    pub(crate) fn step(&self, place: Place, note: &Note) -> Self {
        if self.roots.is_empty() && self.amounts.is_empty() {
            return self.clone();
        }
        self.with(|data| {
            for root in data.roots.iter_mut().chain(&mut data.amounts) {
                root.steps = add_step(root.steps.take(), place, note);
            }
            if let Some(text) = &data.text {
                let stepped: Vec<Seg> = text
                    .iter()
                    .map(|seg| match seg {
                        Seg::Hole(value, at) => Seg::Hole(value.step_roots(place, note), *at),
                        Seg::Lit(text) => Seg::Lit(text.clone()),
                    })
                    .collect();
                data.text = Some(stepped.into());
            }
        })
    }

    fn step_roots(&self, place: Place, note: &Note) -> Self {
        self.with(|data| {
            for root in &mut data.roots {
                root.steps = add_step(root.steps.take(), place, note);
            }
        })
    }

    /// Records that the data passed through a known sanitizer.
    pub(crate) fn through(&self, name: &Arc<str>) -> Self {
        let mark = |root: &mut Root| {
            if !root.via.contains(name) && root.via.len() < 8 {
                let mut via = root.via.to_vec();
                via.push(name.clone());
                root.via = via.into();
            }
        };
        self.with(|data| {
            data.roots.iter_mut().for_each(mark);
            data.text = None;
            data.consts.clear();
            data.exact = false;
        })
    }

    /// A structural hash without positions of unrelated text, for cache keys.
    pub(crate) fn digest(&self, state: &mut FxHasher, depth: usize) {
        self.consts.hash(state);
        self.exact.hash(state);
        self.kind.hash(state);
        self.path.hash(state);
        self.obj.hash(state);
        self.local.hash(state);
        (self.array_len, self.bytes).hash(state);
        (self.arithmetic, self.signed, self.minus, self.moved).hash(state);
        self.factors.hash(state);
        self.measures.hash(state);
        self.size_of.hash(state);
        self.built_at.hash(state);
        for root in self.amounts.iter().chain(&self.roots) {
            root.digest(state);
        }
        self.amounts.len().hash(state);
        if depth == 0 {
            return;
        }
        for seg in self.text.iter().flat_map(|text| text.iter()) {
            match seg {
                Seg::Lit(text) => text.hash(state),
                Seg::Hole(value, place) => {
                    place.hash(state);
                    value.digest(state, depth - 1);
                }
            }
        }
        for argument in self.made.iter().flat_map(|made| made.iter()) {
            argument.is_some().hash(state);
            if let Some(argument) = argument {
                argument.digest(state, depth - 1);
            }
        }
        for item in self.items.iter().flat_map(|items| items.iter()) {
            item.digest(state, depth - 1);
        }
        for (key, value) in self.entries.iter().flat_map(|entries| entries.iter()) {
            key.hash(state);
            value.digest(state, depth - 1);
        }
    }
}

fn holes(segs: &[Seg]) -> usize {
    segs.iter()
        .filter(|seg| matches!(seg, Seg::Hole(value, _) if !value.roots.is_empty()))
        .count()
}

fn longer<T>(a: Option<&Arc<[T]>>, b: Option<&Arc<[T]>>) -> Option<Arc<[T]>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.len() >= b.len() {
            a.clone()
        } else {
            b.clone()
        }),
        (a, b) => a.or(b).cloned(),
    }
}

fn add_step(before: Option<Arc<Step>>, place: Place, note: &Note) -> Option<Arc<Step>> {
    let depth = before.as_ref().map_or(0, |it| it.depth + 1);
    let again = before.as_ref().is_some_and(|it| it.place == place);
    if depth >= MAX_STEPS || again {
        return before;
    }
    Some(Arc::new(Step {
        place,
        note: note.clone(),
        before,
        depth,
    }))
}

/// Adds what is new, up to the limit; named sources come first because they matter most.
pub(crate) fn add_roots(into: &mut Vec<Root>, from: &[Root]) {
    for root in from {
        if into.iter().any(|it| it.same(root)) {
            continue;
        }
        if into.len() < MAX_ROOTS {
            into.push(root.clone());
        } else if matches!(root.origin, Origin::Source(_))
            && let Some(slot) = into.iter_mut().find(|it| it.origin == Origin::Unknown)
        {
            *slot = root.clone();
        }
    }
}

/// An id for something known by its text.
pub(crate) fn id_of(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    text.hash(&mut hasher);
    hasher.finish() | 1
}

pub(crate) fn root(id: u64, origin: Origin, place: Place, about: Option<&Arc<str>>) -> Root {
    let steps = about.and_then(|about| add_step(None, place, &Note::Enters(about.clone())));
    Root {
        id,
        origin,
        via: Arc::from([]),
        checked: Arc::from([]),
        steps,
    }
}
