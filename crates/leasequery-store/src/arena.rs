//! Room for the variable part of bindings: chunks that never move, cut into pieces of whole multiples of four octets.

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

const UNIT: usize = 4;
/// Large enough that the rest lost at a chunk's end does not count, small enough to grow by.
const CHUNK: usize = 1 << 20;
const UNITS_PER_CHUNK: usize = CHUNK / UNIT;

#[derive(Debug, Default)]
pub(crate) struct Arena {
    chunks: Vec<Box<[u8]>>,
    /// Units handed out of the last chunk.
    used: usize,
    /// Pieces given back, by their size in units.
    free: Vec<Vec<u32>>,
}

impl Arena {
    #[inline]
    pub(crate) fn get(&self, piece: Piece) -> &[u8] {
        if piece.length == 0 {
            return &[];
        }
        let start = piece.unit() as usize % UNITS_PER_CHUNK * UNIT;
        &self.chunks[piece.unit() as usize / UNITS_PER_CHUNK][start..start + usize::from(piece.length)]
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
            self.give_back(units(piece.length), piece.unit());
        }
    }

    /// Octets of all chunks.
    pub(crate) fn capacity(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    fn slice(&mut self, piece: Piece) -> &mut [u8] {
        if piece.length == 0 {
            return &mut [];
        }
        let start = piece.unit() as usize % UNITS_PER_CHUNK * UNIT;
        &mut self.chunks[piece.unit() as usize / UNITS_PER_CHUNK][start..start + usize::from(piece.length)]
    }

    fn allocate(&mut self, size: usize) -> Option<u32> {
        if let Some(unit) = self.free.get_mut(size).and_then(Vec::pop) {
            return Some(unit);
        }
        if self.chunks.is_empty() || self.used + size > UNITS_PER_CHUNK {
            let left = UNITS_PER_CHUNK - self.used;
            if let Some(last) = self.chunks.len().checked_sub(1)
                && left != 0
            {
                let unit = u32::try_from(last * UNITS_PER_CHUNK + self.used).ok()?;
                self.give_back(left, unit);
            }
            self.chunks.push(vec![0; CHUNK].into_boxed_slice());
            self.used = 0;
        }
        let unit = u32::try_from((self.chunks.len() - 1) * UNITS_PER_CHUNK + self.used).ok()?;
        self.used += size;
        Some(unit)
    }

    fn give_back(&mut self, size: usize, unit: u32) {
        if self.free.len() <= size {
            self.free.resize_with(size + 1, Vec::new);
        }
        self.free[size].push(unit);
    }
}

#[inline]
fn units(length: u16) -> usize {
    usize::from(length).div_ceil(UNIT)
}

#[cfg(test)]
mod tests;
