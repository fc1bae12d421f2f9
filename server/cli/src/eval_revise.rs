//! `secondlook eval revise`: reads cases, has every mode try them, every judge look at the outcome,
//! and writes the report. What the numbers mean is `eval`'s business.

mod keep;
mod outside;
mod trial;

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use analysis::{Finding, Host, Snapshot};
use anyhow::{Context, bail};
use eval::Case;
use eval::revise::{Adviser, Attempt, Bench, Page, Stop, Trials, Variant, Verdicts};
use indicatif::{ProgressBar, ProgressStyle};
use kb_schema::{Entry, EntrySet, Knowledge, Query};
use revision::{Advice, Mode, Model, ModelError};

use crate::args::{Args, EvalFormat, EvalRevise};
use crate::check::STACK_BYTES;
use crate::model::Terminal;
use crate::revise::{ADVICE, advice};
use crate::{EXIT_ERROR, EXIT_INTERRUPTED, kb, model, options, output, progress};

use keep::{Keep, Remembering};
use outside::Judge;

pub(crate) fn run(args: &Args, wish: &EvalRevise) -> anyhow::Result<u8> {
    let cases = read(wish)?;
    let resolver = options::chosen(&wish.settings)?;
    let settings = resolver.of_folder(&options::here()?);
    for problem in resolver.take_problems() {
        output::error(&problem.to_string());
    }
    model::tell_withheld(&settings);
    let model = model::of(&settings)?;
    let modes = modes(&wish.modes, model.is_some())?;
    let judges = wish
        .judges
        .iter()
        .map(|it| Judge::read(it))
        .collect::<anyhow::Result<Vec<Judge>>>()?;
    std::fs::create_dir_all(&wish.out).with_context(|| wish.out.display().to_string())?;
    let store = kb::open(args, &settings);
    let entries = store.entries();
    let host = Host::new(&entries);
    kb::warn(&entries, host.problems());
    let run = Run {
        snapshot: host.snapshot(),
        knowledge: knowledge(&entries),
        cases,
        modes,
        judges,
        model: match model {
            Some(model) => Some(Remembering::new(model, &wish.out.join("answers.jsonl"))?),
            None => None,
        },
        effort: model::effort(&settings),
        adviser: Library(Arc::clone(&store)),
        wish,
    };
    progress::watch_interrupts();
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || run.all())
            .context("a thread")?;
        worker.join().unwrap_or_else(|_| bail!("internal error"))
    })
}

fn read(wish: &EvalRevise) -> anyhow::Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    let mut ids = HashSet::new();
    let mut left_out = 0;
    for path in &wish.files {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        for case in eval::read_cases(&text).with_context(|| path.display().to_string())? {
            if !ids.insert(case.id.clone()) {
                bail!("{}: two cases are called `{}`", path.display(), case.id);
            }
            if eval::revise::language_of(&case).is_some() {
                cases.push(case);
            } else {
                left_out += 1;
            }
        }
    }
    if left_out > 0 {
        output::warning(&format!("{left_out} cases of another language left out"));
    }
    if cases.is_empty() {
        bail!("no case in Python or C");
    }
    Ok(cases)
}

fn modes(names: &[String], model: bool) -> anyhow::Result<Vec<Mode>> {
    if names.is_empty() {
        return Ok(if model {
            Mode::ALL.to_vec()
        } else {
            vec![Mode::Templates]
        });
    }
    let mut out = Vec::new();
    for name in names {
        let Some(mode) = Mode::find(name) else {
            let all: Vec<&str> = Mode::ALL.iter().map(|it| it.id()).collect();
            bail!(
                "--modes: there is no mode `{name}`; write {}",
                all.join(", ")
            );
        };
        if mode.asks().is_some() && !model {
            bail!(
                "--modes: `{name}` asks a model, and none is configured; set model-provider, model-url and model-name"
            );
        }
        if !out.contains(&mode) {
            out.push(mode);
        }
    }
    Ok(out)
}

/// A name for everything that a result depends on and that no case and no setting says: the entries
/// and this program.
fn knowledge(entries: &EntrySet) -> String {
    let mut parts: Vec<String> = Vec::new();
    for entry in &entries.entries {
        parts.push(serde_json::to_string(entry.as_ref()).unwrap_or_default());
        parts.push(entry.body().guideline.clone());
        parts.push(entry.body().why.clone());
    }
    // Another build may revise and prove differently.
    let program = std::env::current_exe().and_then(std::fs::metadata);
    if let Ok(program) = program {
        parts.push(format!("{} {:?}", program.len(), program.modified().ok()));
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    eval::revise::digest(&parts)
}

/// Advice from the knowledge that users have too.
struct Library(Arc<kb_index::Store>);

impl Adviser for Library {
    fn of_finding(&self, finding: &Finding, text: &str) -> Vec<Advice> {
        advice(&self.0, finding, text)
    }

    fn of_block(&self, language: analysis::Language, text: &str) -> (Vec<Advice>, Vec<Arc<Entry>>) {
        let query = Query {
            text: text.to_owned(),
            language: Some(match language {
                analysis::Language::Python => kb_schema::Language::Python,
                analysis::Language::C => kb_schema::Language::C,
            }),
            limit: ADVICE,
        };
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        for hit in self.0.search(&query) {
            if !entries.iter().any(|it| it.id == hit.entry.id) {
                entries.push(hit.entry);
            }
        }
        let posts = self.0.fitting(&query);
        let quoted = posts.iter().take(ADVICE);
        let mut out: Vec<Advice> = quoted.map(|it| revision::post_advice(&it.post)).collect();
        out.extend(entries.iter().map(|it| revision::entry_advice(it)));
        (out, entries)
    }
}

struct Run<'a> {
    snapshot: Snapshot,
    knowledge: String,
    cases: Vec<Case>,
    modes: Vec<Mode>,
    judges: Vec<Judge>,
    model: Option<Remembering>,
    effort: revision::Effort,
    adviser: Library,
    wish: &'a EvalRevise,
}

/// A bar where somebody watches.
fn bar(total: usize, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg:40!} {bar:24} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

impl Run<'_> {
    fn all(&self) -> anyhow::Result<u8> {
        let (attempts, stop) = self.attempts()?;
        if progress::interrupted() {
            output::note(&format!(
                "interrupted after {} of {}; the same command goes on from there",
                attempts.len(),
                self.cases.len() * self.modes.len()
            ));
            return Ok(EXIT_INTERRUPTED);
        }
        let verdicts = self.verdicts(&attempts)?;
        let trials = if self.wish.run_tests {
            self.trials(&attempts)?
        } else {
            Trials::new()
        };
        if progress::interrupted() {
            return Ok(EXIT_INTERRUPTED);
        }
        let measures = eval::revise::measure(&self.cases, &attempts, &verdicts, &trials);
        let facts = self.facts(attempts.len());
        let page = Page {
            cases: &self.cases,
            attempts: &attempts,
            measures: &measures,
            trials: &trials,
            facts: &facts,
        };
        let json = serde_json::to_string_pretty(&measures)? + "\n";
        for (name, text) in [
            ("report.html", eval::revise::html(&page)),
            ("measures.json", json.clone()),
        ] {
            let path = self.wish.out.join(name);
            std::fs::write(&path, &text).with_context(|| path.display().to_string())?;
        }
        match self.wish.format {
            EvalFormat::Json => output::out(&json),
            EvalFormat::Text => output::out(&eval::revise::table(&measures)),
        }
        output::note(&self.wish.out.join("report.html").display().to_string());
        if let Some(stop) = stop {
            output::error(&format!(
                "{stop}; what was done until then is in the report, and the same command goes on from there"
            ));
            return Ok(EXIT_ERROR);
        }
        Ok(0)
    }

    /// Every mode on every case, as far as an earlier run did not do it; and what stopped it.
    fn attempts(&self) -> anyhow::Result<(Vec<Attempt>, Option<Stop>)> {
        let path = self.wish.out.join("results.jsonl");
        let mut kept: Keep<Attempt> = Keep::open(&path)?;
        let watch = Terminal::default();
        let bench = Bench {
            snapshot: &self.snapshot,
            model: self.model.as_ref().map(|it| it as &dyn Model),
            effort: self.effort,
            adviser: &self.adviser,
            watch: &watch,
            ask_clean: !self.wish.findings_only,
        };
        let bar = bar(self.cases.len() * self.modes.len(), "");
        let mut out = Vec::new();
        for mode in &self.modes {
            for case in &self.cases {
                if progress::interrupted() {
                    return Ok((out, None));
                }
                bar.set_message(format!("{mode} {}", case.id));
                let key = eval::revise::key_of(case, *mode, &bench, &self.knowledge);
                let name = format!("{key} {}", case.id);
                if let Some(attempt) = kept.get(&name) {
                    out.push(attempt.clone());
                    bar.inc(1);
                    continue;
                }
                match bench.attempt(case, *mode, &key) {
                    Ok(Some(attempt)) => {
                        kept.put(&name, &attempt)?;
                        out.push(attempt);
                    }
                    Ok(None) => {}
                    Err(Stop::Model(ModelError::Cancelled)) => return Ok((out, None)),
                    Err(stop) => {
                        bar.finish_and_clear();
                        return Ok((out, Some(stop)));
                    }
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok((out, None))
    }

    /// What every judge says about every text, before and after.
    fn verdicts(&self, attempts: &[Attempt]) -> anyhow::Result<Verdicts> {
        let mut texts: BTreeSet<(analysis::Language, &str)> = BTreeSet::new();
        for case in &self.cases {
            if let Some(language) = eval::revise::language_of(case) {
                texts.insert((language, &case.code));
                for attempt in attempts.iter().filter(|it| it.case == case.id) {
                    for variant in [Variant::Proven, Variant::Believed] {
                        texts.extend(variant.of(attempt).map(|text| (language, text)));
                    }
                }
            }
        }
        let texts: Vec<(analysis::Language, &str)> = texts.into_iter().collect();
        let mut out = Verdicts::default();
        let both = [analysis::Language::Python, analysis::Language::C];
        out.judge(eval::revise::OWN, &both);
        let bar = bar(texts.len() * (1 + self.judges.len()), eval::revise::OWN);
        for (language, text) in &texts {
            let said = eval::revise::own(&self.snapshot, *language, text);
            out.say(eval::revise::OWN, *language, text, said);
            bar.inc(1);
        }
        let path = self.wish.out.join("verdicts.jsonl");
        let mut kept = Keep::open(&path)?;
        for judge in &self.judges {
            bar.set_message(judge.name.clone());
            out.judge(&judge.name, &judge.languages);
            judge.look(&texts, &mut kept, &mut out)?;
            bar.inc(texts.len() as u64);
        }
        bar.finish_and_clear();
        Ok(out)
    }

    /// Runs every case's tests on every text of it.
    fn trials(&self, attempts: &[Attempt]) -> anyhow::Result<Trials> {
        let mut wanted: Vec<(&Case, &str)> = Vec::new();
        for case in self.cases.iter().filter(|it| it.tests.is_some()) {
            let mut texts: BTreeSet<&str> = BTreeSet::new();
            texts.insert(&case.code);
            for attempt in attempts.iter().filter(|it| it.case == case.id) {
                for variant in [Variant::Proven, Variant::Believed] {
                    texts.extend(variant.of(attempt));
                }
            }
            wanted.extend(texts.into_iter().map(|text| (case, text)));
        }
        let mut kept = Keep::open(&self.wish.out.join("trials.jsonl"))?;
        let bar = bar(wanted.len(), "tests");
        let mut out = Trials::new();
        for (case, text) in wanted {
            if progress::interrupted() {
                break;
            }
            let key = eval::revise::trial_key(case, text);
            let trial = match kept.get(&key) {
                Some(trial) => *trial,
                None => {
                    let trial = trial::run(case, text)?;
                    kept.put(&key, &trial)?;
                    trial
                }
            };
            out.insert(key, trial);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(out)
    }

    fn facts(&self, done: usize) -> Vec<(String, String)> {
        let fact = |name: &str, value: String| (name.to_owned(), value);
        let count = |wanted: &str| self.cases.iter().filter(|it| it.lang == wanted).count();
        let files: Vec<String> = self.wish.files.iter().map(|it| file_name(it)).collect();
        let effort = &self.effort;
        let model = self.model.as_ref();
        let mut out = vec![
            fact(
                "program",
                format!("secondlook {}", env!("CARGO_PKG_VERSION")),
            ),
            fact("cases", files.join(", ")),
            fact(
                "languages",
                format!("{} Python, {} C", count("python"), count("c")),
            ),
            fact("model", model.map_or("none", |it| it.name()).to_owned()),
            fact(
                "effort",
                format!(
                    "{} samples, {} repairs, {} tokens, questions of {} bytes",
                    effort.samples, effort.repairs, effort.max_tokens, effort.prompt_bytes
                ),
            ),
        ];
        for judge in &self.judges {
            out.push(fact(
                &format!("judge {}", judge.name),
                judge.command.join(" "),
            ));
        }
        let whole = self.cases.len() * self.modes.len();
        if done < whole {
            out.push(fact("unfinished", format!("{done} of {whole} tried")));
        }
        out
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
