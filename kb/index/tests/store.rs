//! How files become one set: overriding, duplicates, broken files, refreshing and watching.
//! It knows nothing of scores.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use common::{Home, ids, pickle, printf, problems, search};
use kb_index::{Options, Store};
use kb_schema::Knowledge;

#[test]
fn folders_are_read_at_any_depth_and_other_files_are_left() {
    let home = Home::with_two();
    home.write("deep/er/eval-here.md", &pickle("eval-here"));
    home.write("README.md", "# About these entries\n");
    home.write("notes.txt", "no entry");
    home.write(".git/left.md", "no entry");
    let store = home.open();
    assert_eq!(
        ids(&store),
        ["c/printf-of-data", "py/eval-here", "py/pickle-of-strangers"]
    );
    assert_eq!(problems(&store), [""; 0]);
}

#[test]
fn a_broken_file_is_named_with_its_line_and_the_rest_works() {
    let home = Home::with_two();
    let text = pickle("half-done").replace("severity = \"error\"", "severity = \"loud\"");
    home.write("half-done.md", &text);
    let store = home.open();
    assert_eq!(ids(&store).len(), 2);
    let path = home.path("entries/half-done.md");
    let line = 1 + text
        .lines()
        .position(|line| line.starts_with("severity"))
        .expect("the line");
    let problems = problems(&store);
    assert_eq!(problems.len(), 1);
    let head = format!("{}:{line}: ", path.display());
    assert!(
        problems[0].starts_with(&head),
        "{} is not at {head}",
        problems[0]
    );
    assert!(!search(&store, "pickle.loads").is_empty());
}

#[test]
fn a_file_that_is_no_text_or_too_long_is_a_problem() {
    let home = Home::with_two();
    fs::write(home.path("entries/raw.md"), b"+++\n+++\n\xff\xfe").expect("a file");
    home.write("long.md", &"x".repeat((1 << 20) + 1));
    let store = home.open();
    assert_eq!(ids(&store).len(), 2);
    let problems = problems(&store);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("long.md:1: ") && problems[0].contains("1048576"));
    assert!(problems[1].contains("raw.md:3: ") && problems[1].contains("UTF-8"));
}

#[test]
fn a_byte_order_mark_and_crlf_are_no_obstacle() {
    let home = Home::new();
    let text = pickle("with-mark").replace('\n', "\r\n");
    home.write("with-mark.md", &format!("\u{feff}{text}"));
    let store = home.open();
    assert_eq!(problems(&store), [""; 0]);
    assert_eq!(ids(&store), ["py/with-mark"]);
}

#[test]
fn two_files_of_one_id_keep_the_first_and_name_both() {
    let home = Home::with_two();
    home.write("zz/pickle-of-strangers.md", &pickle("pickle-of-strangers"));
    let store = home.open();
    assert_eq!(ids(&store).len(), 2);
    let problems = problems(&store);
    assert_eq!(problems.len(), 1);
    let second = format!(
        "{}:2: ",
        home.path("entries/zz/pickle-of-strangers.md").display()
    );
    let first = home.path("entries/pickle-of-strangers.md");
    assert!(problems[0].starts_with(&second), "{}", problems[0]);
    assert!(problems[0].contains(&first.display().to_string()));
}

#[test]
fn a_folder_given_twice_or_linked_in_a_circle_is_read_once() {
    let home = Home::with_two();
    let entries = home.path("entries");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&entries, entries.join("again")).expect("a link");
    let store = Store::open(Options {
        entry_dirs: vec![entries.clone(), entries],
        ..Options::default()
    });
    assert_eq!(ids(&store).len(), 2);
    assert_eq!(problems(&store), [""; 0]);
}

#[test]
fn a_named_folder_that_is_missing_is_a_problem() {
    let home = Home::new();
    let store = Store::open(Options {
        entry_dirs: vec![home.path("nowhere"), home.path("entries")],
        ..Options::default()
    });
    let problems = problems(&store);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("nowhere"));
}

#[test]
fn a_users_entry_takes_the_bundled_ones_place() {
    let name = "yaml-load-unsafe.md";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../entries/python");
    let text = fs::read_to_string(folder.join(name)).expect("a bundled entry");
    let title = text
        .lines()
        .find(|line| line.starts_with("title = "))
        .expect("a title");
    let home = Home::new();
    home.write(name, &text.replace(title, "title = \"Kumquat ours\""));
    let with = |entry_dirs: Vec<PathBuf>| {
        Store::open(Options {
            entry_dirs,
            cache_dir: None,
            bundled: true,
            ..Options::default()
        })
    };
    let (before, after) = (with(Vec::new()), with(vec![home.path("entries")]));
    assert_eq!(ids(&before), ids(&after));
    assert_eq!(problems(&before), problems(&after));
    let set = after.entries();
    let ours: Vec<&str> = set
        .entries
        .iter()
        .filter(|entry| entry.title == "Kumquat ours")
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(
        ours,
        [home.path("entries").join(name).display().to_string()]
    );
    let hits = search(&after, "Kumquat ours");
    assert_eq!(hits[0].entry.title, "Kumquat ours");
}

#[test]
fn a_users_library_extends_what_is_known() {
    let home = Home::new();
    home.write(
        "a/library.toml",
        "language = \"python\"\nhandlers = [\"app.route\"]\n[source.http]\nabout = \"a request\"\nnames = [\"flask.request\"]\n[usual]\nrequest = \"flask.request\"\n",
    );
    home.write(
        "b/library.toml",
        "language = \"python\"\nhandlers = [\"app.route\", \"bus.on\"]\n[source.http]\nabout = \"a request\"\nnames = [\"bus.message\"]\n[source.queue]\nabout = \"a queue\"\n[usual]\nrequest = \"bus.request\"\n[sanitizers]\nshell = [\"shlex.quote\"]\n",
    );
    let store = home.open();
    assert_eq!(problems(&store), [""; 0]);
    let set = store.entries();
    assert_eq!(set.libraries.len(), 1);
    let library = &set.libraries[0];
    let handlers: Vec<&str> = library.handlers.iter().map(|name| name.as_str()).collect();
    assert_eq!(handlers, ["app.route", "bus.on"]);
    let sources: Vec<(&str, usize)> = library
        .sources
        .iter()
        .map(|source| (source.id.as_str(), source.names.len()))
        .collect();
    assert_eq!(sources, [("http", 2), ("queue", 0)]);
    assert_eq!(library.usual["request"], "bus.request");
    assert!(library.sanitizers.contains_key("shell"));
}

#[test]
fn refresh_sees_new_changed_and_removed_files() {
    let home = Home::with_two();
    let store = home.open();
    let held = store.entries();
    let mut generation = store.generation();
    let mut grew = |store: &Store| {
        let now = store.generation();
        assert!(now > generation);
        generation = now;
    };
    assert!(!store.refresh());
    assert!(search(&store, "newcomer").is_empty());

    home.write("newcomer-here.md", &pickle("newcomer-here"));
    assert!(store.refresh());
    grew(&store);
    assert_eq!(ids(&store).len(), 3);
    assert_eq!(search(&store, "newcomer")[0].entry.id, "py/newcomer-here");

    home.write(
        "printf-of-data.md",
        &printf("printf-of-data").replace("Format given", "Layout given"),
    );
    assert!(store.refresh());
    grew(&store);
    assert_eq!(search(&store, "layout")[0].entry.id, "c/printf-of-data");

    fs::remove_file(home.path("entries/newcomer-here.md")).expect("removed");
    assert!(store.refresh());
    grew(&store);
    assert!(search(&store, "newcomer").is_empty());
    assert!(!store.refresh());
    assert_eq!(held.entries.len(), 2, "a set that is held does not change");
}

#[test]
fn a_touched_file_is_no_change() {
    let home = Home::with_two();
    let store = home.open();
    let generation = store.generation();
    let path = home.path("entries/pickle-of-strangers.md");
    fs::File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH))
        .expect("a new time");
    assert!(!store.refresh());
    assert_eq!(store.generation(), generation);
}

#[test]
fn a_file_that_moved_is_shown_at_its_new_place() {
    let home = Home::with_two();
    let store = home.open();
    let (old, new) = ("pickle-of-strangers.md", "below/pickle-of-strangers.md");
    home.write(new, &pickle("pickle-of-strangers"));
    fs::remove_file(home.path("entries").join(old)).expect("removed");
    assert!(store.refresh());
    let set = store.entries();
    let entry = set.get("py/pickle-of-strangers").expect("the entry");
    assert_eq!(
        entry.path,
        home.path("entries").join(new).display().to_string()
    );
}

#[test]
fn a_file_that_breaks_and_heals_is_a_change_each_time() {
    let home = Home::with_two();
    let store = home.open();
    home.write("pickle-of-strangers.md", "no entry any more");
    assert!(store.refresh());
    assert_eq!((ids(&store).len(), problems(&store).len()), (1, 1));
    home.write("pickle-of-strangers.md", &pickle("pickle-of-strangers"));
    assert!(store.refresh());
    assert_eq!((ids(&store).len(), problems(&store).len()), (2, 0));
}

#[test]
fn a_watched_store_tells_of_a_change_until_the_guard_goes() {
    let home = Home::with_two();
    let store = Arc::new(home.open());
    let (tell, told) = mpsc::channel();
    let guard = Arc::clone(&store).watch(Duration::from_millis(5), move || {
        let _ = tell.send(());
    });
    home.write("newcomer-here.md", &pickle("newcomer-here"));
    // A half-written file is a change of its own, so wait for the state, not for one call.
    while !ids(&store).contains(&"py/newcomer-here".to_owned()) {
        told.recv_timeout(Duration::from_secs(60))
            .expect("a change");
    }
    drop(guard);
    while told.try_recv().is_ok() {}
    assert!(
        told.recv().is_err(),
        "the watcher and its callback are gone"
    );
}
