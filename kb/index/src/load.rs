//! From knowledge files to one set of entries and libraries: what overrides what, what is doubled.
//! It knows texts and paths; it reads no folder and nothing of search.

use std::collections::BTreeMap;
use std::sync::Arc;

use kb_schema::{Entry, EntrySet, Language, Library, NamePattern, Problem, Source};

use crate::hash;

/// One valid entry with the fingerprint of its file.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) entry: Arc<Entry>,
    pub(crate) hash: u64,
}

/// What a group of files holds: the bundled ones, or a user's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Knowledge {
    pub(crate) entries: BTreeMap<String, Loaded>,
    pub(crate) libraries: Vec<(Arc<Library>, u64)>,
    pub(crate) problems: Vec<Problem>,
}

/// Reads one file into the group. A second entry of one id is refused, and both places named.
pub(crate) fn add_file(group: &mut Knowledge, path: &str, text: &str, hash: u64) {
    // Editors of some systems put a byte-order mark in front, which is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if path.ends_with(".toml") {
        match kb_schema::parse_library(path, text) {
            Ok(library) => group.libraries.push((Arc::new(library), hash)),
            Err(problems) => group.problems.extend(problems),
        }
        return;
    }
    let entry = match kb_schema::parse_entry(path, text) {
        Ok(entry) => entry,
        Err(problems) => return group.problems.extend(problems),
    };
    if let Some(first) = group.entries.get(&entry.id) {
        let line = text
            .lines()
            .position(|line| line.contains(&entry.id))
            .map_or(1, |index| index + 1);
        group.problems.push(Problem {
            path: path.to_owned(),
            line,
            message: format!(
                "id `{}` is taken by {}; rename one of them or take it away",
                entry.id, first.entry.path
            ),
        });
        return;
    }
    let entry = Arc::new(entry);
    group
        .entries
        .insert(entry.id.clone(), Loaded { entry, hash });
}

/// Everything that is loaded, with a fingerprint of its contents.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) set: Arc<EntrySet>,
    /// Of the entries alone: what an index is built from.
    pub(crate) entries_hash: u64,
    /// Of entries, libraries and problems: whether anything a caller sees has changed.
    pub(crate) hash: u64,
}

/// Puts a user's files over the bundled ones: an entry of the same id takes the bundled one's
/// place, a library is added to the bundled one of its language.
pub(crate) fn combine(bundled: Option<&Knowledge>, user: &Knowledge) -> Contents {
    let mut entries: BTreeMap<&str, &Loaded> = BTreeMap::new();
    let mut libraries: BTreeMap<Language, Arc<Library>> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut libraries_hash = hash::SEED;
    for group in bundled.into_iter().chain([user]) {
        entries.extend(
            group
                .entries
                .iter()
                .map(|(id, loaded)| (id.as_str(), loaded)),
        );
        for (library, hash) in &group.libraries {
            libraries_hash = hash::add(libraries_hash, &hash.to_le_bytes());
            libraries
                .entry(library.language)
                .and_modify(|known| extend(Arc::make_mut(known), library))
                .or_insert_with(|| Arc::clone(library));
        }
        problems.extend(group.problems.iter().cloned());
    }
    let mut entries_hash = hash::SEED;
    for (id, loaded) in &entries {
        entries_hash = hash::add(entries_hash, id.as_bytes());
        entries_hash = hash::add(entries_hash, &loaded.hash.to_le_bytes());
    }
    let mut hash = hash::add(entries_hash, &libraries_hash.to_le_bytes());
    // Where an entry lies is shown to people, but no index holds it.
    for loaded in entries.values() {
        hash = hash::add(hash, loaded.entry.path.as_bytes());
    }
    for problem in &problems {
        hash = hash::add(hash, problem.to_string().as_bytes());
    }
    let set = EntrySet {
        entries: entries
            .values()
            .map(|loaded| Arc::clone(&loaded.entry))
            .collect(),
        libraries: libraries.into_values().collect(),
        problems,
    };
    Contents {
        set: Arc::new(set),
        entries_hash,
        hash,
    }
}

/// Adds what `more` models. Lists grow; where one name can mean one thing only, `more` wins.
fn extend(library: &mut Library, more: &Library) {
    for source in &more.sources {
        match library
            .sources
            .iter_mut()
            .find(|known| known.id == source.id)
        {
            Some(known) => extend_source(known, source),
            None => library.sources.push(source.clone()),
        }
    }
    for (group, names) in &more.sanitizers {
        add_new(library.sanitizers.entry(group.clone()).or_default(), names);
    }
    let lists: [(&mut Vec<NamePattern>, &Vec<NamePattern>); 5] = [
        (&mut library.handlers, &more.handlers),
        (&mut library.inert, &more.inert),
        (&mut library.trusted, &more.trusted),
        (&mut library.carries, &more.carries),
        (&mut library.never_return, &more.never_return),
    ];
    for (known, new) in lists {
        add_new(known, new);
    }
    library.usual.extend(more.usual.clone());
    library.aliases.extend(more.aliases.clone());
    add_new(&mut library.reads, &more.reads);
    add_new(&mut library.copies, &more.copies);
    add_new(&mut library.formats, &more.formats);
}

fn extend_source(known: &mut Source, more: &Source) {
    known.about.clone_from(&more.about);
    known.handler_params |= more.handler_params;
    add_new(&mut known.names, &more.names);
    add_new(&mut known.fills, &more.fills);
    add_new(&mut known.params, &more.params);
}

fn add_new<T: Clone + PartialEq>(known: &mut Vec<T>, more: &[T]) {
    for item in more {
        if !known.contains(item) {
            known.push(item.clone());
        }
    }
}
