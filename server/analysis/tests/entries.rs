//! Every entry of the repository proves itself: one named test for each entry, which says what fails.
//! Not one for each property, because a test is a process and each must load all entries.
//! Adding an entry adds its tests; no Rust changes.

use std::ops::Range;
use std::sync::Arc;

mod common;

use analysis::{Analysis, Host, Memo, Snapshot, Source};
use kb_schema::{Entry, EntrySet, Example, ExampleKind, Language};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let set = Arc::new(common::load());
    let host = Host::new(&set);
    let problems: Vec<String> = set
        .problems
        .iter()
        .chain(host.problems())
        .map(ToString::to_string)
        .collect();
    let mut trials = vec![Trial::test("all-entries-load", move || {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("\n").into())
        }
    })];
    let snapshot = host.snapshot();
    for entry in &set.entries {
        type Property = fn(&Snapshot, &Entry) -> Result<(), String>;
        let properties: [(&str, Property); 5] = [
            ("exact", exact),
            ("quiet", quiet),
            ("robust", robust),
            ("cut", cut),
            ("focused", focused),
        ];
        let (snapshot, entry, set) = (snapshot.clone(), entry.clone(), set.clone());
        trials.push(Trial::test(entry.id.clone(), move || {
            let mut failed: Vec<String> = properties
                .iter()
                .filter_map(|(name, property)| {
                    let reason = property(&snapshot, &entry).err()?;
                    Some(format!("not {name}: {reason}"))
                })
                .collect();
            // Beside all others, another entry's words may be why its own are not missed.
            let alone = Host::new(&EntrySet {
                entries: vec![entry.clone()],
                libraries: set.libraries.clone(),
                problems: Vec::new(),
            });
            let reason = focused(&alone.snapshot(), &entry).err();
            failed.extend(reason.map(|it| format!("not focused alone: {it}")));
            if failed.is_empty() {
                Ok(())
            } else {
                Err(Failed::from(failed.join("\n")))
            }
        }));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn language(entry: &Entry) -> syntax::Language {
    match entry.language {
        Language::Python => syntax::Language::Python,
        Language::C => syntax::Language::C,
    }
}

fn check(snapshot: &Snapshot, entry: &Entry, code: &str) -> Analysis {
    let language = language(entry);
    let analysis = snapshot.check(language, code);
    // The proof from bytes must never contradict what is found.
    assert!(
        analysis.findings.is_empty() || snapshot.may_find(language, code.as_bytes()),
        "found without its words: {:?}\n{code}",
        analysis.findings[0].entry.id
    );
    analysis
}

/// Lines, from 1, on which findings of the entry begin.
fn lines_of(analysis: &Analysis, entry: &Entry, code: &str) -> Vec<usize> {
    let mut lines: Vec<usize> = analysis
        .findings
        .iter()
        .filter(|it| it.entry.id == entry.id)
        .map(|it| code[..it.range.start].matches('\n').count() + 1)
        .collect();
    lines.dedup();
    lines
}

fn at(entry: &Entry, example: &Example) -> String {
    format!("{}:{}", entry.path, example.at_line)
}

/// Vulnerable blocks are reported on the marked lines, no more and no fewer; known misses and
/// known noise behave as written down.
fn exact(snapshot: &Snapshot, entry: &Entry) -> Result<(), String> {
    if entry.is_knowledge_only() {
        return Ok(());
    }
    let mut wrong = Vec::new();
    for example in entry
        .body()
        .examples
        .iter()
        .filter(|it| it.kind != ExampleKind::Secure)
    {
        let found = lines_of(&check(snapshot, entry, &example.code), entry, &example.code);
        if found != example.lines {
            let hint = match example.kind {
                ExampleKind::KnownMiss | ExampleKind::KnownNoise => {
                    " (move this block: the engine got better)"
                }
                _ => "",
            };
            wrong.push(format!(
                "{}: reported on lines {found:?}, marked are {:?}{hint}\n{}",
                at(entry, example),
                example.lines,
                numbered(&example.code)
            ));
        }
    }
    finish(&wrong)
}

/// Secure blocks are silent under every entry of the language and parse without errors.
fn quiet(snapshot: &Snapshot, entry: &Entry) -> Result<(), String> {
    let mut wrong = Vec::new();
    for example in entry.examples(ExampleKind::Secure) {
        let analysis = check(snapshot, entry, &example.code);
        for finding in &analysis.findings {
            let line = example.code[..finding.range.start].matches('\n').count() + 1;
            wrong.push(format!(
                "{}: {} fires on line {line} of a secure example\n{}",
                at(entry, example),
                finding.entry.id,
                numbered(&example.code)
            ));
        }
        for note in &analysis.notes {
            wrong.push(format!("{}: {}", at(entry, example), note.message));
        }
    }
    finish(&wrong)
}

/// A scan, which leaves functions out, finds what an analysis of the whole text finds: alone, and
/// with the other examples of the entry around.
fn focused(snapshot: &Snapshot, entry: &Entry) -> Result<(), String> {
    let mut wrong = Vec::new();
    let mut texts: Vec<String> = entry
        .body()
        .examples
        .iter()
        .map(|it| it.code.clone())
        .collect();
    texts.push(texts.join("\n"));
    for text in &texts {
        let language = language(entry);
        let tree = syntax::parse(language, text);
        let source = Source {
            language,
            text,
            nodes: (&tree).into(),
        };
        let whole = snapshot.analyze(&source, &mut Memo::default(), &|| false);
        let whole = whole.ok_or("cancelled")?;
        let scanned = snapshot.check(language, text);
        let of = |analysis: &Analysis| -> Vec<(String, Range<usize>)> {
            let findings = analysis.findings.iter();
            findings
                .map(|it| (it.entry.id.clone(), it.range.clone()))
                .collect()
        };
        if of(&whole) != of(&scanned) {
            wrong.push(format!(
                "a scan finds {:?}, the whole text has {:?}\n{}",
                of(&scanned),
                of(&whole),
                numbered(text)
            ));
        }
    }
    finish(&wrong)
}

/// The same findings with CRLF, tabs, deeper indentation and an emoji on the line.
fn robust(snapshot: &Snapshot, entry: &Entry) -> Result<(), String> {
    let mut wrong = Vec::new();
    for example in &entry.body().examples {
        let plain = lines_of(&check(snapshot, entry, &example.code), entry, &example.code);
        let comment = if entry.language == Language::C {
            "//"
        } else {
            "#"
        };
        let emoji: String = example
            .code
            .lines()
            .map(|line| {
                if line.trim().is_empty() || line.ends_with('\\') || in_string(line) {
                    format!("{line}\n")
                } else {
                    format!("{line} {comment} 🦀\n")
                }
            })
            .collect();
        let variants = [
            ("CRLF", example.code.replace('\n', "\r\n")),
            ("tabs", example.code.replace("    ", "\t")),
            ("an emoji in comments", emoji),
        ];
        for (what, code) in variants {
            // A raw query sees comments as nodes; entries that need one live with that.
            let raw = entry
                .patterns
                .iter()
                .any(|it| it.on == kb_schema::On::Query);
            if what != "CRLF" && (raw || example.code.contains("\"\"\"")) {
                continue;
            }
            let found = lines_of(&check(snapshot, entry, &code), entry, &code);
            if found != plain {
                wrong.push(format!(
                    "{}: with {what} {found:?} instead of {plain:?}",
                    at(entry, example)
                ));
            }
        }
    }
    finish(&wrong)
}

/// Whether adding a comment at the end of the line could land inside a literal.
fn in_string(line: &str) -> bool {
    line.contains("\"\"\"") || line.contains("'''")
}

/// No panic when the example is cut at any character.
fn cut(snapshot: &Snapshot, entry: &Entry) -> Result<(), String> {
    for example in &entry.body().examples {
        let step = (example.code.len() / 60).max(1);
        for (at, _) in example.code.char_indices().step_by(step) {
            let _ = check(snapshot, entry, &example.code[..at]);
        }
    }
    Ok(())
}

fn numbered(code: &str) -> String {
    code.lines()
        .enumerate()
        .map(|(index, line)| format!("{:4} {line}\n", index + 1))
        .collect()
}

fn finish(wrong: &[String]) -> Result<(), String> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}
