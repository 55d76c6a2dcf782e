use leasequery_wire::{v4, v6};

use super::*;
use crate::requestor::v4::V4;
use crate::requestor::v6::V6;

const XID: u32 = 0x0012_3456;

fn answer_v4(xid: u32, kind: v4::MessageType, status: Option<v4::StatusCode>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = v4::MessageWriter::frame(&mut out, &v4::Header::new(v4::BOOT_REPLY, xid), kind);
    if let Some(status) = status {
        writer.status(status, "");
    }
    writer.finish().expect("a short message");
    out
}

fn answer_v6(xid: u32, kind: v6::MessageType, status: Option<v6::StatusCode>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = v6::MessageWriter::frame(&mut out, kind, xid);
    if let Some(status) = status {
        writer.status(status, "");
    }
    writer.finish().expect("a short message");
    out
}

//= rfc7724-7.2-05
//= rfc7724-7.2-06
#[test]
fn dhcptls_has_no_options() {
    let negotiation = Negotiation::new::<V4>(XID);
    let frame = negotiation.poll_transmit();
    let message = v4::Message::parse(&frame[2..]).expect("a message");
    assert_eq!((message.message_type(), message.xid()), (v4::MessageType::TLS, XID));
    let codes: Vec<u8> = message.options().map(|(code, _)| code.0).collect();
    assert!(codes.is_empty(), "besides the type: {codes:?}");
}

//= rfc7653-tls-01
//= rfc7653-tls-02
//= rfc7653-tls-04
#[test]
fn starttls_is_four_octets() {
    let mut negotiation = Negotiation::new::<V6>(0xff12_3456);
    assert_eq!(negotiation.poll_transmit(), [0, 4, 23, 0x12, 0x34, 0x56]);
    negotiation.handle_sent(4);
    assert_eq!(negotiation.poll_transmit(), [0x34, 0x56]);
    negotiation.handle_sent(9);
    assert!(negotiation.poll_transmit().is_empty());
}

//= rfc7724-5.2.2-03
//= rfc7724-7.2-10
//= rfc7653-tls-13
#[test]
fn no_status_and_success_begin_tls() {
    for status in [None, Some(v4::StatusCode::SUCCESS)] {
        let mut negotiation = Negotiation::new::<V4>(XID);
        let answer = answer_v4(XID, v4::MessageType::TLS, status);
        let (first, second) = answer.split_at(100);
        assert_eq!(negotiation.handle_bytes(first), Ok(Step::Waiting));
        assert_eq!(negotiation.handle_bytes(second), Ok(Step::Begin));
    }
    for status in [None, Some(v6::StatusCode::SUCCESS)] {
        let mut negotiation = Negotiation::new::<V6>(XID);
        assert_eq!(negotiation.handle_bytes(&answer_v6(XID, v6::MessageType::REPLY, status)), Ok(Step::Begin));
    }
}

//= rfc7724-7.2-09
//= rfc7653-tls-12
#[test]
fn any_other_status_is_a_refusal() {
    for status in [v4::StatusCode::TLS_CONNECTION_REFUSED, v4::StatusCode::NOT_ALLOWED] {
        let answer = Negotiation::new::<V4>(XID).handle_bytes(&answer_v4(XID, v4::MessageType::TLS, Some(status)));
        assert_eq!(answer, Err(Refusal::Refused { status: status.into(), text: String::new() }));
    }
    let status = v6::StatusCode::TLS_CONNECTION_REFUSED;
    let answer = Negotiation::new::<V6>(XID).handle_bytes(&answer_v6(XID, v6::MessageType::REPLY, Some(status)));
    let refusal = answer.expect_err("refused");
    assert_eq!(refusal.to_string(), "the server refuses TLS: TLSConnectionRefused");
}

#[test]
fn another_message_is_no_answer() {
    for answer in
        [answer_v4(XID + 1, v4::MessageType::TLS, None), answer_v4(XID, v4::MessageType::LEASE_QUERY_DONE, None)]
    {
        let answer = Negotiation::new::<V4>(XID).handle_bytes(&answer);
        assert!(matches!(answer, Err(Refusal::NoSuchAnswer { .. })), "{answer:?}");
    }
    for answer in
        [answer_v6(XID + 1, v6::MessageType::REPLY, None), answer_v6(XID, v6::MessageType::LEASE_QUERY_REPLY, None)]
    {
        let answer = Negotiation::new::<V6>(XID).handle_bytes(&answer);
        assert!(matches!(answer, Err(Refusal::NoSuchAnswer { .. })), "{answer:?}");
    }
    assert!(matches!(Negotiation::new::<V4>(XID).handle_bytes(&[0, 3]), Err(Refusal::Frame(_))));
    assert!(matches!(Negotiation::new::<V6>(XID).handle_bytes(&[0, 5, 7, 0, 0, 0, 9]), Err(Refusal::Malformed(_))));
}

//= rfc7724-7.2-10
#[test]
fn what_follows_the_answer_in_the_clear_is_refused() {
    let mut answer = answer_v4(XID, v4::MessageType::TLS, None);
    answer.extend(answer_v4(XID, v4::MessageType::LEASE_QUERY_DONE, None));
    assert_eq!(Negotiation::new::<V4>(XID).handle_bytes(&answer), Err(Refusal::Injected));
}
