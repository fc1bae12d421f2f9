//! Every fix of the repository's entries proves itself on the entry's own vulnerable examples.
//! Adding a fix adds its test; no Rust changes.

use std::sync::Arc;

mod common;

use analysis::{Host, Snapshot};
use kb_schema::{Entry, ExampleKind};
use libtest_mimic::{Arguments, Failed, Trial};
use syntax::Language;

fn main() {
    let arguments = Arguments::from_args();
    let set = Arc::new(common::load());
    let snapshot = Host::new(&set).snapshot();
    let mut trials = vec![Trial::test("some-entries-have-fixes", {
        let some = set.entries.iter().any(|it| !it.fixes.is_empty());
        move || {
            if some {
                Ok(())
            } else {
                Err("no entry was read".into())
            }
        }
    })];
    for entry in set.entries.iter().filter(|it| !it.fixes.is_empty()) {
        let (snapshot, entry) = (snapshot.clone(), entry.clone());
        trials.push(Trial::test(entry.id.clone(), move || {
            let each = (0..entry.fixes.len()).map(|at| serves(&snapshot, &entry, at));
            let failed: Vec<String> = each
                .chain([all(&snapshot, &entry)])
                .filter_map(Result::err)
                .collect();
            if failed.is_empty() {
                Ok(())
            } else {
                Err(Failed::from(failed.join("\n")))
            }
        }));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn language(entry: &Entry) -> Language {
    match entry.language {
        kb_schema::Language::Python => Language::Python,
        kb_schema::Language::C => Language::C,
    }
}

fn errors(language: Language, text: &str) -> usize {
    syntax::error_nodes(syntax::parse(language, text).root_node(), usize::MAX).len()
}

/// The fix is offered for at least one vulnerable example, and wherever it is offered the result
/// parses and reports one finding of the entry less. Where it is made and refused, something is
/// wrong with the fix.
fn serves(snapshot: &Snapshot, entry: &Entry, at: usize) -> Result<(), String> {
    let fix = &entry.fixes[at];
    let language = language(entry);
    let (mut offered, mut wrong) = (0, Vec::new());
    for example in entry.examples(ExampleKind::Vulnerable) {
        let code = &example.code;
        let place = format!("{}:{}", entry.path, example.at_line);
        let before = snapshot.check(language, code);
        let mine = before.findings.iter().filter(|it| it.entry.id == entry.id);
        let known = mine.clone().count();
        // Fixes of one title serve different patterns.
        let meant = |pattern| fix.patterns.is_empty() || fix.patterns.contains(&(pattern + 1));
        for finding in mine.filter(|it| meant(it.pattern)) {
            let line = code[..finding.range.start].matches('\n').count() + 1;
            let fixes = revision::fixes(snapshot, language, code, &before, finding);
            for (title, why) in fixes.rejected.iter().filter(|it| it.0 == fix.title) {
                wrong.push(format!("{place}: `{title}` on line {line}: {why}\n{code}"));
            }
            for proposal in fixes.proposals.iter().filter(|it| it.title == fix.title) {
                offered += 1;
                let Some(after) = revision::apply(code, &proposal.edits) else {
                    wrong.push(format!("{place}: `{}` cannot be applied", fix.title));
                    continue;
                };
                if std::env::var_os("SHOW_FIXED").is_some() {
                    show(code, &after, &entry.id);
                }
                if errors(language, &after) > errors(language, code) {
                    wrong.push(format!("{place}: does not parse any more\n{after}"));
                }
                let left = snapshot.check(language, &after);
                let left = left
                    .findings
                    .iter()
                    .filter(|it| it.entry.id == entry.id)
                    .count();
                if left >= known {
                    wrong.push(format!(
                        "{place}: still {left} of {known} findings\n{after}"
                    ));
                }
            }
        }
    }
    if offered == 0 {
        wrong.push(format!(
            "{}: `{}` is offered for no vulnerable example",
            entry.path, fix.title
        ));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Applying everything leaves no finding for which something could still be done, brings no
/// findings and breaks nothing, with either kind of line ending.
fn all(snapshot: &Snapshot, entry: &Entry) -> Result<(), String> {
    let language = language(entry);
    for example in entry.examples(ExampleKind::Vulnerable) {
        for code in [example.code.clone(), example.code.replace('\n', "\r\n")] {
            let before = snapshot.check(language, &code);
            let fixed = revision::fix_all(snapshot, language, &code, true);
            let after = snapshot.check(language, &fixed.text);
            let at = format!("{}:{}", entry.path, example.at_line);
            if after.findings.len() + fixed.applied.len() > before.findings.len() {
                return Err(format!(
                    "{at}: {} findings, {} fixes, {} left\n{}",
                    before.findings.len(),
                    fixed.applied.len(),
                    after.findings.len(),
                    fixed.text
                ));
            }
            if errors(language, &fixed.text) > errors(language, &code) {
                return Err(format!("{at}: does not parse any more\n{}", fixed.text));
            }
            let open = |it| {
                !revision::fixes(snapshot, language, &fixed.text, &after, it)
                    .proposals
                    .is_empty()
            };
            if after.findings.iter().any(open) {
                return Err(format!("{at}: something was left to fix\n{}", fixed.text));
            }
            let lone = fixed.text.replace("\r\n", "").contains('\n');
            if code.contains("\r\n") && lone {
                return Err(format!("{at}: the ends of lines differ\n{}", fixed.text));
            }
        }
    }
    Ok(())
}

/// Prints what changed, for whoever writes a fix and wants to see it.
#[expect(clippy::print_stderr, reason = "asked for by whoever runs the test")]
fn show(before: &str, after: &str, id: &str) {
    let old: Vec<&str> = before.lines().collect();
    let changed: Vec<&str> = after.lines().filter(|line| !old.contains(line)).collect();
    eprintln!("{id}: {}", changed.join("\n    "));
}
