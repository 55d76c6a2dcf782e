//! How connections with bulk queries end (RFC 5460 section 7.4), and how long they may last (sections 5.6 and 7).

use leasequery_protocol::server::{Allow, CloseReason, Event, Limits, Policy, Turn};
use leasequery_wire::v6::{MessageType, StatusCode};

use crate::support::*;

fn world() -> World {
    let mut world = World::new();
    for host in 0..1000 {
        world.commit(&lease(key(1, host), &client(host)));
    }
    world
}

fn all(xid: u32) -> Vec<u8> {
    Query::everything().xid(xid).frame()
}

//= rfc5460-7.4-07
#[test]
fn the_requestors_end_is_answered_with_ours() {
    let mut watch = Watch::new(world());
    watch.ask(&Query::everything());
    watch.events();
    watch.connection.handle_eof();
    assert!(!watch.connection.wants_read());
    assert_eq!(watch.listen(), []);
    assert_eq!(watch.turn, Turn::Close);
    assert_eq!(watch.events(), [Event::Closing(CloseReason::Peer)]);
}

//= rfc5460-7.4-07
#[test]
fn what_was_asked_before_the_requestor_closed_its_side_is_still_answered() {
    let mut watch = Watch::with(world(), permitted(), Limits { queries: 1, ..Limits::default() });
    watch.send(&[all(1), all(2), all(3)].concat());
    let mut replies = watch.turn(1);
    // The other queries have been received, but not looked at.
    watch.connection.handle_eof();
    replies.extend(watch.listen());
    assert_eq!(watch.turn, Turn::Close);
    for xid in 1..=3 {
        let own: Vec<_> = replies.iter().filter(|reply| reply.xid() == xid).cloned().collect();
        assert_eq!(answer(&own).len(), 1000);
    }
    assert_eq!(watch.closed(), Some(CloseReason::Peer));
}

//= rfc5460-7.4-05
//= rfc5460-7.4-06
//= rfc5460-5.5-01
//= rfc5460-5.5-02
//= rfc5460-5.5-05
//= rfc5460-5.2.2-04
//= rfc5460-5.2.2-05
//= rfc5460-7.2-04
//= alq6-9.2-09
#[test]
fn terminating_tells_each_query_in_progress_why_and_closes() {
    for base_time in [false, true] {
        let mut watch = Watch::new(world());
        let query = if base_time { Query::everything().base_time() } else { Query::everything() };
        watch.send(&(1..=3).flat_map(|xid| query.clone().xid(xid).frame()).collect::<Vec<_>>());
        let begun = watch.turn(1);
        assert_eq!(begun.len(), 1);
        let last = watch.terminate("the server is ending");
        assert_eq!(last.len(), 3);
        for reply in &last {
            let first = begun[0].xid() != reply.xid();
            // A LEASEQUERY-REPLY to whom nothing was said.
            let kind = if first { MessageType::LEASE_QUERY_REPLY } else { MessageType::LEASE_QUERY_DONE };
            assert_eq!((reply.kind(), reply.status()), (kind, Some(StatusCode(11))));
            assert_eq!(reply.text(), "terminated: the server is ending");
            let mut codes = if first { vec![2, 1] } else { Vec::new() };
            codes.extend(base_time.then_some(100));
            codes.push(13);
            assert_eq!(reply.codes(), codes);
        }
        let mut xids: Vec<_> = last.iter().map(Reply::xid).collect();
        xids.sort_unstable();
        assert_eq!(xids, [1, 2, 3]);
        assert_eq!(watch.closed(), Some(CloseReason::Terminated("the server is ending".to_owned())));
        assert_eq!(watch.terminate("again"), []);
        watch.assert_over();
    }
}

//= rfc5460-7.4-05
//= rfc5460-5.2.2-04
//= rfc5460-7.2-04
#[test]
fn who_may_no_longer_ask_is_told_in_the_middle_of_an_answer_and_disconnected() {
    let mut watch = Watch::new(world());
    watch.send(&all(7));
    watch.turn(1000);
    let allow = Allow { bulk: false, ..permitted().allow };
    let replies = watch.set_policy(Policy { allow, ..permitted() });
    let [last] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((last.kind(), last.xid()), (MessageType::LEASE_QUERY_DONE, 7));
    assert_eq!(last.status(), Some(StatusCode::QUERY_TERMINATED));
    assert!(!last.text().is_empty());
    watch.assert_over();
}

//= rfc5460-7.4-02
//= rfc5460-7.3-01
#[test]
fn a_connection_serves_one_query_after_the_other() {
    let mut watch = Watch::new(world());
    for xid in 1..=5 {
        assert_eq!(answer(&watch.ask(&Query::everything().xid(xid))).len(), 1000);
        watch.later(200);
        assert!(!watch.timeout());
    }
    assert_eq!(watch.closed(), None);
}

//= rfc5460-7.4-05
#[test]
fn a_closed_connection_has_no_queries_and_takes_nothing() {
    let mut watch = Watch::new(world());
    watch.send(&(1..=4).flat_map(all).collect::<Vec<_>>());
    watch.turn(1);
    assert_eq!(watch.connection.outstanding(), 4);
    watch.terminate("over");
    watch.events();
    watch.send(&all(9));
    watch.connection.handle_eof();
    watch.assert_over();
    assert_eq!(watch.events(), []);
}

/// Whether the connection is open after `seconds` more and the timers' action.
fn open_after(watch: &mut Watch, seconds: u32) -> bool {
    watch.later(seconds);
    watch.timeout();
    watch.turn(1);
    watch.turn != Turn::Close
}

//= rfc5460-7.4-03
//= rfc5460-8-02
//= rfc7653-limits-02
//= rfc7653-limits-03
//= rfc5460-7.1-08
#[test]
fn a_connection_that_never_sends_anything_is_closed() {
    let mut watch = Watch::new(world());
    assert_eq!(watch.connection.poll_timeout(), Some(watch.now + TIMEOUT));
    assert!(open_after(&mut watch, 299));
    assert!(!open_after(&mut watch, 1));
    assert_eq!(watch.closed(), Some(CloseReason::Idle));
}

//= rfc7653-limits-03
#[test]
fn a_refused_starttls_does_not_keep_a_connection_open() {
    let mut watch = Watch::new(world());
    assert_eq!(watch.ask(&Query::of_kind(MessageType::START_TLS)).len(), 1);
    assert!(open_after(&mut watch, 299));
    assert!(!open_after(&mut watch, 1));
}

//= rfc5460-7.1-08
#[test]
fn a_query_that_does_not_come_to_its_end_closes_the_connection_however_it_drips() {
    let mut watch = Watch::new(world());
    watch.later(200);
    for octet in &all(1)[..40] {
        watch.send(&[*octet]);
        assert!(open_after(&mut watch, 5));
    }
    assert!(open_after(&mut watch, 99));
    assert!(!open_after(&mut watch, 1), "300 seconds after its first octet");
}

//= rfc5460-7.4-03
//= rfc5460-8-02
#[test]
fn an_idle_connection_is_closed_300_seconds_after_its_last_answer() {
    let mut watch = Watch::new(world());
    watch.later(100);
    watch.ask(&Query::everything());
    assert!(open_after(&mut watch, 299));
    watch.ask(&Query::by(leasequery_wire::v6::QueryType(99)));
    assert!(open_after(&mut watch, 299));
    assert!(!open_after(&mut watch, 1));
    assert_eq!(watch.closed(), Some(CloseReason::Idle));
}

//= rfc5460-7.2-01
//= rfc5460-7.4-04
#[test]
fn a_requestor_that_takes_nothing_is_dropped_and_its_queries_with_it() {
    let mut watch = Watch::new(world());
    watch.send(&all(1));
    watch.turn(1);
    watch.connection.handle_progress(watch.now, 0, 300);
    watch.later(299);
    watch.connection.handle_progress(watch.now, 0, 300);
    assert!(!watch.timeout());
    watch.later(1);
    assert!(watch.timeout(), "300 seconds without an octet taken");
    assert_eq!(watch.closed(), Some(CloseReason::Blocked));
    assert_eq!(watch.connection.outstanding(), 0);
}

//= rfc5460-7.2-01
#[test]
fn a_slow_requestor_is_not_a_blocked_one() {
    let mut watch = Watch::new(world());
    watch.send(&all(1));
    watch.turn(1);
    for unsent in (1..300).rev() {
        watch.connection.handle_progress(watch.now, 1, unsent);
        watch.later(299);
        assert!(!watch.timeout());
    }
}

/// What came first was said by one clock, and what would follow by another.
#[test]
fn a_bulk_response_ends_with_the_era_of_the_clock() {
    let mut watch = Watch::new(world());
    watch.later(10);
    watch.send(&Query::everything().base_time().frame());
    let told = watch.turn(1);
    let stamp = told.iter().find_map(Reply::base_time);
    assert_eq!(stamp, Some(NOW.plus(10)));
    watch.world.store.advance(NOW.minus(1000));
    let last = watch.listen();
    assert_eq!(last.len(), 1);
    assert_eq!((last[0].kind(), last[0].status()), (MessageType::LEASE_QUERY_DONE, Some(StatusCode::QUERY_TERMINATED)));
    assert!(last[0].base_time().is_none_or(|time| Some(time) == stamp), "base-times never decrease");
    assert_eq!(watch.closed(), Some(CloseReason::SetBack));
    assert_eq!(watch.turn, Turn::Close);
}
