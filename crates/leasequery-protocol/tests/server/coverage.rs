//! What is not known: told neither as free nor as complete, however shortly it was so.

use leasequery_store::{SourceId, Update};
use leasequery_wire::v4::{MessageType, StatusCode};

use crate::support::*;
use crate::watch::Said::{Free, Leased};
use crate::watch::*;

/// Addresses 1 to 4 are configured by a source that has not been read, and 2 is leased.
fn unknown() -> World {
    let mut world = World::new();
    world.configure(key(1), key(4));
    world.store.await_source(world.source, "it has not been read");
    world.commit(&lease(key(2)));
    world
}

fn status(replies: &[Reply]) -> (StatusCode, String) {
    let last = replies.last().expect("an answer");
    assert_eq!(last.kind(), MessageType::LEASE_QUERY_DONE);
    last.status().expect("it is not complete")
}

#[test]
fn a_bulk_response_tells_what_is_known_and_who_is_waited_for() {
    let replies = unknown().ask(&Query::all());
    assert_eq!(said(&replies[..1]), [Leased(2)]);
    assert_eq!(replies.len(), 2, "nothing is free");
    let expected = "not everything is known yet: test: it has not been read";
    assert_eq!(status(&replies), (StatusCode::UNSPEC_FAIL, expected.to_owned()));
}

#[test]
fn a_bulk_response_that_was_incomplete_for_a_moment_stays_so() {
    let mut watch = Watch::new(unknown());
    watch.send(&Query::all().frame());
    // It has passed over the first address.
    assert_eq!(said(&watch.turn(1)), [Leased(2)]);
    watch.world.store.set_whole(watch.world.source);
    let rest = watch.listen();
    assert_eq!(said(&rest[..2]), [Free(3), Free(4)]);
    assert_eq!(status(&rest).0, StatusCode::UNSPEC_FAIL);
    assert_eq!(bindings(&watch.ask(&Query::all())).len(), 4, "the next one is whole");

    // The other way round, too.
    watch.send(&Query::all().frame());
    assert_eq!(said(&watch.turn(1)), [Free(1)]);
    watch.world.store.await_source(watch.world.source, "it is gone");
    assert_eq!(status(&watch.listen()).0, StatusCode::UNSPEC_FAIL);
}

#[test]
fn catching_up_is_complete_when_everything_is_known_and_told() {
    let mut watch = Watch::new(unknown());
    watch.later(10);
    watch.world.commit(&lease(key(3)));
    assert_eq!(said(&watch.ask(&active().since(NOW.plus(5)))), [Leased(3)]);
    assert_eq!(said(&watch.listen_after(60)), [ALIVE], "it is not said");
    watch.world.commit(&lease(key(4)));
    assert_eq!(said(&watch.listen()), [Leased(4)]);
    // What was learned last is told before.
    watch.world.commit(&lease(key(1)));
    watch.world.store.set_whole(watch.world.source);
    assert_eq!(said(&watch.listen()), [Leased(1), COMPLETE]);
    watch.world.store.await_source(watch.world.source, "it is gone");
    watch.world.store.set_whole(watch.world.source);
    assert_eq!(said(&watch.listen()), [], "it is said once");
}

/// Leases of an hour of another server's, which nobody knows to have ended since this machine's clock was stepped.
fn doubted() -> (World, SourceId) {
    let mut world = World::new();
    world.configure(key(1), key(2));
    let there = world.source;
    world.store.set_converted(there);
    world.store.set_whole(there);
    world.store.advance(NOW.plus(10));
    for number in 1..=2 {
        world.commit(&lease(key(number)));
    }
    world.store.advance(NOW.plus(7200));
    (world, there)
}

#[test]
fn what_is_in_doubt_is_told_neither_as_leased_nor_as_free() {
    let (world, _) = doubted();
    let replies = world.ask(&Query::all());
    assert_eq!((replies.len(), status(&replies).0), (1, StatusCode::UNSPEC_FAIL));
    assert_eq!(world.single(&Query::single().address(address(1))).kind(), MessageType::LEASE_UNKNOWN);
}

#[test]
fn what_was_in_doubt_is_told_when_it_is_so_no_longer() {
    let (world, there) = doubted();
    let mut watch = Watch::new(world);
    assert_eq!(said(&watch.ask(&active().since(NOW.plus(5)))), []);
    watch.world.store.begin_sweep(there);
    watch.world.commit(&Update { expires: Some(NOW.plus(9000)), ..lease(key(1)) });
    assert_eq!(said(&watch.listen()), [Leased(1)]);
    watch.world.store.set_whole(there);
    assert_eq!(said(&watch.listen()), [COMPLETE]);
    assert_eq!(said(&watch.listen_after(10)), [Free(2)], "it had ended");
}
