//! Findings as SARIF 2.1.0, for code scanning services and viewers.
//! Columns count Unicode characters, which the document says.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Component, Path};

use kb_schema::{Entry, ExampleKind, Severity};
use serde_json::{Value, json};
use syntax::LineIndex;

use crate::check::{Checked, Item, Run};
use crate::{report, text};

/// What relative addresses start from.
const ROOT: &str = "%SRCROOT%";
/// The name under which a fingerprint is kept; it changes when its making does.
const FINGERPRINT: &str = "secondlook/v1";

pub(crate) fn render(run: &Run<'_>) -> String {
    let mut rules: Vec<&Entry> = Vec::new();
    let mut results = Vec::new();
    let mut notices = Vec::new();
    for file in &run.files {
        let index = LineIndex::new(&file.text);
        for item in &file.items {
            let entry = &*item.finding.entry;
            let rule = rules.iter().position(|it| it.id == entry.id);
            let rule = rule.unwrap_or_else(|| {
                rules.push(entry);
                rules.len() - 1
            });
            results.push(result(file, &index, item, rule));
        }
        for note in &file.notes {
            let message = report::note_text(file, &index, note);
            notices.push(notice("warning", &message, Some(&file.path)));
        }
        if let Some(note) = &file.note {
            notices.push(notice("note", note, Some(&file.path)));
        }
        for idle in &file.idle {
            let line = file.layout.place(&index, idle.range.start).line;
            let message = format!("line {line}: {}", report::idle_text(idle));
            notices.push(notice("note", &message, Some(&file.path)));
        }
    }
    for skipped in &run.skipped {
        let message = format!("skipped: {}", skipped.reason);
        notices.push(notice("warning", &message, Some(&skipped.path)));
    }
    for error in &run.errors {
        notices.push(notice("error", error, None));
    }
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "secondlook",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|it| rule(it)).collect::<Vec<_>>(),
                "supportedTaxonomies": [{ "name": "CWE", "index": 0 }],
            } },
            "taxonomies": [taxonomy(&rules)],
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { ROOT: {
                "description": { "text": "The folder that secondlook ran in." },
            } },
            "invocations": [{
                "executionSuccessful": run.errors.is_empty(),
                "toolExecutionNotifications": notices,
            }],
            "results": results,
        }],
    });
    let mut out = serde_json::to_string_pretty(&document).unwrap_or_default();
    out.push('\n');
    out
}

fn result(file: &Checked, index: &LineIndex<'_>, item: &Item, rule: usize) -> Value {
    let finding = &item.finding;
    let mut out = json!({
        "ruleId": finding.entry.id,
        "ruleIndex": rule,
        "level": level(finding.severity),
        "message": { "text": sentence(&finding.message) },
        "locations": [location(file, index, &finding.range)],
        "partialFingerprints": { FINGERPRINT: item.fingerprint },
        "taxa": finding.entry.cwe.iter().map(|it| json!({
            "id": it.to_string(),
            "toolComponent": { "name": "CWE", "index": 0 },
        })).collect::<Vec<_>>(),
    });
    if !finding.trace.is_empty() {
        let steps: Vec<Value> = finding
            .trace
            .iter()
            .map(|step| {
                let mut location = location(file, index, &step.range);
                location["message"] = json!({ "text": sentence(&step.note) });
                json!({ "location": location })
            })
            .collect();
        out["codeFlows"] = json!([{ "threadFlows": [{ "locations": steps }] }]);
    }
    // An edit of a cell is none of the notebook's file, which holds the code as JSON.
    if !item.fixes.is_empty() && file.layout.cells.is_empty() {
        out["fixes"] = item.fixes.iter().map(|it| fix(file, index, it)).collect();
    }
    out
}

fn fix(file: &Checked, index: &LineIndex<'_>, fix: &revision::Proposal) -> Value {
    let replacements: Vec<Value> = fix
        .edits
        .iter()
        .map(|edit| {
            json!({
                "deletedRegion": region(file, index, &edit.range),
                "insertedContent": { "text": edit.text },
            })
        })
        .collect();
    json!({
        "description": { "text": sentence(&fix.title) },
        "artifactChanges": [{
            "artifactLocation": artifact(&file.path),
            "replacements": replacements,
        }],
    })
}

fn location(file: &Checked, index: &LineIndex<'_>, range: &Range<usize>) -> Value {
    let Some(cell) = file.layout.cell(range.start) else {
        return json!({ "physicalLocation": {
            "artifactLocation": artifact(&file.path),
            "region": region(file, index, range),
        } });
    };
    // The lines of a cell are no lines of the notebook's file, so they are told in words.
    let line = file.layout.place(index, range.start).line;
    json!({
        "physicalLocation": { "artifactLocation": artifact(&file.path) },
        "logicalLocations": [{ "name": format!("cell {}, line {line}", cell.number) }],
    })
}

fn region(file: &Checked, index: &LineIndex<'_>, range: &Range<usize>) -> Value {
    let start = file.layout.place(index, range.start);
    let end = file.layout.place(index, range.end);
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

fn rule(entry: &Entry) -> Value {
    let mut tags = vec!["security".to_owned()];
    tags.extend(
        entry
            .cwe
            .iter()
            .map(|it| format!("external/cwe/cwe-{it:03}")),
    );
    let relationships: Vec<Value> = entry
        .cwe
        .iter()
        .map(|it| {
            json!({
                "target": { "id": it.to_string(), "toolComponent": { "name": "CWE", "index": 0 } },
                "kinds": ["superset"],
            })
        })
        .collect();
    json!({
        "id": entry.id,
        "shortDescription": { "text": sentence(&entry.title) },
        "fullDescription": { "text": plain(&entry.body().why) },
        "help": { "text": plain(&entry.body().guideline), "markdown": help(entry) },
        "helpUri": entry.href(),
        "defaultConfiguration": { "level": level(entry.severity) },
        "relationships": relationships,
        "properties": {
            "tags": tags,
            "precision": "high",
            "security-severity": score(entry.severity),
        },
    })
}

/// The entry as a viewer shows it beside a finding.
fn help(entry: &Entry) -> String {
    let mut out = format!(
        "{}\n\n**Instead:** {}\n",
        entry.body().why.trim(),
        entry.body().guideline.trim()
    );
    if let Some(example) = entry.examples(ExampleKind::Secure).next() {
        let _ = write!(out, "\n```{}\n{}```\n", entry.language.id(), example.code);
    }
    for discussion in &entry.discussions {
        let _ = write!(
            out,
            "\n- [{}]({}): {}",
            discussion.title,
            discussion.url(),
            discussion.warns
        );
    }
    out
}

fn taxonomy(rules: &[&Entry]) -> Value {
    let numbers: BTreeSet<u32> = rules.iter().flat_map(|it| it.cwe.iter().copied()).collect();
    let taxa: Vec<Value> = numbers
        .into_iter()
        .map(|it| {
            json!({
                "id": it.to_string(),
                "name": format!("CWE-{it}"),
                "helpUri": format!("https://cwe.mitre.org/data/definitions/{it}.html"),
            })
        })
        .collect();
    json!({
        "name": "CWE",
        "organization": "MITRE",
        "shortDescription": { "text": "The Common Weakness Enumeration." },
        "informationUri": "https://cwe.mitre.org/",
        "isComprehensive": false,
        "taxa": taxa,
    })
}

fn notice(level: &str, message: &str, path: Option<&Path>) -> Value {
    let mut out = json!({ "level": level, "message": { "text": sentence(message) } });
    if let Some(path) = path {
        out["locations"] = json!([{ "physicalLocation": { "artifactLocation": artifact(path) } }]);
    }
    out
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// The number from which services make "high", "medium" and "low".
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "8.0",
        Severity::Warning => "5.5",
        Severity::Note => "3.0",
    }
}

/// Viewers expect sentences with a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.trim().chars();
    let mut out: String = match chars.next() {
        // Code keeps its case.
        Some('`') | None => text.trim().to_owned(),
        Some(first) => first.to_uppercase().chain(chars).collect(),
    };
    if !out.ends_with(['.', '!', '?']) {
        out.push('.');
    }
    out
}

/// Markdown's first paragraph on one line.
fn plain(markdown: &str) -> String {
    let first = markdown.trim().split("\n\n").next().unwrap_or("");
    let joined = first.split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.is_empty() {
        text::first_sentence(markdown)
    } else {
        joined
    }
}

/// A path as an address: relative where it was, so that reports hold on other machines.
fn artifact(path: &Path) -> Value {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(encoded(&name.to_string_lossy())),
            Component::ParentDir => parts.push("..".to_owned()),
            Component::Prefix(prefix) => parts.push(encoded(&prefix.as_os_str().to_string_lossy())),
            Component::RootDir | Component::CurDir => {}
        }
    }
    let joined = parts.join("/");
    if path.is_absolute() {
        json!({ "uri": format!("file:///{joined}") })
    } else {
        json!({ "uri": joined, "uriBaseId": ROOT })
    }
}

fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
