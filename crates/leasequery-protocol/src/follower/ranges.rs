use leasequery_store::{Budget, Key, Network, Time};

/// The addresses that an answer told of, as ranges: what is configured on the server. An answer that tells of them in
/// ascending order makes as many ranges as there are gaps; no answer makes many more than there are addresses, however
/// often it repeats them.
#[derive(Debug)]
pub(super) struct Ranges<K> {
    list: Vec<Range<K>>,
    /// They are in order already, as they are where an answer tells of addresses in ascending order.
    in_order: bool,
    /// How many have been taken out.
    taken: usize,
    /// How many there may be before they are put in order.
    most: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range<K> {
    first: K,
    last: K,
    /// Since when, if any address of the range told.
    since: Option<Time>,
}

/// How many ranges are not worth the time to put them in order.
const FEW: usize = 1024;

impl<K: Key> Ranges<K> {
    pub(super) fn new() -> Self {
        Self { list: Vec::new(), in_order: true, taken: 0, most: FEW }
    }

    /// Adds an address. One that is leased, or was, does not tell since when it is configured.
    pub(super) fn add(&mut self, key: K, since: Option<Time>) {
        if let Some(range) = self.list.last_mut()
            && range.last.successor() == Some(key)
            && agree(range.since, since)
        {
            range.last = key;
            range.since = range.since.or(since);
            return;
        }
        if self.list.len() >= self.most {
            self.order();
            self.most = FEW.max(2 * self.list.len());
        }
        self.in_order &= self.list.last().is_none_or(|range| range.last < key);
        self.list.push(Range { first: key, last: key, since });
    }

    /// Puts them in order, none of them touching another without need. Where two overlap the earlier time holds.
    fn order(&mut self) {
        if std::mem::replace(&mut self.in_order, true) {
            return;
        }
        self.list.sort_by_key(|range| range.first);
        self.list.dedup_by(|range, before| {
            let overlap = range.first <= before.last;
            let touch = before.last.successor() == Some(range.first) && agree(before.since, range.since);
            if overlap || touch {
                before.last = before.last.max(range.last);
                before.since = [before.since, range.since].into_iter().flatten().min();
            }
            overlap || touch
        });
    }

    /// Appends more of the networks that these are to others, as far as the budget goes, and says whether there are no more.
    /// Ranges of which nobody told since when are there since `now`.
    pub(super) fn take(&mut self, budget: &Budget, now: Time, networks: &mut Vec<Network<K>>) -> bool {
        self.order();
        for range in self.list.get(self.taken..).unwrap_or_default() {
            if !budget.take() {
                return false;
            }
            let Range { first, last, since } = *range;
            networks.push(Network { first, last, since: since.unwrap_or(now) });
            self.taken += 1;
        }
        true
    }
}

/// Whether two neighbours may be in one range.
fn agree(one: Option<Time>, other: Option<Time>) -> bool {
    one.is_none() || other.is_none() || one == other
}

#[cfg(test)]
mod tests;
