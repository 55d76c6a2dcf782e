//! Room for the variable part of bindings: chunks that never move, cut into pieces of whole multiples of four octets.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A piece of the arena.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Where it starts, in units of [`UNIT`], the high half first: 32 bits reach 16 GiB. In halves it takes no more room
    /// than it needs, whatever stands beside it.
    start: [u16; 2],
    /// Octets in use.
    pub(crate) length: u16,
}

impl Piece {
    #[allow(clippy::cast_possible_truncation, reason = "in halves")]
    fn new(unit: u32, length: u16) -> Self {
        Self { start: [(unit >> 16) as u16, unit as u16], length }
    }

    #[inline]
    fn unit(self) -> u32 {
        u32::from(self.start[0]) << 16 | u32::from(self.start[1])
    }
}

/// Octets of a unit.
const UNIT: u32 = 4;
/// Large enough that the rest lost at a chunk's end does not count, small enough to grow by.
const CHUNK: usize = 1 << 20;
const UNITS_PER_CHUNK: u32 = (1 << 20) / UNIT;

/// Room that was given back is one with the free room beside it, and a chunk without any piece goes back to the system. So
/// pieces that change their sizes use each other's room, and there are never more gaps than pieces.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// One that went back is empty.
    chunks: Vec<Box<[u8]>>,
    /// The numbers of those.
    vacant: Vec<usize>,
    /// Units of the latest chunk that have not been handed out.
    rest: Range<u32>,
    /// Gaps: the first unit of each, and how many. No two of one chunk touch.
    gaps: BTreeMap<u32, u32>,
    /// The same, by their sizes.
    by_size: BTreeSet<(u32, u32)>,
}

impl Arena {
    #[inline]
    pub(crate) fn get(&self, piece: Piece) -> &[u8] {
        if piece.length == 0 {
            return &[];
        }
        let start = (piece.unit() % UNITS_PER_CHUNK * UNIT) as usize;
        &self.chunks[(piece.unit() / UNITS_PER_CHUNK) as usize][start..start + usize::from(piece.length)]
    }

    /// Stores `bytes`; `None` if they are more than a piece can hold or the arena is full.
    pub(crate) fn insert(&mut self, bytes: &[u8]) -> Option<Piece> {
        let length = u16::try_from(bytes.len()).ok()?;
        if length == 0 {
            return Some(Piece::default());
        }
        let piece = Piece::new(self.allocate(units(length))?, length);
        self.slice(piece).copy_from_slice(bytes);
        Some(piece)
    }

    /// Stores `bytes` in place of `piece`, where it is if they need as much room.
    pub(crate) fn replace(&mut self, piece: Piece, bytes: &[u8]) -> Option<Piece> {
        let length = u16::try_from(bytes.len()).ok()?;
        if units(length) == units(piece.length) {
            let piece = Piece { length, ..piece };
            self.slice(piece).copy_from_slice(bytes);
            return Some(piece);
        }
        let new = self.insert(bytes)?;
        self.remove(piece);
        Some(new)
    }

    pub(crate) fn remove(&mut self, piece: Piece) {
        if piece.length != 0 {
            self.give_back(piece.unit(), units(piece.length));
        }
    }

    /// Octets of all chunks.
    pub(crate) fn capacity(&self) -> usize {
        (self.chunks.len() - self.vacant.len()) * CHUNK
    }

    fn slice(&mut self, piece: Piece) -> &mut [u8] {
        if piece.length == 0 {
            return &mut [];
        }
        let start = (piece.unit() % UNITS_PER_CHUNK * UNIT) as usize;
        &mut self.chunks[(piece.unit() / UNITS_PER_CHUNK) as usize][start..start + usize::from(piece.length)]
    }

    /// Takes the smallest gap that is large enough, or else what has not been used yet.
    fn allocate(&mut self, size: u32) -> Option<u32> {
        if let Some((gap, unit)) = self.by_size.range((size, 0)..).next().copied() {
            self.remove_gap(unit, gap);
            if gap > size {
                self.add_gap(unit + size, gap - size);
            }
            return Some(unit);
        }
        if self.rest.end - self.rest.start < size {
            let rest = self.add_chunk()?;
            let left = std::mem::replace(&mut self.rest, rest);
            if !left.is_empty() {
                self.give_back(left.start, left.end - left.start);
            }
        }
        let unit = self.rest.start;
        self.rest.start += size;
        Some(unit)
    }

    /// Makes a chunk. Gives its units, the last of which has a number of 32 bits, too.
    fn add_chunk(&mut self) -> Option<Range<u32>> {
        let number = self.vacant.last().copied().unwrap_or(self.chunks.len());
        let first = u32::try_from(number).ok()?.checked_mul(UNITS_PER_CHUNK)?;
        let end = first.checked_add(UNITS_PER_CHUNK)?;
        let chunk = vec![0; CHUNK].into_boxed_slice();
        match self.vacant.pop() {
            Some(number) => self.chunks[number] = chunk,
            None => self.chunks.push(chunk),
        }
        Some(first..end)
    }

    /// Puts room together with what is free beside it.
    fn give_back(&mut self, unit: u32, size: u32) {
        let (mut first, mut end) = (unit, unit + size);
        // What belongs to other chunks does not touch, whatever the numbers.
        let begins_chunk = |unit: u32| unit.is_multiple_of(UNITS_PER_CHUNK);
        if !begins_chunk(first)
            && let Some((before, gap)) = self.gaps.range(..first).next_back().map(|(unit, gap)| (*unit, *gap))
            && before + gap == first
        {
            self.remove_gap(before, gap);
            first = before;
        }
        if !begins_chunk(end) {
            if end == self.rest.start {
                self.rest.start = first;
                return;
            }
            if let Some(gap) = self.gaps.get(&end).copied() {
                self.remove_gap(end, gap);
                end += gap;
            }
        }
        if end - first == UNITS_PER_CHUNK {
            let number = (first / UNITS_PER_CHUNK) as usize;
            self.chunks[number] = Box::default();
            self.vacant.push(number);
        } else {
            self.add_gap(first, end - first);
        }
    }

    fn add_gap(&mut self, unit: u32, size: u32) {
        self.gaps.insert(unit, size);
        self.by_size.insert((size, unit));
    }

    fn remove_gap(&mut self, unit: u32, size: u32) {
        self.gaps.remove(&unit);
        self.by_size.remove(&(size, unit));
    }
}

#[inline]
fn units(length: u16) -> u32 {
    u32::from(length).div_ceil(UNIT)
}

#[cfg(test)]
mod tests;
