//! How the store changes: one binding at a time, in all its orders at once.

use crate::attributes::{Attributes, Identity, Relay, find, pack};
use crate::index::{Identifier, Index, Lookup};
use crate::records::{Record, Records};
use crate::scan::List;
use crate::{Hardware, Key, KeyMap, Outcome, Revision, SourceId, Start, State, Store, Time, Update};

/// The indexes by identifier. Bindings of every state are in them, for as long as they are kept.
#[derive(Debug)]
pub(crate) struct Indexes<K>([Index<K>; 4]);

/// What is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexed {
    Hardware,
    /// Those that are not made of the hardware address.
    ClientId,
    RemoteId,
    RelayId,
}

const INDEXED: [Indexed; 4] = [Indexed::Hardware, Indexed::ClientId, Indexed::RemoteId, Indexed::RelayId];

impl<K: Key> Indexes<K> {
    pub(crate) fn new() -> Self {
        Self(INDEXED.map(|_| Index::new()))
    }

    /// Makes room for as many hardware addresses, nearly all of which are different ones.
    pub(crate) fn reserve_hardware(&mut self, count: usize) {
        self.0[Indexed::Hardware as usize].reserve(count);
    }
}

/// An identifier that has no type.
pub(crate) fn identifier(bytes: &[u8]) -> Identifier<'_> {
    Identifier { kind: 0, bytes }
}

/// A hardware address as an identifier.
pub(crate) fn of_hardware(hardware: Hardware<'_>) -> Identifier<'_> {
    Identifier { kind: hardware.htype, bytes: hardware.address }
}

/// What one of the indexes has of a record.
fn indexed<'a, K>(which: Indexed, record: &'a Record<K>, attributes: &Attributes<'a>) -> Option<Identifier<'a>> {
    match which {
        Indexed::Hardware => record.hardware(attributes).map(of_hardware),
        Indexed::ClientId => attributes.client_id.map(identifier),
        Indexed::RemoteId => attributes.remote_id.map(identifier),
        Indexed::RelayId => attributes.relay_id.map(identifier),
    }
}

/// The records, as one of the indexes sees them.
struct Known<'a, K: Key> {
    records: &'a Records<K>,
    map: &'a K::Map,
    which: Indexed,
}

impl<'a, K: Key> Lookup<'a, K> for Known<'a, K> {
    #[inline]
    fn identifier(&self, number: u32) -> Option<Identifier<'a>> {
        let wanted = match self.which {
            Indexed::Hardware => {
                let record = self.records.get(number);
                if record.flags & Record::<K>::HARDWARE != 0 {
                    // The common case needs no look at the variable part.
                    return record.hardware(&Attributes::default()).map(of_hardware);
                }
                return record.hardware(&self.records.attributes(number)).map(of_hardware);
            }
            Indexed::ClientId => Identity::ClientId,
            Indexed::RemoteId => Identity::RemoteId,
            Indexed::RelayId => Identity::RelayId,
        };
        find(self.records.packed(number), wanted).map(identifier)
    }

    #[inline]
    fn key(&self, number: u32) -> K {
        self.records.get(number).key
    }

    #[inline]
    fn record(&self, key: K) -> Option<u32> {
        self.map.find(key)
    }
}

/// An update, brought into the form of a record; its attributes are in the store's scratch.
struct Draft<K> {
    record: Record<K>,
    same_client: bool,
}

impl<K: Key> Store<K> {
    pub(crate) fn members<'s>(&'s self, which: Indexed, value: Identifier<'_>, after: Option<K>) -> List<'s, K> {
        let lookup = Known { records: &self.records, map: &self.map, which };
        List::new(self.indexes.0[which as usize].members(value, after, &lookup))
    }

    /// Adds the first binding of an address.
    pub(crate) fn add(&mut self, source: SourceId, update: &Update<'_, K>) -> Outcome {
        let draft = self.draft(source, update, None);
        let Some(packed) = self.records.arena.insert(&self.scratch) else { return Outcome::Refused };
        let revision = Revision(self.revision.0 + 1);
        let record = Record { packed, revision, changed: self.now, ..draft.record };
        let Some(number) = self.records.insert(record) else {
            self.records.arena.remove(packed);
            return Outcome::Refused;
        };
        self.map.insert(update.key, number);
        self.enter_indexes(number, &INDEXED);
        self.active += usize::from(record.state == State::Active);
        self.note(number, revision);
        Outcome::Committed(revision)
    }

    /// Brings a stored binding up to date.
    pub(crate) fn change(&mut self, number: u32, source: SourceId, update: &Update<'_, K>) -> Outcome {
        let draft = self.draft(source, update, Some(number));
        let old = *self.records.get(number);
        let same_attributes = self.records.packed(number) == self.scratch.as_slice();
        let new = Record {
            packed: old.packed,
            revision: old.revision,
            changed: old.changed,
            timer: old.timer,
            ..draft.record
        };
        if same_attributes && new == (Record { source, epoch: new.epoch, ..old }) {
            *self.records.get_mut(number) = new;
            return Outcome::Unchanged;
        }
        if !same_attributes || old.hardware != new.hardware || old.flags != new.flags {
            let Some(packed) = self.rewrite(number, &new, draft.same_client) else { return Outcome::Refused };
            self.records.get_mut(number).packed = packed;
        }
        let packed = self.records.get(number).packed;
        *self.records.get_mut(number) = Record { packed, ..new };
        self.active += usize::from(new.state == State::Active);
        self.active -= usize::from(old.state == State::Active);
        Outcome::Committed(self.renumber(number))
    }

    /// Ends a lease without news of its client.
    pub(crate) fn end(&mut self, number: u32, state: State, start: Time) {
        let record = self.records.get_mut(number);
        self.active -= usize::from(record.state == State::Active);
        record.state = state;
        record.start = start;
        self.renumber(number);
    }

    /// Looks at a record whose timer has fired; says whether it changed.
    pub(crate) fn expire(&mut self, number: u32, due: Time) -> bool {
        let now = self.now;
        let record = self.records.get_mut(number);
        if record.revision == Revision::default() || record.timer != due {
            return false;
        }
        record.timer = Time::default();
        match (record.ends(), record.state.successor()) {
            (Some(ends), Some(state)) if ends <= now => {
                self.end(number, state, ends);
                true
            }
            (Some(ends), _) => {
                // Renewed since.
                record.timer = ends;
                self.timers.insert(ends, number);
                false
            }
            (None, _) => false,
        }
    }

    /// Forgets ended bindings beyond the history.
    pub(crate) fn forget_ended(&mut self) {
        let oldest = self.now.minus(self.settings.history);
        while let Some((revision, number)) = self.ended.front().copied() {
            if self.records.is_at(number, revision) {
                let record = *self.records.get(number);
                if record.changed >= oldest && self.ended.len() <= self.settings.max_ended {
                    break;
                }
                // What changed in that second is no longer complete.
                self.floor = self.floor.max(record.changed.plus(1));
                self.forgotten_up_to = self.forgotten_up_to.max(revision);
                self.leave_indexes(number, &INDEXED);
                self.map.remove(record.key);
                self.records.remove(number);
                if self.settings.durable {
                    self.forgotten.push(record.key);
                }
            }
            self.ended.pop_front();
        }
    }

    /// Reads what the updates will need, so that the waits for memory overlap.
    pub(crate) fn touch(&self, updates: &[Update<'_, K>]) {
        const WINDOW: usize = 32;
        let mut numbers = [None; WINDOW];
        for (number, update) in numbers.iter_mut().zip(updates) {
            *number = self.map.find(update.key);
        }
        self.records.touch(numbers.iter().flatten().copied());
    }

    pub(crate) fn epoch(&self, source: SourceId) -> Option<u8> {
        self.sources.get(usize::from(source.0)).map(|source| source.epoch)
    }

    /// The record that an update asks for, with its attributes packed into the scratch.
    fn draft(&mut self, source: SourceId, update: &Update<'_, K>, stored: Option<u32>) -> Draft<K> {
        let old = stored.map(|number| (self.records.get(number), self.records.attributes(number)));
        let same_client = old.as_ref().is_some_and(|(record, attributes)| {
            record.hardware(attributes) == update.hardware && record.client_id(attributes) == update.client_id
        });

        let mut state = update.state;
        let mut start = update.start_of_state;
        if let (State::Active, Some(expires)) = (state, update.expires)
            && self.settings.expire
            && expires <= self.now
            && expires != Time::INFINITE
        {
            state = State::Expired;
            start = Start::Entered(expires);
        }
        let entered = match &old {
            Some((record, _)) if record.state == state && same_client => Some(record.start),
            _ => None,
        };
        let start = match (start, entered) {
            (Start::Given(time), _) | (_, Some(time)) => time,
            (Start::Entered(time), None) => time.min(self.now),
            (Start::Seen, None) if state == State::Expired => update.expires.unwrap_or(self.now).min(self.now),
            (Start::Seen, None) => self.now,
        };

        let mut hardware = [0; 7];
        let mut flags = 0;
        let mut packed_hardware = update.hardware;
        if let Some(Hardware { htype, address }) = update.hardware
            && address.len() == 6
        {
            hardware[0] = htype;
            hardware[1..].copy_from_slice(address);
            flags |= Record::<K>::HARDWARE;
            packed_hardware = None;
        }
        let mut packed_client_id = update.client_id;
        if flags & Record::<K>::HARDWARE != 0 && hardware[0] == 1 && update.client_id == Some(&hardware) {
            flags |= Record::<K>::CLIENT_ID;
            packed_client_id = None;
        }
        let times = [
            (Record::<K>::LAST_TRANSACTION, update.last_transaction),
            (Record::<K>::EXPIRES, update.expires),
            (Record::<K>::RENEWS, update.renews),
            (Record::<K>::REBINDS, update.rebinds),
        ];
        for (flag, time) in times {
            flags |= if time.is_some() { flag } else { 0 };
        }
        flags |= if update.remote { Record::<K>::REMOTE } else { 0 };
        flags |= if update.remote_there { Record::<K>::REMOTE_THERE } else { 0 };

        let relay = match &old {
            Some((_, attributes)) if same_client && !update.whole && update.relay_info.is_none() => Relay {
                info: attributes.relay_info,
                remote_id: update.remote_id.or(attributes.remote_id),
                relay_id: update.relay_id.or(attributes.relay_id),
            },
            _ => Relay { info: update.relay_info, remote_id: update.remote_id, relay_id: update.relay_id },
        };
        pack(&mut self.scratch, packed_client_id, packed_hardware, relay, update);

        let record = Record {
            revision: Revision::default(),
            packed: crate::arena::Piece::default(),
            changed: self.now,
            start,
            last_transaction: update.last_transaction.unwrap_or_default(),
            expires: update.expires.unwrap_or_default(),
            renews: update.renews.unwrap_or_default(),
            rebinds: update.rebinds.unwrap_or_default(),
            timer: Time::default(),
            key: update.key,
            hardware,
            flags,
            state,
            source,
            epoch: self.sources.get(usize::from(source.0)).map_or(0, |source| source.epoch),
        };
        Draft { record, same_client }
    }

    /// Exchanges the identity of a binding: its attributes become those in the scratch, and the indexes follow.
    fn rewrite(&mut self, number: u32, new: &Record<K>, same_client: bool) -> Option<crate::arena::Piece> {
        let moved: Vec<Indexed> = {
            let old = self.records.get(number);
            let before = self.records.attributes(number);
            let after = crate::attributes::unpack(&self.scratch).unwrap_or_default();
            let differs = |which: &Indexed| indexed(*which, old, &before) != indexed(*which, new, &after);
            let candidates = if same_client { &INDEXED[2..] } else { &INDEXED[..] };
            candidates.iter().copied().filter(differs).collect()
        };
        self.leave_indexes(number, &moved);
        let packed = self.records.arena.replace(self.records.get(number).packed, &self.scratch);
        if let Some(packed) = packed {
            let record = self.records.get_mut(number);
            *record = Record { packed, hardware: new.hardware, flags: new.flags, ..*record };
        }
        self.enter_indexes(number, &moved);
        packed
    }

    pub(crate) fn enter_indexes(&mut self, number: u32, which: &[Indexed]) {
        for which in which {
            let lookup = Known { records: &self.records, map: &self.map, which: *which };
            if let Some(value) = lookup.identifier(number) {
                self.indexes.0[*which as usize].insert(value, number, &lookup);
            }
        }
    }

    fn leave_indexes(&mut self, number: u32, which: &[Indexed]) {
        for which in which {
            let lookup = Known { records: &self.records, map: &self.map, which: *which };
            if let Some(value) = lookup.identifier(number) {
                self.indexes.0[*which as usize].remove(value, number, &lookup);
            }
        }
    }

    pub(crate) fn enter_all_indexes(&mut self, number: u32) {
        self.enter_indexes(number, &INDEXED);
    }

    /// Makes a change the latest one.
    fn renumber(&mut self, number: u32) -> Revision {
        let revision = Revision(self.revision.0 + 1);
        let record = self.records.get_mut(number);
        record.revision = revision;
        record.changed = self.now;
        self.note(number, revision);
        revision
    }

    /// Enters a record that has just got this revision into the orders by time.
    fn note(&mut self, number: u32, revision: Revision) {
        self.revision = revision;
        self.recency.push(revision, self.now, number);
        self.follow(number);
        let records = &self.records;
        self.recency.maintain(records.len(), |number, revision| records.is_at(number, revision));
    }

    /// Sets the timer of a record, and queues it to be forgotten if it is over.
    pub(crate) fn follow(&mut self, number: u32) {
        let record = self.records.get_mut(number);
        if self.settings.expire
            && let Some(ends) = record.ends()
            && (record.timer == Time::default() || ends < record.timer)
        {
            record.timer = ends;
            self.timers.insert(ends, number);
        }
        if record.state.is_ended() {
            self.ended.push_back((record.revision, number));
        }
    }
}
