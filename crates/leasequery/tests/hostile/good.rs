//! The requestor who does everything right.

#![allow(unreachable_pub, reason = "everything is of one program")]

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode};

use crate::common::{Daemon, Peer, push, query_all};
use crate::lease;

/// How fast it is served.
#[derive(Debug, Clone, Copy)]
pub struct Speed {
    /// Octets of a bulk response in a second.
    pub bulk: f64,
    /// Changes told by an active response in a second.
    pub active: f64,
    /// Processors that the daemon uses.
    pub processor: f64,
}

/// How long a bulk response is read.
const SPAN: Duration = Duration::from_millis(800);
/// Changes pushed at a time.
const CHANGES: u32 = 2000;

impl Speed {
    pub fn measure(daemon: &Daemon, round: usize) -> Self {
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
