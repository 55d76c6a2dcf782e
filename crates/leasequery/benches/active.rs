//! Active Leasequery through real sockets: how late changes are, how many get through, what requestors cost that are
//! idle or have stopped, and catching up. Everything runs in this process, on all its cores, requestors included.

#![allow(missing_docs, clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use leasequery_daemon::config::{self, OverHttp, Requestor, Requestors};
use leasequery_daemon::listeners::{Listener, Places};
use leasequery_daemon::sources::push::{Feeds, Socket};
use leasequery_daemon::{Access, Around, Permissions};
use leasequery_kea::Follower;
use leasequery_live::registry::Registry;
use leasequery_live::turns::Turns;
use leasequery_live::{Feed, Lifecycle, SharedStore, Stores};
use leasequery_protocol::server::{Allow, Limits, Policy};
use leasequery_store::{Hardware, Settings, SourceId, State, Store, Time, Update, V4Key, VpnIndex};
use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode};
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;

fn now() -> Time {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    Time(u32::try_from(seconds).expect("before 2106"))
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 + number)
}

/// A server in this process.
struct Server {
    runtime: Runtime,
    shared: Arc<SharedStore<V4Key>>,
    address: SocketAddr,
    lifecycle: Lifecycle,
}

impl Server {
    fn start(bindings: u32) -> Self {
        let mut store = Store::new(Settings::default());
        store.advance(now().minus(100));
        store.source("bench");
        store.advance(now());
        let shared = Arc::new(SharedStore::new(store));
        for first in (0..bindings).step_by(1024) {
            change(&shared, first, 1024.min(bindings - first), 1);
        }
        let runtime = leasequery_daemon::runtime().expect("a runtime");
        let policy = Policy { allow: Allow { active: true, ..Allow::default() }, ..Policy::default() };
        let everybody = Requestor {
            addresses: vec!["127.0.0.0/8".parse().expect("a prefix")],
            certificate_names: None,
            policy: Arc::new(policy),
            over_http: OverHttp::default(),
        };
        let permissions = Permissions { requestors: Arc::new(Requestors(vec![everybody])), ..Permissions::default() };
        let lifecycle = Lifecycle::new();
        let (_, access) = Access::new(permissions, &lifecycle);
        let listener = config::Listener {
            address: "127.0.0.1:0".parse().expect("an address"),
            transport: config::Transport::Tcp,
            service: config::Service::V4 { server_id: None },
            active: true,
            secure: false,
        };
        let address = runtime.block_on(async {
            let listener = Listener::bind(&listener).expect("a port");
            let address = listener.address();
            shared.keep(&lifecycle.running());
            let stores = Stores { v4: Arc::clone(&shared), ..Stores::new(Settings::default()) };
            let around = Around::new(stores, access, Turns::of_runtime());
            tokio::spawn(listener.run(around, Limits::default(), Places::new(5000, 5000)));
            address
        });
        Self { runtime, shared, address, lifecycle }
    }

    /// A connection on which an active query has been asked.
    fn connect(&self, since: Option<Time>) -> TcpStream {
        let mut out = Vec::new();
        let header = Header::new(BOOT_REQUEST, 7);
        let mut writer = MessageWriter::frame(&mut out, &header, MessageType::ACTIVE_LEASE_QUERY);
        writer.option(OptionCode::PARAMETER_REQUEST_LIST, &[152, 51, 58, 59, 153, 91, 156, 157, 61, 82]);
        if let Some(since) = since {
            writer.u32(OptionCode::QUERY_START_TIME, since.0);
        }
        writer.finish().expect("a short message");
        let mut stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_nodelay(true).expect("it is a socket");
        stream.write_all(&out).expect("it takes the query");
        stream
    }

    /// Waits until it answers as many active queries.
    fn settle(&self, requestors: usize) {
        while self.shared.listeners() < requestors {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Commits leases for `count` addresses from `first` on.
fn change(shared: &SharedStore<V4Key>, first: u32, count: u32, round: u32) {
    shared.write(|store| {
        for number in first..first + count {
            let [_, a, b, c] = number.to_be_bytes();
            let mac = [2, 0, 0, a, b, c];
            let relay = [1, 6, b'e', b't', b'h', a, b, c, 2, 6, b'l', b'i', b'n', a, b, c];
            let update = Update {
                hardware: Some(Hardware { htype: 1, address: &mac }),
                client_id: Some(&[1, 2, 0, 0, a, b, c]),
                last_transaction: Some(now()),
                expires: Some(now().plus(86_400 + round)),
                relay_info: Some(&relay),
                remote_id: Some(&relay[10..16]),
                ..Update::new(V4Key::new(address(number)), State::Active)
            };
            store.commit(SourceId(0), &update);
        }
    });
}

/// Takes frames apart; gives the messages to `each`, and keeps what is not whole.
fn take(buffer: &mut Vec<u8>, mut each: impl FnMut(&[u8])) {
    let mut used = 0;
    while let Some(prefix) = buffer[used..].first_chunk::<2>() {
        let next = used + 2 + usize::from(u16::from_be_bytes(*prefix));
        if next > buffer.len() {
            break;
        }
        each(&buffer[used + 2..next]);
        used = next;
    }
    buffer.drain(..used);
}

fn percentiles(mut latencies: Vec<u64>) -> String {
    latencies.sort_unstable();
    let at = |part: f64| {
        let place = ((latencies.len() - 1) as f64 * part) as usize;
        latencies.get(place).copied().unwrap_or_default() as f64 / 1e6
    };
    format!("{:>8.3} {:>8.3} {:>8.3} ms", at(0.5), at(0.99), at(0.999))
}

/// Gives lines to whoever takes them.
type Writer = Box<dyn FnMut(&[u8])>;

/// From when a change is written by somebody else to when requestors have it.
fn latency(name: &str, rate: u32, requestors: usize, file: bool) {
    const SECONDS: u32 = 4;
    let server = Server::start(0);
    let directory = tempfile::tempdir().expect("a directory");
    let total = rate * SECONDS;
    let start = Instant::now();
    let sent: Arc<Vec<AtomicU64>> = Arc::new((0..total).map(|_| AtomicU64::new(0)).collect());
    let readers: Vec<_> = (0..requestors)
        .map(|_| {
            let (mut stream, sent) = (server.connect(None), Arc::clone(&sent));
            std::thread::spawn(move || {
                let (mut buffer, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
                let mut latencies = Vec::with_capacity(total as usize);
                while latencies.len() < total as usize {
                    let length = stream.read(&mut piece).expect("more comes");
                    let arrived = start.elapsed().as_nanos() as u64;
                    buffer.extend_from_slice(&piece[..length]);
                    take(&mut buffer, |message| {
                        let number = u32::from_be_bytes([0, message[13], message[14], message[15]]);
                        if let Some(sent) = sent.get(number as usize) {
                            latencies.push(arrived - sent.load(Ordering::Relaxed));
                        }
                    });
                }
                latencies
            })
        })
        .collect();
    server.settle(requestors);

    let ended = Arc::new(AtomicBool::new(false));
    let mut write: Writer = if file {
        let path = directory.path().join("leases4.csv");
        let header =
            "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
        std::fs::write(&path, header).expect("room");
        let feed = Feed::open(&Registry::default(), "bench", &server.shared).expect("room");
        let follower = Follower::new(path.clone(), None, VpnIndex::DEFAULT, feed);
        let stop = Arc::clone(&ended);
        std::thread::spawn(move || follower.run(&|| stop.load(Ordering::Relaxed)));
        std::thread::sleep(Duration::from_millis(300));
        let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("the file");
        Box::new(move |lines| file.write_all(lines).expect("room"))
    } else {
        let path = directory.path().join("push.sock");
        let running = server.lifecycle.running();
        let stores = Stores { v4: Arc::clone(&server.shared), ..Stores::new(Settings::default()) };
        let (registry, room) = (Registry::default(), "room for a source");
        let v4 = Feed::open(&registry, "bench", &stores.v4).expect(room);
        let feeds = Feeds { v4, v6: Feed::open(&registry, "bench", &stores.v6).expect(room) };
        let bound = path.clone();
        server.runtime.spawn(async move {
            Socket::bind(&bound).expect("a socket").run(feeds, running).await;
        });
        while !path.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut stream = UnixStream::connect(path).expect("it listens");
        Box::new(move |lines| stream.write_all(lines).expect("it takes them"))
    };
    let expires = now().0 + 86_400;
    let (begin, mut next, mut lines) = (Instant::now(), 0, Vec::new());
    while next < total {
        let due = ((begin.elapsed().as_secs_f64() * f64::from(rate)) as u32 + 1).min(total);
        lines.clear();
        for number in next..due {
            let [_, a, b, c] = number.to_be_bytes();
            let line = if file {
                format!("10.{a}.{b}.{c},02:00:00:{a:02x}:{b:02x}:{c:02x},,86400,{expires},1,0,0,,0,\n")
            } else {
                format!(
                    "{{\"protocol\":\"v4\",\"address\":\"10.{a}.{b}.{c}\",\"state\":\"active\",\
                     \"mac\":\"02:00:00:{a:02x}:{b:02x}:{c:02x}\",\"expires\":\"{expires}\"}}\n"
                )
            };
            lines.extend_from_slice(line.as_bytes());
        }
        let at = start.elapsed().as_nanos() as u64;
        for number in next..due {
            sent[number as usize].store(at, Ordering::Relaxed);
        }
        write(&lines);
        next = due;
        std::thread::sleep(Duration::from_micros(500));
    }
    let latencies: Vec<u64> = readers.into_iter().flat_map(|reader| reader.join().expect("it reads")).collect();
    ended.store(true, Ordering::Relaxed);
    println!("{name}, {rate:>6}/s to {requestors:>2} requestors {:>10} {}", "", percentiles(latencies));
}

/// Reads from many sockets in one thread, and counts messages and octets.
fn count_all(streams: Vec<TcpStream>, expected: u64, octets: &AtomicU64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for stream in streams {
            stream.set_nonblocking(true).expect("a socket");
            let mut stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
            tasks.spawn(async move {
                let (mut seen, mut octets, mut buffer) = (0, 0, Vec::with_capacity(128 * 1024));
                while seen < expected {
                    octets += stream.read_buf(&mut buffer).await.expect("more comes") as u64;
                    take(&mut buffer, |_| seen += 1);
                }
                octets
            });
        }
        while let Some(read) = tasks.join_next().await {
            octets.fetch_add(read.expect("it reads"), Ordering::Relaxed);
        }
    });
}

/// Changes as fast as all requestors take them; and the same octets written without a server.
fn fan_out(requestors: usize) {
    let changes = (6_000_000 / requestors as u64).clamp(4_000, 1_000_000) as u32;
    let server = Server::start(0);
    let streams: Vec<_> = (0..requestors).map(|_| server.connect(None)).collect();
    server.settle(requestors);
    let octets = Arc::new(AtomicU64::new(0));
    let reader = {
        let octets = Arc::clone(&octets);
        std::thread::spawn(move || count_all(streams, u64::from(changes), &octets))
    };
    let start = Instant::now();
    for first in (0..changes).step_by(256) {
        change(&server.shared, first, 256.min(changes - first), 1);
    }
    reader.join().expect("they read");
    let delivered = f64::from(changes) * requestors as f64 / start.elapsed().as_secs_f64();

    let each = octets.load(Ordering::Relaxed) / requestors as u64;
    let length = (each / u64::from(changes)) as usize;
    let raw = raw(requestors, changes, length);
    println!(
        "{requestors:>5} requestors, {changes:>8} changes of {length} octets: {:>6.2} M/s delivered, raw {:>6.2} M/s, {:>3.0} %",
        delivered / 1e6,
        raw / 1e6,
        100.0 * delivered / raw
    );
}

/// Writes frames made beforehand, 24 KiB at a time, to as many sockets.
fn raw(requestors: usize, frames: u32, length: usize) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (mut readers, mut writers) = (Vec::new(), Vec::new());
    for _ in 0..requestors {
        readers.push(TcpStream::connect(address).expect("a connection"));
        writers.push(listener.accept().expect("a connection").0);
    }
    let mut frame = vec![0; length];
    frame[..2].copy_from_slice(&((length - 2) as u16).to_be_bytes());
    let piece = Arc::new(frame.repeat(24 * 1024 / length));
    let octets = u64::from(frames) * length as u64;
    let reader = std::thread::spawn(move || count_all(readers, u64::from(frames), &AtomicU64::new(0)));
    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for stream in writers {
            stream.set_nonblocking(true).expect("a socket");
            let mut stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
            let piece = Arc::clone(&piece);
            tasks.spawn(async move {
                let mut left = octets;
                while left > 0 {
                    let now = left.min(piece.len() as u64) as usize;
                    tokio::io::AsyncWriteExt::write_all(&mut stream, &piece[..now]).await.expect("it reads");
                    left -= now as u64;
                }
                stream
            });
        }
        while tasks.join_next().await.is_some() {}
    });
    reader.join().expect("they read");
    f64::from(frames) * requestors as f64 / start.elapsed().as_secs_f64()
}

/// Octets of this process that are in memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") * 1024.0
}

/// What each of many requestors costs the server while a million changes happen. Each figure is from a process of its
/// own, in which nothing has been freed that could be used again, less what happens without requestors.
fn memory(requestors: usize, stopped: bool) {
    let grown = |requestors: usize| -> f64 {
        let program = std::env::current_exe().expect("it has a name");
        let arguments = ["grown".to_owned(), requestors.to_string(), stopped.to_string()];
        let output = std::process::Command::new(program).args(arguments).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
    };
    let each = (grown(requestors) - grown(0)) / requestors as f64 / 1024.0;
    let what = if stopped { "stopped, a million changes" } else { "idle" };
    println!("{requestors:>5} requestors {what:<28} {each:>8.1} KiB each");
}

/// Octets by which this process grows.
fn grown(requestors: usize, stopped: bool) -> f64 {
    const BINDINGS: u32 = 100_000;
    let server = Server::start(BINDINGS);
    let before = resident();
    let streams: Vec<_> = (0..requestors).map(|_| server.connect(None)).collect();
    server.settle(requestors);
    for round in 2..if stopped { 12 } else { 2 } {
        for first in (0..BINDINGS).step_by(256) {
            change(&server.shared, first, 256.min(BINDINGS - first), round);
        }
    }
    std::thread::sleep(Duration::from_millis(500));
    let grown = resident() - before;
    drop(streams);
    grown
}

fn catch_up() {
    const BINDINGS: u32 = 1_000_000;
    let server = Server::start(BINDINGS);
    for _ in 0..3 {
        let mut stream = server.connect(Some(now().minus(90)));
        let start = Instant::now();
        let (mut seen, mut buffer, mut piece) = (0, Vec::new(), vec![0; 256 * 1024]);
        while seen <= BINDINGS {
            let length = stream.read(&mut piece).expect("more comes");
            buffer.extend_from_slice(&piece[..length]);
            take(&mut buffer, |_| seen += 1);
        }
        println!(
            "catching up with {BINDINGS} changes {:>10.2} M/s",
            f64::from(BINDINGS) / start.elapsed().as_secs_f64() / 1e6
        );
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == "grown") {
        let requestors = arguments[place + 1].parse().expect("a number");
        println!("{}", grown(requestors, arguments[place + 2] == "true"));
        return;
    }
    println!("latency: median, 99th and 99.9th percentile");
    for (name, file) in [("a line in Kea's file", true), ("a pushed record", false)] {
        for rate in [1_000, 20_000] {
            for requestors in [1, 10] {
                latency(name, rate, requestors, file);
            }
        }
    }
    println!("\nfan-out");
    for requestors in [1, 10, 100, 1000] {
        fan_out(requestors);
    }
    println!("\nmemory of the server");
    memory(1000, false);
    memory(100, true);
    println!();
    catch_up();
}
