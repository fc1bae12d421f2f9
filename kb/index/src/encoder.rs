//! A sentence encoder of the BERT family: text in, one vector of length one out (SecCoder's retriever).
//! It knows files of a model and arithmetic; it knows no index, no knowledge and no network.

use std::fs;
use std::path::Path;

use candle_core::{D, DType, Device, IndexOp, Tensor};
use candle_nn::{Embedding, LayerNorm, Linear, Module, VarBuilder, linear, ops};
use serde::Deserialize;
use tokenizers::Tokenizer;

use crate::dense::ModelError;

/// How many pieces of a long text are read; a function of 2,000 tokens is whole.
const MAX_CHUNKS: usize = 8;
/// How many pieces one pass of the model takes.
const BATCH: usize = 8;
/// The most tokens of one piece, where the model's files do not say less.
const MAX_TOKENS: usize = 512;
/// How much of a text is given to the tokenizer, in bytes: more than the pieces above can hold.
const MAX_BYTES: usize = 64 << 10;
/// Tokens that stand around every piece: its beginning and its end.
const FRAME: usize = 2;

/// What `config.json` says of the model's shape.
#[derive(Deserialize)]
struct Shape {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    #[serde(default = "tiny")]
    layer_norm_eps: f64,
    #[serde(default)]
    hidden_act: Option<String>,
}

fn two() -> usize {
    2
}

fn tiny() -> f64 {
    1e-12
}

/// What `sentence_bert_config.json` says, where there is one.
#[derive(Deserialize, Default)]
struct SentenceShape {
    max_seq_length: Option<usize>,
}

/// A model that is ready to encode.
pub(crate) struct Encoder {
    tokenizer: Tokenizer,
    words: Embedding,
    positions: Tensor,
    kind: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
    /// Length of a vector.
    pub(crate) dimension: usize,
    max_tokens: usize,
    frame: (u32, u32),
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attended_norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
    narrow_norm: LayerNorm,
    heads: usize,
}

impl Encoder {
    /// Reads a model's folder: `config.json`, `tokenizer.json`, `model.safetensors`.
    pub(crate) fn open(folder: &Path) -> Result<Self, ModelError> {
        let shape: Shape = json(&folder.join("config.json"))?;
        let bad = |what: &str| ModelError::bad(&folder.join("config.json"), what);
        if shape.model_type != "bert" {
            return Err(bad("only models of the type `bert` are understood"));
        }
        if shape.hidden_act.as_deref().is_some_and(|act| act != "gelu") {
            return Err(bad("only the activation `gelu` is understood"));
        }
        let heads = shape.num_attention_heads;
        if heads == 0 || !shape.hidden_size.is_multiple_of(heads) {
            return Err(bad("hidden_size is no multiple of num_attention_heads"));
        }
        let sentence: SentenceShape =
            json(&folder.join("sentence_bert_config.json")).unwrap_or_default();
        let max_tokens = sentence
            .max_seq_length
            .unwrap_or(MAX_TOKENS)
            .min(MAX_TOKENS)
            .min(shape.max_position_embeddings);
        if max_tokens <= FRAME {
            return Err(bad("it has no place for a single word"));
        }
        let path = folder.join("tokenizer.json");
        let mut tokenizer = Tokenizer::from_file(&path)
            .map_err(|error| ModelError::bad(&path, &error.to_string()))?;
        // Pieces are cut here, where their share of the vector is known.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| ModelError::bad(&path, &error.to_string()))?;
        let special = |name: &str| {
            tokenizer
                .token_to_id(name)
                .ok_or_else(|| ModelError::bad(&path, &format!("it has no token {name}")))
        };
        let frame = (special("[CLS]")?, special("[SEP]")?);
        let path = folder.join("model.safetensors");
        let bytes = fs::read(&path).map_err(|error| ModelError::bad(&path, &error.to_string()))?;
        let weights = |error: candle_core::Error| ModelError::bad(&path, &first_line(&error));
        let vars = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu)
            .map_err(weights)?;
        let vars = if vars.contains_tensor("bert.embeddings.word_embeddings.weight") {
            vars.pp("bert")
        } else {
            vars
        };
        Self::of(&shape, tokenizer, frame, max_tokens, &vars).map_err(weights)
    }

    fn of(
        shape: &Shape,
        tokenizer: Tokenizer,
        frame: (u32, u32),
        max_tokens: usize,
        vars: &VarBuilder<'_>,
    ) -> candle_core::Result<Self> {
        let size = shape.hidden_size;
        let eps = shape.layer_norm_eps;
        let embeddings = vars.pp("embeddings");
        let kinds = embeddings.get(
            (shape.type_vocab_size, size),
            "token_type_embeddings.weight",
        )?;
        let mut layers = Vec::new();
        for number in 0..shape.num_hidden_layers {
            let vars = vars.pp("encoder.layer").pp(number);
            let own = vars.pp("attention.self");
            layers.push(Layer {
                query: linear(size, size, own.pp("query"))?,
                key: linear(size, size, own.pp("key"))?,
                value: linear(size, size, own.pp("value"))?,
                attended: linear(size, size, vars.pp("attention.output.dense"))?,
                attended_norm: candle_nn::layer_norm(
                    size,
                    eps,
                    vars.pp("attention.output.LayerNorm"),
                )?,
                wide: linear(size, shape.intermediate_size, vars.pp("intermediate.dense"))?,
                narrow: linear(shape.intermediate_size, size, vars.pp("output.dense"))?,
                narrow_norm: candle_nn::layer_norm(size, eps, vars.pp("output.LayerNorm"))?,
                heads: shape.num_attention_heads,
            });
        }
        Ok(Self {
            tokenizer,
            words: candle_nn::embedding(shape.vocab_size, size, embeddings.pp("word_embeddings"))?,
            positions: embeddings.get(
                (shape.max_position_embeddings, size),
                "position_embeddings.weight",
            )?,
            kind: kinds.i(0)?,
            norm: candle_nn::layer_norm(size, eps, embeddings.pp("LayerNorm"))?,
            layers,
            dimension: size,
            max_tokens,
            frame,
        })
    }

    /// One vector for each text, of length one. A text longer than the model reads is cut into
    /// pieces, and its vector is the mean over the tokens of all of them.
    pub(crate) fn encode(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut pieces: Vec<(usize, Vec<u32>)> = Vec::new();
        for (place, text) in texts.iter().enumerate() {
            let mut end = text.len().min(MAX_BYTES);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let encoding = self
                .tokenizer
                .encode_fast(&text[..end], false)
                .map_err(|error| ModelError::Failed(error.to_string()))?;
            let ids = encoding.get_ids();
            let each = self.max_tokens - FRAME;
            // A text without words still has a vector: that of its frame.
            let count = ids.len().div_ceil(each).clamp(1, MAX_CHUNKS);
            for number in 0..count {
                let from = (number * each).min(ids.len());
                let to = (from + each).min(ids.len());
                let mut piece = vec![self.frame.0];
                piece.extend_from_slice(&ids[from..to]);
                piece.push(self.frame.1);
                pieces.push((place, piece));
            }
        }
        // Pieces of like length share a pass, so that little is padded.
        pieces.sort_by_key(|(place, piece)| (piece.len(), *place));
        let mut sums = vec![vec![0.0_f32; self.dimension]; texts.len()];
        for batch in pieces.chunks(BATCH) {
            let rows = self
                .pass(batch)
                .map_err(|error| ModelError::Failed(first_line(&error)))?;
            for ((place, _), row) in batch.iter().zip(rows) {
                for (sum, value) in sums[*place].iter_mut().zip(row) {
                    *sum += value;
                }
            }
        }
        for vector in &mut sums {
            let length = vector.iter().map(|it| it * it).sum::<f32>().sqrt();
            if length > 0.0 && length.is_finite() {
                vector.iter_mut().for_each(|it| *it /= length);
            } else {
                vector.fill(0.0);
            }
        }
        Ok(sums)
    }

    /// The sum over the tokens of each piece.
    fn pass(&self, batch: &[(usize, Vec<u32>)]) -> candle_core::Result<Vec<Vec<f32>>> {
        let width = batch.iter().map(|(_, ids)| ids.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(batch.len() * width);
        let mut real = Vec::with_capacity(batch.len() * width);
        for (_, piece) in batch {
            ids.extend_from_slice(piece);
            ids.resize(ids.len() + width - piece.len(), 0);
            real.resize(real.len() + piece.len(), 1.0_f32);
            real.resize(real.len() + width - piece.len(), 0.0_f32);
        }
        let shape = (batch.len(), width);
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let real = Tensor::from_vec(real, shape, &Device::Cpu)?;
        // Padding is looked at by nobody: its weight before the softmax is very small.
        let mask = ((&real - 1.0)? * 1e9)?.unsqueeze(1)?.unsqueeze(1)?;
        let positions = self.positions.i(..width)?;
        let state = self
            .words
            .forward(&ids)?
            .broadcast_add(&positions)?
            .broadcast_add(&self.kind)?;
        let mut state = self.norm.forward(&state)?;
        for layer in &self.layers {
            state = layer.forward(&state, &mask)?;
        }
        state
            .broadcast_mul(&real.unsqueeze(D::Minus1)?)?
            .sum(1)?
            .to_vec2()
    }
}

impl Layer {
    fn forward(&self, state: &Tensor, mask: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, width, size) = state.dims3()?;
        let each = size / self.heads;
        let split = |linear: &Linear| {
            linear
                .forward(state)?
                .reshape((batch, width, self.heads, each))?
                .transpose(1, 2)?
                .contiguous()
        };
        let (query, key, value) = (split(&self.query)?, split(&self.key)?, split(&self.value)?);
        #[expect(clippy::cast_precision_loss, reason = "the size of a head is small")]
        let scale = 1.0 / (each as f64).sqrt();
        let scores = (query.matmul(&key.t()?.contiguous()?)? * scale)?.broadcast_add(mask)?;
        let seen = ops::softmax_last_dim(&scores)?
            .matmul(&value)?
            .transpose(1, 2)?
            .reshape((batch, width, size))?;
        let state = self
            .attended_norm
            .forward(&(self.attended.forward(&seen)? + state)?)?;
        let wide = self.wide.forward(&state)?.gelu_erf()?;
        self.narrow_norm
            .forward(&(self.narrow.forward(&wide)? + &state)?)
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let text =
        fs::read_to_string(path).map_err(|error| ModelError::bad(path, &error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| ModelError::bad(path, &error.to_string()))
}

/// candle's errors may carry a backtrace below their first line.
fn first_line(error: &candle_core::Error) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
