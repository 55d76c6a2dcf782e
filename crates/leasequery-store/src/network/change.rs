//! Replacing what one owner configured, in bites: an answer may tell of millions of ranges, and nobody waits for them.
//!
//! The new state is put together beside the old one, which holds until that is done, from the first key to the last. A
//! bite takes a stretch in which there are no more ranges than the budget allows.

use super::{Flat, Network, Networks, append, flatten};
use crate::{Budget, Key, SourceId, Store};

/// What an owner is to have configured, and how far that has been worked in.
#[derive(Debug)]
pub struct NetworkChange<K> {
    owner: Option<SourceId>,
    /// In key order, none of them overlapping.
    given: Vec<Network<K>>,
    /// Whether what it had configured stays, too.
    keeps: bool,
    /// The count of changes when it was begun.
    generation: Option<u64>,
    flat: Flat<K>,
    /// Where the next stretch begins; `None` at the first key.
    pub(super) at: Option<K>,
    /// All stretches are done.
    is_flat: bool,
    /// Of each owner how many ranges have been found to be what they were.
    compared: usize,
    /// Whether each owner has something else than before, as far as that has been found out.
    changed: Vec<bool>,
}

impl<K: Key> NetworkChange<K> {
    /// Replaces what `owner` has configured; with `keeps` it is added to that. Where addresses were configured before, by
    /// whomever, the earlier `since` holds.
    pub fn new(owner: Option<SourceId>, mut networks: Vec<Network<K>>, keeps: bool) -> Self {
        if !networks.is_sorted_by(|one, next| one.last < next.first) || networks.iter().any(|range| !range.is_sound()) {
            networks = flatten(std::iter::once((networks.as_slice(), Some(0))), 1).union;
        }
        Self {
            owner,
            given: networks,
            keeps,
            generation: None,
            flat: Flat::new(0),
            at: None,
            is_flat: false,
            compared: 0,
            changed: Vec::new(),
        }
    }

    /// Begins with what is configured now.
    fn begin(&mut self, networks: &Networks<K>) {
        let owners = networks.owners.len();
        self.generation = Some(networks.generation);
        (self.flat, self.at, self.is_flat) = (Flat::new(owners), None, false);
        (self.compared, self.changed) = (0, vec![false; owners]);
    }

    /// Works in one more stretch, of at most so many ranges of each list, and says how many there were.
    fn flatten_stretch(&mut self, networks: &Networks<K>, most: usize) -> usize {
        let changing = networks.owners.iter().position(|owned| owned.owner == self.owner);
        let of_owners = networks.owners.iter().enumerate().map(|(place, owned)| (owned.ranges.as_slice(), Some(place)));
        let stays = of_owners.filter(|(_, place)| self.keeps || *place != changing);
        let lists: Vec<_> = stays.chain([(self.given.as_slice(), changing), (&networks.union, None)]).collect();
        let ahead = |list: &[Network<K>]| self.at.map_or(0, |at| list.partition_point(|range| range.last < at));
        let end = lists
            .iter()
            .filter_map(|(list, _)| list.get(ahead(list).saturating_add(most)))
            .map(|range| range.first)
            .min();
        let mut pieces = Vec::new();
        for (list, owner) in &lists {
            let list = &list[ahead(list)..];
            let count = end.map_or(list.len(), |end| list.partition_point(|range| range.first < end));
            let clipped: Vec<_> = list[..count].iter().map(|range| range.within(self.at, end)).collect();
            pieces.push((clipped, *owner));
        }
        let flat = flatten(pieces.iter().map(|(ranges, owner)| (ranges.as_slice(), *owner)), networks.owners.len());
        for (all, stretch) in self.flat.owned.iter_mut().zip(flat.owned) {
            for range in stretch {
                append(all, range);
            }
        }
        for range in flat.union {
            append(&mut self.flat.union, range);
        }
        (self.at, self.is_flat) = (end, end.is_none());
        pieces.iter().map(|(ranges, _)| ranges.len()).sum()
    }

    /// Compares so many more ranges of each owner with what it had, and says whether there are no more.
    fn compare(&mut self, networks: &Networks<K>, most: usize) -> bool {
        let (from, mut over) = (self.compared, true);
        self.compared = self.compared.saturating_add(most);
        for ((owned, new), changed) in networks.owners.iter().zip(&self.flat.owned).zip(&mut self.changed) {
            let part = |list: &'_ [Network<K>]| (from.min(list.len()), self.compared.min(list.len()));
            let ((begin, end), old) = (part(new), part(&owned.ranges));
            *changed |= owned.ranges.len() != new.len() || owned.ranges[old.0..old.1] != new[begin..end];
            over &= *changed || end == new.len();
        }
        over
    }
}

impl<K: Key> Networks<K> {
    /// Goes on with a change, and says whether that is done: until then nothing is configured otherwise than before.
    pub(crate) fn change(&mut self, change: &mut NetworkChange<K>, budget: &Budget) -> bool {
        self.place(change.owner);
        if change.generation != Some(self.generation) || change.changed.len() != self.owners.len() {
            // Something else has been configured meanwhile, if anything.
            change.begin(self);
        }
        let most = || (budget.left() / (self.owners.len() + 2)).max(1);
        while !change.is_flat {
            if budget.is_spent() {
                return false;
            }
            let most = most();
            let looked_at = change.flatten_stretch(self, most);
            budget.spend(looked_at.max(1));
        }
        loop {
            if budget.is_spent() {
                return false;
            }
            let most = most();
            let over = change.compare(self, most);
            budget.spend(most.saturating_mul(self.owners.len()));
            if over {
                break;
            }
        }
        let next = self.generation + 1;
        let flat = std::mem::replace(&mut change.flat, Flat::new(0));
        for ((owned, ranges), changed) in self.owners.iter_mut().zip(flat.owned).zip(&change.changed) {
            // Another one's earlier time may have come to these ranges too.
            if *changed {
                owned.ranges = ranges.into();
                owned.generation = next;
                self.generation = next;
            }
        }
        self.union = flat.union;
        true
    }
}

impl<K: Key> Store<K> {
    /// Goes on with replacing what one owner configured, and says whether that is done.
    pub fn change_networks(&mut self, change: &mut NetworkChange<K>, budget: &Budget) -> bool {
        self.networks.change(change, budget)
    }
}
