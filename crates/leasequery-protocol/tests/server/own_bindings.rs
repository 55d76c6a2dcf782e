//! Requestors that are told only of what was leased through themselves.

use std::net::IpAddr;

use leasequery_protocol::server::Policy;
use leasequery_store::{Update, V4Key};
use leasequery_wire::v4::MessageType;

use crate::support::*;

const OVERRIDE: u8 = 11;
const LINK: u8 = 5;
const RELAY: [u8; 4] = [192, 0, 2, 1];
const OTHER: [u8; 4] = [192, 0, 2, 2];

/// Addresses 1 and 2 were leased through the relay, 3 through another one, and nobody knows about 4.
fn world() -> World {
    let mut world = World::new();
    let infos = [(1, OVERRIDE, RELAY), (2, LINK, RELAY), (3, OVERRIDE, OTHER)];
    for (number, code, relay) in infos {
        let info = relay_info(&[(code, &relay)]);
        world.commit(&Update { client_id: Some(b"\0me"), relay_info: Some(&info), ..lease(key(number)) });
    }
    world.commit(&Update { client_id: Some(b"\0me"), ..lease(key(4)) });
    world.configure(key(1), V4Key { address: address(9), ..key(9) });
    world
}

fn own() -> Policy {
    Policy { relays: Some(vec![(IpAddr::from(RELAY), 32)]), ..Policy::default() }
}

#[test]
fn a_bulk_answer_has_what_was_leased_through_the_requestor_alone() {
    let world = world();
    let mut peer = world.connect_as(own());
    let told: Vec<_> = bindings(&peer.ask(&Query::all())).iter().map(Reply::address).collect();
    assert_eq!(told, [address(1), address(2)]);
    assert_eq!(world.addresses(&Query::all()).len(), 9, "whoever may see everything does");
}

#[test]
fn a_single_answer_does_not_tell_of_what_was_leased_through_others() {
    let world = world();
    let kind = |number| world.single_as(&Query::single().address(address(number)), &own()).kind();
    assert_eq!(kind(1), MessageType::LEASE_ACTIVE);
    assert_eq!(kind(3), MessageType::LEASE_UNKNOWN);
    assert_eq!(kind(4), MessageType::LEASE_UNKNOWN);
    assert_eq!(kind(5), MessageType::LEASE_UNASSIGNED, "nobody holds it");
    let reply = world.single_as(&Query::single().client_id(b"\0me").list(&[92]), &own());
    let associated = reply.option(leasequery_wire::v4::OptionCode::ASSOCIATED_IP).unwrap();
    assert_eq!(associated.len(), 8, "two addresses");
}
