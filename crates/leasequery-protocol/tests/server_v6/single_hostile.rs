//! Whatever comes as a datagram: no panic, no change, and no answer that a requestor could not read or use.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use leasequery_protocol::requestor::v6::{Answer, Primary, Selector, SingleQuery};
use leasequery_protocol::server::Verdict;
use leasequery_protocol::server::v6::answer as answer_datagram;
use leasequery_store::{Budget, State, Update};
use leasequery_wire::v6::{Message, MessageType, OptionCode, QueryType, Relay, StatusCode};
use proptest::prelude::*;

use super::single::{FROM, datagram as encoded};
use crate::support::*;

/// Leases of some clients on two links, one of which is configured, and prefixes.
fn world() -> World {
    let mut world = World::new();
    world.configure(&[&[(address(1, 0), 64), (address(7, 0), 64)]]);
    let info = [&[0; 16][..], &[12, 0], &[0; 32], &[0, 18, 0, 1, 9]].concat();
    for host in 0..20 {
        world.commit(&Update {
            relay_info: Some(&info),
            options: &[(23, b"dns")],
            state: if host % 7 == 0 { State::Released } else { State::Active },
            ..lease(key(1 + host % 2, host), &client(host / 4))
        });
    }
    world.commit(&lease(delegated(1), &client(1)));
    // What a source says of relays may be anything.
    world.commit(&Update { link: Some(address(1, 0)), relay_info: Some(b"?"), ..lease(delegated(2), &client(2)) });
    world
}

fn option() -> impl Strategy<Value = (OptionCode, Vec<u8>)> {
    let code = prop_oneof![
        prop::sample::select(vec![1_u16, 2, 3, 5, 6, 9, 13, 18, 26, 37, 44, 45, 47, 48, 53, 100, 135]),
        any::<u16>()
    ];
    let known = prop_oneof![
        (0_u16..6).prop_map(|number| (1, client(number))),
        Just((2, SERVER.to_vec())),
        (1_u16..4, 0_u16..22).prop_map(|(link, host)| (5, [&address(link, host).octets()[..], &[0; 8]].concat())),
        Just((5, [&delegated(1).address().octets()[..], &[0; 8]].concat())),
        Just((6, vec![0, 23, 0, 47, 0, 100])),
    ];
    let any = (code, prop::collection::vec(any::<u8>(), 0..20));
    prop_oneof![5 => known, 1 => any].prop_map(|(code, value)| (OptionCode(code), value))
}

/// Queries of all sorts, with small numbers so that they find something.
fn query() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![20 => Just(14), 1 => any::<u8>()];
    let link = prop_oneof![
        3 => Just(Ipv6Addr::UNSPECIFIED),
        2 => (1_u16..4).prop_map(|link| address(link, 1)),
        1 => any::<u128>().prop_map(Ipv6Addr::from_bits),
    ];
    let query_type = prop_oneof![10 => 1_u8..3, 2 => any::<u8>()];
    let inside = prop::option::weighted(0.95, (query_type.prop_map(QueryType), link));
    let outer = prop::collection::vec(option(), 0..2);
    let inner = prop::collection::vec(option(), 0..4);
    let client_id = prop::option::weighted(0.95, Just(REQUESTOR.to_vec()));
    (kind, any::<u32>(), client_id, outer, inside, inner).prop_map(|(kind, xid, client_id, outer, selector, inner)| {
        encoded(&Query { kind: MessageType(kind), xid: xid >> 8, client_id, outer, selector, inner })
    })
}

/// A query as relays bring it.
fn relayed() -> impl Strategy<Value = Vec<u8>> {
    let relay = || (any::<[u8; 33]>(), prop::collection::vec(option(), 0..3), any::<bool>());
    let relays = prop_oneof![3 => 0_usize..4, 1 => 28_usize..35];
    let relays = relays.prop_flat_map(move |count| prop::collection::vec(relay(), count));
    (query(), relays).prop_map(|(query, relays)| {
        relays.into_iter().fold(query, |message, (header, added, first)| {
            let added: Vec<_> = added.iter().map(|(code, value)| (code.0, &value[..])).collect();
            let (added, message) = (options(&added), options(&[(9, &message)]));
            let behind = if first { [message, added] } else { [added, message] };
            [&[12][..], &header, &behind.concat()].concat()
        })
    })
}

fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let damaged = (relayed(), damage, any::<prop::sample::Index>(), any::<bool>());
    let damaged = damaged.prop_map(|(mut octets, damage, end, cut)| {
        for (at, value) in damage {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        if cut {
            octets.truncate(end.index(octets.len()) + 1);
        }
        octets
    });
    prop_oneof![2 => query(), 2 => relayed(), 2 => damaged, 1 => prop::collection::vec(any::<u8>(), 0..400)]
}

/// The messages that octets carry, the innermost last, and where each of the relays is. Nothing may be broken.
fn unpack(octets: &[u8], kind: MessageType) -> (Vec<(u8, Ipv6Addr, Ipv6Addr)>, &[u8]) {
    let (mut relays, mut message) = (Vec::new(), octets);
    while message.first() == Some(&kind.0) {
        let relay = Relay::parse(message).unwrap();
        relays.push((relay.hop_count, relay.link, relay.peer));
        message = relay.relayed().unwrap();
    }
    (relays, message)
}

proptest! {
    //= rfc5007-4.1.2.1-04
    //= rfc5007-4.1.2.3-02
    //= rfc5007-4.4.1-01
    //= rfc5007-4.4.1-02
    //= rfc5007-4.4.1-12
    //= rfc5007-4.4.1-14
    //= rfc5007-4.4.3-01
    #[test]
    fn any_datagram_gets_one_good_answer_or_none(
        datagrams in prop::collection::vec(datagram(), 1..20),
        port in any::<u16>(),
        withhold in prop::collection::vec(prop::sample::select(vec![18_u16, 23, 47]), 0..2),
    ) {
        let world = world();
        let state = || (world.store.revision(), world.store.counts(), world.store.next_deadline());
        let before = state();
        let mut out = Vec::new();
        for datagram in datagrams {
            let begin = out.len();
            let from = SocketAddr::new(FROM.ip(), port);
            let policy = Arc::new(leasequery_protocol::server::Policy { withhold: withhold.clone(), ..permitted() });
            let permit = |_| Some(Arc::clone(&policy));
            match answer_datagram(&datagram, from, &SERVER, permit, &world.store, &mut out) {
                Verdict::Silence(_) => prop_assert_eq!(out.len(), begin),
                Verdict::Answer { to, without_relay_info } => {
                    prop_assert!(!without_relay_info);
                    let (there, query) = unpack(&datagram, MessageType::RELAY_FORWARD);
                    let (back, reply) = unpack(&out[begin..], MessageType::RELAY_REPLY);
                    prop_assert_eq!(&there, &back);
                    prop_assert_eq!(to.ip(), from.ip());
                    prop_assert!(to.port() == port || (to.port() == 547 && !there.is_empty()));
                    let query = Message::parse(query).unwrap();
                    let reply = Reply(reply.to_vec());
                    prop_assert_eq!(query.message_type(), MessageType::LEASE_QUERY);
                    prop_assert_eq!(reply.kind(), MessageType::LEASE_QUERY_REPLY);
                    prop_assert_eq!(reply.xid(), query.transaction_id());
                    prop_assert_eq!(reply.option(OptionCode::SERVER_ID), Some(&SERVER[..]));
                    prop_assert_eq!(reply.option(OptionCode::CLIENT_ID), query.client_id().unwrap());
                    let codes = reply.codes();
                    prop_assert!(codes.len() <= 3 && codes[2..].iter().all(|code| [13, 45, 48].contains(code)));
                    if let Some(data) = reply.data() {
                        prop_assert!(!data.leases.is_empty());
                        let only_once = data.codes().into_iter().filter(|code| ![5, 26].contains(code));
                        let only_once: Vec<_> = only_once.collect();
                        prop_assert_eq!(only_once.iter().collect::<BTreeSet<_>>().len(), only_once.len());
                        prop_assert!(data.codes().iter().all(|code| !withhold.contains(code)));
                    }
                }
            }
        }
        prop_assert_eq!(state(), before);
    }

    /// Every query that a requestor can put into words is answered so that it reads it, and finds what is there.
    //= rfc5007-4.1.2.1-06
    //= rfc5007-4.4.1-08
    //= rfc5007-4.4.1-10
    #[test]
    fn a_requestor_can_read_what_it_is_answered(
        client_number in 0_u16..7,
        host in 0_u16..24,
        by_address in any::<bool>(),
        link in prop::option::of(1_u16..5),
        codes in prop::collection::vec(1_u16..60, 0..4),
    ) {
        let world = world();
        let primary = if by_address {
            Primary::Address(address(1 + host % 2, host))
        } else {
            Primary::ClientId(client(client_number))
        };
        let selector = Selector { primary, link: link.map(|link| address(link, 9)) };
        let query = SingleQuery { selector, options: codes, client_id: REQUESTOR.into(), server_id: None };
        let (mut octets, mut out) = (Vec::new(), Vec::new());
        query.write(XID, &mut octets).unwrap();
        let permit = |_| Some(Arc::new(permitted()));
        answer_datagram(&octets, FROM, &SERVER, permit, &world.store, &mut out);
        let here = |lease: &leasequery_store::Binding<'_, leasequery_store::V6Key>| {
            link.is_none_or(|link| world.store.link_of(lease) == Some(address(link, 0)))
        };
        match query.read(XID, &out, NOW).unwrap() {
            Answer::Leases(records) => {
                for record in &records {
                    let lease = world.store.lookup(record.key()).unwrap();
                    prop_assert!(lease.state() == State::Active && here(&lease));
                    prop_assert_eq!(lease.client_id(), Some(record.client_id()));
                    prop_assert_eq!(lease.expires(), record.times().expires);
                }
                let found: BTreeSet<_> = records.iter().map(leasequery_protocol::requestor::v6::Record::key).collect();
                prop_assert_eq!(found.len(), records.len());
                let asked = leasequery_store::V6Key::new(address(1 + host % 2, host));
                let expected: BTreeSet<_> = if by_address {
                    let lease = world.store.lookup(asked);
                    let here = lease.filter(|lease| lease.state() == State::Active && here(lease));
                    here.map(|_| asked).into_iter().collect()
                } else {
                    let budget = Budget::unlimited();
                    let all = world.store.of_client(&client(client_number), None, &budget);
                    let here = all.filter(|lease| lease.state() == State::Active && here(lease));
                    here.map(|lease| lease.key()).collect()
                };
                let right = if by_address { expected.is_subset(&found) } else { expected == found };
                prop_assert!(right, "{found:?} instead of {expected:?}");
            }
            Answer::Links(links) => {
                prop_assert!(!by_address && link.is_none() && links.len() > 1);
            }
            Answer::Failed(status, _) => {
                prop_assert_eq!(status, StatusCode::NOT_CONFIGURED);
                prop_assert!(link.is_some_and(|link| link > 2) || (by_address && host >= 20));
            }
        }
    }
}
