mod change;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Budget, Key, SourceId, Time};

pub use change::NetworkChange;

/// A range of configured addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network<K> {
    /// The first address.
    pub first: K,
    /// The last address, in the same VPN and not before the first.
    pub last: K,
    /// When the range was first configured: since then its addresses that were never leased are in their state.
    pub since: Time,
}

impl<K: Key> Network<K> {
    fn is_sound(&self) -> bool {
        self.first <= self.last && self.first.vpn() == self.last.vpn()
    }

    /// What of it is between two keys, the second one not included, where it reaches over them.
    fn within(&self, begin: Option<K>, end: Option<K>) -> Self {
        let first = begin.map_or(self.first, |begin| self.first.max(begin));
        let before = end.filter(|end| *end <= self.last).and_then(K::predecessor);
        Self { first, last: before.unwrap_or(self.last), since: self.since }
    }
}

/// What is configured, by everybody who configures something.
#[derive(Debug)]
pub(crate) struct Networks<K> {
    /// In the order in which they first told of something.
    owners: Vec<Owned<K>>,
    /// What any of them configured: ranges in key order that do not overlap.
    union: Vec<Network<K>>,
    /// Counts changes.
    generation: u64,
}

/// What one owner configured.
#[derive(Debug, Clone)]
pub(crate) struct Owned<K> {
    /// A source, or the daemon itself.
    pub(crate) owner: Option<SourceId>,
    /// Like the union, with the times that the union has.
    pub(crate) ranges: Arc<Vec<Network<K>>>,
    /// The count of changes when it last changed.
    pub(crate) generation: u64,
}

impl<K: Key> Networks<K> {
    pub(crate) fn new() -> Self {
        Self { owners: Vec::new(), union: Vec::new(), generation: 0 }
    }

    /// Puts together what several owners configured.
    pub(crate) fn restore(&mut self, owned: Vec<(Option<SourceId>, Vec<Network<K>>)>) {
        for (owner, ranges) in owned {
            self.replace(owner, ranges);
        }
    }

    /// Replaces what one owner configured. An address that anybody configured before keeps the time when it was first.
    pub(crate) fn replace(&mut self, owner: Option<SourceId>, networks: Vec<Network<K>>) {
        self.change(&mut NetworkChange::new(owner, networks, false), &Budget::unlimited());
    }

    fn place(&mut self, owner: Option<SourceId>) -> usize {
        self.owners.iter().position(|owned| owned.owner == owner).unwrap_or_else(|| {
            self.owners.push(Owned { owner, ranges: Arc::default(), generation: 0 });
            self.owners.len() - 1
        })
    }

    /// The clock is set back: nothing is configured since a time that has not come.
    pub(crate) fn rewind(&mut self, time: Time) {
        let early = |range: &Network<K>| Network { since: range.since.min(time), ..*range };
        for owned in &mut self.owners {
            if owned.ranges.iter().any(|range| range.since > time) {
                self.generation += 1;
                owned.ranges = Arc::new(owned.ranges.iter().map(early).collect());
                owned.generation = self.generation;
            }
        }
        self.union = self.union.iter().map(early).collect();
    }

    /// What an owner configured.
    pub(crate) fn of(&self, owner: Option<SourceId>) -> &[Network<K>] {
        self.owners.iter().find(|owned| owned.owner == owner).map_or(&[], |owned| owned.ranges.as_slice())
    }

    /// How often anything has changed.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The owners whose ranges have changed since a generation.
    pub(crate) fn changed_since(&self, generation: u64) -> impl Iterator<Item = &Owned<K>> {
        self.owners.iter().filter(move |owned| owned.generation > generation)
    }

    /// The range that `key` is in, or else the next one behind it.
    pub(crate) fn at_or_behind(&self, key: K) -> Option<&Network<K>> {
        self.union.get(self.union.partition_point(|range| range.last < key))
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.at_or_behind(key).is_some_and(|range| range.first <= key)
    }

    /// Who configured an address.
    pub(crate) fn owners(&self, key: K) -> impl Iterator<Item = Option<SourceId>> + Clone {
        let covers = move |owned: &&Owned<K>| {
            let range = owned.ranges.get(owned.ranges.partition_point(|range| range.last < key));
            range.is_some_and(|range| range.first <= key)
        };
        self.owners.iter().filter(covers).map(|owned| owned.owner)
    }

    /// How many addresses are configured.
    pub(crate) fn len(&self) -> u64 {
        self.union.iter().map(|range| range.first.distance(range.last)).sum()
    }
}

/// Ranges in key order that do not overlap.
#[derive(Debug)]
struct Flat<K> {
    /// Of each owner.
    owned: Vec<Vec<Network<K>>>,
    union: Vec<Network<K>>,
}

impl<K> Flat<K> {
    fn new(owners: usize) -> Self {
        Self { owned: (0..owners).map(|_| Vec::new()).collect(), union: Vec::new() }
    }
}

/// Cuts the ranges of so many owners, and those of all of them together, into ones that do not overlap. Each address has
/// the earliest time that any range has for it, also one that is nobody's any more.
fn flatten<'a, K: Key>(lists: impl Iterator<Item = (&'a [Network<K>], Option<usize>)>, owners: usize) -> Flat<K> {
    let mut edges = Vec::new();
    for (ranges, owner) in lists {
        for range in ranges.iter().filter(|range| range.is_sound()) {
            edges.push(Edge { at: range.first, opens: true, owner, since: range.since });
            // The end of a range that reaches the end of its VPN is where the next VPN begins.
            let behind = range.last.successor();
            edges.extend(behind.map(|at| Edge { at, opens: false, owner, since: range.since }));
        }
    }
    edges.sort_by_key(|edge| edge.at);

    let mut flat = Flat::new(owners);
    let mut open = Open::new(owners);
    let mut from: Option<K> = None;
    for edge in edges {
        if let Some(first) = from.filter(|first| *first < edge.at) {
            if first.vpn() == edge.at.vpn() {
                open.emit(&mut flat, first, edge.at.predecessor().unwrap_or(first));
            } else {
                open.emit(&mut flat, first, K::last_of(first.vpn()));
                open = Open::new(owners);
            }
        }
        open.apply(&edge);
        from = Some(edge.at);
    }
    if let Some(first) = from {
        open.emit(&mut flat, first, K::last_of(first.vpn()));
    }
    flat
}

/// Where a range begins, or the key behind its end.
struct Edge<K> {
    at: K,
    opens: bool,
    /// Whose range it is; that of nobody any more gives its time alone.
    owner: Option<usize>,
    since: Time,
}

/// The ranges that cover the place the sweep is at.
struct Open {
    /// How many ranges of each owner.
    owned: Vec<usize>,
    since: BTreeMap<Time, usize>,
}

impl Open {
    fn new(owners: usize) -> Self {
        Self { owned: vec![0; owners], since: BTreeMap::new() }
    }

    fn apply<K>(&mut self, edge: &Edge<K>) {
        let count = self.since.entry(edge.since).or_default();
        if edge.opens {
            *count += 1;
        } else {
            *count -= 1;
            if *count == 0 {
                self.since.remove(&edge.since);
            }
        }
        if let Some(owner) = edge.owner {
            let owned = &mut self.owned[owner];
            *owned = if edge.opens { *owned + 1 } else { *owned - 1 };
        }
    }

    /// Adds the stretch from `first` to `last`, which these ranges cover, to the result.
    fn emit<K: Key>(&self, flat: &mut Flat<K>, first: K, last: K) {
        let Some((since, _)) = self.since.first_key_value() else { return };
        let stretch = Network { first, last, since: *since };
        let mut covered = false;
        for (ranges, _) in flat.owned.iter_mut().zip(&self.owned).filter(|(_, open)| **open > 0) {
            append(ranges, stretch);
            covered = true;
        }
        if covered {
            append(&mut flat.union, stretch);
        }
    }
}

/// Adds a range, as a part of the one before if they touch.
fn append<K: Key>(ranges: &mut Vec<Network<K>>, range: Network<K>) {
    match ranges.last_mut() {
        Some(before) if before.since == range.since && before.last.successor() == Some(range.first) => {
            before.last = range.last;
        }
        _ => ranges.push(range),
    }
}

#[cfg(test)]
mod tests;
