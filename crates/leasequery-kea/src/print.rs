//! Whether lines that have been read are still where they were.

use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::io;

use foldhash::fast::FixedState;

use super::lines;

/// A sum over all lines before a place in a file, in whichever order they come: of each its place and its octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Print(u64);

impl Print {
    /// Adds the line that begins at a place. One that was too long to be kept is added as an empty one.
    #[inline]
    pub(super) fn add(&mut self, place: u64, line: &[u8]) {
        let mut hasher = FixedState::with_seed(place).build_hasher();
        hasher.write(line);
        self.0 = self.0.wrapping_add(hasher.finish());
    }

    /// That of a file, up to a place behind a line.
    pub(super) fn of(file: &File, end: u64) -> io::Result<Self> {
        let mut print = Self::default();
        lines::backwards(file, 0..end, &mut |_, place, line| {
            print.add(place, line);
            Ok(())
        })?;
        Ok(print)
    }

    pub(super) fn to_bits(self) -> u64 {
        self.0
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}
