use leasequery_store::{Key, Network, Time};

/// The addresses that an answer told of, as ranges: what is configured on the server. An answer tells of them in
/// ascending order, so there are as many ranges as gaps.
#[derive(Debug)]
pub(super) struct Ranges<K>(Vec<Range<K>>);

#[derive(Debug)]
struct Range<K> {
    first: K,
    last: K,
    /// Since when, if any address of the range told.
    since: Option<Time>,
}

impl<K: Key> Ranges<K> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds an address. One that is leased, or was, does not tell since when it is configured.
    pub(super) fn add(&mut self, key: K, since: Option<Time>) {
        if let Some(range) = self.0.last_mut()
            && range.last.successor() == Some(key)
            && (since.is_none() || range.since.is_none() || since == range.since)
        {
            range.last = key;
            range.since = range.since.or(since);
            return;
        }
        self.0.push(Range { first: key, last: key, since });
    }

    /// The networks that these are; ranges of which nobody told since when are there since `now`.
    pub(super) fn into_networks(self, now: Time) -> impl Iterator<Item = Network<K>> {
        self.0.into_iter().map(move |range| Network {
            first: range.first,
            last: range.last,
            since: range.since.unwrap_or(now),
        })
    }
}
