//! The requestor who does everything right.

#![allow(unreachable_pub, reason = "everything is of one program")]

use std::io::Read;

use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode};

use crate::common::{Daemon, Peer, push, query_all};
use crate::scene::lease;

/// Octets of a bulk response that are read: more than fits the sockets, so that it takes many turns.
const OCTETS: usize = 32 << 20;
/// Changes pushed at a time.
const CHANGES: u32 = 2000;

pub fn takes_a_part_of_everything(daemon: &Daemon) {
    let mut peer = Peer::connect(daemon.address());
    peer.send(&query_all(1));
    let (mut piece, mut octets) = (vec![0; 256 * 1024], 0);
    while octets < OCTETS {
        let length = peer.stream.read(&mut piece).expect("more comes");
        assert_ne!(length, 0, "it ended too early");
        octets += length;
    }
}

pub fn is_told_of_each_change(daemon: &Daemon, round: usize) {
    let mut peer = Peer::connect(daemon.address());
    let mut query = Vec::new();
    let mut writer = MessageWriter::frame(&mut query, &Header::new(BOOT_REQUEST, 7), MessageType::ACTIVE_LEASE_QUERY);
    // There is nothing to catch up with, and being told so shows that it is under way.
    writer
        .u32(OptionCode::QUERY_START_TIME, u32::try_from(jiff::Timestamp::now().as_second() + 1).expect("before 2106"));
    writer.finish().expect("a short message");
    peer.send(&query);
    peer.next_body().expect("a status");

    let lines: Vec<_> = (0..CHANGES).map(|number| lease(number, round).to_string()).collect();
    let (socket, lines) = (daemon.path("push.sock"), lines.join("\n"));
    let pushing = std::thread::spawn(move || push(&socket, lines.as_bytes()));
    let mut told = 0;
    while told < CHANGES {
        let message = peer.next_body().expect("a change");
        // A keep-alive is about no address.
        told += u32::from(message[12..16] != [0; 4]);
    }
    assert_eq!(pushing.join().expect("pushed"), [serde_json::json!({ "committed": CHANGES })]);
}
