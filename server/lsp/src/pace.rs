//! How long to wait before a text is analysed, so that a text that takes long does not take the
//! processor from whoever types in it. It knows durations and moments only.

use std::time::{Duration, Instant};

/// What an analysis may take at every key: less than two frames of a screen.
const BRIEF: Duration = Duration::from_millis(20);

/// Keys that follow each other faster than this are one go of typing.
const LONGEST: Duration = Duration::from_millis(250);

/// While somebody types without a break, analyses take one part in so many of a processor's time.
const SHARE: u32 = 20;

/// A text is not left alone for longer, whatever it takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Follows what a document's analyses take.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    took: Duration,
    ended: Option<Instant>,
}

/// How long to wait after a change.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    /// From the last change on.
    pub(crate) quiet: Duration,
    /// From the first change on.
    pub(crate) most: Duration,
}

impl Wait {
    /// The longer of two.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            quiet: self.quiet.max(other.quiet),
            most: self.most.max(other.most),
        }
    }
}

impl Pace {
    /// Notes that an analysis ended and what it took. One that was given up would have taken longer.
    pub(crate) fn note(&mut self, took: Duration, is_done: bool, now: Instant) {
        self.took = if is_done { took } else { self.took.max(took) };
        self.ended = Some(now);
    }

    /// How long to wait for more changes after one that came now. A brief analysis waits for
    /// nothing, and neither does the first change after a rest: whatever an AI inserts is one.
    pub(crate) fn wait(&self, now: Instant) -> Wait {
        let is_rested = self.ended.is_none_or(|it| now - it > LONGEST);
        if self.took <= BRIEF || is_rested {
            return Wait::default();
        }
        Wait {
            quiet: LONGEST.min(self.took * 4),
            most: PATIENCE.min(self.took * SHARE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_takes_long_waits_and_only_while_somebody_types() {
        let now = Instant::now();
        let quiet = |pace: &Pace| pace.wait(now).quiet.as_millis();
        let mut pace = Pace::default();
        assert_eq!(quiet(&pace), 0);
        pace.note(BRIEF, true, now);
        assert_eq!(quiet(&pace), 0);
        pace.note(BRIEF * 2, true, now);
        assert_eq!(quiet(&pace), 160);
        pace.note(BRIEF, false, now);
        assert_eq!(quiet(&pace), 160, "it was given up and says nothing");
        pace.note(BRIEF * 20, true, now);
        assert_eq!(quiet(&pace), LONGEST.as_millis());
        assert_eq!(pace.wait(now).most, PATIENCE);
        pace.note(BRIEF * 2, true, now);
        assert_eq!(pace.wait(now).most.as_millis(), 800);
        assert_eq!(pace.wait(now + LONGEST * 2), Wait::default());
    }
}
