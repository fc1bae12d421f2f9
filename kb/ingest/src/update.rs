//! An index brought up to what its source holds now: what is new or different is written, what is
//! gone is taken away, the rest is left alone. It knows posts by number and fingerprint.

use kb_index::{PostWriter, Put};
use kb_schema::Post;
use roaring::RoaringTreemap;

use crate::error::ImportError;
use crate::options::Report;

/// What an index held before, and what of it the source still has.
pub(crate) struct Update {
    /// Number and fingerprint of each post, by number.
    known: Vec<(u64, u64)>,
    held: RoaringTreemap,
}

impl Update {
    pub(crate) fn of(writer: &PostWriter) -> Result<Self, ImportError> {
        Ok(Self {
            known: writer.known()?,
            held: RoaringTreemap::new(),
        })
    }

    fn fingerprint(&self, id: u64) -> Option<u64> {
        let at = self.known.binary_search_by_key(&id, |it| it.0).ok()?;
        Some(self.known[at].1)
    }

    /// Leaves a post as it was, where there was one.
    pub(crate) fn leave(&mut self, id: u64, report: &mut Report) {
        if self.fingerprint(id).is_some() {
            self.held.insert(id);
            report.unchanged += 1;
        }
    }

    /// Writes a post, unless it is there in this form.
    pub(crate) fn put(
        &mut self,
        writer: &mut PostWriter,
        post: &Post,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        self.held.insert(post.id);
        match writer.put(post, self.fingerprint(post.id))? {
            Put::Added => report.added += 1,
            Put::Changed => report.changed += 1,
            Put::Unchanged => report.unchanged += 1,
        }
        Ok(())
    }

    /// Takes away what the source no longer has. How many posts it has.
    pub(crate) fn finish(
        self,
        writer: &mut PostWriter,
        report: &mut Report,
    ) -> Result<u64, ImportError> {
        for (id, _) in self.known {
            if !self.held.contains(id) {
                writer.remove(id)?;
                report.removed += 1;
            }
        }
        Ok(self.held.len())
    }
}
