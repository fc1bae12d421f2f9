//! The emission law of co-decoding: which token comes next, as a pure function of two rows of logits and a draw.
//! Knows no models, no caches and no order of work; drafting and verification only decide when it is asked.

use crate::{draws::Draw, pointwise::highest};

/// Whether the base model's scores are warped as the text of the paper has it, or left raw as its
/// published code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Temperature and top-p act on both models.
    Paper,
    /// The base is taken at temperature 1 and whole, whatever the options say.
    Code,
}

/// How one model's logits become probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warp {
    /// Softmax temperature; 0 puts everything on the highest logit (the lowest token among equals).
    pub temperature: f64,
    /// The smallest set of likeliest tokens that reaches this mass is kept and renormalised; 1 keeps all.
    pub top_p: f64,
}

impl Warp {
    /// Softmax of the logits as they are.
    pub const RAW: Self = Self {
        temperature: 1.0,
        top_p: 1.0,
    };
}

/// CoSec's rule (section 3.2 and equation 4 of the paper) with its options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    /// Which of the two readings of the base's scores.
    pub mode: Mode,
    /// `a`: a proposal x is taken where B(x) > a·S(x). From 1 on, the base always decides.
    pub threshold: f64,
    /// How the security model is warped.
    pub draft: Warp,
    /// How the base is warped in [`Mode::Paper`].
    pub base: Warp,
}

impl Default for Law {
    /// The paper's own setting: a = 0.3, both at temperature 0.4 and top-p 0.95.
    fn default() -> Self {
        let warp = Warp {
            temperature: 0.4,
            top_p: 0.95,
        };
        Self {
            mode: Mode::Paper,
            threshold: 0.3,
            draft: warp,
            base: warp,
        }
    }
}

/// Whose token was emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The security model's proposal stood.
    Draft,
    /// The base put its own token in the proposal's place, or ran alone.
    Base,
}

/// A token proposed by the security model, with the probability it had there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// The token.
    pub token: u32,
    /// S(x) after warping.
    pub probability: f64,
}

/// One emitted token and how it came about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Emission {
    /// The token that comes next.
    pub token: u32,
    /// Who decided.
    pub source: Source,
    /// What the security model had proposed.
    pub proposal: Proposal,
    /// B(x) of the emitted token after warping.
    pub base_probability: f64,
}

impl Law {
    /// The whole law: the next token from the logits of both models at one position.
    #[must_use]
    pub fn emit(&self, draft: &[f32], base: &[f32], draw: Draw) -> Emission {
        self.judge(self.propose(draft, draw), base, draw)
    }

    /// The security model's half: x ~ S.
    #[must_use]
    pub fn propose(&self, draft: &[f32], draw: Draw) -> Proposal {
        let row = Distribution::new(draft, self.draft);
        let token = row.sample(draw.draft);
        Proposal {
            token,
            probability: row.probability(token),
        }
    }

    /// The base's half: takes the proposal, or draws a token of its own.
    #[must_use]
    pub fn judge(&self, proposal: Proposal, base: &[f32], draw: Draw) -> Emission {
        let row = Distribution::new(base, self.base_warp());
        let agreed = row.probability(proposal.token);
        if self.threshold < 1.0 && agreed > self.threshold * proposal.probability {
            return Emission {
                token: proposal.token,
                source: Source::Draft,
                proposal,
                base_probability: agreed,
            };
        }
        let token = row.sample(draw.base);
        Emission {
            token,
            source: Source::Base,
            proposal,
            base_probability: row.probability(token),
        }
    }

    /// The base without a security model: y ~ B.
    #[must_use]
    pub fn base_alone(&self, base: &[f32], draw: Draw) -> (u32, f64) {
        let row = Distribution::new(base, self.base_warp());
        let token = row.sample(draw.base);
        (token, row.probability(token))
    }

    fn base_warp(&self) -> Warp {
        match self.mode {
            Mode::Paper => self.base,
            Mode::Code => Warp::RAW,
        }
    }
}

/// One row of logits as a distribution over tokens.
///
/// Logits more than 40 temperatures below the highest count as probability zero (together less than
/// 10^-12 for any vocabulary in use), and so does a logit that is not a number.
#[derive(Debug)]
pub struct Distribution<'a> {
    logits: &'a [f32],
    highest: f64,
    temperature: f64,
    total: f64,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    /// All mass on one token.
    Point(u32),
    /// Every token counts.
    Whole,
    /// Only these, by falling weight.
    Nucleus(Vec<(u32, f64)>),
}

/// Below this many temperatures under the highest logit a token has no mass.
const FLOOR: f64 = -40.0;

impl<'a> Distribution<'a> {
    /// Warps a row. An empty row, or one with no number in it, is a point on token 0.
    #[must_use]
    pub fn new(logits: &'a [f32], warp: Warp) -> Self {
        let highest = highest(logits);
        let mut row = Self {
            logits,
            highest: f64::from(highest),
            temperature: warp.temperature,
            total: 1.0,
            shape: Shape::Point(0),
        };
        if !highest.is_finite() || warp.temperature.is_nan() || warp.temperature <= 0.0 {
            let best = logits.iter().position(|&logit| logit == highest);
            let best = best.filter(|_| highest > f32::NEG_INFINITY);
            row.shape = Shape::Point(best.unwrap_or(0) as u32);
            return row;
        }
        if warp.top_p < 1.0 {
            let kept = row.nucleus(warp.top_p.max(0.0));
            row.total = kept.iter().map(|&(_, weight)| weight).sum();
            row.shape = Shape::Nucleus(kept);
        } else {
            row.total = logits.iter().map(|&logit| row.weight(logit)).sum();
            row.shape = Shape::Whole;
        }
        row
    }

    /// The smallest set of likeliest tokens that reaches `top_p`; at least one, equals by token number.
    fn nucleus(&self, top_p: f64) -> Vec<(u32, f64)> {
        // Looked at many at once before one by one: most are nowhere near the highest.
        const MANY: usize = 16;
        let floor = ((self.highest + FLOOR * self.temperature) as f32).next_down();
        let mut likely: Vec<(u32, f64)> = Vec::new();
        for (at, logits) in self.logits.chunks(MANY).enumerate() {
            if !logits
                .iter()
                .fold(false, |any, &logit| any | (logit >= floor))
            {
                continue;
            }
            for (token, &logit) in logits.iter().enumerate() {
                let weight = self.weight(logit);
                if weight > 0.0 {
                    likely.push(((at * MANY + token) as u32, weight));
                }
            }
        }
        let whole: f64 = likely.iter().map(|&(_, weight)| weight).sum();
        // Tokens below this share cannot matter: all of them together are at most 1 - top_p.
        let least = (1.0 - top_p) * whole / self.logits.len() as f64;
        likely.retain(|&(_, weight)| weight >= least);
        likely.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let (mut mass, mut keep) = (0.0, 0);
        for &(_, weight) in &likely {
            mass += weight;
            keep += 1;
            if mass >= top_p * whole {
                break;
            }
        }
        likely.truncate(keep);
        likely
    }

    fn weight(&self, logit: f32) -> f64 {
        let scaled = (f64::from(logit) - self.highest) / self.temperature;
        if scaled > FLOOR { scaled.exp() } else { 0.0 }
    }

    /// The probability of a token; zero where it is outside the nucleus or the vocabulary.
    #[must_use]
    pub fn probability(&self, token: u32) -> f64 {
        match &self.shape {
            Shape::Point(only) => f64::from(u8::from(*only == token)),
            Shape::Whole => self
                .logits
                .get(token as usize)
                .map_or(0.0, |&logit| self.weight(logit) / self.total),
            Shape::Nucleus(kept) => kept
                .iter()
                .find(|&&(one, _)| one == token)
                .map_or(0.0, |&(_, weight)| weight / self.total),
        }
    }

    /// The token at which the running sum of probabilities passes `number`, which is in [0, 1).
    #[must_use]
    pub fn sample(&self, number: f64) -> u32 {
        let mut left = number * self.total;
        let mut last = 0;
        let mut pass = |token: u32, weight: f64| {
            if weight > 0.0 {
                last = token;
                left -= weight;
            }
            left < 0.0
        };
        match &self.shape {
            Shape::Point(only) => return *only,
            Shape::Whole => {
                for (token, &logit) in self.logits.iter().enumerate() {
                    if pass(token as u32, self.weight(logit)) {
                        break;
                    }
                }
            }
            Shape::Nucleus(kept) => {
                for &(token, weight) in kept {
                    if pass(token, weight) {
                        break;
                    }
                }
            }
        }
        // Rounding can leave a rest after the last token with any mass; that token it is.
        last
    }
}
