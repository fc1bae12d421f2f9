//! Installed indexes of imported discussions: what stands in their folders, and its format.
//! It knows posts as documents; where posts come from and who shows them is not its business.
//!
//! An index is a folder `NAME` with
//! - `stamp.json`: the format it is written in, read before anything else;
//! - `bm25/`: the index proper. Its manifest is the payload of tantivy's commit, so that documents
//!   and what is said of them change in one rename;
//! - `writer.lock`: held by the one process that writes;
//! - `import/`: what an unfinished import needs to go on. Readers never look there.

mod calibrate;
mod error;
mod frequencies;
mod merge;
mod queue;
mod read;
mod write;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tantivy::schema::{
    FAST, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
};

pub use calibrate::Calibration;
pub use error::IndexError;
pub use read::{Installed, POST_QUERY_TERMS};
pub(crate) use read::{Shelf, interleaved};
pub use write::{PostWriter, Put};

use crate::index::TOKENIZER;

/// The form of an installed index: its fields, their terms and the stored posts. Raise it when any
/// of them changes; a test holds the terms against it. An index of another form is refused and
/// must be imported again.
pub const POSTS_FORMAT: u32 = 1;

/// A field of a post and how much a term found in it weighs. Code is what a slice is compared
/// with; markers are code that somebody chose to name.
pub const POST_FIELDS: [(&str, f32); 5] = [
    ("code", 3.0),
    ("markers", 4.0),
    ("title", 2.0),
    ("prose", 1.0),
    ("tags", 1.5),
];

/// Where the code stands in [`POST_FIELDS`].
const CODE: usize = 0;
/// Where the markers stand.
const MARKERS: usize = 1;
/// Field of a post's number.
const ID: &str = "id";
/// Field of a post's fingerprint.
const HASH: &str = "hash";
/// Field of a post's languages, as bits; see [`languages`].
const LANGUAGES: &str = "languages";
/// Field of the post itself, as JSON.
const POST: &str = "post";

const STAMP: &str = "stamp.json";
const BM25: &str = "bm25";
const LOCK: &str = "writer.lock";
/// The longest name of an index, in bytes.
const MAX_NAME: usize = 64;

/// What an index was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IndexKind {
    /// A Stack Exchange dump.
    Dump,
    /// A folder of Markdown notes.
    Notes,
}

/// What an index says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What it was made from.
    pub kind: IndexKind,
    /// The address of the site its posts come from, or the folder of its notes.
    pub site: String,
    /// The files it was made from, as people name them.
    pub sources: Vec<String>,
    /// When it was last written, in seconds since 1970.
    pub written: u64,
    /// How many posts it holds.
    pub posts: u64,
    /// How often it was written; grows with every commit.
    pub revision: u64,
    /// The steps of the import's filter with what each kept, in order.
    pub steps: Vec<Step>,
    /// The options that decided what was kept, in words.
    pub options: Vec<String>,
}

/// One step of an import's filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it asks.
    pub name: String,
    /// How many posts passed.
    pub kept: u64,
    /// How many did not.
    pub dropped: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    format: u32,
}

/// Whether a name can be that of an index: a plain name that every file system can hold and that
/// leads nowhere else.
fn check_name(name: &str) -> Result<(), IndexError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = !name.is_empty()
        && name.len() <= MAX_NAME
        && name.chars().all(plain)
        && !name.starts_with(['.', '-']);
    if good {
        Ok(())
    } else {
        Err(IndexError::Name {
            name: name.to_owned(),
        })
    }
}

fn schema() -> Schema {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqs);
    let text = TextOptions::default().set_indexing_options(indexing);
    for (name, _) in POST_FIELDS {
        schema.add_text_field(name, text.clone());
    }
    // As a term, so that a post can be taken away, and as a number, so that all can be listed.
    schema.add_text_field("key", STRING);
    schema.add_u64_field(ID, FAST);
    schema.add_u64_field(HASH, FAST);
    schema.add_u64_field(LANGUAGES, FAST);
    schema.add_bytes_field(POST, STORED);
    schema.build()
}

/// Tags of other languages: a post that names one, and none of ours, serves none of ours.
const OTHERS: [&str; 24] = [
    "java",
    "javascript",
    "typescript",
    "node.js",
    "reactjs",
    "angular",
    "jquery",
    "php",
    "laravel",
    "c#",
    ".net",
    "asp.net",
    "asp.net-mvc",
    "vb.net",
    "ruby",
    "ruby-on-rails",
    "go",
    "rust",
    "swift",
    "objective-c",
    "kotlin",
    "scala",
    "perl",
    "android",
];
/// The bit of posts in another language.
const OTHER: u64 = 1 << 63;

/// A bit for each language that a post serves; all of ours where nothing says.
fn languages(post: &kb_schema::Post) -> u64 {
    if !post.languages.is_empty() {
        return post
            .languages
            .iter()
            .fold(0, |bits, it| bits | language(*it));
    }
    if post.tags.iter().any(|it| OTHERS.contains(&it.as_str())) {
        return OTHER;
    }
    u64::MAX
}

fn language(language: kb_schema::Language) -> u64 {
    match language {
        kb_schema::Language::Python => 1,
        kb_schema::Language::C => 2,
    }
}

fn folder(index_dir: &Path, name: &str) -> Result<PathBuf, IndexError> {
    check_name(name)?;
    Ok(index_dir.join(name))
}
