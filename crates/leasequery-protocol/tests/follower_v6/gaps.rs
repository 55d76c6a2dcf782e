//! A server that cannot tell of all changes by itself (RFC 7653 section 8.4.1).

use leasequery_protocol::follower::{Link, Position, Settings};
use leasequery_store::Time;
use leasequery_wire::v6::{MessageType, StatusCode};

use crate::peer::*;

/// A follower that comes back after 500 seconds and is told that data are missing, in the first message or a later one.
fn behind(at_once: bool) -> (Scene, Asked) {
    let mut scene = Scene::back();
    let active = scene.answer(Link::Active);
    if !at_once {
        scene.say(Link::Active, &alive(active.xid, NOW.minus(400)));
    }
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW)));
    assert_eq!(scene.seen(), ["Connected", "DataMissing"]);
    (scene, active)
}

//= alq6-3-04
//= alq6-6.3.2-03
//= alq6-6.3.3-04
//= alq6-8.3.1-07
//= alq6-8.3.1-14
//= alq6-8.3.1-15
//= alq6-8.3.1-16
//= rfc7653-active-07
//= rfc7653-active-08
#[test]
fn exactly_what_is_missing_is_asked_for_on_another_connection_while_updates_go_on() {
    for at_once in [true, false] {
        let (mut scene, active) = behind(at_once);
        let gap = scene.answer(Link::Bulk);
        assert!(scene.follower.is_open(Link::Active));
        assert_eq!(gap.kind, MessageType::LEASE_QUERY);
        assert_eq!((gap.since, gap.until), (Some(NOW.minus(500)), Some(NOW)));
        let query = gap.query.unwrap();
        assert_eq!((query[0], &query[1..17]), (4, &[0; 16][..]), "of all links");
        scene.say(Link::Active, &lease(active.xid, 9, NOW.plus(5)));
        scene.say(Link::Bulk, &lease(gap.xid, 1, NOW.plus(5)));
        assert_eq!(scene.resume(), Some(NOW.minus(500)), "a crash now must not lose the gap");
        scene.say(Link::Bulk, &done(gap.xid, Some(NOW.plus(5)), None));
        assert!(!scene.follower.is_open(Link::Bulk), "that connection is closed");

        // What vanished in the gap is found by asking for everything.
        let sweep = scene.answer(Link::Bulk);
        assert!(sweep.is_whole());
        assert_eq!(scene.resume(), Some(NOW.minus(500)));
        let all = [lease(sweep.xid, 1, NOW), lease(sweep.xid, 9, NOW), done(sweep.xid, Some(NOW), None)];
        scene.say(Link::Bulk, &all.concat());
        assert_eq!(scene.resume(), Some(NOW.plus(5)), "now what the active response told counts");
        assert_eq!(scene.kept(), Some(NOW.plus(5)));
        let seen = scene.seen();
        assert_eq!(seen, ["Live 9 Lease", "Gap 1 Lease", "Sweep 1 Times", "Sweep 9 Times", "GapFilled", "Swept"]);
    }
}

//= alq6-8.3.1-14
#[test]
fn what_vanished_in_the_gap_is_ended() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1, 2]);
    scene.close(Link::Active);
    assert_eq!(scene.next_connection(), Link::Active);
    let again = scene.accept(Link::Active);
    assert_ne!(active.xid, again.xid);
    let end = scene.time();
    scene.say(Link::Active, &status(again.xid, StatusCode::DATA_MISSING, Some(end)));
    let gap = scene.answer(Link::Bulk);
    assert_eq!((gap.since, gap.until), (Some(NOW), Some(end)));
    scene.say(Link::Bulk, &done(gap.xid, Some(end), None));
    assert_eq!(scene.leased(), [1, 2], "an empty span says nothing about what is gone");
    let sweep = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &[lease(sweep.xid, 2, end), done(sweep.xid, Some(end), None)].concat());
    assert_eq!(scene.leased(), [2]);
    assert!(scene.follower.is_live());
}

#[test]
fn what_the_active_response_said_meanwhile_is_the_last_word() {
    let (mut scene, active) = behind(true);
    let gap = scene.answer(Link::Bulk);
    scene.say(Link::Active, &client(active.xid, &[(1, 0), (3, 600)], Some(NOW.plus(1))));
    scene.say(Link::Bulk, &client(gap.xid, &[(1, 600), (2, 600), (3, 9000)], Some(NOW.plus(2))));
    assert_eq!(scene.leased(), [2, 3]);
    assert_eq!(scene.store.lookup(address(3)).unwrap().expires(), Some(NOW.plus(600)));
}

#[test]
fn a_gap_whose_connection_breaks_is_said_anew() {
    let (mut scene, _) = behind(true);
    let gap = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &lease(gap.xid, 1, NOW));
    scene.close(Link::Active);
    assert_eq!(scene.resume(), Some(NOW.minus(500)));
    assert_eq!(scene.next_connection(), Link::Active);
    assert!(!scene.follower.is_open(Link::Bulk), "the answer that came is of no use");
    let active = scene.accept(Link::Active);
    assert_eq!(active.since, Some(NOW.minus(500)));
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW.plus(70))));
    assert_eq!(scene.next_connection(), Link::Bulk);
    assert_eq!(scene.accept(Link::Bulk).until, Some(NOW.plus(70)));
}

//= rfc5460-5.5-03
//= rfc5460-5.5-04
//= rfc5460-6.3-02
#[test]
fn a_gap_is_asked_for_until_it_is_filled_but_not_at_once() {
    for way in 0..3 {
        let (mut scene, active) = behind(true);
        let gap = scene.answer(Link::Bulk);
        let asked = scene.now;
        match way {
            0 => scene.close(Link::Bulk),
            1 => scene.say(Link::Bulk, &done(gap.xid, None, Some(StatusCode::QUERY_TERMINATED))),
            _ => {
                for _ in 0..6 {
                    scene.wait(50);
                    scene.say(Link::Active, &alive(active.xid, scene.time()));
                }
            }
        }
        assert!(!scene.follower.is_open(Link::Bulk));
        scene.say(Link::Active, &alive(active.xid, scene.time()));
        assert_eq!(scene.next_connection(), Link::Bulk);
        let distance = seconds(if way == 1 { 0 } else { 60 });
        assert!(scene.now >= asked + distance, "unless it said goodbye");
        let again = scene.accept(Link::Bulk);
        assert_eq!((again.since, again.until), (Some(NOW.minus(500)), Some(NOW)));
    }
}

//= alq6-6.3.3-04
//= alq6-6.3.2-04
#[test]
fn the_ends_of_a_gap_are_told_by_the_clock_of_the_server() {
    let mut scene = Scene::with(Some(Position { resume: NOW.plus(500), skew: 1000 }), settings());
    let active = scene.answer(Link::Active);
    scene.wait(3);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW.plus(1001))));
    let gap = scene.answer(Link::Bulk);
    assert_eq!((gap.since, gap.until), (Some(NOW.plus(500)), Some(NOW.plus(1001))));
}

#[test]
fn a_server_whose_clock_was_set_back_is_asked_for_everything() {
    let mut scene = Scene::with(Some(Position { resume: NOW.plus(500), skew: 0 }), settings());
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW)));
    assert_eq!(scene.resume(), Some(Time(0)), "once its clock has passed that time it would deny the gap");
    assert!(scene.answer(Link::Bulk).is_whole(), "that time has not been there yet");
    // Whoever breaks off now comes back with a time that the server has nothing about.
    scene.close(Link::Active);
    assert_eq!(scene.next_connection(), Link::Active);
    let active = scene.accept(Link::Active);
    assert_eq!(active.since, Some(EVER));
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW)));
    assert_eq!(scene.next_connection(), Link::Bulk);
    let gap = scene.accept(Link::Bulk);
    assert_eq!((gap.since, gap.until), (Some(EVER), Some(NOW)));
    scene.say(Link::Bulk, &done(gap.xid, Some(NOW), None));
    let sweep = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &done(sweep.xid, Some(NOW), None));
    assert_eq!(scene.resume(), Some(NOW), "and the old resume point is of no use any more");
}

#[test]
fn data_may_be_missing_without_a_base_time() {
    let mut scene = Scene::back();
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, None));
    let sweep = scene.answer(Link::Bulk);
    assert!(sweep.is_whole(), "nothing says where the gap ends");
    scene.say(Link::Bulk, &[client(sweep.xid, &[(1, 600)], None), done(sweep.xid, None, None)].concat());
    assert_eq!(scene.resume(), Some(NOW.minus(2)), "by our clock, but for a little");
}

#[test]
fn last_words_before_a_gap_is_filled_do_not_close_it() {
    let (mut scene, active) = behind(false);
    scene.answer(Link::Bulk);
    scene.say(Link::Active, &done(active.xid, Some(NOW.plus(9)), Some(StatusCode::QUERY_TERMINATED)));
    assert_eq!(scene.resume(), Some(NOW.minus(500)));
    assert!(!scene.follower.is_open(Link::Bulk));
}

#[test]
fn where_only_changes_matter_a_gap_is_filled_by_what_changed_and_what_vanished_in_it() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), Settings { sweep: None, initial: false, ..settings() });
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW)));
    let gap = scene.answer(Link::Bulk);
    scene.say(Link::Active, &[lease(active.xid, 1, NOW.plus(7)), lease(active.xid, 1, NOW.plus(3))].concat());
    scene.say(Link::Bulk, &[lease(gap.xid, 2, NOW), done(gap.xid, Some(NOW.plus(8)), None)].concat());
    assert_eq!(scene.resume(), Some(NOW.minus(500)), "what vanished is not known yet");
    let sweep = scene.answer(Link::Bulk);
    assert!(sweep.is_whole());
    scene.seen();
    let (known, older) = (lease(sweep.xid, 1, NOW.plus(8)), lease(sweep.xid, 3, NOW.plus(8)));
    scene.say(Link::Bulk, &[known, older, done(sweep.xid, Some(NOW.plus(8)), None)].concat());
    assert_eq!(scene.resume(), Some(NOW.plus(7)));
    let seen = scene.seen();
    assert_eq!(seen[seen.len() - 3..], ["gone 2", "GapFilled", "Swept"], "{seen:?}");
    assert!(
        !seen.iter().any(|line| line.starts_with("Sweep 3")),
        "nobody was told of it, and it did not change: {seen:?}"
    );
    assert_eq!(scene.follower.poll_connect(scene.now), None);
}

//= alq6-8.3.1-15
#[test]
fn a_restart_while_a_gap_is_open_forgets_nothing() {
    let (mut scene, active) = behind(true);
    let gap = scene.answer(Link::Bulk);
    scene.say(Link::Active, &lease(active.xid, 9, NOW.plus(5)));
    scene.say(Link::Bulk, &lease(gap.xid, 1, NOW.plus(5)));
    assert_eq!(scene.kept(), Some(NOW.minus(500)));
    scene.say(Link::Bulk, &done(gap.xid, Some(NOW.plus(6)), None));
    let sweep = scene.answer(Link::Bulk);
    assert_eq!(scene.kept(), Some(NOW.minus(500)), "what vanished is not known yet");
    scene.say(Link::Bulk, &[lease(sweep.xid, 9, NOW), done(sweep.xid, Some(NOW.plus(6)), None)].concat());
    assert_eq!(scene.kept(), Some(NOW.plus(5)));
}
