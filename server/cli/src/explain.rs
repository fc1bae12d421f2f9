//! `secondlook explain`: what a finding means, by whichever name somebody has for it.
//! It prints knowledge and has none of its own.

use std::fmt::Write;

use kb_schema::{Entry, EntrySet, Knowledge, PeerRule};

use crate::args::Args;
use crate::{EXIT_ERROR, kb, output};

pub(crate) fn run(args: &Args, id: &str) -> anyhow::Result<u8> {
    let store = kb::open_here(args)?;
    let entries = store.entries();
    kb::warn(&entries, &[]);
    match explained(&entries, id.trim()) {
        Ok(text) => {
            output::out(&text);
            Ok(0)
        }
        Err(message) => {
            output::error(&message);
            Ok(EXIT_ERROR)
        }
    }
}

fn explained(entries: &EntrySet, id: &str) -> Result<String, String> {
    if let Some(entry) = entries.get(id) {
        return Ok(page(entry));
    }
    let all = || entries.entries.iter().map(|it| &**it);
    let lower = id.to_ascii_lowercase();
    let number = lower
        .strip_prefix("cwe")
        .map(|it| it.trim_start_matches('-'));
    if let Some(number) = number.and_then(|it| it.parse::<u32>().ok()) {
        let about: Vec<&Entry> = all().filter(|it| it.cwe.contains(&number)).collect();
        if about.is_empty() {
            return Err(format!(
                "no entry is about CWE-{number}; `secondlook kb list` names them all"
            ));
        }
        return Ok(several(&format!("CWE-{number}"), &about));
    }
    let rules: Vec<&PeerRule> = PeerRule::meant_by(id).collect();
    if let Some(rule) = rules.first() {
        return of_rule(rule, &all().collect::<Vec<_>>());
    }
    // The same name may exist for several languages.
    let named: Vec<&Entry> = all()
        .filter(|it| it.id.split_once('/').is_some_and(|(_, name)| name == id))
        .collect();
    match named.as_slice() {
        [] => Err(kb::unknown(entries, id)),
        [entry] => Ok(page(entry)),
        _ => Ok(several(id, &named)),
    }
}

fn of_rule(rule: &PeerRule, all: &[&Entry]) -> Result<String, String> {
    let (number, name) = (rule.number, rule.name);
    let about: Vec<&Entry> = all
        .iter()
        .copied()
        .filter(|it| it.language == kb_schema::Language::Python)
        .filter(|it| it.cwe.iter().any(|cwe| rule.cwe.contains(cwe)))
        .collect();
    let cwe: Vec<String> = rule.cwe.iter().map(|it| format!("CWE-{it}")).collect();
    let head = format!(
        "B{number} of Bandit, S{number} of ruff ({name}): {}",
        cwe.join(", ")
    );
    if about.is_empty() {
        return Err(format!("{head}; no entry is about this"));
    }
    Ok(several(&head, &about))
}

/// One entry as a page, with how to live with it.
fn page(entry: &Entry) -> String {
    let mut out = kb::page(entry);
    if !entry.is_knowledge_only() {
        let sign = match entry.language {
            kb_schema::Language::Python => "#",
            kb_schema::Language::C => "//",
        };
        let _ = writeln!(
            out,
            "\n## Where it is wrong\nSilence it on its line with `{sign} secondlook: ignore[{id}]`, or everywhere with `ignore = [\"{id}\"]` in secondlook.toml.",
            id = entry.id
        );
    }
    out
}

/// Several entries in short; one of them in full.
fn several(head: &str, entries: &[&Entry]) -> String {
    if let [entry] = entries {
        return format!("{head}\n\n{}", page(entry));
    }
    let mut out = format!("{head}: {} entries\n", entries.len());
    for entry in entries {
        let cwe: Vec<String> = entry.cwe_names().collect();
        let _ = writeln!(
            out,
            "\n{}: {} ({}, {})\n  {}",
            entry.id,
            entry.title,
            entry.severity,
            cwe.join(", "),
            entry.message
        );
    }
    out.push_str("\n`secondlook explain` with one of these says more.\n");
    out
}
