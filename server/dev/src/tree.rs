//! The repository's files. It knows folders and bytes, not what a file means.

use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours: build outputs, caches, the repository's own data.
const SKIPPED: [&str; 7] = [
    "target",
    ".git",
    ".cache",
    "node_modules",
    "__pycache__",
    ".venv",
    ".pytest_cache",
];

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .ancestors()
        .nth(2)
        .unwrap_or(crate_folder)
        .to_path_buf()
}

/// Every text file of the repository with its path below the root, `/` between its parts, sorted.
/// Files that are not UTF-8 are left out: nothing here reads them.
#[must_use]
pub fn tracked_texts() -> Vec<(String, String)> {
    let root = root();
    let mut open = vec![root.clone()];
    let mut out = Vec::new();
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            // In a second work tree `.git` is a file.
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file()
                && let Ok(text) = std::fs::read_to_string(&path)
                && let Ok(below) = path.strip_prefix(&root)
            {
                out.push((below.to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    out.sort();
    out
}
