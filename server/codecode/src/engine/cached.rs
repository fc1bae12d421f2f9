//! Keeps requantised weights on disk under the hash of the files they came from.
//! Knows names and bytes. A cache that cannot be written costs time, never an answer.

use std::{
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use candle_core::quantized::{
    GgmlDType, QTensor,
    gguf_file::{self, Content, Value},
};
use sha2::{Digest, Sha256};

use super::{Load, file_hash, tiles, weights};

/// Raised when the arrangement of kept weights changes.
const FORM: u32 = 2;

/// Where the weights of one model (and adapter) are kept.
pub(super) struct Slot {
    path: PathBuf,
}

impl Slot {
    pub(super) fn for_model(folder: &Path, load: &Load) -> Result<Self> {
        let mut hasher = Sha256::new();
        hasher.update(format!(
            "form {FORM} tiles {} {}",
            weights::tiles_of_bytes(),
            tiles::ready()
        ));
        for path in [Some(&load.model), load.adapter.as_ref()]
            .into_iter()
            .flatten()
        {
            for file in files(path)? {
                hasher.update(file_hash(&file)?);
            }
        }
        let key: String = hasher
            .finalize()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self {
            path: folder.join(format!("{key}.gguf")),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The kept file's head, if it is whole. A damaged one is removed.
    pub(super) fn read(&self) -> Option<Content> {
        if !self.path.is_file() {
            return None;
        }
        let whole = weights::open_gguf(&self.path).ok().filter(|_| {
            let noted = fs::read_to_string(self.path.with_extension("sha256")).unwrap_or_default();
            file_hash(&self.path).is_ok_and(|hash| hash == noted.trim())
        });
        if whole.is_none() {
            self.discard();
        }
        whole
    }

    pub(super) fn discard(&self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(self.path.with_extension("sha256"));
    }

    /// Writes beside the place and moves, so that nobody ever reads half a file.
    pub(super) fn write(&self, weights: &weights::Weights) {
        if let Err(problem) = self.try_write(weights) {
            self.discard();
            crate::notice(&format!(
                "the prepared weights could not be kept in {} ({problem:#}); they will be prepared again next time",
                self.path.display()
            ));
        }
    }

    fn try_write(&self, weights: &weights::Weights) -> Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut dense: Vec<(String, QTensor)> = Vec::new();
        let mut vector = |name: String, vector: &weights::Vector| -> Result<()> {
            dense.push((
                name,
                QTensor::quantize(
                    &vector.tensor.to_device(&candle_core::Device::Cpu)?,
                    GgmlDType::F32,
                )?,
            ));
            Ok(())
        };
        let mut matrices: Vec<(String, &QTensor)> =
            vec![("token_embd.weight".to_owned(), weights.embedding.as_ref())];
        if let Some(output) = weights.output.plain()
            && !std::sync::Arc::ptr_eq(&weights.embedding, output)
        {
            matrices.push(("output.weight".to_owned(), output));
        }
        vector("output_norm.weight".to_owned(), &weights.norm)?;
        for (layer, block) in weights.blocks.iter().enumerate() {
            vector(
                format!("blk.{layer}.attn_norm.weight"),
                &block.attention_norm,
            )?;
            vector(format!("blk.{layer}.ffn_norm.weight"), &block.feed_norm)?;
            for (part, linear) in [
                ("attn_q", &block.query),
                ("attn_k", &block.key),
                ("attn_v", &block.value),
                ("attn_output", &block.back),
                ("ffn_gate", &block.gate),
                ("ffn_up", &block.up),
                ("ffn_down", &block.down),
            ] {
                let matrix = linear.matrix.plain().context("already arranged")?;
                matrices.push((format!("blk.{layer}.{part}.weight"), matrix));
                if let Some(bias) = &linear.bias {
                    vector(format!("blk.{layer}.{part}.bias"), bias)?;
                }
            }
        }
        let all: Vec<(&str, &QTensor)> = matrices
            .iter()
            .map(|(name, tensor)| (name.as_str(), *tensor))
            .chain(dense.iter().map(|(name, tensor)| (name.as_str(), tensor)))
            .collect();
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let mut buffer = BufWriter::with_capacity(1 << 20, file.as_file_mut());
        gguf_file::write(&mut buffer, &[("codecode.form", &Value::U32(FORM))], &all)?;
        buffer.flush()?;
        drop(buffer);
        file.as_file().sync_all()?;
        let hash = file_hash(file.path())?;
        fs::write(self.path.with_extension("sha256"), hash)?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// A model's or adapter's files in a fixed order: itself, or what a folder holds of weights and measures.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(path)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "safetensors" || end == "json")
        })
        .collect();
    files.sort();
    Ok(files)
}
