//! Single queries over UDP: which leases are told (RFC 5007 section 4.4.1).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use leasequery_protocol::server::v6::answer as answer_datagram;
use leasequery_protocol::server::{Policy, Silence, Verdict};
use leasequery_store::{Settings, State, Update, V6Key};
use leasequery_wire::v6::{MessageType, OptionCode, StatusCode};

use crate::support::*;

/// Where queries come from.
pub(crate) const FROM: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 9)), 40_000);

/// The query without the length that it would have before it on TCP.
pub(crate) fn datagram(query: &Query) -> Vec<u8> {
    query.frame().split_off(2)
}

/// What becomes of a datagram from a requestor with this policy.
pub(crate) fn send(world: &World, datagram: &[u8], policy: &Policy) -> (Verdict, Vec<u8>) {
    // What was there before stays there.
    let mut out = b"before".to_vec();
    let permit = |address| (address == FROM.ip()).then(|| Arc::new(policy.clone()));
    let verdict = answer_datagram(datagram, FROM, &SERVER, permit, &world.store, &mut out);
    let octets = out.split_off(6);
    assert_eq!(out, b"before");
    assert_eq!(matches!(verdict, Verdict::Answer { .. }), !octets.is_empty());
    (verdict, octets)
}

/// The answer to a query, which everything has to have that all answers have.
#[track_caller]
pub(crate) fn ask_as(world: &World, query: &Query, policy: &Policy) -> Reply {
    let (verdict, octets) = send(world, &datagram(query), policy);
    assert_eq!(verdict, Verdict::Answer { to: FROM, without_relay_info: false });
    check(query, Reply(octets))
}

/// Checks what all answers have to have.
#[track_caller]
pub(crate) fn check(query: &Query, reply: Reply) -> Reply {
    assert_eq!((reply.kind(), reply.xid()), (MessageType::LEASE_QUERY_REPLY, query.xid));
    assert_eq!(reply.option(OptionCode::SERVER_ID), Some(&SERVER[..]));
    assert_eq!(reply.option(OptionCode::CLIENT_ID), query.client_id.as_deref());
    let codes = reply.codes();
    assert_eq!(codes[..2], [2, 1]);
    // A status, or links, or a client; or nothing if there is none.
    assert!(codes[2..].is_empty() || [[13], [48], [45]].contains(&[codes[2]]), "{codes:?}");
    assert!(codes.len() <= 3, "{codes:?}");
    reply
}

#[track_caller]
pub(crate) fn ask(world: &World, query: &Query) -> Reply {
    ask_as(world, query, &permitted())
}

/// What a query is told of a client, if it is told of one.
#[track_caller]
pub(crate) fn told(world: &World, query: &Query) -> Option<Data> {
    let reply = ask(world, query);
    assert_eq!((reply.status(), links(&reply)), (None, None), "{}", reply.text());
    reply.data()
}

/// The leases that a query is told of.
#[track_caller]
pub(crate) fn told_keys(world: &World, query: &Query) -> Vec<V6Key> {
    told(world, query).iter().flat_map(Data::keys).collect()
}

/// The links that an answer names.
pub(crate) fn links(reply: &Reply) -> Option<Vec<Ipv6Addr>> {
    reply.message().client_links().unwrap().map(Iterator::collect)
}

/// The text of a refusal with this status, which tells of nothing else.
#[track_caller]
pub(crate) fn refused(world: &World, query: &Query, status: StatusCode) -> String {
    let reply = ask(world, query);
    assert_eq!(reply.status(), Some(status), "{}", reply.text());
    assert_eq!(reply.codes(), [2, 1, 13]);
    reply.text()
}

#[track_caller]
pub(crate) fn silence(world: &World, octets: &[u8]) -> Silence {
    match send(world, octets, &permitted()).0 {
        Verdict::Silence(silence) => silence,
        verdict @ Verdict::Answer { .. } => panic!("{verdict:?}"),
    }
}

/// Addresses of Alice's and Bob's on one link, and a prefix of Bob's.
pub(crate) fn world() -> World {
    let mut world = World::new();
    world.configure(&[&[(address(1, 0), 64), (Ipv6Addr::new(0x2001, 0xdb8, 0xd000, 0, 0, 0, 0, 0), 40)]]);
    world.commit(&lease(key(1, 1), ALICE));
    world.commit(&lease(key(1, 2), BOB));
    world.commit(&lease(delegated(1), BOB));
    world
}

/// An address inside of the delegated prefix of that number.
fn inside(number: u16) -> Ipv6Addr {
    Ipv6Addr::from_bits(delegated(number).address().to_bits() | 9)
}

//= rfc5007-4.1.1-02
//= rfc5007-4.4.1-02
//= rfc5007-4.4.1-14
//= rfc5007-4.4.2-01
//= rfc5007-4.4.2-02
//= rfc5007-4.4.2-03
//= rfc5007-4.4.2-04
//= rfc5460-4-06
#[test]
fn an_answer_has_exactly_these_octets() {
    let mut world = world();
    world.commit(&Update { renews: Some(NOW.plus(1800)), ..lease(key(1, 1), ALICE) });
    world.store.advance(NOW.plus(600));
    #[rustfmt::skip]
    let query = [
        &[14, 0xab, 0xcd, 0xef, 0, 1, 0, 10][..], &REQUESTOR,
        &[0, 44, 0, 45, 1], &[0; 16],
        &[0, 5, 0, 24], &address(1, 1).octets(), &[0; 8],
    ];
    #[rustfmt::skip]
    let expected = [
        &[15, 0xab, 0xcd, 0xef, 0, 2, 0, 10][..], &SERVER,
        &[0, 1, 0, 10], &REQUESTOR,
        &[0, 45, 0, 49], &[0, 1, 0, 9], ALICE,
        &[0, 5, 0, 24], &address(1, 1).octets(), &1200_u32.to_be_bytes(), &3000_u32.to_be_bytes(),
        &[0, 46, 0, 4, 0, 0, 2, 0x58],
    ];
    assert_eq!(ALICE.len(), 9);
    let (verdict, octets) = send(&world, &query.concat(), &permitted());
    assert_eq!(octets, expected.concat());
    assert_eq!(verdict, Verdict::Answer { to: FROM, without_relay_info: false });
}

//= rfc5007-4.1.2.1-06
//= rfc5007-4.4.1-09
//= rfc5007-4.4.1-12
#[test]
fn a_query_by_address_finds_who_has_it() {
    let world = world();
    for (host, client, keys) in [(1, ALICE, vec![key(1, 1)]), (2, BOB, vec![key(1, 2), delegated(1)])] {
        let data = told(&world, &Query::address(address(1, host))).unwrap();
        assert_eq!((&data.client[..], data.keys().collect()), (client, keys));
    }
}

//= rfc5007-4.1.2.1-07
//= rfc5007-4.4.1-06
#[test]
fn a_query_by_address_finds_who_has_the_longest_prefix_around_it() {
    let mut world = world();
    let data = told(&world, &Query::address(inside(1))).unwrap();
    assert_eq!((&data.client[..], data.keys().collect()), (BOB, vec![key(1, 2), delegated(1)]));
    let longer = V6Key::prefix(delegated(1).address(), 60);
    world.commit(&lease(longer, ALICE));
    assert_eq!(told_keys(&world, &Query::address(inside(1))), [key(1, 1), longer]);
    // One that has ended is around nothing.
    world.release(longer);
    assert_eq!(told_keys(&world, &Query::address(inside(1))), [key(1, 2), delegated(1)]);
    // And who has the address itself has it whatever is around it.
    world.commit(&lease(V6Key::new(inside(1)), b"\0\x03\0\x01carol"));
    assert_eq!(told_keys(&world, &Query::address(inside(1))), [V6Key::new(inside(1))]);
}

//= rfc5007-4.1.2.1-07
//= rfc5007-4.4.1-06
#[test]
fn a_prefix_that_is_on_no_known_link_is_found_as_well() {
    let mut world = World::new();
    world.commit(&lease(delegated(1), ALICE));
    world.commit(&lease(key(1, 1), ALICE));
    // Nobody knows whether it is on the link of the address.
    assert_eq!(told_keys(&world, &Query::address(inside(1))), [delegated(1)]);
    assert_eq!(told_keys(&world, &Query::address(address(1, 1))), [key(1, 1)]);
    assert_eq!(told_keys(&world, &Query::client(ALICE)), [key(1, 1), delegated(1)]);
}

//= rfc5007-4.1.2.2-03
//= rfc5007-4.4.1-09
//= rfc5007-4.4.1-12
#[test]
fn all_that_a_client_has_on_a_link_is_told_and_nothing_that_has_ended() {
    let mut world = World::new();
    world.configure(&[&[(address(1, 0), 64), (delegated(0).address(), 40)], &[(address(2, 0), 64)]]);
    let all = [key(1, 1), key(1, 2), key(1, 3), delegated(1)];
    for key in all {
        world.commit(&lease(key, ALICE));
    }
    world.commit(&Update { expires: Some(NOW.plus(5)), ..lease(key(1, 4), ALICE) });
    for (host, state) in [(5, State::Released), (6, State::Expired), (7, State::Abandoned)] {
        world.commit(&Update { state, ..lease(key(1, host), ALICE) });
    }
    world.commit(&lease(key(1, 8), BOB));
    world.store.advance(NOW.plus(5));
    let queries = [
        Query::client(ALICE),
        Query::client(ALICE).on(address(1, 0)),
        Query::address(address(1, 2)),
        Query::address(inside(1)),
    ];
    for query in queries {
        let data = told(&world, &query).unwrap();
        assert_eq!((&data.client[..], data.keys().collect::<Vec<_>>()), (ALICE, all.to_vec()));
        assert_eq!(data.codes(), [1, 5, 5, 5, 26, 46]);
    }
}

//= rfc5007-4.4.1-13
#[test]
fn of_what_nobody_has_nothing_is_told_and_that_is_a_success() {
    let mut world = world();
    world.release(key(1, 1));
    // Prefixes of others, and a lease of nobody's.
    world.commit(&Update { client_id: None, ..lease(key(1, 3), ALICE) });
    let queries = [
        Query::address(address(1, 1)),
        Query::address(address(1, 3)),
        Query::address(address(1, 99)),
        Query::address(inside(2)),
        Query::client(ALICE),
        Query::client(b"\0\x03\0\x01nobody"),
        Query::client(ALICE).on(address(1, 0)),
        Query::address(address(1, 99)).on(address(1, 0)),
    ];
    for query in queries {
        assert_eq!(ask(&world, &query).codes(), [2, 1], "{query:?}");
    }
}

//= rfc5007-4.4.1-05
#[test]
fn a_link_that_is_named_is_the_only_one_that_is_looked_at() {
    let mut world = World::new();
    world.configure(&[&[(address(1, 0), 64)], &[(address(2, 0), 64)]]);
    let prefix = V6Key::prefix(address(1, 0), 60);
    for key in [key(1, 1), key(2, 1)] {
        world.commit(&lease(key, ALICE));
    }
    world.commit(&Update { link: Some(address(1, 0)), ..lease(delegated(1), ALICE) });
    world.commit(&Update { link: Some(address(2, 0)), ..lease(prefix, BOB) });
    assert_eq!(told_keys(&world, &Query::client(ALICE).on(address(1, 0))), [key(1, 1), delegated(1)]);
    assert_eq!(told_keys(&world, &Query::client(ALICE).on(address(2, 77))), [key(2, 1)], "any address of the link");
    assert_eq!(told_keys(&world, &Query::address(address(1, 1)).on(address(1, 0))), [key(1, 1), delegated(1)]);
    // It is not there; a prefix around it is.
    assert_eq!(told_keys(&world, &Query::address(address(1, 1)).on(address(2, 0))), [prefix]);
    assert_eq!(told_keys(&world, &Query::address(address(2, 1)).on(address(1, 0))), []);
    assert_eq!(told_keys(&world, &Query::client(BOB).on(address(1, 0))), []);
}

//= rfc5007-4.4.1-06
#[test]
fn the_link_of_an_address_is_that_of_its_network() {
    let mut world = World::new();
    let pool = (delegated(0).address(), 40);
    world.configure(&[&[(address(1, 0), 64), (address(2, 0), 64), pool], &[(address(3, 0), 64)]]);
    for key in [key(1, 1), key(2, 1), key(3, 1), delegated(1)] {
        world.commit(&lease(key, ALICE));
    }
    for asked in [address(1, 1), address(2, 1), inside(1)] {
        assert_eq!(told_keys(&world, &Query::address(asked)), [key(1, 1), key(2, 1), delegated(1)]);
    }
    assert_eq!(told_keys(&world, &Query::address(address(3, 1))), [key(3, 1)]);
    assert_eq!(told(&world, &Query::address(inside(9))), None, "it is in a pool of ours");
}

//= rfc5007-4.4.1-08
#[test]
fn a_query_by_client_id_looks_at_every_link() {
    let mut world = World::new();
    let networks: Vec<_> = (0..200).map(|link| [(address(link, 0), 64)]).collect();
    world.configure(&networks.iter().map(|link| &link[..]).collect::<Vec<_>>());
    for link in 0..200 {
        world.commit(&lease(key(link, 1), &client(link)));
    }
    for link in [0, 1, 100, 199] {
        assert_eq!(told_keys(&world, &Query::client(&client(link))), [key(link, 1)]);
    }
}

//= rfc5007-4.1.2.5-01
//= rfc5007-4.4.1-10
//= rfc5007-4.4.1-11
#[test]
fn a_client_on_several_links_is_told_by_its_links_each_of_which_can_be_asked_for() {
    for configured in [true, false] {
        let mut world = World::new();
        if configured {
            world.configure(&[&[(address(3, 0), 64), (address(1, 0), 64)], &[(address(2, 0), 64)]]);
        }
        for key in [key(1, 1), key(1, 2), key(2, 1)] {
            world.commit(&lease(key, ALICE));
        }
        world.commit(&Update { link: Some(address(2, 0)), ..lease(delegated(1), ALICE) });
        world.commit(&lease(key(4, 1), BOB));
        // It was there.
        world.commit(&Update { state: State::Released, ..lease(key(5, 1), ALICE) });
        let reply = ask(&world, &Query::client(ALICE));
        // What a link is called is what its first network is called.
        let first = if configured { address(3, 0) } else { address(1, 0) };
        let mut named = links(&reply).unwrap();
        named.sort_unstable();
        let mut expected = [first, address(2, 0)];
        expected.sort_unstable();
        assert_eq!(named, expected);
        assert_eq!(reply.codes(), [2, 1, 48], "and nothing of the client");
        assert_eq!(told_keys(&world, &Query::client(ALICE).on(first)), [key(1, 1), key(1, 2)]);
        assert_eq!(told_keys(&world, &Query::client(ALICE).on(address(2, 0))), [key(2, 1), delegated(1)]);
        // A query by address is about one link.
        assert_eq!(told_keys(&world, &Query::address(address(1, 1))), [key(1, 1), key(1, 2)]);
    }
}

//= rfc5007-4.1.2.1-04
//= rfc5007-4.4.1-01
#[test]
fn ten_thousand_queries_change_nothing() {
    let mut world = World::with(Settings { history: 100, ..Settings::default() });
    for number in 0..20 {
        world.commit(&lease(key(number % 3, number), &client(number / 2)));
    }
    let state = |world: &World| {
        let leases: Vec<_> = (0..20).map(|n| format!("{:?}", world.store.lookup(key(n % 3, n)))).collect();
        (world.store.revision(), world.store.counts(), world.store.next_deadline(), leases)
    };
    let before = state(&world);
    let first = ask(&world, &Query::client(&client(3)));
    for number in 0..10_000_u16 {
        let query = match number % 3 {
            0 => Query::address(address(number % 4, number % 21)),
            1 => Query::client(&client(number % 12)),
            _ => Query::client(&client(number % 12)).on(address(number % 4, 0)).about(&[23, 47]),
        };
        let reply = ask(&world, &query.xid(number.into()));
        assert!(!reply.codes().contains(&44), "what asks is no answer");
    }
    assert_eq!(state(&world), before);
    assert_eq!(ask(&world, &Query::client(&client(3))), first);
}
