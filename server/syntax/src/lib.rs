//! Text, positions in every encoding, languages, and incremental syntax trees.
