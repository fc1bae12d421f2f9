//! From the text of a knowledge file to compiled patterns at work: a file that a user wrote, read
//! as an entry and as a library, compiled, and run on its own examples.
//! Nothing may crash, and a problem must name a line of the file.
#![no_main]

use std::sync::Arc;

use analysis::Host;
use kb_schema::{EntrySet, Language, Problem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut set = EntrySet::default();
    match kb_schema::parse_entry(&path_of(&text), &text) {
        Ok(entry) => set.entries.push(Arc::new(entry)),
        Err(problems) => named(&problems, &text),
    }
    match kb_schema::parse_library("kb/entries/python/library.toml", &text) {
        Ok(library) => set.libraries.push(Arc::new(library)),
        Err(problems) => named(&problems, &text),
    }
    let host = Host::new(&set);
    let _ = host.problems().iter().map(ToString::to_string).count();
    let snapshot = host.snapshot();
    for entry in &set.entries {
        let language = match entry.language {
            Language::Python => syntax::Language::Python,
            Language::C => syntax::Language::C,
        };
        for example in &entry.body().examples {
            let _ = snapshot.check(language, &example.code);
        }
    }
});

fn named(problems: &[Problem], text: &str) {
    assert!(!problems.is_empty(), "refused without a reason");
    let lines = text.matches('\n').count() + 1;
    for problem in problems {
        assert!(
            (1..=lines).contains(&problem.line),
            "{problem}: not among {lines} lines"
        );
    }
}

/// The path under which the id that the text names would be right, as far as one can tell.
fn path_of(text: &str) -> String {
    let id = text
        .split("id = \"")
        .nth(1)
        .and_then(|it| it.split('"').next())
        .unwrap_or_default();
    let (language, name) = id.split_once('/').unwrap_or(("py", "x"));
    let folder = if language == "c" { "c" } else { "python" };
    format!("kb/entries/{folder}/{name}.md")
}
