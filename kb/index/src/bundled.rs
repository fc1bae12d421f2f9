//! The knowledge that travels inside the binary: read and checked when it was built, unpacked once
//! per process. It opens no file.

use std::sync::{Arc, OnceLock};

use crate::load::{Knowledge, Loaded};
use crate::packed::Packed;

mod table {
    //! Written by `build.rs`.
    include!(concat!(env!("OUT_DIR"), "/code.rs"));

    pub(super) static ENTRIES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/entries.bin"));
    pub(super) static BODIES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bodies.bin"));
}

pub(crate) use table::CODE;

/// Everything bundled; entries and libraries are shared by every store.
pub(crate) fn unpacked() -> Arc<Knowledge> {
    static UNPACKED: OnceLock<Arc<Knowledge>> = OnceLock::new();
    Arc::clone(UNPACKED.get_or_init(|| Arc::new(unpack())))
}

fn unpack() -> Knowledge {
    let packed: Packed = postcard::from_bytes(table::ENTRIES).expect("the build script wrote them");
    let mut knowledge = Knowledge::default();
    for item in packed.entries {
        let body = &table::BODIES[item.body];
        let entry = item
            .entry
            .with_body(move || postcard::from_bytes(body).expect("the build script wrote it"));
        let loaded = Loaded {
            entry: Arc::new(entry),
            hash: item.hash,
        };
        knowledge.entries.insert(loaded.entry.id.clone(), loaded);
    }
    for (library, hash) in packed.libraries {
        knowledge.libraries.push((Arc::new(library), hash));
    }
    knowledge
}
