//! query-start-time and query-end-time (RFC 6926 sections 6.2.5, 6.2.6 and 8.2).

use leasequery_store::{Network, Start, State, Time, Update};
use leasequery_wire::v4::StatusCode;

use crate::support::*;

/// Three bindings, changed in three seconds one after the other, the middle one at the time that is returned.
fn three() -> (World, Time) {
    let mut world = World::new();
    for number in 1..=3 {
        let time = NOW.plus(99 + number);
        world.store.advance(time);
        world.commit(&Update { last_transaction: Some(time), ..lease(key(number)) });
    }
    world.store.advance(NOW.plus(1000));
    (world, NOW.plus(101))
}

//= rfc6926-6.2.5-02
#[test]
fn the_start_of_the_window_counts() {
    let (world, time) = three();
    assert_eq!(world.addresses(&Query::all().since(time)), [address(2), address(3)]);
}

//= rfc6926-6.2.6-02
#[test]
fn the_end_of_the_window_counts() {
    let (world, time) = three();
    assert_eq!(world.addresses(&Query::all().until(time)), [address(1), address(2)]);
    assert_eq!(world.addresses(&Query::all().since(time).until(time)), [address(2)], "a window of one second");
}

//= rfc6926-8.2-20
#[test]
fn a_binding_changed_when_any_of_its_three_times_lies_in_the_window() {
    let mut world = World::new();
    let (start, last, learned) = (NOW.plus(100), NOW.plus(200), NOW.plus(300));
    world.store.advance(learned);
    let update = Update { last_transaction: Some(last), start_of_state: Start::Given(start), ..lease(key(1)) };
    world.commit(&update);
    world.store.advance(NOW.plus(1000));
    let told = |from: Time, to: Time| !world.addresses(&Query::all().since(from).until(to)).is_empty();
    for time in [start, last, learned] {
        assert!(told(time, time));
        assert!(!told(time.minus(2), time.minus(1)) && !told(time.plus(1), time.plus(2)));
    }
    assert!(told(NOW, NOW.plus(1000)));
}

//= rfc6926-8.2-20
#[test]
fn renewals_and_expiries_in_the_window_are_told() {
    let mut world = World::new();
    let bound = Update { hardware: Some(ethernet(&MAC_1)), expires: Some(NOW.plus(50)), ..lease(key(1)) };
    world.commit(&bound);
    world.commit(&Update { key: key(2), ..bound });
    world.commit(&Update { key: key(3), expires: Some(NOW.plus(5000)), ..bound });
    world.store.advance(NOW.plus(20));
    world.commit(&Update { expires: Some(NOW.plus(5000)), last_transaction: Some(NOW.plus(20)), ..bound });
    world.store.advance(NOW.plus(100));
    assert_eq!(world.addresses(&Query::all().since(NOW.plus(10)).until(NOW.plus(30))), [address(1)], "the renewal");
    assert_eq!(world.addresses(&Query::all().since(NOW.plus(40))), [address(2)], "the expiry");
}

//= rfc6926-8.2-19
#[test]
fn addresses_that_never_changed_are_left_out() {
    let mut world = World::new();
    world.configure(key(0), key(255));
    world.store.advance(NOW.plus(100));
    world.commit(&lease(key(7)));
    world.commit(&Update::new(key(8), State::Released));
    assert_eq!(world.addresses(&Query::all().since(NOW.plus(100))), [address(7), address(8)]);
    assert_eq!(world.addresses(&Query::all()).len(), 256);
}

//= rfc6926-8.2-19
#[test]
fn an_address_configured_in_the_window_changed_in_it() {
    let mut world = World::new();
    world.store.advance(NOW.plus(5000));
    world.store.set_networks(None, &[Network { first: key(1), last: key(2), since: NOW.plus(4000) }]);
    assert_eq!(world.addresses(&Query::all().since(NOW.plus(4000))), [address(1), address(2)]);
    assert_eq!(world.addresses(&Query::all().since(NOW.plus(4001))), NOTHING);
}

//= rfc6926-8.2-20
#[test]
fn beyond_the_kept_history_free_addresses_are_told_too() {
    let mut world = World::new();
    world.configure(key(1), key(2));
    world.store.advance(NOW.plus(100));
    assert_eq!(world.store.history_floor(), NOW.plus(1));
    assert_eq!(world.addresses(&Query::all().since(NOW.plus(1))), NOTHING);
    assert_eq!(world.addresses(&Query::all().since(NOW)), [address(1), address(2)]);
}

#[test]
fn a_window_that_ends_before_it_starts_is_malformed() {
    let world = World::new();
    let text = refusal(&world.ask(&Query::all().since(NOW).until(NOW.minus(1))), StatusCode::MALFORMED_QUERY);
    assert_eq!(text, "query-start-time 1700000000 is after query-end-time 1699999999");
}
