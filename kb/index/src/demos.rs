//! The demonstration base: safe functions, found by BM25, by meaning, and by both (SecCoder).
//! It grows while others read it; it knows no findings and writes no prompt.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use kb_schema::{Demonstration, EntrySet, ExampleKind, Language};

use crate::dense::{Model, ModelError};
use crate::fuse::{Ranking, fuse};
use crate::hash;
use crate::lexical::Lexical;
use crate::pairs::PairStore;
use crate::vectors::{Vectors, dot};

/// Who ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retriever {
    /// Shared terms.
    Bm25,
    /// Like meaning; needs a model.
    Dense,
    /// Both, by reciprocal rank.
    Fused,
}

/// Who ranks where nobody says. Fused loses to BM25 where functions ask for the entries' examples,
/// and so does dense: see docs/measurements.md.
pub const DEFAULT_RETRIEVER: Retriever = Retriever::Bm25;

/// Safe functions that can be searched.
pub struct Demonstrations {
    all: Vec<Demonstration>,
    lexical: Option<Lexical>,
    /// In the order of `all`, where a model is there.
    rows: Vec<Vec<f32>>,
    model: Option<Arc<Model>>,
}

impl Demonstrations {
    /// Makes these functions searchable. With a model their vectors are taken from `vectors` where
    /// that file has them, and made and kept there where not; `tick` hears of every vector made.
    ///
    /// # Errors
    /// Where the model fails on a text.
    pub fn new(
        all: Vec<Demonstration>,
        model: Option<Arc<Model>>,
        vectors: Option<&Path>,
        tick: &dyn Fn(usize),
    ) -> Result<Self, ModelError> {
        let lexical = Lexical::build(all.iter().map(|it| it.code.as_str())).ok();
        let mut rows = Vec::new();
        if let Some(model) = &model {
            let texts: Vec<&str> = all.iter().map(|it| it.code.as_str()).collect();
            rows = encode_cached(model, &texts, vectors, tick)?;
        }
        Ok(Self {
            all,
            lexical,
            rows,
            model,
        })
    }

    /// The functions, by their number.
    #[must_use]
    pub fn all(&self) -> &[Demonstration] {
        &self.all
    }

    /// The best functions for code, best first: their numbers and scores. Without a model
    /// [`Retriever::Dense`] finds nothing and [`Retriever::Fused`] is BM25 alone.
    #[must_use]
    pub fn rank(
        &self,
        code: &str,
        language: Option<Language>,
        retriever: Retriever,
        limit: usize,
    ) -> Vec<(usize, f32)> {
        let mut found = match (retriever, &self.model) {
            (Retriever::Bm25, _) | (Retriever::Fused, None) => self.by_terms(code),
            (Retriever::Dense, None) => Vec::new(),
            (_, Some(model)) => {
                let vector = model.encode(&[code]).ok().and_then(|mut it| it.pop());
                return self.rank_with(code, vector.as_deref(), language, retriever, limit);
            }
        };
        self.keep(&mut found, language, limit);
        found
    }

    /// As [`Demonstrations::rank`], for code whose vector is known.
    #[must_use]
    pub fn rank_with(
        &self,
        code: &str,
        vector: Option<&[f32]>,
        language: Option<Language>,
        retriever: Retriever,
        limit: usize,
    ) -> Vec<(usize, f32)> {
        let dense = || vector.map_or_else(Vec::new, |it| self.by_meaning(it));
        let mut found = match retriever {
            Retriever::Bm25 => self.by_terms(code),
            Retriever::Dense => dense(),
            Retriever::Fused => {
                let rankings = [self.by_terms(code), dense()].map(|mut found| {
                    self.keep(&mut found, language, usize::MAX);
                    Ranking {
                        found,
                        weight: 1.0,
                        threshold: 0.0,
                        depth: usize::MAX,
                    }
                });
                fuse(&rankings)
            }
        };
        self.keep(&mut found, language, limit);
        found
    }

    fn keep(&self, found: &mut Vec<(usize, f32)>, language: Option<Language>, limit: usize) {
        if let Some(language) = language {
            found.retain(|(number, _)| self.all[*number].language == language);
        }
        found.truncate(limit);
    }

    fn by_terms(&self, code: &str) -> Vec<(usize, f32)> {
        let lexical = self.lexical.as_ref();
        lexical
            .and_then(|it| it.rank(code, self.all.len()).ok())
            .unwrap_or_default()
    }

    /// Exact search: the cosine with every vector. Nothing that is less than unrelated is shown,
    /// as in the paper, whose search begins at zero.
    fn by_meaning(&self, vector: &[f32]) -> Vec<(usize, f32)> {
        let mut found: Vec<(usize, f32)> = self
            .rows
            .iter()
            .map(|row| dot(row, vector))
            .enumerate()
            .filter(|(_, score)| *score > 0.0)
            .collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found
    }
}

/// The vectors of these texts, in their order. Those that the file has are not made again; those
/// that were made are added to it. `tick` is told how many more are ready.
///
/// # Errors
/// Where the model fails on a text.
pub fn encode_cached(
    model: &Model,
    texts: &[&str],
    file: Option<&Path>,
    tick: &dyn Fn(usize),
) -> Result<Vec<Vec<f32>>, ModelError> {
    /// How many texts are encoded between two ticks.
    const STEP: usize = 16;
    let dimension = model.dimension();
    let mut known = file.map_or_else(
        || Vectors::new(model.stamp(), dimension),
        |it| Vectors::read(it, model.stamp(), dimension),
    );
    let keys: Vec<u64> = texts.iter().map(|it| hash::of(it.as_bytes())).collect();
    let mut asked = HashSet::new();
    let missing: Vec<usize> = (0..texts.len())
        .filter(|it| known.get(keys[*it]).is_none() && asked.insert(keys[*it]))
        .collect();
    for step in missing.chunks(STEP) {
        let some: Vec<&str> = step.iter().map(|it| texts[*it]).collect();
        for (place, vector) in step.iter().zip(model.encode(&some)?) {
            known.add(keys[*place], &vector);
        }
        tick(step.len());
    }
    let wanted: HashSet<u64> = keys.iter().copied().collect();
    let shrunk = known.retain(&|key| wanted.contains(&key));
    // A file that cannot be written costs the same work next time, and nothing else.
    if let (Some(file), true) = (file, shrunk || !missing.is_empty()) {
        let _ = known.write(file);
    }
    let row = |key: &u64| known.get(*key).map(<[f32]>::to_vec).unwrap_or_default();
    Ok(keys.iter().map(row).collect())
}

/// The safe examples of entries as demonstrations.
#[must_use]
pub fn demonstrations_of(set: &EntrySet) -> Vec<Demonstration> {
    let entries = set.entries.iter();
    entries
        .flat_map(|entry| {
            entry
                .examples(ExampleKind::Secure)
                .map(move |example| Demonstration {
                    id: entry.id.clone(),
                    language: entry.language,
                    cwe: entry.cwe.clone(),
                    code: example.code.clone(),
                    before: None,
                })
        })
        .collect()
}

/// A base with what it was made of.
struct Made {
    entries: u64,
    pairs: u64,
    vectors: bool,
    base: Arc<Demonstrations>,
}

/// The bundled and the user's demonstrations as one base, made anew when either changes.
pub(crate) struct Base {
    store: Option<PairStore>,
    models: Option<PathBuf>,
    model: OnceLock<Result<Arc<Model>, ModelError>>,
    made: Mutex<Option<Made>>,
}

impl Base {
    pub(crate) fn new(folder: Option<PathBuf>, models: Option<PathBuf>) -> Self {
        Self {
            store: folder.map(PairStore::new),
            models,
            model: OnceLock::new(),
            made: Mutex::new(None),
        }
    }

    /// The installed model; it is read once.
    pub(crate) fn model(&self) -> Result<Arc<Model>, ModelError> {
        let open = || Model::open(&self.folder()?).map(Arc::new);
        self.model.get_or_init(open).clone()
    }

    /// Where the installed model lies; it is not read.
    pub(crate) fn folder(&self) -> Result<PathBuf, ModelError> {
        if !crate::dense::DENSE_IS_BUILT {
            return Err(ModelError::NotBuilt);
        }
        let models = self.models.clone().unwrap_or_default();
        crate::dense::installed_model(&models).ok_or(ModelError::NoModel(models))
    }

    pub(crate) fn store(&self) -> Option<&PairStore> {
        self.store.as_ref()
    }

    /// The base as it is now; `entries_hash` names the entries. Vectors are made for those who rank
    /// by them.
    pub(crate) fn current(
        &self,
        set: &EntrySet,
        entries_hash: u64,
        retriever: Retriever,
    ) -> Arc<Demonstrations> {
        let wants = retriever != Retriever::Bm25;
        let (pairs, generation) = self
            .store
            .as_ref()
            .map_or_else(|| (Arc::default(), 0), PairStore::pairs);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made
            && (made.entries, made.pairs) == (entries_hash, generation)
            && (made.vectors || !wants)
        {
            return Arc::clone(&made.base);
        }
        // The user's own come first, which settles ties in their favour.
        let mut all: Vec<Demonstration> = pairs.iter().cloned().collect();
        all.extend(demonstrations_of(set));
        let vectors = self.store.as_ref().map(PairStore::vectors);
        let with = |model| Demonstrations::new(all.clone(), model, vectors.as_deref(), &|_| ());
        let model = wants.then(|| self.model().ok()).flatten();
        let base = with(model)
            .or_else(|_| with(None))
            .unwrap_or_else(|_| Demonstrations {
                all: Vec::new(),
                lexical: None,
                rows: Vec::new(),
                model: None,
            });
        let base = Arc::new(base);
        *made = Some(Made {
            entries: entries_hash,
            pairs: generation,
            vectors: wants,
            base: Arc::clone(&base),
        });
        base
    }
}
