//! The knowledge that travels inside the binary, parsed once per process.
//! It opens no file.

use std::sync::{Arc, OnceLock};

use crate::load::{Knowledge, add_file};

mod table {
    //! Written by `build.rs`.
    include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

    pub(super) const fn files() -> &'static [(&'static str, &'static str)] {
        FILES
    }

    pub(super) const fn hashes() -> &'static [u64] {
        HASHES
    }
}

pub(crate) use table::CODE;

/// Every bundled knowledge file: its path in the repository and its text.
#[must_use]
pub fn bundled() -> &'static [(&'static str, &'static str)] {
    table::files()
}

/// The bundled files, parsed; entries and libraries are shared by every store.
pub(crate) fn parsed() -> Arc<Knowledge> {
    static PARSED: OnceLock<Arc<Knowledge>> = OnceLock::new();
    Arc::clone(PARSED.get_or_init(|| {
        let mut knowledge = Knowledge::default();
        for ((path, text), &hash) in bundled().iter().zip(table::hashes()) {
            add_file(&mut knowledge, path, text, hash);
        }
        for loaded in knowledge.entries.values_mut() {
            Arc::make_mut(&mut loaded.entry).bundled = true;
        }
        Arc::new(knowledge)
    }))
}
