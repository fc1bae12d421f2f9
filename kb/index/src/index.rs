//! The BM25 index: built from entries in memory, opened from a folder, searched term by term.
//! It knows no entry's meaning, and neither where the cache lies nor when it is old.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use kb_schema::{Entry, EntrySet, Hit, HitKind, Query};
use tantivy::collector::TopDocs;
use tantivy::directory::{MmapDirectory, RamDirectory};
use tantivy::query::{BooleanQuery, BoostQuery, ConstScoreQuery, Occur, TermQuery};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{TextAnalyzer, TokenizerManager};
use tantivy::{DocAddress, Index, ReloadPolicy, Searcher, TantivyDocument, Term};

use crate::documents::{self, FIELDS};
use crate::shares::{self, Part};
use crate::tokens::{CodeTokenizer, tokenize};

/// The name under which the schema refers to our tokenizer.
pub(crate) const TOKENIZER: &str = "code";
/// Field of a document's key.
const KEY: &str = "key";
/// Field of a document's language, to filter by.
const LANGUAGE: &str = "language";
/// Memory for building, in bytes; the bundled documents need a tenth.
const BUILD_BYTES: usize = 64 << 20;
/// The most terms one search looks for: the rarest ones, which tell documents apart.
pub const MAX_QUERY_TERMS: usize = 64;
/// How much of a query's text is read, in bytes; a slice is a few kilobytes.
const MAX_QUERY_BYTES: usize = 64 << 10;
/// The most hits one search gives.
pub const MAX_HITS: usize = 1_000;

/// An index that is ready to be searched.
pub(crate) struct SearchIndex {
    searcher: Searcher,
    fields: [Field; FIELDS.len()],
    language: Field,
}

fn schema() -> Schema {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqs);
    let text = TextOptions::default().set_indexing_options(indexing);
    for (name, _) in FIELDS {
        schema.add_text_field(name, text.clone());
    }
    schema.add_text_field(LANGUAGE, STRING);
    schema.add_u64_field(KEY, FAST);
    schema.build()
}

pub(crate) fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(TOKENIZER, TextAnalyzer::from(CodeTokenizer));
    manager
}

/// Builds an index in memory; the directory can be written out as it is.
pub(crate) fn build(set: &EntrySet) -> tantivy::Result<(SearchIndex, RamDirectory)> {
    let directory = RamDirectory::create();
    let schema = schema();
    let mut writer = Index::builder()
        .schema(schema.clone())
        .tokenizers(tokenizers())
        .single_segment_index_writer::<TantivyDocument>(directory.clone(), BUILD_BYTES)?;
    let language = schema.get_field(LANGUAGE)?;
    let key = schema.get_field(KEY)?;
    let mut fields = Vec::new();
    for (name, _) in FIELDS {
        fields.push(schema.get_field(name)?);
    }
    for (place, entry) in set.entries.iter().enumerate() {
        for (discussion, texts) in documents::texts(entry) {
            let mut document = TantivyDocument::default();
            for (field, text) in fields.iter().zip(&texts) {
                document.add_text(*field, text);
            }
            document.add_text(language, entry.language.id());
            document.add_u64(key, documents::key(place, discussion));
            writer.add_document(document)?;
        }
    }
    Ok((SearchIndex::new(&writer.finalize()?)?, directory))
}

/// Opens the index in a folder; nothing when it is not whole, or not one of these entries.
pub(crate) fn open(folder: &Path, set: &EntrySet) -> Option<SearchIndex> {
    let mut index = Index::open(MmapDirectory::open(folder).ok()?).ok()?;
    // Without tantivy's list of its files there would be nothing to compare checksums with.
    if index.schema() != schema() || !folder.join(".managed.json").is_file() {
        return None;
    }
    if !index.validate_checksum().ok()?.is_empty() {
        return None;
    }
    index.set_tokenizers(tokenizers());
    let opened = SearchIndex::new(&index).ok()?;
    let documents: usize = set
        .entries
        .iter()
        .map(|entry| 1 + entry.discussions.len())
        .sum();
    (opened.searcher.num_docs() == documents as u64).then_some(opened)
}

impl SearchIndex {
    fn new(index: &Index) -> tantivy::Result<Self> {
        let schema = index.schema();
        let mut fields = [Field::from_field_id(0); FIELDS.len()];
        for (slot, (name, _)) in fields.iter_mut().zip(FIELDS) {
            *slot = schema.get_field(name)?;
        }
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        Ok(Self {
            searcher: reader.searcher(),
            fields,
            language: schema.get_field(LANGUAGE)?,
        })
    }

    /// The best documents, best first, ties by id. `set` is what the index was built from.
    pub(crate) fn search(&self, set: &EntrySet, query: &Query) -> tantivy::Result<Vec<Hit>> {
        let limit = query.limit.min(MAX_HITS);
        let parts = self.parts(&query.text)?;
        if limit == 0 || parts.is_empty() {
            return Ok(Vec::new());
        }
        let any: Vec<(Occur, Box<dyn tantivy::query::Query>)> = parts
            .iter()
            .map(|part| {
                let boosted = BoostQuery::new(Box::new(part.query.clone()), part.weight);
                (
                    Occur::Should,
                    Box::new(boosted) as Box<dyn tantivy::query::Query>,
                )
            })
            .collect();
        let mut whole: Box<dyn tantivy::query::Query> = Box::new(BooleanQuery::new(any));
        if let Some(language) = query.language {
            let term = Term::from_field_text(self.language, language.id());
            let only = TermQuery::new(term, IndexRecordOption::Basic);
            let only = ConstScoreQuery::new(Box::new(only), 0.0);
            whole = Box::new(BooleanQuery::new(vec![
                (Occur::Must, whole),
                (Occur::Must, Box::new(only)),
            ]));
        }
        let top = TopDocs::with_limit(limit).order_by_score();
        let found = self.searcher.search(whole.as_ref(), &top)?;
        self.explained(
            set,
            &parts,
            found.into_iter().map(|(_, address)| address).collect(),
        )
    }

    /// The rarest terms of a text in every field that holds them.
    fn parts(&self, text: &str) -> tantivy::Result<Vec<Part>> {
        let unique = query_terms(text);
        let mut rated = Vec::new();
        for term in unique {
            let mut fields = Vec::new();
            let mut most = 0;
            for (index, field) in self.fields.iter().enumerate() {
                let term = Term::from_field_text(*field, &term);
                let documents = self.searcher.doc_freq(&term)?;
                if documents > 0 {
                    most = most.max(documents);
                    fields.push((index, term, documents));
                }
            }
            if most > 0 {
                rated.push((most, term, fields));
            }
        }
        rated.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        rated.truncate(MAX_QUERY_TERMS);
        Ok(rated
            .into_iter()
            .flat_map(|(_, _, fields)| fields)
            .map(|(field, term, documents)| {
                let (name, weight) = FIELDS[field];
                Part::new(term, name, weight, documents)
            })
            .collect())
    }

    /// Turns documents into hits with every term's share.
    fn explained(
        &self,
        set: &EntrySet,
        parts: &[Part],
        mut found: Vec<DocAddress>,
    ) -> tantivy::Result<Vec<Hit>> {
        found.sort_unstable();
        let shares = shares::shares(&self.searcher, &self.searcher, parts, &found)?;
        let mut hits = Vec::new();
        for (address, mut terms) in found.into_iter().zip(shares) {
            let reader = self.searcher.segment_reader(address.segment_ord);
            let key = reader.fast_fields().u64(KEY)?.first(address.doc_id);
            let Some((key, (entry, kind))) = key.and_then(|key| Some((key, resolve(set, key)?)))
            else {
                continue;
            };
            let score = shares::total(&mut terms);
            hits.push((
                key,
                Hit {
                    entry,
                    kind,
                    score,
                    terms,
                },
            ));
        }
        hits.sort_by(|(a_key, a), (b_key, b)| {
            b.score.total_cmp(&a.score).then_with(|| a_key.cmp(b_key))
        });
        Ok(hits.into_iter().map(|(_, hit)| hit).collect())
    }
}

/// The terms of a query's beginning, each once.
pub(crate) fn query_terms(text: &str) -> BTreeSet<String> {
    let mut end = text.len().min(MAX_QUERY_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    tokenize(&text[..end]).into_iter().collect()
}

fn resolve(set: &EntrySet, key: u64) -> Option<(Arc<Entry>, HitKind)> {
    let (entry, discussion) = documents::places(key);
    let entry = set.entries.get(entry)?;
    let kind = match discussion {
        None => HitKind::Entry,
        Some(place) => HitKind::Discussion(entry.discussions.get(place)?.clone()),
    };
    Some((Arc::clone(entry), kind))
}
