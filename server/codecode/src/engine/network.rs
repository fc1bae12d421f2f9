//! The forward pass: tokens in, rows of logits out, keys and values kept.
//! Knows the arithmetic of the Qwen2 and Llama families, no files and no law.

use anyhow::{Context, Result, ensure};
use candle_core::{D, Device, Tensor, quantized::QTensor};

use super::{
    attention::{Kept, Rotary, Spot},
    matrix::Matrix,
    pointwise,
    shape::Shape,
    weights::{Linear, Weights},
};
use crate::model::{Branching, LanguageModel, Read, Rows, Texts};

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

    /// How many texts of `room` tokens fit beside one another after the first `read` ones; 0 on a card, where there
    /// is one text.
    #[must_use]
    pub fn fits_after(&self, read: usize, room: usize) -> usize {
        if self.device.is_cpu() {
            self.context.saturating_sub(read) / room.max(1)
        } else {
            0
        }
    }

    /// The model's measures.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    fn knows(&self, tokens: &[u32]) -> Result<()> {
        ensure!(
            tokens
                .iter()
                .all(|&token| (token as usize) < self.shape.vocabulary),
            "a token is outside the model's vocabulary"
        );
        Ok(())
    }

    /// Reads tokens at their spots and gives logits after the `wanted` ones of them.
    fn pass(&mut self, tokens: &[u32], spots: &[Spot], wanted: &[u32]) -> Result<Option<Tensor>> {
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
            let mixed = kept.attend(&self.shape, &self.rotary, spots, &query, &key, &value)?;
            state = (state + apply(&block.back, &padded(&mixed, &block.back)?)?)?;
            let seen = padded(
                &rms_norm(&state, &block.feed_norm, self.shape.epsilon)?,
                &block.gate,
            )?;
            let fed = gated(&apply(&block.gate, &seen)?, &apply(&block.up, &seen)?)?;
            state = (state + apply(&block.down, &padded(&fed, &block.down)?)?)?;
        }
        if wanted.is_empty() {
            return Ok(None);
        }
        let wanted = Tensor::from_slice(wanted, wanted.len(), &self.device)?;
        let last = state.index_select(&wanted, 0)?;
        let last = rms_norm(&last, &self.weights.norm, self.shape.epsilon)?;
        let output = &self.weights.output;
        Ok(Some(output.multiply(&widened(&last, output)?)?))
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
        self.knows(tokens)?;
        let spots: Vec<Spot> = (self.length..self.length + tokens.len())
            .map(|position| Spot {
                position,
                shared: 0,
                own: 0,
            })
            .collect();
        let wanted: Vec<u32> = (tokens.len() - rows..tokens.len())
            .map(|row| row as u32)
            .collect();
        let logits = self
            .pass(tokens, &spots, &wanted)
            .context("the forward pass failed")?;
        self.length += tokens.len();
        let values = match logits {
            Some(logits) => logits.flatten_all()?.to_vec1::<f32>()?,
            None => Vec::new(),
        };
        Ok(Rows::new(self.shape.vocabulary, values))
    }
}

impl Branching for Network {
    fn fits(&self, room: usize) -> usize {
        self.fits_after(self.length, room)
    }

    fn branch(&mut self, count: usize, room: usize) -> Result<Box<dyn Texts + '_>> {
        ensure!(
            count <= self.fits(room),
            "{count} texts of {room} more tokens do not fit into the context of {} beside one another",
            self.context
        );
        Ok(Box::new(Branches {
            lengths: vec![self.length; count],
            shared: self.length,
            room,
            network: self,
        }))
    }
}

/// Texts that begin alike: each has its own stretch of the places that the network's own text leaves free.
struct Branches<'a> {
    network: &'a mut Network,
    shared: usize,
    room: usize,
    lengths: Vec<usize>,
}

impl Texts for Branches<'_> {
    fn vocabulary(&self) -> usize {
        self.network.shape.vocabulary
    }

    fn context(&self) -> usize {
        self.shared + self.room
    }

    fn length(&self, text: usize) -> usize {
        self.lengths[text]
    }

    fn truncate(&mut self, text: usize, length: usize) {
        self.lengths[text] = self.lengths[text].min(length.max(self.shared));
    }

    fn forward(&mut self, reads: &[Read<'_>]) -> Result<Vec<Rows>> {
        let (mut tokens, mut spots, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for read in reads {
            let length = self.lengths[read.text];
            ensure!(
                !read.tokens.is_empty() && read.rows <= read.tokens.len(),
                "no tokens, or fewer than the rows asked for"
            );
            ensure!(
                length + read.tokens.len() <= self.context(),
                "the context of {} tokens is full",
                self.context()
            );
            self.network.knows(read.tokens)?;
            tokens.extend_from_slice(read.tokens);
            let end = tokens.len() as u32;
            wanted.extend(end - read.rows as u32..end);
            spots.extend((length..length + read.tokens.len()).map(|position| Spot {
                position,
                shared: self.shared,
                own: self.shared + read.text * self.room,
            }));
        }
        let logits = self
            .network
            .pass(&tokens, &spots, &wanted)
            .context("the forward pass failed")?;
        let values = match logits {
            Some(logits) => logits.flatten_all()?.to_vec1::<f32>()?,
            None => Vec::new(),
        };
        let width = self.network.shape.vocabulary;
        let mut rest = values.as_slice();
        let mut all = Vec::with_capacity(reads.len());
        for read in reads {
            self.lengths[read.text] += read.tokens.len();
            let (own, others) = rest.split_at(read.rows * width);
            all.push(Rows::new(width, own.to_vec()));
            rest = others;
        }
        Ok(all)
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

fn widened(seen: &Tensor, matrix: &Matrix) -> Result<Tensor> {
    let (has, due) = (seen.dim(D::Minus1)?, matrix.columns());
    if has == due {
        Ok(seen.clone())
    } else {
        Ok(seen.pad_with_zeros(D::Minus1, 0, due - has)?.contiguous()?)
    }
}

/// What the gate lets through.
fn gated(gate: &Tensor, values: &Tensor) -> Result<Tensor> {
    if !gate.device().is_cpu() {
        return Ok((gate.silu()? * values)?);
    }
    let mut through = gate.flatten_all()?.to_vec1::<f32>()?;
    pointwise::gated(&mut through, &values.flatten_all()?.to_vec1::<f32>()?);
    Ok(Tensor::from_vec(through, gate.dims(), gate.device())?)
}

fn apply(layer: &Linear, seen: &Tensor) -> Result<Tensor> {
    // Query, key and value may be prepared differently; each asks for its own width.
    let due = layer.matrix.columns();
    let product = if seen.dim(D::Minus1)? == due {
        layer.matrix.multiply(seen)?
    } else if seen.dim(D::Minus1)? > due {
        layer
            .matrix
            .multiply(&seen.narrow(D::Minus1, 0, due)?.contiguous()?)?
    } else {
        layer.matrix.multiply(&widened(seen, &layer.matrix)?)?
    };
    match &layer.bias {
        Some(bias) => Ok(product.broadcast_add(bias)?),
        None => Ok(product),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::GgmlDType;

    use super::{Device, Matrix, QTensor, Result, Tensor};
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
            GgmlDType::Q4_0,
            GgmlDType::Q4_1,
            GgmlDType::Q5_0,
            GgmlDType::Q8_0,
            GgmlDType::Q4K,
            GgmlDType::Q5K,
            GgmlDType::Q6K,
        ];
        for kind in kinds {
            let stored = QTensor::quantize(&noise(64, 1536, 7)?, kind)?;
            let matrix = match target(Some(kind), 64, 1536) {
                Some((to, _)) => QTensor::quantize(&stored.dequantize(&Device::Cpu)?, to)?,
                None => stored,
            };
            let mut matrix = Matrix::Plain(matrix.into());
            matrix.arrange();
            for rows in [2, 3, 4, 5, 8, 9, 17] {
                let seen = noise(rows, 1536, 11)?;
                let together = matrix.multiply(&seen)?.to_vec2::<f32>()?;
                for (row, together) in together.iter().enumerate() {
                    let alone = matrix.multiply(&seen.narrow(0, row, 1)?.contiguous()?)?;
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
