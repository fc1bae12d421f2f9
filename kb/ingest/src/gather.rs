//! The second reading: the rows that are kept go to the disk, where each can be found again.
//! It knows numbers of posts, not what their rows say.

use roaring::RoaringBitmap;

use crate::dump::Run;
use crate::error::ImportError;
use crate::row::{Attributes, Place, Rows, Visitor, number};
use crate::spill::{Records, Spill};
use crate::state::{BLOCK, Block};

/// The rows of one number are read until they are so many bytes together: a hundred comments as
/// long as a row may be are no conversation.
const MAX_BYTES: usize = 4 << 20;

/// Rows on the disk by the number of what they belong to.
pub(crate) struct Gathered {
    pub(crate) wanted: RoaringBitmap,
    /// Where the last record of each wanted number stands, in their order; 0: none.
    heads: Vec<u64>,
    records: Records,
}

impl Gathered {
    /// The rows of that number, the last of the file first, at most so many.
    pub(crate) fn rows(&mut self, number: u32, most: usize) -> Result<Vec<Vec<u8>>, ImportError> {
        let mut rows = Vec::new();
        let Some(mut at) = place(&self.wanted, number).and_then(|it| self.heads.get(it).copied())
        else {
            return Ok(rows);
        };
        let mut held = 0;
        while at > 0 && rows.len() < most && held < MAX_BYTES {
            let (before, bytes) = self.records.read(at)?;
            held += bytes.len();
            rows.push(bytes);
            at = before;
        }
        Ok(rows)
    }
}

fn place(wanted: &RoaringBitmap, number: u32) -> Option<usize> {
    if !wanted.contains(number) {
        return None;
    }
    usize::try_from(wanted.rank(number)).ok()?.checked_sub(1)
}

/// One reading.
struct Reading<'a, 'r> {
    run: &'a mut Run<'r>,
    wanted: &'a RoaringBitmap,
    /// The attribute that holds the number.
    key: &'static [u8],
    /// The attribute with the author's number, and the numbers that were met.
    author: &'static [u8],
    authors: &'a mut RoaringBitmap,
    heads: Vec<u64>,
    spill: Spill,
}

impl Visitor for Reading<'_, '_> {
    #[inline]
    fn row(&mut self, attributes: &[u8], _offset: u64) -> Result<(), &'static str> {
        for attribute in Attributes(attributes) {
            let (name, value) = attribute?;
            if name != self.key {
                continue;
            }
            let Some(place) = number(value).and_then(|it| place(self.wanted, it)) else {
                return Ok(());
            };
            for attribute in Attributes(attributes) {
                let (name, value) = attribute?;
                if name == self.author {
                    self.authors.extend(number(value));
                }
            }
            match self.spill.add(self.heads[place], attributes) {
                Ok(at) => self.heads[place] = at,
                Err(error) => self.run.failed = Some(error),
            }
            return Ok(());
        }
        Ok(())
    }

    fn pause(&mut self, at: Place) -> Result<(), ImportError> {
        if let Some(error) = self.run.failed.take() {
            return Err(error);
        }
        self.run.go_on(at)
    }
}

/// What is gathered: from which file, and which rows.
pub(crate) struct Wish {
    pub(crate) name: &'static str,
    pub(crate) key: &'static [u8],
    pub(crate) author: &'static [u8],
    pub(crate) wanted: RoaringBitmap,
}

/// Reads a file again and keeps the rows that are wanted. Blocks tell which stretches of a plain
/// file hold none.
pub(crate) fn gather(
    run: &mut Run<'_>,
    mut rows: Rows,
    wish: Wish,
    blocks: Option<&[Block]>,
    authors: &mut RoaringBitmap,
) -> Result<Gathered, ImportError> {
    let path = run.folder.join(wish.name);
    let count = usize::try_from(wish.wanted.len()).unwrap_or(usize::MAX);
    let mut reading = Reading {
        run,
        wanted: &wish.wanted,
        key: wish.key,
        author: wish.author,
        authors,
        heads: vec![0; count],
        spill: Spill::create(&path)?,
    };
    match blocks {
        Some(blocks) if rows.is_plain() => {
            for (from, to) in stretches(blocks, &wish.wanted) {
                rows.each_within(from, to, &mut reading)?;
            }
        }
        _ => rows.each(&mut reading)?,
    }
    if let Some(error) = reading.run.failed.take() {
        return Err(error);
    }
    let heads = reading.heads;
    let records = reading.spill.finish()?;
    Ok(Gathered {
        wanted: wish.wanted,
        heads,
        records,
    })
}

/// The stretches that may hold wanted rows; neighbours are joined.
fn stretches(blocks: &[Block], wanted: &RoaringBitmap) -> Vec<(u64, u64)> {
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        if block.least > block.most || wanted.range_cardinality(block.least..=block.most) == 0 {
            continue;
        }
        let start = index as u64 * BLOCK;
        let end = start + BLOCK;
        match stretches.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => stretches.push((start + u64::from(block.first), end)),
        }
    }
    stretches
}
