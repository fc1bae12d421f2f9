//! `secondlook eval retrieve`: makes questions and a base of demonstrations, has retrieval measured.
//! It reads files and prints; what is measured stands in `eval`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use analysis::{Host, Snapshot};
use anyhow::Context;
use eval::{Case, Label, Pool, Question, RetrievalRow, Vectors};
use indicatif::ProgressBar;
use kb_index::{Demonstrations, Model};
use kb_schema::{Demonstration, EntrySet, ExampleKind, Knowledge, Language};
use serde::Deserialize;

use crate::args::{Args, EvalFormat};
use crate::{kb, output};

/// What is asked of the measure.
pub(crate) struct Wish<'a> {
    pub(crate) files: &'a [PathBuf],
    pub(crate) pairs: Option<&'a Path>,
    pub(crate) model: Option<&'a Path>,
    pub(crate) format: EvalFormat,
}

/// The part of a published pair that names its commit.
#[derive(Deserialize)]
struct Published {
    commit_link: String,
}

/// Demonstrations with where each comes from.
#[derive(Clone, Default)]
struct Base {
    all: Vec<Demonstration>,
    commits: Vec<String>,
}

pub(crate) fn run(args: &Args, wish: &Wish<'_>) -> anyhow::Result<u8> {
    let store = kb::open_here(args)?;
    let entries = store.entries();
    let host = Host::new(&entries);
    kb::warn(&entries, host.problems());
    let snapshot = host.snapshot();
    let model = match wish.model {
        Some(folder) => Model::open(folder).map(Arc::new),
        None => store.model(),
    };
    let model = model
        .inspect_err(|error| output::note(&error.to_string()))
        .ok();

    let (mut questions, own) = of_entries(&entries, &snapshot);
    let (others, theirs) = of_files(wish, &snapshot)?;
    let from_entries = questions.len();
    questions.extend(others);
    encode(&mut questions, model.as_deref(), store.cache_dir())?;
    let (from_entries, from_files) = questions.split_at(from_entries);

    let mut rows = measure(
        "entries",
        from_entries,
        own.clone(),
        &model,
        store.cache_dir(),
    )?;
    if !from_files.is_empty() {
        rows.extend(measure(
            "files",
            from_files,
            theirs,
            &model,
            store.cache_dir(),
        )?);
        rows.extend(measure(
            "files, entries' base",
            from_files,
            own,
            &model,
            store.cache_dir(),
        )?);
    }
    match wish.format {
        EvalFormat::Json => output::out(&(serde_json::to_string_pretty(&rows)? + "\n")),
        EvalFormat::Text => {
            let sliced = questions.iter().filter(|it| it.sliced.is_some()).count();
            output::out(&table(&rows));
            output::out(&format!(
                "{sliced} of {} queries have a finding and so a slice; the others ask with the whole code in both rows\n",
                questions.len()
            ));
        }
    }
    Ok(0)
}

fn measure(
    suite: &str,
    questions: &[Question],
    base: Base,
    model: &Option<Arc<Model>>,
    cache: Option<&Path>,
) -> anyhow::Result<Vec<RetrievalRow>> {
    let bar = ProgressBar::new(base.all.len() as u64).with_message("vectors");
    let name = suite.replace(|c: char| !c.is_alphanumeric(), "-");
    let file = cache.map(|it| it.join("eval").join(format!("{name}.bin")));
    let tick = |made| bar.inc(made as u64);
    let base_made = Demonstrations::new(base.all, model.clone(), file.as_deref(), &tick)?;
    bar.finish_and_clear();
    let pool = Pool {
        base: &base_made,
        commits: base.commits,
    };
    Ok(eval::retrieve(suite, questions, &pool))
}

/// The vulnerable examples as questions, the safe ones as base. An entry stands for a commit.
fn of_entries(entries: &EntrySet, snapshot: &Snapshot) -> (Vec<Question>, Base) {
    let mut questions = Vec::new();
    let all = kb_index::demonstrations_of(entries);
    let commits = all.iter().map(|it| it.id.clone()).collect();
    for entry in &entries.entries {
        for (number, example) in entry.examples(ExampleKind::Vulnerable).enumerate() {
            questions.push(question(
                format!("{}#{number}", entry.id),
                entry.id.clone(),
                entry.cwe.clone(),
                entry.language,
                example.code.clone(),
                snapshot,
            ));
        }
    }
    (questions, Base { all, commits })
}

/// The Python functions of labelled files: vulnerable ones ask, secure ones are the base.
fn of_files(wish: &Wish<'_>, snapshot: &Snapshot) -> anyhow::Result<(Vec<Question>, Base)> {
    let mut cases: Vec<Case> = Vec::new();
    for path in wish.files {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        cases.extend(eval::read_cases(&text).with_context(|| path.display().to_string())?);
    }
    let mut commits: Vec<String> = Vec::new();
    if let Some(path) = wish.pairs {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        for (number, line) in text.lines().enumerate() {
            let published: Published = serde_json::from_str(line)
                .with_context(|| format!("{}:{}", path.display(), number + 1))?;
            // Both sides of a pair stand in neighbouring rows of the other file.
            commits.extend([published.commit_link.clone(), published.commit_link]);
        }
        anyhow::ensure!(
            commits.len() == cases.len(),
            "{}: {} pairs, but {} cases; every pair has two",
            path.display(),
            commits.len() / 2,
            cases.len()
        );
    } else {
        // Without commits a pair is all that is known to belong together.
        commits.extend(
            cases
                .iter()
                .map(|it| it.pair.as_ref().unwrap_or(&it.id).min(&it.id).clone()),
        );
    }
    let mut questions = Vec::new();
    let mut base = Base::default();
    for (case, commit) in cases.into_iter().zip(commits) {
        let number = case
            .cwe
            .as_deref()
            .and_then(|it| it.strip_prefix("CWE-")?.parse().ok());
        let (Some(number), "python") = (number, case.lang.as_str()) else {
            continue;
        };
        let (cwe, language) = (vec![number], Language::Python);
        match case.label {
            Some(Label::Vulnerable) => {
                questions.push(question(
                    case.id, commit, cwe, language, case.code, snapshot,
                ));
            }
            Some(Label::Secure) => {
                base.commits.push(commit);
                base.all.push(Demonstration {
                    id: case.id,
                    language,
                    cwe,
                    code: case.code,
                    before: None,
                });
            }
            None => {}
        }
    }
    Ok((questions, base))
}

fn question(
    id: String,
    commit: String,
    cwe: Vec<u32>,
    language: Language,
    whole: String,
    snapshot: &Snapshot,
) -> Question {
    let analysed = match language {
        Language::Python => analysis::Language::Python,
        Language::C => analysis::Language::C,
    };
    let analysis = snapshot.check(analysed, &whole);
    let slices: Vec<String> = analysis
        .findings
        .iter()
        .map(|it| it.slice_text(&whole))
        .collect();
    Question {
        id,
        commit,
        cwe,
        language,
        sliced: (!slices.is_empty()).then(|| slices.join("\n")),
        whole,
        vectors: None,
    }
}

fn encode(
    questions: &mut [Question],
    model: Option<&Model>,
    cache: Option<&Path>,
) -> anyhow::Result<()> {
    let Some(model) = model else {
        return Ok(());
    };
    let texts: Vec<String> = questions
        .iter()
        .flat_map(|it| {
            [
                it.whole.clone(),
                it.sliced.clone().unwrap_or_else(|| it.whole.clone()),
            ]
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let bar = ProgressBar::new(texts.len() as u64);
    let file = cache.map(|it| it.join("eval").join("questions.bin"));
    let tick = |made| bar.inc(made as u64);
    let rows = kb_index::encode_cached(model, &texts, file.as_deref(), &tick)?;
    bar.finish_and_clear();
    for (question, rows) in questions.iter_mut().zip(rows.chunks(2)) {
        if let [whole, sliced] = rows {
            question.vectors = Some(Vectors {
                whole: whole.clone(),
                sliced: sliced.clone(),
            });
        }
    }
    Ok(())
}

fn table(rows: &[RetrievalRow]) -> String {
    let mut out = format!(
        "{:22} {:7} {:7} {:>7} {:>4} {:>20} {:>20} {:>7} {:>7} {:>7}\n",
        "queries",
        "by",
        "asked",
        "number",
        "CWE",
        "same CWE at 1",
        "at 5",
        "micro 1",
        "95 %",
        "all"
    );
    let percent = |rate: &eval::Rate| {
        format!(
            "{:5.1} ({:5.1} – {:5.1})",
            rate.share * 100.0,
            rate.low * 100.0,
            rate.high * 100.0
        )
    };
    let count = |it: Option<usize>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
    for row in rows {
        let _ = writeln!(
            out,
            "{:22} {:7} {:7} {:>7} {:>4} {:>20} {:>20} {:>7.1} {:>7} {:>7}",
            row.suite,
            row.retriever,
            row.query,
            row.queries,
            row.weaknesses,
            percent(&row.at_1),
            percent(&row.at_5),
            row.micro_at_1 * 100.0,
            count(row.until_95),
            count(row.until_all),
        );
    }
    out
}
