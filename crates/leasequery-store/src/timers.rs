use std::collections::BTreeMap;

use crate::Time;

/// Record numbers by the second at which somebody has to look at them.
///
/// A record has one entry that counts, the one at the second it remembers itself. A renewal leaves it where it is: when
/// it fires, the record is put to its new time. So renewals, the most frequent change, cost nothing here. What an end
/// that comes earlier leaves behind, or a record that is gone, is swept out when there is as much of it as of the rest.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// By second, and in pieces, because very much may be due in one second.
    pieces: BTreeMap<(u32, u32), Vec<u32>>,
    entries: usize,
    /// Records that remember a second.
    armed: usize,
    /// Entries since the last look at the proportion.
    added: usize,
    /// The piece that the sweep comes to next.
    sweep: (u32, u32),
}

/// Entries in a piece.
const PIECE: usize = 256;
/// Entries that do not count and are not worth a sweep.
const SLACK: usize = 4096;
/// How many entries are added between two bites of a sweep, and how many such a bite looks at: it is faster than what it
/// is after.
const ADDED: usize = 256;
const SWEPT: usize = 4 * ADDED;

impl Timers {
    pub(crate) fn insert(&mut self, at: Time, record: u32) {
        self.entries += 1;
        self.added += 1;
        let last = self.pieces.range_mut((at.0, 0)..=(at.0, u32::MAX)).next_back();
        let part = match last {
            Some((_, piece)) if piece.len() < PIECE => return piece.push(record),
            Some(((_, part), _)) => part + 1,
            None => 0,
        };
        self.pieces.insert((at.0, part), vec![record]);
    }

    /// A record remembers a second, or no longer does.
    pub(crate) fn count(&mut self, before: Time, after: Time) {
        self.armed += usize::from(after != Time::default());
        self.armed = self.armed.saturating_sub(usize::from(before != Time::default()));
    }

    /// The first second at which something is due.
    pub(crate) fn first(&self) -> Option<Time> {
        self.pieces.first_key_value().map(|((second, _), _)| Time(*second))
    }

    /// Takes some records of the first second that is not after `now`.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<(Time, Vec<u32>)> {
        let entry = self.pieces.first_entry().filter(|entry| entry.key().0 <= now.0)?;
        let second = Time(entry.key().0);
        let records = entry.remove();
        self.entries -= records.len();
        Some((second, records))
    }

    /// Sweeps a little if too many entries no longer count.
    #[inline]
    pub(crate) fn maintain(&mut self, counts: impl Fn(u32, Time) -> bool) {
        if self.added >= ADDED {
            self.added = 0;
            if self.entries > 2 * self.armed + SLACK {
                self.sweep(&counts);
            }
        }
    }

    #[cold]
    fn sweep(&mut self, counts: &impl Fn(u32, Time) -> bool) {
        let mut looked = 0;
        while looked < SWEPT {
            let Some((place, piece)) = self.pieces.range_mut(self.sweep..).next() else {
                self.sweep = (0, 0);
                return;
            };
            let place = *place;
            let before = piece.len();
            piece.retain(|record| counts(*record, Time(place.0)));
            // A record whose end went to and fro may be there twice.
            piece.sort_unstable();
            piece.dedup();
            piece.shrink_to_fit();
            let left = piece.len();
            self.entries -= before - left;
            looked += before.max(1);
            if left == 0 {
                self.pieces.remove(&place);
            }
            self.sweep = place.1.checked_add(1).map_or((place.0.saturating_add(1), 0), |part| (place.0, part));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries
    }
}

#[cfg(test)]
mod tests;
