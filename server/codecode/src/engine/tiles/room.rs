//! Memory that tiles lie in, many matrices to a block of huge pages, because a product reads them from one end to the
//! other. Knows sizes and places, no numbers.

use std::{
    alloc::Layout,
    mem::MaybeUninit,
    ops::Deref,
    ptr::NonNull,
    slice,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use memmap2::MmapMut;
use rayon::prelude::*;

/// Of a huge page.
const PAGE: usize = 2 << 20;
/// Of a block, at least: what is left over at its end is small beside it.
const BLOCK: usize = 16 * PAGE;

/// The block that has room for more, while anything lies in it.
static LAST: Mutex<Weak<Block>> = Mutex::new(Weak::new());

/// Memory that goes back to the system when the last of what lies in it goes.
struct Block {
    start: NonNull<u8>,
    length: usize,
    used: Mutex<usize>,
    _memory: MmapMut,
}

#[expect(
    unsafe_code,
    reason = "the memory is the block's own, and `take` gives every part of it out once"
)]
unsafe impl Send for Block {}
#[expect(unsafe_code, reason = "as above")]
unsafe impl Sync for Block {}

impl Block {
    /// A block that `bytes` fit into; `None` where the system has no memory for it.
    fn new(bytes: usize) -> Option<Arc<Self>> {
        let length = bytes.max(BLOCK).checked_next_multiple_of(PAGE)?;
        let mut memory = MmapMut::map_anon(length.checked_add(PAGE)?).ok()?;
        let before = memory.as_ptr().addr().next_multiple_of(PAGE) - memory.as_ptr().addr();
        // A system that has no huge pages says so, and nothing is lost.
        #[cfg(target_os = "linux")]
        let _ = memory.advise_range(memmap2::Advice::HugePage, before, length);
        Some(Arc::new(Self {
            start: NonNull::new(memory[before..].as_mut_ptr())?,
            length,
            used: Mutex::new(0),
            _memory: memory,
        }))
    }

    /// The place of so many bytes that nobody else has; `None` where they do not fit.
    fn take(&self, layout: Layout) -> Option<NonNull<u8>> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let from = used.next_multiple_of(layout.align());
        let to = from.checked_add(layout.size())?;
        if to > self.length {
            return None;
        }
        *used = to;
        #[expect(unsafe_code, reason = "the place lies within the block")]
        Some(unsafe { self.start.add(from) })
    }
}

/// Values that lie in a block.
pub(super) struct Room<T> {
    start: NonNull<T>,
    length: usize,
    _block: Arc<Block>,
}

#[expect(
    unsafe_code,
    reason = "the values are this room's own, as those of a vector are"
)]
unsafe impl<T: Send> Send for Room<T> {}
#[expect(unsafe_code, reason = "as above")]
unsafe impl<T: Sync> Sync for Room<T> {}

impl<T: Copy + Send> Room<T> {
    /// `groups` times `across` values, as `make` gives them for each group; `None` where it gives none or too few, or
    /// where there is no memory for them.
    pub(super) fn filled<I: Iterator<Item = T>>(
        groups: usize,
        across: usize,
        make: impl Fn(usize) -> Option<I> + Sync,
    ) -> Option<Self> {
        let length = groups.checked_mul(across).filter(|length| *length > 0)?;
        let (start, block) = place(Layout::array::<T>(length).ok()?)?;
        let start = start.cast::<T>();
        #[expect(
            unsafe_code,
            reason = "the place is as large and as aligned as its layout says, nobody else has it, and values that \
                      are not yet there may be anything"
        )]
        let places =
            unsafe { slice::from_raw_parts_mut(start.cast::<MaybeUninit<T>>().as_ptr(), length) };
        let is_filled = places
            .par_chunks_exact_mut(across)
            .enumerate()
            .all(|(group, places)| {
                let values = make(group).into_iter().flatten();
                let count = places
                    .iter_mut()
                    .zip(values)
                    .map(|(place, value)| place.write(value));
                count.count() == across
            });
        is_filled.then_some(Self {
            start,
            length,
            _block: block,
        })
    }
}

impl<T> Deref for Room<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        #[expect(
            unsafe_code,
            reason = "all of it was filled before there was a room, and the block lives as long"
        )]
        unsafe {
            slice::from_raw_parts(self.start.as_ptr(), self.length)
        }
    }
}

/// A place in the block that has room, or in a new one.
fn place(layout: Layout) -> Option<(NonNull<u8>, Arc<Block>)> {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(block) = last.upgrade()
        && let Some(place) = block.take(layout)
    {
        return Some((place, block));
    }
    let block = Block::new(layout.size())?;
    *last = Arc::downgrade(&block);
    Some((block.take(layout)?, block))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_share_blocks_and_keep_what_they_hold() {
        let numbers = |from: u32| {
            Room::filled(3, 5, |group| {
                Some((0..5).map(move |place| from + group as u32 * 5 + place))
            })
            .expect("all are given")
        };
        let large = Room::filled(BLOCK / 8, 1, |group| {
            Some(std::iter::once(group as u64 + 7))
        });
        let rooms: Vec<_> = (0..100).map(|at| numbers(at * 100)).collect();
        for (at, room) in rooms.iter().enumerate() {
            assert!(
                room.iter()
                    .copied()
                    .eq(at as u32 * 100..at as u32 * 100 + 15)
            );
        }
        let large = large.expect("all are given");
        assert_eq!(large.len(), BLOCK / 8);
        assert!(large.iter().zip(7..).all(|(own, due)| *own == due));
        assert!(Room::filled(2, 4, |_| Some([1_u8; 3].into_iter())).is_none());
        assert!(Room::filled(2, 4, |_| None::<std::iter::Once<u8>>).is_none());
        assert!(Room::filled(0, 4, |_| Some(std::iter::once(1_u8))).is_none());
    }
}
