//! Which parts of an index become one: enough that a query meets few of them, and so little at once
//! that an import's memory stays bounded. It knows parts by their sizes, never what they hold.

use std::fs;
use std::path::PathBuf;

use tantivy::SegmentMeta;
use tantivy::index::SegmentComponent;
use tantivy::merge_policy::{MergeCandidate, MergePolicy};

/// The most bytes that are merged at once. Whoever merges has the files of all parts mapped, so
/// this is what merging adds to the memory of an import. A part as a writer leaves it is often
/// larger and then stays as it is: a million posts are some fifteen parts.
const MERGED_BYTES: u64 = 64 << 20;
/// So many small parts are worth merging.
const ENOUGH: usize = 8;

/// Merges small parts with each other, and writes those anew that are mostly deleted.
#[derive(Debug)]
pub(super) struct SmallMerges {
    /// Where the parts lie.
    pub(super) folder: PathBuf,
}

impl SmallMerges {
    fn bytes(&self, part: &SegmentMeta) -> u64 {
        let components = [
            SegmentComponent::Store,
            SegmentComponent::Postings,
            SegmentComponent::Terms,
            SegmentComponent::FastFields,
        ];
        components
            .into_iter()
            .filter_map(|it| fs::metadata(self.folder.join(part.relative_path(it))).ok())
            .map(|it| it.len())
            .sum()
    }
}

impl MergePolicy for SmallMerges {
    fn compute_merge_candidates(&self, parts: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let mut sized: Vec<(u64, &SegmentMeta)> =
            parts.iter().map(|it| (self.bytes(it), it)).collect();
        sized.sort_by_key(|(bytes, part)| (*bytes, part.id()));
        let mut sum = 0;
        let small = sized
            .iter()
            .take_while(|(bytes, _)| {
                sum += bytes;
                sum <= MERGED_BYTES
            })
            .count();
        let mut merges = Vec::new();
        let mut rest = sized.as_slice();
        if small >= ENOUGH {
            let (together, larger) = sized.split_at(small);
            let together = together.iter().map(|(_, part)| part.id()).collect();
            merges.push(MergeCandidate(together));
            rest = larger;
        }
        let hollow = rest
            .iter()
            .filter(|(_, part)| part.num_deleted_docs() > part.num_docs());
        merges.extend(hollow.map(|(_, part)| MergeCandidate(vec![part.id()])));
        merges
    }
}
