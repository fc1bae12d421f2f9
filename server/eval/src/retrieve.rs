//! SecCoder's measure: how often the best demonstrations for vulnerable code fix the same weakness.
//! It asks the retrievers that users have; it reads no file and prints nothing.

use std::collections::BTreeMap;

use kb_index::{Demonstrations, Retriever};
use kb_schema::Language;
use serde::Serialize;

use crate::cwe::same_family;

/// How often queries are drawn again for an interval.
const DRAWS: usize = 2_000;
/// Where the draws begin; the same numbers give the same interval.
const SEED: u64 = 0x5ec0_c0de;
/// Share of the draws on either side of an interval: 95 % lie within.
const TAIL: f64 = 0.025;

/// Vulnerable code for which demonstrations are sought.
#[derive(Debug, Clone)]
pub struct Question {
    /// Its name.
    pub id: String,
    /// Where it was fixed; demonstrations from there are left out.
    pub commit: String,
    /// Its weaknesses.
    pub cwe: Vec<u32>,
    /// Its language; only demonstrations of it count.
    pub language: Language,
    /// The code as it is.
    pub whole: String,
    /// The slices of its findings, where there are any.
    pub sliced: Option<String>,
    /// Vectors of both, where a model is there.
    pub vectors: Option<Vectors>,
}

/// The vectors of a question.
#[derive(Debug, Clone)]
pub struct Vectors {
    /// Of the code as it is.
    pub whole: Vec<f32>,
    /// Of the slice; of the whole code where there is none.
    pub sliced: Vec<f32>,
}

/// A base with what the measure must know of each demonstration.
pub struct Pool<'a> {
    /// The demonstrations.
    pub base: &'a Demonstrations,
    /// Where each comes from, in their order.
    pub commits: Vec<String>,
}

/// One retriever's measure.
#[derive(Debug, Clone, Serialize)]
pub struct RetrievalRow {
    /// Queries and base, as the caller names them.
    pub suite: String,
    /// `bm25`, `dense`, `fused`, `random`.
    pub retriever: &'static str,
    /// `whole` or `sliced`.
    pub query: &'static str,
    /// How many queries had a demonstration to find.
    pub queries: usize,
    /// Different weaknesses among them.
    pub weaknesses: usize,
    /// Share of queries whose first result has the same weakness; mean over weaknesses.
    pub at_1: Rate,
    /// Share with one among the first five.
    pub at_5: Rate,
    /// The same without the mean over weaknesses.
    pub micro_at_1: f64,
    /// How many results until every query has a hit, SecCoder's figure; none for chance.
    pub until_all: Option<usize>,
    /// How many results until 95 of 100 queries have one.
    pub until_95: Option<usize>,
}

/// A share with its interval.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rate {
    /// The share.
    pub share: f64,
    /// Lower end of the interval of 95 %, from drawing commits again.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Where one query's first hit stands.
struct Outcome {
    weakness: u32,
    commit: usize,
    /// The share of a hit at the first place and among five: 0 or 1, between them for chance.
    at: [f64; 2],
    first: usize,
}

/// Measures every retriever on these questions: whole and sliced, and chance.
#[must_use]
pub fn retrieve(suite: &str, questions: &[Question], pool: &Pool<'_>) -> Vec<RetrievalRow> {
    let mut rows = Vec::new();
    let has_vectors = questions.iter().all(|it| it.vectors.is_some());
    for (retriever, name) in [
        (Retriever::Bm25, "bm25"),
        (Retriever::Dense, "dense"),
        (Retriever::Fused, "fused"),
    ] {
        if retriever != Retriever::Bm25 && !has_vectors {
            continue;
        }
        for query in ["whole", "sliced"] {
            let outcomes = outcomes(questions, pool, &|it| {
                let (code, vector) = it.asked(query == "sliced");
                let found =
                    pool.base
                        .rank_with(code, vector, Some(it.language), retriever, usize::MAX);
                found.into_iter().map(|(number, _)| number).collect()
            });
            rows.push(row(suite, name, query, &outcomes));
        }
    }
    rows.push(chance(suite, questions, pool));
    rows
}

impl Question {
    fn asked(&self, sliced: bool) -> (&str, Option<&[f32]>) {
        let vectors = self.vectors.as_ref();
        match (&self.sliced, sliced) {
            (Some(slice), true) => (slice, vectors.map(|it| it.sliced.as_slice())),
            _ => (&self.whole, vectors.map(|it| it.whole.as_slice())),
        }
    }
}

/// Which demonstrations a question may be answered with, and which of them are hits.
fn allowed(question: &Question, pool: &Pool<'_>) -> Vec<Option<bool>> {
    let all = pool.base.all().iter().zip(&pool.commits);
    all.map(|(it, commit)| {
        // The same text under another commit is the same fix.
        let is_own = *commit == question.commit || it.code == question.whole;
        let fits = it.language == question.language && !is_own;
        let is_hit = || {
            let mut pairs = it
                .cwe
                .iter()
                .flat_map(|a| question.cwe.iter().map(move |b| (*a, *b)));
            pairs.any(|(a, b)| same_family(a, b))
        };
        fits.then(is_hit)
    })
    .collect()
}

fn outcomes(
    questions: &[Question],
    pool: &Pool<'_>,
    rank: &dyn Fn(&Question) -> Vec<usize>,
) -> Vec<Outcome> {
    let mut out = Vec::new();
    for (question, commit) in questions.iter().zip(commits(questions)) {
        let allowed = allowed(question, pool);
        let candidates = allowed.iter().flatten().count();
        // What cannot be found is no failure to find.
        if !allowed.contains(&Some(true)) {
            continue;
        }
        let ranked = rank(question);
        let hits = ranked.iter().filter_map(|number| allowed[*number]);
        // A hit that is not ranked at all comes after everything.
        let first = hits.clone().position(|hit| hit).unwrap_or(candidates - 1) + 1;
        let share = |limit: usize| f64::from(u8::from(hits.clone().take(limit).any(|hit| hit)));
        out.push(Outcome {
            weakness: question.cwe.first().copied().unwrap_or(0),
            commit,
            at: [share(1), share(5)],
            first,
        });
    }
    out
}

/// Chance, computed: drawing without putting back.
#[expect(clippy::cast_precision_loss, reason = "bases are small")]
fn chance(suite: &str, questions: &[Question], pool: &Pool<'_>) -> RetrievalRow {
    let mut out = Vec::new();
    for (question, commit) in questions.iter().zip(commits(questions)) {
        let allowed = allowed(question, pool);
        let all = allowed.iter().flatten().count();
        let hits = allowed.iter().flatten().filter(|it| **it).count();
        if hits == 0 {
            continue;
        }
        let missed = |draws: usize| -> f64 {
            (0..draws.min(all))
                .map(|drawn| (all - hits).saturating_sub(drawn) as f64 / (all - drawn) as f64)
                .product()
        };
        out.push(Outcome {
            weakness: question.cwe.first().copied().unwrap_or(0),
            commit,
            at: [1.0 - missed(1), 1.0 - missed(5)],
            first: 0,
        });
    }
    let mut row = row(suite, "random", "-", &out);
    (row.until_all, row.until_95) = (None, None);
    row
}

/// A number for each question's commit.
fn commits(questions: &[Question]) -> Vec<usize> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut number = |commit| {
        let next = numbers.len();
        *numbers.entry(commit).or_insert(next)
    };
    questions
        .iter()
        .map(|it| number(it.commit.as_str()))
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of queries are small, and shares lie between 0 and 1"
)]
fn row(
    suite: &str,
    retriever: &'static str,
    query: &'static str,
    outcomes: &[Outcome],
) -> RetrievalRow {
    let all: Vec<&Outcome> = outcomes.iter().collect();
    let mut by_commit: BTreeMap<usize, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        by_commit.entry(outcome.commit).or_default().push(outcome);
    }
    let groups: Vec<Vec<&Outcome>> = by_commit.into_values().collect();
    // Functions of one commit look alike, so commits are drawn and not functions.
    let mut random = Random(SEED);
    let mut drawn: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..DRAWS {
        let sample: Vec<&Outcome> = (0..groups.len())
            .flat_map(|_| groups[random.below(groups.len())].iter().copied())
            .collect();
        for (place, rates) in drawn.iter_mut().enumerate() {
            rates.push(macro_mean(&sample, place));
        }
    }
    let rate = |place: usize, mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (rates.len() as f64 * share) as usize;
            rates.get(index.min(rates.len().saturating_sub(1))).copied()
        };
        Rate {
            share: macro_mean(&all, place),
            low: at(TAIL).unwrap_or(0.0),
            high: at(1.0 - TAIL).unwrap_or(0.0),
        }
    };
    let [first, five] = drawn;
    let mut places: Vec<usize> = outcomes.iter().map(|it| it.first).collect();
    places.sort_unstable();
    let mut weaknesses: Vec<u32> = outcomes.iter().map(|it| it.weakness).collect();
    weaknesses.sort_unstable();
    weaknesses.dedup();
    let hits: f64 = outcomes.iter().map(|it| it.at[0]).sum();
    RetrievalRow {
        suite: suite.to_owned(),
        retriever,
        query,
        queries: outcomes.len(),
        weaknesses: weaknesses.len(),
        at_1: rate(0, first),
        at_5: rate(1, five),
        micro_at_1: hits / (outcomes.len().max(1) as f64),
        until_all: places.last().copied(),
        until_95: places
            .get((places.len() * 95).div_ceil(100).saturating_sub(1))
            .copied(),
    }
}

/// The mean over weaknesses of the share within each.
#[expect(clippy::cast_precision_loss, reason = "counts of queries are small")]
fn macro_mean(outcomes: &[&Outcome], place: usize) -> f64 {
    let mut by_weakness: BTreeMap<u32, (f64, usize)> = BTreeMap::new();
    for outcome in outcomes {
        let sum = by_weakness.entry(outcome.weakness).or_default();
        sum.0 += outcome.at[place];
        sum.1 += 1;
    }
    let means = by_weakness.values().map(|(sum, count)| sum / *count as f64);
    means.sum::<f64>() / by_weakness.len().max(1) as f64
}

/// SplitMix64: enough for drawing, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wide = u128::from(mixed ^ (mixed >> 31)) * limit as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}
