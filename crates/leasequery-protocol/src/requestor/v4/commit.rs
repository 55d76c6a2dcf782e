//! What a server says, put into a store beside what others say.

use leasequery_store::{Binding, Outcome, SourceId, Start, State, Store, Time, Update, V4Key, VpnIndex, VpnName};
use leasequery_wire::v4::Vpn;

use super::Record;
use crate::follower::{Change, Origin, Told};

/// Seconds by which times may differ that are the same: each was cut to whole seconds by two clocks.
const ROUNDING: u32 = 1;
/// Seconds by which one time has to be later than another for its record to be the better one.
const LATER: u32 = 2;

/// Takes a record into the store as what its source says, if nobody else said better. In an answer to a bulk query a
/// record without a client is an address that is merely configured. `None` if the store cannot take it.
pub(super) fn commit(
    record: &Record<'_>,
    origin: Origin,
    source: SourceId,
    store: &mut Store<V4Key>,
) -> Option<Told<V4Key>> {
    let vpn = match record.vpn() {
        None => VpnIndex::DEFAULT,
        Some(vpn) => store.vpn(&vpn_name(vpn)?)?,
    };
    let key = V4Key { vpn, address: record.address() };
    let state = State::from_number(record.state().0).unwrap_or(State::Available);
    let bare = record.hardware().is_none() && record.client_id().is_none() && state.is_ended();
    if origin.is_bulk() && bare {
        let change = end(key, source, store);
        return Some(Told { key, change, free_since: Some(record.times().start_of_state.unwrap_or(store.now())) });
    }
    let old = store.lookup(key);
    let others = old.filter(|old| old.source() != source && old.source() != SourceId::NOBODY);
    if others.is_some_and(|old| !is_better(record, state, source, &old)) {
        return Some(Told { key, change: Change::None, free_since: None });
    }
    let relay = record.relay_agent_information();
    let mut options: Vec<(u16, &[u8])> = record.options().map(|(code, value)| (u16::from(code.0), value)).collect();
    options.sort_by_key(|(code, _)| *code);
    options.dedup_by_key(|(code, _)| *code);
    let times = record.times();
    let mut update = Update {
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
    let mut same = false;
    if let Some(old) = old {
        same = is_same_lease(&update, &old);
        settle_times(&mut update, &old, store.now(), origin);
    }
    let change = match store.commit(source, &update) {
        Outcome::Committed(_) if same => Change::Times,
        Outcome::Committed(_) => Change::Lease,
        Outcome::Unchanged => Change::None,
        Outcome::Refused => return None,
    };
    Some(Told { key, change, free_since: None })
}

pub(super) fn vpn_name(vpn: Vpn<'_>) -> Option<VpnName> {
    match vpn {
        Vpn::Name(name) => Some(VpnName::Name(name.into())),
        Vpn::Id(id) => Some(VpnName::Id(id)),
        Vpn::Default | Vpn::All => None,
    }
}

/// Ends the lease of an address that its own source calls free, which is no word against what others say.
fn end(key: V4Key, source: SourceId, store: &mut Store<V4Key>) -> Change {
    if store.lookup(key).is_none_or(|old| old.source() != source || old.state().is_ended()) {
        return Change::None;
    }
    match store.end_lease(SourceId::NOBODY, key, State::Available) {
        Outcome::Committed(_) => Change::Lease,
        Outcome::Unchanged | Outcome::Refused => Change::None,
    }
}

/// Whether a record is better than what another source said (RFC 6926 section 7.6).
fn is_better(record: &Record<'_>, state: State, source: SourceId, old: &Binding<'_, V4Key>) -> bool {
    let times = record.times();
    let (new_time, old_time) = match (times.last_transaction, old.last_transaction()) {
        (None, None) => (times.start_of_state, old.start_of_state()),
        (new, old_time) => (new.or(times.start_of_state), old_time.unwrap_or(old.start_of_state())),
    };
    if let Some(new_time) = new_time.filter(|time| time.0.abs_diff(old_time.0) > LATER) {
        return new_time > old_time;
    }
    let local = (!record.is_remote(), !old.is_remote_there());
    if local.0 != local.1 {
        return local.0;
    }
    // That leaves it open. A lease is more than no lease; and whoever is listed first has the last word, so that the
    // outcome does not depend on who spoke last.
    let active = (state == State::Active, old.state() == State::Active);
    if active.0 != active.1 {
        return active.0;
    }
    source.0 < old.source().0
}

/// Whether everything but the times is as it was.
fn is_same_lease(update: &Update<'_, V4Key>, old: &Binding<'_, V4Key>) -> bool {
    update.state == old.state()
        && update.hardware == old.hardware()
        && update.client_id == old.client_id()
        && update.relay_info == old.relay_info()
        && update.remote_there == old.is_remote_there()
        && update.options.iter().copied().eq(old.options())
}

/// Keeps the times that are stored where those that were told mean the same.
fn settle_times(update: &mut Update<'_, V4Key>, old: &Binding<'_, V4Key>, now: Time, origin: Origin) {
    // What has just changed was told because it changed.
    let rounding = if origin == Origin::Live { 0 } else { ROUNDING };
    if update.state != old.state() || update.hardware != old.hardware() || update.client_id != old.client_id() {
        return;
    }
    let settle = |time: &mut Option<Time>, stored: Option<Time>| match (*time, stored) {
        (Some(told), Some(stored)) if told.0.abs_diff(stored.0) <= rounding => *time = Some(stored),
        _ => {}
    };
    if let Start::Given(told) = &mut update.start_of_state
        && told.0.abs_diff(old.start_of_state().0) <= rounding
    {
        *told = old.start_of_state();
    }
    settle(&mut update.last_transaction, old.last_transaction());
    for (time, stored) in
        [(&mut update.expires, old.expires()), (&mut update.renews, old.renews()), (&mut update.rebinds, old.rebinds())]
    {
        settle(time, stored);
        // What has passed is told of no more.
        if time.is_none() && stored.is_some_and(|stored| stored <= now.plus(ROUNDING)) {
            *time = stored;
        }
    }
}

#[cfg(test)]
mod tests;
