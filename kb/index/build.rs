//! Reads and checks every knowledge file of the repository and writes them in the form that a
//! start reads fastest. A file that is wrong stops the build, with its line.

#[path = "src/hash.rs"]
mod hash;
#[path = "src/packed.rs"]
mod packed;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use kb_schema::Problem;
use packed::{Packed, PackedEntry};

/// Sources whose text decides what a built index holds; a change makes cached indexes old.
const INDEX_SOURCES: [&str; 2] = ["src/documents.rs", "src/tokens.rs"];

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = manifest.join("..").join("entries");
    announce(&root);
    for source in ["build.rs", "src/hash.rs", "src/packed.rs"] {
        announce(&manifest.join(source));
    }
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
    let mut reader = Reader::default();
    for name in &names {
        let text = fs::read_to_string(root.join(name))?;
        reader.add(&format!("kb/entries/{name}"), &text)?;
    }
    let mut code = hash::SEED;
    for source in INDEX_SOURCES {
        code = hash::add(code, &fs::read(manifest.join(source))?);
        announce(&manifest.join(source));
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("entries.bin"), reader.packed()?)?;
    fs::write(out.join("bodies.bin"), &reader.bodies)?;
    fs::write(
        out.join("code.rs"),
        format!(
            "/// Hash of the sources that decide what an index holds.\npub(crate) const CODE: u64 = {code};\n"
        ),
    )?;
    for problem in &reader.problems {
        println!("cargo::error={problem}");
    }
    Ok(())
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    entries: BTreeMap<String, PackedEntry>,
    libraries: Vec<(kb_schema::Library, u64)>,
    bodies: Vec<u8>,
    problems: Vec<Problem>,
}

impl Reader {
    fn add(&mut self, path: &str, text: &str) -> Result<(), Box<dyn Error>> {
        let hash = hash::of(text.as_bytes());
        if path.ends_with(".toml") {
            match kb_schema::parse_library(path, text) {
                Ok(library) => self.libraries.push((library, hash)),
                Err(problems) => self.problems.extend(problems),
            }
            return Ok(());
        }
        let entry = match kb_schema::parse_bundled(path, text) {
            Ok(entry) => entry,
            Err(problems) => {
                self.problems.extend(problems);
                return Ok(());
            }
        };
        if let Some(first) = self.entries.get(&entry.id) {
            self.problems.push(Problem {
                path: path.to_owned(),
                line: 1,
                message: format!("id `{}` is taken by {}", entry.id, first.entry.path),
            });
            return Ok(());
        }
        let start = self.bodies.len();
        self.bodies
            .extend(postcard::to_extend(entry.body(), Vec::new())?);
        let body = start..self.bodies.len();
        let id = entry.id.clone();
        self.entries.insert(id, PackedEntry { entry, hash, body });
        Ok(())
    }

    fn packed(&mut self) -> postcard::Result<Vec<u8>> {
        let packed = Packed {
            entries: std::mem::take(&mut self.entries).into_values().collect(),
            libraries: std::mem::take(&mut self.libraries),
        };
        postcard::to_extend(&packed, Vec::new())
    }
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
