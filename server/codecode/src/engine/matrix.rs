//! A weight matrix in the arrangement that this machine multiplies fastest, and the product with it.
//! Knows tensors; names, files and layers are elsewhere.

use std::sync::Arc;

use anyhow::Result;
use candle_core::{D, Tensor, quantized::QTensor};

use super::tiles::Tiles;

/// A matrix [out, in].
pub(super) enum Matrix {
    /// As candle keeps and multiplies it.
    Plain(Arc<QTensor>),
    /// In our own tiles.
    Tiled(Tiles),
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

    /// The matrix as it came; `None` once it is arranged.
    pub(super) fn plain(&self) -> Option<&Arc<QTensor>> {
        match self {
            Self::Plain(plain) => Some(plain),
            Self::Tiled(_) => None,
        }
    }

    /// How many values a row has that it is multiplied with.
    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Plain(plain) => plain.shape().dims()[1],
            Self::Tiled(tiles) => tiles.columns(),
        }
    }

    /// Rows [count, in] to rows [count, out]; `in` as [`Self::columns`] says.
    pub(super) fn multiply(&self, seen: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(plain) => Ok(seen.apply_op1_no_bwd(plain.as_ref())?),
            Self::Tiled(tiles) => {
                let sums = tiles.multiply(&seen.flatten_all()?.to_vec1::<f32>()?);
                let out = (sums.len() / seen.dim(0)?, seen.dim(0)?);
                debug_assert_eq!(seen.dim(D::Minus1)?, self.columns());
                Ok(Tensor::from_vec(sums, (out.1, out.0), seen.device())?)
            }
        }
    }
}
