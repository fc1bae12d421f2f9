//! The forward pass on a card: candle's tensors, one text in order.
//! Knows the arithmetic of the Qwen2 and Llama families, no files and no law.

use anyhow::{Result, ensure};
use candle_core::{D, DType, Device, Tensor, quantized::QTensor};

use super::{
    attention::{Rotary, Spot},
    shape::{Rotation, Shape},
    weights::{Block, Linear, Weights},
};

/// What is kept on the card beside the weights.
pub(super) struct Card {
    device: Device,
    /// [context, head / 2].
    cosines: Tensor,
    sines: Tensor,
    /// Keys and values of each block, [1, shared heads, context, head].
    kept: Vec<[Tensor; 2]>,
}

impl Card {
    pub(super) fn new(shape: &Shape, context: usize, device: Device) -> Result<Self> {
        let rotary = Rotary::new(shape, context);
        let half = (context, shape.head / 2);
        let dims = (1, shape.shared_heads, context, shape.head);
        let empty = || Tensor::zeros(dims, DType::F32, &device);
        Ok(Self {
            cosines: Tensor::from_vec(rotary.cosines, half, &device)?,
            sines: Tensor::from_vec(rotary.sines, half, &device)?,
            kept: (0..shape.layers)
                .map(|_| Ok([empty()?, empty()?]))
                .collect::<Result<_>>()?,
            device,
        })
    }

    /// Reads tokens at their spots; `logits` become those after the `wanted` ones of them, one row after another.
    pub(super) fn pass(
        &self,
        shape: &Shape,
        weights: &Weights,
        tokens: &[u32],
        spots: &[Spot],
        wanted: &[u32],
        logits: &mut [f32],
    ) -> Result<()> {
        ensure!(
            spots.iter().all(|spot| spot.shared == 0 && spot.own == 0),
            "a card holds one text"
        );
        let start = spots.first().map_or(0, |spot| spot.position);
        let ids = Tensor::from_slice(tokens, tokens.len(), &self.device)?;
        let mut state = embed(&weights.embedding, &ids, shape.width)?;
        for (block, kept) in weights.blocks.iter().zip(&self.kept) {
            state = self.block(shape, block, kept, start, state)?;
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let wanted = Tensor::from_slice(wanted, wanted.len(), &self.device)?;
        let last = state.index_select(&wanted, 0)?;
        let last = rms_norm(&last, &weights.norm.tensor, shape.epsilon)?;
        let output = &weights.output;
        let found = output.multiply(&fitted(&last, output.columns())?)?;
        logits.copy_from_slice(&found.flatten_all()?.to_vec1::<f32>()?);
        Ok(())
    }

    fn block(
        &self,
        shape: &Shape,
        block: &Block,
        kept: &[Tensor; 2],
        start: usize,
        state: Tensor,
    ) -> Result<Tensor> {
        let seen = rms_norm(&state, &block.attention_norm.tensor, shape.epsilon)?;
        let query = apply(&block.query, &seen)?;
        let key = apply(&block.key, &seen)?;
        let value = apply(&block.value, &seen)?;
        let mixed = self.attend(shape, start, [&query, &key, &value], kept)?;
        let state = (state + apply(&block.back, &mixed)?)?;
        let seen = rms_norm(&state, &block.feed_norm.tensor, shape.epsilon)?;
        let fed = (apply(&block.gate, &seen)?.silu()? * apply(&block.up, &seen)?)?;
        Ok((state + apply(&block.down, &fed)?)?)
    }

    fn attend(
        &self,
        shape: &Shape,
        start: usize,
        [query, key, value]: [&Tensor; 3],
        [keys, values]: &[Tensor; 2],
    ) -> Result<Tensor> {
        let count = query.dim(0)?;
        let split = |vectors: &Tensor, heads: usize| -> candle_core::Result<Tensor> {
            vectors
                .reshape((1, count, heads, shape.head))?
                .transpose(1, 2)?
                .contiguous()
        };
        let cosines = self.cosines.narrow(0, start, count)?;
        let sines = self.sines.narrow(0, start, count)?;
        let half = shape.head / 2;
        // The two places that turn together, each as [1, heads, positions, head / 2].
        let turn = |vectors: &Tensor| -> candle_core::Result<Tensor> {
            let pairs = shape.rotation == Rotation::Pairs;
            let (a, b) = if pairs {
                let split = vectors.reshape((1, (), count, half, 2))?;
                (
                    split.narrow(4, 0, 1)?.squeeze(4)?,
                    split.narrow(4, 1, 1)?.squeeze(4)?,
                )
            } else {
                (vectors.narrow(3, 0, half)?, vectors.narrow(3, half, half)?)
            };
            let x = (a.broadcast_mul(&cosines)? - b.broadcast_mul(&sines)?)?;
            let y = (a.broadcast_mul(&sines)? + b.broadcast_mul(&cosines)?)?;
            if pairs {
                Tensor::stack(&[x, y], 4)?.reshape(vectors.shape())
            } else {
                Tensor::cat(&[x, y], 3)?.contiguous()
            }
        };
        let query = turn(&split(query, shape.heads)?)?;
        keys.slice_set(&turn(&split(key, shape.shared_heads)?)?, 2, start)?;
        values.slice_set(&split(value, shape.shared_heads)?, 2, start)?;
        let (end, group) = (start + count, shape.heads / shape.shared_heads);
        let spread = |kept: &Tensor| -> candle_core::Result<Tensor> {
            kept.narrow(2, 0, end)?
                .unsqueeze(2)?
                .expand((1, shape.shared_heads, group, end, shape.head))?
                .reshape((1, shape.heads, end, shape.head))
        };
        let scores = (query.matmul(&spread(keys)?.t()?.contiguous()?)?
            * (1.0 / (shape.head as f64).sqrt()))?;
        let hidden: Vec<f32> = (0..count)
            .flat_map(|row| {
                (0..end).map(move |column| {
                    if column > start + row {
                        f32::NEG_INFINITY
                    } else {
                        0.0
                    }
                })
            })
            .collect();
        let hidden = Tensor::from_vec(hidden, (1, 1, count, end), query.device())?;
        let shares = softmax(&scores.broadcast_add(&hidden)?)?;
        let mixed = shares.matmul(&spread(values)?.contiguous()?)?;
        Ok(mixed
            .transpose(1, 2)?
            .reshape((count, shape.heads * shape.head))?)
    }
}

fn softmax(scores: &Tensor) -> candle_core::Result<Tensor> {
    let weights = scores
        .broadcast_sub(&scores.max_keepdim(D::Minus1)?)?
        .exp()?;
    weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)
}

/// Root mean square normalisation (Zhang and Sennrich, 2019), row by row.
fn rms_norm(state: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
    let width = state.dim(D::Minus1)? as f64;
    let mean = (state.sqr()?.sum_keepdim(D::Minus1)? / width)?;
    Ok(state
        .broadcast_div(&(mean + f64::from(epsilon))?.sqrt()?)?
        .broadcast_mul(weight)?)
}

fn embed(matrix: &QTensor, ids: &Tensor, width: usize) -> Result<Tensor> {
    let rows = matrix.embedding(ids)?;
    if rows.dim(D::Minus1)? == width {
        Ok(rows)
    } else {
        Ok(rows.narrow(D::Minus1, 0, width)?.contiguous()?)
    }
}

fn apply(layer: &Linear, seen: &Tensor) -> Result<Tensor> {
    let product = layer
        .matrix
        .multiply(&fitted(seen, layer.matrix.columns())?)?;
    match &layer.bias {
        Some(bias) => Ok(product.broadcast_add(&bias.tensor)?),
        None => Ok(product),
    }
}

/// With zeros after the columns, where a matrix was prepared with them.
fn fitted(seen: &Tensor, due: usize) -> Result<Tensor> {
    let has = seen.dim(D::Minus1)?;
    if has == due {
        Ok(seen.clone())
    } else {
        Ok(seen.pad_with_zeros(D::Minus1, 0, due - has)?.contiguous()?)
    }
}
