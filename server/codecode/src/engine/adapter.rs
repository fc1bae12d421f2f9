//! LoRA adapters in PEFT's layout, added to a model's matrices when it is loaded.
//! Knows low-rank pairs and names, no forward pass.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use candle_core::Tensor;
use serde_json::Value as Json;

use super::{
    safetensors::{Files, original_name},
    shape::Shape,
};

/// The low-rank pairs of an adapter and the factor they are added with (alpha / r).
pub(super) struct Adapter {
    files: Files,
    scale: f64,
    title: String,
}

impl Adapter {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let named = || format!("the adapter {}", folder.display());
        Self::read(folder).with_context(named)
    }

    fn read(folder: &Path) -> Result<Self> {
        let text =
            std::fs::read(folder.join("adapter_config.json")).context("adapter_config.json")?;
        let config: Json =
            serde_json::from_slice(&text).context("adapter_config.json is damaged")?;
        let kind = config["peft_type"].as_str().unwrap_or("unnamed");
        ensure!(
            kind == "LORA",
            "it is of the kind `{kind}`; LORA is supported"
        );
        for (key, most) in [
            ("use_dora", false),
            ("use_rslora", false),
            ("lora_bias", false),
        ] {
            ensure!(
                config[key].as_bool().unwrap_or(false) == most,
                "its option `{key}` is not supported"
            );
        }
        let rank = config["r"]
            .as_f64()
            .filter(|&rank| rank >= 1.0)
            .context("it does not say its rank `r`")?;
        let alpha = config["lora_alpha"]
            .as_f64()
            .context("it does not say its `lora_alpha`")?;
        let files = Files::open(vec![folder.join("adapter_model.safetensors")])?;
        let title = config["base_model_name_or_path"]
            .as_str()
            .unwrap_or("an unnamed model")
            .to_owned();
        Ok(Self {
            files,
            scale: alpha / rank,
            title,
        })
    }

    /// Refuses an adapter that was made for another model: every pair must find its matrix, in its shape.
    pub(super) fn fits(&self, shape: &Shape) -> Result<()> {
        let mut pairs = 0;
        for name in self.files.names() {
            let Some((layer, part)) = target(name) else {
                bail!(
                    "the adapter is for {} and changes `{name}`, which this model does not have",
                    self.title
                );
            };
            ensure!(
                layer < shape.layers,
                "the adapter is for {} and changes layer {layer}; this model has {} layers",
                self.title,
                shape.layers
            );
            let (queries, shared) = (shape.heads * shape.head, shape.shared());
            let dims = self
                .files
                .get(name)
                .map(|place| place.dims.clone())
                .unwrap_or_default();
            let due = match (part, name.contains(".lora_A.")) {
                ("self_attn.o_proj", true) => Some(queries),
                ("mlp.down_proj", true) | ("mlp.gate_proj" | "mlp.up_proj", false) => None,
                (_, true) | ("self_attn.o_proj" | "mlp.down_proj", false) => Some(shape.width),
                ("self_attn.q_proj", false) => Some(queries),
                (_, false) => Some(shared),
            };
            let has = if name.contains(".lora_A.") {
                dims.get(1)
            } else {
                dims.first()
            };
            ensure!(
                dims.len() == 2 && due.is_none_or(|due| has == Some(&due)),
                "the adapter is for {}: `{name}` has the shape {dims:?} where {due:?} is due",
                self.title
            );
            pairs += 1;
        }
        ensure!(
            pairs > 0 && pairs % 2 == 0,
            "the adapter has no whole pairs of matrices"
        );
        Ok(())
    }

    /// What to add to the matrix of this GGUF name, [rows, columns] in the original model's order.
    pub(super) fn delta(&self, name: &str, rows: usize, columns: usize) -> Result<Option<Tensor>> {
        let Some(original) = original_name(name) else {
            return Ok(None);
        };
        let stem = format!("base_model.model.{}", original.trim_end_matches(".weight"));
        let (down, up) = (
            format!("{stem}.lora_A.weight"),
            format!("{stem}.lora_B.weight"),
        );
        if self.files.get(&down).is_none() && self.files.get(&up).is_none() {
            return Ok(None);
        }
        let product = self.files.load(&up)?.matmul(&self.files.load(&down)?)?;
        ensure!(
            product.dims() == [rows, columns],
            "the adapter is for {}: it changes `{original}` as {:?}, and here it is [{rows}, {columns}]",
            self.title,
            product.dims()
        );
        Ok(Some((product * self.scale)?))
    }
}

/// Layer and part of a name such as `base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight`.
fn target(name: &str) -> Option<(usize, &str)> {
    let rest = name.strip_prefix("base_model.model.model.layers.")?;
    let (layer, rest) = rest.split_once('.')?;
    let part = rest
        .strip_suffix(".lora_A.weight")
        .or_else(|| rest.strip_suffix(".lora_B.weight"))?;
    let known = matches!(
        part,
        "self_attn.q_proj"
            | "self_attn.k_proj"
            | "self_attn.v_proj"
            | "self_attn.o_proj"
            | "mlp.gate_proj"
            | "mlp.up_proj"
            | "mlp.down_proj"
    );
    known.then(|| Some((layer.parse().ok()?, part))).flatten()
}
