//! What the targets share: the repository's own entries, and inputs taken apart.
//! It knows no property; each target has its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kb_schema::{EntrySet, Language};

/// Reads kb/entries from the disk. `wanted` says by its name which file to take.
#[must_use]
pub fn knowledge(wanted: &dyn Fn(&str) -> bool) -> EntrySet {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kb/entries");
    let mut set = EntrySet::default();
    for language in Language::ALL {
        let folder = std::fs::read_dir(root.join(language.id())).expect("kb/entries is there");
        let mut files: Vec<PathBuf> = folder.flatten().map(|it| it.path()).collect();
        files.sort();
        for path in files {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(&path).expect("a knowledge file is UTF-8");
            if name.ends_with("library.toml") {
                let library = kb_schema::parse_library(&name, &text);
                set.libraries
                    .push(Arc::new(library.expect("the libraries are valid")));
            } else if name.ends_with(".md") && wanted(&name) {
                let entry = kb_schema::parse_bundled(&name, &text);
                set.entries
                    .push(Arc::new(entry.expect("the entries are valid")));
            }
        }
    }
    set
}

/// The first `N` bytes and the rest; missing bytes are zero.
#[must_use]
pub fn head<const N: usize>(data: &[u8]) -> ([u8; N], &[u8]) {
    let mut head = [0; N];
    let size = data.len().min(N);
    head[..size].copy_from_slice(&data[..size]);
    (head, &data[size..])
}
