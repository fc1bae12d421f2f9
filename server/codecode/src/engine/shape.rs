//! The few numbers that tell one model of a family from another, from GGUF metadata or config.json.
//! Knows no tensors.

use anyhow::{Context, Result, anyhow, bail, ensure};
use candle_core::quantized::gguf_file::Content;
use serde_json::Value as Json;

use crate::tokens::integer;

/// How positions turn queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The first half of a head with its second half.
    Halves,
    /// Each even place with the odd one after it, as GGUF files of the Llama family have it.
    Pairs,
}

/// The measures of a decoder-only transformer of the Qwen2 or Llama family.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Blocks.
    pub layers: usize,
    /// Length of a position's vector.
    pub width: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub shared_heads: usize,
    /// Length of one head's vector.
    pub head: usize,
    /// Rows of the output matrix.
    pub vocabulary: usize,
    /// The most positions the model was made for.
    pub context: usize,
    /// Base of the rotation's wavelengths.
    pub rotation_base: f64,
    /// Positions are divided by this before they rotate.
    pub rotation_stretch: f64,
    /// Which places rotate together.
    pub rotation: Rotation,
    /// Added to the mean square before its root is taken.
    pub epsilon: f32,
}

impl Shape {
    /// From a GGUF file's metadata.
    ///
    /// # Errors
    /// When the architecture is another, or a number is missing or absurd.
    pub fn from_gguf(file: &Content) -> Result<Self> {
        let family = file
            .metadata
            .get("general.architecture")
            .context("the file does not say its architecture")?
            .to_string()?
            .clone();
        let rotation = match family.as_str() {
            "qwen2" => Rotation::Halves,
            "llama" => Rotation::Pairs,
            other => bail!("the architecture `{other}` is not supported; qwen2 and llama are"),
        };
        let whole = |key: &str| -> Option<usize> {
            usize::try_from(integer(file.metadata.get(&format!("{family}.{key}"))?)?).ok()
        };
        let need = |key: &str| whole(key).ok_or_else(|| anyhow!("the file lacks `{family}.{key}`"));
        let real = |key: &str| -> Option<f64> {
            let value = file.metadata.get(&format!("{family}.{key}"))?;
            value
                .to_f32()
                .map(f64::from)
                .or_else(|_| value.to_f64())
                .ok()
        };
        let vocabulary = file
            .tensor_infos
            .get("token_embd.weight")
            .and_then(|info| info.shape.dims().first().copied())
            .context("the file has no token embedding")?;
        let (width, heads) = (need("embedding_length")?, need("attention.head_count")?);
        let stretch = match file
            .metadata
            .get(&format!("{family}.rope.scaling.type"))
            .map(|kind| kind.to_string())
        {
            None => real("rope.scale_linear").unwrap_or(1.0),
            Some(Ok(kind)) if kind == "linear" => real("rope.scaling.factor").unwrap_or(1.0),
            Some(Ok(kind)) if kind == "none" => 1.0,
            Some(_) => bail!("its way of stretching positions is not supported"),
        };
        Self {
            layers: need("block_count")?,
            width,
            heads,
            shared_heads: whole("attention.head_count_kv").unwrap_or(heads),
            head: whole("attention.key_length").unwrap_or(width / heads.max(1)),
            vocabulary,
            context: whole("context_length").unwrap_or(2048),
            rotation_base: real("rope.freq_base").unwrap_or(10_000.0),
            rotation_stretch: stretch,
            rotation,
            epsilon: real("attention.layer_norm_rms_epsilon").unwrap_or(1e-6) as f32,
        }
        .checked()
    }

    /// From config.json.
    ///
    /// # Errors
    /// As [`Self::from_gguf`].
    pub fn from_config(config: &Json) -> Result<Self> {
        let family = config["model_type"].as_str().unwrap_or("unnamed");
        ensure!(
            matches!(family, "qwen2" | "llama"),
            "the architecture `{family}` is not supported; qwen2 and llama are"
        );
        let whole = |key: &str| config[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let need = |key: &str| whole(key).ok_or_else(|| anyhow!("config.json lacks `{key}`"));
        let (width, heads) = (need("hidden_size")?, need("num_attention_heads")?);
        let scaling = &config["rope_scaling"];
        let kind = scaling["rope_type"]
            .as_str()
            .or_else(|| scaling["type"].as_str());
        let stretch = match kind {
            None | Some("default") => 1.0,
            Some("linear") => scaling["factor"].as_f64().unwrap_or(1.0),
            Some(other) => bail!("its way of stretching positions (`{other}`) is not supported"),
        };
        Self {
            layers: need("num_hidden_layers")?,
            width,
            heads,
            shared_heads: whole("num_key_value_heads").unwrap_or(heads),
            head: whole("head_dim").unwrap_or(width / heads.max(1)),
            vocabulary: need("vocab_size")?,
            context: whole("max_position_embeddings").unwrap_or(2048),
            rotation_base: config["rope_theta"].as_f64().unwrap_or(10_000.0),
            rotation_stretch: stretch,
            rotation: Rotation::Halves,
            epsilon: config["rms_norm_eps"].as_f64().unwrap_or(1e-6) as f32,
        }
        .checked()
    }

    /// Values of one position's keys, or of its values, over all shared heads.
    #[must_use]
    pub fn shared(&self) -> usize {
        self.shared_heads * self.head
    }

    fn checked(self) -> Result<Self> {
        let small = |n: usize, most: usize| (1..=most).contains(&n);
        ensure!(
            small(self.layers, 512)
                && small(self.width, 1 << 17)
                && small(self.heads, 1024)
                && small(self.shared_heads, self.heads)
                && self.heads.is_multiple_of(self.shared_heads)
                && small(self.head, 4096)
                && self.head.is_multiple_of(2)
                && small(self.vocabulary, 1 << 22)
                && self.context > 0
                && self.rotation_base > 1.0
                && self.rotation_stretch > 0.0,
            "the model's measures make no sense: {self:?}"
        );
        Ok(self)
    }
}
