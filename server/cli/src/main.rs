//! The secondlook binary: arguments, wiring, printing, nothing else.
//! It holds no security knowledge and no analysis.

fn main() {}
