//! How often a server is bothered (RFC 7724 sections 5.3 and 7.1).

use std::time::Duration;

use leasequery_protocol::follower::{Link, Settings};
use leasequery_protocol::requestor::Timeouts;
use leasequery_wire::v4::StatusCode;

use crate::peer::*;

//= rfc7724-7.1-01
//= rfc7724-7.1-02
//= rfc6926-7.1-01
#[test]
fn the_first_attempt_is_made_at_once_and_others_at_a_distance() {
    let mut scene = Scene::new();
    let mut attempts = Vec::new();
    for _ in 0..20 {
        assert_eq!(scene.next_connection(), Link::Bulk);
        attempts.push(scene.now);
        scene.refuse(Link::Bulk);
    }
    assert_eq!(attempts[0], Duration::ZERO);
    let distances: Vec<_> = attempts.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    assert!(distances.iter().all(|distance| (seconds(60)..=seconds(66)).contains(distance)), "{distances:?}");
    assert!(distances.iter().any(|distance| *distance != distances[0]), "not all requestors at the same time");
}

//= rfc7724-7.1-03
//= rfc6926-7.1-02
#[test]
fn a_connection_that_lasted_may_be_repeated_soon() {
    let mut scene = Scene::new();
    scene.begin(&[1]);
    scene.wait(100);
    scene.close(Link::Active);
    let lost = scene.now;
    assert_eq!(scene.next_connection(), Link::Active);
    assert!(scene.now > lost && scene.now.saturating_sub(lost) <= seconds(2), "its server may need a moment");
    // But not one that did not.
    scene.accept(Link::Active);
    scene.close(Link::Active);
    let lost = scene.now;
    assert_eq!(scene.next_connection(), Link::Active);
    assert!(scene.now.saturating_sub(lost) >= seconds(60));
}

#[test]
fn a_server_that_is_away_is_reported_once() {
    let mut scene = Scene::new();
    scene.begin(&[1]);
    scene.close(Link::Active);
    for _ in 0..5 {
        assert_eq!(scene.next_connection(), Link::Active);
        scene.refuse(Link::Active);
    }
    let reports = scene.seen().iter().filter(|line| *line == "Disconnected" || *line == "Warning").count();
    assert_eq!(reports, 2, "that it went, and that it cannot be reached");
}

//= rfc7724-5.3-01
//= rfc7724-5.3-02
//= rfc7724-5.3-06
//= rfc7724-5.3-04
#[test]
fn the_parameters_are_those_of_the_rfc_unless_said() {
    let settings = Settings::default();
    assert_eq!(settings.retry, seconds(60));
    assert_eq!(settings.timeouts, Timeouts { data: seconds(300), active_receive: seconds(120) });
}

//= rfc7724-7.4-03
#[test]
fn a_server_that_says_nothing_is_left_after_two_minutes() {
    let mut scene = Scene::new();
    scene.begin(&[1]);
    scene.wait(119);
    assert!(scene.follower.is_open(Link::Active));
    scene.wait(1);
    assert!(!scene.follower.is_open(Link::Active));
}

/// After how long everything is asked for by a follower that has lost its server and found it again.
fn sweep_after_loss(seed: u64) -> Duration {
    let mut scene = Scene::seeded(None, settings(), seed);
    scene.begin(&[1]);
    scene.wait(100);
    scene.close(Link::Active);
    assert_eq!(scene.next_connection(), Link::Active);
    let active = scene.accept(Link::Active);
    let back = scene.now;
    loop {
        let alive = StatusCode::CATCH_UP_COMPLETE;
        scene.say(Link::Active, &status(active.xid, alive, Some(scene.time())));
        if scene.follower.poll_connect(scene.now) == Some(Link::Bulk) {
            break;
        }
        scene.wait(10);
    }
    scene.now.saturating_sub(back)
}

#[test]
fn after_losing_a_server_everything_is_asked_for_within_some_minutes() {
    let waits: Vec<_> = (0..20).map(sweep_after_loss).collect();
    assert!(waits.iter().all(|wait| *wait <= seconds(300)), "{waits:?}");
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(most.saturating_sub(*least) >= seconds(120), "and not by all requestors at once: {waits:?}");
}

#[test]
fn a_sweep_that_fails_is_tried_again_some_minutes_later() {
    for stepped in [0, 40] {
        let mut scene = Scene::new();
        let active = scene.begin(&[1]);
        let alive = |scene: &mut Scene| {
            scene.wait(10);
            let time = scene.time().plus(stepped);
            scene.say(Link::Active, &status(active.xid, StatusCode::CONNECTION_ACTIVE, Some(time)));
            scene.follower.poll_connect(scene.now)
        };
        while alive(&mut scene).is_none() {}
        scene.accept(Link::Bulk);
        scene.close(Link::Bulk);
        let failed = scene.now;
        while alive(&mut scene).is_none() {}
        let wait = scene.now.saturating_sub(failed);
        assert!((seconds(300)..=seconds(310)).contains(&wait), "{wait:?}");
    }
}

#[test]
fn a_server_that_said_goodbye_is_come_back_to_at_once() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    scene.wait(5);
    scene.say(Link::Active, &status(active.xid, StatusCode::QUERY_TERMINATED, Some(scene.time())));
    let parted = scene.now;
    let mut attempts = Vec::new();
    // It takes a while until it is back: nobody listens, or somebody does who cannot answer any more.
    for number in 0..20 {
        assert_eq!(scene.next_connection(), Link::Active);
        attempts.push(scene.now.saturating_sub(parted));
        if number % 2 == 0 || number > 6 {
            scene.refuse(Link::Active);
        } else {
            scene.accept(Link::Active);
            scene.close(Link::Active);
        }
    }
    assert!(attempts[0] <= seconds(1) && attempts[3] <= seconds(15), "{attempts:?}");
    let distances: Vec<_> = attempts.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    assert!(distances[10..].iter().all(|distance| *distance >= seconds(60)), "and then as ever: {distances:?}");
}

#[test]
fn not_all_requestors_come_back_at_the_same_time() {
    let first = |seed| {
        let mut scene = Scene::seeded(None, settings(), seed);
        let active = scene.begin(&[1]);
        scene.say(Link::Active, &status(active.xid, StatusCode::QUERY_TERMINATED, Some(scene.time())));
        assert_eq!(scene.next_connection(), Link::Active);
        scene.now
    };
    let waits: Vec<_> = (0..20).map(first).collect();
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(most.saturating_sub(*least) >= Duration::from_millis(300), "{waits:?}");
}

#[test]
fn a_server_that_says_nothing_but_goodbye_is_not_asked_for_ever() {
    let mut scene = Scene::new();
    let mut active = scene.begin(&[1]);
    for _ in 0..20 {
        scene.say(Link::Active, &status(active.xid, StatusCode::QUERY_TERMINATED, Some(scene.time())));
        assert_eq!(scene.next_connection(), Link::Active);
        active = scene.accept(Link::Active);
        scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(scene.time())));
    }
    assert!(scene.now >= seconds(600), "{:?}", scene.now);
}

#[test]
fn an_answer_that_ends_with_goodbye_is_asked_for_again_at_once() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &done(bulk.xid, Some(NOW), Some(StatusCode::QUERY_TERMINATED)));
    assert_eq!(scene.seen(), ["Connected", "Disconnected"], "that is no refusal");
    assert_eq!(scene.next_connection(), Link::Bulk);
    assert!(scene.now <= seconds(1));
}
