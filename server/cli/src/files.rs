//! Which files a check looks at, and their text. Everything that is left out has a reason.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Resolver, Settings};
use ignore::WalkBuilder;

use crate::options::absolute;

/// How much of a file without an extension is read to see its first line.
const HEAD_BYTES: u64 = 256;

/// One file to look at.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    pub(crate) language: syntax::Language,
    /// Named on the command line rather than found in a folder.
    pub(crate) explicit: bool,
    pub(crate) settings: Arc<Settings>,
}

impl Target {
    /// Whether its code stands in the cells of a notebook.
    pub(crate) fn is_notebook(&self) -> bool {
        is_notebook(&self.path)
    }
}

fn is_notebook(path: &Path) -> bool {
    path.extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("ipynb"))
}

/// A file that was not looked at, and why.
#[derive(Debug, Clone)]
pub(crate) struct Skipped {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
    pub(crate) explicit: bool,
}

/// What the command line stands for.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) targets: Vec<Target>,
    pub(crate) skipped: Vec<Skipped>,
    /// Paths that could not be used at all.
    pub(crate) errors: Vec<String>,
}

/// Finds every file below the paths, in order of path. `run` holds for the search as a whole, the
/// resolver for what is found.
pub(crate) fn find(paths: &[PathBuf], resolver: &Arc<Resolver>, run: &Settings) -> Found {
    let mut found = Found::default();
    for path in paths {
        match std::fs::metadata(path) {
            Err(error) => found
                .errors
                .push(format!("{}: {}", path.display(), plain(&error))),
            Ok(meta) if meta.is_dir() => walk(path, resolver, run, &mut found),
            Ok(meta) if meta.is_file() => explicit(path, resolver, run, &mut found),
            Ok(_) => found
                .errors
                .push(format!("{}: not a file and not a folder", path.display())),
        }
    }
    found.targets.sort_by(|a, b| a.path.cmp(&b.path));
    found.targets.dedup_by(|a, b| a.path == b.path);
    found
}

fn explicit(path: &Path, resolver: &Resolver, run: &Settings, found: &mut Found) {
    let settings = resolver.of_file(path);
    let reason = match language_of(path) {
        None => "neither Python nor C by its name or first line",
        Some(_) if run.force_exclude && settings.excludes(&absolute(path)) => {
            "excluded by the settings"
        }
        Some(language) => {
            found.targets.push(Target {
                path: path.to_owned(),
                language,
                explicit: true,
                settings,
            });
            return;
        }
    };
    found.skipped.push(Skipped {
        path: path.to_owned(),
        reason: reason.to_owned(),
        explicit: language_of(path).is_none(),
    });
}

fn walk(root: &Path, resolver: &Arc<Resolver>, run: &Settings, found: &mut Found) {
    let asked = Arc::clone(resolver);
    let walker = WalkBuilder::new(root)
        .standard_filters(run.respect_gitignore)
        .require_git(false)
        .follow_links(false)
        .filter_entry(move |entry| {
            // Who names a folder wants it searched, whatever it is called.
            entry.depth() == 0
                || !asked
                    .of_file(entry.path())
                    .excludes_entry(&absolute(entry.path()))
        })
        .build();
    for entry in walker {
        match entry {
            Ok(entry) => {
                if !entry.file_type().is_some_and(|it| it.is_file()) {
                    continue;
                }
                let path = entry.into_path();
                // `check .` and `check` name files as one would type them.
                let path = path.strip_prefix("./").map(Path::to_owned).unwrap_or(path);
                if let Some(language) = language_of(&path) {
                    found.targets.push(Target {
                        settings: resolver.of_file(&path),
                        path,
                        language,
                        explicit: false,
                    });
                }
            }
            Err(error) => {
                let path = unreadable(&error).unwrap_or_else(|| root.to_owned());
                let reason = error.io_error().map_or_else(|| error.to_string(), plain);
                found.skipped.push(Skipped {
                    path,
                    reason,
                    explicit: true,
                });
            }
        }
    }
}

fn unreadable(error: &ignore::Error) -> Option<PathBuf> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path.clone()),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            unreadable(err)
        }
        _ => None,
    }
}

/// The language of a file by its name, or by its first line where the name says nothing.
pub(crate) fn language_of(path: &Path) -> Option<syntax::Language> {
    let name = path.to_string_lossy();
    if is_notebook(path) {
        return Some(syntax::Language::Python);
    }
    if let Some(language) = syntax::Language::from_path(&name) {
        return Some(language);
    }
    if path.extension().is_some() {
        return None;
    }
    let mut head = Vec::new();
    std::fs::File::open(path)
        .ok()?
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .ok()?;
    syntax::Language::detect(&name, &head)
}

/// A file's bytes, or why they are not read.
pub(crate) fn read(path: &Path, limit: config::Size) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|error| plain(&error))?;
    let size = file.metadata().map_err(|error| plain(&error))?.len();
    let too_large = || format!("larger than {limit} (max-file-size)");
    if size > limit.0 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // A file may grow while it is read; the limit holds all the same.
    file.take(limit.0.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| plain(&error))?;
    if bytes.len() as u64 > limit.0 {
        return Err(too_large());
    }
    Ok(bytes)
}

/// An operating system's message without its number.
pub(crate) fn plain(error: &std::io::Error) -> String {
    // One that wraps another names the path again, in words of its own.
    let text = match error.get_ref() {
        Some(_) => error.kind().to_string(),
        None => error.to_string(),
    };
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn find_at(paths: &[PathBuf], no_ignore: bool) -> Found {
        let values = config::Partial {
            respect_gitignore: Some(!no_ignore),
            ..config::Partial::default()
        };
        let origin = config::Origin::CommandLine;
        let resolver = Arc::new(Resolver::isolated(vec![config::Layer { origin, values }]));
        let run = resolver.of_folder(Path::new("/"));
        find(paths, &resolver, &run)
    }

    #[test]
    fn a_walk_finds_code_in_order_and_leaves_out_what_git_ignores() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (name, text) in [
            ("b.py", ""),
            ("a.c", ""),
            ("tool", "#!/usr/bin/env python3\n"),
            ("notes.txt", "#!/usr/bin/env python3\n"),
            ("made.py", ""),
            (".hidden.py", ""),
            ("sub/c.h", ""),
            (".gitignore", "made.py\n"),
        ] {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let names = |no_ignore| -> Vec<String> {
            let missing = root.join("missing.py");
            let found = find_at(&[root.to_owned(), missing], no_ignore);
            assert_eq!(found.errors.len(), 1, "{:?}", found.errors);
            assert!(found.errors[0].ends_with("missing.py: no such file or directory"));
            let name = |it: &Target| it.path.strip_prefix(root).unwrap().display().to_string();
            found.targets.iter().map(name).collect()
        };
        assert_eq!(names(false), ["a.c", "b.py", "sub/c.h", "tool"]);
        let all = [".hidden.py", "a.c", "b.py", "made.py", "sub/c.h", "tool"];
        assert_eq!(names(true), all);
    }

    #[cfg(unix)]
    #[test]
    fn a_walk_does_not_follow_links_but_a_named_link_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::write(root.join("a.py"), "").unwrap();
        std::os::unix::fs::symlink(root.join("a.py"), root.join("b.py")).unwrap();
        std::os::unix::fs::symlink(root, root.join("loop")).unwrap();
        let walked = find_at(&[root.to_owned()], false);
        assert_eq!(walked.targets.len(), 1, "{walked:?}");
        let named = find_at(&[root.join("b.py")], false);
        assert_eq!(named.targets.len(), 1, "{named:?}");
    }
}
