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

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use leasequery::config::{self, Requestor, Requestors};
use leasequery::record::hex_text;
use leasequery::serve::{Control, Listener, Places, SharedStore, Stores};
use leasequery::source::kea::Follower;
use leasequery_protocol::requestor::v4::{BulkQuery, V4 as Asking};
use leasequery_protocol::requestor::{Connection as Requesting, Timeouts};
use leasequery_protocol::server::v4::V4;
use leasequery_protocol::server::{Admission, Beside, Limits, Place, Policy, Progress, Protocol, Query};
use leasequery_store::{Hardware, Settings, SourceId, Start, State, Store, Time, Update, V4Key, VpnIndex};

const ROOM: usize = 64 * 1024;

fn now() -> Time {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    Time(u32::try_from(seconds).expect("before 2106"))
}

/// Active leases with MAC address, client-identifier, option 82 of 41 octets and a host name.
fn fill(store: &mut Store<V4Key>, bindings: u32) {
    let source = store.source("bench").expect("the first source");
    for number in 0..bindings {
        let [_, a, b, c] = number.to_be_bytes();
        let mac = [2, 0, 0, a, b, c];
        let relay_info = relay_info(number);
        let name = format!("host-{number:07}");
        let update = Update {
            start_of_state: Start::Entered(now()),
            hardware: Some(Hardware { htype: 1, address: &mac }),
            client_id: Some(&[1, 2, 0, 0, a, b, c]),
            last_transaction: Some(now()),
            expires: Some(now().plus(86_400)),
            renews: Some(now().plus(43_200)),
            rebinds: Some(now().plus(75_600)),
            relay_info: Some(&relay_info),
            remote_id: Some(&relay_info[18..27]),
            relay_id: Some(&relay_info[29..41]),
            options: &[(12, name.as_bytes())],
            ..Update::new(V4Key::new(Ipv4Addr::from_bits(0x0a00_0000 + number)), State::Active)
        };
        store.commit(source, &update);
    }
}

fn relay_info(number: u32) -> Vec<u8> {
    let mut info = vec![1, 14];
    info.extend_from_slice(format!("eth0/1/2:{:05}", number % 4096).as_bytes());
    info.extend_from_slice(&[2, 9]);
    info.extend_from_slice(format!("{:09}", number / 2).as_bytes());
    info.extend_from_slice(&[12, 12]);
    info.extend_from_slice(format!("relay-{:06}", number / 2000).as_bytes());
    info
}

/// The query that `leasequery bulk --options 12` sends.
fn query() -> Vec<u8> {
    let mut connection = Requesting::new(Asking::new(None), Timeouts::default(), 7);
    connection.ask(Duration::ZERO, &BulkQuery { options: vec![12], ..BulkQuery::default() }).expect("it can be said");
    connection.poll_transmit().to_vec()
}

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

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

fn repeat(mut run: impl FnMut() -> f64) -> f64 {
    median((0..5).map(|_| run()).collect())
}

fn main() {
    let bindings: u32 = std::env::var("BINDINGS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let replies = u64::from(bindings) + 1;
    println!("{bindings} bindings, medians of 5 runs");

    let mut store = Store::new(Settings::default());
    store.advance(now());
    fill(&mut store, bindings);
    let shared = Arc::new(SharedStore::new(store));

    let mut frames = Vec::new();
    shared.read(|store| admit(store).advance(store, &mut frames, ROOM, usize::MAX));
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
                    progress = query.advance(store, &mut out, ROOM, usize::MAX);
                    stream.write_all(&out).expect("the reader reads");
                }
            });
        })
    });
    println!("{:<44} {:>9.2} M/s", "prototype: a loop over the store", prototype / 1e6);

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let everybody = Requestor {
        addresses: vec!["127.0.0.0/8".parse().expect("a prefix")],
        certificate_names: None,
        policy: Arc::new(Policy::default()),
    };
    let control = Control { requestors: Arc::new(Requestors(vec![everybody])), ..Control::default() };
    let (_sender, control) = tokio::sync::watch::channel(control);
    let listener = config::Listener {
        address: "127.0.0.1:0".parse().expect("an address"),
        transport: config::Transport::Tcp,
        service: config::Service::V4 { server_id: None },
        active: false,
        secure: false,
    };
    let address = runtime.block_on(async {
        let listener = Listener::bind(&listener).expect("a port");
        let address = listener.address();
        let stores = Stores { v4: Arc::clone(&shared), ..Stores::new(Settings::default()) };
        tokio::spawn(listener.run(stores, control, Limits::default(), Places::new(10, 10)));
        address
    });
    let serve = repeat(|| {
        let mut stream = TcpStream::connect(address).expect("the daemon listens");
        let start = Instant::now();
        stream.write_all(&query()).expect("it takes the query");
        count(stream, replies);
        replies as f64 / start.elapsed().as_secs_f64()
    });
    println!("{:<44} {:>9.2} M/s", "serve: one bulk query", serve / 1e6);
    println!("{:<44} {:>9.0} %", "serve of the prototype", 100.0 * serve / prototype);
    println!("{:<44} {:>9.0} %", "serve of raw", 100.0 * serve / raw);
    drop((runtime, shared));

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
        let follower = Follower::new(path.clone(), None, SourceId(0), VpnIndex::DEFAULT, Arc::clone(&shared));
        let start = Instant::now();
        // It asks whether to stop before each step: after the first one everything has been read.
        let steps = std::cell::Cell::new(0);
        follower.run(&|| steps.replace(steps.get() + 1) > 0, ());
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(shared.read(|store| store.counts().active), rows as usize);
        f64::from(rows) / seconds
    });
    println!("{:<44} {:>9.2} M/s", "Kea rows read and applied", runs / 1e6);
    println!("{:<44} {:>9.2} s", "the whole file", f64::from(rows) / runs);
}
