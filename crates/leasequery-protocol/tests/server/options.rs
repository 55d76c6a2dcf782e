//! What a reply says (RFC 6926 section 8.3): which options, in which order, and in which message.

use leasequery_protocol::server::{Event, Policy, Shed};
use leasequery_store::{State, Update, V4Key};
use leasequery_wire::v4::{BOOT_REPLY, MessageType, OptionCode};

use crate::support::*;
use crate::watch::Watch;

const CLIENT_ID: [u8; 7] = [1, 2, 0, 0, 0, 0, 1];
const VENDOR_OPTIONS: [(u16, &[u8]); 3] = [(12, b"host"), (60, b"class"), (125, b"\x00\x00\x0d\xe9\x01x")];

fn info() -> Vec<u8> {
    relay_info(&[(1, b"port 7"), (2, b"subscriber"), (12, b"relay")])
}

/// A lease of which everything is known.
fn full(info: &[u8]) -> Update<'_, V4Key> {
    Update {
        hardware: Some(ethernet(&MAC_1)),
        client_id: Some(&CLIENT_ID),
        renews: Some(NOW.plus(1800)),
        rebinds: Some(NOW.plus(3150)),
        relay_info: Some(info),
        remote_id: Some(b"subscriber"),
        relay_id: Some(b"relay"),
        options: &VENDOR_OPTIONS,
        remote: true,
        ..lease(key(1))
    }
}

fn world() -> World {
    let mut world = World::new();
    world.commit(&full(&info()));
    world
}

/// The options of the one binding, asked for with this list.
fn codes(world: &World, list: &[u8]) -> Vec<u8> {
    let mut codes = bindings(&world.ask(&Query::all().list(list)))[0].codes();
    assert_eq!(codes.remove(0), OptionCode::SERVER_IDENTIFIER.0);
    codes
}

//= rfc6926-7.4-04
//= rfc6926-6.2.2-07
#[test]
fn without_a_list_the_usual_options_come() {
    let replies = world().ask(&Query::all());
    assert_eq!(bindings(&replies)[0].codes(), [54, 51, 61, 91, 152, 153, 156, 157, 82]);
    assert_eq!(replies[1].codes(), [152]);
}

//= rfc2132-9.8-02
#[test]
fn options_come_in_the_order_of_the_list() {
    assert_eq!(codes(&world(), &[91, 51, 152]), [91, 51, 152]);
    assert_eq!(codes(&world(), &[152, 12, 51, 61, 91]), [152, 12, 51, 61, 91]);
}

//= rfc2131-4.3.1-01
#[test]
fn options_come_once_and_only_those_that_have_a_value() {
    assert_eq!(codes(&world(), &[51, 200, 82, 51, 12, 43, 12, 82]), [51, 12, 82]);
}

//= rfc3046-2.2-01
//= rfc3046-2.2-02
#[test]
fn option_82_comes_last_wherever_it_was_listed_and_never_in_the_header() {
    let mut world = World::new();
    let blue = world.vpn("blue");
    let info = info();
    world.commit(&Update { key: V4Key { vpn: blue, ..key(1) }, ..full(&info) });
    for list in [&[82, 51, 152][..], &[51, 82, 152], &[82]] {
        let replies = world.ask(&Query::all().vpn(b"\0blue").list(list));
        let reply = &bindings(&replies)[0];
        assert_eq!(reply.codes().last(), Some(&82));
        assert!(reply.0[44..236].iter().all(|octet| *octet == 0), "sname and file are empty");
    }
}

//= rfc3046-2.2-04
#[test]
fn option_82_is_the_one_of_the_binding_not_the_one_of_the_query() {
    let query = Query::all().relay_info(&[(1, b"another port"), (2, b"subscriber")]);
    let replies = world().ask(&query);
    assert_eq!(bindings(&replies)[0].option(OptionCode(82)), Some(info()));
}

//= rfc6926-7.3-06
//= rfc6926-7.3-07
#[test]
fn the_first_message_of_each_answer_names_the_server_and_the_others_do_not() {
    let mut world = world();
    world.configure(key(0), key(9));
    let mut peer = world.connect();
    for query in [
        Query::all(),
        Query::all().list(&[54, 51]),
        Query::all().mac(MAC_1),
        Query::all().mac(MAC_2),
        Query::all().client_id(b"x"),
    ] {
        let replies = peer.ask(&query);
        let (first, later) = replies.split_first().unwrap();
        assert_eq!(first.message().server_identifier(), Ok(Some(SERVER)));
        assert!(later.iter().all(|reply| reply.option(OptionCode(54)).is_none()));
    }
}

//= rfc6926-7.3-09
//= rfc6926-7.3-10
//= rfc2131-2-03
#[test]
fn a_reply_names_the_address_and_its_holder() {
    let mut world = world();
    world.configure(key(0), key(1));
    let replies = world.ask(&Query::all());
    for (reply, number) in bindings(&replies).iter().zip([0, 1]) {
        let message = reply.message();
        assert_eq!(message.op(), BOOT_REPLY);
        assert_eq!(message.ciaddr(), address(number));
        assert!(message.yiaddr().is_unspecified() && message.siaddr().is_unspecified());
    }
    let (never, active) = (bindings(&replies)[0].message(), bindings(&replies)[1].message());
    assert_eq!((active.htype(), active.chaddr()), (1, &MAC_1[..]));
    assert_eq!((never.htype(), never.chaddr()), (0, &[][..]));
}

//= rfc6926-7.3-11
#[test]
fn an_ended_lease_comes_with_its_last_holder() {
    let mut world = World::new();
    let info = info();
    world.commit(&full(&info));
    world.commit(&Update { state: State::Released, expires: None, ..full(&info) });
    let replies = world.ask(&Query::all());
    let message = bindings(&replies)[0].message();
    assert_eq!(message.message_type(), MessageType::LEASE_UNASSIGNED);
    assert_eq!((message.htype(), message.chaddr()), (1, &MAC_1[..]));
    assert_eq!(message.client_identifier(), Some(&CLIENT_ID[..]));
    assert_eq!(message.option(OptionCode(82)), Some(&info[..]));
}

//= rfc6926-8.3-09
#[test]
fn the_list_holds_for_all_replies_to_its_query() {
    let mut world = World::new();
    let info = info();
    for number in 0..300 {
        world.commit(&Update { key: key(number), ..full(&info) });
    }
    let replies = world.ask(&Query::all().list(&[61, 51, 12]));
    for (number, reply) in bindings(&replies).iter().enumerate() {
        let introduction = if number == 0 { &[54][..] } else { &[] };
        assert_eq!(reply.codes(), [introduction, &[61, 51, 12]].concat());
    }
}

//= rfc6926-8.3-02
//= rfc6926-8.3-10
#[test]
fn listed_options_have_the_values_of_the_binding() {
    let replies = world().ask(&Query::all().list(&[61, 58, 59, 82, 12, 60, 125]));
    let reply = &bindings(&replies)[0];
    assert_eq!(reply.option(OptionCode(61)), Some(CLIENT_ID.to_vec()));
    assert_eq!(reply.number(OptionCode(58)), Some(1800));
    assert_eq!(reply.number(OptionCode(59)), Some(3150));
    assert_eq!(reply.option(OptionCode(82)), Some(info()));
    for (code, value) in VENDOR_OPTIONS {
        assert_eq!(reply.option(OptionCode(u8::try_from(code).unwrap())), Some(value.to_vec()));
    }
}

//= rfc6926-5-02
#[test]
fn a_client_with_several_addresses_gets_several_replies_and_no_associated_ip() {
    let mut world = World::new();
    for number in 1..4 {
        // Not even if a source has it.
        let options: &[(u16, &[u8])] = &[(92, &[10, 0, 0, 1, 10, 0, 0, 2])];
        world.commit(&Update { hardware: Some(ethernet(&MAC_1)), options, ..lease(key(number)) });
    }
    let replies = world.ask(&Query::all().mac(MAC_1).list(&[92, 51]));
    assert_eq!(bindings(&replies).len(), 3);
    assert!(replies.iter().all(|reply| !reply.codes().contains(&92)));
}

#[test]
fn options_of_the_message_never_come_from_the_binding() {
    let mut world = World::new();
    let codes = [0, 52, 53, 54, 55, 90, 151, 154, 155, 221, 255];
    let options: Vec<(u16, &[u8])> = codes.iter().map(|code| (u16::from(*code), &b"sink"[..])).collect();
    world.commit(&Update { options: &options, ..lease(key(1)) });
    let replies = world.ask(&Query::all().list(&codes));
    assert_eq!(bindings(&replies)[0].codes(), [54]);
    assert_eq!(bindings(&replies)[0].message().server_identifier(), Ok(Some(SERVER)));
}

//= rfc6926-8.3-07
//= rfc6926-6.2.8-02
#[test]
fn data_source_comes_when_it_says_remote_and_only_then() {
    let mut world = World::new();
    world.configure(key(0), key(2));
    world.commit(&Update { remote: true, ..lease(key(1)) });
    world.commit(&lease(key(2)));
    let replies = world.ask(&Query::all().list(&[157]));
    let values: Vec<_> = bindings(&replies).iter().map(|reply| reply.option(OptionCode(157))).collect();
    assert_eq!(values, [None, Some(vec![1]), None]);
    assert!(bindings(&world.ask(&Query::all().list(&[51]))).iter().all(|reply| !reply.codes().contains(&157)));
}

//= rfc6926-6.2.8-04
//= rfc6926-6.2.8-05
#[test]
fn data_source_is_about_the_latest_change() {
    let mut world = World::new();
    let mut told = |remote: bool, expires| {
        world.commit(&Update { remote, expires: Some(NOW.plus(expires)), ..lease(key(1)) });
        bindings(&world.ask(&Query::all().list(&[157])))[0].option(OptionCode(157))
    };
    assert_eq!(told(true, 10), Some(vec![1]));
    assert_eq!(told(false, 20), None);
    assert_eq!(told(true, 30), Some(vec![1]));
}

//= rfc4388-6.4.2-11
//= rfc4388-6.4.2-12
#[test]
fn withheld_options_are_not_sent_to_that_requestor_even_if_asked_for() {
    let world = world();
    let list = Query::all().list(&[12, 51, 60, 82]);
    let policy = Policy { withhold: vec![12, 82], ..Policy::default() };
    let replies = world.connect_as(policy.clone()).ask(&list);
    assert_eq!(bindings(&replies)[0].codes(), [54, 51, 60]);
    let replies = world.connect_as(policy).ask(&Query::all());
    assert!(!bindings(&replies)[0].codes().contains(&82), "nor by default");
    let replies = world.connect().ask(&list);
    assert_eq!(bindings(&replies)[0].codes(), [54, 12, 51, 60, 82], "others get them");
}

//= rfc2131-4.1-03
#[test]
fn replies_have_the_transaction_id_of_their_query() {
    let world = world();
    for xid in [0, 0x0102_0304, u32::MAX] {
        assert!(world.ask(&Query::all().xid(xid)).iter().all(|reply| reply.xid() == xid));
        assert!(world.ask(&Query::all().xid(xid).client_id(b"x")).iter().all(|reply| reply.xid() == xid));
    }
}

//= rfc3396-6-01
//= rfc3396-4-01
#[test]
fn only_a_value_of_more_than_255_octets_is_split() {
    for (length, pieces) in [(255, 1), (256, 2), (600, 3)] {
        let mut world = World::new();
        let info = vec![7; length];
        world.commit(&Update { relay_info: Some(&info), ..lease(key(1)) });
        let replies = world.ask(&Query::all().list(&[82]));
        assert_eq!(bindings(&replies)[0].codes(), [&[54][..], &vec![82; pieces]].concat());
        assert_eq!(bindings(&replies)[0].option(OptionCode(82)), Some(info));
    }
}

//= rfc6926-6.1-03
//= rfc3046-2.2-03
#[test]
fn a_reply_that_would_not_fit_a_frame_goes_without_what_makes_it_long() {
    let mut world = World::new();
    // Together they fit the store, but not a message that also has lengths and a header.
    let (id, info, value) = (vec![1; 20_000], vec![2; 25_000], vec![3; 20_400]);
    let update = Update {
        hardware: Some(ethernet(&MAC_1)),
        client_id: Some(&id),
        relay_info: Some(&info),
        options: &[(43, &value)],
        ..lease(key(1))
    };
    world.commit(&update);
    world.commit(&Update { options: &[], key: key(2), ..update });
    let mut peer = world.connect();
    let replies = peer.ask(&Query::all().list(&[51, 61, 43, 82, 152]));
    assert_eq!(bindings(&replies)[0].codes(), [54, 51, 152]);
    assert_eq!(bindings(&replies)[0].message().chaddr(), MAC_1);
    assert_eq!(bindings(&replies)[1].option(OptionCode(82)), Some(info.clone()), "what fits is sent");
    let shed = Shed { about: address(1).to_string(), options: vec![61, 43, 82] };
    let xid = Query::all().header.xid;
    let done = Event::Done { xid, replies: 2 };
    assert_eq!(peer.events(), [Event::Started { xid }, Event::Shed { xid, shed: shed.clone() }, done]);
    // What changes while somebody is told of changes is no different.
    let mut watch = Watch::new(world);
    watch.ask(&Query::of_kind(MessageType::ACTIVE_LEASE_QUERY).list(&[61, 43, 82, 152]));
    watch.listen();
    watch.world.commit(&Update { last_transaction: Some(NOW.plus(1)), ..update });
    watch.listen();
    let told: Vec<_> = std::iter::from_fn(|| watch.connection.poll_event())
        .filter(|event| matches!(event, Event::Shed { .. }))
        .collect();
    assert_eq!(told, [Event::Shed { xid, shed }]);
}

//= rfc6926-6.1-03
#[test]
fn a_query_as_long_as_a_frame_can_be_is_taken() {
    let mut frame = Query::all().frame();
    frame.resize(2 + 65_535, 0);
    frame[..2].copy_from_slice(&[0xff, 0xff]);
    let world = world();
    let mut peer = world.connect();
    peer.send(&frame);
    assert_eq!(bindings(&peer.listen()).len(), 1);
}
