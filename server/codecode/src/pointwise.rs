//! What is done to every value by itself or over one row, compiled for the processor at hand.
//! Knows slices of numbers, no tensors and no models.

use pulp::{Simd, WithSimd};

/// Multiplies values by the sigmoid-weighted `gate` (SwiGLU): `gate / (1 + e^-gate) · value`, in the gate's place.
pub(crate) fn gated(gate: &mut [f32], values: &[f32]) {
    pulp::Arch::new().dispatch(Gated { gate, values });
}

struct Gated<'a> {
    gate: &'a mut [f32],
    values: &'a [f32],
}

impl WithSimd for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (gate, value) in self.gate.iter_mut().zip(self.values) {
            *gate = *gate / (1.0 + exp(-*gate)) * value;
        }
    }
}

/// Root mean square normalisation (Zhang and Sennrich, 2019) of rows as wide as `weight`: `value / sqrt(mean of
/// squares + epsilon) · weight`.
pub(crate) fn normalised(rows: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    pulp::Arch::new().dispatch(Normalised {
        rows,
        weight,
        epsilon,
        out,
    });
}

struct Normalised<'a> {
    rows: &'a [f32],
    weight: &'a [f32],
    epsilon: f32,
    out: &'a mut [f32],
}

impl WithSimd for Normalised<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.weight.len();
        let rows = self.rows.chunks_exact(width);
        for (row, out) in rows.zip(self.out.chunks_exact_mut(width)) {
            let (wide, rest) = S::as_simd_f32s(row);
            let mut squares = simd.splat_f32s(0.0);
            for value in wide {
                squares = simd.mul_add_e_f32s(*value, *value, squares);
            }
            let mut sum = simd.reduce_sum_f32s(squares);
            for value in rest {
                sum += value * value;
            }
            let scale = 1.0 / (sum / width as f32 + self.epsilon).sqrt();
            for ((out, value), weight) in out.iter_mut().zip(row).zip(self.weight) {
                *out = value * scale * weight;
            }
        }
    }
}

/// The highest of those values that are numbers; negative infinity where there is none. Inlined, so that it is compiled
/// for the processor where what calls it is.
#[inline(always)]
pub(crate) fn highest(values: &[f32]) -> f32 {
    /// As many at once as fit into a register.
    const LANES: usize = 16;

    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (many, rest) = values.as_chunks::<LANES>();
    for values in many {
        for (highest, &value) in lanes.iter_mut().zip(values) {
            *highest = if value > *highest { value } else { *highest };
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |highest, &value| highest.max(value))
}

/// The sum of some values.
#[inline(always)]
pub(crate) fn total<S: Simd>(simd: S, values: &[f32]) -> f32 {
    let (wide, rest) = S::as_simd_f32s(values);
    let mut total = simd.splat_f32s(0.0);
    for value in wide {
        total = simd.add_f32s(total, *value);
    }
    rest.iter()
        .fold(simd.reduce_sum_f32s(total), |total, value| total + value)
}

/// e to the power of `x`, to within two units in the last place; below -87 it stays at e^-87. In operations that a
/// loop over it does many of at once, where the library's is called once for each.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // The logarithm of two in two parts, of which the first leaves room for the whole number.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    // 1.5 · 2^23: adding it rounds to whole numbers and leaves them in the lower bits.
    const ROUND: f32 = 12_582_912.0;

    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = x - whole * HIGH - whole * LOW;
    let mut sum = 1.0 / 5040.0;
    for term in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        sum = sum * rest + term;
    }
    let power = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127)
        << 23;
    sum * f32::from_bits(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_the_library_s() {
        for step in -8700..=8800 {
            let x = step as f32 / 100.0;
            let (own, due) = (f64::from(exp(x)), f64::from(x).exp());
            assert!(
                (own / due - 1.0).abs() < 3e-7,
                "{x}: {own} where {due} is due"
            );
        }
        assert!(exp(f32::NEG_INFINITY) > 0.0 && exp(f32::NEG_INFINITY) < 1e-37);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_highest_is_found_wherever_it_stands() {
        assert!(highest(&[]) == f32::NEG_INFINITY);
        assert!(highest(&[f32::NAN; 40]) == f32::NEG_INFINITY);
        for at in 0..40 {
            let mut values = [f32::NAN; 40];
            values[39 - at] = -3.0;
            values[at] = -2.0;
            assert!(highest(&values) == -2.0, "{at}");
        }
    }

    #[test]
    fn a_gate_lets_through_its_share() {
        let mut gate = [-100.0, -1.0, 0.0, 1.0, 100.0];
        gated(&mut gate, &[2.0; 5]);
        let due = [0.0, -0.537_882_84, 0.0, 1.462_117_2, 200.0];
        assert!(
            gate.iter()
                .zip(due)
                .all(|(own, due)| (own - due).abs() < 1e-5),
            "{gate:?}"
        );
    }
}
