//! How far a lease file has been read, in the form that is kept with the store.

use std::fs::File;
use std::io;

use super::columns::Header;
use super::family::Family;
use super::files::Identity;
use super::lines::{self, Current};

/// A place in a file, behind a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) identity: Identity,
    pub(super) offset: u64,
    /// Lines before it.
    pub(super) line: u64,
    /// Hash of the last line before it: after a power cut a file may be another.
    last: u64,
}

impl Position {
    /// Where a file has been read to.
    pub(super) fn of<F: Family>(current: &Current<F>) -> Self {
        let Current { identity, offset, line, ref last, .. } = *current;
        Self { identity, offset, line, last: hash(last) }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let Identity { device, inode, made } = self.identity;
        let numbers = [device, inode, made, self.offset, self.line, self.last];
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let numbers: &[_; 6] = numbers.try_into().ok()?;
        let [device, inode, made, offset, line, last] = numbers.map(u64::from_be_bytes);
        Some(Self { identity: Identity { device, inode, made }, offset, line, last })
    }

    /// The header of a file, if this is a place in it.
    pub(super) fn find_in<F: Family>(&self, file: &File) -> io::Result<Option<Header<F>>> {
        let metadata = file.metadata()?;
        // A header alone is the same in all files.
        if Identity::of(&metadata) != self.identity || metadata.len() < self.offset || self.line < 2 {
            return Ok(None);
        }
        let Some((header, _)) = lines::header(file)? else { return Ok(None) };
        Ok((hash(&lines::line_before(file, self.offset)?) == self.last).then_some(header))
    }
}

/// FNV-1a: a line is only compared with itself, and the value is kept over restarts.
fn hash(line: &[u8]) -> u64 {
    line.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
