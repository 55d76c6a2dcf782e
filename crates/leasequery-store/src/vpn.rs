use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::{Budget, Key, KeyMap, SourceId, Store};

/// Number of a VPN in this store; 0 is the default one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VpnIndex(pub u16);

impl VpnIndex {
    /// The address space without a name.
    pub const DEFAULT: Self = Self(0);
}

/// What a VPN other than the default one is called (RFC 6607 section 3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum VpnName {
    /// A name, compared octet by octet.
    Name(Arc<[u8]>),
    /// An identifier of RFC 2685: three octets of OUI, four of index.
    Id([u8; 7]),
}

/// While one lives, a number means the same VPN; or all numbers do. For who remembers one, or keys, while others have the
/// store.
#[derive(Debug, Clone, Default)]
pub struct VpnHold(#[allow(dead_code, reason = "it counts by being there")] Option<Arc<()>>);

/// The names by their numbers, and the numbers by their names.
#[derive(Debug, Default)]
pub(crate) struct Vpns {
    /// From number 1 on. What has been given back has no entry.
    entries: Vec<Option<Entry>>,
    numbers: HashTable<u16>,
    /// Seeded, because peers choose the names.
    hasher: RandomState,
    /// What has been given back, the longest ago first: a number is taken again as late as can be.
    free: VecDeque<u16>,
    /// How many there are of each source.
    owned: HashMap<SourceId, usize>,
    /// Where to look for unused ones next.
    hand: usize,
    /// Counts those that were found unused.
    retired: u64,
    /// Up to which of these nothing refers to them on disk either.
    released: u64,
    all: Arc<()>,
    /// The names, once somebody asked for them and until one changes.
    names: OnceLock<Arc<[Option<VpnName>]>>,
}

#[derive(Debug)]
struct Entry {
    name: VpnName,
    /// Who named it first, if that is known.
    source: Option<SourceId>,
    /// Since it was found unused, and nobody has named it: the how manieth that was.
    retired: Option<u64>,
    hold: Arc<()>,
}

/// How many VPNs can have names.
pub(crate) const MOST: usize = u16::MAX as usize;
/// Entries looked at in a second.
const LOOKS: usize = 1024;

impl Vpns {
    pub(crate) fn restore(names: &[Option<VpnName>]) -> Self {
        let mut vpns = Self::default();
        for (place, name) in names.iter().take(MOST).enumerate() {
            match (name.clone(), number_at(place)) {
                (Some(name), Some(number)) => {
                    vpns.entries.push(None);
                    vpns.enter(number, name, None);
                }
                (_, number) => {
                    vpns.entries.push(None);
                    vpns.free.extend(number);
                }
            }
        }
        vpns
    }

    pub(crate) fn find(&self, name: &VpnName) -> Option<VpnIndex> {
        let same = |number: &u16| self.entry(*number).is_some_and(|entry| entry.name == *name);
        self.numbers.find(self.hasher.hash_one(name), same).map(|number| VpnIndex(*number))
    }

    /// The number of `name`, a new one if it has none. A source may have as many as are left over for others, so that there
    /// always are some for who comes next; the configuration may have all there are.
    pub(crate) fn intern(&mut self, source: Option<SourceId>, name: &VpnName) -> Option<VpnIndex> {
        if let Some(index) = self.find(name) {
            if let Some(entry) = self.entry_mut(index.0) {
                entry.retired = None;
            }
            return Some(index);
        }
        let left = MOST - self.numbers.len();
        if source.is_some_and(|source| self.owned.get(&source).copied().unwrap_or_default() >= left) {
            return None;
        }
        let number = match number_at(self.entries.len()) {
            Some(number) => {
                self.entries.push(None);
                number
            }
            None => self.free.pop_front()?,
        };
        self.enter(number, name.clone(), source);
        Some(VpnIndex(number))
    }

    fn enter(&mut self, number: u16, name: VpnName, source: Option<SourceId>) {
        self.names.take();
        let hash = self.hasher.hash_one(&name);
        let Some(place) = self.entries.get_mut(usize::from(number) - 1) else { return };
        *place = Some(Entry { name, source: None, retired: None, hold: Arc::default() });
        let (entries, hasher) = (&self.entries, &self.hasher);
        let rehash = |number: &u16| {
            let entry = entries.get(usize::from(*number) - 1).and_then(Option::as_ref);
            entry.map_or(0, |entry| hasher.hash_one(&entry.name))
        };
        self.numbers.insert_unique(hash, number, rehash);
        if let Some(source) = source {
            self.charge(VpnIndex(number), source);
        }
    }

    /// Counts a VPN as one of a source, unless it is somebody's already.
    pub(crate) fn charge(&mut self, index: VpnIndex, source: SourceId) {
        let Some(entry) = self.entry_mut(index.0).filter(|entry| entry.source.is_none()) else { return };
        entry.source = Some(source);
        *self.owned.entry(source).or_default() += 1;
    }

    fn entry(&self, number: u16) -> Option<&Entry> {
        self.entries.get(usize::from(number).checked_sub(1)?)?.as_ref()
    }

    fn entry_mut(&mut self, number: u16) -> Option<&mut Entry> {
        self.entries.get_mut(usize::from(number).checked_sub(1)?)?.as_mut()
    }

    pub(crate) fn name(&self, index: VpnIndex) -> Option<&VpnName> {
        self.entry(index.0).map(|entry| &entry.name)
    }

    /// The names in the order of their numbers; the same list as long as nothing changes.
    pub(crate) fn names(&self) -> Arc<[Option<VpnName>]> {
        let name = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.name.clone());
        Arc::clone(self.names.get_or_init(|| self.entries.iter().map(name).collect()))
    }

    pub(crate) fn hold(&self, index: VpnIndex) -> VpnHold {
        VpnHold(self.entry(index.0).map(|entry| Arc::clone(&entry.hold)))
    }

    pub(crate) fn hold_all(&self) -> VpnHold {
        VpnHold(Some(Arc::clone(&self.all)))
    }

    /// How many were found unused.
    pub(crate) fn retired(&self) -> u64 {
        self.retired
    }

    pub(crate) fn release(&mut self, retired: u64) {
        self.released = self.released.max(retired);
    }

    /// Looks at some of them, in a circle, and gives back what nothing refers to: no name since it was looked at before, no
    /// hold, nothing that is `used`, and nothing on disk.
    pub(crate) fn tidy(&mut self, budget: &Budget, durable: bool, used: impl Fn(VpnIndex) -> bool) {
        if Arc::strong_count(&self.all) > 1 {
            return;
        }
        for _ in 0..self.entries.len().min(LOOKS) {
            if !budget.take() {
                return;
            }
            let place = self.hand;
            self.hand = (place + 1) % self.entries.len();
            let (Some(number), Some(Some(entry))) = (number_at(place), self.entries.get_mut(place)) else { continue };
            if Arc::strong_count(&entry.hold) > 1 || used(VpnIndex(number)) {
                entry.retired = None;
                continue;
            }
            match entry.retired {
                None => {
                    self.retired += 1;
                    entry.retired = Some(self.retired);
                }
                Some(retired) if durable && retired > self.released => {}
                Some(_) => self.give_back(number),
            }
        }
    }

    fn give_back(&mut self, number: u16) {
        self.names.take();
        let Some(entry) = self.entries.get_mut(usize::from(number) - 1).and_then(Option::take) else { return };
        if let Ok(found) = self.numbers.find_entry(self.hasher.hash_one(&entry.name), |other| *other == number) {
            found.remove();
        }
        if let Some(owned) = entry.source.and_then(|source| self.owned.get_mut(&source)) {
            *owned -= 1;
        }
        self.free.push_back(number);
    }
}

/// The number of a place in the list, if there is such a number.
fn number_at(place: usize) -> Option<u16> {
    u16::try_from(place + 1).ok()
}

impl<K: Key> Store<K> {
    /// The number of a VPN that a source, or the configuration, names; a new one if it has none. It stays what it is as long
    /// as anything in the store refers to it, or somebody [holds](Self::hold_vpn) it. `None` when the source has as many as
    /// are left over for others.
    pub fn vpn(&mut self, source: Option<SourceId>, name: &VpnName) -> Option<VpnIndex> {
        self.vpns.intern(source, name)
    }

    /// The number of a VPN that the store has heard of.
    pub fn find_vpn(&self, name: &VpnName) -> Option<VpnIndex> {
        self.vpns.find(name)
    }

    /// What a VPN is called; `None` for the default one.
    pub fn vpn_name(&self, vpn: VpnIndex) -> Option<&VpnName> {
        self.vpns.name(vpn)
    }

    /// Keeps the number of a VPN from becoming that of another one.
    pub fn hold_vpn(&self, vpn: VpnIndex) -> VpnHold {
        self.vpns.hold(vpn)
    }

    /// Keeps all numbers from becoming those of others.
    pub fn hold_vpns(&self) -> VpnHold {
        self.vpns.hold_all()
    }

    /// Says that on disk nothing refers any more to the first so many VPNs that were found unused
    /// ([`Durable::released_vpns`](crate::durable::Durable::released_vpns)).
    pub fn release_vpns(&mut self, retired: u64) {
        self.vpns.release(retired);
    }

    /// Gives back what no binding and no network refers to.
    pub(crate) fn tidy_vpns(&mut self, budget: &Budget) {
        let (map, networks) = (&self.map, &self.networks);
        let used = |vpn: VpnIndex| {
            let first = K::first_of(vpn);
            map.range(first).next().is_some_and(|(key, _)| key.vpn() == vpn)
                || networks.at_or_behind(first).is_some_and(|range| range.first.vpn() == vpn)
        };
        self.vpns.tidy(budget, self.settings.durable, used);
    }
}

#[cfg(test)]
mod tests;
