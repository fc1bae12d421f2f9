//! What is done to every value by itself, compiled for the processor at hand.
//! Knows slices of numbers, no tensors and no models.

use pulp::{Simd, WithSimd};

/// Multiplies values by the sigmoid-weighted `gate` (SwiGLU): `gate / (1 + e^-gate) · value`, in the gate's place.
pub(super) fn gated(gate: &mut [f32], values: &[f32]) {
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

/// e to the power of `x`, to within two units in the last place; below -87 it stays at e^-87. In operations that a
/// loop over it does many of at once, where the library's is called once for each.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
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
