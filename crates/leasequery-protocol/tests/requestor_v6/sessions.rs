//! Whole sessions: a server and a requestor on a wire that cuts as it likes.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::code::StatusCode;
use leasequery_protocol::requestor::v6::{BulkQuery, Primary, Selector, V6};
use leasequery_protocol::requestor::{self, Event, Failure, Timeouts};
use leasequery_protocol::server::{self, Limits, Policy, Turn};
use leasequery_store::{Budget, Entry, Settings, State, Store, Time, Update, V6Key, VpnRange};
use proptest::prelude::*;

use crate::peer::{OWN, SERVER, START, ip, opt};

/// Seconds by which the requestor's clock is behind.
const BEHIND: u32 = 100;
const NOW: Duration = Duration::ZERO;

/// What both sides know of a lease; times by the requestor's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    client_id: Vec<u8>,
    preferred: Time,
    expires: Time,
    last_transaction: Time,
    relay_info: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
}

type Copy = BTreeMap<V6Key, Row>;

/// Leases of 60 clients on three links, each with two addresses and a prefix; and some that have ended.
fn store() -> Store<V6Key> {
    let mut store = Store::new(Settings::default());
    store.advance(START);
    let source = store.source("test").unwrap();
    for number in 0..60_u16 {
        let [_, low] = number.to_be_bytes();
        let link = number % 3;
        let address = |last| V6Key::new(Ipv6Addr::new(0x2001, 0xdb8, 0, link, 0, 0, last, number));
        let prefix = V6Key::prefix(Ipv6Addr::new(0x2001, 0xdb8, 1, number << 8, 0, 0, 0, 0), 56);
        let client_id = [0, 2, low];
        let (remote_id, relay_id) = ([0, 0, 0, 9, low % 5], [0, 3, low % 7]);
        let relay = [&[12, 0][..], &[0; 32], &opt(37, &remote_id), &opt(53, &relay_id)].concat();
        let relay = [&ip(0xaa).octets()[..], &relay].concat();
        let relayed = number % 4 > 0;
        let ever = number % 11 == 0;
        for key in [address(0), address(1), prefix] {
            let update = Update {
                client_id: Some(&client_id),
                last_transaction: Some(START.minus(u32::from(number))),
                expires: Some(if ever { Time::INFINITE } else { START.plus(1000 + u32::from(number)) }),
                renews: Some(START.plus(500)),
                relay_info: relayed.then_some(&relay),
                remote_id: relayed.then_some(&remote_id),
                relay_id: relayed.then_some(&relay_id),
                options: &[(39, b"name")],
                link: key.prefix_length().map(|_| Ipv6Addr::new(0x2001, 0xdb8, 0, link, 0, 0, 0, 0)),
                ..Update::new(key, State::Active)
            };
            store.commit(source, &update);
        }
        if number % 9 == 0 {
            store.end_lease(source, address(1), State::Released);
        }
    }
    store
}

/// What a query has to find, from the store itself.
fn expected(store: &Store<V6Key>, query: &BulkQuery) -> Copy {
    let local = |time: Time| if time == Time::INFINITE { time } else { time.minus(BEHIND) };
    let budget = Budget::unlimited();
    let all =
        store.scan(leasequery_store::Selector::All, VpnRange::All, None, &budget).filter_map(|entry| match entry {
            Entry::Bound(binding) if binding.state() == State::Active => Some(binding),
            _ => None,
        });
    let selected = all.filter(|binding| {
        let right = match &query.selector.primary {
            Primary::All => true,
            // It is about the client that has it, and all that it has there (RFC 5007 section 4.1.2.1).
            Primary::Address(address) => {
                let keys = [V6Key::new(*address), V6Key::prefix(*address, 56)];
                let holder = keys.into_iter().find_map(|key| store.lookup(key)).unwrap();
                let link = store.link_of(binding) == store.link_of(&holder);
                link && binding.client_id() == holder.client_id()
            }
            Primary::ClientId(id) => binding.client_id() == Some(id),
            Primary::RelayId(id) => binding.relay_id() == Some(id),
            Primary::RemoteId(id) => binding.remote_id() == Some(id),
        };
        right && query.selector.link.is_none_or(|link| store.link_of(binding) == store.find_link(link))
    });
    let row = |binding: leasequery_store::Binding<'_, V6Key>| Row {
        client_id: binding.client_id().unwrap().to_vec(),
        preferred: local(binding.renews().unwrap()),
        expires: local(binding.expires().unwrap()),
        last_transaction: local(binding.last_transaction().unwrap()),
        relay_info: binding.relay_info().map(<[u8]>::to_vec),
        name: binding.option(39).map(<[u8]>::to_vec),
    };
    selected.map(|binding| (binding.key(), row(binding))).collect()
}

/// What came of each query, and how the connection ended if it did.
struct Outcome {
    copies: Vec<Copy>,
    done: Vec<Option<StatusCode>>,
    failure: Option<Failure>,
    /// Octets that the server sent.
    sent: usize,
}

/// Runs queries side by side over one connection that carries pieces of random size, and breaks when the server has sent
/// `cut` octets. The requestor may close its own side behind the last query.
fn run(store: &Store<V6Key>, queries: &[BulkQuery], seed: u64, cut: usize, half_close: bool) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed);
    let protocol = server::v6::V6::new(Arc::from(SERVER), Arc::new(Policy::default()), true);
    let mut server = server::Connection::new(protocol, Limits { queries: 20, ..Limits::default() }, NOW);
    let mut requestor = requestor::Connection::new(V6::new(Arc::from(OWN)), Timeouts::default(), 0x00ff_fffe);
    let xids: Vec<u32> = queries.iter().map(|query| requestor.ask(NOW, query.clone()).unwrap()).collect();
    let mut outcome =
        Outcome { copies: vec![Copy::new(); queries.len()], done: vec![None; queries.len()], failure: None, sent: 0 };
    let mut wire = Vec::new();
    let mut closed = false;
    loop {
        let unsent = requestor.poll_transmit();
        if !unsent.is_empty() && server.wants_read() {
            let piece = random.usize(1..=unsent.len());
            server.handle_bytes(NOW, &unsent[..piece]);
            requestor.handle_sent(NOW, piece);
        } else if unsent.is_empty() && half_close && !std::mem::replace(&mut closed, true) {
            server.handle_eof();
        }
        if wire.is_empty() {
            let turn = server.poll_transmit(NOW, store, &mut wire, random.usize(1..8000));
            assert!(turn != Turn::Close || closed);
        }
        let piece = random.usize(0..=wire.len()).min(cut - outcome.sent);
        requestor.handle_bytes(&wire[..piece]);
        wire.drain(..piece);
        outcome.sent += piece;
        if outcome.sent == cut {
            requestor.handle_eof();
        }
        loop {
            match requestor.poll_event(NOW, START.minus(BEHIND)) {
                Ok(None) => break,
                Ok(Some(Event::Record { xid, record })) => {
                    let query = xids.iter().position(|other| *other == xid).unwrap();
                    assert_eq!(outcome.done[query], None);
                    assert!(record.is_active());
                    let row = Row {
                        client_id: record.client_id().to_vec(),
                        preferred: record.times().preferred.unwrap(),
                        expires: record.times().expires.unwrap(),
                        last_transaction: record.times().last_transaction,
                        relay_info: record.relay_data().map(|data| [&data.peer.octets(), data.message].concat()),
                        name: record.options().find(|(code, _)| code.0 == 39).map(|(_, value)| value.to_vec()),
                    };
                    assert_eq!(outcome.copies[query].insert(record.key(), row), None, "told twice");
                }
                Ok(Some(Event::Done { xid, done })) => {
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

/// Queries of each type, some for a link.
fn queries() -> Vec<BulkQuery> {
    let link = |number| Some(Ipv6Addr::new(0x2001, 0xdb8, 0, number, 0, 0, 0, 0xeeee));
    [
        (Primary::All, None),
        (Primary::All, link(1)),
        (Primary::Address(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 1, 5)), None),
        (Primary::Address(Ipv6Addr::new(0x2001, 0xdb8, 1, 0x0b42, 0, 0, 0, 9)), None),
        (Primary::ClientId(vec![0, 2, 17]), None),
        (Primary::ClientId(vec![0, 2, 17]), link(0)),
        (Primary::ClientId(vec![0, 2, 200]), None),
        (Primary::RelayId(vec![0, 3, 4]), None),
        (Primary::RemoteId(vec![0, 0, 0, 9, 2]), None),
        (Primary::RemoteId(vec![0, 0, 0, 9, 2]), link(2)),
    ]
    .map(|(primary, link)| BulkQuery {
        selector: Selector { primary, link },
        options: vec![39],
        ..BulkQuery::default()
    })
    .to_vec()
}

//= rfc5460-5.3-01
//= rfc5460-5.3.1-01
//= rfc5460-5.3.3-01
//= rfc5007-4.1.2.1-03
#[test]
fn each_query_finds_what_the_store_has() {
    let store = store();
    let mut found = 0;
    for query in queries() {
        let outcome = run(&store, std::slice::from_ref(&query), 1, usize::MAX, false);
        assert_eq!(outcome.failure, None);
        assert!(outcome.done[0].unwrap().is_success(), "{query:?}");
        assert_eq!(outcome.copies[0], expected(&store, &query), "{query:?}");
        found += usize::from(!outcome.copies[0].is_empty());
    }
    assert_eq!(found, 8, "one client has nothing there, one is nobody");
}

//= rfc5460-6.6-01
#[test]
fn whoever_has_asked_may_close_its_side_and_is_answered_all_the_same() {
    let store = store();
    for seed in 0..20 {
        let outcome = run(&store, &queries()[..3], seed, usize::MAX, true);
        assert_eq!(outcome.failure, None);
        for (query, copy) in queries().iter().zip(&outcome.copies) {
            assert_eq!(copy, &expected(&store, query));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    //= rfc5460-6.5-05
    #[test]
    fn queries_side_by_side_find_the_same_whatever_the_pieces(
        seed: u64,
        which in prop::sample::subsequence(queries(), 2..8),
    ) {
        let store = store();
        let outcome = run(&store, &which, seed, usize::MAX, false);
        prop_assert_eq!(outcome.failure, None);
        for (query, (copy, done)) in which.iter().zip(outcome.copies.iter().zip(&outcome.done)) {
            prop_assert!(done.unwrap().is_success());
            prop_assert_eq!(copy, &expected(&store, query));
        }
    }

    /// What was received completely is right, and no query that was broken off looks like one that was finished.
    //= rfc5460-6.3.1-03
    #[test]
    fn a_connection_cut_at_any_octet_gives_a_part_and_says_so(seed: u64, share in 0_usize..1000) {
        let store = store();
        let queries = &queries()[..3];
        let whole = run(&store, queries, seed, usize::MAX, false);
        let cut = whole.sent * share / 1000;
        let outcome = run(&store, queries, seed, cut, false);
        prop_assert_eq!(outcome.failure, Some(if cut == 0 { Failure::Unanswered } else { Failure::Closed }));
        prop_assert!(outcome.done.contains(&None));
        for ((copy, done), full) in outcome.copies.iter().zip(&outcome.done).zip(&whole.copies) {
            prop_assert!(copy.iter().all(|(key, row)| full.get(key) == Some(row)));
            if done.is_some() {
                prop_assert_eq!(copy, full);
            }
        }
    }
}
