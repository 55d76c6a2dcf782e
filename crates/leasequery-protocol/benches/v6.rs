//! DHCPv6 beside DHCPv4: messages a second of bulk and active responses, from the store to framed octets in the caller's
//! buffer, and memory for each binding. Both take a million bindings, or `BINDINGS` from the environment.
//!
//! DHCPv6 tells of a client on a link in one message: with an address and a delegated prefix for each client a message
//! is about two bindings.

#![allow(missing_docs, clippy::cast_precision_loss, clippy::cast_possible_truncation)]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use leasequery_protocol::server::v4::V4;
use leasequery_protocol::server::v6::V6;
use leasequery_protocol::server::{Allow, Connection, Limits, Policy, Protocol, Turn};
use leasequery_store::{Hardware, Link, Settings, SourceId, State, Store, Time, Update, V4Key, V6Key};
use leasequery_wire::v6::{self, MessageWriter, OptionCode, Options, QueryType, Relay, write_relayed};
use leasequery_wire::{Framing, split_frame, v4};

const NOW: Time = Time(1_790_000_000);
const SOURCE: SourceId = SourceId(0);
/// What the program makes at a time.
const ROOM: usize = 64 * 1024;
const RUNS: usize = 5;

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// Clients in no order, as they come.
fn shuffled(count: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count).collect();
    fastrand::Rng::with_seed(5460).shuffle(&mut numbers);
    numbers
}

fn store_v4(bindings: u32) -> Store<V4Key> {
    let mut store = Store::new(Settings::default());
    store.advance(NOW);
    store.source("bench");
    for number in shuffled(bindings) {
        let [a, b, c, d] = number.to_be_bytes();
        let mac = [2, 0, a, b, c, d];
        let mut relay_info = vec![1, 20];
        relay_info.extend_from_slice(format!("eth 1/{c:03}/{d:03}:100   ").as_bytes().first_chunk::<20>().expect("20"));
        relay_info.extend_from_slice(&[2, 8, b's', b'u', b'b', 0, a, b, c, d, 12, 4, 10, 0, 0, b]);
        let update = Update {
            hardware: Some(Hardware { htype: 1, address: &mac }),
            client_id: Some(&[1, 2, 0, a, b, c, d]),
            last_transaction: Some(NOW.minus(600)),
            expires: Some(NOW.plus(3000)),
            renews: Some(NOW.plus(1200)),
            rebinds: Some(NOW.plus(2600)),
            relay_info: Some(&relay_info),
            remote_id: Some(&relay_info[24..32]),
            relay_id: Some(&relay_info[34..38]),
            ..Update::new(V4Key::new(Ipv4Addr::from_bits(0x0a00_0000 + number)), State::Active)
        };
        store.commit(SOURCE, &update);
    }
    store
}

const SITE: u128 = 0x2001_0db8 << 96;

/// The link of a client: one for 4,096 of them.
fn link(number: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(SITE | u128::from(number / 4096) << 64)
}

/// One address for each client, or an address and a prefix.
fn store_v6(bindings: u32, delegated: bool) -> Store<V6Key> {
    let mut store = Store::new(Settings::default());
    store.advance(NOW);
    store.source("bench");
    let clients = if delegated { bindings / 2 } else { bindings };
    let links = (0..=clients / 4096).map(|number| {
        let address = link(number * 4096);
        let pool = Ipv6Addr::from_bits(SITE | 0x8000 << 80 | u128::from(number) << 84);
        Link { address, networks: vec![(address, 64), (pool, 44)] }
    });
    store.set_links(None, links.collect());
    for number in shuffled(clients) {
        let [a, b, c, d] = number.to_be_bytes();
        let duid = [0, 1, 0, 1, 0x2a, 0x10, 7, 8, 2, 0, a, b, c, d];
        let mut options = vec![0, 37, 0, 12, 0, 0, 9, 0xbf, b's', b'u', b'b', 0, a, b, c, d];
        options.extend_from_slice(&[0, 53, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, b, c & 0xf0]);
        options.extend_from_slice(&[0, 18, 0, 8, b'e', b't', b'h', b'1', b'/', b'0', c, d]);
        let address = link(number);
        let kind = v6::MessageType::RELAY_FORWARD;
        let relay = Relay {
            kind,
            hop_count: 0,
            link: address,
            peer: address,
            options: Options::parse(&options, 0).expect("options"),
        };
        let mut info = address.octets().to_vec();
        write_relayed(&[relay], &mut info).expect("a short message");
        // Addresses as clients make them, anywhere on their link.
        let host = u128::from(number.wrapping_mul(2_654_435_761)) << 32 | u128::from(number);
        let mut keys = vec![V6Key::new(Ipv6Addr::from_bits(address.to_bits() | host))];
        if delegated {
            let prefix = SITE | 0x8000 << 80 | u128::from(number) << 72;
            keys.push(V6Key::prefix(Ipv6Addr::from_bits(prefix), 56));
        }
        for key in keys {
            let update = Update {
                client_id: Some(&duid),
                last_transaction: Some(NOW.minus(600)),
                expires: Some(NOW.plus(3000)),
                renews: Some(NOW.plus(1200)),
                relay_info: Some(&info),
                remote_id: Some(&options[4..16]),
                relay_id: Some(&options[20..30]),
                ..Update::new(key, State::Active)
            };
            store.commit(SOURCE, &update);
        }
    }
    store
}

fn policy() -> Arc<Policy> {
    Arc::new(Policy { allow: Allow { active: true, ..Allow::default() }, ..Policy::default() })
}

/// Takes a response until there is nothing more: messages a second.
fn messages<P: Protocol>(mut protocol: impl FnMut() -> P, store: &Store<P::Key>, query: &[u8]) -> (f64, u64) {
    let mut best = 0.0_f64;
    let mut told = 0;
    for _ in 0..RUNS {
        let mut connection = Connection::new(protocol(), Limits::default(), Duration::ZERO);
        connection.handle_bytes(Duration::ZERO, query);
        let mut out = Vec::with_capacity(2 * ROOM);
        let mut ends = Vec::new();
        let start = Instant::now();
        loop {
            out.clear();
            let turn = connection.poll_transmit(Duration::ZERO, store, &mut out, ROOM);
            if out.is_empty() {
                break;
            }
            ends.push((out.len(), out.first_chunk::<2>().copied()));
            std::hint::black_box(out.as_slice());
            if turn != Turn::More && !connection.is_active() {
                break;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        told = count(protocol(), store, query);
        best = best.max(told as f64 / seconds);
    }
    (best, told)
}

/// How many messages the same response has.
fn count<P: Protocol>(protocol: P, store: &Store<P::Key>, query: &[u8]) -> u64 {
    let mut connection = Connection::new(protocol, Limits::default(), Duration::ZERO);
    connection.handle_bytes(Duration::ZERO, query);
    let mut out = Vec::new();
    let mut count = 0;
    loop {
        out.clear();
        let turn = connection.poll_transmit(Duration::ZERO, store, &mut out, ROOM);
        let mut rest = out.as_slice();
        while let Ok(Framing::Frame { rest: behind, .. }) = split_frame(rest, 1) {
            count += 1;
            rest = behind;
        }
        if out.is_empty() || (turn != Turn::More && !connection.is_active()) {
            return count;
        }
    }
}

fn query_v4(kind: v4::MessageType) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut writer = v4::MessageWriter::frame(&mut frame, &v4::Header::new(v4::BOOT_REQUEST, 7), kind);
    writer.option(v4::OptionCode::PARAMETER_REQUEST_LIST, &[51, 58, 59, 61, 82, 91, 152, 153, 156, 157]);
    if kind == v4::MessageType::ACTIVE_LEASE_QUERY {
        writer.u32(v4::OptionCode::QUERY_START_TIME, NOW.0 + 1);
    }
    writer.finish().expect("a short message");
    frame
}

fn query_v6(kind: v6::MessageType, link: Ipv6Addr) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut writer = MessageWriter::frame(&mut frame, kind, 7);
    writer.option(OptionCode::CLIENT_ID, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    writer.option(OptionCode::REQUEST, &[0, 100, 0, 47]);
    if kind == v6::MessageType::LEASE_QUERY {
        writer.u32(OptionCode::START_TIME, 0);
        let open = writer.query(QueryType::BY_LINK_ADDRESS, link);
        writer.option(OptionCode::REQUEST, &[0, 100, 0, 47]);
        writer.close(open);
    } else {
        writer.u32(OptionCode::START_TIME, NOW.0 + 1 - 946_684_800);
    }
    writer.finish().expect("a short message");
    frame
}

fn report(what: &str, (rate, told): (f64, u64), reference: f64) {
    println!("{what:<44} {:>7.2} M/s {:>6.0} % of DHCPv4 {told:>9} messages", rate / 1e6, 100.0 * rate / reference);
}

fn main() {
    let bindings = std::env::var("BINDINGS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let (v4_bulk, v4_active) = {
        let mut store = store_v4(bindings);
        // What the history begins with is the second behind the one in which it began.
        store.advance(NOW.plus(1));
        let protocol = || V4::new(Ipv4Addr::LOCALHOST, policy(), true);
        let bulk = messages(protocol, &store, &query_v4(v4::MessageType::BULK_LEASE_QUERY));
        report("DHCPv4 bulk", bulk, bulk.0);
        let mut store = store_v4_changed(store, bindings);
        store.advance(NOW.plus(2));
        let active = messages(protocol, &store, &query_v4(v4::MessageType::ACTIVE_LEASE_QUERY));
        report("DHCPv4 active, catching up", active, active.0);
        (bulk.0, active.0)
    };
    let duid: Arc<[u8]> = vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 2].into();
    for (name, delegated) in [("one address", false), ("address and prefix", true)] {
        let before = resident();
        let mut store = store_v6(bindings, delegated);
        let memory = resident().saturating_sub(before) / bindings as usize;
        println!("DHCPv6, {name}: {memory} octets a binding");
        store.advance(NOW.plus(1));
        let protocol = || V6::new(Arc::clone(&duid), policy(), true);
        let everything = query_v6(v6::MessageType::LEASE_QUERY, Ipv6Addr::UNSPECIFIED);
        report(&format!("DHCPv6 bulk, everything, {name}"), messages(protocol, &store, &everything), v4_bulk);
        let one = query_v6(v6::MessageType::LEASE_QUERY, link(0));
        report(&format!("DHCPv6 bulk, one link, {name}"), messages(protocol, &store, &one), v4_bulk);
        let mut store = store_v6_changed(store, bindings, delegated);
        store.advance(NOW.plus(2));
        let changes = query_v6(v6::MessageType::ACTIVE_LEASE_QUERY, Ipv6Addr::UNSPECIFIED);
        report(&format!("DHCPv6 active, {name}"), messages(protocol, &store, &changes), v4_active);
    }
}

/// Everything changes once more, in another order.
fn store_v4_changed(mut store: Store<V4Key>, bindings: u32) -> Store<V4Key> {
    for number in shuffled(bindings) {
        let key = V4Key::new(Ipv4Addr::from_bits(0x0a00_0000 + number));
        touch(&mut store, key);
    }
    store
}

fn store_v6_changed(mut store: Store<V6Key>, bindings: u32, delegated: bool) -> Store<V6Key> {
    let clients = if delegated { bindings / 2 } else { bindings };
    for number in shuffled(clients) {
        let host = u128::from(number.wrapping_mul(2_654_435_761)) << 32 | u128::from(number);
        touch(&mut store, V6Key::new(Ipv6Addr::from_bits(link(number).to_bits() | host)));
        if delegated {
            touch(&mut store, V6Key::prefix(Ipv6Addr::from_bits(SITE | 0x8000 << 80 | u128::from(number) << 72), 56));
        }
    }
    store
}

/// Renews a lease.
fn touch<K: leasequery_store::Key>(store: &mut Store<K>, key: K) {
    let Some(binding) = store.lookup(key) else { return };
    let (client_id, info) = (binding.client_id().map(<[u8]>::to_vec), binding.relay_info().map(<[u8]>::to_vec));
    let (remote, relay) = (binding.remote_id().map(<[u8]>::to_vec), binding.relay_id().map(<[u8]>::to_vec));
    let mac = binding.hardware().map(|hardware| hardware.address.to_vec());
    let update = Update {
        hardware: mac.as_deref().map(|address| Hardware { htype: 1, address }),
        client_id: client_id.as_deref(),
        last_transaction: Some(NOW.plus(1)),
        expires: Some(NOW.plus(3600)),
        renews: Some(NOW.plus(1800)),
        relay_info: info.as_deref(),
        remote_id: remote.as_deref(),
        relay_id: relay.as_deref(),
        ..Update::new(key, State::Active)
    };
    store.commit(SOURCE, &update);
}
