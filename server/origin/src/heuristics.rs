//! Signs in the stream of changes that a text was not typed. Knows changes, not documents.

use crate::Confidence;

/// The fewest lines that look inserted rather than typed. Auto-indent, bracket closing and snippets
/// for a loop or a docstring bring two; three is where completions of statements begin.
pub const MIN_LINES: usize = 3;

/// The fewest non-space characters in them. Three lines of punctuation are an editor's skeleton;
/// three short statements come to about forty characters.
pub const MIN_CHARACTERS: usize = 40;

/// Whether one batch of changes, each as (deleted, inserted), looks like an insertion by an AI.
///
/// It does when it is a single change that brings at least [`MIN_LINES`] lines with
/// [`MIN_CHARACTERS`] characters of their own. A paste looks just the same, which is why the answer
/// is never more than [`Confidence::Likely`]. A replacement of the whole document is no sign
/// (reloads and formatters send it), nor is an undo; neither can be seen here, so the caller leaves
/// them out, as [`Origins::follow`](crate::Origins::follow) does.
#[must_use]
pub fn classify(changes: &[(&str, &str)]) -> Option<Confidence> {
    let [(deleted, inserted)] = changes else {
        return None;
    };
    (is_substantial(inserted)
        && line_count(inserted) >= MIN_LINES
        && !is_formatting(deleted, inserted))
    .then_some(Confidence::Likely)
}

/// Whether a replacement changes white space alone.
#[must_use]
pub fn is_formatting(deleted: &str, inserted: &str) -> bool {
    let solid = |char: &char| !char.is_whitespace();
    deleted
        .chars()
        .filter(solid)
        .eq(inserted.chars().filter(solid))
}

/// Whether a text is long enough to be told from another by its content alone.
pub(crate) fn is_substantial(text: &str) -> bool {
    text.chars()
        .filter(|char| !char.is_whitespace())
        .nth(MIN_CHARACTERS - 1)
        .is_some()
}

/// Lines with something on them.
fn line_count(text: &str) -> usize {
    text.split(['\n', '\r'])
        .filter(|line| !line.trim().is_empty())
        .take(MIN_LINES)
        .count()
}
