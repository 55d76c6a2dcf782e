//! Bulk and active responses in secure mode through a real socket, next to their limits, in one run:
//!
//! - *raw*: frames made beforehand, each encrypted as a record of its own, 64 KiB a write, to a reader that decrypts and
//!   counts them: all that TLS permits, with rustls' fastest interface at both ends;
//! - *serve*: the daemon, in the clear and with TLS, to a reader that decrypts and counts messages;
//! - *requestor*: the same with all that a requestor does, up to a record of which nothing is printed.
//!
//! `BINDINGS=5000000` in the environment takes another size than a million.

#![allow(missing_docs, clippy::cast_precision_loss)]

mod daemon;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leasequery_client::{Sink, Target, fetch};
use leasequery_daemon::config::Service;
use leasequery_live::{SharedStore, Stores};
use leasequery_protocol::requestor::Protocol;
use leasequery_protocol::requestor::v4::{Record, V4};
use leasequery_protocol::requestor::v6::V6;
use leasequery_store::{Settings, Store, Time};
use leasequery_tls::{Client, Server, secure};
use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode};
use rustls::client::UnbufferedClientConnection;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::ConnectionState;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use daemon::{Daemon, bindings, everything, fill, fill_v6, now, query, query_v6, repeat};

/// Octets written at a time.
const ROOM: usize = 64 * 1024;
/// Octets read at a time.
const INPUT: usize = 256 * 1024;

/// Drives an unbuffered connection through its handshake; gives what it has not used of the octets that came.
macro_rules! handshake {
    ($tls:expr, $stream:expr) => {{
        let (mut input, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let status = $tls.process_tls_records(&mut input);
            let discard = status.discard;
            let mut read = false;
            match status.state.expect("no failure") {
                ConnectionState::EncodeTlsData(mut data) => {
                    let mut out = vec![0; 32 * 1024];
                    let length = data.encode(&mut out).expect("room");
                    $stream.write_all(&out[..length]).expect("the other end reads");
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::BlockedHandshake => read = true,
                ConnectionState::WriteTraffic(_) => break input.split_off(discard),
                state => panic!("{state:?}"),
            }
            input.drain(..discard);
            if read {
                let length = $stream.read(&mut piece).expect("the other end writes");
                input.extend_from_slice(&piece[..length]);
            }
        }
    }};
}

/// Frames of `length` octets as fast as TLS takes them, one a record.
fn raw(certificates: &Path, length: usize, frames: u64) -> f64 {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let provider = Arc::new(provider);
    let chain = vec![CertificateDer::from_pem_file(certificates.join("server.pem")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(certificates.join("server.key")).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificates.join("ca.pem")).expect("a certificate")).expect("a root");
    let mut serving = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .expect("they match");
    serving.send_tls13_tickets = 0;
    let asking = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (mut stream, _) = listener.accept().expect("the reader");
            stream.set_nodelay(true).expect("it is a socket");
            let mut tls = UnbufferedServerConnection::new(Arc::new(serving)).expect("it is complete");
            handshake!(tls, stream);
            // Of several sources, as the frames of a batch are.
            let batch = vec![7; ROOM];
            let mut out = vec![0; ROOM + 1024];
            let mut left = frames;
            while left > 0 {
                let ConnectionState::WriteTraffic(mut traffic) = tls.process_tls_records(&mut []).state.expect("fine")
                else {
                    panic!("the handshake is over");
                };
                let mut filled = 0;
                for frame in batch.chunks_exact(length) {
                    if filled + length > ROOM - 64 || left == 0 {
                        break;
                    }
                    filled += traffic.encrypt(frame, &mut out[filled..]).expect("room");
                    left -= 1;
                }
                stream.write_all(&out[..filled]).expect("the reader reads");
            }
        });
        let mut stream = TcpStream::connect(address).expect("the sender");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut tls = UnbufferedClientConnection::new(Arc::new(asking), name).expect("it is complete");
        let rest = handshake!(tls, stream);
        let start = Instant::now();
        let mut input = vec![0; INPUT];
        input[..rest.len()].copy_from_slice(&rest);
        let (mut filled, mut seen) = (rest.len(), 0);
        while seen < frames {
            let read = stream.read(&mut input[filled..]).expect("more comes");
            assert_ne!(read, 0, "ended after {seen} frames");
            filled += read;
            let mut used = 0;
            loop {
                let status = tls.process_tls_records(&mut input[used..filled]);
                used += status.discard;
                match status.state.expect("no failure") {
                    ConnectionState::ReadTraffic(mut traffic) => {
                        while let Some(record) = traffic.next_record() {
                            let record = record.expect("it is decrypted");
                            assert_eq!(record.payload.len(), length);
                            used += record.discard;
                            seen += 1;
                        }
                    }
                    _ => break,
                }
            }
            input.copy_within(used..filled, 0);
            filled -= used;
        }
        frames as f64 / start.elapsed().as_secs_f64()
    })
}

/// Asks, takes `replies` messages, and says how many came in a second.
fn take<P: Protocol>(daemon: &Daemon, client: Option<&Client>, asking: &[u8], replies: u64) -> f64 {
    let mut stream = TcpStream::connect(daemon.address).expect("the daemon listens");
    stream.set_nodelay(true).expect("it is a socket");
    let mut channel = client.map(|client| {
        let (channel, early) = secure::<P>(&mut stream, client, Duration::from_secs(10)).expect("it is permitted");
        assert!(early.is_empty());
        channel
    });
    let start = Instant::now();
    match &mut channel {
        None => stream.write_all(asking).expect("it takes the query"),
        Some(channel) => {
            let mut out = Vec::new();
            channel.send(asking, &mut out).expect("no failure");
            stream.write_all(&out).expect("it takes the query");
        }
    }
    let mut input = vec![0; INPUT];
    let (mut plain, mut seen) = (Vec::new(), 0);
    while seen < replies {
        let length = stream.read(&mut input).expect("more comes");
        assert_ne!(length, 0, "ended after {seen} messages");
        match &mut channel {
            None => plain.extend_from_slice(&input[..length]),
            Some(channel) => channel.receive(&mut input[..length], &mut plain).expect("no failure"),
        }
        seen += whole(&mut plain);
    }
    replies as f64 / start.elapsed().as_secs_f64()
}

/// Counts whole frames, and leaves what is not.
fn whole(plain: &mut Vec<u8>) -> u64 {
    let (mut used, mut seen) = (0, 0);
    while let Some(prefix) = plain[used..].first_chunk::<2>() {
        let next = used + 2 + usize::from(u16::from_be_bytes(*prefix));
        if next > plain.len() {
            break;
        }
        (used, seen) = (next, seen + 1);
    }
    plain.drain(..used);
    seen
}

/// Counts records.
struct Counting(u64);

impl Sink<V4> for Counting {
    fn record(&mut self, _record: &Record<'_>) -> std::io::Result<()> {
        self.0 += 1;
        Ok(())
    }
}

/// What `leasequery bulk` does, but for printing.
fn ask(daemon: &Daemon, client: Option<&Client>, replies: u64) -> f64 {
    let target = Target { addresses: &[daemon.address], tls: client };
    let mut counting = Counting(0);
    let start = Instant::now();
    fetch(target, |_| V4::new(None), &everything().into(), Duration::from_mins(1), &mut counting).expect("an answer");
    assert_eq!(counting.0, replies);
    replies as f64 / start.elapsed().as_secs_f64()
}

/// An active query that catches up with everything since a moment.
fn catching_up(since: Time) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header::new(BOOT_REQUEST, 7);
    let mut writer = MessageWriter::frame(&mut out, &header, MessageType::ACTIVE_LEASE_QUERY);
    writer.option(OptionCode::PARAMETER_REQUEST_LIST, &[12, 51, 54, 58, 59, 61, 82, 91, 152, 153, 156]);
    writer.u32(OptionCode::QUERY_START_TIME, since.0);
    writer.finish().expect("a short message");
    out
}

fn main() {
    let bindings = bindings();
    let replies = u64::from(bindings);
    println!("{bindings} bindings, medians of 5 runs");
    let directory = tempfile::tempdir().expect("a directory");
    let certificates = directory.path().join("certificates");
    let made = Command::new(env!("CARGO_BIN_EXE_leasequery")).arg("certificates").arg(&certificates).output();
    assert!(made.expect("it runs").status.success());
    let file = |name: &str| certificates.join(name);
    let client = Client {
        ca: file("ca.pem"),
        certificate: file("requestor.pem"),
        key: file("requestor.key"),
        server_name: "localhost".to_owned(),
    };
    let server = Server::load(&file("server.pem"), &file("server.key"), &file("ca.pem"), None).expect("certificates");

    let mut store = Store::new(Settings::default());
    // Nobody can catch up from before the beginning.
    store.advance(now().minus(100));
    store.source("bench");
    store.advance(now());
    fill(&mut store, bindings);
    let mut store_v6 = Store::new(Settings::default());
    store_v6.advance(now());
    fill_v6(&mut store_v6, bindings);
    let stores = Stores { v4: Arc::new(SharedStore::new(store)), v6: Arc::new(SharedStore::new(store_v6)) };
    let service = Service::V4 { server_id: None };
    let clear = Daemon::start(&stores, service.clone(), None);
    let secured = Daemon::start(&stores, service, Some(server.clone()));

    let limit = repeat(|| raw(&certificates, 353, replies));
    println!("{:<50} {:>9.2} M/s", "raw: one record a frame of 353 octets", limit / 1e6);
    let line = |name: &str, rate: f64| {
        println!("{name:<50} {:>9.2} M/s, {:>4.0} % of raw", rate / 1e6, 100.0 * rate / limit);
    };
    let asking = query();
    line("serve, bulk, in the clear", repeat(|| take::<V4>(&clear, None, &asking, replies)));
    line("serve, bulk, with TLS", repeat(|| take::<V4>(&secured, Some(&client), &asking, replies)));
    let asking = catching_up(now().minus(90));
    line("serve, active, in the clear", repeat(|| take::<V4>(&clear, None, &asking, replies)));
    line("serve, active, with TLS", repeat(|| take::<V4>(&secured, Some(&client), &asking, replies)));
    line("requestor, bulk, in the clear", repeat(|| ask(&clear, None, replies)));
    line("requestor, bulk, with TLS", repeat(|| ask(&secured, Some(&client), replies)));

    let service = Service::V6 { server_id: Arc::new([0, 3, 0, 1, 2, 0, 0, 0, 0, 2]) };
    let clear = Daemon::start(&stores, service.clone(), None);
    let secured = Daemon::start(&stores, service, Some(server));
    let asking = query_v6();
    let in_the_clear = repeat(|| take::<V6>(&clear, None, &asking, replies));
    println!("{:<50} {:>9.2} M/s", "DHCPv6: serve, bulk, in the clear", in_the_clear / 1e6);
    let with_tls = repeat(|| take::<V6>(&secured, Some(&client), &asking, replies));
    let part = 100.0 * with_tls / in_the_clear;
    println!("{:<50} {:>9.2} M/s, {part:>4.0} % of that", "DHCPv6: serve, bulk, with TLS", with_tls / 1e6);
}
