//! Who made a score: every term's part of it, computed anew for documents that were found.
//! It knows terms, fields and documents; what a document is stays with its caller.

use kb_schema::Term as Share;
use tantivy::query::{Bm25StatisticsProvider, EnableScoring, Query as _, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocSet as _, Searcher, Term};

/// One term in one field.
pub(crate) struct Part {
    pub(crate) query: TermQuery,
    pub(crate) field: &'static str,
    pub(crate) weight: f32,
    /// How many documents hold it there.
    pub(crate) documents: u64,
}

impl Part {
    pub(crate) fn new(term: Term, field: &'static str, weight: f32, documents: u64) -> Self {
        Self {
            query: TermQuery::new(term, IndexRecordOption::WithFreqs),
            field,
            weight,
            documents,
        }
    }
}

/// The shares of each document, in the order of `found`, which must be sorted. The search itself
/// adds floats in an order that differs between documents; sums over these do not. `statistics` is
/// the searcher, or what remembers its counts.
pub(crate) fn shares(
    searcher: &Searcher,
    statistics: &dyn Bm25StatisticsProvider,
    parts: &[Part],
    found: &[DocAddress],
) -> tantivy::Result<Vec<Vec<Share>>> {
    let mut shares: Vec<Vec<Share>> = vec![Vec::new(); found.len()];
    let scoring = EnableScoring::enabled_from_statistics_provider(statistics, searcher);
    for part in parts {
        let term = part.query.term();
        let text = term.value().as_str().unwrap_or_default().to_owned();
        let weight = part.query.weight(scoring)?;
        let mut segment = None;
        for (address, shares) in found.iter().zip(&mut shares) {
            if segment
                .as_ref()
                .is_none_or(|(ord, _)| *ord != address.segment_ord)
            {
                let reader = searcher.segment_reader(address.segment_ord);
                segment = Some((address.segment_ord, weight.scorer(reader, part.weight)?));
            }
            let Some((_, scorer)) = &mut segment else {
                continue;
            };
            if scorer.doc() < address.doc_id {
                scorer.seek(address.doc_id);
            }
            if scorer.doc() == address.doc_id {
                shares.push(Share {
                    term: text.clone(),
                    field: part.field,
                    score: scorer.score(),
                    documents: part.documents,
                });
            }
        }
    }
    Ok(shares)
}

/// The sum of the shares, which are then sorted best first.
pub(crate) fn total(terms: &mut [Share]) -> f32 {
    let score = terms.iter().map(|share| share.score).sum();
    terms.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| (&a.term, a.field).cmp(&(&b.term, b.field)))
    });
    score
}
