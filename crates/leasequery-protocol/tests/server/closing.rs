//! How connections end (RFC 6926 section 8.5).

use leasequery_protocol::server::{CloseReason, Event, Limits, Turn};
use leasequery_wire::v4::{MessageType, StatusCode};

use crate::support::*;

fn world() -> World {
    let mut world = World::new();
    world.configure(key(0), key(999));
    world
}

//= rfc6926-8.5-08
#[test]
fn the_requestors_end_is_answered_with_ours() {
    let world = world();
    let mut peer = world.connect();
    peer.ask(&Query::all());
    peer.events();
    peer.connection.handle_eof();
    assert!(!peer.connection.wants_read());
    assert_eq!(peer.listen(), []);
    assert_eq!(peer.turn, Turn::Close);
    assert_eq!(peer.events(), [Event::Closing(CloseReason::Peer)]);
}

//= rfc6926-8.5-08
//= rfc6926-8.2-02
#[test]
fn what_was_asked_before_the_requestor_closed_its_side_is_still_answered() {
    let world = world();
    let mut peer = world.connect_with(Limits { queries: 1, ..Limits::default() });
    peer.send(&[Query::all().xid(1).frame(), Query::all().xid(2).frame()].concat());
    let mut replies = peer.turn(1);
    // The second query has been received, but not looked at.
    peer.connection.handle_eof();
    replies.extend(peer.listen());
    assert_eq!(peer.turn, Turn::Close);
    for xid in [1, 2] {
        let own: Vec<_> = replies.iter().filter(|reply| reply.xid() == xid).cloned().collect();
        assert_eq!(bindings(&own).len(), 1000);
    }
    assert_eq!(peer.closed(), Some(CloseReason::Peer));
}

#[test]
fn half_a_query_before_the_end_is_dropped() {
    let world = world();
    let mut peer = world.connect();
    peer.send(&Query::all().frame()[..100]);
    peer.connection.handle_eof();
    assert_eq!(peer.listen(), []);
    assert_eq!(peer.turn, Turn::Close);
}

//= rfc6926-8.5-05
//= rfc6926-8.5-06
//= rfc6926-8.2-03
//= rfc6926-8.2-02
#[test]
fn terminating_tells_each_query_in_progress_why_and_closes() {
    let world = world();
    let mut peer = world.connect();
    peer.send(&(1..=3).flat_map(|xid| Query::all().xid(xid).frame()).collect::<Vec<_>>());
    let begun = peer.turn(1);
    assert_eq!(begun.len(), 1);
    let last = peer.terminate("the server is ending");
    let said: Vec<_> = last.iter().map(|reply| (reply.kind(), reply.status())).collect();
    let status = Some((StatusCode::QUERY_TERMINATED, "terminated: the server is ending".to_owned()));
    assert_eq!(said, vec![(MessageType::LEASE_QUERY_DONE, status); 3]);
    let mut xids: Vec<_> = last.iter().map(Reply::xid).collect();
    xids.sort_unstable();
    assert_eq!(xids, [1, 2, 3]);
    for reply in &last {
        let first = begun[0].xid() != reply.xid();
        assert_eq!(reply.message().server_identifier(), Ok(first.then_some(SERVER)), "only if nothing came before it");
    }
    assert_eq!(peer.listen(), []);
    assert_eq!(peer.turn, Turn::Close);
    assert_eq!(peer.closed(), Some(CloseReason::Terminated("the server is ending".to_owned())));
}

//= rfc6926-8.5-07
#[test]
fn a_closed_connection_has_no_queries_and_takes_nothing() {
    let world = world();
    let mut peer = world.connect();
    peer.send(&(1..=4).flat_map(|xid| Query::all().xid(xid).frame()).collect::<Vec<_>>());
    peer.turn(1);
    assert_eq!(peer.connection.outstanding(), 4);
    peer.terminate("over");
    assert_eq!(peer.connection.outstanding(), 0);
    assert_eq!(peer.connection.poll_timeout(), None);
    peer.events();
    peer.send(&Query::all().frame());
    peer.connection.handle_eof();
    assert_eq!(peer.terminate("again"), []);
    assert_eq!(peer.listen(), []);
    assert_eq!(peer.events(), []);
}
