use std::net::Ipv4Addr;

use leasequery_store::{Budget, Settings, State, SweepEnd, V4Key};

use super::*;

const NOW: Time = Time(1_700_000_000);
/// How long ago the store began to look.
const LOOKING: u32 = 3600;

/// What is taken of a lease that ended some seconds ago, of which something was known or not.
fn told(ago: u32, known: bool, origin: Origin) -> Change {
    let mut store = Store::new(Settings::default());
    store.advance(NOW.minus(LOOKING + 1));
    store.advance(NOW);
    let source = store.source("test").unwrap();
    let key = V4Key::new(Ipv4Addr::new(192, 0, 2, 1));
    if known {
        store.commit(source, &Update::new(key, State::Active));
    }
    let ended = Update { start_of_state: Start::Given(NOW.minus(ago)), ..Update::new(key, State::Released) };
    take(ended, origin, source, &mut store).unwrap().change
}

#[test]
fn what_has_been_forgotten_is_not_learned_again() {
    assert_eq!(told(LOOKING, false, Origin::Sweep), Change::Lease);
    assert_eq!(told(LOOKING + 1, false, Origin::Sweep), Change::None, "it will be told in every sweep");
    assert_eq!(told(LOOKING + 1, true, Origin::Sweep), Change::Lease, "that it has ended is news");
    assert_eq!(told(LOOKING + 1, false, Origin::CatchUp), Change::Lease, "somebody may wait for it who knew of it");
}

#[test]
fn an_earlier_end_counts_no_more_once_its_source_told_everything_without_it() {
    let mut store = Store::new(Settings::default());
    store.advance(NOW);
    let [first, second] = ["first", "second"].map(|name| store.source(name).unwrap());
    let key = V4Key::new(Ipv4Addr::new(192, 0, 2, 1));
    let heard = |state, ago| Update { last_transaction: Some(NOW.minus(ago)), ..Update::new(key, state) };
    let told = |update, origin, source: SourceId, store: &mut Store<V4Key>| {
        take(update, origin, source, store).unwrap().change
    };
    assert_eq!(told(heard(State::Released, 10), Origin::Live, first, &mut store), Change::Lease);
    assert_eq!(told(heard(State::Active, 20), Origin::Sweep, second, &mut store), Change::None);
    store.begin_sweep(first);
    let mut end = SweepEnd::default();
    assert!(store.end_sweep(first, &mut end, &Budget::new(64)));
    assert_eq!(end.ended(), 0, "it is over as it was");
    assert_eq!(told(heard(State::Active, 20), Origin::Sweep, second, &mut store), Change::Lease);
}
