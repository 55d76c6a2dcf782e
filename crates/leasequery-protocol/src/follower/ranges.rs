use leasequery_store::{Key, Network, Time};

/// The addresses that an answer told of, as ranges: what is configured on the server. An answer that tells of them in
/// ascending order makes as many ranges as there are gaps; no answer makes many more than there are addresses, however
/// often it repeats them.
#[derive(Debug)]
pub(super) struct Ranges<K> {
    ranges: Vec<Range<K>>,
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
        Self { ranges: Vec::new(), most: FEW }
    }

    /// Adds an address. One that is leased, or was, does not tell since when it is configured.
    pub(super) fn add(&mut self, key: K, since: Option<Time>) {
        if let Some(range) = self.ranges.last_mut()
            && range.last.successor() == Some(key)
            && agree(range.since, since)
        {
            range.last = key;
            range.since = range.since.or(since);
            return;
        }
        if self.ranges.len() >= self.most {
            self.order();
            self.most = FEW.max(2 * self.ranges.len());
        }
        self.ranges.push(Range { first: key, last: key, since });
    }

    /// Puts them in order, none of them touching another without need. Where two overlap the earlier time holds.
    fn order(&mut self) {
        self.ranges.sort_by_key(|range| range.first);
        self.ranges.dedup_by(|range, before| {
            let overlap = range.first <= before.last;
            let touch = before.last.successor() == Some(range.first) && agree(before.since, range.since);
            if overlap || touch {
                before.last = before.last.max(range.last);
                before.since = [before.since, range.since].into_iter().flatten().min();
            }
            overlap || touch
        });
    }

    /// The networks that these are; ranges of which nobody told since when are there since `now`.
    pub(super) fn into_networks(mut self, now: Time) -> impl Iterator<Item = Network<K>> {
        self.order();
        self.ranges.into_iter().map(move |range| Network {
            first: range.first,
            last: range.last,
            since: range.since.unwrap_or(now),
        })
    }
}

/// Whether two neighbours may be in one range.
fn agree(one: Option<Time>, other: Option<Time>) -> bool {
    one.is_none() || other.is_none() || one == other
}

#[cfg(test)]
mod tests;
