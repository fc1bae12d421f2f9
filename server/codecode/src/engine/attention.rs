//! Keys and values of one block, and attention over them; going back is only a shorter length.
//! Knows positions and heads, no tokens. On the processor each position is computed by itself in one fixed
//! order, so that reading several at once gives bit for bit what reading them one by one gives.

use anyhow::Result;
use candle_core::{D, DType, Device, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    pointwise::exp,
    shape::{Rotation, Shape},
};

/// Cosines and sines of every position and wavelength, [context, head / 2].
pub(super) struct Rotary {
    cosines: Vec<f32>,
    sines: Vec<f32>,
    on_device: Option<(Tensor, Tensor)>,
}

impl Rotary {
    pub(super) fn new(shape: &Shape, context: usize, device: &Device) -> Result<Self> {
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
        let on_device = if device.is_cpu() {
            None
        } else {
            Some((
                Tensor::from_slice(&cosines, (context, half), device)?,
                Tensor::from_slice(&sines, (context, half), device)?,
            ))
        };
        Ok(Self {
            cosines,
            sines,
            on_device,
        })
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
}

/// What one block remembers, allocated once for the whole context.
pub(super) enum Kept {
    /// On the processor: [shared head][position][head], plain numbers.
    Host {
        keys: Vec<f32>,
        values: Vec<f32>,
        context: usize,
    },
    /// On a card: [1, shared heads, context, head].
    Device { keys: Tensor, values: Tensor },
}

impl Kept {
    pub(super) fn new(shape: &Shape, context: usize, device: &Device) -> Result<Self> {
        if device.is_cpu() {
            let size = context * shape.shared();
            // Zeroed pages are only taken when they are first written.
            return Ok(Self::Host {
                keys: vec![0.0; size],
                values: vec![0.0; size],
                context,
            });
        }
        let dims = (1, shape.shared_heads, context, shape.head);
        Ok(Self::Device {
            keys: Tensor::zeros(dims, DType::F32, device)?,
            values: Tensor::zeros(dims, DType::F32, device)?,
        })
    }

    /// Remembers the keys and values of these rows, and mixes values for their queries. All three are
    /// [rows, heads of their kind * head]; the answer is [rows, heads * head].
    pub(super) fn attend(
        &mut self,
        shape: &Shape,
        rotary: &Rotary,
        spots: &[Spot],
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
    ) -> Result<Tensor> {
        match self {
            Self::Host {
                keys,
                values,
                context,
            } => {
                let mut queries = query.flatten_all()?.to_vec1::<f32>()?;
                let mut new = key.flatten_all()?.to_vec1::<f32>()?;
                let added = value.flatten_all()?.to_vec1::<f32>()?;
                let width = shape.heads * shape.head;
                for (spot, vector) in spots.iter().zip(queries.chunks_exact_mut(width)) {
                    rotary.turn(shape, spot.position, vector);
                }
                for (spot, vector) in spots.iter().zip(new.chunks_exact_mut(shape.shared())) {
                    rotary.turn(shape, spot.position, vector);
                }
                for (kept, vectors) in [(&mut *keys, &new), (&mut *values, &added)] {
                    for (spot, vector) in spots.iter().zip(vectors.chunks_exact(shape.shared())) {
                        for (head, part) in vector.chunks_exact(shape.head).enumerate() {
                            let at = (head * *context + spot.place()) * shape.head;
                            kept[at..at + shape.head].copy_from_slice(part);
                        }
                    }
                }
                let mixed = host(shape, spots, *context, &queries, keys, values);
                Ok(Tensor::from_vec(mixed, query.dims(), query.device())?)
            }
            Self::Device { keys, values } => {
                // On a card there is one text, in order.
                let start = spots.first().map_or(0, |spot| spot.position);
                on_device(shape, rotary, start, [query, key, value], keys, values)
            }
        }
    }
}

fn host(
    shape: &Shape,
    spots: &[Spot],
    context: usize,
    queries: &[f32],
    keys: &[f32],
    values: &[f32],
) -> Vec<f32> {
    let (head, group) = (shape.head, shape.heads / shape.shared_heads);
    let scale = 1.0 / (head as f32).sqrt();
    let mut mixed = vec![0.0; queries.len()];
    // One row's queries that have their keys in common, which are then read once for all of them.
    let one = |(at, (queries, out)): (usize, (&[f32], &mut [f32]))| {
        let (spot, of) = (spots[at / shape.shared_heads], at % shape.shared_heads);
        let from = of * context;
        let common = from * head..(from + spot.shared) * head;
        let own = (from + spot.own) * head..(from + spot.place() + 1) * head;
        let keys = [&keys[common.clone()], &keys[own.clone()]];
        let values = [&values[common], &values[own]];
        pulp::Arch::new().dispatch(Mix {
            head,
            queries,
            keys,
            values,
            scale,
            out,
        });
    };
    let farthest = spots.iter().map(|spot| spot.position).max().unwrap_or(0);
    let jobs = queries
        .par_chunks_exact(group * head)
        .zip(mixed.par_chunks_exact_mut(group * head))
        .enumerate();
    if rayon::current_num_threads() > 1 && (queries.len() / head) * (farthest + 1) > 20_000 {
        jobs.for_each(one);
    } else {
        queries
            .chunks_exact(group * head)
            .zip(mixed.chunks_exact_mut(group * head))
            .enumerate()
            .for_each(one);
    }
    mixed
}

/// Softmax of queries with all keys, times the values; keys and values in two stretches that follow each other.
struct Mix<'a> {
    head: usize,
    queries: &'a [f32],
    keys: [&'a [f32]; 2],
    values: [&'a [f32]; 2],
    scale: f32,
    out: &'a mut [f32],
}

/// Compiled for the processor at hand, and so is what is inlined into it; what is only called is not, as the closure of
/// a collected iterator.
impl WithSimd for Mix<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let head = self.head;
        let count = (self.keys[0].len() + self.keys[1].len()) / head;
        // [query][key]
        let mut weights = vec![0.0_f32; self.queries.len() / head * count];
        let mut place = 0;
        for stretch in self.keys {
            for key in stretch.chunks_exact(head) {
                let own = weights[place..].iter_mut().step_by(count);
                for (weight, query) in own.zip(self.queries.chunks_exact(head)) {
                    *weight = dot(simd, query, key) * self.scale;
                }
                place += 1;
            }
        }
        for weights in weights.chunks_exact_mut(count) {
            let mut highest = f32::NEG_INFINITY;
            for weight in &*weights {
                highest = if *weight > highest { *weight } else { highest };
            }
            for weight in &mut *weights {
                *weight = exp(*weight - highest);
            }
            let mut total = 0.0;
            for weight in &*weights {
                total += weight;
            }
            for weight in &mut *weights {
                *weight /= total;
            }
        }
        let mut place = 0;
        for stretch in self.values {
            let (fours, rest) = stretch.split_at(stretch.len() / (4 * head) * 4 * head);
            for values in fours.chunks_exact(4 * head) {
                let own = weights.chunks_exact(count);
                for (weights, out) in own.zip(self.out.chunks_exact_mut(head)) {
                    let shares = [0, 1, 2, 3].map(|at| weights[place + at]);
                    add(simd, out, values, shares);
                }
                place += 4;
            }
            for value in rest.chunks_exact(head) {
                let own = weights.chunks_exact(count);
                for (weights, out) in own.zip(self.out.chunks_exact_mut(head)) {
                    add(simd, out, value, [weights[place]]);
                }
                place += 1;
            }
        }
    }
}

/// Adds values times their shares, one after another, so that it is all the same how many come at once.
#[inline(always)]
fn add<S: Simd, const N: usize>(simd: S, out: &mut [f32], values: &[f32], shares: [f32; N]) {
    let head = out.len();
    let (out, out_rest) = S::as_mut_simd_f32s(out);
    let mut sides: [&[S::f32s]; N] = [&[]; N];
    let mut rests: [&[f32]; N] = [&[]; N];
    for at in 0..N {
        (sides[at], rests[at]) = S::as_simd_f32s(&values[at * head..(at + 1) * head]);
    }
    let wide = shares.map(|it| simd.splat_f32s(it));
    for (place, out) in out.iter_mut().enumerate() {
        let mut sum = *out;
        for at in 0..N {
            sum = simd.mul_add_e_f32s(wide[at], sides[at][place], sum);
        }
        *out = sum;
    }
    for (place, sum) in out_rest.iter_mut().enumerate() {
        for at in 0..N {
            *sum += shares[at] * rests[at][place];
        }
    }
}

/// In four registers, whose sums are added at the end.
#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = S::as_simd_f32s(a);
    let (b, b_rest) = S::as_simd_f32s(b);
    let mut sums = [simd.splat_f32s(0.0); 4];
    let (a_fours, a_more) = a.as_chunks::<4>();
    let (b_fours, b_more) = b.as_chunks::<4>();
    for (x, y) in a_fours.iter().zip(b_fours) {
        for lane in 0..4 {
            sums[lane] = simd.mul_add_e_f32s(x[lane], y[lane], sums[lane]);
        }
    }
    for (x, y) in a_more.iter().zip(b_more) {
        sums[0] = simd.mul_add_e_f32s(*x, *y, sums[0]);
    }
    let halves = [
        simd.add_f32s(sums[0], sums[1]),
        simd.add_f32s(sums[2], sums[3]),
    ];
    let mut sum = simd.reduce_sum_f32s(simd.add_f32s(halves[0], halves[1]));
    for (x, y) in a_rest.iter().zip(b_rest) {
        sum += x * y;
    }
    sum
}

fn on_device(
    shape: &Shape,
    rotary: &Rotary,
    start: usize,
    [query, key, value]: [&Tensor; 3],
    keys: &Tensor,
    values: &Tensor,
) -> Result<Tensor> {
    let count = query.dim(0)?;
    let split = |vectors: &Tensor, heads: usize| -> candle_core::Result<Tensor> {
        vectors
            .reshape((1, count, heads, shape.head))?
            .transpose(1, 2)?
            .contiguous()
    };
    let Some((cosines, sines)) = &rotary.on_device else {
        anyhow::bail!("the rotation is not on the card")
    };
    let (cosines, sines) = (
        cosines.narrow(0, start, count)?,
        sines.narrow(0, start, count)?,
    );
    let half = shape.head / 2;
    // The two places that turn together, each as [1, heads, positions, head / 2].
    let turn = |vectors: &Tensor| -> candle_core::Result<Tensor> {
        let pairs = shape.rotation == Rotation::Pairs;
        let (a, b) = if pairs {
            let split = vectors.reshape((1, (), count, half, 2))?;
            (
                split.narrow(4, 0, 1)?.squeeze(4)?,
                split.narrow(4, 1, 1)?.squeeze(4)?,
            )
        } else {
            (vectors.narrow(3, 0, half)?, vectors.narrow(3, half, half)?)
        };
        let x = (a.broadcast_mul(&cosines)? - b.broadcast_mul(&sines)?)?;
        let y = (a.broadcast_mul(&sines)? + b.broadcast_mul(&cosines)?)?;
        if pairs {
            Tensor::stack(&[x, y], 4)?.reshape(vectors.shape())
        } else {
            Tensor::cat(&[x, y], 3)?.contiguous()
        }
    };
    let query = turn(&split(query, shape.heads)?)?;
    keys.slice_set(&turn(&split(key, shape.shared_heads)?)?, 2, start)?;
    values.slice_set(&split(value, shape.shared_heads)?, 2, start)?;
    let (end, group) = (start + count, shape.heads / shape.shared_heads);
    let spread = |kept: &Tensor| -> candle_core::Result<Tensor> {
        kept.narrow(2, 0, end)?
            .unsqueeze(2)?
            .expand((1, shape.shared_heads, group, end, shape.head))?
            .reshape((1, shape.heads, end, shape.head))
    };
    let scores =
        (query.matmul(&spread(keys)?.t()?.contiguous()?)? * (1.0 / (shape.head as f64).sqrt()))?;
    let hidden: Vec<f32> = (0..count)
        .flat_map(|row| {
            (0..end).map(move |column| {
                if column > start + row {
                    f32::NEG_INFINITY
                } else {
                    0.0
                }
            })
        })
        .collect();
    let hidden = Tensor::from_vec(hidden, (1, 1, count, end), query.device())?;
    let shares = softmax(&scores.broadcast_add(&hidden)?)?;
    let mixed = shares.matmul(&spread(values)?.contiguous()?)?;
    Ok(mixed
        .transpose(1, 2)?
        .reshape((count, shape.heads * shape.head))?)
}

fn softmax(scores: &Tensor) -> candle_core::Result<Tensor> {
    let weights = scores
        .broadcast_sub(&scores.max_keepdim(D::Minus1)?)?
        .exp()?;
    weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)
}
