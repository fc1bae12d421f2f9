//! Repository chores: reading the tree, the arrows of docs/architecture.md, and the manifests.
//! It knows how the repository is laid out, and nothing of what any crate computes.

mod arrows;
mod manifest;
mod tree;

pub use arrows::{Arrows, Outside};
pub use manifest::{Manifest, manifests};
pub use tree::{root, tracked_texts};
