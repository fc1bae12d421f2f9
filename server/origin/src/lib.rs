//! Ranges that an AI inserted, moving with every later edit.
