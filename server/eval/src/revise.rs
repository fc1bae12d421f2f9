//! Revision measured as SOSecure measures it (METHODS.md §1.4–1.9): the modes side by side, judged
//! by our own checker and by others. It runs no process, opens no file and asks models only through
//! `revision`.

mod attempt;
mod measures;
mod plot;
mod report;
mod verdict;

pub use attempt::{Adviser, Attempt, Bench, How, Step, Stop, key_of};
pub use measures::{CweRow, Effort, Measures, Row, Trial, Trials, Variant, measure, trial_key};
pub use report::{Page, html, table};
pub use verdict::{Firing, OWN, Verdicts, own};

use analysis::Language;

use crate::Case;

/// The language of a case; `None` for those that no analysis knows.
#[must_use]
pub fn language_of(case: &Case) -> Option<Language> {
    match case.lang.as_str() {
        "python" => Some(Language::Python),
        "c" => Some(Language::C),
        _ => None,
    }
}

/// A short name for a text that stays the same on every machine: FNV-1a, 128 bits, in hex.
#[must_use]
pub fn digest(parts: &[&str]) -> String {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for part in parts {
        // A byte that no UTF-8 text holds keeps neighbours apart.
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    }
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn neighbours_are_kept_apart() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["ab"]).len(), 32);
    }
}
