//! Posts on their way to the thread that indexes them: counted in bytes, because the writer counts
//! them by number only and ten thousand long posts are gigabytes.
//! It knows documents by their length, nothing of what they say.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tantivy::TantivyDocument;
use tantivy::schema::document::Document;

/// So many bytes of text may wait.
const WAITING_BYTES: usize = 8 << 20;
/// After so long a document is handed over regardless: a writer that died takes nothing any more,
/// and says so only to those who give it something.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many bytes wait.
#[derive(Debug, Default)]
pub(super) struct Room {
    taken: Mutex<usize>,
    freed: Condvar,
}

impl Room {
    /// Waits until there is room for so many bytes; at once where nothing else waits.
    pub(super) fn enter(self: &Arc<Self>, bytes: usize) -> Place {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |taken: &mut usize| *taken > 0 && *taken + bytes > WAITING_BYTES;
        let (mut taken, _) = self
            .freed
            .wait_timeout_while(taken, PATIENCE, full)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += bytes;
        Place {
            room: Arc::clone(self),
            bytes,
        }
    }
}

/// What one document takes of the room, until it is dropped.
pub(super) struct Place {
    room: Arc<Room>,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self
            .room
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_sub(self.bytes);
        self.room.freed.notify_one();
    }
}

/// A document that waits.
pub(super) struct Waiting {
    pub(super) document: TantivyDocument,
    pub(super) _place: Place,
}

impl Document for Waiting {
    type Value<'a> = <TantivyDocument as Document>::Value<'a>;
    type FieldsValuesIter<'a> = <TantivyDocument as Document>::FieldsValuesIter<'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        self.document.iter_fields_and_values()
    }

    /// The indexing thread takes it; its place is free.
    fn into_tantivy_document(self) -> TantivyDocument {
        self.document
    }
}
