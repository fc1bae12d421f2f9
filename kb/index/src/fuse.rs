//! Reciprocal rank fusion: several rankings become one (RESCUE, section 2.3 of its method).
//! It knows places in rankings; it knows no documents.

use std::collections::HashMap;

/// How little the first places differ: RESCUE's alpha.
pub const ALPHA: f32 = 60.0;

/// One retriever's answer: documents by their number, best first, with its scores.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    /// Document and score, best first.
    pub found: Vec<(usize, f32)>,
    /// What its vote weighs; 1 for equals.
    pub weight: f32,
    /// Documents with less than this score have no vote.
    pub threshold: f32,
    /// Documents behind this place have no vote.
    pub depth: usize,
}

/// The fused ranking: every ranking gives weight / (place + [`ALPHA`]) to each document that is
/// above its threshold and within its depth. Best first, ties by the best place, then by number.
#[must_use]
pub fn fuse(rankings: &[Ranking]) -> Vec<(usize, f32)> {
    let mut sums: HashMap<usize, (f32, usize)> = HashMap::new();
    for ranking in rankings {
        for (place, &(document, score)) in ranking.found.iter().enumerate().take(ranking.depth) {
            if score < ranking.threshold {
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "places are small")]
            let vote = ranking.weight / ((place + 1) as f32 + ALPHA);
            let sum = sums.entry(document).or_insert((0.0, place));
            sum.0 += vote;
            sum.1 = sum.1.min(place);
        }
    }
    let mut fused: Vec<(usize, (f32, usize))> = sums.into_iter().collect();
    fused.sort_by(|(a, (a_sum, a_place)), (b, (b_sum, b_place))| {
        b_sum
            .total_cmp(a_sum)
            .then(a_place.cmp(b_place))
            .then(a.cmp(b))
    });
    fused
        .into_iter()
        .map(|(document, (sum, _))| (document, sum))
        .collect()
}
