//! Edits of a text, and applying them. Knows no language.

use std::ops::Range;

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Bytes of the text before any edit.
    pub range: Range<usize>,
    /// What stands there afterwards.
    pub text: String,
}

impl Edit {
    pub(crate) fn new(range: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            range,
            text: text.into(),
        }
    }

    pub(crate) fn insertion(at: usize, text: impl Into<String>) -> Self {
        Self::new(at..at, text)
    }
}

/// The text after all edits, whatever their order. `None` when two overlap, when one lies beyond
/// the text, or when one splits a character. Insertions at one place keep their order.
#[must_use]
pub fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for edit in sorted {
        if edit.range.start < done {
            return None;
        }
        out.push_str(text.get(done..edit.range.start)?);
        text.get(edit.range.clone())?;
        out.push_str(&edit.text);
        done = edit.range.end;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

/// Where a range of the old text stands after the edits; what was replaced counts as a whole.
pub(crate) fn map(range: &Range<usize>, edits: &[Edit]) -> Range<usize> {
    let (mut start, mut end) = (range.start, range.end);
    let (mut start_shift, mut end_shift) = (0_isize, 0_isize);
    for edit in edits {
        let shift = edit.text.len().cast_signed() - edit.range.len().cast_signed();
        if edit.range.end <= range.start {
            start_shift += shift;
        } else if edit.range.start < range.start {
            start = start.min(edit.range.start);
        }
        if edit.range.start < range.end || edit.range.end <= range.start {
            end_shift += shift;
            end = end.max(edit.range.end);
        }
    }
    start.saturating_add_signed(start_shift)..end.saturating_add_signed(end_shift)
}

/// The end of line that the text uses.
pub(crate) fn line_ending(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if at > 0 && text.as_bytes()[at - 1] == b'\r' => "\r\n",
        _ => "\n",
    }
}

/// The last place at or before a byte where a character begins.
pub(crate) fn boundary(text: &str, byte: usize) -> usize {
    let places = (0..=byte.min(text.len())).rev();
    places
        .into_iter()
        .find(|it| text.is_char_boundary(*it))
        .unwrap_or(0)
}

/// The blanks that begin the line around a byte.
pub(crate) fn indentation(text: &str, byte: usize) -> &str {
    let start = text[..byte].rfind('\n').map_or(0, |at| at + 1);
    let line = &text[start..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_apply_in_any_order() {
        let edits = [
            Edit::new(4..7, "C"),
            Edit::insertion(0, "a"),
            Edit::insertion(0, "b "),
        ];
        assert_eq!(apply("one two", &edits).as_deref(), Some("ab one C"));
    }

    #[test]
    fn wrong_edits_are_refused() {
        assert_eq!(
            apply("abc", &[Edit::new(0..2, ""), Edit::new(1..3, "")]),
            None
        );
        assert_eq!(apply("abc", &[Edit::new(2..4, "")]), None);
        assert_eq!(apply("é", &[Edit::insertion(1, "x")]), None);
        assert_eq!(
            apply(
                "abc",
                &[Edit {
                    range: Range { start: 2, end: 1 },
                    text: String::new()
                }]
            ),
            None
        );
    }

    #[test]
    fn ranges_follow_the_text() {
        let edits = [
            Edit::insertion(0, "import x\n"),
            Edit::new(4..6, "four"),
            Edit::insertion(20, "no"),
        ];
        assert_eq!(map(&(4..10), &edits), 13..21);
        assert_eq!(map(&(5..10), &edits), 13..21);
        assert_eq!(map(&(7..10), &edits), 18..21);
    }
}
