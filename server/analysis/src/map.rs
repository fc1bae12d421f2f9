//! Which functions a text has, by place, key and name, and how they move with an edit.
//! It knows ranges and names; it lowers nothing and evaluates nothing.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use memchr::memmem;
use rustc_hash::{FxHashMap, FxHasher};
use syntax::{Language, NodeNames, Nodes};
use tree_sitter::Node;

use crate::ir::Span;
use crate::lower::{self, MAX_SCOPES, MODULE, Outline, Scope};
use crate::own::Own;

/// The functions of one text.
#[derive(Debug, Default)]
pub(crate) struct Map {
    /// The module, and then all functions in the order of the text.
    pub(crate) scopes: Vec<Scope>,
    /// The text outside of functions.
    pub(crate) own: Own,
    /// Of which scopes there are and how they lie in each other.
    pub(crate) frame: u64,
    /// The functions directly inside each.
    pub(crate) inner: Vec<Vec<usize>>,
    /// Functions by the hash of class and name; the last definition wins, as at run time.
    names: FxHashMap<u64, usize>,
    /// Methods by name, whatever their class.
    methods: FxHashMap<Box<str>, Vec<usize>>,
    by_key: FxHashMap<u64, usize>,
    /// The text itself, when its next version is to be compared with it.
    text: Option<String>,
    /// Where this text is not the one before, which was followed.
    pub(crate) edited: Option<Range<usize>>,
}

impl Map {
    pub(crate) fn new(text: &str, scopes: Vec<Scope>) -> Self {
        let mut inner = vec![Vec::new(); scopes.len()];
        let mut methods: FxHashMap<Box<str>, Vec<usize>> = FxHashMap::default();
        let mut names = FxHashMap::default();
        for (index, scope) in scopes.iter().enumerate().skip(1) {
            inner[scope.parent].push(index);
            names.insert(name_key(scope.class.as_deref(), &scope.name), index);
            if scope.class.is_some() {
                methods.entry(scope.name.clone()).or_default().push(index);
            }
        }
        let directly = inner[0].iter().map(|it| &scopes[*it].range);
        let scopes_by_key = scopes.iter().enumerate();
        Self {
            own: Own::new(text, directly),
            frame: frame(&scopes),
            inner,
            names,
            methods,
            by_key: scopes_by_key.map(|(index, it)| (it.key, index)).collect(),
            text: None,
            edited: None,
            scopes,
        }
    }

    /// Has the next text compared with this one, of which the grammar could read everything.
    pub(crate) fn expect_edits(&mut self, text: &str) {
        self.text = Some(text.to_owned());
    }

    /// A function by the class that it is a method of, and its name.
    pub(crate) fn find(&self, class: Option<&str>, name: &str) -> Option<usize> {
        self.named(name_key(class, name))
    }

    /// A function by [`name_key`].
    pub(crate) fn named(&self, key: u64) -> Option<usize> {
        self.names.get(&key).copied()
    }

    /// The methods of a name.
    pub(crate) fn methods(&self, name: &str) -> &[usize] {
        self.methods.get(name).map_or(&[], Vec::as_slice)
    }

    /// A scope by its key.
    pub(crate) fn index(&self, key: u64) -> Option<usize> {
        self.by_key.get(&key).copied()
    }

    /// Where in the text a span of that function stands.
    pub(crate) fn at(&self, key: u64, span: Span) -> Option<Range<usize>> {
        if key == MODULE {
            return Some(self.own.outward(span));
        }
        let start = self.scopes[self.index(key)?].range.start;
        Some(start + span.start as usize..start + span.end as usize)
    }

    /// Takes in a new text that differs from this one inside of one function alone, or nowhere in
    /// any, and says where it does: all other scopes only moved.
    ///
    /// Both trees are without errors, and what was not edited stands in both between the same
    /// texts, so the grammar read it alike. `None` leaves everything as it was.
    pub(crate) fn follow(
        &mut self,
        language: Language,
        text: &str,
        nodes: Nodes<'_>,
    ) -> Option<Place> {
        self.edited = None;
        let before = self.text.as_ref()?;
        if nodes.has_error() || self.scopes.len() >= MAX_SCOPES {
            return None;
        }
        let (old, new) = difference(before, text);
        if old.is_empty() && new.is_empty() {
            self.edited = Some(new);
            return Some(Place::Inside(0..0));
        }
        // Of what stands behind the edit.
        let moved = |place: usize| place - old.len() + new.len();
        let outer = &self.inner[0];
        let starts_before = |it: &usize| self.scopes[*it].range.start < old.start;
        let behind = outer.partition_point(starts_before);
        let first = behind.checked_sub(1).map(|it| outer[it]);
        let next = outer.get(behind).copied();
        let last = next.unwrap_or(self.scopes.len());
        let around = first.filter(|it| {
            let range = &self.scopes[*it].range;
            old.start <= range.end && old.end <= range.end
        });
        let grown = around.and_then(|first| {
            let range = &self.scopes[first].range;
            let grown = range.start..moved(range.end);
            let inside = self.inside(language, text, nodes, first..last, &grown)?;
            Some((first, range.clone(), grown, inside))
        });
        let place = match grown {
            Some((first, range, grown, inside)) => {
                for (scope, range) in self.scopes[first..last].iter_mut().zip(inside) {
                    scope.range = range;
                }
                self.own.stretch(&range, grown.end);
                Place::Inside(first..last)
            }
            None => {
                let next = next.map(|it| self.scopes[it].range.clone());
                if next.as_ref().is_some_and(|it| old.end > it.start) {
                    return None;
                }
                let next = next.map(|it| moved(it.start)..moved(it.end));
                let start = first.map_or(0, |it| self.scopes[it].range.end);
                let end = next.as_ref().map_or(text.len(), |it| it.start);
                let stays = |it: usize| function_at(nodes, &self.scopes[it].range).is_some();
                let is_outside = language == Language::Python
                    && old.start >= start
                    && first.is_none_or(stays)
                    && !defines(text.get(start..end)?)
                    && next.is_none_or(|it| stands_alone(nodes, text, &it));
                if !is_outside {
                    return None;
                }
                Place::Outside
            }
        };
        for scope in &mut self.scopes[last..] {
            scope.range = moved(scope.range.start)..moved(scope.range.end);
        }
        self.scopes[0].range.end = text.len();
        if place == Place::Outside {
            let functions = self.inner[0].iter().map(|it| &self.scopes[*it].range);
            self.own = Own::new(text, functions);
        }
        if let Some(before) = &mut self.text {
            before.replace_range(old, &text[new.clone()]);
        }
        self.edited = Some(new);
        Some(place)
    }

    /// The ranges of a function and those within, if these are still the same.
    fn inside(
        &self,
        language: Language,
        text: &str,
        nodes: Nodes<'_>,
        known: Range<usize>,
        range: &Range<usize>,
    ) -> Option<Vec<Range<usize>>> {
        let first = known.start;
        let node = function_at(nodes, range)?;
        let class = self.scopes[first].class.clone();
        let Outline { scopes, .. } = lower::outline_within(language, text, node, class);
        let (inside, known) = (&scopes[1..], &self.scopes[known]);
        let is_same = |(new, old): (&Scope, &Scope)| {
            let parent = new.parent.checked_sub(1).map_or(0, |it| first + it);
            (&new.name, &new.class, parent) == (&old.name, &old.class, old.parent)
        };
        let is_same = inside.len() == known.len() && inside.iter().zip(known).all(is_same);
        let is_whole = inside.first().is_some_and(|it| it.range == *range);
        let ranges = inside.iter().map(|it| it.range.clone());
        (is_same && is_whole).then(|| ranges.collect())
    }
}

/// Where two texts differ.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In these scopes: a function and those within.
    Inside(Range<usize>),
    /// Outside of all functions.
    Outside,
}

/// Whether the text of a part of a Python file may define a function.
fn defines(text: &str) -> bool {
    let text = text.as_bytes();
    let mut found = memmem::find_iter(text, "def");
    found.any(|at| {
        let next = text.get(at + 3);
        next.is_none_or(|it| it.is_ascii_whitespace() || *it == b'\\')
    })
}

/// Whether a function begins a line there, and the module is all that lies around it.
fn stands_alone(nodes: Nodes<'_>, text: &str, range: &Range<usize>) -> bool {
    text[..range.start].ends_with('\n')
        && function_at(nodes, range)
            .and_then(|it| it.parent())
            .is_some_and(|it| it.parent().is_none())
}

/// The node of a function, decorators included, that stands exactly there.
pub(crate) fn function_at<'t>(nodes: Nodes<'t>, range: &Range<usize>) -> Option<Node<'t>> {
    let root = nodes.root_of(range);
    let node = root.descendant_for_byte_range(range.start, range.end)?;
    let is_whole = match node.kind_name() {
        "function_definition" => node
            .parent()
            .is_none_or(|it| it.kind_name() != "decorated_definition"),
        kind => kind == "decorated_definition",
    };
    (is_whole && node.byte_range() == *range).then_some(node)
}

/// Which scopes there are and how they lie in each other, as one number.
fn frame(scopes: &[Scope]) -> u64 {
    let mut hasher = FxHasher::default();
    for scope in scopes {
        (scope.key, &scope.class, &scope.name, scope.parent).hash(&mut hasher);
    }
    hasher.finish()
}

pub(crate) fn name_key(class: Option<&str>, name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    (class, name).hash(&mut hasher);
    hasher.finish()
}

/// The range in which two texts differ, in the one and in the other.
fn difference(old: &str, new: &str) -> (Range<usize>, Range<usize>) {
    let limit = old.len().min(new.len());
    let mut prefix = common_prefix(old.as_bytes(), new.as_bytes());
    while !new.is_char_boundary(prefix) || !old.is_char_boundary(prefix) {
        prefix -= 1;
    }
    let rest = limit - prefix;
    let end = |text: &str| text.len() - rest..text.len();
    let mut suffix = common_suffix(&old.as_bytes()[end(old)], &new.as_bytes()[end(new)]);
    while !new.is_char_boundary(new.len() - suffix) || !old.is_char_boundary(old.len() - suffix) {
        suffix -= 1;
    }
    (prefix..old.len() - suffix, prefix..new.len() - suffix)
}

/// How many bytes are compared at once.
const STRIDE: usize = 256;

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let strides = a.chunks_exact(STRIDE).zip(b.chunks_exact(STRIDE));
    let known = strides.take_while(|(a, b)| a == b).count() * STRIDE;
    let rest = a[known..].iter().zip(&b[known..]);
    known + rest.take_while(|(a, b)| a == b).count()
}

fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let strides = a.rchunks_exact(STRIDE).zip(b.rchunks_exact(STRIDE));
    let known = strides.take_while(|(a, b)| a == b).count() * STRIDE;
    let (a, b) = (&a[..a.len() - known], &b[..b.len() - known]);
    let rest = a.iter().rev().zip(b.iter().rev());
    known + rest.take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn two_texts_differ_in_the_smallest_range_of_whole_characters() {
        let long = "äb".repeat(300);
        let cases = [
            ("", "", (0, 0, 0)),
            ("aba", "ababa", (3, 3, 5)),
            ("ä", "ö", (0, 2, 2)),
            ("xä", "xäy", (3, 3, 4)),
            ("x日y", "x本y", (1, 4, 4)),
            ("aab", "ab", (1, 2, 1)),
        ];
        for (old, new, (start, old_end, new_end)) in cases {
            assert_eq!(difference(old, new), (start..old_end, start..new_end));
            let (old, new) = (format!("{long}{old}{long}"), format!("{long}{new}{long}"));
            let (from, to) = difference(&old, &new);
            assert_eq!(
                format!("{}{}{}", &old[..from.start], &new[to], &old[from.end..]),
                new
            );
            assert_eq!(from.end - from.start, old_end - start);
        }
    }
}
