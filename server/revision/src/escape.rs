//! Puts a value that becomes part of a text through a function first. Knows nothing of what the
//! function does; the gate tells whether it was the right value.

use analysis::Finding;
use syntax::{Language, Node};

use crate::edit::Edit;
use crate::parameterize::{Merged, pieces_in};

/// The most values of one text that are tried one by one.
pub(crate) const MOST: usize = 8;

/// The edit that wraps the value with this number, from 0, of those in the built text.
pub(crate) fn edit(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    wrapper: &str,
    number: usize,
) -> Option<Edit> {
    if language != Language::Python || number >= MOST {
        return None;
    }
    let (_, pieces) = finding.built.as_ref()?;
    let pieces = pieces_in(text, root, pieces)?;
    let mut holes = pieces.iter().filter_map(Merged::hole);
    let hole = holes.nth(number)?;
    let value = text.get(hole.clone())?;
    // Within an f-string of older Pythons the same quote would end it.
    let inside = root
        .named_descendant_for_byte_range(hole.start, hole.end)?
        .parent()
        .is_some_and(|it| it.kind() == "interpolation");
    if inside && wrapper.contains(['"', '\'', '\\']) {
        return None;
    }
    Some(Edit::new(hole, wrapper.replace("{}", value)))
}
