//! States of addresses (RFC 6926 sections 6.2.7 and 8.3).

use leasequery_store::{State, Update};
use leasequery_wire::v4::{MessageType, OptionCode};

use crate::support::*;

const STATES: [State; 8] = [
    State::Available,
    State::Active,
    State::Expired,
    State::Released,
    State::Abandoned,
    State::Reset,
    State::Remote,
    State::Transitioning,
];

//= rfc6926-6.2.7-02
//= rfc6926-6.2.7-03
//= rfc6926-6.2.7-04
//= rfc6926-6.2.7-06
//= rfc6926-6.2.7-08
//= rfc6926-8.3-01
//= rfc6926-8.3-03
#[test]
fn every_state_has_its_number_and_only_active_is_told_as_a_lease() {
    let mut world = World::new();
    for (number, state) in (1..).zip(STATES) {
        world.commit(&Update::new(key(number), state));
    }
    let replies = world.ask(&Query::all().list(&[156]));
    assert_eq!(bindings(&replies).len(), 8);
    for (number, reply) in (1..).zip(bindings(&replies)) {
        assert_eq!(reply.option(OptionCode::DHCP_STATE), Some(vec![number]));
        let kind = if number == 2 { MessageType::LEASE_ACTIVE } else { MessageType::LEASE_UNASSIGNED };
        assert_eq!(reply.kind(), kind);
    }
}

//= rfc6926-6.2.7-03
//= rfc6926-8.3-04
#[test]
fn a_never_leased_address_is_available() {
    let mut world = World::new();
    world.configure(key(1), key(1));
    let replies = world.ask(&Query::all());
    assert_eq!(bindings(&replies)[0].option(OptionCode::DHCP_STATE), Some(vec![1]));
    assert_eq!(bindings(&replies)[0].codes(), [54, 152, 153, 156]);
}

//= rfc6926-6.2.7-05
#[test]
fn an_address_is_free_for_this_server_or_as_its_source_says_for_another_one() {
    let mut world = World::new();
    world.configure(key(1), key(2));
    world.commit(&Update::new(key(2), State::Remote));
    let replies = world.ask(&Query::all().list(&[156]));
    let states: Vec<_> = bindings(&replies).iter().map(|reply| reply.option(OptionCode::DHCP_STATE)).collect();
    assert_eq!(states, [Some(vec![1]), Some(vec![7])]);
}

//= rfc6926-8.3-01
#[test]
fn a_lease_whose_time_is_up_is_expired_even_if_its_source_says_nothing() {
    let mut world = World::new();
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), ..lease(key(1)) });
    world.store.advance(NOW.plus(3599));
    assert_eq!(bindings(&world.ask(&Query::all()))[0].kind(), MessageType::LEASE_ACTIVE);
    world.store.advance(NOW.plus(3600));
    let replies = world.ask(&Query::all());
    assert_eq!(bindings(&replies)[0].kind(), MessageType::LEASE_UNASSIGNED);
    assert_eq!(bindings(&replies)[0].option(OptionCode::DHCP_STATE), Some(vec![3]));
    assert_eq!(world.addresses(&Query::all().mac(MAC_1)), NOTHING);
}
