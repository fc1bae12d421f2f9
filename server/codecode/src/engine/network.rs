//! The forward pass: tokens in, rows of logits out, keys and values kept.
//! Knows the arithmetic of the Qwen2 and Llama families, no files and no law.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use candle_core::{D, Device, Tensor, quantized::QTensor};

use super::{
    attention::{Kept, Rotary},
    shape::Shape,
    weights::{Linear, Weights},
};
use crate::model::{LanguageModel, Rows};

/// A model's weights with the cache of one text.
pub struct Network {
    shape: Shape,
    weights: Weights,
    rotary: Rotary,
    kept: Vec<Kept>,
    length: usize,
    context: usize,
    device: Device,
}

impl Network {
    pub(super) fn new(
        shape: Shape,
        weights: Weights,
        context: usize,
        device: Device,
    ) -> Result<Self> {
        let context = context.min(shape.context);
        ensure!(context > 1, "a context of {context} tokens is too short");
        let rotary = Rotary::new(&shape, context, &device)?;
        let kept = (0..shape.layers)
            .map(|_| Kept::new(&shape, context, &device))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            shape,
            weights,
            rotary,
            kept,
            length: 0,
            context,
            device,
        })
    }

    /// The model's measures.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    fn pass(&mut self, tokens: &[u32], rows: usize) -> Result<Option<Tensor>> {
        let width = self.shape.width;
        let count = tokens.len();
        let ids = Tensor::from_slice(tokens, count, &self.device)?;
        let mut state = embed(&self.weights.embedding, &ids, width)?;
        for (block, kept) in self.weights.blocks.iter().zip(&mut self.kept) {
            let seen = padded(
                &rms_norm(&state, &block.attention_norm, self.shape.epsilon)?,
                &block.query,
            )?;
            let query = apply(&block.query, &seen)?;
            let key = apply(&block.key, &seen)?;
            let value = apply(&block.value, &seen)?;
            let mixed =
                kept.attend(&self.shape, &self.rotary, self.length, &query, &key, &value)?;
            state = (state + apply(&block.back, &padded(&mixed, &block.back)?)?)?;
            let seen = padded(
                &rms_norm(&state, &block.feed_norm, self.shape.epsilon)?,
                &block.gate,
            )?;
            let fed = (apply(&block.gate, &seen)?.silu()? * apply(&block.up, &seen)?)?;
            state = (state + apply(&block.down, &padded(&fed, &block.down)?)?)?;
        }
        if rows == 0 {
            return Ok(None);
        }
        let last = state.narrow(0, count - rows, rows)?.contiguous()?;
        let last = rms_norm(&last, &self.weights.norm, self.shape.epsilon)?;
        Ok(Some(multiply(
            &self.weights.output,
            &widened(&last, &self.weights.output)?,
        )?))
    }
}

impl LanguageModel for Network {
    fn vocabulary(&self) -> usize {
        self.shape.vocabulary
    }

    fn context(&self) -> usize {
        self.context
    }

    fn length(&self) -> usize {
        self.length
    }

    fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    fn forward(&mut self, tokens: &[u32], rows: usize) -> Result<Rows> {
        ensure!(
            !tokens.is_empty() && rows <= tokens.len(),
            "no tokens, or fewer than the rows asked for"
        );
        ensure!(
            tokens.len() <= self.context - self.length,
            "the context of {} tokens is full",
            self.context
        );
        ensure!(
            tokens
                .iter()
                .all(|&token| (token as usize) < self.shape.vocabulary),
            "a token is outside the model's vocabulary"
        );
        let logits = self.pass(tokens, rows).context("the forward pass failed")?;
        self.length += tokens.len();
        let values = match logits {
            Some(logits) => logits.flatten_all()?.to_vec1::<f32>()?,
            None => Vec::new(),
        };
        Ok(Rows::new(self.shape.vocabulary, values))
    }
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

/// Zeros after the columns, where the matrix was prepared with them.
fn padded(seen: &Tensor, layer: &Linear) -> Result<Tensor> {
    widened(seen, &layer.matrix)
}

fn widened(seen: &Tensor, matrix: &QTensor) -> Result<Tensor> {
    let (has, due) = (seen.dim(D::Minus1)?, matrix.shape().dims()[1]);
    if has == due {
        Ok(seen.clone())
    } else {
        Ok(seen.pad_with_zeros(D::Minus1, 0, due - has)?.contiguous()?)
    }
}

fn apply(layer: &Linear, seen: &Tensor) -> Result<Tensor> {
    // Query, key and value may be prepared differently; each asks for its own width.
    let due = layer.matrix.shape().dims()[1];
    let product = if seen.dim(D::Minus1)? == due {
        multiply(&layer.matrix, seen)?
    } else if seen.dim(D::Minus1)? > due {
        multiply(
            &layer.matrix,
            &seen.narrow(D::Minus1, 0, due)?.contiguous()?,
        )?
    } else {
        multiply(&layer.matrix, &widened(seen, &layer.matrix)?)?
    };
    match &layer.bias {
        Some(bias) => Ok(product.broadcast_add(bias)?),
        None => Ok(product),
    }
}

fn multiply(matrix: &Arc<QTensor>, seen: &Tensor) -> Result<Tensor> {
    Ok(seen.apply_op1_no_bwd(matrix.as_ref())?)
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::GgmlDType;

    use super::{Arc, Device, QTensor, Result, Tensor, multiply};
    use crate::engine::weights::target;

    /// Numbers that look random and are the same every time.
    fn noise(rows: usize, columns: usize, mut state: u64) -> Result<Tensor> {
        let values: Vec<f32> = (0..rows * columns)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
            })
            .collect();
        Ok(Tensor::from_vec(values, (rows, columns), &Device::Cpu)?)
    }

    #[test]
    fn a_row_read_among_others_is_bit_for_bit_the_row_read_alone() -> Result<()> {
        let kinds = [
            GgmlDType::Q4_1,
            GgmlDType::Q5_0,
            GgmlDType::Q8_0,
            GgmlDType::Q4K,
            GgmlDType::Q5K,
            GgmlDType::Q6K,
        ];
        for kind in kinds {
            let stored = QTensor::quantize(&noise(64, 1536, 7)?, kind)?;
            let matrix = match target(Some(kind), 1536) {
                Some((to, _)) => QTensor::quantize(&stored.dequantize(&Device::Cpu)?, to)?,
                None => stored,
            };
            let matrix = Arc::new(matrix);
            for rows in [2, 3, 4, 5, 8, 9, 17] {
                let seen = noise(rows, 1536, 11)?;
                let together = multiply(&matrix, &seen)?.to_vec2::<f32>()?;
                for (row, together) in together.iter().enumerate() {
                    let alone = multiply(&matrix, &seen.narrow(0, row, 1)?.contiguous()?)?;
                    let alone = alone.flatten_all()?.to_vec1::<f32>()?;
                    assert!(
                        alone
                            .iter()
                            .zip(together)
                            .all(|(a, b)| a.to_bits() == b.to_bits()),
                        "{kind:?} stored, row {row} of {rows}"
                    );
                }
            }
        }
        Ok(())
    }
}
