//! Sixteen columns of a product at a time, in two halves, for up to eight rows that share one reading of the weights
//! (AVX2). Knows tiles and quantised rows, no matrices. Where the processor also has VNNI, [`super::vnni`] multiplies.
//!
//! A lane of a register is a column, so nothing is ever summed across lanes, and each row's sums are made in one
//! order whatever stands beside it: a row among others is bit for bit the row alone.
//!
//! `vpmaddubsw` multiplies unsigned weights by signed activations and adds neighbours into 16 bits. Weights of four
//! bits leave room for eight such sums there (8 · 2 · 15 · 127 = 30,480), of five for four, of six for two; only then
//! come the widening multiplications, which carry the block's own scale with them.

use std::arch::x86_64::*;

use pulp::bytemuck::cast;

use super::{
    Eight, Five, LONG, Long, Nibble, Operand, Rough, SHORT, Short, Six, WIDE,
    vnni::{self, Vnni},
};

/// That this processor has the features which everything here is compiled for: whoever holds one may call it.
#[derive(Clone, Copy)]
pub(super) struct Avx2 {
    vnni: Option<Vnni>,
}

impl Avx2 {
    /// Asks the processor.
    pub(super) fn found() -> Option<Self> {
        (std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("f16c"))
        .then(|| Self {
            vnni: Vnni::found(),
        })
    }

    /// The same processor as if it had no VNNI.
    #[cfg(test)]
    pub(super) fn alone(self) -> Self {
        Self { vnni: None }
    }
}

/// A stretch of a row that is multiplied, quantised as a kind of tile asks.
pub(super) trait Part: Sized {
    /// All rows, one after another.
    fn of<'a>(rows: &'a Operand<'_>, features: Avx2) -> &'a [Self];
}

/// A kind of tile that this processor multiplies.
pub(super) trait Kernel: Sized {
    /// What it is multiplied with, as wide as a tile.
    type Part: Part;

    /// Sums over all of a column group's tiles, for each row its sixteen columns.
    fn sums<const R: usize>(
        tiles: &[Self],
        rows: [&[Self::Part]; R],
        features: Avx2,
    ) -> [[f32; WIDE]; R];
}

macro_rules! kernel {
    ($tile:ty, $part:ty, $run:ident) => {
        impl Kernel for $tile {
            type Part = $part;

            #[expect(
                unsafe_code,
                reason = "the features are there, or there were no `Avx2` and no `Vnni`"
            )]
            fn sums<const R: usize>(
                tiles: &[Self],
                rows: [&[$part]; R],
                features: Avx2,
            ) -> [[f32; WIDE]; R] {
                match features.vnni {
                    Some(_) => unsafe { vnni::$run(tiles, rows) },
                    None => unsafe { $run(tiles, rows) },
                }
            }
        }
    };
}
kernel!(Nibble, Long, nibble);
kernel!(Six, Long, six);
kernel!(Five, Short, five);
kernel!(Eight, Short, eight);
kernel!(Rough, Short, rough);

macro_rules! part {
    ($part:ty, $run:ident) => {
        impl Part for $part {
            #[expect(
                unsafe_code,
                reason = "the features are there, or there were no `Avx2`"
            )]
            fn of<'a>(rows: &'a Operand<'_>, _: Avx2) -> &'a [Self] {
                rows.$run.get_or_init(|| unsafe { $run(rows.values) })
            }
        }
    };
}
part!(Long, long);
part!(Short, short);

/// One half of what a tile has for its columns, as wide as a register takes it.
fn half<T: Copy, const N: usize>(from: &[T], half: usize) -> [T; N] {
    std::array::from_fn(|at| from[half * N + at])
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn bytes(from: &[u8; 4 * WIDE], at: usize) -> __m256i {
    cast(half::<_, 32>(from, at))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn floats(from: &[f32; WIDE], at: usize) -> __m256 {
    cast(half::<_, 8>(from, at))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn halves(from: &[u16; WIDE], at: usize) -> __m256 {
    _mm256_cvtph_ps(cast(half::<_, 8>(from, at)))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn upper_halves(from: &[u16; WIDE], at: usize) -> __m256 {
    let numbers = _mm256_cvtepu16_epi32(cast(half::<_, 8>(from, at)));
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(numbers))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn eight_bytes(from: &[u8; WIDE], at: usize) -> __m128i {
    _mm_set1_epi64x(i64::from_le_bytes(half(from, at)))
}

/// Eight bytes, each as two equal numbers of 16 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn doubled(from: &[u8; WIDE], at: usize) -> __m128i {
    let both = eight_bytes(from, at);
    _mm_unpacklo_epi8(both, both)
}

/// The bytes of two times eight in turns.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn in_turns([first, second]: [&[u8; WIDE]; 2], at: usize) -> __m128i {
    _mm_unpacklo_epi8(eight_bytes(first, at), eight_bytes(second, at))
}

/// Four values of a row in every lane, times the four weights of each column.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn times(weights: __m256i, values: i32) -> __m256i {
    _mm256_maddubs_epi16(weights, _mm256_set1_epi32(values))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn scaled(sums: __m256i, scale: __m256, own: f32, total: __m256) -> __m256 {
    let scale = _mm256_mul_ps(scale, _mm256_set1_ps(own));
    _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, total)
}

/// Every tile twice, once for each half of its columns, with its place.
fn halved<T>(tiles: &[T]) -> impl Iterator<Item = (usize, &T, usize)> {
    let twice = |(at, tile)| [(at, tile, 0), (at, tile, 1)];
    tiles.iter().enumerate().flat_map(twice)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn nibble<const R: usize>(tiles: &[Nibble], rows: [&[Long]; R]) -> [[f32; WIDE]; R] {
    let low = _mm256_set1_epi8(15);
    let mut totals = [[_mm256_setzero_ps(); 2]; R];
    for (at, tile, half) in halved(tiles) {
        let parts: [&Long; R] = std::array::from_fn(|row| &rows[row][at]);
        let mut sums = [_mm256_setzero_si256(); R];
        for block in 0..8 {
            let mut shorts = [_mm256_setzero_si256(); R];
            for pair in 0..4 {
                let both = bytes(&tile.nibbles[block * 4 + pair], half);
                let first = _mm256_and_si256(both, low);
                let second = _mm256_and_si256(_mm256_srli_epi16::<4>(both), low);
                for row in 0..R {
                    let values = &parts[row].values;
                    let at = block * 8 + pair * 2;
                    shorts[row] = _mm256_add_epi16(shorts[row], times(first, values[at]));
                    shorts[row] = _mm256_add_epi16(shorts[row], times(second, values[at + 1]));
                }
            }
            let scale = _mm256_cvtepu8_epi16(doubled(&tile.scales[block], half));
            for row in 0..R {
                sums[row] = _mm256_add_epi32(sums[row], _mm256_madd_epi16(shorts[row], scale));
            }
        }
        let mut lows = [_mm256_setzero_si256(); R];
        for pair in 0..4 {
            let lows_of = [&tile.lows[pair * 2], &tile.lows[pair * 2 + 1]];
            let least = _mm256_cvtepu8_epi16(in_turns(lows_of, half));
            for row in 0..R {
                let sum = _mm256_set1_epi32(parts[row].of_32[pair]);
                lows[row] = _mm256_add_epi32(lows[row], _mm256_madd_epi16(least, sum));
            }
        }
        let (scale, least) = (floats(&tile.scale, half), floats(&tile.least, half));
        for row in 0..R {
            let own = parts[row].scale;
            totals[row][half] = scaled(sums[row], scale, own, totals[row][half]);
            totals[row][half] = scaled(lows[row], least, -own, totals[row][half]);
        }
    }
    totals.map(cast)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn six<const R: usize>(tiles: &[Six], rows: [&[Long]; R]) -> [[f32; WIDE]; R] {
    let (low, top) = (_mm256_set1_epi8(15), _mm256_set1_epi8(0x30));
    let mut totals = [[_mm256_setzero_ps(); 2]; R];
    for (at, tile, half) in halved(tiles) {
        let parts: [&Long; R] = std::array::from_fn(|row| &rows[row][at]);
        let mut sums = [_mm256_setzero_si256(); R];
        for block in 0..16 {
            let stored = &tile.blocks[block];
            let a = bytes(&stored.nibbles[0], half);
            let b = bytes(&stored.nibbles[1], half);
            let high = bytes(&stored.high, half);
            let weights = [
                _mm256_or_si256(
                    _mm256_and_si256(a, low),
                    _mm256_and_si256(_mm256_slli_epi16::<4>(high), top),
                ),
                _mm256_or_si256(
                    _mm256_and_si256(_mm256_srli_epi16::<4>(a), low),
                    _mm256_and_si256(_mm256_slli_epi16::<2>(high), top),
                ),
                _mm256_or_si256(_mm256_and_si256(b, low), _mm256_and_si256(high, top)),
                _mm256_or_si256(
                    _mm256_and_si256(_mm256_srli_epi16::<4>(b), low),
                    _mm256_and_si256(_mm256_srli_epi16::<2>(high), top),
                ),
            ];
            let scale = _mm256_cvtepi8_epi16(doubled(&tile.scales[block], half));
            for row in 0..R {
                let values = &parts[row].values;
                let x = _mm256_add_epi16(
                    times(weights[0], values[block * 4]),
                    times(weights[1], values[block * 4 + 1]),
                );
                let y = _mm256_add_epi16(
                    times(weights[2], values[block * 4 + 2]),
                    times(weights[3], values[block * 4 + 3]),
                );
                let both =
                    _mm256_add_epi32(_mm256_madd_epi16(x, scale), _mm256_madd_epi16(y, scale));
                sums[row] = _mm256_add_epi32(sums[row], both);
            }
        }
        // Weights were stored 32 too high.
        let mut over = [_mm256_setzero_si256(); R];
        for pair in 0..8 {
            let scales = [&tile.scales[pair * 2], &tile.scales[pair * 2 + 1]];
            let scales = _mm256_cvtepi8_epi16(in_turns(scales, half));
            for row in 0..R {
                let sum = _mm256_set1_epi32(parts[row].of_16[pair]);
                over[row] = _mm256_add_epi32(over[row], _mm256_madd_epi16(scales, sum));
            }
        }
        let scale = floats(&tile.scale, half);
        for row in 0..R {
            let sum = _mm256_sub_epi32(sums[row], _mm256_slli_epi32::<5>(over[row]));
            totals[row][half] = scaled(sum, scale, parts[row].scale, totals[row][half]);
        }
    }
    totals.map(cast)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn five<const R: usize>(tiles: &[Five], rows: [&[Short]; R]) -> [[f32; WIDE]; R] {
    let (low, top, ones) = (
        _mm256_set1_epi8(15),
        _mm256_set1_epi8(0x10),
        _mm256_set1_epi16(1),
    );
    let mut totals = [[_mm256_setzero_ps(); 2]; R];
    for (at, tile, half) in halved(tiles) {
        let parts: [&Short; R] = std::array::from_fn(|row| &rows[row][at]);
        let high = bytes(&tile.high, half);
        let highs = [
            _mm256_slli_epi16::<4>(high),
            _mm256_slli_epi16::<3>(high),
            _mm256_slli_epi16::<2>(high),
            _mm256_slli_epi16::<1>(high),
            high,
            _mm256_srli_epi16::<1>(high),
            _mm256_srli_epi16::<2>(high),
            _mm256_srli_epi16::<3>(high),
        ];
        let mut sums = [_mm256_setzero_si256(); R];
        for part in 0..2 {
            let mut weights = [_mm256_setzero_si256(); 4];
            for (index, weight) in weights.iter_mut().enumerate() {
                let both = bytes(&tile.nibbles[part * 2 + index / 2], half);
                let nibble = if index % 2 == 0 {
                    both
                } else {
                    _mm256_srli_epi16::<4>(both)
                };
                *weight = _mm256_or_si256(
                    _mm256_and_si256(nibble, low),
                    _mm256_and_si256(highs[part * 4 + index], top),
                );
            }
            for row in 0..R {
                let values = &parts[row].values;
                let mut short = times(weights[0], values[part * 4]);
                for index in 1..4 {
                    short =
                        _mm256_add_epi16(short, times(weights[index], values[part * 4 + index]));
                }
                sums[row] = _mm256_add_epi32(sums[row], _mm256_madd_epi16(short, ones));
            }
        }
        let scale = halves(&tile.scale, half);
        for row in 0..R {
            // Weights were stored 16 too high.
            let over = _mm256_set1_epi32(parts[row].sum * 16);
            let sum = _mm256_sub_epi32(sums[row], over);
            totals[row][half] = scaled(sum, scale, parts[row].scale, totals[row][half]);
        }
    }
    totals.map(cast)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn eight<const R: usize>(tiles: &[Eight], rows: [&[Short]; R]) -> [[f32; WIDE]; R] {
    let ones = _mm256_set1_epi16(1);
    let mut totals = [[_mm256_setzero_ps(); 2]; R];
    for (at, tile, half) in halved(tiles) {
        let parts: [&Short; R] = std::array::from_fn(|row| &rows[row][at]);
        let mut sums = [_mm256_setzero_si256(); R];
        for (index, four) in tile.bytes.iter().enumerate() {
            // The weight's sign goes to the value, since one side has to be unsigned.
            let weights = bytes(four, half);
            let sizes = _mm256_abs_epi8(weights);
            for row in 0..R {
                let values = _mm256_set1_epi32(parts[row].values[index]);
                let short = _mm256_maddubs_epi16(sizes, _mm256_sign_epi8(values, weights));
                sums[row] = _mm256_add_epi32(sums[row], _mm256_madd_epi16(short, ones));
            }
        }
        let scale = halves(&tile.scale, half);
        for row in 0..R {
            totals[row][half] = scaled(sums[row], scale, parts[row].scale, totals[row][half]);
        }
    }
    totals.map(cast)
}

#[target_feature(enable = "avx2,fma,f16c")]
fn rough<const R: usize>(tiles: &[Rough], rows: [&[Short]; R]) -> [[f32; WIDE]; R] {
    let (low, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
    let mut totals = [[_mm256_setzero_ps(); 2]; R];
    for (at, tile, half) in halved(tiles) {
        let parts: [&Short; R] = std::array::from_fn(|row| &rows[row][at]);
        let mut shorts = [_mm256_setzero_si256(); R];
        for (pair, both) in tile.nibbles.iter().enumerate() {
            let both = bytes(both, half);
            let first = _mm256_and_si256(both, low);
            let second = _mm256_and_si256(_mm256_srli_epi16::<4>(both), low);
            for row in 0..R {
                let values = &parts[row].values;
                let sum = times(first, values[pair * 2]);
                let sum = _mm256_add_epi16(sum, times(second, values[pair * 2 + 1]));
                shorts[row] = _mm256_add_epi16(shorts[row], sum);
            }
        }
        let scale = upper_halves(&tile.scale, half);
        for row in 0..R {
            // Weights were stored 8 too high.
            let over = _mm256_set1_epi32(parts[row].sum * 8);
            let sum = _mm256_sub_epi32(_mm256_madd_epi16(shorts[row], ones), over);
            totals[row][half] = scaled(sum, scale, parts[row].scale, totals[row][half]);
        }
    }
    totals.map(cast)
}

/// A row in stretches of 256, each with the scale that makes its farthest value 127.
#[target_feature(enable = "avx2,fma,f16c")]
fn long(from: &[f32]) -> Vec<Long> {
    let mut parts = vec![Long::default(); from.len() / LONG];
    for (part, values) in parts.iter_mut().zip(from.as_chunks::<LONG>().0) {
        let (whole, scale) = whole_numbers(values);
        part.scale = scale;
        part.values = cast(whole);
        let mut of_16 = [0_i16; LONG / 16];
        for (sum, bytes) in of_16.iter_mut().zip(whole.chunks_exact(16)) {
            *sum = bytes.iter().map(|&byte| i16::from(byte)).sum();
        }
        let beside = |low: i16, high: i16| i32::from(low) & 0xffff | i32::from(high) << 16;
        for (index, pair) in part.of_16.iter_mut().enumerate() {
            *pair = beside(of_16[index * 2], of_16[index * 2 + 1]);
        }
        for (index, pair) in part.of_32.iter_mut().enumerate() {
            let four = &of_16[index * 4..index * 4 + 4];
            *pair = beside(four[0] + four[1], four[2] + four[3]);
        }
    }
    parts
}

/// Rows in stretches of 32, each with its own scale.
#[target_feature(enable = "avx2,fma,f16c")]
fn short(from: &[f32]) -> Vec<Short> {
    let mut parts = vec![Short::default(); from.len() / SHORT];
    for (part, values) in parts.iter_mut().zip(from.as_chunks::<SHORT>().0) {
        let (whole, scale) = whole_numbers(values);
        part.scale = scale;
        part.values = cast(whole);
        part.sum = whole.iter().map(|&byte| i32::from(byte)).sum();
    }
    parts
}

/// Whole numbers of at most 127 for values, and what one of them is worth.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn whole_numbers<const N: usize>(values: &[f32; N]) -> ([i8; N], f32) {
    let (eights, _) = values.as_chunks::<8>();
    let size = _mm256_castsi256_ps(_mm256_set1_epi32(i32::MAX));
    let mut farthest = _mm256_setzero_ps();
    for eight in eights {
        // The second where one is no number.
        farthest = _mm256_max_ps(_mm256_and_ps(cast(*eight), size), farthest);
    }
    let lanes: [f32; 8] = cast(farthest);
    let farthest = lanes.into_iter().fold(0.0, f32::max);
    let by = _mm256_set1_ps(if farthest > 0.0 {
        127.0 / farthest
    } else {
        0.0
    });
    let whole = |eight: [f32; 8]| {
        let value = _mm256_mul_ps(cast(eight), by);
        // What is no number becomes 0.
        let value = _mm256_and_ps(value, _mm256_cmp_ps::<_CMP_ORD_Q>(value, value));
        _mm256_cvtps_epi32(value)
    };
    let mut out = [0; N];
    let (to, _) = out.as_chunks_mut::<32>();
    for (to, eights) in to.iter_mut().zip(eights.as_chunks::<4>().0) {
        let [a, b, c, d] = eights.map(whole);
        let bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
        // Packing goes by halves of registers.
        let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        *to = cast(_mm256_permutevar8x32_epi32(bytes, order));
    }
    (out, farthest / 127.0)
}
