//! Writes the table of bundled entries: every knowledge file of the repository, embedded by path.
//! It does not read the format; a file that is wrong is reported at run time, with its line.

#[path = "src/hash.rs"]
mod hash;

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Sources whose text decides what a built index holds; a change makes cached indexes old.
const INDEX_SOURCES: [&str; 2] = ["src/documents.rs", "src/tokens.rs"];

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = manifest.join("..").join("entries");
    let mut files = Vec::new();
    if root.is_dir() {
        collect(&root, &mut files)?;
    }
    let mut names: Vec<String> = files
        .iter()
        .filter_map(|file| relative(&root, file))
        .filter(|name| is_knowledge(name))
        .collect();
    names.sort();
    let mut table = String::from("const FILES: &[(&str, &str)] = &[\n");
    let mut hashes = String::from("const HASHES: &[u64] = &[\n");
    for name in &names {
        writeln!(
            table,
            "    ({:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))),",
            format!("kb/entries/{name}"),
            format!("/../entries/{name}")
        )?;
        writeln!(hashes, "    {},", hash::of(&fs::read(root.join(name))?))?;
    }
    let mut code = hash::SEED;
    for source in INDEX_SOURCES {
        code = hash::add(code, &fs::read(manifest.join(source))?);
        announce(&manifest.join(source));
    }
    let code = format!(
        "/// Hash of the sources that decide what an index holds.\npub(crate) const CODE: u64 = {code};\n"
    );
    let out = PathBuf::from(env::var("OUT_DIR")?).join("bundled.rs");
    fs::write(out, format!("{table}];\n{hashes}];\n{code}"))?;
    announce(&root);
    announce(&manifest.join("build.rs"));
    announce(&manifest.join("src/hash.rs"));
    Ok(())
}

fn announce(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            collect(&item.path(), files)?;
        } else {
            files.push(item.path());
        }
    }
    Ok(())
}

/// The path below the root, with `/` on every system.
fn relative(root: &Path, file: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = file
        .strip_prefix(root)
        .ok()?
        .iter()
        .map(|part| part.to_str())
        .collect();
    Some(parts?.join("/"))
}

/// Entries at any depth, and one library in each language's folder.
fn is_knowledge(name: &str) -> bool {
    let mut parts = name.split('/');
    let last = parts.next_back().unwrap_or_default();
    let depth = parts.count();
    (last.ends_with(".md") && !last.eq_ignore_ascii_case("readme.md") && depth > 0)
        || (last == "library.toml" && depth == 1)
}
