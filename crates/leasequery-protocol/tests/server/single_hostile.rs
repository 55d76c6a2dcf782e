//! Whatever comes as a datagram: no panic, no change, and no answer that a requestor could not read or use.

use std::net::SocketAddr;
use std::sync::Arc;

use leasequery_protocol::server::v4::answer;
use leasequery_protocol::server::{Policy, Verdict};
use leasequery_store::{State, Update, V4Key};
use leasequery_wire::v4::{BOOT_REPLY, MessageType, OptionCode};
use proptest::prelude::*;

use crate::support::*;

fn world() -> World {
    let mut world = World::new();
    let blue = world.vpn("blue");
    world.configure(key(0), key(40));
    for number in 0..20 {
        let vpn = if number % 5 == 0 { blue } else { key(0).vpn };
        world.commit(&Update {
            hardware: Some(ethernet(if number % 2 == 0 { &MAC_1 } else { &MAC_2 })),
            client_id: Some(b"ab"),
            relay_info: Some(b"\x02\x04here"),
            remote_id: Some(b"here"),
            options: &[(12, &[b'x'; 150]), (60, &[b'y'; 300])],
            state: if number % 7 == 0 { State::Released } else { State::Active },
            ..lease(V4Key { vpn, address: address(number) })
        });
    }
    world
}

/// Queries of all sorts, with small numbers so that they find something.
fn query() -> impl Strategy<Value = Vec<u8>> {
    let other = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..12));
    let known = prop_oneof![
        Just((61, b"ab".to_vec())),
        Just((82, relay_info(&[(2, b"here")]))),
        Just((82, relay_info(&[(2, b"there"), (151, b"\0blue")]))),
        Just((221, b"\0blue".to_vec())),
        Just((221, b"\0red".to_vec())),
        Just((57, vec![3, 0])),
        prop::collection::vec(prop_oneof![Just(12), Just(60), Just(82), Just(51), any::<u8>()], 0..8)
            .prop_map(|list| (55, list)),
    ];
    let hardware = prop::option::weighted(0.3, (0_u8..3, 0_u8..18));
    let kind = prop_oneof![20 => Just(10), 1 => any::<u8>()];
    let options = prop::collection::vec(prop_oneof![4 => known, 1 => other], 0..4);
    (kind, prop::option::of(0_u32..50), hardware, options).prop_map(|(kind, ciaddr, hardware, options)| {
        let mut query = Query::single();
        query.kind = MessageType(kind);
        if let Some(number) = ciaddr {
            query = query.address(address(number));
        }
        if let Some((htype, hlen)) = hardware {
            query = query.raw_hardware(htype, hlen, &MAC_1);
        }
        let query = options.iter().fold(query, |query, (code, value)| query.option(OptionCode(*code), value));
        query.datagram()
    })
}

fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let damaged = (query(), damage, any::<prop::sample::Index>()).prop_map(|(mut octets, damage, end)| {
        for (at, value) in damage {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        octets.truncate(end.index(octets.len()) + 1);
        octets
    });
    prop_oneof![3 => query(), 2 => damaged, 1 => prop::collection::vec(any::<u8>(), 0..400)]
}

proptest! {
    //= rfc4388-5-01
    #[test]
    fn any_datagram_gets_one_good_answer_or_none(datagrams in prop::collection::vec(datagram(), 1..20), port in any::<u16>()) {
        let world = world();
        let before = world.store.revision();
        let mut out = Vec::new();
        for datagram in datagrams {
            let begin = out.len();
            let from = SocketAddr::from((REQUESTOR, port));
            let permit = |_| Some(Arc::new(Policy::default()));
            match answer(&datagram, from, SERVER, permit, &world.store, &mut out) {
                Verdict::Silence(_) => prop_assert_eq!(out.len(), begin),
                Verdict::Answer { to, .. } => {
                    let reply = Reply(out[begin..].to_vec());
                    let message = reply.message();
                    prop_assert!(message.op() == BOOT_REPLY && [11, 12, 13].contains(&reply.kind().0));
                    prop_assert_eq!(&reply.0[4..8], &datagram[4..8], "the transaction id");
                    prop_assert_eq!(to.ip(), message.giaddr());
                    let most = leasequery_wire::v4::Message::parse(&datagram).unwrap().max_message_size().unwrap();
                    prop_assert!(reply.0.len() + 28 <= usize::from(most.unwrap_or(576).max(576)));
                    prop_assert_eq!(reply.codes()[0], 54);
                    prop_assert_eq!(reply.kind() == MessageType::LEASE_UNKNOWN, reply.address().is_unspecified());
                }
            }
        }
        prop_assert_eq!(world.store.revision(), before);
    }
}
