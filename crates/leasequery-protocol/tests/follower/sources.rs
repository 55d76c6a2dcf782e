//! Several servers that tell of the same addresses.

use leasequery_protocol::follower::{Follower, Link};
use leasequery_protocol::requestor::v4::{V4, Wanted};

use crate::peer::*;

//= rfc6926-7.5-01
#[test]
fn two_servers_are_followed_into_one_store() {
    let mut scene = Scene::new();
    scene.begin(&[1, 2]);
    let other = scene.store.source("other").unwrap();
    let mut second: Follower<V4> = Follower::new(Wanted::default(), other, None, settings(), 8);
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
