//! Requestors that are told only of what was leased through themselves.

use std::net::{IpAddr, Ipv6Addr};

use leasequery_protocol::server::{Limits, Policy};
use leasequery_store::Update;
use leasequery_wire::v6::{MessageType, Options, Relay, write_relayed};

use crate::support::*;

const RELAY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0xff, 0, 0, 0, 1);
const OTHER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0xff, 0, 0, 0, 2);

/// What a source keeps of a message that the server had from `peer`, passed on for a link.
fn info(peer: Ipv6Addr, link: Ipv6Addr) -> Vec<u8> {
    let kind = MessageType::RELAY_FORWARD;
    let relay = Relay { kind, hop_count: 0, link, peer: OTHER, options: Options::parse(&[], 0).unwrap() };
    let mut info = peer.octets().to_vec();
    write_relayed(&[relay], &mut info).unwrap();
    info
}

/// Alice has a lease through the relay, one where the relay gave its address as the link, one through another relay, and
/// one of which nobody knows.
fn world() -> World {
    let mut world = World::new();
    for (host, peer, link) in [(1, RELAY, address(1, 0)), (2, OTHER, RELAY), (3, OTHER, address(1, 0))] {
        world.commit(&Update { relay_info: Some(&info(peer, link)), ..lease(key(1, host), ALICE) });
    }
    world.commit(&lease(key(1, 4), ALICE));
    world
}

fn own() -> Policy {
    Policy { relays: Some(vec![(IpAddr::from(RELAY), 128)]), ..permitted() }
}

#[test]
fn a_bulk_answer_has_what_was_leased_through_the_requestor_alone() {
    let world = world();
    let all = |policy| keys(&answer(&world.ask_as(&Query::everything(), policy)));
    assert_eq!(all(own()), [key(1, 1), key(1, 2)]);
    assert_eq!(all(permitted()).len(), 4, "whoever may see everything does");
    let by_address = |host| keys(&answer(&world.ask_as(&Query::address(address(1, host)), own())));
    assert_eq!(by_address(1), [key(1, 1), key(1, 2)]);
    assert_eq!(by_address(3), []);
}

#[test]
fn changes_are_told_of_what_was_leased_through_the_requestor_alone() {
    let mut watch = Watch::with(world(), own(), Limits::default());
    watch.ask(&active());
    for host in 1..=4 {
        watch.world.release(key(1, host));
    }
    assert_eq!(said(&watch.listen()), [over(key(1, 1)), over(key(1, 2))]);
    let through = info(RELAY, address(1, 0));
    watch.world.commit(&Update { relay_info: Some(&through), ..lease(key(1, 5), ALICE) });
    watch.world.commit(&lease(key(1, 6), ALICE));
    assert_eq!(said(&watch.listen()), [there(key(1, 5))]);
}

#[test]
fn nothing_is_left_out_because_more_is_permitted_in_the_middle_of_an_answer() {
    let mut world = World::new();
    let through = info(RELAY, address(1, 0));
    // The first of Alice's leases was passed over when it was not to be told.
    world.commit(&lease(key(1, 1), ALICE));
    for (host, client) in [(2, BOB), (3, ALICE)] {
        world.commit(&Update { relay_info: Some(&through), ..lease(key(1, host), client) });
    }
    let mut watch = Watch::with(world, own(), Limits::default());
    watch.send(&Query::everything().frame());
    let mut replies = watch.turn(1);
    assert_eq!(replies.len(), 1, "Bob's");
    replies.extend(watch.set_policy(permitted()));
    replies.extend(watch.listen());
    assert_eq!(keys(&answer(&replies)), [key(1, 2), key(1, 3)]);
}
