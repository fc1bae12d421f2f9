//! The boundary between those who ask for community knowledge and those who keep it.
//! It knows neither how documents are indexed nor where they lie.

use std::sync::Arc;

use crate::{Demonstration, Discussion, Entry, Language, Lead, Library, PostHit, Problem};

/// Every entry and library that is loaded, at one moment.
#[derive(Debug, Clone, Default)]
pub struct EntrySet {
    /// Valid entries, sorted by id, ids unique.
    pub entries: Vec<Arc<Entry>>,
    /// Named sources, sanitizers and usual names, one for each language that has one.
    pub libraries: Vec<Arc<Library>>,
    /// What was refused at load, with file and line.
    pub problems: Vec<Problem>,
}

impl EntrySet {
    /// The entry of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.id == id)
    }
}

/// A search: code or words, optionally for one language.
#[derive(Debug, Clone)]
pub struct Query {
    /// Code (a slice) or a person's words.
    pub text: String,
    /// Only documents of this language.
    pub language: Option<Language>,
    /// At most so many hits.
    pub limit: usize,
}

/// What a hit is.
#[derive(Debug, Clone)]
pub enum HitKind {
    /// An entry as a whole.
    Entry,
    /// One discussion of an entry.
    Discussion(Discussion),
}

/// One term's share of a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The term as the tokenizer gave it.
    pub term: String,
    /// The field it was found in.
    pub field: &'static str,
    /// Its part of the BM25 score.
    pub score: f32,
    /// How many documents of its index hold it in that field.
    pub documents: u64,
}

/// One found document.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The entry it belongs to.
    pub entry: Arc<Entry>,
    /// The entry itself or one of its discussions.
    pub kind: HitKind,
    /// BM25 score, comparable within one query only.
    pub score: f32,
    /// Which terms made the score, best first.
    pub terms: Vec<Term>,
}

/// What every front end may ask of the knowledge base.
pub trait Knowledge: Send + Sync {
    /// The entries as they are now; cheap.
    fn entries(&self) -> Arc<EntrySet>;

    /// Grows whenever `entries` or the index changed.
    fn generation(&self) -> u64;

    /// The best documents for a query, best first, ties by id.
    fn search(&self, query: &Query) -> Vec<Hit>;

    /// The best imported discussions for a query: each index ranked by itself, because scores of
    /// two indexes cannot be compared, and the lists interleaved by rank. A query for one language
    /// also gets discussions that name none.
    fn posts(&self, _query: &Query) -> Vec<PostHit> {
        Vec::new()
    }

    /// The imported discussions that fit code, from all installed indexes by reciprocal rank. What
    /// covers the code no better than it covers unrelated code is left out, so that there may be
    /// none.
    fn fitting(&self, query: &Query) -> Vec<PostHit> {
        self.posts(query)
    }

    /// The best safe functions for code, best first: the entries' safe examples and a user's own.
    fn demonstrations(&self, _query: &Query) -> Vec<Demonstration> {
        Vec::new()
    }

    /// What imported discussions alone suggest to look at in a text, in the order of the text. The
    /// caller decides which ranges may have leads.
    fn leads(&self, _text: &str, _language: Language) -> Vec<Lead> {
        Vec::new()
    }

    /// How many imported discussions there are; cheap.
    fn imported(&self) -> u64 {
        0
    }
}
