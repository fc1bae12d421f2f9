//! Installed indexes: what is written is found, by whom it may be found, and in which form.

#![expect(
    clippy::unwrap_used,
    reason = "a failing test should stop where it fails"
)]

use std::path::Path;

use kb_index::{IndexKind, Manifest, Options, POSTS_FORMAT, PostWriter, Store, tokenize};
use kb_schema::{Knowledge, Language, Post, Query};

fn post(id: u64, language: Option<Language>, code: &str) -> Post {
    Post {
        id,
        title: format!("Post {id}"),
        languages: language.into_iter().collect(),
        code: vec![code.to_owned()],
        ..Post::default()
    }
}

fn manifest() -> Manifest {
    Manifest {
        kind: IndexKind::Notes,
        site: String::new(),
        sources: Vec::new(),
        written: 0,
        posts: 0,
        revision: 0,
        steps: Vec::new(),
        options: Vec::new(),
    }
}

fn write(folder: &Path, name: &str, posts: &[Post]) {
    let mut writer = PostWriter::open(folder, name, false).unwrap();
    for (id, _) in writer.known().unwrap() {
        writer.remove(id).unwrap();
    }
    for post in posts {
        writer.put(post, None).unwrap();
    }
    writer.commit(manifest(), posts.len() as u64).unwrap();
}

fn store(folder: &Path) -> Store {
    Store::open(Options {
        index_dir: Some(folder.to_owned()),
        ..Options::default()
    })
}

fn found(store: &Store, text: &str, language: Option<Language>) -> Vec<(String, u64)> {
    let hits = store.posts(&Query {
        text: text.to_owned(),
        language,
        limit: 10,
    });
    let name = |hit: &kb_schema::PostHit| (hit.index.to_string(), hit.post.id);
    hits.iter().map(name).collect()
}

#[test]
fn a_store_sees_a_commit_whole_and_its_successor_after_a_refresh() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut writer = PostWriter::open(folder.path(), "a", false).unwrap();
    writer.put(&post(1, None, "zebra(crossing)"), None).unwrap();
    assert!(!store.refresh(), "nothing is committed");
    let before = store.generation();
    writer.commit(manifest(), 1).unwrap();
    assert!(store.refresh());
    assert!(store.generation() > before);
    assert_eq!(found(&store, "zebra", None), [("a".to_owned(), 1)]);
    assert_eq!(store.installed()[0].manifest.revision, 1);

    write(folder.path(), "a", &[post(2, None, "giraffe(crossing)")]);
    // What was opened stays as it was until somebody looks again.
    assert_eq!(found(&store, "zebra", None), [("a".to_owned(), 1)]);
    assert!(store.refresh());
    assert_eq!(found(&store, "zebra giraffe", None), [("a".to_owned(), 2)]);
    assert_eq!(store.installed()[0].post(2).unwrap().title, "Post 2");

    PostWriter::remove_index(folder.path(), "a").unwrap();
    assert!(store.refresh());
    assert!(found(&store, "giraffe", None).is_empty());
}

#[test]
fn several_indexes_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let many: Vec<Post> = (1..=3).map(|id| post(id, None, "zebra()")).collect();
    write(folder.path(), "a", &many);
    write(folder.path(), "b", &many[..1]);
    let all = found(&store(folder.path()), "zebra", None);
    let names: Vec<&str> = all.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(names, ["a", "b", "a", "a"]);
    assert_eq!(all[0].1, 1, "ties go by number");
}

#[test]
fn a_language_gets_its_own_and_what_names_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut java = post(4, None, "zebra()");
    java.tags.push("java".to_owned());
    let posts = [
        post(1, Some(Language::Python), "zebra()"),
        post(2, Some(Language::C), "zebra()"),
        post(3, None, "zebra()"),
        java,
    ];
    write(folder.path(), "a", &posts);
    let store = store(folder.path());
    let ids = |language| -> Vec<u64> {
        let all = found(&store, "zebra", language);
        all.into_iter().map(|it| it.1).collect()
    };
    assert_eq!(ids(Some(Language::Python)), [1, 3]);
    assert_eq!(ids(Some(Language::C)), [2, 3]);
    assert_eq!(ids(None), [1, 2, 3, 4]);
}

/// When this fails, terms have changed: raise `POSTS_FORMAT`, so that indexes of older terms are
/// made again, and write down the new pair.
#[test]
fn the_format_holds_the_terms() {
    let text = "yaml.load(f, Loader=None) p->q CWE-78 sha256_hmac HTTPServer \"%02x\" a += b 0x1F";
    let terms = PostWriter::number_of(&tokenize(text).join(" "));
    assert_eq!((POSTS_FORMAT, terms), (1, 16_166_766_968_001_955_096));
}
