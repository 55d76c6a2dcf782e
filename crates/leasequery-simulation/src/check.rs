//! What has to hold when all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use leasequery_store::{Entry, Selector, Store, Time, V4Key, VpnIndex, VpnRange};

use crate::copy::{Name, Seen, is_ended, name};

/// Seconds by which times may differ: they went through two clocks in whole seconds, and clocks drift by two more before
/// all times are asked for anew.
pub(crate) const TOLERANCE: i64 = 5;
/// The same where nobody asks anew: a reader that stopped when it first heard of a server takes its clock for late.
pub(crate) const COARSE: i64 = 100;

/// Seconds by which, besides, one time has to be later than another so that it decides which record is better.
const ROUNDING: i64 = 3;

/// What a server says about each address that is not free.
pub(crate) fn view(store: &Store<V4Key>, there: bool) -> BTreeMap<Name, Seen> {
    let bound = store.scan(Selector::All, VpnRange::All, None).filter_map(|entry| match entry {
        Entry::Bound(binding) => Some((name(binding.key(), store), Seen::of_binding(&binding, there))),
        Entry::Free { .. } => None,
    });
    bound.collect()
}

/// Compares the addresses that are configured: a copy knows all that a server could lease, and of those where there were
/// no leases, no others.
pub(crate) fn compare_configured(
    copy: &Store<V4Key>,
    servers: &[(&Store<V4Key>, i64)],
    never_leased: impl Iterator<Item = V4Key>,
) -> Result<(), String> {
    for (server, _) in servers {
        for entry in server.scan(Selector::All, VpnRange::One(VpnIndex::DEFAULT), None) {
            if let Entry::Free { key, .. } = entry
                && copy.lookup(key).is_none()
                && !copy.is_configured(key)
            {
                return Err(format!("{} is configured, but not in the copy", key.address));
            }
        }
    }
    for key in never_leased {
        let mine = since(copy, key);
        let theirs = servers.iter().filter_map(|(server, ahead)| Some(since(server, key)? - ahead)).min();
        // One that was taken out and put in again between two sweeps has been there all the time, for all the copy knows.
        if mine.is_some() != theirs.is_some()
            || mine.zip(theirs).is_some_and(|(mine, theirs)| mine > theirs + TOLERANCE)
        {
            return Err(format!("{} is configured since {theirs:?}, in the copy since {mine:?}", key.address));
        }
    }
    Ok(())
}

/// Since when an address is configured that has never been leased.
fn since(store: &Store<V4Key>, key: V4Key) -> Option<i64> {
    let entry = store.scan(Selector::All, VpnRange::One(key.vpn), None).find(|entry| entry.key() == key)?;
    match entry {
        Entry::Free { since, .. } => Some(i64::from(since.0)),
        Entry::Bound(_) => None,
    }
}

/// How much a copy may differ from its servers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leeway {
    /// Seconds by which times may differ; `None` is as they like.
    pub(crate) times: Option<i64>,
    /// Seconds from the end of a lease until the copy has to know of it.
    pub(crate) ends: i64,
}

/// Compares a copy with what its servers say, each with the seconds by which its clock is ahead of the copy's.
pub(crate) fn compare(
    copy: &BTreeMap<Name, Seen>,
    servers: &[(BTreeMap<Name, Seen>, i64)],
    wall: Time,
    leeway: Leeway,
) -> Result<(), String> {
    let tolerance = leeway.times;
    let names: BTreeSet<&Name> = copy.keys().chain(servers.iter().flat_map(|(server, _)| server.keys())).collect();
    for name in names {
        let here = copy.get(name).map(|seen| (seen, 0));
        let there = servers.iter().filter_map(|(server, ahead)| Some((server.get(name)?, *ahead)));
        if here.into_iter().chain(there).any(|(seen, ahead)| is_ending(seen, wall, ahead, leeway.ends)) {
            continue;
        }
        let mine = copy.get(name).filter(|seen| !is_ended(seen.state));
        let theirs: Vec<_> = servers
            .iter()
            .map(|(server, ahead)| server.get(name).filter(|seen| !is_ended(seen.state)).map(|seen| (seen, *ahead)))
            .collect();
        let best = best(name, servers, tolerance.unwrap_or(COARSE));
        let equal = match (mine, best) {
            // One of them has the better record, and it is a lease.
            (_, Some((best, ahead))) if !is_ended(best.state) => {
                mine.is_some_and(|mine| agrees(mine, best, ahead, tolerance))
            }
            // What the copy knows to be over may be over there and forgotten, and what one of the servers knows to be over
            // may be over here and forgotten.
            (None, None) if copy.contains_key(name) => theirs.iter().any(Option::is_none),
            (None, None) => {
                let said: Vec<_> = servers.iter().filter_map(|(server, _)| server.get(name)).collect();
                said.is_empty() || said.iter().any(|seen| is_ended(seen.state))
            }
            (None, Some(_)) => true,
            (Some(mine), _) => theirs.iter().flatten().any(|(seen, ahead)| agrees(mine, seen, *ahead, tolerance)),
        };
        if !equal {
            return Err(format!("{name:?}: the copy has {:?}, the servers have {theirs:?}", copy.get(name)));
        }
    }
    Ok(())
}

/// The record that has to be believed, with the seconds by which its server's clock is ahead: that of the only server, or
/// the one by which the client was heard later. `None` if somebody has none, or times do not decide it.
fn best<'a>(name: &Name, servers: &'a [(BTreeMap<Name, Seen>, i64)], tolerance: i64) -> Option<(&'a Seen, i64)> {
    let said: Vec<_> =
        servers.iter().map(|(server, ahead)| Some((server.get(name)?, *ahead))).collect::<Option<_>>()?;
    let heard = |&(seen, ahead): &(&Seen, i64)| {
        let [start, last_transaction, _] = seen.times;
        Some(i64::from(last_transaction.or(start)?.0) - ahead)
    };
    let best = said.iter().copied().max_by_key(heard)?;
    let others = said.iter().filter(|other| !std::ptr::eq(other.0, best.0));
    let clear =
        others.clone().all(|other| heard(other).is_some_and(|time| Some(time + tolerance + ROUNDING) < heard(&best)));
    clear.then_some(best)
}

/// Whether it ends about now, which one clock says a moment before the other, or ended so lately that it may not have been
/// told yet.
fn is_ending(seen: &Seen, wall: Time, ahead: i64, late: i64) -> bool {
    seen.times[2].is_some_and(|ends| (-late..=TOLERANCE).contains(&(i64::from(ends.0) - ahead - i64::from(wall.0))))
}

fn agrees(mine: &Seen, theirs: &Seen, ahead: i64, tolerance: Option<i64>) -> bool {
    let near = |(mine, theirs): (&Option<Time>, &Option<Time>)| match (mine, theirs) {
        (Some(mine), Some(theirs)) => {
            let apart = (i64::from(theirs.0) - ahead - i64::from(mine.0)).abs();
            tolerance.is_none_or(|tolerance| apart <= tolerance)
        }
        (None, None) => true,
        _ => false,
    };
    (mine.state, &mine.hardware, &mine.client_id, &mine.relay_info, &mine.options, mine.remote)
        == (theirs.state, &theirs.hardware, &theirs.client_id, &theirs.relay_info, &theirs.options, theirs.remote)
        && mine.times.iter().zip(&theirs.times).all(near)
}
