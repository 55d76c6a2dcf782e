//! The course of things as it should be: everything first, then every change.

use leasequery_protocol::follower::{Link, Position, Settings};
use leasequery_wire::v4::{MessageType, StatusCode};

use crate::peer::*;

//= rfc7724-4-01
//= rfc7724-8.3-01
//= rfc7724-8.3-02
//= rfc7724-7.2-02
//= rfc6926-7.3-16
#[test]
fn everything_is_asked_for_first_and_then_changes_since_the_first_message_of_that() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    assert_eq!((bulk.kind, bulk.since, bulk.until, bulk.all_vpns), (MessageType::BULK_LEASE_QUERY, None, None, true));
    assert_eq!(scene.follower.poll_connect(scene.now), None, "one after the other");
    let first = scene.time();
    scene.say(Link::Bulk, &lease(bulk.xid, 1, first));
    scene.wait(5);
    scene.say(Link::Bulk, &[lease(bulk.xid, 2, scene.time()), done(bulk.xid, Some(scene.time()), None)].concat());
    assert!(!scene.follower.is_open(Link::Bulk), "what has been asked for is here");
    let active = scene.answer(Link::Active);
    assert_eq!((active.kind, active.since), (MessageType::ACTIVE_LEASE_QUERY, Some(first)));
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(scene.time())));
    scene.say(Link::Active, &ended(active.xid, 1, scene.time()));
    let seen = scene.seen();
    assert_eq!(
        seen,
        ["Connected", "Initial 1 Lease", "Initial 2 Lease", "InitialComplete", "CatchUpComplete", "Live 1 Lease"]
    );
    assert_eq!(scene.leased(), [2]);
}

//= rfc7724-7.3-12
//= rfc7724-7.4-07
#[test]
fn whoever_wants_changes_only_asks_for_nothing_else() {
    let mut scene = Scene::with(None, Settings { initial: false, sweep: None, ..settings() });
    let active = scene.answer(Link::Active);
    assert_eq!(active.since, None);
    scene.say(Link::Active, &lease(active.xid, 1, scene.time()));
    assert_eq!(scene.seen(), ["Connected", "Live 1 Lease"]);
    assert_eq!(scene.resume(), Some(scene.time()), "there is no catching up without a time to begin with");
}

//= rfc7724-7.3-09
//= rfc7724-7.3-11
//= rfc7724-7.4-08
//= rfc7724-7.4.1-06
//= rfc7724-7.4.1-07
#[test]
fn base_times_count_only_outside_of_the_catch_up_phase() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), settings());
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &[lease(active.xid, 1, NOW.minus(400)), lease(active.xid, 2, NOW)].concat());
    scene.say(Link::Active, &status(active.xid, StatusCode::CONNECTION_ACTIVE, Some(NOW)));
    assert_eq!(scene.resume(), Some(NOW.minus(500)));
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW.plus(1))));
    assert_eq!(scene.resume(), Some(NOW.plus(1)));
    scene.say(Link::Active, &lease(active.xid, 3, NOW.plus(7)));
    assert_eq!(scene.resume(), Some(NOW.plus(7)));
    scene.say(Link::Active, &lease(active.xid, 3, NOW.plus(3)));
    assert_eq!(scene.resume(), Some(NOW.plus(7)), "the largest one counts");
    assert_eq!(
        scene.seen(),
        ["Connected", "CatchUp 1 Lease", "CatchUp 2 Lease", "CatchUpComplete", "Live 3 Lease", "Live 3 Times"]
    );
}

//= rfc7724-7.3-10
//= rfc7724-7.4.1-09
#[test]
fn a_connection_that_ends_while_catching_up_leaves_the_resume_point_as_it_was() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), settings());
    let active = scene.answer(Link::Active);
    assert_eq!(active.since, Some(NOW.minus(500)), "unchanged");
    scene.say(Link::Active, &lease(active.xid, 1, NOW));
    scene.close(Link::Active);
    assert_eq!(scene.next_connection(), Link::Active);
    assert_eq!(scene.accept(Link::Active).since, Some(NOW.minus(500)));
}

//= rfc7724-7.4-05
//= rfc7724-7.4-06
//= rfc7724-6-02
//= rfc7724-7.4.1-11
//= rfc7724-7.4.1-12
#[test]
fn of_several_messages_about_an_address_the_last_one_holds() {
    let mut scene = Scene::new();
    let active = scene.begin(&[]);
    for _ in 0..50 {
        scene.say(Link::Active, &[lease(active.xid, 1, NOW), ended(active.xid, 1, NOW)].concat());
    }
    assert_eq!(scene.leased(), [0; 0]);
    scene.say(Link::Active, &lease(active.xid, 1, NOW.minus(3)));
    assert_eq!(scene.leased(), [1], "whatever its base-time");
}

#[test]
fn the_last_words_of_a_server_are_the_latest_resume_point() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    scene.say(Link::Active, &status(active.xid, StatusCode::QUERY_TERMINATED, Some(NOW.plus(9))));
    assert!(!scene.follower.is_open(Link::Active));
    assert_eq!(scene.resume(), Some(NOW.plus(9)));
    assert_eq!(scene.seen().last().map(String::as_str), Some("Disconnected"));
}

#[test]
fn what_was_known_of_the_server_s_clock_holds_while_catching_up() {
    let position = Position { resume: NOW.plus(900), skew: 1000 };
    let mut scene = Scene::with(Some(position), settings());
    let active = scene.answer(Link::Active);
    // It changed 50 seconds ago, which is long ago for the message that tells of it now.
    scene.say(Link::Active, &lease(active.xid, 1, NOW.plus(950)));
    let key = leasequery_store::V4Key::new(address(1));
    assert_eq!(scene.store.lookup(key).unwrap().start_of_state(), NOW.minus(50));
}

//= rfc7724-9-05
#[test]
fn what_is_no_longer_there_is_found_by_asking_for_everything() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1, 2]);
    scene.seen();
    let sweep = scene.until_sweep(&active);
    assert_eq!(scene.now.as_secs(), 3600, "once an hour");
    assert_eq!((sweep.since, sweep.until), (None, None));
    scene.say(Link::Bulk, &[lease(sweep.xid, 2, scene.time()), done(sweep.xid, Some(scene.time()), None)].concat());
    assert_eq!(scene.seen(), ["Sweep 2 Times", "gone 1", "Swept"]);
    assert_eq!(scene.leased(), [2]);
}

#[test]
fn an_answer_that_is_not_whole_proves_nothing() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1, 2]);
    let sweep = scene.until_sweep(&active);
    scene.say(Link::Bulk, &lease(sweep.xid, 2, scene.time()));
    scene.close(Link::Bulk);
    assert_eq!(scene.leased(), [1, 2], "it broke off");
    let sweep = scene.until_sweep(&active);
    scene.say(
        Link::Bulk,
        &[lease(sweep.xid, 2, scene.time()), done(sweep.xid, None, Some(StatusCode::UNSPEC_FAIL))].concat(),
    );
    assert_eq!(scene.leased(), [1, 2], "it failed");
}

#[test]
fn addresses_that_are_merely_configured_are_configured_in_the_copy() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    let time = scene.time();
    let answer =
        [free(bulk.xid, 1, time), lease(bulk.xid, 2, time), free(bulk.xid, 3, time), done(bulk.xid, Some(time), None)];
    scene.say(Link::Bulk, &answer.concat());
    for number in 1..=4 {
        let key = leasequery_store::V4Key::new(address(number));
        assert_eq!(scene.store.is_configured(key), number < 4);
    }
    assert_eq!(scene.store.networks_of(Some(scene.source)).len(), 1, "as one range");
}

#[test]
fn what_a_large_answer_has_configured_is_taken_in_bites() {
    const ADDRESSES: u32 = 10_000;
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    let sweep = scene.until_sweep(&active);
    let time = scene.time();
    let before = scene.store.networks_of(Some(scene.source)).to_vec();
    // Every second address, so that none are together.
    for number in 0..ADDRESSES {
        let mut message = free(sweep.xid, 1, time);
        message[14..18].copy_from_slice(&(0x0a01_0000 + 2 * number).to_be_bytes());
        scene.say(Link::Bulk, &message);
    }
    scene.follower.handle_bytes(Link::Bulk, &done(sweep.xid, Some(time), None));
    let mut bites = 0;
    while scene.bite() {
        bites += 1;
        assert_eq!(
            scene.store.networks_of(Some(scene.source)),
            before,
            "the old ones stay until the new ones are whole"
        );
    }
    assert!(bites >= 8, "{bites}");
    assert_eq!(scene.store.networks_of(Some(scene.source)).len(), ADDRESSES as usize);
    assert!(scene.seen().iter().any(|seen| seen.contains("Swept")), "and then it is over");
}

#[test]
fn addresses_that_the_active_response_told_of_meanwhile_are_configured_too() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    let sweep = scene.until_sweep(&active);
    scene.say(Link::Active, &lease(active.xid, 2, scene.time()));
    let time = scene.time();
    let answer = (1..=3).flat_map(|number| free(sweep.xid, number, time));
    scene.say(Link::Bulk, &[answer.collect(), done(sweep.xid, Some(time), None)].concat());
    assert_eq!(scene.leased(), [2], "of which it knows better");
    for number in 1..=3 {
        assert!(scene.store.is_configured(leasequery_store::V4Key::new(address(number))), "{number}");
    }
}

#[test]
fn an_answer_that_could_not_tell_of_a_binding_removes_nothing() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1, 2, 3]);
    let sweep = scene.until_sweep(&active);
    scene.seen();
    let failed = failure(sweep.xid, 1);
    scene.say(Link::Bulk, &[lease(sweep.xid, 2, NOW), failed, done(sweep.xid, Some(scene.time()), None)].concat());
    assert_eq!(scene.leased(), [1, 2, 3]);
    assert_eq!(scene.seen(), ["Sweep 2 None", "Warning"], "it was no sweep");
}

#[test]
fn the_position_is_kept_with_the_store_as_it_moves() {
    let mut scene = Scene::new();
    let kept = |scene: &Scene| scene.store.position(scene.source).and_then(Position::from_bytes);
    let bulk = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &lease(bulk.xid, 1, NOW.plus(30)));
    assert_eq!(kept(&scene), None, "what broke off now would have to begin anew");
    scene.say(Link::Bulk, &done(bulk.xid, Some(NOW.plus(30)), None));
    assert_eq!(kept(&scene), Some(Position { resume: NOW.plus(30), skew: 30 }));
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &lease(active.xid, 1, NOW.plus(35)));
    assert_eq!(kept(&scene), Some(Position { resume: NOW.plus(30), skew: 30 }));
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW.plus(30))));
    scene.say(Link::Active, &lease(active.xid, 1, NOW.plus(31)));
    assert_eq!(kept(&scene), scene.follower.position());
    assert_eq!(kept(&scene).unwrap().resume, NOW.plus(31));
}

#[test]
fn a_position_is_read_as_it_was_written_and_nothing_else_is() {
    let position = Position { resume: NOW, skew: -7 };
    let bytes = position.to_bytes();
    assert_eq!(Position::from_bytes(&bytes), Some(position));
    for wrong in [&bytes[1..], &bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat(), &[2; 13], &[]] {
        assert_eq!(Position::from_bytes(wrong), None, "{wrong:?}");
    }
}

#[test]
fn an_initial_answer_that_breaks_off_is_asked_for_again_as_a_whole() {
    let mut scene = Scene::new();
    let bulk = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &lease(bulk.xid, 1, NOW));
    scene.close(Link::Bulk);
    assert_eq!(scene.seen(), ["Connected", "Initial 1 Lease", "Disconnected"]);
    assert_eq!(scene.next_connection(), Link::Bulk);
    let again = scene.accept(Link::Bulk);
    assert_eq!((again.since, again.until), (None, None));
    assert_eq!(scene.leased(), [1], "what came is true all the same");
    scene.say(Link::Bulk, &[lease(again.xid, 2, NOW), done(again.xid, Some(scene.time()), None)].concat());
    assert_eq!(scene.leased(), [2], "and is compared with the whole");
}

#[test]
fn a_server_that_takes_no_bulk_connection_beside_is_still_followed() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    for _ in 0..72 {
        scene.wait(50);
        scene.say(Link::Active, &status(active.xid, StatusCode::CONNECTION_ACTIVE, Some(scene.time())));
    }
    scene.seen();
    for _ in 0..3 {
        assert_eq!(scene.next_connection(), Link::Bulk);
        scene.refuse(Link::Bulk);
        scene.say(Link::Active, &lease(active.xid, 2, scene.time()));
    }
    let seen = scene.seen();
    assert_eq!(seen.iter().filter(|line| *line == "Warning").count(), 1, "{seen:?}");
    assert!(!seen.contains(&"Disconnected".to_owned()), "{seen:?}");
    assert_eq!(scene.leased(), [1, 2]);
    scene.close(Link::Active);
    assert_eq!(scene.seen(), ["Disconnected"]);
}

//= rfc7724-7.4.1-07
#[test]
fn nothing_else_is_asked_for_while_it_catches_up() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), settings());
    let active = scene.answer(Link::Active);
    for code in [StatusCode::CONNECTION_ACTIVE, StatusCode(99), StatusCode::SUCCESS] {
        scene.say(Link::Active, &[lease(active.xid, 1, NOW), status(active.xid, code, Some(NOW))].concat());
        assert_eq!(scene.follower.poll_connect(scene.now), None);
        assert_eq!(scene.resume(), Some(NOW.minus(500)));
    }
    assert!(!scene.follower.is_live());
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW)));
    assert!(scene.follower.is_live());
    scene.answer(Link::Bulk);
}

//= rfc7724-7.3-11
//= rfc7724-7.4.1-09
#[test]
fn the_end_of_a_response_that_still_catches_up_leaves_the_resume_point_as_it_was() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    for finally in [false, true] {
        let mut scene = Scene::with(Some(position), settings());
        let active = scene.answer(Link::Active);
        scene.say(Link::Active, &lease(active.xid, 1, NOW));
        let code = StatusCode::QUERY_TERMINATED;
        let end = if finally { done(active.xid, Some(NOW), Some(code)) } else { status(active.xid, code, Some(NOW)) };
        scene.say(Link::Active, &end);
        assert!(!scene.follower.is_open(Link::Active));
        assert_eq!(scene.resume(), Some(NOW.minus(500)));
    }
}

//= rfc7724-7.3-09
#[test]
fn the_largest_base_time_of_all_connections_counts() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    scene.say(Link::Active, &lease(active.xid, 1, NOW.plus(9)));
    scene.close(Link::Active);
    assert_eq!(scene.next_connection(), Link::Active);
    let active = scene.accept(Link::Active);
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW.plus(5))));
    assert_eq!(scene.resume(), Some(NOW.plus(9)));
}
