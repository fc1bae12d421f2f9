//! The law against the exact one-step distribution, computed here a second time and plainly.
//! Knows no models: the rows are made up.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use secondlook_codecode::{
    draws::{Draw, Draws},
    law::{Law, Mode, Source, Warp},
};

/// Softmax with temperature and top-p the slow and obvious way.
fn warped(logits: &[f32], warp: Warp) -> Vec<f64> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    if warp.temperature == 0.0 {
        return (0..logits.len())
            .map(|token| f64::from(u8::from(token == order[0])))
            .collect();
    }
    let weights: Vec<f64> = logits
        .iter()
        .map(|&logit| (f64::from(logit) / warp.temperature).exp())
        .collect();
    let all: f64 = weights.iter().sum();
    let mut kept = vec![0.0; logits.len()];
    let mut mass = 0.0;
    for &token in &order {
        kept[token] = weights[token];
        mass += weights[token];
        if mass >= warp.top_p * all {
            break;
        }
    }
    let total: f64 = kept.iter().sum();
    kept.iter().map(|weight| weight / total).collect()
}

/// q(x) = S(x)·[B(x) > a·S(x)] + (1 − Σ S(y)·[B(y) > a·S(y)])·B(x)
fn exact(law: &Law, draft: &[f32], base: &[f32]) -> Vec<f64> {
    let s = warped(draft, law.draft);
    let b = warped(
        base,
        if law.mode == Mode::Paper {
            law.base
        } else {
            Warp::RAW
        },
    );
    let taken = |token: usize| law.threshold < 1.0 && b[token] > law.threshold * s[token];
    let mass: f64 = (0..s.len())
        .filter(|&token| taken(token))
        .map(|token| s[token])
        .sum();
    (0..s.len())
        .map(|token| if taken(token) { s[token] } else { 0.0 } + (1.0 - mass) * b[token])
        .collect()
}

const DRAFT: [f32; 9] = [2.0, 1.4, 0.3, -0.5, 1.9, -2.0, 0.0, 0.9, -7.0];
const BASE: [f32; 9] = [0.1, 1.2, 0.8, 1.1, -1.0, -2.5, 0.6, 1.3, -6.0];

fn laws() -> Vec<Law> {
    let mut laws = Vec::new();
    for mode in [Mode::Paper, Mode::Code] {
        for threshold in [0.0, 0.1, 0.3, 0.9, 1.0] {
            for (draft, base) in [
                ((0.4, 0.95), (0.4, 0.95)),
                ((0.8, 0.9), (1.3, 0.8)),
                ((1.0, 1.0), (1.0, 1.0)),
            ] {
                let warp = |(temperature, top_p)| Warp { temperature, top_p };
                laws.push(Law {
                    mode,
                    threshold,
                    draft: warp(draft),
                    base: warp(base),
                });
            }
        }
    }
    laws
}

#[test]
fn a_million_draws_of_every_mode_follow_the_exact_distribution() {
    const DRAWS: u64 = 1_000_000;
    for (index, law) in laws().into_iter().enumerate() {
        let expected = exact(&law, &DRAFT, &BASE);
        let draws = Draws {
            seed: 11,
            lane: index as u32,
        };
        let mut seen = [0_u64; DRAFT.len()];
        for position in 0..DRAWS {
            seen[law.emit(&DRAFT, &BASE, draws.at(position)).token as usize] += 1;
        }
        let (mut chi, mut cells) = (0.0, 0);
        for (&count, &share) in seen.iter().zip(&expected) {
            let mean = share * DRAWS as f64;
            if share < 1e-12 {
                assert_eq!(count, 0, "{law:?} emitted a token of no probability");
            } else {
                chi += (count as f64 - mean).powi(2) / mean;
                cells += 1;
            }
        }
        let freedom = f64::from(cells - 1);
        // Wilson and Hilferty's approximation of the 99.99 % point; 30 laws are tried.
        let limit = if cells > 1 {
            freedom * (1.0 - 2.0 / (9.0 * freedom) + 3.719 * (2.0 / (9.0 * freedom)).sqrt()).powi(3)
        } else {
            0.0
        };
        assert!(
            chi <= limit,
            "{law:?}: chi-square {chi:.1} over {limit:.1} at {freedom} degrees of freedom"
        );
    }
}

/// The test above must be able to fail: the same draws against a law that is a little off.
#[test]
fn a_law_that_is_a_little_off_would_be_seen() {
    let law = Law {
        threshold: 0.3,
        mode: Mode::Code,
        draft: Warp::RAW,
        base: Warp::RAW,
    };
    let expected = exact(
        &Law {
            threshold: 0.0,
            ..law
        },
        &DRAFT,
        &BASE,
    );
    let draws = Draws { seed: 11, lane: 0 };
    let mut seen = [0_u64; DRAFT.len()];
    for position in 0..100_000 {
        seen[law.emit(&DRAFT, &BASE, draws.at(position)).token as usize] += 1;
    }
    let chi: f64 = seen
        .iter()
        .zip(&expected)
        .map(|(&n, &p)| (n as f64 - p * 1e5).powi(2) / (p * 1e5))
        .sum();
    assert!(chi > 1000.0, "{chi}");
}

#[test]
fn the_exact_distribution_sums_to_one() {
    for law in laws() {
        let total: f64 = exact(&law, &DRAFT, &BASE).iter().sum();
        assert!((total - 1.0).abs() < 1e-12, "{law:?}");
    }
}

#[test]
fn temperature_zero_is_the_likeliest_token_of_whoever_decides() {
    let cold = Warp {
        temperature: 0.0,
        top_p: 0.95,
    };
    let law = Law {
        mode: Mode::Paper,
        threshold: 0.3,
        draft: cold,
        base: cold,
    };
    for number in [0.0, 0.5, 0.999_999] {
        let emission = law.emit(
            &DRAFT,
            &BASE,
            Draw {
                draft: number,
                base: number,
            },
        );
        // The security model proposes 0, of which the cold base thinks nothing.
        assert_eq!(
            (emission.token, emission.source, emission.proposal.token),
            (7, Source::Base, 0)
        );
    }
}

#[test]
fn no_row_makes_it_fail() {
    let law = Law::default();
    let rows: [&[f32]; 6] = [
        &[],
        &[f32::NAN; 3],
        &[f32::NEG_INFINITY; 3],
        &[f32::INFINITY, 0.0, 0.0],
        &[1.0, f32::NAN, 2.0],
        &[0.0, -1e30, 1e30],
    ];
    for draft in rows {
        for base in rows {
            for number in [0.0, 0.999_999_999] {
                let token = law
                    .emit(
                        draft,
                        base,
                        Draw {
                            draft: number,
                            base: number,
                        },
                    )
                    .token;
                assert!((token as usize) < draft.len().max(base.len()).max(1));
            }
        }
    }
    let kept = law.propose(
        &[1.0, f32::NAN, 2.0],
        Draw {
            draft: 0.999,
            base: 0.0,
        },
    );
    assert_ne!(kept.token, 1);
    assert!(
        laws()
            .iter()
            .map(|law| law.threshold)
            .reduce(f64::max)
            .unwrap()
            >= 1.0
    );
}
