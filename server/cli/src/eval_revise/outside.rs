//! Judges that are other programs: each gets a folder with the texts and prints what it found, as
//! JSON of Bandit, Semgrep or SARIF, or as lines `PATH:LINE: RULE …`. It weighs nothing.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use analysis::Language;
use anyhow::{Context, bail};
use eval::revise::{Firing, Verdicts};
use serde_json::Value;

use super::keep::Keep;
use super::trial;

/// How long a judge may take over all texts of a run.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// The most that a judge may print.
const MAX_OUTPUT: usize = 256 << 20;

/// A judge and how it is asked.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) name: String,
    pub(super) languages: Vec<Language>,
    /// Program and arguments; `{folder}` stands for the texts.
    pub(super) command: Vec<String>,
}

impl Judge {
    /// Reads `bandit`, `NAME=COMMAND` or `NAME:LANGUAGE=COMMAND`.
    pub(super) fn read(word: &str) -> anyhow::Result<Self> {
        let (head, command) = match word.split_once('=') {
            Some((head, command)) => (head.trim(), Some(command)),
            None => (word.trim(), None),
        };
        let (name, language) = match head.split_once(':') {
            Some((name, language)) => (name, Some(language)),
            None => (head, None),
        };
        let (usual, arguments): (&[Language], &str) = match name {
            "bandit" => (&[Language::Python], "-q -r -f json --exit-zero {folder}"),
            "flawfinder" => (&[Language::C], "--sarif {folder}"),
            "semgrep" => (
                &[Language::Python, Language::C],
                "--json --quiet --metrics=off --disable-version-check --no-git-ignore {folder}",
            ),
            _ => (&[Language::Python, Language::C], "{folder}"),
        };
        let languages = match language {
            None => usual.to_vec(),
            Some("python") => vec![Language::Python],
            Some("c") => vec![Language::C],
            Some(other) => bail!("--judge {name}: `{other}` is neither python nor c"),
        };
        let said = command.unwrap_or(name);
        let mut words: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
        let known = matches!(name, "bandit" | "flawfinder" | "semgrep");
        if name.is_empty() || name == eval::revise::OWN || name == "outside" {
            bail!("--judge: `{word}` needs a name of its own");
        }
        if words.is_empty() || command.is_none() && !known {
            bail!("--judge {name}: no command; write {name}=COMMAND");
        }
        if name == "semgrep" && command.is_none() {
            bail!(
                "--judge semgrep: its rules are not ours to choose; write 'semgrep=semgrep --config RULES'"
            );
        }
        if !words.iter().any(|it| it.contains("{folder}")) {
            words.extend(arguments.split_whitespace().map(str::to_owned));
        }
        Ok(Self {
            name: name.to_owned(),
            languages,
            command: words,
        })
    }

    /// Asks about the texts that it was not asked about before.
    pub(super) fn look(
        &self,
        texts: &[(Language, &str)],
        kept: &mut Keep<Vec<Firing>>,
        out: &mut Verdicts,
    ) -> anyhow::Result<()> {
        let line = self.asked();
        let key = |language: Language, text: &str| {
            eval::revise::digest(&[&line, &format!("{language:?}"), text])
        };
        let mine = texts.iter().filter(|it| self.languages.contains(&it.0));
        let mut open: Vec<(Language, &str, String)> = Vec::new();
        for (language, text) in mine {
            let key = key(*language, text);
            match kept.get(&key) {
                Some(said) => out.say(&self.name, *language, text, said.clone()),
                None => open.push((*language, text, key)),
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        // Judges pass hidden folders by.
        let folder = tempfile::Builder::new()
            .prefix("secondlook-")
            .tempdir()
            .context("a folder for judges")?;
        let mut said: HashMap<String, Vec<Firing>> = HashMap::new();
        let name = |at: usize, language: Language| {
            let end = match language {
                Language::Python => "py",
                Language::C => "c",
            };
            format!("case_{at:05}.{end}")
        };
        for (at, (language, text, _)) in open.iter().enumerate() {
            let path = folder.path().join(name(at, *language));
            std::fs::write(&path, text).context("a folder for judges")?;
        }
        for (file, firing) in self.ask(folder.path())? {
            said.entry(file).or_default().push(firing);
        }
        for (at, (language, text, key)) in open.into_iter().enumerate() {
            let firings = said.remove(&name(at, language)).unwrap_or_default();
            kept.put(&key, &firings)?;
            out.say(&self.name, language, text, firings);
        }
        Ok(())
    }

    /// The command with the content of the files it names: other rules are another judge.
    fn asked(&self) -> String {
        const MOST: u64 = 16 << 20;
        let mut out = self.command.join(" ");
        for word in self.command.iter().skip(1) {
            let file = std::fs::metadata(word).is_ok_and(|it| it.is_file() && it.len() <= MOST);
            if file && let Ok(bytes) = std::fs::read(word) {
                out.push_str(&eval::revise::digest(&[&String::from_utf8_lossy(&bytes)]));
            }
        }
        out
    }

    fn ask(&self, folder: &Path) -> anyhow::Result<Vec<(String, Firing)>> {
        let at = folder.display().to_string();
        let words = self.command.iter().map(|it| it.replace("{folder}", &at));
        let words: Vec<String> = words.collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        let done = trial::wait(command, PATIENCE, MAX_OUTPUT)
            .with_context(|| format!("the judge {}", self.name))?;
        let Some(code) = done.code else {
            bail!("the judge {} did not come to its end", self.name);
        };
        let text = done.out.trim_start();
        let found = if text.starts_with('{') {
            serde_json::from_str(text)
                .ok()
                .and_then(|it: Value| documents(&it))
        } else if code <= 1 {
            Some(lines(text))
        } else {
            None
        };
        // A judge that failed must not count as one that found nothing.
        let silent = text.is_empty() && code != 0;
        found.filter(|_| !silent).with_context(|| {
            format!(
                "the judge {} ended with code {code} and said nothing that can be read: {}",
                self.name,
                done.err.lines().last().unwrap_or("")
            )
        })
    }
}

fn file_name(path: &str) -> String {
    let path = path.strip_prefix("file://").unwrap_or(path);
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

/// Every number behind `CWE-` in a text.
fn numbers(text: &str) -> Vec<u32> {
    let upper = text.to_uppercase();
    let parts = upper.split("CWE-").skip(1);
    parts
        .filter_map(|it| {
            let end = it.find(|c: char| !c.is_ascii_digit()).unwrap_or(it.len());
            it[..end].parse().ok()
        })
        .collect()
}

fn line_at(value: Option<&Value>) -> usize {
    let line = value.and_then(Value::as_u64).unwrap_or(0);
    usize::try_from(line).unwrap_or(0)
}

/// The document of Bandit, of Semgrep, or SARIF.
fn documents(document: &Value) -> Option<Vec<(String, Firing)>> {
    if let Some(runs) = document.get("runs").and_then(Value::as_array) {
        return Some(runs.iter().flat_map(sarif).collect());
    }
    let results = document.get("results")?.as_array()?;
    let found = results.iter().filter_map(|it| {
        if let Some(rule) = it.get("test_id").and_then(Value::as_str) {
            let cwe = it.pointer("/issue_cwe/id").and_then(Value::as_u64);
            let firing = Firing {
                rule: rule.to_owned(),
                line: line_at(it.get("line_number")),
                cwe: cwe
                    .and_then(|it| u32::try_from(it).ok())
                    .into_iter()
                    .collect(),
            };
            return Some((file_name(it.get("filename")?.as_str()?), firing));
        }
        let rule = it.get("check_id")?.as_str()?;
        let cwe = it.pointer("/extra/metadata/cwe").map(Value::to_string);
        let firing = Firing {
            // Semgrep writes the path of the rules' file before a rule's name.
            rule: rule.rsplit('.').next().unwrap_or(rule).to_owned(),
            line: line_at(it.pointer("/start/line")),
            cwe: cwe.map(|it| numbers(&it)).unwrap_or_default(),
        };
        Some((file_name(it.get("path")?.as_str()?), firing))
    });
    Some(found.collect())
}

fn sarif(run: &Value) -> Vec<(String, Firing)> {
    let empty = Vec::new();
    let list = |at: &str| run.pointer(at).and_then(Value::as_array).unwrap_or(&empty);
    let mut about: HashMap<&str, Vec<u32>> = HashMap::new();
    for rule in list("/tool/driver/rules") {
        if let Some(id) = rule.get("id").and_then(Value::as_str) {
            about.insert(id, numbers(&rule.to_string()));
        }
    }
    let found = list("/results").iter().filter_map(|it| {
        // What is only worth a note is no verdict: flawfinder has one for every array.
        if matches!(
            it.get("level").and_then(Value::as_str),
            Some("none" | "note")
        ) {
            return None;
        }
        let rule = it.get("ruleId")?.as_str()?;
        let place = it.pointer("/locations/0/physicalLocation")?;
        let path = place.pointer("/artifactLocation/uri")?.as_str()?;
        let firing = Firing {
            rule: rule.to_owned(),
            line: line_at(place.pointer("/region/startLine")),
            cwe: about.get(rule).cloned().unwrap_or_default(),
        };
        Some((file_name(path), firing))
    });
    found.collect()
}

/// `PATH:LINE: RULE …` or `PATH:LINE:COLUMN: RULE …`; other lines are talk.
fn lines(text: &str) -> Vec<(String, Firing)> {
    let found = text.lines().filter_map(|line| {
        let (path, rest) = line.split_once(':')?;
        let (number, rest) = rest.split_once(':')?;
        let number = number.trim().parse().ok()?;
        let rest = match rest.split_once(':') {
            Some((column, rest)) if column.trim().parse::<usize>().is_ok() => rest,
            _ => rest,
        };
        let rule = rest.split_whitespace().next()?.trim_end_matches(':');
        let firing = Firing {
            rule: rule.to_owned(),
            line: number,
            cwe: numbers(rest),
        };
        Some((file_name(path), firing))
    });
    found.collect()
}
