//! Bulk answers do not tell that leases end: what ended has to be told, or found, in another way.

use leasequery_protocol::follower::{Link, Position, Settings};
use leasequery_wire::v6::StatusCode;

use crate::peer::*;

/// One that stopped at NOW, and sweeps every so often.
fn scene(settings: Settings) -> Scene {
    Scene::with(Some(Position { resume: NOW, skew: 0 }), settings)
}

#[test]
fn what_ended_while_it_was_polled_is_caught_up_with() {
    for sweep in [None, Some(seconds(3600))] {
        let mut scene = scene(Settings { sweep, ..settings() });
        assert_eq!(scene.answer(Link::Active).since, Some(NOW));
        scene.close(Link::Active);
        let mut polls = Vec::new();
        let active = loop {
            let link = scene.next_connection();
            let asked = scene.accept(link);
            if link == Link::Active {
                break asked;
            }
            polls.push(asked.since);
            scene.say(Link::Bulk, &done(asked.xid, Some(scene.time()), None));
            assert_eq!(scene.resume(), Some(NOW), "nobody has told what ended since");
        };
        assert!(polls.last().copied().flatten() > Some(NOW), "each poll goes on from the last one: {polls:?}");
        assert_eq!(active.since, Some(NOW), "the active response does not");
        scene.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(scene.time())));
        assert!(scene.resume() > Some(NOW), "now it has been told");
    }
}

#[test]
fn what_ended_in_a_gap_is_found_by_asking_for_everything() {
    for (sweep, initial, everything) in [(None, true, true), (None, false, false), (Some(seconds(3600)), true, false)] {
        let mut scene = scene(Settings { sweep, initial, ..settings() });
        let active = scene.answer(Link::Active);
        scene.say(Link::Active, &status(active.xid, StatusCode::DATA_MISSING, Some(NOW.plus(10))));
        let gap = scene.answer(Link::Bulk);
        // Where everything is asked for anyway, that comes behind what changed in the gap.
        assert_eq!(gap.is_whole(), everything);
    }
}
