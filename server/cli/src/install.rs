//! `secondlook kb import`, `add`, `remove`, `info`, `verify`, `export`: knowledge that a user
//! brings along. It prints what other crates find and decide.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use kb_index::{Installed, PostWriter, Store, default_entry_dir};
use kb_ingest::{DumpOptions, Filter, ImportError, NotesOptions, Report, Verdict};
use kb_schema::{Entry, EntrySet, ExampleKind, Knowledge, PostHit};
use serde_json::json;

use crate::args::{Import, Step};
use crate::progress::{Bars, watch_interrupts};
use crate::{EXIT_ERROR, EXIT_FINDINGS, EXIT_INTERRUPTED, output, text};

/// The longest expression of security words that is read, in bytes.
const MAX_KEYWORDS: u64 = 64 << 10;
/// The longest entry that is added, in bytes; the store reads no longer ones.
const MAX_ENTRY: u64 = 1 << 20;

/// Brings in a dump or notes.
pub(crate) fn import(store: &Store, import: &Import) -> anyhow::Result<u8> {
    let index_dir = index_dir(store)?;
    watch_interrupts();
    let mut bars = Bars::new(import.quiet);
    let done = match (&import.posts, &import.notes) {
        (Some(posts), _) => {
            let options = dump_options(import, posts, index_dir)?;
            kb_ingest::import(&options, &mut bars)
        }
        (None, Some(folder)) => {
            let name = import.name.clone();
            let options = NotesOptions {
                folder: folder.clone(),
                index_dir: index_dir.to_owned(),
                name: name.unwrap_or_else(|| plain_name(&folder_name(folder))),
                rebuild: import.rebuild,
            };
            kb_ingest::import_notes(&options, &mut bars)
        }
        (None, None) => bail!("give --posts, or --notes"),
    };
    bars.finish();
    match done {
        Ok(report) => {
            if let Some(place) = &report.resumed {
                output::note(&format!("went on with an earlier run {place}"));
            }
            told_of_skipped(&report);
            if !import.quiet {
                output::out(&table(&report));
            }
            Ok(0)
        }
        Err(ImportError::Interrupted) => {
            output::error(&ImportError::Interrupted.to_string());
            Ok(EXIT_INTERRUPTED)
        }
        Err(error) => Err(error.into()),
    }
}

/// Measures how well discussions must fit code, and says what came out.
pub(crate) fn calibrate(store: &Store) -> anyhow::Result<u8> {
    let done = store.calibrate()?;
    if done.is_empty() {
        output::note("there is no installed index to calibrate");
    }
    let mut out = String::new();
    for (name, found) in done {
        let _ = writeln!(
            out,
            "{name}: discussions are shown with code of which they cover {:.1} % or more ({} unrelated programs found anything)",
            found.threshold * 100.0,
            found.unrelated
        );
    }
    output::out(&out);
    Ok(0)
}

fn dump_options(import: &Import, posts: &Path, index_dir: &Path) -> anyhow::Result<DumpOptions> {
    let kept = |step: Step| !import.skip.contains(&step);
    let words = match &import.keywords {
        Some(path) => keywords(path)?,
        None => kb_ingest::expression(),
    };
    let site = import.site.trim_end_matches('/');
    let host = site.split_once("://").map_or(site, |it| it.1);
    let name = import.name.clone();
    Ok(DumpOptions {
        posts: posts.to_owned(),
        comments: import.comments.clone(),
        users: import.users.clone(),
        site: site.to_owned(),
        filter: Filter {
            tags: import.tags.clone(),
            code: kept(Step::Code),
            comment: kept(Step::Comment),
            security: kept(Step::Security).then_some(words),
            votes: kept(Step::Votes).then_some(import.votes),
        },
        index_dir: index_dir.to_owned(),
        name: name.unwrap_or_else(|| plain_name(host)),
        rebuild: import.rebuild,
    })
}

fn keywords(path: &Path) -> anyhow::Result<String> {
    let named = || format!("--keywords {}", path.display());
    let length = fs::metadata(path).with_context(named)?.len();
    if length > MAX_KEYWORDS {
        bail!("{}: longer than {MAX_KEYWORDS} bytes", named());
    }
    let text = fs::read_to_string(path).with_context(named)?;
    let text = text.trim();
    if text.is_empty() {
        bail!(
            "{}: the expression is empty and would match everything",
            named()
        );
    }
    Ok(text.to_owned())
}

fn index_dir(store: &Store) -> anyhow::Result<&Path> {
    store
        .index_dir()
        .context("no folder for indexes: neither XDG_DATA_HOME nor HOME is set; give --index DIR")
}

fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = whole.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A name that an index can have, made of any other.
fn plain_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name
        .chars()
        .map(|it| if plain(it) { it } else { '-' })
        .take(64)
        .collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() {
        "notes".to_owned()
    } else {
        name.to_owned()
    }
}

fn told_of_skipped(report: &Report) {
    let (count, samples) = &report.skipped;
    if *count > 0 {
        output::warning(&format!("{count} could not be read and were left out:"));
        for sample in samples {
            output::note(&format!("  {sample}"));
        }
        if *count > samples.len() as u64 {
            output::note("  …");
        }
    }
}

fn table(report: &Report) -> String {
    let mut out = format!("{:40}{:>12}{:>12}\n", "", "kept", "dropped");
    for step in report.steps() {
        let _ = writeln!(out, "{:40}{:>12}{:>12}", step.name, step.kept, step.dropped);
    }
    let _ = writeln!(
        out,
        "\n{}: {} added, {} changed, {} removed, {} unchanged",
        discussions(report.manifest.posts),
        report.added,
        report.changed,
        report.removed,
        report.unchanged
    );
    out
}

fn discussions(number: u64) -> String {
    text::count(usize::try_from(number).unwrap_or(usize::MAX), "discussion")
}

/// What was found in installed indexes, each with who wrote it.
pub(crate) fn posts(hits: &[PostHit], explain: bool) -> String {
    let mut out = String::new();
    for hit in hits {
        let post = &hit.post;
        let link = post.link.as_deref().unwrap_or(&post.source);
        let _ = writeln!(
            out,
            "{:7.3}  {}: {}: {}\n{:>9}{}\n{:>9}{link}",
            hit.score,
            hit.index,
            shown(&post.title),
            shown(&post.gist()),
            "",
            shown(&post.attribution()),
            "",
        );
        for term in hit.terms.iter().take(if explain { usize::MAX } else { 0 }) {
            let _ = writeln!(
                out,
                "{:9}{:7.3}  {} in {} ({} of {})",
                "", term.score, term.term, term.field, term.documents, hit.of
            );
        }
    }
    if explain && !hits.is_empty() {
        let _ = writeln!(
            out,
            "{:9}BM25 with k1 {} and b {}; weights {}",
            "",
            kb_index::K1,
            kb_index::B,
            kb_index::POST_FIELDS
                .map(|(name, weight)| format!("{name} {weight}"))
                .join(", ")
        );
    }
    out
}

/// A stranger's text for a terminal: nothing in it moves the cursor or changes colours.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() { ' ' } else { it })
        .collect()
}

/// The installed indexes, below the entries of `kb list`.
pub(crate) fn list(store: &Store) -> String {
    let installed = store.installed();
    let mut out = String::new();
    if !installed.is_empty() {
        out.push_str("\n  installed indexes:\n");
    }
    for index in installed {
        let _ = writeln!(
            out,
            "  {:24}  {} from {}",
            index.name,
            discussions(index.manifest.posts),
            index.manifest.site
        );
    }
    out
}

/// Everything that is known of installed indexes.
pub(crate) fn info(store: &Store) -> String {
    let mut out = String::new();
    let folder = |path: Option<PathBuf>| {
        path.map_or_else(|| "none".to_owned(), |it| it.display().to_string())
    };
    let _ = writeln!(out, "entries  {}", folder(default_entry_dir()));
    let _ = writeln!(
        out,
        "indexes  {}",
        folder(store.index_dir().map(Path::to_owned))
    );
    for index in store.installed() {
        out.push_str(&page(&index));
    }
    out
}

fn page(index: &Installed) -> String {
    let manifest = &index.manifest;
    let mut out = format!(
        "\n{}: {}, {:.1} MiB\n  from      {}\n  site      {}\n  written   {}, revision {}\n",
        index.name,
        discussions(manifest.posts),
        index.bytes() as f64 / f64::from(1 << 20),
        manifest.sources.join(", "),
        manifest.site,
        kb_ingest::time_of(manifest.written),
        manifest.revision,
    );
    if !manifest.options.is_empty() {
        let _ = writeln!(out, "  options   {}", manifest.options.join(", "));
    }
    if let Some(calibration) = index.calibration() {
        let _ = writeln!(
            out,
            "  shown     with code of which {:.1} % or more is covered (kb calibrate)",
            calibration.threshold * 100.0
        );
    }
    for step in &manifest.steps {
        let _ = writeln!(
            out,
            "  {:38}  {} kept, {} dropped",
            step.name, step.kept, step.dropped
        );
    }
    out
}

/// Copies entries into the data folder.
pub(crate) fn add(store: &Store, paths: &[PathBuf]) -> anyhow::Result<u8> {
    let target = default_entry_dir().context("neither XDG_DATA_HOME nor HOME is set")?;
    let known = store.entries();
    let (mut added, mut refused) = (0, 0);
    for path in paths {
        let is_folder = fs::metadata(path)
            .with_context(|| path.display().to_string())?
            .is_dir();
        let group = if is_folder {
            plain_name(&folder_name(path))
        } else {
            "added".to_owned()
        };
        let files = if is_folder {
            entry_files(path)?
        } else {
            vec![path.clone()]
        };
        if files.is_empty() {
            output::error(&format!("{}: no entry is in it", path.display()));
            refused += 1;
        }
        for file in files {
            match add_one(&known, &file, &target.join(&group)) {
                Ok(id) => {
                    added += 1;
                    output::note(&format!("added {id}"));
                }
                Err(problems) => {
                    refused += 1;
                    for problem in problems {
                        output::error(&problem);
                    }
                }
            }
        }
    }
    output::note(&format!("{added} added, {refused} refused"));
    Ok(if refused > 0 { EXIT_ERROR } else { 0 })
}

/// The Markdown files of a folder, links left out.
fn entry_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let items = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for item in items.flatten() {
            let Ok(kind) = item.file_type() else { continue };
            let path = item.path();
            if kind.is_dir() && depth < 8 {
                open.push((path, depth + 1));
            } else if kind.is_file()
                && path.extension().is_some_and(|it| it == "md")
                && !item.file_name().eq_ignore_ascii_case("readme.md")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Validates one entry and copies it; its id, or what is wrong with it.
fn add_one(known: &EntrySet, file: &Path, target: &Path) -> Result<String, Vec<String>> {
    let name = file.display().to_string();
    let one = |error: &dyn std::fmt::Display| vec![format!("{name}: {error}")];
    let length = fs::metadata(file).map_err(|it| one(&it))?.len();
    if length > MAX_ENTRY {
        return Err(one(&format!("longer than {MAX_ENTRY} bytes")));
    }
    let text = fs::read_to_string(file).map_err(|it| one(&it))?;
    let entry = kb_schema::parse_entry(&name, &text)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let alone = EntrySet {
        entries: vec![std::sync::Arc::new(entry.clone())],
        libraries: known.libraries.clone(),
        problems: Vec::new(),
    };
    let host = analysis::Host::new(&alone);
    if !host.problems().is_empty() {
        return Err(host.problems().iter().map(ToString::to_string).collect());
    }
    // The id names the file, so that the same entry of a newer folder replaces the older one.
    let place = target.join(format!("{}.md", entry.id));
    if let Some(other) = known.get(&entry.id)
        && !other.bundled
        && Path::new(&other.path) != place
    {
        return Err(one(&format!(
            "id `{}` is taken by {}; take that away first",
            entry.id, other.path
        )));
    }
    fs::create_dir_all(place.parent().unwrap_or(target)).map_err(|it| one(&it))?;
    let new = place.with_extension("new");
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, &place))
        .map_err(|it| one(&it))?;
    Ok(entry.id)
}

/// Takes away an index, an entry, or a folder of entries.
pub(crate) fn remove(store: &Store, name: &str) -> anyhow::Result<u8> {
    let entries = store.entries();
    let home = default_entry_dir();
    if let Some(entry) = entries.get(name) {
        if entry.bundled {
            bail!("{name} comes with the program; leave it out with `ignore = [\"{name}\"]`");
        }
        let path = Path::new(&entry.path);
        if !home.as_ref().is_some_and(|it| path.starts_with(it)) {
            bail!("{name} is read from {}; it was not added", entry.path);
        }
        fs::remove_file(path).with_context(|| entry.path.clone())?;
        output::note(&format!("removed {name}"));
        return Ok(0);
    }
    let added = home.map(|it| it.join(name)).filter(|it| {
        let one = Path::new(name).components().count() == 1;
        one && name != "." && name != ".." && it.is_dir()
    });
    if let Some(folder) = added {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        output::note(&format!("removed the entries of {name}"));
        return Ok(0);
    }
    PostWriter::remove_index(index_dir(store)?, name)?;
    output::note(&format!("removed the index {name}"));
    Ok(0)
}

/// Names discussions that somebody should look at.
pub(crate) fn verify(store: &Store) -> anyhow::Result<u8> {
    let (mut found, mut damaged) = (0_u64, 0_u64);
    for index in store.installed() {
        if let Err(error) = index.validate() {
            output::error(&error.to_string());
            damaged += 1;
            continue;
        }
        let mut told = |verdict: &Verdict| {
            found += 1;
            let place = verdict.link.as_deref().unwrap_or(&verdict.source);
            let line = format!(
                "{}: {place}: {}: {}\n",
                index.name, verdict.kind, verdict.reason
            );
            output::out(&format!("{}\n", shown(line.trim_end())));
        };
        kb_ingest::verify(&index, &mut told)?;
    }
    // An index that cannot be opened at all was told of when the store was.
    let broken = store.entries().problems.len();
    output::note(&format!(
        "{found} to look at in {} indexes",
        store.installed().len()
    ));
    if damaged > 0 || broken > 0 {
        return Ok(EXIT_ERROR);
    }
    Ok(if found > 0 { EXIT_FINDINGS } else { 0 })
}

/// Writes the entries' examples as pairs: the first vulnerable one with the first secure one, and
/// so on; where one kind has fewer, its last serves again.
pub(crate) fn export(entries: &EntrySet, path: Option<&Path>) -> anyhow::Result<u8> {
    let mut out = String::new();
    for entry in &entries.entries {
        for (vulnerable, secure) in pairs(entry) {
            let line = json!({
                "id": entry.id,
                "title": entry.title,
                "language": entry.language.id(),
                "cwe": entry.cwe_names().collect::<Vec<_>>(),
                "vulnerable": vulnerable,
                "secure": secure,
                "guideline": entry.body().guideline,
            });
            let _ = writeln!(out, "{line}");
        }
    }
    match path {
        Some(path) => fs::write(path, out).with_context(|| path.display().to_string())?,
        None => output::out(&out),
    }
    Ok(0)
}

fn pairs(entry: &Entry) -> Vec<(&str, &str)> {
    let of = |kind| -> Vec<&str> { entry.examples(kind).map(|it| it.code.as_str()).collect() };
    let (vulnerable, secure) = (of(ExampleKind::Vulnerable), of(ExampleKind::Secure));
    let (Some(last_vulnerable), Some(last_secure)) = (vulnerable.last(), secure.last()) else {
        return Vec::new();
    };
    (0..vulnerable.len().max(secure.len()))
        .map(|at| {
            (
                *vulnerable.get(at).unwrap_or(last_vulnerable),
                *secure.get(at).unwrap_or(last_secure),
            )
        })
        .collect()
}
