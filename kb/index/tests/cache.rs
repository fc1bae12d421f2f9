//! The cache of indexes: used again, rebuilt when it is broken, done without when it must be.
//! It knows of an index folder only that it holds files.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::SystemTime;

use common::{Home, files, label, pickle, search};
use kb_index::{Options, Store};
use kb_schema::Knowledge;

const QUERY: &str = "pickle.loads(raw)";

fn times(folder: &Path) -> Vec<(PathBuf, SystemTime)> {
    files(folder)
        .into_iter()
        .filter(|path| path.extension().is_none_or(|end| end != "lock"))
        .map(|path| {
            let time = fs::metadata(&path).and_then(|meta| meta.modified());
            (path, time.expect("a time"))
        })
        .collect()
}

fn answers(store: &Store) -> Vec<(String, u32)> {
    search(store, QUERY)
        .iter()
        .map(|hit| (label(hit), hit.score.to_bits()))
        .collect()
}

#[test]
fn nothing_is_built_before_the_first_search() {
    let home = Home::with_two();
    let store = home.open();
    assert_eq!(store.entries().entries.len(), 2);
    assert!(!home.path("cache").exists());
    assert!(!answers(&store).is_empty());
    assert_eq!(home.indexes().len(), 1);
}

#[test]
fn the_second_run_opens_what_the_first_built_and_answers_the_same() {
    let home = Home::with_two();
    let first = answers(&home.open());
    let index = home.indexes().remove(0);
    let before = times(&index);
    assert!(before.len() > 3);
    assert_eq!(answers(&home.open()), first);
    assert_eq!(times(&index), before);
    assert_eq!(home.indexes(), [index]);
}

#[test]
fn a_broken_index_is_built_again() {
    let home = Home::with_two();
    let expected = answers(&home.open());
    let index = home.indexes().remove(0);
    let names: Vec<PathBuf> = times(&index).into_iter().map(|(path, _)| path).collect();
    for name in &names {
        for harm in [cut_in_half, emptied, overwritten, removed] {
            // A rebuilt index has new file names, so that each round harms a whole one.
            let path = same_kind(&index, name).expect("a rebuilt index has files of every kind");
            harm(&path);
            assert_eq!(answers(&home.open()), expected, "{}", path.display());
            assert_eq!(home.indexes(), std::slice::from_ref(&index));
        }
    }
    fs::remove_dir_all(&index).expect("removed");
    fs::write(&index, "a file in its place").expect("a file");
    assert_eq!(answers(&home.open()), expected);
    assert!(index.is_dir());
}

/// The file with the same ending: segment files are named by chance.
fn same_kind(folder: &Path, like: &Path) -> Option<PathBuf> {
    files(folder).into_iter().find(|path| {
        path == like || (like.extension().is_some() && path.extension() == like.extension())
    })
}

fn cut_in_half(path: &Path) {
    let bytes = fs::read(path).expect("a file");
    fs::write(path, &bytes[..bytes.len() / 2]).expect("written");
}

fn emptied(path: &Path) {
    fs::write(path, []).expect("written");
}

fn overwritten(path: &Path) {
    let bytes = fs::read(path).expect("a file");
    fs::write(path, vec![0xa5; bytes.len()]).expect("written");
}

fn removed(path: &Path) {
    fs::remove_file(path).expect("removed");
}

#[test]
fn without_a_place_for_the_cache_search_still_works() {
    let home = Home::with_two();
    let expected = answers(&home.open());
    fs::write(home.path("occupied"), "a file").expect("a file");
    for cache_dir in [
        None,
        Some(home.path("occupied")),
        Some(home.path("occupied/below")),
    ] {
        let store = Store::open(Options {
            cache_dir,
            ..home.options()
        });
        assert_eq!(answers(&store), expected);
    }
    assert_eq!(
        fs::read_to_string(home.path("occupied")).expect("a file"),
        "a file"
    );
}

#[test]
fn old_indexes_are_swept_and_nothing_else() {
    let home = Home::with_two();
    answers(&home.open());
    fs::write(home.path("cache/index/ours.txt"), "kept").expect("a file");
    for round in 0..6 {
        let name = format!("round-{round}");
        home.write(&format!("{name}.md"), &pickle(&name));
        assert!(!answers(&home.open()).is_empty());
    }
    let left = home.indexes();
    assert_eq!(left.len(), 5, "{left:?}");
    assert!(left.contains(&home.path("cache/index/ours.txt")));
    let current = times(&home.path("cache/index"))
        .into_iter()
        .max_by_key(|(_, time)| *time);
    answers(&home.open());
    assert!(left.contains(&current.expect("an index").0));
    assert_eq!(home.indexes(), left);
}

#[test]
fn many_at_once_leave_one_whole_index() {
    let home = Home::with_two();
    let options = home.options();
    let results: Vec<_> = thread::scope(|scope| {
        let runs: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| answers(&Store::open(options.clone()))))
            .collect();
        runs.into_iter()
            .map(|run| run.join().expect("no panic"))
            .collect()
    });
    assert!(!results[0].is_empty());
    assert!(results.iter().all(|result| *result == results[0]));
    let index = home.indexes();
    assert_eq!(index.len(), 1, "{index:?}");
    let before = times(&index[0]);
    assert_eq!(answers(&home.open()), results[0]);
    assert_eq!(times(&index[0]), before, "what is left is whole");
}
