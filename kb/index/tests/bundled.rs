//! Every bundled entry is valid, and the discussions agree with each other.
//! What an entry flags is tested by analysis.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kb_index::{Options, Store};
use kb_schema::{Entry, HitKind, Knowledge, Language, Query, Site, parse_bundled};

fn store() -> Store {
    Store::open(Options {
        bundled: true,
        ..Options::default()
    })
}

#[test]
fn what_is_bundled_says_what_the_files_say() {
    let set = store().entries();
    assert_eq!(set.problems, [], "the build refuses what is wrong");
    assert!(set.entries.windows(2).all(|pair| pair[0].id < pair[1].id));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut read = BTreeSet::new();
    for language in Language::ALL {
        let folder = Path::new("kb/entries").join(language.id());
        for item in std::fs::read_dir(root.join(&folder)).expect("the entries are here") {
            let name = item.expect("a file").file_name();
            let path = folder.join(&name).display().to_string();
            let text = std::fs::read_to_string(root.join(&path)).expect("text");
            if let Ok(file) = parse_bundled(&path, &text) {
                let entry = set.get(&file.id).expect("bundled");
                assert_eq!(entry.body(), file.body(), "{path}");
                // Neither form of an entry can be compared but as it is written.
                let written =
                    |it: &Entry| postcard::to_extend(it, Vec::new()).expect("written before");
                assert_eq!(written(entry), written(&file), "{path}");
                read.insert(path);
            }
        }
    }
    assert_eq!(read.len(), set.entries.len());
    assert!(!read.is_empty(), "nothing is bundled");
}

#[test]
fn an_entry_lies_in_the_folder_of_its_language() {
    for entry in &store().entries().entries {
        let folder = format!("kb/entries/{}/", entry.language.id());
        assert!(
            entry.path.starts_with(&folder),
            "{} in {}",
            entry.id,
            entry.path
        );
    }
}

#[test]
fn one_question_has_one_slug_and_one_slug_one_question() {
    let mut slugs: BTreeMap<u64, (String, String)> = BTreeMap::new();
    let mut questions: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for entry in &store().entries().entries {
        for discussion in &entry.discussions {
            let Site::StackOverflow { question, slug } = &discussion.site else {
                continue;
            };
            let (known, first) = slugs
                .entry(*question)
                .or_insert_with(|| (slug.clone(), entry.id.clone()));
            assert_eq!(
                known, slug,
                "question {question} in {first} and {}",
                entry.id
            );
            let (known, first) = questions
                .entry(slug.clone())
                .or_insert_with(|| (*question, entry.id.clone()));
            assert_eq!(known, question, "slug {slug} in {first} and {}", entry.id);
        }
    }
}

#[test]
fn an_entry_links_each_source_once() {
    for entry in &store().entries().entries {
        let mut urls: Vec<String> = entry.discussions.iter().map(|it| it.url()).collect();
        let all = urls.len();
        urls.sort();
        urls.dedup();
        assert_eq!(urls.len(), all, "{} links one source twice", entry.id);
    }
}

#[test]
fn every_entry_is_found_by_its_id_and_its_markers() {
    let store = store();
    for entry in &store.entries().entries {
        let found = |text: String| {
            let hits = store.search(&Query {
                text,
                language: Some(entry.language),
                limit: 1_000,
            });
            hits.iter()
                .any(|hit| hit.entry.id == entry.id && matches!(hit.kind, HitKind::Entry))
        };
        assert!(found(entry.id.clone()), "{} by its id", entry.id);
        for marker in &entry.markers {
            // A marker of signs alone, such as `!`, has no terms.
            if !kb_index::tokenize(marker).is_empty() {
                assert!(found(marker.clone()), "{} by its marker {marker}", entry.id);
            }
        }
    }
}

#[test]
fn plain_signs_lead_to_the_bundled_entry_first() {
    let store = store();
    for (text, language, expected) in [
        ("shell=True", Language::Python, "py/subprocess-shell-built"),
        ("pickle.loads", Language::Python, "py/pickle-from-outside"),
        ("debug=True", Language::Python, "py/flask-debug-on"),
        ("yaml.load(f)", Language::Python, "py/yaml-load-unsafe"),
        ("gets(line)", Language::C, "c/gets-call"),
        ("CWE-611", Language::Python, "py/xml-external-entities"),
    ] {
        let hits = store.search(&Query {
            text: text.to_owned(),
            language: Some(language),
            limit: 50,
        });
        let first = hits
            .iter()
            .find(|hit| matches!(hit.kind, HitKind::Entry))
            .map(|hit| hit.entry.id.as_str());
        assert_eq!(first, Some(expected), "best entry for `{text}`");
    }
}

#[test]
fn every_expression_compiles() {
    for entry in &store().entries().entries {
        for shape in entry.patterns.iter().flat_map(kb_schema::Pattern::shapes) {
            assert!(
                shape.compiles(),
                "{}: `{}` is too large",
                entry.id,
                shape.as_str()
            );
        }
    }
}
