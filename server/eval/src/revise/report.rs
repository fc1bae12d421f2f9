//! What a run leaves for people: a table for the terminal and a page that needs nothing beside
//! itself: no script, no font, no picture from elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use similar::TextDiff;

use super::attempt::{Attempt, How, Step};
use super::measures::{Effort, Measures, Row, Trial, Trials, Variant, trial_key};
use super::plot::{Group, Share, bars, dots, escape, squares, stacks};
use super::verdict::OWN;
use crate::Case;

/// What a page says beside the measures.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The cases.
    pub cases: &'a [Case],
    /// What was tried.
    pub attempts: &'a [Attempt],
    /// The measures.
    pub measures: &'a Measures,
    /// The cases' tests.
    pub trials: &'a Trials,
    /// How it was run, as names and values.
    pub facts: &'a [(String, String)],
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |it| format!("{:.1} %", it * 100.0))
}

fn of(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
    let share = part as f64 * 100.0 / whole as f64;
    format!("{part}/{whole} ({share:.1} %)")
}

fn name(row: &Row) -> String {
    match row.variant {
        Variant::Proven => row.mode.clone(),
        Variant::Believed => format!("{} without gate", row.mode),
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |it| format!("{it:.1}"))
}

/// The columns of both tables; a row of them for each row of the measures.
fn cells(row: &Row) -> Vec<String> {
    let bound = row
        .intro_bound
        .map(|it| format!(", < {:.1} %", it * 100.0))
        .unwrap_or_default();
    let introduced = if row.clean == 0 {
        "–, none clean".to_owned()
    } else {
        format!("{}/{}{bound}", row.introduced, row.clean)
    };
    vec![
        name(row),
        row.judge.clone(),
        row.lang.clone(),
        of(row.fixed, row.flagged),
        percent(row.macro_fix_rate),
        introduced,
        percent(row.no_change_rate),
        row.added.to_string(),
        format!("{}/{}", row.identical, row.cases),
        number(row.edited_lines),
        row.likeness
            .map_or_else(|| "–".to_owned(), |it| format!("{it:.2}")),
        of(row.kept, row.tested),
        of(row.secure_pass, row.tested),
    ]
}

const HEAD: [&str; 13] = [
    "mode",
    "judge",
    "lang",
    "fixed (micro)",
    "macro",
    "introduced",
    "no change",
    "also new",
    "identical",
    "lines",
    "likeness",
    "tests kept",
    "SecurePass@1",
];

/// The measures as a table for a terminal or for Markdown.
#[must_use]
pub fn table(measures: &Measures) -> String {
    let mut rows: Vec<Vec<String>> = vec![HEAD.iter().map(|it| (*it).to_owned()).collect()];
    rows.extend(measures.rows.iter().map(cells));
    let mut out = aligned(&rows);
    let head = [
        "mode",
        "cases",
        "calls",
        "asked",
        "answered",
        "seconds",
        "template",
        "model",
        "unchanged",
        "refused",
        "nothing",
        "failed",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.iter().map(|it| (*it).to_owned()).collect()];
    rows.extend(measures.efforts.iter().map(costs));
    out.push('\n');
    out.push_str(&aligned(&rows));
    out
}

fn costs(it: &Effort) -> Vec<String> {
    vec![
        it.mode.clone(),
        it.cases.to_string(),
        it.calls.to_string(),
        it.asked_tokens.to_string(),
        it.answered_tokens.to_string(),
        format!("{:.0}", it.seconds),
        it.by_template.to_string(),
        it.by_model.to_string(),
        it.unchanged.to_string(),
        it.refused.to_string(),
        it.nothing.to_string(),
        it.failed.to_string(),
    ]
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|it| it.get(at));
        cells.map(|it| it.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(out, "| {cell:width$} ");
        }
        out.push_str("|\n");
        if index == 0 {
            for width in &widths {
                let _ = write!(out, "|{}", "-".repeat(width + 2));
            }
            out.push_str("|\n");
        }
    }
    out
}

/// The page.
#[must_use]
pub fn html(page: &Page<'_>) -> String {
    let mut out = String::from(HEADER);
    out.push_str("<h1>Revision, measured</h1><dl class=\"facts\">");
    for (name, value) in page.facts {
        let _ = write!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    out.push_str("</dl>");
    pictures(&mut out, page.measures);
    out.push_str("<h2>Measures</h2><p>Fix Rate is of cases flagged before, Intro Rate of cases clean before, No-Change Rate of verdicts over all cases. \"Fixed\" means that the rules which had spoken are silent; \"introduced\" that any rule speaks more often than before. The judge <code>secondlook</code> also gave the feedback: only the others are independent. \"Without gate\" is what the model's first answer would have left.</p>");
    let shown: Vec<Vec<String>> = page.measures.rows.iter().map(cells).collect();
    grid(&mut out, &HEAD, &shown);
    out.push_str("<h2>Cost</h2>");
    let shown: Vec<Vec<String>> = page.measures.efforts.iter().map(costs).collect();
    let head = [
        "mode",
        "cases",
        "calls",
        "tokens asked",
        "tokens answered",
        "seconds",
        "by template",
        "by model",
        "left by the model",
        "refused",
        "nobody to ask",
        "no answer",
    ];
    grid(&mut out, &head, &shown);
    each(&mut out, page);
    out.push_str("</main></body></html>\n");
    out
}

fn grid(out: &mut String, head: &[&str], rows: &[Vec<String>]) {
    out.push_str("<div class=\"wide\"><table><thead><tr>");
    for cell in head {
        let _ = write!(out, "<th>{}</th>", escape(cell));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td>{}</td>", escape(cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
}

fn pictures(out: &mut String, measures: &Measures) {
    let outside = measures.rows.iter().any(|it| it.judge == "outside");
    let judge = if outside { "outside" } else { OWN };
    let of_judge = |judge: &'static str| {
        let rows = measures.rows.iter();
        rows.filter(move |it| it.lang == "all" && it.judge == judge)
    };
    let rows: Vec<&Row> = of_judge(judge).collect();
    let share = |it: &Row| Some((it.fix_rate?, of(it.fixed, it.flagged)));
    let groups: Vec<Group> = rows
        .iter()
        .map(|row| {
            let own = of_judge(OWN)
                .filter(|it| it.mode == row.mode && it.variant == row.variant)
                .find_map(share);
            Group {
                label: name(row),
                bars: if outside {
                    vec![share(row), own]
                } else {
                    vec![own]
                },
            }
        })
        .collect();
    let series: &[&str] = if outside {
        &["outside judges", OWN]
    } else {
        &[OWN]
    };
    let _ = write!(out, "<h2>Fix Rate</h2>{}", bars(&groups, series));
    behaviour(out, &rows);
    endings(out, &measures.efforts);
    by_cwe(out, judge, &rows);
}

fn behaviour(out: &mut String, rows: &[&Row]) {
    let groups: Vec<Group> = rows
        .iter()
        .filter(|it| it.tested > 0)
        .map(|row| {
            let share = |part: usize| {
                #[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
                let share = part as f64 / row.tested as f64;
                Some((share, of(part, row.tested)))
            };
            Group {
                label: name(row),
                bars: vec![share(row.kept), share(row.secure_pass)],
            }
        })
        .collect();
    if !groups.is_empty() {
        let drawn = bars(&groups, &["tests kept", "SecurePass@1"]);
        let _ = write!(out, "<h2>Behaviour</h2>{drawn}");
    }
}

fn endings(out: &mut String, efforts: &[Effort]) {
    let parts: Vec<(String, Vec<usize>)> = efforts
        .iter()
        .map(|it| {
            let parts = vec![
                it.by_template,
                it.by_model,
                it.unchanged,
                it.refused,
                it.nothing,
                it.failed,
            ];
            (it.mode.clone(), parts)
        })
        .collect();
    let series = [
        "template",
        "model",
        "left as it is",
        "refused",
        "nobody asked",
        "no answer",
    ];
    let drawn = stacks(&parts, &series);
    let _ = write!(out, "<h2>How findings ended</h2>{drawn}");
    let times: Vec<(String, Vec<f32>)> = efforts
        .iter()
        .filter(|it| !it.each.is_empty())
        .map(|it| (it.mode.clone(), it.each.clone()))
        .collect();
    if !times.is_empty() {
        let _ = write!(out, "<h2>Seconds a case</h2>{}", dots(&times));
    }
}

fn by_cwe(out: &mut String, judge: &str, rows: &[&Row]) {
    let proven: Vec<&&Row> = rows
        .iter()
        .filter(|it| it.variant == Variant::Proven)
        .collect();
    let columns: Vec<&str> = proven.iter().map(|it| it.mode.as_str()).collect();
    let mut lines: BTreeMap<u32, (String, Vec<Share>)> = BTreeMap::new();
    for (at, row) in proven.iter().enumerate() {
        for it in &row.cwes {
            let number = it.cwe.rsplit('-').next().and_then(|it| it.parse().ok());
            let line = lines
                .entry(number.unwrap_or(0))
                .or_insert_with(|| (it.cwe.clone(), vec![None; columns.len()]));
            #[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
            let share = it.fixed as f64 / it.flagged.max(1) as f64;
            line.1[at] = Some((share, format!("{}/{}", it.fixed, it.flagged)));
        }
    }
    let lines: Vec<_> = lines.into_values().collect();
    let drawn = squares(&columns, &lines);
    let _ = write!(out, "<h2>Fixed by CWE ({})</h2>{drawn}", escape(judge));
}

fn each(out: &mut String, page: &Page<'_>) {
    out.push_str("<h2>Cases</h2>");
    let mut tried: HashMap<&str, Vec<&Attempt>> = HashMap::new();
    for attempt in page.attempts {
        tried.entry(&attempt.case).or_default().push(attempt);
    }
    for case in page.cases {
        let Some(attempts) = tried.get(case.id.as_str()) else {
            continue;
        };
        let _ = write!(
            out,
            "<details><summary>{} <small>{} {}</small></summary>",
            escape(&case.id),
            escape(&case.lang),
            escape(case.cwe.as_deref().unwrap_or(""))
        );
        for attempt in attempts {
            let _ = write!(out, "<h4>{}</h4><ul>", escape(&attempt.mode));
            for step in &attempt.steps {
                let _ = write!(out, "<li>{}</li>", escape(&words(step)));
            }
            out.push_str("</ul>");
            if let Some(trial) = page.trials.get(&trial_key(case, &attempt.after)) {
                let word = match trial {
                    Trial::Passed => "tests pass",
                    Trial::Failed => "tests fail",
                };
                let _ = write!(out, "<p>{word}</p>");
            }
            difference(out, "proven", &case.code, &attempt.after);
            if let Some(believed) = &attempt.believed
                && *believed != attempt.after
            {
                difference(out, "first answer, not proven", &case.code, believed);
            }
        }
        out.push_str("</details>");
    }
}

fn words(step: &Step) -> String {
    let what = match step.how {
        How::Revised => format!("revised by {}", step.by),
        How::Unchanged => "the model would leave it".to_owned(),
        How::Refused => "refused".to_owned(),
        How::Nothing => "no fix of its own, nobody asked".to_owned(),
        How::Failed => "no answer".to_owned(),
    };
    let about = if step.entry.is_empty() {
        "the whole"
    } else {
        &step.entry
    };
    let mut out = format!("{about}, line {}: {what}", step.line);
    for reason in &step.reasons {
        let _ = write!(out, "; {reason}");
    }
    out
}

fn difference(out: &mut String, title: &str, before: &str, after: &str) {
    if before == after {
        return;
    }
    let diff = TextDiff::from_lines(before, after);
    let _ = write!(out, "<p>{title}</p><pre>");
    for line in diff.unified_diff().context_radius(2).to_string().lines() {
        let class = match line.as_bytes().first() {
            Some(b'+') => "plus",
            Some(b'-') => "minus",
            _ => "same",
        };
        let _ = writeln!(out, "<span class=\"{class}\">{}</span>", escape(line));
    }
    out.push_str("</pre>");
}

const HEADER: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Revision, measured</title>
<style>
:root { color-scheme: light dark; --ink: #1d2530; --paper: #fff; --faint: #d5dae1; --soft: #5d6b7c }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e8ee; --paper: #14181d; --faint: #333c47; --soft: #97a3b2 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 }
main { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.2rem } h4 { margin: .8rem 0 .2rem }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: 13px; white-space: nowrap }
th, td { text-align: left; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--faint) }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif }
svg text { fill: var(--ink) } svg line { stroke: var(--faint) }
svg .label { text-anchor: end } svg .tick, svg .within { text-anchor: middle } svg .within { fill: #fff }
svg .median { stroke: var(--ink); stroke-width: 2 }
.s0 { fill: #2f6fb3 } .s1 { fill: #c96f1c } .s2 { fill: #7d8894 } .s3 { fill: #b03a48 } .s4 { fill: #58616c } .s5 { fill: #5b3f8c }
svg circle { fill-opacity: .45 }
pre { background: color-mix(in srgb, var(--faint) 35%, transparent); padding: .5rem .8rem; overflow-x: auto; font-size: 12.5px }
.plus { color: #1d7a3e } .minus { color: #b03a48 } .same { color: var(--soft) }
@media (prefers-color-scheme: dark) { .plus { color: #69c788 } .minus { color: #f0808c } }
details { border-top: 1px solid var(--faint); padding: .3rem 0 } summary { cursor: pointer } small { color: var(--soft) }
</style></head><body><main>
"#;
