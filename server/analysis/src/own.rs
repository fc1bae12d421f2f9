//! The text outside of functions, and where its places stand in the whole text. What is known of
//! a module is told by it, so that an edit inside a function changes nothing of the module.
//! It knows ranges only.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use rustc_hash::FxHasher;

use crate::ir::Span;

/// What stands for a function that was taken out: one byte that is part of no word.
const MARK: char = '\u{0}';

/// A function that was taken out.
#[derive(Debug)]
struct Cut {
    /// Where its mark stands in what is left.
    at: usize,
    /// Where it stood.
    whole: Range<usize>,
}

/// A text without its functions.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) text: String,
    cuts: Vec<Cut>,
}

impl Own {
    /// Takes functions out, which are in the order of the text and do not overlap.
    pub(crate) fn new<'a>(text: &str, functions: impl Iterator<Item = &'a Range<usize>>) -> Self {
        let mut out = Self::default();
        let mut from = 0;
        for whole in functions.filter(|it| !it.is_empty()) {
            let Some(before) = text.get(from..whole.start) else {
                continue;
            };
            out.text.push_str(before);
            out.cuts.push(Cut {
                at: out.text.len(),
                whole: whole.clone(),
            });
            out.text.push(MARK);
            from = whole.end;
        }
        out.text.push_str(text.get(from..).unwrap_or(""));
        out
    }

    /// What is left, as one number.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.text.hash(&mut hasher);
        self.cuts.iter().for_each(|it| it.at.hash(&mut hasher));
        hasher.finish()
    }

    /// Lets a function that was taken out end elsewhere, and moves those behind it.
    pub(crate) fn stretch(&mut self, function: &Range<usize>, end: usize) {
        let from = self
            .cuts
            .partition_point(|it| it.whole.start < function.start);
        let moved = |place: usize| place - function.end + end;
        for cut in &mut self.cuts[from..] {
            if cut.whole.start != function.start {
                cut.whole.start = moved(cut.whole.start);
            }
            cut.whole.end = moved(cut.whole.end);
        }
    }

    /// Where a range of the whole text stands in what is left; functions count as their marks.
    pub(crate) fn inward(&self, range: Range<usize>) -> Range<usize> {
        self.shrink(range.start, 0)..self.shrink(range.end, 1)
    }

    /// A place in what is left; one inside of a function is `inside` bytes behind its mark's start.
    fn shrink(&self, place: usize, inside: usize) -> usize {
        let before = self.cuts.partition_point(|it| it.whole.start < place);
        match before.checked_sub(1).map(|it| &self.cuts[it]) {
            None => place,
            Some(cut) if place < cut.whole.end => cut.at + inside,
            Some(cut) => cut.at + 1 + (place - cut.whole.end),
        }
    }

    /// Where in the whole text stands what [`Self::inward`] gave.
    pub(crate) fn outward(&self, span: Span) -> Range<usize> {
        let (start, end) = (span.start as usize, span.end as usize);
        let before = self.cuts.partition_point(|it| it.at < start);
        let from = match self
            .cuts
            .get(before)
            .filter(|it| it.at == start && end > start)
        {
            Some(cut) => cut.whole.start,
            None => self.grow(before, start),
        };
        let to = self.grow(self.cuts.partition_point(|it| it.at < end), end);
        from..to.max(from)
    }

    /// A place of the whole text, behind so many cuts.
    fn grow(&self, before: usize, place: usize) -> usize {
        match before.checked_sub(1).map(|it| &self.cuts[it]) {
            None => place,
            Some(cut) => cut.whole.end + (place - cut.at - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_outside_of_functions_come_back_from_what_is_left() {
        let text = "fgab ff ggcd h";
        let cuts = [0..1, 1..2, 5..7, 8..10, 13..14];
        let own = Own::new(text, cuts.iter());
        assert_eq!(own.text, "\0\0ab \0 \0cd \0");
        let outside = |place: usize| !cuts.iter().any(|it| it.start < place && place < it.end);
        for start in (0..=text.len()).filter(|it| outside(*it)) {
            for end in (start + 1..=text.len()).filter(|it| outside(*it)) {
                let left = own.inward(start..end);
                assert_eq!(own.outward(Span::new(left)), start..end, "{start}..{end}");
            }
        }
        assert_eq!(own.inward(6..9), 5..8);
    }

    #[test]
    fn a_function_that_grows_moves_those_behind_it() {
        let cuts = [1..3, 4..6, 8..9];
        let mut own = Own::new("affbggcdhe", cuts.iter());
        own.stretch(&cuts[1], 9);
        let moved = [1..3, 4..9, 11..12];
        let fresh = Own::new("affbgggggcdhe", moved.iter());
        assert_eq!(format!("{own:?}"), format!("{fresh:?}"));
    }
}
