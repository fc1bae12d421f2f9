//! `secondlook revise`: chooses findings, has them revised one after the other, shows or writes the
//! outcome. What a revision is worth is the gate's business.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use analysis::{Finding, Host, Snapshot};
use anyhow::{Context, bail};
use config::Settings;
use kb_schema::{Knowledge, Query};
use revision::{Advice, Cost, Edit, Failure, Mode, Model, Proposal, Target, Task};
use serde::Serialize;

use crate::args::{Args, Revise};
use crate::check::STACK_BYTES;
use crate::checks::Commands;
use crate::judge::{Judge, Verdict};
use crate::model::Terminal;
use crate::{
    EXIT_ERROR, EXIT_FINDINGS, EXIT_INTERRUPTED, change, files, kb, model, options, output,
    progress, text,
};

/// How many discussions a prompt quotes beside the entry's own (SOSecure's k, METHODS.md §1.3).
pub(crate) const ADVICE: usize = 5;

/// The most findings that one run revises.
const MOST: usize = 200;

/// What became of one finding.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    /// Revised, by the entry's own fix or by the model.
    Revised,
    /// The model would leave the code as it is.
    Unchanged,
    /// Nothing passed the gate.
    Refused,
    /// No fix of its own, and no model to ask.
    NoModel,
    /// The model gave no answer.
    Failed,
}

#[derive(Debug, Serialize)]
struct Item {
    entry: String,
    cwe: Vec<String>,
    message: String,
    /// From 1, in the text in which it was found.
    line: usize,
    how: How,
    /// `template` or `model`.
    by: Option<&'static str>,
    title: Option<String>,
    /// Why each candidate was refused, or why there is none.
    reasons: Vec<String>,
    cost: Spent,
}

#[derive(Debug, Default, Serialize)]
struct Spent {
    calls: u32,
    asked_tokens: u64,
    answered_tokens: u64,
    seconds: f32,
}

impl From<Cost> for Spent {
    fn from(cost: Cost) -> Self {
        Self {
            calls: cost.calls,
            asked_tokens: cost.asked_tokens,
            answered_tokens: cost.answered_tokens,
            seconds: cost.time.as_secs_f32(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    path: String,
    mode: &'static str,
    model: Option<&'a str>,
    written: bool,
    items: &'a [Item],
    diff: &'a str,
}

/// Everything that stays the same from one finding to the next.
struct Desk<'a> {
    snapshot: Snapshot,
    store: Arc<kb_index::Store>,
    settings: Arc<Settings>,
    language: syntax::Language,
    judge: Judge,
    mode: Mode,
    wish: &'a Revise,
    model: Option<Box<dyn Model>>,
    checks: Option<Commands>,
}

pub(crate) fn run(args: &Args, wish: &Revise) -> anyhow::Result<u8> {
    let Some(mode) = Mode::find(&wish.mode) else {
        let all: Vec<&str> = Mode::ALL.iter().map(|it| it.id()).collect();
        bail!(
            "--mode: there is no mode `{}`; write {}",
            wish.mode,
            all.join(", ")
        );
    };
    let (path, line) = split(&wish.target);
    let resolver = options::chosen(&wish.settings)?;
    let settings = resolver.of_file(&path);
    let problems = resolver.take_problems();
    for problem in &problems {
        output::error(&problem.to_string());
    }
    model::tell_withheld(&settings);
    let language = files::language_of(&path).with_context(|| {
        format!(
            "{}: neither Python nor C by its name or first line",
            path.display()
        )
    })?;
    if path
        .extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("ipynb"))
    {
        bail!(
            "{}: cells of a notebook are revised in an editor",
            path.display()
        );
    }
    let bytes = files::read(&path, settings.max_file_size)
        .map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))?;
    let decoded = syntax::decode(&bytes).with_context(|| path.display().to_string())?;
    if decoded.note.is_some() {
        bail!("{}: not revised: it is not UTF-8", path.display());
    }
    let store = kb::open(args, &settings);
    let entries = store.entries();
    let host = Host::new(&entries);
    kb::warn(&entries, host.problems());
    let model = match model::of(&settings) {
        Ok(model) => model,
        // What needs no model is still done.
        Err(error) => {
            output::error(&error.to_string());
            return Ok(EXIT_ERROR);
        }
    };
    let desk = Desk {
        snapshot: host.snapshot(),
        store,
        language,
        judge: Judge::new(&path, Arc::clone(&settings), None),
        mode,
        wish,
        model,
        checks: Commands::of(&settings, &path),
        settings,
    };
    progress::watch_interrupts();
    let done = std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || desk.work(&path, line, &decoded.text))
            .context("a thread")?;
        worker
            .join()
            .unwrap_or_else(|_| bail!("{}: internal error", path.display()))
    })?;
    let Some(done) = done else {
        return Ok(0);
    };
    let bom = if decoded.bom_len > 0 { "\u{feff}" } else { "" };
    desk.finish(&path, bom, &decoded.text, &done, !problems.is_empty())
}

/// What became of a file.
struct Done {
    text: String,
    items: Vec<Item>,
    failed: bool,
}

impl Desk<'_> {
    /// Revises the chosen findings; `None` when only prompts were wanted.
    fn work(&self, path: &Path, line: Option<usize>, text: &str) -> anyhow::Result<Option<Done>> {
        let mut done = Done {
            text: text.to_owned(),
            items: Vec::new(),
            failed: false,
        };
        let wanted = self.wanted(path, line, text)?;
        let mut tried: HashSet<String> = HashSet::new();
        while done.items.len() < MOST && !progress::interrupted() {
            let before = self.snapshot.check(self.language, &done.text);
            let verdicts = self.judge.judge(&done.text, &before);
            let next = before
                .findings
                .iter()
                .zip(&verdicts)
                .find(|(_, (verdict, print))| {
                    *verdict == Verdict::Reported
                        && !tried.contains(print)
                        && wanted.as_ref().is_none_or(|it| it.contains(print))
                });
            let Some((finding, (_, print))) = next else {
                break;
            };
            tried.insert(print.clone());
            let task = Task {
                snapshot: &self.snapshot,
                language: self.language,
                text: &done.text,
                before: &before,
                target: Target::Finding(finding),
            };
            if self.wish.print_prompt {
                self.print_prompt(&task, finding)?;
                continue;
            }
            let (item, edits) = self.one(&task, finding);
            done.failed |= matches!(item.how, How::Failed);
            let stop = matches!(item.how, How::Failed);
            done.items.push(item);
            if let Some(after) = edits.and_then(|it| revision::apply(&done.text, &it)) {
                done.text = after;
            }
            if stop {
                // The next finding would meet the same server.
                break;
            }
        }
        if self.wish.print_prompt {
            return Ok(None);
        }
        Ok(Some(done))
    }

    /// The findings that were asked for, by fingerprint; `None` for all.
    fn wanted(
        &self,
        path: &Path,
        line: Option<usize>,
        text: &str,
    ) -> anyhow::Result<Option<HashSet<String>>> {
        if self.wish.all {
            return Ok(None);
        }
        let before = self.snapshot.check(self.language, text);
        let verdicts = self.judge.judge(text, &before);
        let reported: Vec<(&Finding, String)> = before
            .findings
            .iter()
            .zip(verdicts)
            .filter(|(_, (verdict, _))| *verdict == Verdict::Reported)
            .map(|(finding, (_, print))| (finding, print))
            .collect();
        let lines: Vec<usize> = reported
            .iter()
            .map(|it| line_of(text, it.0.range.start))
            .collect();
        let Some(line) = line else {
            if reported.len() > 1 {
                let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
                bail!(
                    "{}: findings on lines {}; name one as {}:LINE, or all with --all",
                    path.display(),
                    lines.join(", "),
                    path.display()
                );
            }
            return Ok(None);
        };
        let on_line = |finding: &Finding| {
            line_of(text, finding.range.start) <= line && line <= line_of(text, finding.range.end)
        };
        let chosen: HashSet<String> = reported
            .iter()
            .filter(|(finding, _)| on_line(finding))
            .map(|(_, print)| print.clone())
            .collect();
        if chosen.is_empty() {
            let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
            let rest = if lines.is_empty() {
                "the file has none".to_owned()
            } else {
                format!("there are some on lines {}", lines.join(", "))
            };
            bail!("{}: no finding on line {line}; {rest}", path.display());
        }
        Ok(Some(chosen))
    }

    fn print_prompt(&self, task: &Task<'_>, finding: &Finding) -> anyhow::Result<()> {
        let advice = advice(&self.store, finding, task.text);
        let mode = self.mode.asks().unwrap_or(Mode::Community);
        let bytes = model::effort(&self.settings).prompt_bytes;
        let prompt = revision::prompt(task, mode, &advice, bytes)?;
        output::out(&prompt.text());
        if prompt.masked > 0 {
            output::note(&format!("{} masked", text::count(prompt.masked, "secret")));
        }
        Ok(())
    }

    /// The fix of one finding: its entry's own, or what the model proposes.
    fn one(&self, task: &Task<'_>, finding: &Finding) -> (Item, Option<Vec<Edit>>) {
        let mut item = Item {
            entry: finding.entry.id.clone(),
            cwe: finding.entry.cwe_names().collect(),
            message: finding.message.clone(),
            line: line_of(task.text, finding.range.start),
            how: How::NoModel,
            by: None,
            title: None,
            reasons: Vec::new(),
            cost: Spent::default(),
        };
        if self.mode.templates() {
            let fixes = task.fixes(finding);
            item.reasons.extend(fixes.refusals());
            for proposal in fixes.proposals {
                match self.own_checks(task, &proposal) {
                    Ok(()) => return revised(item, proposal),
                    Err(reason) => item.reasons.push(format!("{}: {reason}", proposal.title)),
                }
            }
        }
        let (Some(mode), Some(model)) = (self.mode.asks(), &self.model) else {
            if self.mode.asks().is_some() {
                item.reasons.push(
                    "no model is configured; --print-prompt shows what could be asked".to_owned(),
                );
            } else {
                item.how = How::Refused;
                if item.reasons.is_empty() {
                    item.reasons
                        .push("the entry has no fix for such code".to_owned());
                }
            }
            return (item, None);
        };
        let advice = advice(&self.store, finding, task.text);
        let checks = self.checks.as_ref().map(|it| it as &dyn revision::Checks);
        let effort = model::effort(&self.settings);
        let watch = Terminal::default();
        match revision::revise(task, mode, &advice, &effort, model.as_ref(), checks, &watch) {
            Ok(outcome) => {
                item.reasons
                    .extend(outcome.rejected.iter().map(ToString::to_string));
                item.cost = outcome.cost.into();
                if let Some(proposal) = outcome.proposal {
                    return revised(item, proposal);
                }
                item.how = if outcome.unchanged {
                    How::Unchanged
                } else {
                    How::Refused
                };
                (item, None)
            }
            Err(Failure::Model(error)) => {
                item.how = How::Failed;
                item.reasons.push(error.to_string());
                (item, None)
            }
            Err(error) => {
                item.how = How::Refused;
                item.reasons.push(error.to_string());
                (item, None)
            }
        }
    }

    fn own_checks(&self, task: &Task<'_>, proposal: &Proposal) -> Result<(), String> {
        use revision::Checks as _;
        let (Some(checks), Some(after)) =
            (&self.checks, revision::apply(task.text, &proposal.edits))
        else {
            return Ok(());
        };
        checks
            .check(&after, &Terminal::default())
            .map_err(|(name, reason)| format!("the check `{name}` {reason}"))
    }

    fn finish(
        &self,
        path: &Path,
        bom: &str,
        before: &str,
        done: &Done,
        wrong_settings: bool,
    ) -> anyhow::Result<u8> {
        let (before, after) = (format!("{bom}{before}"), format!("{bom}{}", done.text));
        let diff = text::unified(path, &before, &after);
        let changed = before != after;
        if self.wish.write && changed {
            // Somebody may have saved meanwhile; their work is worth more than ours.
            let now = std::fs::read(path).unwrap_or_default();
            if now != before.as_bytes() {
                bail!(
                    "{}: changed meanwhile and was not written; run it again",
                    path.display()
                );
            }
            change::write(path, &after)
                .map_err(|error| anyhow::anyhow!(files::plain(&error)))
                .with_context(|| format!("{}: not written", path.display()))?;
        }
        if self.wish.json {
            let document = Document {
                version: 1,
                path: path.display().to_string(),
                mode: self.mode.id(),
                model: self.model.as_ref().map(|it| it.name()),
                written: self.wish.write && changed,
                items: &done.items,
                diff: &diff,
            };
            output::out(&format!("{}\n", serde_json::to_string_pretty(&document)?));
        } else {
            if !self.wish.write {
                output::out(&diff);
            }
            for item in &done.items {
                output::note(&line(path, item));
            }
            if done.items.is_empty() {
                output::note(&format!("{}: nothing to revise", path.display()));
            }
        }
        if progress::interrupted() {
            output::note("interrupted: not every finding was looked at");
            return Ok(EXIT_INTERRUPTED);
        }
        if done.failed || wrong_settings {
            return Ok(EXIT_ERROR);
        }
        let revised = |it: &Item| matches!(it.how, How::Revised);
        let settled = done.items.is_empty() || self.wish.write && done.items.iter().all(revised);
        Ok(if settled { 0 } else { EXIT_FINDINGS })
    }
}

/// What is known about a finding: its entry's word, what people said, and what else is near.
pub(crate) fn advice(store: &kb_index::Store, finding: &Finding, text: &str) -> Vec<Advice> {
    let mut out = vec![revision::voices(&finding.entry)];
    let query = Query {
        text: finding.slice_text(text),
        language: Some(finding.entry.language),
        limit: ADVICE,
    };
    let best = Knowledge::demonstrations(
        store,
        &Query {
            limit: 1,
            ..query.clone()
        },
    );
    out.extend(revision::demonstration_advice(&best));
    let posts = store.fitting(&query);
    let quoted = posts.iter().take(ADVICE);
    out.extend(quoted.map(|it| revision::post_advice(&it.post)));
    for hit in store.search(&query) {
        if hit.entry.id != finding.entry.id {
            let advice = revision::guideline(&hit.entry);
            if !out.contains(&advice) {
                out.push(advice);
            }
        }
    }
    out
}

fn revised(mut item: Item, proposal: Proposal) -> (Item, Option<Vec<Edit>>) {
    item.how = How::Revised;
    item.by = Some(proposal.kind);
    item.title = Some(proposal.title);
    (item, Some(proposal.edits))
}

/// What became of a finding, for people.
fn line(path: &Path, item: &Item) -> String {
    let place = format!("{}:{}: {}", path.display(), item.line, item.entry);
    let what = match (&item.how, item.by) {
        (How::Revised, Some("template")) => "revised by the entry's own fix".to_owned(),
        (How::Revised, _) => format!("revised by the model ({:.1} s)", item.cost.seconds),
        (How::Unchanged, _) => "the model would leave it as it is".to_owned(),
        (How::Refused, _) => "not revised".to_owned(),
        (How::NoModel, _) => "no fix of its own".to_owned(),
        (How::Failed, _) => "not revised".to_owned(),
    };
    let mut out = format!("{place}: {what}");
    if let Some(title) = item.title.as_ref().filter(|_| item.by == Some("template")) {
        out.push_str(&format!(": {title}"));
    }
    let number = item.reasons.len();
    for (at, reason) in item.reasons.iter().enumerate() {
        let head = match item.how {
            How::Revised | How::Refused if number > 1 || matches!(item.how, How::Revised) => {
                format!("refused {}: ", at + 1)
            }
            _ => String::new(),
        };
        out.push_str(&format!("\n    {head}{reason}"));
    }
    out
}

/// A path, and the line behind it.
fn split(target: &str) -> (PathBuf, Option<usize>) {
    if let Some((path, line)) = target.rsplit_once(':')
        && let Ok(line) = line.parse()
        && !Path::new(target).exists()
    {
        return (PathBuf::from(path), Some(line));
    }
    (PathBuf::from(target), None)
}

fn line_of(text: &str, byte: usize) -> usize {
    let before = text.get(..byte).unwrap_or(text);
    before.matches('\n').count() + 1
}
