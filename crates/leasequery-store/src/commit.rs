//! How the store changes: one binding at a time, in all its orders at once.

use crate::attributes::{Attributes, Identity, Ids, RELAYS, Relay, find, pack, unpack};
use crate::crowd::{Crowd, heard};
use crate::doubt::AGAIN;
use crate::index::{FEW, Identifier, Index, Lookup, Members};
use crate::records::{Record, Records};
use crate::scan::List;
use crate::siblings::Siblings;
use crate::{Budget, Hardware, Key, KeyMap, Outcome, Place, Revision, SourceId, Start, State, Store, Time, Update};

/// The indexes by identifier. Bindings of every state are in them, for as long as they are kept.
#[derive(Debug)]
pub(crate) struct Indexes<K>([Index<K>; 5]);

/// What is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexed {
    Hardware,
    /// Those that are not made of the hardware address.
    ClientId,
    RemoteId,
    RelayId,
    Link,
}

const INDEXED: [Indexed; 5] =
    [Indexed::Hardware, Indexed::ClientId, Indexed::RemoteId, Indexed::RelayId, Indexed::Link];

impl<K: Key> Indexes<K> {
    pub(crate) fn new() -> Self {
        // Who asks for one lease is told of the latest (RFC 4388 section 6.4.2). DHCPv6 has no such question, and none that
        // is about a relay or a link.
        let by_time = [Indexed::Hardware, Indexed::ClientId, Indexed::RemoteId];
        Self(INDEXED.map(|which| Index::new(!K::TOGETHER && by_time.contains(&which))))
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

impl Indexed {
    /// What the index has of a record; of some identifiers there are several.
    #[inline]
    fn of<'a, K: Key>(self, record: &'a Record<K>, packed: &'a [u8], nth: usize) -> Option<Identifier<'a>> {
        let identity = match self {
            Self::Hardware | Self::ClientId | Self::Link if nth > 0 => return None,
            // The common case needs no look at the variable part.
            Self::Hardware if record.flags & Record::<K>::HARDWARE != 0 => {
                return record.hardware(&Attributes::default()).map(of_hardware);
            }
            Self::Hardware => return record.hardware(&unpack(packed).unwrap_or_default()).map(of_hardware),
            Self::ClientId => Identity::ClientId,
            Self::RemoteId => Identity::RemoteId,
            Self::RelayId => Identity::RelayId,
            Self::Link => Identity::Link,
        };
        find(packed, identity, nth).map(identifier)
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
    fn identifier(&self, number: u32, nth: usize) -> Option<Identifier<'a>> {
        self.which.of(self.records.get(number), self.records.packed(number), nth)
    }

    #[inline]
    fn key(&self, number: u32) -> K {
        self.records.get(number).key
    }

    #[inline]
    fn record(&self, key: K) -> Option<u32> {
        self.map.find(key)
    }

    #[inline]
    fn heard(&self, number: u32) -> Option<Time> {
        heard(self.records.get(number))
    }
}

/// Lets the bindings of a client find each other, after one has come or gone.
fn regroup<K: Key>(siblings: &mut Siblings, mut members: Members<'_, K>, added: Option<u32>, map: &K::Map) {
    let mut few = [0; FEW + 1];
    let mut count = 0;
    while count < few.len()
        && let Some(number) = members.next(|key| map.find(key))
    {
        few[count] = number;
        count += 1;
    }
    match added {
        _ if !matches!(members, Members::Many(_)) => siblings.join(&few[..count]),
        // The others have all been marked before.
        Some(added) if members.is_some() => siblings.set_many(added),
        _ => few[..count].iter().for_each(|number| siblings.set_many(*number)),
    }
}

/// An update, brought into the form of a record; its attributes are in the store's scratch.
struct Draft<K: Key> {
    record: Record<K>,
    same_client: bool,
}

impl<K: Key> Store<K> {
    pub(crate) fn members<'s>(&'s self, which: Indexed, value: Identifier<'_>, after: Option<K>) -> List<'s, K> {
        let lookup = Known { records: &self.records, map: &self.map, which };
        List::new(self.indexes.0[which as usize].members(value, after, &lookup))
    }

    /// The order by time of the records with an identifier, if they are very many.
    pub(crate) fn crowd(&self, which: Indexed, value: Identifier<'_>) -> Option<&Crowd<K>> {
        let lookup = Known { records: &self.records, map: &self.map, which };
        self.indexes.0[which as usize].crowd(value, &lookup)
    }

    /// Brings the orders by time up to date after a record has changed.
    pub(crate) fn renew_crowds(&mut self, number: u32) {
        let mut crowded = false;
        for which in INDEXED {
            let lookup = Known { records: &self.records, map: &self.map, which };
            for value in (0..).map_while(|nth| lookup.identifier(number, nth)) {
                crowded |= self.indexes.0[which as usize].renew(value, number, &lookup);
            }
        }
        if !crowded {
            self.crowded.clear(number);
        }
    }

    /// Adds the first binding of an address.
    pub(crate) fn add(&mut self, source: SourceId, update: &Update<'_, K>) -> Outcome {
        let draft = self.draft(update, None);
        let Some(packed) = self.records.arena.insert(&self.scratch) else { return Outcome::Refused };
        let revision = Revision(self.revision.0 + 1);
        let witnesses = self.alone(source);
        let record = Record { packed, revision, changed: self.now, witnesses, ..draft.record };
        let Some(number) = self.records.insert(record) else {
            self.records.arena.remove(packed);
            return Outcome::Refused;
        };
        self.lists.hold_again(witnesses);
        self.map.insert(update.key, number);
        self.enter_indexes(number, &INDEXED);
        self.active += usize::from(record.state == State::Active);
        self.over += usize::from(record.state.is_ended());
        self.note(number, revision);
        Outcome::Committed(revision)
    }

    /// Brings a stored binding up to date.
    pub(crate) fn change(&mut self, number: u32, update: &Update<'_, K>) -> Outcome {
        let draft = self.draft(update, Some(number));
        let old = *self.records.get(number);
        let moved = (K::TOGETHER && !draft.same_client).then(|| self.lost_by(number, update));
        let same_attributes = self.records.packed(number) == self.scratch.as_slice();
        let new = Record {
            packed: old.packed,
            revision: old.revision,
            changed: old.changed,
            timer: old.timer,
            witnesses: old.witnesses,
            ..draft.record
        };
        if same_attributes && new == old {
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
        self.over += usize::from(new.state.is_ended());
        self.over -= usize::from(old.state.is_ended());
        if let Some(lost) = moved {
            self.move_from(old, lost.as_deref(), update);
        }
        Outcome::Committed(self.renumber(number))
    }

    /// Ends a lease without news of its client.
    pub(crate) fn end(&mut self, number: u32, state: State, start: Time) {
        let record = self.records.get_mut(number);
        self.active -= usize::from(record.state == State::Active);
        self.over += usize::from(state.is_ended());
        self.over -= usize::from(record.state.is_ended());
        record.state = state;
        record.start = start;
        self.renumber(number);
    }

    /// Looks at a record whose timer has fired; says whether it changed.
    pub(crate) fn expire(&mut self, number: u32, due: Time) -> bool {
        let now = self.wall;
        let record = self.records.get_mut(number);
        if record.revision == Revision::default() || record.timer != due {
            return false;
        }
        record.timer = Time::default();
        self.timers.count(due, Time::default());
        let record = *record;
        match (record.ends(), record.state.successor()) {
            (Some(ends), Some(_)) if ends <= now && self.is_in_doubt(record.witnesses) => {
                self.set_timer(number, now.plus(AGAIN));
                false
            }
            (Some(ends), Some(state)) if ends <= now => {
                // It has run out for all who said the same.
                self.dismiss_witnesses(number);
                self.end(number, state, ends);
                true
            }
            (Some(ends), _) => {
                // Renewed since.
                self.set_timer(number, ends);
                false
            }
            (None, _) => false,
        }
    }

    /// Has a record looked at at a time.
    fn set_timer(&mut self, number: u32, at: Time) {
        let before = std::mem::replace(&mut self.records.get_mut(number).timer, at);
        self.timers.count(before, at);
        self.timers.insert(at, number);
    }

    /// Forgets ended bindings beyond the history, the oldest first, as far as the budget goes.
    pub(crate) fn forget_ended(&mut self, budget: &Budget) {
        let oldest = self.now.minus(self.settings.history);
        while let Some((revision, number)) = self.ended.first()
            && budget.take()
        {
            if self.records.is_at(number, revision) {
                let record = *self.records.get(number);
                if record.changed >= oldest && self.over <= self.settings.max_ended {
                    break;
                }
                self.over -= 1;
                self.timers.count(record.timer, Time::default());
                // What changed in that second is no longer complete.
                self.floor = self.floor.max(record.changed.plus(1));
                self.forgotten_up_to = self.forgotten_up_to.max(revision);
                if record.is_former() {
                    self.remove_former(number);
                } else {
                    self.leave_indexes(number, &INDEXED);
                    self.map.remove(record.key);
                    self.lists.release(record.witnesses);
                    self.records.remove(number);
                    if self.settings.durable {
                        self.forgotten.push(Place::of(&record));
                    }
                }
            }
            self.ended.take_first();
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

    /// The state that an update means by now: a lease that has run out is over.
    pub(crate) fn meant_by(&self, update: &Update<'_, K>) -> State {
        let over = |expires: Time| self.settings.expire && expires <= self.wall && expires != Time::INFINITE;
        match update.state {
            State::Active if update.expires.is_some_and(over) => State::Expired,
            state => state,
        }
    }

    /// The record that an update asks for, with its attributes packed into the scratch.
    fn draft(&mut self, update: &Update<'_, K>, stored: Option<u32>) -> Draft<K> {
        let old = stored.map(|number| (self.records.get(number), self.records.attributes(number)));
        let same_client = old.as_ref().is_some_and(|(record, attributes)| {
            record.hardware(attributes) == update.hardware && record.client_id(attributes) == update.client_id
        });

        let state = self.meant_by(update);
        let start = match update.expires {
            Some(expires) if state != update.state => Start::Entered(expires),
            _ => update.start_of_state,
        };
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

        let mut hardware = K::Inline::default();
        let inline = hardware.as_mut();
        let mut flags = 0;
        let mut packed_hardware = update.hardware;
        if let (Some(Hardware { htype, address }), Some((kind, room))) = (update.hardware, inline.split_first_mut())
            && address.len() == room.len()
        {
            *kind = htype;
            room.copy_from_slice(address);
            flags |= Record::<K>::HARDWARE;
            packed_hardware = None;
        }
        let mut packed_client_id = update.client_id;
        if flags & Record::<K>::HARDWARE != 0 && inline.first() == Some(&1) && update.client_id == Some(inline) {
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

        let remote_ids = Ids::Given(update.remote_id, update.more_remote_ids);
        let relay_ids = Ids::Given(update.relay_id, update.more_relay_ids);
        let relay = match stored.map(|number| self.records.packed(number)) {
            Some(packed) if same_client && !update.whole && update.relay_info.is_none() => {
                let kept = |given, told: Option<&[u8]>, identity| match told {
                    Some(_) => given,
                    None => Ids::Stored(packed, identity),
                };
                Relay {
                    info: unpack(packed).unwrap_or_default().relay_info,
                    remote_ids: kept(remote_ids, update.remote_id, Identity::RemoteId),
                    relay_ids: kept(relay_ids, update.relay_id, Identity::RelayId),
                }
            }
            _ => Relay { info: update.relay_info, remote_ids, relay_ids },
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
            witnesses: crate::witness::NOBODY,
        };
        Draft { record, same_client }
    }

    /// Exchanges the identity of a binding: its attributes become those in the scratch, and the indexes follow.
    fn rewrite(&mut self, number: u32, new: &Record<K>, same_client: bool) -> Option<crate::arena::Piece> {
        let moved: Vec<Indexed> = {
            let old = self.records.get(number);
            let (before, after) = (self.records.packed(number), self.scratch.as_slice());
            let differs = |which: &Indexed| {
                // The first that differs, or the end of both.
                (0..=RELAYS)
                    .map(|nth| (which.of(old, before, nth), which.of(new, after, nth)))
                    .find(|(before, after)| before != after || before.is_none())
                    .is_some_and(|(before, after)| before != after)
            };
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
            for (nth, value) in (0..).map_while(|nth| Some((nth, lookup.identifier(number, nth.into())?))) {
                let crowded = self.indexes.0[*which as usize].insert(value, number, nth, &lookup);
                for number in crowded {
                    self.crowded.set(number);
                }
                if K::TOGETHER && *which == Indexed::ClientId {
                    let members = self.indexes.0[*which as usize].members(value, None, &lookup);
                    regroup(&mut self.siblings, members, Some(number), &self.map);
                }
            }
        }
    }

    fn leave_indexes(&mut self, number: u32, which: &[Indexed]) {
        for which in which {
            let lookup = Known { records: &self.records, map: &self.map, which: *which };
            for value in (0..).map_while(|nth| lookup.identifier(number, nth)) {
                self.indexes.0[*which as usize].remove(value, number, &lookup);
                if K::TOGETHER && *which == Indexed::ClientId {
                    self.siblings.join(&[number]);
                    let members = self.indexes.0[*which as usize].members(value, None, &lookup);
                    regroup(&mut self.siblings, members, None, &self.map);
                }
            }
        }
    }

    pub(crate) fn enter_all_indexes(&mut self, number: u32) {
        self.enter_indexes(number, &INDEXED);
    }

    /// Makes a change the latest one.
    pub(crate) fn renumber(&mut self, number: u32) -> Revision {
        let revision = Revision(self.revision.0 + 1);
        let record = self.records.get_mut(number);
        record.revision = revision;
        record.changed = self.now;
        self.note(number, revision);
        revision
    }

    /// Enters a record that has just got this revision into the orders by time.
    pub(crate) fn note(&mut self, number: u32, revision: Revision) {
        self.revision = revision;
        self.recency.push(revision, self.now, number);
        if self.crowded.has(number) {
            self.renew_crowds(number);
        }
        self.follow(number);
        let records = &self.records;
        self.recency.maintain(records.len(), |number, revision| records.is_at(number, revision));
    }

    /// Sets the timer of a record, and queues it to be forgotten if it is over.
    pub(crate) fn follow(&mut self, number: u32) {
        let record = *self.records.get(number);
        if self.settings.expire
            && let Some(ends) = record.ends()
            && (record.timer == Time::default() || ends < record.timer)
        {
            self.set_timer(number, ends);
        }
        let (revision, changed, is_over) = (record.revision, record.changed, record.state.is_ended());
        let records = &self.records;
        self.timers.maintain(|number, second| {
            let record = records.get(number);
            record.revision != Revision::default() && record.timer == second
        });
        if is_over {
            self.ended.push(revision, changed, number);
            self.ended.maintain(self.over, |number, revision| records.is_at(number, revision));
        }
    }
}
