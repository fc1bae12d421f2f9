//! Things that come in no order, such as those of a hash table, as one number: the sum of their
//! terms. It knows nothing of what they are.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;

/// What a thing adds. Its hash is mixed, because that is linear: sums of plain hashes would not tell
/// `A = 1` and `B = 2` from `A = 2` and `B = 1`.
pub(crate) fn term(it: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    it.hash(&mut hasher);
    // As SplitMix64 ends.
    let mut out = hasher.finish();
    out = (out ^ (out >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    out = (out ^ (out >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    out ^ (out >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_change_places_change_the_sum() {
        for (a, b) in (0..64_u64).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let sum = |one: u64, two: u64| term(&("ONE", one)).wrapping_add(term(&("TWO", two)));
            assert_ne!(sum(a, b), sum(b, a), "{a} and {b}");
        }
    }
}
