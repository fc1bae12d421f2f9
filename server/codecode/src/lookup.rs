//! Guesses what comes next from what was already written: after the same few tokens, the same again.
//! Knows only token numbers. A guess is never emitted; it only says what to read ahead.

/// How far to look and how much to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The fewest tokens that must agree.
    pub least: usize,
    /// The most tokens that are compared.
    pub most: usize,
    /// How many tokens are guessed for each one that agrees after the first: where more agree, more is likely to follow.
    pub each: usize,
    /// The longest guess.
    pub length: usize,
}

impl Default for Lookup {
    fn default() -> Self {
        Self {
            least: 2,
            most: 8,
            each: 3,
            length: 16,
        }
    }
}

impl Lookup {
    /// What followed the longest earlier occurrence of the text's end; of equals the latest.
    ///
    /// Looks back at most 16,384 tokens, so its cost is bounded and far below a forward pass.
    #[must_use]
    pub fn guess<'a>(&self, text: &'a [u32]) -> &'a [u32] {
        const WINDOW: usize = 16_384;
        let floor = text.len().saturating_sub(WINDOW);
        let (mut best, mut found) = (self.least.max(1) - 1, None);
        for end in (floor + 1..text.len()).rev() {
            let agree = text[floor..end]
                .iter()
                .rev()
                .zip(text.iter().rev())
                .take(self.most.max(self.least))
                .take_while(|(a, b)| a == b)
                .count();
            if agree > best {
                (best, found) = (agree, Some(end));
                if agree >= self.most {
                    break;
                }
            }
        }
        let length = (best.saturating_sub(1) * self.each).max(1).min(self.length);
        found.map_or(&[], |end| &text[end..text.len().min(end + length)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Lookup = Lookup {
        least: 2,
        most: 4,
        each: 2,
        length: 3,
    };

    #[test]
    fn the_longest_agreement_wins_and_then_the_latest() {
        assert_eq!(ANY.guess(&[1, 2, 3, 9, 9, 2, 3, 8, 1, 2, 3]), [9, 9, 2]);
        assert_eq!(ANY.guess(&[2, 3, 7, 2, 3, 8, 2, 3]), [8, 2]);
        assert!(ANY.guess(&[1, 2, 3, 4]).is_empty());
        assert!(ANY.guess(&[]).is_empty());
        assert!(ANY.guess(&[5]).is_empty());
    }

    #[test]
    fn more_is_guessed_where_more_agrees() {
        assert_eq!(ANY.guess(&[1, 2, 7, 8, 9, 6, 1, 2]), [7, 8]);
        assert_eq!(ANY.guess(&[0, 1, 2, 7, 8, 9, 6, 0, 1, 2]), [7, 8, 9]);
    }

    #[test]
    fn a_run_of_one_token_guesses_itself() {
        assert_eq!(ANY.guess(&[4, 4, 4, 4, 4]), [4]);
    }
}
