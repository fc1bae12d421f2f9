//! Retrieval: the bundled entries and every installed one, in a BM25 index that is opened, not built.
//! It knows knowledge files and folders; it knows no analysed code's meaning, no editor, no network.

mod bundled;
mod cache;
mod demos;
mod dense;
mod documents;
#[cfg(feature = "dense")]
mod encoder;
mod fuse;
mod hash;
mod index;
mod leads;
mod lexical;
mod load;
mod packed;
mod pairs;
mod posts;
mod related;
mod scan;
mod shares;
mod signs;
mod store;
mod tokens;
mod vectors;
mod watch;

pub use cache::FORMAT;
pub use demos::{DEFAULT_RETRIEVER, Demonstrations, Retriever, demonstrations_of, encode_cached};
pub use dense::{
    DENSE_IS_BUILT, MODEL_FILES, Model, ModelError, OPTIONAL_MODEL_FILE, installed_model,
};
pub use documents::{B, FIELDS, K1};
pub use fuse::{ALPHA, Ranking, fuse};
pub use index::{MAX_HITS, MAX_QUERY_TERMS};
pub use leads::LEAD_WARNERS;
pub use pairs::{Added, Pair, PairError, PairStore};
pub use posts::{
    Calibration, IndexError, IndexKind, Installed, Manifest, POST_FIELDS, POST_QUERY_TERMS,
    POSTS_FORMAT, PostWriter, Put, Step,
};
pub use related::discussions_for;
pub use store::{Options, Store, default_entry_dir, default_index_dir};
pub use tokens::{MAX_TERM_CHARS, tokenize};
pub use watch::{WATCH_INTERVAL, WatchGuard};
