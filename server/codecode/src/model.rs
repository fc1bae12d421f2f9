//! What decoding needs of a language model: rows of logits for a run of tokens, and going back.
//! Knows no weights, no tokenizer and no law.

use anyhow::Result;

/// Logits of several positions, one after another.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    width: usize,
    values: Vec<f32>,
}

impl Rows {
    /// Rows of `width` logits each. A last row that is not whole is not counted.
    #[must_use]
    pub fn new(width: usize, values: Vec<f32>) -> Self {
        Self { width, values }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The logits after the `index`-th of the asked positions; empty where there is none.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        self.values
            .get(index * self.width..(index + 1) * self.width)
            .unwrap_or_default()
    }
}

/// A model with a cache of what it has read.
pub trait LanguageModel {
    /// How many tokens a row of logits has.
    fn vocabulary(&self) -> usize;

    /// How many positions the cache holds at most.
    fn context(&self) -> usize;

    /// How many tokens have been read.
    fn length(&self) -> usize;

    /// Forgets everything after the first `length` tokens.
    fn truncate(&mut self, length: usize);

    /// Reads tokens and gives the logits after each of the last `rows` of them.
    ///
    /// # Errors
    /// When the context is full, a token is unknown, or the device fails. The cache then holds what it
    /// held before.
    fn forward(&mut self, tokens: &[u32], rows: usize) -> Result<Rows>;
}
