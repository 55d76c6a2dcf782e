//! The records themselves: fixed parts in chunks that never move, variable parts in the arena.

use crate::arena::{Arena, Piece};
use crate::attributes::{Attributes, unpack};
use crate::{Binding, Hardware, Key, Revision, State, Time};

/// The fixed part of a binding; one cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Record<K: Key> {
    /// 0 marks a free record.
    pub(crate) revision: Revision,
    pub(crate) packed: Piece,
    pub(crate) changed: Time,
    pub(crate) start: Time,
    /// Valid if the flag says so, like the three that follow.
    pub(crate) last_transaction: Time,
    pub(crate) expires: Time,
    pub(crate) renews: Time,
    pub(crate) rebinds: Time,
    /// The timer entry that counts; 0 is none.
    pub(crate) timer: Time,
    pub(crate) key: K,
    /// htype and a hardware address of six octets, if the flag says so; it doubles as the client-identifier that most
    /// clients make of it.
    pub(crate) hardware: K::Inline,
    pub(crate) flags: u8,
    pub(crate) state: State,
    /// The list of those who say something of it.
    pub(crate) witnesses: u16,
}

impl<K: Key> Record<K> {
    pub(crate) const LAST_TRANSACTION: u8 = 1;
    pub(crate) const EXPIRES: u8 = 2;
    pub(crate) const RENEWS: u8 = 4;
    pub(crate) const REBINDS: u8 = 8;
    pub(crate) const REMOTE: u8 = 16;
    /// `hardware` is in use.
    pub(crate) const HARDWARE: u8 = 32;
    /// The client-identifier is 01 and the hardware address: `hardware` as it stands.
    pub(crate) const CLIENT_ID: u8 = 64;
    /// See [`Update::remote_there`](crate::Update::remote_there).
    pub(crate) const REMOTE_THERE: u8 = 128;

    fn flagged(&self, flag: u8, time: Time) -> Option<Time> {
        (self.flags & flag != 0).then_some(time)
    }

    #[inline]
    pub(crate) fn last_transaction(&self) -> Option<Time> {
        self.flagged(Self::LAST_TRANSACTION, self.last_transaction)
    }

    #[inline]
    pub(crate) fn expires(&self) -> Option<Time> {
        self.flagged(Self::EXPIRES, self.expires)
    }

    #[inline]
    pub(crate) fn renews(&self) -> Option<Time> {
        self.flagged(Self::RENEWS, self.renews)
    }

    #[inline]
    pub(crate) fn rebinds(&self) -> Option<Time> {
        self.flagged(Self::REBINDS, self.rebinds)
    }

    #[inline]
    pub(crate) fn is_remote(&self) -> bool {
        self.flags & Self::REMOTE != 0
    }

    #[inline]
    pub(crate) fn hardware<'a>(&'a self, attributes: &Attributes<'a>) -> Option<Hardware<'a>> {
        let bytes = if self.flags & Self::HARDWARE != 0 { Some(self.hardware.as_ref()) } else { attributes.hardware };
        bytes.and_then(<[u8]>::split_first).map(|(htype, address)| Hardware { htype: *htype, address })
    }

    #[inline]
    pub(crate) fn client_id<'a>(&'a self, attributes: &Attributes<'a>) -> Option<&'a [u8]> {
        if self.flags & Self::CLIENT_ID != 0 { Some(self.hardware.as_ref()) } else { attributes.client_id }
    }

    /// The clock is set back: nothing was learned later than `now`, nor, if `all` times are to say so, did anything
    /// happen later.
    pub(crate) fn rewind(&mut self, now: Time, all: bool) {
        self.changed = self.changed.min(now);
        if all {
            self.start = self.start.min(now);
            self.last_transaction = self.last_transaction.min(now);
        }
    }

    pub(crate) fn is_free(&self) -> bool {
        self.revision == Revision::default()
    }

    /// When the state ends by itself, if ever.
    pub(crate) fn ends(&self) -> Option<Time> {
        self.state.successor()?;
        self.expires().filter(|expires| *expires != Time::INFINITE)
    }
}

/// Records by number.
#[derive(Debug)]
pub(crate) struct Records<K: Key> {
    chunks: Vec<Vec<Record<K>>>,
    free: Vec<u32>,
    pub(crate) arena: Arena,
    length: usize,
}

const CHUNK: usize = 8192;

impl<K: Key> Records<K> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), arena: Arena::default(), length: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> &Record<K> {
        &self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> &mut Record<K> {
        &mut self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }

    #[inline]
    pub(crate) fn packed(&self, number: u32) -> &[u8] {
        self.arena.get(self.get(number).packed)
    }

    #[inline]
    pub(crate) fn binding(&self, number: u32) -> Binding<'_, K> {
        let record = self.get(number);
        Binding::new(number, record, self.arena.get(record.packed))
    }

    pub(crate) fn attributes(&self, number: u32) -> Attributes<'_> {
        unpack(self.packed(number)).unwrap_or_default()
    }

    /// Reads a little of each record and its variable part, so that the waits for memory overlap.
    #[inline]
    pub(crate) fn touch(&self, numbers: impl Iterator<Item = u32> + Clone) {
        let touched = numbers.clone().map(|number| self.get(number).packed.length).fold(0, u16::wrapping_add);
        std::hint::black_box(touched);
        let ends = |number: u32| {
            let packed = self.packed(number);
            packed.first().copied().unwrap_or_default().wrapping_add(packed.last().copied().unwrap_or_default())
        };
        std::hint::black_box(numbers.map(ends).fold(0, u8::wrapping_add));
    }

    /// Whether the record is in use and at this revision.
    #[inline]
    pub(crate) fn is_at(&self, number: u32, revision: Revision) -> bool {
        self.get(number).revision == revision
    }

    /// Adds a record; `None` if 2^31 are in use.
    pub(crate) fn insert(&mut self, record: Record<K>) -> Option<u32> {
        let number = match self.free.pop() {
            Some(number) => {
                *self.get_mut(number) = record;
                number
            }
            None => {
                if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                    self.chunks.push(Vec::with_capacity(CHUNK));
                }
                let full = (self.chunks.len() - 1) * CHUNK;
                let last = self.chunks.last_mut()?;
                let number = u32::try_from(full + last.len()).ok().filter(|number| *number < 1 << 31)?;
                last.push(record);
                number
            }
        };
        self.length += 1;
        Some(number)
    }

    pub(crate) fn remove(&mut self, number: u32) {
        let record = self.get_mut(number);
        record.revision = Revision::default();
        let packed = std::mem::take(&mut record.packed);
        self.arena.remove(packed);
        self.free.push(number);
        self.length -= 1;
    }

    /// The number behind the last record.
    pub(crate) fn end(&self) -> u32 {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        u32::try_from(full + self.chunks.last().map_or(0, Vec::len)).unwrap_or(u32::MAX)
    }

    /// The record with a number, in use or not; `None` behind the last one.
    pub(crate) fn at(&self, number: u32) -> Option<&Record<K>> {
        self.chunks.get(number as usize / CHUNK)?.get(number as usize % CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{V4Key, V6Key};

    #[test]
    fn a_record_is_one_cache_line() {
        assert_eq!((size_of::<Record<V4Key>>(), size_of::<Record<V6Key>>()), (64, 64));
    }
}
