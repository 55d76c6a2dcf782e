//! The daemon's connections of DHCPv6: who gets one, how many there are, and how they end.

mod common;

use std::net::TcpStream;

use common::v6::{LINKS, Said, active_query, bulk_query, leases, next};
use common::{Daemon, LISTEN_V6, Next, PUSH, Peer, REQUESTOR, active, eventually, listen_udp};
use leasequery_wire::v6::{MessageType, StatusCode};

/// Of nobody.
const DUID: [u8; 4] = [0, 2, 0, 9];

/// Whether a peer is served: an answer without leases is one, too.
fn is_served(peer: &mut Peer, xid: u32) -> bool {
    let reply = Said { kind: MessageType::LEASE_QUERY_REPLY, xid, status: None, base_time: false };
    // A reset is possible here: the query may arrive when the connection is closed already.
    std::io::Write::write_all(&mut peer.stream, &bulk_query(xid, &DUID)).is_ok() && next(peer) == Ok(reply)
}

//= rfc5460-7.1-05
//= rfc5460-8-03
#[test]
fn a_peer_that_is_not_listed_is_closed_at_once() {
    let config = format!("{LISTEN_V6}{}", REQUESTOR.replace("::1", "2001:db8::/32"));
    let daemon = Daemon::start(&config);
    assert_eq!(next(&mut daemon.connect()), Err(Next::Closed), "before it has said anything");
    eventually("the log line", || daemon.log().contains("[::1]"));
    daemon.configure(&format!("{LISTEN_V6}{REQUESTOR}"));
    daemon.signal("HUP");
    eventually("it is listed", || is_served(&mut daemon.connect(), 1));
}

//= rfc5460-7.1-01
//= rfc5460-7.1-02
//= rfc5460-7.1-03
#[test]
fn connections_beyond_the_limit_are_accepted_and_closed() {
    for (limits, most) in [("", 10), ("[limits]\nconnections = 2\n", 2)] {
        let daemon = Daemon::start(&format!("{LISTEN_V6}{REQUESTOR}{limits}"));
        let mut peers: Vec<_> = std::iter::repeat_with(|| daemon.connect()).take(most).collect();
        for (xid, peer) in (1..).zip(&mut peers) {
            assert!(is_served(peer, xid));
        }
        assert_eq!(next(&mut daemon.connect()), Err(Next::Closed));
        assert!(is_served(&mut peers[0], 99), "those that were there go on");
        peers.pop();
        eventually("a place became free", || is_served(&mut daemon.connect(), 100));
    }
}

//= rfc7653-limits-01
//= alq6-6.4-01
//= rfc5460-5.6-07
#[test]
fn active_and_bulk_connections_share_one_listener_and_one_limit() {
    let daemon = Daemon::start(&format!("{}[limits]\nconnections = 2\n", active(LISTEN_V6)));
    let (mut bulk, mut active) = (daemon.connect(), daemon.connect());
    assert!(is_served(&mut bulk, 1));
    active.send(&active_query(2));
    assert_eq!(next(&mut active).map(|said| (said.kind, said.xid)), Ok((MessageType::LEASE_QUERY_REPLY, 2)));
    assert_eq!(next(&mut daemon.connect()), Err(Next::Closed));
    drop(active);
    eventually("a place became free", || is_served(&mut daemon.connect(), 3));
}

//= rfc7653-active-06
#[test]
fn a_server_for_single_queries_alone_does_not_listen_for_connections() {
    let daemon = Daemon::start(&format!("{}{REQUESTOR}{LINKS}", listen_udp("v6", "[::1]:0")));
    let words: Vec<_> = daemon.ready.split_whitespace().collect();
    assert!(words.len() == 2 && words[1].starts_with("v6-udp="), "{words:?}");
    assert!(TcpStream::connect(daemon.listener("v6-udp")).is_err());
}

//= alq6-8.3-03
//= alq6-8.3-04
//= alq6-8.3-05
//= alq6-8.3-06
#[test]
fn sigterm_ends_active_queries_with_their_last_words_and_the_daemon_with_0() {
    let mut daemon = Daemon::start(&format!("{}{PUSH}{LINKS}", active(LISTEN_V6)));
    let mut peer = daemon.connect();
    peer.send(&active_query(7));
    assert_eq!(next(&mut peer).map(|said| said.kind), Ok(MessageType::LEASE_QUERY_REPLY));
    daemon.push_all(&leases()[..1]);
    let said = Said { kind: MessageType::LEASE_QUERY_DATA, xid: 7, status: None, base_time: true };
    assert_eq!(next(&mut peer), Ok(said));
    daemon.signal("TERM");
    let status = Some(StatusCode::QUERY_TERMINATED);
    let last = Said { kind: MessageType::LEASE_QUERY_DONE, xid: 7, status, base_time: true };
    assert_eq!(next(&mut peer), Ok(last));
    assert_eq!(next(&mut peer), Err(Next::Closed));
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}
