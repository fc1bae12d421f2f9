//! The JSON that programs read; docs/json.md documents it. Version 1.
//! Lines and columns count from 1, columns in characters; bytes are offsets in the file.

use std::ops::Range;

use kb_schema::{Applicability, HitKind};
use serde::Serialize;
use syntax::LineIndex;

use crate::check::{Checked, Run};

/// How many discussions a finding shows at most.
pub(crate) const DISCUSSIONS: usize = 5;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    findings: Vec<Finding<'a>>,
    skipped: Vec<SkippedFile>,
}

#[derive(Serialize)]
struct Finding<'a> {
    path: String,
    entry: &'a str,
    cwe: Vec<String>,
    severity: kb_schema::Severity,
    message: &'a str,
    range: Area,
    bytes: [usize; 2],
    origin: &'static str,
    trace: Vec<Step<'a>>,
    discussions: Vec<Discussion>,
    fixes: Vec<Fix<'a>>,
}

#[derive(Serialize)]
struct Area {
    start: Point,
    end: Point,
}

#[derive(Serialize)]
struct Point {
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct Step<'a> {
    path: String,
    range: Area,
    note: &'a str,
}

/// A human source of a finding.
#[derive(Serialize)]
pub(crate) struct Discussion {
    pub(crate) url: String,
    pub(crate) title: String,
    pub(crate) warns: String,
    pub(crate) score: f32,
    #[serde(skip)]
    pub(crate) own: bool,
    #[serde(skip)]
    pub(crate) terms: Vec<kb_schema::Term>,
}

#[derive(Serialize)]
struct Fix<'a> {
    kind: &'static str,
    title: &'a str,
    applicability: Applicability,
    edits: Vec<Edit<'a>>,
}

#[derive(Serialize)]
struct Edit<'a> {
    bytes: [usize; 2],
    text: &'a str,
}

#[derive(Serialize)]
struct SkippedFile {
    path: String,
    reason: String,
}

pub(crate) fn json(run: &Run<'_>) -> String {
    let mut findings = Vec::new();
    let mut skipped: Vec<SkippedFile> = run
        .skipped
        .iter()
        .map(|it| SkippedFile {
            path: it.path.display().to_string(),
            reason: it.reason.clone(),
        })
        .collect();
    for file in &run.files {
        let index = LineIndex::new(&file.text);
        let path = file.path.display().to_string();
        if let Some(note) = &file.note {
            skipped.push(SkippedFile {
                path: path.clone(),
                reason: note.clone(),
            });
        }
        for note in &file.analysis.notes {
            let line = index.line_column(note.range.start).line;
            skipped.push(SkippedFile {
                path: path.clone(),
                reason: format!("line {line}: {}", note.message),
            });
        }
        for (finding, fixes) in file.analysis.findings.iter().zip(&file.fixes) {
            findings.push(Finding {
                path: path.clone(),
                entry: &finding.entry.id,
                cwe: finding.entry.cwe_names().collect(),
                severity: finding.severity,
                message: &finding.message,
                range: area(&index, &finding.range),
                bytes: shifted(file, &finding.range),
                origin: "unknown",
                trace: finding
                    .trace
                    .iter()
                    .map(|it| Step {
                        path: path.clone(),
                        range: area(&index, &it.range),
                        note: &it.note,
                    })
                    .collect(),
                discussions: discussions(run, file, finding),
                fixes: fixes
                    .iter()
                    .map(|fix| Fix {
                        kind: fix.kind,
                        title: &fix.title,
                        applicability: fix.applicability,
                        edits: fix
                            .edits
                            .iter()
                            .map(|edit| Edit {
                                bytes: shifted(file, &edit.range),
                                text: &edit.text,
                            })
                            .collect(),
                    })
                    .collect(),
            });
        }
    }
    let document = Document {
        version: 1,
        findings,
        skipped,
    };
    let mut out = serde_json::to_string_pretty(&document).unwrap_or_default();
    out.push('\n');
    out
}

fn area(index: &LineIndex<'_>, range: &Range<usize>) -> Area {
    let point = |byte| {
        let place = index.line_column(byte);
        Point {
            line: place.line,
            column: place.column,
        }
    };
    Area {
        start: point(range.start),
        end: point(range.end),
    }
}

fn shifted(file: &Checked, range: &Range<usize>) -> [usize; 2] {
    [range.start + file.shift, range.end + file.shift]
}

/// The entry's own discussions, then the best of the rest.
pub(crate) fn discussions(
    run: &Run<'_>,
    file: &Checked,
    finding: &analysis::Finding,
) -> Vec<Discussion> {
    let slice = finding.slice_text(&file.text);
    let own = &finding.entry.discussions;
    kb_index::discussions_for(
        &*run.store,
        &finding.entry.id,
        &slice,
        own.len().max(DISCUSSIONS),
    )
    .into_iter()
    .filter_map(|hit| match hit.kind {
        HitKind::Discussion(it) => Some(Discussion {
            url: it.url(),
            own: own.contains(&it),
            title: it.title,
            warns: it.warns,
            score: hit.score,
            terms: hit.terms,
        }),
        HitKind::Entry => None,
    })
    .collect()
}
