//! Clocks that are stepped: the server's, and our own.

use leasequery_protocol::follower::{Link, Position, Settings};
use leasequery_store::{About, State, Time, V4Key};
use leasequery_wire::v4::StatusCode;

use crate::peer::*;

const DAY: i64 = 86_400;

fn key(number: u8) -> V4Key {
    V4Key::new(address(number))
}

fn start(scene: &Scene, number: u8) -> Time {
    scene.store.lookup(key(number)).unwrap().start_of_state()
}

fn is_known(scene: &Scene) -> bool {
    scene.store.unknown(About::Everything, &[]).is_none()
}

#[test]
fn our_own_clock_ends_nothing_by_a_step_before_all_has_been_told_anew() {
    let mut scene = Scene::new();
    scene.store.await_source(scene.source, "it has not been heard");
    let active = scene.begin(&[1, 2]);
    assert!(is_known(&scene));
    let before = scene.store.revision();
    scene.step(10 * DAY);
    assert_eq!((scene.leased(), scene.store.revision()), (vec![1, 2], before), "leases of a day");
    assert!(!is_known(&scene));

    // What is told of it lasts as long as the server says, by the clock of now.
    scene.say(Link::Active, &lease(active.xid, 3, scene.time()));
    let sweep = scene.answer(Link::Bulk);
    scene.say(Link::Bulk, &[lease(sweep.xid, 2, scene.time()), lease(sweep.xid, 3, scene.time())].concat());
    assert!(!is_known(&scene));
    assert_eq!(start(&scene, 2), scene.local());
    scene.say(Link::Bulk, &done(sweep.xid, Some(scene.time()), None));
    assert_eq!(scene.leased(), [2, 3], "the other one is there no longer");
    assert!(is_known(&scene));
    for _ in 0..DAY / 50 {
        scene.wait(50);
        scene.say(Link::Active, &status(active.xid, StatusCode::CONNECTION_ACTIVE, Some(scene.time())));
    }
    assert_eq!(scene.leased(), [], "and they end by themselves again");
}

#[test]
fn what_ended_while_nobody_looked_has_ended() {
    let mut scene = Scene::new();
    scene.store.await_source(scene.source, "it has not been heard");
    scene.begin(&[1, 2]);
    // The process was stopped, but both clocks of the machine ran.
    scene.wait(2 * 86_400);
    assert!(is_known(&scene));
    scene.wait(10);
    assert_eq!(scene.leased(), []);
    assert_eq!(scene.store.lookup(key(1)).map(|binding| binding.state()), Some(State::Expired));
}

#[test]
fn all_is_asked_for_anew_when_our_own_clock_is_stepped() {
    for step in [-30 * DAY, -60, -20, 20, 60, 30 * DAY] {
        let mut scene = Scene::new();
        let active = scene.begin(&[1]);
        scene.step(step);
        let sweep = scene.answer(Link::Bulk);
        assert_eq!((sweep.since, sweep.until), (None, None), "{step}");
        // The first message says how the clocks differ now.
        scene.say(Link::Active, &lease(active.xid, 1, scene.time()));
        assert_eq!(start(&scene, 1), scene.local(), "{step}");
        // What is under way when it happens once more is worth nothing.
        scene.step(step);
        assert!(!scene.follower.is_open(Link::Bulk));
        scene.answer(Link::Bulk);
    }
    let mut scene = Scene::new();
    scene.begin(&[1]);
    scene.step(-4);
    assert_eq!(scene.follower.poll_connect(scene.now), None, "that is waited for");
}

#[test]
fn base_times_that_run_back_mean_that_the_server_s_clock_was_set_back() {
    let mut scene = Scene::new();
    let active = scene.begin(&[1]);
    scene.wait(100);
    scene.say(Link::Active, &lease(active.xid, 1, NOW.plus(100)));
    scene.say(Link::Active, &lease(active.xid, 1, NOW.plus(91)));
    assert_eq!(scene.resume(), Some(NOW.plus(100)), "a little is nothing");
    scene.seen();
    scene.say(Link::Active, &lease(active.xid, 2, NOW.plus(89)));
    assert_eq!(scene.seen(), ["Live 2 Lease", "DataMissing"]);
    assert_eq!(scene.resume(), Some(Time(0)), "that time will come again");
    let sweep = scene.answer(Link::Bulk);
    assert_eq!((sweep.since, sweep.until), (None, None));
    scene.say(Link::Bulk, &[lease(sweep.xid, 2, NOW.plus(89)), done(sweep.xid, Some(NOW.plus(89)), None)].concat());
    assert_eq!(scene.leased(), [2]);
    assert_eq!(scene.resume(), Some(NOW.plus(89)));
}

#[test]
fn what_was_told_by_an_old_difference_of_clocks_is_told_again() {
    // Our clock was moved by days while nobody ran, so that the difference is that of then no more.
    for days in [-3, 3] {
        let position = Position { resume: NOW.minus(500), skew: days * DAY };
        let mut scene = Scene::with(Some(position), Settings { kept: false, ..settings() });
        let active = scene.answer(Link::Active);
        scene.say(Link::Active, &lease(active.xid, 1, NOW.minus(400)));
        scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW)));
        assert_eq!(scene.resume(), Some(NOW.minus(500)), "it goes on from there until that has been done");
        let gap = scene.answer(Link::Bulk);
        assert_eq!((gap.since, gap.until), (Some(NOW.minus(500)), Some(NOW)));
        scene.say(Link::Bulk, &[aged_lease(gap.xid, 1, NOW, 400), done(gap.xid, Some(NOW), None)].concat());
        assert_eq!(start(&scene, 1), NOW.minus(400), "{days} days");
    }
}

#[test]
fn what_was_told_by_the_difference_of_clocks_that_still_holds_is_told_once() {
    let position = Position { resume: NOW.minus(500), skew: 1 };
    let mut scene = Scene::with(Some(position), Settings { kept: false, ..settings() });
    let active = scene.answer(Link::Active);
    scene.say(Link::Active, &lease(active.xid, 1, NOW.minus(400)));
    scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(NOW)));
    assert_eq!(scene.resume(), Some(NOW));
    assert_eq!(scene.follower.poll_connect(scene.now), None);
}
