//! `secondlook kb`: reads the knowledge base and prints it. Also opens it for every command.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::Context;
use config::{Resolver, Settings};
use kb_index::{Options, Retriever, Store};
use kb_schema::{Entry, EntrySet, ExampleKind, HitKind, Knowledge, Problem, Query};

use crate::args::{Args, By, Kb, Language};
use crate::{EXIT_ERROR, EXIT_FINDINGS, install, options, output};

/// Opens the bundled entries and the user's, with those of the folders that settings name.
pub(crate) fn open(args: &Args, settings: &Settings) -> Arc<Store> {
    let mut options = Options::from_env();
    options.entry_dirs.extend(args.entries.iter().cloned());
    options
        .entry_dirs
        .extend(settings.entries.iter().map(|it| it.0.clone()));
    let index = args.index.clone();
    let index = index.or_else(|| settings.index.as_ref().map(|it| it.0.clone()));
    if index.is_some() {
        options.index_dir = index;
    }
    Arc::new(Store::open(options))
}

/// As [`open`], with the settings of the folder that this runs in.
pub(crate) fn open_here(args: &Args) -> anyhow::Result<Arc<Store>> {
    let resolver = Resolver::new(options::user_file().as_deref(), Vec::new());
    let settings = resolver.of_folder(&options::here()?);
    for problem in resolver.take_problems() {
        output::warning(&problem.to_string());
    }
    Ok(open(args, &settings))
}

/// Says which entries were refused. They stop nothing else.
pub(crate) fn warn(entries: &EntrySet, compiled: &[Problem]) {
    for problem in entries.problems.iter().chain(compiled) {
        output::warning(&problem.to_string());
    }
}

pub(crate) fn run(args: &Args, command: &Kb) -> anyhow::Result<u8> {
    let store = open_here(args)?;
    let entries = store.entries();
    match command {
        Kb::Import(import) => return install::import(&store, import),
        Kb::Add {
            pair: Some(file), ..
        } => return add_pairs(&store, file),
        Kb::Calibrate => return install::calibrate(&store),
        Kb::Add { paths, .. } => return install::add(&store, paths),
        Kb::Remove { name } => return install::remove(&store, name),
        _ => warn(&entries, analysis::Host::new(&entries).problems()),
    }
    match command {
        Kb::Import(_) | Kb::Calibrate | Kb::Add { .. } | Kb::Remove { .. } => {}
        Kb::Info => output::out(&install::info(&store)),
        Kb::Verify => return install::verify(&store),
        Kb::Export { output, .. } => return install::export(&entries, output.as_deref()),
        Kb::List => output::out(&format!("{}{}", list(&entries), install::list(&store))),
        Kb::Show { id } => match entries.get(id) {
            Some(entry) => output::out(&page(entry)),
            None => {
                output::error(&unknown(&entries, id));
                return Ok(EXIT_ERROR);
            }
        },
        Kb::Search {
            text,
            language,
            limit,
            explain,
            safe,
            by,
        } => {
            let language = language.map(|it| match it {
                Language::Python => kb_schema::Language::Python,
                Language::C => kb_schema::Language::C,
            });
            if *safe {
                return Ok(demonstrations(
                    &store,
                    &text.join(" "),
                    language,
                    *limit,
                    *by,
                ));
            }
            let query = Query {
                text: text.join(" "),
                language,
                limit: *limit,
            };
            let hits = store.search(&query);
            let posts = store.posts(&query);
            if hits.is_empty() && posts.is_empty() {
                output::note("nothing found");
                return Ok(EXIT_FINDINGS);
            }
            let mut out = String::new();
            for hit in hits {
                let what = match &hit.kind {
                    HitKind::Entry => hit.entry.title.clone(),
                    HitKind::Discussion(it) => {
                        format!("{}: {}\n{:>9}{}", it.title, it.warns, "", it.url())
                    }
                };
                let _ = writeln!(out, "{:7.3}  {}  {what}", hit.score, hit.entry.id);
                for term in hit.terms.iter().take(if *explain { usize::MAX } else { 0 }) {
                    let _ = writeln!(
                        out,
                        "{:9}{:7.3}  {} in {}",
                        "", term.score, term.term, term.field
                    );
                }
            }
            out.push_str(&install::posts(&posts, *explain));
            output::out(&out);
        }
        Kb::Stats => output::out(&stats(&entries)),
    }
    Ok(0)
}

/// Adds fixed functions to the demonstration base.
fn add_pairs(store: &Store, file: &std::path::Path) -> anyhow::Result<u8> {
    let added = store
        .pairs()
        .context("no folder for demonstrations: neither XDG_DATA_HOME nor HOME is set")?
        .add(file)?;
    output::note(&format!(
        "{} added, {} known already",
        crate::text::count(added.new, "pair"),
        added.known
    ));
    Ok(0)
}

/// Prints the safe code nearest to a text, and says what it was found by.
fn demonstrations(
    store: &Store,
    text: &str,
    language: Option<kb_schema::Language>,
    limit: usize,
    by: Option<By>,
) -> u8 {
    let mut retriever = by.map_or(kb_index::DEFAULT_RETRIEVER, |by| match by {
        By::Bm25 => Retriever::Bm25,
        By::Dense => Retriever::Dense,
        By::Fused => Retriever::Fused,
    });
    // Who wants terms alone misses nothing.
    let lacking = match by {
        Some(By::Bm25) => None,
        None => store.lacks_model(),
        Some(_) => store.model().err(),
    };
    if let Some(reason) = lacking {
        output::note(&reason.to_string());
        retriever = Retriever::Bm25;
    }
    let base = store.demonstrations(retriever);
    let found = base.rank(text, language, retriever, limit);
    if found.is_empty() {
        output::note("nothing found");
        return EXIT_FINDINGS;
    }
    let mut out = String::new();
    for (number, score) in found {
        let it = &base.all()[number];
        let cwe: Vec<String> = it.cwe.iter().map(|it| format!("CWE-{it}")).collect();
        let _ = writeln!(out, "{score:7.3}  {}  {}", it.id, cwe.join(", "));
        for line in it.code.lines() {
            let _ = writeln!(out, "         {line}");
        }
    }
    output::out(&out);
    0
}

fn list(entries: &EntrySet) -> String {
    let width = entries
        .entries
        .iter()
        .map(|it| it.id.len())
        .max()
        .unwrap_or(0);
    entries
        .entries
        .iter()
        .fold(String::new(), |mut out, entry| {
            let cwe: Vec<String> = entry.cwe_names().collect();
            let severity = entry.severity.to_string();
            let _ = writeln!(
                out,
                "{:width$}  {severity:7}  {:16}  {}{}",
                entry.id,
                cwe.join(","),
                entry.title,
                if entry.bundled {
                    String::new()
                } else {
                    format!(" (from {})", entry.path)
                }
            );
            out
        })
}

/// An unknown id, with the nearest known one.
pub(crate) fn unknown(entries: &EntrySet, id: &str) -> String {
    let ids = entries.entries.iter().map(|it| it.id.as_str());
    match config::nearest(id, ids) {
        Some(near) => format!("no entry `{id}`; did you mean `{near}`?"),
        None => format!("no entry `{id}`; `secondlook kb list` names them all"),
    }
}

/// An entry as a page.
pub(crate) fn page(entry: &Entry) -> String {
    let mut out = String::new();
    let cwe: Vec<String> = entry.cwe_names().collect();
    let _ = writeln!(out, "# {}: {}\n", entry.id, entry.title);
    let _ = writeln!(
        out,
        "{} · {} · {}",
        entry.severity,
        cwe.join(", "),
        entry.language.id()
    );
    if entry.is_knowledge_only() {
        let _ = writeln!(out, "It advises only and flags nothing.");
    }
    let _ = writeln!(
        out,
        "\n## Why\n{}\n\n## Guideline\n{}",
        entry.body().why,
        entry.body().guideline
    );
    for (kind, name) in [
        (ExampleKind::Vulnerable, "Vulnerable"),
        (ExampleKind::Secure, "Secure"),
    ] {
        let _ = writeln!(out, "\n## {name}");
        for example in entry.examples(kind) {
            let _ = writeln!(out, "```{}\n{}```", entry.language.id(), example.code);
        }
    }
    for fix in &entry.fixes {
        let _ = writeln!(out, "\nFix: {}", fix.title);
    }
    let _ = writeln!(out, "\n## Discussions");
    for discussion in &entry.discussions {
        let _ = writeln!(
            out,
            "- {}: {}\n  {}",
            discussion.title,
            discussion.warns,
            discussion.url()
        );
    }
    if entry.discussions.is_empty() {
        let _ = writeln!(out, "- {}", entry.href());
    }
    out
}

fn stats(entries: &EntrySet) -> String {
    let mut out = String::new();
    let row = |out: &mut String, name: &str, of: &dyn Fn(&Entry) -> usize| {
        let sum = |language: Option<kb_schema::Language>| -> usize {
            let chosen = entries
                .entries
                .iter()
                .filter(|it| language.is_none_or(|l| it.language == l));
            chosen.map(|entry| of(entry)).sum()
        };
        let _ = writeln!(
            out,
            "{name:24}{:>8}{:>8}{:>8}",
            sum(Some(kb_schema::Language::Python)),
            sum(Some(kb_schema::Language::C)),
            sum(None)
        );
    };
    let _ = writeln!(out, "{:24}{:>8}{:>8}{:>8}", "", "python", "c", "all");
    row(&mut out, "entries", &|_| 1);
    row(&mut out, "  that flag something", &|it| {
        usize::from(!it.is_knowledge_only())
    });
    row(&mut out, "  with a discussion", &|it| {
        usize::from(!it.discussions.is_empty())
    });
    row(&mut out, "  with a template fix", &|it| {
        usize::from(!it.fixes.is_empty())
    });
    row(&mut out, "patterns", &|it| it.patterns.len());
    row(&mut out, "discussions", &|it| it.discussions.len());
    row(&mut out, "examples", &|it| it.body().examples.len());
    out
}
