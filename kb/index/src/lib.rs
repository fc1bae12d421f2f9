//! Retrieval: the bundled entries and every installed one, in a BM25 index that is opened, not built.
//! It knows knowledge files and folders; it knows no analysed code's meaning, no editor, no network.

mod bundled;
mod cache;
mod documents;
mod hash;
mod index;
mod load;
mod packed;
mod posts;
mod related;
mod scan;
mod shares;
mod store;
mod tokens;
mod watch;

pub use cache::FORMAT;
pub use documents::{B, FIELDS, K1};
pub use index::{MAX_HITS, MAX_QUERY_TERMS};
pub use posts::{
    IndexError, IndexKind, Installed, Manifest, POST_FIELDS, POST_QUERY_TERMS, POSTS_FORMAT,
    PostWriter, Step,
};
pub use related::discussions_for;
pub use store::{Options, Store, default_entry_dir, default_index_dir};
pub use tokens::{MAX_TERM_CHARS, tokenize};
pub use watch::{WATCH_INTERVAL, WatchGuard};
