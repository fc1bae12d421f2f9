//! Random numbers keyed by what they decide: (seed, position, lane, purpose).
//! Knows nothing of models or of the order in which positions are worked on; that is what makes drafting
//! ahead give the same tokens as going step by step.

/// What a random number is for; one position of one lane needs one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The security model's proposal.
    Draft,
    /// The base model's own token, where the proposal was not taken.
    Base,
}

/// The random numbers of one lane, that is of one sample of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// The seed of the request.
    pub seed: u64,
    /// Which sample of the request this is, from 0.
    pub lane: u32,
}

/// The two numbers that one position needs, each in [0, 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// Chooses the proposal from the security model's distribution.
    pub draft: f64,
    /// Chooses from the base's distribution after a rejection.
    pub base: f64,
}

impl Draws {
    /// The numbers for the token at `position`, counted in generated tokens from 0.
    #[must_use]
    pub fn at(self, position: u64) -> Draw {
        Draw {
            draft: self.number(position, Purpose::Draft),
            base: self.number(position, Purpose::Base),
        }
    }

    /// One number in [0, 1) with 53 random bits.
    #[must_use]
    pub fn number(self, position: u64, purpose: Purpose) -> f64 {
        let purpose = match purpose {
            Purpose::Draft => 1,
            Purpose::Base => 2,
        };
        let mut state = mix(self.seed ^ 0x6a09_e667_f3bc_c909);
        for part in [u64::from(self.lane), position, purpose] {
            state = mix(state.wrapping_add(part).wrapping_add(0x9e37_79b9_7f4a_7c15));
        }
        // 2^-53 as a factor: every value is exact and below one.
        ((state >> 11) as f64) * (1.0 / 9_007_199_254_740_992.0)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): a bijection that spreads every bit.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_even_and_do_not_follow_each_other() {
        let (mut bins, mut pairs) = ([0_u32; 64], [0_u32; 64]);
        for position in 0..200_000 {
            let draws = Draws { seed: 7, lane: 0 };
            let Draw { draft, base } = draws.at(position);
            let next = draws.at(position + 1).draft;
            bins[(draft * 64.0) as usize] += 1;
            pairs[(base * 8.0) as usize * 8 + (next * 8.0) as usize] += 1;
        }
        for counts in [bins, pairs] {
            let expected = 200_000.0 / 64.0;
            let chi: f64 = counts
                .iter()
                .map(|&n| (f64::from(n) - expected).powi(2) / expected)
                .sum();
            // The 99.99 % point of chi-square with 63 degrees of freedom.
            assert!(chi < 114.0, "{chi}");
        }
    }

    #[test]
    fn another_seed_lane_or_position_is_another_number() {
        let one = Draws { seed: 1, lane: 0 }.at(5);
        assert_eq!(one, Draws { seed: 1, lane: 0 }.at(5));
        assert_ne!(one, Draws { seed: 2, lane: 0 }.at(5));
        assert_ne!(one, Draws { seed: 1, lane: 1 }.at(5));
        assert_ne!(one, Draws { seed: 1, lane: 0 }.at(6));
        assert!((one.draft - one.base).abs() > f64::EPSILON);
    }
}
