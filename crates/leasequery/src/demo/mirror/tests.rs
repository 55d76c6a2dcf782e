use std::net::Ipv4Addr;

use leasequery_store::{Hardware, Network, Time, Update};

use super::*;

const NOW: u32 = 1_795_168_800;

fn key(last: u8) -> V4Key {
    V4Key::new(Ipv4Addr::new(10, 0, 0, last))
}

fn fill(store: &mut Store<V4Key>) {
    store.set_networks(None, &[Network { first: key(1), last: key(4), since: Time(NOW) }]);
    lease(store, 2, NOW + 3600);
}

fn lease(store: &mut Store<V4Key>, last: u8, expires: u32) {
    let update = Update {
        hardware: Some(Hardware { htype: 1, address: &[2, 0, 0, 0, 0, last] }),
        expires: Some(Time(expires)),
        start_of_state: leasequery_store::Start::Given(Time(NOW)),
        ..Update::new(key(last), State::Active)
    };
    store.commit(SOURCE, &update);
}

/// Whether a copy equals what it was made of, with a change in one of them.
fn equal(change: impl Fn(&mut Store<V4Key>)) -> bool {
    let mirror = Mirror::<V4>::new();
    mirror.shared.write(fill);
    let settings = leasequery_store::Settings { expire: false, ..leasequery_store::Settings::default() };
    let mut store = Store::new(settings);
    store.advance(Time(NOW));
    store.source("test");
    fill(&mut store);
    change(&mut store);
    mirror.equals(&store)
}

#[test]
fn each_kind_of_difference_is_found() {
    assert!(equal(|_| {}));
    assert!(!equal(|store| lease(store, 3, NOW + 3600)), "another lease");
    assert!(!equal(|store| lease(store, 2, NOW + 3602)), "another end");
    assert!(equal(|store| lease(store, 2, NOW + 3601)), "a second is what clocks differ by");
    let wider = Network { first: key(1), last: key(5), since: Time(NOW) };
    assert!(!equal(|store| store.set_networks(None, &[wider])), "an address more");
}

#[test]
fn addresses_and_leases_are_counted() {
    let mirror = Mirror::<V4>::new();
    mirror.shared.write(fill);
    assert_eq!(mirror.counts(), (4, 1));
}
