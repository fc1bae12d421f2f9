//! A model that has been loaded: what it has read, and the checks before a pass.
//! Knows texts and where their tokens are kept; the passes themselves are in `host` and `card`.

use std::{ops::Range, sync::Arc};

use anyhow::{Context, Result, ensure};
use candle_core::Device;

use super::{attention::Spot, card::Card, host::Host, shape::Shape, weights::Weights};
use crate::model::{Branching, LanguageModel, Read, Rows, Texts};

/// A model's weights with the cache of one text.
pub struct Network {
    shape: Shape,
    weights: Weights,
    place: Place,
    length: usize,
    context: usize,
    /// What the last pass gave, whose room the next one takes when nobody holds it any more: it may be many megabytes,
    /// which the system would clear first.
    logits: Arc<Vec<f32>>,
}

/// Where passes are computed.
enum Place {
    Host(Box<Host>),
    Card(Card),
}

impl Network {
    pub(super) fn new(
        shape: Shape,
        weights: Weights,
        context: usize,
        device: Device,
    ) -> Result<Self> {
        let context = context.min(shape.context);
        ensure!(context > 1, "a context of {context} tokens is too short");
        let place = if device.is_cpu() {
            Place::Host(Box::new(Host::new(&shape, context)))
        } else {
            Place::Card(Card::new(&shape, context, device)?)
        };
        Ok(Self {
            shape,
            weights,
            place,
            length: 0,
            context,
            logits: Arc::default(),
        })
    }

    /// How many texts of `room` tokens fit beside one another after the first `read` ones; 0 on a card, where there
    /// is one text.
    #[must_use]
    pub fn fits_after(&self, read: usize, room: usize) -> usize {
        match self.place {
            Place::Host(_) => self.context.saturating_sub(read) / room.max(1),
            Place::Card(_) => 0,
        }
    }

    /// The model's measures.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    fn knows(&self, tokens: &[u32]) -> Result<()> {
        ensure!(
            tokens
                .iter()
                .all(|&token| (token as usize) < self.shape.vocabulary),
            "a token is outside the model's vocabulary"
        );
        Ok(())
    }

    /// Reads tokens at their spots and gives logits after the `wanted` ones of them.
    fn pass(&mut self, tokens: &[u32], spots: &[Spot], wanted: &[u32]) -> Result<Rows> {
        let (shape, weights) = (&self.shape, &self.weights);
        if Arc::get_mut(&mut self.logits).is_none() {
            self.logits = Arc::default();
        }
        let room = Arc::get_mut(&mut self.logits).expect("nobody else holds it");
        let size = wanted.len() * shape.vocabulary;
        if room.len() < size {
            room.resize(size, 0.0);
        }
        let out = &mut room[..size];
        match &mut self.place {
            Place::Host(host) => host.pass(shape, weights, tokens, spots, wanted, out),
            Place::Card(card) => card.pass(shape, weights, tokens, spots, wanted, out),
        }
        .context("the forward pass failed")?;
        Ok(self.rows(0..wanted.len()))
    }

    /// Of what the last pass gave.
    fn rows(&self, rows: Range<usize>) -> Rows {
        let width = self.shape.vocabulary;
        let range = rows.start * width..rows.end * width;
        Rows::of(width, Arc::clone(&self.logits), range)
    }
}

impl LanguageModel for Network {
    fn vocabulary(&self) -> usize {
        self.shape.vocabulary
    }

    fn context(&self) -> usize {
        self.context
    }

    fn length(&self) -> usize {
        self.length
    }

    fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    fn forward(&mut self, tokens: &[u32], rows: usize) -> Result<Rows> {
        ensure!(
            !tokens.is_empty() && rows <= tokens.len(),
            "no tokens, or fewer than the rows asked for"
        );
        ensure!(
            tokens.len() <= self.context - self.length,
            "the context of {} tokens is full",
            self.context
        );
        self.knows(tokens)?;
        let spots: Vec<Spot> = (self.length..self.length + tokens.len())
            .map(|position| Spot {
                position,
                shared: 0,
                own: 0,
            })
            .collect();
        let wanted: Vec<u32> = (tokens.len() - rows..tokens.len())
            .map(|row| row as u32)
            .collect();
        let logits = self.pass(tokens, &spots, &wanted)?;
        self.length += tokens.len();
        Ok(logits)
    }
}

impl Branching for Network {
    fn fits(&self, room: usize) -> usize {
        self.fits_after(self.length, room)
    }

    fn branch(&mut self, count: usize, room: usize) -> Result<Box<dyn Texts + '_>> {
        ensure!(
            count <= self.fits(room),
            "{count} texts of {room} more tokens do not fit into the context of {} beside one another",
            self.context
        );
        Ok(Box::new(Branches {
            lengths: vec![self.length; count],
            shared: self.length,
            room,
            network: self,
        }))
    }
}

/// Texts that begin alike: each has its own stretch of the places that the network's own text leaves free.
struct Branches<'a> {
    network: &'a mut Network,
    shared: usize,
    room: usize,
    lengths: Vec<usize>,
}

impl Texts for Branches<'_> {
    fn vocabulary(&self) -> usize {
        self.network.shape.vocabulary
    }

    fn context(&self) -> usize {
        self.shared + self.room
    }

    fn length(&self, text: usize) -> usize {
        self.lengths[text]
    }

    fn truncate(&mut self, text: usize, length: usize) {
        self.lengths[text] = self.lengths[text].min(length.max(self.shared));
    }

    fn forward(&mut self, reads: &[Read<'_>]) -> Result<Vec<Rows>> {
        if reads.is_empty() {
            return Ok(Vec::new());
        }
        let (mut tokens, mut spots, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for read in reads {
            let length = self.lengths[read.text];
            ensure!(
                !read.tokens.is_empty() && read.rows <= read.tokens.len(),
                "no tokens, or fewer than the rows asked for"
            );
            ensure!(
                length + read.tokens.len() <= self.context(),
                "the context of {} tokens is full",
                self.context()
            );
            self.network.knows(read.tokens)?;
            tokens.extend_from_slice(read.tokens);
            let end = tokens.len() as u32;
            wanted.extend(end - read.rows as u32..end);
            spots.extend((length..length + read.tokens.len()).map(|position| Spot {
                position,
                shared: self.shared,
                own: self.shared + read.text * self.room,
            }));
        }
        self.network.pass(&tokens, &spots, &wanted)?;
        let mut from = 0;
        let mut all = Vec::with_capacity(reads.len());
        for read in reads {
            self.lengths[read.text] += read.tokens.len();
            all.push(self.network.rows(from..from + read.rows));
            from += read.rows;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{
        Tensor,
        quantized::{GgmlDType, QTensor},
    };

    use super::*;
    use crate::engine::{
        Rotation,
        matrix::Matrix,
        weights::{Block, Linear, Vector},
    };

    const VOCABULARY: usize = 48;

    /// Numbers between `around - size` and `around + size` that look random and are the same every time.
    struct Noise(u64);

    impl Noise {
        fn tensor(&mut self, dims: &[usize], around: f32, size: f32) -> Result<Tensor> {
            let values: Vec<f32> = (0..dims.iter().product())
                .map(|_| {
                    self.0 = self
                        .0
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    around + size * ((self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0)
                })
                .collect();
            Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
        }

        fn matrix(&mut self, rows: usize, columns: usize) -> Result<Arc<QTensor>> {
            let dense = self.tensor(&[rows, columns], 0.0, 0.3)?;
            Ok(Arc::new(QTensor::quantize(&dense, GgmlDType::F32)?))
        }

        fn vector(&mut self, length: usize, around: f32) -> Result<Vector> {
            let tensor = self.tensor(&[length], around, 0.1)?;
            let plain = tensor.to_vec1()?;
            Ok(Vector { tensor, plain })
        }

        fn linear(&mut self, rows: usize, columns: usize, biased: bool) -> Result<Linear> {
            Ok(Linear {
                matrix: Matrix::Plain(self.matrix(rows, columns)?),
                bias: biased.then(|| self.vector(rows, 0.0)).transpose()?,
            })
        }
    }

    fn shape(heads: usize, shared_heads: usize, head: usize, rotation: Rotation) -> Shape {
        Shape {
            layers: 2,
            width: 32,
            heads,
            shared_heads,
            head,
            vocabulary: VOCABULARY,
            context: 256,
            rotation_base: 10_000.0,
            rotation_stretch: 1.0,
            rotation,
            epsilon: 1e-6,
        }
    }

    /// Heads in groups of three, of one, and of more than are mixed at once; whole registers wide and not.
    fn shapes() -> [Shape; 3] {
        [
            shape(6, 2, 16, Rotation::Halves),
            shape(2, 2, 24, Rotation::Pairs),
            shape(9, 1, 64, Rotation::Halves),
        ]
    }

    fn weights(shape: &Shape) -> Result<Weights> {
        let mut noise = Noise(7);
        let (width, queries, feed) = (shape.width, shape.heads * shape.head, 40);
        let blocks = (0..shape.layers)
            .map(|_| {
                Ok(Block {
                    attention_norm: noise.vector(width, 1.0)?,
                    query: noise.linear(queries, width, true)?,
                    key: noise.linear(shape.shared(), width, true)?,
                    value: noise.linear(shape.shared(), width, true)?,
                    back: noise.linear(width, queries, false)?,
                    feed,
                    feed_norm: noise.vector(width, 1.0)?,
                    gate: noise.linear(feed, width, false)?,
                    up: noise.linear(feed, width, false)?,
                    down: noise.linear(width, feed, false)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Weights {
            embedding: noise.matrix(VOCABULARY, width)?,
            blocks,
            norm: noise.vector(width, 1.0)?,
            output: Matrix::Plain(noise.matrix(VOCABULARY, width)?),
        })
    }

    fn network(shape: &Shape) -> Result<Network> {
        Network::new(shape.clone(), weights(shape)?, 200, Device::Cpu)
    }

    fn text(length: u32) -> Vec<u32> {
        (0..length).map(|at| at * at % VOCABULARY as u32).collect()
    }

    fn bits(rows: &Rows) -> Vec<Vec<u32>> {
        (0..rows.len())
            .map(|row| rows.row(row).iter().map(|it| it.to_bits()).collect())
            .collect()
    }

    #[test]
    fn a_text_has_the_same_bits_in_whatever_pieces_it_is_read() -> Result<()> {
        let text = text(61);
        for shape in shapes() {
            let mut network = network(&shape)?;
            let whole = bits(&network.forward(&text, text.len())?);
            for pieces in [[1, 60], [17, 44], [32, 29], [50, 11]] {
                network.truncate(0);
                let mut read = Vec::new();
                let (first, second) = text.split_at(pieces[0]);
                for piece in [first, second] {
                    read.extend(bits(&network.forward(piece, piece.len())?));
                }
                assert_eq!(read, whole, "{shape:?}, {pieces:?}");
            }
            // One by one from the middle on, over what was there before.
            network.truncate(30);
            for (at, token) in text.iter().enumerate().skip(30) {
                let row = bits(&network.forward(&[*token], 1)?);
                assert_eq!(row[0], whole[at], "{shape:?}, token {at}");
            }
        }
        Ok(())
    }

    #[test]
    fn texts_side_by_side_have_the_bits_of_each_alone() -> Result<()> {
        let text = text(40);
        for shape in shapes() {
            let mut network = network(&shape)?;
            let alone = |network: &mut Network, tokens: &[u32]| -> Result<Vec<Vec<u32>>> {
                network.truncate(21);
                Ok(bits(&network.forward(tokens, tokens.len())?))
            };
            network.forward(&text[..21], 0)?;
            let tails = [&text[21..30], &text[5..11], &text[33..40]];
            let due: Vec<_> = tails
                .iter()
                .map(|tail| alone(&mut network, tail))
                .collect::<Result<_>>()?;
            network.truncate(21);
            let mut texts = network.branch(tails.len(), 13)?;
            // In two passes of unlike pieces.
            let pieces: Vec<_> = tails
                .iter()
                .map(|tail| tail.split_at(tail.len() / 3))
                .collect();
            let mut found = vec![Vec::new(); tails.len()];
            for half in 0..2 {
                let reads: Vec<Read<'_>> = pieces
                    .iter()
                    .enumerate()
                    .map(|(text, piece)| {
                        let tokens = if half == 0 { piece.0 } else { piece.1 };
                        Read {
                            text,
                            tokens,
                            rows: tokens.len(),
                        }
                    })
                    .collect();
                for (found, rows) in found.iter_mut().zip(texts.forward(&reads)?) {
                    found.extend(bits(&rows));
                }
            }
            assert_eq!(found, due, "{shape:?}");
        }
        Ok(())
    }

    /// The pass for cards, computed here, has the same products up to the order of sums.
    #[test]
    fn both_passes_give_the_same_logits() -> Result<()> {
        let text = text(33);
        for shape in shapes() {
            let mut host = network(&shape)?;
            let mut card = network(&shape)?;
            card.place = Place::Card(Card::new(&shape, 200, Device::Cpu)?);
            for (from, to) in [(0, 20), (20, 21), (21, 33)] {
                let tokens = &text[from..to];
                let own = host.forward(tokens, tokens.len())?;
                let other = card.forward(tokens, tokens.len())?;
                for row in 0..tokens.len() {
                    for (own, other) in own.row(row).iter().zip(other.row(row)) {
                        assert!(
                            (own - other).abs() < 1e-4,
                            "{shape:?}, token {}: {own} and {other}",
                            from + row
                        );
                    }
                }
            }
        }
        Ok(())
    }
}
