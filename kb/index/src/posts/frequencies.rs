//! How many posts hold a term: asked for once in a search, because each look goes through every part
//! of the index, and planning, finding and scoring all want to know.
//! It knows terms and counts; what they are for is not its business.

use std::cell::RefCell;
use std::collections::HashMap;

use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{Searcher, Term};

/// The counts that one search has met.
pub(super) struct Frequencies<'s> {
    searcher: &'s Searcher,
    terms: RefCell<HashMap<Term, u64>>,
    fields: RefCell<HashMap<Field, u64>>,
}

impl<'s> Frequencies<'s> {
    pub(super) fn of(searcher: &'s Searcher) -> Self {
        Self {
            searcher,
            terms: RefCell::default(),
            fields: RefCell::default(),
        }
    }

    /// How many posts hold a term in a field.
    pub(super) fn held(&self, field: Field, term: &str) -> tantivy::Result<u64> {
        self.doc_freq(&Term::from_field_text(field, term))
    }
}

impl Bm25StatisticsProvider for Frequencies<'_> {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        if let Some(known) = self.fields.borrow().get(&field) {
            return Ok(*known);
        }
        let count = self.searcher.total_num_tokens(field)?;
        self.fields.borrow_mut().insert(field, count);
        Ok(count)
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        self.searcher.total_num_docs()
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        if let Some(known) = self.terms.borrow().get(term) {
            return Ok(*known);
        }
        let count = self.searcher.doc_freq(term)?;
        self.terms.borrow_mut().insert(term.clone(), count);
        Ok(count)
    }
}
