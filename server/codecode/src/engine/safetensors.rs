//! Reads tensors out of safetensors files one at a time, and finds them by the names GGUF files use.
//! Knows the files' format and naming, not what the tensors are for.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use candle_core::{DType, Device, Tensor};
use serde_json::Value as Json;

/// Where one tensor lies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: usize,
    start: u64,
    bytes: u64,
    kind: DType,
    pub(super) dims: Vec<usize>,
}

/// The tensors of one or more files.
pub(super) struct Files {
    paths: Vec<PathBuf>,
    places: HashMap<String, Place>,
}

impl Files {
    /// All `*.safetensors` of a folder.
    pub(super) fn in_folder(folder: &Path) -> Result<Self> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
            .collect();
        paths.sort();
        ensure!(!paths.is_empty(), "there is no .safetensors file in it");
        Self::open(paths)
    }

    pub(super) fn open(paths: Vec<PathBuf>) -> Result<Self> {
        let mut places = HashMap::new();
        for (index, path) in paths.iter().enumerate() {
            header(path, index, &mut places).with_context(|| format!("{}", path.display()))?;
        }
        Ok(Self { paths, places })
    }

    pub(super) fn get(&self, name: &str) -> Option<&Place> {
        self.places.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// One tensor as 32-bit floats.
    pub(super) fn load(&self, name: &str) -> Result<Tensor> {
        let place = self
            .places
            .get(name)
            .with_context(|| format!("the tensor `{name}` is missing"))?;
        let mut file = File::open(&self.paths[place.file])?;
        file.seek(SeekFrom::Start(place.start))?;
        let mut data = vec![0; usize::try_from(place.bytes)?];
        file.read_exact(&mut data)
            .with_context(|| format!("the tensor `{name}` is cut off"))?;
        let raw = Tensor::from_raw_buffer(&data, place.kind, &place.dims, &Device::Cpu)?;
        Ok(raw.to_dtype(DType::F32)?)
    }
}

fn header(path: &Path, index: usize, places: &mut HashMap<String, Place>) -> Result<()> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length)
        .context("the file is too short to be a safetensors file")?;
    let length = u64::from_le_bytes(length);
    ensure!(
        length <= 100_000_000 && length + 8 <= size,
        "this is not a safetensors file, or it is cut off"
    );
    let mut text = vec![0; usize::try_from(length)?];
    file.read_exact(&mut text)?;
    let Json::Object(table) =
        serde_json::from_slice(&text).context("its table of tensors is damaged")?
    else {
        bail!("its table of tensors is damaged");
    };
    for (name, entry) in table {
        if name == "__metadata__" {
            continue;
        }
        let kind = match entry["dtype"].as_str() {
            Some("F32") => DType::F32,
            Some("F16") => DType::F16,
            Some("BF16") => DType::BF16,
            other => bail!(
                "the tensor `{name}` is of the kind {other:?}; F32, F16 and BF16 are supported"
            ),
        };
        let list = |key: &str| -> Option<Vec<u64>> {
            entry[key].as_array()?.iter().map(Json::as_u64).collect()
        };
        let (Some(dims), Some(&[start, end])) = (list("shape"), list("data_offsets").as_deref())
        else {
            bail!("the tensor `{name}` is described badly");
        };
        let count = dims
            .iter()
            .try_fold(1_u64, |product, &dim| product.checked_mul(dim));
        let bytes = end.checked_sub(start);
        ensure!(
            bytes.is_some()
                && count.and_then(|n| n.checked_mul(kind.size_in_bytes() as u64)) == bytes,
            "the tensor `{name}` has another size than its shape"
        );
        ensure!(
            end.checked_add(8 + length).is_some_and(|last| last <= size),
            "the file is cut off before the end of `{name}`"
        );
        let dims = dims
            .into_iter()
            .map(usize::try_from)
            .collect::<Result<_, _>>()?;
        places.insert(
            name,
            Place {
                file: index,
                start: 8 + length + start,
                bytes: end - start,
                kind,
                dims,
            },
        );
    }
    Ok(())
}

/// A GGUF name as the files of the original models have it.
pub(super) fn original_name(name: &str) -> Option<String> {
    Some(match name {
        "token_embd.weight" => "model.embed_tokens.weight".to_owned(),
        "output_norm.weight" => "model.norm.weight".to_owned(),
        "output.weight" => "lm_head.weight".to_owned(),
        _ => {
            let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
            let (part, kind) = rest.rsplit_once('.')?;
            let part = match part {
                "attn_norm" => "input_layernorm",
                "attn_q" => "self_attn.q_proj",
                "attn_k" => "self_attn.k_proj",
                "attn_v" => "self_attn.v_proj",
                "attn_output" => "self_attn.o_proj",
                "ffn_norm" => "post_attention_layernorm",
                "ffn_gate" => "mlp.gate_proj",
                "ffn_up" => "mlp.up_proj",
                "ffn_down" => "mlp.down_proj",
                _ => return None,
            };
            format!("model.layers.{layer}.{part}.{kind}")
        }
    })
}
