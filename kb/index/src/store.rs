//! The store: bundled and installed knowledge as one set, its index, and how both are renewed.
//! It knows nothing of findings, editors or models.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use kb_schema::{
    Demonstration, EntrySet, ExampleKind, Hit, Knowledge, Language, Lead, PostHit, Query,
};

use crate::demos::{Base, DEFAULT_RETRIEVER, Demonstrations, Retriever};
use crate::dense::{Model, ModelError};
use crate::index::SearchIndex;
use crate::load::{Contents, combine};
use crate::pairs::PairStore;
use crate::posts::{Calibration, IndexError, Installed, Shelf, interleaved};
use crate::scan::Scan;
use crate::{Ranking, bundled, cache, fuse, leads};

/// How many hits of each index are fused, at least (RESCUE's ten).
const FUSED_DEPTH: usize = 10;

/// Our folder below the user's data and cache folders.
const OURS: &str = "secondlook";

/// Where knowledge comes from and where its index is kept.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Folders of a user's entries; an earlier one wins. One that is missing is a problem, unless
    /// it is the default one ([`default_entry_dir`]).
    pub entry_dirs: Vec<PathBuf>,
    /// Where built indexes are kept; nowhere means in memory.
    pub cache_dir: Option<PathBuf>,
    /// Whether the bundled entries take part.
    pub bundled: bool,
    /// The folder of installed indexes; nowhere means that there are none.
    pub index_dir: Option<PathBuf>,
    /// The folder of a user's own demonstrations; nowhere means that there are none.
    pub pairs_dir: Option<PathBuf>,
    /// The folder of embedding models.
    pub models_dir: Option<PathBuf>,
}

impl Options {
    /// The bundled entries, those in the user's data folder, and the user's cache folder.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            entry_dirs: default_entry_dir().into_iter().collect(),
            cache_dir: base("XDG_CACHE_HOME", ".cache").map(|base| base.join(OURS)),
            bundled: true,
            index_dir: default_index_dir(),
            pairs_dir: data("demonstrations"),
            models_dir: data("models"),
        }
    }
}

/// `$XDG_DATA_HOME/secondlook/entries`, which need not exist.
#[must_use]
pub fn default_entry_dir() -> Option<PathBuf> {
    data("entries")
}

/// A folder of ours below `$XDG_DATA_HOME/secondlook`.
fn data(name: &str) -> Option<PathBuf> {
    base("XDG_DATA_HOME", ".local/share").map(|base| base.join(OURS).join(name))
}

/// `$XDG_DATA_HOME/secondlook/indexes`, which need not exist.
#[must_use]
pub fn default_index_dir() -> Option<PathBuf> {
    base("XDG_DATA_HOME", ".local/share").map(|base| base.join(OURS).join("indexes"))
}

/// A base folder. The XDG rules have relative paths ignored.
fn base(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}

/// Knowledge at one moment. The index is opened, or built, by the first search.
struct State {
    scan: Scan,
    contents: Arc<Contents>,
    /// The set of `contents` with the problems of the shelf.
    set: Arc<EntrySet>,
    index: Arc<OnceLock<Option<SearchIndex>>>,
    shelf: Arc<Shelf>,
    /// Every term that some entry shows; made by the first who asks for leads.
    known: Arc<OnceLock<HashSet<String>>>,
    generation: u64,
}

/// All knowledge of one run: opened once, renewed by [`Store::refresh`].
pub struct Store {
    options: Options,
    optional: Option<PathBuf>,
    state: RwLock<Arc<State>>,
    demonstrations: Base,
    /// Held while folders are read again, so that two refreshes do not overtake each other.
    renewing: Mutex<()>,
}

impl Store {
    /// Loads everything. It never fails as a whole: what is wrong stands in the set's `problems`.
    #[must_use]
    pub fn open(options: Options) -> Self {
        let optional = default_entry_dir();
        let scan = Scan::of(&options.entry_dirs, optional.as_deref());
        let contents = Arc::new(contents(&options, &scan));
        let shelf = Shelf::of(options.index_dir.as_deref(), &Shelf::default());
        Self {
            demonstrations: Base::new(options.pairs_dir.clone(), options.models_dir.clone()),
            options,
            optional,
            state: RwLock::new(Arc::new(State {
                scan,
                set: with_problems(&contents, &shelf),
                contents,
                shelf: Arc::new(shelf),
                index: Arc::default(),
                known: Arc::default(),
                generation: 1,
            })),
            renewing: Mutex::new(()),
        }
    }

    /// Looks at the folders again and takes over what has changed. Says whether anything that a
    /// caller can see did. Costs one look at each file's size and time when nothing has.
    pub fn refresh(&self) -> bool {
        let _one_at_a_time = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state();
        let scan = Scan::of(&self.options.entry_dirs, self.optional.as_deref());
        let index_dir = self.options.index_dir.as_deref();
        let same_shelf = old.shelf.is_current(index_dir);
        if scan == old.scan && same_shelf {
            return false;
        }
        let shelf = if same_shelf {
            Arc::clone(&old.shelf)
        } else {
            Arc::new(Shelf::of(index_dir, &old.shelf))
        };
        let read = (scan != old.scan).then(|| Arc::new(contents(&self.options, &scan)));
        // A file that was only touched keeps set, index and generation; its new time is noted.
        let (contents, index, known) = match read {
            Some(read) if read.hash != old.contents.hash => (read, Arc::default(), Arc::default()),
            _ => (
                Arc::clone(&old.contents),
                Arc::clone(&old.index),
                Arc::clone(&old.known),
            ),
        };
        let changed = contents.hash != old.contents.hash || !shelf.says_the_same(&old.shelf);
        let set = if changed {
            with_problems(&contents, &shelf)
        } else {
            Arc::clone(&old.set)
        };
        let state = State {
            scan,
            contents,
            set,
            index,
            known,
            shelf,
            generation: old.generation + u64::from(changed),
        };
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        changed
    }

    /// The installed indexes that can be read, by name.
    #[must_use]
    pub fn installed(&self) -> Vec<Arc<Installed>> {
        self.state().shelf.installed.clone()
    }

    /// Measures for every installed index how well a discussion must fit code, and keeps it there.
    ///
    /// # Errors
    /// What was measured cannot be written.
    pub fn calibrate(&self) -> Result<Vec<(String, Calibration)>, IndexError> {
        let state = self.state();
        let programs: Vec<(Language, &str)> = state
            .contents
            .set
            .entries
            .iter()
            .flat_map(|it| {
                let code = it.examples(ExampleKind::Secure);
                code.map(|example| (it.language, example.code.as_str()))
            })
            .collect();
        let indexes = state.shelf.installed.iter();
        indexes
            .map(|it| Ok((it.name.clone(), it.calibrate(&programs)?)))
            .collect()
    }

    /// The folder of installed indexes.
    #[must_use]
    pub fn index_dir(&self) -> Option<&Path> {
        self.options.index_dir.as_deref()
    }

    /// The folders that are looked at.
    #[must_use]
    pub fn entry_dirs(&self) -> &[PathBuf] {
        &self.options.entry_dirs
    }

    /// The folder of built indexes.
    #[must_use]
    pub fn cache_dir(&self) -> Option<&Path> {
        self.options.cache_dir.as_deref()
    }

    /// The installed embedding model; it is read once, by whoever asks first.
    ///
    /// # Errors
    /// Says why retrieval goes on by BM25 alone.
    pub fn model(&self) -> Result<Arc<Model>, ModelError> {
        self.demonstrations.model()
    }

    /// Why nothing can be ranked by meaning here, where that is so; the model is not read.
    #[must_use]
    pub fn lacks_model(&self) -> Option<ModelError> {
        self.demonstrations.folder().err()
    }

    /// The user's own demonstrations, where there is a folder for them.
    #[must_use]
    pub fn pairs(&self) -> Option<&PairStore> {
        self.demonstrations.store()
    }

    /// The safe examples of all entries and the user's own pairs, as they are now, for ranking so.
    #[must_use]
    pub fn demonstrations(&self, retriever: Retriever) -> Arc<Demonstrations> {
        let state = self.state();
        self.demonstrations
            .current(&state.contents.set, state.contents.entries_hash, retriever)
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn contents(options: &Options, scan: &Scan) -> Contents {
    let bundled = options.bundled.then(bundled::unpacked);
    combine(bundled.as_deref(), &scan.read())
}

/// Entries that are loaded, with what is wrong with installed indexes.
fn with_problems(contents: &Contents, shelf: &Shelf) -> Arc<EntrySet> {
    let mut set = Arc::clone(&contents.set);
    if !shelf.problems.is_empty() {
        let problems = shelf.problems.iter().cloned();
        Arc::make_mut(&mut set).problems.extend(problems);
    }
    set
}

impl Knowledge for Store {
    fn entries(&self) -> Arc<EntrySet> {
        Arc::clone(&self.state().set)
    }

    fn generation(&self) -> u64 {
        self.state().generation
    }

    fn search(&self, query: &Query) -> Vec<Hit> {
        let state = self.state();
        let set = &state.contents.set;
        let index = state
            .index
            .get_or_init(|| cache::load(self.cache_dir(), set, state.contents.entries_hash));
        index
            .as_ref()
            .and_then(|index| index.search(set, query).ok())
            .unwrap_or_default()
    }
    fn posts(&self, query: &Query) -> Vec<PostHit> {
        let shelf = Arc::clone(&self.state().shelf);
        let found = shelf
            .installed
            .iter()
            .filter_map(|it| it.search(query).ok())
            .flatten()
            .collect();
        interleaved(found, query.limit)
    }

    fn fitting(&self, query: &Query) -> Vec<PostHit> {
        let shelf = Arc::clone(&self.state().shelf);
        let wider = Query {
            limit: query.limit.max(FUSED_DEPTH),
            ..query.clone()
        };
        // A discussion that two indexes hold is one, and both vote for it.
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut hits: Vec<PostHit> = Vec::new();
        let mut rankings = Vec::new();
        for index in &shelf.installed {
            let mut found = Vec::new();
            for hit in index.search(&wider).unwrap_or_default() {
                if hit.coverage < index.threshold() {
                    continue;
                }
                let own = || format!("{}/{}", hit.index, hit.post.id);
                let key = hit.post.link.clone().unwrap_or_else(own);
                let number = *numbers.entry(key).or_insert(hits.len());
                found.push((number, hit.score));
                if number == hits.len() {
                    hits.push(hit);
                }
            }
            rankings.push(Ranking {
                found,
                weight: 1.0,
                threshold: 0.0,
                depth: wider.limit,
            });
        }
        let best = fuse(&rankings).into_iter().take(query.limit);
        best.filter_map(|(number, _)| hits.get(number).cloned())
            .collect()
    }

    fn demonstrations(&self, query: &Query) -> Vec<Demonstration> {
        let base = Store::demonstrations(self, DEFAULT_RETRIEVER);
        let found = base.rank(&query.text, query.language, DEFAULT_RETRIEVER, query.limit);
        let all = base.all();
        found
            .into_iter()
            .filter_map(|(number, _)| all.get(number).cloned())
            .collect()
    }

    fn leads(&self, text: &str, language: Language) -> Vec<Lead> {
        let state = self.state();
        if state.shelf.installed.is_empty() {
            return Vec::new();
        }
        let known = state
            .known
            .get_or_init(|| leads::known_terms(&state.contents.set));
        leads::leads(&state.shelf.installed, known, text, language)
    }

    fn imported(&self) -> u64 {
        let shelf = Arc::clone(&self.state().shelf);
        shelf.installed.iter().map(|it| it.manifest.posts).sum()
    }
}
