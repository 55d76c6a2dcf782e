//! How fast Kea's rows are read: decoded only, and decoded and put into a store.
//!
//! The rows have the form and the length of those that Kea 2.3.2 and later write with `store-extended-info`.

#![allow(missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use leasequery_kea::{Batch, Header, Row};
use leasequery_store::{Settings, Store, Time, V4Key, VpnIndex};

const ROWS: u32 = 1_000_000;
/// The time of the first row.
const START: u32 = 1_800_000_000;
/// Rows put into the store at a time, as the follower does.
const BITE: usize = 256;

fn header() -> Header {
    let columns = b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id";
    Header::parse(columns).expect("a header")
}

/// Rows of 316 octets, newline included, for one address after the other.
fn rows() -> String {
    let mut text = String::with_capacity(ROWS as usize * 316);
    for number in 0..ROWS {
        let start = text.len();
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number);
        let mac = format!(
            "02:00:{:02x}:{:02x}:{:02x}:{:02x}",
            number >> 24,
            number >> 16 & 255,
            number >> 8 & 255,
            number & 255
        );
        let relay_id = format!("00020000{:08X}", number / 512);
        let remote_id = format!("{:012X}", u64::from(number) + 0x0200_0000_0000);
        let circuit_id = format!("6574682D302F{:04x}", number % 512);
        let sub_options = format!("0108{circuit_id}0206{remote_id}0C08{relay_id}");
        let expire = START + 3600 + number / 1000;
        write!(
            text,
            "{address},{mac},01:{mac},3600,{expire},7,0,0,host-{number:07}.example.net,0,{{ \"ISC\": {{ \"relay-agent-info\": \
             {{ \"relay-id\": \"{relay_id}\"&#x2c \"remote-id\": \"{remote_id}\"&#x2c \"sub-options\": \"0x{sub_options}\" }} }} }},"
        )
        .expect("a string takes it");
        let width = 315 - (text.len() - start);
        writeln!(text, "{:0>width$}", 0).expect("a string takes it");
    }
    text
}

fn lines(text: &str) -> impl Iterator<Item = &[u8]> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let newline = memchr::memchr(b'\n', rest)?;
        let line = &rest[..newline];
        rest = &rest[newline + 1..];
        Some(line)
    })
}

fn store() -> Store<V4Key> {
    let mut store = Store::new(Settings::default());
    store.advance(Time(START));
    store
}

fn apply(text: &str, header: &Header, store: &mut Store<V4Key>) {
    let source = store.source("kea").expect("a number is free");
    let mut batch = Batch::default();
    for line in lines(text) {
        batch.add(line, header).expect("a row");
        if batch.len() >= BITE {
            batch.commit(store, source, VpnIndex::DEFAULT, None);
        }
    }
    batch.commit(store, source, VpnIndex::DEFAULT, None);
}

fn kea_rows(criterion: &mut Criterion) {
    let (text, header) = (rows(), header());
    assert_eq!(text.len(), ROWS as usize * 316);
    let mut group = criterion.benchmark_group("kea_rows");
    group.throughput(Throughput::Elements(u64::from(ROWS))).sample_size(10);
    group.bench_function("decode", |bencher| {
        let mut bytes = Vec::new();
        bencher.iter(|| {
            for line in lines(&text) {
                bytes.clear();
                black_box(Row::parse(line, &header, &mut bytes).expect("a row"));
            }
        });
    });
    group.bench_function("first load", |bencher| {
        bencher.iter_batched_ref(store, |store| apply(&text, &header, store), BatchSize::PerIteration);
    });
    group.bench_function("renewals", |bencher| {
        let mut store = store();
        apply(&text, &header, &mut store);
        let mut later = false;
        let renewed = text.replace(",3600,", ",3601,");
        bencher.iter(|| {
            later = !later;
            apply(if later { &renewed } else { &text }, &header, &mut store);
        });
    });
    group.finish();
}

criterion_group!(benches, kea_rows);
criterion_main!(benches);
