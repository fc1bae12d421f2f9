//! Findings one to a line: for terminals and editors, for GitHub Actions, and as counts.
//! Layout only.

use std::collections::BTreeMap;
use std::fmt::Write;

use kb_schema::{Applicability, Severity};
use serde::Serialize;
use syntax::LineIndex;

use crate::check::Run;
use crate::place::Place;
use crate::{report, text};

/// How often an entry was found.
#[derive(Serialize)]
pub(crate) struct Count<'a> {
    entry: &'a str,
    cwe: Vec<String>,
    severity: Severity,
    title: &'a str,
    count: usize,
    fixable: usize,
}

/// How often each entry was found, the most frequent first.
pub(crate) fn counts<'a>(run: &'a Run<'_>) -> Vec<Count<'a>> {
    let mut counts: BTreeMap<&str, Count<'a>> = BTreeMap::new();
    for item in run.files.iter().flat_map(|file| &file.items) {
        let entry = &*item.finding.entry;
        let count = counts.entry(&entry.id).or_insert_with(|| Count {
            entry: &entry.id,
            cwe: entry.cwe_names().collect(),
            severity: item.finding.severity,
            title: &entry.title,
            count: 0,
            fixable: 0,
        });
        count.count += 1;
        count.severity = count.severity.max(item.finding.severity);
        let safe = |it: &revision::Proposal| it.applicability == Applicability::Safe;
        count.fixable += usize::from(item.fixes.iter().any(safe));
    }
    let mut counts: Vec<Count<'a>> = counts.into_values().collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then(a.entry.cmp(b.entry)));
    counts
}

/// A table of the counts.
pub(crate) fn statistics(run: &Run<'_>) -> String {
    let counts = counts(run);
    let width = counts.iter().map(|it| it.entry.len()).max().unwrap_or(0);
    let digits = counts.first().map_or(0, |it| it.count.to_string().len());
    counts.iter().fold(String::new(), |mut out, it| {
        let fixable = match it.fixable {
            0 => String::new(),
            number => format!(" ({number} fixable with --fix)"),
        };
        let first = it.cwe.first().map_or("", String::as_str);
        let severity = it.severity.to_string();
        let _ = writeln!(
            out,
            "{:digits$}  {:width$}  {severity:7}  {first:9}  {}{fixable}",
            it.count, it.entry, it.title
        );
        out
    })
}

/// One line for each finding, as compilers write them.
pub(crate) fn concise(run: &Run<'_>) -> String {
    let mut out = String::new();
    let mut findings = 0;
    for file in &run.files {
        let index = LineIndex::new(&file.text);
        let at = |byte: usize| {
            let place = file.layout.place(&index, byte);
            let path = file.layout.name(&file.path, byte);
            format!("{path}:{}:{}", place.line, place.column)
        };
        for item in &file.items {
            findings += 1;
            let finding = &item.finding;
            let cwe: Vec<String> = finding.entry.cwe_names().collect();
            let _ = writeln!(
                out,
                "{}: {}[{}] {} ({})",
                at(finding.range.start),
                finding.severity,
                finding.entry.id,
                finding.message,
                cwe.join(", ")
            );
        }
        for idle in &file.idle {
            let _ = writeln!(
                out,
                "{}: note: {}",
                at(idle.range.start),
                report::idle_text(idle)
            );
        }
    }
    if !run.check.quiet {
        let looked = text::count(run.files.len(), "file");
        let _ = writeln!(out, "{} in {looked}.", text::count(findings, "finding"));
    }
    out
}

/// Commands of GitHub Actions that put each finding beside its line.
pub(crate) fn github(run: &Run<'_>) -> String {
    let mut out = String::new();
    for file in &run.files {
        let index = LineIndex::new(&file.text);
        let path = property(&file.path.display().to_string());
        for item in &file.items {
            let finding = &item.finding;
            let (start, end) = (
                file.layout.place(&index, finding.range.start),
                file.layout.place(&index, finding.range.end),
            );
            let command = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "notice",
            };
            let cwe: Vec<String> = finding.entry.cwe_names().collect();
            let title = property(&format!("{} ({})", finding.entry.id, cwe.join(", ")));
            // The service shows columns only where a finding keeps to its line, and the lines of a
            // cell are no lines of the notebook's file.
            let (place, cell) = match file.layout.cell(finding.range.start) {
                Some(cell) => (
                    String::new(),
                    format!("cell {}, line {}: ", cell.number, start.line),
                ),
                None => (lines_of(start, end), String::new()),
            };
            let message = format!(
                "{cell}{}\n{}\n{}",
                finding.message,
                text::first_sentence(&finding.entry.body().why),
                finding.entry.href()
            );
            let message = data(&message);
            let _ = writeln!(
                out,
                "::{command} file={path}{place},title={title}::{message}"
            );
        }
        for idle in &file.idle {
            let line = file.layout.place(&index, idle.range.start).line;
            let message = data(&report::idle_text(idle));
            let _ = writeln!(
                out,
                "::notice file={path},line={line},title=unused suppression::{message}"
            );
        }
    }
    out
}

fn lines_of(start: Place, end: Place) -> String {
    let columns = if start.line == end.line {
        format!(",col={},endColumn={}", start.column, end.column)
    } else {
        String::new()
    };
    format!(",line={},endLine={}{columns}", start.line, end.line)
}

/// Text of a command: what would end it is written as its number.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a command's property, which commas and colons would end as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
