//! The first reading of `Posts.xml`: which answers may be kept, by type, tags, code and votes.
//! Most rows are decided by their first hundred bytes; no row is decoded.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;

use crate::dump::Run;
use crate::error::ImportError;
use crate::row::{Attributes, Place, Visitor, number, score};
use crate::state::{State, answers};

/// How a block of code begins in a row.
const CODE: &[u8] = b"&lt;pre";
/// One answer on the disk: its number, its question's, and what is known of it.
const RECORD: usize = 9;
/// The answer's question has not been seen yet.
const PENDING: u8 = 1;
/// It has code, or need not have any.
const HAS_CODE: u8 = 2;
/// It has enough votes.
const HAS_VOTES: u8 = 4;

/// One reading.
pub(crate) struct Reading<'a, 'r> {
    run: &'a mut Run<'r>,
    state: &'a mut State,
    tags: Vec<Vec<u8>>,
    code: Option<Finder<'static>>,
    votes: i64,
    answers: BufWriter<File>,
    path: PathBuf,
}

impl<'a, 'r> Reading<'a, 'r> {
    pub(crate) fn new(run: &'a mut Run<'r>, state: &'a mut State) -> Result<Self, ImportError> {
        let path = answers(&run.folder);
        let answers = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .and_then(|mut file| {
                // What was written after the last saved state will be written again.
                file.set_len(state.head.spilled)?;
                file.seek(std::io::SeekFrom::End(0))?;
                Ok(file)
            })
            .map_err(ImportError::io(&path))?;
        let filter = &run.options.filter;
        Ok(Self {
            tags: filter
                .tags
                .iter()
                .map(|it| it.trim().to_ascii_lowercase().into_bytes())
                .collect(),
            code: filter.code.then(|| Finder::new(CODE)),
            votes: filter.votes.unwrap_or(i64::MAX),
            answers: BufWriter::with_capacity(64 << 10, answers),
            path,
            run,
            state,
        })
    }

    /// Ends the reading: answers that stood before their questions are decided now.
    pub(crate) fn finish(mut self) -> Result<(), ImportError> {
        self.answers.flush().map_err(ImportError::io(&self.path))?;
        let state = self.state;
        if !self.tags.is_empty() {
            each_answer(&self.path, |answer, parent, flags| {
                if flags & PENDING != 0 && state.tagged.contains(parent) {
                    state.head.counts.tagged += 1;
                    if flags & HAS_CODE != 0 {
                        state.head.counts.code += 1;
                        state.candidates.insert(answer);
                        if flags & HAS_VOTES != 0 {
                            state.upvoted.insert(answer);
                        }
                    }
                }
            })?;
        }
        Ok(())
    }

    fn question(&mut self, question: u32, tags: Option<&[u8]>) {
        if self.tags.is_empty() {
            return;
        }
        self.state.questions.insert(question);
        if tags.is_some_and(|tags| each_tag(tags).any(|tag| self.wants(tag))) {
            self.state.tagged.insert(question);
        }
    }

    fn wants(&self, tag: &[u8]) -> bool {
        self.tags.iter().any(|it| it.eq_ignore_ascii_case(tag))
    }

    /// Whether the question's tags let its answers pass; nothing where it has not been seen.
    fn passes(&self, parent: u32) -> Option<bool> {
        if self.tags.is_empty() || self.state.tagged.contains(parent) {
            return Some(true);
        }
        self.state.questions.contains(parent).then_some(false)
    }

    fn answer(&mut self, row: &Raw<'_>, id: u32, passes: Option<bool>) -> Result<(), &'static str> {
        let state = &mut *self.state;
        let mut flags = 0;
        let has_code = match (&self.code, row.body) {
            (None, _) => true,
            (Some(code), Some(body)) => code.find(body).is_some(),
            (Some(_), None) => false,
        };
        if has_code {
            flags |= HAS_CODE;
        }
        if row.score.is_some_and(|it| score(it) >= self.votes) {
            flags |= HAS_VOTES;
        }
        if passes == Some(true) {
            state.head.counts.tagged += 1;
            if !has_code {
                return Ok(());
            }
            state.head.counts.code += 1;
            state.candidates.insert(id);
            if flags & HAS_VOTES != 0 {
                state.upvoted.insert(id);
            }
        } else {
            flags |= PENDING;
        }
        let mut record = [0; RECORD];
        record[..4].copy_from_slice(&id.to_le_bytes());
        record[4..8].copy_from_slice(&row.parent.unwrap_or(0).to_le_bytes());
        record[8] = flags;
        if let Err(error) = self.answers.write_all(&record) {
            self.run.failed = Some(ImportError::io(&self.path)(error));
        }
        state.head.spilled += RECORD as u64;
        Ok(())
    }
}

/// What a row says of itself, as far as it was read.
#[derive(Default)]
struct Raw<'r> {
    id: Option<u32>,
    kind: Option<&'r [u8]>,
    parent: Option<u32>,
    score: Option<&'r [u8]>,
    body: Option<&'r [u8]>,
    tags: Option<&'r [u8]>,
}

impl Visitor for Reading<'_, '_> {
    #[inline]
    fn row(&mut self, attributes: &[u8], offset: u64) -> Result<(), &'static str> {
        let mut row = Raw::default();
        let mut passes = None;
        let mut asked = false;
        for attribute in Attributes(attributes) {
            let (name, value) = attribute?;
            match name {
                b"Id" => row.id = Some(number(value).ok_or("the Id is no number of a post")?),
                b"PostTypeId" => row.kind = Some(value),
                b"ParentId" => row.parent = number(value),
                b"Score" => row.score = Some(value),
                b"Body" => row.body = Some(value),
                b"Tags" => row.tags = Some(value),
                _ => continue,
            }
            if row.id.is_none() {
                continue;
            }
            let known = match row.kind {
                None => false,
                Some(b"1") => self.tags.is_empty() || row.tags.is_some(),
                Some(b"2") => match row.parent {
                    None => false,
                    Some(parent) => {
                        if !asked {
                            asked = true;
                            passes = self.passes(parent);
                        }
                        passes == Some(false) || (row.score.is_some() && row.body.is_some())
                    }
                },
                Some(_) => true,
            };
            if known {
                break;
            }
        }
        let id = row.id.ok_or("the row has no Id")?;
        let kind = row.kind.ok_or("the row has no PostTypeId")?;
        self.state.head.counts.rows += 1;
        self.state.note(id, offset);
        match kind {
            b"1" => self.question(id, row.tags),
            b"2" => {
                self.state.head.counts.answers += 1;
                if !asked {
                    // An answer without its question belongs to no tag.
                    passes = Some(self.tags.is_empty());
                }
                if passes != Some(false) {
                    self.answer(&row, id, passes)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn pause(&mut self, at: Place) -> Result<(), ImportError> {
        if let Some(error) = self.run.failed.take() {
            return Err(error);
        }
        if self.run.wants_save(at) {
            self.answers.flush().map_err(ImportError::io(&self.path))?;
            self.run.save(self.state, at)?;
        }
        self.run.go_on(at)
    }
}

/// The tags of a row: `&lt;a&gt;&lt;b&gt;` in older dumps, `|a|b|` in newer ones.
fn each_tag(tags: &[u8]) -> impl Iterator<Item = &[u8]> {
    tags.split(|it| matches!(it, b'|' | b'<' | b'>' | b'&' | b';' | b' '))
        .filter(|it| !it.is_empty() && *it != b"lt" && *it != b"gt")
}

/// Every answer on the disk: its number, its question's, its flags.
fn each_answer(path: &Path, mut take: impl FnMut(u32, u32, u8)) -> Result<(), ImportError> {
    let file = File::open(path).map_err(ImportError::io(path))?;
    let length = file.metadata().map_err(ImportError::io(path))?.len();
    let mut file = BufReader::with_capacity(64 << 10, file);
    let mut record = [0; RECORD];
    for _ in 0..length / RECORD as u64 {
        file.read_exact(&mut record)
            .map_err(ImportError::io(path))?;
        let [a, b, c, d, e, f, g, h, flags] = record;
        let answer = u32::from_le_bytes([a, b, c, d]);
        take(answer, u32::from_le_bytes([e, f, g, h]), flags);
    }
    Ok(())
}

/// The questions of those answers.
pub(crate) fn parents(
    folder: &Path,
    kept: &roaring::RoaringBitmap,
) -> Result<roaring::RoaringBitmap, ImportError> {
    let mut parents = roaring::RoaringBitmap::new();
    each_answer(&answers(folder), |answer, parent, _| {
        if kept.contains(answer) {
            parents.insert(parent);
        }
    })?;
    Ok(parents)
}
