//! VPNs in queries and replies (RFC 6607, RFC 6926 section 6.2.9).

use leasequery_protocol::requestor::QueryError;
use leasequery_protocol::requestor::v4::{BulkQuery, VpnChoice};
use leasequery_protocol::requestor::{Fault, Violation};
use leasequery_wire::Problem;
use leasequery_wire::v4::OptionCode;

use crate::peer::{Requestor, Row, XID, active, active_with, body, raw_options};
use crate::query::frame;

const ID: [u8; 7] = [0, 0, 0x5e, 0, 0, 0, 1];

fn asking(vpn: VpnChoice) -> BulkQuery {
    BulkQuery { vpn, ..BulkQuery::default() }
}

fn blue() -> VpnChoice {
    VpnChoice::Name(b"blue".to_vec())
}

/// Option 221 as it stands in the query.
fn selection(vpn: VpnChoice) -> Option<Vec<u8>> {
    let octets = frame(&asking(vpn));
    raw_options(body(&octets)).into_iter().find(|(code, _)| *code == 221).map(|(_, value)| value)
}

/// A reply with these octets in option 221.
fn reply(selection: &[u8]) -> Vec<u8> {
    active_with(XID, 1, |writer| writer.option(OptionCode::VPN_SELECTION, selection))
}

fn accepted(vpn: VpnChoice, reply: &[u8]) -> Row {
    Requestor::asking_for(&asking(vpn)).record(reply)
}

#[track_caller]
fn refused(vpn: VpnChoice, reply: &[u8]) -> String {
    match Requestor::asking_for(&asking(vpn)).fault(reply) {
        Fault::Violation(violation @ Violation::WrongVpn { .. }) => violation.to_string(),
        fault => panic!("{fault:?}"),
    }
}

//= rfc6607-3.1-01
//= rfc6607-3.5-01
//= rfc6607-3.5-02
//= rfc6607-6-01
//= rfc6926-6.2.9-01
#[test]
fn queries_select_a_vpn_by_name_by_identifier_or_all_of_them() {
    assert_eq!(selection(VpnChoice::Default), None);
    assert_eq!(selection(blue()), Some(b"\0blue".to_vec()));
    assert_eq!(selection(VpnChoice::Id(ID)), Some(vec![1, 0, 0, 0x5e, 0, 0, 0, 1]));
    assert_eq!(selection(VpnChoice::All), Some(vec![254]));
}

//= rfc6607-3.5-01
#[test]
fn names_that_are_no_ascii_text_are_not_sent() {
    for name in [&b"blue\0"[..], b"bl\0ue", "grün".as_bytes()] {
        let mut requestor = Requestor::new();
        let result = requestor.connection.ask(requestor.now, asking(VpnChoice::Name(name.to_vec())));
        assert!(matches!(result, Err(QueryError::VpnName(_))), "{result:?}");
        assert!(requestor.connection.poll_transmit().is_empty());
    }
}

//= rfc6607-6-03
#[test]
fn a_reply_without_the_vpn_that_was_asked_for_fails_the_query() {
    assert_eq!(accepted(blue(), &reply(b"\0blue")).vpn.as_deref(), Some("blue"));
    assert_eq!(refused(blue(), &active(XID, 1)), "a reply about the default VPN to a query about VPN blue");
    assert_eq!(refused(blue(), &reply(b"\0red")), "a reply about VPN red to a query about VPN blue");
    assert_eq!(refused(blue(), &reply(b"\0Blue")), "a reply about VPN Blue to a query about VPN blue");
    refused(blue(), &reply(&[255]));
    refused(blue(), &reply(&[1, 0, 0, 0x5e, 0, 0, 0, 1]));

    assert!(accepted(VpnChoice::Id(ID), &reply(&[1, 0, 0, 0x5e, 0, 0, 0, 1])).vpn.is_some());
    let text = refused(VpnChoice::Id(ID), &reply(&[1, 0, 0, 0x5e, 0, 0, 0, 2]));
    assert_eq!(text, "a reply about VPN 00005e:00000002 to a query about VPN 00005e:00000001");

    assert_eq!(accepted(VpnChoice::Default, &active(XID, 1)).vpn, None);
    refused(VpnChoice::Default, &reply(b"\0blue"));
}

//= rfc6926-6.2.9-01
#[test]
fn a_query_for_all_vpns_takes_replies_about_each_but_none_about_all() {
    assert_eq!(accepted(VpnChoice::All, &reply(b"\0blue")).vpn.as_deref(), Some("blue"));
    assert!(accepted(VpnChoice::All, &reply(&[1, 0, 0, 0x5e, 0, 0, 0, 1])).vpn.is_some());
    assert_eq!(accepted(VpnChoice::All, &active(XID, 1)).vpn, None);
    refused(VpnChoice::All, &reply(&[254]));
}

//= rfc6607-3.5-03
#[test]
fn type_255_is_the_default_vpn() {
    assert_eq!(accepted(VpnChoice::Default, &reply(&[255])).vpn, None);
    assert_eq!(accepted(VpnChoice::All, &reply(&[255])).vpn, None);
}

//= rfc6607-3.5-01
#[test]
fn a_zero_behind_a_name_is_stripped() {
    assert_eq!(accepted(blue(), &reply(b"\0blue\0")).vpn.as_deref(), Some("blue"));
}

//= rfc6607-3.1-01
//= rfc6607-3.5-02
//= rfc6607-3.5-03
#[test]
fn selections_of_the_wrong_length_are_malformed() {
    for octets in [&[][..], &[1], &[1, 0, 0, 0x5e, 0, 0, 0], &[1, 0, 0, 0x5e, 0, 0, 0, 1, 0], &[255, 0], &[254, 0]] {
        let fault = Requestor::asking_for(&asking(VpnChoice::All)).fault(&reply(octets));
        let wrong = |fault: &Fault| matches!(fault, Fault::Malformed(e) if matches!(e.problem, Problem::Length { code: 221, .. }));
        assert!(wrong(&fault), "{octets:?}: {fault:?}");
    }
}
