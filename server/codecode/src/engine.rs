//! Real models on this machine: weights, the forward pass, its cache, adapters, and what memory they take.
//! Knows no law and no protocol.

mod adapter;
mod attention;
mod cached;
mod card;
mod coarse;
mod host;
mod matrix;
mod memory;
mod network;
mod safetensors;
mod shape;
mod tiles;
mod weights;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use candle_core::Device;

pub use memory::Need;
pub(crate) use memory::give_back;
pub use network::Network;
pub use shape::{Rotation, Shape};

use crate::tokens::Tokens;

/// What to load, and how.
#[derive(Clone, Debug)]
pub struct Load {
    /// A GGUF file, or a folder with config.json, tokenizer.json and safetensors.
    pub model: PathBuf,
    /// A LoRA adapter in PEFT's layout: a folder with adapter_config.json and adapter_model.safetensors.
    pub adapter: Option<PathBuf>,
    /// The most tokens to keep in the cache; the model's own limit where that is lower.
    pub context: usize,
    /// Where requantised weights are kept between runs; `None` keeps none.
    pub cache: Option<PathBuf>,
    /// Whether logits far below the highest may be rough, as a model's may that only proposes: they come from four bits
    /// a weight then, and a token costs a sixth less. On the processor.
    pub rough: bool,
}

/// A model with its tokenizer, ready to run.
pub struct Model {
    /// The forward pass and its cache.
    pub network: Network,
    /// The vocabulary.
    pub tokens: Tokens,
    /// What the model calls itself.
    pub name: String,
}

impl Load {
    /// What the model will take of memory, told from its file's header.
    ///
    /// # Errors
    /// When the file cannot be read or is not a model this program knows.
    pub fn need(&self) -> Result<Need> {
        let source = self.source()?;
        Ok(source.need(self.context, self.rough))
    }

    /// Loads the model, after making sure that it fits.
    ///
    /// # Errors
    /// When the file is damaged, of another family, or does not fit into memory.
    pub fn load(&self) -> Result<Model> {
        let name = || format!("cannot load {}", self.model.display());
        let source = self.source()?;
        source.need(self.context, self.rough).check(&self.model)?;
        let tokens = source.tokens().with_context(name)?;
        let called = source.name();
        let device = device()?;
        let (shape, weights) = weights::prepare(&source, self, &device).with_context(name)?;
        ensure!(
            tokens.len() <= shape.vocabulary,
            "{}: its tokenizer has {} tokens and its weights only {}",
            self.model.display(),
            tokens.len(),
            shape.vocabulary
        );
        let network = Network::new(shape, weights, self.context, device)?;
        // The matrices as the file has them.
        give_back();
        Ok(Model {
            network,
            tokens,
            name: called,
        })
    }

    fn source(&self) -> Result<weights::Source> {
        weights::Source::open(&self.model)
            .with_context(|| format!("cannot load {}", self.model.display()))
    }
}

/// The card where the build has one and it answers, else the processor.
fn device() -> Result<Device> {
    if cfg!(feature = "cuda") {
        return Ok(Device::cuda_if_available(0)?);
    }
    Ok(Device::Cpu)
}

/// The SHA-256 of a file as lower-case hexadecimal digits.
///
/// # Errors
/// When the file cannot be read.
pub fn file_hash(path: &Path) -> Result<String> {
    use sha2::{Digest, Sha256};
    use std::io::Read;

    let mut file = std::fs::File::open(path).with_context(|| format!("{}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file
            .read(&mut buffer)
            .with_context(|| format!("{}", path.display()))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
