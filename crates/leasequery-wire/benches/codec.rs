//! What a message costs: replies with the options that bulk replies have.

#![allow(missing_docs)]

use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use leasequery_wire::v4::{BOOT_REPLY, Header, Message, MessageType, MessageWriter, OptionCode};
use leasequery_wire::v6;

fn write(out: &mut Vec<u8>, number: u32) {
    let header = Header {
        htype: 1,
        chaddr: &[2, 0, 0, 0, 0, 10],
        ciaddr: Ipv4Addr::from_bits(0x0a00_0000 + number),
        ..Header::new(BOOT_REPLY, 0x0102_0304)
    };
    let mut writer = MessageWriter::frame(out, &header, MessageType::LEASE_ACTIVE);
    writer.address(OptionCode::SERVER_IDENTIFIER, Ipv4Addr::new(192, 0, 2, 1));
    writer.u32(OptionCode::LEASE_TIME, 3600);
    writer.u32(OptionCode::RENEWAL_TIME, 1800);
    writer.u32(OptionCode::REBINDING_TIME, 3150);
    writer.u32(OptionCode::CLIENT_LAST_TRANSACTION_TIME, 17);
    writer.u32(OptionCode::BASE_TIME, 1_800_000_000);
    writer.u32(OptionCode::START_TIME_OF_STATE, 86_400);
    writer.u8(OptionCode::DHCP_STATE, 2);
    writer.option(OptionCode::CLIENT_IDENTIFIER, &[1, 2, 0, 0, 0, 0, 10]);
    writer.option(OptionCode::HOST_NAME, b"host-0000010");
    writer.option(OptionCode::RELAY_AGENT_INFORMATION, INFO);
    writer.finish().expect("it fits");
}

const INFO: &[u8] = b"\x01\x0eeth0/1/2:00010\x02\x09000000005\x0c\x0crelay-000000";

fn read(message: &[u8]) -> u64 {
    let message = Message::parse(message).expect("well formed");
    let word = |value: Result<Option<u32>, _>| u64::from(value.ok().flatten().unwrap_or_default());
    let info = message.relay_agent_information().ok().flatten();
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, |bytes| bytes.len() as u64);
    u64::from(message.ciaddr().to_bits())
        + u64::from(message.xid())
        + message.chaddr().len() as u64
        + word(message.lease_time())
        + word(message.renewal_time())
        + word(message.rebinding_time())
        + word(message.client_last_transaction_time())
        + word(message.base_time())
        + word(message.start_time_of_state())
        + u64::from(message.dhcp_state().ok().flatten().map_or(0, |state| state.0))
        + length(message.client_identifier())
        + length(info.and_then(|info| info.remote_id()))
        + length(info.and_then(|info| info.relay_id()))
}

/// LEASEQUERY-DATA about an address and a prefix of a client behind one relay.
fn write_v6(out: &mut Vec<u8>, number: u32) {
    let mut writer = v6::MessageWriter::frame(out, v6::MessageType::LEASE_QUERY_DATA, 0x0001_0203);
    writer.u32(v6::OptionCode::BASE_TIME, 825_000_000);
    let data = writer.open(v6::OptionCode::CLIENT_DATA);
    writer.option(v6::OptionCode::CLIENT_ID, &[0, 1, 0, 1, 0x2c, 0xa9, 0x3f, 0x79, 2, 0, 0, 0, 0, 10]);
    let address = Ipv6Addr::from_bits((0x2001_0db8 << 96) + u128::from(number));
    let prefix = Ipv6Addr::from_bits((0x2001_0db9 << 96) + (u128::from(number) << 64));
    writer.lease(address, None, 1800, 3600);
    writer.lease(prefix, Some(64), 1800, 3600);
    writer.u32(v6::OptionCode::CLT_TIME, 17);
    writer.option(v6::OptionCode::CLIENT_FQDN, b"\x00\x0chost-0000010");
    writer.option(v6::OptionCode::RELAY_DATA, RELAY_DATA);
    writer.close(data);
    writer.finish().expect("it fits");
}

/// The relay's address, its Relay-Forward, and Interface-ID, Remote-ID and Relay-ID in it.
const RELAY_DATA: &[u8] = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\
    \x0c\0\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\
    \0\x12\0\x0eeth0/1/2:00010\0\x25\0\x0d\0\0\0\x09000000005\0\x35\0\x0a\0\x03\0\x01\x02\0\0\0\0\x01";

fn read_v6(message: &[u8]) -> u64 {
    let message = v6::Message::parse(message).expect("well formed");
    let word = |value: Result<Option<u32>, _>| u64::from(value.ok().flatten().unwrap_or_default());
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, |bytes| bytes.len() as u64);
    let mut sum = u64::from(message.transaction_id()) + word(message.base_time());
    let Ok(Some(data)) = message.client_data() else { return sum };
    sum += length(data.client_id().ok().flatten()) + word(data.clt_time());
    for lease in data.leases().flatten() {
        sum += u64::from(lease.valid) + u64::from(lease.preferred) + u64::from(lease.address.octets()[15]);
    }
    let Ok(Some(relays)) = data.relay_data() else { return sum };
    for relay in v6::Relay::chain(relays.message).flatten() {
        sum += length(relay.options.find(v6::OptionCode::RELAY_ID));
        sum += length(relay.options.find(v6::OptionCode::REMOTE_ID));
    }
    sum
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    measure(&mut group, "", write, read);
    measure(&mut group, "-v6", write_v6, read_v6);
    group.finish();
}

/// Encodes into one buffer until that is full, and decodes one message.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    version: &str,
    write: impl Fn(&mut Vec<u8>, u32),
    read: impl Fn(&[u8]) -> u64,
) {
    let mut out = Vec::with_capacity(70_000);
    let mut number = 0_u32;
    group.bench_function(format!("encode{version}"), |bencher| {
        bencher.iter(|| {
            if out.len() > 64 * 1024 {
                out.clear();
            }
            number = number.wrapping_add(1);
            write(black_box(&mut out), number);
        });
    });
    out.clear();
    write(&mut out, 7);
    println!("a message of {} octets", out.len() - 2);
    group.bench_function(format!("decode{version}"), |bencher| bencher.iter(|| black_box(read(black_box(&out[2..])))));
}

criterion_group!(benches, codec);
criterion_main!(benches);
