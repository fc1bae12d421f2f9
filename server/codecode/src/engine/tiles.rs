//! Quantised matrices arranged so that one reading of the weights serves up to eight rows, on processors with AVX2.
//! Knows the blocks of GGUF files and whole products; files and layers are elsewhere.
//!
//! candle's own kernels read a weight once per row (Q8_0 without VNNI) or keep sums in memory (Q4_K), so verifying
//! eight tokens would cost as much as writing them.

#![cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "no tiles are multiplied there")
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod room;
#[cfg(target_arch = "x86_64")]
mod vnni;

use std::{cell::OnceCell, ops::Range, slice::ChunksExact};

use candle_core::quantized::{GgmlDType, QTensor};
use rayon::prelude::*;

use room::Room;

/// Columns of a product, rows of a matrix, that stand beside one another in a tile: as many as the widest registers
/// have lanes, so that everything is read in the order in which it lies in memory.
const WIDE: usize = 16;
/// Values under one scale in a K kind.
const LONG: usize = 256;
/// Values under one scale in the plain kinds.
const SHORT: usize = 32;
/// Rows that share one reading of the weights: their sums still fit into registers.
const TOGETHER: usize = 8;

/// Q4_K: 256 values of sixteen rows; value = scale · scales · nibble − least · lows.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Nibble {
    scale: [f32; WIDE],
    least: [f32; WIDE],
    scales: [[u8; WIDE]; 8],
    lows: [[u8; WIDE]; 8],
    /// Of eight values in a row the first four in the low halves, for each of the sixteen rows.
    nibbles: [[u8; 4 * WIDE]; 32],
}

/// Q6_K: 256 values of sixteen rows; value = scale · scales · (number − 32).
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Six {
    scale: [f32; WIDE],
    scales: [[u8; WIDE]; 16],
    blocks: [Sixteen; 16],
}

/// Sixteen values of sixteen rows in six bits each, beside one another so that they are read in one go.
#[derive(Clone, Copy)]
#[repr(C)]
struct Sixteen {
    nibbles: [[u8; 4 * WIDE]; 2],
    /// The upper two bits, two bits for each four values.
    high: [u8; 4 * WIDE],
}

/// Q5_0 and Q4_0: 32 values of sixteen rows; value = scale · (number − 16).
#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct Five {
    /// Halves as the file has them.
    scale: [u16; WIDE],
    nibbles: [[u8; 4 * WIDE]; 4],
    high: [u8; 4 * WIDE],
}

/// Q8_0: 32 values of sixteen rows; value = scale · byte.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct Eight {
    scale: [u16; WIDE],
    bytes: [[u8; 4 * WIDE]; 8],
}

/// Any kind once more in four bits: 32 values of sixteen rows; value = scale · (number − 8).
#[derive(Clone, Copy)]
#[repr(C, align(32))]
struct Rough {
    /// The upper halves of the numbers.
    scale: [u16; WIDE],
    nibbles: [[u8; 4 * WIDE]; 4],
}

/// 256 values of a row that is multiplied: value = scale · number, four numbers to a word.
#[derive(Clone)]
struct Long {
    values: [i32; LONG / 4],
    /// Sums of 32 numbers each, two to a word.
    of_32: [i32; 4],
    /// Sums of 16 numbers each, two to a word.
    of_16: [i32; 8],
    scale: f32,
}

impl Default for Long {
    fn default() -> Self {
        Self {
            values: [0; LONG / 4],
            of_32: [0; 4],
            of_16: [0; 8],
            scale: 0.0,
        }
    }
}

/// 32 values of a row that is multiplied.
#[derive(Clone, Default)]
struct Short {
    values: [i32; SHORT / 4],
    sum: i32,
    scale: f32,
}

/// Rows that matrices are multiplied with, each quantised once for all that ask for the same kind.
pub(super) struct Operand<'a> {
    values: &'a [f32],
    columns: usize,
    long: OnceCell<Vec<Long>>,
    short: OnceCell<Vec<Short>>,
}

impl<'a> Operand<'a> {
    /// Rows of `columns` values each, one after another.
    pub(super) fn new(values: &'a [f32], columns: usize) -> Self {
        Self {
            values,
            columns,
            long: OnceCell::new(),
            short: OnceCell::new(),
        }
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn values(&self) -> &'a [f32] {
        self.values
    }

    pub(super) fn rows(&self) -> ChunksExact<'a, f32> {
        self.values.chunks_exact(self.columns)
    }
}

enum Form {
    Nibble(Room<Nibble>),
    Six(Room<Six>),
    Five(Room<Five>),
    Eight(Room<Eight>),
    Rough(Room<Rough>),
}

/// The same for tiles of whatever kind.
#[cfg(target_arch = "x86_64")]
macro_rules! of_any {
    ($form:expr, $tiles:ident => $do:expr) => {
        match $form {
            Form::Nibble($tiles) => $do,
            Form::Six($tiles) => $do,
            Form::Five($tiles) => $do,
            Form::Eight($tiles) => $do,
            Form::Rough($tiles) => $do,
        }
    };
}

/// A matrix in tiles.
pub(super) struct Tiles {
    rows: usize,
    columns: usize,
    form: Form,
}

/// Whether matrices of this kind and width become tiles here.
pub(super) fn takes(kind: GgmlDType, rows: usize, columns: usize) -> bool {
    ready()
        && rows.is_multiple_of(WIDE)
        && match kind {
            GgmlDType::Q4K | GgmlDType::Q6K => columns.is_multiple_of(LONG),
            GgmlDType::Q4_0 | GgmlDType::Q5_0 | GgmlDType::Q8_0 => columns.is_multiple_of(SHORT),
            _ => false,
        }
}

/// Whether tiles are made for this processor at all.
pub(super) fn ready() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        avx2::Avx2::found().is_some()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

impl Tiles {
    /// Arranges a matrix; `None` leaves it to candle.
    pub(super) fn new(matrix: &QTensor) -> Option<Self> {
        let (rows, columns) = matrix.shape().dims2().ok()?;
        // On a card the card multiplies.
        let here = matrix.device().is_cpu() && takes(matrix.dtype(), rows, columns);
        if !here || rows * columns == 0 {
            return None;
        }
        let bytes = matrix.data().ok()?;
        let form = match matrix.dtype() {
            GgmlDType::Q4K => {
                Form::Nibble(arrange::<144, _>(&bytes, rows, columns / LONG, nibble)?)
            }
            GgmlDType::Q6K => Form::Six(arrange::<210, _>(&bytes, rows, columns / LONG, six)?),
            GgmlDType::Q5_0 => Form::Five(arrange::<22, _>(&bytes, rows, columns / SHORT, five)?),
            GgmlDType::Q4_0 => Form::Five(arrange::<18, _>(&bytes, rows, columns / SHORT, four)?),
            GgmlDType::Q8_0 => Form::Eight(arrange::<34, _>(&bytes, rows, columns / SHORT, eight)?),
            _ => return None,
        };
        Some(Self {
            rows,
            columns,
            form,
        })
    }

    /// A matrix in four bits, from what `some` gives of its rows as plain numbers; `None` where it does not fit.
    pub(super) fn rough(
        rows: usize,
        columns: usize,
        some: impl Fn(Range<usize>) -> Option<Vec<f32>> + Sync,
    ) -> Option<Self> {
        if !takes(GgmlDType::Q4_0, rows, columns) || rows * columns == 0 {
            return None;
        }
        let tiles = Room::filled(rows / WIDE, columns / SHORT, |group| {
            let values = some(group * WIDE..(group + 1) * WIDE)?;
            if values.len() != WIDE * columns {
                return None;
            }
            let tile = move |place: usize| {
                rough(std::array::from_fn(|row| {
                    &values[row * columns + place * SHORT..][..SHORT]
                }))
            };
            Some((0..columns / SHORT).map(tile))
        })?;
        Some(Self {
            rows,
            columns,
            form: Form::Rough(tiles),
        })
    }

    /// How many values a row has that it is multiplied with.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Rows as wide as the matrix, times the matrix: `out` becomes for each of them one row of as many sums as the
    /// matrix has rows.
    pub(super) fn multiply(&self, seen: &Operand<'_>, out: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        {
            let features = avx2::Avx2::found().expect("tiles are only made where it is found");
            of_any!(&self.form, tiles => self.with(tiles, seen, features, out));
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            unreachable!(
                "no tiles are made for this processor: {}",
                out.len() + seen.columns()
            )
        }
    }

    /// The sums of those sixteens of matrix rows which `wanted` says, for one of the rows that are multiplied; the
    /// others in `out` stay. They are those of [`Self::multiply`].
    pub(super) fn multiply_some(
        &self,
        seen: &Operand<'_>,
        row: usize,
        wanted: impl Fn(&[f32]) -> bool,
        out: &mut [f32],
    ) {
        #[cfg(target_arch = "x86_64")]
        {
            let features = avx2::Avx2::found().expect("tiles are only made where it is found");
            of_any!(&self.form, tiles => self.some_of(tiles, seen, row, features, wanted, out));
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (seen, row, wanted, out);
            unreachable!("no tiles are made for this processor")
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn some_of<K: avx2::Kernel>(
        &self,
        tiles: &[K],
        seen: &Operand<'_>,
        row: usize,
        features: avx2::Avx2,
        wanted: impl Fn(&[f32]) -> bool,
        out: &mut [f32],
    ) {
        let parts = <K::Part as avx2::Part>::of(seen, features);
        let width = parts.len() / seen.rows().len();
        let row = &parts[row * width..(row + 1) * width];
        let across = tiles.len() / (self.rows / WIDE);
        let groups = tiles.chunks_exact(across).zip(out.chunks_exact_mut(WIDE));
        for (tiles, out) in groups.filter(|(_, out)| wanted(out)) {
            beside(tiles, &[row], features, |_, sums| out.copy_from_slice(sums));
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn with<K: avx2::Kernel + Sync>(
        &self,
        tiles: &[K],
        seen: &Operand<'_>,
        features: avx2::Avx2,
        out: &mut [f32],
    ) where
        K::Part: Sync,
    {
        /// Columns that one thread takes at once: enough work to be worth handing over.
        const COLUMNS: usize = 8 * WIDE;

        let parts = <K::Part as avx2::Part>::of(seen, features);
        let count = seen.rows().len();
        let rows: Vec<&[K::Part]> = parts.chunks_exact(parts.len() / count.max(1)).collect();
        let across = tiles.len() / (self.rows / WIDE);
        let alone = rayon::current_num_threads() == 1;
        let columns = if alone { self.rows } else { COLUMNS };
        // Each job's columns of all rows.
        let mut jobs: Vec<Vec<&mut [f32]>> = Vec::new();
        jobs.resize_with(self.rows.div_ceil(columns), || Vec::with_capacity(count));
        for row in out.chunks_exact_mut(self.rows) {
            for (job, sums) in jobs.iter_mut().zip(row.chunks_mut(columns)) {
                job.push(sums);
            }
        }
        let run = |(at, mut sums): (usize, Vec<&mut [f32]>)| {
            let width = sums.first().map_or(0, |row| row.len());
            for from in (0..width).step_by(WIDE) {
                let first = (at * columns + from) / WIDE * across;
                let tiles = &tiles[first..first + across];
                for (rows, sums) in rows.chunks(TOGETHER).zip(sums.chunks_mut(TOGETHER)) {
                    beside(tiles, rows, features, |row, found| {
                        sums[row][from..from + WIDE].copy_from_slice(found);
                    });
                }
            }
        };
        if alone {
            jobs.into_iter().enumerate().for_each(run);
        } else {
            jobs.into_par_iter().enumerate().for_each(run);
        }
    }
}

/// The kernel compiled for as many rows as there are; `take` gets each row's sums.
#[cfg(target_arch = "x86_64")]
fn beside<K: avx2::Kernel>(
    tiles: &[K],
    rows: &[&[K::Part]],
    features: avx2::Avx2,
    mut take: impl FnMut(usize, &[f32; WIDE]),
) {
    macro_rules! of {
        ($($count:literal)*) => {
            match rows.len() {
                $($count => {
                    let rows: [&[K::Part]; $count] = std::array::from_fn(|row| rows[row]);
                    for (row, found) in K::sums(tiles, rows, features).iter().enumerate() {
                        take(row, found);
                    }
                })*
                _ => unreachable!("rows come in pieces of at most eight"),
            }
        };
    }
    of!(1 2 3 4 5 6 7 8);
}

/// Calls `tile` for every tile with its sixteen blocks.
fn arrange<const SIZE: usize, T: Copy + Send>(
    bytes: &[u8],
    rows: usize,
    across: usize,
    tile: fn([&[u8; SIZE]; WIDE]) -> T,
) -> Option<Room<T>> {
    let (blocks, _) = bytes.as_chunks::<SIZE>();
    Room::filled(rows / WIDE, across, |group| {
        let blocks = &blocks[group * WIDE * across..][..WIDE * across];
        Some(
            (0..across)
                .map(move |place| tile(std::array::from_fn(|row| &blocks[row * across + place]))),
        )
    })
}

/// A number of 16 bits as the tiles keep it wide.
fn wide(bytes: &[u8]) -> f32 {
    let bits = u32::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    let size = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    if bits & 0x8000 == 0 { size } else { -size }
}

/// Values of one block to their places: row `row` of what four values of sixteen rows share.
fn spread(values: &[u8], row: usize, nibbles: &mut [[u8; 4 * WIDE]]) {
    for (pair, eight) in nibbles.iter_mut().zip(values.chunks_exact(8)) {
        for place in 0..4 {
            pair[row * 4 + place] = eight[place] & 15 | eight[place + 4] << 4;
        }
    }
}

fn nibble(blocks: [&[u8; 144]; WIDE]) -> Nibble {
    let mut tile = Nibble {
        scale: [0.0; WIDE],
        least: [0.0; WIDE],
        scales: [[0; WIDE]; 8],
        lows: [[0; WIDE]; 8],
        nibbles: [[0; 4 * WIDE]; 32],
    };
    for (row, block) in blocks.into_iter().enumerate() {
        tile.scale[row] = wide(&block[0..2]);
        tile.least[row] = wide(&block[2..4]);
        let packed = &block[4..16];
        for part in 0..8 {
            // Six bits each: four whole ones, then halves whose upper two bits fill what those left over.
            let (scale, low) = if part < 4 {
                (packed[part] & 63, packed[part + 4] & 63)
            } else {
                (
                    packed[part + 4] & 15 | packed[part - 4] >> 6 << 4,
                    packed[part + 4] >> 4 | packed[part] >> 6 << 4,
                )
            };
            tile.scales[part][row] = scale;
            tile.lows[part][row] = low;
        }
        let mut values = [0; LONG];
        for (to, from) in values
            .chunks_exact_mut(64)
            .zip(block[16..].chunks_exact(32))
        {
            for (place, byte) in from.iter().enumerate() {
                to[place] = byte & 15;
                to[place + 32] = byte >> 4;
            }
        }
        spread(&values, row, &mut tile.nibbles);
    }
    tile
}

fn six(blocks: [&[u8; 210]; WIDE]) -> Six {
    let mut tile = Six {
        scale: [0.0; WIDE],
        scales: [[0; WIDE]; 16],
        blocks: [Sixteen {
            nibbles: [[0; 4 * WIDE]; 2],
            high: [0; 4 * WIDE],
        }; 16],
    };
    for (row, block) in blocks.into_iter().enumerate() {
        tile.scale[row] = wide(&block[208..210]);
        for (part, scale) in block[192..208].iter().enumerate() {
            tile.scales[part][row] = *scale;
        }
        let mut values = [0; LONG];
        for half in 0..2 {
            let (low, high) = (&block[half * 64..], &block[128 + half * 32..]);
            for place in 0..32 {
                let to = &mut values[half * 128 + place..];
                to[0] = low[place] & 15 | (high[place] & 3) << 4;
                to[32] = low[place + 32] & 15 | (high[place] >> 2 & 3) << 4;
                to[64] = low[place] >> 4 | (high[place] >> 4 & 3) << 4;
                to[96] = low[place + 32] >> 4 | (high[place] >> 6) << 4;
            }
        }
        for (block, values) in tile.blocks.iter_mut().zip(values.chunks_exact(16)) {
            spread(values, row, &mut block.nibbles);
            for (index, value) in values.iter().enumerate() {
                block.high[row * 4 + index % 4] |= value >> 4 << (index / 4 * 2);
            }
        }
    }
    tile
}

fn five(blocks: [&[u8; 22]; WIDE]) -> Five {
    let mut tile = Five {
        scale: [0; WIDE],
        nibbles: [[0; 4 * WIDE]; 4],
        high: [0; 4 * WIDE],
    };
    for (row, block) in blocks.into_iter().enumerate() {
        let fifth = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
        tile.take(row, [block[0], block[1]], &block[6..], |place| {
            (fifth >> place & 1) as u8 * 16
        });
    }
    tile
}

fn four(blocks: [&[u8; 18]; WIDE]) -> Five {
    let mut tile = Five {
        scale: [0; WIDE],
        nibbles: [[0; 4 * WIDE]; 4],
        high: [0; 4 * WIDE],
    };
    for (row, block) in blocks.into_iter().enumerate() {
        // The file's zero is at 8, the tile's at 16.
        tile.take(row, [block[0], block[1]], &block[2..], |_| 8);
    }
    tile
}

impl Five {
    fn take(&mut self, row: usize, scale: [u8; 2], halves: &[u8], more: impl Fn(usize) -> u8) {
        self.scale[row] = u16::from_le_bytes(scale);
        let mut values = [0; SHORT];
        for (place, byte) in halves[..16].iter().enumerate() {
            values[place] = (byte & 15) + more(place);
            values[place + 16] = (byte >> 4) + more(place + 16);
        }
        spread(&values, row, &mut self.nibbles);
        for (index, value) in values.iter().enumerate() {
            self.high[row * 4 + index % 4] |= value >> 4 << (index / 4);
        }
    }
}

fn eight(blocks: [&[u8; 34]; WIDE]) -> Eight {
    let mut tile = Eight {
        scale: [0; WIDE],
        bytes: [[0; 4 * WIDE]; 8],
    };
    for (row, block) in blocks.into_iter().enumerate() {
        tile.scale[row] = u16::from_le_bytes([block[0], block[1]]);
        for (to, from) in tile.bytes.iter_mut().zip(block[2..].chunks_exact(4)) {
            to[row * 4..row * 4 + 4].copy_from_slice(from);
        }
    }
    tile
}

/// Each stretch of 32 under the scale that takes its farthest value to -8, as Q4_0 has it.
fn rough(rows: [&[f32]; WIDE]) -> Rough {
    let mut tile = Rough {
        scale: [0; WIDE],
        nibbles: [[0; 4 * WIDE]; 4],
    };
    for (row, values) in rows.into_iter().enumerate() {
        let farthest =
            values.iter().fold(
                0.0_f32,
                |far, &value| {
                    if value.abs() > far.abs() { value } else { far }
                },
            );
        tile.scale[row] = ((farthest / -8.0).to_bits() >> 16) as u16;
        let scale = f32::from_bits(u32::from(tile.scale[row]) << 16);
        let by = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let mut numbers = [0; SHORT];
        for (number, value) in numbers.iter_mut().zip(values) {
            // What is no number becomes 0.
            *number = ((value * by).round() + 8.0).clamp(0.0, 15.0) as u8;
        }
        spread(&numbers, row, &mut tile.nibbles);
    }
    tile
}

#[cfg(test)]
mod tests {
    use crate::engine::coarse::Coarse;
    use anyhow::Result;
    use candle_core::{Device, Tensor};

    use super::*;

    const KINDS: [GgmlDType; 5] = [
        GgmlDType::Q4K,
        GgmlDType::Q6K,
        GgmlDType::Q4_0,
        GgmlDType::Q5_0,
        GgmlDType::Q8_0,
    ];

    /// Rows that a kind's own numbers can reach the ends with: all alike, in turns, and in between.
    fn matrix(rows: usize, columns: usize) -> Vec<f32> {
        let mut state = 3_u64;
        (0..rows * columns)
            .map(|at| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let noise = (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
                match at / columns % 4 {
                    0 => 1.0,
                    1 => -1.0,
                    2 if at % 2 == 0 => 1.0,
                    2 => -1.0,
                    _ => noise,
                }
            })
            .collect()
    }

    /// Rows that lose nothing by being quantised: whole numbers up to 127, times a power of two.
    fn row(columns: usize, kind: usize) -> Vec<f32> {
        (0..columns)
            .map(|at| {
                let whole = match kind {
                    0 => 127,
                    1 => -127,
                    2 => 127 - 254 * (at as i32 % 2),
                    _ if at % 32 == 0 => 127,
                    _ => (at as i32 * 37) % 255 - 127,
                };
                whole as f32 / 64.0
            })
            .collect()
    }

    #[test]
    fn products_are_those_of_the_dequantised_matrix() -> Result<()> {
        for kind in KINDS {
            let (rows, columns) = (48, 768);
            if !takes(kind, rows, columns) {
                // candle multiplies on this processor, and there is nothing here to look at.
                continue;
            }
            let dense = Tensor::from_vec(matrix(rows, columns), (rows, columns), &Device::Cpu)?;
            let stored = QTensor::quantize(&dense, kind)?;
            let plain = stored.dequantize(&Device::Cpu)?.to_vec2::<f32>()?;
            let tiles = Tiles::new(&stored).expect("the kind is taken");
            let seen: Vec<f32> = (0..4).flat_map(|kind| row(columns, kind)).collect();
            let mut products = vec![0.0; 4 * rows];
            tiles.multiply(&Operand::new(&seen, columns), &mut products);
            for (at, &product) in products.iter().enumerate() {
                let (seen, weights) = (&seen[at / rows * columns..], &plain[at % rows]);
                let terms = || {
                    seen.iter()
                        .zip(weights)
                        .map(|(&a, &b)| f64::from(a) * f64::from(b))
                };
                let (due, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                assert!(
                    (f64::from(product) - due).abs() <= 1e-5 * size,
                    "{kind:?}: row {} times row {}: {product} where {due} is due",
                    at / rows,
                    at % rows
                );
            }
        }
        Ok(())
    }

    #[test]
    fn four_bits_are_near_and_the_highest_sums_exact() -> Result<()> {
        let (rows, columns) = (480, 256);
        for kind in [GgmlDType::Q8_0, GgmlDType::Q6K] {
            if !takes(kind, rows, columns) {
                continue;
            }
            // The rows of it that look random.
            let all = matrix(4 * rows, columns);
            let random = all.chunks_exact(columns).skip(3).step_by(4);
            let random: Vec<f32> = random.flatten().copied().collect();
            let dense = Tensor::from_vec(random, (rows, columns), &Device::Cpu)?;
            let stored = QTensor::quantize(&dense, kind)?;
            let exact = Tiles::new(&stored).expect("the kind is taken");
            let coarse = Coarse::new(&stored).expect("the kind is taken");
            let seen: Vec<f32> = (0..4).flat_map(|kind| row(columns, kind)).collect();
            let (mut due, mut found) = (vec![0.0; 4 * rows], vec![0.0; 4 * rows]);
            exact.multiply(&Operand::new(&seen, columns), &mut due);
            coarse.multiply(&Operand::new(&seen, columns), &mut found);
            let mut rounded = 0;
            for (due, found) in due.chunks_exact(rows).zip(found.chunks_exact(rows)) {
                let highest = due.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let size = due.iter().map(|it| it.abs()).fold(0.0, f32::max);
                for (due, found) in due.iter().zip(found) {
                    if *due >= highest - 2.0 {
                        assert_eq!(due.to_bits(), found.to_bits(), "{kind:?}");
                    }
                    assert!(
                        (due - found).abs() <= 0.2 * size,
                        "{kind:?}: {due}, {found}"
                    );
                    rounded += usize::from(due != found);
                }
            }
            assert!(rounded > 0, "{kind:?}: all of it is multiplied twice");
        }
        Ok(())
    }

    /// Of a processor with VNNI, whatever of it this one has.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_product_is_the_same_in_bits_alone_among_others_and_without_vnni() -> Result<()> {
        use avx2::{Avx2, Kernel, Part};

        fn sums<K: Kernel>(
            tiles: &[K],
            seen: &[f32],
            columns: usize,
            features: Avx2,
        ) -> Vec<Vec<u32>> {
            let seen = Operand::new(seen, columns);
            let parts = K::Part::of(&seen, features);
            let rows = parts.chunks_exact(parts.len() / seen.rows().len());
            let rows: Vec<&[K::Part]> = rows.collect();
            let mut out = Vec::new();
            beside(tiles, &rows, features, |_, sums| {
                out.push(sums.iter().map(|it| it.to_bits()).collect());
            });
            out
        }

        let Some(features) = Avx2::found() else {
            return Ok(());
        };
        let columns = 768;
        let seen: Vec<f32> = (0..8).flat_map(|kind| row(columns, kind % 4)).collect();
        let values = matrix(WIDE, columns);
        let dense = Tensor::from_vec(values.clone(), (WIDE, columns), &Device::Cpu)?;
        let rough = Tiles::rough(WIDE, columns, |_| Some(values.clone()));
        let mut all_tiles = vec![("rough".to_owned(), rough.expect("it fits"))];
        for kind in KINDS {
            let tiles = Tiles::new(&QTensor::quantize(&dense, kind)?);
            all_tiles.push((format!("{kind:?}"), tiles.expect("the kind is taken")));
        }
        for (kind, tiles) in &all_tiles {
            let of = |seen: &[f32], features: Avx2| of_any!(&tiles.form, tiles => sums(tiles, seen, columns, features));
            let all = of(&seen, features);
            assert_eq!(all, of(&seen, features.alone()), "{kind} without VNNI");
            for (at, row) in seen.chunks_exact(columns).enumerate() {
                assert_eq!(
                    of(row, features),
                    [all[at].clone()],
                    "{kind} row {at} alone"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn what_does_not_fit_into_tiles_is_left_to_candle() -> Result<()> {
        let of = |rows: usize, columns: usize, kind| -> Result<bool> {
            let dense = Tensor::from_vec(matrix(rows, columns), (rows, columns), &Device::Cpu)?;
            Ok(Tiles::new(&QTensor::quantize(&dense, kind)?).is_some())
        };
        assert!(!of(24, 256, GgmlDType::Q8_0)?);
        assert!(!of(16, 256, GgmlDType::Q5K)?);
        assert_eq!(of(16, 96, GgmlDType::Q8_0)?, ready());
        Ok(())
    }
}
