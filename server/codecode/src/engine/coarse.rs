//! A product of which only the highest sums have to be exact, as the security model's logits: all of them in four bits
//! first, and those near the highest once more from the matrix as it is stored. Knows matrices and rows, no tokens.

use candle_core::{Device, Tensor, quantized::QTensor};

use super::tiles::{Operand, Tiles};
use crate::pointwise::highest;

/// How far below the highest sum another one is still exact, give or take the few tenths that four bits change in a
/// logit. A token so far below has about e^-15 of the likeliest one's probability at temperature 0.4, and e^-6 at 1;
/// at higher temperatures a large vocabulary makes much of that, and all logits had better be exact.
const NEAR: f32 = 6.0;

/// A matrix in four bits and as it is stored.
pub(super) struct Coarse {
    rough: Tiles,
    exact: Tiles,
}

impl Coarse {
    /// `None` where tiles are not made of such a matrix.
    pub(super) fn new(matrix: &QTensor) -> Option<Self> {
        let exact = Tiles::new(matrix)?;
        let (rows, columns) = matrix.shape().dims2().ok()?;
        let rough = Tiles::rough(rows, columns, |rows| {
            let ids = Tensor::arange(rows.start as u32, rows.end as u32, &Device::Cpu).ok()?;
            let plain = matrix.embedding(&ids).ok()?;
            plain.flatten_all().ok()?.to_vec1().ok()
        })?;
        Some(Self { rough, exact })
    }

    /// How many values a row has that it is multiplied with.
    pub(super) fn columns(&self) -> usize {
        self.exact.columns()
    }

    /// For each row one row of sums; a row's are the same whatever is multiplied beside it.
    pub(super) fn multiply(&self, seen: &Operand<'_>, out: &mut [f32]) {
        self.rough.multiply(seen, out);
        let width = out.len() / seen.rows().len().max(1);
        for (row, sums) in out.chunks_exact_mut(width.max(1)).enumerate() {
            let least = highest(sums) - NEAR;
            let near = |sums: &[f32]| sums.iter().fold(false, |near, &sum| near | (sum >= least));
            self.exact.multiply_some(seen, row, near, sums);
        }
    }
}
