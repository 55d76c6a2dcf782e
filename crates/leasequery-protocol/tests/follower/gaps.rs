//! A server that cannot tell of all changes by itself (RFC 7724 section 7.4.1).

use leasequery_protocol::follower::{Link, Position, Settings};
use leasequery_wire::v4::{MessageType, StatusCode};

use crate::peer::*;

/// A follower that comes back after 500 seconds and is told that data are missing.
fn behind() -> (Scene, Asked) {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), settings());
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW)));
    assert_eq!(scene.seen(), ["Connected", "DataMissing"]);
    (scene, active)
}

//= rfc7724-7.4.1-13
//= rfc7724-7.4.1-14
//= rfc7724-7.4.1-15
//= rfc7724-7.4.1-16
#[test]
fn exactly_what_is_missing_is_asked_for_on_another_connection_while_updates_go_on() {
    let (mut scene, active) = behind();
    let gap = scene.answer(Link::Bulk);
    assert_eq!(gap.kind, MessageType::BULK_LEASE_QUERY);
    assert_eq!((gap.since, gap.until), (Some(NOW.minus(500)), Some(NOW)));
    scene.say(Link::Active, &lease(active.xid, 9, NOW.plus(5)));
    scene.say(Link::Bulk, &lease(gap.xid, 1, NOW.plus(5)));
    assert_eq!(scene.resume(), Some(NOW.minus(500)), "a crash now must not lose the gap");
    scene.say(Link::Bulk, &done(gap.xid, Some(NOW.plus(5)), None));
    assert!(!scene.follower.is_open(Link::Bulk), "that connection is closed");

    // What vanished in the gap is found by asking for everything.
    let sweep = scene.answer(Link::Bulk);
    assert_eq!((sweep.since, sweep.until), (None, None));
    assert_eq!(scene.resume(), Some(NOW.minus(500)));
    scene.say(
        Link::Bulk,
        &[lease(sweep.xid, 1, NOW), lease(sweep.xid, 9, NOW), done(sweep.xid, Some(NOW), None)].concat(),
    );
    assert_eq!(scene.resume(), Some(NOW.plus(5)), "now what the active response told counts");
    assert_eq!(scene.seen(), ["Live 9 Lease", "Gap 1 Lease", "Sweep 1 Times", "Sweep 9 Times", "GapFilled", "Swept"]);
}

#[test]
fn what_the_active_response_said_meanwhile_is_the_last_word() {
    let (mut scene, active) = behind();
    let gap = scene.answer(Link::Bulk);
    scene.say(Link::Active, &ended(active.xid, 1, NOW.plus(1)));
    scene.say(Link::Bulk, &[lease(gap.xid, 1, NOW.plus(2)), lease(gap.xid, 2, NOW.plus(2))].concat());
    assert_eq!(scene.leased(), [2]);
}

#[test]
fn a_gap_whose_connection_breaks_is_said_anew() {
    let (mut scene, _) = behind();
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

#[test]
fn a_gap_is_asked_for_until_it_is_filled() {
    let (mut scene, active) = behind();
    scene.answer(Link::Bulk);
    scene.close(Link::Bulk);
    scene.say(Link::Active, &lease(active.xid, 1, NOW.plus(50)));
    assert_eq!(scene.next_connection(), Link::Bulk);
    let again = scene.accept(Link::Bulk);
    assert_eq!((again.since, again.until), (Some(NOW.minus(500)), Some(NOW)));
}

#[test]
fn a_server_whose_clock_was_set_back_is_asked_for_everything() {
    let position = Position { resume: NOW.plus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), settings());
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW)));
    assert_eq!(
        scene.resume(),
        Some(leasequery_store::Time(0)),
        "once its clock has passed that time it would deny the gap"
    );
    let sweep = scene.answer(Link::Bulk);
    assert_eq!((sweep.since, sweep.until), (None, None), "that time has not been there yet");
    scene.say(Link::Bulk, &done(sweep.xid, Some(NOW), None));
    assert_eq!(scene.resume(), Some(NOW), "and the old resume point is of no use any more");
}

#[test]
fn whoever_keeps_no_copy_asks_for_everything_only_if_data_are_missing() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), Settings { kept: false, ..settings() });
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW)));
    for _ in 0..100 {
        scene.wait(100);
        scene.say(Link::Active, &status(active.xid, StatusCode::CONNECTION_ACTIVE, Some(scene.time())));
        assert_eq!(scene.follower.poll_connect(scene.now), None);
    }
}

#[test]
fn whoever_keeps_a_copy_compares_it_as_soon_as_it_has_caught_up() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), settings());
    let active = scene.answer(Link::Active);
    assert_eq!(scene.follower.poll_connect(scene.now), None);
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW)));
    let sweep = scene.answer(Link::Bulk);
    assert_eq!((sweep.since, sweep.until), (None, None));
}

#[test]
fn a_clock_that_was_stepped_has_all_times_asked_for_anew() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    scene.wait(100);
    scene.say(Link::Active, &status(active.xid, StatusCode::CONNECTION_ACTIVE, Some(scene.time().plus(40))));
    scene.answer(Link::Bulk);
}

//= rfc6926-6.2.6-03
#[test]
fn the_end_of_a_gap_is_told_by_the_clock_of_the_server() {
    let position = Position { resume: NOW.plus(500), skew: 1000 };
    let mut scene = Scene::with(Some(position), settings());
    let active = scene.answer(Link::Active);
    scene.wait(3);
    // It took a while.
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW.plus(1001))));
    let gap = scene.answer(Link::Bulk);
    assert_eq!((gap.since, gap.until), (Some(NOW.plus(500)), Some(NOW.plus(1001))));
}

#[test]
fn data_may_be_missing_without_a_base_time() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), settings());
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, None));
    let sweep = scene.answer(Link::Bulk);
    assert_eq!((sweep.since, sweep.until), (None, None), "nothing says where the gap ends");
    scene.say(
        Link::Bulk,
        &[binding(sweep.xid, MessageType::LEASE_ACTIVE, 1, None), done(sweep.xid, None, None)].concat(),
    );
    assert_eq!(scene.resume(), Some(NOW.minus(2)), "by our clock, but for a little");
    scene.close(Link::Active);
    assert_eq!(scene.next_connection(), Link::Active);
    assert_eq!(scene.accept(Link::Active).since, Some(NOW.minus(2)), "changes of the meantime are not lost");
}

#[test]
fn whoever_says_again_and_again_that_data_are_missing_is_not_asked_all_the_time() {
    let (mut scene, active) = behind();
    scene.answer(Link::Bulk);
    let asked = scene.now;
    scene.wait(1);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(scene.time())));
    let until = scene.time();
    assert!(!scene.follower.is_open(Link::Bulk), "what is on its way does not know of that");
    assert_eq!(scene.next_connection(), Link::Bulk);
    assert!(scene.now.saturating_sub(asked) >= seconds(60));
    let gap = scene.accept(Link::Bulk);
    assert_eq!((gap.since, gap.until), (Some(NOW.minus(500)), Some(until)));
}

#[test]
fn a_connection_that_is_being_opened_serves_for_the_gap() {
    let mut scene = Scene::new();
    scene.begin(&[1]);
    let resume = scene.resume();
    // Polled, and about to be asked by an active query again.
    for _ in 0..3 {
        scene.close(Link::Active);
        assert_eq!(scene.next_connection(), Link::Active);
        scene.accept(Link::Active);
    }
    scene.close(Link::Active);
    let poll = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &done(poll.xid, resume, None));
    let active = loop {
        let link = scene.next_connection();
        let asked = scene.accept(link);
        if link == Link::Active {
            break asked;
        }
        scene.say(Link::Bulk, &done(asked.xid, resume, None));
    };
    assert_eq!(scene.next_connection(), Link::Bulk, "it does not answer at once");
    let end = scene.time();
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(end)));
    assert_eq!(scene.follower.poll_connect(scene.now), None, "one is on its way");
    let gap = scene.accept(Link::Bulk);
    assert_eq!((gap.since, gap.until), (resume, Some(end)));
}

//= rfc7724-7.4.1-15
#[test]
fn a_restart_while_a_gap_is_open_forgets_nothing() {
    let (mut scene, active) = behind();
    let gap = scene.answer(Link::Bulk);
    scene.say(Link::Active, &lease(active.xid, 9, NOW.plus(5)));
    scene.say(Link::Bulk, &lease(gap.xid, 1, NOW.plus(5)));
    let kept = |scene: &Scene| {
        scene.store.position(scene.source).and_then(Position::from_bytes).map(|position| position.resume)
    };
    assert_eq!(kept(&scene), Some(NOW.minus(500)));
    scene.say(Link::Bulk, &done(gap.xid, Some(NOW.plus(6)), None));
    let sweep = scene.answer(Link::Bulk);
    assert_eq!(kept(&scene), Some(NOW.minus(500)), "what vanished is not known yet");
    scene.say(Link::Bulk, &[lease(sweep.xid, 9, NOW), done(sweep.xid, Some(NOW.plus(6)), None)].concat());
    assert_eq!(kept(&scene), Some(NOW.plus(5)));
}

#[test]
fn last_words_before_a_gap_is_filled_do_not_close_it() {
    let (mut scene, active) = behind();
    scene.answer(Link::Bulk);
    scene.say(Link::Active, &status(active.xid, StatusCode::QUERY_TERMINATED, Some(NOW.plus(9))));
    assert_eq!(scene.resume(), Some(NOW.minus(500)));
    assert!(!scene.follower.is_open(Link::Bulk));
}

#[test]
fn the_largest_base_time_since_the_gap_counts_once_it_is_filled() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), Settings { sweep: None, ..settings() });
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW)));
    let gap = scene.answer(Link::Bulk);
    scene.say(Link::Active, &[lease(active.xid, 1, NOW.plus(7)), lease(active.xid, 1, NOW.plus(3))].concat());
    scene.say(Link::Bulk, &done(gap.xid, Some(NOW.plus(8)), None));
    assert_eq!(scene.resume(), Some(NOW.plus(7)));
    assert_eq!(scene.seen().last().map(String::as_str), Some("GapFilled"), "where nothing is swept that is all");
    assert_eq!(scene.follower.poll_connect(scene.now), None);
}

#[test]
fn what_was_told_before_the_clock_was_set_back_is_no_resume_point() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    scene.say(Link::Active, &lease(active.xid, 1, NOW.plus(1)));
    scene.close(Link::Active);
    assert_eq!(scene.next_connection(), Link::Active);
    let active = scene.accept(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW.minus(50))));
    assert_eq!(scene.next_connection(), Link::Bulk);
    let sweep = scene.accept(Link::Bulk);
    scene.say(Link::Bulk, &done(sweep.xid, Some(NOW.minus(50)), None));
    assert_eq!(scene.resume(), Some(NOW.minus(50)));
}

#[test]
fn filling_a_gap_leaves_configured_what_was() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &[free(bulk.xid, 1, NOW), free(bulk.xid, 2, NOW), done(bulk.xid, Some(NOW), None)].concat());
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW)));
    let gap = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &[lease(gap.xid, 3, NOW), done(gap.xid, Some(NOW), None)].concat());
    for number in 1..=3 {
        assert!(scene.store.is_configured(leasequery_store::V4Key::new(address(number))), "{number}");
    }
}

#[test]
fn what_could_not_be_taken_is_found_by_asking_for_everything() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    scene.seen();
    let time = scene.time();
    for number in 2..5 {
        scene.say(Link::Active, &failure(active.xid, number));
    }
    scene.say(Link::Active, &status(active.xid, StatusCode::CONNECTION_ACTIVE, Some(time)));
    assert_eq!(scene.seen(), ["Warning"], "it is said once");
    let sweep = scene.until_sweep(&active);
    assert!(scene.now <= seconds(360), "{:?}", scene.now);
    scene.say(Link::Bulk, &[lease(sweep.xid, 1, time), lease(sweep.xid, 2, time), failure(sweep.xid, 3)].concat());
    scene.say(Link::Bulk, &done(sweep.xid, Some(scene.time()), None));
    assert_eq!(scene.seen(), ["Sweep 1 None", "Sweep 2 Lease", "Warning"], "and how many there were in sum");
    assert_eq!(scene.leased(), [1, 2]);

    // It was of no use to ask for everything, so that is not repeated before its time.
    let swept = scene.now;
    scene.say(Link::Active, &failure(active.xid, 3));
    scene.until_sweep(&active);
    assert!(scene.now.saturating_sub(swept) >= seconds(3500), "{:?}", scene.now);
}
