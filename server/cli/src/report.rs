//! The JSON that programs read; docs/json.md documents it. Version 1.
//! Lines and columns count from 1, columns in characters; bytes are offsets in the file.

use std::ops::Range;

use kb_schema::{Applicability, HitKind, Knowledge as _};
use serde::Serialize;
use syntax::LineIndex;

use crate::check::{Checked, Run, shown};
use crate::lines;

/// How many discussions of installed indexes a finding shows at most.
const IMPORTED: usize = 2;
/// How many discussions a finding shows at most.
pub(crate) const DISCUSSIONS: usize = 5;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    findings: Vec<Finding<'a>>,
    unused_suppressions: Vec<Unused>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics: Option<Vec<lines::Count<'a>>>,
    skipped: Vec<SkippedFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leads: Option<Vec<Lead>>,
}

/// What imported discussions alone suggest to look at; never a finding.
#[derive(Serialize)]
struct Lead {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cell: Option<usize>,
    range: Area,
    bytes: [usize; 2],
    sign: String,
    origin: &'static str,
    warners: usize,
    sources: Vec<Source>,
}

/// A discussion behind a lead, with what its licence asks to be shown.
#[derive(Serialize)]
struct Source {
    index: String,
    url: Option<String>,
    title: String,
    warns: String,
    author: Option<String>,
    date: Option<String>,
    votes: i64,
    licence: Option<String>,
    source: String,
}

#[derive(Serialize)]
struct Finding<'a> {
    path: String,
    entry: &'a str,
    cwe: Vec<String>,
    severity: kb_schema::Severity,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cell: Option<usize>,
    range: Area,
    bytes: [usize; 2],
    fingerprint: &'a str,
    origin: &'static str,
    trace: Vec<Step<'a>>,
    discussions: Vec<Discussion>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    imported: Vec<Imported>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    cell: Option<usize>,
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

/// A discussion of an installed index, with what its licence asks to be shown.
#[derive(Serialize)]
pub(crate) struct Imported {
    pub(crate) index: String,
    pub(crate) url: Option<String>,
    pub(crate) title: String,
    pub(crate) warns: String,
    pub(crate) author: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) votes: i64,
    pub(crate) licence: Option<String>,
    pub(crate) source: String,
    pub(crate) score: f32,
    #[serde(skip)]
    pub(crate) attribution: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    cell: Option<usize>,
    bytes: [usize; 2],
    text: &'a str,
}

/// A comment that silences nothing.
#[derive(Serialize)]
struct Unused {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cell: Option<usize>,
    range: Area,
    message: String,
}

#[derive(Serialize)]
struct SkippedFile {
    path: String,
    reason: String,
}

pub(crate) fn json(run: &Run<'_>) -> String {
    let mut findings = Vec::new();
    let mut unused = Vec::new();
    let mut leads = Vec::new();
    let mut skipped: Vec<SkippedFile> = run
        .skipped
        .iter()
        .map(|it| SkippedFile {
            path: shown(&it.path),
            reason: it.reason.clone(),
        })
        .collect();
    for file in &run.files {
        let index = LineIndex::new(&file.text);
        let path = shown(&file.path);
        let cell = |byte: usize| file.layout.cell(byte).map(|it| it.number);
        if let Some(note) = &file.note {
            skipped.push(SkippedFile {
                path: path.clone(),
                reason: note.clone(),
            });
        }
        for note in &file.notes {
            skipped.push(SkippedFile {
                path: path.clone(),
                reason: note_text(file, &index, note),
            });
        }
        leads.extend(leads_in(run, file, &path, &index));
        for idle in &file.idle {
            unused.push(Unused {
                path: path.clone(),
                cell: cell(idle.range.start),
                range: area(file, &index, &idle.range),
                message: idle_text(idle),
            });
        }
        for item in &file.items {
            let finding = &item.finding;
            findings.push(Finding {
                path: path.clone(),
                entry: &finding.entry.id,
                cwe: finding.entry.cwe_names().collect(),
                severity: finding.severity,
                message: &finding.message,
                cell: cell(finding.range.start),
                range: area(file, &index, &finding.range),
                bytes: shifted(file, &finding.range),
                fingerprint: &item.fingerprint,
                origin: "unknown",
                trace: finding
                    .trace
                    .iter()
                    .map(|it| Step {
                        path: path.clone(),
                        cell: cell(it.range.start),
                        range: area(file, &index, &it.range),
                        note: &it.note,
                    })
                    .collect(),
                discussions: discussions(run, file, finding),
                imported: imported(run, file, finding),
                fixes: item
                    .fixes
                    .iter()
                    .map(|fix| Fix {
                        kind: fix.kind,
                        title: &fix.title,
                        applicability: fix.applicability,
                        edits: fix
                            .edits
                            .iter()
                            .map(|edit| Edit {
                                cell: cell(edit.range.start),
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
        unused_suppressions: unused,
        statistics: run.check.statistics.then(|| lines::counts(run)),
        skipped,
        leads: run.check.explain.then_some(leads),
    };
    let mut out = serde_json::to_string_pretty(&document).unwrap_or_default();
    out.push('\n');
    out
}

/// Where something was not analysed, and why.
pub(crate) fn note_text(file: &Checked, index: &LineIndex<'_>, note: &analysis::Note) -> String {
    let line = file.layout.place(index, note.range.start).line;
    match file.layout.cell(note.range.start) {
        Some(cell) => format!("cell {}, line {line}: {}", cell.number, note.message),
        None => format!("line {line}: {}", note.message),
    }
}

/// What is said of a comment that silences nothing.
pub(crate) fn idle_text(idle: &analysis::Idle) -> String {
    match &idle.name {
        Some(name) => format!("`{name}` silences nothing here; take it out of the comment"),
        None => "this comment silences nothing; take it out".to_owned(),
    }
}

fn area(file: &Checked, index: &LineIndex<'_>, range: &Range<usize>) -> Area {
    let point = |byte| {
        let place = file.layout.place(index, byte);
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

/// Offsets in the file; in a notebook, in the source of the cell.
fn shifted(file: &Checked, range: &Range<usize>) -> [usize; 2] {
    let start = file.layout.region(range.start, &file.text).start;
    [
        range.start - start + file.shift,
        range.end - start + file.shift,
    ]
}

fn leads_in(run: &Run<'_>, file: &Checked, path: &str, index: &LineIndex<'_>) -> Vec<Lead> {
    let lead = |lead: kb_schema::Lead| Lead {
        path: path.to_owned(),
        cell: file.layout.cell(lead.range.start).map(|it| it.number),
        range: area(file, index, &lead.range),
        bytes: shifted(file, &lead.range),
        origin: "unknown",
        warners: lead.warners,
        sources: lead.sources.iter().map(source).collect(),
        sign: lead.sign,
    };
    leads_of(run, file).into_iter().map(lead).collect()
}

fn source(found: &kb_schema::LeadSource) -> Source {
    let post = &found.post;
    Source {
        index: found.index.to_string(),
        url: post.link.clone(),
        title: post.title.clone(),
        warns: found.gist(),
        author: post.author.clone(),
        date: post.date.clone(),
        votes: post.score,
        licence: post.licence.clone(),
        source: post.source.clone(),
    }
}

/// What imported discussions alone suggest to look at in a file, where somebody asked for reasons.
/// What stands on a finding's line is left to the finding.
pub(crate) fn leads_of(run: &Run<'_>, file: &Checked) -> Vec<kb_schema::Lead> {
    if !run.check.explain || !run.settings.show_leads {
        return Vec::new();
    }
    let language = match file.language {
        syntax::Language::Python => kb_schema::Language::Python,
        syntax::Language::C => kb_schema::Language::C,
    };
    let line = |byte: usize| {
        file.text
            .get(..byte)
            .map_or(0, |it| it.matches('\n').count())
    };
    let told: Vec<usize> = file
        .items
        .iter()
        .map(|it| line(it.finding.range.start))
        .collect();
    let mut leads = run.store.leads(&file.text, language);
    leads.retain(|it| !told.contains(&line(it.range.start)));
    leads
}

/// The entry's own discussions, then the best of the rest.
pub(crate) fn discussions(
    run: &Run<'_>,
    file: &Checked,
    finding: &analysis::Finding,
) -> Vec<Discussion> {
    if !run.settings.show_discussions {
        return Vec::new();
    }
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

/// The best discussions of installed indexes.
pub(crate) fn imported(
    run: &Run<'_>,
    file: &Checked,
    finding: &analysis::Finding,
) -> Vec<Imported> {
    if !run.settings.show_discussions || run.store.installed().is_empty() {
        return Vec::new();
    }
    let found = run.store.fitting(&kb_schema::Query {
        text: finding.slice_text(&file.text),
        language: Some(finding.entry.language),
        limit: IMPORTED,
    });
    let said = |hit: kb_schema::PostHit| Imported {
        index: hit.index.to_string(),
        url: hit.post.link.clone(),
        title: hit.post.title.clone(),
        warns: hit.post.gist(),
        author: hit.post.author.clone(),
        date: hit.post.date.clone(),
        votes: hit.post.score,
        licence: hit.post.licence.clone(),
        source: hit.post.source.clone(),
        score: hit.score,
        attribution: hit.post.attribution(),
        terms: hit.terms,
    };
    found.into_iter().map(said).collect()
}
