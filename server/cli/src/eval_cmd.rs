//! `secondlook eval`: reads labelled files, has them judged, prints the tables.

use std::fmt::Write;

use analysis::Host;
use anyhow::Context;
use eval::{Case, Detection, Label, Row};
use indicatif::ProgressBar;
use kb_schema::Knowledge;

use crate::args::{Args, Eval, EvalFormat, Show};
use crate::{kb, output, retrieve_cmd};

/// What a thread that analyses may recurse on.
const STACK_BYTES: usize = 16 << 20;

pub(crate) fn run(args: &Args, command: &Eval) -> anyhow::Result<u8> {
    let (files, format, show) = match command {
        Eval::Detect {
            files,
            format,
            show,
        } => (files, format, show),
        Eval::Revise(wish) => return crate::eval_revise::run(args, wish),
        Eval::Retrieve {
            files,
            pairs,
            model,
            format,
        } => {
            let wish = retrieve_cmd::Wish {
                files,
                pairs: pairs.as_deref(),
                model: model.as_deref(),
                format: *format,
            };
            return retrieve_cmd::run(args, &wish);
        }
    };
    let store = kb::open_here(args)?;
    let entries = store.entries();
    let host = Host::new(&entries);
    kb::warn(&entries, host.problems());
    let mut cases: Vec<Case> = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        cases.extend(eval::read_cases(&text).with_context(|| path.display().to_string())?);
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .stack_size(STACK_BYTES)
        .build()?;
    let bar = ProgressBar::new(cases.len() as u64);
    let snapshot = host.snapshot();
    let detection = pool.install(|| eval::detect(&snapshot, &cases, &|| bar.inc(1)));
    bar.finish_and_clear();
    match format {
        EvalFormat::Json => output::out(&(serde_json::to_string_pretty(&detection)? + "\n")),
        EvalFormat::Text => output::out(&table(&detection, *show)),
    }
    Ok(0)
}

fn table(detection: &Detection, show: Option<Show>) -> String {
    let mut out = String::new();
    for case in &detection.cases {
        let wanted = match show {
            Some(Show::Misses) => case.label == Label::Vulnerable && !case.same,
            Some(Show::Alarms) => case.label == Label::Secure && case.same,
            None => false,
        };
        if wanted {
            let found: Vec<String> = case
                .findings
                .iter()
                .map(|(id, line)| format!("{id}:{line}"))
                .collect();
            let _ = writeln!(out, "{}  {}", case.id, found.join(" "));
        }
    }
    if show.is_some() {
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "{:20} {:7} {:9} {:>5} {:>13} {:>13} {:>5} {:>13} {:>13} {:>13}",
        "suite",
        "lang",
        "CWE",
        "vuln",
        "found any",
        "same CWE",
        "safe",
        "alarm any",
        "same CWE",
        "told apart"
    );
    for row in &detection.rows {
        let _ = writeln!(out, "{}", line(row));
    }
    let lines: (usize, usize) = detection
        .rows
        .iter()
        .filter(|it| it.cwe == "all" && it.lang != "c+cpp")
        .fold((0, 0), |sum, row| {
            (sum.0 + row.on_line, sum.1 + row.with_lines)
        });
    if lines.1 > 0 {
        let _ = writeln!(
            out,
            "on a labelled line: {} of {}",
            share(lines.0, lines.1),
            lines.1
        );
    }
    if detection.left_out > 0 {
        let _ = writeln!(
            out,
            "left out (no label or another language): {}",
            detection.left_out
        );
    }
    out
}

fn line(row: &Row) -> String {
    format!(
        "{:20} {:7} {:9} {:>5} {:>13} {:>13} {:>5} {:>13} {:>13} {:>13}",
        row.suite,
        row.lang,
        row.cwe,
        row.vulnerable,
        share(row.found_any, row.vulnerable),
        share(row.found_same, row.vulnerable),
        row.secure,
        share(row.alarm_any, row.secure),
        share(row.alarm_same, row.secure),
        share(row.told_apart, row.pairs),
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
fn share(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{part} ({:.1} %)", part as f64 * 100.0 / whole as f64)
}
