//! What decoding needs of a language model: rows of logits for a run of tokens, and going back.
//! Knows no weights, no tokenizer and no law.

use std::{ops::Range, sync::Arc};

use anyhow::Result;

/// Logits of several positions, one after another.
///
/// Copies share their numbers, and a model may write the next ones into the room of those that nobody holds any more.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    width: usize,
    values: Arc<Vec<f32>>,
    /// Of the values.
    range: Range<usize>,
}

impl Rows {
    /// Rows of `width` logits each. A last row that is not whole is not counted.
    #[must_use]
    pub fn new(width: usize, values: Vec<f32>) -> Self {
        let range = 0..values.len();
        Self::of(width, Arc::new(values), range)
    }

    /// Rows of `width` logits each, which stand at `range` of what others may look at too; none where it does not
    /// reach so far.
    #[must_use]
    pub fn of(width: usize, values: Arc<Vec<f32>>, range: Range<usize>) -> Self {
        Self {
            width,
            values,
            range,
        }
    }

    fn values(&self) -> &[f32] {
        self.values.get(self.range.clone()).unwrap_or_default()
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values().len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The logits after the `index`-th of the asked positions; empty where there is none.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        self.values()
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

/// What one text of several reads in a pass.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// Which text.
    pub text: usize,
    /// The tokens, after what it holds already. At least one.
    pub tokens: &'a [u32],
    /// Logits are given after each of the last so many of them.
    pub rows: usize,
}

/// Texts that a model reads side by side: each pass reads some tokens of some of them.
pub trait Texts {
    /// How many tokens a row of logits has.
    fn vocabulary(&self) -> usize;

    /// How many positions each text holds at most.
    fn context(&self) -> usize;

    /// How many tokens of a text have been read.
    fn length(&self, text: usize) -> usize;

    /// Forgets everything after a text's first `length` tokens.
    fn truncate(&mut self, text: usize, length: usize);

    /// Reads in one pass what each of `reads` says, every text at most once.
    ///
    /// # Errors
    /// As [`LanguageModel::forward`]; then no text holds more than before.
    fn forward(&mut self, reads: &[Read<'_>]) -> Result<Vec<Rows>>;
}

/// A model's own text as the only one.
pub struct Only<'a>(pub &'a mut dyn LanguageModel);

impl Texts for Only<'_> {
    fn vocabulary(&self) -> usize {
        self.0.vocabulary()
    }

    fn context(&self) -> usize {
        self.0.context()
    }

    fn length(&self, _: usize) -> usize {
        self.0.length()
    }

    fn truncate(&mut self, _: usize, length: usize) {
        self.0.truncate(length);
    }

    fn forward(&mut self, reads: &[Read<'_>]) -> Result<Vec<Rows>> {
        reads
            .iter()
            .map(|read| self.0.forward(read.tokens, read.rows))
            .collect()
    }
}

/// A model that can continue what it has read in several ways side by side.
pub trait Branching: LanguageModel {
    /// How many texts of `room` further tokens fit beside one another; 0 where the model cannot.
    fn fits(&self, room: usize) -> usize;

    /// `count` texts that all begin with what has been read and go on for at most `room` tokens each. They are
    /// forgotten with the answer; what has been read stays.
    ///
    /// # Errors
    /// When so many do not fit.
    fn branch(&mut self, count: usize, room: usize) -> Result<Box<dyn Texts + '_>>;
}
