//! A requestor's copy of a server's bindings, kept by asking again and again for what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use leasequery_protocol::requestor::v4::{BulkQuery, Record};
use leasequery_store::{Entry, Selector, State, Store, Time, V4Key, VpnIndex, VpnRange};
use leasequery_wire::v4::StatusCode;

use crate::requestor::{FetchError, Sink, fetch};

/// What is kept about one address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    state: u8,
    hardware: Option<(u8, Vec<u8>)>,
    client_id: Option<Vec<u8>>,
    relay_info: Option<Vec<u8>>,
    /// Start of the state, last transaction and end.
    times: [Option<Time>; 3],
}

/// The copy.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    known: BTreeMap<Ipv4Addr, Known>,
    /// From where the server is asked for changes, in its clock; `None` asks for everything.
    since: Option<Time>,
    /// Bindings received in the answer that is coming.
    received: u64,
}

/// What an answer was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// Whether everything was asked for, and not only changes.
    pub(super) full: bool,
    pub(super) received: u64,
    pub(super) took: Duration,
}

impl Mirror {
    /// Asks for everything the first time and for what has changed later on.
    pub(super) fn update(&mut self, server: SocketAddr) -> Result<Answer, String> {
        let query = BulkQuery { since: self.since, ..BulkQuery::default() };
        let begin = Instant::now();
        self.received = 0;
        let done =
            fetch(&[server], &query, Duration::from_secs(10), self).map_err(|error: FetchError| error.to_string())?;
        if done.status != StatusCode::SUCCESS {
            return Err(format!("{}: {}", done.status, done.text));
        }
        let full = self.since.is_none();
        self.since = done.resume_point.or(self.since);
        Ok(Answer { full, received: self.received, took: begin.elapsed() })
    }

    /// How many addresses it knows, and how many of them are leased.
    pub(super) fn counts(&self) -> (usize, usize) {
        let active = self.known.values().filter(|known| known.state == State::Active as u8).count();
        (self.known.len(), active)
    }

    /// Addresses about which the copy and the store differ.
    pub(super) fn differences(&self, store: &Store<V4Key>) -> Vec<Ipv4Addr> {
        let mut unseen: BTreeSet<_> = self.known.keys().copied().collect();
        let mut different = Vec::new();
        for entry in store.scan(Selector::All, VpnRange::One(VpnIndex::DEFAULT), None) {
            let address = entry.key().address;
            unseen.remove(&address);
            let same = self.known.get(&address).is_some_and(|known| known.agrees(&Known::of_entry(&entry)));
            if !same {
                different.push(address);
            }
        }
        different.extend(unseen);
        different
    }
}

impl Sink for Mirror {
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.received += 1;
        let times = record.times();
        let known = Known {
            state: record.state().0,
            hardware: record.hardware().map(|hardware| (hardware.htype, hardware.address.to_vec())),
            client_id: record.client_id().map(<[u8]>::to_vec),
            relay_info: record.relay_info().map(<[u8]>::to_vec),
            times: [times.start_of_state, times.last_transaction, times.expires],
        };
        self.known.insert(record.address(), known);
        Ok(())
    }
}

impl Known {
    /// What a requestor would have to know.
    fn of_entry(entry: &Entry<'_, V4Key>) -> Self {
        match entry {
            Entry::Bound(binding) => Self {
                state: binding.state() as u8,
                hardware: binding.hardware().map(|hardware| (hardware.htype, hardware.address.to_vec())),
                client_id: binding.client_id().map(<[u8]>::to_vec),
                relay_info: binding.relay_info().map(<[u8]>::to_vec),
                times: [
                    Some(binding.start_of_state()),
                    binding.last_transaction(),
                    // No reply tells when something ended that has ended.
                    binding.expires().filter(|_| !binding.state().is_ended()),
                ],
            },
            Entry::Free { since, .. } => Self {
                state: State::Available as u8,
                hardware: None,
                client_id: None,
                relay_info: None,
                times: [Some(*since), None, None],
            },
        }
    }

    /// Whether both are the same. Times may differ by a second: they were told in whole seconds before or after a
    /// moment that was itself read from two clocks.
    fn agrees(&self, other: &Self) -> bool {
        let near = |(one, two): (&Option<Time>, &Option<Time>)| match (one, two) {
            (Some(one), Some(two)) => one.0.abs_diff(two.0) <= 1,
            (None, None) => true,
            _ => false,
        };
        let identity =
            |known: &Self| (known.state, known.hardware.clone(), known.client_id.clone(), known.relay_info.clone());
        identity(self) == identity(other) && self.times.iter().zip(&other.times).all(near)
    }
}

#[cfg(test)]
mod tests;
