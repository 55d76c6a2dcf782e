//! From Kea's rows to what the store knows.
//!
//! | row | becomes | in its state since |
//! | --- | --- | --- |
//! | state 0 (assigned), lifetime above 0 | `active`, or `expired` once its time is up | last transaction; expiry |
//! | state 1 (declined), lifetime above 0 | `abandoned` until the quarantine ends, then `available` | the decline |
//! | state 2 (expired, reclaimed), lifetime above 0 | `expired` | expiry |
//! | state 3 (released), lifetime above 0 | `released` | when it was seen |
//! | lifetime 0, state 0, of a lease that had run out | `available`: Kea was told not to keep what has expired | when it was seen |
//! | lifetime 0, state 0 otherwise, or 3 | `released`: by the client, or taken away by an operator, which the file does not tell | when it was seen |
//! | lifetime 0, state 1 or 2 | `available`: the quarantine, or what was kept of an expired lease, was cleared | when it was seen |
//! | gone from the file, which a cleanup has rewritten meanwhile | `available` | when it was missed |
//!
//! *In its state since* is used only by the row that brings the state about. The file does not tell when a lease began,
//! so a lease that was already there at the first look is active since its last transaction at least. A row with
//! lifetime 0 is no news of an address that the store does not know, and one with state 0 none of a lease that is over.
//!
//! An offer that Kea keeps (`offer-lifetime`) looks like a lease. With lease caching a renewal within the first part of
//! a lease is not written at all, so the last transaction can be that much older. Of DHCPv4 Kea keeps no hardware type:
//! it is 1.
//!
//! A declined address has no client in Kea's file. In DHCPv4 it has none here either. DHCPv6 leasequery tells whose lease
//! it was that has ended, so there the last client stays, and a declined address that nobody was known to have had, or
//! whose lease is over already, is no news.

use std::ops::Range;

use leasequery_store::{Outcome, SourceId, Start, State, Store, Time, Update, VpnIndex};

use super::columns::Header;
use super::config::Config;
use super::family::Family;
use super::row::{KeaState, Row, RowError};

/// Rows to be put into the store together.
#[derive(Debug)]
pub struct Batch<F: Family> {
    rows: Vec<Row<F>>,
    /// The octets of all rows.
    bytes: Vec<u8>,
    scratch: F::Scratch,
    /// Rows with relay information that could not be read, since the beginning.
    pub unreadable: u64,
}

/// What the updates of a batch have several of, one row behind the other.
#[derive(Debug, Default)]
pub struct Lists<'a> {
    options: Vec<(u16, &'a [u8])>,
    remote_ids: Vec<&'a [u8]>,
    relay_ids: Vec<&'a [u8]>,
    /// Where the lists of each row end.
    ends: Vec<Ends>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    options: usize,
    remote_ids: usize,
    relay_ids: usize,
}

/// The lists of one row.
#[derive(Debug, Clone, Copy)]
struct Listed<'a> {
    options: &'a [(u16, &'a [u8])],
    remote_ids: &'a [&'a [u8]],
    relay_ids: &'a [&'a [u8]],
}

/// Kea's lifetime of a lease without end.
pub(super) const INFINITE: u32 = u32::MAX;
/// Updates handed to the store at a time: as many as it looks ahead.
const WINDOW: usize = 32;

impl<'a> Lists<'a> {
    fn of<F: Family>(rows: &[Row<F>], bytes: &'a [u8]) -> Self {
        let mut lists = Self {
            options: Vec::with_capacity(rows.len()),
            remote_ids: Vec::with_capacity(rows.len()),
            relay_ids: Vec::with_capacity(rows.len()),
            ends: Vec::with_capacity(rows.len()),
        };
        for row in rows {
            F::lists(row, bytes, &mut lists);
            let Self { options, remote_ids, relay_ids, .. } = &lists;
            let ends = Ends { options: options.len(), remote_ids: remote_ids.len(), relay_ids: relay_ids.len() };
            lists.ends.push(ends);
        }
        lists
    }

    /// Adds an option to the row at hand, if there are octets.
    #[inline]
    pub fn add_option(&mut self, code: u16, value: &'a [u8]) {
        if !value.is_empty() {
            self.options.push((code, value));
        }
    }

    /// Adds a Remote ID to the row at hand, before those it has, if there are octets: none identify nobody.
    #[inline]
    pub fn add_remote_id(&mut self, id: &'a [u8]) {
        if !id.is_empty() {
            self.remote_ids.insert(self.ends.last().map_or(0, |ends| ends.remote_ids), id);
        }
    }

    /// Adds a Relay-ID to the row at hand, before those it has, if there are octets: none identify nobody.
    #[inline]
    pub fn add_relay_id(&mut self, id: &'a [u8]) {
        if !id.is_empty() {
            self.relay_ids.insert(self.ends.last().map_or(0, |ends| ends.relay_ids), id);
        }
    }

    fn rows(&self) -> impl Iterator<Item = Listed<'_>> {
        let mut start = Ends::default();
        self.ends.iter().map(move |end| {
            let start = std::mem::replace(&mut start, *end);
            Listed {
                options: &self.options[start.options..end.options],
                remote_ids: &self.remote_ids[start.remote_ids..end.remote_ids],
                relay_ids: &self.relay_ids[start.relay_ids..end.relay_ids],
            }
        })
    }
}

impl<F: Family> Default for Batch<F> {
    fn default() -> Self {
        Self { rows: Vec::new(), bytes: Vec::new(), scratch: F::Scratch::default(), unreadable: 0 }
    }
}

impl<F: Family> Batch<F> {
    /// Adds a line.
    pub fn add(&mut self, line: &[u8], header: &Header<F>) -> Result<(), RowError> {
        let start = self.bytes.len();
        match Row::read(line, header, &mut self.bytes, &mut self.scratch) {
            Ok(row) => {
                self.unreadable += u64::from(row.relay_unreadable);
                self.rows.push(row);
                Ok(())
            }
            Err(error) => {
                self.bytes.truncate(start);
                Err(error)
            }
        }
    }

    /// Forgets what was added.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.bytes.clear();
    }

    /// What was added last.
    pub fn last(&self) -> Option<&Row<F>> {
        self.rows.last()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Puts all rows into the store, in their order, and empties the batch. Says how many changed something.
    pub fn commit(
        &mut self,
        store: &mut Store<F::Key>,
        source: SourceId,
        vpn: VpnIndex,
        config: Option<&Config<F>>,
    ) -> usize {
        let lists = Lists::of(&self.rows, &self.bytes);
        let mut updates = Vec::with_capacity(WINDOW);
        let mut committed = 0;
        for (row, listed) in self.rows.iter().zip(lists.rows()) {
            let mut update = update(row, &self.bytes, listed, vpn, store, config);
            let without_client = F::LAST_CLIENT && update.client_id.is_none();
            if without_client || (row.valid_lifetime == 0 && row.state == KeaState::Assigned) {
                // What the rows before say has to be known.
                committed += store.commit_batch(source, &updates).0;
                updates.clear();
                let known = store.lookup(update.key);
                if without_client {
                    let known = known.filter(|binding| !binding.state().is_ended());
                    let last_client = known.and_then(|binding| binding.client_id()).map(<[u8]>::to_vec);
                    if last_client.is_some() {
                        let update = Update { client_id: last_client.as_deref(), ..update };
                        committed += usize::from(matches!(store.commit(source, &update), Outcome::Committed(_)));
                    }
                    continue;
                }
                match known.map(|binding| binding.state()) {
                    Some(State::Expired) => update.state = State::Available,
                    Some(ended) if ended.is_ended() => update.state = ended,
                    _ => {}
                }
            }
            updates.push(update);
            if updates.len() == WINDOW {
                committed += store.commit_batch(source, &updates).0;
                updates.clear();
            }
        }
        committed += store.commit_batch(source, &updates).0;
        drop(updates);
        drop(lists);
        self.clear();
        committed
    }
}

/// What a row says.
#[inline]
fn update<'a, F: Family>(
    row: &Row<F>,
    bytes: &'a [u8],
    listed: Listed<'a>,
    vpn: VpnIndex,
    store: &Store<F::Key>,
    config: Option<&Config<F>>,
) -> Update<'a, F::Key> {
    let present = |range: &Range<usize>| (!range.is_empty()).then(|| &bytes[range.clone()]);
    let last_transaction = time(row.expire.saturating_sub(row.valid_lifetime.into()));
    let expires = if row.valid_lifetime == INFINITE { Time::INFINITE } else { time(row.expire) };
    let over = row.valid_lifetime == 0;
    let (state, start_of_state) = match (over, row.state) {
        (false, KeaState::Assigned) => (State::Active, Start::Entered(last_transaction)),
        (false, KeaState::Declined) => (State::Abandoned, Start::Entered(last_transaction)),
        (false, KeaState::Reclaimed) => (State::Expired, Start::Entered(expires)),
        (false, KeaState::Released) | (true, KeaState::Assigned | KeaState::Released) => (State::Released, Start::Seen),
        (true, KeaState::Declined | KeaState::Reclaimed) => (State::Available, Start::Seen),
    };
    let mut update = Update {
        start_of_state,
        client_id: present(&row.client_id),
        last_transaction: Some(last_transaction),
        expires: (!over).then_some(expires),
        relay_info: present(&row.relay_info),
        remote_id: listed.remote_ids.first().copied(),
        relay_id: listed.relay_ids.first().copied(),
        more_remote_ids: listed.remote_ids.get(1..).unwrap_or_default(),
        more_relay_ids: listed.relay_ids.get(1..).unwrap_or_default(),
        options: listed.options,
        // The end of a lease that nobody was told of is no news, and up to three rows tell of the same end.
        if_known: over,
        ..Update::new(F::key(row, vpn), state)
    };
    F::complete(&mut update, row, bytes, last_transaction, store, config);
    update
}

/// A time of Kea's, on our scale.
pub(super) fn time(seconds: i64) -> Time {
    Time(u32::try_from(seconds.clamp(0, i64::from(u32::MAX) - 1)).unwrap_or_default())
}

#[cfg(test)]
mod tests;
