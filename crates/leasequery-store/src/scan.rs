use std::net::Ipv6Addr;

use crate::index::Members;
use crate::network::Networks;
use crate::recency::After;
use crate::records::{Record, Records};
use crate::siblings::Siblings;
use crate::{Binding, Budget, Hardware, Key, KeyMap, Revision, Time, VpnIndex};

/// Which bindings a query is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector<'a> {
    /// All of them, and all configured addresses without one.
    All,
    /// Those of a hardware address.
    Hardware(Hardware<'a>),
    /// Those of a client-identifier.
    ClientId(&'a [u8]),
    /// Those made under a Remote ID.
    RemoteId(&'a [u8]),
    /// Those made through a relay.
    RelayId(&'a [u8]),
    /// Those that were named to be on a link ([`Update::link`](crate::Update::link)).
    NamedLink(Ipv6Addr),
}

/// In which VPNs to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VpnRange {
    /// In one.
    One(VpnIndex),
    /// In all.
    All,
}

/// What is known about one address.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'s, K: Key> {
    /// A binding, of whatever state.
    Bound(Binding<'s, K>),
    /// The address is configured and no binding is kept.
    Free {
        /// The address.
        key: K,
        /// Since when it is configured.
        since: Time,
    },
}

impl<K: Key> Entry<'_, K> {
    /// Which address.
    pub fn key(&self) -> K {
        match self {
            Self::Bound(binding) => binding.key(),
            Self::Free { key, .. } => *key,
        }
    }
}

/// Entries in key order, until there are no more or the budget is spent. A scan that has been dropped is taken up again
/// behind its [cursor](Self::cursor).
#[derive(Debug)]
pub struct Scan<'s, K: Key> {
    records: &'s Records<K>,
    map: &'s K::Map,
    siblings: &'s Siblings,
    vpns: VpnRange,
    walk: Walk<'s, K>,
    budget: &'s Budget,
    cursor: Option<K>,
    over: bool,
}

#[derive(Debug)]
enum Walk<'s, K: Key> {
    /// The stored keys merged with the configured ones.
    All { stored: Stored<'s, K>, next: Option<(K, u32)>, free: Free<'s, K> },
    /// Up to two lists, merged: a client-identifier may be found as a hardware address too.
    Members { lists: [List<'s, K>; 2], heads: [Option<(K, u32)>; 2] },
}

/// The records of one identifier, or those of them that also have the right client-identifier.
#[derive(Debug)]
pub(crate) struct List<'s, K> {
    pub(crate) members: Members<'s, K>,
    /// Only records whose client-identifier is made of their hardware address.
    made_of_hardware: bool,
}

impl<'s, K> List<'s, K> {
    pub(crate) fn new(members: Members<'s, K>) -> Self {
        Self { members, made_of_hardware: false }
    }

    /// Whether there is any.
    pub(crate) fn is_some(&self) -> bool {
        self.members.is_some()
    }

    pub(crate) fn none() -> Self {
        Self::new(Members::One(None))
    }

    pub(crate) fn made_of_hardware(self) -> Self {
        Self { made_of_hardware: true, ..self }
    }
}

/// The stored keys, a few read ahead. Neighbours in key order are anywhere in memory, and the waits for them overlap if
/// they are all touched before the first one is used.
#[derive(Debug)]
struct Stored<'s, K: Key> {
    keys: <K::Map as KeyMap<K>>::Range<'s>,
    /// In reverse, so that the next one is last.
    ahead: Vec<(K, u32)>,
}

/// Keys read ahead.
const AHEAD: usize = 32;

impl<'s, K: Key> Stored<'s, K> {
    fn new(keys: <K::Map as KeyMap<K>>::Range<'s>) -> Self {
        Self { keys, ahead: Vec::with_capacity(AHEAD) }
    }

    #[inline]
    fn next(&mut self, records: &Records<K>, siblings: &Siblings, left: usize) -> Option<(K, u32)> {
        if self.ahead.is_empty() {
            // Not more than can be used.
            self.ahead.extend(self.keys.by_ref().take(left.clamp(1, AHEAD)));
            touch(records, siblings, self.ahead.iter().map(|(_, number)| *number));
            self.ahead.reverse();
        }
        self.ahead.pop()
    }
}

/// Reads a little of records, and of those that are told of together with them.
#[inline]
fn touch<K: Key>(records: &Records<K>, siblings: &Siblings, numbers: impl Iterator<Item = u32> + Clone) {
    records.touch(numbers.clone());
    if K::TOGETHER {
        records.touch(numbers.filter_map(|number| siblings.other(number)));
    }
}

/// A cursor over the configured keys.
#[derive(Debug)]
struct Free<'s, K> {
    networks: &'s Networks<K>,
    next: Option<(K, Time)>,
    /// End of the range that `next` is in.
    last: Option<K>,
}

impl<'s, K: Key> Free<'s, K> {
    fn seek(networks: &'s Networks<K>, from: Option<K>) -> Self {
        let mut free = Self { networks, next: None, last: None };
        free.enter(from);
        free
    }

    fn enter(&mut self, from: Option<K>) {
        let range = from.and_then(|from| self.networks.at_or_behind(from).map(|range| (from, range)));
        self.next = range.map(|(from, range)| (from.max(range.first), range.since));
        self.last = range.map(|(_, range)| range.last);
    }

    fn advance(&mut self) {
        let Some((key, since)) = self.next else { return };
        if self.last.is_some_and(|last| key < last) {
            self.next = key.successor().map(|key| (key, since));
        } else {
            self.enter(behind(key));
        }
    }
}

/// The key behind this one, in the next VPN if need be, and if there are others: DHCPv6 has but one.
fn behind<K: Key>(key: K) -> Option<K> {
    let in_next_vpn = || key.vpn().0.checked_add(1).map(|vpn| K::first_of(VpnIndex(vpn))).filter(|first| *first > key);
    key.successor().or_else(in_next_vpn)
}

impl<'s, K: Key> Scan<'s, K> {
    pub(crate) fn all(
        (records, map, siblings): (&'s Records<K>, &'s K::Map, &'s Siblings),
        networks: &'s Networks<K>,
        vpns: VpnRange,
        after: Option<K>,
        budget: &'s Budget,
    ) -> Self {
        let start = match vpns {
            VpnRange::One(vpn) => K::first_of(vpn),
            VpnRange::All => K::first_of(VpnIndex::DEFAULT),
        };
        let from = match after {
            Some(after) => behind(after).map(|from| from.max(start)),
            None => Some(start),
        };
        let Some(from) = from else {
            // Behind the greatest key of all there is nothing.
            let lists = [List::none(), List::none()];
            return Self::members((records, map, siblings), vpns, lists, after, budget);
        };
        let mut stored = Stored::new(map.range(from));
        let next = stored.next(records, siblings, budget.left());
        let walk = Walk::All { stored, next, free: Free::seek(networks, Some(from)) };
        Self { records, map, siblings, vpns, walk, budget, cursor: after, over: false }
    }

    pub(crate) fn members(
        (records, map, siblings): (&'s Records<K>, &'s K::Map, &'s Siblings),
        vpns: VpnRange,
        mut lists: [List<'s, K>; 2],
        after: Option<K>,
        budget: &'s Budget,
    ) -> Self {
        let heads = [0, 1].map(|list| head(records, map, &mut lists[list]));
        let walk = Walk::Members { lists, heads };
        Self { records, map, siblings, vpns, walk, budget, cursor: after, over: false }
    }

    /// Up to where everything has been looked at.
    pub fn cursor(&self) -> Option<K> {
        self.cursor
    }

    /// Whether there is nothing more, once nothing more is given: if not, the budget was spent.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn within(&self, key: K) -> bool {
        match self.vpns {
            VpnRange::One(vpn) => key.vpn() == vpn,
            VpnRange::All => true,
        }
    }

    /// The next entry in order, and whether it is of the right kind.
    #[inline]
    fn step(&mut self) -> Option<(Entry<'s, K>, bool)> {
        Some(match &mut self.walk {
            Walk::All { stored, next, free } => match (*next, free.next) {
                (Some((key, record)), configured) if configured.is_none_or(|(other, _)| key <= other) => {
                    if configured.is_some_and(|(other, _)| key == other) {
                        free.advance();
                    }
                    *next = stored.next(self.records, self.siblings, self.budget.left());
                    (Entry::Bound(self.records.binding(record)), true)
                }
                (_, Some((key, since))) => {
                    free.advance();
                    (Entry::Free { key, since }, true)
                }
                (_, None) => return None,
            },
            Walk::Members { lists, heads } => {
                let list = match (heads[0], heads[1]) {
                    (Some((first, _)), Some((second, _))) => usize::from(second < first),
                    (Some(_), None) => 0,
                    (None, Some(_)) => 1,
                    (None, None) => return None,
                };
                let (_, record) = heads[list]?;
                heads[list] = head(self.records, self.map, &mut lists[list]);
                let has_client_id = || self.records.get(record).flags & Record::<K>::CLIENT_ID != 0;
                let right = !lists[list].made_of_hardware || has_client_id();
                (Entry::Bound(self.records.binding(record)), right)
            }
        })
    }
}

fn head<K: Key>(records: &Records<K>, map: &K::Map, list: &mut List<'_, K>) -> Option<(K, u32)> {
    list.members.next(|key| map.find(key)).map(|number| (records.get(number).key, number))
}

impl<'s, K: Key> Iterator for Scan<'s, K> {
    type Item = Entry<'s, K>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'s, K>> {
        while !self.over && self.budget.take() {
            let Some((entry, right)) = self.step() else {
                self.over = true;
                break;
            };
            // All keys of a VPN lie together: behind it, an ordered walk has nothing more to give.
            if matches!(self.vpns, VpnRange::One(vpn) if entry.key().vpn() > vpn) {
                self.over = true;
                break;
            }
            self.cursor = Some(entry.key());
            if right && self.within(entry.key()) {
                return Some(entry);
            }
        }
        None
    }
}

/// Bindings in the order of their last changes, a few read ahead like the stored keys, until there are no more or the
/// budget is spent.
#[derive(Debug)]
pub struct Changes<'s, K: Key> {
    records: &'s Records<K>,
    siblings: &'s Siblings,
    entries: After<'s>,
    budget: &'s Budget,
    /// Whether one has been given. A live session finds one or none at a time, and nothing is read ahead for that.
    begun: bool,
    /// In reverse, so that the next one is last.
    ahead: Vec<(Revision, u32)>,
    /// Up to where everything has been given.
    cursor: Revision,
    /// Up to where everything has been looked at.
    seen: Revision,
    over: bool,
}

impl<'s, K: Key> Changes<'s, K> {
    pub(crate) fn new(
        records: &'s Records<K>,
        siblings: &'s Siblings,
        entries: After<'s>,
        after: Revision,
        budget: &'s Budget,
    ) -> Self {
        let ahead = Vec::new();
        Self { records, siblings, entries, budget, begun: false, ahead, cursor: after, seen: after, over: false }
    }

    /// Up to where everything has been given.
    pub fn cursor(&self) -> Revision {
        self.cursor
    }

    /// Whether there is nothing more, once nothing more is given: if not, the budget was spent.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Looks for the next entry that counts.
    fn look(&mut self) -> Option<(Revision, u32)> {
        while self.budget.take() {
            let Some((revision, number)) = self.entries.next() else {
                self.over = true;
                return None;
            };
            self.seen = revision;
            if self.records.is_at(number, revision) {
                return Some((revision, number));
            }
        }
        None
    }

    fn read_ahead(&mut self) {
        while self.ahead.len() < AHEAD
            && let Some(entry) = self.look()
        {
            self.ahead.push(entry);
        }
        touch(self.records, self.siblings, self.ahead.iter().map(|(_, number)| *number));
        self.ahead.reverse();
    }
}

impl<'s, K: Key> Iterator for Changes<'s, K> {
    type Item = Binding<'s, K>;

    #[inline]
    fn next(&mut self) -> Option<Binding<'s, K>> {
        let entry = if self.begun {
            if self.ahead.is_empty() {
                self.read_ahead();
            }
            self.ahead.pop()
        } else {
            self.begun = true;
            self.look()
        };
        // What does not count is passed over with what comes before it.
        self.cursor = match (entry, self.ahead.is_empty()) {
            (Some((revision, _)), false) => revision,
            (_, true) => self.seen,
            (None, false) => self.cursor,
        };
        entry.map(|(_, number)| self.records.binding(number))
    }
}

#[cfg(test)]
mod tests;
