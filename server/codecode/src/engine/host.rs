//! The forward pass on the processor: plain numbers in room that is taken once.
//! Knows the arithmetic of the Qwen2 and Llama families, no files and no law.

use anyhow::Result;
use candle_core::{Device, Tensor};

use super::{
    attention::{Kept, Rotary, Spot},
    matrix::{Matrix, Operand},
    shape::Shape,
    weights::{Block, Linear, Weights},
};
use crate::pointwise::{gated, normalised};

/// What is kept beside the weights.
pub(super) struct Host {
    rotary: Rotary,
    kept: Vec<Kept>,
    room: Room,
}

/// Rows of one pass, one after another; what they hold is of no use to the next.
#[derive(Default)]
struct Room {
    /// What the blocks add to.
    state: Piece,
    /// What the matrices of one half of a block are multiplied with.
    seen: Piece,
    query: Piece,
    key: Piece,
    value: Piece,
    gate: Piece,
    up: Piece,
    /// What comes back to the state.
    back: Piece,
}

/// Room that is as large as it ever had to be.
#[derive(Default)]
struct Piece(Vec<f32>);

impl Piece {
    /// The first so many numbers, whatever they are.
    fn of(&mut self, length: usize) -> &mut [f32] {
        if self.0.len() < length {
            self.0.resize(length, 0.0);
        }
        &mut self.0[..length]
    }
}

impl Host {
    pub(super) fn new(shape: &Shape, context: usize) -> Self {
        Self {
            rotary: Rotary::new(shape, context),
            kept: (0..shape.layers)
                .map(|_| Kept::new(shape, context))
                .collect(),
            room: Room::default(),
        }
    }

    /// Reads tokens at their spots; `logits` become those after the `wanted` ones of them, one row after another.
    pub(super) fn pass(
        &mut self,
        shape: &Shape,
        weights: &Weights,
        tokens: &[u32],
        spots: &[Spot],
        wanted: &[u32],
        logits: &mut [f32],
    ) -> Result<()> {
        let (count, width) = (tokens.len(), shape.width);
        let ids = Tensor::from_slice(tokens, count, &Device::Cpu)?;
        let stored = weights.embedding.embedding(&ids)?;
        let stored = stored.flatten_all()?.to_vec1::<f32>()?;
        let room = &mut self.room;
        // A prepared embedding has zeros after its columns.
        let stored = stored.chunks_exact(stored.len() / count);
        for (state, row) in room
            .state
            .of(count * width)
            .chunks_exact_mut(width)
            .zip(stored)
        {
            state.copy_from_slice(&row[..width]);
        }
        for (block, kept) in weights.blocks.iter().zip(&mut self.kept) {
            room.attend(shape, block, &self.rotary, kept, spots)?;
            room.feed(shape, block, count)?;
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let last = room.back.of(wanted.len() * width);
        for (last, &row) in last.chunks_exact_mut(width).zip(wanted) {
            let from = row as usize * width;
            last.copy_from_slice(&room.state.0[from..from + width]);
        }
        let seen = room.seen.of(last.len());
        normalised(last, &weights.norm.plain, shape.epsilon, seen);
        multiply(&weights.output, &Operand::new(seen, width), logits)
    }
}

impl Room {
    /// Adds what the positions say to one another.
    fn attend(
        &mut self,
        shape: &Shape,
        block: &Block,
        rotary: &Rotary,
        kept: &mut Kept,
        spots: &[Spot],
    ) -> Result<()> {
        let count = spots.len();
        let state = self.state.of(count * shape.width);
        let seen = self.seen.of(state.len());
        normalised(state, &block.attention_norm.plain, shape.epsilon, seen);
        let seen = Operand::new(seen, shape.width);
        let queries = shape.heads * shape.head;
        let query = self.query.of(count * queries);
        let key = self.key.of(count * shape.shared());
        let value = self.value.of(count * shape.shared());
        apply(&block.query, &seen, query)?;
        apply(&block.key, &seen, key)?;
        apply(&block.value, &seen, value)?;
        let mixed = self.seen.of(query.len());
        kept.attend(shape, rotary, spots, [query, key, value], mixed);
        let back = self.back.of(state.len());
        apply(&block.back, &Operand::new(mixed, queries), back)?;
        add(state, back);
        Ok(())
    }

    /// Adds what each position makes of itself.
    fn feed(&mut self, shape: &Shape, block: &Block, count: usize) -> Result<()> {
        let state = self.state.of(count * shape.width);
        let seen = self.seen.of(state.len());
        normalised(state, &block.feed_norm.plain, shape.epsilon, seen);
        let seen = Operand::new(seen, shape.width);
        let gate = self.gate.of(count * block.feed);
        let up = self.up.of(gate.len());
        apply(&block.gate, &seen, gate)?;
        apply(&block.up, &seen, up)?;
        gated(gate, up);
        let back = self.back.of(state.len());
        apply(&block.down, &Operand::new(gate, block.feed), back)?;
        add(state, back);
        Ok(())
    }
}

fn add(state: &mut [f32], back: &[f32]) {
    for (state, back) in state.iter_mut().zip(back) {
        *state += back;
    }
}

fn apply(layer: &Linear, seen: &Operand<'_>, out: &mut [f32]) -> Result<()> {
    multiply(&layer.matrix, seen, out)?;
    if let Some(bias) = &layer.bias {
        for row in out.chunks_exact_mut(bias.plain.len()) {
            add(row, &bias.plain);
        }
    }
    Ok(())
}

/// With zeros after the columns, where the matrix was prepared with them.
fn multiply(matrix: &Matrix, seen: &Operand<'_>, out: &mut [f32]) -> Result<()> {
    let due = matrix.columns();
    if seen.columns() == due {
        return matrix.multiply_rows(seen, out);
    }
    let mut wider = Vec::with_capacity(seen.rows().len() * due);
    for row in seen.rows() {
        wider.extend_from_slice(row);
        wider.resize(wider.len() + due - row.len(), 0.0);
    }
    matrix.multiply_rows(&Operand::new(&wider, due), out)
}
