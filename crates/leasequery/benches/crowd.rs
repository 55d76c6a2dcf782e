//! How fast one requestor is served beside 200 connections of another address that misbehave in every way there is a name
//! for, as a part of how fast it is served alone, in turns. The daemon is a process of its own.

#![allow(missing_docs, unreachable_pub, dead_code, reason = "the tests have more of it")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/hostile/peers.rs"]
mod peers;
#[path = "../tests/hostile/scene.rs"]
mod scene;
#[path = "../tests/hostile/tls.rs"]
mod tls;

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use leasequery_testing::pki::Pki;
use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode};

use common::{Daemon, Peer, eventually, push, query_all};
use peers::Crowd;
use scene::{CROWD, LEASES, config, lease};

/// How often it is measured, alone and beside the crowd.
const ROUNDS: usize = 7;
/// How long a bulk response is read.
const SPAN: Duration = Duration::from_millis(800);
/// Changes pushed at a time.
const CHANGES: u32 = 2000;

/// How fast the requestor is served who does everything right.
struct Speed {
    /// Octets of a bulk response in a second.
    bulk: f64,
    /// Changes told by an active response in a second.
    active: f64,
    /// Processors that the daemon uses.
    processor: f64,
}

impl Speed {
    fn measure(daemon: &Daemon, round: usize) -> Self {
        let ticks = daemon.ticks();
        let (start, bulk) = (Instant::now(), bulk(daemon));
        let active = active(daemon, round);
        #[allow(clippy::cast_precision_loss, reason = "a few seconds")]
        let processor = (daemon.ticks() - ticks) as f64 / 100.0 / start.elapsed().as_secs_f64();
        Self { bulk, active, processor }
    }
}

fn bulk(daemon: &Daemon) -> f64 {
    let mut peer = Peer::connect(daemon.address());
    peer.send(&query_all(1));
    let mut piece = vec![0; 256 * 1024];
    let mut read = |stream: &mut TcpStream| {
        let length = stream.read(&mut piece).expect("more comes");
        assert_ne!(length, 0, "it ended too early");
        f64::from(u32::try_from(length).expect("a part of the buffer"))
    };
    // The first octets have waited for the connection.
    read(&mut peer.stream);
    let start = Instant::now();
    let mut octets = 0.0;
    while start.elapsed() < SPAN {
        octets += read(&mut peer.stream);
    }
    octets / start.elapsed().as_secs_f64()
}

fn active(daemon: &Daemon, round: usize) -> f64 {
    let mut peer = Peer::connect(daemon.address());
    let mut query = Vec::new();
    let mut writer = MessageWriter::frame(&mut query, &Header::new(BOOT_REQUEST, 7), MessageType::ACTIVE_LEASE_QUERY);
    // There is nothing to catch up with, and being told so shows that it is under way.
    writer
        .u32(OptionCode::QUERY_START_TIME, u32::try_from(jiff::Timestamp::now().as_second() + 1).expect("before 2106"));
    writer.finish().expect("a short message");
    peer.send(&query);
    peer.next_body().expect("a status");

    let lines: Vec<_> = (0..CHANGES).map(|number| lease(number, round + 1).to_string()).collect();
    let (socket, lines) = (daemon.path("push.sock"), lines.join("\n"));
    let start = Instant::now();
    let pushing = std::thread::spawn(move || push(&socket, lines.as_bytes()));
    let mut told = 0;
    while told < CHANGES {
        let message = peer.next_body().expect("a change");
        // A keep-alive is about no address.
        told += u32::from(message[12..16] != [0; 4]);
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(pushing.join().expect("pushed"), [serde_json::json!({ "committed": CHANGES })]);
    f64::from(CHANGES) / seconds
}

fn main() {
    let pki = Pki::new();
    let daemon = Daemon::start(&config(&pki.files("server", &["127.0.0.1"]), 3.0));
    let leases: Vec<_> = (0..LEASES).map(|number| lease(number, 0)).collect();
    daemon.push_all(&leases);
    let crowd = Crowd::new(&daemon, &pki);
    let descriptors = daemon.descriptors();
    let mut parts = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        let alone = Speed::measure(&daemon, 2 * round);
        crowd.rise();
        eventually("the crowd is there", || crowd.connected() >= CROWD * 3 / 4);
        let beside = Speed::measure(&daemon, 2 * round + 1);
        crowd.rest();
        eventually("all places are given back", || daemon.descriptors() <= descriptors + 2);
        parts[0].push(beside.bulk / alone.bulk);
        parts[1].push(beside.active / alone.active);
        parts[2].push(beside.processor / alone.processor);
    }
    for (name, mut parts) in ["bulk response", "active response", "processor"].into_iter().zip(parts) {
        parts.sort_by(f64::total_cmp);
        let percent = |place: usize| 100.0 * parts[place];
        let (least, median, most) = (percent(0), percent(ROUNDS / 2), percent(ROUNDS - 1));
        println!("beside the crowd: {name:<15} {median:4.0} % of that alone ({least:.0} – {most:.0} %)");
    }
}
