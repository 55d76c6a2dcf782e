//! What has to hold when all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use leasequery_store::{Entry, Selector, Store, Time, V4Key, VpnRange};

use crate::copy::{Name, Seen, is_ended, name};

/// Seconds by which times may differ: they went through two clocks in whole seconds, and clocks drift by two more before
/// all times are asked for anew.
pub(crate) const TOLERANCE: i64 = 5;
/// The same where nobody asks anew: a reader that stopped when it first heard of a server takes its clock for late.
pub(crate) const COARSE: i64 = 100;

/// What a server says about each address that is not free.
pub(crate) fn view(store: &Store<V4Key>, there: bool) -> BTreeMap<Name, Seen> {
    let bound = store.scan(Selector::All, VpnRange::All, None).filter_map(|entry| match entry {
        Entry::Bound(binding) => Some((name(binding.key(), store), Seen::of_binding(&binding, there))),
        Entry::Free { .. } => None,
    });
    bound.collect()
}

/// Compares a copy with what its servers say, each with the seconds by which its clock is ahead of the copy's; times may differ
/// by `tolerance`, or as they like.
pub(crate) fn compare(
    copy: &BTreeMap<Name, Seen>,
    servers: &[(BTreeMap<Name, Seen>, i64)],
    wall: Time,
    tolerance: Option<i64>,
) -> Result<(), String> {
    let names: BTreeSet<&Name> = copy.keys().chain(servers.iter().flat_map(|(server, _)| server.keys())).collect();
    for name in names {
        let here = copy.get(name).map(|seen| (seen, 0));
        let there = servers.iter().filter_map(|(server, ahead)| Some((server.get(name)?, *ahead)));
        if here.into_iter().chain(there).any(|(seen, ahead)| is_ending(seen, wall, ahead)) {
            continue;
        }
        let mine = copy.get(name).filter(|seen| !is_ended(seen.state));
        let theirs: Vec<_> = servers
            .iter()
            .map(|(server, ahead)| server.get(name).filter(|seen| !is_ended(seen.state)).map(|seen| (seen, *ahead)))
            .collect();
        let equal = match mine {
            None => theirs.iter().any(Option::is_none),
            Some(mine) => theirs.iter().flatten().any(|(seen, ahead)| agrees(mine, seen, *ahead, tolerance)),
        };
        if !equal {
            return Err(format!("{name:?}: the copy has {:?}, the servers have {theirs:?}", copy.get(name)));
        }
    }
    Ok(())
}

/// Whether it ends about now, which one clock says a moment before the other.
fn is_ending(seen: &Seen, wall: Time, ahead: i64) -> bool {
    seen.times[2].is_some_and(|ends| (i64::from(ends.0) - ahead - i64::from(wall.0)).abs() <= TOLERANCE)
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
