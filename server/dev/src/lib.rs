//! Repository chores: the layering test and the documents that are generated.
