//! Which of two words about an address is better (RFC 6926 section 7.6).

use std::cmp::Ordering;

use crate::records::Record;
use crate::witness::{Says, Witness, Witnesses};
use crate::{Key, SourceId, Start, State, Time, Update};

/// Seconds by which one time has to be later than another for its record to be the better one: each was cut to whole
/// seconds, and moved to our clock.
const LATER: u32 = 2;

/// What a source says, beside what is stored.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is an answer of its own, and all combinations occur")]
pub(crate) struct Judged {
    /// Whose transaction was the later one; equal if times do not decide.
    time: Ordering,
    /// Whether somebody has the address by it, and by what is stored.
    in_use: bool,
    was_in_use: bool,
    /// The same state of the same client.
    same: bool,
    /// And all else that is told of it.
    alike: bool,
    /// Greater if it is nearer to the origin.
    nearness: Ordering,
    /// Whether it is a lease, beside what is stored.
    active: Ordering,
    /// Whether the server that says so was told of it by another one, and the one that said what is stored was not.
    hearsay: bool,
}

impl Judged {
    /// Compares an update, which means this state by now, with a record.
    pub(crate) fn new<K: Key>(update: &Update<'_, K>, state: State, record: &Record<K>, packed: &[u8]) -> Self {
        let attributes = crate::attributes::unpack(packed).unwrap_or_default();
        let same = state == record.state
            && update.hardware == record.hardware(&attributes)
            && update.client_id == record.client_id(&attributes);
        let alike = same
            && (update.relay_info == attributes.relay_info || (update.relay_info.is_none() && !update.whole))
            && update.options.iter().copied().eq(crate::attributes::options(attributes.options));
        let there = record.flags & Record::<K>::REMOTE_THERE != 0;
        Self {
            time: later(update, record),
            in_use: !state.is_ended(),
            was_in_use: !record.state.is_ended(),
            same,
            alike,
            // Who has it himself, before who was told; and who reads it where it is made, before who asks for it.
            nearness: (!update.remote_there, !update.remote).cmp(&(!there, !record.is_remote())),
            active: (state == State::Active).cmp(&(record.state == State::Active)),
            hearsay: update.remote_there && !there,
        }
    }

    /// Whether it is better than what another source said. Where times and origin leave it open, a lease is more than no
    /// lease; and whoever is listed first has the last word, so that the outcome does not depend on who spoke last. But of
    /// two that say the same the one that is believed goes on being so.
    pub(crate) fn is_better(self, source: SourceId, owner: SourceId) -> bool {
        match self.time.then(self.nearness).then(self.active) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => !self.alike && source.0 < owner.0,
        }
    }

    /// Whether the owner's own new word has to yield to that of a witness, who says what is stored so far.
    pub(crate) fn yields_to(self, source: SourceId, heir: Witness) -> bool {
        match (heir.says, self.time) {
            (Says::Same, Ordering::Less) => true,
            // What that one says may be better, or may not be: it ends nothing before he has been asked.
            (Says::Earlier, Ordering::Less) => self.was_in_use && !self.in_use,
            (Says::Same, Ordering::Equal) => {
                // An end without a later transaction is no end for whoever still has the lease.
                self.was_in_use && (!self.in_use || (!self.same && source.0 > heir.source.0))
            }
            _ => false,
        }
    }

    /// Whether the owner's own new word is about something else without being about a later transaction, so that another
    /// one's word may be better now.
    pub(crate) fn falls_back(self) -> bool {
        self.time == Ordering::Less || (self.time == Ordering::Equal && !self.same)
    }

    /// What the word makes of its source if it is not the one that is stored.
    pub(crate) fn loser(self, source: SourceId, epoch: u8) -> Option<Witness> {
        let says = match (self.in_use, self.same && !self.hearsay, self.time) {
            (false, _, _) => return None,
            (true, true, Ordering::Equal) => Says::Same,
            (true, true, _) => Says::Earlier,
            (true, false, _) => Says::Other,
        };
        Some(Witness { says, source, epoch })
    }

    /// What the others say, once it is the word that is stored.
    pub(crate) fn others(self, list: &Witnesses) -> Witnesses {
        list.map(|witness| {
            let says = match (witness.says, self.same, self.time) {
                // What was over is no more to be said.
                (Says::Own, _, _) if !self.was_in_use => return None,
                (Says::Own, true, Ordering::Equal) => Says::Same,
                (Says::Own | Says::Same, true, Ordering::Greater | Ordering::Less) => Says::Earlier,
                (Says::Own | Says::Same | Says::Earlier, false, _) => Says::Other,
                (says, _, _) => says,
            };
            Some(Witness { says, ..witness })
        })
    }
}

/// Whose transaction was the later one.
fn later<K: Key>(update: &Update<'_, K>, record: &Record<K>) -> Ordering {
    let start = match update.start_of_state {
        Start::Given(time) => Some(time),
        Start::Entered(_) | Start::Seen => None,
    };
    let (new, old): (Option<Time>, Time) = match (update.last_transaction, record.last_transaction()) {
        (None, None) => (start, record.start),
        (new, old) => (new.or(start), old.unwrap_or(record.start)),
    };
    new.filter(|new| new.0.abs_diff(old.0) > LATER).map_or(Ordering::Equal, |new| new.cmp(&old))
}
