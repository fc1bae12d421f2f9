//! Text, positions in every encoding, languages, and incremental syntax trees.
//!
//! This crate is a function of bytes and edits. It knows no network, no files, no async, no word
//! of the editor protocol, and nothing about security.

mod decode;
mod document;
mod language;
mod line_index;
mod node_names;
mod parse;
mod part;
mod position;
mod text;
mod walk;

pub use decode::{DecodeError, DecodeNote, Decoded, decode};
pub use document::{Applied, Change, Document, Edit, Nodes, Step};
pub use language::Language;
pub use line_index::{LineColumn, LineIndex};
pub use node_names::NodeNames;
pub use parse::{MAX_BYTES, parse, parse_unless};
pub use position::{Encoding, Position};
pub use text::Text;
pub use walk::{Descend, error_nodes, walk};

// The tree-sitter types that appear in this crate's own signatures, so that all users agree on one
// version of them.
pub use tree_sitter::{InputEdit, Node, Point, Tree};
