//! A clock that was wrong and is set back: what was said by it is not taken up again by the right one.

use leasequery_protocol::server::CloseReason;
use leasequery_store::{State, Time, Update};
use leasequery_wire::v4::{MessageType, OptionCode, StatusCode};

use crate::support::*;
use crate::watch::Said::{Free, Leased};
use crate::watch::*;

fn endless(number: u32) -> Update<'static, leasequery_store::V4Key> {
    Update { expires: None, ..lease(key(number)) }
}

/// Addresses 1 and 2, told of by a clock that is an hour ahead, which then is set right.
fn set_back() -> World {
    let mut world = World::new();
    for second in 1..=10 {
        world.store.advance(NOW.plus(3590 + second));
    }
    world.commit(&endless(1));
    world.store.advance(NOW.plus(100));
    world.store.advance(NOW.plus(110));
    world.commit(&endless(2));
    world
}

fn catch_up(world: World, since: Time) -> Vec<Said> {
    said(&Watch::new(world).ask(&active().since(since)))
}

//= rfc7724-7.4.1-03
#[test]
fn times_that_a_wrong_clock_has_shown_are_missing_for_good() {
    assert_eq!(catch_up(set_back(), NOW.plus(110)), [Leased(2), COMPLETE]);
    assert_eq!(catch_up(set_back(), NOW.plus(100)), [MISSING], "the era has only just begun");
    assert_eq!(catch_up(set_back(), NOW.plus(3595)), [MISSING], "it is ahead");
    for later in [3595, 3600, 7000] {
        let mut world = set_back();
        world.store.advance(NOW.plus(later));
        assert_eq!(catch_up(world, NOW.plus(3595)), [MISSING], "the clock has come to it a second time");
    }
    let mut world = set_back();
    world.store.advance(NOW.plus(4000));
    world.commit(&endless(3));
    assert_eq!(catch_up(world, NOW.plus(4000)), [Leased(3), COMPLETE]);
}

//= rfc7724-7.4-10
#[test]
fn an_active_query_ends_with_the_era_and_its_last_words_promise_nothing() {
    for catching_up in [false, true] {
        let mut world = World::new();
        world.store.advance(NOW.plus(10));
        for number in 1..5 {
            world.commit(&lease(key(number)));
        }
        let mut watch = if catching_up { Watch::new(world) } else { Watch::begun(world) };
        if catching_up {
            watch.send(&active().since(NOW.plus(10)).frame());
        } else {
            watch.world.commit(&lease(key(9)));
        }
        let told = watch.turn(1);
        assert_eq!(said(&told).len(), 1);
        watch.world.store.advance(NOW.minus(1000));
        watch.world.commit(&lease(key(10)));
        let last = watch.listen();
        assert_eq!(said(&last), [TERMINATED]);
        assert_eq!(base_time(&last[0]), base_time(&told[0]));
        assert_eq!(watch.closed(), Some(CloseReason::SetBack));
        watch.assert_over();
    }
}

/// What came first was said by one clock, and what would follow by another.
#[test]
fn a_bulk_response_ends_with_the_era() {
    let mut world = World::new();
    for number in 1..5 {
        world.commit(&lease(key(number)));
    }
    let mut watch = Watch::new(world);
    watch.later(10);
    watch.send(&Query::all().list(&[OptionCode::BASE_TIME.0]).frame());
    let told = watch.turn(1);
    assert_eq!((said(&told), base_time(&told[0])), (vec![Leased(1)], Some(NOW.plus(10))));
    watch.world.store.advance(NOW.minus(1000));
    let last = watch.listen();
    assert_eq!(last.len(), 1);
    assert_eq!((last[0].kind(), base_time(&last[0])), (MessageType::LEASE_QUERY_DONE, Some(NOW.plus(10))));
    assert_eq!(last[0].status().map(|(code, _)| code), Some(StatusCode::QUERY_TERMINATED));
    assert_eq!(watch.closed(), Some(CloseReason::SetBack));
    watch.assert_over();
}

#[test]
fn a_connection_does_not_outlive_the_era_of_its_first_answer() {
    let mut watch = Watch::new(World::new());
    watch.world.store.advance(NOW.minus(1000));
    assert_eq!(watch.ask(&Query::all()).len(), 1, "nothing had been asked before");
    watch.world.store.advance(NOW.minus(2000));
    assert_eq!(watch.listen(), []);
    assert_eq!(watch.closed(), Some(CloseReason::SetBack));
    watch.assert_over();
}

#[test]
fn a_clock_that_is_a_few_seconds_behind_is_waited_for() {
    let mut watch = Watch::begun(World::new());
    watch.world.store.advance(NOW.plus(100));
    watch.world.commit(&lease(key(1)));
    assert_eq!(said(&watch.listen()), [Leased(1)]);
    watch.world.store.advance(NOW.plus(95));
    watch.world.commit(&lease(key(2)));
    let replies = watch.listen();
    assert_eq!((said(&replies), base_time(&replies[0])), (vec![Leased(2)], Some(NOW.plus(100))));
}

#[test]
fn a_window_that_begins_at_a_time_of_a_wrong_clock_leaves_nothing_out() {
    let mut world = set_back();
    world.configure(key(1), key(3));
    world.store.advance(NOW.plus(3650));
    assert_eq!(world.addresses(&Query::all().since(NOW.plus(3595))), [address(1), address(2), address(3)]);
    assert_eq!(world.addresses(&Query::all().since(NOW.plus(3640))), Vec::<std::net::Ipv4Addr>::new());
}

/// The base-time goes on in the new era, and what was ended by the wrong clock is told to be leased.
//= rfc7724-7.4.1-03
#[test]
fn whoever_comes_back_is_told_what_is_so_now() {
    let mut world = World::new();
    world.commit(&Update { expires: Some(NOW.plus(5000)), ..lease(key(1)) });
    world.store.advance(NOW.plus(100_000));
    assert_eq!(world.store.lookup(key(1)).map(|binding| binding.state()), Some(State::Expired));
    let mut watch = Watch::new(world);
    assert_eq!(said(&watch.ask(&active().since(NOW.plus(99_999)))), [Free(1), COMPLETE]);
    watch.world.store.advance(NOW.plus(10));
    assert_eq!(said(&watch.listen()), [TERMINATED]);
    let mut watch = Watch::new(watch.world);
    let replies = watch.ask(&active().since(NOW.plus(100_000)));
    assert_eq!((said(&replies), base_time(&replies[0])), (vec![MISSING], Some(NOW.plus(10))));
    assert_eq!(watch.world.addresses(&Query::all()), [address(1)]);
}
