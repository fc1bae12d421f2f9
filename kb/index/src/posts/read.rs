//! Reading installed indexes: opening, listing and searching them.
//! A damaged one costs its own posts and a message; it never stops another.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use kb_schema::{Language, Post, PostHit, Problem, Query};
use tantivy::collector::TopDocs;
use tantivy::directory::MmapDirectory;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Value as _};
use tantivy::{DocAddress, Index, ReloadPolicy, Searcher, TantivyDocument, TantivyError, Term};

use super::calibrate::{self, CALIBRATION, Calibration};
use super::frequencies::Frequencies;
use super::{BM25, CODE, HASH, ID, IndexError, LANGUAGES, MARKERS, Manifest, POST, POSTS_FORMAT};
use super::{POST_FIELDS, STAMP, Stamp, language, schema};
use crate::index::{MAX_HITS, query_terms, tokenizers};
use crate::shares::{self, Part};

/// The most terms of a query that the code is searched for: the rarest.
pub const POST_QUERY_TERMS: usize = 30;
/// The most terms that each of the short fields is searched for.
const SHORT_TERMS: usize = 8;
/// A term that more than one in so many posts hold tells nothing apart, and its list is long.
const COMMON: u64 = 10;
/// So many rarer terms make common ones needless.
const ENOUGH: usize = 5;
/// How many candidates are scored in full for each hit that is asked for, and at least.
const POOL: (usize, usize) = (4, 20);
/// How many more are looked at where a language leaves too few.
const WIDER: usize = 16;
/// An index of at most so many bytes is checked whole when it is opened, a larger one by the marks
/// at the ends of its files.
const CHECKED_BYTES: u64 = 16 << 20;
/// The largest stamp that is read, in bytes.
const MAX_STAMP: u64 = 4096;

/// Where [`POST_FIELDS`] has the titles, the prose and the tags.
const TITLE: usize = 2;
const PROSE: usize = 3;

/// One installed index, as it was at one commit.
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    shared_name: Arc<str>,
    searcher: Searcher,
    fields: [Field; POST_FIELDS.len()],
    post: Field,
    key: Field,
    calibration: Option<Calibration>,
}

impl std::fmt::Debug for Installed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Installed")
            .field("path", &self.path)
            .field("manifest", &self.manifest)
            .finish_non_exhaustive()
    }
}

/// Reads an index's stamp: nothing where there is no index yet, an error where it is another's.
pub(super) fn stamp(path: &Path) -> Result<Option<()>, IndexError> {
    let place = path.join(STAMP);
    let size = match fs::metadata(&place) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(IndexError::io(&place)(error)),
    };
    let damaged = |reason: String| IndexError::Damaged {
        path: path.to_owned(),
        reason,
    };
    if size > MAX_STAMP {
        return Err(damaged(format!("{STAMP} is {size} bytes long")));
    }
    let text = fs::read(&place).map_err(IndexError::io(&place))?;
    let stamp: Stamp =
        serde_json::from_slice(&text).map_err(|_| damaged(format!("{STAMP} is no stamp")))?;
    if stamp.format == POSTS_FORMAT {
        Ok(Some(()))
    } else {
        Err(IndexError::Format {
            path: path.to_owned(),
            found: stamp.format,
            expected: POSTS_FORMAT,
        })
    }
}

/// Opens the index proper.
pub(super) fn index(path: &Path) -> Result<Index, IndexError> {
    let damaged = |reason: String| IndexError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let files = path.join(BM25);
    // Without tantivy's list of its files there would be nothing to compare checksums with.
    for needed in ["meta.json", ".managed.json"] {
        if !files.join(needed).is_file() {
            return Err(damaged(format!("{needed} is missing")));
        }
    }
    let index = MmapDirectory::open(&files)
        .map_err(TantivyError::from)
        .and_then(Index::open)
        .map_err(|error| damaged(error.to_string()))?;
    if index.schema() != schema() {
        return Err(damaged("its fields are others".to_owned()));
    }
    Ok(index)
}

/// What the last commit says; nothing before the first.
pub(super) fn manifest(path: &Path, index: &Index) -> Result<Option<Manifest>, IndexError> {
    let damaged = |reason: String| IndexError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let metas = index
        .load_metas()
        .map_err(|error| damaged(error.to_string()))?;
    let read = |text: String| {
        serde_json::from_str(&text)
            .map_err(|error| damaged(format!("the manifest cannot be read: {error}")))
    };
    metas.payload.map(read).transpose()
}

/// Number and fingerprint of every post, sorted by number.
pub(super) fn known(path: &Path, index: &Index) -> Result<Vec<(u64, u64)>, IndexError> {
    let list = || -> tantivy::Result<Vec<(u64, u64)>> {
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        let mut known = Vec::new();
        for segment in reader.searcher().segment_readers() {
            let ids = segment.fast_fields().u64(ID)?;
            let hashes = segment.fast_fields().u64(HASH)?;
            for document in segment.doc_ids_alive() {
                if let (Some(id), Some(hash)) = (ids.first(document), hashes.first(document)) {
                    known.push((id, hash));
                }
            }
        }
        known.sort_unstable();
        Ok(known)
    };
    list().map_err(|error| IndexError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

impl Installed {
    /// Opens an index; nothing where its first import has not ended.
    fn open(path: &Path, name: &str) -> Result<Option<Self>, IndexError> {
        if stamp(path)?.is_none() {
            return Ok(None);
        }
        let mut index = index(path)?;
        let Some(manifest) = manifest(path, &index)? else {
            return Ok(None);
        };
        let damaged = |error: TantivyError| IndexError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        if bytes(&path.join(BM25)) <= CHECKED_BYTES {
            let broken = index.validate_checksum().map_err(damaged)?;
            if let Some(file) = broken.iter().min() {
                return Err(IndexError::Damaged {
                    path: path.to_owned(),
                    reason: format!("{} is not as it was written", file.display()),
                });
            }
        }
        index.set_tokenizers(tokenizers());
        let open = || -> tantivy::Result<Self> {
            let schema = index.schema();
            let mut fields = [Field::from_field_id(0); POST_FIELDS.len()];
            for (slot, (name, _)) in fields.iter_mut().zip(POST_FIELDS) {
                *slot = schema.get_field(name)?;
            }
            let reader = index
                .reader_builder()
                .reload_policy(ReloadPolicy::Manual)
                .try_into()?;
            Ok(Self {
                name: name.to_owned(),
                path: path.to_owned(),
                manifest,
                shared_name: name.into(),
                searcher: reader.searcher(),
                fields,
                post: schema.get_field(POST)?,
                key: schema.get_field("key")?,
                calibration: calibrate::read(path),
            })
        };
        let opened = open().map_err(damaged)?;
        let held = opened.searcher.num_docs();
        if held == opened.manifest.posts {
            Ok(Some(opened))
        } else {
            Err(IndexError::Damaged {
                path: path.to_owned(),
                reason: format!("it holds {held} posts instead of {}", opened.manifest.posts),
            })
        }
    }

    /// Compares every file with its checksum, which reads the whole index.
    ///
    /// # Errors
    /// The index is damaged.
    pub fn validate(&self) -> Result<(), IndexError> {
        let broken = index(&self.path)?.validate_checksum();
        let reason = match broken {
            Ok(broken) => match broken.iter().min() {
                None => return Ok(()),
                Some(file) => format!("{} is not as it was written", file.display()),
            },
            Err(error) => error.to_string(),
        };
        Err(IndexError::Damaged {
            path: self.path.clone(),
            reason,
        })
    }

    /// How many bytes its files take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        bytes(&self.path.join(BM25))
    }

    /// The post of that number.
    #[must_use]
    pub fn post(&self, id: u64) -> Option<Post> {
        let term = Term::from_field_text(self.key, &id.to_string());
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        let top = TopDocs::with_limit(1).order_by_score();
        let found = self.searcher.search(&query, &top).ok()?;
        self.load(found.first()?.1)
    }

    /// Gives every post, in no order that means anything, until the caller has enough.
    ///
    /// # Errors
    /// The index is damaged.
    pub fn each_post(
        &self,
        take: &mut dyn FnMut(Post) -> ControlFlow<()>,
    ) -> Result<(), IndexError> {
        let damaged = |error: TantivyError| IndexError::Damaged {
            path: self.path.clone(),
            reason: error.to_string(),
        };
        for segment in self.searcher.segment_readers() {
            let store = segment
                .get_store_reader(1)
                .map_err(|error| damaged(error.into()))?;
            for document in store.iter::<TantivyDocument>(segment.alive_bitset()) {
                let document = document.map_err(damaged)?;
                if let Some(post) = self.read(&document)
                    && take(post).is_break()
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn load(&self, address: DocAddress) -> Option<Post> {
        let document: TantivyDocument = self.searcher.doc(address).ok()?;
        self.read(&document)
    }

    fn read(&self, document: &TantivyDocument) -> Option<Post> {
        serde_json::from_slice(document.get_first(self.post)?.as_bytes()?).ok()
    }

    /// The numbers of the best posts by their code alone, best first: the first step of a search,
    /// by itself for those who measure it.
    #[must_use]
    pub fn search_code(&self, text: &str, limit: usize) -> Vec<u64> {
        let search = || -> tantivy::Result<Vec<u64>> {
            let counts = Frequencies::of(&self.searcher);
            let code = self.rarest(&counts, CODE, &query_terms(text), POST_QUERY_TERMS)?;
            let top = TopDocs::with_limit(limit.max(1)).order_by_score();
            let any = self.any(CODE, &code);
            let found = self
                .searcher
                .search_with_statistics_provider(&any, &top, &counts)?;
            let id = |address: DocAddress| {
                let reader = self.searcher.segment_reader(address.segment_ord);
                Ok(reader.fast_fields().u64(ID)?.first(address.doc_id))
            };
            let ids: tantivy::Result<Vec<Option<u64>>> =
                found.into_iter().map(|(_, address)| id(address)).collect();
            Ok(ids?.into_iter().flatten().collect())
        };
        search().unwrap_or_default()
    }

    /// The best posts, best first, ties by number.
    pub(crate) fn search(&self, query: &Query) -> tantivy::Result<Vec<PostHit>> {
        let limit = query.limit.min(MAX_HITS);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let counts = Frequencies::of(&self.searcher);
        let plan = self.plan(&counts, &query.text)?;
        let mut pool = (limit * POOL.0).max(POOL.1);
        let mut found = self.candidates(&counts, &plan, pool, query)?;
        if query.language.is_some() && found.len() < limit {
            pool *= WIDER;
            found = self.candidates(&counts, &plan, pool, query)?;
        }
        let parts = self.parts(&counts, &plan)?;
        let weights = self.weights(&counts, &query.text)?;
        let whole: f32 = weights.values().sum();
        let shares = shares::shares(&self.searcher, &counts, &parts, &found)?;
        let mut scored = Vec::with_capacity(found.len());
        for (address, mut terms) in found.into_iter().zip(shares) {
            let reader = self.searcher.segment_reader(address.segment_ord);
            let id = reader.fast_fields().u64(ID)?.first(address.doc_id);
            scored.push((shares::total(&mut terms), id, address, terms));
        }
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let of = self.searcher.num_docs();
        let posts = scored.into_iter().filter_map(|(score, _, address, terms)| {
            Some((score, Arc::new(self.load(address)?), terms))
        });
        let hit = |(place, (score, post, terms))| PostHit {
            index: Arc::clone(&self.shared_name),
            rank: place + 1,
            post,
            score,
            terms,
            of,
            coverage: 0.0,
        };
        let mut hits: Vec<PostHit> = posts.take(limit).enumerate().map(hit).collect();
        for hit in &mut hits {
            let met: BTreeSet<&str> = hit.terms.iter().map(|it| it.term.as_str()).collect();
            let met: f32 = met.iter().filter_map(|it| weights.get(*it)).sum();
            hit.coverage = if whole > 0.0 { met / whole } else { 0.0 };
        }
        Ok(hits)
    }

    /// What each term of a query is worth: the logarithm that BM25 gives a term of the code, also for
    /// those that no post holds, because code that is mostly unknown here is not covered.
    fn weights(
        &self,
        counts: &Frequencies<'_>,
        text: &str,
    ) -> tantivy::Result<BTreeMap<String, f32>> {
        let mut weights = BTreeMap::new();
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of posts are small enough"
        )]
        let of = self.searcher.num_docs() as f32;
        for term in query_terms(text) {
            #[expect(
                clippy::cast_precision_loss,
                reason = "counts of posts are small enough"
            )]
            let held = counts.held(self.fields[CODE], &term)? as f32;
            let weight = (1.0 + (of - held + 0.5).max(0.0) / (held + 0.5)).ln();
            weights.insert(term, weight);
        }
        Ok(weights)
    }

    /// What `kb calibrate` found, where somebody ran it.
    #[must_use]
    pub fn calibration(&self) -> Option<Calibration> {
        self.calibration
    }

    /// How well a discussion must fit code; 0 where nobody calibrated.
    #[must_use]
    pub fn threshold(&self) -> f32 {
        self.calibration.map_or(0.0, |it| it.threshold)
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.shared_name
    }

    /// How many posts hold a term in their code, or in their markers.
    pub(crate) fn holding(&self, term: &str) -> u64 {
        let count = |field: usize| {
            let term = Term::from_field_text(self.fields[field], term);
            self.searcher.doc_freq(&term).unwrap_or_default()
        };
        count(CODE).max(count(MARKERS))
    }

    /// The best posts that hold a term in code or markers and serve a language.
    pub(crate) fn posts_with(&self, term: &str, only: Language, limit: usize) -> Vec<Arc<Post>> {
        let one = |field: usize| {
            let term = Term::from_field_text(self.fields[field], term);
            let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
            let query: Box<dyn tantivy::query::Query> = Box::new(query);
            (Occur::Should, query)
        };
        let any = BooleanQuery::new(vec![one(CODE), one(MARKERS)]);
        let top = TopDocs::with_limit(limit * POOL.0).order_by_score();
        let found = self.searcher.search(&any, &top).unwrap_or_default();
        let serves = |address: &DocAddress| {
            let reader = self.searcher.segment_reader(address.segment_ord);
            let named = reader.fast_fields().u64(LANGUAGES).ok();
            let named = named.and_then(|it| it.first(address.doc_id));
            named.is_some_and(|it| it & language(only) != 0)
        };
        let found = found.into_iter().map(|(_, address)| address);
        let posts = found.filter(serves).filter_map(|it| self.load(it));
        posts.take(limit).map(Arc::new).collect()
    }

    /// Which terms each field is searched for. Slices hold many words that every post holds too;
    /// their lists are the longest and say the least, so the rarest terms are looked for alone.
    fn plan(&self, counts: &Frequencies<'_>, text: &str) -> tantivy::Result<Plan> {
        let terms = query_terms(text);
        let code = self.rarest(counts, CODE, &terms, POST_QUERY_TERMS)?;
        let markers = self.rarest(counts, MARKERS, &terms, SHORT_TERMS)?;
        let title = self.rarest(counts, TITLE, &terms, SHORT_TERMS)?;
        // Prose is searched only where nothing else knows the words.
        let prose = if code.len() < ENOUGH {
            self.rarest(counts, PROSE, &terms, SHORT_TERMS)?
        } else {
            Vec::new()
        };
        Ok(Plan(vec![
            (CODE, code),
            (MARKERS, markers),
            (TITLE, title),
            (PROSE, prose),
        ]))
    }

    fn rarest(
        &self,
        counts: &Frequencies<'_>,
        field: usize,
        terms: &BTreeSet<String>,
        most: usize,
    ) -> tantivy::Result<Vec<String>> {
        let mut rated = Vec::new();
        for term in terms {
            let documents = counts.held(self.fields[field], term)?;
            if documents > 0 {
                rated.push((documents, term));
            }
        }
        rated.sort();
        let limit = self.searcher.num_docs() / COMMON;
        let rare = rated
            .iter()
            .take_while(|(documents, _)| *documents <= limit)
            .count();
        rated.truncate(if rare >= ENOUGH { rare.min(most) } else { most });
        Ok(rated.into_iter().map(|(_, term)| term.clone()).collect())
    }

    /// Any of the terms in one field: a plain union, which tantivy can skip through. A filter
    /// beside it would end that.
    fn any(&self, field: usize, terms: &[String]) -> BooleanQuery {
        let one = |term: &String| {
            let term = Term::from_field_text(self.fields[field], term);
            let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
            let boosted = BoostQuery::new(Box::new(query), POST_FIELDS[field].1);
            let query: Box<dyn tantivy::query::Query> = Box::new(boosted);
            (Occur::Should, query)
        };
        BooleanQuery::new(terms.iter().map(one).collect())
    }

    /// The best documents of each field by itself, sorted by address.
    fn candidates(
        &self,
        counts: &Frequencies<'_>,
        plan: &Plan,
        pool: usize,
        query: &Query,
    ) -> tantivy::Result<Vec<DocAddress>> {
        let mut found = BTreeSet::new();
        for (field, terms) in &plan.0 {
            if terms.is_empty() {
                continue;
            }
            let any = self.any(*field, terms);
            let top = TopDocs::with_limit(pool).order_by_score();
            let best = self
                .searcher
                .search_with_statistics_provider(&any, &top, counts)?;
            found.extend(best.into_iter().map(|(_, address)| address));
        }
        let Some(only) = query.language else {
            return Ok(found.into_iter().collect());
        };
        let mut kept = Vec::new();
        for address in found {
            let reader = self.searcher.segment_reader(address.segment_ord);
            let named = reader.fast_fields().u64(LANGUAGES)?.first(address.doc_id);
            if named.is_some_and(|it| it & language(only) != 0) {
                kept.push(address);
            }
        }
        Ok(kept)
    }

    /// Every term that is looked for, in every field that holds it.
    fn parts(&self, counts: &Frequencies<'_>, plan: &Plan) -> tantivy::Result<Vec<Part>> {
        let terms: BTreeSet<&String> = plan.0.iter().flat_map(|(_, terms)| terms).collect();
        let mut parts = Vec::new();
        for term in terms {
            for (field, (name, weight)) in self.fields.iter().zip(POST_FIELDS) {
                let documents = counts.held(*field, term)?;
                if documents > 0 {
                    let term = Term::from_field_text(*field, term);
                    parts.push(Part::new(term, name, weight, documents));
                }
            }
        }
        Ok(parts)
    }
}

/// Fields with the terms that they are searched for.
struct Plan(Vec<(usize, Vec<String>)>);

/// How a commit shows without opening anything.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    name: String,
    files: Vec<(u64, Option<SystemTime>)>,
}

/// Every installed index of a folder at one moment.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    marks: Vec<Mark>,
    pub(crate) installed: Vec<Arc<Installed>>,
    pub(crate) problems: Vec<Problem>,
}

impl Shelf {
    /// Opens what is there; an index that `old` holds unchanged is taken from it.
    pub(crate) fn of(index_dir: Option<&Path>, old: &Self) -> Self {
        let mut shelf = Self::default();
        let Some(index_dir) = index_dir else {
            return shelf;
        };
        for mark in marks(index_dir) {
            let path = index_dir.join(&mark.name);
            if old.marks.contains(&mark)
                && let Some(same) = old.installed.iter().find(|it| it.name == mark.name)
            {
                shelf.installed.push(Arc::clone(same));
            } else {
                match Installed::open(&path, &mark.name) {
                    Ok(opened) => shelf.installed.extend(opened.map(Arc::new)),
                    Err(error) => shelf.problems.push(Problem {
                        path: path.display().to_string(),
                        line: 1,
                        message: error.to_string(),
                    }),
                }
            }
            shelf.marks.push(mark);
        }
        shelf
    }

    /// Whether the folder looks as it did.
    pub(crate) fn is_current(&self, index_dir: Option<&Path>) -> bool {
        index_dir.map(marks).unwrap_or_default() == self.marks
    }

    /// Whether a reader of the other would see anything else.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let said = |shelf: &Self| -> Vec<(String, Manifest, Option<Calibration>)> {
            let of = |it: &Arc<Installed>| (it.name.clone(), it.manifest.clone(), it.calibration);
            shelf.installed.iter().map(of).collect()
        };
        self.problems == other.problems && said(self) == said(other)
    }
}

fn marks(index_dir: &Path) -> Vec<Mark> {
    let mut marks = Vec::new();
    for item in fs::read_dir(index_dir).into_iter().flatten().flatten() {
        let Ok(name) = item.file_name().into_string() else {
            continue;
        };
        if super::check_name(&name).is_err() || !item.path().is_dir() {
            continue;
        }
        let look = |file: PathBuf| {
            let meta = fs::metadata(item.path().join(file)).ok();
            meta.map_or((0, None), |meta| (meta.len(), meta.modified().ok()))
        };
        let files = [
            PathBuf::from(STAMP),
            Path::new(BM25).join("meta.json"),
            PathBuf::from(CALIBRATION),
        ];
        marks.push(Mark {
            name,
            files: files.into_iter().map(look).collect(),
        });
    }
    marks.sort_by(|a, b| a.name.cmp(&b.name));
    marks
}

fn bytes(folder: &Path) -> u64 {
    let items = fs::read_dir(folder).into_iter().flatten().flatten();
    items
        .filter_map(|item| item.metadata().ok())
        .map(|meta| meta.len())
        .sum()
}

/// The hits of several indexes, the first of each before the second of any.
pub(crate) fn interleaved(mut hits: Vec<PostHit>, limit: usize) -> Vec<PostHit> {
    hits.sort_by(|a, b| (a.rank, &a.index).cmp(&(b.rank, &b.index)));
    hits.truncate(limit);
    hits
}
