//! Which discussions a finding gets: its entry's own, then the best of the rest.
//! It asks any keeper of knowledge and knows no index.

use std::collections::HashSet;
use std::sync::Arc;

use kb_schema::{Hit, HitKind, Knowledge, Query};

/// How many hits are looked through for discussions.
const POOL: usize = 200;

/// At most `limit` discussions for a finding of the entry `entry_id` with that slice: the entry's
/// own in its order, with a score where the slice matched them, then others of its language, best
/// first. An unknown entry gets none.
#[must_use]
pub fn discussions_for(
    knowledge: &dyn Knowledge,
    entry_id: &str,
    slice: &str,
    limit: usize,
) -> Vec<Hit> {
    let set = knowledge.entries();
    let Some(entry) = set.get(entry_id) else {
        return Vec::new();
    };
    let found: Vec<(String, Hit)> = knowledge
        .search(&Query {
            text: slice.to_owned(),
            language: Some(entry.language),
            limit: POOL.max(limit),
        })
        .into_iter()
        .filter_map(|hit| match &hit.kind {
            HitKind::Discussion(discussion) => Some((discussion.url(), hit)),
            HitKind::Entry => None,
        })
        .collect();
    let own = entry.discussions.iter().map(|discussion| {
        let url = discussion.url();
        let matched = found
            .iter()
            .find(|(other, hit)| *other == url && hit.entry.id == entry.id);
        let hit = matched.map_or_else(
            || Hit {
                entry: Arc::clone(entry),
                kind: HitKind::Discussion(discussion.clone()),
                score: 0.0,
                terms: Vec::new(),
            },
            |(_, hit)| hit.clone(),
        );
        (url, hit)
    });
    let mut shown = HashSet::new();
    // Two entries may link one question, which a reader wants to see once.
    own.chain(found.iter().cloned())
        .filter(|(url, _)| shown.insert(url.clone()))
        .map(|(_, hit)| hit)
        .take(limit)
        .collect()
}
