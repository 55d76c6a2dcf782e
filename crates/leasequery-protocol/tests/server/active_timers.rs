//! Timers of active queries (RFC 7724 sections 5.3, 7.4 and 8.2), by a fake clock.

use std::time::Duration;

use leasequery_protocol::server::{CloseReason, Limits, Turn};
use leasequery_store::V4Key;

use crate::support::*;
use crate::watch::Said::Leased;
use crate::watch::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The message about a change, half of which the requestor takes.
fn block(watch: &mut Watch, number: u32) {
    watch.world.commit(&lease(key(number)));
    assert_eq!(said(&watch.listen()), [Leased(number)]);
    watch.connection.handle_progress(watch.now, 100, 200);
}

//= rfc7724-5.3-03
//= rfc7724-5.3-04
#[test]
fn the_defaults_are_those_of_the_rfc() {
    let limits = Limits::default();
    assert_eq!((limits.active_send_timeout, limits.active_idle_timeout), (seconds(120), seconds(60)));
}

//= rfc7724-7.4-01
//= rfc7724-4-03
//= rfc7724-8.2-15
#[test]
fn an_hour_without_changes_has_a_keep_alive_each_minute_and_nothing_else() {
    let mut watch = Watch::begun(World::new());
    for second in 1..=3600 {
        let replies = watch.listen_after(1);
        if second % 60 == 0 {
            assert_eq!(said(&replies), [ALIVE]);
            assert_eq!(base_time(&replies[0]), Some(NOW.plus(second)));
        } else {
            assert_eq!(replies, []);
        }
        let next = 60 - second % 60;
        assert_eq!(watch.connection.poll_timeout(), Some(watch.now + seconds(next.into())));
        assert_eq!(watch.turn, Turn::Idle);
    }
}

//= rfc7724-7.4-02
#[test]
fn while_bindings_flow_there_are_no_keep_alives() {
    let mut watch = Watch::begun(World::new());
    for number in 0..20 {
        assert_eq!(watch.listen_after(30), []);
        watch.world.commit(&lease(key(number)));
        assert_eq!(said(&watch.listen()), [Leased(number)]);
    }
}

//= rfc7724-7.4-01
#[test]
fn every_message_takes_the_keep_alive_back() {
    let mut watch = Watch::begun(World::new());
    watch.later(59);
    watch.world.commit(&lease(key(1)));
    assert_eq!(said(&watch.listen()), [Leased(1)]);
    assert_eq!(watch.listen_after(59), []);
    assert_eq!(said(&watch.listen_after(1)), [ALIVE]);
    assert_eq!(watch.listen_after(59), [], "a keep-alive is a message, too");
    assert_eq!(said(&watch.listen_after(1)), [ALIVE]);
}

//= rfc7724-7.4-01
#[test]
fn the_first_keep_alive_comes_a_minute_after_the_query_or_the_end_of_catching_up() {
    for (query, first) in [(active(), &[][..]), (active().since(NOW.plus(10)), &[COMPLETE])] {
        let mut world = World::new();
        world.store.advance(NOW.plus(10));
        let mut watch = Watch::new(world);
        watch.later(200);
        assert_eq!(watch.listen(), [], "there is no query yet");
        assert_eq!(watch.connection.poll_timeout(), Some(seconds(1000) + TIMEOUT));
        assert_eq!(said(&watch.ask(&query)), first);
        assert_eq!(watch.listen_after(59), []);
        assert_eq!(said(&watch.listen_after(1)), [ALIVE]);
    }
}

//= rfc7724-7.4-01
#[test]
fn changes_that_are_not_told_do_not_count_as_messages() {
    let mut world = World::new();
    let blue = world.vpn("blue");
    let mut watch = Watch::new(world);
    watch.ask(&active().vpn(&[255]));
    for number in 0..5 {
        watch.world.commit(&lease(V4Key { vpn: blue, ..key(number) }));
        assert_eq!(watch.listen_after(10), []);
    }
    assert_eq!(said(&watch.listen_after(10)), [ALIVE]);
}

//= rfc7724-7.4-01
//= rfc7724-8.2-01
#[test]
fn a_blocked_connection_has_no_keep_alives_until_a_minute_after_all_was_taken() {
    let mut watch = Watch::begun(World::new());
    block(&mut watch, 1);
    assert_eq!(watch.connection.poll_timeout(), Some(watch.now + seconds(120)), "nothing is due before that");
    watch.later(119);
    assert!(!watch.connection.handle_timeout(watch.now));
    watch.connection.handle_progress(watch.now, 200, 0);
    assert_eq!(watch.connection.poll_timeout(), Some(watch.now + seconds(60)));
    assert_eq!(watch.listen(), []);
    assert_eq!(watch.listen_after(59), []);
    assert_eq!(said(&watch.listen_after(1)), [ALIVE]);
}

//= rfc7724-8.2-01
#[test]
fn a_requestor_that_takes_nothing_for_two_minutes_is_dropped() {
    let mut watch = Watch::begun(World::new());
    block(&mut watch, 1);
    watch.later(119);
    watch.connection.handle_progress(watch.now, 0, 200);
    assert!(!watch.connection.handle_timeout(watch.now));
    watch.later(1);
    assert!(watch.connection.handle_timeout(watch.now));
    assert_eq!(watch.closed(), Some(CloseReason::Blocked));
    assert_eq!(watch.connection.outstanding(), 0);
}

//= rfc7724-8.2-01
#[test]
fn a_requestor_that_takes_an_octet_now_and_then_is_slow_not_blocked() {
    let mut watch = Watch::begun(World::new());
    block(&mut watch, 1);
    for left in (1..200).rev() {
        watch.later(119);
        watch.connection.handle_progress(watch.now, 1, left);
        assert!(!watch.connection.handle_timeout(watch.now));
    }
    watch.later(120);
    assert!(watch.connection.handle_timeout(watch.now));
}

//= rfc7724-5.3-05
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
    assert_eq!(said(&watch.listen_after(1)), [ALIVE]);
    block(&mut watch, 1);
    watch.later(499);
    assert!(!watch.connection.handle_timeout(watch.now));
    watch.later(1);
    assert!(watch.connection.handle_timeout(watch.now));
}

#[test]
fn a_quiet_active_connection_is_not_idle() {
    let mut watch = Watch::begun(World::new());
    for _ in 0..100 {
        assert_eq!(said(&watch.listen_after(299)), [ALIVE]);
    }
    assert_eq!(watch.closed(), None);
}

//= rfc7724-8.4-05
#[test]
fn half_a_message_beside_an_active_query_ends_it_after_the_data_timeout_however_it_drips() {
    let mut watch = Watch::begun(World::new());
    watch.later(1000);
    for (second, octet) in (0..).zip(&active().frame()[..200]) {
        assert!(!said(&watch.listen()).contains(&TERMINATED));
        watch.send(&[*octet]);
        let left = 300 - second;
        assert!(watch.connection.poll_timeout() <= Some(watch.now + seconds(left)));
        watch.later(1);
    }
    watch.listen();
    assert!(!said(&watch.listen_after(99)).contains(&TERMINATED));
    let replies = watch.listen_after(1);
    assert_eq!(said(&replies), [TERMINATED]);
    assert_eq!(base_time(&replies[0]), Some(watch.world.store.now()));
    assert_eq!(watch.closed(), Some(CloseReason::Idle));
    watch.assert_over();
}

#[test]
fn an_active_query_that_does_not_come_to_its_end_closes_the_connection() {
    let mut watch = Watch::new(World::new());
    watch.later(100);
    watch.send(&active().frame()[..200]);
    assert_eq!(watch.listen_after(299), []);
    assert_eq!(watch.closed(), None);
    assert_eq!(watch.listen_after(1), []);
    assert_eq!(watch.closed(), Some(CloseReason::Idle));
    watch.assert_over();
}
