//! What is in the answers to single queries: options, their size, VPNs (RFC 4388 section 6.4.2, RFC 2131 section 2).

use leasequery_protocol::server::{Policy, Verdict};
use leasequery_store::{Hardware, State, Time, Update, V4Key, VpnName};
use leasequery_wire::v4::{MessageType, OptionCode};

use crate::support::*;

/// The longest message that every receiver accepts: a datagram of 576 octets less its headers.
const MOST: usize = 576 - 28;
/// Codes of options that are kept with the binding as they came.
const STORED: [u8; 4] = [12, 60, 81, 124];

/// A lease of 10.0.0.3 that was granted 20 minutes ago for an hour, with a bit of everything.
fn lease_of_an_hour() -> Update<'static, V4Key> {
    Update {
        hardware: Some(Hardware { htype: 6, address: &MAC_1 }),
        client_id: Some(b"\x00client"),
        last_transaction: Some(NOW.minus(100)),
        expires: Some(NOW.plus(2400)),
        renews: Some(NOW.plus(600)),
        rebinds: Some(NOW.plus(1950)),
        relay_info: Some(b"\x01\x02aa\x02\x05slot7"),
        remote_id: Some(b"slot7"),
        options: &[(12, b"host"), (60, b"vendor")],
        ..Update::new(key(3), State::Active)
    }
}

fn world() -> World {
    let mut world = World::new();
    world.configure(key(0), key(9));
    world.commit(&lease_of_an_hour());
    world
}

fn asked(list: &[u8]) -> Query {
    Query::single().address(address(3)).list(list)
}

/// A store in which 10.0.0.3 has these options of these sizes, and an option 82 of so many octets, if any.
fn sized(options: &[(u16, usize)], relay_info: usize) -> World {
    let mut world = World::new();
    let values: Vec<(u16, Vec<u8>)> = options.iter().map(|(code, size)| (*code, vec![b'x'; *size])).collect();
    let options: Vec<(u16, &[u8])> = values.iter().map(|(code, value)| (*code, value.as_slice())).collect();
    let mut info = vec![7; relay_info];
    if let [code, length, ..] = info.as_mut_slice() {
        (*code, *length) = (1, u8::try_from(relay_info - 2).unwrap());
    }
    let relay_info = Some(info.as_slice()).filter(|info| !info.is_empty());
    let hardware = Some(ethernet(&MAC_1));
    world.commit(&Update { options: &options, relay_info, hardware, ..lease(key(3)) });
    world
}

//= rfc4388-5-03
//= rfc4388-6.4.2-02
//= rfc4388-6.4.2-03
//= rfc4388-6.4.2-05
//= rfc4388-6.4.2-07
//= rfc4388-6.4.2-09
//= rfc4388-6.4.2-10
#[test]
fn a_lease_is_told_with_what_was_asked_for() {
    let world = world();
    for query in [asked(&[60, 51, 82, 61, 58, 59, 12, 91]), {
        Query::single().client_id(b"\x00client").list(&[60, 51, 82, 61, 58, 59, 12, 91])
    }] {
        // What an option 82 in the query says is not echoed.
        let reply = world.single(&query.remote_id(b"elsewhere"));
        assert_eq!(reply.kind(), MessageType::LEASE_ACTIVE);
        assert_eq!((reply.message().htype(), reply.message().chaddr()), (6, &MAC_1[..]));
        assert_eq!(reply.codes(), [54, 60, 51, 61, 58, 59, 12, 91, 82]);
        assert_eq!(reply.message().server_identifier(), Ok(Some(SERVER)));
        assert_eq!(reply.number(OptionCode::LEASE_TIME), Some(2400));
        assert_eq!(reply.number(OptionCode::RENEWAL_TIME), Some(600));
        assert_eq!(reply.number(OptionCode::REBINDING_TIME), Some(1950));
        assert_eq!(reply.number(OptionCode::CLIENT_LAST_TRANSACTION_TIME), Some(100));
        assert_eq!(reply.option(OptionCode::CLIENT_IDENTIFIER).unwrap(), b"\x00client");
        assert_eq!(reply.option(OptionCode::HOST_NAME).unwrap(), b"host");
        assert_eq!(reply.option(OptionCode::VENDOR_CLASS_IDENTIFIER).unwrap(), b"vendor");
        assert_eq!(reply.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), b"\x01\x02aa\x02\x05slot7");
    }
    assert_eq!(world.single(&asked(&[91])).codes(), [54, 91], "nothing that was not asked for");
}

//= rfc4388-6.4.2-10
#[test]
fn what_is_withheld_and_what_nobody_knows_is_left_out_though_it_was_asked_for() {
    let world = world();
    let asked = asked(&[12, 60, 43, 224]);
    assert_eq!(world.single(&asked).codes(), [54, 12, 60]);
    let policy = Policy { withhold: vec![12], ..Policy::default() };
    assert_eq!(world.single_as(&asked, &policy).codes(), [54, 60]);
}

//= rfc4388-6.2-03
#[test]
fn without_a_list_what_is_known_of_the_usual_is_told() {
    let world = world();
    let query = Query::single().address(address(3));
    assert_eq!(world.single(&query).codes(), [54, 51, 58, 59, 61, 91, 82]);
    let policy = Policy { withhold: vec![61, 82], ..Policy::default() };
    assert_eq!(world.single_as(&query, &policy).codes(), [54, 51, 58, 59, 91]);
}

//= rfc4388-6.1-03
//= rfc4388-6.4.2-05
//= rfc4388-6.4.2-07
//= rfc4388-6.4.2-08
#[test]
fn times_are_what_is_left_and_those_that_have_passed_are_left_out() {
    let mut world = world();
    for (later, expected) in [
        (60, [Some(2340), Some(540), Some(1890), Some(160)]),
        (600, [Some(1800), None, Some(1350), Some(700)]),
        (1950, [Some(450), None, None, Some(2050)]),
    ] {
        world.store.advance(NOW.plus(later));
        let reply = world.single(&asked(&[51, 58, 59, 91]));
        let codes = [
            OptionCode::LEASE_TIME,
            OptionCode::RENEWAL_TIME,
            OptionCode::REBINDING_TIME,
            OptionCode::CLIENT_LAST_TRANSACTION_TIME,
        ];
        assert_eq!(codes.map(|code| reply.number(code)), expected);
    }
}

//= rfc4388-6.4.2-05
#[test]
fn a_lease_without_end_has_no_end() {
    let mut world = world();
    world.commit(&Update { expires: Some(Time::INFINITE), ..lease_of_an_hour() });
    assert_eq!(world.single(&asked(&[51])).number(OptionCode::LEASE_TIME), Some(u32::MAX));
}

//= rfc4388-6.4-04
//= rfc4388-6.4.2-01
//= rfc4388-6.4.2-06
//= rfc4388-6.4.2-08
#[test]
fn without_a_lease_nothing_is_told() {
    let mut world = world();
    world.commit(&Update { state: State::Released, ..lease_of_an_hour() });
    let list = [51, 58, 59, 61, 82, 91, 12, 60, 152, 153, 156, 157, 92, 221];
    let other = Query::single().address(address(200));
    for (query, kind, about) in [
        (asked(&list), MessageType::LEASE_UNASSIGNED, address(3)),
        (other.list(&list), MessageType::LEASE_UNKNOWN, [0; 4].into()),
        (Query::single().hardware(6, &MAC_1).list(&list), MessageType::LEASE_UNKNOWN, [0; 4].into()),
        (Query::single().client_id(b"\x00client").list(&list), MessageType::LEASE_UNKNOWN, [0; 4].into()),
    ] {
        // An option 82 comes back to queries by Remote ID only.
        for query in [query.clone(), query.remote_id(b"slot7")] {
            let reply = world.single(&query);
            assert_eq!((reply.kind(), reply.address(), reply.codes()), (kind, about, vec![54]));
            assert_eq!(reply.message().htype(), 0);
            assert_eq!(reply.message().chaddr_field(), [0; 16]);
            assert!(reply.message().chaddr().is_empty());
        }
    }
}

//= rfc6148-4.3-02
#[test]
fn an_unknown_remote_id_comes_back_with_the_whole_option_82() {
    let world = world();
    let info: [(u8, &[u8]); 2] = [(2, b"nowhere"), (1, b"circuit")];
    let reply = world.single(&Query::single().relay_info(&info).list(&[51, 91]));
    assert_eq!(reply.kind(), MessageType::LEASE_UNKNOWN);
    assert_eq!(reply.codes(), [54, 82]);
    assert_eq!(reply.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), relay_info(&info));
}

//= rfc4388-6.4.2-11
//= rfc4388-6.4.2-12
#[test]
fn options_that_are_withheld_are_not_told_to_that_requestor() {
    let world = world();
    let policy = Policy { withhold: vec![12, 82], ..Policy::default() };
    assert_eq!(world.single_as(&asked(&[12, 82, 60]), &policy).codes(), [54, 60]);
    assert_eq!(world.single(&asked(&[12, 82, 60])).codes(), [54, 12, 60, 82]);
}

#[test]
fn a_client_whose_other_addresses_are_withheld_has_one() {
    let mut world = world();
    world.commit(&Update { key: key(4), ..lease_of_an_hour() });
    let policy = Policy { withhold: vec![92], ..Policy::default() };
    let query = Query::single().client_id(b"\x00client").list(&[92]);
    assert_eq!(world.single_as(&query, &policy).codes(), [54]);
    assert_eq!(world.single(&query).codes(), [54, 92]);
}

//= rfc4388-6.4.2-03
#[test]
fn what_is_not_known_is_not_told() {
    let mut world = World::new();
    world.commit(&lease(key(3)));
    let reply = world.single(&asked(&[61, 82, 12, 58]));
    assert_eq!((reply.kind(), reply.codes()), (MessageType::LEASE_ACTIVE, vec![54]));
    assert_eq!((reply.message().htype(), reply.message().chaddr_field()), (0, [0; 16]));
}

//= rfc4388-7-04
#[test]
fn authentication_changes_nothing() {
    let world = world();
    let query = asked(&[51, 82]);
    assert_eq!(world.single(&query.clone().option(OptionCode::AUTHENTICATION, &[1; 11])), world.single(&query));
}

//= rfc2131-2-04
#[test]
fn what_does_not_fit_576_octets_is_left_out_from_the_end_of_the_list() {
    let options = STORED.map(|code| (u16::from(code), 100));
    let world = sized(&options, 0);
    for list in [STORED, [124, 81, 60, 12]] {
        let query = asked(&[&list[..], &[51]].concat());
        let reply = world.single(&query);
        assert_eq!(reply.codes(), [54, list[0], list[1]], "even though the last one is small");
        assert!(reply.0.len() <= MOST);
        for value in &list[..2] {
            assert_eq!(reply.option(OptionCode(*value)), Some(vec![b'x'; 100]), "none is cut");
        }
        // With more room there is more, and less than 576 is never meant.
        let with = |size: u16| {
            let reply = world.single(&query.clone().option(OptionCode::MAX_MESSAGE_SIZE, &size.to_be_bytes()));
            assert!(reply.0.len() + 28 <= usize::from(size.max(576)));
            reply.codes().len() - 1
        };
        assert_eq!([0, 300, 576, 600, 691, 692, u16::MAX].map(with), [2, 2, 2, 3, 4, 5, 5]);
    }
}

//= rfc2131-2-04
#[test]
fn the_limit_is_met_to_the_octet() {
    // Header, cookie, type, server-identifier, the option's code and length, end mark.
    let room = MOST - 240 - 3 - 6 - 4 - 1;
    for (size, fits) in [(room, true), (room + 1, false)] {
        let world = sized(&[(12, size)], 0);
        let reply = world.single(&asked(&[12, 51]));
        assert_eq!(reply.option(OptionCode::HOST_NAME).is_some(), fits);
        assert_eq!(reply.0.len() == MOST, fits);
        // What could never be there costs no other option its place.
        assert_eq!(reply.number(OptionCode::LEASE_TIME).is_some(), !fits);
    }
}

//= rfc3046-2.2-03
#[test]
fn other_options_make_room_for_option_82_and_it_is_never_cut() {
    let codes = |world: &World, query: &Query| {
        let (verdict, replies) = world.datagram(&query.datagram(), &Policy::default());
        let Verdict::Answer { without_relay_info, .. } = verdict else { panic!("{verdict:?}") };
        assert!(replies[0].0.len() <= MOST);
        let info = replies[0].option(OptionCode::RELAY_AGENT_INFORMATION);
        assert!(info.is_none_or(|info| Some(&*info) == world.store.lookup(key(3)).unwrap().relay_info()));
        (replies[0].codes(), without_relay_info)
    };
    let options = STORED.map(|code| (u16::from(code), 50));
    assert_eq!(codes(&sized(&options, 200), &asked(&[12, 82, 60, 81])), (vec![54, 12, 82], false));
    // So do the addresses of a client: there are as many as there is room for, the latest ones.
    let mut world = sized(&options, 200);
    for number in 10..40 {
        let last_transaction = Some(NOW.minus(1));
        world.commit(&Update { hardware: Some(ethernet(&MAC_1)), last_transaction, ..lease(key(number)) });
    }
    let query = Query::single().mac(MAC_1);
    assert_eq!(codes(&world, &query.clone().list(&[82, 12])), (vec![54, 92, 12, 82], false));
    assert_eq!(codes(&world, &query.clone().list(&[12])), (vec![54, 92, 12], false), "nobody asked for it");
    for number in 40..100 {
        let last_transaction = Some(NOW.minus(1));
        world.commit(&Update { hardware: Some(ethernet(&MAC_1)), last_transaction, ..lease(key(number)) });
    }
    assert_eq!(codes(&world, &query.clone().list(&[82, 12])), (vec![54, 92, 12, 82], false));
    let reply = world.single(&query.clone().list(&[12]));
    let told: Vec<_> = reply.message().associated_ip().unwrap().collect();
    assert_eq!((told[0], told.len()), (address(3), 61));
    let reply = world.single(&query.option(OptionCode::MAX_MESSAGE_SIZE, &1400_u16.to_be_bytes()));
    assert_eq!(reply.message().associated_ip().unwrap().count(), 91);
}

//= rfc6148-4.3-02
//= rfc3046-2.2-03
#[test]
fn an_option_82_that_is_too_long_to_come_back_does_not() {
    let world = world();
    let query = Query::single().relay_info(&[(2, b"nowhere"), (1, &[7; 250]), (1, &[7; 250])]);
    let (verdict, replies) = world.datagram(&query.datagram(), &Policy::default());
    assert!(matches!(verdict, Verdict::Answer { without_relay_info: true, .. }));
    assert_eq!(replies[0].codes(), [54]);
    let query = query.option(OptionCode::MAX_MESSAGE_SIZE, &1400_u16.to_be_bytes());
    assert_eq!(world.single(&query).codes(), [54, 82, 82, 82]);
}

/// The same address leased to one client in the default VPN and to another in blue.
fn two_vpns() -> World {
    let mut world = world();
    let blue = world.vpn("blue");
    world.commit(&Update {
        key: V4Key { vpn: blue, address: address(3) },
        hardware: Some(ethernet(&MAC_2)),
        ..lease_of_an_hour()
    });
    world.vpn("red");
    world
}

//= rfc6607-7-01
//= rfc6607-7.1-01
//= rfc6607-7.1-03
#[test]
fn a_vpn_that_is_asked_for_is_looked_in_and_comes_back_as_it_was() {
    let world = two_vpns();
    // A NUL does not belong there, but a copy is a copy.
    for selection in [&b"\0blue"[..], b"\0blue\0"] {
        for query in [asked(&[51]), Query::single().client_id(b"\x00client").list(&[51])] {
            let reply = world.single(&query.vpn(selection));
            assert_eq!((reply.kind(), reply.message().chaddr()), (MessageType::LEASE_ACTIVE, &MAC_2[..]));
            assert_eq!(reply.codes(), [54, 221, 51]);
            assert_eq!(reply.option(OptionCode::VPN_SELECTION).unwrap(), selection);
        }
    }
    let reply = world.single(&asked(&[51, 221]).vpn(&[255]));
    assert_eq!((reply.message().chaddr(), reply.codes()), (&MAC_1[..], vec![54, 221, 51]));
    let reply = world.single(&asked(&[51, 221]));
    assert_eq!((reply.message().chaddr(), reply.codes()), (&MAC_1[..], vec![54, 51]));
    // An answer about nothing is about that VPN as well.
    let reply = world.single(&asked(&[51]).vpn(b"\0red"));
    assert_eq!((reply.kind(), reply.codes()), (MessageType::LEASE_UNKNOWN, vec![54, 221]));
}

//= rfc6607-7.1-02
//= rfc6607-9-02
#[test]
fn a_vpn_that_is_not_there_or_not_permitted_is_unknown_and_not_named() {
    let world = two_vpns();
    let policy = Policy { vpns: Some(vec![VpnName::Name(b"red"[..].into())]), ..Policy::default() };
    let all = Policy::default();
    let selections: [(&[u8], &Policy); 5] =
        [(b"\0green", &all), (b"\0blue", &policy), (&[1, 0, 0, 1, 0, 0, 0, 1], &all), (&[254], &all), (&[7, 7], &all)];
    for (selection, policy) in selections {
        for query in [asked(&[51]), Query::single().client_id(b"\x00client").list(&[51])] {
            let reply = world.single_as(&query.vpn(selection), policy);
            assert_eq!((reply.kind(), reply.codes()), (MessageType::LEASE_UNKNOWN, vec![54]), "{selection:?}");
        }
    }
}

//= rfc6607-7.3-01
#[test]
fn the_sub_option_wins_over_the_option() {
    let world = two_vpns();
    let query = asked(&[51]).relay_info(&[(151, b"\0blue")]).vpn(b"\0red");
    let reply = world.single(&query);
    assert_eq!((reply.kind(), reply.message().chaddr()), (MessageType::LEASE_ACTIVE, &MAC_2[..]));
    assert_eq!(reply.option(OptionCode::VPN_SELECTION).unwrap(), b"\0blue");
}
