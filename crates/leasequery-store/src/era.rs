//! Eras of the clock. The order of changes never runs back; the time of day may.
//!
//! A clock that is a little behind the time it showed before is waited for. One that is further behind was wrong before:
//! the new time is taken, and with it a new *era* begins. Whatever was counted by the wrong clock is history that nobody
//! can be told of by time any more: who comes back with a base-time of an earlier era is told that data are missing.

use crate::{Key, Revision, State, Store, Time};

/// Seconds by which the clock may run back within an era: it stands still until it has caught up. Clocks that are kept
/// right are not set back by more: NTP slews, and what it steps at a start, a leap second, and whole seconds of two
/// readings that were rounded differently are within this. No lease is that short.
pub const BACK: u32 = 5;
/// Seconds by which a query-start-time may be ahead of the clock: times are rounded. One that is further ahead was not
/// given out by this clock.
const AHEAD: u32 = 2;
/// A clock that goes forward by more seconds at once was stepped, or nobody looked at it for as long: what lies between
/// has not been a base-time.
const LEAP: u32 = 60;
/// What is waited for after the clock was set back.
const FORGOTTEN: &str = "the clock was set back, and what had been forgotten by it is being read again";
/// Seconds for which the clock may have run on unnoticed after it was last written to disk.
const UNWRITTEN: u32 = 10;

/// Spans of time, both ends included, ascending and apart. There are only so many: then those that are closest become
/// one, which takes more time for used than was, and that is the safe side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spans(Vec<(Time, Time)>);

/// How many spans are kept apart.
const SPANS: usize = 16;

impl Spans {
    /// Adds a span.
    pub fn add(&mut self, first: Time, last: Time) {
        let from = self.0.partition_point(|(_, end)| end.plus(1) < first);
        let to = self.0.partition_point(|(begin, _)| *begin <= last.plus(1)).max(from);
        let joined =
            self.0[from..to].iter().fold((first, last), |(first, last), span| (first.min(span.0), last.max(span.1)));
        self.0.splice(from..to, [joined]);
        if self.0.len() > SPANS {
            let gap = |place: &usize| self.0[place + 1].0.since(self.0[*place].1);
            if let Some(place) = (0..self.0.len() - 1).min_by_key(gap) {
                let (_, behind) = self.0.remove(place + 1);
                self.0[place].1 = behind;
            }
        }
    }

    /// Whether a time lies in one of them.
    pub fn contains(&self, time: Time) -> bool {
        self.0.get(self.0.partition_point(|(_, end)| *end < time)).is_some_and(|(begin, _)| *begin <= time)
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Time, Time)> + '_ {
        self.0.iter().copied()
    }
}

/// The eras of a store's clock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Eras {
    /// How many there were before this one.
    pub number: u32,
    /// When this one began, by its clock.
    pub began: Time,
    /// The latest change of those before.
    pub before: Revision,
    /// When clocks of earlier eras ran: what they showed then was given out as base-times.
    pub earlier: Spans,
    /// When the clock of this era ran, up to its last step forward.
    pub ran: Spans,
    /// When it was stepped last, or the beginning.
    pub since: Time,
}

impl Eras {
    /// The clock runs for the first time.
    fn start(&mut self, wall: Time) {
        self.began = wall;
        self.since = wall;
    }

    /// The clock, which showed `now`, goes on from a time that is much later.
    fn leap(&mut self, now: Time, wall: Time) {
        self.ran.add(self.since, now.plus(UNWRITTEN));
        self.since = wall;
    }

    /// A new era begins.
    fn begin(&mut self, now: Time, wall: Time, revision: Revision) {
        self.leap(now, wall);
        for (first, last) in std::mem::take(&mut self.ran).iter() {
            self.earlier.add(first, last);
        }
        self.number = self.number.wrapping_add(1);
        self.began = wall;
        self.before = revision;
    }
}

impl<K: Key> Store<K> {
    /// Sets the clock. `wall` is what the clock of the machine says, by which leases run out. The store's own clock does
    /// not follow it back by less than some seconds ([`BACK`]); further back a new [era](Self::era) begins.
    pub(crate) fn set_clock(&mut self, wall: Time) {
        if self.now == Time::default() {
            // Of what ended before it began to look the store knows nothing, and of this second it sees but a part.
            self.floor = self.floor.max(wall.plus(1));
            self.eras.start(wall);
        } else if wall < self.now.minus(BACK) {
            self.begin_era(wall);
        } else if wall > self.now.plus(LEAP) {
            self.eras.leap(self.now, wall);
            self.steps = self.steps.wrapping_add(1);
            self.asks += 1;
            self.doubt_times();
        }
        self.wall = wall;
        self.now = self.now.max(wall);
    }

    fn begin_era(&mut self, wall: Time) {
        // What ended by the wrong clock and was forgotten, leases that go on by today's may be among.
        let has_forgotten = self.floor > wall;
        self.eras.begin(self.now, wall, self.revision);
        self.steps = self.steps.wrapping_add(1);
        self.now = wall;
        self.floor = wall.plus(1);
        self.forgotten_up_to = self.revision;
        self.recency.rewind(wall);
        self.networks.rewind(wall);
        self.unsettled = Some(0);
        // What was forgotten by the wrong clock, the sources still know.
        self.asks += 1;
        for source in &mut self.sources {
            source.position = None;
        }
        if has_forgotten {
            let ids: Vec<_> = self.sources().map(|(id, _)| id).collect();
            for id in ids {
                self.lose_whole(id, FORGOTTEN);
            }
        }
    }

    /// Counts how often the clock was set back so far that the history began anew. Whoever follows the changes, or keeps
    /// what the sources said, begins anew with it.
    pub fn era(&self) -> u32 {
        self.eras.number
    }

    /// Counts how often the clock was stepped while this store was in memory, in either direction.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// What the clock of the machine showed last, which may be some seconds behind [`now`](Self::now).
    pub fn wall(&self) -> Time {
        self.wall
    }

    /// Whether everything that changed at `since` or later can be told of.
    pub fn reaches(&self, since: Time) -> bool {
        since >= self.floor && since <= self.now.plus(AHEAD) && !self.is_ambiguous(since)
    }

    /// Whether a clock of an earlier era has shown this time: whoever asks for what changed since may mean that one.
    pub fn is_ambiguous(&self, since: Time) -> bool {
        self.eras.earlier.contains(since)
    }

    /// Whether what the wrong clock of an earlier era did to the bindings has been undone. Until then nobody knows what
    /// is free: an address may seem to be because of that clock alone.
    pub fn is_settled(&self) -> bool {
        self.unsettled.is_none()
    }

    /// Undoes what the wrong clock did to some of the bindings, `budget` records at most. Returns how many changed.
    pub(crate) fn settle(&mut self, budget: u32) -> usize {
        let Some(from) = self.unsettled else { return 0 };
        let end = self.records.end();
        let to = from.saturating_add(budget).min(end);
        let changed = (from..to).filter(|number| self.rectify(*number)).count();
        self.unsettled = (to < end).then_some(to);
        changed
    }

    /// Undoes what the wrong clock did to a binding, if anything: times that it gave and that have not come yet are those
    /// of the beginning of this era, and what it ended goes on. Says whether that changed what is known.
    pub(crate) fn rectify(&mut self, number: u32) -> bool {
        let (began, wall) = (self.eras.began, self.wall);
        let record = self.records.get_mut(number);
        if record.revision == Revision::default() || record.revision > self.eras.before {
            return false;
        }
        let vouched = self.lists.get(record.witnesses).owner().is_some();
        // What nobody vouches for any more is over, whoever ended it first.
        let ended_by_clock = record.expires().filter(|expires| *expires == record.start && *expires > wall);
        record.rewind(began, true);
        let was = record.state;
        if self.crowded.has(number) {
            self.renew_crowds(number);
        }
        let state = match (was, ended_by_clock) {
            (State::Expired, Some(_)) if vouched => State::Active,
            (State::Available, Some(_)) if vouched => State::Abandoned,
            _ => return false,
        };
        if !self.settings.expire {
            return false;
        }
        // What was before it ended is known no more.
        let record = self.records.get_mut(number);
        let start = record.last_transaction().unwrap_or(began);
        record.state = state;
        record.start = start;
        self.active += usize::from(state == State::Active);
        self.over -= 1;
        self.renumber(number);
        true
    }
}

#[cfg(test)]
mod tests;
