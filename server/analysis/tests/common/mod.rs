//! What the tests of this crate share: the repository's own entries, read from the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kb_schema::{EntrySet, Language};

/// Reads kb/entries from the disk, so that a changed entry is tested without a rebuild.
pub(crate) fn load() -> EntrySet {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kb/entries");
    let mut set = EntrySet::default();
    for language in Language::ALL {
        let mut files: Vec<PathBuf> = std::fs::read_dir(root.join(language.id()))
            .map(|dir| dir.flatten().map(|it| it.path()).collect())
            .unwrap_or_default();
        files.sort();
        for path in files {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if path.extension().is_some_and(|it| it == "md") {
                match kb_schema::parse_entry(&name, &text) {
                    Ok(entry) => set.entries.push(Arc::new(entry)),
                    Err(problems) => set.problems.extend(problems),
                }
            } else if path.file_name().is_some_and(|it| it == "library.toml") {
                match kb_schema::parse_library(&name, &text) {
                    Ok(library) => set.libraries.push(Arc::new(library)),
                    Err(problems) => set.problems.extend(problems),
                }
            }
        }
    }
    set
}
