//! A dump while the store changes under it (RFC 6926 section 8.2).

use std::collections::{BTreeMap, BTreeSet};

use leasequery_protocol::server::{Limits, Policy, Turn};
use leasequery_store::{Network, Settings, Start, State, Update, V4Key, VpnIndex};
use leasequery_wire::v4::{MessageType, OptionCode};

use crate::support::*;

const ADDRESSES: u32 = 20_000;

/// A random change to a random address in or around the configured ones.
fn change(world: &mut World, random: &mut fastrand::Rng, vpns: &[VpnIndex]) {
    let vpn = vpns[random.usize(..vpns.len())];
    let key = V4Key { vpn, address: address(random.u32(..ADDRESSES + 100)) };
    let mac = [2, 0, 0, 0, random.u8(..), random.u8(..)];
    let now = world.store.now();
    let update = match random.u8(..6) {
        0..3 => Update {
            hardware: Some(ethernet(&mac)),
            last_transaction: Some(now),
            // Some of them run out before the dump is over.
            expires: Some(now.plus(random.u32(1..3600))),
            ..Update::new(key, State::Active)
        },
        3 => Update { hardware: Some(ethernet(&mac)), ..Update::new(key, State::Released) },
        4 => Update::new(key, State::Available),
        _ => Update { start_of_state: Start::Given(now.minus(5)), ..Update::new(key, State::Abandoned) },
    };
    world.commit(&update);
}

//= rfc6926-8.2-08
//= rfc6926-8.2-18
//= rfc6926-8.2-21
#[test]
fn every_configured_address_is_told_of_once_while_thousands_change() {
    // A history so short that bindings are forgotten during the dump.
    let mut world = World::with(Settings { history: 20, ..Settings::default() });
    let blue = world.vpn("blue");
    let vpns = [VpnIndex::DEFAULT, blue];
    let range = |vpn| Network {
        first: V4Key { vpn, address: address(0) },
        last: V4Key { vpn, address: address(ADDRESSES - 1) },
        since: NOW,
    };
    world.store.set_networks(None, &vpns.map(range));
    let mut random = fastrand::Rng::with_seed(8208);
    for _ in 0..10_000 {
        change(&mut world, &mut random, &vpns);
    }

    let mut connection = connection(Policy::default(), Limits::default(), TIMEOUT);
    connection.handle_bytes(TIMEOUT, &Query::all().vpn(&[254]).frame());
    let mut told: BTreeMap<(Option<Vec<u8>>, u32), u32> = BTreeMap::new();
    let mut kinds: BTreeMap<u8, u32> = BTreeMap::new();
    let mut turns = 0;
    loop {
        let mut out = Vec::new();
        let turn = connection.poll_transmit(TIMEOUT, &world.store, &mut out, 16 * 1024);
        for reply in replies(&out) {
            *kinds.entry(reply.kind().0).or_default() += 1;
            if reply.kind() == MessageType::LEASE_QUERY_DONE {
                assert_eq!((turn, reply.status()), (Turn::Idle, None), "it is the last one");
            } else {
                let key = (reply.option(OptionCode::VPN_SELECTION), reply.address().to_bits());
                *told.entry(key).or_default() += 1;
            }
        }
        if turn != Turn::More {
            break;
        }
        turns += 1;
        world.store.advance(NOW.plus(turns / 4));
        for _ in 0..50 {
            change(&mut world, &mut random, &vpns);
        }
    }

    assert!(turns > 500, "{turns} turns between which the store changed");
    assert!(told.values().all(|times| *times == 1), "no address is told of twice");
    for vpn in [None, Some(b"\0blue".to_vec())] {
        for number in 0..ADDRESSES {
            assert!(told.contains_key(&(vpn.clone(), address(number).to_bits())), "{vpn:?} {number}");
        }
    }
    assert!(kinds[&11] > 10_000 && kinds[&13] > 1000 && kinds[&15] == 1, "{kinds:?}");
}

//= rfc6926-8.2-08
#[test]
fn a_client_whose_leases_come_and_go_is_told_of_each_address_once() {
    let mut world = World::new();
    let bound = Update { hardware: Some(ethernet(&MAC_1)), relay_id: Some(b"relay"), ..lease(key(0)) };
    for number in 0..2000 {
        world.commit(&Update { key: key(number), ..bound });
    }
    let mut random = fastrand::Rng::with_seed(8214);
    let mut connection = connection(Policy::default(), Limits::default(), TIMEOUT);
    connection.handle_bytes(TIMEOUT, &Query::all().relay_id(b"relay").frame());
    let mut touched = BTreeSet::new();
    let mut told = Vec::new();
    loop {
        let mut out = Vec::new();
        let turn = connection.poll_transmit(TIMEOUT, &world.store, &mut out, 4096);
        told.extend(replies(&out).iter().map(Reply::address).filter(|address| !address.is_unspecified()));
        if turn != Turn::More {
            break;
        }
        for _ in 0..20 {
            let number = random.u32(..2000);
            touched.insert(address(number));
            let relay_id = if random.bool() { Some(&b"relay"[..]) } else { Some(&b"other"[..]) };
            world.commit(&Update { key: key(number), hardware: Some(ethernet(&MAC_2)), relay_id, ..bound });
        }
    }
    assert!(told.is_sorted_by(|a, b| a < b), "ascending, so none is told of twice");
    for address in (0..2000).map(address).filter(|address| !touched.contains(address)) {
        assert!(told.binary_search(&address).is_ok(), "{address} has been there all the time");
    }
}

//= rfc6926-7.2-01
#[test]
fn the_first_reply_waits_for_none_of_the_others() {
    let mut world = World::new();
    // Whoever collected them first would not come to an end.
    world.configure(V4Key::new([1, 0, 0, 0].into()), V4Key::new([223, 255, 255, 255].into()));
    let mut peer = world.connect();
    peer.send(&Query::all().frame());
    assert_eq!(peer.turn(1).len(), 1);
    assert_eq!(peer.turn, Turn::More);
}
