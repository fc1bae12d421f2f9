//! The lines in which two texts differ, as edits of the first. Knows no languages.

use std::ops::Range;
use std::time::{Duration, Instant};

/// After this time what is left becomes one edit; a smaller one is not worth waiting for.
const PATIENCE: Duration = Duration::from_millis(100);

/// Edits, in order and apart from each other, that make the new text of the old one.
pub(crate) fn changes(old: &str, new: &str) -> Vec<(Range<usize>, String)> {
    let before: Vec<&str> = old.split_inclusive('\n').collect();
    let after: Vec<&str> = new.split_inclusive('\n').collect();
    let ops = similar::capture_diff_slices_deadline(
        similar::Algorithm::Myers,
        &before,
        &after,
        Some(Instant::now() + PATIENCE),
    );
    let (from, to) = (starts(&before), starts(&after));
    ops.iter()
        .filter(|op| op.tag() != similar::DiffTag::Equal)
        .map(|op| {
            let (lines, by) = (op.old_range(), op.new_range());
            let text = &new[to[by.start]..to[by.end]];
            (from[lines.start]..from[lines.end], text.to_owned())
        })
        .collect()
}

/// The byte that each line starts with, and the end.
fn starts(lines: &[&str]) -> Vec<usize> {
    let mut at = 0;
    let mut starts = vec![0];
    for line in lines {
        at += line.len();
        starts.push(at);
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::changes;

    #[test]
    fn the_changes_of_lines_make_the_new_text() {
        for (old, new, count) in [
            ("a\nb\nc\n", "a\nB\nc\n", 1),
            ("a\nb\nc\n", "x\na\nb\nc\ny", 2),
            ("a\r\nb", "a\r\nb\r\n", 1),
            ("", "a", 1),
            ("a", "", 1),
            ("é\nü\n", "é\nü\n", 0),
        ] {
            let edits = changes(old, new);
            assert_eq!(edits.len(), count, "{old:?} {new:?}");
            let mut text = old.to_owned();
            for (range, by) in edits.into_iter().rev() {
                text.replace_range(range, &by);
            }
            assert_eq!(text, new);
        }
    }
}
