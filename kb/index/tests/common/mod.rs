//! Entries and stores for the tests of this folder.
//! It tests nothing itself.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses a part of it"
)]

use std::fs;
use std::path::{Path, PathBuf};

use kb_index::{Options, Store};
use kb_schema::{Hit, HitKind, Knowledge, Language, Query};
use tempfile::TempDir;

/// A user's folder and a cache, both gone with the test.
pub(crate) struct Home {
    root: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(root.path().join("entries")).expect("a folder");
        Self { root }
    }

    /// A home with one entry on pickle and one on printf.
    pub(crate) fn with_two() -> Self {
        let home = Self::new();
        home.write("pickle-of-strangers.md", &pickle("pickle-of-strangers"));
        home.write("printf-of-data.md", &printf("printf-of-data"));
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path("entries").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a written file");
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            entry_dirs: vec![self.path("entries")],
            cache_dir: Some(self.path("cache")),
            bundled: false,
            index_dir: None,
            pairs_dir: Some(self.path("demonstrations")),
            models_dir: Some(self.path("models")),
        }
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(self.options())
    }

    /// The folders of finished indexes, sorted.
    pub(crate) fn indexes(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(self.path("cache/index"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|item| item.path())
            .collect();
        found.sort();
        found
    }
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a readable folder")
        .flatten()
        .map(|item| item.path())
        .collect();
    found.sort();
    found
}

pub(crate) fn ids(store: &Store) -> Vec<String> {
    let set = store.entries();
    set.entries.iter().map(|entry| entry.id.clone()).collect()
}

pub(crate) fn problems(store: &Store) -> Vec<String> {
    let set = store.entries();
    set.problems.iter().map(ToString::to_string).collect()
}

pub(crate) fn search(store: &Store, text: &str) -> Vec<Hit> {
    store.search(&Query {
        text: text.to_owned(),
        language: None,
        limit: 20,
    })
}

/// `id` of an entry, `id+place` words for a discussion.
pub(crate) fn label(hit: &Hit) -> String {
    match &hit.kind {
        HitKind::Entry => hit.entry.id.clone(),
        HitKind::Discussion(discussion) => format!("{} {}", hit.entry.id, discussion.url()),
    }
}

pub(crate) fn pickle(name: &str) -> String {
    entry(
        &format!("py/{name}"),
        Language::Python,
        "Objects unpickled from strangers",
        r#"["pickle.loads", "shell=True"]"#,
        "def readSession(raw):\n    return pickle.loads(raw)  # finding\n",
        "def read(raw):\n    return json.loads(raw)\n",
    )
}

pub(crate) fn printf(name: &str) -> String {
    entry(
        &format!("c/{name}"),
        Language::C,
        "Format given by data",
        r#"["printf("]"#,
        "void show(struct row *r)\n{\n    printf(r->text); // finding\n}\n",
        "void show(struct row *r)\n{\n    printf(\"%s\", r->text);\n}\n",
    )
}

fn entry(
    id: &str,
    language: Language,
    title: &str,
    markers: &str,
    bad: &str,
    good: &str,
) -> String {
    let word = language.id();
    format!(
        r#"+++
id = "{id}"
title = "{title}"
message = "the data decides what happens here"
cwe = [502]
language = "{word}"
severity = "error"
markers = {markers}
apis = []

[[discussion]]
question = 11
slug = "what-can-go-wrong-with-{word}-data"
warns = "data from outside runs what its sender likes"

[[discussion]]
url = "https://docs.example.org/{id}"
title = "The manual on {word} input"
warns = "the manual says never to do it"
+++

## Why
Whoever sends the data decides.

## Guideline
Read data with something that builds data only.

## Vulnerable
```{word}
{bad}```

## Secure
```{word}
{good}```

```{word}
{good}```
"#
    )
}
