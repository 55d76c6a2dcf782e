//! BULK_LQ_DATA_TIMEOUT on the server (RFC 6926 sections 8.1, 8.2 and 8.5), by a fake clock.

use std::time::Duration;

use leasequery_protocol::server::{CloseReason, Turn};

use crate::support::*;

fn world() -> World {
    let mut world = World::new();
    world.configure(key(0), key(999));
    world
}

/// Whether the connection is open after `seconds` more and the timers' action.
fn open_after(peer: &mut Peer<'_>, seconds: u64) -> bool {
    peer.later(seconds);
    peer.timeout();
    peer.turn(1);
    peer.turn != Turn::Close
}

//= rfc6926-8.1-08
#[test]
fn a_connection_that_never_sends_anything_is_closed() {
    let world = world();
    let mut peer = world.connect();
    assert_eq!(peer.connection.poll_timeout(), Some(peer.now + TIMEOUT));
    assert!(open_after(&mut peer, 299));
    assert!(!open_after(&mut peer, 1));
    assert_eq!(peer.closed(), Some(CloseReason::Idle));
}

//= rfc6926-8.1-08
#[test]
fn a_query_that_does_not_come_to_its_end_closes_the_connection_however_it_drips() {
    let world = world();
    let mut peer = world.connect();
    peer.later(200);
    for octet in &Query::all().frame()[..100] {
        peer.send(&[*octet]);
        assert!(open_after(&mut peer, 2));
    }
    assert!(open_after(&mut peer, 99));
    assert!(!open_after(&mut peer, 1), "300 seconds after its first octet");
}

//= rfc6926-8.5-03
#[test]
fn an_idle_connection_is_closed_300_seconds_after_its_last_answer() {
    let world = world();
    let mut peer = world.connect();
    peer.later(100);
    peer.ask(&Query::all());
    assert!(open_after(&mut peer, 299));
    assert!(!open_after(&mut peer, 1));
    assert_eq!(peer.closed(), Some(CloseReason::Idle));
}

//= rfc6926-8.5-03
#[test]
fn a_query_takes_the_idle_timer_back() {
    let world = world();
    let mut peer = world.connect();
    peer.ask(&Query::all());
    peer.later(299);
    peer.ask(&Query::all().client_id(b"x"));
    assert!(open_after(&mut peer, 299));
    peer.ask(&Query::all());
    assert!(open_after(&mut peer, 299));
    assert!(!open_after(&mut peer, 1));
}

//= rfc6926-8.5-03
#[test]
fn a_refusal_starts_the_idle_timer_however_long_its_query_took_to_come() {
    let world = world();
    let mut peer = world.connect();
    let frame = Query::all().client_id(b"x").frame();
    peer.send(&frame[..9]);
    peer.later(100);
    peer.send(&frame[9..]);
    assert_eq!(peer.listen().len(), 1);
    assert!(open_after(&mut peer, 299));
    assert!(!open_after(&mut peer, 1));
}

//= rfc6926-8.5-03
#[test]
fn a_connection_with_a_query_outstanding_is_not_idle() {
    let world = world();
    let mut peer = world.connect();
    peer.send(&Query::all().frame());
    for _ in 0..400 {
        assert!(open_after(&mut peer, 1));
        assert_eq!(peer.connection.poll_timeout(), None);
    }
    peer.listen();
    assert!(open_after(&mut peer, 299));
    assert!(!open_after(&mut peer, 1));
}

//= rfc6926-8.2-01
//= rfc6926-8.5-07
#[test]
fn a_requestor_that_takes_nothing_is_dropped_and_its_queries_with_it() {
    let world = world();
    let mut peer = world.connect();
    peer.send(&Query::all().frame());
    peer.turn(1);
    peer.connection.handle_progress(peer.now, 0, 300);
    peer.later(299);
    peer.connection.handle_progress(peer.now, 0, 300);
    assert!(!peer.timeout());
    peer.later(1);
    assert!(peer.timeout(), "300 seconds without an octet taken");
    assert_eq!(peer.closed(), Some(CloseReason::Blocked));
    assert_eq!(peer.connection.outstanding(), 0);
}

//= rfc6926-8.2-01
#[test]
fn a_slow_requestor_is_not_a_blocked_one() {
    let world = world();
    let mut peer = world.connect();
    peer.send(&Query::all().frame());
    peer.turn(1);
    for unsent in (1..300).rev() {
        peer.connection.handle_progress(peer.now, 1, unsent);
        peer.later(299);
        assert!(!peer.timeout());
    }
    peer.connection.handle_progress(peer.now, 1, 0);
    assert_eq!(peer.connection.poll_timeout(), None);
}

#[test]
fn timers_that_are_not_due_do_nothing() {
    let world = world();
    let mut peer = world.connect();
    for _ in 0..3 {
        assert!(!peer.timeout());
    }
    assert!(!peer.connection.handle_timeout(Duration::ZERO));
    assert_eq!(peer.events(), []);
    assert!(peer.connection.wants_read());
}
