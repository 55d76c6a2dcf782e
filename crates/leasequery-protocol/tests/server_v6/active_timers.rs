//! Timers of active queries (RFC 7653 sections 6.4, 8.3 and 9.2), by a fake clock.

use std::time::Duration;

use leasequery_protocol::server::{CloseReason, Limits, Turn};
use leasequery_wire::v6::MessageType;

use crate::support::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn begun() -> Watch {
    let mut watch = Watch::new(World::new());
    assert_eq!(said(&watch.ask(&active())), [Said::Nothing]);
    watch
}

/// The message about a change, half of which the requestor takes.
fn block(watch: &mut Watch, number: u16) {
    watch.world.commit(&lease(key(1, number), &client(number)));
    assert_eq!(said(&watch.listen()), [there(key(1, number))]);
    watch.connection.handle_progress(watch.now, 100, 200);
}

//= alq6-6.4-03
//= alq6-6.4-04
//= rfc5460-5.6-06
//= alq6-6.4-01
#[test]
fn the_defaults_are_those_of_the_rfcs() {
    let limits = Limits::default();
    assert_eq!((limits.active_send_timeout, limits.active_idle_timeout), (seconds(120), seconds(60)));
    assert_eq!(limits.data_timeout, seconds(300));
}

//= rfc7653-active-11
//= rfc7653-active-12
//= alq6-4-03
#[test]
fn an_hour_without_changes_has_a_keep_alive_each_minute_and_nothing_else() {
    let mut watch = begun();
    for second in 1..=3600 {
        let replies = watch.listen_after(1);
        if second % 60 == 0 {
            let [reply] = replies.as_slice() else { panic!("{replies:?}") };
            assert_eq!((reply.kind(), reply.xid()), (MessageType::LEASE_QUERY_DATA, XID));
            assert_eq!(reply.codes(), [100]);
            assert_eq!(reply.base_time(), Some(NOW.plus(second)));
        } else {
            assert_eq!(replies, []);
        }
        let next = 60 - second % 60;
        assert_eq!(watch.connection.poll_timeout(), Some(watch.now + seconds(next.into())));
        assert_eq!(watch.turn, Turn::Idle);
    }
}

//= rfc7653-active-12
#[test]
fn while_changes_are_told_there_are_no_keep_alives() {
    let mut watch = begun();
    for number in 0..20 {
        assert_eq!(watch.listen_after(59), []);
        watch.world.commit(&lease(key(1, number), &client(number)));
        assert_eq!(said(&watch.listen()), [there(key(1, number))]);
    }
    assert_eq!(watch.listen_after(59), []);
    assert_eq!(said(&watch.listen_after(1)), [Said::Nothing]);
}

//= rfc7653-active-11
#[test]
fn changes_that_are_not_told_do_not_count_as_messages() {
    let mut watch = Watch::new(World::new());
    assert_eq!(watch.ask(&Query::client(ALICE).active()).len(), 1);
    for number in 0..5 {
        watch.world.commit(&lease(key(1, number), BOB));
        assert_eq!(watch.listen_after(10), []);
    }
    let replies = watch.listen_after(10);
    assert_eq!(said(&replies), [Said::Nothing]);
    assert_eq!(replies[0].codes(), [], "base-time was not asked for");
}

//= rfc7653-active-12
//= alq6-9.2-01
#[test]
fn a_blocked_connection_has_no_keep_alives_until_a_minute_after_all_was_taken() {
    let mut watch = begun();
    block(&mut watch, 1);
    assert_eq!(watch.connection.poll_timeout(), Some(watch.now + seconds(120)), "nothing is due before that");
    watch.later(119);
    assert!(!watch.timeout());
    watch.connection.handle_progress(watch.now, 200, 0);
    assert_eq!(watch.listen(), []);
    assert_eq!(watch.listen_after(59), []);
    assert_eq!(said(&watch.listen_after(1)), [Said::Nothing]);
}

//= alq6-9.2-01
//= rfc7653-close-01
#[test]
fn a_requestor_that_takes_nothing_for_two_minutes_is_dropped() {
    let mut watch = begun();
    block(&mut watch, 1);
    watch.later(119);
    watch.connection.handle_progress(watch.now, 0, 200);
    assert!(!watch.timeout());
    watch.later(1);
    assert!(watch.timeout());
    assert_eq!(watch.closed(), Some(CloseReason::Blocked));
    assert_eq!(watch.connection.outstanding(), 0);
}

//= alq6-9.2-01
#[test]
fn a_requestor_that_takes_an_octet_now_and_then_is_slow_not_blocked() {
    let mut watch = begun();
    block(&mut watch, 1);
    for left in (1..200).rev() {
        watch.later(119);
        watch.connection.handle_progress(watch.now, 1, left);
        assert!(!watch.timeout());
    }
    watch.later(120);
    assert!(watch.timeout());
}

//= alq6-6.4-05
//= rfc5460-5.6-07
#[test]
fn other_values_take_effect() {
    let limits = Limits {
        active_send_timeout: seconds(500),
        active_idle_timeout: seconds(20),
        data_timeout: seconds(400),
        ..Limits::default()
    };
    let mut watch = Watch::with(World::new(), permitted(), limits);
    assert_eq!(watch.connection.poll_timeout(), Some(watch.now + seconds(400)));
    watch.ask(&active());
    assert_eq!(watch.listen_after(19), []);
    assert_eq!(said(&watch.listen_after(1)), [Said::Nothing]);
    block(&mut watch, 1);
    watch.later(499);
    assert!(!watch.timeout());
    watch.later(1);
    assert!(watch.timeout());
}

//= rfc7653-limits-02
//= rfc5460-7.4-03
#[test]
fn a_quiet_active_connection_is_not_idle() {
    let mut watch = begun();
    for _ in 0..100 {
        assert_eq!(said(&watch.listen_after(299)), [Said::Nothing]);
    }
    assert_eq!(watch.closed(), None);
}

//= alq6-6.4-01
#[test]
fn half_a_message_beside_an_active_query_ends_it_after_the_data_timeout() {
    let mut watch = begun();
    watch.later(1000);
    watch.listen();
    watch.send(&active().frame()[..9]);
    for _ in 0..299 {
        assert!(!said(&watch.listen_after(1)).contains(&TERMINATED));
    }
    assert!(said(&watch.listen_after(1)).contains(&TERMINATED));
    assert_eq!(watch.closed(), Some(CloseReason::Idle));
    watch.assert_over();
}
