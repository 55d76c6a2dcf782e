//! What a server says, put into a store beside what others say.

use leasequery_store::{Outcome, SourceId, Start, State, Store, Update, V4Key, VpnIndex, VpnName};
use leasequery_wire::v4::Vpn;

use crate::follower::reconcile;
use crate::follower::{Change, Origin, Told};
use crate::requestor::v4::Record;

/// Takes a record into the store as what its source says. In an answer to a bulk query a
/// record without a client is an address that is merely configured. `None` if the store cannot take it.
pub(super) fn commit(
    record: &Record<'_>,
    origin: Origin,
    source: SourceId,
    store: &mut Store<V4Key>,
) -> Option<Told<V4Key>> {
    let vpn = match record.vpn() {
        None => VpnIndex::DEFAULT,
        Some(vpn) => store.vpn(Some(source), &vpn_name(vpn)?)?,
    };
    let key = V4Key { vpn, address: record.address() };
    let state = State::from_number(record.state().0).unwrap_or(State::Available);
    // That an address is available, and no more, is said of what is configured. Any other end was a lease's.
    let bare = record.hardware().is_none() && record.client_id().is_none() && state == State::Available;
    if origin.is_bulk() && bare {
        // That is no word about a lease, but says that there is none.
        let change = match store.withdraw(source, key) {
            Outcome::Committed(_) => Change::Lease,
            Outcome::Unchanged | Outcome::Refused => Change::None,
        };
        return Some(Told { key, change, free_since: Some(record.times().start_of_state.unwrap_or(store.now())) });
    }
    let relay = record.relay_agent_information();
    let mut options: Vec<(u16, &[u8])> = record.options().map(|(code, value)| (u16::from(code.0), value)).collect();
    options.sort_by_key(|(code, _)| *code);
    options.dedup_by_key(|(code, _)| *code);
    let times = record.times();
    let update = Update {
        start_of_state: times.start_of_state.map_or(Start::Seen, Start::Given),
        hardware: record.hardware(),
        client_id: record.client_id(),
        last_transaction: times.last_transaction,
        expires: times.expires,
        renews: times.renews,
        rebinds: times.rebinds,
        relay_info: record.relay_info(),
        remote_id: relay.and_then(|relay| relay.remote_id()),
        relay_id: relay.and_then(|relay| relay.relay_id()),
        options: &options,
        // Whatever the server says of itself: it is not this one (RFC 6926 section 6.2.8).
        remote: true,
        remote_there: record.is_remote(),
        whole: true,
        ..Update::new(key, state)
    };
    reconcile::take(update, origin, source, store)
}

pub(super) fn vpn_name(vpn: Vpn<'_>) -> Option<VpnName> {
    match vpn {
        Vpn::Name(name) => Some(VpnName::Name(name.into())),
        Vpn::Id(id) => Some(VpnName::Id(id)),
        Vpn::Default | Vpn::All => None,
    }
}

#[cfg(test)]
mod tests;
