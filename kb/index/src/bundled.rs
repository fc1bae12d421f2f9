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

/// How many threads parse the bundled files: more would cost more to start than they save.
const THREADS: usize = 4;

/// The bundled files, parsed; entries and libraries are shared by every store. Start-up waits for
/// this, so every core helps.
pub(crate) fn parsed() -> Arc<Knowledge> {
    static PARSED: OnceLock<Arc<Knowledge>> = OnceLock::new();
    Arc::clone(PARSED.get_or_init(|| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let files: Vec<_> = bundled().iter().zip(table::hashes()).collect();
        let size = files.len().div_ceil(threads.min(THREADS)).max(1);
        let parts: Vec<Knowledge> = std::thread::scope(|scope| {
            let workers: Vec<_> = files
                .chunks(size)
                .map(|files| scope.spawn(|| part(files)))
                .collect();
            let join = |it: std::thread::ScopedJoinHandle<'_, Knowledge>| {
                it.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect()
        });
        let mut knowledge = Knowledge::default();
        for part in parts {
            knowledge.entries.extend(part.entries);
            knowledge.libraries.extend(part.libraries);
            knowledge.problems.extend(part.problems);
        }
        Arc::new(knowledge)
    }))
}

fn part(files: &[(&(&'static str, &'static str), &u64)]) -> Knowledge {
    let mut knowledge = Knowledge::default();
    for ((path, text), hash) in files {
        add_file(&mut knowledge, path, text, **hash, true);
    }
    knowledge
}
