//! What becomes of the client that had an address before another one got it (DHCPv6).
//!
//! There messages are about clients, so whoever follows the changes has to be told that the one client has it no longer,
//! beside that the other one has it (RFC 7653 section 3). The binding is the new client's from then on. What the former one had
//! becomes a record of its own, at a revision just before: over, in the orders by time only, and forgotten with the history. Of
//! a client that has an address again there is none.

use crate::attributes::unpack;
use crate::records::Record;
use crate::witness::FORMER;
use crate::{Binding, Key, KeyMap, Revision, State, Store, Time, Update};

/// Where the durable copy has a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<K> {
    key: K,
    /// The revision of what a former client had, of which there may be several.
    former: Option<Revision>,
}

impl<K> From<K> for Place<K> {
    fn from(key: K) -> Self {
        Self { key, former: None }
    }
}

impl<K: Key> Place<K> {
    /// Which address it is about.
    pub fn key(self) -> K {
        self.key
    }

    /// Whether it is what a former client had.
    pub(crate) fn is_former(self) -> bool {
        self.former.is_some()
    }

    pub(crate) fn of(record: &Record<K>) -> Self {
        Self { key: record.key, former: record.is_former().then_some(record.revision) }
    }

    /// Appends the octets that it is stored under.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        self.key.write(out);
        if let Some(revision) = self.former {
            out.extend_from_slice(&revision.0.to_be_bytes());
        }
    }

    /// Reads them.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if let Some(key) = K::read(bytes) {
            return Some(key.into());
        }
        let (key, revision) = bytes.split_last_chunk::<8>()?;
        Some(Self { key: K::read(key)?, former: Some(Revision(u64::from_be_bytes(*revision))) })
    }
}

impl<K: Key> Record<K> {
    /// Whether it is what a former client of an address had.
    #[inline]
    pub(crate) fn is_former(&self) -> bool {
        self.witnesses == FORMER
    }
}

impl<K: Key> Binding<'_, K> {
    /// Where the durable copy has it.
    pub fn place(&self) -> Place<K> {
        Place::of(self.record())
    }

    /// Whether it is what a client had of an address that another one has by now, or had later.
    #[inline]
    pub fn is_former(&self) -> bool {
        self.record().is_former()
    }
}

impl<K: Key> Store<K> {
    /// The variable part of a binding, if its client loses it by an update.
    pub(crate) fn lost_by(&self, number: u32, update: &Update<'_, K>) -> Option<Vec<u8>> {
        let (record, attributes) = (self.records.get(number), self.records.attributes(number));
        let client = record.client_id(&attributes)?;
        (Some(client) != update.client_id).then(|| self.records.packed(number).to_vec())
    }

    /// Another client has got an address by an update. What it lost earlier is told no more, and what the former one had, if
    /// there was one, is kept.
    pub(crate) fn move_from(&mut self, had: Record<K>, lost: Option<&[u8]>, update: &Update<'_, K>) {
        if let Some(client) = update.client_id {
            self.forget_former(had.key, client);
        }
        if let Some(packed) = lost {
            if let Some(client) = had.client_id(&unpack(packed).unwrap_or_default()) {
                self.forget_former(had.key, client);
            }
            self.keep_former(had, packed);
        }
    }

    fn keep_former(&mut self, had: Record<K>, packed: &[u8]) {
        let revision = Revision(self.revision.0 + 1);
        let (state, start) = if had.state.is_ended() { (had.state, had.start) } else { (State::Available, self.now) };
        let record =
            Record { revision, changed: self.now, timer: Time::default(), state, start, witnesses: FORMER, ..had };
        let number = self.records.arena.insert(packed).and_then(|packed| {
            let number = self.records.insert(Record { packed, ..record });
            if number.is_none() {
                self.records.arena.remove(packed);
            }
            number
        });
        let Some(number) = number else {
            // There is no room to remember it.
            self.floor = self.floor.max(self.now.plus(1));
            self.forgotten_up_to = self.revision;
            return;
        };
        self.enter_former(number);
        self.note(number, revision);
    }

    /// Counts a record that is what a former client had.
    pub(crate) fn enter_former(&mut self, number: u32) {
        self.lists.hold_again(FORMER);
        self.over += 1;
        self.formers.entry(self.records.get(number).key).or_default().push(number);
    }

    /// Forgets what a former client had of an address.
    fn forget_former(&mut self, key: K, client: &[u8]) {
        let numbers = self.formers.get(&key).map_or(&[][..], Vec::as_slice);
        let of_client = |number: &&u32| self.records.binding(**number).client_id() == Some(client);
        if let Some(number) = numbers.iter().find(of_client).copied() {
            self.over -= 1;
            self.remove_former(number);
        }
    }

    /// Takes out what a former client had, which does not count among what is over any more.
    pub(crate) fn remove_former(&mut self, number: u32) {
        let place = Place::of(self.records.get(number));
        if let Some(numbers) = self.formers.get_mut(&place.key) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.formers.remove(&place.key);
            }
        }
        self.lists.release(FORMER);
        self.records.remove(number);
        if self.settings.durable {
            self.forgotten.push(place);
        }
    }

    /// Whether there is something at a place.
    pub(crate) fn has(&self, place: Place<K>) -> bool {
        match place.former {
            None => self.map.find(place.key).is_some(),
            Some(revision) => self
                .formers
                .get(&place.key)
                .is_some_and(|numbers| numbers.iter().any(|number| self.records.is_at(*number, revision))),
        }
    }
}

#[cfg(test)]
mod tests;
