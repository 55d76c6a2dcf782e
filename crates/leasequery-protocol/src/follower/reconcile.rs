//! What a server says, beside what was known. The store judges whether somebody else said better.

use leasequery_store::{Binding, Key, Outcome, SourceId, Start, Store, Time, Update};

use super::{Change, Origin, Told};

/// Seconds by which times may differ that are the same: each was cut to whole seconds by two clocks.
const ROUNDING: u32 = 1;

/// Takes what a source says into the store. `None` if the store cannot take it.
pub(super) fn take<K: Key>(
    mut update: Update<'_, K>,
    origin: Origin,
    source: SourceId,
    store: &mut Store<K>,
) -> Option<Told<K>> {
    let key = update.key;
    let old = store.lookup(key);
    if old.is_none() && origin == Origin::Sweep && is_forgotten(&update, store) {
        return Some(Told { key, change: Change::None, free_since: None });
    }
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

/// Whether a lease ended before the history that is kept: whoever remembers it longer tells of it in every sweep, and it
/// would come and go here each time, as a change.
fn is_forgotten<K: Key>(update: &Update<'_, K>, store: &Store<K>) -> bool {
    update.state.is_ended() && matches!(update.start_of_state, Start::Given(time) if time < store.history_floor())
}

/// Whether everything but the times is as it was.
fn is_same_lease<K: Key>(update: &Update<'_, K>, old: &Binding<'_, K>) -> bool {
    update.state == old.state()
        && update.hardware == old.hardware()
        && update.client_id == old.client_id()
        && update.relay_info == old.relay_info()
        && update.remote_there == old.is_remote_there()
        && update.options.iter().copied().eq(old.options())
}

/// Keeps the times that are stored where those that were told mean the same.
fn settle_times<K: Key>(update: &mut Update<'_, K>, old: &Binding<'_, K>, now: Time, origin: Origin) {
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
        // What has passed is told of no more, or as of now.
        if time.is_none_or(|told| told <= now) && stored.is_some_and(|stored| stored <= now.plus(ROUNDING)) {
            *time = stored;
        }
    }
}

#[cfg(test)]
mod tests;
