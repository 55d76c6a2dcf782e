//! Servers without Active Leasequery, and how often a server is bothered (RFC 7653 sections 6.4 and 8.2).

use std::time::Duration;

use leasequery_protocol::follower::{Link, Settings};
use leasequery_protocol::requestor::Timeouts;
use leasequery_wire::v6::StatusCode;

use crate::peer::*;

/// The initial state, then an active query on which `act` says what comes.
fn refused(act: impl FnOnce(&mut Scene, &Asked)) -> Scene {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &[lease(bulk.xid, 1, NOW), done(bulk.xid, Some(NOW), None)].concat());
    let active = scene.answer(Link::Active);
    scene.seen();
    act(&mut scene, &active);
    scene
}

/// That it is polled from now on, and that this is said once it is sure.
#[track_caller]
fn assert_polled(mut scene: Scene) {
    assert_eq!(scene.seen(), [""; 0]);
    assert_polled_with(scene, &["Poll 2 Lease", "Polling"]);
}

#[track_caller]
fn assert_polled_with(mut scene: Scene, seen: &[&str]) {
    let poll = scene.answer(Link::Bulk);
    assert_eq!((poll.since, poll.until), (Some(NOW.minus(1)), None), "what changed since, overlapping by a second");
    let time = scene.time();
    scene.say(Link::Bulk, &[lease(poll.xid, 2, time), done(poll.xid, Some(time), None)].concat());
    assert_eq!(scene.seen(), seen);
    let mut whole = 0;
    for _ in 0..24 {
        match scene.next_connection() {
            Link::Active => scene.refuse(Link::Active),
            Link::Bulk => {
                let poll = scene.accept(Link::Bulk);
                whole += usize::from(poll.is_whole());
                let time = scene.time();
                scene.say(Link::Bulk, &[lease(poll.xid, 2, time), done(poll.xid, Some(time), None)].concat());
            }
        }
    }
    assert!(scene.now >= seconds(300), "every 30 seconds");
    assert!((1..=4).contains(&whole), "and everything now and then: {whole}");
    assert_eq!(scene.leased(), [2], "which finds what is no longer there");
    assert!(!scene.seen().contains(&"Polling".to_owned()), "it is said once");
}

//= rfc7653-active-15
//= rfc7653-options-01
#[test]
fn a_server_that_refuses_active_queries_is_polled() {
    for code in [
        StatusCode::NOT_SUPPORTED,
        StatusCode::NOT_ALLOWED,
        StatusCode::MALFORMED_QUERY,
        StatusCode::UNKNOWN_QUERY_TYPE,
    ] {
        assert_polled(refused(|scene, active| scene.say(Link::Active, &status(active.xid, code, None))));
        assert_polled(refused(|scene, active| scene.say(Link::Active, &status(active.xid, code, Some(NOW.plus(900))))));
    }
}

#[test]
fn a_server_that_knows_no_active_queries_is_polled() {
    // Kea takes no notice of them, others close the connection.
    assert_polled(refused(|scene, _| scene.close(Link::Active)));
    let mut scene = refused(|scene, _| scene.wait(120));
    assert_eq!(scene.seen(), ["Disconnected"], "nobody told of changes meanwhile");
    assert_polled_with(scene, &["Connected", "Poll 2 Lease", "Polling"]);
}

#[test]
fn a_server_that_learns_it_is_followed_again() {
    let mut scene =
        refused(|scene, active| scene.say(Link::Active, &status(active.xid, StatusCode::NOT_SUPPORTED, None)));
    let active = loop {
        let link = scene.next_connection();
        let asked = scene.accept(link);
        if link == Link::Active {
            break asked;
        }
        scene.say(Link::Bulk, &done(asked.xid, Some(scene.time()), None));
    };
    assert!(active.since.is_some());
    scene.say(Link::Active, &alive(active.xid, scene.time()));
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(scene.time())));
    scene.say(Link::Active, &lease(active.xid, 5, scene.time()));
    assert!(scene.follower.is_live());
    assert!(scene.leased().contains(&5));
    assert!(scene.answer(Link::Bulk).is_whole(), "while it was polled it did not say what it has lost");
}

//= rfc5460-5.5-03
//= rfc5460-5.5-04
//= rfc5460-6.1-01
//= rfc5460-6.3-02
//= rfc7653-active-09
#[test]
fn a_bulk_query_that_fails_is_asked_again_at_a_distance() {
    for way in 0..5 {
        let mut scene = Scene::new();
        let mut attempts = Vec::new();
        for _ in 0..10 {
            assert_eq!(scene.next_connection(), Link::Bulk);
            attempts.push(scene.now);
            if way == 0 {
                scene.refuse(Link::Bulk);
                continue;
            }
            let asked = scene.accept(Link::Bulk);
            assert!(asked.is_whole());
            match way {
                1 => scene.close(Link::Bulk),
                2 => scene.say(Link::Bulk, &status(asked.xid, StatusCode::QUERY_TERMINATED, None)),
                3 => scene.say(Link::Bulk, &status(asked.xid, StatusCode::NOT_ALLOWED, None)),
                _ => scene.wait(300),
            }
            assert!(!scene.follower.is_open(Link::Bulk));
        }
        assert_eq!(attempts[0], Duration::ZERO);
        // One that says goodbye is expected back soon, but not again and again.
        let farewells = if way == 2 { 6 } else { 0 };
        for pair in attempts[farewells..].windows(2) {
            assert!(pair[1] >= pair[0] + seconds(60), "{way}: {attempts:?}");
        }
    }
}

//= alq6-8.1-01
//= alq6-8.1-02
//= rfc7653-active-09
#[test]
fn an_active_query_is_asked_again_at_a_distance() {
    for way in 0..4 {
        let mut scene = Scene::back();
        let mut attempts = Vec::new();
        while attempts.len() < 8 {
            let link = scene.next_connection();
            if link == Link::Bulk {
                let asked = scene.accept(link);
                scene.say(link, &done(asked.xid, Some(scene.time()), None));
                continue;
            }
            attempts.push(scene.now);
            if way == 0 {
                scene.refuse(link);
                continue;
            }
            let asked = scene.accept(link);
            match way {
                1 => scene.say(link, &status(asked.xid, StatusCode::QUERY_TERMINATED, None)),
                2 => scene.say(link, &status(asked.xid, StatusCode::NOT_SUPPORTED, None)),
                _ => {
                    scene.say(link, &alive(asked.xid, scene.time()));
                    scene.say(link, &done(asked.xid, None, Some(StatusCode::QUERY_TERMINATED)));
                }
            }
            assert!(!scene.follower.is_open(link));
        }
        // One that says goodbye is expected back soon, but not again and again.
        let farewells = if way == 1 || way == 3 { 6 } else { 0 };
        for pair in attempts[farewells..].windows(2) {
            assert!(pair[1] >= pair[0] + seconds(60), "{way}: {attempts:?}");
        }
    }
}

//= rfc7653-timeouts-01
//= rfc7653-timeouts-02
//= alq6-8.2-03
#[test]
fn a_server_that_says_nothing_is_left_after_two_minutes_and_asked_again() {
    let mut scene = Scene::new();
    scene.begin(&[1]);
    let began = scene.now;
    scene.wait(119);
    assert!(scene.follower.is_open(Link::Active));
    scene.wait(1);
    assert!(!scene.follower.is_open(Link::Active));
    assert_eq!(scene.next_connection(), Link::Active);
    assert!(scene.now >= began + seconds(60));
    assert_eq!(scene.accept(Link::Active).since, Some(NOW));
}

//= alq6-6.4-05
//= rfc5460-5.6-07
#[test]
fn the_parameters_are_those_of_the_rfcs_unless_said() {
    let settings = Settings::default();
    assert_eq!(settings.retry, seconds(60));
    assert_eq!(settings.timeouts, Timeouts { data: seconds(300), active_receive: seconds(120) });
    let timeouts = Timeouts { data: seconds(400), active_receive: seconds(200) };
    let mut scene = Scene::with(None, Settings { timeouts, ..self::settings() });
    scene.answer(Link::Bulk);
    scene.wait(399);
    assert!(scene.follower.is_open(Link::Bulk));
    scene.wait(1);
    assert!(!scene.follower.is_open(Link::Bulk));
}
