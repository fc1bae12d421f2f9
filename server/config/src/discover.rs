//! Finds the settings of each file: the nearest configuration upward, over the user's own, under
//! the client's or the command line's. The only module here that reads files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::value::Base;
use crate::{Layer, Origin, Problem, Settings, read_file, read_toml};

/// The names of a project's configuration; in one folder the first wins.
pub const FILE_NAMES: [&str; 2] = ["secondlook.toml", "pyproject.toml"];

/// A configuration is written by hand; a larger file is something else.
const MAX_BYTES: u64 = 1 << 20;

/// The settings of files, each folder's configuration read once. Cheap to ask from many threads.
#[derive(Debug, Default)]
pub struct Resolver {
    user: Option<Layer>,
    over: Vec<Layer>,
    /// One file for everything, instead of the nearest.
    fixed: Option<PathBuf>,
    isolated: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By folder as it was asked about, so that a walk asks once for each.
    asked: HashMap<PathBuf, Arc<Settings>>,
    /// By folder: the configuration that rules it.
    folders: HashMap<PathBuf, Option<PathBuf>>,
    /// By configuration file, or by folder where there is none.
    settings: HashMap<PathBuf, Arc<Settings>>,
    layers: HashMap<PathBuf, Option<Layer>>,
    problems: Vec<Problem>,
}

impl Resolver {
    /// A resolver over the user's file, if there is one, and under these layers, the weakest first.
    #[must_use]
    pub fn new(user: Option<&Path>, over: Vec<Layer>) -> Self {
        let mut state = State::default();
        let user = user.and_then(|path| user_layer(path, &mut state.problems));
        Self {
            user,
            over,
            state: Mutex::new(state),
            ..Self::default()
        }
    }

    /// A resolver that reads no configuration files at all.
    #[must_use]
    pub fn isolated(over: Vec<Layer>) -> Self {
        Self {
            over,
            isolated: true,
            ..Self::default()
        }
    }

    /// Makes this one file hold for everything, instead of the nearest one.
    #[must_use]
    pub fn with_file(self, path: &Path) -> Self {
        Self {
            fixed: Some(absolute(path)),
            ..self
        }
    }

    /// The settings of a file.
    #[must_use]
    pub fn of_file(&self, path: &Path) -> Arc<Settings> {
        let folder = path.parent();
        if let Some(known) = folder.and_then(|it| self.lock().asked.get(it).cloned()) {
            return known;
        }
        let settings = self.of_folder(absolute(path).parent().unwrap_or(Path::new("/")));
        if let Some(folder) = folder {
            let settings = Arc::clone(&settings);
            self.lock().asked.insert(folder.to_owned(), settings);
        }
        settings
    }

    /// The settings of a folder.
    #[must_use]
    pub fn of_folder(&self, folder: &Path) -> Arc<Settings> {
        let folder = absolute(folder);
        let mut state = self.lock();
        let file = self.ruling(&folder, &mut state);
        let key = file.as_ref().unwrap_or(&folder);
        if let Some(known) = state.settings.get(key) {
            return Arc::clone(known);
        }
        let project = file.as_ref().and_then(|it| layer_of(it, &mut state));
        let root = file.as_deref().and_then(Path::parent).unwrap_or(&folder);
        let layers = self.user.iter().chain(&project).chain(&self.over);
        let settings = Arc::new(Settings::resolve(root, layers));
        state.settings.insert(key.clone(), Arc::clone(&settings));
        settings
    }

    /// What was wrong with the files read since this was last asked.
    #[must_use]
    pub fn take_problems(&self) -> Vec<Problem> {
        std::mem::take(&mut self.lock().problems)
    }

    /// The configuration files in use.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let state = self.lock();
        let mut files: Vec<PathBuf> = state.folders.values().flatten().cloned().collect();
        files.sort();
        files.dedup();
        files
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration file that rules a folder.
    fn ruling(&self, folder: &Path, state: &mut State) -> Option<PathBuf> {
        if self.isolated {
            return None;
        }
        if let Some(fixed) = &self.fixed {
            state.folders.insert(folder.to_owned(), Some(fixed.clone()));
            return Some(fixed.clone());
        }
        let mut asked = Vec::new();
        let mut found = None;
        for folder in folder.ancestors() {
            if let Some(known) = state.folders.get(folder) {
                found.clone_from(known);
                break;
            }
            asked.push(folder);
            found = FILE_NAMES
                .iter()
                .map(|name| folder.join(name))
                .find(|path| path.is_file() && layer_of(path, state).is_some());
            if found.is_some() {
                break;
            }
        }
        for folder in asked {
            state.folders.insert(folder.to_owned(), found.clone());
        }
        found
    }
}

/// The user's own file, which need not exist: `$XDG_CONFIG_HOME/secondlook/secondlook.toml`.
/// `variable` looks up an environment variable.
#[must_use]
pub fn user_file(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    // The XDG rules have relative paths ignored.
    let folder = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|it| it.is_absolute())
    };
    let base = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(base.join("secondlook").join(FILE_NAMES[0]))
}

fn user_layer(path: &Path, problems: &mut Vec<Problem>) -> Option<Layer> {
    if !path.is_file() {
        return None;
    }
    let text = text_of(path, problems)?;
    let (mut values, new) = read_toml(&path.display().to_string(), &text);
    problems.extend(new);
    // Patterns are left to start from each project.
    values.anchor(Base {
        paths: path.parent()?,
        globs: None,
    });
    Some(Layer {
        origin: Origin::User(path.to_owned()),
        values,
    })
}

/// What a project's file says; `None` when it has nothing for us.
fn layer_of(path: &Path, state: &mut State) -> Option<Layer> {
    if let Some(known) = state.layers.get(path) {
        return known.clone();
    }
    let layer = text_of(path, &mut state.problems).and_then(|text| {
        let (values, problems) = read_file(path, &text);
        state.problems.extend(problems);
        values.map(|values| Layer {
            origin: Origin::Project(path.to_owned()),
            values,
        })
    });
    state.layers.insert(path.to_owned(), layer.clone());
    layer
}

fn text_of(path: &Path, problems: &mut Vec<Problem>) -> Option<String> {
    let mut problem = |message: String| {
        problems.push(Problem {
            source: path.display().to_string(),
            line: None,
            message,
        });
    };
    match std::fs::metadata(path) {
        Ok(meta) if meta.len() > MAX_BYTES => {
            problem(format!("not read: larger than {} MiB", MAX_BYTES >> 20));
            return None;
        }
        _ => {}
    }
    match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => Some(text),
        Ok(Err(error)) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid]
                .iter()
                .filter(|it| **it == b'\n')
                .count()
                + 1;
            problem(format!("not read: line {line} is not UTF-8"));
            None
        }
        Err(error) => {
            problem(format!("not read: {error}"));
            None
        }
    }
}

/// A path from the root, its dots resolved by name alone, so that it need not exist.
#[must_use]
pub fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            _ => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::path::Path;

    use kb_schema::Severity;

    use super::{Resolver, user_file};
    use crate::{Layer, Origin, Partial};

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn each_file_follows_the_nearest_configuration_over_the_users_own() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let user = root.join("home/secondlook.toml");
        write(&user, "severity = \"error\"\nextend-exclude = [\"x/y\"]\n");
        write(&root.join("p/secondlook.toml"), "ignore = [\"py/*\"]\n");
        write(&root.join("p/sub/pyproject.toml"), "[tool.other]\n");
        write(
            &root.join("p/deep/pyproject.toml"),
            "[tool.secondlook]\nseverity = \"note\"\nbaseline = \"b.json\"\n",
        );
        let resolver = Resolver::new(Some(&user), Vec::new());
        let plain = resolver.of_file(&root.join("q/a.py"));
        assert_eq!((plain.severity, plain.ignore.len()), (Severity::Error, 0));
        let sub = resolver.of_file(&root.join("p/sub/x/../a.py"));
        assert_eq!((sub.severity, sub.ignore.len()), (Severity::Error, 1));
        assert!(sub.excludes(&root.join("p/x/y/a.py")));
        let deep = resolver.of_file(&root.join("p/deep/a.py"));
        assert_eq!((deep.severity, deep.ignore.len()), (Severity::Note, 0));
        assert_eq!(
            deep.baseline.as_ref().unwrap().0,
            root.join("p/deep/b.json")
        );
        assert_eq!(resolver.files().len(), 2);
        assert!(resolver.take_problems().is_empty());
    }

    #[test]
    fn layers_above_win_and_a_named_file_replaces_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(&root.join("secondlook.toml"), "severity = \"error\"\n");
        write(&root.join("other.toml"), "severity = \"warning\"\nx = 1\n");
        let over = || {
            vec![Layer {
                origin: Origin::CommandLine,
                values: Partial {
                    force_exclude: Some(true),
                    ..Partial::default()
                },
            }]
        };
        let resolver = Resolver::new(None, over()).with_file(&root.join("other.toml"));
        let settings = resolver.of_file(&root.join("a.py"));
        assert!(settings.force_exclude);
        assert_eq!(settings.severity, Severity::Warning);
        assert_eq!(resolver.take_problems().len(), 1);
        assert!(resolver.take_problems().is_empty());
        let isolated = Resolver::isolated(over()).of_file(&root.join("a.py"));
        assert_eq!(isolated.severity, Severity::Note);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_and_the_next_one_upward_serves() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(&root.join("secondlook.toml"), "severity = \"error\"\n");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("sub/secondlook.toml"), b"\n\xff\n").unwrap();
        let resolver = Resolver::new(None, Vec::new());
        assert_eq!(
            resolver.of_file(&root.join("sub/a.py")).severity,
            Severity::Error
        );
        let problems = resolver.take_problems();
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].message.contains("line 2 is not UTF-8"),
            "{problems:?}"
        );
    }

    #[test]
    fn the_users_file_stands_where_xdg_says() {
        let at = |config: Option<&str>| {
            user_file(|name| match name {
                "HOME" => Some("/h".into()),
                _ => config.map(Into::into),
            })
        };
        assert_eq!(
            at(None).unwrap(),
            Path::new("/h/.config/secondlook/secondlook.toml")
        );
        assert_eq!(
            at(Some("/c")).unwrap(),
            Path::new("/c/secondlook/secondlook.toml")
        );
        assert_eq!(at(Some("c")), at(None));
    }
}
