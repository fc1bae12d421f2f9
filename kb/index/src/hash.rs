//! FNV-1a: the fingerprint of knowledge files, the same at build time and at run time.
//! It guards a cache against being stale and nothing else; it is no defence against an attacker.

/// The state of an empty fingerprint.
pub(crate) const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Adds bytes and an end mark, so that moving a byte between neighbours shows.
pub(crate) fn add(state: u64, bytes: &[u8]) -> u64 {
    let state = bytes.iter().fold(state, |state, &byte| {
        (state ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    (state ^ bytes.len() as u64).wrapping_mul(PRIME)
}

/// The fingerprint of one file.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    add(SEED, bytes)
}
