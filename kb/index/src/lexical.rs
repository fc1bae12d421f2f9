//! BM25 over texts in memory: the demonstrations' index, small and built anew when they change.
//! It knows texts by their number and nothing of what they are.

use std::collections::BTreeSet;

use tantivy::collector::TopDocs;
use tantivy::directory::RamDirectory;
use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{TextAnalyzer, TokenizerManager};
use tantivy::{Index, ReloadPolicy, Searcher, TantivyDocument, Term};

use crate::tokens::{CodeTokenizer, tokenize};

/// The name under which the schema refers to our tokenizer.
const TOKENIZER: &str = "code";
/// Memory for building, in bytes; tantivy asks for no less than 15 MB.
const BUILD_BYTES: usize = 16 << 20;
/// The most different terms of one query: a function of a thousand lines.
const MAX_TERMS: usize = 1024;

/// Texts that can be searched.
pub(crate) struct Lexical {
    searcher: Searcher,
    text: Field,
}

impl Lexical {
    pub(crate) fn build<'t>(texts: impl Iterator<Item = &'t str>) -> tantivy::Result<Self> {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(TOKENIZER)
            .set_index_option(IndexRecordOption::WithFreqs);
        let mut schema = Schema::builder();
        let text = schema.add_text_field(
            "text",
            TextOptions::default().set_indexing_options(indexing),
        );
        let number = schema.add_u64_field("number", FAST);
        let tokenizers = TokenizerManager::default();
        tokenizers.register(TOKENIZER, TextAnalyzer::from(CodeTokenizer));
        let mut writer = Index::builder()
            .schema(schema.build())
            .tokenizers(tokenizers)
            .single_segment_index_writer::<TantivyDocument>(RamDirectory::create(), BUILD_BYTES)?;
        for (place, each) in texts.enumerate() {
            let mut document = TantivyDocument::default();
            document.add_text(text, each);
            document.add_u64(number, place as u64);
            writer.add_document(document)?;
        }
        let reader = writer
            .finalize()?
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        Ok(Self {
            searcher: reader.searcher(),
            text,
        })
    }

    /// Numbers and scores of the texts that share a term with the query, best first, ties by number.
    pub(crate) fn rank(&self, query: &str, limit: usize) -> tantivy::Result<Vec<(usize, f32)>> {
        let terms: BTreeSet<String> = tokenize(query).into_iter().collect();
        let any: Vec<(Occur, Box<dyn Query>)> = terms
            .into_iter()
            .take(MAX_TERMS)
            .map(|term| {
                let term = Term::from_field_text(self.text, &term);
                let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
                (Occur::Should, Box::new(query) as Box<dyn Query>)
            })
            .collect();
        if any.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let top = TopDocs::with_limit(limit).order_by_score();
        let mut out = Vec::new();
        for (score, address) in self.searcher.search(&BooleanQuery::new(any), &top)? {
            let reader = self.searcher.segment_reader(address.segment_ord);
            if let Some(number) = reader.fast_fields().u64("number")?.first(address.doc_id)
                && let Ok(number) = usize::try_from(number)
            {
                out.push((number, score));
            }
        }
        out.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(out)
    }
}
