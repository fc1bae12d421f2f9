//! The folder of built indexes: found by content, written whole or not at all, swept.
//! Every failure here costs time only; it knows nothing of what an index holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use kb_schema::EntrySet;
use tantivy::directory::{MmapDirectory, RamDirectory};

use crate::index::{self, SearchIndex};
use crate::{bundled, hash};

/// The form of the documents and of the folder. Raise it when either changes in a way that the
/// sources of fields and terms, which are fingerprinted too, do not show.
pub const FORMAT: u32 = 1;
/// How many indexes are kept: a few versions of the binary and of a user's folder.
const KEPT: usize = 4;
/// After that time an unfinished folder belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(3600);
/// Beginning of the name of an unfinished folder.
const UNFINISHED: &str = "tmp-";
/// Beginning of the name of a finished folder.
const FINISHED: &str = "bm25-";

/// The index of these entries: from the cache when it is there and whole, else built, and then
/// left in the cache for the next time. Nothing only if it can be had in neither way.
pub(crate) fn load(cache: Option<&Path>, set: &EntrySet, entries_hash: u64) -> Option<SearchIndex> {
    let folder = cache.map(|cache| cache.join("index"));
    let name = format!(
        "{FINISHED}{FORMAT}-{:016x}",
        hash::add(entries_hash, &bundled::CODE.to_le_bytes())
    );
    if let Some(folder) = &folder
        && let Some(opened) = index::open(&folder.join(&name), set)
    {
        return Some(opened);
    }
    let (built, files) = index::build(set).ok()?;
    if let Some(folder) = &folder
        && save(folder, &name, &files).is_some()
    {
        sweep(folder, &name);
    }
    Some(built)
}

/// Writes the index beside its place and moves it there in one step, so that no reader sees half
/// of it. When another process was faster, its index is replaced by one of the same contents;
/// who has that one open keeps it.
fn save(folder: &Path, name: &str, files: &RamDirectory) -> Option<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let unique = |kind: &str| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        folder.join(format!(
            "{UNFINISHED}{kind}-{}-{number}",
            std::process::id()
        ))
    };
    let (new, old, place) = (unique("new"), unique("old"), folder.join(name));
    let saved = fs::create_dir_all(&new).ok().and_then(|()| {
        files.persist(&MmapDirectory::open(&new).ok()?).ok()?;
        // Whatever stands there was refused a moment ago.
        let _ = fs::rename(&place, &old);
        fs::rename(&new, &place).ok()
    });
    for left in [new, old] {
        let _ = fs::remove_dir_all(&left).or_else(|_| fs::remove_file(&left));
    }
    saved
}

/// Takes away all but the newest indexes, and what dead processes left.
fn sweep(folder: &Path, current: &str) {
    let now = SystemTime::now();
    let mut finished: Vec<(SystemTime, PathBuf)> = Vec::new();
    for item in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = item.file_name();
        let name = name.to_string_lossy();
        let modified = item
            .metadata()
            .and_then(|meta| meta.modified())
            .unwrap_or(now);
        if name.starts_with(FINISHED) && name != current {
            finished.push((modified, item.path()));
        }
        let age = now.duration_since(modified).unwrap_or_default();
        if name.starts_with(UNFINISHED) && age > ABANDONED {
            let _ = fs::remove_dir_all(item.path());
        }
    }
    finished.sort();
    let surplus = (finished.len() + 1).saturating_sub(KEPT);
    for (_, path) in finished.into_iter().take(surplus) {
        let _ = fs::remove_dir_all(path);
    }
}
