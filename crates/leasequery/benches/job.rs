//! The main job through a real socket, next to its limits, in one run:
//!
//! - *raw*: frames made beforehand, written 64 KiB at a time to a reader that counts frames: all that the socket takes;
//! - *prototype*: a loop over the same store that makes the same replies and writes them with blocking calls: no
//!   connection, no limits, no timers, no other queries;
//! - *serve*: the daemon's listener and connection, asked by one bulk query.
//!
//! Then a Kea lease file of as many rows is loaded. `BINDINGS=5000000` in the environment takes another size than a
//! million.

#![allow(missing_docs, clippy::cast_precision_loss)]

mod daemon;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use leasequery_daemon::config::Service;
use leasequery_kea::Follower;
use leasequery_live::registry::Registry;
use leasequery_live::{Feed, SharedStore, Stores};
use leasequery_protocol::server::v4::V4;
use leasequery_protocol::server::{Admission, Beside, Place, Policy, Progress, Protocol, Query};
use leasequery_record::hex_text;
use leasequery_store::{Budget, Settings, Store, V4Key, VpnIndex};

use daemon::{Daemon, bindings, fill, now, query, relay_info, repeat};

const ROOM: usize = 64 * 1024;

/// Counts `frames` frames; gives their octets.
fn count(mut stream: TcpStream, frames: u64) -> u64 {
    let mut buffer = vec![0; 256 * 1024];
    let (mut filled, mut seen, mut octets) = (0, 0, 0);
    while seen < frames {
        let length = stream.read(&mut buffer[filled..]).expect("the sender goes on");
        assert_ne!(length, 0, "ended after {seen} frames");
        filled += length;
        octets += length as u64;
        let mut used = 0;
        while let Some(prefix) = buffer[used..filled].first_chunk::<2>() {
            let next = used + 2 + usize::from(u16::from_be_bytes(*prefix));
            if next > filled {
                break;
            }
            seen += 1;
            used = next;
        }
        buffer.copy_within(used..filled, 0);
        filled -= used;
    }
    octets
}

/// Lets `send` write to a socket, and says how many frames a second came out at the other end.
fn through_a_socket(frames: u64, send: impl FnOnce(TcpStream) + Send) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (stream, _) = listener.accept().expect("the reader");
            stream.set_nodelay(true).expect("it is a socket");
            send(stream);
        });
        let stream = TcpStream::connect(address).expect("the sender");
        let start = Instant::now();
        count(stream, frames);
        frames as f64 / start.elapsed().as_secs_f64()
    })
}

/// A query, admitted without a connection.
fn admit(store: &Store<V4Key>) -> impl Query<V4Key> + use<> {
    let message = query();
    let place = Place { first: true, beside: Beside::Nothing };
    let mut server = V4::new(Ipv4Addr::LOCALHOST, Arc::new(Policy::default()), false);
    match server.admit(&message[2..], place, store, &mut Vec::new()) {
        Admission::Query(query) => query,
        other => panic!("not admitted: {other:?}"),
    }
}

fn main() {
    let bindings = bindings();
    let replies = u64::from(bindings) + 1;
    println!("{bindings} bindings, medians of 5 runs");

    let mut store = Store::new(Settings::default());
    store.advance(now());
    fill(&mut store, bindings);
    let shared = Arc::new(SharedStore::new(store));
    let stores = Stores { v4: Arc::clone(&shared), ..Stores::new(Settings::default()) };

    let mut frames = Vec::new();
    shared.read(|store| admit(store).advance(store, &mut frames, ROOM, &Budget::unlimited()));
    let each = frames.len() as u64 / count_in(&frames);
    println!("{:<44} {each:>9} octets", "a reply with its length");
    let whole = replies / count_in(&frames);
    let raw = repeat(|| {
        through_a_socket(whole * count_in(&frames), |mut stream| {
            for _ in 0..whole {
                stream.write_all(&frames).expect("the reader reads");
            }
        })
    });
    println!("{:<44} {:>9.2} M/s", "raw: frames made beforehand", raw / 1e6);

    let prototype = repeat(|| {
        through_a_socket(replies, |mut stream| {
            shared.read(|store| {
                let mut query = admit(store);
                let mut out = Vec::with_capacity(2 * ROOM);
                let mut progress = Progress::More;
                while progress == Progress::More {
                    out.clear();
                    progress = query.advance(store, &mut out, ROOM, &Budget::unlimited());
                    stream.write_all(&out).expect("the reader reads");
                }
            });
        })
    });
    println!("{:<44} {:>9.2} M/s", "prototype: a loop over the store", prototype / 1e6);

    let daemon = Daemon::start(&stores, Service::V4 { server_id: None }, None);
    let serve = repeat(|| {
        let mut stream = TcpStream::connect(daemon.address).expect("the daemon listens");
        let start = Instant::now();
        stream.write_all(&query()).expect("it takes the query");
        count(stream, replies);
        replies as f64 / start.elapsed().as_secs_f64()
    });
    println!("{:<44} {:>9.2} M/s", "serve: one bulk query", serve / 1e6);
    println!("{:<44} {:>9.0} %", "serve of the prototype", 100.0 * serve / prototype);
    println!("{:<44} {:>9.0} %", "serve of raw", 100.0 * serve / raw);
    drop((daemon, stores, shared));

    load(bindings);
}

fn count_in(mut frames: &[u8]) -> u64 {
    let mut seen = 0;
    while let Some((prefix, rest)) = frames.split_first_chunk::<2>() {
        frames = &rest[usize::from(u16::from_be_bytes(*prefix))..];
        seen += 1;
    }
    seen
}

/// The first load of a lease file as Kea writes it, from the page cache.
fn load(rows: u32) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("leases4.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
    writeln!(
        file,
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context"
    )
    .expect("room");
    for number in 0..rows {
        let [_, a, b, c] = number.to_be_bytes();
        let info = hex_text(&relay_info(number));
        writeln!(
            file,
            "10.{a}.{b}.{c},02:00:00:{a:02x}:{b:02x}:{c:02x},01:02:00:00:{a:02x}:{b:02x}:{c:02x},86400,{},1,0,0,host-{number:07},0,\
             {{ \"ISC\": {{ \"relay-agent-info\": \"0x{info}\" }} }}",
            u64::from(now().0) + 86_400,
        )
        .expect("room");
    }
    file.flush().expect("room");
    let runs = repeat(|| {
        let mut store = Store::new(Settings::default());
        store.advance(now());
        store.source("kea");
        let shared = Arc::new(SharedStore::new(store));
        let feed = Feed::open(&Registry::default(), "kea", &shared).expect("room");
        let follower = Follower::new(path.clone(), None, VpnIndex::DEFAULT, feed);
        let start = Instant::now();
        // It asks whether to stop before each step: after the first one everything has been read.
        let steps = std::cell::Cell::new(0);
        follower.run(&|| steps.replace(steps.get() + 1) > 0);
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(shared.read(|store| store.counts().active), rows as usize);
        f64::from(rows) / seconds
    });
    println!("{:<44} {:>9.2} M/s", "Kea rows read and applied", runs / 1e6);
    println!("{:<44} {:>9.2} s", "the whole file", f64::from(rows) / runs);
}
