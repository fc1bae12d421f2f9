//! Which functions a text has, by place, key and name, and how they move with an edit.
//! It knows ranges and names; it lowers nothing and evaluates nothing.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHasher};
use syntax::{Language, NodeNames};
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
            scopes,
        }
    }

    /// Has the next text compared with this one, of which the grammar could read everything.
    pub(crate) fn expect_edits(&mut self, text: &str) {
        self.text = Some(text.to_owned());
    }

    /// A function by the class that it is a method of, and its name.
    pub(crate) fn find(&self, class: Option<&str>, name: &str) -> Option<usize> {
        self.names.get(&name_key(class, name)).copied()
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

    /// Takes in a new text that differs from this one inside of one function alone, and gives the
    /// scopes that lie there: of all others only the places are new.
    ///
    /// Both trees are without errors, and the function stands in both between the same texts, so
    /// the grammar read these alike. `None` leaves everything as it was.
    pub(crate) fn follow(
        &mut self,
        language: Language,
        text: &str,
        root: Node<'_>,
    ) -> Option<Range<usize>> {
        let before = self.text.as_mut()?;
        if root.has_error() || self.scopes.len() >= MAX_SCOPES {
            return None;
        }
        let (old, new) = difference(before, text);
        if old.is_empty() && new.is_empty() {
            return Some(0..0);
        }
        let outer = &self.inner[0];
        let starts_before = |it: &usize| self.scopes[*it].range.start < old.start;
        let at = outer.partition_point(starts_before).checked_sub(1)?;
        let first = outer[at];
        let last = outer.get(at + 1).copied().unwrap_or(self.scopes.len());
        let range = self.scopes[first].range.clone();
        if old.end > range.end {
            return None;
        }
        let moved = |place: usize| place - old.len() + new.len();
        let grown = range.start..moved(range.end);
        let node = function_at(root, &grown)?;
        let class = self.scopes[first].class.clone();
        let Outline { scopes: inside, .. } = lower::outline_within(language, text, node, class);
        let (inside, known) = (&inside[1..], &self.scopes[first..last]);
        let is_same = inside.len() == known.len()
            && inside.iter().zip(known).all(|(new, old)| {
                let parent = if new.parent == 0 {
                    0
                } else {
                    first + new.parent - 1
                };
                (&new.name, &new.class, parent) == (&old.name, &old.class, old.parent)
            });
        if !is_same || inside.first().is_none_or(|it| it.range != grown) {
            return None;
        }
        before.replace_range(old.clone(), &text[new.clone()]);
        for (scope, inside) in self.scopes[first..last].iter_mut().zip(inside) {
            scope.range = inside.range.clone();
        }
        for scope in &mut self.scopes[last..] {
            scope.range = moved(scope.range.start)..moved(scope.range.end);
        }
        self.scopes[0].range.end = text.len();
        self.own.stretch(&range, grown.end);
        Some(first..last)
    }
}

/// The node of a function, decorators included, that stands exactly there.
pub(crate) fn function_at<'t>(root: Node<'t>, range: &Range<usize>) -> Option<Node<'t>> {
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

fn name_key(class: Option<&str>, name: &str) -> u64 {
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
