//! Single queries over UDP: which answer, and about which address (RFC 4388 section 6.4, RFC 6148 section 4).

use std::net::Ipv4Addr;

use leasequery_store::durable::{Durable, Memory};
use leasequery_store::{Budget, Hardware, Settings, State, Update, V4Key};
use leasequery_wire::v4::{BOOT_REPLY, MessageType, OptionCode};

use crate::support::*;

const ACTIVE: MessageType = MessageType::LEASE_ACTIVE;
const UNASSIGNED: MessageType = MessageType::LEASE_UNASSIGNED;
const UNKNOWN: MessageType = MessageType::LEASE_UNKNOWN;

/// An address with a lease of everything that can be asked for: 10.0.0.3 of 10.0.0.0 to 10.0.0.9.
fn world() -> World {
    let mut world = World::new();
    world.configure(key(0), key(9));
    world.commit(&client(key(3)));
    world
}

/// A lease of the client that the queries below ask for.
fn client(key: V4Key) -> Update<'static, V4Key> {
    Update {
        hardware: Some(Hardware { htype: 1, address: &MAC_1 }),
        client_id: Some(b"\x00client"),
        relay_info: Some(b"\x02\x05slot7"),
        remote_id: Some(b"slot7"),
        ..lease(key)
    }
}

/// The client's lease as it was `ago` seconds ago.
fn heard(key: V4Key, ago: u32) -> Update<'static, V4Key> {
    Update { last_transaction: Some(NOW.minus(ago)), ..client(key) }
}

/// What the client can be asked for by.
fn by_client() -> [Query; 3] {
    [Query::single().mac(MAC_1), Query::single().client_id(b"\x00client"), Query::single().remote_id(b"slot7")]
}

/// Type and address of an answer.
#[track_caller]
fn told(world: &World, query: &Query) -> (MessageType, Ipv4Addr) {
    let reply = world.single(query);
    (reply.kind(), reply.address())
}

/// The addresses in associated-ip.
fn associated(reply: &Reply) -> Option<Vec<Ipv4Addr>> {
    reply.option(OptionCode::ASSOCIATED_IP)?;
    Some(reply.message().associated_ip().unwrap().collect())
}

//= rfc2131-4.1-03
//= rfc4388-6.3-01
//= rfc4388-6.4-05
//= rfc4388-6.4.1-01
//= rfc6148-4-01
#[test]
fn every_kind_of_query_finds_the_lease() {
    let world = world();
    for query in [&[Query::single().address(address(3))][..], &by_client()].concat() {
        let reply = world.single(&query.xid(0x0708_090a));
        assert_eq!((reply.kind(), reply.address(), reply.xid()), (ACTIVE, address(3), 0x0708_090a));
        assert_eq!(reply.message().op(), BOOT_REPLY);
        assert_eq!(reply.message().chaddr(), MAC_1);
    }
}

//= rfc4388-5-01
//= rfc4388-6.1-01
//= rfc6926-5-03
#[test]
fn every_query_has_exactly_one_answer_and_that_is_no_frame() {
    let world = world();
    let strangers = [
        Query::single().address(address(200)),
        Query::single().mac(MAC_2),
        Query::single().client_id(b"\x00nobody"),
        Query::single().remote_id(b"nowhere"),
    ];
    let mut kinds = Vec::new();
    let known = [Query::single().address(address(3)), Query::single().address(address(4))];
    for query in known.iter().chain(&by_client()).chain(&strangers) {
        let reply = world.single(query);
        assert_eq!(reply.0[0], 2, "op is the first octet");
        kinds.push(reply.0[242]);
    }
    assert_eq!(kinds, [13, 11, 13, 13, 13, 12, 12, 12, 12]);
}

//= rfc4388-6.4-01
//= rfc4388-6.4.1-01
#[test]
fn an_address_of_ours_without_a_lease_is_unassigned() {
    let mut world = world();
    for (number, state) in [(4, State::Expired), (5, State::Released), (6, State::Abandoned), (20, State::Released)] {
        world.commit(&Update { state, ..client(key(number)) });
    }
    // The last one is configured nowhere, but somebody told of it. Number 7 nobody has ever had.
    for number in [4, 5, 6, 7, 20] {
        assert_eq!(told(&world, &Query::single().address(address(number))), (UNASSIGNED, address(number)));
    }
}

//= rfc4388-6.4-05
#[test]
fn a_lease_whose_time_is_up_is_active_no_longer_even_if_nobody_has_noted_that() {
    let mut world = World::with(Settings { expire: false, ..Settings::default() });
    world.commit(&client(key(3)));
    for (later, kind, by_mac) in [(3599, ACTIVE, ACTIVE), (3600, UNASSIGNED, UNKNOWN), (9000, UNASSIGNED, UNKNOWN)] {
        world.store.advance(NOW.plus(later));
        assert_eq!(world.store.lookup(key(3)).unwrap().state(), State::Active);
        assert_eq!(told(&world, &Query::single().address(address(3))), (kind, address(3)), "{later}");
        for query in by_client() {
            assert_eq!(told(&world, &query).0, by_mac, "{later}");
        }
    }
}

//= rfc4388-6.4-02
//= rfc4388-6.4.1-05
//= rfc6148-4-01
#[test]
fn a_client_without_an_active_lease_is_unknown() {
    let mut world = World::new();
    world.configure(key(0), key(9));
    world.commit(&Update { state: State::Expired, ..client(key(3)) });
    world.commit(&Update { state: State::Released, ..client(key(4)) });
    for query in by_client() {
        assert_eq!(told(&world, &query), (UNKNOWN, Ipv4Addr::UNSPECIFIED));
    }
}

//= rfc4388-6.4-03
//= rfc4388-6.4.1-02
#[test]
fn an_address_that_is_not_ours_and_a_client_that_nobody_saw_are_unknown() {
    let world = world();
    for query in [Query::single().address(address(10)), Query::single().mac(MAC_2)] {
        assert_eq!(told(&world, &query), (UNKNOWN, Ipv4Addr::UNSPECIFIED));
    }
}

//= rfc4388-6.4.1-03
#[test]
fn an_address_is_told_of_for_its_latest_client_only() {
    let mut world = world();
    world.commit(&Update { hardware: Some(ethernet(&MAC_2)), client_id: None, remote_id: None, ..client(key(3)) });
    assert_eq!(told(&world, &Query::single().mac(MAC_1)).0, UNKNOWN);
    assert_eq!(told(&world, &Query::single().client_id(b"\x00client")).0, UNKNOWN);
    assert_eq!(told(&world, &Query::single().mac(MAC_2)), (ACTIVE, address(3)));
}

//= rfc4388-6.4.1-04
//= rfc6148-4.4-01
#[test]
fn of_several_addresses_the_one_of_the_latest_transaction_is_told() {
    for newest in 0..3 {
        let mut world = World::new();
        for number in 0..3 {
            world.commit(&heard(key(number), if number == newest { 7 } else { 8 + number }));
        }
        // It would be the latest of all, if it were still a lease.
        world.commit(&Update { state: State::Released, ..heard(key(4), 0) });
        for query in by_client() {
            assert_eq!(told(&world, &query), (ACTIVE, address(newest)));
        }
    }
}

#[test]
fn a_client_that_was_not_heard_is_judged_by_since_when_it_has_its_addresses() {
    let mut world = World::new();
    let silent = |number, ago| Update {
        last_transaction: None,
        start_of_state: leasequery_store::Start::Given(NOW.minus(ago)),
        ..client(key(number))
    };
    world.commit(&silent(1, 50));
    world.commit(&silent(2, 20));
    world.commit(&heard(key(3), 30));
    for query in by_client() {
        assert_eq!(told(&world, &query), (ACTIVE, address(2)));
    }
}

//= rfc4388-6.1-04
//= rfc4388-6.4.2-04
//= rfc6148-4.3-01
#[test]
fn several_addresses_are_all_told_the_one_in_ciaddr_first_whether_asked_for_or_not() {
    let mut world = World::new();
    for (number, ago) in [(1, 300), (2, 100), (3, 200)] {
        world.commit(&heard(key(number), ago));
    }
    world.commit(&Update { state: State::Expired, ..heard(key(4), 50) });
    world.commit(&Update { hardware: Some(ethernet(&MAC_2)), ..lease(key(5)) });
    for query in by_client() {
        for query in [query.clone(), query.clone().list(&[51]), query.list(&[51, 92])] {
            let reply = world.single(&query);
            assert_eq!(associated(&reply), Some(vec![address(2), address(3), address(1)]));
            assert_eq!(reply.codes().into_iter().filter(|code| *code == 92).collect::<Vec<_>>(), [92]);
        }
    }
    // A query by address is about that address.
    assert_eq!(associated(&world.single(&Query::single().address(address(2)).list(&[92]))), None);
}

//= rfc4388-6.4.2-04
#[test]
fn a_single_address_needs_no_list() {
    let world = world();
    for query in by_client() {
        assert_eq!(associated(&world.single(&query.list(&[92]))), None);
    }
}

//= rfc4388-6.3-03
//= rfc4388-6.3-04
#[test]
fn nothing_but_what_is_asked_for_decides() {
    let mut world = World::new();
    world.configure(key(0x20000), key(0x2_00ff));
    world.commit(&client(key(0x2_0005)));
    for query in [&[Query::single().address(address(0x2_0005))][..], &by_client()].concat() {
        let mut replies = Vec::new();
        for giaddr in [Ipv4Addr::new(10, 1, 0, 1), REQUESTOR, Ipv4Addr::new(10, 2, 0, 1)] {
            let datagram = query.clone().giaddr(giaddr).datagram();
            let (_, mut reply) = world.datagram(&datagram, &leasequery_protocol::server::Policy::default());
            let mut reply = reply.remove(0);
            assert_eq!((reply.kind(), reply.address()), (ACTIVE, address(0x2_0005)));
            assert_eq!(reply.message().giaddr(), giaddr, "the way back (RFC 2131 section 4.3.1)");
            reply.0[24..28].fill(0);
            replies.push(reply);
        }
        assert!(replies.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

//= rfc6148-5-01
#[test]
fn option_82_beside_a_selector_does_not_change_the_query() {
    let mut world = world();
    world.commit(&Update { remote_id: Some(b"slot8"), relay_info: None, ..lease(key(8)) });
    let plain = [
        Query::single().address(address(3)),
        Query::single().mac(MAC_1),
        Query::single().client_id(b"\x00client"),
        Query::single().address(address(200)),
    ];
    for query in plain {
        let expected = world.single(&query);
        assert_eq!(world.single(&query.remote_id(b"slot8")), expected);
    }
}

#[test]
fn other_sub_options_do_not_matter_to_a_query_by_remote_id() {
    let world = world();
    let query = Query::single().relay_info(&[(1, b"circuit"), (2, b"slot7"), (12, b"relay")]);
    assert_eq!(told(&world, &query), (ACTIVE, address(3)));
}

#[test]
fn type_and_length_of_a_hardware_address_belong_to_it() {
    let world = world();
    assert_eq!(told(&world, &Query::single().hardware(6, &MAC_1)).0, UNKNOWN);
    assert_eq!(told(&world, &Query::single().hardware(1, &MAC_1[..5])).0, UNKNOWN);
    // A habitual htype beside an address is no second selector.
    assert_eq!(told(&world, &Query::single().address(address(3)).raw_hardware(1, 0, &[])), (ACTIVE, address(3)));
}

//= rfc4388-6.7-01
#[test]
fn what_relays_and_clients_said_last_is_told_after_a_restart() {
    let disk = Memory::new();
    let settings = Settings { durable: true, ..Settings::default() };
    let (mut durable, mut store) = Durable::open_on(disk.clone(), settings).unwrap();
    store.advance(NOW);
    let source = store.source("test").unwrap();
    store.commit(source, &Update { relay_info: Some(b"\x02\x05slot1"), ..heard(key(3), 900) });
    store.commit(source, &heard(key(3), 100));
    durable.write(durable.collect(&store, &Budget::new(1000))).unwrap();
    drop((durable, store));

    let (_durable, mut store) = Durable::open_on(disk, settings).unwrap();
    store.advance(NOW.plus(60));
    let reply = World { store, source }.single(&Query::single().address(address(3)).list(&[82, 91]));
    assert_eq!(reply.number(OptionCode::CLIENT_LAST_TRANSACTION_TIME), Some(160));
    assert_eq!(reply.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap(), b"\x02\x05slot7");
}

//= rfc4388-5-04
#[test]
fn ten_thousand_queries_change_nothing() {
    let world = world();
    let before = (world.store.revision(), world.store.counts(), world.store.next_deadline());
    let binding = format!("{:?}", world.store.lookup(key(3)));
    let first = world.single(&Query::single().address(address(3)));
    for number in 0..10_000 {
        world.single(&Query::single().address(address(number % 12)).xid(number));
        world.single(&by_client()[number as usize % 3]);
    }
    assert_eq!((world.store.revision(), world.store.counts(), world.store.next_deadline()), before);
    assert_eq!(format!("{:?}", world.store.lookup(key(3))), binding);
    assert_eq!(world.single(&Query::single().address(address(3))), first);
}
