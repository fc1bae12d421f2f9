//! Repository chores: reading the tree, the arrows of docs/architecture.md, the manifests, and the
//! settings in the editors' files.
//! It knows how the repository is laid out, and nothing of what any crate computes.

mod arrows;
mod generated;
mod manifest;
mod tree;

pub use arrows::{Arrows, Outside};
pub use generated::{Generated, generated};
pub use manifest::{Manifest, manifests};
pub use tree::{root, tracked_texts};
