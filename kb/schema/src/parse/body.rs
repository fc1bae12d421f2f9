//! The Markdown half of an entry: its sections and its code blocks.
//! It knows the headings that the format names and refuses others.

use super::Reporter;
use crate::{Body, Example, ExampleKind, Language};

/// Marks a line of a vulnerable block that must be reported.
const MARKER: &str = "finding";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    Why,
    Guideline,
    Examples(ExampleKind),
}

struct Fence {
    kind: ExampleKind,
    code: String,
    lines: Vec<usize>,
    at_line: usize,
    count: usize,
}

/// Reads the body that begins at line `first_line` (from 1) of the file. Blocks of an entry that
/// `finds` something mark where.
pub(super) fn parse(
    body: &str,
    first_line: usize,
    language: Language,
    finds: bool,
    report: &mut Reporter<'_>,
) -> Body {
    let mut out = Body::default();
    let mut section = Section::None;
    let mut fence: Option<Fence> = None;
    for (offset, line) in body.lines().enumerate() {
        let number = first_line + offset;
        if let Some(open) = &mut fence {
            if line.trim_end() == "```" {
                if let Some(done) = fence.take() {
                    finish(done, finds, report, &mut out.examples);
                }
            } else {
                open.count += 1;
                let (code, marked) = strip_marker(line, language);
                if marked {
                    open.lines.push(open.count);
                }
                open.code.push_str(code);
                open.code.push('\n');
            }
            continue;
        }
        if let Some(heading) = line.strip_prefix("## ") {
            section = match heading.trim().to_ascii_lowercase().as_str() {
                "why" => Section::Why,
                "guideline" => Section::Guideline,
                "vulnerable" => Section::Examples(ExampleKind::Vulnerable),
                "secure" => Section::Examples(ExampleKind::Secure),
                "known misses" => Section::Examples(ExampleKind::KnownMiss),
                "known noise" => Section::Examples(ExampleKind::KnownNoise),
                other => {
                    report.at_line(
                        number,
                        format!("unknown section `{other}`; known are Why, Guideline, Vulnerable, Secure, Known misses, Known noise"),
                    );
                    Section::None
                }
            };
        } else if let Some(info) = line.strip_prefix("```") {
            match section {
                Section::Examples(kind) => {
                    if info.trim() != language.id() {
                        report.at_line(
                            number,
                            format!("a code block here must be ```{}", language.id()),
                        );
                    }
                    fence = Some(Fence {
                        kind,
                        code: String::new(),
                        lines: Vec::new(),
                        at_line: number + 1,
                        count: 0,
                    });
                }
                _ => report.at_line(
                    number,
                    "code blocks belong under Vulnerable, Secure, Known misses or Known noise",
                ),
            }
        } else {
            let text = match section {
                Section::Why => &mut out.why,
                Section::Guideline => &mut out.guideline,
                Section::Examples(_) => continue,
                Section::None => {
                    if !line.trim().is_empty() {
                        report
                            .at_line(number, "text before the first section; begin with `## Why`");
                    }
                    continue;
                }
            };
            text.push_str(line);
            text.push('\n');
        }
    }
    if let Some(open) = fence {
        report.at_line(open.at_line - 1, "this code block is never closed");
    }
    out.why = out.why.trim().to_owned();
    out.guideline = out.guideline.trim().to_owned();
    out
}

fn finish(fence: Fence, finds: bool, report: &mut Reporter<'_>, examples: &mut Vec<Example>) {
    let must_mark = matches!(
        fence.kind,
        ExampleKind::Vulnerable | ExampleKind::KnownNoise
    );
    if finds && must_mark && fence.lines.is_empty() {
        report.at_line(
            fence.at_line,
            "mark the lines that must be reported with a comment `finding`",
        );
    }
    if !must_mark && !fence.lines.is_empty() {
        report.at_line(
            fence.at_line,
            "only vulnerable and known-noise blocks may mark findings",
        );
    }
    examples.push(Example {
        kind: fence.kind,
        code: fence.code,
        lines: fence.lines,
        at_line: fence.at_line,
    });
}

/// Splits `code  # finding` into the code and whether it was marked.
fn strip_marker(line: &str, language: Language) -> (&str, bool) {
    let comment = match language {
        Language::Python => "#",
        Language::C => "//",
    };
    let trimmed = line.trim_end();
    let stripped = trimmed
        .strip_suffix(MARKER)
        .map(str::trim_end)
        .and_then(|rest| rest.strip_suffix(comment));
    match stripped {
        Some(code) => (code.trim_end(), true),
        None => (line, false),
    }
}
