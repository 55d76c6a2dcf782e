//! What a server may not send, and what becomes of the connection (RFC 6926 section 7.3).

use std::net::Ipv4Addr;

use leasequery_protocol::requestor::v4::BulkQuery;
use leasequery_protocol::requestor::{Failure, Fault, Violation};
use leasequery_wire::v4::MessageType;
use leasequery_wire::{FrameFault, Problem};

use crate::peer::{Requestor, XID, active, address, addresses, body, done, framed, message};

fn unknown(kind: MessageType, xid: u32) -> Fault {
    Fault::Violation(Violation::UnknownXid { kind: kind.into(), xid })
}

//= rfc6926-7.3-04
//= rfc2131-4.1-03
#[test]
fn a_message_that_matches_no_query_ends_the_connection_and_all_its_queries() {
    for foreign in [active(XID + 7, 2), done(XID + 7)] {
        let kind = MessageType(body(&foreign)[242]);
        let mut requestor = Requestor::asking();
        let other = requestor.ask(&BulkQuery::default());
        // What came before it is good, what comes after it is not looked at.
        requestor.receive(&[active(other, 1), foreign, active(XID, 3), done(XID), done(other)].concat());
        let (events, failure) = requestor.drain();
        assert_eq!(addresses(&events), [(other, address(1))]);
        let expected = Failure::Message { number: 2, fault: unknown(kind, XID + 7) };
        assert_eq!(failure, Some(expected.clone()));
        // It stays so, whatever happens.
        requestor.receive(&active(XID, 4));
        requestor.connection.handle_eof();
        requestor.wait(1000);
        assert_eq!(requestor.connection.poll_timeout(), None);
        assert_eq!(requestor.connection.handle_timeout(requestor.now), Err(expected.clone()));
        assert_eq!(requestor.drain(), (Vec::new(), Some(expected)));
        assert!(!requestor.connection.wants_close());
    }
}

//= rfc6926-7.3-04
//= rfc6926-7.3-12
#[test]
fn nothing_may_follow_the_end_of_a_response() {
    for late in [active(XID, 2), done(XID)] {
        let kind = MessageType(body(&late)[242]);
        let mut requestor = Requestor::asking();
        requestor.ask(&BulkQuery::default());
        requestor.events(&[active(XID, 1), done(XID)].concat());
        assert_eq!(requestor.fault(&late), unknown(kind, XID));
    }
}

#[test]
fn a_message_on_a_connection_without_queries_is_one_too_many() {
    assert_eq!(Requestor::new().fault(&active(XID, 1)), unknown(MessageType::LEASE_ACTIVE, XID));
}

//= rfc6926-6.2.1-01
#[test]
fn types_that_are_no_answer_to_a_bulk_query_end_the_connection() {
    for kind in (0..=255).map(MessageType).filter(|kind| ![11, 13, 15].contains(&kind.0)) {
        let frame = message(kind, XID, address(1), |_| {});
        assert_eq!(Requestor::asking().fault(&frame), Fault::Violation(Violation::UnexpectedType(kind.into())));
    }
}

//= rfc6926-7.3-09
#[test]
fn a_reply_has_to_name_its_address() {
    for kind in [MessageType::LEASE_ACTIVE, MessageType::LEASE_UNASSIGNED] {
        let frame = message(kind, XID, Ipv4Addr::UNSPECIFIED, |_| {});
        assert_eq!(Requestor::asking().fault(&frame), Fault::Violation(Violation::NoAddress(kind.into())));
    }
}

//= rfc2131-3-01
#[test]
fn a_length_that_no_message_has_ends_the_connection_before_the_message_is_there() {
    for length in [0, 1, 2, 239] {
        let mut requestor = Requestor::asking();
        requestor.record(&active(XID, 1));
        let prefix = u16::try_from(length).unwrap().to_be_bytes();
        let fault = requestor.fault(&prefix);
        assert_eq!(fault, Fault::Frame(FrameFault { length, minimum: 240 }));
        let text = requestor.drain().1.unwrap().to_string();
        assert!(text.contains("message 2") && text.contains(&format!("announces {length} octets")), "{text}");
    }
}

//= rfc2131-3-01
#[test]
fn another_cookie_is_not_dhcp() {
    let mut frame = active(XID, 1);
    frame[2 + 239] = 98;
    let fault = Requestor::asking().fault(&frame);
    assert!(matches!(&fault, Fault::Malformed(error) if error.problem == Problem::Cookie(0x6382_5362)), "{fault:?}");
}

//= rfc2131-3-02
#[test]
fn a_message_without_a_type_ends_the_connection() {
    let mut octets = body(&active(XID, 1))[..240].to_vec();
    octets.push(255);
    let fault = Requestor::asking().fault(&framed(&octets));
    assert!(matches!(&fault, Fault::Malformed(error) if error.problem == Problem::NoMessageType), "{fault:?}");
}

#[test]
fn a_hardware_address_longer_than_its_field_is_malformed() {
    let mut frame = active(XID, 1);
    frame[2 + 2] = 17;
    let fault = Requestor::asking().fault(&frame);
    assert!(matches!(&fault, Fault::Malformed(error) if error.problem == Problem::HardwareLength(17)), "{fault:?}");
}

//= rfc2132-2-01
#[test]
fn an_option_that_runs_past_the_message_is_malformed() {
    let mut octets = body(&active(XID, 1)).to_vec();
    octets.pop();
    octets.extend([12, 5, b'h', b'o']);
    let fault = Requestor::asking().fault(&framed(&octets));
    let overrun = Problem::Overrun { code: 12, length: 5, left: 2 };
    assert!(matches!(&fault, Fault::Malformed(error) if error.problem == overrun), "{fault:?}");
}

#[test]
fn the_text_of_a_violation_names_the_message_and_the_rule() {
    let mut requestor = Requestor::asking();
    requestor.receive(&[active(XID, 1), message(MessageType::LEASE_UNKNOWN, XID, address(2), |_| {})].concat());
    let failure = requestor.drain().1.unwrap();
    assert_eq!(
        failure.to_string(),
        "protocol violation in message 2 of the connection: DHCPLEASEUNKNOWN is no answer to the query"
    );
}
