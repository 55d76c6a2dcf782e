//! Active queries to the daemon: pushing, catching up, permissions, signals.

mod common;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{Daemon, LISTEN, Next, PUSH, Peer, REQUESTOR, eventually, leasequery, network, query_all};
use leasequery_store::durable::Durable;
use leasequery_store::{Budget, Settings, Time, V4Key};
use leasequery_wire::v4::{BOOT_REQUEST, Header, Message, MessageType, MessageWriter, OptionCode, StatusCode};
use serde_json::{Value, json};

const XID: u32 = 77;
const ALLOW: &str = "allow = [\"bulk\", \"active\"]\n";

fn config(limits: &str) -> String {
    format!("{LISTEN}active = true\n{REQUESTOR}{ALLOW}{PUSH}[limits]\n{limits}")
}

fn active_query(since: Option<u32>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, &Header::new(BOOT_REQUEST, XID), MessageType::ACTIVE_LEASE_QUERY);
    if let Some(since) = since {
        writer.u32(OptionCode::QUERY_START_TIME, since);
    }
    writer.finish().expect("a short message");
    out
}

/// A peer whose active query is being answered: catching up with nothing shows that.
fn watch(daemon: &Daemon) -> Peer {
    let mut peer = daemon.connect();
    peer.send(&active_query(Some(now() + 1)));
    let code = status(&mut peer);
    assert!([StatusCode::CATCH_UP_COMPLETE, StatusCode::DATA_MISSING].contains(&code), "{code}");
    peer
}

fn now() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_secs();
    u32::try_from(now).expect("it is not 2106")
}

/// Waits for a second that has only begun.
fn next_second() -> u32 {
    let next = now() + 1;
    eventually("the next second", || now() >= next);
    next
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 + number)
}

/// A lease in its `version`th form.
fn lease(number: u32, version: u32) -> Value {
    let [_, a, b, c] = version.to_be_bytes();
    json!({"protocol": "v4", "address": address(number).to_string(), "state": "active",
           "mac": format!("02:00:00:{a:02x}:{b:02x}:{c:02x}"), "expires": "2100-01-01T00:00:00Z"})
}

fn release(number: u32) -> Value {
    json!({"protocol": "v4", "address": address(number).to_string(), "state": "released"})
}

/// The next message, which has to be a status: its code.
fn status(peer: &mut Peer) -> StatusCode {
    match peer.next() {
        Next::Message { kind: MessageType::LEASE_QUERY_STATUS, xid: XID, status: Some((code, _)), .. } => code,
        other => panic!("{other:?} instead of a status"),
    }
}

/// The next message, which has to be about a binding: whether it is leased, and its address.
fn binding(peer: &mut Peer) -> (bool, Ipv4Addr) {
    match peer.next() {
        Next::Message { kind: MessageType::LEASE_ACTIVE, xid: XID, address, status: None } => (true, address),
        Next::Message { kind: MessageType::LEASE_UNASSIGNED, xid: XID, address, status: None } => (false, address),
        other => panic!("{other:?} instead of a binding"),
    }
}

//= rfc7724-3-01
//= rfc7724-7.3-01
//= rfc7724-8.1-02
//= rfc7724-8.2-18
#[test]
fn changes_are_pushed_as_they_come_and_in_their_order() {
    let daemon = Daemon::start(&config(""));
    let mut peer = watch(&daemon);
    // The next keep-alive is a minute away, so each is told because it came.
    for number in 0..100 {
        daemon.push_all(&[lease(number, 0)]);
        assert_eq!(binding(&mut peer), (true, address(number)));
    }
    let many: Vec<_> = (0..1000).map(|number| lease(number, 1)).collect();
    daemon.push_all(&many);
    for number in 0..1000 {
        assert_eq!(binding(&mut peer), (true, address(number)));
    }
    daemon.push_all(&[release(5)]);
    assert_eq!(binding(&mut peer), (false, address(5)));
}

//= rfc7724-8.2-16
#[test]
fn a_lease_that_runs_out_is_pushed_though_no_source_tells_of_it() {
    let daemon = Daemon::start(&config(""));
    let mut peer = watch(&daemon);
    let soon = jiff::Timestamp::from_second((now() + 2).into()).expect("a time");
    let mut lease = lease(1, 0);
    lease["expires"] = json!(soon.to_string());
    daemon.push_all(&[lease]);
    assert_eq!(binding(&mut peer), (true, address(1)));
    assert_eq!(binding(&mut peer), (false, address(1)));
    assert!(i64::from(now()) >= soon.as_second());
}

//= rfc7724-8-01
//= rfc7724-5.3-01
#[test]
fn one_listener_answers_bulk_and_active_queries() {
    let daemon = Daemon::start(&format!("{}{}", config(""), network("10.0.0.0/30")));
    let mut watching = watch(&daemon);
    let mut peer = daemon.connect();
    peer.send(&query_all(1));
    assert_eq!(peer.answer(1), (4, None));
    daemon.push_all(&[lease(1, 0)]);
    assert_eq!(binding(&mut watching), (true, address(1)));
}

//= rfc7724-8.1-01
//= rfc7724-8.1-02
#[test]
fn without_active_on_the_listener_the_connection_is_closed_without_an_answer() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{ALLOW}{PUSH}"));
    let mut peer = daemon.connect();
    peer.send(&active_query(None));
    assert_eq!(peer.next(), Next::Closed);
}

//= rfc7724-8.1-01
//= rfc7724-8.2-03
#[test]
fn a_requestor_without_active_is_told_so_and_closed() {
    let daemon = Daemon::start(&format!("{LISTEN}active = true\n{REQUESTOR}{PUSH}"));
    let mut peer = daemon.connect();
    peer.send(&active_query(None));
    assert_eq!(status(&mut peer), StatusCode::NOT_ALLOWED);
    assert_eq!(peer.next(), Next::Closed);
}

//= rfc7724-7.1-05
#[test]
fn a_second_query_ends_the_connection() {
    let daemon = Daemon::start(&config(""));
    let mut peer = watch(&daemon);
    peer.send(&active_query(None));
    assert_eq!(status(&mut peer), StatusCode::NOT_ALLOWED);
    assert_eq!(status(&mut peer), StatusCode::QUERY_TERMINATED);
    assert_eq!(peer.next(), Next::Closed);
}

//= rfc7724-7.4-09
//= rfc7724-7.4-10
//= rfc7724-7.4-11
//= rfc7724-7.4-12
#[test]
fn sigterm_tells_every_active_query_and_closes() {
    let mut daemon = Daemon::start(&config(""));
    let before = now();
    let mut peers: Vec<_> = (0..5).map(|_| watch(&daemon)).collect();
    daemon.signal("TERM");
    for peer in &mut peers {
        let body = peer.next_body().expect("the last words");
        let message = Message::parse(&body).expect("a message");
        let status = message.status().expect("well-formed").expect("a status");
        assert_eq!((message.xid(), status.code), (XID, StatusCode::QUERY_TERMINATED));
        assert!(message.base_time().expect("well-formed").is_some_and(|time| time >= before));
        assert_eq!(peer.next(), Next::Closed);
    }
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}

//= rfc7724-8.4-05
#[test]
fn sighup_ends_active_queries_that_are_no_longer_permitted_and_leaves_the_others() {
    let other = format!("[[requestor]]\nname = \"other\"\naddresses = [\"127.0.0.2\"]\n{ALLOW}");
    let daemon = Daemon::start(&format!("{other}{}", config("")));
    let mut revoked = watch(&daemon);
    let mut kept = Peer::connect_from(Ipv4Addr::new(127, 0, 0, 2), daemon.address());
    kept.send(&active_query(Some(now() + 1)));
    status(&mut kept);
    daemon.configure(&format!("{other}{}", config("").replace(ALLOW, "allow = [\"bulk\"]\n").replace(&other, "")));
    daemon.signal("HUP");
    assert_eq!(status(&mut revoked), StatusCode::QUERY_TERMINATED);
    assert_eq!(revoked.next(), Next::Closed);
    daemon.push_all(&[lease(1, 0)]);
    assert_eq!(binding(&mut kept), (true, address(1)));
}

//= rfc7724-7.4-01
//= rfc7724-5.3-05
#[test]
fn silence_is_broken_after_the_idle_timeout() {
    let daemon = Daemon::start(&config("active-idle-timeout = 0.2\n"));
    let first = Instant::now();
    let mut peer = watch(&daemon);
    for _ in 0..3 {
        assert_eq!(status(&mut peer), StatusCode::CONNECTION_ACTIVE);
    }
    assert!(first.elapsed() >= Duration::from_millis(400), "{:?}", first.elapsed());
}

//= rfc7724-5.3-06
#[test]
fn timeouts_below_the_defaults_are_warned_about_and_accepted() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("leasequery.toml");
    let limits = "active-idle-timeout = 59\nactive-send-timeout = 119\n";
    std::fs::write(&file, config(limits)).expect("written");
    let output = leasequery().args(["serve", "--check", "--config"]).arg(&file).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    for warning in ["active-idle-timeout is 59: less than 60", "active-send-timeout is 119: less than 120"] {
        assert!(text.contains(warning), "{text}");
    }
}

/// A peer that takes little before it blocks.
fn narrow(daemon: &Daemon) -> Peer {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(&daemon.address().into()).expect("a connection");
    Peer::new(socket.into())
}

//= rfc7724-6-03
//= rfc7724-8.2-17
#[test]
fn a_reader_that_stops_is_told_of_the_present_when_it_reads_again() {
    const ADDRESSES: u32 = 20;
    const CHANGES: u32 = 100_000;
    let daemon = Daemon::start(&config(""));
    let mut peer = narrow(&daemon);
    peer.send(&active_query(Some(now() + 1)));
    status(&mut peer);
    let changes: Vec<_> = (0..CHANGES).map(|change| lease(change % ADDRESSES, change)).collect();
    for piece in changes.chunks(10_000) {
        daemon.push_all(piece);
    }
    daemon.push_all(&[lease(999, 0)]);
    let (mut messages, mut latest) = (0, BTreeMap::new());
    loop {
        let body = peer.next_body().expect("it goes on");
        let message = Message::parse(&body).expect("a message");
        if message.ciaddr() == address(999) {
            break;
        }
        messages += 1;
        latest.insert(message.ciaddr(), message.chaddr().to_vec());
    }
    for change in CHANGES - ADDRESSES..CHANGES {
        let [_, a, b, c] = change.to_be_bytes();
        assert_eq!(latest.get(&address(change % ADDRESSES)), Some(&vec![2, 0, 0, a, b, c]));
    }
    assert!(messages < CHANGES / 4, "{messages} messages: changes were queued");
}

//= rfc7724-8.2-01
//= rfc7724-8.1-15
//= rfc7724-8.4-01
#[test]
fn a_reader_that_takes_nothing_loses_its_place_to_others() {
    let daemon = Daemon::start(&config("connections = 1\nactive-send-timeout = 0.4\n"));
    let mut stuck = narrow(&daemon);
    stuck.send(&active_query(Some(now() + 1)));
    status(&mut stuck);
    assert_eq!(daemon.connect().next(), Next::Closed, "there is one place");
    let mut version = 0;
    eventually("the place is free", || {
        version += 1;
        let changes: Vec<_> = (0..1000).map(|number| lease(number, version)).collect();
        daemon.push_all(&changes);
        let mut peer = daemon.connect();
        std::io::Write::write_all(&mut peer.stream, &query_all(1)).is_ok()
            && matches!(peer.next(), Next::Message { xid: 1, .. })
    });
}

//= rfc7724-8.4-03
//= rfc7724-8.4-06
#[test]
fn a_requestor_that_goes_away_frees_its_place_at_once_however_it_went() {
    let daemon = Daemon::start(&config("connections = 1\n"));
    // The next keep-alive is a minute away, and nothing changes.
    for reset in [true, false, true, false] {
        let mut peer = daemon.connect();
        eventually("the only place is free", || {
            let sent = std::io::Write::write_all(&mut peer.stream, &active_query(Some(now() + 1))).is_ok();
            let served = sent && matches!(peer.next(), Next::Message { xid: XID, .. });
            if !served {
                peer = daemon.connect();
            }
            served
        });
        if reset {
            let socket = socket2::SockRef::from(&peer.stream);
            socket.set_linger(Some(Duration::ZERO)).expect("a reset on closing");
        } else {
            peer.stream.shutdown(std::net::Shutdown::Write).expect("it is open");
            assert_eq!(peer.next(), Next::Closed, "its end is answered with ours");
        }
    }
}

//= rfc7724-3-04
//= rfc7724-8.2-14
//= rfc7724-7.4.1-03
#[test]
fn how_much_of_the_past_is_kept_can_be_configured() {
    let daemon = Daemon::start(&config("history = \"1s\"\n"));
    next_second();
    let before = next_second();
    daemon.push_all(&[lease(1, 0), release(1)]);
    let ask = || {
        let mut peer = daemon.connect();
        peer.send(&active_query(Some(before)));
        peer.next()
    };
    eventually("the release is forgotten", || {
        matches!(ask(), Next::Message { status: Some((StatusCode::DATA_MISSING, _)), .. })
    });
}

/// Starts the daemon, pushes a change, then some more, and ends and restarts it. Gives the daemon, and the time between
/// the first change and the others.
fn restarted(base: &str) -> (Daemon, u32) {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    std::fs::write(directory.path().join("leasequery.toml"), base).expect("written");
    let start = || Daemon::start_in(Arc::clone(&directory), Command::new(env!("CARGO_BIN_EXE_leasequery")));
    let mut daemon = start();
    next_second();
    daemon.push_all(&[lease(1, 0), lease(2, 0), lease(3, 0)]);
    let since = next_second();
    daemon.push_all(&[lease(4, 0), release(2), lease(3, 1), lease(5, 0), release(5)]);
    daemon.signal("TERM");
    daemon.wait();
    drop(daemon);
    (start(), since)
}

//= rfc7724-7.4.1-01
//= rfc7724-8.2-09
//= rfc7724-8.2-11
#[test]
fn with_a_state_directory_a_restart_is_caught_up_with() {
    let (daemon, since) = restarted(&format!("state-dir = \"state\"\n{}", config("")));
    let mut peer = daemon.connect();
    peer.send(&active_query(Some(since)));
    let told: Vec<_> = (0..4).map(|_| binding(&mut peer)).collect();
    assert_eq!(told, [(true, address(4)), (false, address(2)), (true, address(3)), (false, address(5))]);
    assert_eq!(status(&mut peer), StatusCode::CATCH_UP_COMPLETE);
    daemon.push_all(&[lease(6, 0)]);
    assert_eq!(binding(&mut peer), (true, address(6)));
}

//= rfc7724-7.4.1-03
//= rfc7724-7.4.1-05
#[test]
fn without_a_state_directory_data_are_missing_after_a_restart() {
    let (daemon, since) = restarted(&config(""));
    let mut peer = daemon.connect();
    peer.send(&active_query(Some(since)));
    assert_eq!(status(&mut peer), StatusCode::DATA_MISSING);
    daemon.push_all(&[lease(6, 0)]);
    assert_eq!(binding(&mut peer), (true, address(6)));
}

/// Killed while the clock is ahead by a year, which is then put right.
//= rfc7724-7.4.1-03
#[test]
fn a_state_of_next_year_is_gone_on_with_today() {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let config = format!("state-dir = \"state\"\n{}", config(""));
    std::fs::write(directory.path().join("leasequery.toml"), config).expect("written");
    let start = || Daemon::start_in(Arc::clone(&directory), Command::new(env!("CARGO_BIN_EXE_leasequery")));
    let mut daemon = start();
    let lease = |number| {
        let mut lease = lease(number, 0);
        lease["expires"] = json!(now() + 86_400).to_string().into();
        lease
    };
    daemon.push_all(&[lease(1), lease(2)]);
    daemon.signal("TERM");
    daemon.wait();
    drop(daemon);
    let ahead = now() + 365 * 86_400;
    let state = directory.path().join("state/v4");
    let (mut durable, mut store) = Durable::<V4Key>::open(&state, Settings::default()).expect("it opens");
    for second in 0..3 {
        store.advance(Time(ahead + second));
    }
    assert_eq!((store.counts().active, store.counts().bindings), (0, 2), "they ran out");
    durable.write(durable.collect(&store, &Budget::unlimited())).expect("it writes");
    durable.sync().expect("it is synced");
    drop(durable);

    let daemon = start();
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("the clock was set back from")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("v4: ") && line.contains(" to 20") && line.contains("a new era"), "{line}");
    assert_eq!(daemon.addresses(&[]), ["10.0.0.1", "10.0.0.2"]);
    assert!(daemon.records(&[]).iter().all(|record| record["state"] == "active"), "{:?}", daemon.records(&[]));
    let mut peer = daemon.connect();
    peer.send(&active_query(Some(ahead)));
    assert_eq!(status(&mut peer), StatusCode::DATA_MISSING);
    daemon.push_all(&[lease(3)]);
    assert_eq!(binding(&mut peer), (true, address(3)));
}
