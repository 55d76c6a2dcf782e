use std::collections::BTreeMap;

use crate::{Key, Time};

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

/// What is configured: ranges in key order that do not overlap.
#[derive(Debug)]
pub(crate) struct Networks<K> {
    ranges: Vec<Network<K>>,
}

impl<K: Key> Networks<K> {
    pub(crate) fn new(ranges: &[Network<K>]) -> Self {
        Self { ranges: flatten(ranges, &[]) }
    }

    pub(crate) fn ranges(&self) -> &[Network<K>] {
        &self.ranges
    }

    /// Replaces what is configured. An address that was configured before keeps the time when it was first.
    pub(crate) fn replace(&mut self, networks: &[Network<K>]) {
        self.ranges = flatten(networks, &self.ranges);
    }

    /// The range that `key` is in, or else the next one behind it.
    pub(crate) fn at_or_behind(&self, key: K) -> Option<&Network<K>> {
        self.ranges.get(self.ranges.partition_point(|range| range.last < key))
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.at_or_behind(key).is_some_and(|range| range.first <= key)
    }

    /// How many addresses are configured.
    pub(crate) fn len(&self) -> u64 {
        self.ranges.iter().map(|range| range.first.distance(range.last)).sum()
    }
}

/// Cuts the ranges of `new` into ones that do not overlap. Each address has the earliest time that any range, of `old`
/// too, has for it.
fn flatten<K: Key>(new: &[Network<K>], old: &[Network<K>]) -> Vec<Network<K>> {
    let mut edges = Vec::with_capacity(2 * (new.len() + old.len()));
    for (ranges, is_new) in [(new, true), (old, false)] {
        for range in ranges.iter().filter(|r| r.first <= r.last && r.first.vpn() == r.last.vpn()) {
            edges.push(Edge { at: range.first, opens: true, is_new, since: range.since });
            // The end of a range that reaches the end of its VPN is where the next VPN begins.
            let behind = range.last.successor();
            edges.extend(behind.map(|at| Edge { at, opens: false, is_new, since: range.since }));
        }
    }
    edges.sort_by_key(|edge| edge.at);

    let mut flat = Vec::new();
    let mut open = Open::default();
    let mut from: Option<K> = None;
    for edge in edges {
        if let Some(first) = from.filter(|first| *first < edge.at) {
            if first.vpn() == edge.at.vpn() {
                open.emit(&mut flat, first, edge.at.predecessor().unwrap_or(first));
            } else {
                open.emit(&mut flat, first, K::last_of(first.vpn()));
                open = Open::default();
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
    is_new: bool,
    since: Time,
}

/// The ranges that cover the place the sweep is at.
#[derive(Default)]
struct Open {
    new: usize,
    since: BTreeMap<Time, usize>,
}

impl Open {
    fn apply<K>(&mut self, edge: &Edge<K>) {
        let count = self.since.entry(edge.since).or_default();
        if edge.opens {
            *count += 1;
            self.new += usize::from(edge.is_new);
        } else {
            *count -= 1;
            if *count == 0 {
                self.since.remove(&edge.since);
            }
            self.new -= usize::from(edge.is_new);
        }
    }

    /// Adds the stretch from `first` to `last`, which these ranges cover, to the result.
    fn emit<K: Key>(&self, flat: &mut Vec<Network<K>>, first: K, last: K) {
        let Some((since, _)) = self.since.first_key_value().filter(|_| self.new > 0) else { return };
        match flat.last_mut() {
            Some(before) if before.since == *since && before.last.successor() == Some(first) => before.last = last,
            _ => flat.push(Network { first, last, since: *since }),
        }
    }
}
