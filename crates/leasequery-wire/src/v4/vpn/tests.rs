use super::*;
use crate::v4::{BOOT_REQUEST, Header, Message, MessageType, MessageWriter};

/// Option 221 as a message carries it.
fn option(vpn: Vpn<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::datagram(&mut out, &Header::new(BOOT_REQUEST, 1), MessageType::BULK_LEASE_QUERY);
    writer.vpn(vpn);
    writer.finish().expect("it fits");
    assert_eq!(Message::parse(&out).expect("well formed").vpn(), Ok(Some(vpn)));
    out[243..out.len() - 1].to_vec()
}

fn wrong(bytes: &[u8]) -> bool {
    Vpn::parse(221, bytes).is_err()
}

//= rfc6607-3.1-01
#[test]
fn option_221_is_a_type_and_what_belongs_to_it() {
    assert_eq!(option(Vpn::Name(b"blue")), [0xdd, 5, 0, 0x62, 0x6c, 0x75, 0x65]);
    assert!(wrong(&[]));
    assert!(wrong(&[7, 1]), "an unknown type is no VPN");
}

//= rfc6607-3.5-01
#[test]
fn a_name_has_no_zero_octet_at_its_end() {
    assert_eq!(option(Vpn::Name(b"Blue")).last(), Some(&b'e'));
    assert_eq!(Vpn::parse(221, b"\0Blue\0"), Ok(Vpn::Name(b"Blue")));
    assert_ne!(Vpn::parse(221, b"\0blue"), Ok(Vpn::Name(b"Blue")));
}

//= rfc6607-3.5-02
#[test]
fn an_identifier_has_seven_octets() {
    assert_eq!(option(Vpn::Id([0, 0, 0x5e, 0, 0, 0, 1])), [0xdd, 8, 1, 0, 0, 0x5e, 0, 0, 0, 1]);
    assert!(wrong(&[1, 0, 0, 0x5e, 0, 0, 0]) && wrong(&[1, 0, 0, 0x5e, 0, 0, 0, 1, 2]));
}

//= rfc6607-3.5-03
#[test]
fn the_default_vpn_is_type_255_and_nothing_else() {
    assert_eq!(option(Vpn::Default), [0xdd, 1, 0xff]);
    assert!(wrong(&[255, 0]));
}

//= rfc6926-6.2.9-01
#[test]
fn all_vpns_are_type_254_and_nothing_else() {
    assert_eq!(option(Vpn::All), [0xdd, 1, 0xfe]);
    assert!(wrong(&[254, 0]));
}
