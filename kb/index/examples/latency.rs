//! How long queries take: `latency INDEXES` asks every index of a folder with code of its own posts.
//! It knows the store's front door only.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use kb_index::{Installed, Options, Store, tokenize};
use kb_schema::{Knowledge, Query};

/// How many queries are asked.
const QUERIES: usize = 1_000;
/// How often each is asked; its best time counts, because the turns of other programs and the
/// first look at a file are not the search's time.
const TURNS: usize = 5;
/// Of so many different terms.
const TERMS: usize = 30;

fn main() {
    let Some(folder) = std::env::args_os().nth(1) else {
        return;
    };
    let store = Store::open(Options {
        index_dir: Some(PathBuf::from(folder)),
        ..Options::default()
    });
    for index in store.installed() {
        let texts = texts(&index);
        report(&index, "30 terms, code alone", &texts, |text| {
            index.search_code(text, 5).len()
        });
        report(&index, "30 terms, as asked by a hover", &texts, |text| {
            let text = text.to_owned();
            let (language, limit) = (None, 5);
            store
                .posts(&Query {
                    text,
                    language,
                    limit,
                })
                .len()
        });
    }
}

/// Queries of exactly so many terms, from the code of posts that lie far apart.
fn texts(index: &Arc<Installed>) -> Vec<String> {
    let step = (index.manifest.posts as usize / QUERIES).max(1);
    let mut texts = Vec::new();
    let mut place = 0;
    let read = index.each_post(&mut |post| {
        place += 1;
        if place % step == 0 {
            let mut terms: Vec<String> = Vec::new();
            for term in tokenize(&post.code.join("\n")) {
                if !terms.contains(&term) && terms.len() < TERMS {
                    terms.push(term);
                }
            }
            if terms.len() == TERMS {
                texts.push(terms.join(" "));
            }
        }
        if texts.len() < QUERIES {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    read.expect("the index was opened a moment ago");
    texts
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn report(index: &Installed, name: &str, texts: &[String], ask: impl Fn(&str) -> usize) {
    let mut times = Vec::new();
    let mut hits = 0;
    for text in texts {
        let (mut found, mut best) = (0, f64::INFINITY);
        for _ in 0..TURNS {
            let began = Instant::now();
            found = ask(text);
            best = best.min(began.elapsed().as_secs_f64() * 1e3);
        }
        hits += found;
        times.push(best);
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| {
        times
            .get((times.len() as f64 * part) as usize)
            .copied()
            .unwrap_or(0.0)
    };
    println!(
        "{} posts, {name}: p50 {:.3} ms, p95 {:.3} ms, p99 {:.3} ms over {} queries, {hits} hits",
        index.manifest.posts,
        at(0.5),
        at(0.95),
        at(0.99),
        times.len()
    );
}
