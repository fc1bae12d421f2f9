//! Turns a model's files into matrices that the fast kernels can use, requantising what they cannot.
//! Knows tensors and their names; the forward pass is elsewhere.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use candle_core::{
    D, Device, Tensor,
    quantized::{GgmlDType, QTensor, gguf_file::Content},
};

use super::{
    Load,
    adapter::Adapter,
    cached,
    matrix::Matrix,
    memory::Need,
    safetensors::{Files, original_name},
    shape::{Rotation, Shape},
    tiles,
};
use crate::{session::ROWS_AT_ONCE, tokens::Tokens};

/// A vector of weights.
pub(super) struct Vector {
    pub(super) tensor: Tensor,
    /// The same as plain numbers for the processor; empty on a card.
    pub(super) plain: Vec<f32>,
}

/// One linear layer: a matrix [out, in] and perhaps a bias [out].
pub(super) struct Linear {
    pub(super) matrix: Matrix,
    pub(super) bias: Option<Vector>,
}

/// The tensors of one block.
pub(super) struct Block {
    pub(super) attention_norm: Vector,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) back: Linear,
    pub(super) feed_norm: Vector,
    /// How many values the gate lets through.
    pub(super) feed: usize,
    pub(super) gate: Linear,
    pub(super) up: Linear,
    pub(super) down: Linear,
}

/// Everything a forward pass reads.
pub(super) struct Weights {
    pub(super) embedding: Arc<QTensor>,
    pub(super) blocks: Vec<Block>,
    pub(super) norm: Vector,
    pub(super) output: Matrix,
}

impl Weights {
    /// Puts every matrix into the arrangement that this machine multiplies fastest, one after another, so that no
    /// two copies of more than one are held.
    fn arrange(&mut self, rough: bool) {
        for block in &mut self.blocks {
            for layer in [
                &mut block.query,
                &mut block.key,
                &mut block.value,
                &mut block.back,
                &mut block.gate,
                &mut block.up,
                &mut block.down,
            ] {
                layer.matrix.arrange();
            }
        }
        if rough {
            self.output.arrange_coarsely();
        } else {
            self.output.arrange();
        }
    }
}

/// A model's files, opened, with nothing but their headers read.
pub(super) enum Source {
    Gguf {
        path: PathBuf,
        content: Box<Content>,
        shape: Shape,
    },
    Folder {
        path: PathBuf,
        files: Files,
        shape: Shape,
    },
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            let config = path.join("config.json");
            let text = std::fs::read(&config).with_context(|| format!("{}", config.display()))?;
            let json = serde_json::from_slice(&text).context("config.json is damaged")?;
            let shape = Shape::from_config(&json)?;
            return Ok(Self::Folder {
                path: path.to_owned(),
                files: Files::in_folder(path)?,
                shape,
            });
        }
        let content = open_gguf(path)?;
        let shape = Shape::from_gguf(&content)?;
        Ok(Self::Gguf {
            path: path.to_owned(),
            content: Box::new(content),
            shape,
        })
    }

    pub(super) fn name(&self) -> String {
        let path = match self {
            Self::Gguf { path, content, .. } => {
                if let Some(Ok(name)) = content
                    .metadata
                    .get("general.name")
                    .map(|name| name.to_string())
                {
                    return name.clone();
                }
                path
            }
            Self::Folder { path, .. } => path,
        };
        path.file_stem().map_or_else(
            || "model".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    pub(super) fn tokens(&self) -> Result<Tokens> {
        match self {
            Self::Gguf { path, content, .. } => match path.parent() {
                Some(folder)
                    if !matches!(content.metadata.get("tokenizer.ggml.model").map(|kind| kind.to_string()),
                        Some(Ok(kind)) if kind == "gpt2")
                        && folder.join("tokenizer.json").is_file() =>
                {
                    Tokens::from_folder(folder)
                }
                _ => Tokens::from_gguf(content),
            },
            Self::Folder { path, .. } => Tokens::from_folder(path),
        }
    }

    fn shape(&self) -> &Shape {
        match self {
            Self::Gguf { shape, .. } | Self::Folder { shape, .. } => shape,
        }
    }

    /// Elements and kind of every matrix, without loading one.
    pub(super) fn need(&self, context: usize, rough: bool) -> Need {
        let shape = self.shape();
        let (mut weights, mut largest) = (0, 0);
        let mut count = |name: &str, dims: &[usize], kind: Option<GgmlDType>| {
            let elements = dims.iter().product::<usize>() as u64;
            let columns = dims.last().copied().unwrap_or(1);
            let rows = elements as usize / columns.max(1);
            let prepared = target(kind, rows, columns);
            let is_prepared = kind.is_none() || prepared.is_some() && dims.len() == 2;
            let (kind, columns) =
                prepared.map_or((kind, columns), |(kind, to)| (Some(kind), to.max(columns)));
            let kind = kind.unwrap_or(GgmlDType::Q8_0);
            let bytes = (rows * columns * kind.type_size() / kind.block_size()) as u64;
            if is_prepared {
                // As 32-bit numbers as it came, once more while an adapter or zeros are added, and as it will be.
                largest = largest.max(elements * 12);
            }
            // candle's fast kernels keep their own arrangement beside the compact one, ours take its place; rows of
            // the embedding are also looked up one by one.
            let tenths = match (tiles::takes(kind, rows, columns), packs(kind, columns)) {
                (true, _) if name == "token_embd.weight" => 21,
                (true, _) => 11,
                (false, true) => 23,
                (false, false) => 10,
            };
            weights += bytes * tenths / 10;
        };
        match self {
            Self::Gguf { content, .. } => {
                for (name, info) in &content.tensor_infos {
                    count(name, info.shape.dims(), Some(info.ggml_dtype));
                }
            }
            Self::Folder { files, .. } => {
                let embedding = original_name("token_embd.weight");
                for name in files.names() {
                    if let Some(place) = files.get(name) {
                        let name = if embedding.as_deref() == Some(name) {
                            "token_embd.weight"
                        } else {
                            name
                        };
                        count(name, &place.dims, None);
                    }
                }
            }
        }
        if rough {
            // 32 weights in 18 bytes.
            weights += (shape.vocabulary * shape.width.next_multiple_of(256)) as u64 * 18 / 32;
        }
        let positions = context.min(shape.context) as u64;
        Need {
            weights,
            cache: positions * (shape.layers * shape.shared() * 2 * 4) as u64,
            work: largest.max((2 * ROWS_AT_ONCE * shape.vocabulary * 4) as u64) + 64_000_000,
        }
    }
}

pub(super) fn open_gguf(path: &Path) -> Result<Content> {
    let mut file = BufReader::new(File::open(path)?);
    let content = Content::read(&mut file).map_err(|problem| {
        anyhow::anyhow!(
            "this is not a GGUF file, or its head is damaged: {}",
            first_line(&problem)
        )
    })?;
    let size = file.get_ref().metadata()?.len();
    for (name, info) in &content.tensor_infos {
        let block = info.ggml_dtype.block_size();
        let bytes = (info.shape.elem_count() / block * info.ggml_dtype.type_size()) as u64;
        let end = content
            .tensor_data_offset
            .checked_add(info.offset)
            .and_then(|start| start.checked_add(bytes));
        ensure!(
            end.is_some_and(|end| end <= size),
            "the file is cut off: it has {size} bytes, and `{name}` ends beyond them"
        );
    }
    Ok(content)
}

fn first_line(problem: &candle_core::Error) -> String {
    problem
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Loads all tensors, from the cache of prepared weights where it has them.
pub(super) fn prepare(source: &Source, load: &Load, device: &Device) -> Result<(Shape, Weights)> {
    let shape = source.shape().clone();
    let adapter = load.adapter.as_deref().map(Adapter::open).transpose()?;
    if let Some(adapter) = &adapter {
        adapter.fits(&shape)?;
    }
    let needs_work = adapter.is_some() || source.needs_work();
    let slot = match &load.cache {
        Some(folder) if needs_work => Some(cached::Slot::for_model(folder, load)?),
        _ => None,
    };
    if let Some(content) = slot.as_ref().and_then(cached::Slot::read) {
        let path = slot
            .as_ref()
            .map(|slot| slot.path().to_owned())
            .unwrap_or_default();
        let kept = Source::Gguf {
            path,
            content: Box::new(content),
            shape: shape.clone(),
        };
        let mut loader = Loader::new(&kept, None, device)?;
        match loader.weights() {
            Ok(mut weights) => {
                weights.arrange(load.rough);
                return Ok((shape, weights));
            }
            Err(_) => {
                if let Some(slot) = &slot {
                    slot.discard();
                }
            }
        }
    }
    let mut loader = Loader::new(source, adapter.as_ref(), device)?;
    let mut weights = loader.weights()?;
    if let Some(slot) = slot {
        slot.write(&weights);
    }
    weights.arrange(load.rough);
    Ok((shape, weights))
}

impl Source {
    fn needs_work(&self) -> bool {
        match self {
            Self::Gguf { content, .. } => content.tensor_infos.iter().any(|(_, info)| {
                let dims = info.shape.dims();
                dims.len() == 2 && target(Some(info.ggml_dtype), dims[0], dims[1]).is_some()
            }),
            Self::Folder { .. } => true,
        }
    }
}

struct Loader<'a> {
    source: &'a Source,
    reader: Option<BufReader<File>>,
    adapter: Option<&'a Adapter>,
    device: &'a Device,
}

impl<'a> Loader<'a> {
    fn new(source: &'a Source, adapter: Option<&'a Adapter>, device: &'a Device) -> Result<Self> {
        let reader = match source {
            Source::Gguf { path, .. } => Some(BufReader::new(File::open(path)?)),
            Source::Folder { .. } => None,
        };
        Ok(Self {
            source,
            reader,
            adapter,
            device,
        })
    }

    fn weights(&mut self) -> Result<Weights> {
        let shape = self.source.shape().clone();
        let (width, queries, shared) = (shape.width, shape.heads * shape.head, shape.shared());
        let embedding = self.matrix("token_embd.weight", shape.vocabulary, width)?;
        let output = if self.has("output.weight") {
            Matrix::Plain(self.matrix("output.weight", shape.vocabulary, width)?)
        } else {
            Matrix::Plain(Arc::clone(&embedding))
        };
        let mut blocks = Vec::with_capacity(shape.layers);
        for layer in 0..shape.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let feed = self.rows(&name("ffn_up.weight"))?;
            blocks.push(Block {
                attention_norm: self.vector(&name("attn_norm.weight"), width)?,
                query: self.linear(&name("attn_q"), queries, width)?,
                key: self.linear(&name("attn_k"), shared, width)?,
                value: self.linear(&name("attn_v"), shared, width)?,
                back: self.linear(&name("attn_output"), width, queries)?,
                feed,
                feed_norm: self.vector(&name("ffn_norm.weight"), width)?,
                gate: self.linear(&name("ffn_gate"), feed, width)?,
                up: self.linear(&name("ffn_up"), feed, width)?,
                down: self.linear(&name("ffn_down"), width, feed)?,
            });
        }
        Ok(Weights {
            embedding,
            blocks,
            norm: self.vector("output_norm.weight", width)?,
            output,
        })
    }

    fn has(&self, name: &str) -> bool {
        match self.source {
            Source::Gguf { content, .. } => content.tensor_infos.contains_key(name),
            Source::Folder { files, .. } => {
                original_name(name).is_some_and(|original| files.get(&original).is_some())
            }
        }
    }

    fn rows(&self, name: &str) -> Result<usize> {
        let dims = match self.source {
            Source::Gguf { content, .. } => content
                .tensor_infos
                .get(name)
                .map(|info| info.shape.dims().to_vec()),
            Source::Folder { files, .. } => {
                original_name(name).and_then(|original| Some(files.get(&original)?.dims.clone()))
            }
        };
        dims.and_then(|dims| dims.first().copied())
            .with_context(|| format!("the tensor `{name}` is missing"))
    }

    fn linear(&mut self, part: &str, rows: usize, columns: usize) -> Result<Linear> {
        let bias = format!("{part}.bias");
        Ok(Linear {
            matrix: Matrix::Plain(self.matrix(&format!("{part}.weight"), rows, columns)?),
            bias: if self.has(&bias) {
                Some(self.vector(&bias, rows)?)
            } else {
                None
            },
        })
    }

    fn raw(&mut self, name: &str) -> Result<QTensor> {
        match (self.source, &mut self.reader) {
            (Source::Gguf { content, .. }, Some(reader)) => content
                .tensor(reader, name, &Device::Cpu)
                .map_err(|problem| {
                    anyhow::anyhow!("the tensor `{name}`: {}", first_line(&problem))
                }),
            (Source::Folder { files, .. }, _) => {
                let original = original_name(name)
                    .with_context(|| format!("the tensor `{name}` is missing"))?;
                Ok(QTensor::quantize(&files.load(&original)?, GgmlDType::F32)?)
            }
            (Source::Gguf { .. }, None) => unreachable!("a GGUF source always has a reader"),
        }
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Vector> {
        let tensor = self.raw(name)?.dequantize(self.device)?;
        ensure!(
            tensor.dims() == [length],
            "`{name}` has the shape {:?} where [{length}] is due",
            tensor.dims()
        );
        let plain = if self.device.is_cpu() {
            tensor.to_vec1()?
        } else {
            Vec::new()
        };
        Ok(Vector { tensor, plain })
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Arc<QTensor>> {
        let raw = self.raw(name)?;
        let dims = raw.shape().dims().to_vec();
        // A prepared matrix has zeros after its columns.
        let padded = columns.next_multiple_of(256);
        ensure!(
            dims == [rows, columns] || dims == [rows, padded],
            "`{name}` has the shape {dims:?} where [{rows}, {columns}] is due"
        );
        let delta = self
            .adapter
            .map(|adapter| adapter.delta(name, rows, columns))
            .transpose()?
            .flatten();
        let target = target(Some(raw.dtype()), rows, dims[1]);
        let ready = if delta.is_none() && target.is_none() {
            raw
        } else {
            let mut dense = raw.dequantize(&Device::Cpu)?;
            if let Some(mut delta) = delta {
                if matches!(self.source, Source::Gguf { .. }) {
                    delta = as_stored(&delta, name, self.source.shape())?;
                }
                dense = (dense + delta)?;
            }
            let (kind, to) = target.unwrap_or((GgmlDType::Q8_0, dims[1]));
            if to > dims[1] {
                dense = dense.pad_with_zeros(D::Minus1, 0, to - dims[1])?;
            }
            QTensor::quantize(&dense, kind)?
        };
        if self.device.is_cpu() {
            return Ok(Arc::new(ready));
        }
        let storage =
            candle_core::quantized::QStorage::from_data(ready.data()?, self.device, ready.dtype())?;
        Ok(Arc::new(QTensor::new(storage, ready.shape().clone())?))
    }
}

/// GGUF files of the Llama family keep rows of queries and keys in pairs; adapters are in the original order.
fn as_stored(delta: &Tensor, name: &str, shape: &Shape) -> Result<Tensor> {
    let heads = match (shape.rotation, name.rsplit('.').nth(1)) {
        (Rotation::Pairs, Some("attn_q")) => shape.heads,
        (Rotation::Pairs, Some("attn_k")) => shape.shared_heads,
        _ => return Ok(delta.clone()),
    };
    let (rows, columns) = delta.dims2()?;
    Ok(delta
        .reshape((heads, 2, shape.head / 2, columns))?
        .transpose(1, 2)?
        .reshape((rows, columns))?)
}

/// What a matrix has to become for a fast kernel to take it: its kind and its columns; `None` leaves it.
pub(super) fn target(
    kind: Option<GgmlDType>,
    rows: usize,
    columns: usize,
) -> Option<(GgmlDType, usize)> {
    if kind.is_some_and(|kind| tiles::takes(kind, rows, columns)) {
        return None;
    }
    let even = columns.is_multiple_of(256);
    let to = if tiles_of_bytes() {
        columns.next_multiple_of(256)
    } else {
        columns
    };
    match kind {
        // Q6K stays out: candle sums one row of it in another order than several, and verifying would then not see
        // what step by step sees.
        Some(GgmlDType::Q4K | GgmlDType::Q5K) if even => None,
        Some(GgmlDType::Q8_0) if to == columns => None,
        _ if to.is_multiple_of(32) => Some((GgmlDType::Q8_0, to)),
        _ => None,
    }
}

/// Whether candle keeps a second arrangement of such a matrix.
fn packs(kind: GgmlDType, columns: usize) -> bool {
    columns.is_multiple_of(256)
        && match kind {
            GgmlDType::Q4K | GgmlDType::Q6K => true,
            GgmlDType::Q8_0 => tiles_of_bytes(),
            _ => false,
        }
}

/// Whether this processor multiplies bytes by fours (VNNI), which candle's tiles for Q8_0 ask for.
pub(super) fn tiles_of_bytes() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        (std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vnni"))
            || (std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("avxvnni"))
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}
