//! How long the requestor takes for a reply, from framed octets to a record whose fields have been looked at.
//!
//! A response comes in pieces as large as the program reads at a time, cut wherever that may be.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leasequery_protocol::requestor::v4::{BulkQuery, V4};
use leasequery_protocol::requestor::{Connection, Event, Timeouts};
use leasequery_store::Time;
use leasequery_wire::v4::{BOOT_REPLY, Header, MessageType, MessageWriter, OptionCode};

const XID: u32 = 1;
const NOW: Duration = Duration::ZERO;
const WALL: Time = Time(1_790_000_000);
const REPLIES: u32 = 10_000;
/// What the program reads at a time.
const PIECE: usize = 256 * 1024;

/// Replies with the twelve options of a lease in an access network.
fn response() -> Vec<u8> {
    let mut out = Vec::new();
    for number in 0..REPLIES {
        let [a, b, c, d] = number.to_be_bytes();
        let mac = [2, 0, a, b, c, d];
        let ciaddr = Ipv4Addr::from_bits(0x0a00_0000 + number);
        let header = Header { htype: 1, chaddr: &mac, ciaddr, ..Header::new(BOOT_REPLY, XID) };
        let mut writer = MessageWriter::frame(&mut out, &header, MessageType::LEASE_ACTIVE);
        writer.u32(OptionCode::BASE_TIME, WALL.0);
        writer.u32(OptionCode::LEASE_TIME, 3000);
        writer.u32(OptionCode::RENEWAL_TIME, 1200);
        writer.u32(OptionCode::REBINDING_TIME, 2600);
        writer.u32(OptionCode::START_TIME_OF_STATE, 600);
        writer.u32(OptionCode::CLIENT_LAST_TRANSACTION_TIME, 60);
        writer.u8(OptionCode::DHCP_STATE, 2);
        writer.u8(OptionCode::DATA_SOURCE, 0);
        writer.option(OptionCode::CLIENT_IDENTIFIER, &[1, 2, 0, a, b, c, d]);
        let mut relay = vec![1, 20];
        relay.extend_from_slice(b"eth 1/000/000:100   ");
        relay.extend_from_slice(&[2, 8, b's', b'u', b'b', 0, a, b, c, d, 12, 4, 10, 0, 0, b]);
        writer.option(OptionCode::RELAY_AGENT_INFORMATION, &relay);
        writer.finish().expect("fits a frame");
    }
    out
}

fn replies(criterion: &mut Criterion) {
    let response = response();
    let mut group = criterion.benchmark_group("requestor");
    group.throughput(Throughput::Elements(u64::from(REPLIES)));
    group.bench_function("reply to record", |bencher| {
        let mut connection = Connection::new(V4::new(None), Timeouts::default(), XID);
        connection.ask(NOW, BulkQuery::default()).expect("a query");
        bencher.iter(|| {
            let mut count = 0;
            for piece in response.chunks(PIECE) {
                connection.handle_bytes(piece);
                while let Some(event) = connection.poll_event(NOW, WALL).expect("a good response") {
                    if let Event::Record { record, .. } = event {
                        black_box((
                            record.address(),
                            record.state(),
                            record.times(),
                            record.client_id(),
                            record.hardware(),
                        ));
                        black_box(record.relay_agent_information().map(|relay| (relay.remote_id(), relay.relay_id())));
                        count += 1;
                    }
                }
            }
            assert_eq!(count, REPLIES);
        });
    });
    group.finish();
}

criterion_group!(benches, replies);
criterion_main!(benches);
