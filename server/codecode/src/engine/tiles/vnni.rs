//! The products of [`super::avx2`] where the processor multiplies bytes by fours and adds them up at once (AVX-512
//! VNNI): one instruction in the place of three, no sum that has to be widened in time, and all sixteen columns of a tile
//! at once. Knows tiles and quantised rows, no matrices.
//!
//! Sums of whole numbers are exact and what follows them is the same, so both give the same bits.

use std::arch::x86_64::*;

use pulp::bytemuck::cast;

use super::{Eight, Five, Long, Nibble, Rough, Short, Six, WIDE};

/// That this processor has the features which everything here is compiled for.
#[derive(Clone, Copy)]
pub(super) struct Vnni(());

impl Vnni {
    /// Asks the processor; those of AVX2 are asked for beside.
    pub(super) fn found() -> Option<Self> {
        (std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vnni"))
        .then_some(Self(()))
    }
}

/// Bytes that are fetched ahead: what takes longer to multiply than memory to answer.
const AHEAD: usize = 4096;

/// Asks memory for what stands `AHEAD` of one of `PARTS` parts of a tile.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn fetch<T, const PARTS: usize>(tile: &T, part: usize) {
    let size = size_of::<T>() / PARTS;
    let from = std::ptr::from_ref(tile).cast::<i8>();
    for line in (0..size).step_by(64) {
        // Only asked for: any address may be, past the end of the tiles as well.
        _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD + part * size + line));
    }
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn bytes(from: &[u8; 4 * WIDE]) -> __m512i {
    let [first, second]: [__m256i; 2] = cast(*from);
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second)
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn floats(from: &[f32; WIDE]) -> __m512 {
    _mm512_castsi512_ps(bytes(&cast(*from)))
}

/// The bytes of two numbers of each column in turns.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn in_turns(first: &[u8; WIDE], second: &[u8; WIDE]) -> __m256i {
    let (first, second): (__m128i, __m128i) = (cast(*first), cast(*second));
    _mm256_set_m128i(
        _mm_unpackhi_epi8(first, second),
        _mm_unpacklo_epi8(first, second),
    )
}

/// Adds to every lane the four weights of its column times four values of a row.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn add(sums: __m512i, weights: __m512i, values: i32) -> __m512i {
    _mm512_dpbusd_epi32(sums, weights, _mm512_set1_epi32(values))
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn scaled(sums: __m512i, scale: __m512, own: f32, total: __m512) -> __m512 {
    let scale = _mm512_mul_ps(scale, _mm512_set1_ps(own));
    _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, total)
}

/// The lower bits of weights and the upper ones, each under its mask.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn joined(lower: __m512i, upper: __m512i, low: __m512i, top: __m512i) -> __m512i {
    _mm512_or_si512(_mm512_and_si512(lower, low), _mm512_and_si512(upper, top))
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
fn lanes(total: __m512) -> [f32; WIDE] {
    let second = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(total)));
    cast([_mm512_castps512_ps256(total), second])
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
pub(super) fn nibble<const R: usize>(tiles: &[Nibble], rows: [&[Long]; R]) -> [[f32; WIDE]; R] {
    let low = _mm512_set1_epi8(15);
    let mut totals = [_mm512_setzero_ps(); R];
    for (at, tile) in tiles.iter().enumerate() {
        let parts: [&Long; R] = std::array::from_fn(|row| &rows[row][at]);
        let mut sums = [_mm512_setzero_si512(); R];
        for block in 0..8 {
            fetch::<_, 8>(tile, block);
            let mut dots = [_mm512_setzero_si512(); R];
            for pair in 0..4 {
                let both = bytes(&tile.nibbles[block * 4 + pair]);
                let first = _mm512_and_si512(both, low);
                let second = _mm512_and_si512(_mm512_srli_epi16::<4>(both), low);
                for row in 0..R {
                    let values = &parts[row].values;
                    let at = block * 8 + pair * 2;
                    dots[row] = add(dots[row], first, values[at]);
                    dots[row] = add(dots[row], second, values[at + 1]);
                }
            }
            let scale = _mm512_cvtepu8_epi32(cast(tile.scales[block]));
            for row in 0..R {
                sums[row] = _mm512_add_epi32(sums[row], _mm512_mullo_epi32(dots[row], scale));
            }
        }
        let mut lows = [_mm512_setzero_si512(); R];
        for pair in 0..4 {
            let least =
                _mm512_cvtepu8_epi16(in_turns(&tile.lows[pair * 2], &tile.lows[pair * 2 + 1]));
            for row in 0..R {
                let sum = _mm512_set1_epi32(parts[row].of_32[pair]);
                lows[row] = _mm512_dpwssd_epi32(lows[row], least, sum);
            }
        }
        let scale = floats(&tile.scale);
        let least = floats(&tile.least);
        for row in 0..R {
            let own = parts[row].scale;
            totals[row] = scaled(sums[row], scale, own, totals[row]);
            totals[row] = scaled(lows[row], least, -own, totals[row]);
        }
    }
    totals.map(|it| lanes(it))
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
pub(super) fn six<const R: usize>(tiles: &[Six], rows: [&[Long]; R]) -> [[f32; WIDE]; R] {
    let (low, top) = (_mm512_set1_epi8(15), _mm512_set1_epi8(0x30));
    let mut totals = [_mm512_setzero_ps(); R];
    for (at, tile) in tiles.iter().enumerate() {
        let parts: [&Long; R] = std::array::from_fn(|row| &rows[row][at]);
        let mut sums = [_mm512_setzero_si512(); R];
        for block in 0..16 {
            fetch::<_, 16>(tile, block);
            let stored = &tile.blocks[block];
            let (a, b) = (bytes(&stored.nibbles[0]), bytes(&stored.nibbles[1]));
            let high = bytes(&stored.high);
            let weights = [
                joined(a, _mm512_slli_epi16::<4>(high), low, top),
                joined(
                    _mm512_srli_epi16::<4>(a),
                    _mm512_slli_epi16::<2>(high),
                    low,
                    top,
                ),
                joined(b, high, low, top),
                joined(
                    _mm512_srli_epi16::<4>(b),
                    _mm512_srli_epi16::<2>(high),
                    low,
                    top,
                ),
            ];
            let scale = _mm512_cvtepi8_epi32(cast(tile.scales[block]));
            for row in 0..R {
                let values = &parts[row].values;
                let mut dot = _mm512_setzero_si512();
                for (index, &weights) in weights.iter().enumerate() {
                    dot = add(dot, weights, values[block * 4 + index]);
                }
                sums[row] = _mm512_add_epi32(sums[row], _mm512_mullo_epi32(dot, scale));
            }
        }
        // Weights were stored 32 too high.
        let mut over = [_mm512_setzero_si512(); R];
        for pair in 0..8 {
            let scales =
                _mm512_cvtepi8_epi16(in_turns(&tile.scales[pair * 2], &tile.scales[pair * 2 + 1]));
            for row in 0..R {
                let sum = _mm512_set1_epi32(parts[row].of_16[pair]);
                over[row] = _mm512_dpwssd_epi32(over[row], scales, sum);
            }
        }
        let scale = floats(&tile.scale);
        for row in 0..R {
            let sum = _mm512_sub_epi32(sums[row], _mm512_slli_epi32::<5>(over[row]));
            totals[row] = scaled(sum, scale, parts[row].scale, totals[row]);
        }
    }
    totals.map(|it| lanes(it))
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
pub(super) fn five<const R: usize>(tiles: &[Five], rows: [&[Short]; R]) -> [[f32; WIDE]; R] {
    let (low, top) = (_mm512_set1_epi8(15), _mm512_set1_epi8(0x10));
    let mut totals = [_mm512_setzero_ps(); R];
    for (at, tile) in tiles.iter().enumerate() {
        let parts: [&Short; R] = std::array::from_fn(|row| &rows[row][at]);
        fetch::<_, 1>(tile, 0);
        let high = bytes(&tile.high);
        let highs = [
            _mm512_slli_epi16::<4>(high),
            _mm512_slli_epi16::<3>(high),
            _mm512_slli_epi16::<2>(high),
            _mm512_slli_epi16::<1>(high),
            high,
            _mm512_srli_epi16::<1>(high),
            _mm512_srli_epi16::<2>(high),
            _mm512_srli_epi16::<3>(high),
        ];
        // Weights are stored 16 too high.
        let mut sums: [__m512i; R] =
            std::array::from_fn(|row| _mm512_set1_epi32(parts[row].sum * -16));
        for (index, high) in highs.into_iter().enumerate() {
            let both = bytes(&tile.nibbles[index / 2]);
            let nibble = if index % 2 == 0 {
                both
            } else {
                _mm512_srli_epi16::<4>(both)
            };
            let weights = joined(nibble, high, low, top);
            for row in 0..R {
                sums[row] = add(sums[row], weights, parts[row].values[index]);
            }
        }
        let scale = _mm512_cvtph_ps(cast(tile.scale));
        for row in 0..R {
            totals[row] = scaled(sums[row], scale, parts[row].scale, totals[row]);
        }
    }
    totals.map(|it| lanes(it))
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
pub(super) fn eight<const R: usize>(tiles: &[Eight], rows: [&[Short]; R]) -> [[f32; WIDE]; R] {
    let sign = _mm512_set1_epi8(-128);
    let mut totals = [_mm512_setzero_ps(); R];
    for (at, tile) in tiles.iter().enumerate() {
        let parts: [&Short; R] = std::array::from_fn(|row| &rows[row][at]);
        fetch::<_, 1>(tile, 0);
        // One side has to be unsigned: weights go 128 up, and what that adds is taken away here.
        let mut sums: [__m512i; R] =
            std::array::from_fn(|row| _mm512_set1_epi32(parts[row].sum * -128));
        for (index, four) in tile.bytes.iter().enumerate() {
            let weights = _mm512_xor_si512(bytes(four), sign);
            for row in 0..R {
                sums[row] = add(sums[row], weights, parts[row].values[index]);
            }
        }
        let scale = _mm512_cvtph_ps(cast(tile.scale));
        for row in 0..R {
            totals[row] = scaled(sums[row], scale, parts[row].scale, totals[row]);
        }
    }
    totals.map(|it| lanes(it))
}

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
pub(super) fn rough<const R: usize>(tiles: &[Rough], rows: [&[Short]; R]) -> [[f32; WIDE]; R] {
    let low = _mm512_set1_epi8(15);
    let mut totals = [_mm512_setzero_ps(); R];
    for (at, tile) in tiles.iter().enumerate() {
        let parts: [&Short; R] = std::array::from_fn(|row| &rows[row][at]);
        fetch::<_, 1>(tile, 0);
        // Weights are stored 8 too high.
        let mut sums: [__m512i; R] =
            std::array::from_fn(|row| _mm512_set1_epi32(parts[row].sum * -8));
        for (pair, both) in tile.nibbles.iter().enumerate() {
            let both = bytes(both);
            let first = _mm512_and_si512(both, low);
            let second = _mm512_and_si512(_mm512_srli_epi16::<4>(both), low);
            for row in 0..R {
                let values = &parts[row].values;
                sums[row] = add(sums[row], first, values[pair * 2]);
                sums[row] = add(sums[row], second, values[pair * 2 + 1]);
            }
        }
        let scale = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(cast(tile.scale)));
        let scale = _mm512_castsi512_ps(scale);
        for row in 0..R {
            totals[row] = scaled(sums[row], scale, parts[row].scale, totals[row]);
        }
    }
    totals.map(|it| lanes(it))
}
