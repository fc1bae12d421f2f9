//! `secondlook model pull --file`: fetches a GGUF file for the local backend. What the file computes is
//! not its business; `secondlook-codecode` looks closer when it opens it.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};

use crate::embedding::{OnHub, fetch, lock, place};
use crate::{EXIT_INTERRUPTED, output, progress};

/// The largest file that is fetched, in bytes: more than a laptop's memory holds.
const MAX_FILE: u64 = 64 << 30;

/// What a file of this kind begins with.
const MAGIC: &[u8] = b"GGUF";

/// Fetches a file of a model and puts it where the local backend finds it by name.
pub(crate) fn pull(from: &OnHub<'_>, file: &str, name: Option<&str>) -> anyhow::Result<u8> {
    from.check()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let Some(stem) = file.strip_suffix(".gguf") else {
        bail!("`{file}` is no GGUF file");
    };
    if stem.is_empty() || stem.starts_with('.') || !stem.chars().all(plain) {
        bail!("`{file}` is no name of a file on a hub");
    }
    let name = name.unwrap_or(stem);
    let name = name.strip_suffix(".gguf").unwrap_or(name);
    let place = place(&format!("{name}.gguf"))?;
    progress::watch_interrupts();
    let aside = from.aside()?;
    let _alone = lock(&aside)?;
    let want = llm::Fetch {
        url: from.address(file),
        path: aside.join(file),
        limit: MAX_FILE,
        sha256: from.sha256.map(str::to_owned),
    };
    match fetch(&want, file) {
        Ok(()) => {}
        Err(llm::FetchError::Interrupted) => {
            output::error(&llm::FetchError::Interrupted.to_string());
            return Ok(EXIT_INTERRUPTED);
        }
        Err(error) => return Err(error.into()),
    }
    if !is_gguf(&want.path)? {
        let _ = fs::remove_file(&want.path);
        bail!("{}: what came is no GGUF file; it was deleted", want.url);
    }
    fs::rename(&want.path, &place).with_context(|| place.display().to_string())?;
    // Other files of the model may be on their way; then the folder stays.
    let _ = fs::remove_file(aside.join("lock"));
    let _ = fs::remove_dir(&aside);
    output::note(&format!("installed in {}", place.display()));
    output::out(&format!("codecode-base = \"{name}\"\n"));
    Ok(0)
}

fn is_gguf(path: &Path) -> anyhow::Result<bool> {
    let mut head = Vec::new();
    let file = File::open(path).with_context(|| path.display().to_string())?;
    file.take(MAGIC.len() as u64)
        .read_to_end(&mut head)
        .with_context(|| path.display().to_string())?;
    Ok(head == MAGIC)
}
