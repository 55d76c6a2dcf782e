//! What has to hold when all is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use leasequery_store::{BACK, Budget, Entry, Selector, State, Store, Time, VpnRange};

use crate::copy::{Contact, Name, POLL, SWEEP, Seen, is_ended};
use crate::family::{Family, Row};
use crate::node::{Local, Node, Role};
use crate::tree::Tree;
use crate::world::Context;

/// Seconds by which times may differ: they went through two clocks in whole seconds, and clocks drift by two more before
/// all times are asked for anew.
pub(crate) const TOLERANCE: i64 = 5;
/// The same where nobody asks anew: a reader that stopped when it first heard of a server takes its clock for late.
pub(crate) const COARSE: i64 = 100;

/// Seconds by which, besides, one time has to be later than another so that it decides which record is better.
const ROUNDING: i64 = 3;
/// Seconds until what was told is asked for again.
const LATELY: i64 = (SWEEP.as_secs() + POLL.as_secs() + SLOW.as_secs()).cast_signed();
/// How long it may take to be answered on a slow line.
const SLOW: Duration = Duration::from_secs(20);

impl<F: Family> Tree<F> {
    /// What has to hold in the end.
    pub(crate) fn check(&self, context: &Context) -> Result<(), String> {
        for (number, node) in self.nodes.iter().enumerate() {
            if let (Some(disk), Some(process)) = (&node.disk, &node.process) {
                disk.check(&process.store).map_err(|problem| format!("{}: {problem}", Self::title(number)))?;
            }
            if let Some(process) = &node.process {
                let mut serving = process.serving.iter();
                serving
                    .try_for_each(|serving| serving.check_holders(&process.store))
                    .map_err(|problem| format!("{}: {problem}", Self::title(number)))?;
            }
            check_clock(node, context)
                .and_then(|()| check_file(node, context))
                .map_err(|problem| format!("{}: {problem}", Self::title(number)))?;
        }
        let followers = (0..self.nodes.len()).filter(|number| !self.nodes[*number].upstreams.is_empty());
        for number in followers {
            let node = &self.nodes[number];
            let role = match &node.role {
                Role::Root(_) => "root",
                Role::Mirror => "mirror",
                Role::Watcher { keeps: true, .. } => "watcher with a state file",
                Role::Watcher { .. } => "watcher",
            };
            self.check_node(node, context)
                .map_err(|problem| format!("{} ({role} of {:?}): {problem}", Self::title(number), node.upstreams))?;
        }
        Ok(())
    }

    fn check_node(&self, node: &Node<F>, context: &Context) -> Result<(), String> {
        let process = node.process.as_ref().ok_or("does not run")?;
        let wall = node.clock.wall(context.now);
        let mut servers = Vec::new();
        for following in &process.following {
            let server = &self.nodes[following.server];
            if !following.follower.is_live() && server.active {
                return Err(format!("does not follow node {}: {:?}", following.server, following.follower));
            }
            let store = &server.process.as_ref().ok_or("a server does not run")?.store;
            servers.push((store, i64::from(server.clock.wall(context.now).0) - i64::from(wall.0)));
        }
        if matches!(node.role, Role::Mirror) && !context.faithful {
            F::compare_configured(&process.store, &servers)?;
        }
        let servers: Vec<_> = servers.into_iter().map(|(store, ahead)| (view::<F>(store), ahead)).collect();
        match &node.role {
            Role::Watcher { reader, .. } => compare(&reader.known, &servers, wall, self.leeway(node, context)),
            _ => compare(&copied::<F>(&process.store), &servers, wall, self.leeway(node, context)),
        }
    }

    /// How much a copy may differ.
    fn leeway(&self, node: &Node<F>, context: &Context) -> Leeway {
        // What was told before it began it does not ask for again.
        let resumed = matches!(&node.role, Role::Watcher { reader, .. } if reader.old_times);
        let times = match context.faithful {
            _ if resumed => None,
            true => Some(COARSE),
            false => Some(TOLERANCE),
        };
        // Mirrors end leases by themselves.
        let watches = matches!(node.role, Role::Watcher { .. });
        let polls = watches && node.upstreams.iter().any(|server| !self.nodes[*server].active);
        let late = match (polls, context.faithful) {
            (false, _) => Duration::ZERO,
            (true, true) => POLL + SLOW,
            // The end may be forgotten before the next poll, and then it is found by asking for everything.
            (true, false) => SWEEP + POLL + SLOW,
        };
        Leeway {
            times,
            ends: TOLERANCE + late.as_secs().cast_signed(),
            bygone_contacts: F::SHARES_CONTACTS && (context.faithful || resumed),
        }
    }
}

/// Whether a server goes by today's clock, whatever it showed before.
fn check_clock<F: Family>(node: &Node<F>, context: &Context) -> Result<(), String> {
    let Some(process) = node.process.as_ref().filter(|_| !matches!(node.role, Role::Watcher { .. })) else {
        return Ok(());
    };
    let (store, wall) = (&process.store, node.clock.wall(context.now));
    if store.now().0.abs_diff(wall.0) > BACK + 5 {
        return Err(format!("it takes {wall} for {}", store.now()));
    }
    let budget = Budget::unlimited();
    for entry in store.scan(Selector::All, VpnRange::All, None, &budget) {
        let Entry::Bound(binding) = entry else { continue };
        let Some(ends) = binding.expires() else { continue };
        let ran_out = binding.state() == State::Expired && binding.start_of_state() == ends;
        if ran_out && ends > store.now() || binding.state() == State::Active && ends < store.wall() {
            let (key, state) = (binding.key(), binding.state());
            return Err(format!("{key:?} is {state:?} at {wall} and runs out at {ends}"));
        }
    }
    Ok(())
}

/// Whether a root knows of the leases that are in its lease file, and of no others.
fn check_file<F: Family>(node: &Node<F>, context: &Context) -> Result<(), String> {
    let (Role::Root(Local::File { rows, .. }), Some(process)) = (&node.role, &node.process) else { return Ok(()) };
    let (store, wall) = (&process.store, node.clock.wall(context.now));
    let last: BTreeMap<_, _> = rows.iter().map(|row| (row.name(), row.leased_until())).collect();
    let budget = Budget::unlimited();
    let active = store.scan(Selector::All, VpnRange::All, None, &budget).filter_map(|entry| match entry {
        Entry::Bound(binding) if binding.state() == State::Active => {
            Some((F::name(binding.key(), store), Some(binding.expires().unwrap_or(Time::INFINITE))))
        }
        Entry::Bound(_) | Entry::Free { .. } => None,
    });
    let active: BTreeMap<_, _> = active.collect();
    for name in last.keys().chain(active.keys()) {
        let [known, said] = [&active, &last].map(|leases| leases.get(name).copied().flatten());
        let lasts = |until: Option<Time>| until.filter(|until| *until > wall.plus(BACK));
        if known != said && (lasts(known).is_some() || lasts(said).is_some()) {
            return Err(format!("{name}: in the file it is leased until {said:?}, and known until {known:?}"));
        }
    }
    Ok(())
}

/// What a server says about an address or prefix.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) seen: Seen,
    /// What it may tell as the last that was heard of the client.
    pub(crate) contacts: Vec<Contact>,
}

/// What a server says, and by how many seconds its clock is ahead of the copy's.
pub(crate) type Server = (BTreeMap<Name, Said>, i64);

/// What a server says about all that is not free.
pub(crate) fn view<F: Family>(store: &Store<F::Key>) -> BTreeMap<Name, Said> {
    let budget = Budget::unlimited();
    let bound = store.scan(Selector::All, VpnRange::All, None, &budget).filter_map(|entry| match entry {
        Entry::Bound(binding) => {
            let seen = F::seen_of(&binding, false)?;
            Some((F::name(binding.key(), store), Said { seen, contacts: F::contacts(&binding, store) }))
        }
        Entry::Free { .. } => None,
    });
    bound.collect()
}

/// What a copy has in its store.
pub(crate) fn copied<F: Family>(store: &Store<F::Key>) -> BTreeMap<Name, Seen> {
    let budget = Budget::unlimited();
    let bound = store.scan(Selector::All, VpnRange::All, None, &budget).filter_map(|entry| match entry {
        Entry::Bound(binding) => Some((F::name(binding.key(), store), F::seen_of(&binding, true)?)),
        Entry::Free { .. } => None,
    });
    bound.collect()
}

/// How much a copy may differ from its servers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leeway {
    /// Seconds by which times may differ; `None` is as they like.
    pub(crate) times: Option<i64>,
    /// Seconds from the end of a lease until the copy has to know of it.
    pub(crate) ends: i64,
    /// What was heard last of a client may have been about a lease that is somebody else's now, and nobody asks again.
    pub(crate) bygone_contacts: bool,
}

/// Compares a copy with what its servers say.
pub(crate) fn compare(
    copy: &BTreeMap<Name, Seen>,
    servers: &[Server],
    wall: Time,
    leeway: Leeway,
) -> Result<(), String> {
    let names: BTreeSet<&Name> = copy.keys().chain(servers.iter().flat_map(|(server, _)| server.keys())).collect();
    for name in names {
        let here = copy.get(name).map(|seen| (seen, 0));
        let there = servers.iter().filter_map(|(server, ahead)| Some((&server.get(name)?.seen, *ahead)));
        if here.into_iter().chain(there).any(|(seen, ahead)| is_ending(seen, wall, ahead, leeway.ends)) {
            continue;
        }
        let mine = copy.get(name).filter(|seen| !is_ended(seen.state));
        let theirs: Vec<_> = servers
            .iter()
            .map(|(server, ahead)| Some((server.get(name).filter(|said| !is_ended(said.seen.state))?, *ahead)))
            .collect();
        let agrees = |mine: &Seen, said: &Said, ahead: i64| agrees(mine, said, ahead, wall, leeway);
        let equal = match (mine, best(name, servers, wall, leeway)) {
            // One of them has the better record, and it is a lease.
            (_, Some((best, ahead))) if !is_ended(best.seen.state) => {
                mine.is_some_and(|mine| agrees(mine, best, ahead))
            }
            // What the copy knows to be over may be over there and forgotten, and what one of the servers knows to be over
            // may be over here and forgotten.
            (None, None) if copy.contains_key(name) => theirs.iter().any(Option::is_none),
            (None, None) => {
                let said: Vec<_> = servers.iter().filter_map(|(server, _)| server.get(name)).collect();
                said.is_empty() || said.iter().any(|said| is_ended(said.seen.state))
            }
            (None, Some(_)) => true,
            (Some(mine), _) => theirs.iter().flatten().any(|(said, ahead)| agrees(mine, said, *ahead)),
        };
        if !equal {
            return Err(format!("{name}: the copy has {:?}, the servers have {theirs:?}", copy.get(name)));
        }
    }
    Ok(())
}

/// The record that has to be believed, with the seconds by which its server's clock is ahead: that of the only server, or
/// the one by which the client was heard later. `None` if somebody has none, or times do not decide it.
fn best<'a>(name: &Name, servers: &'a [Server], wall: Time, leeway: Leeway) -> Option<(&'a Said, i64)> {
    let said: Vec<_> =
        servers.iter().map(|(server, ahead)| Some((server.get(name)?, *ahead))).collect::<Option<_>>()?;
    if let [only] = *said {
        return Some(only);
    }
    if leeway.bygone_contacts {
        return None;
    }
    let distance = leeway.times.unwrap_or(COARSE) + ROUNDING;
    let time =
        |contact: &Contact, (said, ahead): (&Said, i64)| Some(i64::from(contact.heard.or(said.seen.start)?.0) - ahead);
    let earliest = |said: (&Said, i64)| said.0.contacts.iter().filter_map(|contact| time(contact, said)).min();
    let latest = |said: (&Said, i64)| said.0.contacts.iter().filter_map(|contact| time(contact, said)).max();
    // A time that had not come yet by its clock was told as of then, each time it was told.
    if said.iter().any(|(said, now)| {
        said.contacts
            .iter()
            .any(|contact| time(contact, (*said, *now)).is_some_and(|time| time > i64::from(wall.0) - LATELY))
    }) {
        return None;
    }
    let best = said.iter().copied().max_by_key(|said| earliest(*said))?;
    let mut others = said.iter().filter(|other| !std::ptr::eq(other.0, best.0));
    let clear = others.all(|other| latest(*other).is_some_and(|time| Some(time + distance) < earliest(best)));
    clear.then_some(best)
}

/// Whether it ends about now, which one clock says a moment before the other, or ended so lately that it may not have been
/// told yet.
pub(crate) fn is_ending(seen: &Seen, wall: Time, ahead: i64, late: i64) -> bool {
    seen.expires.is_some_and(|ends| (-late..=TOLERANCE).contains(&(i64::from(ends.0) - ahead - i64::from(wall.0))))
}

fn agrees(mine: &Seen, said: &Said, ahead: i64, wall: Time, leeway: Leeway) -> bool {
    let theirs = &said.seen;
    let near = |mine: Option<Time>, theirs: Option<Time>, past: bool| match (mine, theirs) {
        (Some(mine), Some(theirs)) if mine == Time::INFINITE || theirs == Time::INFINITE => mine == theirs,
        // What had not come yet by their clock when it was told, because that was wrong before, was told as of then.
        (Some(mine), Some(theirs)) if past && i64::from(theirs.0) - ahead > i64::from(wall.0) - LATELY => mine <= wall,
        (Some(mine), Some(theirs)) => {
            let apart = (i64::from(theirs.0) - ahead - i64::from(mine.0)).abs();
            leeway.times.is_none_or(|tolerance| apart <= tolerance)
        }
        (None, None) => true,
        _ => false,
    };
    // What is preferred no longer is told as just that.
    let passed = |time: Option<Time>, ahead: i64| {
        time.is_some_and(|time| i64::from(time.0) - ahead <= i64::from(wall.0) + leeway.times.unwrap_or(COARSE))
    };
    (mine.state, &mine.hardware, &mine.client_id, mine.remote)
        == (theirs.state, &theirs.hardware, &theirs.client_id, theirs.remote)
        && near(mine.start, theirs.start, true)
        && near(mine.expires, theirs.expires, false)
        && (near(mine.preferred, theirs.preferred, false)
            || passed(mine.preferred, 0) && passed(theirs.preferred, ahead))
        && (contact_agrees(&mine.contact, said, |mine, theirs| near(mine, theirs, true))
            || leeway.bygone_contacts && may_be_bygone(mine, said, ahead, leeway.times))
}

/// Whether it is what was heard last of the client, about this lease or another one.
fn contact_agrees(mine: &Contact, said: &Said, near: impl Fn(Option<Time>, Option<Time>) -> bool) -> bool {
    let mut contacts = said.contacts.iter();
    contacts.any(|theirs| near(mine.heard, theirs.heard) && mine.relay_info == theirs.relay_info)
        && said.contacts.iter().any(|theirs| mine.options == theirs.options)
}

/// Whether it was heard of this client, and not before what the server has about the lease itself. What relays say
/// names the client.
fn may_be_bygone(mine: &Seen, said: &Said, ahead: i64, tolerance: Option<i64>) -> bool {
    let heard = |contact: &Contact| contact.heard.map_or(0, |heard| i64::from(heard.0));
    let (relay_info, client) = (&mine.contact.relay_info, &mine.client_id);
    let not_before = heard(&said.seen.contact) - ahead;
    tolerance.is_none_or(|tolerance| heard(&mine.contact) >= not_before - tolerance)
        && (relay_info.is_empty() || relay_info.windows(client.len()).any(|octets| octets == client))
}
