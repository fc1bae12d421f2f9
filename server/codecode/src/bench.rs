//! What co-decoding costs beside the base alone, and whether every plan emits the same tokens.
//! Knows prompts, clocks and ratios; it decodes through the same session as everything else.

use std::{ops::ControlFlow, path::Path, time::Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    decode::{Counts, Plan},
    draws::Draws,
    law::Law,
    lookup::Lookup,
    session::{Answer, Ask, Piece, Session},
    template::{self, Message, Role},
};

/// One line of a prompt file.
#[derive(Clone, Debug, Deserialize)]
pub struct Prompt {
    /// `code` is continued as it is, `revision` is said to a chat model.
    pub kind: String,
    /// The text.
    pub text: String,
}

/// One way of decoding.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    plan: Plan,
    base_only: bool,
}

/// What one way cost over all prompts of a kind.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which prompts.
    pub kind: String,
    /// Which way.
    pub way: &'static str,
    /// How many prompts.
    pub prompts: usize,
    /// Milliseconds of processor time per token.
    pub cpu_ms: f64,
    /// Milliseconds on the clock per token.
    pub wall_ms: f64,
    /// Processor time per token as a ratio to the base alone: the median over prompts.
    pub cpu_ratio: f64,
    /// Its quartiles over prompts.
    pub cpu_quartiles: [f64; 2],
    /// Time on the clock as a ratio: the median over prompts.
    pub wall_ratio: f64,
    /// Share of proposals that stood.
    pub acceptance: Option<f64>,
    /// Sums over all prompts.
    pub counts: Counts,
    /// Prompts whose tokens differed from those of stepwise decoding (of the base alone, for it).
    pub different: usize,
}

/// Reads prompts, one JSON object a line.
///
/// # Errors
/// When the file cannot be read or a line is no prompt.
pub fn prompts(path: &Path) -> Result<Vec<Prompt>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).with_context(|| format!("{}:{}", path.display(), number + 1))
        })
        .collect()
}

/// Runs every way on every prompt, ways taking turns so that the machine's moods fall on all alike.
///
/// # Errors
/// When there is no security model or a pass fails.
pub fn run(
    session: &mut Session,
    prompts: &[Prompt],
    law: Law,
    tokens: usize,
    seed: u64,
    identity: bool,
    mut say: impl FnMut(&str),
) -> Result<Vec<Row>> {
    ensure!(session.is_pair(), "the benchmark needs a security model");
    let ways = ways(identity);
    let mut kinds: Vec<&str> = prompts.iter().map(|prompt| prompt.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut rows = Vec::new();
    for kind in kinds {
        let chosen: Vec<&Prompt> = prompts
            .iter()
            .filter(|prompt| prompt.kind == kind)
            .collect();
        let mut costs: Vec<Vec<(f64, f64, f64)>> = vec![Vec::new(); ways.len()];
        let mut counts = vec![Counts::default(); ways.len()];
        let mut different = vec![0; ways.len()];
        for (index, prompt) in chosen.iter().enumerate() {
            let ids = ids(session, prompt)?;
            // Both models read the prompt outside the measured time.
            answer(session, &ids, law, seed, 1, ways[2])?;
            let mut plain: [Option<Vec<u32>>; 2] = [None, None];
            for (at, way) in ways.iter().enumerate() {
                let before = (processor()?, Instant::now());
                let answer = answer(session, &ids, law, seed, tokens, *way)?;
                let cpu = processor()? - before.0;
                let wall = before.1.elapsed().as_secs_f64();
                let emitted = answer.counts.emitted.max(1) as f64;
                costs[at].push((cpu / emitted, wall / emitted, emitted));
                counts[at].add(&answer.counts);
                let expected =
                    plain[usize::from(!way.base_only)].get_or_insert_with(|| answer.tokens.clone());
                different[at] += usize::from(*expected != answer.tokens);
            }
            say(&format!(
                "{kind}: {} of {} prompts",
                index + 1,
                chosen.len()
            ));
        }
        for (at, way) in ways.iter().enumerate() {
            let ratio = |pick: fn(&(f64, f64, f64)) -> f64| -> Vec<f64> {
                let mut all: Vec<f64> = costs[at]
                    .iter()
                    .zip(&costs[0])
                    .map(|(own, base)| pick(own) / pick(base))
                    .collect();
                all.sort_by(f64::total_cmp);
                all
            };
            let (cpu, wall) = (ratio(|cost| cost.0), ratio(|cost| cost.1));
            let total: f64 = costs[at].iter().map(|cost| cost.2).sum();
            let mean = |pick: fn(&(f64, f64, f64)) -> f64| {
                costs[at]
                    .iter()
                    .map(|cost| pick(cost) * cost.2)
                    .sum::<f64>()
                    / total
                    * 1000.0
            };
            rows.push(Row {
                kind: kind.to_owned(),
                way: way.name,
                prompts: chosen.len(),
                cpu_ms: mean(|cost| cost.0),
                wall_ms: mean(|cost| cost.1),
                cpu_ratio: at_share(&cpu, 0.5),
                cpu_quartiles: [at_share(&cpu, 0.25), at_share(&cpu, 0.75)],
                wall_ratio: at_share(&wall, 0.5),
                acceptance: counts[at].acceptance(),
                counts: counts[at],
                different: different[at],
            });
        }
    }
    Ok(rows)
}

/// The ways that are compared; the base alone comes first, stepwise co-decoding third.
fn ways(identity: bool) -> Vec<Way> {
    let lookup = Some(Lookup::default());
    let base = |name, lookup| Way {
        name,
        plan: Plan {
            lookup,
            ..Plan::STEPWISE
        },
        base_only: true,
    };
    let co = |name, ahead| {
        let doubt = if ahead == 1 { 0.0 } else { Plan::AHEAD.doubt };
        Way {
            name,
            plan: Plan {
                ahead,
                doubt,
                ..Plan::AHEAD
            },
            base_only: false,
        }
    };
    let mut ways = vec![
        base("base alone", None),
        base("base + lookup", lookup),
        co("stepwise", 1),
        co("speculative", 8),
        Way {
            name: "speculative + lookup",
            plan: Plan::revision(),
            base_only: false,
        },
    ];
    if identity {
        ways.extend([co("k = 2", 2), co("k = 4", 4)]);
    }
    ways
}

/// The rows as a Markdown table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| prompts | way | CPU ms/token | CPU ratio (quartiles) | wall ratio | accepted | other tokens than stepwise |\n\
         |---|---|---:|---:|---:|---:|---:|\n",
    );
    for row in rows {
        let accepted = row
            .acceptance
            .map_or_else(String::new, |share| format!("{:.1} %", share * 100.0));
        out += &format!(
            "| {} {} | {} | {:.1} | {:.2} ({:.2}–{:.2}) | {:.2} | {accepted} | {} |\n",
            row.prompts,
            row.kind,
            row.way,
            row.cpu_ms,
            row.cpu_ratio,
            row.cpu_quartiles[0],
            row.cpu_quartiles[1],
            row.wall_ratio,
            row.different
        );
    }
    out
}

fn ids(session: &Session, prompt: &Prompt) -> Result<Vec<u32>> {
    if prompt.kind == "revision" {
        let message = Message {
            role: Role::User,
            content: prompt.text.clone(),
        };
        return template::chat(session.tokens(), &[message]);
    }
    template::plain(session.tokens(), &prompt.text)
}

fn answer(
    session: &mut Session,
    prompt: &[u32],
    law: Law,
    seed: u64,
    limit: usize,
    way: Way,
) -> Result<Answer> {
    let ask = Ask {
        prompt,
        law,
        plan: way.plan,
        draws: Draws { seed, lane: 0 },
        limit,
        stops: &[],
        base_only: way.base_only,
        endless: false,
    };
    session.answer(&ask, &mut |_: &Piece<'_>| ControlFlow::Continue(()))
}

fn at_share(sorted: &[f64], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let value = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let (low, high) = (value(at.floor() as usize), value(at.ceil() as usize));
    low + (high - low) * at.fract()
}

/// Seconds of processor time that the threads now alive have used, as the scheduler counts it.
///
/// None of the threads that compute ends between two readings: they are pools that live as long as the program.
fn processor() -> Result<f64> {
    let mut total = 0.0;
    for task in
        std::fs::read_dir("/proc/self/task").context("the system counts no processor time")?
    {
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        let nanoseconds: f64 = text
            .split_whitespace()
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0.0);
        total += nanoseconds / 1e9;
    }
    Ok(total)
}
