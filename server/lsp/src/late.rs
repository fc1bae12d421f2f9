//! Changes that arrive after one that builds on them: Helix 25.01 now and then sends two messages
//! of one key the wrong way round. Knows no documents but their texts.

use std::collections::VecDeque;

use syntax::{Change, Edit, Text};

/// How many changes back a late one may belong; editors that do this swap neighbours.
const LATE: usize = 8;

/// A text that was, and what led away from it.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) version: i32,
    pub(crate) text: Text,
    pub(crate) edits: Vec<Edit>,
    /// As they were sent; none where a whole text was, which is not kept a second time.
    pub(crate) changes: Option<Vec<Change>>,
}

/// Changes as they are kept: none where one of them is a whole text.
pub(crate) fn kept(changes: &[Change]) -> Option<Vec<Change>> {
    let ranged = changes.iter().all(|it| it.range.is_some());
    ranged.then(|| changes.to_vec())
}

/// Puts changes that were made before the last ones in their place, and gives the text that is
/// there then: the present one, where a whole text came after them. `None` where no version between
/// two that arrived is missing: then the sender counts in some way of its own, and what comes is
/// taken as it comes.
pub(crate) fn place(
    history: &mut VecDeque<Past>,
    (current, now): (i32, &Text),
    version: i32,
    changes: &[Change],
) -> Option<String> {
    let at = history.iter().rposition(|past| past.version < version)?;
    let next = history.get(at + 1).map_or(current, |past| past.version);
    if next <= version || history.len() - at > LATE {
        return None;
    }
    let mut all = changes.to_vec();
    for past in history.range(at..) {
        let Some(changes) = &past.changes else {
            return Some(now.to_string());
        };
        all.extend_from_slice(changes);
    }
    // The texts between were never the sender's.
    history.truncate(at + 1);
    let past = &mut history[at];
    let mut text = past.text.clone();
    for change in &all {
        let range = match change.range {
            Some((from, to)) => {
                let from = text.byte_of(from, change.encoding);
                let to = text.byte_of(to, change.encoding);
                from.min(to)..from.max(to)
            }
            None => 0..text.len_bytes(),
        };
        text.replace(range, &change.text);
    }
    let text = text.to_string();
    let (old, new) = past.text.difference(&text);
    past.edits = vec![Edit {
        start: old.start,
        old_end: old.end,
        new_end: new.end,
    }];
    past.changes = kept(&all);
    Some(text)
}
