//! What several servers say of the same client, in one store (RFC 5007 section 4.3.4).

use leasequery_protocol::follower::{Change, Followed, Origin, Told};
use leasequery_protocol::requestor::Event;
use leasequery_protocol::requestor::v6::V6;
use leasequery_store::{Budget, Settings, SourceId, State, Store, Time, V6Key};

use crate::peer::*;

const FIRST: SourceId = SourceId(0);
const SECOND: SourceId = SourceId(1);

fn store() -> Store<V6Key> {
    let mut store = Store::new(Settings::default());
    store.advance(START);
    assert_eq!(store.source("first"), Some(FIRST));
    assert_eq!(store.source("second"), Some(SECOND));
    store
}

/// What a server says in OPTION_CLIENT_DATA, by a clock that is so many seconds ahead, to a requestor who then takes it
/// into the store.
fn say_ahead(
    store: &mut Store<V6Key>,
    source: SourceId,
    octets: &[u8],
    ahead: u32,
    origin: Origin,
) -> Vec<Told<V6Key>> {
    let mut requestor = Requestor::asking();
    let time = base_time(START_2000 + store.now().since(START) + ahead);
    requestor.receive(&bare_reply(XID, &[&time, octets].concat()));
    let mut told = Vec::new();
    while let Some(event) = requestor.connection.poll_event(requestor.now, store.now()).unwrap() {
        match event {
            Event::Record { record, .. } => told.push(V6::commit(&record, origin, source, store).unwrap()),
            Event::Discarded { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    told
}

fn say(store: &mut Store<V6Key>, source: SourceId, octets: &[u8]) -> Vec<Change> {
    say_ahead(store, source, octets, 0, Origin::Sweep).into_iter().map(|told| told.change).collect()
}

/// A client with a lease of 2001:db8::1, last heard so many seconds ago.
fn client(number: u8, ago: u32, valid: u32) -> Vec<u8> {
    client_data(&[opt(1, &[0, 2, number]), ia_address(1, valid / 2, valid, &[]), clt(ago)])
}

fn holder(store: &Store<V6Key>) -> u8 {
    store.lookup(address(1)).unwrap().client_id().unwrap()[2]
}

//= rfc5007-4.3.3-02
#[test]
fn everything_that_is_said_of_a_client_is_in_the_store() {
    let mut store = store();
    let relay =
        [&[12, 1][..], &ip(0x22).octets(), &ip(0xfe).octets(), &opt(53, &[0, 3, 7]), &opt(37, &[0, 0, 0, 9, 1])]
            .concat();
    let relay = [&ip(0xaa).octets()[..], &relay].concat();
    let octets = client_data(&[
        opt(1, &CLIENT),
        ia_address(1, 100, 200, &[]),
        ia_prefix(5, 300, u32::MAX, &[]),
        clt(40),
        opt(47, &relay),
        opt(39, b"name"),
        opt(16, b"class"),
    ]);
    assert_eq!(say(&mut store, FIRST, &octets), [Change::Lease, Change::Lease]);
    for (key, preferred, expires) in [(address(1), 100, START.plus(200)), (prefix(5), 300, Time::INFINITE)] {
        let binding = store.lookup(key).unwrap();
        assert_eq!((binding.state(), binding.client_id()), (State::Active, Some(&CLIENT[..])));
        assert_eq!(binding.last_transaction(), Some(START.minus(40)));
        assert_eq!((binding.renews(), binding.expires()), (Some(START.plus(preferred)), Some(expires)));
        assert_eq!(binding.relay_info(), Some(&relay[..]));
        assert_eq!((binding.relay_id(), binding.remote_id()), (Some(&[0, 3, 7][..]), Some(&[0, 0, 0, 9, 1][..])));
        assert_eq!(binding.options().collect::<Vec<_>>(), [(16, &b"class"[..]), (39, &b"name"[..])]);
        assert!(binding.is_remote());
        assert_eq!(store.link_of(&binding), Some(ip(0)), "the prefix is on the link of the address");
    }
    assert_eq!(say(&mut store, FIRST, &octets), [Change::None, Change::None], "once is enough");
}

#[test]
fn relays_are_known_with_the_one_nearest_to_the_client_first() {
    let mut store = store();
    let inner = [&[12, 0][..], &[0; 32], &opt(53, &[0, 3, 1]), &opt(37, &[0, 0, 0, 9, 1])].concat();
    let outer = [&[12, 1][..], &[0; 32], &opt(53, &[0, 3, 2]), &opt(37, &[0, 0, 0, 9, 2]), &opt(9, &inner)].concat();
    let relay = opt(47, &[&ip(0xaa).octets()[..], &outer].concat());
    say(&mut store, FIRST, &client_data(&[opt(1, &CLIENT), ia_address(1, 1, 2, &[]), clt(0), relay]));
    let binding = store.lookup(address(1)).unwrap();
    assert_eq!(binding.relay_ids().collect::<Vec<_>>(), [[0, 3, 1], [0, 3, 2]]);
    assert_eq!(binding.remote_ids().collect::<Vec<_>>(), [[0, 0, 0, 9, 1], [0, 0, 0, 9, 2]]);
}

//= rfc5007-4.3.3-03
#[test]
fn what_has_no_time_leaves_the_store_as_it_was() {
    let mut store = store();
    let before = store.revision();
    assert_eq!(say(&mut store, FIRST, &client_data(&[opt(1, &CLIENT), ia_address(1, 1, 2, &[])])), []);
    assert_eq!(store.revision(), before);
    assert!(store.lookup(address(1)).is_none());
}

//= rfc5007-4.3.4-01
#[test]
fn an_address_and_a_prefix_are_two_things_whatever_their_values() {
    let mut store = store();
    let prefix_128 = opt(26, &[&[0, 0, 0, 1, 0, 0, 0, 9, 128][..], &ip(1).octets()].concat());
    say(&mut store, FIRST, &client_data(&[opt(1, &[0, 2, 1]), ia_address(1, 1, 9, &[]), clt(100)]));
    say(&mut store, SECOND, &client_data(&[opt(1, &[0, 2, 2]), prefix_128, clt(5)]));
    assert_eq!(holder(&store), 1, "a prefix of one address is not that address");
    let prefixed = store.lookup(V6Key::prefix(ip(1), 128)).unwrap();
    assert_eq!(prefixed.client_id(), Some(&[0, 2, 2][..]));
    // The same prefix with another length is another prefix.
    let shorter = opt(26, &[&[0, 0, 0, 1, 0, 0, 0, 9, 64][..], &prefix_ip(1).octets()].concat());
    say(&mut store, FIRST, &client_data(&[opt(1, &[0, 2, 1]), ia_prefix(1, 1, 9, &[]), clt(100)]));
    say(&mut store, SECOND, &client_data(&[opt(1, &[0, 2, 2]), shorter, clt(5)]));
    assert_eq!(store.owner(&store.lookup(prefix(1)).unwrap()), Some(FIRST));
    assert_eq!(store.owner(&store.lookup(V6Key::prefix(prefix_ip(1), 64)).unwrap()), Some(SECOND));
}

//= rfc5007-4.3.4-02
#[test]
fn what_does_not_overlap_is_merged() {
    let mut store = store();
    say(&mut store, FIRST, &client_data(&[opt(1, &CLIENT), ia_address(1, 1, 60, &[]), clt(9)]));
    say(&mut store, SECOND, &client_data(&[opt(1, &CLIENT), ia_prefix(2, 1, 60, &[]), clt(900)]));
    let all: Vec<_> = store
        .of_client(&CLIENT, None, &Budget::unlimited())
        .map(|binding| (binding.key(), store.owner(&binding).unwrap()))
        .collect();
    assert_eq!(all, [(address(1), FIRST), (prefix(2), SECOND)]);
}

//= rfc5007-4.3.4-03
//= rfc5007-4.3.4-04
//= rfc5460-6.4-01
#[test]
fn of_two_servers_the_one_that_heard_of_the_client_last_is_believed() {
    for (better, worse) in [(FIRST, SECOND), (SECOND, FIRST)] {
        for better_first in [true, false] {
            for better_is_over in [true, false] {
                let mut store = store();
                let said =
                    [(better, client(1, 10, if better_is_over { 0 } else { 60 })), (worse, client(2, 300, 9000))];
                let order = if better_first { [0, 1] } else { [1, 0] };
                for index in order {
                    say(&mut store, said[index].0, &said[index].1);
                }
                assert_eq!(holder(&store), 1, "{better:?}, {better_first}, {better_is_over}");
                let active = store.lookup(address(1)).unwrap().state() == State::Active;
                assert_eq!(active, !better_is_over);
            }
        }
    }
}

//= rfc5007-4.3.4-04
#[test]
fn seconds_since_a_client_was_heard_of_count_from_when_they_were_said() {
    let mut store = store();
    say(&mut store, FIRST, &client(1, 10, 9000));
    store.advance(START.plus(100));
    say(&mut store, SECOND, &client(2, 50, 9000));
    assert_eq!(holder(&store), 2, "50 seconds ago is later than 10 seconds before 100 seconds ago");
    let mut store = self::store();
    say(&mut store, FIRST, &client(1, 10, 9000));
    store.advance(START.plus(5));
    say(&mut store, SECOND, &client(2, 300, 9000));
    assert_eq!(holder(&store), 1);
}

//= alq6-8.4-01
#[test]
fn servers_with_different_clocks_are_compared_by_ours() {
    let mut store = store();
    say_ahead(&mut store, FIRST, &client(1, 10, 9000), 0, Origin::Live);
    say_ahead(&mut store, SECOND, &client(2, 300, 9000), 86_400, Origin::Live);
    assert_eq!(holder(&store), 1);
    say_ahead(&mut store, SECOND, &client(3, 2, 9000), 86_400, Origin::Live);
    assert_eq!(holder(&store), 3);
    assert_eq!(store.lookup(address(1)).unwrap().expires(), Some(START.plus(9000)));
}

#[test]
fn where_times_do_not_decide_a_lease_is_better_than_none_and_then_the_source_decides() {
    for order in [true, false] {
        let mut store = store();
        let said = [(FIRST, client(1, 11, 0)), (SECOND, client(2, 10, 60))];
        for (source, octets) in if order { said.clone() } else { [said[1].clone(), said[0].clone()] } {
            say(&mut store, source, &octets);
        }
        assert_eq!(holder(&store), 2);
    }
    for order in [true, false] {
        let mut store = store();
        let said = [(FIRST, client(1, 11, 60)), (SECOND, client(2, 10, 60))];
        for (source, octets) in if order { said.clone() } else { [said[1].clone(), said[0].clone()] } {
            say(&mut store, source, &octets);
        }
        assert_eq!(holder(&store), 1, "whoever comes first in the configuration");
    }
}

//= alq6-7-01
#[test]
fn a_server_s_own_last_word_holds() {
    let mut store = store();
    say(&mut store, FIRST, &client(1, 10, 60));
    // Not in the order of their times, and without anything between them.
    for (number, ago, valid) in [(2, 500, 60), (3, 9, 0), (3, 9, 60), (4, 2, 60)] {
        say(&mut store, FIRST, &client(number, ago, valid));
        let binding = store.lookup(address(1)).unwrap();
        assert_eq!(binding.state() == State::Active, valid > 0);
        assert_eq!(binding.client_id().unwrap()[2], number);
    }
}

#[test]
fn a_second_more_or_less_is_no_change() {
    let mut store = store();
    let lease = |preferred, valid, ago| client_data(&[opt(1, &CLIENT), ia_address(1, preferred, valid, &[]), clt(ago)]);
    say(&mut store, FIRST, &lease(100, 200, 50));
    for octets in [lease(99, 199, 50), lease(101, 200, 51), lease(100, 201, 49)] {
        assert_eq!(say(&mut store, FIRST, &octets), [Change::None]);
    }
    assert_eq!(say(&mut store, FIRST, &lease(100, 203, 50)), [Change::Times]);
    // An address that is no longer preferred is told of with a lifetime of zero, whenever that was.
    for later in [150, 160] {
        store.advance(START.plus(later));
        let octets = lease(0, 203 - later, 50 + later);
        assert_eq!(say(&mut store, FIRST, &octets), [Change::None]);
        assert_eq!(store.lookup(address(1)).unwrap().renews(), Some(START.plus(100)));
    }
    // Also if nothing was known of it before.
    say(&mut store, FIRST, &client_data(&[opt(1, &CLIENT), ia_address(2, 0, 60, &[]), clt(50)]));
    assert_eq!(store.lookup(address(2)).unwrap().renews(), Some(START.plus(160)));
}
