//! Pairs that a user added: their two written forms, and the file that they are kept in.
//! It knows records and files; how demonstrations are searched is not its business.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use kb_schema::{Demonstration, Language};
use serde::{Deserialize, Serialize};

/// How large one side of a pair may be, in bytes.
const MAX_CODE: usize = 256 << 10;
/// The file of added pairs in its folder: one JSON object a line.
const PAIRS: &str = "pairs.jsonl";
/// The file of vectors beside it.
const VECTORS: &str = "vectors.bin";
/// The largest file of pairs that is read, in bytes.
const MAX_PAIRS: u64 = 256 << 20;

/// A fixed function as it is kept: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// A name for people; made from the code where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `python` or `c`.
    pub language: String,
    /// Weaknesses such as `CWE-89`.
    #[serde(default)]
    pub cwe: Vec<String>,
    /// The function before.
    pub before: String,
    /// The function after.
    pub after: String,
}

impl Pair {
    /// Reads one line of JSON.
    ///
    /// # Errors
    /// Says what is wrong with the line.
    pub fn parse(line: &str) -> Result<Self, String> {
        let pair: Self = serde_json::from_str(line).map_err(|error| error.to_string())?;
        pair.demonstration()?;
        Ok(pair)
    }

    /// Reads a text with two fenced blocks, ```` ```python before ```` and ```` ```python after ````,
    /// and optionally a line `cwe: CWE-89` above them.
    ///
    /// # Errors
    /// Says which part is missing or not understood.
    pub fn parse_text(text: &str) -> Result<Self, String> {
        let (mut before, mut after, mut cwe) = (None, None, Vec::new());
        let mut language = None;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(names) = line.strip_prefix("cwe:") {
                cwe.extend(names.split(',').map(|it| it.trim().to_owned()));
            }
            let Some(info) = line.strip_prefix("```") else {
                continue;
            };
            let mut code = String::new();
            let mut closed = false;
            for line in lines.by_ref() {
                if line.trim_end() == "```" {
                    closed = true;
                    break;
                }
                code.push_str(line);
                code.push('\n');
            }
            if !closed {
                return Err(format!("the block ```{info} has no end"));
            }
            let mut words = info.split_whitespace();
            let (named, side) = (words.next(), words.next());
            match side {
                Some("before") => before = Some(code),
                Some("after") => after = Some(code),
                _ => continue,
            }
            language = named.map(str::to_owned);
        }
        let pair = Self {
            id: None,
            language: language.ok_or("there is no block `before` and no block `after`")?,
            cwe,
            before: before.ok_or("there is no block `before`")?,
            after: after.ok_or("there is no block `after`")?,
        };
        pair.demonstration()?;
        Ok(pair)
    }

    /// The demonstration that the pair makes.
    ///
    /// # Errors
    /// Says which value is not understood.
    pub fn demonstration(&self) -> Result<Demonstration, String> {
        let language = Language::ALL
            .into_iter()
            .find(|it| it.id() == self.language)
            .ok_or_else(|| format!("language `{}` is neither python nor c", self.language))?;
        let mut cwe = Vec::new();
        for name in &self.cwe {
            let number = name
                .strip_prefix("CWE-")
                .and_then(|it| it.parse().ok())
                .ok_or_else(|| format!("`{name}` is no weakness such as CWE-89"))?;
            cwe.push(number);
        }
        for (side, code) in [("before", &self.before), ("after", &self.after)] {
            if code.trim().is_empty() {
                return Err(format!("`{side}` is empty"));
            }
            if code.len() > MAX_CODE {
                return Err(format!("`{side}` is larger than {} KiB", MAX_CODE >> 10));
            }
        }
        if self.before == self.after {
            return Err("`before` and `after` are the same".to_owned());
        }
        Ok(Demonstration {
            id: self.id.clone().unwrap_or_else(|| "a pair".to_owned()),
            language,
            cwe,
            code: self.after.clone(),
            before: Some(self.before.clone()),
        })
    }
}

/// Why pairs could not be added. Nothing of the file was taken over then.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line is no pair.
    #[error("{}:{line}: {what}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The file holds none.
    #[error("{}: there is no pair in it", .0.display())]
    Empty(PathBuf),
}

/// What was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Pairs that are new.
    pub new: usize,
    /// Pairs that the base had already.
    pub known: usize,
}

/// The folder of a user's own demonstrations: reads it anew when its file changes.
pub struct PairStore {
    folder: PathBuf,
    read: Mutex<Option<Read>>,
}

/// The file as it was read.
struct Read {
    seen: Option<(SystemTime, u64)>,
    pairs: Arc<Vec<Demonstration>>,
    /// Counts the changes.
    generation: u64,
}

impl PairStore {
    /// The store in that folder, which need not exist.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            read: Mutex::new(None),
        }
    }

    /// The file of vectors that belongs to it.
    #[must_use]
    pub fn vectors(&self) -> PathBuf {
        self.folder.join(VECTORS)
    }

    /// The pairs as they are on disk now, and a number that grows with every change. Costs one
    /// look at the file when it has not changed. A line that is no pair is left out.
    pub fn pairs(&self) -> (Arc<Vec<Demonstration>>, u64) {
        let path = self.folder.join(PAIRS);
        let seen = fs::metadata(&path)
            .ok()
            .and_then(|meta| Some((meta.modified().ok()?, meta.len())));
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &*read
            && read.seen == seen
        {
            return (Arc::clone(&read.pairs), read.generation);
        }
        let text = match seen {
            Some((_, length)) if length <= MAX_PAIRS => {
                fs::read_to_string(&path).unwrap_or_default()
            }
            _ => String::new(),
        };
        let pairs: Vec<Demonstration> = text
            .lines()
            .filter_map(|line| Pair::parse(line).ok()?.demonstration().ok())
            .collect();
        let generation = read.as_ref().map_or(0, |it| it.generation) + 1;
        let pairs = Arc::new(pairs);
        *read = Some(Read {
            seen,
            pairs: Arc::clone(&pairs),
            generation,
        });
        (pairs, generation)
    }

    /// Adds the pairs of a file: lines of JSON, or a text with the blocks `before` and `after`.
    /// All of them or none; those that are there already are not added twice.
    ///
    /// # Errors
    /// Where the file cannot be read, holds no pair or one that is not understood, or the base
    /// cannot be written.
    pub fn add(&self, file: &Path) -> Result<Added, PairError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| PairError::Io { path, source }
        };
        let length = fs::metadata(file).map_err(io(file))?.len();
        if length > MAX_PAIRS {
            let source = std::io::Error::other(format!("larger than {} MiB", MAX_PAIRS >> 20));
            return Err(io(file)(source));
        }
        let text = fs::read_to_string(file).map_err(io(file))?;
        let pairs = parse(file, &text)?;
        fs::create_dir_all(&self.folder).map_err(io(&self.folder))?;
        let path = self.folder.join(PAIRS);
        let mut target = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(&path)
            .map_err(io(&path))?;
        // Two commands at once wait for each other here; readers need no lock, because what they
        // see ends with a whole line or with one that is no JSON yet.
        target.lock().map_err(io(&path))?;
        let before = fs::read_to_string(&path).map_err(io(&path))?;
        let known: HashSet<&str> = before.lines().collect();
        let mut lines = String::new();
        // A line that a full disk cut short is closed before anything is added to it.
        if !before.is_empty() && !before.ends_with('\n') {
            lines.push('\n');
        }
        let mut added = Added { new: 0, known: 0 };
        let mut own = HashSet::new();
        for pair in pairs {
            let line = serde_json::to_string(&pair).unwrap_or_default();
            if known.contains(line.as_str()) || !own.insert(line.clone()) {
                added.known += 1;
                continue;
            }
            lines.push_str(&line);
            lines.push('\n');
            added.new += 1;
        }
        if added.new > 0 {
            let written = target
                .write_all(lines.as_bytes())
                .and_then(|()| target.sync_all());
            if let Err(source) = written {
                let _ = target.set_len(before.len() as u64);
                return Err(io(&path)(source));
            }
        }
        Ok(added)
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<Pair>, PairError> {
    let wrong = |line: usize, what: String| PairError::Malformed {
        path: path.to_owned(),
        line,
        what,
    };
    if !text.trim_start().starts_with('{') && !text.trim().is_empty() {
        return Pair::parse_text(text)
            .map(|pair| vec![pair])
            .map_err(|what| wrong(1, what));
    }
    let pairs: Vec<Pair> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| Pair::parse(line).map_err(|what| wrong(number + 1, what)))
        .collect::<Result<_, _>>()?;
    if pairs.is_empty() {
        return Err(PairError::Empty(path.to_owned()));
    }
    Ok(pairs)
}
