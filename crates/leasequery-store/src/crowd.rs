//! The lease that was heard of last among very many with one identifier, without a look at all of them.

use std::collections::btree_set::{self, BTreeSet};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::commit::{Indexed, identifier, of_hardware};
use crate::index::Identifier;
use crate::records::Record;
use crate::{Binding, Budget, Hardware, Key, KeyMap, Selector, State, Store, Time, VpnIndex};

/// So many bindings with one identifier are looked at to find the latest. Only if there are more, they are kept in that
/// order too: what is usual costs no memory, and nothing when it changes.
pub(crate) const CROWD: usize = 256;

/// Live bindings in the order in which they were heard of, those of a VPN together.
#[derive(Debug)]
pub(crate) struct Crowd<K> {
    order: BTreeSet<(VpnIndex, Time, K)>,
    /// Where in that order they are: what a binding says changes before it is moved.
    times: HashMap<K, Time, RandomState>,
}

impl<K: Key> Crowd<K> {
    pub(crate) fn new() -> Self {
        Self { order: BTreeSet::new(), times: HashMap::default() }
    }

    /// Puts a binding where it belongs: nowhere if it is not live.
    pub(crate) fn put(&mut self, key: K, heard: Option<Time>) {
        let before = match heard {
            Some(heard) => self.times.insert(key, heard),
            None => self.times.remove(&key),
        };
        if before == heard {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(key.vpn(), before, key));
        }
        if let Some(heard) = heard {
            self.order.insert((key.vpn(), heard, key));
        }
    }

    /// The keys of a VPN, the latest last.
    pub(crate) fn of(&self, vpn: VpnIndex) -> btree_set::Range<'_, (VpnIndex, Time, K)> {
        let ends = (vpn, Time::default(), K::first_of(vpn))..=(vpn, Time(u32::MAX), K::last_of(vpn));
        self.order.range(ends)
    }
}

/// When a binding was heard of, if it is live (RFC 4388 section 6.4.1).
pub(crate) fn heard<K: Key>(record: &Record<K>) -> Option<Time> {
    (record.state == State::Active).then(|| record.last_transaction().unwrap_or(record.start))
}

/// The records of one list, the latest first.
enum Latest<'s, K> {
    Few(std::vec::IntoIter<u32>),
    Crowd(btree_set::Range<'s, (VpnIndex, Time, K)>),
}

impl<K: Key> Store<K> {
    /// The live bindings with an identifier in a VPN, the one first that was heard of last, as far as the budget goes.
    /// However many there are, the first ones cost no more than if there were few.
    pub fn latest<'s>(
        &'s self,
        selector: Selector<'_>,
        vpn: VpnIndex,
        budget: &'s Budget,
    ) -> impl Iterator<Item = Binding<'s, K>> + use<'s, K> {
        let mut lists = Self::lists(selector).map(|list| {
            let (which, value, only_made) = list?;
            Some((self.latest_of(which, value, vpn, budget), only_made))
        });
        let mut heads = [None, None];
        std::iter::from_fn(move || {
            for (head, list) in heads.iter_mut().zip(&mut lists) {
                while head.is_none()
                    && let Some((latest, only_made)) = list
                    && let Some(number) = self.next_latest(latest)
                {
                    if !budget.take() {
                        return None;
                    }
                    let record = self.records.get(number);
                    *head = (!*only_made || record.flags & Record::<K>::CLIENT_ID != 0).then_some(number);
                }
            }
            let order = |number: u32| {
                let record = self.records.get(number);
                (heard(record), record.revision)
            };
            let next = match heads {
                [Some(first), Some(second)] => usize::from(order(second) > order(first)),
                [first, _] => usize::from(first.is_none()),
            };
            heads[next].take().map(|number| self.records.binding(number))
        })
    }

    fn next_latest(&self, list: &mut Latest<'_, K>) -> Option<u32> {
        match list {
            Latest::Few(numbers) => numbers.next(),
            Latest::Crowd(keys) => keys.next_back().and_then(|(.., key)| self.map.find(*key)),
        }
    }

    fn latest_of<'s>(&'s self, which: Indexed, value: Identifier<'_>, vpn: VpnIndex, budget: &Budget) -> Latest<'s, K> {
        if let Some(crowd) = self.crowd(which, value) {
            return Latest::Crowd(crowd.of(vpn));
        }
        let mut members = self.members(which, value, None).members;
        let mut found = Vec::new();
        while let Some(number) = members.next(|key| self.map.find(key))
            && budget.take()
        {
            let record = self.records.get(number);
            if record.key.vpn() == vpn && record.state == State::Active {
                found.push(number);
            }
        }
        found.sort_unstable_by_key(|number| {
            let record = self.records.get(*number);
            std::cmp::Reverse((heard(record), record.revision))
        });
        Latest::Few(found.into_iter())
    }

    /// Where to look for an identifier, and whether only for those whose client-identifier is made of it.
    pub(crate) fn lists(selector: Selector<'_>) -> [Option<(Indexed, Identifier<'_>, bool)>; 2] {
        let list = |which, value| Some((which, value, false));
        match selector {
            Selector::All | Selector::NamedLink(_) => [None, None],
            Selector::Hardware(hardware) => [list(Indexed::Hardware, of_hardware(hardware)), None],
            // Made of a hardware address: not listed under its own name.
            Selector::ClientId(id @ [1, mac @ ..]) if mac.len() == 6 && !K::TOGETHER => {
                let made = of_hardware(Hardware { htype: 1, address: mac });
                [list(Indexed::ClientId, identifier(id)), Some((Indexed::Hardware, made, true))]
            }
            Selector::ClientId(id) => [list(Indexed::ClientId, identifier(id)), None],
            Selector::RemoteId(id) => [list(Indexed::RemoteId, identifier(id)), None],
            Selector::RelayId(id) => [list(Indexed::RelayId, identifier(id)), None],
        }
    }
}

#[cfg(test)]
mod tests;
