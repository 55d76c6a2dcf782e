//! How a client's message came to the server (RFC 5007 section 4.1.2.4).

use std::net::Ipv6Addr;

use crate::peer::*;

/// A Relay-forward by hand: hop-count, link-address and peer-address, then options.
fn forward(hops: u8, link: u16, options: &[u8]) -> Vec<u8> {
    [&[12, hops][..], &ip(link).octets(), &ip(0xfe).octets(), options].concat()
}

/// Two relays: the one nearest to the server has a Relay-ID, the one behind it a Remote-ID and an Interface-ID.
fn two_relays() -> Vec<u8> {
    let inner = forward(0, 0x11, &[opt(37, &[0, 0, 0, 9, b'r']), opt(18, b"eth0")].concat());
    forward(1, 0x22, &[opt(53, &[0, 3, 0x77]), opt(9, &inner)].concat())
}

fn relay_data(message: &[u8]) -> Vec<u8> {
    opt(47, &[&ip(0xaa).octets()[..], message].concat())
}

fn with(inside: &[u8], beside: &[u8]) -> Row {
    let inside = client_data(&[opt(1, &CLIENT), ia_address(1, 1, 2, &[]), clt(0), inside.to_vec()]);
    Requestor::begun().row(&data(XID, &[inside, beside.to_vec()].concat()))
}

//= rfc3315-7.1-01
//= rfc5007-4.1.2.4-01
//= rfc4649-3-01
//= rfc5460-5.4.1-01
#[test]
fn relays_are_read_from_the_server_to_the_client() {
    let row = with(&relay_data(&two_relays()), &[]);
    assert_eq!(row.relay_data, Some((ip(0xaa), two_relays())), "as it came, not in an option of its own");
    let [outer, inner] = row.relays.as_slice() else { panic!("{row:?}") };
    assert_eq!((outer.0, outer.1[0].clone()), (ip(0x22), (53, vec![0, 3, 0x77])));
    assert_eq!(inner, &(ip(0x11), vec![(37, vec![0, 0, 0, 9, b'r']), (18, b"eth0".to_vec())]));
    assert!(row.options.is_empty(), "it has a field of its own");
}

#[test]
fn relay_data_beside_the_client_s_are_found_too() {
    let row = with(&[], &relay_data(&two_relays()));
    assert_eq!(row.relay_data, Some((ip(0xaa), two_relays())));
    assert_eq!(row.relays.len(), 2);
    let other = forward(0, 0x33, &[]);
    let row = with(&relay_data(&other), &relay_data(&two_relays()));
    assert_eq!(row.relay_data, Some((ip(0xaa), other)), "where there are two, those of the client are meant");
}

#[test]
fn a_client_without_relays_has_none() {
    let row = with(&[], &[]);
    assert_eq!((row.relay_data, row.relays), (None, vec![]));
    let row = with(&relay_data(&[]), &[]);
    assert_eq!((row.relay_data, row.relays), (None, vec![]), "without a message it is none");
}

#[test]
fn relays_are_read_as_far_as_they_can_be() {
    let broken = forward(1, 0x22, &[opt(53, &[0, 3, 1]), opt(9, &[12, 0, 1])].concat());
    let row = with(&relay_data(&broken), &[]);
    assert_eq!(row.relays.iter().map(|(link, _)| *link).collect::<Vec<Ipv6Addr>>(), [ip(0x22)]);
    let garbage = with(&relay_data(&[1, 2, 3]), &[]);
    assert_eq!(garbage.relays, []);
    assert_eq!(garbage.relay_data, None, "and the lease is told of all the same");
}

#[test]
fn a_message_has_relay_data_for_all_its_leases() {
    let leases = [ia_address(1, 1, 2, &[]), ia_prefix(1, 1, 2, &[])].concat();
    let octets = client_data(&[opt(1, &CLIENT), relay_data(&two_relays()), leases, clt(0)]);
    for row in Requestor::begun().rows(&data(XID, &octets)) {
        assert_eq!(row.relays.len(), 2);
    }
}
