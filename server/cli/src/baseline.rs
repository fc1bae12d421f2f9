//! What is known and accepted: fingerprints of findings that survive moved lines and changed
//! spaces, and the file that keeps them. It does not decide what is found.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use analysis::Finding;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::options::absolute;

/// The version of the file that this program writes and reads.
const VERSION: u32 = 1;
/// A larger file is something else.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    findings: Vec<Row>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    path: String,
    entry: String,
    fingerprint: String,
}

/// What a baseline knows.
#[derive(Debug, Default)]
pub(crate) struct Baseline {
    folder: PathBuf,
    /// By path as the file writes it, then how often each fingerprint is there.
    files: HashMap<String, HashMap<String, usize>>,
    /// Of files that are gone: they may have been renamed.
    moved: HashMap<String, usize>,
}

impl Baseline {
    /// Reads a baseline.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = (|| {
            let size = std::fs::metadata(path)
                .map_err(|error| anyhow::anyhow!(crate::files::plain(&error)))?
                .len();
            if size > MAX_BYTES {
                bail!("larger than {} MiB", MAX_BYTES >> 20);
            }
            std::fs::read_to_string(path)
                .map_err(|error| anyhow::anyhow!(crate::files::plain(&error)))
        })()
        .with_context(|| format!("baseline {}", path.display()))?;
        let file: File = serde_json::from_str(&text).with_context(|| {
            format!(
                "baseline {}: write it anew with --write-baseline",
                path.display()
            )
        })?;
        if file.version != VERSION {
            bail!(
                "baseline {}: version {} is not known; write it anew with --write-baseline",
                path.display(),
                file.version
            );
        }
        let mut out = Self {
            folder: folder_of(path),
            ..Self::default()
        };
        let mut there: HashMap<String, bool> = HashMap::new();
        for row in file.findings {
            let exists = *there
                .entry(row.path.clone())
                .or_insert_with(|| out.folder.join(&row.path).exists());
            let rows = if exists {
                out.files.entry(row.path).or_default()
            } else {
                &mut out.moved
            };
            *rows.entry(row.fingerprint).or_default() += 1;
        }
        Ok(out)
    }

    /// For each fingerprint of a file, whether it is known.
    pub(crate) fn known(&self, path: &Path, fingerprints: &[String]) -> Vec<bool> {
        let rows = self.files.get(&relative(&self.folder, path));
        fingerprints
            .iter()
            .map(|it| rows.is_some_and(|rows| rows.contains_key(it)) || self.moved.contains_key(it))
            .collect()
    }
}

/// Writes a baseline of these findings: path and entry and fingerprint of each.
pub(crate) fn write<'a>(
    path: &Path,
    findings: impl Iterator<Item = (&'a Path, &'a str, &'a str)>,
) -> anyhow::Result<usize> {
    let folder = folder_of(path);
    let mut rows: Vec<Row> = findings
        .map(|(file, entry, fingerprint)| Row {
            path: relative(&folder, file),
            entry: entry.to_owned(),
            fingerprint: fingerprint.to_owned(),
        })
        .collect();
    rows.sort();
    let number = rows.len();
    let file = File {
        version: VERSION,
        findings: rows,
    };
    let text = serde_json::to_string_pretty(&file)? + "\n";
    std::fs::write(path, text)
        .map_err(|error| anyhow::anyhow!(crate::files::plain(&error)))
        .with_context(|| format!("baseline {}", path.display()))?;
    Ok(number)
}

/// One fingerprint for each finding of a text: of its entry, its code without spaces, and which of
/// several equal ones it is.
pub(crate) fn fingerprints(text: &str, findings: &[Finding]) -> Vec<String> {
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    findings
        .iter()
        .map(|finding| {
            let code = text.get(finding.matched.clone()).unwrap_or("");
            let mut hash = Fnv::new();
            hash.add(finding.entry.id.as_bytes());
            hash.add(&[0]);
            for word in code.split_whitespace() {
                hash.add(word.as_bytes());
            }
            let nth = seen.entry(hash.0).or_default();
            *nth += 1;
            format!("{:016x}:{nth}", hash.0)
        })
        .collect()
}

/// The hash FNV-1a: what stands in files must not change with a library's version.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

fn folder_of(path: &Path) -> PathBuf {
    absolute(path)
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// A path as a baseline writes it: from its own folder, with slashes, so that a checkout elsewhere
/// reads it too.
fn relative(folder: &Path, path: &Path) -> String {
    let path = absolute(path);
    let common = folder
        .components()
        .zip(path.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = folder.components().skip(common).map(|_| "..".into());
    let down = path.components().skip(common);
    let parts: Vec<std::borrow::Cow<'_, str>> = up
        .chain(down.map(|it| it.as_os_str().to_string_lossy()))
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::relative;

    #[test]
    fn paths_are_written_from_the_folder_of_the_baseline() {
        let from = |folder, path| relative(Path::new(folder), Path::new(path));
        assert_eq!(from("/p", "/p/src/a.py"), "src/a.py");
        assert_eq!(from("/p/ci", "/p/src/a.py"), "../src/a.py");
    }
}
