//! Servers without Active Leasequery.

use leasequery_protocol::follower::{Link, Position, Settings};
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
    assert_polled_with(scene, &["Poll 1 Lease", "Polling"])
}

#[track_caller]
fn assert_polled_with(mut scene: Scene, seen: &[&str]) -> Scene {
    let poll = scene.answer(Link::Bulk);
    assert_eq!((poll.since, poll.until), (Some(NOW.minus(1)), None), "what changed since, overlapping by a second");
    let time = scene.time();
    scene.say(Link::Bulk, &[ended(poll.xid, 1, time), done(poll.xid, Some(time), None)].concat());
    assert_eq!(scene.seen(), seen);
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
    for code in [StatusCode::NOT_ALLOWED, StatusCode::MALFORMED_QUERY] {
        assert_polled(refused(|scene, active| scene.say(Link::Active, &status(active.xid, code, None))));
        assert_polled(refused(|scene, active| scene.say(Link::Active, &done(active.xid, None, Some(code)))));
    }
}

#[test]
fn a_server_that_does_not_answer_active_queries_is_polled() {
    let mut scene = refused(|scene, _| scene.wait(120));
    assert_eq!(scene.seen(), ["Disconnected"]);
    assert_polled_with(scene, &["Connected", "Poll 1 Lease", "Polling"]);
}

#[test]
fn a_server_that_takes_connections_and_says_nothing_is_not_called_connected() {
    let mut scene = refused(|scene, _| scene.wait(120));
    assert_eq!(scene.reasons(), ["no data from the server for 120 seconds"]);
    scene.answer(Link::Bulk);
    scene.wait(300);
    assert_eq!(scene.seen(), ["Disconnected", "Warning"]);
    let silence =
        "no data from the server for 120 seconds; a bulk query in its place: no data from the server for 300 seconds";
    assert_eq!(scene.reasons(), [silence]);
    assert_eq!(scene.next_connection(), Link::Active);
    let active = scene.accept(Link::Active);
    assert_eq!(scene.seen(), [""; 0]);
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(scene.time())));
    assert_eq!(scene.seen(), ["Connected", "CatchUpComplete"]);
}

#[test]
fn why_active_queries_are_refused_is_said_though_bulk_queries_come_to_nothing() {
    let no = "bng-1 may not send active queries";
    let refused = || refused(|scene, active| scene.say(Link::Active, &refusal(active.xid, no)));
    let expected = |why: &str| [format!("NotAllowed: {no}; a bulk query in its place: {why}")];
    let mut scene = refused();
    assert_eq!(scene.follower.poll_connect(scene.now), Some(Link::Bulk));
    scene.refuse(Link::Bulk);
    assert_eq!(scene.reasons(), expected("refused"));
    let mut scene = refused();
    scene.answer(Link::Bulk);
    scene.wait(300);
    assert_eq!(scene.reasons(), expected("no data from the server for 300 seconds"));
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
    let sweep = scene.answer(Link::Bulk);
    assert_eq!(sweep.since, None, "while it was polled it did not say what it has lost");
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
    assert!((2..=4).contains(&whole), "about every tenth time: {whole} of 30");
}

#[test]
fn a_server_that_knows_no_vpns_is_asked_for_the_default_one() {
    for code in [StatusCode::NOT_ALLOWED, StatusCode::MALFORMED_QUERY] {
        let mut scene = Scene::new();
        let first = scene.answer(Link::Bulk);
        assert!(first.all_vpns);
        scene.say(Link::Bulk, &done(first.xid, None, Some(code)));
        let second = scene.answer(Link::Bulk);
        assert!(!second.all_vpns);
        scene.say(Link::Bulk, &[lease(second.xid, 1, NOW), done(second.xid, Some(NOW), None)].concat());
        assert_eq!(scene.leased(), [1]);
        let active = scene.answer(Link::Active);
        scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW)));
        assert!(!scene.until_sweep(&active).all_vpns, "it is not asked in vain every time");
    }
}

//= rfc7724-7.1-02
#[test]
fn active_queries_are_no_closer_together_where_they_are_not_answered() {
    let mut scene = refused(|scene, active| {
        scene.say(Link::Active, &status(active.xid, StatusCode::NOT_ALLOWED, None));
    });
    let mut attempts = vec![scene.now];
    let mut polls = vec![scene.now];
    while attempts.len() < 11 {
        let link = scene.next_connection();
        let asked = scene.accept(link);
        if link == Link::Active {
            attempts.push(scene.now);
            scene.say(link, &status(asked.xid, StatusCode::NOT_ALLOWED, None));
        } else {
            polls.push(scene.now);
            scene.say(link, &done(asked.xid, Some(scene.time()), None));
        }
    }
    let distances: Vec<_> = attempts.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    assert!(distances.iter().all(|distance| *distance >= seconds(60)), "{distances:?}");
    assert!(distances[5] >= seconds(31 * 30), "and ever more rarely: {distances:?}");
    assert!(distances[9] <= seconds(65 * 31), "but not more and more so: {distances:?}");
    assert!(polls.windows(2).all(|pair| pair[1].saturating_sub(pair[0]) <= seconds(31)), "{polls:?}");
}

#[test]
fn whoever_never_asks_for_everything_goes_on_from_the_last_poll() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), Settings { initial: false, sweep: None, ..settings() });
    scene.answer(Link::Active);
    scene.close(Link::Active);
    let poll = scene.answer(Link::Bulk);
    assert_eq!(poll.since, Some(NOW.minus(501)));
    scene.say(Link::Bulk, &done(poll.xid, Some(NOW), None));
    assert_eq!(scene.resume(), Some(NOW));
}

#[test]
fn whoever_is_polled_keeps_the_old_position_until_everything_was_asked_for() {
    let mut scene = assert_polled(refused(|scene, _| scene.close(Link::Active)));
    loop {
        let link = scene.next_connection();
        if link == Link::Active {
            scene.refuse(link);
            continue;
        }
        assert_eq!(scene.resume(), Some(NOW), "a server that is polled does not say what it has lost");
        let asked = scene.accept(link);
        scene.say(link, &done(asked.xid, Some(scene.time()), None));
        if asked.since.is_none() {
            break;
        }
    }
    assert!(scene.resume() > Some(NOW));
}

#[test]
fn polls_begin_at_the_first_base_time_of_the_one_before() {
    let mut scene = refused(|scene, _| scene.close(Link::Active));
    let poll = scene.answer(Link::Bulk);
    let first = scene.time();
    scene.say(Link::Bulk, &lease(poll.xid, 2, first));
    scene.wait(7);
    scene.say(Link::Bulk, &[lease(poll.xid, 3, scene.time()), done(poll.xid, Some(scene.time()), None)].concat());
    loop {
        let link = scene.next_connection();
        if link == Link::Bulk {
            break;
        }
        scene.refuse(link);
    }
    assert_eq!(scene.accept(Link::Bulk).since, Some(first.minus(1)), "overlapping by a second");
}

#[test]
fn a_refusal_that_is_not_about_vpns_does_not_end_asking_for_all_of_them() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    let sweep = scene.until_sweep(&active);
    assert!(sweep.all_vpns);
    scene.say(Link::Bulk, &done(sweep.xid, None, Some(StatusCode::NOT_ALLOWED)));
    let default = scene.answer(Link::Bulk);
    assert!(!default.all_vpns);
    scene.seen();
    scene.say(Link::Bulk, &done(default.xid, None, Some(StatusCode::NOT_ALLOWED)));
    let seen = scene.seen();
    assert!(seen[0].starts_with("Refused"), "{seen:?}");
    // Permitted again: a copy that asked for less would lose the leases of the other VPNs.
    assert!(scene.until_sweep(&active).all_vpns);
}

#[test]
fn whoever_wants_changes_only_is_polled_for_changes_only() {
    let mut scene = Scene::with(None, Settings { initial: false, sweep: None, ..settings() });
    scene.answer(Link::Active);
    scene.close(Link::Active);
    let poll = scene.answer(Link::Bulk);
    assert_eq!((poll.since, poll.until), (Some(NOW.minus(1)), None));
}

#[test]
fn polls_that_fail_are_repeated_as_seldom_as_those_that_do_not() {
    let position = Position { resume: NOW.minus(500), skew: 0 };
    let mut scene = Scene::with(Some(position), Settings { poll: seconds(1000), ..settings() });
    scene.answer(Link::Active);
    scene.close(Link::Active);
    let poll = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &done(poll.xid, Some(NOW), None));
    let next_bulk = |scene: &mut Scene| {
        while scene.next_connection() == Link::Active {
            scene.refuse(Link::Active);
        }
        scene.accept(Link::Bulk)
    };
    // One is for everything, as after every start, and fails, too.
    let mut polls = Vec::new();
    let mut sweeps = 0;
    while polls.len() < 4 {
        if next_bulk(&mut scene).since.is_some() {
            polls.push(scene.now);
        } else {
            sweeps += 1;
        }
        scene.close(Link::Bulk);
    }
    let distances: Vec<_> = polls.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    assert!(distances.iter().all(|distance| (seconds(1000)..seconds(1100)).contains(distance)), "{distances:?}");
    assert!((8..=16).contains(&sweeps), "{sweeps}");
}

#[test]
fn nothing_else_is_tried_while_a_poll_is_being_answered() {
    let mut scene = refused(|scene, _| scene.close(Link::Active));
    let poll = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &done(poll.xid, Some(NOW), None));
    assert_eq!(scene.next_connection(), Link::Bulk);
    let poll = scene.accept(Link::Bulk);
    scene.wait(100);
    assert_eq!(scene.follower.poll_connect(scene.now), None);
    scene.say(Link::Bulk, &done(poll.xid, Some(NOW), None));
    scene.answer(Link::Active);
}

#[test]
fn what_changes_while_a_poll_is_looked_for_is_asked_for_by_the_next_one() {
    let mut scene = assert_polled(refused(|scene, _| scene.close(Link::Active)));
    let mut asked = None;
    for _ in 0..6 {
        if scene.next_connection() == Link::Active {
            scene.refuse(Link::Active);
            continue;
        }
        let poll = scene.accept(Link::Bulk);
        if let Some(asked) = asked {
            assert!(poll.since.is_some_and(|since| since <= asked), "{:?} > {asked}", poll.since);
        }
        asked = Some(scene.time());
        // It stamps its answer when it sends it, after having looked at very many addresses.
        scene.wait(20);
        scene.say(Link::Bulk, &done(poll.xid, Some(scene.time()), None));
    }
}
