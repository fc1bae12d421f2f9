//! `secondlook model pull` and `show`: installs and names the embedding model of dense retrieval.
//! It copies files and has them opened once; what a model computes is not its business.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use kb_index::{MODEL_FILES, Model, ModelError, OPTIONAL_MODEL_FILE, installed_model};

use crate::output;

/// Installs the model of that folder under a name.
pub(crate) fn pull(from: &Path, name: Option<&str>) -> anyhow::Result<u8> {
    let name = name.unwrap_or("embedding");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        bail!("`{name}` is no name for a folder: letters, digits, `-`, `_` and `.`");
    }
    let place = models()?.join(name);
    install(from, &place)?;
    output::note(&format!("installed in {}", place.display()));
    tell_build();
    Ok(0)
}

/// Prints where the installed model lies.
pub(crate) fn show() -> anyhow::Result<u8> {
    let models = models()?;
    match installed_model(&models) {
        Some(folder) => output::out(&format!("{}\n", folder.display())),
        None => output::out(&format!("no embedding model in {}\n", models.display())),
    }
    tell_build();
    Ok(0)
}

fn models() -> anyhow::Result<PathBuf> {
    kb_index::Options::from_env()
        .models_dir
        .context("no folder for models: neither XDG_DATA_HOME nor HOME is set")
}

fn tell_build() {
    if !kb_index::DENSE_IS_BUILT {
        output::note(&ModelError::NotBuilt.to_string());
    }
}

/// Copies a model beside its place, opens it there, and moves it in; what stood there before goes
/// only then.
fn install(from: &Path, place: &Path) -> anyhow::Result<()> {
    let missing: Vec<&str> = MODEL_FILES
        .into_iter()
        .filter(|name| !from.join(name).is_file())
        .collect();
    if !missing.is_empty() {
        bail!(
            "{}: no embedding model: {} missing",
            from.display(),
            missing.join(", ")
        );
    }
    let parent = place.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    let mine = |kind: &str| -> PathBuf { parent.join(format!(".{kind}-{}", std::process::id())) };
    let (aside, old) = (mine("new"), mine("old"));
    let installed = fill(from, &aside).and_then(|()| {
        if place.exists() {
            fs::rename(place, &old).with_context(|| place.display().to_string())?;
        }
        fs::rename(&aside, place).with_context(|| place.display().to_string())
    });
    for left in [&aside, &old] {
        let _ = fs::remove_dir_all(left);
    }
    installed
}

fn fill(from: &Path, aside: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(aside).with_context(|| aside.display().to_string())?;
    for name in MODEL_FILES.into_iter().chain([OPTIONAL_MODEL_FILE]) {
        let source = from.join(name);
        if source.is_file() {
            fs::copy(&source, aside.join(name)).with_context(|| source.display().to_string())?;
        }
    }
    match Model::open(aside) {
        // A build without dense retrieval installs what another one will use.
        Ok(_) | Err(ModelError::NotBuilt) => Ok(()),
        Err(error) => Err(error).with_context(|| from.display().to_string()),
    }
}
