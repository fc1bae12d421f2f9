//! Tests of the repository itself: layering, house style and links.
//! They read files only; a failure names each file and what to mend there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "a panic is how a test fails, and what is skipped is named"
)]

use std::collections::{BTreeMap, BTreeSet};

use dev::{Arrows, Outside, manifests, root, tracked_texts};
use kb_schema::{Entry, Site, parse_entry};

/// The most lines of a Rust file; longer ones hold more than one idea.
const MAX_LINES: usize = 900;

fn page() -> String {
    std::fs::read_to_string(root().join("docs/architecture.md")).unwrap()
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn entries() -> Vec<Entry> {
    tracked_texts()
        .iter()
        .filter(|(path, _)| path.starts_with("kb/entries/") && path.ends_with(".md"))
        .filter_map(|(path, text)| parse_entry(path, text).ok())
        .collect()
}

#[test]
fn crates_name_only_what_an_arrow_allows() {
    let page = page();
    let (arrows, outside) = (Arrows::read(&page).unwrap(), Outside::read(&page).unwrap());
    let members = manifests(&root()).unwrap();
    let folder_of: BTreeMap<&str, &str> = members
        .iter()
        .map(|it| (it.package.as_str(), it.folder.as_str()))
        .collect();
    let mut wrong = Vec::new();
    for member in &members {
        let from = member.folder.as_str();
        let plain = member.dependencies.iter().map(|name| (name, false));
        for (name, testing) in plain.chain(member.dev_dependencies.iter().map(|name| (name, true)))
        {
            let fine = match folder_of.get(name.as_str()) {
                Some(to) => arrows.allow(from, to, testing),
                None => outside.allow(from, name),
            };
            if !fine {
                wrong.push(format!(
                    "{from} names {name}: no arrow in docs/architecture.md allows it; take the dependency out, or change the arrow in a commit that says why"
                ));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn arrows_and_members_speak_of_the_same_crates() {
    let page = page();
    let members = manifests(&root()).unwrap();
    let folders: BTreeSet<&str> = members.iter().map(|it| it.folder.as_str()).collect();
    let arrows = Arrows::read(&page).unwrap();
    let mentioned = arrows.mentioned();
    let mut wrong: Vec<String> = mentioned
        .iter()
        .filter(|name| **name != "tests" && !folders.contains(**name))
        .map(|name| format!("an arrow mentions `{name}`, which is no member of the workspace"))
        .collect();
    for folder in &folders {
        if !mentioned.contains(folder) {
            wrong.push(format!("no arrow mentions `{folder}`"));
        }
        let heading = if folder.starts_with("kb/") {
            format!("### `{folder}`")
        } else {
            format!("### `server/{folder}`")
        };
        let section = page
            .split(&heading)
            .nth(1)
            .map(|rest| rest.split("\n### ").next().unwrap_or(rest));
        if !section.is_some_and(|text| text.contains("**Invariant:")) {
            wrong.push(format!(
                "docs/architecture.md needs `{heading}` with a bold **Invariant: …**"
            ));
        }
    }
    assert_none(&wrong);
}

#[test]
fn rust_files_say_what_they_are_for() {
    let wrong: Vec<String> = tracked_texts()
        .iter()
        .filter(|(path, text)| path.ends_with(".rs") && !text.starts_with("//! "))
        .map(|(path, _)| {
            format!("{path}: begin with `//!`: what the file is for and what it must not know")
        })
        .collect();
    assert_none(&wrong);
}

#[test]
fn rust_files_are_short() {
    let wrong: Vec<String> = tracked_texts()
        .iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| {
            format!("{path}: {lines} lines, at most {MAX_LINES}; split it by idea")
        })
        .collect();
    assert_none(&wrong);
}

/// What only holds on one machine or needs one registry does not belong into the repository.
#[test]
fn files_name_no_machine_and_no_registry() {
    // Put together here so that this file does not name them either.
    let joined = |parts: &[&str]| parts.concat();
    let signs = [
        joined(&["/wo", "rk/"]),
        joined(&["/home", "/user"]),
        joined(&["/roo", "t/"]),
        joined(&["/tmp/", "bash_jobs"]),
        joined(&["crates", ".io/"]),
        joined(&["pypi", ".org"]),
        joined(&["registry", ".npmjs"]),
        joined(&["files.", "python", "hosted"]),
        joined(&["artifact", "ory"]),
        joined(&["deb.", "debian.org"]),
    ];
    let mut wrong = Vec::new();
    for (path, text) in tracked_texts() {
        if path.ends_with(".lock") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if let Some(sign) = signs.iter().find(|sign| line.contains(sign.as_str())) {
                wrong.push(format!("{path}:{}: names `{sign}`", number + 1));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn the_changelog_has_the_workspace_version() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let version = manifest["workspace"]["package"]["version"]
        .as_str()
        .unwrap();
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let heading = format!("## {version}");
    assert!(
        changelog
            .lines()
            .any(|line| line == heading || line.starts_with(&format!("{heading} "))),
        "CHANGELOG.md needs a section `{heading}`"
    );
}

#[test]
fn entries_parse() {
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    for (path, text) in tracked_texts() {
        let Some(below) = path.strip_prefix("kb/entries/") else {
            continue;
        };
        if below.ends_with(".md") {
            match parse_entry(&path, &text) {
                Ok(entry) => {
                    let folder = entry.language.id();
                    if !below.starts_with(&format!("{folder}/")) {
                        wrong.push(format!(
                            "{path}: an entry on {folder} belongs into kb/entries/{folder}"
                        ));
                    }
                    if !ids.insert(entry.id.clone()) {
                        wrong.push(format!("{path}: the id {} is taken", entry.id));
                    }
                }
                Err(problems) => wrong.extend(problems.iter().map(ToString::to_string)),
            }
        } else if below.ends_with("library.toml")
            && let Err(problems) = kb_schema::parse_library(&path, &text)
        {
            wrong.extend(problems.iter().map(ToString::to_string));
        }
    }
    assert_none(&wrong);
}

#[test]
fn warnings_are_not_copied_between_entries() {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in entries() {
        for discussion in &entry.discussions {
            if let Some(other) = seen.insert(discussion.warns.clone(), entry.id.clone()) {
                wrong.push(format!(
                    "{} and {other} have the same `warns`: {}",
                    entry.id, discussion.warns
                ));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn one_question_has_one_slug() {
    let mut slugs: BTreeMap<u64, (String, String)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in entries() {
        for discussion in &entry.discussions {
            if let Site::StackOverflow { question, slug } = &discussion.site {
                let known = slugs
                    .entry(*question)
                    .or_insert_with(|| (slug.clone(), entry.id.clone()));
                if known.0 != *slug {
                    wrong.push(format!(
                        "question {question}: {} says `{slug}`, {} says `{}`",
                        entry.id, known.1, known.0
                    ));
                }
            }
        }
    }
    assert_none(&wrong);
}

/// Bundled questions are confirmed ones. The list lies beside the repository, where it is there.
#[test]
fn bundled_questions_are_confirmed() {
    let list = root().join("../shared/so_links.tsv");
    let Ok(text) = std::fs::read_to_string(&list) else {
        println!("skipped: ../shared/so_links.tsv is not here");
        return;
    };
    let confirmed: BTreeSet<(&str, &str)> = text
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split('\t').skip(2);
            Some((columns.next()?, columns.next()?))
        })
        .collect();
    assert!(!confirmed.is_empty(), "../shared/so_links.tsv has no rows");
    let mut wrong = Vec::new();
    for entry in entries() {
        for discussion in &entry.discussions {
            if let Site::StackOverflow { question, slug } = &discussion.site
                && !confirmed.contains(&(question.to_string().as_str(), slug.as_str()))
            {
                wrong.push(format!(
                    "{}: question {question} `{slug}` is not confirmed",
                    entry.id
                ));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let mut numbers: Vec<usize> = tracked_texts()
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("docs/decisions/")?.get(..4)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    assert_eq!(
        numbers,
        (1..=numbers.len()).collect::<Vec<_>>(),
        "docs/decisions"
    );
}
