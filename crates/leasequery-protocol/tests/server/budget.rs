//! Answers over UDP, however much there is behind a query.

use leasequery_protocol::server::{Policy, Silence, Verdict};
use leasequery_store::Update;

use crate::support::*;

/// A switch with `count` clients, heard of in no order; the relay of one in `every` is 10.9.9.9.
fn switch(count: u32) -> World {
    let mut world = World::new();
    let info = relay_info(&[(2, b"switch")]);
    for number in 0..count {
        let last_transaction = Some(NOW.minus(1 + number.wrapping_mul(7919) % count));
        world.commit(&Update {
            relay_info: Some(&info),
            remote_id: Some(b"switch"),
            last_transaction,
            ..lease(key(number))
        });
    }
    world
}

//= rfc4388-6.4.2-04
#[test]
fn of_very_many_leases_the_latest_is_told_and_as_many_of_the_others_as_fit() {
    let mut world = switch(5000);
    let latest = |world: &World| {
        let reply = world.single(&Query::single().remote_id(b"switch").list(&[51]));
        let told: Vec<_> = reply.message().associated_ip().unwrap().collect();
        assert_eq!((reply.address(), reply.0.len() <= 548), (told[0], true));
        told
    };
    let told = latest(&world);
    let ages: Vec<_> = told
        .iter()
        .map(|address| {
            NOW.since(world.store.lookup(leasequery_store::V4Key::new(*address)).unwrap().last_transaction().unwrap())
        })
        .collect();
    assert_eq!(ages, (1..=u32::try_from(told.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(told.len(), 72);
    // A renewal makes another one the latest.
    let info = relay_info(&[(2, b"switch")]);
    world.commit(&Update { relay_info: Some(&info), remote_id: Some(b"switch"), ..lease(key(4321)) });
    assert_eq!(latest(&world)[0], address(4321));
}

#[test]
fn where_too_many_would_have_to_be_looked_at_there_is_no_answer() {
    let world = switch(5000);
    let relays = Some(vec![(std::net::IpAddr::from([10, 9, 9, 9]), 32)]);
    let (verdict, replies) =
        world.datagram(&Query::single().remote_id(b"switch").datagram(), &Policy { relays, ..Policy::default() });
    assert_eq!((verdict, replies.len()), (Verdict::Silence(Silence::TooMuch), 0));
}
