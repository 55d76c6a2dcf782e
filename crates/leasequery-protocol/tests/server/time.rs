//! Times in replies: one absolute base, everything else relative to it (RFC 6926 section 6.2.3).

use leasequery_protocol::server::{Limits, Policy, Turn};
use leasequery_store::{Start, State, Time, Update};
use leasequery_wire::v4::OptionCode;

use crate::support::*;

const TIMES: [u8; 6] = [152, 51, 58, 59, 91, 153];

/// base-time, 51, 58, 59, 91 and 153 of the reply about one address.
fn times(world: &World, number: u32) -> [Option<u32>; 6] {
    let replies = world.ask(&Query::all().list(&TIMES));
    let reply = bindings(&replies).iter().find(|reply| reply.address() == address(number)).unwrap();
    TIMES.map(|code| reply.number(OptionCode(code)))
}

//= rfc6926-6.2.3-02
//= rfc6926-6.2.3-03
//= rfc6926-8.3-04
//= rfc4388-6.1-03
#[test]
fn relative_times_count_from_the_moment_when_the_message_is_made() {
    let mut world = World::new();
    world.commit(&Update {
        start_of_state: Start::Given(NOW.minus(400)),
        last_transaction: Some(NOW.minus(10)),
        expires: Some(NOW.plus(60)),
        renews: Some(NOW.plus(20)),
        rebinds: Some(NOW.plus(40)),
        ..lease(key(1))
    });
    assert_eq!(times(&world, 1), [Some(NOW.0), Some(60), Some(20), Some(40), Some(10), Some(400)]);
    world.store.advance(NOW.plus(5));
    assert_eq!(times(&world, 1), [Some(NOW.0 + 5), Some(55), Some(15), Some(35), Some(15), Some(405)]);
}

//= rfc6926-6.2.3-02
//= rfc6926-8.3-04
#[test]
fn a_dump_that_goes_on_carries_the_time_of_each_message() {
    let mut world = World::new();
    world.configure(key(0), key(9));
    let mut connection = connection(Policy::default(), Limits::default(), TIMEOUT);
    connection.handle_bytes(TIMEOUT, &Query::all().list(&[152]).frame());
    let mut seen = Vec::new();
    for second in 0..11 {
        world.store.advance(NOW.plus(second));
        let mut out = Vec::new();
        connection.poll_transmit(TIMEOUT, &world.store, &mut out, 1);
        seen.extend(replies(&out).iter().map(|reply| reply.number(OptionCode::BASE_TIME)));
    }
    let expected: Vec<_> = (0..11).map(|second| Some(NOW.0 + second)).collect();
    assert_eq!(seen, expected, "ten replies and the final message");
}

/// The base-times of an answer whose leases are the last of very many addresses, from a server that takes ten seconds for
/// each turn.
fn base_times_of_a_long_search(leases: u32) -> Vec<Option<u32>> {
    const MANY: u32 = 10_000;
    let mut world = World::new();
    world.configure(key(0), key(MANY + 9));
    world.store.advance(NOW.plus(100));
    for number in 0..leases {
        world.commit(&lease(key(MANY + number)));
    }
    let mut connection = connection(Policy::default(), Limits::default(), TIMEOUT);
    connection.handle_bytes(TIMEOUT, &Query::all().since(NOW.plus(50)).list(&[152]).frame());
    let mut seen = Vec::new();
    for turn in 0.. {
        world.store.advance(NOW.plus(100 + turn * 10));
        let mut out = Vec::new();
        let turn = connection.poll_transmit(TIMEOUT, &world.store, &mut out, 1);
        seen.extend(replies(&out).iter().map(|reply| reply.number(OptionCode::BASE_TIME)));
        if turn == Turn::Idle {
            break;
        }
    }
    seen
}

#[test]
fn the_first_message_has_the_time_of_the_query_however_long_it_took_to_find_something_to_tell() {
    let began = Some(NOW.0 + 100);
    assert_eq!(
        base_times_of_a_long_search(0),
        [began],
        "what changed meanwhile, behind the cursor, changed since then"
    );
    let times = base_times_of_a_long_search(2);
    assert_eq!((times.len(), times[0]), (3, began));
    assert!(times[1] > began && times[2] >= times[1], "the others have their own: {times:?}");
}

//= rfc6926-6.2.4-02
//= rfc6926-6.2.4-03
//= rfc6926-8.3-05
#[test]
fn start_of_state_is_an_age_that_a_renewal_does_not_reset_and_an_expiry_does() {
    let mut world = World::new();
    let start = |world: &World| times(world, 1)[5];
    let bound = Update { hardware: Some(ethernet(&MAC_1)), ..lease(key(1)) };
    world.commit(&bound);
    world.store.advance(NOW.plus(600));
    assert_eq!(start(&world), Some(600));
    world.commit(&Update { expires: Some(NOW.plus(4200)), last_transaction: Some(NOW.plus(600)), ..bound });
    assert_eq!(start(&world), Some(600));
    // Noticed ten seconds late, but it happened when the lease ran out.
    world.store.advance(NOW.plus(4210));
    assert_eq!(start(&world), Some(10));
}

//= rfc6926-8.3-05
#[test]
fn a_never_leased_address_is_in_its_state_since_it_was_configured() {
    let mut world = World::new();
    world.configure(key(1), key(1));
    assert_eq!(times(&world, 1), [Some(NOW.0), None, None, None, None, Some(3600)]);
}

//= rfc6926-8.3-05
#[test]
fn replies_of_every_state_tell_since_when() {
    let mut world = World::new();
    for number in 1..=8 {
        let state = State::from_number(number).unwrap();
        let start = Start::Given(NOW.minus(u32::from(number)));
        world.commit(&Update { start_of_state: start, ..Update::new(key(number.into()), state) });
    }
    for number in 1..=8 {
        assert_eq!(times(&world, number)[5], Some(number));
    }
}

//= rfc6926-6.2.4-03
//= rfc4388-6.1-03
#[test]
fn times_ahead_of_the_servers_clock_are_no_time_ago() {
    let mut world = World::new();
    let ahead = NOW.plus(30);
    world.commit(&Update { start_of_state: Start::Given(ahead), last_transaction: Some(ahead), ..lease(key(1)) });
    assert_eq!(times(&world, 1)[4..], [Some(0), Some(0)]);
}

//= rfc6926-8.3-06
#[test]
fn lease_time_comes_for_every_state_that_ends_by_itself_and_for_no_other() {
    let mut world = World::new();
    for number in 1..=8 {
        let state = State::from_number(number).unwrap();
        // A source may go on telling of the expiry of a lease that is over.
        let expires = Some(NOW.plus(100));
        world.commit(&Update { expires, ..Update::new(key(number.into()), state) });
    }
    for number in 1..=8 {
        let left = matches!(number, 2 | 5 | 7 | 8).then_some(100);
        assert_eq!(times(&world, number)[1], left, "state {number}");
    }
    world.commit(&Update { expires: None, ..Update::new(key(5), State::Abandoned) });
    assert_eq!(times(&world, 5)[1], None, "abandoned for good");
}

//= rfc2132-9.2-01
#[test]
fn an_infinite_lease_is_all_ones_whatever_the_time() {
    let mut world = World::new();
    world.commit(&Update { expires: Some(Time::INFINITE), ..lease(key(1)) });
    world.commit(&Update { expires: Some(NOW.plus(3600)), ..lease(key(2)) });
    assert_eq!((times(&world, 1)[1], times(&world, 2)[1]), (Some(u32::MAX), Some(3600)));
    world.store.advance(NOW.plus(1000));
    assert_eq!((times(&world, 1)[1], times(&world, 2)[1]), (Some(u32::MAX), Some(2600)));
}

//= rfc6926-8.3-02
#[test]
fn timers_that_have_fired_are_left_out() {
    let mut world = World::new();
    world.commit(&Update { renews: Some(NOW.plus(20)), rebinds: Some(NOW.plus(40)), ..lease(key(1)) });
    world.store.advance(NOW.plus(20));
    assert_eq!(times(&world, 1)[2..4], [None, Some(20)]);
    world.store.advance(NOW.plus(40));
    assert_eq!(times(&world, 1)[2..4], [None, None]);
}

//= rfc6926-8.3-08
#[test]
fn last_transaction_comes_for_whoever_had_a_client_even_when_the_lease_is_over() {
    let mut world = World::new();
    world.configure(key(0), key(3));
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), last_transaction: Some(NOW.minus(50)), ..lease(key(1)) });
    let over = Update { state: State::Released, last_transaction: Some(NOW.minus(70)), ..lease(key(2)) };
    world.commit(&over);
    world.commit(&Update { last_transaction: None, ..lease(key(3)) });
    assert_eq!([0, 1, 2, 3].map(|number| times(&world, number)[4]), [None, Some(50), Some(70), None]);
}

//= rfc6926-2-01
#[test]
fn absolute_times_are_unsigned() {
    let mut world = World::new();
    let late = Time(0x8000_0000 + 5);
    world.store.advance(late);
    world.commit(&Update { last_transaction: Some(late), expires: None, ..lease(key(1)) });
    assert_eq!(times(&world, 1)[0], Some(late.0));
    assert_eq!(world.addresses(&Query::all().since(NOW)), [address(1)], "it is later, not negative");
    assert_eq!(world.addresses(&Query::all().since(late)), [address(1)]);
    assert_eq!(world.addresses(&Query::all().since(Time(late.0 + 1))), NOTHING);
}
