//! Puts model files where they are found by name, whole and looked at, or not at all.
//! Knows files and checksums, nothing of decoding.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::{engine::Load, options::models_folder};

/// Bytes between two reports of progress.
const REPORT: u64 = 256 << 20;

/// Copies a GGUF file to the folder of models under `name`; gives the new place and the file's SHA-256.
///
/// # Errors
/// When it is no model that this program knows, has another checksum than the wanted one, or does not fit on the disk.
/// Nothing is left behind then, and a model that had the name before stays.
pub fn from_file(
    source: &Path,
    name: &str,
    wanted: Option<&str>,
    progress: impl FnMut(u64, u64),
) -> Result<(PathBuf, String)> {
    let folder = models_folder().context("neither XDG_DATA_HOME nor HOME names a folder")?;
    into(&folder, source, name, wanted, progress)
}

fn into(
    folder: &Path,
    source: &Path,
    name: &str,
    wanted: Option<&str>,
    mut progress: impl FnMut(u64, u64),
) -> Result<(PathBuf, String)> {
    let stem = name.strip_suffix(".gguf").unwrap_or(name);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    ensure!(
        !stem.is_empty() && stem.len() <= 128 && !stem.starts_with('.') && stem.chars().all(plain),
        "`{name}` is no name for a model; use letters, digits, `-`, `_` and `.`"
    );
    let wanted = wanted.map(str::to_ascii_lowercase);
    if let Some(sum) = &wanted {
        ensure!(
            sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit()),
            "a SHA-256 has 64 hexadecimal digits"
        );
    }
    let look = Load {
        model: source.to_owned(),
        adapter: None,
        context: 2,
        cache: None,
        rough: false,
    };
    ensure!(
        source.is_file(),
        "{} is not a file; a folder of safetensors is named where it lies",
        source.display()
    );
    look.need()?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let target = folder.join(format!("{stem}.gguf"));
    let mut copy = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    let mut reader = File::open(source).with_context(|| format!("{}", source.display()))?;
    let size = reader.metadata()?.len();
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    let (mut done, mut due) = (0_u64, REPORT);
    loop {
        let read = reader
            .read(&mut buffer)
            .with_context(|| format!("cannot read {}", source.display()))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        copy.write_all(&buffer[..read])
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        done += read as u64;
        if done >= due {
            progress(done, size);
            due = done + REPORT;
        }
    }
    let sum: String = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if let Some(wanted) = wanted {
        ensure!(
            sum == wanted,
            "{} has the SHA-256 {sum}, and {wanted} is wanted; it was not taken",
            source.display()
        );
    }
    copy.as_file()
        .sync_all()
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    copy.persist(&target)
        .with_context(|| format!("cannot write {}", target.display()))?;
    Ok((target, sum))
}
