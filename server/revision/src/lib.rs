//! Text in, checked patch out: template fixes and the gate.
