//! What was deleted lately, so that text which comes back brings its marks back. Knows texts and
//! places, not documents.

use syntax::Edit;

use crate::Mark;
use crate::heuristics::is_substantial;

/// How many deletions are remembered. Deleting with the key held down makes one for each character,
/// and an undo brings them back at once.
const MAX_PIECES: usize = 256;

/// How many bytes of deleted text are remembered.
const MAX_BYTES: usize = 1 << 20;

/// Recently deleted text, in the order of the places it was deleted from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pieces: Vec<Piece>,
    clock: u64,
}

/// One deletion.
#[derive(Debug, Clone)]
struct Piece {
    /// Where it was, in today's text; inside another piece, in that piece's text.
    at: usize,
    /// When it was deleted, by this memory's clock.
    stamp: u64,
    text: String,
    /// Its marks, relative to its start.
    marks: Vec<Mark>,
    /// What had been deleted from within it before.
    inside: Vec<Piece>,
}

impl Piece {
    fn count(&self) -> usize {
        1 + self.inside.iter().map(Self::count).sum::<usize>()
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.inside.iter().map(Self::bytes).sum::<usize>()
    }
}

impl Memory {
    /// Takes note of an edit; `cut` are the deleted text's marks, relative to its start. If the
    /// inserted text is one that was deleted before, returns the marks that it had.
    pub(crate) fn edit(
        &mut self,
        edit: &Edit,
        deleted: &str,
        inserted: &str,
        cut: &[Mark],
    ) -> Option<Vec<Mark>> {
        if inserted.len() != edit.new_end - edit.start || deleted.len() != edit.old_end - edit.start
        {
            // The texts do not belong to the ranges, so nothing remembered can be trusted.
            self.pieces.clear();
            return None;
        }
        let run = self.find_run(edit, inserted);
        let elsewhere = if run.is_none() {
            self.find_anywhere(inserted)
        } else {
            None
        };

        let (mut kept, mut inside, mut back) = (Vec::new(), Vec::new(), Vec::new());
        let mut left = 0;
        for (index, mut piece) in std::mem::take(&mut self.pieces).into_iter().enumerate() {
            let after_run = run.as_ref().is_some_and(|run| index >= run.end);
            if run.as_ref().is_some_and(|run| run.contains(&index)) {
                back.push(piece);
            } else if piece.at > edit.start && piece.at < edit.old_end {
                piece.at -= edit.start;
                inside.push(piece);
            } else {
                if piece.at > edit.start || (piece.at == edit.start && after_run) {
                    piece.at = piece.at.max(edit.old_end) - edit.old_end + edit.new_end;
                } else {
                    left = kept.len() + 1;
                }
                kept.push(piece);
            }
        }
        self.pieces = kept;
        if !deleted.is_empty() && deleted.len() <= MAX_BYTES {
            self.clock += 1;
            // What was deleted right behind this may have come to the same place; it stays behind.
            let (text, marks) = (deleted.to_owned(), cut.to_vec());
            let piece = Piece {
                at: edit.start,
                stamp: self.clock,
                text,
                marks,
                inside,
            };
            self.pieces.insert(left, piece);
        }
        let recalled = run.map(|_| {
            let mut marks = Vec::new();
            let mut offset = 0;
            for piece in back {
                marks.extend(
                    piece
                        .marks
                        .iter()
                        .map(|mark| mark.on(mark.range.start + offset..mark.range.end + offset)),
                );
                for mut inner in piece.inside {
                    inner.at += edit.start + offset;
                    self.insert(inner);
                }
                offset += piece.text.len();
            }
            marks
        });
        self.forget();
        recalled.or(elsewhere)
    }

    /// The neighbouring pieces at the edit's place whose texts together are the inserted text: an
    /// undo brings back one deletion or several that were made one after the other. Of several such
    /// runs, the one deleted last.
    fn find_run(&self, edit: &Edit, inserted: &str) -> Option<std::ops::Range<usize>> {
        if inserted.is_empty() {
            return None;
        }
        let first = self.pieces.partition_point(|piece| piece.at < edit.start);
        let end = self
            .pieces
            .partition_point(|piece| piece.at <= edit.old_end);
        let mut best: Option<(u64, std::ops::Range<usize>)> = None;
        for from in first..end {
            let (mut rest, mut stamp) = (inserted, 0);
            for (index, piece) in self.pieces.iter().enumerate().take(end).skip(from) {
                let Some(remaining) = rest.strip_prefix(piece.text.as_str()) else {
                    break;
                };
                rest = remaining;
                stamp = stamp.max(piece.stamp);
                if rest.is_empty() {
                    if best.as_ref().is_none_or(|(newest, _)| stamp > *newest) {
                        best = Some((stamp, from..index + 1));
                    }
                    break;
                }
            }
        }
        best.map(|(_, run)| run)
    }

    /// The marks of a piece with this text, wherever it was: a cut that is pasted elsewhere. Only
    /// for texts long enough to be no coincidence. The piece stays, for a second paste.
    fn find_anywhere(&self, inserted: &str) -> Option<Vec<Mark>> {
        if !is_substantial(inserted) {
            return None;
        }
        let same = self.pieces.iter().filter(|piece| piece.text == inserted);
        same.max_by_key(|piece| piece.stamp)
            .map(|piece| piece.marks.clone())
    }

    /// Puts a piece at its place.
    fn insert(&mut self, piece: Piece) {
        let index = self.pieces.partition_point(|other| other.at <= piece.at);
        self.pieces.insert(index, piece);
    }

    /// Drops the oldest until the bounds hold.
    fn forget(&mut self) {
        let mut count: usize = self.pieces.iter().map(Piece::count).sum();
        let mut bytes: usize = self.pieces.iter().map(Piece::bytes).sum();
        while count > MAX_PIECES || bytes > MAX_BYTES {
            let oldest = self
                .pieces
                .iter()
                .enumerate()
                .min_by_key(|(_, piece)| piece.stamp);
            let Some((index, _)) = oldest else {
                return;
            };
            let piece = self.pieces.remove(index);
            count -= piece.count();
            bytes -= piece.bytes();
        }
    }
}
