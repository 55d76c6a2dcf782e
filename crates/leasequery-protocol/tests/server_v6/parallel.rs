//! Several queries on a connection (RFC 5460 sections 6.5 and 7.3).

use leasequery_protocol::server::{CloseReason, Event, Limits};
use leasequery_wire::v6::{MessageType, StatusCode};

use crate::support::*;

fn world() -> World {
    let mut world = World::new();
    for host in 0..1000 {
        world.commit(&lease(key(1, host), &client(host)));
    }
    world
}

fn with_limit(queries: usize) -> Watch {
    Watch::with(world(), permitted(), Limits { queries, ..Limits::default() })
}

fn all(xid: u32) -> Vec<u8> {
    Query::everything().xid(xid).frame()
}

fn of(replies: &[Reply], xid: u32) -> Vec<Reply> {
    replies.iter().filter(|reply| reply.xid() == xid).cloned().collect()
}

fn started(events: &[Event]) -> Vec<u32> {
    let xid = |event: &Event| match event {
        Event::Started { xid } => Some(*xid),
        _ => None,
    };
    events.iter().filter_map(xid).collect()
}

//= rfc5460-6.5-03
//= rfc5460-6.5-04
//= rfc5460-5.2-01
//= rfc5460-5.2.1-03
//= rfc5460-5.2.1-06
//= rfc5460-5.2.2-02
#[test]
fn answers_to_several_queries_are_mixed_and_each_is_whole() {
    let mut watch = with_limit(4);
    watch.send(&(1..=4).flat_map(all).collect::<Vec<_>>());
    let replies = watch.listen();
    for xid in 1..=4 {
        assert_eq!(answer(&of(&replies, xid)).len(), 1000);
    }
    let changes = replies.windows(2).filter(|pair| pair[0].xid() != pair[1].xid()).count();
    assert!(changes > 20, "{changes}");
}

//= rfc5460-7.3-02
//= rfc5460-8-01
#[test]
fn queries_beyond_the_limit_are_not_looked_at_until_one_is_done() {
    let mut watch = with_limit(2);
    // The third one would be refused as soon as it was looked at.
    let third = Query::by(leasequery_wire::v6::QueryType(99)).xid(3).frame();
    watch.send(&[all(1), all(2), third, all(4)].concat());
    let mut seen = watch.turn(1);
    assert_eq!(started(&watch.events()), [1, 2]);
    assert!(!watch.connection.wants_read(), "no more queries are taken");
    while !seen.iter().any(|reply| reply.kind() == MessageType::LEASE_QUERY_DONE) {
        assert!(seen.iter().all(|reply| reply.xid() < 3));
        assert_eq!(watch.connection.outstanding(), 2);
        seen = watch.turn(1);
    }
    let rest = watch.listen();
    refusal(&of(&rest, 3), StatusCode::UNKNOWN_QUERY_TYPE);
    assert_eq!(answer(&of(&rest, 4)).len(), 1000);
    assert!(watch.connection.wants_read());
}

//= rfc5460-7.3-02
#[test]
fn nothing_is_read_while_as_many_queries_run_as_may() {
    let mut watch = with_limit(2);
    for xid in [1, 2] {
        assert!(watch.connection.wants_read());
        watch.send(&all(xid));
        assert_eq!(watch.turn(1).len(), 1);
    }
    assert!(!watch.connection.wants_read());
    watch.listen();
    assert!(watch.connection.wants_read());
}

//= rfc5460-7.3-03
//= alq6-9.3-01
#[test]
fn a_limit_of_one_makes_it_strictly_one_after_the_other() {
    let mut watch = with_limit(1);
    watch.send(&(1..=4).flat_map(all).collect::<Vec<_>>());
    let xids: Vec<_> = watch.listen().iter().map(Reply::xid).collect();
    assert!(xids.is_sorted());
    assert_eq!(xids.len(), 4 * 1001);
}

//= rfc5460-6.5-04
#[test]
fn a_query_for_one_client_is_done_long_before_a_dump_that_was_asked_for_earlier() {
    let mut watch = with_limit(4);
    watch.send(&all(1));
    watch.turn(4096);
    watch.send(&Query::client(&client(500)).xid(2).frame());
    let replies = watch.listen();
    let done = |reply: &Reply| reply.xid() == 2 && reply.kind() == MessageType::LEASE_QUERY_DONE;
    let position = replies.iter().position(done).unwrap();
    assert!(position < 150, "{position} messages before it");
}

#[test]
fn a_transaction_id_in_use_ends_the_connection() {
    let mut watch = with_limit(4);
    watch.send(&[all(5), all(6), all(5)].concat());
    let replies = watch.listen();
    let statuses: Vec<_> = replies.iter().map(|reply| (reply.xid(), reply.status().unwrap())).collect();
    assert_eq!(statuses, [(5, StatusCode::QUERY_TERMINATED), (6, StatusCode::QUERY_TERMINATED)]);
    assert_eq!(watch.closed(), Some(CloseReason::RepeatedXid(5)));
    watch.assert_over();
}

#[test]
fn a_transaction_id_is_free_again_when_its_query_is_done() {
    let mut watch = with_limit(4);
    for _ in 0..2 {
        assert_eq!(answer(&watch.ask(&Query::everything())).len(), 1000);
    }
    assert_eq!(watch.closed(), None);
}
