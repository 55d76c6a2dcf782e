//! How long one connection takes for a reply of a bulk query, from the store to framed octets in the caller's buffer.
//!
//! A dump goes through the same calls as on a socket, 64 KiB at a time, and the time is divided by its replies. Stores
//! of 10,000 and a million bindings are measured; `BULK_BINDINGS=5000000` measures another size instead.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use leasequery_protocol::server::v4::V4;
use leasequery_protocol::server::{Connection, Event, Limits, Policy, Turn};
use leasequery_store::{Hardware, Network, Settings, Start, State, Store, Time, Update, V4Key};
use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode};

const NOW: Time = Time(1_790_000_000);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);
/// What the program makes at a time.
const ROOM: usize = 64 * 1024;
/// The list that is used when a query has none, and options 58 and 59.
const WITH_TIMERS: [u8; 10] = [51, 58, 59, 61, 82, 91, 152, 153, 156, 157];

/// An access network: every subscriber has a MAC address, a client-identifier made of it, and an option 82 with Circuit
/// ID, Remote ID and Relay-ID. One lease in ten is over. They come in no order, as clients do: a dump in the order of the
/// addresses then finds each binding somewhere else in memory.
fn store(bindings: u32) -> Store<V4Key> {
    let mut store = Store::new(Settings::default());
    store.advance(NOW);
    let source = store.source("bench").expect("the first source");
    let key = |number: u32| V4Key::new(Ipv4Addr::from_bits(FIRST.to_bits() + number));
    store.set_networks(None, &[Network { first: key(0), last: key(bindings - 1), since: NOW.minus(86_400) }]);
    let mut numbers: Vec<u32> = (0..bindings).collect();
    fastrand::Rng::with_seed(6926).shuffle(&mut numbers);
    for number in numbers {
        let [a, b, c, d] = number.to_be_bytes();
        let mac = [2, 0, a, b, c, d];
        let client_id = [1, 2, 0, a, b, c, d];
        let mut relay_info = vec![1, 20];
        relay_info.extend_from_slice(format!("eth 1/{c:03}/{d:03}:100   ").as_bytes().first_chunk::<20>().expect("20"));
        relay_info.extend_from_slice(&[2, 8, b's', b'u', b'b', 0, a, b, c, d, 12, 4, 10, 0, 0, b]);
        let over = number % 10 == 0;
        store.commit(
            source,
            &Update {
                hardware: Some(Hardware { htype: 1, address: &mac }),
                client_id: Some(&client_id),
                start_of_state: Start::Given(NOW.minus(600)),
                last_transaction: Some(NOW.minus(600)),
                expires: Some(if over { NOW.minus(60) } else { NOW.plus(3000) }),
                renews: Some(NOW.plus(1200)),
                rebinds: Some(NOW.plus(2600)),
                relay_info: Some(&relay_info),
                remote_id: Some(&relay_info[24..32]),
                relay_id: Some(&relay_info[34..38]),
                ..Update::new(key(number), State::Active)
            },
        );
    }
    store
}

fn query(options: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let header = Header::new(BOOT_REQUEST, 7);
    let mut writer = MessageWriter::frame(&mut frame, &header, MessageType::BULK_LEASE_QUERY);
    if !options.is_empty() {
        writer.option(OptionCode::PARAMETER_REQUEST_LIST, options);
    }
    writer.finish().expect("a short message");
    frame
}

/// Takes a whole response; how many replies it had.
fn dump(store: &Store<V4Key>, query: &[u8], out: &mut Vec<u8>) -> u64 {
    let policy = Arc::new(Policy::default());
    let mut connection =
        Connection::new(V4::new(Ipv4Addr::LOCALHOST, policy, false), Limits::default(), Duration::ZERO);
    connection.handle_bytes(Duration::ZERO, query);
    loop {
        out.clear();
        let turn = connection.poll_transmit(Duration::ZERO, store, out, ROOM);
        black_box(out.as_slice());
        while let Some(event) = connection.poll_event() {
            if let Event::Done { replies, .. } = event {
                return replies;
            }
        }
        assert_eq!(turn, Turn::More, "the response ends with an event");
    }
}

fn bulk(criterion: &mut Criterion) {
    let sizes = match std::env::var("BULK_BINDINGS") {
        Ok(size) => vec![size.parse().expect("BULK_BINDINGS is a number")],
        Err(_) => vec![10_000, 1_000_000],
    };
    let mut group = criterion.benchmark_group("bulk");
    group.sample_size(10);
    let mut out = Vec::with_capacity(2 * ROOM);
    for size in sizes {
        let store = store(size);
        group.throughput(Throughput::Elements(size.into()));
        for (name, options) in [("default list", &[][..]), ("default list and timers", &WITH_TIMERS)] {
            let query = query(options);
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| {
                    let replies = dump(&store, &query, &mut out);
                    assert_eq!(replies, u64::from(size), "every address is told of");
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bulk);
criterion_main!(benches);
