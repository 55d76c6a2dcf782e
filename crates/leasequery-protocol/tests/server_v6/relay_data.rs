//! OPTION_LQ_RELAY_DATA (RFC 5007 section 4.1.2.4).

use std::net::Ipv6Addr;

use leasequery_protocol::server::Policy;
use leasequery_store::Update;
use leasequery_wire::v6::{MessageType, Options, Relay, write_relayed};

use crate::support::*;

const PEER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11);

/// What a source keeps of a message that came by these relays, the one nearest to the server first, each of which added
/// these options.
fn info(relays: &[&[(u16, &[u8])]]) -> Vec<u8> {
    let encoded: Vec<Vec<u8>> = relays.iter().map(|relay| options(relay)).collect();
    let hops = (0..).zip(&encoded).map(|(hop, options)| Relay {
        kind: MessageType::RELAY_FORWARD,
        hop_count: 7 - hop,
        link: address(1, hop.into()),
        peer: address(2, hop.into()),
        options: Options::parse(options, 0).unwrap(),
    });
    let mut info = PEER.octets().to_vec();
    write_relayed(&hops.collect::<Vec<_>>(), &mut info).unwrap();
    info
}

const OUTER: &[(u16, &[u8])] = &[(18, b"port 1"), (37, b"\0\0\0\x01id")];
const INNER: &[(u16, &[u8])] = &[(37, b"\0\0\0\x01me"), (18, b"port 2"), (53, b"\0\x01r")];

fn told(world: &World, query: &Query, policy: Policy) -> Option<Vec<u8>> {
    let told = answer(&world.ask_as(query, policy));
    assert_eq!(told.len(), 1);
    told[0].option(47).map(<[u8]>::to_vec)
}

fn asked() -> Query {
    Query::client(ALICE).about(&[47])
}

//= rfc5007-4.1.2.4-01
//= rfc5007-4.1.2.4-06
//= rfc5007-4.1.2.4-05
//= rfc5007-4.1.2.4-07
//= rfc3315-7.1-01
#[test]
fn the_way_of_the_clients_message_is_told_if_it_is_asked_for() {
    let mut world = World::new();
    let stored = info(&[OUTER, INNER]);
    world.commit(&Update { relay_info: Some(&stored), ..lease(key(1, 1), ALICE) });
    let data = told(&world, &asked(), permitted()).unwrap();
    assert_eq!(data, stored);
    let (peer, message) = data.split_at(16);
    assert_eq!(peer, PEER.octets());
    let relays: Vec<_> = Relay::chain(message).map(Result::unwrap).collect();
    assert_eq!(relays.iter().map(|relay| relay.hop_count).collect::<Vec<_>>(), [7, 6]);
    assert!(relays.iter().all(|relay| relay.kind == MessageType::RELAY_FORWARD));
    assert!(relays[0].relayed().is_some() && relays[1].relayed().is_none());
    assert_eq!(told(&world, &Query::client(ALICE), permitted()), None, "it was not asked for");
}

//= rfc5007-4.1.2.4-01
//= rfc3315-7.1-01
#[test]
fn relay_data_octet_by_octet() {
    let mut world = World::new();
    let stored = info(&[&[], &[(18, b"p")]]);
    world.commit(&Update { relay_info: Some(&stored), ..lease(key(1, 1), ALICE) });
    let data = told(&world, &asked(), permitted()).unwrap();
    let expected = [
        &PEER.octets()[..],
        &[12, 7],
        &address(1, 0).octets(),
        &address(2, 0).octets(),
        &[0, 9, 0, 39],
        &[12, 6],
        &address(1, 1).octets(),
        &address(2, 1).octets(),
        &[0, 18, 0, 1, b'p'],
    ];
    assert_eq!(data, expected.concat());
}

//= rfc5007-4.1.2.4-03
//= rfc5007-4.1.2.4-04
#[test]
fn where_nothing_is_known_of_relays_nothing_is_told_of_them() {
    let mut world = World::new();
    world.commit(&lease(key(1, 1), ALICE));
    assert_eq!(told(&world, &asked(), permitted()), None);
    // One that came by a relay and then spoke to the server itself.
    let stored = info(&[OUTER]);
    world.commit(&Update { relay_info: Some(&stored), ..lease(key(1, 1), ALICE) });
    assert!(told(&world, &asked(), permitted()).is_some());
    world.commit(&Update { whole: true, last_transaction: Some(NOW.plus(1)), ..lease(key(1, 1), ALICE) });
    assert_eq!(told(&world, &asked(), permitted()), None);
}

//= rfc5007-4.1.2.4-05
#[test]
fn the_last_way_is_told() {
    let mut world = World::new();
    for port in [b"port 1", b"port 2"] {
        let stored = info(&[OUTER, &[(18, port)]]);
        world.commit(&Update { relay_info: Some(&stored), ..lease(key(1, 1), ALICE) });
        assert_eq!(told(&world, &asked(), permitted()), Some(stored));
    }
    // That of another lease, by which the client was heard of later.
    let stored = info(&[INNER]);
    world.commit(&Update { relay_info: Some(&stored), last_transaction: Some(NOW.plus(1)), ..lease(key(1, 2), ALICE) });
    assert_eq!(told(&world, &asked(), permitted()), Some(stored));
}

//= rfc5007-4.4.2-07
#[test]
fn what_is_withheld_is_not_even_told_inside_of_relay_data() {
    let mut world = World::new();
    let stored = info(&[OUTER, INNER]);
    world.commit(&Update { relay_info: Some(&stored), ..lease(key(1, 1), ALICE) });
    let withhold = |codes: &[u16]| told(&world, &asked(), Policy { withhold: codes.to_vec(), ..permitted() });
    assert_eq!(withhold(&[99]), Some(stored.clone()));
    assert_eq!(withhold(&[37]), Some(info(&[&OUTER[..1], &INNER[1..]])));
    assert_eq!(withhold(&[53, 18]), Some(info(&[&OUTER[1..], &INNER[..1]])));
    assert_eq!(withhold(&[9]), Some(stored), "the relays' messages are no data about the client");
    assert_eq!(withhold(&[47]), None);
}

//= rfc5007-4.4.2-07
#[test]
fn relay_data_that_cannot_be_read_are_not_told_if_anything_is_withheld() {
    let mut world = World::new();
    world.commit(&Update { relay_info: Some(b"whatever"), ..lease(key(1, 1), ALICE) });
    assert_eq!(told(&world, &asked(), Policy { withhold: vec![37], ..permitted() }), None);
}
