//! Single queries over UDP: when they are given up, what a real server answers, and whatever else comes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::requestor::v6::{Answer, Primary, Record, Selector, SingleQuery};
use leasequery_protocol::requestor::{Exchange, Poll, Schedule};
use leasequery_protocol::server::Policy;
use leasequery_protocol::server::v6::answer as server_answer;
use leasequery_store::{Budget, Settings, State, Store, Time, Update, V6Key};
use leasequery_wire::v6::{Message, StatusCode};
use proptest::prelude::*;

use crate::peer::{
    CLIENT, OWN, Row, SERVER, START, XID, base_time, client_data, clt, ia_address, ia_prefix, ip, opt, options, prefix,
    status,
};
use crate::single::{asking, by_address, by_client, datagram, reply, rows};

//= rfc5007-4.1.4-01
//= rfc5007-4.3.2-06
//= rfc5007-4.3.2-07
#[test]
fn without_an_answer_a_query_is_sent_five_times_in_half_a_minute_and_given_up() {
    for seed in 0..100 {
        let mut exchange = Exchange::new(Schedule::V6, seed);
        let (mut now, mut sent) = (Duration::ZERO, Vec::new());
        loop {
            match exchange.poll(now) {
                Poll::Send => sent.push(now.as_secs_f64()),
                Poll::Wait(until) => now = until,
                Poll::Failed => break,
            }
        }
        sent.push(now.as_secs_f64());
        let gaps: Vec<f64> = sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // LQ_TIMEOUT, LQ_MAX_RT and LQ_MAX_RC are 1 second, 10 seconds and 5.
        assert_eq!(gaps.len(), 5);
        assert!((0.9..=1.1).contains(&gaps[0]) && gaps.iter().all(|gap| *gap <= 11.0), "{gaps:?}");
        assert!(gaps[4] >= 9.0, "{gaps:?}");
        assert_eq!(exchange.poll(now + Duration::from_hours(1)), Poll::Failed, "for good");
    }
}

/// A real server with leases of a client on some links, and of others.
fn server() -> Store<V6Key> {
    let mut store = Store::new(Settings::default());
    store.advance(START);
    let source = store.source("test").unwrap();
    let lease = |key, client| Update {
        client_id: Some(client),
        expires: Some(START.plus(3600)),
        last_transaction: Some(START.minus(5)),
        ..Update::new(key, State::Active)
    };
    for link in 0..5_u16 {
        for host in 1..=3 {
            let key = V6Key::new(Ipv6Addr::new(0x2001, 0xdb8, 7, link, 0, 0, 0, host));
            store.commit(source, &lease(key, if host < 3 { &CLIENT } else { &OWN }));
        }
    }
    store.commit(
        source,
        &Update { link: Some(Ipv6Addr::new(0x2001, 0xdb8, 7, 4, 0, 0, 0, 0)), ..lease(prefix(9), &CLIENT) },
    );
    store
}

/// What becomes of a datagram at that server.
fn answered(store: &Store<V6Key>, query: &[u8]) -> Vec<u8> {
    let from = SocketAddr::new(IpAddr::V6(ip(0xffff)), 40_000);
    let mut out = Vec::new();
    server_answer(query, from, &SERVER, |_| Some(Arc::new(Policy::default())), store, &mut out);
    out
}

//= rfc5007-4.3.3-02
//= rfc5007-4.3.3-04
#[test]
fn each_link_that_a_server_names_can_be_asked_for_and_together_they_have_everything() {
    let store = server();
    let mut query = by_client();
    let first = answered(&store, &datagram(&query));
    let Ok(Answer::Links(links)) = query.read(XID, &first, START) else { panic!() };
    assert_eq!(links.len(), 5);
    let mut found = BTreeSet::new();
    for link in links {
        query.selector.link = Some(link);
        let octets = datagram(&query);
        assert_eq!(options(&octets[4..])[1].1[1..17], link.octets());
        let rows = rows(&query, &answered(&store, &octets));
        assert!(rows.len() >= 2);
        found.extend(rows.iter().map(|row| row.key));
    }
    let expected: BTreeSet<_> = store.of_client(&CLIENT, None, &Budget::unlimited()).map(|lease| lease.key()).collect();
    assert_eq!((found.len(), &found), (11, &expected));
}

//= rfc5007-4.3.3-05
//= rfc5007-4.3.3-06
#[test]
fn a_real_server_is_understood_whatever_it_has_to_say() {
    let store = server();
    let ask = |primary, link| {
        let query = SingleQuery { selector: Selector { primary, link }, ..by_address() };
        let octets = answered(&store, &datagram(&query));
        match query.read(XID, &octets, START) {
            Ok(Answer::Leases(records)) => Ok(records.iter().map(Record::key).collect::<Vec<_>>()),
            Ok(Answer::Failed(status, _)) => Err(status),
            other => panic!("{other:?}"),
        }
    };
    let on = |link, host| Ipv6Addr::new(0x2001, 0xdb8, 7, link, 0, 0, 0, host);
    assert_eq!(ask(Primary::Address(on(2, 3)), None), Ok(vec![V6Key::new(on(2, 3))]));
    assert_eq!(ask(Primary::Address(on(2, 9)), None), Ok(Vec::new()));
    assert_eq!(ask(Primary::ClientId(vec![0, 1, 2]), None), Ok(Vec::new()));
    assert_eq!(ask(Primary::Address(on(99, 1)), None), Err(StatusCode::NOT_CONFIGURED));
    assert_eq!(ask(Primary::ClientId(CLIENT.to_vec()), Some(on(99, 1))), Err(StatusCode::NOT_CONFIGURED));
    // A query to another server is none of its own.
    let other = SingleQuery { server_id: Some(vec![0, 4, 9]), ..by_address() };
    assert_eq!(answered(&store, &datagram(&other)), b"");
    let named = SingleQuery { server_id: Some(SERVER.to_vec()), ..asking(Primary::Address(on(2, 3))) };
    assert_eq!(rows(&named, &answered(&store, &datagram(&named))).len(), 1);
}

/// Answers of all sorts.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let with = |codes: Vec<u16>| {
        let code = prop_oneof![8 => prop::sample::select(codes), 1 => any::<u16>()];
        (code, prop::collection::vec(any::<u8>(), 0..30)).prop_map(|(code, value)| opt(code, &value))
    };
    let leases = prop_oneof![
        4 => (0_u16..9).prop_map(|last| ia_address(last, 60, u32::from(last), &[])),
        2 => (0_u8..9).prop_map(|number| ia_prefix(number, 60, 60, &[])),
        2 => any::<u32>().prop_map(clt),
        2 => Just(opt(1, &CLIENT)),
        1 => with(vec![1, 5, 13, 26, 46, 47]),
    ];
    let data = prop::collection::vec(leases, 0..6).prop_map(|options| client_data(&options));
    let good = Just(client_data(&[opt(1, &CLIENT), ia_address(1, 60, 60, &[]), ia_prefix(1, 60, 60, &[]), clt(1)]));
    let option = prop_oneof![
        3 => data,
        3 => good,
        1 => any::<u32>().prop_map(base_time),
        1 => (0_u16..16).prop_map(|code| status(code, "text")),
        1 => prop::collection::vec(any::<u8>(), 16).prop_map(|link| opt(48, &link)),
        1 => with(vec![1, 2, 13, 45, 46, 47, 48, 100]),
    ];
    prop::collection::vec(option, 0..4).prop_map(|options| reply(&options))
}

proptest! {
    #[test]
    fn no_datagram_makes_the_reader_panic(
        octets in prop_oneof![4 => answers(), 1 => prop::collection::vec(any::<u8>(), 0..400)],
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        end in any::<prop::sample::Index>(),
        arrival in prop_oneof![Just(START), any::<u32>().prop_map(Time)],
    ) {
        let mut octets = octets;
        for damaged in [false, true] {
            if damaged {
                for (at, value) in &damage {
                    if !octets.is_empty() {
                        let at = at.index(octets.len());
                        octets[at] = *value;
                    }
                }
                octets.truncate(end.index(octets.len() + 1));
            }
            match by_client().read(XID, &octets, arrival) {
                Ok(Answer::Leases(records)) => {
                    let message = Message::parse(&octets).unwrap();
                    let told = message.client_data().unwrap().map_or(0, |data| data.leases().count());
                    prop_assert!(records.is_empty() || records.len() == told);
                    for row in records.iter().map(Row::new) {
                        prop_assert_eq!(row.server.as_deref(), message.server_id().unwrap());
                    }
                }
                Ok(Answer::Links(_)) => prop_assert!(octets.len() >= 24),
                Ok(Answer::Failed(status, _)) => prop_assert_ne!(status, StatusCode::SUCCESS),
                Err(ignored) => prop_assert!(!ignored.to_string().is_empty()),
            }
        }
    }
}
