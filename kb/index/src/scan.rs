//! A user's folders: which knowledge files they hold, cheaply, and what is in them.
//! It knows file names and limits; the format of the files is not its business.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kb_schema::Problem;

use crate::hash;
use crate::load::{Knowledge, add_file};

/// The longest file that is read, in bytes; the bundled entries are around 4 KiB.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The most files that are read: a folder with more is surely not a folder of entries.
const MAX_FILES: usize = 10_000;
/// The most names that are looked at in one scan, so that a home folder given by mistake ends.
const MAX_NAMES: usize = 200_000;
/// How deep folders are followed.
const MAX_DEPTH: usize = 16;

/// What the file system tells of one file without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
}

/// The knowledge files of all folders at one moment. Equal scans need no second reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    files: Vec<Stamp>,
    problems: Vec<Problem>,
}

impl Scan {
    /// Looks through the folders in order. `optional` is a folder that need not exist.
    pub(crate) fn of(folders: &[PathBuf], optional: Option<&Path>) -> Self {
        let mut scan = Self::default();
        let mut walk = Walk::default();
        for folder in folders {
            if let Err(error) = fs::read_dir(folder) {
                let missing = error.kind() == io::ErrorKind::NotFound;
                if !(missing && optional == Some(folder)) {
                    scan.problem(folder, format!("the folder cannot be read: {error}"));
                }
                continue;
            }
            scan.folder(folder, &mut walk);
        }
        scan
    }

    fn problem(&mut self, path: &Path, message: String) {
        self.problems.push(Problem {
            path: path.display().to_string(),
            line: 1,
            message,
        });
    }

    fn folder(&mut self, folder: &Path, walk: &mut Walk) {
        let mut open = vec![(folder.to_owned(), 0)];
        let mut found = Vec::new();
        while let Some((folder, depth)) = open.pop() {
            if !walk.is_new(&folder) {
                continue;
            }
            let items = match fs::read_dir(&folder) {
                Ok(items) => items,
                Err(error) => {
                    self.problem(&folder, format!("the folder cannot be read: {error}"));
                    continue;
                }
            };
            for item in items.flatten() {
                walk.names += 1;
                if walk.names > MAX_NAMES {
                    self.problem(
                        &folder,
                        format!("more than {MAX_NAMES} names; the rest is left out"),
                    );
                    open.clear();
                    break;
                }
                let path = item.path();
                if is_hidden(&path) {
                    continue;
                }
                // A link that leads nowhere is reported only where it would have been an entry.
                match fs::metadata(&path) {
                    Ok(meta) if meta.is_dir() => {
                        if depth < MAX_DEPTH {
                            open.push((path, depth + 1));
                        }
                    }
                    Ok(meta) if meta.is_file() && is_knowledge(&path) => found.push(Stamp {
                        bytes: meta.len(),
                        modified: meta.modified().ok(),
                        path,
                    }),
                    Ok(_) => {}
                    Err(error) if is_knowledge(&path) => {
                        self.problem(&path, format!("the file cannot be read: {error}"));
                    }
                    Err(_) => {}
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        for stamp in found {
            if !walk.is_new(&stamp.path) {
                continue;
            }
            if self.files.len() == MAX_FILES {
                self.problem(
                    folder,
                    format!("more than {MAX_FILES} files; the rest is left out"),
                );
                break;
            }
            self.files.push(stamp);
        }
        self.problems.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// Reads every file that was found.
    pub(crate) fn read(&self) -> Knowledge {
        let mut knowledge = Knowledge {
            problems: self.problems.clone(),
            ..Knowledge::default()
        };
        for stamp in &self.files {
            let name = stamp.path.display().to_string();
            match read_text(&stamp.path) {
                Ok(text) => add_file(&mut knowledge, &name, &text, hash::of(text.as_bytes())),
                Err(problem) => knowledge.problems.push(Problem {
                    path: name,
                    ..problem
                }),
            }
        }
        knowledge
    }
}

/// What one scan has seen: links may lead in circles, and folders may lie in each other.
#[derive(Default)]
struct Walk {
    seen: HashSet<PathBuf>,
    names: usize,
}

impl Walk {
    fn is_new(&mut self, path: &Path) -> bool {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        self.seen.insert(real)
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Entries, and a library; a README beside them is for people.
fn is_knowledge(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name == "library.toml"
        || (path.extension().is_some_and(|end| end == "md")
            && !name.eq_ignore_ascii_case("readme.md"))
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let problem = |line, message| Problem {
        path: String::new(),
        line,
        message,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| problem(1, format!("the file cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(problem(
            1,
            format!("the file is longer than {MAX_FILE_BYTES} bytes"),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
        problem(line, "the file is not UTF-8 from here on".to_owned())
    })
}
