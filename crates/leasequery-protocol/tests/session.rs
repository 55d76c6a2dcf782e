//! Whole sessions of DHCPv4 Bulk Leasequery: a server and a requestor on a wire that cuts as it likes.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::requestor::v4::{BulkQuery, Primary, Record, VpnChoice};
use leasequery_protocol::requestor::{self, Failure, Timeouts};
use leasequery_protocol::server::{self, Limits, Policy, Turn};
use leasequery_store::{Hardware, Key, Network, Settings, Start, State, Store, Time, Update, V4Key, VpnName};
use leasequery_wire::v4::{StatusCode, Vpn};
use proptest::prelude::*;

/// The server's clock.
const SERVER: Time = Time(1_735_689_600);
/// Seconds by which the requestor's clock is behind.
const BEHIND: u32 = 100;
const NOW: Duration = Duration::ZERO;
const SERVER_ID: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A binding as both sides know it; times by the requestor's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    state: u8,
    hardware: Option<(u8, Vec<u8>)>,
    client_id: Option<Vec<u8>>,
    start_of_state: Time,
    last_transaction: Option<Time>,
    expires: Option<Time>,
    relay_info: Option<Vec<u8>>,
    host_name: Option<Vec<u8>>,
    remote: bool,
}

/// VPN and address.
type Place = (Option<Vec<u8>>, Ipv4Addr);
type Copy = BTreeMap<Place, Row>;

/// Leases in the default VPN and in the VPN blue, each with 200 configured addresses of which every third was never
/// leased.
fn store() -> Store<V4Key> {
    let mut store = Store::new(Settings::default());
    store.advance(SERVER);
    let source = store.source("test").unwrap();
    let blue = store.vpn(None, &VpnName::Name(b"blue".as_slice().into())).unwrap();
    let key = |vpn, number: u32| V4Key { vpn, address: Ipv4Addr::from_bits(0x0a00_0000 + number) };
    let default = V4Key::new(Ipv4Addr::UNSPECIFIED).vpn();
    let networks =
        [default, blue].map(|vpn| Network { first: key(vpn, 1), last: key(vpn, 200), since: SERVER.minus(9000) });
    store.set_networks(None, &networks);
    for vpn in [default, blue] {
        for number in (1..=200_u32).filter(|number| number % 3 != 0) {
            let [.., c, d] = number.to_be_bytes();
            let mac = [2, 0, 0, 0, c, d % 50];
            let relay_info = [2, 1, d % 7, 12, 1, d % 5];
            let state = if number % 4 == 0 { State::Released } else { State::Active };
            store.commit(
                source,
                &Update {
                    hardware: Some(Hardware { htype: 1, address: &mac }),
                    client_id: (number % 2 == 0).then_some(&[0, 9, d]),
                    start_of_state: Start::Given(SERVER.minus(number)),
                    last_transaction: Some(SERVER.minus(number / 2)),
                    expires: Some(if number % 5 == 0 { Time::INFINITE } else { SERVER.plus(1000 + number) }),
                    relay_info: Some(&relay_info),
                    remote_id: Some(&relay_info[2..3]),
                    relay_id: Some(&relay_info[5..6]),
                    options: &[(12, b"host")],
                    remote: number % 11 == 0,
                    ..Update::new(key(vpn, number), state)
                },
            );
        }
    }
    store
}

/// What a query has to find, from the store itself.
fn expected(store: &Store<V4Key>, query: &BulkQuery) -> Copy {
    let local = |time: Time| if time == Time::INFINITE { time } else { time.minus(BEHIND) };
    let mut copy = Copy::new();
    for (vpn, wanted) in [
        (None, matches!(query.vpn, VpnChoice::Default | VpnChoice::All)),
        (Some(b"blue".to_vec()), query.vpn != VpnChoice::Default),
    ] {
        let name = vpn.as_ref().map(|name| VpnName::Name(name.as_slice().into()));
        let index = name.map_or(V4Key::new(Ipv4Addr::UNSPECIFIED).vpn(), |name| store.find_vpn(&name).unwrap());
        for number in (1..=200_u32).filter(|_| wanted) {
            let address = Ipv4Addr::from_bits(0x0a00_0000 + number);
            let binding = store.lookup(V4Key { vpn: index, address });
            let selected = match (&query.primary, &binding) {
                (Primary::All, _) => true,
                (_, None) => false,
                (Primary::Hardware { htype, address }, Some(binding)) => {
                    binding.hardware() == Some(Hardware { htype: *htype, address })
                }
                (Primary::ClientId(id), Some(binding)) => binding.client_id() == Some(id),
                // Through a relay only leases are found (RFC 6926 section 4).
                (_, Some(binding)) if binding.state() != State::Active && is_relay(&query.primary) => false,
                (Primary::RemoteId(id), Some(binding)) => binding.remote_id() == Some(id),
                (Primary::RelayId(id), Some(binding)) => binding.relay_id() == Some(id),
            };
            if !selected {
                continue;
            }
            let row = match binding {
                None => Row {
                    state: 1,
                    hardware: None,
                    client_id: None,
                    start_of_state: local(SERVER.minus(9000)),
                    last_transaction: None,
                    expires: None,
                    relay_info: None,
                    host_name: None,
                    remote: false,
                },
                Some(binding) => Row {
                    state: binding.state() as u8,
                    hardware: binding.hardware().map(|hardware| (hardware.htype, hardware.address.to_vec())),
                    client_id: binding.client_id().map(<[u8]>::to_vec),
                    start_of_state: local(binding.start_of_state()),
                    last_transaction: binding.last_transaction().map(local),
                    expires: binding.expires().filter(|_| binding.state() == State::Active).map(local),
                    relay_info: binding.relay_info().map(<[u8]>::to_vec),
                    host_name: binding.option(12).map(<[u8]>::to_vec),
                    remote: binding.is_remote(),
                },
            };
            copy.insert((vpn.clone(), address), row);
        }
    }
    copy
}

fn is_relay(primary: &Primary) -> bool {
    matches!(primary, Primary::RemoteId(_) | Primary::RelayId(_))
}

fn row(record: &Record<'_>) -> (Place, Row) {
    let vpn = record.vpn().map(|vpn| match vpn {
        Vpn::Name(name) => name.to_vec(),
        other => panic!("{other:?}"),
    });
    assert_eq!(record.server(), Some(SERVER_ID));
    let row = Row {
        state: record.state().0,
        hardware: record.hardware().map(|hardware| (hardware.htype, hardware.address.to_vec())),
        client_id: record.client_id().map(<[u8]>::to_vec),
        start_of_state: record.times().start_of_state.unwrap(),
        last_transaction: record.times().last_transaction,
        expires: record.times().expires,
        relay_info: record.relay_info().map(<[u8]>::to_vec),
        host_name: record.options().find(|(code, _)| code.0 == 12).map(|(_, value)| value.to_vec()),
        remote: record.is_remote(),
    };
    ((vpn, record.address()), row)
}

/// What came of each query, and how the connection ended if it did.
struct Outcome {
    copies: Vec<Copy>,
    done: Vec<Option<leasequery_protocol::code::StatusCode>>,
    failure: Option<Failure>,
    /// Octets that the server sent.
    sent: usize,
}

/// Runs queries side by side over one connection that carries pieces of random size, and breaks when the server has sent
/// `cut` octets.
fn run(store: &Store<V4Key>, queries: &[BulkQuery], seed: u64, cut: usize) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed);
    let protocol = server::v4::V4::new(SERVER_ID, Arc::new(Policy::default()), true);
    let mut server = server::Connection::new(protocol, Limits::default(), NOW);
    let protocol = requestor::v4::V4::new(None);
    let mut requestor = requestor::Connection::new(protocol, Timeouts::default(), u32::MAX - 1);
    let xids: Vec<u32> = queries.iter().map(|query| requestor.ask(NOW, query).unwrap()).collect();

    let mut outcome =
        Outcome { copies: vec![Copy::new(); queries.len()], done: vec![None; queries.len()], failure: None, sent: 0 };
    let mut wire = Vec::new();
    loop {
        let unsent = requestor.poll_transmit();
        if !unsent.is_empty() && server.wants_read() {
            let piece = random.usize(1..=unsent.len());
            server.handle_bytes(NOW, &unsent[..piece]);
            requestor.handle_sent(NOW, piece);
        }
        if wire.is_empty() {
            let turn = server.poll_transmit(NOW, store, &mut wire, random.usize(1..8000));
            assert_ne!(turn, Turn::Close);
        }
        let piece = random.usize(0..=wire.len()).min(cut - outcome.sent);
        requestor.handle_bytes(&wire[..piece]);
        wire.drain(..piece);
        outcome.sent += piece;
        if outcome.sent == cut {
            requestor.handle_eof();
        }
        loop {
            match requestor.poll_event(NOW, SERVER.minus(BEHIND)) {
                Ok(None) => break,
                Ok(Some(requestor::Event::Record { xid, record })) => {
                    let query = xids.iter().position(|other| *other == xid).unwrap();
                    assert_eq!(outcome.done[query], None);
                    let (place, row) = row(&record);
                    assert_eq!(outcome.copies[query].insert(place, row), None, "told twice");
                }
                Ok(Some(requestor::Event::Done { xid, done })) => {
                    let query = xids.iter().position(|other| *other == xid).unwrap();
                    assert_eq!(outcome.done[query].replace(done.status), None);
                }
                Ok(Some(other)) => panic!("{other:?}"),
                Err(failure) => {
                    outcome.failure = Some(failure);
                    return outcome;
                }
            }
        }
        if requestor.wants_close() {
            return outcome;
        }
    }
}

/// One query of each kind, in different VPNs.
fn queries() -> Vec<BulkQuery> {
    let blue = || VpnChoice::Name(b"blue".to_vec());
    let hardware = |d| Primary::Hardware { htype: 1, address: vec![2, 0, 0, 0, 0, d] };
    [
        (Primary::All, VpnChoice::Default),
        (Primary::All, blue()),
        (Primary::All, VpnChoice::All),
        (hardware(11), VpnChoice::Default),
        (hardware(13), VpnChoice::All),
        (hardware(3), blue()),
        (Primary::ClientId(vec![0, 9, 14]), VpnChoice::All),
        (Primary::RemoteId(vec![4]), blue()),
        (Primary::RelayId(vec![2]), VpnChoice::Default),
        (Primary::RelayId(vec![77]), VpnChoice::All),
    ]
    .map(|(primary, vpn)| BulkQuery { primary, vpn, options: vec![12], ..BulkQuery::default() })
    .to_vec()
}

#[test]
fn each_query_finds_what_the_store_has() {
    let store = store();
    for query in queries() {
        let outcome = run(&store, std::slice::from_ref(&query), 1, usize::MAX);
        assert_eq!(outcome.failure, None);
        assert_eq!(outcome.done, [Some(StatusCode::SUCCESS.into())]);
        assert_eq!(outcome.copies[0], expected(&store, &query), "{query:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn queries_side_by_side_find_the_same_whatever_the_pieces(seed: u64, which in prop::sample::subsequence(queries(), 2..8)) {
        let store = store();
        let outcome = run(&store, &which, seed, usize::MAX);
        prop_assert_eq!(outcome.failure, None);
        for (query, (copy, done)) in which.iter().zip(outcome.copies.iter().zip(&outcome.done)) {
            prop_assert_eq!(*done, Some(StatusCode::SUCCESS.into()));
            prop_assert_eq!(copy, &expected(&store, query));
        }
    }

    /// What was received completely is right, and no query that was broken off looks like one that was finished.
    //= rfc6926-4-01
    //= rfc6926-7.8-04
    #[test]
    fn a_connection_cut_at_any_octet_gives_a_part_and_says_so(seed: u64, share in 0.0_f64..1.0) {
        let store = store();
        let queries = &queries()[..3];
        let whole = run(&store, queries, seed, usize::MAX);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share")]
        let cut = (whole.sent as f64 * share) as usize;
        let outcome = run(&store, queries, seed, cut);
        prop_assert_eq!(outcome.failure, Some(if cut == 0 { Failure::Unanswered } else { Failure::Closed }));
        prop_assert!(outcome.done.contains(&None));
        for ((copy, done), full) in outcome.copies.iter().zip(&outcome.done).zip(&whole.copies) {
            prop_assert!(copy.iter().all(|(place, row)| full.get(place) == Some(row)));
            if done.is_some() {
                prop_assert_eq!(copy, full);
            }
        }
    }
}
