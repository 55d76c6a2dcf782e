//! Several servers that tell of the same addresses.

use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::follower::{Follower, Link};
use leasequery_protocol::requestor::v4::V4;
use leasequery_store::{Hardware, State, Update, V4Key};

use crate::peer::*;

//= rfc6926-7.5-01
#[test]
fn two_servers_are_followed_into_one_store() {
    let mut scene = Scene::new();
    scene.begin(&[1, 2]);
    let other = scene.store.source("other").unwrap();
    let mut second: Follower<V4> = Follower::new(V4Wanted::default(), other, None, settings(), 8);
    let mut log = Log::default();
    assert_eq!(second.poll_connect(scene.now), Some(Link::Bulk));
    second.handle_connected(Link::Bulk, scene.now, PEER.into(), &mut scene.store);
    let octets = second.poll_transmit(Link::Bulk).to_vec();
    let xid = u32::from_be_bytes([octets[6], octets[7], octets[8], octets[9]]);
    second.handle_sent(Link::Bulk, scene.now, octets.len());
    let answer = [free(xid, 1, NOW), lease(xid, 3, NOW), done(xid, Some(NOW), None)].concat();
    second.handle_bytes(Link::Bulk, &answer);
    second.advance(scene.now, &mut scene.store, &mut log, 100);
    assert_eq!(scene.leased(), [1, 2, 3], "what one does not have is no news about what the other has");
    assert_eq!(second.position().map(|position| position.resume), Some(NOW));
}

#[test]
fn a_server_that_has_what_another_one_lost_is_asked_for_everything_at_once() {
    let mut scene = Scene::new();
    scene.begin(&[1, 2]);
    let other = scene.store.source("other").unwrap();
    let key = V4Key::new(address(1));
    let hardware = Some(Hardware { htype: 1, address: &[2, 0, 0, 0, 0, 1] });
    let lasts = Some(NOW.plus(90_000));
    let update =
        Update { hardware, last_transaction: Some(NOW.plus(9)), expires: lasts, ..Update::new(key, State::Active) };
    scene.store.commit(other, &update);
    scene.work();
    assert_eq!(scene.follower.poll_connect(scene.now), None);
    scene.store.withdraw(other, key);
    assert_eq!(scene.leased(), [1, 2], "the server has it");
    scene.work();
    let sweep = scene.answer(Link::Bulk);
    assert_eq!((sweep.since, sweep.until), (None, None));
    let leases = [lease(sweep.xid, 1, NOW), lease(sweep.xid, 2, NOW)].concat();
    scene.say(Link::Bulk, &[leases, done(sweep.xid, Some(NOW), None)].concat());
    let binding = scene.store.lookup(key).unwrap();
    assert_eq!(binding.last_transaction(), Some(NOW), "what the server says itself");
    assert_eq!(scene.follower.poll_connect(scene.now), None);
}
