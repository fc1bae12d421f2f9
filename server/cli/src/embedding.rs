//! `secondlook model pull` and `show`: installs and names the embedding model of dense retrieval.
//! It has files fetched or copies them, and has them opened once; what a model computes is not its business.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use kb_index::{MODEL_FILES, Model, ModelError, OPTIONAL_MODEL_FILE, installed_model};

use crate::progress::Fetching;
use crate::{EXIT_INTERRUPTED, output, progress};

/// The largest weights that are fetched, in bytes: some ten times a base model's.
const MAX_WEIGHTS: u64 = 4 << 30;
/// The largest of the other files, in bytes.
const MAX_TEXT: u64 = 64 << 20;
/// How much less often a hidden terminal is told of progress, in bytes.
const STEP: u64 = 1 << 20;

/// A model where a hub keeps it.
pub(crate) struct OnHub<'a> {
    pub(crate) hub: &'a str,
    pub(crate) model: &'a str,
    pub(crate) revision: &'a str,
    /// What the weights must be, where the user says so.
    pub(crate) sha256: Option<&'a str>,
}

impl OnHub<'_> {
    /// Whether its names are such that they lead nowhere else.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        for (what, text) in [("model", self.model), ("revision", self.revision)] {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
            let leads_away = text
                .split('/')
                .any(|it| it.is_empty() || it.starts_with('.'));
            if leads_away || !text.chars().all(plain) {
                bail!("`{text}` is no name of a {what} on a hub");
            }
        }
        Ok(())
    }

    /// The address of one of its files.
    pub(crate) fn address(&self, file: &str) -> String {
        let hub = self.hub.trim_end_matches('/');
        format!("{hub}/{}/resolve/{}/{file}", self.model, self.revision)
    }

    /// Where an earlier try left off; one folder for each thing to fetch.
    pub(crate) fn aside(&self) -> anyhow::Result<PathBuf> {
        let key = format!("{}@{}", self.model, self.revision).replace('/', "--");
        let aside = models()?.join(format!(".pull-{key}"));
        fs::create_dir_all(&aside).with_context(|| aside.display().to_string())?;
        Ok(aside)
    }
}

/// Installs the model of that folder under a name.
pub(crate) fn install_from(from: &Path, name: &str) -> anyhow::Result<u8> {
    let place = place(name)?;
    install(from, &place)?;
    output::note(&format!("installed in {}", place.display()));
    tell_build();
    Ok(0)
}

/// Fetches a model from a hub and installs it under a name.
pub(crate) fn pull(from: &OnHub<'_>, name: &str) -> anyhow::Result<u8> {
    let place = place(name)?;
    from.check()?;
    progress::watch_interrupts();
    let aside = from.aside()?;
    let _alone = lock(&aside)?;
    for file in MODEL_FILES.into_iter().chain([OPTIONAL_MODEL_FILE]) {
        let weights = file.ends_with(".safetensors");
        let want = llm::Fetch {
            url: from.address(file),
            path: aside.join(file),
            limit: if weights { MAX_WEIGHTS } else { MAX_TEXT },
            sha256: from.sha256.filter(|_| weights).map(str::to_owned),
        };
        if weights && want.sha256.is_none() && want.path.is_file() {
            // It was whole and checked when an earlier try ended.
            continue;
        }
        match fetch(&want, file) {
            Ok(()) => {}
            Err(llm::FetchError::Missing(_)) if file == OPTIONAL_MODEL_FILE => {}
            Err(llm::FetchError::Interrupted) => {
                output::error(&llm::FetchError::Interrupted.to_string());
                return Ok(EXIT_INTERRUPTED);
            }
            Err(error) => return Err(error.into()),
        }
    }
    install(&aside, &place)?;
    let _ = fs::remove_dir_all(&aside);
    output::note(&format!("installed in {}", place.display()));
    tell_build();
    Ok(0)
}

/// Fetches one file, telling how far it is.
pub(crate) fn fetch(want: &llm::Fetch, file: &str) -> Result<(), llm::FetchError> {
    let bar = Fetching::new(file);
    let mut told = 0;
    let done = llm::fetch(want, &mut |have, size| {
        if have >= told {
            told = have + STEP;
            bar.at(have, size);
        }
        !progress::interrupted()
    });
    bar.finish();
    let sha = done?;
    output::note(&format!("{file}: fetched, SHA-256 {sha}"));
    Ok(())
}

/// Two commands that fetch one thing would write into one file.
pub(crate) fn lock(aside: &Path) -> anyhow::Result<fs::File> {
    let path = aside.join("lock");
    let file = fs::File::create(&path).with_context(|| path.display().to_string())?;
    if file.try_lock().is_err() {
        bail!(
            "{}: another command is fetching this model",
            aside.display()
        );
    }
    Ok(file)
}

/// Where a model of that name is kept.
pub(crate) fn place(name: &str) -> anyhow::Result<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        bail!("`{name}` is no name for a folder: letters, digits, `-`, `_` and `.`");
    }
    Ok(models()?.join(name))
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
