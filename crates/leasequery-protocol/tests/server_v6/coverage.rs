//! What is not known: told neither as over nor as complete, however shortly it was so.

use leasequery_store::{SourceId, Update};
use leasequery_wire::v6::{MessageType, StatusCode};

use crate::support::*;

/// Two leases of a source that has not been read.
fn unknown() -> World {
    let mut world = World::new();
    world.store.await_source(world.source, "it has not been read");
    world.commit(&lease(key(1, 1), ALICE));
    world.commit(&lease(key(1, 2), BOB));
    world
}

/// The keys that a bulk response tells of, and how it ends.
fn told(replies: &[Reply]) -> (Vec<leasequery_store::V6Key>, Option<StatusCode>) {
    let last = replies.last().expect("an answer");
    (replies.iter().filter_map(Reply::data).flat_map(|data| data.keys().collect::<Vec<_>>()).collect(), last.status())
}

#[test]
fn a_bulk_response_that_was_incomplete_for_a_moment_stays_so() {
    let both = vec![key(1, 1), key(1, 2)];
    let replies = unknown().ask(&Query::everything());
    assert_eq!(told(&replies), (both.clone(), Some(StatusCode::UNSPEC_FAIL)));
    assert_eq!(replies.last().unwrap().text(), "not everything is known yet: test: it has not been read");

    let mut watch = Watch::new(unknown());
    watch.send(&Query::everything().frame());
    assert_eq!(told(&watch.turn(1)), (vec![key(1, 1)], None));
    watch.world.store.set_whole(watch.world.source);
    assert_eq!(told(&watch.listen()), (vec![key(1, 2)], Some(StatusCode::UNSPEC_FAIL)));
    assert_eq!(told(&watch.ask(&Query::everything())), (both, None), "the next one is whole");

    watch.send(&Query::everything().frame());
    assert_eq!(told(&watch.turn(1)).1, None);
    watch.world.store.await_source(watch.world.source, "it is gone");
    assert_eq!(told(&watch.listen()).1, Some(StatusCode::UNSPEC_FAIL));
}

#[test]
fn catching_up_is_complete_when_everything_is_known_and_told() {
    let mut watch = Watch::new(unknown());
    watch.later(10);
    watch.world.commit(&lease(key(1, 3), ALICE));
    let replies = watch.ask(&active().since(NOW.plus(5)));
    assert_eq!(said(&replies), [Said::Leases(vec![(key(1, 1), true), (key(1, 3), true)])]);
    let replies = watch.listen_after(60);
    assert_eq!((said(&replies), replies[0].kind()), (vec![Said::Nothing], MessageType::LEASE_QUERY_DATA));
    // What was learned last is told before.
    watch.world.commit(&lease(key(1, 4), BOB));
    watch.world.store.set_whole(watch.world.source);
    assert_eq!(said(&watch.listen()), [Said::Leases(vec![(key(1, 2), true), (key(1, 4), true)]), COMPLETE]);
    watch.world.store.await_source(watch.world.source, "it is gone");
    watch.world.store.set_whole(watch.world.source);
    assert_eq!(said(&watch.listen()), [], "it is said once");
}

/// Leases of an hour of another server's, which nobody knows to have ended since this machine's clock was stepped.
fn doubted() -> (World, SourceId) {
    let mut world = World::new();
    let source = world.source;
    world.store.set_converted(source);
    world.store.set_whole(source);
    world.store.advance(NOW.plus(10));
    world.commit(&lease(key(1, 1), ALICE));
    world.commit(&lease(key(1, 2), ALICE));
    world.store.advance(NOW.plus(7200));
    (world, source)
}

#[test]
fn what_is_in_doubt_is_told_neither_as_there_nor_as_over() {
    let (world, source) = doubted();
    assert_eq!(told(&world.ask(&Query::everything())), (vec![], Some(StatusCode::UNSPEC_FAIL)));
    let mut watch = Watch::new(world);
    assert_eq!(said(&watch.ask(&active().since(NOW.plus(5)))), [Said::Nothing]);
    watch.world.store.begin_sweep(source);
    let renewed = Update { expires: Some(NOW.plus(9000)), ..lease(key(1, 1), ALICE) };
    watch.world.commit(&renewed);
    assert_eq!(said(&watch.listen()), [there(key(1, 1))], "the other one is not told with it");
    watch.world.store.set_whole(source);
    assert_eq!(said(&watch.listen()), [COMPLETE]);
    let ended = Said::Leases(vec![(key(1, 1), true), (key(1, 2), false)]);
    assert_eq!(said(&watch.listen_after(10)), [ended], "it had ended");
}
