//! How far a lease file has been read, in the form that is kept with the store.

use std::fs::File;
use std::hash::BuildHasher;
use std::io;

use foldhash::fast::FixedState;
use leasequery_store::VpnName;

use super::columns::Header;
use super::config::CurrentConfig;
use super::family::Family;
use super::files::{Identity, Past, Stamp};
use super::lines::{self, Current};
use super::print::Print;

/// A place in a file, behind a line, and all that is known of what was read before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) identity: Identity,
    pub(super) offset: u64,
    /// Lines before it.
    pub(super) line: u64,
    /// What those were: after a power cut a file may be another, and anybody may have written another one over it.
    print: Print,
    /// The files that had been read before that one.
    pub(super) past: Past,
    /// What those rows were told with.
    pub(super) terms: Terms,
}

/// What decides, beside the rows, what the store is told: rows that were read on other terms have to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    vpn: u64,
    /// Of Kea's configuration, if there is one.
    config: u64,
}

impl Terms {
    /// There is a configuration of Kea's, and it has not been read yet.
    const UNREAD: u64 = 1;

    pub(super) fn of<F: Family>(vpn: Option<&VpnName>, config: Option<&CurrentConfig<F>>) -> Self {
        let hash = FixedState::default();
        let config = match config {
            None => 0,
            Some(config) if !config.is_read() => Self::UNREAD,
            Some(config) => hash.hash_one(&config.get().subnets),
        };
        Self { vpn: hash.hash_one(vpn), config }
    }

    /// Whether rows that were read on other terms may stand: those of a configuration that cannot be read may have been the
    /// same ones.
    pub(super) fn allow(self, other: Self) -> bool {
        self.vpn == other.vpn && (self.config == other.config || self.config == Self::UNREAD)
    }
}

/// Numbers that a position is made of.
const NUMBERS: usize = 8 + 3 * STAMP;
/// Numbers that stand for a file, or for none.
const STAMP: usize = 7;

impl Position {
    /// Where a file has been read to.
    pub(super) fn of<F: Family>(current: &Current<F>, past: Past, terms: Terms) -> Self {
        let Current { identity, offset, line, print, .. } = *current;
        Self { identity, offset, line, print, past, terms }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let Identity { device, inode, made } = self.identity;
        let (Past { completed, second, first }, Terms { vpn, config }) = (self.past, self.terms);
        let mut numbers = Vec::with_capacity(NUMBERS);
        numbers.extend([device, inode, made, self.offset, self.line, self.print.to_bits(), vpn, config]);
        numbers.extend([completed, second, first].into_iter().flat_map(numbers_of));
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let numbers: &[_; NUMBERS] = numbers.try_into().ok()?;
        let numbers = numbers.map(u64::from_be_bytes);
        let ([device, inode, made, offset, line, print, vpn, config], files) = numbers.split_first_chunk::<8>()?;
        let (files, []) = files.as_chunks::<STAMP>() else { return None };
        let [completed, second, first] = *files else { return None };
        Some(Self {
            identity: Identity { device: *device, inode: *inode, made: *made },
            offset: *offset,
            line: *line,
            print: Print::from_bits(*print),
            past: Past { completed: stamp_of(completed), second: stamp_of(second), first: stamp_of(first) },
            terms: Terms { vpn: *vpn, config: *config },
        })
    }

    /// The header of a file, if this is a place in it, and nothing before that has changed.
    pub(super) fn find_in<F: Family>(&self, file: &File) -> io::Result<Option<(Header<F>, Print)>> {
        let metadata = file.metadata()?;
        // A header alone is the same in all files, and numbers of files are used again.
        let lines = if self.identity.made == 0 { 2 } else { 1 };
        if Identity::of(&metadata) != self.identity || metadata.len() < self.offset || self.line < lines {
            return Ok(None);
        }
        let Some((header, _)) = lines::header(file)? else { return Ok(None) };
        Ok((Print::of(file, self.offset)? == self.print).then_some((header, self.print)))
    }
}

fn numbers_of(stamp: Option<Stamp>) -> [u64; STAMP] {
    let Some(Stamp { identity, size, modified, changed, is_named }) = stamp else { return [0; STAMP] };
    let Identity { device, inode, made } = identity;
    [1 + u64::from(is_named), device, inode, made, size, modified.cast_unsigned(), changed.cast_unsigned()]
}

fn stamp_of(numbers: [u64; STAMP]) -> Option<Stamp> {
    let [there, device, inode, made, size, modified, changed] = numbers;
    (there > 0).then_some(Stamp {
        identity: Identity { device, inode, made },
        size,
        modified: modified.cast_signed(),
        changed: changed.cast_signed(),
        is_named: there > 1,
    })
}

#[cfg(test)]
mod tests;
