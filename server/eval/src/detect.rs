//! Detection on labelled code: found on vulnerable, alarms on secure, pairs told apart.
//! Definitions are those of DESIGN.md; a verdict is made for each case alone.

use std::collections::{BTreeMap, HashMap};

use analysis::Snapshot;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::same_family;

/// Whether a case holds the weakness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// It does.
    Vulnerable,
    /// It does not, as far as its CWE goes.
    Secure,
}

/// One line of a labelled file.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Unique within a run.
    pub id: String,
    /// The set it belongs to.
    pub suite: String,
    /// `python`, `c` or `cpp`.
    pub lang: String,
    /// `CWE-89`; absent where the set names none.
    #[serde(default)]
    pub cwe: Option<String>,
    /// The code.
    pub code: String,
    /// Its label; sets of another kind have none and are left out.
    #[serde(default)]
    pub label: Option<Label>,
    /// Lines of the weakness, from 1.
    #[serde(default)]
    pub lines: Option<Vec<usize>>,
    /// The id of its twin.
    #[serde(default)]
    pub pair: Option<String>,
    /// A program that fails where the code no longer does what it should: see `revise`.
    #[serde(default)]
    pub tests: Option<String>,
    /// For each outside judge, the rules that stand for this case's weakness.
    #[serde(default)]
    pub rules: BTreeMap<String, Vec<String>>,
}

/// A line that is no case.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {source}")]
pub struct CaseError {
    /// The line, from 1.
    pub line: usize,
    source: serde_json::Error,
}

/// Reads one case a line; empty lines are skipped.
///
/// # Errors
/// The first line that is no case.
pub fn read_cases(text: &str) -> Result<Vec<Case>, CaseError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|source| CaseError {
                line: index + 1,
                source,
            })
        })
        .collect()
}

/// What was found in one case.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// The case's id.
    pub id: String,
    /// Its label.
    pub label: Label,
    /// Any finding at all.
    pub any: bool,
    /// A finding whose entry names the case's CWE or one of its family.
    pub same: bool,
    /// A same-CWE finding on one of the labelled lines; `None` where no lines are labelled.
    pub on_line: Option<bool>,
    /// Entry and line of every finding.
    pub findings: Vec<(String, usize)>,
}

/// Counts for one suite, language and CWE, or a total.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// The set, or `all`.
    pub suite: String,
    /// The language; `c+cpp` is the sum of both.
    pub lang: String,
    /// The CWE, or `all`.
    pub cwe: String,
    /// Vulnerable cases.
    pub vulnerable: usize,
    /// Of them with any finding.
    pub found_any: usize,
    /// Of them with a same-CWE finding.
    pub found_same: usize,
    /// Of them with labelled lines.
    pub with_lines: usize,
    /// Of those with a same-CWE finding on a labelled line.
    pub on_line: usize,
    /// Secure cases.
    pub secure: usize,
    /// Of them with any finding.
    pub alarm_any: usize,
    /// Of them with a same-CWE finding.
    pub alarm_same: usize,
    /// Pairs whose both sides are there.
    pub pairs: usize,
    /// Of them with a same-CWE finding before and none after.
    pub told_apart: usize,
}

/// The result of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Detection {
    /// Rows by suite, language and CWE, totals last in each group.
    pub rows: Vec<Row>,
    /// Every case's verdict, in the order read.
    pub cases: Vec<Judged>,
    /// Cases without a label or of another language.
    pub left_out: usize,
}

/// Judges every case. `tick` is called once for each, from several threads.
#[must_use]
pub fn detect(snapshot: &Snapshot, cases: &[Case], tick: &(dyn Fn() + Sync)) -> Detection {
    let judged: Vec<Option<Judged>> = cases
        .par_iter()
        .map(|case| {
            let out = judge(snapshot, case);
            tick();
            out
        })
        .collect();
    let by_id: HashMap<&str, &Judged> = judged
        .iter()
        .flatten()
        .map(|it| (it.id.as_str(), it))
        .collect();
    let mut rows: BTreeMap<(String, String, (bool, u32)), Row> = BTreeMap::new();
    for (case, verdict) in cases.iter().zip(&judged) {
        let Some(verdict) = verdict else { continue };
        let number = cwe_number(case).unwrap_or(0);
        let twin = case.pair.as_deref().and_then(|id| by_id.get(id));
        let langs: &[&str] = match case.lang.as_str() {
            "c" => &["c", "c+cpp"],
            "cpp" => &["cpp", "c+cpp"],
            other => &[other],
        };
        for lang in langs {
            for (total, cwe) in [(false, number), (true, 0)] {
                let key = (case.suite.clone(), (*lang).to_owned(), (total, cwe));
                let row = rows.entry(key).or_insert_with(|| Row {
                    suite: case.suite.clone(),
                    lang: (*lang).to_owned(),
                    cwe: if total {
                        "all".to_owned()
                    } else {
                        format!("CWE-{cwe}")
                    },
                    ..Row::default()
                });
                count(row, verdict, twin.copied());
            }
        }
    }
    let left_out = judged.iter().filter(|it| it.is_none()).count();
    Detection {
        rows: rows.into_values().collect(),
        cases: judged.into_iter().flatten().collect(),
        left_out,
    }
}

fn count(row: &mut Row, verdict: &Judged, twin: Option<&Judged>) {
    match verdict.label {
        Label::Vulnerable => {
            row.vulnerable += 1;
            row.found_any += usize::from(verdict.any);
            row.found_same += usize::from(verdict.same);
            row.with_lines += usize::from(verdict.on_line.is_some());
            row.on_line += usize::from(verdict.on_line == Some(true));
            if let Some(twin) = twin {
                row.pairs += 1;
                row.told_apart += usize::from(verdict.same && !twin.same);
            }
        }
        Label::Secure => {
            row.secure += 1;
            row.alarm_any += usize::from(verdict.any);
            row.alarm_same += usize::from(verdict.same);
        }
    }
}

pub(crate) fn cwe_number(case: &Case) -> Option<u32> {
    case.cwe.as_deref()?.rsplit('-').next()?.parse().ok()
}

fn judge(snapshot: &Snapshot, case: &Case) -> Option<Judged> {
    let label = case.label?;
    let language = match case.lang.as_str() {
        "python" => analysis::Language::Python,
        "c" | "cpp" => analysis::Language::C,
        _ => return None,
    };
    let analysis = snapshot.check(language, &case.code);
    let wanted = cwe_number(case);
    let same = |numbers: &[u32]| {
        wanted.is_some_and(|wanted| numbers.iter().any(|number| same_family(*number, wanted)))
    };
    let line_of = |byte: usize| case.code[..byte].matches('\n').count() + 1;
    let on_line = case.lines.as_ref().map(|lines| {
        analysis
            .findings
            .iter()
            .filter(|it| same(&it.entry.cwe))
            .any(|it| {
                (line_of(it.range.start)..=line_of(it.range.end)).any(|line| lines.contains(&line))
            })
    });
    Some(Judged {
        id: case.id.clone(),
        label,
        any: !analysis.findings.is_empty(),
        same: analysis.findings.iter().any(|it| same(&it.entry.cwe)),
        on_line,
        findings: analysis
            .findings
            .iter()
            .map(|it| (it.entry.id.clone(), line_of(it.range.start)))
            .collect(),
    })
}
