//! The five kinds of query (RFC 6926 section 8.2).

use leasequery_store::{Hardware, Settings, State, Time, Update, V4Key, VpnIndex};
use leasequery_wire::v4::{MessageType, OptionCode, StatusCode};

use crate::support::*;

/// As `lease`, but over.
fn ended(key: V4Key, state: State) -> Update<'static, V4Key> {
    Update { state, expires: Some(NOW.minus(60)), ..lease(key) }
}

//= rfc6926-8.2-11
#[test]
fn query_by_mac_address_finds_the_active_leases_of_its_holder_and_nothing_else() {
    let mut world = World::new();
    world.configure(key(0), key(255));
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), ..lease(key(3)) });
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), ..lease(key(9)) });
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), ..ended(key(5), State::Expired) });
    world.commit(&Update { hardware: Some(ethernet(&MAC_2)), ..lease(key(4)) });
    let replies = world.ask(&Query::all().mac(MAC_1));
    let found: Vec<_> = bindings(&replies).iter().map(|reply| (reply.kind(), reply.address())).collect();
    assert_eq!(found, [(MessageType::LEASE_ACTIVE, address(3)), (MessageType::LEASE_ACTIVE, address(9))]);
}

//= rfc6926-8.2-11
#[test]
fn query_by_mac_address_no_longer_finds_an_address_that_somebody_else_took_over() {
    let mut world = World::new();
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), ..lease(key(3)) });
    world.commit(&Update { hardware: Some(ethernet(&MAC_2)), ..lease(key(3)) });
    assert_eq!(world.addresses(&Query::all().mac(MAC_1)), NOTHING);
    assert_eq!(world.addresses(&Query::all().mac(MAC_2)), [address(3)]);
}

//= rfc6926-2-03
#[test]
fn type_and_length_of_a_hardware_address_belong_to_the_match() {
    let mut world = World::new();
    world.commit(&Update { hardware: Some(Hardware { htype: 1, address: &MAC_1 }), ..lease(key(1)) });
    world.commit(&Update { hardware: Some(Hardware { htype: 6, address: &MAC_1 }), ..lease(key(6)) });
    world.commit(&Update { hardware: Some(Hardware { htype: 1, address: &MAC_1[..5] }), ..lease(key(5)) });
    assert_eq!(world.addresses(&Query::all().hardware(1, &MAC_1)), [address(1)]);
    assert_eq!(world.addresses(&Query::all().hardware(6, &MAC_1)), [address(6)]);
    assert_eq!(world.addresses(&Query::all().hardware(1, &MAC_1[..5])), [address(5)]);
    assert_eq!(world.addresses(&Query::all().hardware(32, &MAC_1)), NOTHING);
}

//= rfc6926-8.2-12
#[test]
fn query_by_client_identifier_finds_the_active_leases_of_its_holder() {
    let mut world = World::new();
    let id = Some(&b"\x00client"[..]);
    world.commit(&Update { client_id: id, ..lease(key(1)) });
    world.commit(&Update { client_id: id, ..lease(key(2)) });
    world.commit(&Update { client_id: id, ..ended(key(3), State::Released) });
    world.commit(&Update { client_id: Some(b"\x00clien"), ..lease(key(4)) });
    assert_eq!(world.addresses(&Query::all().client_id(b"\x00client")), [address(1), address(2)]);
}

//= rfc6926-8.2-12
#[test]
fn query_by_client_identifier_finds_one_that_is_made_of_the_hardware_address() {
    let mut world = World::new();
    let id = [1, 2, 0, 0, 0, 0, 1];
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), client_id: Some(&id), ..lease(key(1)) });
    // The same hardware without that identifier, and that identifier on other hardware.
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), ..lease(key(2)) });
    world.commit(&Update { hardware: Some(ethernet(&MAC_2)), client_id: Some(&id), ..lease(key(3)) });
    assert_eq!(world.addresses(&Query::all().client_id(&id)), [address(1), address(3)]);
}

//= rfc2132-9.14-01
#[test]
fn client_identifiers_are_compared_octet_by_octet_and_have_two_at_least() {
    let mut world = World::new();
    world.commit(&Update { client_id: Some(b"\x00abc"), ..lease(key(1)) });
    world.commit(&Update { client_id: Some(b"\xffabc"), ..lease(key(2)) });
    assert_eq!(world.addresses(&Query::all().client_id(b"\x00abc")), [address(1)]);
    assert_eq!(world.addresses(&Query::all().client_id(b"\xffabc")), [address(2)]);
    let text = refusal(&world.ask(&Query::all().client_id(b"\x00")), StatusCode::MALFORMED_QUERY);
    assert!(text.starts_with("client-identifier has 1 octets"), "{text}");
}

//= rfc6926-8.2-13
#[test]
fn query_by_remote_id_finds_all_clients_behind_it_and_those_who_moved_away_no_longer() {
    let mut world = World::new();
    let (here, there) = (relay_info(&[(1, b"port"), (2, b"here")]), relay_info(&[(2, b"there")]));
    let behind = |info| Update { relay_info: Some(info), remote_id: Some(&info[info.len() - 4..]), ..lease(key(0)) };
    world.commit(&Update { key: key(1), hardware: Some(ethernet(&MAC_1)), ..behind(&here) });
    world.commit(&Update { key: key(2), hardware: Some(ethernet(&MAC_2)), ..behind(&here) });
    assert_eq!(world.addresses(&Query::all().remote_id(b"here")), [address(1), address(2)]);
    let moved = Update { key: key(2), hardware: Some(ethernet(&MAC_2)), ..behind(&there) };
    world.commit(&Update { remote_id: Some(b"there"), ..moved });
    assert_eq!(world.addresses(&Query::all().remote_id(b"here")), [address(1)]);
    assert_eq!(world.addresses(&Query::all().remote_id(b"there")), [address(2)]);
}

//= rfc3046-3.1-01
#[test]
fn remote_ids_are_opaque_and_compared_whole() {
    let mut world = World::new();
    world.commit(&Update { remote_id: Some(b"subscriber-1"), ..lease(key(1)) });
    for other in [&b"subscriber-2"[..], b"subscriber-", b"subscriber-11", b"Subscriber-1"] {
        assert_eq!(world.addresses(&Query::all().remote_id(other)), NOTHING);
    }
    assert_eq!(world.addresses(&Query::all().remote_id(b"subscriber-1")), [address(1)]);
}

//= rfc6926-8.2-14
//= rfc6926-4-02
#[test]
fn query_by_relay_id_finds_all_active_leases_through_one_relay() {
    let mut world = World::new();
    world.commit(&Update { relay_id: Some(b"\x0a\x0b"), ..lease(key(1)) });
    world.commit(&Update { relay_id: Some(b"\x0a\x0b"), ..lease(key(2)) });
    world.commit(&Update { relay_id: Some(b"\x0a\x0b"), ..ended(key(3), State::Expired) });
    world.commit(&Update { relay_id: Some(b"\x0a\x0c"), ..lease(key(4)) });
    assert_eq!(world.addresses(&Query::all().relay_id(b"\x0a\x0b")), [address(1), address(2)]);
    assert_eq!(world.addresses(&Query::all().relay_id(b"\x0a")), NOTHING, "a part of it is another Relay-ID");
}

//= rfc6926-4-02
#[test]
fn query_by_remote_id_does_not_find_what_is_over() {
    let mut world = World::new();
    world.commit(&Update { remote_id: Some(b"here"), ..ended(key(1), State::Expired) });
    world.commit(&Update { remote_id: Some(b"here"), ..Update::new(key(2), State::Abandoned) });
    assert_eq!(world.addresses(&Query::all().remote_id(b"here")), NOTHING);
}

//= rfc6925-4-01
#[test]
fn relay_id_is_sub_option_12_and_not_empty() {
    let mut world = World::new();
    world.commit(&Update { relay_id: Some(b"\x0a\x0b"), ..lease(key(1)) });
    world.commit(&lease(key(2)));
    let query = Query::all().option(OptionCode(82), &[0x0c, 0x02, 0x0a, 0x0b]);
    assert_eq!(world.addresses(&query), [address(1)]);
    let text = refusal(&world.ask(&Query::all().relay_id(b"")), StatusCode::MALFORMED_QUERY);
    assert_eq!(text, "Relay-ID is empty");
}

//= rfc6926-8.2-16
//= rfc6926-8.2-17
//= rfc6926-8.2-18
#[test]
fn query_for_all_tells_of_every_configured_address_once_by_its_state() {
    let mut world = World::new();
    world.configure(key(0), key(255));
    for number in [7, 70, 170] {
        world.commit(&lease(key(number)));
    }
    world.commit(&ended(key(71), State::Released));
    let replies = world.ask(&Query::all());
    let told: Vec<_> = bindings(&replies).iter().map(Reply::address).collect();
    let configured: Vec<_> = (0..256).map(address).collect();
    assert_eq!(told, configured);
    for reply in bindings(&replies) {
        let leased = [7, 70, 170].map(address).contains(&reply.address());
        let kind = if leased { MessageType::LEASE_ACTIVE } else { MessageType::LEASE_UNASSIGNED };
        assert_eq!(reply.kind(), kind, "{}", reply.address());
    }
}

#[test]
fn query_for_all_tells_of_leases_outside_the_configured_ranges_too() {
    let mut world = World::new();
    world.configure(key(10), key(12));
    world.commit(&lease(key(5)));
    world.commit(&lease(key(20)));
    assert_eq!(world.addresses(&Query::all()), [5, 10, 11, 12, 20].map(address));
}

//= rfc6926-8.2-18
#[test]
fn an_address_whose_binding_was_forgotten_is_still_a_configured_one() {
    let mut world = World::with(Settings { history: 60, ..Settings::default() });
    world.configure(key(1), key(1));
    world.commit(&ended(key(1), State::Released));
    world.store.advance(NOW.plus(1000));
    assert!(world.store.lookup(key(1)).is_none());
    assert_eq!(world.addresses(&Query::all()), [address(1)]);
}

//= rfc6926-8.2-15
#[test]
fn a_habitual_htype_and_other_sub_options_are_no_primary_query() {
    let mut world = World::new();
    world.configure(key(0), key(3));
    let all = [0, 1, 2, 3].map(address);
    assert_eq!(world.addresses(&Query::all().relay_info(&[(1, b"port 1")])), all);
    assert_eq!(world.addresses(&Query::all().raw_hardware(1, 0, &[])), all);
    assert_eq!(world.addresses(&Query::all().option(OptionCode(82), &[])), all);
}

//= rfc6926-8.2-15
#[test]
fn a_hardware_address_whose_length_cannot_be_true_is_malformed() {
    let mut world = World::new();
    world.configure(key(0), key(3));
    let mut peer = world.connect();
    for (hlen, text) in [(0, "hlen is 0, but chaddr is not zero"), (17, "hlen is 17"), (255, "hlen is 255")] {
        let replies = peer.ask(&Query::all().raw_hardware(1, hlen, &MAC_1));
        let said = refusal(&replies, StatusCode::MALFORMED_QUERY);
        assert!(said.contains(text), "{said}");
    }
    assert_eq!(bindings(&peer.ask(&Query::all())).len(), 4, "the connection stays");
}

//= rfc6926-8.2-07
//= rfc6926-8.2-04
#[test]
fn what_nobody_has_is_answered_with_a_done_without_status() {
    let mut world = World::new();
    world.commit(&Update { hardware: Some(ethernet(&MAC_1)), ..lease(key(1)) });
    for query in [
        Query::all().mac(MAC_2),
        Query::all().client_id(b"nobody"),
        Query::all().remote_id(b"nowhere"),
        Query::all().relay_id(b"nowhere"),
        Query::all().since(Time(NOW.0 + 1)),
    ] {
        let replies = world.ask(&query);
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].kind(), MessageType::LEASE_QUERY_DONE);
        assert_eq!(replies[0].status(), None);
    }
}

//= rfc3396-7-01
#[test]
fn an_identifier_in_two_pieces_is_joined() {
    let mut world = World::new();
    world.commit(&Update { remote_id: Some(b"subscriber"), ..lease(key(1)) });
    world.commit(&lease(key(2)));
    let info = relay_info(&[(2, b"subscriber")]);
    let query = Query::all().option(OptionCode(82), &info[..5]).option(OptionCode(82), &info[5..]);
    assert_eq!(world.addresses(&query), [address(1)]);
}

//= rfc2131-4.1-02
#[test]
fn an_identifier_in_the_file_field_is_found() {
    let mut world = World::new();
    world.commit(&Update { client_id: Some(b"\x00client"), ..lease(key(1)) });
    world.commit(&lease(key(2)));
    let mut frame = Query::all().option(OptionCode(52), &[1]).frame();
    let option = [&[61, 7][..], b"\x00client", &[255]].concat();
    frame[2 + 108..][..option.len()].copy_from_slice(&option);
    let mut peer = world.connect();
    peer.send(&frame);
    let replies = peer.listen();
    assert_eq!(bindings(&replies).iter().map(Reply::address).collect::<Vec<_>>(), [address(1)]);
}

//= rfc6926-7.2-11
#[test]
fn qualifiers_combine_with_every_kind_of_query_and_with_each_other() {
    let mut world = World::new();
    let blue = world.vpn("blue");
    // Two clients, in two VPNs, changed at three times: which binding answers which combination can be counted out.
    let mut all = Vec::new();
    for time in [NOW.plus(100), NOW.plus(200), NOW.plus(300)] {
        world.store.advance(time);
        for vpn in [VpnIndex::DEFAULT, blue] {
            for (client, mac) in [(1, MAC_1), (2, MAC_2)] {
                let key = V4Key { vpn, address: address(time.0 - NOW.0 + client) };
                let id = [b'x', mac[5]];
                world.commit(&Update {
                    hardware: Some(ethernet(&mac)),
                    client_id: Some(&id),
                    remote_id: Some(&id),
                    relay_id: Some(&id),
                    last_transaction: Some(time),
                    ..lease(key)
                });
                all.push((time, vpn, client, key.address));
            }
        }
    }
    let id = [b'x', 1];
    let primaries = [
        Query::all(),
        Query::all().mac(MAC_1),
        Query::all().client_id(&id),
        Query::all().remote_id(&id),
        Query::all().relay_id(&id),
    ];
    for (number, primary) in primaries.iter().enumerate() {
        for qualifiers in 0..8 {
            let (since, until, in_blue) = (qualifiers & 1 != 0, qualifiers & 2 != 0, qualifiers & 4 != 0);
            let mut query = primary.clone();
            query = if since { query.since(NOW.plus(200)) } else { query };
            query = if until { query.until(NOW.plus(200)) } else { query };
            query = if in_blue { query.vpn(b"\0blue") } else { query };
            let expected: Vec<_> = all
                .iter()
                .filter(|(time, ..)| !since || *time >= NOW.plus(200))
                .filter(|(time, ..)| !until || *time <= NOW.plus(200))
                .filter(|(_, vpn, ..)| (*vpn == blue) == in_blue)
                .filter(|(.., client, _)| number == 0 || *client == 1)
                .map(|(.., address)| *address)
                .collect();
            assert!(!expected.is_empty());
            assert_eq!(world.addresses(&query), expected, "query {number}, qualifiers {qualifiers}");
        }
    }
}
