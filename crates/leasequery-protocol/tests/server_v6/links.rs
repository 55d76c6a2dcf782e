//! Links: configured, named by sources, and those that nobody has told of (RFC 5460 sections 5.3.2 and 7.2).

use std::net::Ipv6Addr;

use leasequery_store::{Update, V6Key};
use leasequery_wire::v6::StatusCode;

use super::single::{refused, told_keys};
use crate::support::*;

fn net(second: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, second, 0, 0, 0, 0, 0)
}

fn in_net(second: u16, host: u16) -> V6Key {
    V6Key::new(Ipv6Addr::new(0x2001, 0xdb8, second, 0, 0, 0, 0, host))
}

//= rfc5460-5.3.2-01
//= rfc5460-7.2-09
#[test]
fn the_networks_of_a_configured_link_belong_together_whichever_is_named() {
    let mut world = World::new();
    let pool = (net(0xd000), 40);
    world.configure(&[&[(net(1), 64), (net(2), 64), pool], &[(net(3), 64)]]);
    let prefix = V6Key::prefix(net(0xd001), 56);
    let (first, second, other) = (in_net(1, 1), in_net(2, 1), in_net(3, 1));
    for (number, key) in (0..).zip([first, second, other, prefix]) {
        world.commit(&lease(key, &client(number)));
    }
    for named in [net(1), in_net(1, 9).address(), in_net(2, 99).address(), net(0xd0ff)] {
        assert_eq!(world.keys(&Query::link(named)), [first, second, prefix]);
    }
    assert_eq!(world.keys(&Query::link(in_net(3, 0xffff).address())), [other]);
}

//= rfc5007-4.1.2.2-02
#[test]
fn a_client_in_two_networks_of_one_link_is_told_of_in_one_message() {
    let mut world = World::new();
    world.configure(&[&[(net(1), 64), (net(2), 64)], &[(net(3), 64)]]);
    for key in [in_net(1, 1), in_net(2, 1), in_net(3, 1)] {
        world.commit(&lease(key, ALICE));
    }
    let told: Vec<Vec<_>> = world.told(&Query::client(ALICE)).iter().map(|data| data.keys().collect()).collect();
    assert_eq!(told, [vec![in_net(1, 1), in_net(2, 1)], vec![in_net(3, 1)]]);
}

//= rfc5460-5.3.2-01
//= rfc5460-7.2-09
#[test]
fn what_a_source_named_to_be_on_a_link_is_told_with_it() {
    let mut world = World::new();
    world.configure(&[&[(net(1), 64)], &[(net(2), 64)]]);
    world.commit(&lease(in_net(1, 1), ALICE));
    // A prefix from nowhere, and an address that would be on another link.
    world.commit(&Update { link: Some(net(1)), ..lease(delegated(1), ALICE) });
    world.commit(&Update { link: Some(net(1)), ..lease(in_net(2, 1), BOB) });
    world.commit(&lease(in_net(2, 2), BOB));
    let told: Vec<Vec<_>> =
        world.told(&Query::link(in_net(1, 77).address())).iter().map(|d| d.keys().collect()).collect();
    assert_eq!(told, [vec![in_net(1, 1), delegated(1)], vec![in_net(2, 1)]]);
    assert_eq!(world.keys(&Query::link(net(2))), [in_net(2, 2)]);
    assert_eq!(world.keys(&Query::client(BOB).on(net(1))), [in_net(2, 1)]);
    assert_eq!(world.keys(&Query::address(in_net(2, 1).address()).on(net(2))), []);
    assert_eq!(world.keys(&Query::address(delegated(1).address()).on(net(1))), [in_net(1, 1), delegated(1)]);
}

#[test]
fn what_is_named_to_be_where_it_is_anyway_is_told_once() {
    let mut world = World::new();
    world.configure(&[&[(net(1), 64)]]);
    world.commit(&Update { link: Some(net(1)), ..lease(in_net(1, 1), ALICE) });
    world.commit(&Update { link: Some(net(1)), ..lease(in_net(1, 2), BOB) });
    assert_eq!(world.keys(&Query::link(net(1))), [in_net(1, 1), in_net(1, 2)]);
}

//= rfc5460-5.3.2-01
#[test]
fn of_networks_inside_of_each_other_the_smallest_decides() {
    let mut world = World::new();
    world.configure(&[&[(net(0), 32)], &[(net(2), 48)]]);
    for (number, key) in (0..).zip([in_net(1, 1), in_net(2, 1), in_net(3, 1)]) {
        world.commit(&lease(key, &client(number)));
    }
    assert_eq!(world.keys(&Query::link(net(0))), [in_net(1, 1), in_net(3, 1)]);
    assert_eq!(world.keys(&Query::link(net(2))), [in_net(2, 1)]);
}

//= rfc5460-5.3.2-01
#[test]
fn where_nothing_is_configured_64_bits_are_a_link() {
    let mut world = World::new();
    for (number, key) in (0..).zip([key(1, 1), key(1, 2), key(2, 1), delegated(1)]) {
        world.commit(&lease(key, &client(number)));
    }
    assert_eq!(world.keys(&Query::link(address(1, 0xffff))), [key(1, 1), key(1, 2)]);
    assert_eq!(world.keys(&Query::client(&client(3))), [delegated(1)], "nobody knows of which link it is");
    assert_eq!(world.keys(&Query::relay(b"\0\x01r").on(address(1, 0))), []);
}

#[test]
fn beside_a_configured_network_the_rest_of_its_64_bits_can_be_asked_for() {
    let mut world = World::new();
    // The link is called as the 64 bits are that it is a part of.
    world.configure(&[&[(net(1), 80)]]);
    let outside = V6Key::new(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0xffff, 0, 0, 1));
    world.commit(&lease(in_net(1, 1), BOB));
    world.commit(&lease(outside, ALICE));
    assert_eq!(world.keys(&Query::link(outside.address())), [in_net(1, 1), outside]);
    // The lease inside is not left out either because it is told with one that is not looked at.
    world.commit(&lease(in_net(1, 2), ALICE));
    let mut told = world.keys(&Query::link(net(1)));
    told.sort_unstable();
    assert_eq!(told, [in_net(1, 1), in_net(1, 2), outside]);
}

//= rfc5460-7.2-07
//= rfc5460-7.2-11
//= rfc5007-4.1.3-01
#[test]
fn a_link_that_there_is_not_is_not_configured() {
    let mut world = World::new();
    world.configure(&[&[(net(1), 64)]]);
    world.commit(&Update { relay_id: Some(b"\0\x01r"), remote_id: Some(b"\0\0\0\x01r"), ..lease(in_net(1, 1), ALICE) });
    let queries = [
        Query::relay(b"\0\x01r"),
        Query::remote(b"\0\0\0\x01r"),
        Query::client(ALICE),
        Query::address(in_net(1, 1).address()),
        Query::by(leasequery_wire::v6::QueryType::BY_LINK_ADDRESS),
    ];
    for query in queries {
        let text = refusal(&world.ask(&query.clone().on(net(7))), StatusCode::NOT_CONFIGURED);
        assert_eq!(text, "2001:db8:7:: is on no link of this server");
        assert_eq!(world.ask(&query.on(net(7)))[0].status(), Some(StatusCode(9)));
    }
    refusal(&world.ask(&Query::address(in_net(7, 1).address())), StatusCode::NOT_CONFIGURED);
}

#[test]
fn a_link_of_which_there_are_no_leases_is_empty_if_it_is_configured() {
    let mut world = World::new();
    world.configure(&[&[(net(1), 64)]]);
    assert_eq!(world.keys(&Query::link(net(1))), []);
    assert_eq!(world.keys(&Query::relay(b"\0\x01r").on(net(1))), []);
    assert_eq!(world.keys(&Query::address(in_net(1, 1).address())), []);
}

//= rfc5460-5.3.2-01
#[test]
fn which_addresses_are_on_a_link_is_not_said_before_it_is_known() {
    let mut world = World::new();
    let source = world.store.source("kea").expect("a number");
    world.store.await_networks(source, "its configuration has a mistake");
    for key in [in_net(1, 1), in_net(2, 1)] {
        world.commit(&lease(key, ALICE));
    }
    let status = |world: &World| world.ask(&Query::link(net(1))).last().and_then(Reply::status);
    assert_eq!(status(&world), Some(StatusCode::UNSPEC_FAIL));
    for query in
        [Query::client(ALICE).on(net(1)), Query::address(in_net(1, 1).address()).on(net(1)), Query::client(ALICE)]
    {
        refused(&world, &query, StatusCode::UNSPEC_FAIL);
    }
    // Whose an address is has nothing to do with links.
    assert_eq!(told_keys(&world, &Query::address(in_net(1, 1).address())), [in_net(1, 1)]);
    world.configure(&[&[(net(1), 64), (net(2), 64)]]);
    world.store.set_configured(source);
    assert_eq!(status(&world), None);
    assert_eq!(told_keys(&world, &Query::client(ALICE).on(net(1))), [in_net(1, 1), in_net(2, 1)]);
}
