//! Several queries on a connection (RFC 6926 sections 7.7 and 8.4).

use leasequery_protocol::server::{CloseReason, Event, Limits, Turn};
use leasequery_store::Update;
use leasequery_wire::v4::StatusCode;

use crate::support::*;

/// A thousand free addresses, and one lease.
fn world() -> World {
    let mut world = World::new();
    world.configure(key(0), key(999));
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), ..lease(key(500)) });
    world
}

fn limits(queries: usize) -> Limits {
    Limits { queries, ..Limits::default() }
}

fn started(events: &[Event]) -> Vec<u32> {
    let xid = |event: &Event| match event {
        Event::Started { xid } => Some(*xid),
        _ => None,
    };
    events.iter().filter_map(xid).collect()
}

//= rfc6926-8.4-01
#[test]
fn queries_one_after_the_other_are_answered() {
    let world = world();
    let mut peer = world.connect();
    for xid in 1..=3 {
        assert_eq!(bindings(&peer.ask(&Query::all().xid(xid))).len(), 1000);
    }
    let done = |xid| [Event::Started { xid }, Event::Done { xid, replies: 1000 }];
    assert_eq!(peer.events(), [done(1), done(2), done(3)].concat());
}

//= rfc6926-7.7-02
//= rfc6926-7.7-03
//= rfc6926-8.4-02
//= rfc6926-8.2-02
#[test]
fn queries_beyond_the_limit_are_not_looked_at_until_one_is_done() {
    let world = world();
    let mut peer = world.connect_with(limits(2));
    // The third one would be refused as soon as it was looked at.
    peer.send(&[Query::all().xid(1).frame(), Query::all().xid(2).frame()].concat());
    peer.send(&[Query::all().xid(3).client_id(b"x").frame(), Query::all().xid(4).frame()].concat());
    let mut seen = peer.turn(1);
    assert_eq!(started(&peer.events()), [1, 2]);
    assert_eq!(peer.connection.outstanding(), 2);
    assert!(!peer.connection.wants_read(), "no more queries are taken");
    let done = |seen: &[Reply]| seen.iter().any(|reply| reply.kind().0 == 15);
    while !done(&seen) {
        assert!(seen.iter().all(|reply| reply.xid() < 3));
        assert_eq!(peer.connection.outstanding(), 2);
        seen = peer.turn(1);
    }
    let rest = peer.listen();
    let refused = rest.iter().find(|reply| reply.xid() == 3).unwrap();
    assert_eq!(refused.status().unwrap().0, StatusCode::MALFORMED_QUERY);
    assert_eq!(bindings(&rest.into_iter().filter(|reply| reply.xid() == 4).collect::<Vec<_>>()).len(), 1000);
    assert!(peer.connection.wants_read());
}

//= rfc6926-8.4-02
#[test]
fn nothing_is_read_while_as_many_queries_run_as_may() {
    let world = world();
    let mut peer = world.connect_with(limits(2));
    for xid in [1, 2] {
        assert!(peer.connection.wants_read());
        peer.send(&Query::all().xid(xid).frame());
        assert_eq!(peer.turn(1).len(), 1);
    }
    assert!(!peer.connection.wants_read());
    peer.listen();
    assert!(peer.connection.wants_read());
}

//= rfc6926-8.4-04
#[test]
fn a_limit_of_one_makes_it_strictly_one_after_the_other() {
    let world = world();
    let mut peer = world.connect_with(limits(1));
    peer.send(&(1..=4).flat_map(|xid| Query::all().xid(xid).frame()).collect::<Vec<_>>());
    let xids: Vec<_> = peer.listen().iter().map(Reply::xid).collect();
    assert!(xids.is_sorted());
    assert_eq!(xids.len(), 4 * 1001);
}

//= rfc6926-7.7-04
#[test]
fn a_query_for_one_binding_is_done_long_before_a_dump_that_was_asked_for_earlier() {
    let world = world();
    let mut peer = world.connect();
    peer.send(&Query::all().xid(1).frame());
    let before = peer.turn(4096).len();
    peer.send(&Query::all().xid(2).mac(MAC_1).frame());
    let replies = peer.listen();
    let done = replies.iter().position(|reply| reply.xid() == 2 && reply.kind().0 == 15).unwrap();
    assert!(done < 150, "{done} messages before it");
    assert!(replies.len() + before == 1001 + 2);
}

#[test]
fn a_transaction_id_in_use_ends_the_connection() {
    let world = world();
    let mut peer = world.connect();
    peer.send(&[Query::all().xid(5).frame(), Query::all().xid(6).frame(), Query::all().xid(5).frame()].concat());
    let replies = peer.listen();
    assert_eq!(peer.turn, Turn::Close);
    let statuses: Vec<_> = replies.iter().map(|reply| (reply.xid(), reply.status().unwrap().0)).collect();
    assert_eq!(statuses, [(5, StatusCode::QUERY_TERMINATED), (6, StatusCode::QUERY_TERMINATED)]);
    assert_eq!(peer.closed(), Some(CloseReason::RepeatedXid(5)));
}

#[test]
fn a_transaction_id_is_free_again_when_its_query_is_done() {
    let world = world();
    let mut peer = world.connect();
    for _ in 0..2 {
        assert_eq!(bindings(&peer.ask(&Query::all().xid(5))).len(), 1000);
    }
    assert_eq!(peer.closed(), None);
}
