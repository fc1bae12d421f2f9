//! The settings of one connection: what the client says over what the nearest files say, and which
//! of it is wrong. Everything that reads disks here is called off the reader's thread.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use config::{FILE_NAMES, Layer, Origin, Partial, Problem, Resolver, Settings};
use serde_json::Value;

use crate::uri;

/// What a file is told apart by without reading it; `None` when it is not there.
type Look = Option<(SystemTime, u64)>;

/// The settings, and what they are made from.
#[derive(Debug)]
pub(crate) struct Config {
    user_file: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    resolver: Arc<Resolver>,
    client: Partial,
    folders: Vec<PathBuf>,
    /// The client has said something new since the resolver was made.
    stale: bool,
    /// The configuration files that may hold for open documents, as they were last seen.
    seen: BTreeMap<PathBuf, Look>,
    /// What is wrong with the files, and with what the client said.
    problems: Vec<Problem>,
    client_problems: Vec<Problem>,
    told: HashSet<Problem>,
    /// The problems are others than those that were told.
    untold: bool,
}

/// What came of reading the settings again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reload {
    /// Nothing has changed since the last time.
    Same,
    /// The new settings hold.
    Changed,
    /// A file cannot be read as settings, so those from before hold.
    Kept,
}

impl Config {
    pub(crate) fn new(user_file: Option<PathBuf>) -> Self {
        Self {
            user_file,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what `initialize` says.
    pub(crate) fn begin(&self, params: &Value) {
        let folders = folders_of(params);
        let (client, problems) = read(params.get("initializationOptions"));
        let resolver = self.resolver(&client);
        let mut state = self.lock();
        state.folders = folders;
        state.client = client;
        state.client_problems = problems;
        state.untold = true;
        state.resolver = Arc::new(resolver);
    }

    /// Takes in what a client says later. Silence leaves what it said before.
    pub(crate) fn client_says(&self, settings: &Value) {
        if settings.is_null() || settings.get("secondlook").is_some_and(Value::is_null) {
            return;
        }
        let (client, problems) = read(Some(settings));
        let mut state = self.lock();
        // What is no settings at all changes none.
        if settings.get("secondlook").unwrap_or(settings).is_object() {
            state.stale |= client != state.client;
            state.client = client;
        }
        state.client_problems = problems;
        state.untold = true;
    }

    /// Takes in which folders came and went; returns those that went.
    pub(crate) fn change_folders(&self, event: &Value) -> Vec<PathBuf> {
        let list = |name| paths(event.get(name));
        let (added, removed) = (list("added"), list("removed"));
        let mut state = self.lock();
        state.folders.retain(|it| !removed.contains(it));
        for folder in added {
            if !state.folders.contains(&folder) {
                state.folders.push(folder);
            }
        }
        removed
    }

    /// The folders of the workspace.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        self.lock().folders.clone()
    }

    /// The settings of files as they are now.
    pub(crate) fn current(&self) -> Arc<Resolver> {
        Arc::clone(&self.lock().resolver)
    }

    /// The settings of a document.
    pub(crate) fn of(&self, uri: &str) -> Arc<Settings> {
        match uri::path(uri) {
            Some(path) => self.current().of_file(&path),
            None => self.of_workspace(),
        }
    }

    /// The settings of the first folder, which hold for the server as a whole.
    pub(crate) fn of_workspace(&self) -> Arc<Settings> {
        let (resolver, folder) = {
            let state = self.lock();
            (Arc::clone(&state.resolver), state.folders.first().cloned())
        };
        match folder {
            Some(folder) => resolver.of_folder(&folder),
            None => resolver.of_folder(Path::new("/")),
        }
    }

    /// Reads the settings again if anything that they are made from has changed, or if `forced`.
    pub(crate) fn reload(&self, open: &[String], forced: bool) -> Reload {
        let (folders, client, stale) = {
            let mut state = self.lock();
            let stale = std::mem::take(&mut state.stale);
            (state.folders.clone(), state.client.clone(), stale)
        };
        let files: Vec<PathBuf> = open.iter().filter_map(|it| uri::path(it)).collect();
        let parents = files.iter().filter_map(|it| it.parent());
        let around: BTreeSet<&Path> = parents
            .chain(folders.iter().map(PathBuf::as_path))
            .collect();
        let seen = self.look(&around);
        {
            let mut state = self.lock();
            let moved = seen
                .iter()
                .any(|(path, look)| state.seen.get(path).is_some_and(|it| it != look));
            state.seen.extend(seen);
            if !moved && !stale && !forced {
                return Reload::Same;
            }
        }
        let resolver = self.resolver(&client);
        for folder in &around {
            let _ = resolver.of_folder(folder);
        }
        let problems = resolver.take_problems();
        let kept = !stale && problems.iter().any(says_nothing);
        let mut state = self.lock();
        state.problems = problems;
        state.untold = true;
        if kept {
            return Reload::Kept;
        }
        state.resolver = Arc::new(resolver);
        Reload::Changed
    }

    /// The problems that nobody was told of, with those that the last analyses met. `None` when
    /// there are the same problems as before.
    pub(crate) fn news(&self) -> Option<Vec<Problem>> {
        let mut state = self.lock();
        for problem in state.resolver.take_problems() {
            if !state.problems.contains(&problem) {
                state.problems.push(problem);
                state.untold = true;
            }
        }
        if !std::mem::take(&mut state.untold) {
            return None;
        }
        let all = state.problems.iter().chain(&state.client_problems);
        let all: HashSet<Problem> = all.cloned().collect();
        let mut news: Vec<Problem> = all.difference(&state.told).cloned().collect();
        news.sort_by_key(ToString::to_string);
        // One that was mended and comes back is news again.
        state.told = all;
        Some(news)
    }

    /// What is wrong with a configuration file.
    pub(crate) fn problems_in(&self, path: &Path) -> Vec<Problem> {
        let state = self.lock();
        let name = path.display().to_string();
        let problems = state.problems.iter().filter(|it| it.source == name);
        problems.cloned().collect()
    }

    fn resolver(&self, client: &Partial) -> Resolver {
        let over = Layer {
            origin: Origin::Client,
            values: client.clone(),
        };
        Resolver::new(self.user_file.as_deref(), vec![over])
    }

    fn look(&self, folders: &BTreeSet<&Path>) -> BTreeMap<PathBuf, Look> {
        let mut seen = BTreeMap::new();
        let mut asked = HashSet::new();
        for folder in folders.iter().flat_map(|it| it.ancestors()) {
            if asked.insert(folder) {
                for name in FILE_NAMES {
                    let path = folder.join(name);
                    let look = look_at(&path);
                    seen.insert(path, look);
                }
            }
        }
        if let Some(path) = &self.user_file {
            seen.insert(path.clone(), look_at(path));
        }
        seen
    }
}

/// Whether a document is a configuration file by its name.
pub(crate) fn is_config(uri: &str) -> bool {
    let path = uri::path(uri);
    let name = path.as_ref().and_then(|it| it.file_name()?.to_str());
    name.is_some_and(|it| FILE_NAMES.contains(&it))
}

fn look_at(path: &Path) -> Look {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

/// Whether a problem costs its file everything it says.
fn says_nothing(problem: &Problem) -> bool {
    let path = Path::new(&problem.source);
    let Ok(text) = std::fs::read_to_string(path) else {
        return path.is_absolute() && path.exists();
    };
    let (values, problems) = config::read_file(path, &text);
    !problems.is_empty() && values.is_none_or(|it| it.names().next().is_none())
}

fn read(value: Option<&Value>) -> (Partial, Vec<Problem>) {
    match value {
        Some(value) => config::read_json("the client", value, None),
        None => (Partial::default(), Vec::new()),
    }
}

/// The workspace folders that `initialize` names, newer words before older ones.
fn folders_of(params: &Value) -> Vec<PathBuf> {
    let folders = paths(params.get("workspaceFolders"));
    if !folders.is_empty() {
        return folders;
    }
    let text = |name| params.get(name).and_then(Value::as_str);
    let root = text("rootUri").and_then(uri::path);
    let root = root.or_else(|| {
        text("rootPath")
            .map(PathBuf::from)
            .filter(|it| it.is_absolute())
    });
    root.into_iter().collect()
}

fn paths(folders: Option<&Value>) -> Vec<PathBuf> {
    let folders = folders.and_then(Value::as_array).into_iter().flatten();
    let uris = folders.filter_map(|it| it.get("uri")?.as_str());
    uris.filter_map(uri::path).collect()
}
