//! What the store costs: memory for each binding, and time for what is done with it.
//!
//! `cargo bench -p leasequery-store` takes a million bindings, `BINDINGS=5000000` in the environment another number. The
//! leases are like those of an access network: 80 % in dense ranges, nine in ten client-identifiers made of the MAC
//! address, option 82 of 41 octets with a Remote ID for two leases and a Relay-ID for two thousand, a host name for
//! every second one: about 88 octets of information each.

#![allow(missing_docs, clippy::cast_precision_loss, clippy::cast_possible_truncation)]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

use leasequery_store::durable::Durable;
use leasequery_store::{
    Binding, Budget, Entry, Hardware, Revision, Selector, Settings, SourceId, Start, State, Store, Time, Update, V4Key,
    VpnIndex, VpnRange,
};

const NOW: Time = Time(1_800_000_000);
const SOURCE: SourceId = SourceId(0);
const BATCH: usize = 256;

/// A lease, as octets that an update can borrow.
struct Lease {
    key: V4Key,
    mac: [u8; 6],
    client_id: Vec<u8>,
    relay_info: Vec<u8>,
    host_name: Option<(u16, Vec<u8>)>,
    expires: Time,
}

impl Lease {
    fn new(number: u32) -> Self {
        let spread = number.wrapping_mul(2_654_435_761);
        // Four in five are neighbours, the fifth is anywhere in another /8.
        let address = if number % 5 == 4 { 0x0b00_0000 | spread >> 8 } else { 0x0a00_0000 + number };
        let [_, _, a, b] = (number >> 16).to_be_bytes();
        let [_, _, c, d] = number.to_be_bytes();
        let mac = [2, 0, a, b, c, d];
        let client_id = if number % 10 == 9 {
            vec![0xff, 0, 0, 0, 1, 0, 1, 0, 1, 9, 9, 9, 9, 2, 0, a, b, c, d]
        } else {
            [&[1], &mac[..]].concat()
        };
        let mut relay_info = vec![1, 14];
        relay_info.extend_from_slice(format!("eth0/1/2:{:05}", number % 4096).as_bytes());
        relay_info.extend_from_slice(&[2, 9]);
        relay_info.extend_from_slice(format!("{:09}", number / 2).as_bytes());
        relay_info.extend_from_slice(&[12, 12]);
        relay_info.extend_from_slice(format!("relay-{:06}", number / 2000).as_bytes());
        let host_name = number.is_multiple_of(2).then(|| (12, format!("host-{number:07}").into_bytes()));
        Self {
            key: V4Key::new(Ipv4Addr::from_bits(address)),
            mac,
            client_id,
            relay_info,
            host_name,
            expires: NOW.plus(3600 + spread % 3600),
        }
    }

    fn with<T>(&self, later: u32, take: impl FnOnce(&Update<'_, V4Key>) -> T) -> T {
        let option = self.host_name.as_ref().map(|(code, name)| (*code, name.as_slice()));
        take(&self.update(later, option.as_slice()))
    }

    fn update<'a>(&'a self, later: u32, options: &'a [(u16, &'a [u8])]) -> Update<'a, V4Key> {
        Update {
            start_of_state: Start::Entered(NOW),
            hardware: Some(Hardware { htype: 1, address: &self.mac }),
            client_id: Some(&self.client_id),
            last_transaction: Some(NOW.plus(later)),
            expires: Some(self.expires.plus(later)),
            renews: Some(NOW.plus(1800 + later)),
            rebinds: Some(NOW.plus(3000 + later)),
            relay_info: Some(&self.relay_info),
            remote_id: Some(&self.relay_info[18..27]),
            relay_id: Some(&self.relay_info[29..41]),
            options,
            ..Update::new(self.key, State::Active)
        }
    }
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) * 1024
}

fn report(what: &str, count: usize, seconds: f64) {
    println!("{what:<44} {:>9.2} M/s {:>9.1} ns", count as f64 / seconds / 1e6, seconds * 1e9 / count as f64);
}

fn time<T>(what: &str, count: usize, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    report(what, count, start.elapsed().as_secs_f64());
    result
}

/// Renews random leases in batches; making them is not counted.
fn renew(store: &mut Store<V4Key>, bindings: u32, rounds: usize, batched: bool) -> f64 {
    let mut random = fastrand::Rng::with_seed(7);
    let mut seconds = 0.0;
    for round in 0..rounds as u32 {
        let leases: Vec<Lease> = (0..BATCH).map(|_| Lease::new(random.u32(..bindings))).collect();
        let options: Vec<_> =
            leases.iter().map(|l| l.host_name.as_ref().map(|(code, name)| (*code, name.as_slice()))).collect();
        let updates: Vec<_> =
            leases.iter().zip(&options).map(|(lease, option)| lease.update(round + 1, option.as_slice())).collect();
        let start = Instant::now();
        if batched {
            black_box(store.commit_batch(SOURCE, &updates));
        } else {
            for update in &updates {
                black_box(store.commit(SOURCE, update));
            }
        }
        seconds += start.elapsed().as_secs_f64();
    }
    seconds
}

fn main() {
    let bindings: u32 = std::env::var("BINDINGS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let count = bindings as usize;
    println!("{count} bindings");

    let before = resident();
    let mut store = Store::new(Settings { history: 3600, durable: true, ..Settings::default() });
    store.advance(NOW);
    store.source("bench");
    let mut seconds = 0.0;
    for number in 0..bindings {
        let lease = Lease::new(number);
        let start = Instant::now();
        lease.with(0, |update| store.commit(SOURCE, update));
        seconds += start.elapsed().as_secs_f64();
    }
    report("first load, one at a time (clock included)", count, seconds);
    let stored = store.counts().bindings;
    println!(
        "{:<44} {:>9.1} B",
        "resident for each binding, after the load",
        (resident() - before) as f64 / stored as f64
    );

    let rounds = 2_000_000 / BATCH;
    report("renewal, one at a time", rounds * BATCH, renew(&mut store, bindings, rounds, false));
    report("renewal, in batches", rounds * BATCH, renew(&mut store, bindings, rounds * 2, true) / 2.0);
    println!(
        "{:<44} {:>9.1} B",
        "resident for each binding, after renewals",
        (resident() - before) as f64 / stored as f64
    );

    let all = VpnRange::One(VpnIndex::DEFAULT);
    let sum = time("scan of all, every field read", stored, || {
        store.scan(Selector::All, all, None, &Budget::unlimited()).fold(0_u64, |sum, entry| sum + weigh(&entry))
    });
    black_box(sum);
    time("changes since the beginning", stored, || {
        black_box(store.changes(Revision::default(), &Budget::unlimited()).count())
    });
    time("changes since the beginning, every field read", stored, || {
        black_box(
            store
                .changes(Revision::default(), &Budget::unlimited())
                .fold(0, |sum, binding| sum + weigh_binding(&binding)),
        )
    });
    let end = store.revision();
    for (what, after) in [("changes, none new", end), ("changes, one new", Revision(end.0 - 1))] {
        time(what, 2_000_000, || {
            (0..2_000_000)
                .map(|_| store.changes(black_box(after), &Budget::unlimited()).map(|b| weigh_binding(&b)).sum::<u64>())
                .sum::<u64>()
        });
    }
    let mut random = fastrand::Rng::with_seed(9);
    let leases: Vec<Lease> = (0..200_000).map(|_| Lease::new(random.u32(..bindings))).collect();
    let found = |selector: Selector<'_>| store.scan(selector, all, None, &Budget::unlimited()).next().is_some();
    time("look-up by address", leases.len(), || leases.iter().filter(|l| store.lookup(l.key).is_some()).count());
    let hardware = |lease: &Lease| found(Selector::Hardware(Hardware { htype: 1, address: &lease.mac }));
    time("look-up by MAC address", leases.len(), || leases.iter().filter(|l| hardware(l)).count());
    time("look-up by client-identifier", leases.len(), || {
        leases.iter().filter(|l| found(Selector::ClientId(&l.client_id))).count()
    });
    time("look-up by Remote ID", leases.len(), || {
        leases.iter().filter(|l| found(Selector::RemoteId(&l.relay_info[18..27]))).count()
    });
    time("look-up by Relay-ID", leases.len(), || {
        leases.iter().filter(|l| found(Selector::RelayId(&l.relay_info[29..41]))).count()
    });

    let directory = tempfile::tempdir().expect("a directory for the durable copy");
    let (mut durable, _) =
        Durable::<V4Key>::open(directory.path(), Settings::default()).expect("an empty durable copy");
    time("written to disk, in batches of 1024", stored, || {
        loop {
            let batch = durable.collect(&store, &Budget::new(1024));
            let complete = batch.is_complete();
            durable.write(batch).expect("it is written");
            durable.sync().expect("it is on disk");
            if complete {
                break;
            }
        }
    });
    drop((durable, store));
    let restored = time("restored from disk", stored, || {
        Durable::<V4Key>::open(directory.path(), Settings::default()).expect("a durable copy").1
    });
    assert_eq!(restored.counts().bindings, stored, "the copy is whole");
}

fn weigh(entry: &Entry<'_, V4Key>) -> u64 {
    let Entry::Bound(binding) = entry else { return 1 };
    weigh_binding(binding)
}

fn weigh_binding(binding: &Binding<'_, V4Key>) -> u64 {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, |bytes| bytes.len() as u64);
    length(binding.client_id())
        + length(binding.relay_info())
        + length(binding.option(12))
        + u64::from(binding.start_of_state().0)
        + u64::from(binding.expires().map_or(0, |time| time.0))
        + binding.hardware().map_or(0, |hardware| hardware.address.len() as u64)
}
