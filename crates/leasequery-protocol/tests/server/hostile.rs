//! Whatever comes, the server does not panic, and what it says is well-formed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::server::v4::V4;
use leasequery_protocol::server::{Allow, CloseReason, Connection, Event, Limits, Policy};
use leasequery_store::{Settings, State, Update};
use leasequery_wire::v4::{BOOT_REPLY, MessageType, OptionCode, StatusCode};
use proptest::prelude::*;

use crate::support::*;
use crate::watch::{base_time, permitted};

/// Half of the addresses are leased. There is a history of a few seconds.
fn world() -> World {
    let mut world = World::with(Settings { history: 20, ..Settings::default() });
    let blue = world.vpn("blue");
    world.configure(key(0), key(40));
    for number in 0..20 {
        let mut key = key(number * 3);
        if number % 2 == 0 {
            key.vpn = blue;
        }
        world.commit(&Update { hardware: Some(ethernet(&MAC_1)), remote_id: Some(b"here"), ..lease(key) });
    }
    world.store.advance(NOW.plus(10));
    world
}

/// Queries of all sorts, with small numbers so that they meet.
fn query() -> impl Strategy<Value = Query> {
    let option = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..12));
    let known = prop_oneof![
        Just((61, b"ab".to_vec())),
        Just((82, relay_info(&[(2, b"here")]))),
        Just((82, vec![12, 1, 7])),
        Just((221, b"\0blue".to_vec())),
        Just((221, vec![254])),
        (0_u32..30).prop_map(|seconds| (154, NOW.plus(seconds).0.to_be_bytes().to_vec())),
        Just((155, vec![0; 4])),
        (prop::collection::vec(any::<u8>(), 0..12)).prop_map(|list| (55, list)),
    ];
    let kind = prop_oneof![20 => Just(14), 1 => Just(18), 1 => any::<u8>()];
    let hardware = prop::option::of((0_u8..3, 0_u8..20));
    let any = (kind, 0_u32..6, hardware, prop::collection::vec(prop_oneof![known, option], 0..4));
    // Most of them good, as far as one can know.
    let since = prop::option::of((0_u32..30).prop_map(|seconds| (154, NOW.plus(seconds).0.to_be_bytes().to_vec())));
    let active = (0_u32..6, since).prop_map(|(xid, since)| (16, xid, None, since.into_iter().collect()));
    prop_oneof![3 => any, 1 => active].prop_map(|(kind, xid, hardware, options)| {
        let mut query = Query::of_kind(MessageType(kind)).xid(xid);
        if let Some((htype, hlen)) = hardware {
            query = query.raw_hardware(htype, hlen, &MAC_1);
        }
        options.iter().fold(query, |query, (code, value)| query.option(OptionCode(*code), value))
    })
}

/// Something that happens to a connection.
#[derive(Debug, Clone)]
enum Happening {
    Octets(Vec<u8>),
    Turn(usize),
    Progress(usize, usize),
    Later(u64),
    Eof,
    Terminate,
    /// A lease begins or ends.
    Change(u32, bool),
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
    prop_oneof![
        6 => query().prop_map(|query| Happening::Octets(query.frame())),
        2 => damaged.prop_map(Happening::Octets),
        1 => cut.prop_map(Happening::Octets),
        1 => prop::collection::vec(any::<u8>(), 0..600).prop_map(Happening::Octets),
        6 => (1_usize..4000).prop_map(Happening::Turn),
        1 => (0_usize..2, 0_usize..2).prop_map(|(written, unsent)| Happening::Progress(written, unsent)),
        1 => (0_u64..200).prop_map(Happening::Later),
        1 => Just(Happening::Eof),
        1 => Just(Happening::Terminate),
        3 => (0_u32..60, any::<bool>()).prop_map(|(number, begins)| Happening::Change(number, begins)),
        1 => (prop::bool::weighted(0.8), prop::bool::weighted(0.8), prop::collection::vec(0_u16..256, 0..3))
            .prop_map(|(bulk, active, withhold)| Happening::Policy(Allow { udp: true, bulk, active }, withhold)),
    ]
}

proptest! {
    //= rfc6926-7.3-14
    //= rfc7724-7.5-01
    #[test]
    fn nothing_makes_the_server_panic_or_say_what_it_may_not(
        enabled in prop::bool::weighted(0.9),
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let mut world = world();
        let limits = Limits { queries: 2, data_timeout: TIMEOUT, ..Limits::default() };
        let mut now = TIMEOUT;
        let mut connection = Connection::new(V4::new(SERVER, Arc::new(permitted()), enabled), limits, now);
        let mut open = BTreeSet::new();
        let mut closed = false;
        for happening in happenings {
            let mut out = Vec::new();
            let mut active = connection.is_active();
            match happening {
                Happening::Octets(octets) if connection.wants_read() => connection.handle_bytes(now, &octets),
                Happening::Octets(_) => {}
                Happening::Turn(room) => {
                    connection.poll_transmit(now, &world.store, &mut out, room);
                    // One message more than fits, and the last words of every query.
                    prop_assert!(out.len() < room + 4 * 700);
                }
                Happening::Progress(written, unsent) => connection.handle_progress(now, written, unsent),
                Happening::Later(seconds) => {
                    now += Duration::from_secs(seconds);
                    world.store.advance(world.store.now().plus(u32::try_from(seconds).unwrap() / 10));
                    if connection.handle_timeout(now) {
                        open.clear();
                    }
                }
                Happening::Eof => connection.handle_eof(),
                Happening::Terminate => connection.terminate(&world.store, &mut out, "over"),
                Happening::Change(number, begins) => {
                    let state = if begins { State::Active } else { State::Released };
                    world.commit(&Update { state, ..lease(key(number)) });
                }
                Happening::Policy(allow, withhold) => {
                    let policy = Arc::new(Policy { allow, withhold, ..permitted() });
                    connection.set_policy(&policy, &world.store, &mut out);
                }
            }
            prop_assert!(!closed || out.is_empty(), "the last word is the last");
            let mut events: Vec<_> = std::iter::from_fn(|| connection.poll_event()).collect();
            for event in &events {
                if let Event::Started { xid } = event {
                    open.insert(*xid);
                    active |= enabled;
                }
            }
            for reply in replies(&out) {
                let message = reply.message();
                prop_assert_eq!(message.op(), BOOT_REPLY);
                match message.message_type() {
                    MessageType::LEASE_ACTIVE | MessageType::LEASE_UNASSIGNED => {
                        prop_assert!(!message.ciaddr().is_unspecified());
                    }
                    MessageType::TLS => {}
                    MessageType::LEASE_QUERY_DONE => { open.remove(&message.xid()); }
                    MessageType::LEASE_QUERY_STATUS => {
                        prop_assert!(enabled);
                        let status = reply.status().map(|(code, _)| code);
                        // A refusal is not a part of the response that goes on beside it.
                        let refusal = matches!(status, Some(StatusCode::NOT_ALLOWED | StatusCode::MALFORMED_QUERY));
                        prop_assert!(refusal || base_time(&reply).is_some());
                        if status == Some(StatusCode::QUERY_TERMINATED) {
                            open.remove(&message.xid());
                        }
                    }
                    other => prop_assert!(false, "{} has no place here", other),
                }
            }
            if let Some(Event::Closing(reason)) = events.pop() {
                prop_assert!(!closed, "a connection closes once");
                closed = true;
                // Who has gone hears no last word of a query without end.
                let unheard = usize::from(active && reason == CloseReason::Peer);
                prop_assert!(open.len() <= unheard, "each query that was begun has had its last message");
            }
            prop_assert!(!(closed && connection.wants_read()));
        }
    }
}
