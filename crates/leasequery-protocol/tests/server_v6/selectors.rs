//! What a query is about (RFC 5007 section 4.1.2.1, RFC 5460 sections 5.3 and 7.2).

use std::net::Ipv6Addr;

use leasequery_store::{State, Update, V6Key};
use leasequery_wire::v6::{QueryType, StatusCode};

use crate::support::*;

/// Relays and subscribers on two links.
fn world() -> World {
    let mut world = World::new();
    let update =
        |key, client, relay, remote| Update { relay_id: Some(relay), remote_id: Some(remote), ..lease(key, client) };
    world.commit(&update(key(1, 1), ALICE, b"\xff\xferelay-1", b"\0\0\x0d\xe9port"));
    world.commit(&update(key(1, 2), BOB, b"\xff\xferelay-2", b"\0\0\x0d\xe9Port"));
    world.commit(&update(key(2, 1), ALICE, b"\xff\xferelay-1", b"\0\0\x0d\xeaport"));
    world.commit(&update(key(2, 2), BOB, b"\xff\xferelay-1", b"\0\0\x0d\xe9port"));
    world.commit(&lease(key(2, 3), b"\xff\xfesomebody"));
    world.commit(&Update {
        state: State::Released,
        ..update(key(2, 4), ALICE, b"\xff\xferelay-1", b"\0\0\x0d\xe9port")
    });
    world
}

//= rfc5007-4.1.2.1-03
//= rfc5460-5.3-01
#[test]
fn the_five_kinds_of_query_have_their_numbers() {
    let numbers = [
        QueryType::BY_ADDRESS,
        QueryType::BY_CLIENT_ID,
        QueryType::BY_RELAY_ID,
        QueryType::BY_LINK_ADDRESS,
        QueryType::BY_REMOTE_ID,
    ];
    assert_eq!(numbers.map(|query_type| query_type.0), [1, 2, 3, 4, 5]);
    let queries = [
        Query::address(address(1, 1)),
        Query::client(ALICE),
        Query::relay(b"\xff\xferelay-1"),
        Query::link(address(1, 0)),
        Query::remote(b"\0\0\x0d\xe9port"),
    ];
    for (number, query) in (1..).zip(queries) {
        // Its octet stands behind length, header, OPTION_CLIENTID and the head of OPTION_LQ_QUERY.
        assert_eq!(query.frame()[2 + 4 + 4 + REQUESTOR.len() + 4], number);
        assert!(!world().told(&query).is_empty());
    }
}

//= rfc5460-4-01
//= rfc5007-4.1.2.1-01
#[test]
fn by_address_the_client_that_has_it_is_told_of() {
    let told = world().told(&Query::address(address(1, 2)));
    assert_eq!(told.iter().map(|data| data.client.as_slice()).collect::<Vec<_>>(), [BOB]);
    assert_eq!(keys(&told), [key(1, 2)]);
    assert_eq!(world().keys(&Query::address(address(2, 4))), [], "it was given back");
    assert_eq!(world().keys(&Query::address(address(2, 5))), [], "nobody ever had it");
}

#[test]
fn by_address_what_is_not_on_the_given_link_is_not_told() {
    assert_eq!(world().keys(&Query::address(address(1, 2)).on(address(1, 77))), [key(1, 2)]);
    assert_eq!(world().keys(&Query::address(address(1, 2)).on(address(2, 77))), []);
}

#[test]
fn by_an_address_inside_of_a_delegated_prefix_the_client_that_has_the_prefix_is_told_of() {
    let mut world = World::new();
    world.commit(&lease(delegated(1), ALICE));
    let inside = V6Key::prefix(delegated(1).address(), 60);
    world.commit(&lease(inside, BOB));
    let far = Ipv6Addr::from_bits(V6Key::last_in(delegated(1).address(), 56).address().to_bits());
    assert_eq!(world.keys(&Query::address(far)), [delegated(1)]);
    assert_eq!(world.keys(&Query::address(delegated(1).address())), [inside], "the longest prefix");
    world.release(inside);
    assert_eq!(world.keys(&Query::address(delegated(1).address())), [delegated(1)], "the longest that is leased");
    let outside = Ipv6Addr::from_bits(far.to_bits() + 1);
    refusal(&world.ask(&Query::address(outside)), StatusCode::NOT_CONFIGURED);
}

#[test]
fn by_address_the_lease_is_told_though_its_client_has_a_prefix_around_it() {
    // Both are about the address in question, but only one of them is looked at.
    let mut world = World::new();
    let outer = V6Key::prefix(delegated(1).address(), 48);
    let address = V6Key::new(Ipv6Addr::from_bits(delegated(1).address().to_bits() + 7));
    for key in [outer, delegated(1)] {
        world.commit(&lease(key, ALICE));
    }
    assert_eq!(world.keys(&Query::address(address.address())), [outer, delegated(1)]);
    world.configure(&[&[(outer.address(), 48)]]);
    world.commit(&lease(address, ALICE));
    assert_eq!(world.keys(&Query::address(address.address())), [outer, delegated(1), address]);
}

//= rfc5460-4-01
//= rfc3315-9-01
#[test]
fn by_client_id_all_leases_of_the_client_are_told_of() {
    assert_eq!(world().keys(&Query::client(ALICE)), [key(1, 1), key(2, 1)]);
    assert_eq!(world().keys(&Query::client(b"\xff\xfesomebody")), [key(2, 3)], "a type that nobody knows");
    assert_eq!(world().keys(&Query::client(b"\xff\xfesomebodyelse")), []);
    assert_eq!(world().keys(&Query::client(b"\xff\xfesomebod")), []);
    assert_eq!(world().keys(&Query::client(ALICE).on(address(2, 0))), [key(2, 1)]);
}

//= rfc5460-4-02
//= rfc5007-4.1.2.2-02
#[test]
fn a_client_on_two_links_is_told_of_in_two_messages_not_by_its_links() {
    let replies = world().ask(&Query::client(ALICE).about(&[48]));
    let told: Vec<_> = answer(&replies).iter().map(|data| data.keys().collect::<Vec<_>>()).collect();
    assert_eq!(told, [[key(1, 1)], [key(2, 1)]]);
    for reply in &replies {
        assert!(!reply.codes().contains(&48));
        assert!(reply.data().is_none_or(|data| !data.codes().contains(&48)));
    }
}

//= rfc5460-7.2-08
//= rfc5460-5.3.1-02
//= rfc5460-5.4.1-01
//= rfc5460-5.4.1-02
//= rfc3315-9-01
#[test]
fn by_relay_id_what_came_through_the_relay_is_told_of_on_any_link() {
    assert_eq!(world().keys(&Query::relay(b"\xff\xferelay-1")), [key(1, 1), key(2, 1), key(2, 2)]);
    assert_eq!(world().keys(&Query::relay(b"\xff\xferelay-2")), [key(1, 2)]);
    assert_eq!(world().keys(&Query::relay(b"\xff\xferelay-3")), []);
    let mut world = World::new();
    world.commit(&Update { relay_id: Some(b"\0\x01r"), ..lease(delegated(1), ALICE) });
    assert_eq!(world.keys(&Query::relay(b"\0\x01r")), [delegated(1)], "a prefix");
}

//= rfc5460-7.2-06
#[test]
fn by_relay_id_only_what_is_on_the_given_link_is_told_of() {
    assert_eq!(world().keys(&Query::relay(b"\xff\xferelay-1").on(address(1, 99))), [key(1, 1)]);
    assert_eq!(world().keys(&Query::relay(b"\xff\xferelay-1").on(address(2, 99))), [key(2, 1), key(2, 2)]);
}

//= rfc5460-5.3.3-03
//= rfc4649-5-01
//= rfc4649-5-02
#[test]
fn remote_ids_match_octet_by_octet_with_their_enterprise_number() {
    assert_eq!(world().keys(&Query::remote(b"\0\0\x0d\xe9port")), [key(1, 1), key(2, 2)]);
    assert_eq!(world().keys(&Query::remote(b"\0\0\x0d\xe9Port")), [key(1, 2)]);
    assert_eq!(world().keys(&Query::remote(b"\0\0\x0d\xeaport")), [key(2, 1)]);
    assert_eq!(world().keys(&Query::remote(b"\0\0\x0d\xe9por")), []);
}

//= rfc5460-7.2-10
#[test]
fn by_remote_id_only_what_is_on_the_given_link_is_told_of() {
    assert_eq!(world().keys(&Query::remote(b"\0\0\x0d\xe9port").on(address(1, 0))), [key(1, 1)]);
    assert_eq!(world().keys(&Query::remote(b"\0\0\x0d\xe9port").on(address(2, 0))), [key(2, 2)]);
}

//= rfc5460-5.3.3-02
//= rfc5460-7.2-08
#[test]
fn the_latest_identifiers_count_all_those_of_the_latest_way() {
    let mut world = World::new();
    let ways = [(&b"\0\0\0\x01a"[..], &b"\0\x02a"[..]), (b"\0\0\0\x01b", b"\0\x02b"), (b"\0\0\0\x01c", b"\0\x02c")];
    let [(remote_a, relay_a), (remote_b, relay_b), (remote_c, relay_c)] = ways;
    let first = Update { remote_id: Some(remote_a), relay_id: Some(relay_a), ..lease(key(1, 1), ALICE) };
    world.commit(&first);
    assert_eq!(world.keys(&Query::remote(remote_a)), [key(1, 1)]);
    // Then by two relays, each of which adds its own.
    world.commit(&Update {
        remote_id: Some(remote_b),
        more_remote_ids: &[remote_c],
        relay_id: Some(relay_b),
        more_relay_ids: &[relay_c],
        ..first
    });
    for (remote, relay, found) in [(remote_a, relay_a, 0), (remote_b, relay_b, 1), (remote_c, relay_c, 1)] {
        assert_eq!(world.keys(&Query::remote(remote)).len(), found);
        assert_eq!(world.keys(&Query::relay(relay)).len(), found);
    }
}

//= rfc5460-5.3.2-01
//= rfc5460-7.2-09
#[test]
fn by_link_address_all_that_is_on_the_link_is_told_of() {
    assert_eq!(world().keys(&Query::link(address(1, 0))), [key(1, 1), key(1, 2)]);
    assert_eq!(world().keys(&Query::link(address(2, 0xffff))), [key(2, 1), key(2, 2), key(2, 3)]);
}

//= rfc5007-4.1.2.1-02
#[test]
fn no_link_is_named_by_zeros() {
    let frame = Query::client(ALICE).frame();
    let link = 2 + 4 + 4 + REQUESTOR.len() + 5;
    assert_eq!(frame[link..link + 16], [0; 16]);
    assert_eq!(world().keys(&Query::client(ALICE)).len(), 2, "on all links");
    let named = Query::client(ALICE).on(address(1, 0)).frame();
    assert_eq!(named[link..link + 16], address(1, 0).octets());
}

#[test]
fn a_query_by_link_that_names_none_is_about_everything_if_it_asks_for_a_span_of_time() {
    let all = [key(1, 1), key(1, 2), key(2, 1), key(2, 2), key(2, 3)];
    let query = || Query::by(QueryType::BY_LINK_ADDRESS);
    let sorted = |query: &Query| {
        let mut keys = world().keys(query);
        keys.sort_unstable();
        keys
    };
    assert_eq!(sorted(&query().since(NOW)), all);
    assert_eq!(sorted(&query().until(NOW)), all);
    assert_eq!(sorted(&query().since(NOW.plus(1))), []);
    refusal(&world().ask(&query()), StatusCode::MALFORMED_QUERY);
    refusal(&world().ask(&query().active()), StatusCode::MALFORMED_QUERY);
}

//= rfc3315-9.1-01
#[test]
fn a_duid_has_two_to_130_octets() {
    let mut world = World::new();
    let longest = [7; 130];
    world.commit(&Update { relay_id: Some(&longest), ..lease(key(1, 1), &longest) });
    world.commit(&Update { relay_id: Some(&[1, 2]), ..lease(key(1, 2), &[1, 2]) });
    for query in [Query::client, Query::relay] {
        assert_eq!(world.keys(&query(&longest)), [key(1, 1)]);
        assert_eq!(world.keys(&query(&[1, 2])), [key(1, 2)]);
        for wrong in [&[7; 131][..], &[1], &[]] {
            refusal(&world.ask(&query(wrong)), StatusCode::MALFORMED_QUERY);
        }
    }
}
