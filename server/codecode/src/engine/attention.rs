//! Keys and values of one block on the processor, and attention over them; going back is only a shorter length.
//! Knows positions and heads, no tokens. Each position's sums are made in one fixed order whatever is read beside it, so
//! that reading several at once gives bit for bit what reading them one by one gives.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::shape::{Rotation, Shape};
use crate::pointwise::{exp, highest, total};

/// Positions whose keys lie beside one another, so that a lane of a register is one of them.
const BESIDE: usize = 16;
/// Queries that share one reading of keys and values: their sums still fit into registers.
const TOGETHER: usize = 8;

/// Cosines and sines of every position and wavelength, [context, head / 2].
pub(super) struct Rotary {
    pub(super) cosines: Vec<f32>,
    pub(super) sines: Vec<f32>,
}

impl Rotary {
    pub(super) fn new(shape: &Shape, context: usize) -> Self {
        let half = shape.head / 2;
        let mut cosines = Vec::with_capacity(context * half);
        let mut sines = Vec::with_capacity(context * half);
        for position in 0..context {
            for place in 0..half {
                let wave = shape
                    .rotation_base
                    .powf(-2.0 * place as f64 / shape.head as f64);
                let angle = position as f64 / shape.rotation_stretch * wave;
                cosines.push(angle.cos() as f32);
                sines.push(angle.sin() as f32);
            }
        }
        Self { cosines, sines }
    }

    /// Turns every head of one position's vector.
    fn turn(&self, shape: &Shape, position: usize, vector: &mut [f32]) {
        let half = shape.head / 2;
        let range = position * half..(position + 1) * half;
        let (cosines, sines) = (&self.cosines[range.clone()], &self.sines[range]);
        for head in vector.chunks_exact_mut(shape.head) {
            for (place, (&cosine, &sine)) in cosines.iter().zip(sines).enumerate() {
                let (a, b) = match shape.rotation {
                    Rotation::Halves => (place, place + half),
                    Rotation::Pairs => (2 * place, 2 * place + 1),
                };
                let (x, y) = (head[a], head[b]);
                head[a] = x * cosine - y * sine;
                head[b] = x * sine + y * cosine;
            }
        }
    }
}

/// Where one row stands: in its text, and in what is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// How many tokens stand before it in its text.
    pub(super) position: usize,
    /// The text's first so many tokens, kept from the first place on; texts that branch have them in common.
    pub(super) shared: usize,
    /// The place of the first token after them.
    pub(super) own: usize,
}

impl Spot {
    /// The place of the row's own key and value.
    fn place(self) -> usize {
        self.own + self.position - self.shared
    }

    /// The two stretches of places that the row looks at.
    fn sees(self) -> [Range<usize>; 2] {
        [0..self.shared, self.own..self.place() + 1]
    }

    /// Whether the other row is the next one of the same text.
    fn goes_on_with(self, next: Self) -> bool {
        (next.shared, next.own, next.position) == (self.shared, self.own, self.position + 1)
    }
}

/// What one block remembers, allocated once for the whole context.
pub(super) struct Kept {
    /// [shared head][place / 16][head][place % 16].
    keys: Vec<f32>,
    /// [shared head][place][head].
    values: Vec<f32>,
    /// Places of one shared head, whole sixteens.
    places: usize,
}

impl Kept {
    pub(super) fn new(shape: &Shape, context: usize) -> Self {
        let places = context.next_multiple_of(BESIDE);
        let size = places * shape.shared();
        // Zeroed pages are only taken when they are first written.
        Self {
            keys: vec![0.0; size],
            values: vec![0.0; size],
            places,
        }
    }

    /// Remembers the keys and values of these rows, and mixes values for their queries. `keys` and `values` are
    /// [rows, shared heads * head]; `queries` are [rows, heads * head], and so is what is written to `mixed`.
    pub(super) fn attend(
        &mut self,
        shape: &Shape,
        rotary: &Rotary,
        spots: &[Spot],
        [queries, keys, values]: [&mut [f32]; 3],
        mixed: &mut [f32],
    ) {
        let (width, shared, head) = (shape.heads * shape.head, shape.shared(), shape.head);
        let scale = 1.0 / (head as f32).sqrt();
        for (spot, vector) in spots.iter().zip(queries.chunks_exact_mut(width)) {
            rotary.turn(shape, spot.position, vector);
            for value in vector {
                *value *= scale;
            }
        }
        for (spot, vector) in spots.iter().zip(keys.chunks_exact_mut(shared)) {
            rotary.turn(shape, spot.position, vector);
        }
        for (row, spot) in spots.iter().enumerate() {
            let place = spot.place();
            for of in 0..shape.shared_heads {
                let from = row * shared + of * head..row * shared + (of + 1) * head;
                let first = (of * self.places + place / BESIDE * BESIDE) * head;
                let block = &mut self.keys[first..first + BESIDE * head];
                let lane = block[place % BESIDE..].iter_mut().step_by(BESIDE);
                for (to, &key) in lane.zip(&keys[from.clone()]) {
                    *to = key;
                }
                let at = (of * self.places + place) * head;
                self.values[at..at + head].copy_from_slice(&values[from]);
            }
        }
        self.mix(shape, spots, queries, mixed);
    }

    fn mix(&self, shape: &Shape, spots: &[Spot], queries: &[f32], mixed: &mut [f32]) {
        let group = shape.heads / shape.shared_heads * shape.head;
        let size = self.places * shape.head;
        let threads = rayon::current_num_threads();
        let farthest = spots.iter().map(|spot| spot.position).max().unwrap_or(0);
        let hands_over = threads > 1 && queries.len() / shape.head * (farthest + 1) > 20_000;
        // Rows of one text in order, and not all of them to one thread.
        let most = if hands_over {
            spots.len().div_ceil(threads.div_ceil(shape.shared_heads))
        } else {
            spots.len()
        };
        let texts = spots.chunk_by(|one, next| one.goes_on_with(*next));
        let pieces: Vec<&[Spot]> = texts.flat_map(|rows| rows.chunks(most)).collect();
        let mut jobs: Vec<Mix<'_>> = Vec::with_capacity(pieces.len() * shape.shared_heads);
        let mut vectors = queries
            .chunks_exact(group)
            .zip(mixed.chunks_exact_mut(group));
        for spots in pieces {
            let first = jobs.len();
            for of in 0..shape.shared_heads {
                jobs.push(Mix {
                    head: shape.head,
                    spots,
                    keys: &self.keys[of * size..(of + 1) * size],
                    values: &self.values[of * size..(of + 1) * size],
                    queries: Vec::with_capacity(spots.len() * group / shape.head),
                    out: Vec::with_capacity(spots.len() * group / shape.head),
                });
            }
            for at in 0..spots.len() * shape.shared_heads {
                let Some((queries, out)) = vectors.next() else {
                    break;
                };
                let job = &mut jobs[first + at % shape.shared_heads];
                job.queries.extend(queries.chunks_exact(shape.head));
                job.out.extend(out.chunks_exact_mut(shape.head));
            }
        }
        let run = |job: Mix<'_>| pulp::Arch::new().dispatch(job);
        if hands_over {
            jobs.into_par_iter().for_each(run);
        } else {
            jobs.into_iter().for_each(run);
        }
    }
}

/// Softmax of queries with the keys that they look at, times the values: those of rows that follow each other in one
/// text, and of the heads that have these keys and values in common.
struct Mix<'a> {
    head: usize,
    spots: &'a [Spot],
    keys: &'a [f32],
    values: &'a [f32],
    /// As many for each row.
    queries: Vec<&'a [f32]>,
    out: Vec<&'a mut [f32]>,
}

/// Compiled for the processor at hand, and so is what is inlined into it; what is only called is not, as the closure of
/// a collected iterator.
impl WithSimd for Mix<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        macro_rules! of {
            ($from:expr, $count:expr, $shares:expr, $($queries:literal)*) => {
                match $count {
                    $($queries => self.some::<S, $queries>(simd, $from, $shares),)*
                    _ => unreachable!("queries come in pieces of at most eight"),
                }
            };
        }
        let count = self.queries.len();
        let pieces = count.div_ceil(TOGETHER).max(1);
        let together = count.div_ceil(pieces).max(1);
        let mut shares = Vec::new();
        for from in (0..count).step_by(together) {
            of!(from, together.min(count - from), &mut shares, 1 2 3 4 5 6 7 8);
        }
    }
}

impl Mix<'_> {
    /// `Q` queries from the `from`-th on. `shares` is room for [query][place], reused.
    #[inline(always)]
    fn some<S: Simd, const Q: usize>(&mut self, simd: S, from: usize, shares: &mut Vec<f32>) {
        let each = self.queries.len() / self.spots.len();
        let row = |query: usize| self.spots[(from + query) / each];
        // The last row looks at all that the others look at.
        let seen = row(Q - 1).sees();
        let blocks = seen.clone().map(|places| {
            if places.is_empty() {
                return 0..0;
            }
            places.start / BESIDE..places.end.div_ceil(BESIDE)
        });
        let second = blocks[0].len() * BESIDE;
        let stride = second + blocks[1].len() * BESIDE;
        shares.resize(stride * Q, 0.0);

        let queries: [&[f32]; Q] = std::array::from_fn(|query| self.queries[from + query]);
        for (at, block) in blocks.iter().cloned().flatten().enumerate() {
            let keys = &self.keys[block * BESIDE * self.head..(block + 1) * BESIDE * self.head];
            dots(simd, queries, keys, &mut shares[at * BESIDE..], stride);
        }

        let mut wholes = [0.0; Q];
        for (query, whole) in wholes.iter_mut().enumerate() {
            let [common, own] = row(query).sees();
            let shares = &mut shares[query * stride..(query + 1) * stride];
            // Beside one another, so that a text in two stretches is summed as one that lies in one.
            let begin = second + own.start % BESIDE;
            shares.copy_within(begin..begin + own.len(), common.len());
            let (shares, later) = shares.split_at_mut(common.len() + own.len());
            let highest = highest(shares);
            for share in &mut *shares {
                *share = exp(*share - highest);
            }
            // What only a row after this one looks at adds nothing here.
            later.fill(0.0);
            *whole = total(simd, shares);
        }

        let mut out = self.out[from..from + Q].iter_mut();
        let mut out: [&mut [f32]; Q] = std::array::from_fn(|_| match out.next() {
            Some(out) => &mut **out,
            None => &mut [],
        });
        let values = seen.map(|it| &self.values[it.start * self.head..it.end * self.head]);
        weigh(simd, values, shares, stride, wholes, &mut out);
    }
}

/// Products of each query with the sixteen keys of a block, to `out[query * stride..]`.
#[inline(always)]
fn dots<S: Simd, const Q: usize>(
    simd: S,
    queries: [&[f32]; Q],
    block: &[f32],
    out: &mut [f32],
    stride: usize,
) {
    let head = block.len() / BESIDE;
    let queries = queries.map(|query| &query[..head]);
    let (keys, _) = S::as_simd_f32s(block);
    let wide = BESIDE / S::F32_LANES;
    for part in 0..wide {
        let mut sums = [simd.splat_f32s(0.0); Q];
        for place in 0..head {
            let key = keys[place * wide + part];
            for query in 0..Q {
                let value = simd.splat_f32s(queries[query][place]);
                sums[query] = simd.mul_add_e_f32s(value, key, sums[query]);
            }
        }
        for (query, sum) in sums.into_iter().enumerate() {
            let at = query * stride + part * S::F32_LANES;
            let (out, _) = S::as_mut_simd_f32s(&mut out[at..at + S::F32_LANES]);
            out[0] = sum;
        }
    }
}

/// Sums of values times their shares, which are as long as both stretches of values and of which `wholes` are the wholes.
#[inline(always)]
fn weigh<S: Simd, const Q: usize>(
    simd: S,
    values: [&[f32]; 2],
    shares: &[f32],
    stride: usize,
    wholes: [f32; Q],
    out: &mut [&mut [f32]; Q],
) {
    let head = out[0].len();
    let wide = head / S::F32_LANES;
    let shares: [&[f32]; Q] = std::array::from_fn(|query| &shares[query * stride..][..stride]);
    let values = || {
        values[0]
            .chunks_exact(head)
            .chain(values[1].chunks_exact(head))
    };
    let parts = wholes.map(|whole| 1.0 / whole);
    for place in (0..wide).step_by(2) {
        // The last one twice where they are odd.
        let next = (place + 1).min(wide - 1);
        let mut sums = [[simd.splat_f32s(0.0); 2]; Q];
        for (at, value) in values().enumerate() {
            let (value, _) = S::as_simd_f32s(value);
            let (one, other) = (value[place], value[next]);
            for query in 0..Q {
                let share = simd.splat_f32s(shares[query][at]);
                sums[query][0] = simd.mul_add_e_f32s(share, one, sums[query][0]);
                sums[query][1] = simd.mul_add_e_f32s(share, other, sums[query][1]);
            }
        }
        for query in 0..Q {
            let part = simd.splat_f32s(parts[query]);
            let (out, _) = S::as_mut_simd_f32s(&mut *out[query]);
            out[place] = simd.mul_f32s(sums[query][0], part);
            out[next] = simd.mul_f32s(sums[query][1], part);
        }
    }
    // Heads that are no whole registers wide.
    for place in wide * S::F32_LANES..head {
        for query in 0..Q {
            let terms = values().zip(shares[query]);
            let sum: f32 = terms.map(|(value, share)| share * value[place]).sum();
            out[query][place] = sum * parts[query];
        }
    }
}
