//! A weight matrix in the arrangement that this machine multiplies fastest, and the product with it.
//! Knows tensors and plain rows; names, files and layers are elsewhere.

use std::sync::Arc;

use anyhow::{Context, Result};
use candle_core::{Device, Tensor, quantized::QTensor};

pub(super) use super::tiles::Operand;
use super::{coarse::Coarse, tiles::Tiles};

/// A matrix [out, in].
pub(super) enum Matrix {
    /// As candle keeps and multiplies it.
    Plain(Arc<QTensor>),
    /// In our own tiles.
    Tiled(Tiles),
    /// In tiles twice, for a product whose highest sums alone have to be exact.
    Coarse(Coarse),
}

impl Matrix {
    /// Turns it into tiles where they are made for its kind and this processor.
    pub(super) fn arrange(&mut self) {
        if let Self::Plain(plain) = self
            && let Some(tiles) = Tiles::new(plain)
        {
            *self = Self::Tiled(tiles);
        }
    }

    /// As [`Self::arrange`], for a product of which only the highest sums have to be exact.
    pub(super) fn arrange_coarsely(&mut self) {
        match self.plain().and_then(|plain| Coarse::new(plain)) {
            Some(coarse) => *self = Self::Coarse(coarse),
            None => self.arrange(),
        }
    }

    /// The matrix as it came; `None` once it is arranged.
    pub(super) fn plain(&self) -> Option<&Arc<QTensor>> {
        match self {
            Self::Plain(plain) => Some(plain),
            Self::Tiled(_) | Self::Coarse(_) => None,
        }
    }

    /// How many values a row has that it is multiplied with.
    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Plain(plain) => plain.shape().dims()[1],
            Self::Tiled(tiles) => tiles.columns(),
            Self::Coarse(coarse) => coarse.columns(),
        }
    }

    /// Rows [count, in] to rows [count, out] where the matrix lies; tiles lie on the processor and are multiplied by
    /// [`Self::multiply_rows`].
    pub(super) fn multiply(&self, seen: &Tensor) -> Result<Tensor> {
        let plain = self
            .plain()
            .context("tiles are not multiplied by tensors")?;
        Ok(seen.apply_op1_no_bwd(plain.as_ref())?)
    }

    /// Rows as wide as [`Self::columns`] says, on the processor; `out` becomes their products, one row after another.
    pub(super) fn multiply_rows(&self, seen: &Operand<'_>, out: &mut [f32]) -> Result<()> {
        debug_assert_eq!(seen.columns(), self.columns());
        match self {
            Self::Plain(_) => {
                let dims = (seen.rows().len(), seen.columns());
                let seen = Tensor::from_slice(seen.values(), dims, &Device::Cpu)?;
                let product = self.multiply(&seen)?.flatten_all()?.to_vec1::<f32>()?;
                out.copy_from_slice(&product);
            }
            Self::Tiled(tiles) => tiles.multiply(seen, out),
            Self::Coarse(coarse) => coarse.multiply(seen, out),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::GgmlDType;

    use super::*;
    use crate::engine::weights::target;

    /// Numbers that look random and are the same every time.
    fn noise(count: usize, mut state: u64) -> Vec<f32> {
        (0..count)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
            })
            .collect()
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
            let dense = Tensor::from_vec(noise(64 * 1536, 7), (64, 1536), &Device::Cpu)?;
            let stored = QTensor::quantize(&dense, kind)?;
            let matrix = match target(Some(kind), 64, 1536) {
                Some((to, _)) => QTensor::quantize(&stored.dequantize(&Device::Cpu)?, to)?,
                None => stored,
            };
            let mut matrix = Matrix::Plain(matrix.into());
            matrix.arrange();
            for rows in [2, 3, 4, 5, 8, 9, 17] {
                let seen = noise(rows * 1536, 11);
                let (mut together, mut alone) = (vec![0.0; rows * 64], vec![0.0; 64]);
                matrix.multiply_rows(&Operand::new(&seen, 1536), &mut together)?;
                let pairs = seen.chunks_exact(1536).zip(together.chunks_exact(64));
                for (row, (seen, together)) in pairs.enumerate() {
                    matrix.multiply_rows(&Operand::new(seen, 1536), &mut alone)?;
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
