//! The daemon as a process: starting, listening, limits, signals.

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{Daemon, HUGE, LISTEN, Next, PUSH, Peer, REQUESTOR, eventually, leasequery, network, query, query_all};
use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter, OptionCode, StatusCode};
use serde_json::json;

const ME: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What `serve` says on standard error when it does not start, with exit code 2 and without a line on standard output.
fn refusal(config: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("leasequery.toml");
    std::fs::write(&file, config).expect("the configuration is written");
    let output = leasequery().args(["serve", "--config"]).arg(&file).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    common::stderr(&output).replace(&format!("{}/", directory.path().display()), "")
}

//= rfc6926-6.3-02
#[test]
fn ready_line_names_each_listener_with_its_real_port() {
    let daemon = Daemon::start(&format!("{LISTEN}{LISTEN}{REQUESTOR}"));
    let words: Vec<_> = daemon.ready.split_whitespace().collect();
    assert_eq!(words.len(), 3, "{words:?}");
    assert_eq!(words[0], "ready");
    let ports: Vec<u16> = words[1..]
        .iter()
        .map(|word| word.strip_prefix("v4-tcp=127.0.0.1:").and_then(|port| port.parse().ok()).expect("a port"))
        .collect();
    assert!(ports[0] != ports[1] && !ports.contains(&0), "{ports:?}");
    for port in ports {
        let mut peer = Peer::connect((ME, port).into());
        peer.send(&query_all(7));
        assert_eq!(peer.answer(7), (0, None));
    }
}

#[test]
fn a_bad_configuration_is_reported_with_its_place_and_nothing_is_bound() {
    let text = refusal(&format!("{LISTEN}{PUSH}[limits]\nhistory = \"ages\"\n"));
    assert!(text.starts_with("error: leasequery.toml:12:11: history \"ages\""), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");

    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("leasequery.toml");
    std::fs::write(&file, format!("state-dir = \"state\"\n{PUSH}oops = 1\n")).expect("written");
    let output = leasequery().args(["serve", "--config"]).arg(&file).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    let left: Vec<_> = std::fs::read_dir(directory.path()).expect("readable").collect();
    assert_eq!(left.len(), 1, "neither a socket nor a state directory: {left:?}");
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = taken.local_addr().expect("an address").to_string();
    let text = refusal(&LISTEN.replace("127.0.0.1:0", &address));
    assert!(text.contains(&address), "{text}");
}

#[test]
fn check_says_who_may_ask_what_and_starts_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("leasequery.toml");
    let config = format!("state-dir = \"state\"\n{LISTEN}{REQUESTOR}{PUSH}[limits]\ndata-timeout = 5\n");
    std::fs::write(&file, config).expect("written");
    let output = leasequery().args(["serve", "--check", "--config"]).arg(&file).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    let listen = line("listen v4 tcp 127.0.0.1:0");
    assert!(listen.contains("me") && listen.contains("127.0.0.1/32") && listen.contains("bulk"), "{text}");
    assert!(listen.contains("in the clear"), "{text}");
    assert!(line("source push").contains("push.sock"), "{text}");
    assert!(line("state").contains("state"), "{text}");
    assert!(line("warning").contains("data-timeout"), "{text}");
    assert!(!directory.path().join("state").exists() && !directory.path().join("push.sock").exists());
}

#[test]
fn check_looks_into_the_configuration_of_kea() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("leasequery.toml");
    let source = "[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v4\"\npath = \"l.csv\"\nkea-config = \"kea.conf\"\n";
    std::fs::write(&file, format!("{LISTEN}{REQUESTOR}{source}")).expect("written");
    let check = || leasequery().args(["serve", "--check", "--config"]).arg(&file).output().expect("the program runs");
    let output = check();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(common::stderr(&output).contains("kea.conf"), "{output:?}");
    std::fs::write(directory.path().join("kea.conf"), "{ \"Dhcp4\": { } }").expect("written");
    assert_eq!(check().status.code(), Some(0));
}

//= rfc6926-8.1-04
//= rfc6926-8.1-05
//= rfc6926-9-01
//= rfc6926-9-02
//= rfc6926-9-03
//= rfc6926-9-08
#[test]
fn a_peer_that_is_not_listed_is_closed_at_once() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}"));
    let mut peer = Peer::connect_from(OTHER, daemon.address());
    assert_eq!(peer.next(), Next::Closed, "before it has said anything");
    let mut peer = Peer::connect_from(ME, daemon.address());
    peer.send(&query_all(1));
    assert_eq!(peer.answer(1), (0, None));
    eventually("the log line", || daemon.log().contains("127.0.0.2"));
}

//= rfc6926-8.1-06
//= rfc6926-8.1-07
//= rfc6926-9-04
#[test]
fn a_requestor_that_may_not_send_bulk_queries_is_told_so() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}allow = [\"udp\"]\n{}", network("10.0.0.0/30")));
    let mut peer = daemon.connect();
    peer.send(&query_all(1));
    let (replies, status) = peer.answer(1);
    assert_eq!((replies, status.map(|(code, _)| code)), (0, Some(StatusCode::NOT_ALLOWED)));
}

//= rfc6926-8.1-01
//= rfc6926-8.1-03
//= rfc6926-6.3-08
//= rfc6926-9-08
//= rfc7724-8.4-01
//= rfc7724-9-03
#[test]
fn connections_beyond_the_limit_are_accepted_and_closed() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}[limits]\nconnections = 2\n"));
    let mut first = daemon.connect();
    let mut second = daemon.connect();
    for (xid, peer) in [(1, &mut first), (2, &mut second)] {
        peer.send(&query_all(xid));
        assert_eq!(peer.answer(xid), (0, None));
    }
    let mut third = daemon.connect();
    assert_eq!(third.next(), Next::Closed);
    first.send(&query_all(3));
    assert_eq!(first.answer(3), (0, None), "those that were there go on");

    drop(first);
    eventually("a place became free", || {
        let mut peer = daemon.connect();
        // A reset is possible here: the query may arrive when the connection is closed already.
        let sent = peer.stream.write_all(&query_all(4)).is_ok();
        sent && matches!(peer.next(), Next::Message { xid: 4, .. })
    });
}

#[test]
fn one_address_cannot_take_all_connections() {
    let limits = "[limits]\nconnections = 3\nconnections-per-requestor = 1\n";
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{limits}"));
    let mut first = daemon.connect();
    first.send(&query_all(1));
    assert_eq!(first.answer(1), (0, None));
    for _ in 0..50 {
        assert_eq!(daemon.connect().next(), Next::Closed);
    }
    eventually("they are told of in sum", || {
        daemon
            .log()
            .contains("more within a second, such as: closed: as many connections as limits.connections-per-requestor")
    });
    assert!(daemon.log().matches("as many connections").count() < 50);
}

//= rfc7724-9-03
//= rfc7653-limits-02
#[test]
fn an_idle_connection_makes_room_for_another_address() {
    let everybody = REQUESTOR.replace("127.0.0.1", "127.0.0.0/8");
    let daemon = Daemon::start(&format!("{LISTEN}{everybody}{HUGE}[limits]\nconnections = 4\n"));
    let mut mine: Vec<_> = (0..4).map(|_| daemon.connect()).collect();
    // One is idle, one has begun a message, and two are being answered and do not read.
    mine[0].send(&query(1, |writer| writer.option(OptionCode::CLIENT_IDENTIFIER, b"nobody")));
    assert_eq!(mine[0].answer(1), (0, None));
    mine[1].send(&[1, 0, 1]);
    for peer in &mut mine[2..] {
        peer.send(&query_all(2));
        assert!(matches!(peer.next(), Next::Message { xid: 2, .. }));
    }
    let mut others = Vec::new();
    for _ in 0..2 {
        eventually("there is room", || {
            let mut peer = Peer::connect_from(OTHER, daemon.address());
            let sent =
                peer.stream.write_all(&query(3, |writer| writer.option(OptionCode::CLIENT_IDENTIFIER, b"x"))).is_ok();
            let answered = sent && matches!(peer.next(), Next::Message { xid: 3, .. });
            others.push(peer);
            answered
        });
    }
    for idle in &mut mine[..2] {
        assert_eq!(idle.next(), Next::Closed);
    }
    eventually("it is said", || daemon.log().contains("idle, and its place is wanted for another requestor"));
    // Both have two now.
    assert_eq!(Peer::connect_from(OTHER, daemon.address()).next(), Next::Closed);
    assert!(matches!(mine[2].next(), Next::Message { xid: 2, .. }), "what is being answered goes on");
}

//= rfc6926-7.7-02
//= rfc6926-7.7-04
//= rfc6926-8.4-01
//= rfc6926-8.4-04
//= rfc6926-9-08
#[test]
fn a_query_is_answered_while_another_one_is_under_way() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{HUGE}"));
    let mut peer = daemon.connect();
    peer.send(&query_all(1));
    for _ in 0..10_000 {
        assert!(matches!(peer.next(), Next::Message { xid: 1, .. }));
    }
    // Nothing matches this one, so its final message comes at once, long before that of the first.
    let header = Header { chaddr: &[2, 0, 0, 0, 0, 1], htype: 1, ..Header::new(BOOT_REQUEST, 2) };
    let mut short = Vec::new();
    MessageWriter::frame(&mut short, &header, MessageType::BULK_LEASE_QUERY).finish().expect("a short message");
    peer.send(&short);
    let mut replies = 0;
    while !matches!(peer.next(), Next::Message { xid: 2, kind: MessageType::LEASE_QUERY_DONE, .. }) {
        replies += 1;
        assert!(replies < 1_000_000, "held back");
    }

    let daemon =
        Daemon::start(&format!("{LISTEN}{REQUESTOR}{}[limits]\nqueries-per-connection = 1\n", network("10.0.0.0/18")));
    let mut peer = daemon.connect();
    peer.send(&[query_all(1), short].concat());
    assert_eq!(peer.answer(1), (16_384, None), "with one at a time the second waits");
    assert_eq!(peer.answer(2), (0, None));
}

//= rfc6926-8.5-03
//= rfc6926-6.3-08
//= rfc6926-9-08
//= rfc7724-8.4-02
//= rfc7724-9-03
#[test]
fn an_idle_connection_is_closed_after_the_data_timeout() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}[limits]\ndata-timeout = 0.4\n"));
    let silent = Instant::now();
    assert_eq!(daemon.connect().next(), Next::Closed);
    assert!(silent.elapsed() >= Duration::from_millis(400), "{:?}", silent.elapsed());
}

//= rfc6926-8.1-08
#[test]
fn a_query_that_does_not_come_to_its_end_is_not_waited_for() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}[limits]\ndata-timeout = 0.4\n"));
    let start = Instant::now();
    let mut peer = daemon.connect();
    peer.stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    // A message of the greatest length.
    let mut octets = [0xff, 0xff].into_iter().chain(std::iter::repeat(1));
    eventually("a drip of octets keeps the connection no longer", || {
        let sent = peer.stream.write_all(&[octets.next().expect("there are more")]);
        sent.is_err() || matches!(peer.stream.read(&mut [0]), Ok(0))
    });
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
}

//= rfc6926-8.2-01
#[test]
fn a_requestor_that_takes_no_data_is_dropped() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{HUGE}[limits]\ndata-timeout = 0.4\n"));
    let mut peer = daemon.connect();
    peer.send(&query_all(1));
    eventually("the server gave up", || daemon.log().contains("does not take its data"));
    let mut buffer = vec![0; 1 << 20];
    while matches!(peer.stream.read(&mut buffer), Ok(length) if length > 0) {}
}

//= rfc6926-8.5-02
//= rfc6926-8.5-04
#[test]
fn a_requestor_that_goes_away_in_mid_dump_leaves_nothing_behind_however_it_went() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{HUGE}[limits]\nconnections = 1\n"));
    for reset in [true, false] {
        let mut peer = Peer::connect_from(ME, daemon.address());
        eventually("the only place is free", || {
            let sent = peer.stream.write_all(&query_all(1)).is_ok();
            let served = sent && matches!(peer.next(), Next::Message { xid: 1, .. });
            if !served {
                peer = Peer::connect_from(ME, daemon.address());
            }
            served
        });
        let socket = socket2::SockRef::from(&peer.stream);
        if reset {
            socket.set_linger(Some(Duration::ZERO)).expect("a reset on closing");
        } else {
            peer.stream.shutdown(std::net::Shutdown::Both).expect("it is open");
        }
    }
    eventually("the only place is free again", || {
        let mut peer = daemon.connect();
        peer.stream.write_all(&query_all(2)).is_ok() && matches!(peer.next(), Next::Message { xid: 2, .. })
    });
}

//= rfc6926-8.5-08
#[test]
fn a_requestor_that_shuts_down_its_sending_side_gets_its_answer_and_then_the_end() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{}", network("10.0.0.0/18")));
    let mut peer = daemon.connect();
    peer.send(&query_all(1));
    peer.stream.shutdown(Shutdown::Write).expect("shut down");
    assert_eq!(peer.answer(1), (16_384, None));
    assert_eq!(peer.next(), Next::Closed);
}

//= rfc6926-8.5-01
#[test]
fn closing_does_not_reset_what_is_still_arriving() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}"));
    let mut peer = daemon.connect();
    let mut discover = Vec::new();
    let writer = MessageWriter::frame(&mut discover, &Header::new(BOOT_REQUEST, 1), MessageType(1));
    writer.finish().expect("a short message");
    peer.send(&discover.repeat(200));
    assert_eq!(peer.next(), Next::Closed);
    peer.send(&discover);
    assert_eq!(peer.next(), Next::Closed);
    eventually("the log line", || daemon.log().contains("has no place here"));
}

//= rfc6926-8.5-05
//= rfc6926-8.5-06
//= rfc6926-8.5-07
//= rfc6926-8.2-02
#[test]
fn sigterm_ends_queries_with_query_terminated_and_the_daemon_with_0() {
    let mut daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{HUGE}"));
    let mut fast = daemon.connect();
    fast.send(&[query_all(1), query_all(2)].concat());
    assert!(matches!(fast.next(), Next::Message { .. }));
    let mut idle = daemon.connect();
    idle.send(&query(3, |_| ()));
    // This one does not read; it must not keep the daemon from ending.
    let mut slow = daemon.connect();
    slow.send(&query_all(4));
    assert!(matches!(slow.next(), Next::Message { xid: 4, .. }));

    daemon.signal("TERM");
    let mut terminated = Vec::new();
    loop {
        match fast.next() {
            Next::Message { kind: MessageType::LEASE_QUERY_DONE, xid, status, .. } => {
                let (code, text) = status.expect("a status");
                assert_eq!(code, StatusCode::QUERY_TERMINATED);
                assert!(!text.is_empty());
                terminated.push(xid);
            }
            Next::Message { .. } => {}
            ended => {
                assert_eq!(ended, Next::Closed);
                break;
            }
        }
    }
    terminated.sort_unstable();
    assert_eq!(terminated, [1, 2]);
    let status = daemon.wait();
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
}

#[test]
fn sigint_ends_an_idle_daemon_at_once() {
    let mut daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{PUSH}"));
    let mut peer = daemon.connect();
    peer.send(&query_all(1));
    assert_eq!(peer.answer(1), (0, None));
    daemon.signal("INT");
    assert_eq!(peer.next(), Next::Closed);
    drop(peer);
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(!daemon.path("push.sock").exists(), "the socket is taken away");
}

#[test]
fn sighup_takes_requestors_and_networks_anew_and_keeps_what_is_permitted() {
    let other = "[[requestor]]\nname = \"other\"\naddresses = [\"127.0.0.2\"]\n";
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{other}{HUGE}"));
    let mut permitted = daemon.connect();
    let mut dismissed = Peer::connect_from(OTHER, daemon.address());
    dismissed.send(&query_all(1));
    assert!(matches!(dismissed.next(), Next::Message { xid: 1, .. }));

    let third = "[[requestor]]\nname = \"third\"\naddresses = [\"127.0.0.3\"]\n";
    daemon.configure(&format!("{LISTEN}{REQUESTOR}{third}{HUGE}"));
    daemon.signal("HUP");
    let status = loop {
        match dismissed.next() {
            Next::Message { kind: MessageType::LEASE_QUERY_DONE, status, .. } => break status,
            Next::Message { .. } => {}
            ended => panic!("{ended:?} without a final message"),
        }
    };
    assert_eq!(status.map(|(code, _)| code), Some(StatusCode::QUERY_TERMINATED));
    assert_eq!(dismissed.next(), Next::Closed);

    daemon.configure(&format!("{LISTEN}{REQUESTOR}{third}{}", network("10.0.0.0/30")));
    daemon.signal("HUP");
    eventually("the log line", || daemon.log().matches("SIGHUP").count() == 2);
    permitted.send(&query_all(2));
    assert_eq!(permitted.answer(2), (4, None), "it goes on, with the new networks");
    let mut new = Peer::connect_from(Ipv4Addr::new(127, 0, 0, 3), daemon.address());
    new.send(&query_all(3));
    assert_eq!(new.answer(3), (4, None));
    assert_eq!(Peer::connect_from(OTHER, daemon.address()).next(), Next::Closed);
}

#[test]
fn sighup_with_a_bad_file_changes_nothing_and_says_so() {
    let mut daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{}", network("10.0.0.0/30")));
    let mut peer = daemon.connect();
    daemon.configure("[[requestor]]\nnome = \"x\"\n");
    daemon.signal("HUP");
    eventually("the log line", || daemon.log().contains("leasequery.toml:2:1"));
    peer.send(&query_all(1));
    assert_eq!(peer.answer(1), (4, None));
    assert!(daemon.is_running());

    // Nobody waits for what may never come.
    let file = daemon.path("leasequery.toml");
    std::fs::remove_file(&file).expect("it is there");
    assert!(Command::new("mkfifo").arg(&file).status().expect("it runs").success());
    daemon.signal("HUP");
    eventually("the log line", || daemon.log().contains("it is a FIFO"));
}

#[test]
fn running_out_of_descriptors_is_survived() {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let config = format!("{LISTEN}{REQUESTOR}[limits]\nconnections = 1000\n");
    std::fs::write(directory.path().join("leasequery.toml"), config).expect("written");
    let mut program = Command::new("sh");
    program.args(["-c", "ulimit -n 32; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_leasequery")]);
    let mut daemon = Daemon::start_in(directory, program);
    let peers: Vec<_> = (0..64).map(|_| daemon.connect()).collect();
    eventually("the log line", || daemon.log().contains("as many connections as there are file descriptors for"));
    drop(peers);
    eventually("there is room again", || {
        let mut peer = daemon.connect();
        // A reset is possible here: the query may arrive when the connection is closed already.
        let sent = peer.stream.write_all(&query_all(1)).is_ok();
        sent && matches!(peer.next(), Next::Message { xid: 1, .. })
    });
    assert!(daemon.is_running());
}

//= rfc7724-9-04
//= rfc7653-security-01
#[test]
fn what_was_committed_survives_a_kill() {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let config = format!("state-dir = \"state\"\n{LISTEN}{REQUESTOR}{PUSH}{}", network("10.0.0.0/28"));
    std::fs::write(directory.path().join("leasequery.toml"), config).expect("written");
    let daemon = Daemon::start_in(Arc::clone(&directory), leasequery());
    let mode = std::fs::metadata(daemon.path("state")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    daemon.push_all(&[
        json!({"protocol": "v4", "address": "10.0.0.1", "state": "active", "mac": "02:00:00:00:00:01",
               "start-time-of-state": "2026-01-01T00:00:00Z", "expires": "2100-01-01T00:00:00Z"}),
        json!({"protocol": "v4", "address": "10.0.0.2", "state": "released", "mac": "02:00:00:00:00:02"}),
    ]);
    let known = |daemon: &Daemon| {
        let mut records = daemon.records(&[]);
        for record in &mut records {
            record.as_object_mut().expect("an object").remove("base-time");
        }
        records
    };
    let before = known(&daemon);
    assert_eq!(before.len(), 16);
    daemon.signal("KILL");
    drop(daemon);
    let daemon = Daemon::start_in(directory, leasequery());
    assert_eq!(known(&daemon), before);
}

/// Runs the daemon with a configuration until it has looked on for a second from its beginning to its end, ends it with a
/// signal, and starts it anew. Gives what it then answers to a query for changes from before its end: free addresses are
/// among them only if the past is not whole.
fn replies_about_the_last_run(config: &str, signal: &str) -> (usize, Daemon) {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    std::fs::write(directory.path().join("leasequery.toml"), config).expect("written");
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs();
    let mut daemon = Daemon::start_in(Arc::clone(&directory), leasequery());
    let start = now() + 2;
    eventually("two seconds have passed", || now() >= start);
    daemon.signal(signal);
    daemon.wait();
    drop(daemon);
    let daemon = Daemon::start_in(directory, leasequery());
    let mut peer = daemon.connect();
    let start = u32::try_from(start).expect("it is not 2106");
    peer.send(&query(1, |query| query.u32(OptionCode::QUERY_START_TIME, start)));
    (peer.answer(1).0, daemon)
}

#[test]
fn after_a_crash_the_past_is_whole_only_if_the_sources_repeat_what_was_lost() {
    let base = format!("state-dir = \"state\"\n{LISTEN}{REQUESTOR}{}", network("10.0.0.0/30"));
    let with_push = format!("{base}{PUSH}");
    for (config, signal, expected) in [(&with_push, "TERM", 0), (&with_push, "KILL", 4), (&base, "KILL", 0)] {
        let (replies, daemon) = replies_about_the_last_run(config, signal);
        assert_eq!(replies, expected, "{signal}: {}", daemon.log());
        assert_eq!(daemon.log().contains("history begins anew"), expected > 0, "{}", daemon.log());
    }
}

#[test]
fn what_a_source_told_of_ends_when_it_is_no_longer_configured() {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let base = format!("state-dir = \"state\"\n{LISTEN}{REQUESTOR}{}", network("10.0.0.1-10.0.0.1"));
    let start = |push: &str| {
        std::fs::write(directory.path().join("leasequery.toml"), format!("{base}{push}")).expect("written");
        Daemon::start_in(Arc::clone(&directory), leasequery())
    };
    let states = |daemon: &Daemon| {
        let records = daemon.records(&[]);
        let state = |record: &serde_json::Value| [record["address"].clone(), record["state"].clone()];
        records.iter().map(state).collect::<Vec<_>>()
    };
    let mut daemon = start(PUSH);
    let lease = |address| json!({"protocol": "v4", "address": address, "state": "active", "mac": "02:00:00:00:00:01"});
    daemon.push_all(&["10.0.0.1", "10.0.0.9"].map(lease));
    assert_eq!(states(&daemon), ["10.0.0.1", "10.0.0.9"].map(|address| [json!(address), json!("active")]));
    daemon.signal("TERM");
    daemon.wait();
    let mut daemon = start(PUSH);
    assert_eq!(states(&daemon).len(), 2, "a restart alone ends nothing");
    daemon.signal("TERM");
    daemon.wait();
    let daemon = start(&PUSH.replace("push.sock", "other.sock"));
    let ended = || daemon.log().contains("push.sock is no longer configured: 2 of its bindings ended");
    eventually("they have ended", ended);
    let states = states(&daemon);
    assert!(states.contains(&[json!("10.0.0.1"), json!("available")]), "{states:?}");
    assert!(states.iter().all(|[_, state]| *state != "active"), "{states:?}");
}
