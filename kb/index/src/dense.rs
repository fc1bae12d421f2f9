//! Retrieval by meaning, where this build has it and a model is installed; a clear reason where not.
//! It knows folders of models; what a vector is about is not its business.

use std::path::{Path, PathBuf};

/// The files that make a model: their names in its folder.
pub const MODEL_FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];
/// A file that a model may have besides.
pub const OPTIONAL_MODEL_FILE: &str = "sentence_bert_config.json";

/// Whether this build can run a model at all.
pub const DENSE_IS_BUILT: bool = cfg!(feature = "dense");

/// Why there is no retrieval by meaning. It costs rank, never an answer: BM25 goes on alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The feature `dense` was off when this was built.
    #[error("this build has no dense retrieval (feature `dense`); BM25 is used alone")]
    NotBuilt,
    /// No folder holds a model.
    #[error("no embedding model in {}; `secondlook model pull` installs one; BM25 is used alone", .0.display())]
    NoModel(PathBuf),
    /// A file of the model is missing or not understood.
    #[error("{}: {what}", .path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The model failed on a text.
    #[error("the embedding model failed: {0}")]
    Failed(String),
}

#[cfg(feature = "dense")]
impl ModelError {
    pub(crate) fn bad(path: &Path, what: &str) -> Self {
        Self::Bad {
            path: path.to_owned(),
            what: what.to_owned(),
        }
    }
}

/// The folder of the installed model below a folder of models: the first by name that is whole.
#[must_use]
pub fn installed_model(models: &Path) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(models)
        .ok()?
        .flatten()
        .map(|item| item.path())
        .filter(|path| MODEL_FILES.iter().all(|name| path.join(name).is_file()))
        // What an interrupted installation left begins with a dot.
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| !name.to_string_lossy().starts_with('.'))
        })
        .collect();
    folders.sort();
    folders.into_iter().next()
}

/// An installed model, ready to turn texts into vectors.
pub struct Model {
    #[cfg(feature = "dense")]
    encoder: crate::encoder::Encoder,
    /// Names the model's files; vectors of another model are not comparable.
    stamp: u64,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Model({:016x})", self.stamp)
    }
}

impl Model {
    /// Opens the model in that folder; reads all of it, which takes a moment.
    ///
    /// # Errors
    /// Where this build has no dense retrieval, or a file is missing or not understood.
    #[cfg(feature = "dense")]
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let stamp = stamp(folder)?;
        let encoder = crate::encoder::Encoder::open(folder)?;
        Ok(Self { encoder, stamp })
    }

    /// Opens the model in that folder; reads all of it, which takes a moment.
    ///
    /// # Errors
    /// Always: this build has no dense retrieval.
    #[cfg(not(feature = "dense"))]
    pub fn open(_: &Path) -> Result<Self, ModelError> {
        Err(ModelError::NotBuilt)
    }

    /// Length of a vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        #[cfg(feature = "dense")]
        return self.encoder.dimension;
        #[cfg(not(feature = "dense"))]
        0
    }

    /// Names the model's files.
    #[must_use]
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// One vector for each text, of length one; its dot product with another is their cosine.
    ///
    /// # Errors
    /// Where the model fails on a text.
    pub fn encode(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, ModelError> {
        #[cfg(feature = "dense")]
        return self.encoder.encode(texts);
        #[cfg(not(feature = "dense"))]
        {
            let _ = texts;
            Err(ModelError::NotBuilt)
        }
    }
}

/// A fingerprint of a model: its small files, and of its weights the size and samples all through.
#[cfg(feature = "dense")]
fn stamp(folder: &Path) -> Result<u64, ModelError> {
    use std::io::{Read, Seek, SeekFrom};

    use crate::hash;

    /// Bytes of one sample of the weights.
    const SAMPLE: u64 = 4 << 10;
    /// How many samples are taken.
    const SAMPLES: u64 = 64;
    let mut state = hash::SEED;
    for name in ["config.json", "tokenizer.json"] {
        let path = folder.join(name);
        let bytes =
            std::fs::read(&path).map_err(|error| ModelError::bad(&path, &error.to_string()))?;
        state = hash::add(state, &bytes);
    }
    let path = folder.join("model.safetensors");
    let sampled = || -> std::io::Result<u64> {
        let mut file = std::fs::File::open(&path)?;
        let length = file.metadata()?.len();
        let mut sum = hash::add(state, &length.to_le_bytes());
        for number in 0..SAMPLES {
            file.seek(SeekFrom::Start(length / SAMPLES * number))?;
            let mut sample = Vec::new();
            file.by_ref().take(SAMPLE).read_to_end(&mut sample)?;
            sum = hash::add(sum, &sample);
        }
        Ok(sum)
    };
    sampled().map_err(|error| ModelError::bad(&path, &error.to_string()))
}
