//! Single queries over UDP: what is told of a client, and what does not fit (RFC 5007 sections 4.1.2 and 4.4.2).

use std::net::Ipv6Addr;

use leasequery_protocol::server::Policy;
use leasequery_store::{Time, Update};
use leasequery_wire::v6::{MessageType, Options, Relay, StatusCode, write_relayed};

use super::single::{ask, ask_as, links, refused, told, told_keys};
use crate::support::*;

//= rfc5007-4.1.2.3-01
//= rfc5007-4.1.2.3-02
//= rfc5007-4.1.2.3-03
#[test]
fn the_time_since_the_client_was_heard_is_that_of_the_link_and_never_negative() {
    let mut world = World::new();
    let heard = |key, seconds| Update { last_transaction: Some(NOW.plus(seconds)), ..lease(key, ALICE) };
    world.commit(&heard(key(1, 1), 10));
    world.commit(&heard(key(1, 2), 30));
    world.commit(&heard(key(2, 1), 60));
    world.store.advance(NOW.plus(100));
    let clt = |world: &World, link| told(world, &Query::client(ALICE).on(address(link, 0))).unwrap().clt;
    assert_eq!([clt(&world, 1), clt(&world, 2)], [70, 40]);
    world.store.advance(NOW.plus(105));
    assert_eq!([clt(&world, 1), clt(&world, 2)], [75, 45]);
    world.commit(&heard(key(1, 1), 5000));
    assert_eq!(clt(&world, 1), 0);
    // Where nobody knows when it was heard, it is since when it has the lease.
    let mut world = World::new();
    world.commit(&Update { last_transaction: None, ..lease(key(1, 1), ALICE) });
    world.store.advance(NOW.plus(7));
    assert_eq!(clt(&world, 1), 7);
}

//= rfc5007-4.1.2.2-03
#[test]
fn lifetimes_are_what_is_left_of_them_and_those_without_end_have_none() {
    let mut world = World::new();
    world.commit(&Update { renews: Some(NOW.plus(1800)), ..lease(key(1, 1), ALICE) });
    world.commit(&Update { expires: Some(Time::INFINITE), ..lease(delegated(1), BOB) });
    let left = |world: &World, client| {
        let data = told(world, &Query::client(client)).unwrap();
        (data.leases[0].preferred, data.leases[0].valid)
    };
    for (seconds, preferred, valid) in [(0, 1800, 3600), (600, 1200, 3000), (1900, 0, 1700), (3599, 0, 1)] {
        world.store.advance(NOW.plus(seconds));
        assert_eq!(left(&world, ALICE), (preferred, valid));
        assert_eq!(left(&world, BOB), (u32::MAX, u32::MAX));
    }
    world.store.advance(NOW.plus(3600));
    assert_eq!(told(&world, &Query::client(ALICE)), None);
}

//= rfc5007-4.1.2.1-10
//= rfc5007-4.4.2-05
#[test]
fn what_is_told_about_the_client_is_what_the_query_option_asks_for() {
    let mut world = World::new();
    let (dns, info) = ([0x20; 16], relay_data());
    let options: &[(u16, &[u8])] = &[(16, b"\0\0\x0d\xe9class"), (23, &dns), (39, b"\0\x04host\0")];
    world.commit(&Update { options, relay_info: Some(&info), ..lease(key(1, 1), ALICE) });
    for query in [Query::client(ALICE), Query::address(address(1, 1))] {
        let codes = |query: Query| told(&world, &query).unwrap().codes();
        assert_eq!(codes(query.clone()), [1, 5, 46]);
        let outer = query.clone().request(&[47, 23, 39]);
        assert_eq!(codes(outer.clone()), [1, 5, 46], "another list, which is about the message");
        assert_eq!(codes(outer.about(&[39])), [1, 5, 46, 39]);
        let data = told(&world, &query.clone().about(&[39, 4711, 23, 39, 1, 5, 46, 44, 3])).unwrap();
        assert_eq!(data.codes(), [1, 5, 46, 23, 39], "in the order in which they are kept");
        assert_eq!(data.option(23), Some(&dns[..]));
        // Over UDP nobody counts from a base-time (RFC 7653 section 6.3.1).
        assert_eq!(ask(&world, &query.clone().base_time().about(&[100])).codes(), [2, 1, 45]);
        assert_eq!(codes(query.about(&[100])), [1, 5, 46]);
    }
}

/// What a source keeps of a message that came by two relays. The server had it from an address that neither names.
fn relay_data() -> Vec<u8> {
    let added = [options(&[(37, b"\0\0\0\x01id")]), options(&[(18, b"port"), (37, b"\0\0\0\x01me")])];
    let relays = [0, 1].map(|hop| Relay {
        kind: MessageType::RELAY_FORWARD,
        hop_count: 1 - hop,
        link: address(1, hop.into()),
        peer: address(2, hop.into()),
        options: Options::parse(&added[usize::from(hop)], 0).unwrap(),
    });
    let mut info = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11).octets().to_vec();
    write_relayed(&relays, &mut info).unwrap();
    info
}

//= rfc5007-4.1.2.4-01
//= rfc5007-4.1.2.4-02
//= rfc5007-4.1.2.4-03
//= rfc5007-4.1.2.4-04
//= rfc5007-4.1.2.4-06
//= rfc5007-4.1.2.4-07
#[test]
fn relay_data_is_told_about_the_client_if_there_is_some_and_the_query_option_asks_for_it() {
    let mut world = World::new();
    let info = relay_data();
    world.commit(&Update { relay_info: Some(&info), ..lease(key(1, 1), ALICE) });
    world.commit(&lease(key(1, 2), BOB));
    let data = |query: Query| told(&world, &query).unwrap().option(47).map(<[u8]>::to_vec);
    let told = data(Query::client(ALICE).about(&[47])).unwrap();
    assert_eq!(told, info);
    assert_eq!(told[..16], Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11).octets(), "where the server had it from");
    assert_eq!(told[16..18], [12, 1]);
    let message = |octets: &[u8]| {
        let relays = Relay::chain(octets);
        relays.map(|relay| relay.unwrap().relayed().is_some()).collect::<Vec<_>>()
    };
    assert_eq!(message(&told[16..]), [true, false], "the client's own message is not in it");
    assert_eq!(data(Query::client(ALICE)), None);
    assert_eq!(data(Query::client(ALICE).request(&[47])), None);
    assert_eq!(data(Query::client(BOB).about(&[47])), None, "of Bob there is none");
}

//= rfc5007-4.4.2-07
//= rfc5007-5-03
#[test]
fn what_is_withheld_from_a_requestor_is_not_told_even_if_it_is_asked_for() {
    let mut world = World::new();
    let info = relay_data();
    world.commit(&Update {
        relay_info: Some(&info),
        options: &[(16, b"class"), (23, b"dns")],
        ..lease(key(1, 1), ALICE)
    });
    let query = Query::client(ALICE).about(&[16, 23, 47]);
    let told = |withhold: &[u16]| {
        ask_as(&world, &query, &Policy { withhold: withhold.to_vec(), ..permitted() }).data().unwrap()
    };
    assert_eq!(told(&[]).codes(), [1, 5, 46, 47, 16, 23]);
    assert_eq!(told(&[16]).codes(), [1, 5, 46, 47, 23]);
    assert_eq!(told(&[47, 23]).codes(), [1, 5, 46, 16]);
    let data = told(&[37]);
    let inside = data.option(47).unwrap();
    assert!(inside.windows(4).any(|octets| octets == b"port") && inside.windows(2).all(|octets| octets != b"id"));
}

//= rfc5007-4.4.1-12
#[test]
fn more_leases_than_a_datagram_can_tell_of_are_not_told_in_part() {
    let mut world = World::new();
    // An answer of these names, the data, the DUID in it and the time.
    let fixed = 4 + 2 * (4 + 10) + 4 + (4 + ALICE.len()) + 8;
    let most = u16::try_from((65_527 - fixed) / 28).unwrap();
    for host in 1..=most {
        world.commit(&lease(key(1, host), ALICE));
    }
    assert_eq!(told_keys(&world, &Query::client(ALICE)).len(), usize::from(most));
    world.commit(&lease(key(1, most + 1), ALICE));
    for query in [Query::client(ALICE), Query::client(ALICE).on(address(1, 0)), Query::address(address(1, 7))] {
        let text = refused(&world, &query, StatusCode::UNSPEC_FAIL);
        assert_eq!(text, "the answer is longer than a datagram; a query over TCP is answered in full");
    }
    assert_eq!(world.keys(&Query::client(ALICE)).len(), usize::from(most) + 1);
}

#[test]
fn a_client_with_more_bindings_than_are_looked_at_for_a_datagram_is_told_so() {
    let mut world = World::new();
    let bind = |world: &mut World, links: std::ops::Range<u16>| {
        for (link, host) in links.flat_map(|link| (1..=100).map(move |host| (link, host))) {
            world.commit(&lease(key(link, host), ALICE));
            if (link, host) != (1, 1) {
                world.release(key(link, host));
            }
        }
    };
    // One of 4,000 is a lease.
    bind(&mut world, 1..41);
    assert_eq!(told_keys(&world, &Query::client(ALICE)), [key(1, 1)]);
    bind(&mut world, 41..42);
    let text = refused(&world, &Query::client(ALICE), StatusCode::UNSPEC_FAIL);
    assert!(text.contains("a query over TCP"), "{text}");
    assert_eq!(world.keys(&Query::client(ALICE)), [key(1, 1)]);
}

//= rfc5007-4.4.1-12
#[test]
fn more_links_than_a_datagram_can_tell_of_are_not_told_in_part() {
    let mut world = World::new();
    for link in 1..=4095 {
        world.commit(&lease(key(link, 1), ALICE));
    }
    // 65,520 octets of links would fit, but not with what is before them.
    refused(&world, &Query::client(ALICE), StatusCode::UNSPEC_FAIL);
    let mut world = World::new();
    for link in 1..=4090 {
        world.commit(&lease(key(link, 1), ALICE));
    }
    assert_eq!(links(&ask(&world, &Query::client(ALICE))).unwrap().len(), 4090);
}

//= rfc5007-4.4.1-12
#[test]
fn options_that_make_an_answer_too_long_make_it_fail_as_a_whole() {
    let mut world = World::new();
    let long = vec![0; 40_000];
    world.commit(&Update { options: &[(23, &long)], ..lease(key(1, 1), ALICE) });
    world.commit(&Update { options: &[(24, &long)], ..lease(key(1, 2), ALICE) });
    assert_eq!(told(&world, &Query::client(ALICE).about(&[23])).unwrap().option(23).unwrap().len(), 40_000);
    refused(&world, &Query::client(ALICE).about(&[23, 24]), StatusCode::UNSPEC_FAIL);
}
