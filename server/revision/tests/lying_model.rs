//! A model that lies: each file of fixtures/gate is one answer to one question. Those in `bad` must
//! be refused for the reason that the file gives, those in `good` must pass and leave the text that
//! the file gives. A new case needs no Rust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

mod common;

use analysis::{Host, Snapshot};
use libtest_mimic::{Arguments, Failed, Trial};
use revision::{
    Answer, Effort, Mode, Model, ModelError, Patient, Question, Target, Task, Watch, apply, revise,
};
use syntax::Language;

/// How many cases there must be at least, so that none is lost unseen.
const LEAST: [(&str, usize); 2] = [("bad", 40), ("good", 25)];

struct Liar(String);

impl Model for Liar {
    fn name(&self) -> &str {
        "liar"
    }

    fn ask(&self, _: &Question, _: &dyn Watch) -> Result<Answer, ModelError> {
        Ok(Answer {
            text: self.0.clone(),
            ..Answer::default()
        })
    }
}

struct Case {
    language: Language,
    entry: String,
    says: Option<String>,
    before: String,
    answer: String,
    after: Option<String>,
}

fn main() {
    let arguments = Arguments::from_args();
    let snapshot = Host::new(&Arc::new(common::load())).snapshot();
    let mut trials = Vec::new();
    for (kind, least) in LEAST {
        let files = files(kind);
        let count = files.len();
        trials.push(Trial::test(format!("{kind}-are-enough"), move || {
            let problem = format!("{count} cases, at least {least} are wanted");
            if count >= least {
                Ok(())
            } else {
                Err(problem.into())
            }
        }));
        for path in files {
            let snapshot = snapshot.clone();
            let stem = path.file_stem().unwrap_or_default();
            let name = format!("{kind}::{}", stem.to_string_lossy());
            trials.push(Trial::test(name, move || {
                let case = read(&path)?;
                let done = if kind == "bad" {
                    refused(&snapshot, &case)
                } else {
                    accepted(&snapshot, &case)
                };
                done.map_err(Failed::from)
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn files(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/gate")
        .join(kind);
    let mut out: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|it| it.flatten().map(|it| it.path()).collect())
        .unwrap_or_default();
    out.sort();
    out
}

fn read(path: &Path) -> Result<Case, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let (head, rest) = text.split_once("==== before\n").ok_or("no `before`")?;
    let (before, rest) = rest.split_once("==== answer\n").ok_or("no `answer`")?;
    let (answer, after) = match rest.split_once("==== after\n") {
        Some((answer, after)) => (answer, Some(after)),
        None => (rest, None),
    };
    let value = |name: &str| {
        let line = head
            .lines()
            .find_map(|it| it.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned)
    };
    let crlf = value("lines").is_some_and(|it| it == "crlf");
    let ends = |text: &str| {
        if crlf {
            text.replace('\n', "\r\n")
        } else {
            text.to_owned()
        }
    };
    Ok(Case {
        language: match value("language").as_deref() {
            Some("python") => Language::Python,
            Some("c") => Language::C,
            _ => return Err("`language` is python or c".to_owned()),
        },
        entry: value("entry").ok_or("no `entry`")?,
        says: value("says"),
        before: ends(before),
        answer: answer.to_owned(),
        after: after.map(ends),
    })
}

fn ask(snapshot: &Snapshot, case: &Case) -> Result<(Option<String>, String), String> {
    let before = snapshot.check(case.language, &case.before);
    let finding = before.findings.iter().find(|it| it.entry.id == case.entry);
    let Some(finding) = finding else {
        let found: Vec<&str> = before
            .findings
            .iter()
            .map(|it| it.entry.id.as_str())
            .collect();
        return Err(format!(
            "{} does not report the code; {found:?} do",
            case.entry
        ));
    };
    let task = Task {
        snapshot,
        language: case.language,
        text: &case.before,
        before: &before,
        target: Target::Finding(finding),
    };
    let effort = Effort {
        repairs: 0,
        ..Effort::default()
    };
    let model = Liar(case.answer.clone());
    let outcome = revise(&task, Mode::Community, &[], &effort, &model, None, &Patient)
        .map_err(|error| error.to_string())?;
    let after = outcome
        .proposal
        .as_ref()
        .and_then(|it| apply(&case.before, &it.edits));
    Ok((after, outcome.to_string()))
}

fn refused(snapshot: &Snapshot, case: &Case) -> Result<(), String> {
    let (after, said) = ask(snapshot, case)?;
    if let Some(after) = after {
        return Err(format!("it passed:\n{after}"));
    }
    let says = case
        .says
        .as_deref()
        .ok_or_else(|| format!("the file has no `says`; it was: {said}"))?;
    if said.contains(says) {
        Ok(())
    } else {
        Err(format!("expected `{says}`, but {said}"))
    }
}

fn accepted(snapshot: &Snapshot, case: &Case) -> Result<(), String> {
    let (after, said) = ask(snapshot, case)?;
    let after = after.ok_or_else(|| format!("it was refused: {said}"))?;
    match &case.after {
        Some(expected) if *expected != after => Err(format!("it left:\n{after}")),
        Some(_) => Ok(()),
        None => Err(format!("the file has no `after`; it left:\n{after}")),
    }
}
