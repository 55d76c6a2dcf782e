//! Single queries that came by relays, and the way back (RFC 8415 section 19.3, RFC 8357 section 5.2).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use leasequery_protocol::server::v6::answer as answer_datagram;
use leasequery_protocol::server::{Policy, Silence, Verdict};
use leasequery_store::Update;
use leasequery_wire::Problem;
use leasequery_wire::v6::{MessageType, QueryType, StatusCode};

use super::single::{FROM, check, datagram, send, silence, world};
use crate::support::*;

/// The headers of a Relay-Forward, or of a Relay-Reply, the `nth` from the client, with options behind it.
fn relay(kind: u8, nth: u8, options: &[u8]) -> Vec<u8> {
    let (link, peer) = (address(10, nth.into()), address(20, nth.into()));
    [&[kind, nth][..], &link.octets(), &peer.octets(), options].concat()
}

/// What each relay adds, and what of that comes back: the nearest to the client first.
type Added<'a> = &'a [(Vec<u8>, Vec<u8>)];

/// A message as it comes by relays.
fn forwarded(message: &[u8], added: Added<'_>) -> Vec<u8> {
    (0..).zip(added).fold(message.to_vec(), |message, (nth, (before, _))| {
        relay(12, nth, &[before.clone(), options(&[(9, &message)])].concat())
    })
}

/// An answer as it goes back.
fn returned(message: &[u8], added: Added<'_>) -> Vec<u8> {
    (0..).zip(added).fold(message.to_vec(), |message, (nth, (_, back))| {
        relay(13, nth, &[back.clone(), options(&[(9, &message)])].concat())
    })
}

/// Where an answer goes.
#[track_caller]
fn destination(verdict: Verdict) -> SocketAddr {
    match verdict {
        Verdict::Answer { to, without_relay_info: false } => to,
        other => panic!("{other:?}"),
    }
}

/// The answer inside of so many Relay-Replies.
fn innermost(octets: &[u8], relays: usize) -> Vec<u8> {
    (0..relays).fold(octets.to_vec(), |octets, _| {
        let relay = leasequery_wire::v6::Relay::parse(&octets).unwrap();
        assert_eq!(relay.kind, MessageType::RELAY_REPLY);
        relay.relayed().unwrap().to_vec()
    })
}

//= rfc5007-4.4.3-01
#[test]
fn an_answer_goes_back_through_the_same_relays() {
    let world = world();
    let query = Query::client(BOB);
    let (_, direct) = send(&world, &datagram(&query), &permitted());
    check(&query, Reply(direct.clone()));
    let added: Vec<_> = (0..31_u8)
        .map(|nth| {
            // Some know by an Interface-Id, wherever it is, where they had it from; what else they say is theirs.
            let interface = options(&[(18, &[b'i', nth])]);
            let other = options(&[(37, b"\0\0\0\x01remote"), (53, b"\0\x01r")]);
            match nth % 4 {
                0 => (Vec::new(), Vec::new()),
                1 => (interface.clone(), interface),
                2 => (other, Vec::new()),
                _ => ([&other[..], &interface].concat(), interface),
            }
        })
        .collect();
    for relays in 1..=31 {
        let added = &added[..relays];
        let (verdict, octets) = send(&world, &forwarded(&datagram(&query), added), &permitted());
        assert_eq!(destination(verdict), SocketAddr::new(FROM.ip(), 547));
        assert_eq!(octets, returned(&direct, added), "by {relays}");
    }
}

//= rfc5007-4.4.3-01
#[test]
fn more_relays_than_there_can_be_are_not_answered() {
    let world = world();
    let none: Vec<_> = (0..40).map(|_| (Vec::new(), Vec::new())).collect();
    for relays in 32..=40 {
        let octets = forwarded(&datagram(&Query::client(BOB)), &none[..relays]);
        assert!(matches!(silence(&world, &octets), Silence::Unusable(_)), "by {relays}");
    }
}

//= rfc5007-4.4.3-01
#[test]
fn an_answer_goes_to_the_port_where_the_nearest_relay_waits_for_it() {
    let world = world();
    let query = datagram(&Query::client(ALICE));
    let plain = (Vec::new(), Vec::new());
    // The option tells of the port that the next relay has it from, or nothing, and comes back in any case.
    let port = [&[][..], &[0x9c, 0x40]].map(|value: &[u8]| (options(&[(135, value)]), options(&[(135, value)])));
    let interface = (options(&[(18, b"if"), (135, b"\0\0")]), options(&[(18, b"if"), (135, b"\0\0")]));
    for (added, expected) in [
        (vec![plain.clone()], 547),
        (vec![port[0].clone()], FROM.port()),
        (vec![port[1].clone()], FROM.port()),
        (vec![interface.clone()], FROM.port()),
        (vec![port[1].clone(), plain.clone()], 547),
        (vec![plain, interface], FROM.port()),
    ] {
        let (verdict, octets) = send(&world, &forwarded(&query, &added), &permitted());
        assert_eq!(destination(verdict), SocketAddr::new(FROM.ip(), expected));
        let (_, direct) = send(&world, &query, &permitted());
        assert_eq!(octets, returned(&direct, &added));
    }
}

//= rfc5007-4.4.3-01
#[test]
fn what_comes_from_the_requestor_itself_is_answered_where_it_came_from() {
    let world = world();
    for port in [546, 547, 1, 65_535] {
        let from = SocketAddr::new(FROM.ip(), port);
        let mut out = Vec::new();
        let permit = |_| Some(Arc::new(permitted()));
        let query = datagram(&Query::client(ALICE));
        let verdict = answer_datagram(&query, from, &SERVER, permit, &world.store, &mut out);
        assert_eq!(destination(verdict), from);
    }
}

//= rfc5007-4.4.3-01
#[test]
fn a_refusal_goes_back_through_the_relays_as_well() {
    let world = world();
    let added = [(options(&[(18, b"a")]), options(&[(18, b"a")])), (Vec::new(), Vec::new())];
    for (query_type, status) in [(200, 7), (1, 8), (3, 10)] {
        let query = Query::by(QueryType(query_type));
        let (verdict, octets) = send(&world, &forwarded(&datagram(&query), &added), &permitted());
        assert_eq!(destination(verdict).port(), 547);
        let reply = check(&query, Reply(innermost(&octets, 2)));
        assert_eq!(reply.status(), Some(StatusCode(status)));
        assert_eq!(octets, returned(&reply.0, &added));
    }
}

//= rfc5007-4.2.1-02
//= rfc5007-4.2.1-03
//= rfc5007-4.2.1-04
//= rfc5007-4.2.2-05
#[test]
fn what_is_not_answered_is_not_answered_by_relays_either() {
    let world = world();
    let added = [(Vec::new(), Vec::new()), (options(&[(18, b"a")]), Vec::new())];
    let silence = |message: &[u8]| silence(&world, &forwarded(message, &added));
    let query = Query::client(ALICE);
    let unusable = Silence::Unusable;
    assert_eq!(silence(&datagram(&query.clone().client_id(None))), unusable("a query without OPTION_CLIENTID"));
    let other = query.clone().outer(leasequery_wire::v6::OptionCode::SERVER_ID, BOB);
    assert_eq!(silence(&datagram(&other)), unusable("a query to another server"));
    let nothing = Query::of_kind(MessageType::LEASE_QUERY);
    assert_eq!(silence(&datagram(&nothing)), unusable("a query without OPTION_LQ_QUERY"));
    for kind in [1, 3, 5, 7, 13, 15, 16, 17, 22, 255] {
        let message = Query { kind: MessageType(kind), ..query.clone() };
        assert_eq!(silence(&datagram(&message)), Silence::NotAQuery(kind));
    }
    assert!(matches!(silence(&datagram(&query)[..20]), Silence::Malformed(_)));
    assert!(matches!(silence(b""), Silence::Malformed(_)));
}

#[test]
fn a_relay_that_carries_nothing_is_not_answered() {
    let world = world();
    let without = relay(12, 0, &options(&[(18, b"if")]));
    let silent = Silence::Unusable("relayed, and without a message");
    assert_eq!(silence(&world, &without), silent);
    assert_eq!(silence(&world, &relay(12, 1, &options(&[(9, &without)]))), silent);
    // One that is broken, or has another one inside that is.
    let broken = |octets: &[u8]| match silence(&world, octets) {
        Silence::Malformed(error) => error.problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(broken(&without[..33]), Problem::Truncated { found: 33, least: 34 });
    assert!(matches!(broken(&without[..36]), Problem::NoLength(18)));
    assert!(matches!(broken(&relay(12, 1, &options(&[(9, &without[..33])]))), Problem::Truncated { found: 33, .. }));
    assert!(matches!(broken(&relay(12, 1, &options(&[(9, &without[..39])]))), Problem::Overrun { code: 18, .. }));
}

//= rfc5007-4.4.1-03
//= rfc5007-5-01
//= rfc5007-5-03
#[test]
fn the_relay_is_who_asks() {
    // A relay that is no requestor is how a server is told to discard what is relayed.
    let mut world = world();
    world.commit(&Update { options: &[(23, b"dns"), (39, b"name")], ..lease(key(1, 1), ALICE) });
    let query = datagram(&Query::client(ALICE).about(&[23, 39]));
    let octets = forwarded(&query, &[(Vec::new(), Vec::new())]);
    let relay = SocketAddr::from((address(30, 1), 547));
    let listed = |listed: IpAddr| {
        move |address: IpAddr| {
            let policy = Policy { withhold: vec![23], ..permitted() };
            (address == listed).then(|| Arc::new(policy))
        }
    };
    let mut out = Vec::new();
    // Neither the requestor's own address nor what relays say of others counts.
    for other in [FROM.ip(), IpAddr::V6(address(20, 0)), IpAddr::V6(address(10, 0))] {
        let verdict = answer_datagram(&octets, relay, &SERVER, listed(other), &world.store, &mut out);
        assert_eq!(verdict, Verdict::Silence(Silence::NotPermitted(relay.ip())));
        assert_eq!(out, b"");
    }
    let verdict = answer_datagram(&octets, relay, &SERVER, listed(relay.ip()), &world.store, &mut out);
    assert_eq!(destination(verdict), relay);
    assert_eq!(Reply(innermost(&out, 1)).data().unwrap().codes(), [1, 5, 46, 39]);
}

//= rfc5007-4.4.1-12
//= rfc5007-4.4.3-01
#[test]
fn what_relays_add_leaves_less_room_for_leases() {
    let mut world = World::new();
    for host in 1..=2000 {
        world.commit(&lease(key(1, host), ALICE));
    }
    let query = Query::client(ALICE);
    let (_, direct) = send(&world, &datagram(&query), &permitted());
    assert!(Reply(direct.clone()).data().is_some());
    // Headers, the Relay Message option, and that of the interface.
    let room = 65_527 - direct.len() - 38 - 4;
    for (length, fits) in [(room, true), (room + 1, false), (room + 1000, false)] {
        let interface = options(&[(18, &vec![7; length])]);
        let added = [(interface.clone(), interface)];
        let (verdict, octets) = send(&world, &forwarded(&datagram(&query), &added), &permitted());
        assert_eq!(destination(verdict).port(), 547);
        let reply = check(&query, Reply(innermost(&octets, 1)));
        assert!(octets == returned(&reply.0, &added));
        if fits {
            assert!(reply.0 == direct && octets.len() == 65_527);
        } else {
            assert_eq!((reply.status(), reply.codes()), (Some(StatusCode::UNSPEC_FAIL), vec![2, 1, 13]));
        }
    }
}

//= rfc5007-4.4.3-01
#[test]
fn what_could_not_be_carried_back_is_not_answered() {
    let world = world();
    let query = datagram(&Query::by(QueryType(200)));
    // The query fills a datagram with what relays have to get back; the answer is longer than the query.
    let interface = options(&[(18, &vec![7; 40_000])]);
    let octets = forwarded(&query, &[(interface, Vec::new())]);
    assert!(matches!(send(&world, &octets, &permitted()).0, Verdict::Answer { .. }));
    let interface = options(&[(18, &vec![7; 65_527 - octets.len() - 42])]);
    let twice = relay(12, 1, &[interface, options(&[(9, &octets)])].concat());
    assert_eq!(twice.len(), 65_527);
    assert!(matches!(silence(&world, &twice), Silence::Unusable(_)));
}

#[test]
fn only_what_a_relay_is_found_by_comes_back() {
    let world = world();
    // Its first Relay Message option is the one that counts, and every other option stays where it is.
    let query = datagram(&Query::client(ALICE));
    let before = options(&[(1, b"\0\x01"), (13, b"\0\0"), (18, b"one"), (79, b"\0\x01mac"), (18, b"two")]);
    let mut octets = forwarded(&query, &[(before, Vec::new())]);
    octets.extend(options(&[(9, b"another"), (135, b"\0\0")]));
    let (_, direct) = send(&world, &query, &permitted());
    let (verdict, answer) = send(&world, &octets, &permitted());
    assert_eq!(destination(verdict), FROM);
    let back = options(&[(18, b"one"), (18, b"two"), (135, b"\0\0")]);
    assert_eq!(answer, returned(&direct, &[(Vec::new(), back)]));
}

//= rfc5007-4.4.1-05
#[test]
fn what_relays_say_of_links_says_nothing_about_the_query() {
    let mut world = World::new();
    for key in [key(1, 1), key(2, 1)] {
        world.commit(&lease(key, ALICE));
    }
    // The link of the relay is where the requestor is, not the client.
    let octets = relay(12, 0, &options(&[(9, &datagram(&Query::client(ALICE)))]));
    let octets = [&octets[..2], &address(1, 0).octets(), &octets[18..]].concat();
    let (_, answer) = send(&world, &octets, &permitted());
    let reply = check(&Query::client(ALICE), Reply(innermost(&answer, 1)));
    let links: Vec<Ipv6Addr> = reply.message().client_links().unwrap().unwrap().collect();
    assert_eq!(links.len(), 2);
}
