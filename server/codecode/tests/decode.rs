//! Drafting ahead gives token for token what going step by step gives, whatever the plan.
//! Knows no real model: these are functions of the last few tokens, and check that they are used as promised.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::ops::ControlFlow;

use anyhow::{Result, ensure};
use secondlook_codecode::{
    decode::{Counts, Plan, Run, alone, together},
    draws::{Draw, Draws},
    law::{Emission, Law, Mode, Source, Warp},
    lookup::Lookup,
    model::{LanguageModel, Rows},
};

const VOCABULARY: usize = 12;

/// Logits are a hash of the last `memory` tokens, leaning towards one token by `lean`.
struct Toy {
    salt: u64,
    memory: usize,
    lean: f32,
    context: usize,
    read: Vec<u32>,
    passes: usize,
    lowest: usize,
}

impl Toy {
    fn new(salt: u64, lean: f32) -> Self {
        Self {
            salt,
            memory: 2,
            lean,
            context: 512,
            read: Vec::new(),
            passes: 0,
            lowest: usize::MAX,
        }
    }

    fn row(&self, text: &[u32]) -> Vec<f32> {
        let seen = &text[text.len().saturating_sub(self.memory)..];
        let key = seen
            .iter()
            .fold(0_u64, |key, &token| key * 31 + u64::from(token) + 1);
        let draws = Draws { seed: key, lane: 0 };
        let own = Draws {
            seed: self.salt,
            lane: 1,
        };
        (0..VOCABULARY as u64)
            .map(|token| {
                let common = draws.at(token).draft as f32 * self.lean;
                common + own.at(key ^ token).base as f32 * 2.0
            })
            .collect()
    }
}

impl LanguageModel for Toy {
    fn vocabulary(&self) -> usize {
        VOCABULARY
    }
    fn context(&self) -> usize {
        self.context
    }
    fn length(&self) -> usize {
        self.read.len()
    }
    fn truncate(&mut self, length: usize) {
        self.read.truncate(length);
    }
    fn forward(&mut self, tokens: &[u32], rows: usize) -> Result<Rows> {
        ensure!(
            !tokens.is_empty() && rows <= tokens.len(),
            "asked for {rows} rows of {} tokens",
            tokens.len()
        );
        ensure!(
            self.read.len() + tokens.len() <= self.context,
            "the context is full"
        );
        self.passes += 1;
        self.lowest = self.lowest.min(self.read.len());
        let mut values = Vec::new();
        for (index, &token) in tokens.iter().enumerate() {
            self.read.push(token);
            if index + rows >= tokens.len() {
                values.extend(self.row(&self.read));
            }
        }
        Ok(Rows::new(VOCABULARY, values))
    }
}

const PROMPT: [u32; 14] = [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 7, 8, 1, 2];

fn generate(
    law: Law,
    plan: Plan,
    draws: Draws,
    limit: usize,
) -> (Vec<Emission>, Counts, [usize; 2]) {
    let (mut draft, mut base) = (Toy::new(1, 9.0), Toy::new(2, 9.0));
    let run = Run {
        law,
        plan,
        draws,
        limit,
        prompt: &PROMPT,
    };
    let mut seen = Vec::new();
    let counts = together(&run, &mut draft, &mut base, &mut |emission: &Emission| {
        seen.push(*emission);
        ControlFlow::Continue(())
    })
    .unwrap();
    let mut text = PROMPT.to_vec();
    text.extend(seen.iter().map(|emission| emission.token));
    text.pop();
    assert_eq!(draft.read, text, "the draft's cache holds another text");
    assert_eq!(base.read, text, "the base's cache holds another text");
    (seen, counts, [draft.passes, base.passes])
}

fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for ahead in [1, 2, 4, 8] {
        for doubt in [0.0, 0.5] {
            for lookup in [
                None,
                Some(Lookup {
                    least: 1,
                    most: 3,
                    each: 3,
                    length: 5,
                }),
                Some(Lookup::default()),
            ] {
                plans.push(Plan {
                    ahead,
                    doubt,
                    lookup,
                    chunk: 5,
                });
            }
        }
    }
    plans
}

#[test]
fn every_plan_emits_the_same_tokens_from_the_same_decisions() {
    let warp = Warp {
        temperature: 0.7,
        top_p: 0.95,
    };
    for mode in [Mode::Paper, Mode::Code] {
        for threshold in [0.0, 0.3, 0.9, 1.0] {
            let law = Law {
                mode,
                threshold,
                draft: warp,
                base: warp,
            };
            for seed in 0..12 {
                let draws = Draws {
                    seed,
                    lane: (seed % 3) as u32,
                };
                let (expected, ..) = generate(law, Plan::STEPWISE, draws, 120);
                assert_eq!(expected.len(), 120);
                for plan in plans() {
                    let (seen, ..) = generate(law, plan, draws, 120);
                    assert_eq!(seen, expected, "{plan:?} {law:?} seed {seed}");
                }
            }
        }
    }
}

#[test]
fn stepwise_is_the_law_applied_at_every_position() {
    let law = Law::default();
    let draws = Draws { seed: 3, lane: 0 };
    let (seen, ..) = generate(law, Plan::STEPWISE, draws, 60);
    let (draft, base) = (Toy::new(1, 9.0), Toy::new(2, 9.0));
    let mut text = PROMPT.to_vec();
    for (position, emission) in seen.iter().enumerate() {
        let expected = law.emit(
            &draft.row(&text),
            &base.row(&text),
            draws.at(position as u64),
        );
        assert_eq!(*emission, expected);
        text.push(emission.token);
    }
}

#[test]
fn both_sources_occur_and_are_counted() {
    let draws = Draws { seed: 5, lane: 0 };
    for plan in plans() {
        let (seen, counts, passes) = generate(Law::default(), plan, draws, 200);
        let taken = seen
            .iter()
            .filter(|emission| emission.source == Source::Draft)
            .count() as u64;
        assert!(taken > 0 && taken < 200);
        assert_eq!(
            (counts.emitted, counts.accepted, counts.rejected),
            (200, taken, 200 - taken)
        );
        // Prompt pieces of 5 tokens: 13 are read before generation.
        assert_eq!(
            [counts.draft_passes, counts.base_passes].map(|n| n as usize + 3),
            passes
        );
        assert!(counts.guessed <= counts.looked_up);
        assert_eq!(counts.looked_up > 0, plan.lookup.is_some());
    }
    let (_, step, _) = generate(Law::default(), Plan::STEPWISE, draws, 200);
    let (_, ahead, _) = generate(Law::default(), Plan::AHEAD, draws, 200);
    assert_eq!(step.base_passes, 200);
    assert!(ahead.base_passes < 150, "{ahead:?}");
}

#[test]
fn the_base_alone_is_the_same_with_and_without_lookup_and_as_a_threshold_of_one() {
    let warp = Warp {
        temperature: 0.7,
        top_p: 0.95,
    };
    let law = Law {
        mode: Mode::Paper,
        threshold: 1.0,
        draft: warp,
        base: warp,
    };
    let draws = Draws { seed: 9, lane: 2 };
    let run_alone = |lookup| {
        let mut base = Toy::new(2, 9.0);
        let run = Run {
            law,
            plan: Plan {
                lookup,
                ..Plan::AHEAD
            },
            draws,
            limit: 150,
            prompt: &PROMPT,
        };
        let mut seen = Vec::new();
        let counts = alone(&run, &mut base, &mut |emission: &Emission| {
            seen.push(emission.token);
            ControlFlow::Continue(())
        })
        .unwrap();
        (seen, counts)
    };
    let (plain, without) = run_alone(None);
    let (looked, with) = run_alone(Some(Lookup {
        least: 1,
        most: 3,
        each: 3,
        length: 6,
    }));
    assert_eq!(plain, looked);
    assert!(
        with.base_passes < without.base_passes,
        "{with:?} {without:?}"
    );
    let (co, ..) = generate(law, Plan::AHEAD, draws, 150);
    assert_eq!(
        co.iter().map(|emission| emission.token).collect::<Vec<_>>(),
        plain
    );
}

#[test]
fn a_listener_ends_the_run_at_its_token_and_the_caches_can_be_used_again() {
    let (mut draft, mut base) = (Toy::new(1, 9.0), Toy::new(2, 9.0));
    let draws = Draws { seed: 1, lane: 0 };
    let run = Run {
        law: Law::default(),
        plan: Plan::AHEAD,
        draws,
        limit: 100,
        prompt: &PROMPT,
    };
    let mut heard = Vec::new();
    let counts = together(&run, &mut draft, &mut base, &mut |emission: &Emission| {
        heard.push(*emission);
        if heard.len() == 7 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap();
    assert_eq!((heard.len(), counts.emitted), (7, 7));

    let mut again = Vec::new();
    (draft.lowest, base.lowest) = (usize::MAX, usize::MAX);
    together(
        &Run { limit: 40, ..run },
        &mut draft,
        &mut base,
        &mut |emission: &Emission| {
            again.push(*emission);
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    assert_eq!(again[..7], heard);
    assert_eq!(again, generate(Law::default(), Plan::STEPWISE, draws, 40).0);
    assert_eq!(
        (draft.lowest, base.lowest),
        (PROMPT.len() - 1, PROMPT.len() - 1),
        "the prompt was read again"
    );
}

#[test]
fn the_end_of_the_context_ends_the_run() {
    let (mut draft, mut base) = (Toy::new(1, 9.0), Toy::new(2, 9.0));
    draft.context = 40;
    let draws = Draws { seed: 1, lane: 0 };
    for plan in plans() {
        let run = Run {
            law: Law::default(),
            plan,
            draws,
            limit: 100,
            prompt: &PROMPT,
        };
        let counts = together(&run, &mut draft, &mut base, &mut |_: &Emission| {
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(counts.emitted as usize, 40 - PROMPT.len());
    }
    let long = vec![1; 40];
    let run = Run {
        law: Law::default(),
        plan: Plan::AHEAD,
        draws,
        limit: 1,
        prompt: &long,
    };
    let problem = together(&run, &mut draft, &mut base, &mut |_: &Emission| {
        ControlFlow::Continue(())
    })
    .unwrap_err();
    assert!(problem.to_string().contains("40 tokens"), "{problem}");
}

#[test]
fn other_vocabularies_and_empty_prompts_are_refused() {
    struct Wider(Toy);
    impl LanguageModel for Wider {
        fn vocabulary(&self) -> usize {
            VOCABULARY + 1
        }
        fn context(&self) -> usize {
            self.0.context()
        }
        fn length(&self) -> usize {
            self.0.length()
        }
        fn truncate(&mut self, length: usize) {
            self.0.truncate(length);
        }
        fn forward(&mut self, tokens: &[u32], rows: usize) -> Result<Rows> {
            self.0.forward(tokens, rows)
        }
    }
    let mut run = Run {
        law: Law::default(),
        plan: Plan::AHEAD,
        draws: Draws { seed: 0, lane: 0 },
        limit: 5,
        prompt: &PROMPT,
    };
    let hear = &mut |_: &Emission| ControlFlow::Continue(());
    let problem = together(
        &run,
        &mut Toy::new(1, 1.0),
        &mut Wider(Toy::new(2, 1.0)),
        hear,
    )
    .unwrap_err();
    assert!(
        problem.to_string().contains("do not share a vocabulary"),
        "{problem}"
    );
    run.prompt = &[];
    assert!(together(&run, &mut Toy::new(1, 1.0), &mut Toy::new(2, 1.0), hear).is_err());
}

/// What the emitted text follows, not only one step: all texts of three tokens by their exact probability.
#[test]
fn speculative_texts_follow_the_law_over_three_positions() {
    const SAMPLES: u32 = 60_000;
    let warp = Warp {
        temperature: 0.6,
        top_p: 0.8,
    };
    let law = Law {
        mode: Mode::Code,
        threshold: 0.3,
        draft: warp,
        base: warp,
    };
    let plan = Plan {
        ahead: 4,
        doubt: 0.3,
        lookup: Some(Lookup {
            least: 1,
            most: 2,
            each: 3,
            length: 2,
        }),
        chunk: 64,
    };
    let (mut draft, mut base) = (Toy::new(1, 5.0), Toy::new(2, 5.0));
    let mut seen = std::collections::HashMap::<Vec<u32>, u32>::new();
    for lane in 0..SAMPLES {
        let run = Run {
            law,
            plan,
            draws: Draws { seed: 77, lane },
            limit: 3,
            prompt: &PROMPT,
        };
        let mut text = Vec::new();
        together(&run, &mut draft, &mut base, &mut |emission: &Emission| {
            text.push(emission.token);
            ControlFlow::Continue(())
        })
        .unwrap();
        *seen.entry(text).or_default() += 1;
    }
    // The one-step distribution by a fine grid over both numbers, which the law reads separately.
    let step = |text: &[u32]| -> Vec<f64> {
        const GRID: u32 = 400;
        let (s, b) = (draft.row(text), base.row(text));
        let mut share = vec![0.0; VOCABULARY];
        let number = |i: u32| (f64::from(i) + 0.5) / f64::from(GRID);
        for first in 0..GRID {
            let proposal = law.propose(
                &s,
                Draw {
                    draft: number(first),
                    base: 0.0,
                },
            );
            let rest = law.judge(
                proposal,
                &b,
                Draw {
                    draft: 0.0,
                    base: 0.5,
                },
            );
            if rest.source == Source::Draft {
                share[rest.token as usize] += 1.0 / f64::from(GRID);
            } else {
                for (token, own) in base_share(&b).into_iter().enumerate() {
                    share[token] += own / f64::from(GRID);
                }
            }
        }
        share
    };
    let mut worst: f64 = 0.0;
    for (text, count) in &seen {
        let mut probability = 1.0;
        let mut so_far = PROMPT.to_vec();
        for &token in text {
            probability *= step(&so_far)[token as usize];
            so_far.push(token);
        }
        if *count > 400 {
            worst = worst.max((f64::from(*count) / f64::from(SAMPLES) / probability - 1.0).abs());
        }
    }
    // Five standard deviations of the rarest text counted, and the grid's error.
    assert!(worst < 0.27, "{worst}");
}

fn base_share(row: &[f32]) -> Vec<f64> {
    let weights: Vec<f64> = row.iter().map(|&logit| f64::from(logit).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}
