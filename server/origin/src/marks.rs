//! The marks of one document and how edits carry them. Knows ranges and text that came and went,
//! not the document itself.

use std::ops::Range;

use syntax::{Edit, Step};

use crate::heuristics::{classify, is_formatting};
use crate::memory::Memory;

/// The longest name of a source, in characters; it ends up in messages.
pub const MAX_SOURCE: usize = 64;

/// How sure it is that an AI wrote a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// The stream of changes looks like it.
    Likely,
    /// The tool that inserted it said so.
    Certain,
}

/// A range that an AI inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The range in bytes; never empty.
    pub range: Range<usize>,
    /// How sure that is.
    pub confidence: Confidence,
    /// Who inserted it, as told; at most [`MAX_SOURCE`] characters, none of them controls.
    pub source: String,
    /// The document's version when it was inserted.
    pub version: i32,
}

impl Mark {
    /// The same mark on another range.
    pub(crate) fn on(&self, range: Range<usize>) -> Self {
        Self {
            range,
            ..self.clone()
        }
    }

    fn continues(&self, before: &Self) -> bool {
        before.range.end == self.range.start
            && before.confidence == self.confidence
            && before.version == self.version
            && before.source == self.source
    }
}

/// What an edit's new text turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// Text that was not there before.
    Fresh,
    /// Text that had been deleted and came back, with its marks: an undo, a redo or a move.
    Again,
    /// The replaced text with other white space; its marks stay.
    Formatted,
}

/// The marks of one document: in order, never overlapping.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    marks: Vec<Mark>,
    memory: Memory,
}

impl Origins {
    /// No marks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Marks a range. Where it overlaps others, certain beats likely and the newer beats an equal.
    pub fn mark(
        &mut self,
        range: Range<usize>,
        confidence: Confidence,
        source: &str,
        version: i32,
    ) {
        if range.is_empty() {
            return;
        }
        let source = source
            .chars()
            .filter(|char| !char.is_control())
            .take(MAX_SOURCE)
            .collect();
        let new = Mark {
            range: range.clone(),
            confidence,
            source,
            version,
        };
        let mut marks = Vec::with_capacity(self.marks.len() + 2);
        let mut free = range.start;
        for old in self.marks.drain(..) {
            let shared = old.range.start.max(range.start)..old.range.end.min(range.end);
            if shared.is_empty() {
                marks.push(old);
                continue;
            }
            if old.confidence > confidence {
                marks.push(new.on(free..shared.start));
                free = shared.end;
                marks.push(old);
                continue;
            }
            marks.push(old.on(old.range.start..shared.start));
            marks.push(old.on(shared.end..old.range.end));
        }
        marks.push(new.on(free..range.end));
        marks.retain(|mark| !mark.range.is_empty());
        marks.sort_by_key(|mark| mark.range.start);
        self.set(marks);
    }

    /// Takes back the marks in a range that rest on a likeness alone.
    pub fn doubt(&mut self, range: Range<usize>) {
        let mut marks = Vec::with_capacity(self.marks.len() + 1);
        for old in self.marks.drain(..) {
            let shared = old.range.start.max(range.start)..old.range.end.min(range.end);
            if shared.is_empty() || old.confidence > Confidence::Likely {
                marks.push(old);
                continue;
            }
            marks.push(old.on(old.range.start..shared.start));
            marks.push(old.on(shared.end..old.range.end));
        }
        marks.retain(|mark| !mark.range.is_empty());
        self.set(marks);
    }

    /// Carries the marks through an edit; `deleted` and `inserted` are its two texts.
    ///
    /// New text is not marked, so it splits a mark that it is typed into and does not extend one
    /// that it touches. Deleted text takes its marks along, and brings them back when an undo or a
    /// move brings it back.
    pub fn edit(&mut self, edit: &Edit, deleted: &str, inserted: &str) -> Carried {
        let edit = Edit {
            start: edit.start,
            old_end: edit.old_end.max(edit.start),
            new_end: edit.new_end.max(edit.start),
        };
        let (left, cut, right) = self.cut(&edit);
        let recalled = self.memory.edit(&edit, deleted, inserted, &cut);
        let (carried, mut middle) = match recalled {
            Some(marks) => (Carried::Again, marks),
            None if !deleted.is_empty()
                && !inserted.is_empty()
                && is_formatting(deleted, inserted) =>
            {
                (Carried::Formatted, reflow(&cut, deleted, inserted))
            }
            None => (Carried::Fresh, Vec::new()),
        };
        for mark in &mut middle {
            mark.range.start += edit.start;
            mark.range.end = (mark.range.end + edit.start).min(edit.new_end);
        }
        middle.retain(|mark| !mark.range.is_empty());
        self.set(left.into_iter().chain(middle).chain(right).collect());
        carried
    }

    /// Carries the marks through a batch of changes, and marks what looks inserted by an AI.
    /// `version` is the document's version after them.
    pub fn follow(&mut self, steps: &[Step], version: i32) {
        for step in steps {
            let carried = self.edit(&step.edit, &step.deleted, &step.inserted);
            if steps.len() == 1
                && !step.whole
                && carried == Carried::Fresh
                && let Some(confidence) = classify(&[(&step.deleted, &step.inserted)])
            {
                self.mark(step.edit.new_range(), confidence, "editor", version);
            }
        }
    }

    /// Carries the marks through a replacement of the whole text: what both texts begin and end
    /// with keeps its marks.
    pub fn replace(&mut self, old: &str, new: &str) -> Carried {
        let (gone, come) = syntax::Text::new(old).difference(new);
        let edit = Edit {
            start: gone.start,
            old_end: gone.end,
            new_end: come.end,
        };
        self.edit(&edit, &old[gone], &new[come])
    }

    /// The strongest mark that overlaps a range; of equals the first. An empty range asks for the
    /// byte at its place.
    #[must_use]
    pub fn at(&self, range: Range<usize>) -> Option<&Mark> {
        let end = range.end.max(range.start.saturating_add(1));
        let first = self
            .marks
            .partition_point(|mark| mark.range.end <= range.start);
        let overlapping = self.marks[first..]
            .iter()
            .take_while(|mark| mark.range.start < end);
        overlapping.reduce(|best, mark| {
            if mark.confidence > best.confidence {
                mark
            } else {
                best
            }
        })
    }

    /// The marks, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Mark> {
        self.marks.iter()
    }

    /// Whether nothing is marked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Takes the marks apart: those before the edit, those of the deleted text relative to its
    /// start, and those after it, moved.
    fn cut(&mut self, edit: &Edit) -> (Vec<Mark>, Vec<Mark>, Vec<Mark>) {
        let (mut left, mut cut, mut right) = (Vec::new(), Vec::new(), Vec::new());
        for mark in self.marks.drain(..) {
            let Range { start, end } = mark.range;
            let inner = start.max(edit.start)..end.min(edit.old_end);
            if !inner.is_empty() {
                cut.push(mark.on(inner.start - edit.start..inner.end - edit.start));
            }
            if end > edit.old_end {
                let shifted = start.max(edit.old_end)..end;
                let shift = |byte: usize| byte - edit.old_end + edit.new_end;
                right.push(mark.on(shift(shifted.start)..shift(shifted.end)));
            }
            if start < edit.start {
                left.push(mark.on(start..end.min(edit.start)));
            }
        }
        (left, cut, right)
    }

    /// Keeps these marks, those that continue one another as one.
    fn set(&mut self, marks: Vec<Mark>) {
        self.marks = marks;
        self.marks.dedup_by(|mark, before| {
            let continues = mark.continues(before);
            if continues {
                before.range.end = mark.range.end;
            }
            continues
        });
    }
}

impl<'o> IntoIterator for &'o Origins {
    type Item = &'o Mark;
    type IntoIter = std::slice::Iter<'o, Mark>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Moves marks from a text to the same text with other white space: each covers the same solid
/// characters as before, and reaches the text's edge where it did.
fn reflow(marks: &[Mark], old: &str, new: &str) -> Vec<Mark> {
    let solid = |text: &str| -> Vec<Range<usize>> {
        let solid = text
            .char_indices()
            .filter(|(_, char)| !char.is_whitespace());
        solid.map(|(at, char)| at..at + char.len_utf8()).collect()
    };
    let (before, after) = (solid(old), solid(new));
    let moved = marks.iter().map(|mark| {
        let first = before.partition_point(|char| char.start < mark.range.start);
        let last = before.partition_point(|char| char.end <= mark.range.end);
        if first >= last {
            return mark.on(0..0);
        }
        let start = if mark.range.start == 0 {
            0
        } else {
            after[first].start
        };
        let end = if mark.range.end == old.len() {
            new.len()
        } else {
            after[last - 1].end
        };
        mark.on(start..end)
    });
    moved.filter(|mark| !mark.range.is_empty()).collect()
}
