//! Whatever comes, the server does not panic, and what it says is well-formed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use leasequery_protocol::server::v6::V6;
use leasequery_protocol::server::{Allow, CloseReason, Event, Limits, Policy};
use leasequery_store::{Settings, Update};
use leasequery_wire::v6::{MessageType, OptionCode, QueryType, StatusCode};
use proptest::prelude::*;

use crate::support::*;

/// Some leases on two links. There is a history of a few seconds.
fn world() -> World {
    let mut world = World::with(Settings { history: 20, ..Settings::default() });
    let info = [&[0; 16][..], &[12, 0], &[0; 32], &[0, 18, 0, 1, 9]].concat();
    for host in 0..20 {
        world.commit(&Update {
            relay_id: Some(b"\0\x01r"),
            remote_id: Some(b"\0\0\0\x01a"),
            relay_info: Some(&info),
            options: &[(23, b"dns")],
            ..lease(key(1 + host % 2, host), &client(host / 4))
        });
    }
    world.commit(&lease(delegated(1), &client(1)));
    world.store.advance(NOW.plus(10));
    world
}

fn option() -> impl Strategy<Value = (OptionCode, Vec<u8>)> {
    let code = prop_oneof![
        prop::sample::select(vec![1_u16, 2, 3, 5, 6, 9, 13, 26, 37, 44, 45, 47, 53, 100, 101, 102]),
        any::<u16>(),
    ];
    let known = prop_oneof![
        Just((1, client(1))),
        Just((2, SERVER.to_vec())),
        Just((53, b"\0\x01r".to_vec())),
        Just((37, b"\0\0\0\x01a".to_vec())),
        Just((5, [&address(1, 2).octets()[..], &[0; 8]].concat())),
        Just((5, [&delegated(1).address().octets()[..], &[0; 8]].concat())),
        Just((6, vec![0, 23, 0, 47, 0, 100])),
        (0_u32..30).prop_map(|seconds| (101, (NOW.0 + seconds - EPOCH).to_be_bytes().to_vec())),
        Just((102, vec![0xff; 4])),
    ];
    let any = (code, prop::collection::vec(any::<u8>(), 0..20));
    prop_oneof![3 => known, 1 => any].prop_map(|(code, value)| (OptionCode(code), value))
}

/// Queries of all sorts, with small transaction ids so that they meet.
fn query() -> impl Strategy<Value = Query> {
    let kind = prop_oneof![10 => Just(14), 5 => Just(22), 1 => Just(23), 1 => any::<u8>()];
    let link = prop_oneof![
        3 => Just(Ipv6Addr::UNSPECIFIED),
        2 => (1_u16..4).prop_map(|link| address(link, 1)),
        1 => any::<u128>().prop_map(Ipv6Addr::from_bits),
    ];
    let query_type = prop_oneof![10 => 1_u8..6, 1 => any::<u8>()];
    let inside = prop::option::weighted(0.8, (query_type.prop_map(QueryType), link));
    let options = || prop::collection::vec(option(), 0..4);
    let client_id = prop::option::weighted(0.95, Just(REQUESTOR.to_vec()));
    (kind, 0_u32..6, client_id, options(), inside, options()).prop_map(
        |(kind, xid, client_id, outer, selector, inner)| Query {
            kind: MessageType(kind),
            xid,
            client_id,
            outer,
            selector,
            inner,
        },
    )
}

/// Something that happens to a connection.
#[derive(Debug, Clone)]
enum Happening {
    Octets(Vec<u8>),
    Turn(usize),
    Progress(usize, usize),
    Later(u32),
    Eof,
    Terminate,
    /// A lease begins or ends.
    Change(u16, bool),
    /// What the requestor may do.
    Policy(Allow, Vec<u16>),
}

fn happening() -> impl Strategy<Value = Happening> {
    let damaged = (query(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(query, at, value)| {
        let mut frame = query.frame();
        let at = at.index(frame.len());
        frame[at] = value;
        frame
    });
    let cut = (query(), any::<prop::sample::Index>()).prop_map(|(query, at)| {
        let frame = query.frame();
        frame[..at.index(frame.len())].to_vec()
    });
    let good = prop_oneof![Just(Query::everything().base_time()), Just(active()), Just(active().since(NOW.plus(9)))];
    let good = (good, 0_u32..6).prop_map(|(query, xid)| query.xid(xid));
    prop_oneof![
        4 => query().prop_map(|query| Happening::Octets(query.frame())),
        3 => good.prop_map(|query| Happening::Octets(query.frame())),
        2 => damaged.prop_map(Happening::Octets),
        1 => cut.prop_map(Happening::Octets),
        1 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Happening::Octets),
        6 => (1_usize..2000).prop_map(Happening::Turn),
        1 => (0_usize..2, 0_usize..2).prop_map(|(written, unsent)| Happening::Progress(written, unsent)),
        1 => (0_u32..200).prop_map(Happening::Later),
        1 => Just(Happening::Eof),
        1 => Just(Happening::Terminate),
        3 => (0_u16..30, any::<bool>()).prop_map(|(number, begins)| Happening::Change(number, begins)),
        1 => (prop::bool::weighted(0.8), prop::bool::weighted(0.8), prop::collection::vec(0_u16..60, 0..3))
            .prop_map(|(bulk, active, withhold)| Happening::Policy(Allow { udp: true, bulk, active }, withhold)),
    ]
}

/// What has been said to one query.
#[derive(Debug, Default)]
struct Answer {
    begun: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    //= rfc5460-5.2-01
    //= rfc5460-5.2.1-03
    //= rfc5460-5.2.1-04
    //= rfc5460-7.2-03
    //= alq6-10-01
    //= alq6-8.3-05
    #[test]
    fn nothing_makes_the_server_panic_or_say_what_it_may_not(
        enabled in prop::bool::weighted(0.9),
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let limits = Limits { queries: 2, ..Limits::default() };
        let protocol = V6::new(SERVER.into(), permitted().into(), enabled);
        let mut watch = Watch::around(world(), protocol, limits);
        // The queries being answered.
        let mut open: BTreeMap<u32, Answer> = BTreeMap::new();
        let mut closed = false;
        for happening in happenings {
            let mut said = Vec::new();
            match happening {
                Happening::Octets(octets) if watch.connection.wants_read() => watch.send(&octets),
                Happening::Octets(_) => {}
                Happening::Turn(room) => {
                    let octets = watch.octets(room);
                    // One message more than fits, and the last words of every query.
                    prop_assert!(octets.len() < room + 4 * 700);
                    said = replies(&octets);
                }
                Happening::Progress(written, unsent) => {
                    watch.connection.handle_progress(watch.now, written, unsent);
                }
                Happening::Later(seconds) => {
                    watch.now += Duration::from_secs(seconds.into());
                    watch.world.store.advance(watch.world.store.now().plus(seconds / 10));
                    if watch.timeout() {
                        open.clear();
                    }
                }
                Happening::Eof => watch.connection.handle_eof(),
                Happening::Terminate => said = watch.terminate("over"),
                Happening::Change(number, true) => {
                    let heard = Some(watch.world.store.now());
                    let key = key(1 + number % 2, number);
                    watch.world.commit(&Update { last_transaction: heard, ..lease(key, &client(number / 4)) });
                }
                Happening::Change(number, false) => watch.world.release(key(1 + number % 2, number)),
                Happening::Policy(allow, withhold) => {
                    said = watch.set_policy(Policy { allow, withhold, ..permitted() });
                }
            }
            prop_assert!(!closed || said.is_empty(), "the last word is the last");
            let events = watch.events();
            let mut finished: BTreeSet<u32> = BTreeSet::new();
            for event in &events {
                match event {
                    Event::Started { xid } => {
                        let again = open.insert(*xid, Answer::default());
                        prop_assert!(again.is_none() || finished.contains(xid) || !said.is_empty());
                    }
                    Event::Done { xid, .. } => { finished.insert(*xid); }
                    _ => {}
                }
            }
            for reply in &said {
                let codes = reply.codes();
                prop_assert!(!codes.contains(&11) && !codes.contains(&44) && !codes.contains(&48), "{:?}", codes);
                let data = reply.data();
                if let Some(data) = &data {
                    prop_assert!(!data.leases.is_empty());
                    prop_assert_eq!(data.codes().iter().filter(|code| **code == 46).count(), 1);
                }
                let status = reply.status();
                prop_assert!(status.is_none() || data.is_none());
                let mut answer = open.remove(&reply.xid()).unwrap_or_default();
                match reply.kind() {
                    MessageType::REPLY => prop_assert_eq!(status, Some(StatusCode::TLS_CONNECTION_REFUSED)),
                    MessageType::LEASE_QUERY_REPLY => {
                        // A refusal is not a part of the response that goes on beside it.
                        let refusal = status.is_some_and(|status| {
                            ![StatusCode::QUERY_TERMINATED, StatusCode::DATA_MISSING].contains(&status)
                        });
                        prop_assert!(refusal || !answer.begun, "one LEASEQUERY-REPLY");
                        if !refusal && status != Some(StatusCode::QUERY_TERMINATED) {
                            answer.begun = true;
                        }
                        let over = status == Some(StatusCode::QUERY_TERMINATED) && !answer.begun;
                        let empty = status.is_none() && data.is_none() && finished.contains(&reply.xid());
                        if !over && !empty && (answer.begun || !refusal) {
                            open.insert(reply.xid(), answer);
                        }
                    }
                    MessageType::LEASE_QUERY_DATA => {
                        prop_assert!(answer.begun, "nothing comes before the LEASEQUERY-REPLY");
                        open.insert(reply.xid(), answer);
                    }
                    MessageType::LEASE_QUERY_DONE => {
                        prop_assert!(answer.begun, "nothing comes before the LEASEQUERY-REPLY");
                        prop_assert!(status.is_none() || status == Some(StatusCode::QUERY_TERMINATED));
                    }
                    other => prop_assert!(false, "{} has no place here", other),
                }
            }
            if let Some(Event::Closing(reason)) = events.last() {
                prop_assert!(!closed, "a connection closes once");
                closed = true;
                // Who has gone hears no last word of a query without end.
                if *reason != CloseReason::Peer && *reason != CloseReason::Blocked {
                    prop_assert!(open.is_empty(), "each query that was begun has had its last message: {:?}", open);
                }
            }
            prop_assert!(!(closed && watch.connection.wants_read()));
        }
    }
}
