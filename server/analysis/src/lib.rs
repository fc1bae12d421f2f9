//! Facts, data flow, slices and matching: a finding is a function of (text, entries) and nothing else.
