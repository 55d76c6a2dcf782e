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
//! a lease is not written at all, so the last transaction can be that much older. Kea keeps no hardware type: it is 1.

use std::ops::Range;

use leasequery_store::{Hardware, SourceId, Start, State, Store, Time, Update, V4Key, VpnIndex};
use leasequery_wire::v4::OptionCode;

use super::config::KeaConfig;
use super::row::{Header, KeaState, Row, RowError};

/// Rows to be put into the store together.
#[derive(Debug, Default)]
pub struct Batch {
    rows: Vec<Row>,
    /// The octets of all rows.
    bytes: Vec<u8>,
    /// Rows with relay information that could not be read, since the beginning.
    pub unreadable: u64,
}

const ETHERNET: u8 = 1;
/// Kea's lifetime of a lease without end.
const INFINITE: u32 = u32::MAX;
/// Updates handed to the store at a time: as many as it looks ahead.
const WINDOW: usize = 32;

impl Batch {
    /// Adds a line.
    pub fn add(&mut self, line: &[u8], header: &Header) -> Result<(), RowError> {
        let start = self.bytes.len();
        match Row::parse(line, header, &mut self.bytes) {
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
    pub fn last(&self) -> Option<&Row> {
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
        store: &mut Store<V4Key>,
        source: SourceId,
        vpn: VpnIndex,
        config: Option<&KeaConfig>,
    ) -> usize {
        let name = |row: &Row| (u16::from(OptionCode::HOST_NAME.0), &self.bytes[row.hostname.clone()]);
        let names: Vec<(u16, &[u8])> = self.rows.iter().map(name).collect();
        let mut updates = Vec::with_capacity(WINDOW);
        let mut committed = 0;
        for (row, name) in self.rows.iter().zip(&names) {
            let options = if name.1.is_empty() { &[][..] } else { std::slice::from_ref(name) };
            let mut update = update(row, &self.bytes, options, vpn, config);
            if row.valid_lifetime == 0 && row.state == KeaState::Assigned {
                // What the rows before say has to be known.
                committed += store.commit_batch(source, &updates).0;
                updates.clear();
                match store.lookup(update.key).map(|binding| binding.state()) {
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
        drop(names);
        self.clear();
        committed
    }
}

/// What a row says.
fn update<'a>(
    row: &Row,
    bytes: &'a [u8],
    options: &'a [(u16, &'a [u8])],
    vpn: VpnIndex,
    config: Option<&KeaConfig>,
) -> Update<'a, V4Key> {
    let present = |range: &Range<usize>| (!range.is_empty()).then(|| &bytes[range.clone()]);
    let last_transaction = time(row.expire - i64::from(row.valid_lifetime));
    let expires = if row.valid_lifetime == INFINITE { Time::INFINITE } else { time(row.expire) };
    let over = row.valid_lifetime == 0;
    let (state, start_of_state) = match (over, row.state) {
        (false, KeaState::Assigned) => (State::Active, Start::Entered(last_transaction)),
        (false, KeaState::Declined) => (State::Abandoned, Start::Entered(last_transaction)),
        (false, KeaState::Reclaimed) => (State::Expired, Start::Entered(expires)),
        (false, KeaState::Released) | (true, KeaState::Assigned | KeaState::Released) => (State::Released, Start::Seen),
        (true, KeaState::Declined | KeaState::Reclaimed) => (State::Available, Start::Seen),
    };
    let timers = config.filter(|_| state == State::Active).map(|c| c.timers(row.subnet_id, row.valid_lifetime));
    let after = |seconds: Option<u32>| seconds.map(|seconds| last_transaction.plus(seconds));
    Update {
        start_of_state,
        hardware: present(&row.hwaddr).map(|address| Hardware { htype: ETHERNET, address }),
        client_id: present(&row.client_id),
        last_transaction: Some(last_transaction),
        expires: (!over).then_some(expires),
        renews: after(timers.and_then(|timers| timers.0)),
        rebinds: after(timers.and_then(|timers| timers.1)),
        relay_info: present(&row.relay_info),
        remote_id: present(&row.remote_id),
        relay_id: present(&row.relay_id),
        options,
        // The end of a lease that nobody was told of is no news, and up to three rows tell of the same end.
        if_known: over,
        ..Update::new(V4Key { vpn, address: row.address }, state)
    }
}

/// A time of Kea's, on our scale.
fn time(seconds: i64) -> Time {
    Time(u32::try_from(seconds.clamp(0, i64::from(u32::MAX) - 1)).unwrap_or_default())
}

#[cfg(test)]
mod tests;
