//! Single queries over UDP, as they come to the server and as the requestor is answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use leasequery_protocol::requestor::{v4 as requestor_v4, v6 as requestor_v6};
use leasequery_protocol::server::{Policy, Verdict, v4 as server_v4, v6 as server_v6};
use leasequery_record::View;
use leasequery_wire::{v4, v6};

use crate::family::{Family, NOW, V4, V4_SERVER, V6, V6_REQUESTOR, V6_SERVER, relayed};
use crate::input::Input;
use crate::records::text;

/// Where queries come from.
const V4_FROM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const V6_FROM: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 9);
/// Transaction id of the query that is answered.
const XID: u32 = 7;

/// Runs one input: which end of which protocol, and a datagram.
///
/// The server answers with one message that belongs to the query, goes nowhere but to who may ask, and is no longer than
/// the requestor can take. The requestor believes nothing that is about something else than what it asked for.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() % 4 {
        0 => answered_v4(input.rest()),
        1 => answered_v6(input.rest()),
        2 => asked_v4(&mut input),
        _ => asked_v6(&mut input),
    }
}

/// Inputs to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for mut message in V4::messages().into_iter().map(|frame| frame[2..].to_vec()) {
        seeds.push([&[2, 0][..], &message].concat());
        seeds.push([&[2, 3][..], &message].concat());
        // A query over UDP says where its answer goes.
        message[24..28].copy_from_slice(&V4_FROM.octets());
        message[242] = v4::MessageType::LEASE_QUERY.0;
        seeds.push([&[0][..], &message].concat());
    }
    let messages = V6::messages().into_iter().map(|frame| frame[2..].to_vec());
    for message in messages.chain(relayed()) {
        seeds.push([&[1][..], &message].concat());
        seeds.push([&[3, 0][..], &message].concat());
        seeds.push([&[3, 1][..], &message].concat());
    }
    seeds
}

fn answered_v4(datagram: &[u8]) {
    let store = V4::store();
    let permit = |from: IpAddr| (from == IpAddr::V4(V4_FROM)).then(|| Arc::new(Policy::default()));
    let mut out = b"before".to_vec();
    let verdict = server_v4::answer(datagram, (V4_FROM, 4000).into(), V4_SERVER, permit, &store, &mut out);
    let Some(answer) = made(&out, verdict) else { return };
    assert!(matches!(verdict, Verdict::Answer { to, .. } if to == (V4_FROM, 4000).into()), "{verdict:?}");
    let query = v4::Message::parse(datagram).unwrap_or_else(|error| panic!("{error} and is answered"));
    let answer_ = v4::Message::parse(answer).unwrap_or_else(|error| panic!("the answer: {error}"));
    assert_eq!((answer_.op(), answer_.xid(), answer_.giaddr()), (v4::BOOT_REPLY, query.xid(), query.giaddr()));
    assert_eq!(answer_.server_identifier(), Ok(Some(V4_SERVER)));
    let most = query.max_message_size().ok().flatten().unwrap_or(576).max(576);
    assert!(answer.len() + 28 <= usize::from(most), "{} octets for {most}", answer.len());
}

fn answered_v6(datagram: &[u8]) {
    let store = V6::store();
    let permit = |from: IpAddr| (from == IpAddr::V6(V6_FROM)).then(|| Arc::new(Policy::default()));
    let mut out = b"before".to_vec();
    let verdict = server_v6::answer(datagram, (V6_FROM, 4000).into(), &V6_SERVER, permit, &store, &mut out);
    let Some(mut answer) = made(&out, verdict) else { return };
    assert!(matches!(verdict, Verdict::Answer { to, .. } if to.ip() == V6_FROM), "{verdict:?}");
    assert!(answer.len() <= 65_527);
    // It goes back the way it came.
    let mut query = datagram;
    while query.first() == Some(&v6::MessageType::RELAY_FORWARD.0) {
        let there = v6::Relay::parse(query).unwrap_or_else(|error| panic!("{error} and is answered"));
        let back = v6::Relay::parse(answer).unwrap_or_else(|error| panic!("the answer: {error}"));
        assert_eq!((back.hop_count, back.link, back.peer), (there.hop_count, there.link, there.peer));
        assert_eq!(back.kind, v6::MessageType::RELAY_REPLY);
        (query, answer) = (there.relayed().unwrap_or_default(), back.relayed().unwrap_or_default());
    }
    let query = v6::Message::parse(query).unwrap_or_else(|error| panic!("{error} and is answered"));
    let answer = v6::Message::parse(answer).unwrap_or_else(|error| panic!("the answer: {error}"));
    assert_eq!(answer.transaction_id(), query.transaction_id());
    assert_eq!(answer.client_id(), query.client_id());
    assert_eq!(answer.server_id(), Ok(Some(&V6_SERVER[..])));
}

/// The answer, if there is one.
fn made(out: &[u8], verdict: Verdict) -> Option<&[u8]> {
    let answer = out.strip_prefix(b"before").unwrap_or_else(|| panic!("the output is appended to"));
    assert_eq!(matches!(verdict, Verdict::Answer { .. }), !answer.is_empty(), "{verdict:?}");
    (!answer.is_empty()).then_some(answer)
}

fn asked_v4(input: &mut Input<'_>) {
    use requestor_v4::{Answer, SingleQuery, Target, VpnChoice};
    let (number, wanted) = (input.u8(), Ipv4Addr::new(10, 0, 0, 1));
    let target = match number % 4 {
        0 => Target::Address(wanted),
        1 => Target::Hardware { htype: 1, address: vec![2, 0, 0, 0, 0, 1] },
        2 => Target::ClientId(vec![1, 2, 3]),
        _ => Target::RemoteId(b"r".to_vec()),
    };
    let vpn = if number & 4 == 0 { VpnChoice::Default } else { VpnChoice::Name(b"blue".to_vec()) };
    let query = SingleQuery { target, giaddr: V4_FROM, vpn, options: vec![12] };
    let datagram = input.rest();
    let answer = match query.read(XID, datagram, Some(V4_SERVER), NOW) {
        Ok(answer) => answer,
        Err(ignored) => return assert!(!ignored.to_string().is_empty()),
    };
    let message = v4::Message::parse(datagram).unwrap_or_else(|error| panic!("{error} and is believed"));
    assert_eq!((message.op(), message.xid()), (v4::BOOT_REPLY, XID));
    match &answer {
        Answer::Unknown => {}
        Answer::Unassigned(record) => text_v4(record, number, wanted),
        Answer::Active { record, addresses } => {
            text_v4(record, number, wanted);
            assert_eq!(addresses.first(), Some(&record.address()));
            assert!(addresses.len() <= 1 + datagram.len() / 4);
            assert_eq!(addresses.iter().collect::<std::collections::BTreeSet<_>>().len(), addresses.len());
        }
    }
}

fn text_v4(record: &requestor_v4::Record<'_>, number: u8, wanted: Ipv4Addr) {
    assert!(!number.is_multiple_of(4) || record.address() == wanted);
    assert_eq!(record.vpn().is_some_and(|vpn| vpn != v4::Vpn::Default), number & 4 != 0);
    text(&View::of_v4(record));
}

fn asked_v6(input: &mut Input<'_>) {
    use requestor_v6::{Answer, Primary, Selector, SingleQuery};
    let primary = match input.u8() % 2 {
        0 => Primary::Address(V6_FROM),
        _ => Primary::ClientId(vec![0, 3, 0, 1, 2]),
    };
    let selector = Selector { primary, link: None };
    let query = SingleQuery { selector, options: vec![23], client_id: V6_REQUESTOR.into(), server_id: None };
    let datagram = input.rest();
    let answer = match query.read(XID, datagram, NOW) {
        Ok(answer) => answer,
        Err(ignored) => return assert!(!ignored.to_string().is_empty()),
    };
    let message = v6::Message::parse(datagram).unwrap_or_else(|error| panic!("{error} and is believed"));
    assert_eq!((message.transaction_id(), message.client_id()), (XID, Ok(Some(&V6_REQUESTOR[..]))));
    match &answer {
        Answer::Leases(records) => {
            assert!(records.len() <= datagram.len() / 28);
            for record in records {
                text(&View::of_v6(record));
            }
        }
        Answer::Links(links) => assert!(links.len() <= datagram.len() / 16),
        Answer::Failed(status, _) => assert_ne!(*status, v6::StatusCode::SUCCESS),
    }
}
