//! The daemon beside peers that misbehave: nobody starves, and what they cost is bounded.

#[path = "../common/mod.rs"]
mod common;
mod good;
mod paths;
mod peers;
mod scene;
mod tls;

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use leasequery_testing::pki::Pki;
use leasequery_wire::v4::{MessageType, OptionCode};

use common::{Daemon, Next, Peer, eventually, query};
use peers::{Crowd, LISTED};
use scene::{CROWD, LEASES, OF_ONE, SECURE, config, lease, message};

/// How often the crowd rises.
const ROUNDS: usize = 3;

//= rfc4388-7-01
//= rfc6926-9-08
//= rfc7724-9-03
/// How much of its speed is left to it is counted in `leasequery-live` (`turns/fairness.rs`), and measured by `scripts/bench`.
#[test]
fn a_requestor_is_served_beside_two_hundred_connections_that_misbehave() {
    let pki = Pki::new();
    let mut daemon = Daemon::start(&config(&pki.files("server", &["127.0.0.1"]), 3.0));
    let leases: Vec<_> = (0..LEASES).map(|number| lease(number, 0)).collect();
    daemon.push_all(&leases);
    let crowd = Crowd::new(&daemon, &pki);
    let (descriptors, memory) = (daemon.descriptors(), daemon.memory());

    for round in 0..ROUNDS {
        crowd.rise();
        eventually("the crowd is there", || crowd.connected() >= CROWD * 3 / 4);
        good::takes_a_part_of_everything(&daemon);
        good::is_told_of_each_change(&daemon, round + 1);
        let (with_crowd, grown) = (daemon.descriptors(), daemon.memory().saturating_sub(memory));
        assert!(with_crowd <= descriptors + OF_ONE + SECURE + 16, "{with_crowd} descriptors, {descriptors} before");
        assert!(grown < 64 << 20, "it has grown by {grown} octets");
        crowd.rest();
        eventually("all places are given back", || daemon.descriptors() <= descriptors + 2);
    }
    for (kind, deeds) in crowd.deeds() {
        assert!(deeds > 0, "{kind} did nothing");
    }
    drop(crowd);
    assert!(daemon.is_running());
    let mut peer = daemon.connect();
    peer.send(&query(1, |writer| writer.option(OptionCode::CLIENT_IDENTIFIER, b"nobody")));
    assert_eq!(peer.answer(1), (0, None));
    assert_told_in_sum(&daemon.log());
}

/// That nothing is told of an address twice in a second: by two listeners, and in what are two seconds for the clock.
fn assert_told_in_sum(log: &str) {
    let mut told = HashMap::<_, usize>::new();
    for line in log.lines() {
        let (second, rest) = line.split_once('.').expect("a time");
        let (_, rest) = rest.split_once(' ').expect("a text");
        let rest = rest.split_once("more within a second").map_or(rest, |(_, text)| text);
        // Ports, transaction ids and counts differ.
        let words = rest.split_whitespace().filter(|word| !word.starts_with("0x") && !word.starts_with("127."));
        let text: String = words.collect::<Vec<_>>().join(" ").replace(|one: char| one.is_ascii_digit(), "");
        let address = line.split_once("127.").map(|(_, behind)| behind.split([':', ' ']).next());
        *told.entry((second, address, text)).or_default() += 1;
    }
    let most = told.iter().max_by_key(|(_, times)| **times);
    assert!(most.is_some_and(|(_, times)| *times <= 6), "{most:?}");
}

//= rfc7724-8.1-24
//= rfc7653-limits-03
/// What comes drop by drop keeps a connection alive for no longer than silence.
#[test]
fn a_handshake_that_comes_octet_by_octet_is_not_waited_for() {
    let pki = Pki::new();
    let daemon = Daemon::start(&config(&pki.files("server", &["127.0.0.1"]), 3.0));
    let start = Instant::now();
    let mut peer = Peer::connect(daemon.listeners("v4-tcp")[1]);
    peer.send(&message(1, MessageType::TLS));
    assert!(matches!(peer.next(), Next::Message { kind: MessageType::TLS, .. }));
    // A record that announces a handshake message of some length.
    let mut octets = [22, 3, 1, 1, 0, 1, 0, 0, 252].into_iter().chain(std::iter::repeat(0));
    eventually("it is not waited for", || {
        std::thread::sleep(Duration::from_millis(50));
        peer.stream.write_all(&[octets.next().expect("there are more")]).is_err()
    });
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
    eventually("the log line", || daemon.log().contains("no complete query within the data timeout"));
}

//= rfc7653-limits-02
#[test]
fn a_handshake_that_is_not_begun_makes_room_for_another_address() {
    let pki = Pki::new();
    let config = config(&pki.files("server", &["127.0.0.1"]), 60.0);
    let config = config.replace("connections = 240", "connections = 2").replace(&format!("= {OF_ONE}"), "= 2");
    let daemon = Daemon::start(&config);
    let address = daemon.listeners("v4-tcp")[1];
    let asks = |peer: &mut Peer| {
        let sent = peer.stream.write_all(&message(1, MessageType::TLS)).is_ok();
        sent && matches!(peer.next(), Next::Message { kind: MessageType::TLS, .. })
    };
    let mut bad: Vec<_> = (0..2).map(|_| Peer::connect_from(LISTED, address)).collect();
    assert!(bad.iter_mut().all(asks));
    let mut good = Vec::new();
    eventually("there is room", || {
        good.push(Peer::connect(address));
        good.last_mut().is_some_and(asks)
    });
    eventually("it is said", || daemon.log().contains("idle, and its place is wanted for another requestor"));
}
