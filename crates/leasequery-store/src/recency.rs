use std::collections::{VecDeque, vec_deque};

use crate::Time;

/// Number of a commit. 0 is before the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// All commits in their order, each with the record it changed.
///
/// An entry counts only while its record is still at that revision, so a change touches nothing but the end of the log.
/// Entries that no longer count are swept out, a chunk at a time, when there is one for every four that do.
#[derive(Debug, Default)]
pub(crate) struct Recency {
    chunks: VecDeque<Chunk>,
    entries: usize,
    /// The chunk that the sweep comes to next.
    sweep: usize,
    /// Entries of the first chunk that have been taken out.
    taken: usize,
}

#[derive(Debug)]
struct Chunk {
    /// Revision from which offsets count.
    first: Revision,
    /// Not after the time of any entry.
    time: Time,
    /// Ascending by offset.
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: u32,
    record: u32,
}

impl Chunk {
    fn revision(&self, entry: Entry) -> Revision {
        Revision(self.first.0 + u64::from(entry.offset))
    }
}

/// Entries of the log in their order.
#[derive(Debug)]
pub(crate) struct After<'s> {
    /// Revision from which the offsets of `entries` count.
    base: Revision,
    entries: std::slice::Iter<'s, Entry>,
    chunks: vec_deque::Iter<'s, Chunk>,
}

impl Iterator for After<'_> {
    type Item = (Revision, u32);

    #[inline]
    fn next(&mut self) -> Option<(Revision, u32)> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some((Revision(self.base.0 + u64::from(entry.offset)), entry.record));
            }
            // None of them is empty but the one that is being written.
            let chunk = self.chunks.next()?;
            (self.base, self.entries) = (chunk.first, chunk.entries.iter());
        }
    }
}

/// Entries in a full chunk.
const CHUNK: usize = 4096;

impl Recency {
    /// Appends. Revisions never descend, nor do times unless the clock is [set back](Self::rewind).
    #[inline]
    pub(crate) fn push(&mut self, revision: Revision, time: Time, record: u32) {
        let offset = |chunk: &Chunk| u32::try_from(revision.0 - chunk.first.0).ok();
        let entry = match self.chunks.back_mut().filter(|chunk| chunk.entries.len() < CHUNK) {
            Some(chunk) => offset(chunk).map(|offset| (chunk, offset)),
            None => None,
        };
        match entry {
            Some((chunk, offset)) => chunk.entries.push(Entry { offset, record }),
            None => {
                let mut entries = Vec::with_capacity(CHUNK);
                entries.push(Entry { offset: 0, record });
                self.chunks.push_back(Chunk { first: revision, time, entries });
            }
        }
        self.entries += 1;
    }

    /// The clock is set back: no entry is from after `time`.
    pub(crate) fn rewind(&mut self, time: Time) {
        for chunk in &mut self.chunks {
            chunk.time = chunk.time.min(time);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// Sweeps a few chunks if too many entries no longer count, `live` being how many do.
    #[inline]
    pub(crate) fn maintain(&mut self, live: usize, counts: impl Fn(u32, Revision) -> bool) {
        // Only when a chunk has just been begun, so that the work is spread over the commits that made it necessary.
        let begun = self.chunks.back().is_some_and(|chunk| chunk.entries.len() == 1);
        if begun && self.entries > live + live / 4 + 2 * CHUNK {
            for _ in 0..6 {
                self.sweep_one(&counts);
            }
        }
    }

    fn sweep_one(&mut self, counts: &impl Fn(u32, Revision) -> bool) {
        // The last chunk is still being written.
        if self.sweep + 1 >= self.chunks.len() {
            self.sweep = 0;
            return;
        }
        let chunk = &mut self.chunks[self.sweep];
        if self.sweep == 0 {
            chunk.entries.drain(..std::mem::take(&mut self.taken));
        }
        let before = chunk.entries.len();
        let first = chunk.first;
        chunk.entries.retain(|entry| counts(entry.record, Revision(first.0 + u64::from(entry.offset))));
        self.entries -= before - chunk.entries.len();
        if self.merge_into_previous() {
            self.chunks.remove(self.sweep);
        } else {
            self.chunks[self.sweep].entries.shrink_to_fit();
            self.sweep += 1;
        }
    }

    /// Moves the entries of the swept chunk to the one before it if they fit there.
    fn merge_into_previous(&mut self) -> bool {
        if self.chunks[self.sweep].entries.is_empty() {
            return true;
        }
        let Some(previous) = self.sweep.checked_sub(1) else { return false };
        let chunk = &self.chunks[self.sweep];
        let into = &self.chunks[previous];
        let shift = chunk.first.0 - into.first.0;
        let last = chunk.entries.last().map_or(0, |entry| u64::from(entry.offset));
        if into.entries.len() + chunk.entries.len() > CHUNK || shift + last > u64::from(u32::MAX) {
            return false;
        }
        let moved = std::mem::take(&mut self.chunks[self.sweep].entries);
        #[allow(clippy::cast_possible_truncation, reason = "checked above")]
        let shift = shift as u32;
        let into = &mut self.chunks[previous].entries;
        into.reserve_exact(moved.len());
        into.extend(moved.into_iter().map(|entry| Entry { offset: entry.offset + shift, ..entry }));
        true
    }

    /// The first entry, whether it counts or not.
    pub(crate) fn first(&self) -> Option<(Revision, u32)> {
        let chunk = self.chunks.front()?;
        chunk.entries.get(self.taken).map(|entry| (chunk.revision(*entry), entry.record))
    }

    /// Takes the first entry out.
    pub(crate) fn take_first(&mut self) {
        let Some(chunk) = self.chunks.front() else { return };
        self.taken += 1;
        self.entries -= 1;
        if self.taken >= chunk.entries.len() {
            self.taken = 0;
            self.chunks.pop_front();
            self.sweep = self.sweep.saturating_sub(1);
        }
    }

    /// Entries with a revision greater than `after`, in order, whether they count or not.
    pub(crate) fn after(&self, after: Revision) -> After<'_> {
        let from = self.chunks.partition_point(|chunk| chunk.first <= after).saturating_sub(1);
        let mut chunks = self.chunks.range(from..);
        let first = chunks.next();
        let entries = first.map_or(&[][..], |chunk| {
            let skip = chunk.entries.partition_point(|entry| chunk.revision(*entry) <= after);
            &chunk.entries[skip..]
        });
        After { base: first.map_or(Revision::default(), |chunk| chunk.first), entries: entries.iter(), chunks }
    }

    /// A revision behind which every change at `time` or later lies. `changed` gives the time of an entry that counts.
    pub(crate) fn before(&self, time: Time, changed: impl Fn(u32, Revision) -> Option<Time>) -> Revision {
        let behind = self.chunks.partition_point(|chunk| chunk.time < time);
        let Some(chunk) = behind.checked_sub(1).and_then(|index| self.chunks.get(index)) else {
            return Revision::default();
        };
        let earlier =
            |entry: &&Entry| changed(entry.record, chunk.revision(**entry)).is_some_and(|changed| changed < time);
        let last = chunk.entries.iter().rev().find(earlier);
        last.map_or(Revision(chunk.first.0.saturating_sub(1)), |entry| chunk.revision(*entry))
    }
}
