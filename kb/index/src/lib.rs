//! Retrieval: the bundled entries and every installed one, in a BM25 index that is opened, not built.
