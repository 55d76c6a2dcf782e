//! VPN selection (RFC 6607, RFC 6926 section 8.2).

use leasequery_protocol::server::Policy;
use leasequery_store::{Network, Update, V4Key, VpnIndex, VpnName};
use leasequery_wire::v4::{OptionCode, StatusCode};

use crate::support::*;

const ALL: &[u8] = &[254];
const BLUE: &[u8] = b"\0blue";
const RED: &[u8] = &[1, 0, 0, 0x5e, 0, 0, 0, 1];

fn red() -> VpnName {
    VpnName::Id([0, 0, 0x5e, 0, 0, 0, 1])
}

/// Address 1 is leased in the default VPN, in blue and in red, to the same client; blue has two addresses more.
fn world() -> World {
    let mut world = World::new();
    let (blue, red) = (world.vpn("blue"), world.store.vpn(None, &red()).unwrap());
    for vpn in [VpnIndex::DEFAULT, blue, red] {
        let key = V4Key { vpn, address: address(1) };
        world.commit(&Update { hardware: Some(ethernet(&MAC_1)), remote_id: Some(b"here"), ..lease(key) });
    }
    let key = |number| V4Key { vpn: blue, address: address(number) };
    world.store.set_networks(None, &[Network { first: key(1), last: key(3), since: NOW.minus(60) }]);
    world
}

/// Addresses and the VPNs that the replies name.
fn told(replies: &[Reply]) -> Vec<(u32, Option<Vec<u8>>)> {
    let number = |reply: &Reply| reply.address().to_bits() - address(0).to_bits();
    bindings(replies).iter().map(|reply| (number(reply), reply.option(OptionCode::VPN_SELECTION))).collect()
}

fn blue(number: u32) -> (u32, Option<Vec<u8>>) {
    (number, Some(BLUE.to_vec()))
}

//= rfc6926-7.2-13
//= rfc6607-3.5-03
#[test]
fn without_a_selection_or_with_type_255_the_default_vpn_is_meant() {
    let world = world();
    for query in [Query::all(), Query::all().vpn(&[255])] {
        assert_eq!(told(&world.ask(&query)), [(1, None)]);
    }
    refusal(&world.ask(&Query::all().vpn(&[255, 0])), StatusCode::MALFORMED_QUERY);
}

//= rfc6926-7.2-14
//= rfc6926-7.2-16
//= rfc6607-7-01
#[test]
fn a_selection_shows_that_vpn_and_no_other() {
    let world = world();
    assert_eq!(told(&world.ask(&Query::all().vpn(BLUE))), [blue(1), blue(2), blue(3)]);
    assert_eq!(told(&world.ask(&Query::all().vpn(RED))), [(1, Some(RED.to_vec()))]);
    for query in [Query::all().mac(MAC_1), Query::all().remote_id(b"here")] {
        assert_eq!(told(&world.ask(&query)), [(1, None)]);
        assert_eq!(told(&world.ask(&query.clone().vpn(BLUE))), [blue(1)]);
        assert_eq!(told(&world.ask(&query.clone().vpn(RED))), [(1, Some(RED.to_vec()))]);
    }
}

//= rfc6926-7.2-15
//= rfc6926-6.2.9-01
#[test]
fn type_254_searches_all_vpns_and_replies_name_theirs() {
    let world = world();
    let (default, red) = ((1, None), (1, Some(RED.to_vec())));
    let everything = [default.clone(), blue(1), blue(2), blue(3), red.clone()];
    assert_eq!(told(&world.ask(&Query::all().vpn(ALL))), everything);
    assert_eq!(told(&world.ask(&Query::all().mac(MAC_1).vpn(ALL))), [default, blue(1), red]);
}

//= rfc6926-6.2.9-01
#[test]
fn type_254_has_no_place_in_option_82() {
    let text = refusal(&world().ask(&Query::all().relay_info(&[(151, ALL)])), StatusCode::MALFORMED_QUERY);
    assert_eq!(text, "sub-option 151 of option 82 cannot select all VPNs");
}

//= rfc6926-7.2-16
//= rfc6607-7.1-03
#[test]
fn the_list_has_no_influence_on_the_vpn_selection_of_replies() {
    let world = world();
    for list in [&[221, 51][..], &[51]] {
        assert_eq!(told(&world.ask(&Query::all().list(list))), [(1, None)]);
        let replies = world.ask(&Query::all().mac(MAC_1).vpn(BLUE).list(list));
        assert_eq!(bindings(&replies)[0].codes(), [54, 51, 221]);
    }
    let withheld = Policy { withhold: vec![221], ..Policy::default() };
    assert_eq!(told(&world.connect_as(withheld).ask(&Query::all().mac(MAC_1).vpn(BLUE))), [blue(1)]);
}

//= rfc6607-7.3-01
#[test]
fn sub_option_151_wins_over_the_option() {
    let world = world();
    let query = Query::all().relay_info(&[(151, RED)]);
    assert_eq!(told(&world.ask(&query)), [(1, Some(RED.to_vec()))]);
    assert_eq!(told(&world.ask(&query.vpn(BLUE))), [(1, Some(RED.to_vec()))]);
    assert_eq!(told(&world.ask(&Query::all().vpn(BLUE).relay_info(&[(151, &[255])]))), [(1, None)]);
}

//= rfc6607-9-01
#[test]
fn without_vpns_nothing_but_the_default_can_be_selected() {
    let mut world = World::new();
    world.configure(key(1), key(1));
    for payload in [BLUE, RED] {
        refusal(&world.ask(&Query::all().vpn(payload)), StatusCode::NOT_ALLOWED);
    }
    assert_eq!(told(&world.ask(&Query::all().vpn(&[255]))), [(1, None)]);
}

//= rfc6926-7.2-14
//= rfc6607-9-02
#[test]
fn a_vpn_that_is_not_permitted_looks_like_one_that_is_not_there() {
    let world = world();
    let mut peer = world.connect_as(Policy { vpns: Some(vec![red()]), ..Policy::default() });
    let forbidden = refusal(&peer.ask(&Query::all().vpn(BLUE)), StatusCode::NOT_ALLOWED);
    let unknown = refusal(&peer.ask(&Query::all().vpn(b"\0green")), StatusCode::NOT_ALLOWED);
    assert_eq!(forbidden, unknown);
    assert_eq!(told(&peer.ask(&Query::all().vpn(RED))), [(1, Some(RED.to_vec()))]);
}

//= rfc6926-7.2-15
//= rfc6607-9-02
#[test]
fn all_vpns_are_those_that_the_requestor_may_see() {
    let world = world();
    let mut peer = world.connect_as(Policy { vpns: Some(vec![red()]), ..Policy::default() });
    assert_eq!(told(&peer.ask(&Query::all().vpn(ALL))), [(1, None), (1, Some(RED.to_vec()))]);
    let mut peer = world.connect_as(Policy { vpns: Some(Vec::new()), ..Policy::default() });
    assert_eq!(told(&peer.ask(&Query::all().vpn(ALL))), [(1, None)]);
}
