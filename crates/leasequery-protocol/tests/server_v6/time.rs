//! Lifetimes and times (RFC 8415 sections 7.7 and 21.6, RFC 5007 section 4.1.2.3), and spans of time that are asked for
//! (RFC 7653 sections 6.3.2 and 6.3.3).

use std::net::Ipv6Addr;

use leasequery_protocol::server::Turn;
use leasequery_store::{Settings, Start, State, Time, Update, V6Key};
use leasequery_wire::v6::{OptionCode, QueryType, StatusCode};

use crate::support::*;

fn told(world: &World) -> (u32, u32, u32) {
    let told = world.told(&Query::client(ALICE));
    (told[0].leases[0].preferred, told[0].leases[0].valid, told[0].clt)
}

//= rfc3315-22.6-02
#[test]
fn lifetimes_are_what_is_left_of_them() {
    for key in [key(1, 1), delegated(1)] {
        let mut world = World::new();
        world.commit(&Update { renews: Some(NOW.plus(1800)), ..lease(key, ALICE) });
        for (seconds, preferred, valid) in [(0, 1800, 3600), (600, 1200, 3000), (1900, 0, 1700), (3599, 0, 1)] {
            world.store.advance(NOW.plus(seconds));
            assert_eq!(told(&world), (preferred, valid, seconds));
        }
        world.store.advance(NOW.plus(3600));
        assert_eq!(world.keys(&Query::client(ALICE)), [], "it is over");
    }
}

//= rfc3315-22.6-02
#[test]
fn an_address_is_preferred_while_it_is_valid_if_nobody_knows_better() {
    let mut world = World::new();
    world.commit(&lease(key(1, 1), ALICE));
    assert_eq!(told(&world), (3600, 3600, 0));
    world.commit(&Update { renews: Some(NOW.plus(7200)), ..lease(key(1, 1), ALICE) });
    assert_eq!(told(&world), (3600, 3600, 0), "but not longer");
}

#[test]
fn a_lease_that_its_source_does_not_end_has_a_second_left() {
    // A lifetime of 0 would say that it is over.
    let mut world = World::with(Settings { expire: false, ..Settings::default() });
    world.commit(&lease(key(1, 1), ALICE));
    world.store.advance(NOW.plus(10_000));
    assert_eq!(told(&world), (1, 1, 10_000));
}

//= rfc3315-5.6-01
#[test]
fn what_never_ends_stays_so() {
    let mut world = World::new();
    let forever = Some(Time::INFINITE);
    world.commit(&Update { expires: forever, renews: forever, ..lease(key(1, 1), ALICE) });
    world.store.advance(NOW.plus(3600));
    assert_eq!(told(&world), (u32::MAX, u32::MAX, 3600));
    world.commit(&Update { expires: forever, renews: Some(NOW.plus(4600)), ..lease(key(1, 1), ALICE) });
    assert_eq!(told(&world), (1000, u32::MAX, 3600));
}

//= rfc5007-4.1.2.3-01
//= rfc5007-4.1.2.3-03
#[test]
fn the_client_was_heard_when_it_was_last_heard_about_any_lease_on_the_link_but_not_in_the_future() {
    let mut world = World::new();
    let heard = |key, seconds| Update { last_transaction: Some(NOW.plus(seconds)), ..lease(key, ALICE) };
    world.commit(&heard(key(1, 1), 10));
    world.commit(&heard(key(1, 2), 30));
    world.commit(&heard(key(2, 1), 20));
    world.store.advance(NOW.plus(100));
    let clt: Vec<_> = world.told(&Query::client(ALICE)).iter().map(|data| data.clt).collect();
    assert_eq!(clt, [70, 80]);
    world.commit(&heard(key(1, 1), 5000));
    assert_eq!(world.told(&Query::client(ALICE))[0].clt, 0);
}

//= alq6-6.3.1-03
#[test]
fn times_count_from_the_base_time() {
    let mut world = World::new();
    world.commit(&Update {
        renews: Some(NOW.plus(1000)),
        last_transaction: Some(NOW.minus(7)),
        ..lease(key(1, 1), ALICE)
    });
    for seconds in [0, 1, 77] {
        world.store.advance(NOW.plus(seconds));
        let replies = world.ask(&Query::client(ALICE).base_time());
        let (base_time, data) = (replies[0].base_time().unwrap(), replies[0].data().unwrap());
        assert_eq!(base_time, NOW.plus(seconds));
        assert_eq!(base_time.minus(data.clt), NOW.minus(7));
        assert_eq!(base_time.plus(data.leases[0].valid), NOW.plus(3600));
        assert_eq!(base_time.plus(data.leases[0].preferred), NOW.plus(1000));
    }
}

/// Three bindings, changed in three seconds one after the other, the middle one at the time that is returned.
fn three() -> (World, Time) {
    let mut world = World::new();
    for number in 1..=3 {
        let time = NOW.plus(99 + u32::from(number));
        world.store.advance(time);
        let update = lease(key(1, number), ALICE);
        world.commit(&Update { last_transaction: Some(time), expires: Some(NOW.plus(9999)), ..update });
    }
    world.store.advance(NOW.plus(1000));
    (world, NOW.plus(101))
}

/// Queries without a span of time.
fn queries() -> [Query; 3] {
    [Query::client(ALICE), Query::link(address(1, 0)), Query::by(QueryType::BY_LINK_ADDRESS)]
}

//= alq6-6.3.2-01
//= alq6-6.3.2-02
#[test]
fn the_start_of_the_span_counts() {
    let (world, time) = three();
    for query in queries() {
        assert_eq!(world.keys(&query.since(time)), [key(1, 2), key(1, 3)]);
    }
}

//= alq6-6.3.3-01
//= alq6-6.3.3-02
#[test]
fn the_end_of_the_span_counts() {
    let (world, time) = three();
    for query in queries() {
        assert_eq!(world.keys(&query.clone().until(time)), [key(1, 1), key(1, 2)]);
        assert_eq!(world.keys(&query.since(time).until(time)), [key(1, 2)], "a span of one second");
    }
}

//= alq6-6.3.2-01
//= alq6-6.3.3-01
#[test]
fn the_span_is_four_octets_each_wherever_it_stands() {
    let (world, time) = three();
    let seconds = (time.0 - EPOCH).to_be_bytes();
    let codes = [OptionCode::START_TIME, OptionCode::END_TIME];
    assert_eq!(codes, [OptionCode(101), OptionCode(102)]);
    for query in queries() {
        let both = |query: Query| codes.into_iter().fold(query, |query, code| query.inner(code, &seconds));
        assert_eq!(world.keys(&both(query.clone())), [key(1, 2)], "inside OPTION_LQ_QUERY");
        for code in codes {
            for wrong in [&[][..], &[1], &[1, 2, 3], &[1, 2, 3, 4, 5]] {
                refusal(&world.ask(&query.clone().outer(code, wrong)), StatusCode::MALFORMED_QUERY);
                refusal(&world.ask(&query.clone().inner(code, wrong)), StatusCode::MALFORMED_QUERY);
            }
        }
    }
}

//= alq6-6.3.2-02
//= alq6-6.3.3-02
#[test]
fn a_span_that_ends_before_it_starts_or_lies_in_the_future_is_empty() {
    let (world, time) = three();
    for query in queries() {
        assert_eq!(world.keys(&query.clone().since(time).until(time.minus(1))), []);
        assert_eq!(world.keys(&query.since(NOW.plus(1001))), []);
    }
}

/// The scale of DHCPv6 goes on until 2136, that of the store until 2106.
//= alq6-6.3.2-02
//= alq6-6.3.3-02
#[test]
fn a_span_that_reaches_the_next_century_does_not_wrap() {
    let (world, time) = three();
    for query in queries() {
        for seconds in [3_348_282_494_u32, 3_348_282_495, 3_348_282_496, u32::MAX] {
            let (start, end) = (OptionCode::START_TIME, OptionCode::END_TIME);
            let octets = seconds.to_be_bytes();
            let until = query.clone().since(time).outer(end, &octets);
            assert_eq!(world.keys(&until), [key(1, 2), key(1, 3)], "until {seconds}");
            assert_eq!(world.keys(&query.clone().outer(start, &octets)), [], "since {seconds}");
        }
    }
}

//= alq6-6.3.2-02
//= alq6-6.3.3-02
#[test]
fn a_binding_changed_when_any_of_its_three_times_lies_in_the_span() {
    let mut world = World::new();
    let (start, last, learned) = (NOW.plus(100), NOW.plus(200), NOW.plus(300));
    world.store.advance(learned);
    world.commit(&Update {
        last_transaction: Some(last),
        start_of_state: Start::Given(start),
        ..lease(key(1, 1), ALICE)
    });
    world.store.advance(NOW.plus(1000));
    let told = |from: Time, to: Time| !world.keys(&Query::client(ALICE).since(from).until(to)).is_empty();
    for time in [start, last, learned] {
        assert!(told(time, time));
        assert!(!told(time.minus(2), time.minus(1)) && !told(time.plus(1), time.plus(2)));
    }
}

//= alq6-9-01
//= alq6-6.3.2-02
#[test]
fn a_renewal_in_the_span_is_told_and_what_ended_is_not() {
    let mut world = World::new();
    for host in 1..=3 {
        world.commit(&lease(key(1, host), ALICE));
    }
    world.store.advance(NOW.plus(20));
    world.commit(&Update { last_transaction: Some(NOW.plus(20)), ..lease(key(1, 1), ALICE) });
    world.commit(&Update { state: State::Released, ..lease(key(1, 2), ALICE) });
    let keys: Vec<V6Key> = world.keys(&Query::client(ALICE).since(NOW.plus(10)));
    assert_eq!(keys, [key(1, 1)]);
}

/// The base-times of an answer whose leases are the last of very many, from a server that takes ten seconds for each turn.
fn base_times_of_a_long_search(leases: u16) -> Vec<Option<Time>> {
    const MANY: u16 = 6000;
    let mut world = World::new();
    for number in 1..=MANY {
        world.commit(&lease(key(1, number), ALICE));
    }
    world.store.advance(NOW.plus(100));
    for number in 0..leases {
        world.commit(&Update { last_transaction: Some(NOW.plus(100)), ..lease(key(2, 1 + number), BOB) });
    }
    let mut watch = Watch::new(world);
    watch.send(&Query::link(Ipv6Addr::UNSPECIFIED).since(NOW.plus(50)).base_time().frame());
    let mut seen = Vec::new();
    loop {
        seen.extend(watch.turn(1).iter().map(Reply::base_time));
        if watch.turn == Turn::Idle {
            return seen;
        }
        watch.later(10);
    }
}

#[test]
fn the_first_message_has_the_time_of_the_query_however_long_it_took_to_find_something_to_tell() {
    let began = Some(NOW.plus(100));
    assert_eq!(
        base_times_of_a_long_search(0),
        [began],
        "what changed meanwhile, behind the cursor, changed since then"
    );
    let times = base_times_of_a_long_search(2);
    assert_eq!(times[0], began);
    assert!(times[1..].iter().all(|time| *time > began), "the others have their own: {times:?}");
}
