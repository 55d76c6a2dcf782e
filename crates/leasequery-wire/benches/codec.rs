//! What a message costs: a reply of 364 octets with the options that bulk replies have.

#![allow(missing_docs)]

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leasequery_wire::v4::{BOOT_REPLY, Header, Message, MessageType, MessageWriter, OptionCode};

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

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    let mut out = Vec::with_capacity(70_000);
    let mut number = 0_u32;
    group.bench_function("encode", |bencher| {
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
    group.bench_function("decode", |bencher| bencher.iter(|| black_box(read(black_box(&out[2..])))));
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
