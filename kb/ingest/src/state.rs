//! What an import knows half-way, so that the next run goes on where this one was stopped.
//! It knows sets of numbers and how they are kept; how they come about is not its business.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::error::ImportError;
use crate::row::Bad;

/// Raise it when the form of a saved state, or what leads to it, changes.
const FORMAT: u32 = 1;
/// The longest head of a saved state, in bytes.
const MAX_HEAD: u64 = 1 << 20;
/// A stretch of the posts' file is wanted or not as a whole, in bytes.
pub(crate) const BLOCK: u64 = 64 << 10;

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Phase {
    #[default]
    Posts,
    Comments,
    Fetch,
}

/// Numbers for the report.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) rows: u64,
    pub(crate) answers: u64,
    pub(crate) tagged: u64,
    pub(crate) code: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Head {
    format: u32,
    /// Files and options; a state of other ones is of no use.
    fingerprint: String,
    pub(crate) phase: Phase,
    pub(crate) offset: u64,
    pub(crate) line: u64,
    /// How long the file of answers is.
    pub(crate) spilled: u64,
    pub(crate) counts: Counts,
    pub(crate) bad: Bad,
}

/// The smallest and the largest number of a stretch, and where its first row begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) least: u32,
    pub(crate) most: u32,
    pub(crate) first: u32,
}

impl Block {
    /// A stretch in which no row begins.
    pub(crate) const EMPTY: Self = Self {
        least: u32::MAX,
        most: 0,
        first: 0,
    };
}

/// Everything that is known, in sets of posts' numbers.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) head: Head,
    /// Questions that were seen, and those of the tags.
    pub(crate) questions: RoaringBitmap,
    pub(crate) tagged: RoaringBitmap,
    /// Answers that passed so far, and those with votes.
    pub(crate) candidates: RoaringBitmap,
    pub(crate) upvoted: RoaringBitmap,
    /// Candidates with a comment, with one that warns, with one that has votes.
    pub(crate) commented: RoaringBitmap,
    pub(crate) warned: RoaringBitmap,
    pub(crate) voted: RoaringBitmap,
    pub(crate) blocks: Vec<Block>,
}

impl State {
    pub(crate) fn new(fingerprint: String) -> Self {
        Self {
            head: Head {
                format: FORMAT,
                fingerprint,
                ..Head::default()
            },
            ..Self::default()
        }
    }

    /// The state that an earlier run of the same files and options left, if it is whole.
    pub(crate) fn load(folder: &Path, fingerprint: &str) -> Option<Self> {
        let mut file = io::BufReader::new(fs::File::open(place(folder)).ok()?);
        let mut length = [0; 8];
        file.read_exact(&mut length).ok()?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEAD {
            return None;
        }
        let mut head = Vec::new();
        (&mut file).take(length).read_to_end(&mut head).ok()?;
        let head: Head = serde_json::from_slice(&head).ok()?;
        if head.format != FORMAT || head.fingerprint != fingerprint {
            return None;
        }
        // A run that was stopped while it cleared up may have left one without the other.
        let spilled = fs::metadata(answers(folder)).ok()?.len();
        if spilled < head.spilled {
            return None;
        }
        let mut state = Self {
            head,
            ..Self::default()
        };
        for set in state.sets() {
            *set = RoaringBitmap::deserialize_from(&mut file).ok()?;
        }
        let mut blocks = Vec::new();
        file.read_to_end(&mut blocks).ok()?;
        let (whole, rest) = blocks.as_chunks::<12>();
        if !rest.is_empty() {
            return None;
        }
        state.blocks = whole.iter().map(block).collect();
        Some(state)
    }

    /// Writes the state beside its place and moves it there in one step.
    pub(crate) fn save(&mut self, folder: &Path) -> Result<(), ImportError> {
        let new = folder.join("state.new");
        let write = |state: &mut Self| -> io::Result<()> {
            let mut file = io::BufWriter::new(fs::File::create(&new)?);
            let head = serde_json::to_vec(&state.head)?;
            file.write_all(&(head.len() as u64).to_le_bytes())?;
            file.write_all(&head)?;
            for set in state.sets() {
                set.serialize_into(&mut file)?;
            }
            for block in &state.blocks {
                for number in [block.least, block.most, block.first] {
                    file.write_all(&number.to_le_bytes())?;
                }
            }
            file.flush()?;
            fs::rename(&new, place(folder))
        };
        write(self).map_err(ImportError::io(&new))
    }

    /// Removes the state and all that belongs to it. The state goes first: a run that is stopped here
    /// leaves nothing that another one would go on with.
    pub(crate) fn remove(folder: &Path) {
        // What is left would only cost space.
        let _ = fs::remove_file(place(folder));
        let _ = fs::remove_dir_all(folder);
    }

    fn sets(&mut self) -> [&mut RoaringBitmap; 7] {
        [
            &mut self.questions,
            &mut self.tagged,
            &mut self.candidates,
            &mut self.upvoted,
            &mut self.commented,
            &mut self.warned,
            &mut self.voted,
        ]
    }

    /// Notes that a row of that number begins there.
    #[inline]
    pub(crate) fn note(&mut self, number: u32, offset: u64) {
        let index = (offset / BLOCK) as usize;
        if index >= self.blocks.len() {
            self.blocks.resize(index + 1, Block::EMPTY);
            self.blocks[index].first = (offset % BLOCK) as u32;
        }
        let block = &mut self.blocks[index];
        block.least = block.least.min(number);
        block.most = block.most.max(number);
    }
}

fn block(bytes: &[u8; 12]) -> Block {
    let number = |at: usize| {
        let mut four = [0; 4];
        four.copy_from_slice(&bytes[at..at + 4]);
        u32::from_le_bytes(four)
    };
    Block {
        least: number(0),
        most: number(4),
        first: number(8),
    }
}

/// The answers whose questions were not seen yet.
pub(crate) fn answers(folder: &Path) -> PathBuf {
    folder.join("answers")
}

fn place(folder: &Path) -> PathBuf {
    folder.join("state")
}
