//! Secure mode (RFC 7724 section 8.1), up to where TLS begins.

use std::sync::Arc;

use leasequery_protocol::server::v4::V4;
use leasequery_protocol::server::{Allow, CloseReason, Connection, Limits, Policy, Turn};
use leasequery_wire::v4::{MessageType, OptionCode};

use crate::support::*;

fn world() -> World {
    let mut world = World::new();
    world.configure(key(0), key(9));
    world
}

fn secure(world: &World) -> Peer<'_> {
    let mut peer = world.connect();
    let allow = Allow { active: true, ..Allow::default() };
    let protocol = V4::new(SERVER, Arc::new(Policy { allow, ..Policy::default() }), true).secure();
    peer.connection = Connection::new(protocol, Limits::default(), peer.now);
    peer
}

//= rfc7724-8.1-14
//= rfc7724-8.1-17
#[test]
fn a_request_for_tls_is_answered_without_a_status() {
    let world = world();
    for options in [vec![], vec![(55, vec![1, 3]), (61, vec![1, 2, 3]), (222, b"unknown".to_vec())]] {
        let mut peer = secure(&world);
        let mut request = Query::of_kind(MessageType::TLS).xid(0x1234);
        for (code, value) in &options {
            request = request.option(OptionCode(*code), value);
        }
        let replies = peer.ask(&request);
        let [reply] = replies.as_slice() else { panic!("{replies:?}") };
        assert_eq!((reply.kind(), reply.xid(), reply.status()), (MessageType::TLS, 0x1234, None));
        assert_eq!(peer.turn, Turn::Secure);
        assert!(peer.connection.begin_tls().is_empty());
        assert_eq!(peer.ask(&Query::all()).len(), 11, "ten addresses and the end, inside of TLS");
    }
}

//= rfc7724-8.1-12
#[test]
fn anything_else_closes_without_an_answer() {
    let world = world();
    let kinds = [MessageType::BULK_LEASE_QUERY, MessageType::ACTIVE_LEASE_QUERY, MessageType(1)];
    let messages = kinds.map(|kind| Query::of_kind(kind).frame());
    for message in messages.into_iter().chain([[&[0, 240][..], &[0; 240]].concat()]) {
        let mut peer = secure(&world);
        peer.send(&message);
        assert_eq!(peer.listen(), []);
        assert_eq!(peer.turn, Turn::Close);
        assert_eq!(peer.closed(), Some(CloseReason::Insecure));
    }
}

//= rfc7724-7.2-10
#[test]
fn what_follows_the_request_in_the_clear_is_no_message() {
    let world = world();
    let mut peer = secure(&world);
    let (request, query) = (Query::of_kind(MessageType::TLS).frame(), Query::all().frame());
    peer.send(&[request, query.clone()].concat());
    assert_eq!(peer.listen().len(), 1);
    assert_eq!(peer.turn, Turn::Secure);
    assert!(!peer.connection.wants_read());
    peer.send(b"more");
    assert_eq!(peer.listen(), [], "as often as it is asked");
    assert_eq!(peer.turn, Turn::Secure);
    assert_eq!(peer.connection.begin_tls(), [query, b"more".to_vec()].concat(), "it is for whoever does TLS");
    assert_eq!(peer.listen(), []);
    assert_eq!(peer.turn, Turn::Idle);
}

//= rfc7724-8.1.1-01
#[test]
fn tls_inside_of_tls_closes() {
    let world = world();
    let mut peer = secure(&world);
    peer.ask(&Query::of_kind(MessageType::TLS));
    peer.connection.begin_tls();
    assert_eq!(peer.ask(&Query::of_kind(MessageType::TLS)), []);
    assert_eq!(peer.closed(), Some(CloseReason::Unsupported(MessageType::TLS.into())));
}

//= rfc7724-8.1-24
#[test]
fn the_handshake_is_waited_for_as_long_as_for_a_query() {
    let world = world();
    let mut peer = secure(&world);
    peer.ask(&Query::of_kind(MessageType::TLS));
    peer.connection.begin_tls();
    peer.later(299);
    assert!(!peer.timeout());
    assert_eq!(peer.closed(), None);
    peer.later(1);
    assert!(!peer.timeout());
    assert_eq!(peer.closed(), Some(CloseReason::Idle));
}

#[test]
fn an_end_instead_of_a_handshake_closes() {
    let world = world();
    let mut peer = secure(&world);
    peer.send(&Query::of_kind(MessageType::TLS).frame());
    peer.connection.handle_eof();
    assert_eq!(peer.listen().len(), 1);
    assert_eq!(peer.turn, Turn::Close);
    assert_eq!(peer.closed(), Some(CloseReason::Peer));
}
