//! Finds what a pattern of our own matches. It gives what tree-sitter gives for the same query, whose
//! preparation of one takes five to thirteen milliseconds: too long for a key.
//! It knows nodes and texts; what stands around a match is asked elsewhere.

use rustc_hash::FxHashSet;
use tree_sitter::Node;

use super::pattern::{Demand, Item, Pattern, Times, What};

/// How many nodes are tried or listed for a query in one function, or in one file where it is about
/// all of that: a pattern may fit a long list of statements in very many ways, and then what was
/// found so far must do.
pub(super) const MAX_STEPS: usize = 1 << 22;

/// Of how many matches the text around is looked at.
pub(super) const MAX_ASKED: usize = 1 << 12;

/// The nodes of a match, by the numbers of their captures; of several of one name the first.
pub(super) type Captured<'t> = [Option<Node<'t>>];

/// A search for what a pattern matches, beginning at one node.
struct Search<'p, 't> {
    pattern: &'p Pattern,
    text: &'p str,
    captured: Vec<Option<Node<'t>>>,
    /// How many nodes have each capture.
    counts: Vec<u32>,
    /// How many nodes may still be tried.
    steps: usize,
    /// Items with nodes that none of them fits, whatever was captured before.
    failed: FxHashSet<(usize, usize)>,
    /// How often two captures had other texts than a pair of them must have.
    unpaired: usize,
}

/// What is to be done once a node fits.
type Then<'f, 'p, 't> = &'f mut dyn FnMut(&mut Search<'p, 't>);

/// A node and the number of the field that it stands in, nought for none.
type Child<'t> = (Node<'t>, u16);

/// Calls `found` with every match that begins at a node, as long as there are steps to take.
pub(super) fn matches<'t>(
    pattern: &Pattern,
    text: &str,
    node: Node<'t>,
    steps: &mut usize,
    found: &mut dyn FnMut(&Captured<'t>),
) {
    let mut search = Search {
        pattern,
        text,
        captured: vec![None; pattern.names.len()],
        counts: vec![0; pattern.names.len()],
        steps: *steps,
        failed: FxHashSet::default(),
        unpaired: 0,
    };
    search.item(&pattern.root, (node, 0), &mut |it| {
        if it.are_paired() {
            found(&it.captured);
        }
    });
    *steps = search.steps;
}

impl<'p, 't> Search<'p, 't> {
    fn item(&mut self, item: &'p Item, child: Child<'t>, then: Then<'_, 'p, 't>) {
        let Some(steps) = self.steps.checked_sub(1) else {
            return;
        };
        self.steps = steps;
        let (node, field) = child;
        let fits = (item.field == 0 || item.field == field)
            && match &item.what {
                What::Choice(_) => true,
                What::Any => !node.is_error(),
                What::Node { kind: None, .. } => node.is_named() && !node.is_error(),
                What::Node {
                    kind: Some(kind), ..
                } => node.kind_id() == *kind,
            };
        if !fits || !item.captures.iter().all(|it| self.may_be(*it, node)) {
            return;
        }
        // A declaration and a function are looked for in a file: each function is asked for once.
        let key = (std::ptr::from_ref(item).addr(), node.id());
        let is_large = matches!(&item.what, What::Node { children, .. } if !children.is_empty());
        if is_large && self.failed.contains(&key) {
            return;
        }
        self.capture(item, node);
        let (mut is_fit, unpaired) = (false, self.unpaired);
        let then: Then<'_, 'p, 't> = &mut |it| {
            is_fit = true;
            then(it);
        };
        match &item.what {
            What::Any => then(self),
            What::Choice(all) => {
                for one in all {
                    self.item(one, child, then);
                }
            }
            What::Node {
                children, absent, ..
            } => {
                let has = |field: &u16| node.child_by_field_id(*field).is_some();
                if !absent.iter().any(has) {
                    match children.is_empty() {
                        true => then(self),
                        false => {
                            let nodes = below(node);
                            self.steps = self.steps.saturating_sub(nodes.len());
                            self.among(children, &nodes, then);
                        }
                    }
                }
            }
        }
        if is_large && !is_fit && unpaired == self.unpaired && self.steps > 0 {
            self.failed.insert(key);
        }
        self.release(item);
    }

    /// Finds items among siblings, in their order.
    fn among(&mut self, items: &'p [Item], nodes: &[Child<'t>], then: Then<'_, 'p, 't>) {
        let Some((item, rest)) = items.split_first() else {
            return then(self);
        };
        if item.times != Times::Once {
            self.among(rest, nodes, then);
        }
        for (at, child) in nodes.iter().enumerate() {
            let behind = &nodes[at + 1..];
            let mut goes_on = false;
            if item.times == Times::Any {
                // It has no captures, so it need not be gone back to: a list may be very long.
                self.item(item, *child, &mut |_| goes_on = true);
                if goes_on {
                    self.among(rest, behind, then);
                }
            } else if !item.last || !behind.iter().any(|(it, _)| it.is_named()) {
                self.item(item, *child, &mut |it| it.among(rest, behind, then));
            }
            if item.immediate && child.0.is_named() && !goes_on {
                break;
            }
        }
    }

    fn capture(&mut self, item: &Item, node: Node<'t>) {
        for at in item.captures.iter().map(|it| *it as usize) {
            self.captured[at].get_or_insert(node);
            self.counts[at] += 1;
        }
    }

    fn release(&mut self, item: &Item) {
        for at in item.captures.iter().map(|it| *it as usize) {
            self.counts[at] -= 1;
            if self.counts[at] == 0 {
                self.captured[at] = None;
            }
        }
    }

    /// Whether the predicates that can be asked now let a capture be that node.
    fn may_be(&mut self, capture: u32, node: Node<'t>) -> bool {
        let own = self.text_of(node);
        let mut texts = self.pattern.texts.iter().filter(|it| it.0 == capture);
        if !texts.all(|(_, demand, wanted)| demand.holds(own) == *wanted) {
            return false;
        }
        let are_paired = self.pattern.pairs.iter().all(|(one, other, wanted)| {
            let other = match (*one == capture, *other == capture) {
                (true, _) => *other,
                (_, true) => *one,
                _ => return true,
            };
            let other = self.captured[other as usize];
            other.is_none_or(|it| (self.text_of(it) == own) == *wanted)
        });
        self.unpaired += usize::from(!are_paired);
        are_paired
    }

    /// Whether each pair of captures that must be compared is there, or neither of them.
    fn are_paired(&self) -> bool {
        let is_there = |it: u32| self.captured[it as usize].is_some();
        let mut pairs = self.pattern.pairs.iter();
        pairs.all(|(one, other, _)| is_there(*one) == is_there(*other))
    }

    fn text_of(&self, node: Node<'t>) -> &'p str {
        self.text.get(node.byte_range()).unwrap_or("")
    }
}

impl Demand {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::OneOf(words) => words.iter().any(|it| **it == *text),
            Self::Fits(shape) => shape.is_match(text),
        }
    }
}

/// A node's children.
fn below(node: Node<'_>) -> Vec<Child<'_>> {
    let mut out = Vec::with_capacity(node.child_count() as usize);
    let mut cursor = node.walk();
    let mut more = cursor.goto_first_child();
    while more {
        out.push((cursor.node(), cursor.field_id().map_or(0, Into::into)));
        more = cursor.goto_next_sibling();
    }
    out
}
