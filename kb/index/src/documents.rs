//! What an index holds: one document for every entry and one for every discussion.
//! It knows the fields and their weights; how they are stored and scored is not its business.

use kb_schema::{Discussion, Entry, Site};

/// The share of a term's repetition that counts: tantivy's BM25 k1.
pub const K1: f32 = 1.2;
/// How much a long field is held back: tantivy's BM25 b.
pub const B: f32 = 0.75;

/// A field and how much a term found in it weighs. Signs of code say most about code; prose uses
/// the same words for every weakness.
pub const FIELDS: [(&str, f32); 7] = [
    ("id", 2.0),
    ("title", 2.0),
    ("prose", 1.0),
    ("code", 3.0),
    ("markers", 4.0),
    ("apis", 3.0),
    ("tags", 1.5),
];

/// How many discussions' places one entry has in the keys of documents.
const PLACES: u64 = 1 << 16;

/// A document's key: the place of its entry in the sorted set, and 0 for the entry itself or the
/// place of the discussion from 1. Keys grow with ids, which settles ties.
pub(crate) fn key(entry: usize, discussion: Option<usize>) -> u64 {
    entry as u64 * PLACES + discussion.map_or(0, |place| place as u64 + 1)
}

/// The entry's place and the discussion's.
pub(crate) fn places(key: u64) -> (usize, Option<usize>) {
    let discussion = (key % PLACES).checked_sub(1);
    (
        (key / PLACES) as usize,
        discussion.map(|place| place as usize),
    )
}

/// The texts of one document, in the order of [`FIELDS`].
pub(crate) type Texts = [String; FIELDS.len()];

/// The documents of an entry: its own first, then those of its discussions.
pub(crate) fn texts(entry: &Entry) -> impl Iterator<Item = (Option<usize>, Texts)> + '_ {
    let discussions = entry
        .discussions
        .iter()
        .take(PLACES as usize - 1)
        .enumerate()
        .map(|(place, discussion)| (Some(place), discussion_texts(entry, discussion)));
    std::iter::once((None, entry_texts(entry))).chain(discussions)
}

fn entry_texts(entry: &Entry) -> Texts {
    [
        entry.id.clone(),
        format!("{}\n{}", entry.title, entry.message),
        format!("{}\n{}", entry.body().why, entry.body().guideline),
        code(entry),
        entry.markers.join("\n"),
        entry.apis.join("\n"),
        tags(entry),
    ]
}

/// A discussion carries its entry's signs but not its examples. With their code it is found by
/// those very examples, which proves nothing, and less often by code that the entry does not hold.
fn discussion_texts(entry: &Entry, discussion: &Discussion) -> Texts {
    let title = match &discussion.site {
        Site::StackOverflow { slug, .. } if slug.replace('-', " ") != discussion.title => {
            format!("{}\n{}", discussion.title, slug.replace('-', " "))
        }
        _ => discussion.title.clone(),
    };
    [
        String::new(),
        title,
        discussion.warns.clone(),
        String::new(),
        entry.markers.join("\n"),
        entry.apis.join("\n"),
        tags(entry),
    ]
}

fn code(entry: &Entry) -> String {
    let blocks: Vec<&str> = entry
        .body()
        .examples
        .iter()
        .map(|example| example.code.as_str())
        .collect();
    blocks.join("\n")
}

fn tags(entry: &Entry) -> String {
    let cwe: Vec<String> = entry.cwe_names().collect();
    format!("{} {}", entry.language.id(), cwe.join(" "))
}
