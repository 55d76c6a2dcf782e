//! Servers without Active Leasequery.

use leasequery_protocol::follower::Link;
use leasequery_wire::v4::StatusCode;

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
fn assert_polled(mut scene: Scene) -> Scene {
    assert_eq!(scene.seen(), [""; 0]);
    let poll = scene.answer(Link::Bulk);
    assert_eq!((poll.since, poll.until), (Some(NOW), None), "what changed since");
    let time = scene.time();
    scene.say(Link::Bulk, &[ended(poll.xid, 1, time), done(poll.xid, Some(time), None)].concat());
    assert_eq!(scene.seen(), ["Poll 1 Lease", "Polling"]);
    let began = scene.now;
    for _ in 0..3 {
        let link = scene.next_connection();
        if link == Link::Active {
            scene.refuse(Link::Active);
            continue;
        }
        let poll = scene.accept(Link::Bulk);
        assert!(poll.since.is_some());
        scene.say(Link::Bulk, &done(poll.xid, Some(scene.time()), None));
    }
    assert!(scene.now >= began + seconds(30), "every 30 seconds");
    assert!(!scene.seen().contains(&"Polling".to_owned()), "it is said once");
    scene
}

//= rfc7724-3-03
#[test]
fn a_server_that_closes_active_queries_without_a_word_is_polled() {
    assert_polled(refused(|scene, _| scene.close(Link::Active)));
}

#[test]
fn a_server_that_refuses_active_queries_is_polled() {
    assert_polled(refused(|scene, active| {
        scene.say(Link::Active, &status(active.xid, StatusCode::NOT_ALLOWED, None));
    }));
    assert_polled(refused(|scene, active| {
        scene.say(Link::Active, &done(active.xid, None, Some(StatusCode::NOT_ALLOWED)));
    }));
}

#[test]
fn a_server_that_does_not_answer_active_queries_is_polled() {
    assert_polled(refused(|scene, _| scene.wait(120)));
}

#[test]
fn a_server_that_learns_it_is_followed_again() {
    let mut scene = assert_polled(refused(|scene, _| scene.close(Link::Active)));
    let active = loop {
        let link = scene.next_connection();
        let asked = scene.accept(link);
        if link == Link::Active {
            break asked;
        }
        scene.say(Link::Bulk, &done(asked.xid, Some(scene.time()), None));
    };
    assert!(active.since.is_some());
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(scene.time())));
    scene.say(Link::Active, &lease(active.xid, 5, scene.time()));
    assert_eq!(scene.leased(), [5]);
    assert!(scene.follower.is_live());
}

#[test]
fn a_server_that_is_just_not_there_is_not_polled() {
    let mut scene = refused(|scene, _| scene.close(Link::Active));
    assert_eq!(scene.follower.poll_connect(scene.now), Some(Link::Bulk));
    scene.refuse(Link::Bulk);
    assert_eq!(scene.seen(), ["Disconnected"]);
    assert_eq!(scene.next_connection(), Link::Active, "and tried again as before");
}

#[test]
fn a_server_that_answered_before_has_to_be_silent_several_times() {
    let mut scene = Scene::new();
    scene.begin(&[1]);
    scene.close(Link::Active);
    for _ in 0..2 {
        assert_eq!(scene.next_connection(), Link::Active);
        scene.accept(Link::Active);
        scene.close(Link::Active);
    }
    assert_eq!(scene.next_connection(), Link::Active);
    scene.accept(Link::Active);
    scene.close(Link::Active);
    assert_eq!(scene.follower.poll_connect(scene.now), Some(Link::Bulk), "the third time");
}

#[test]
fn now_and_then_everything_is_asked_for() {
    let mut scene = assert_polled(refused(|scene, _| scene.close(Link::Active)));
    let mut whole = 0;
    for _ in 0..30 {
        match scene.next_connection() {
            Link::Active => scene.refuse(Link::Active),
            Link::Bulk => {
                let asked = scene.accept(Link::Bulk);
                whole += usize::from(asked.since.is_none());
                scene.say(Link::Bulk, &done(asked.xid, Some(scene.time()), None));
            }
        }
    }
    assert!((1..=4).contains(&whole), "about every tenth time: {whole} of 30");
}

#[test]
fn a_server_that_knows_no_vpns_is_asked_for_the_default_one() {
    let mut scene = Scene::new();
    let first = scene.answer(Link::Bulk);
    assert!(first.all_vpns);
    scene.say(Link::Bulk, &done(first.xid, None, Some(StatusCode::NOT_ALLOWED)));
    let second = scene.answer(Link::Bulk);
    assert!(!second.all_vpns);
    scene.say(Link::Bulk, &[lease(second.xid, 1, NOW), done(second.xid, Some(NOW), None)].concat());
    assert_eq!(scene.leased(), [1]);
}
