//! When two CWE numbers name the same weakness (shared definition: DESIGN.md, "Same CWE").

/// Families: numbers that different labellers use for one weakness. A number may stand in two.
const FAMILIES: &[&[u32]] = &[
    &[77, 78, 88, 214],
    &[74, 79, 80, 83, 84, 85, 87, 116],
    &[89, 564, 943],
    &[22, 23, 24, 35, 36, 59, 73, 99],
    &[
        20, 119, 120, 121, 122, 124, 125, 126, 127, 129, 130, 131, 170, 193, 242, 467, 468, 590,
        676, 758, 785, 786, 787, 788, 805, 806, 823,
    ],
    &[128, 190, 191, 192, 194, 195, 196, 197, 369, 680, 681],
    &[401, 415, 416, 590, 672, 771, 772, 825],
    &[252, 253, 457, 476, 690, 824, 908],
];

/// Whether two numbers are equal or stand in one family.
#[must_use]
pub fn same_family(a: u32, b: u32) -> bool {
    a == b
        || FAMILIES
            .iter()
            .any(|family| family.contains(&a) && family.contains(&b))
}

/// The numbers that count as `number`, itself included.
#[must_use]
pub fn family(number: u32) -> Vec<u32> {
    let mut out: Vec<u32> = FAMILIES
        .iter()
        .filter(|it| it.contains(&number))
        .flat_map(|it| it.iter().copied())
        .collect();
    out.push(number);
    out.sort_unstable();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::same_family;

    #[test]
    fn families_join_what_labellers_mix_up() {
        assert!(same_family(78, 88) && same_family(787, 120) && same_family(590, 416));
        assert!(
            same_family(94, 94),
            "a number outside every family is its own"
        );
        assert!(!same_family(89, 79) && !same_family(94, 78) && !same_family(416, 787));
    }
}
