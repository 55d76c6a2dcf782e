//! One client on one link for each message, with all its leases (RFC 5007 section 4.1.2.2, RFC 5460 section 5.2.1).

use leasequery_protocol::server::{Event, Shed};
use leasequery_store::{Hardware, Update, V6Key};
use leasequery_wire::v6::{MessageType, QueryType};

use crate::support::*;

fn grouped(data: &[Data]) -> Vec<(&[u8], Vec<V6Key>)> {
    data.iter().map(|data| (data.client.as_slice(), data.keys().collect())).collect()
}

//= rfc5007-4.1.2.2-02
//= rfc5460-5.2.1-02
//= rfc3315-22-01
#[test]
fn all_leases_of_a_client_on_a_link_are_in_one_message() {
    let mut world = World::new();
    for (key, client) in
        [(key(1, 1), ALICE), (key(1, 2), BOB), (key(1, 3), ALICE), (key(2, 1), ALICE), (key(2, 2), BOB)]
    {
        world.commit(&lease(key, client));
    }
    world.commit(&Update { link: Some(address(2, 0)), ..lease(delegated(1), ALICE) });
    let expected = vec![
        (ALICE, vec![key(1, 1), key(1, 3)]),
        (BOB, vec![key(1, 2)]),
        (ALICE, vec![key(2, 1), delegated(1)]),
        (BOB, vec![key(2, 2)]),
    ];
    assert_eq!(grouped(&world.told(&Query::everything())), expected);
    assert_eq!(grouped(&world.told(&Query::link(address(1, 0)))), expected[..2]);
    assert_eq!(grouped(&world.told(&Query::link(address(2, 0)))), expected[2..]);
    let alice = [expected[0].clone(), expected[2].clone()];
    assert_eq!(grouped(&world.told(&Query::client(ALICE))), alice);
    for query in [Query::everything(), Query::client(ALICE), Query::link(address(2, 0))] {
        for reply in world.ask(&query) {
            assert!(reply.codes().iter().filter(|code| **code == 45).count() <= 1);
        }
    }
}

//= rfc5007-4.1.2.2-02
#[test]
fn the_other_leases_of_a_client_are_told_though_they_came_by_another_relay() {
    let mut world = World::new();
    world.commit(&Update { relay_id: Some(b"\0\x01r"), ..lease(key(1, 2), ALICE) });
    world.commit(&Update { relay_id: Some(b"\0\x01s"), ..lease(key(1, 1), ALICE) });
    world.commit(&Update { relay_id: Some(b"\0\x01s"), ..lease(key(2, 1), ALICE) });
    assert_eq!(grouped(&world.told(&Query::relay(b"\0\x01r"))), [(ALICE, vec![key(1, 1), key(1, 2)])]);
    assert_eq!(grouped(&world.told(&Query::address(address(1, 1)))), [(ALICE, vec![key(1, 1), key(1, 2)])]);
}

#[test]
fn leases_without_a_client_cannot_be_told() {
    let mut world = World::new();
    world.commit(&Update { client_id: None, ..lease(key(1, 1), ALICE) });
    world.commit(&lease(key(1, 2), ALICE));
    assert_eq!(world.keys(&Query::everything()), [key(1, 2)]);
    assert_eq!(world.keys(&Query::address(address(1, 1))), []);
}

//= rfc5460-5.2.1-02
//= rfc5460-5.2-03
#[test]
fn a_client_with_more_leases_than_fit_is_told_of_in_several_messages() {
    let mut world = World::new();
    let mut expected = Vec::new();
    for number in 0..5000 {
        expected.push(V6Key::new(address(1, number)));
        world.commit(&lease(expected[usize::from(number)], ALICE));
    }
    world.commit(&lease(key(2, 1), BOB));
    for query in [Query::client(ALICE), Query::link(address(1, 0)), Query::relay(b"\0\x01r"), Query::everything()] {
        if query.selector.is_some_and(|(query_type, _)| query_type == QueryType::BY_RELAY_ID) {
            continue;
        }
        let replies = world.ask(&query);
        let told = answer(&replies);
        let alice: Vec<_> = told.iter().filter(|data| data.client == ALICE).cloned().collect();
        assert_eq!(keys(&alice), expected, "each once");
        assert_eq!(alice.len(), 5);
        assert!(alice.iter().all(|data| data.clt == 0), "each message stands for itself");
    }
}

#[test]
fn a_message_that_would_be_too_long_goes_without_what_makes_it_so() {
    let mut world = World::new();
    let long = vec![7; 40_000];
    let options = [(17, long.as_slice())];
    for host in 0..1000 {
        world.commit(&lease(key(1, host), ALICE));
    }
    world.commit(&Update { options: &options, last_transaction: Some(NOW.plus(1)), ..lease(key(1, 1000), ALICE) });
    world.commit(&Update { options: &options, ..lease(key(2, 1), BOB) });
    let replies = world.ask(&Query::everything().about(&[17]));
    let told = answer(&replies);
    assert_eq!(keys(&told).len(), 1002);
    let has: Vec<_> = told.iter().map(|data| data.option(17).is_some()).collect();
    assert_eq!(has, [false, true, true]);
}

#[test]
fn what_does_not_fit_a_message_is_left_out_and_noted() {
    let mut world = World::new();
    for host in 0..50 {
        world.commit(&lease(key(1, host), ALICE));
    }
    // Together they fit the store, but not a message with as many leases.
    let (long, info) = (vec![7; 40_000], vec![0; 25_000]);
    world.commit(&Update {
        options: &[(17, long.as_slice())],
        relay_info: Some(&info),
        last_transaction: Some(NOW.plus(1)),
        ..lease(key(1, 50), ALICE)
    });
    let mut watch = Watch::new(world);
    let replies = watch.ask(&Query::everything().about(&[17, 47]));
    let told = answer(&replies);
    assert_eq!((told.len(), keys(&told).len()), (1, 51));
    assert!(told[0].option(17).is_none() && told[0].option(47).is_none());
    let shed = |event| if let Event::Shed { shed, .. } = event { Some(shed) } else { None };
    let shed: Vec<_> = watch.events().into_iter().filter_map(shed).collect();
    assert_eq!(shed, [Shed { about: key(1, 0).to_string(), options: vec![17, 47] }]);
}

#[test]
fn a_client_with_many_leases_on_other_links_is_told_of_on_this_one() {
    // More than are looked at to find out with which of its leases a client is told of.
    let mut world = World::new();
    for host in 0..200 {
        world.commit(&lease(key(1, host), ALICE));
    }
    for host in 0..10 {
        world.commit(&lease(key(2, host), ALICE));
    }
    let mut told = world.keys(&Query::link(address(2, 0)));
    told.sort_unstable();
    assert_eq!(told, (0..10).map(|host| key(2, host)).collect::<Vec<_>>());
    let mut told = world.keys(&Query::client(ALICE));
    told.sort_unstable();
    assert_eq!(told.len(), 210);
}

#[test]
fn a_client_that_makes_its_identifier_of_its_hardware_address_is_told_of_with_all_its_leases() {
    // In DHCPv4 such an identifier is found by the hardware address, but not all leases have to have that.
    let duid = [1, 2, 0, 0, 0, 0, 1];
    let mut world = World::new();
    for host in 1..=3 {
        world.commit(&lease(key(1, host), &duid));
    }
    let hardware = Some(Hardware { htype: 1, address: &duid[1..] });
    world.commit(&Update { hardware, ..lease(key(1, 0), &duid) });
    world.commit(&Update { hardware, ..lease(key(1, 4), &duid) });
    let all: Vec<_> = (0..5).map(|host| key(1, host)).collect();
    for query in [Query::everything(), Query::client(&duid), Query::link(address(1, 0))] {
        assert_eq!(grouped(&world.told(&query)), [(&duid[..], all.clone())]);
    }
}

//= rfc5007-4.1.2.1-04
//= rfc5007-4.1.2.3-02
//= rfc5007-4.4.2-01
//= rfc5007-4.4.2-02
//= rfc5007-4.4.2-03
//= rfc5007-4.4.2-04
//= alq6-10-01
#[test]
fn a_client_has_its_duid_its_leases_and_one_time_and_messages_have_none_of_that() {
    let mut world = World::new();
    // A source may have anything.
    let strange: Vec<(u16, &[u8])> = [3, 4, 11, 25, 44, 46, 48].map(|code| (code, &[0, 0, 0, 0][..])).to_vec();
    world.commit(&Update { options: &strange, ..lease(key(1, 1), ALICE) });
    world.commit(&Update { options: &strange, ..lease(delegated(1), BOB) });
    let all: Vec<_> = (0..200).collect();
    for query in [Query::everything().about(&all).request(&all), Query::client(BOB).about(&all)] {
        for reply in world.ask(&query) {
            let outer = reply.codes();
            assert!([11, 44, 46, 5, 26].iter().all(|code| !outer.contains(code)), "{outer:?}");
            let Some(data) = reply.data() else { continue };
            let codes = data.codes();
            let count = |wanted: &[u16]| codes.iter().filter(|code| wanted.contains(code)).count();
            assert_eq!((count(&[1]), count(&[5, 26]), count(&[46])), (1, 1, 1));
            assert_eq!(count(&[3, 4, 25, 11, 44, 48]), 0, "{codes:?}");
            assert!([ALICE, BOB].contains(&data.client.as_slice()));
            assert_ne!(reply.kind(), MessageType::LEASE_QUERY_DONE);
        }
    }
}
