//! The daemon's UDP listeners, asked with datagrams of our own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use leasequery_wire::{v4, v6};

use crate::common::v6::{ANNE, CLEO, LINKS};
use crate::common::{Asker, Daemon, LISTEN, PUSH, REQUESTOR, active, follow, listen_udp, records};
use crate::{OPTION_82, common, daemon, found, leases_v4, query, v6_answer};

//= rfc2131-4.1-05
#[test]
fn on_all_addresses_the_answer_comes_from_the_one_that_was_asked() {
    let [v4, v6] = [listen_udp("v4", "0.0.0.0:0"), listen_udp("v6", "[::]:0")];
    let fixed = listen_udp("v4", "0.0.0.0:0") + "server-id = \"192.0.2.99\"\n";
    let daemon = Daemon::start(&format!("{v4}{v6}{fixed}{REQUESTOR}{PUSH}{LINKS}"));
    daemon.push_all(&[leases_v4(), common::v6::leases()].concat());
    let port = daemon.listener("v4-udp").port();
    for asked in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        let server: SocketAddr = format!("{asked}:{port}").parse().expect("an address");
        let output = query(server, &["--address", "10.0.0.11"]);
        assert_eq!(records(&output)[0]["server"], asked, "{output:?}");
        // It receives from there only.
        let asker = Asker::new(server);
        let header = v4::Header {
            ciaddr: Ipv4Addr::new(10, 0, 0, 11),
            giaddr: Ipv4Addr::LOCALHOST,
            ..v4::Header::new(v4::BOOT_REQUEST, 7)
        };
        let mut datagram = Vec::new();
        let writer = v4::MessageWriter::datagram(&mut datagram, &header, v4::MessageType::LEASE_QUERY);
        writer.finish().expect("a short message");
        let answer = asker.ask(&datagram);
        let message = v4::Message::parse(&answer).expect("an answer");
        assert_eq!(message.option(v4::OptionCode::SERVER_IDENTIFIER), Some(&server_octets(server)[..]));
    }
    let ports = daemon.ready.split_whitespace().filter_map(|word| word.strip_prefix("v4-udp=0.0.0.0:"));
    let port = ports.into_iter().nth(1).expect("the second listener");
    let server = format!("127.0.0.2:{port}").parse().expect("an address");
    assert_eq!(records(&query(server, &["--address", "10.0.0.11"]))[0]["server"], "192.0.2.99");

    let port = daemon.listener("v6-udp").port();
    let server: SocketAddr = format!("[::1]:{port}").parse().expect("an address");
    assert_eq!(found(server, &["--address", "2001:db8:1::11"]), ["2001:db8:1::11"]);
    let answer = Asker::new(server).ask(&v6_query(1, v6::QueryType::BY_CLIENT_ID, &[(1, &DUID)], Some(&ME), None));
    assert_eq!(v6::Message::parse(&answer).expect("an answer").transaction_id(), 1);
}

fn server_octets(server: SocketAddr) -> [u8; 4] {
    match server {
        SocketAddr::V4(server) => server.ip().octets(),
        SocketAddr::V6(_) => [0; 4],
    }
}

/// Anne's.
const DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 1];
/// That of a requestor.
const ME: [u8; 4] = [0, 2, 0, 7];
/// That of the daemon.
const SERVER: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x77];

/// A LEASEQUERY with these query-options.
fn v6_query(
    xid: u32,
    query_type: v6::QueryType,
    options: &[(u16, &[u8])],
    client: Option<&[u8]>,
    server: Option<&[u8]>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = v6::MessageWriter::datagram(&mut out, v6::MessageType::LEASE_QUERY, xid);
    for (code, id) in [(v6::OptionCode::CLIENT_ID, client), (v6::OptionCode::SERVER_ID, server)] {
        if let Some(id) = id {
            writer.option(code, id);
        }
    }
    let query = writer.query(query_type, std::net::Ipv6Addr::UNSPECIFIED);
    for (code, value) in options {
        writer.option(v6::OptionCode(*code), value);
    }
    writer.close(query);
    writer.finish().expect("a short message");
    out
}

//= rfc5007-4.2.1-02
//= rfc5007-4.2.1-03
//= rfc5007-4.2.1-04
//= rfc5007-4.2.2-05
#[test]
fn what_is_no_query_for_this_server_is_dropped_and_counted() {
    let daemon = daemon();
    let asker = Asker::new(daemon.listener("v6-udp"));
    let by_duid = v6::QueryType::BY_CLIENT_ID;
    let target: &[(u16, &[u8])] = &[(1, &DUID)];
    let mut bare = Vec::new();
    let mut writer = v6::MessageWriter::datagram(&mut bare, v6::MessageType::LEASE_QUERY, 3);
    writer.option(v6::OptionCode::CLIENT_ID, &ME);
    writer.finish().expect("a short message");
    let dropped = [
        v6_query(1, by_duid, target, None, None),
        v6_query(2, by_duid, target, Some(&ME), Some(&[0, 2, 1])),
        bare,
        v6_answer(4, Some(&SERVER), Some(&ME), "2001:db8::1"),
        vec![14],
    ];
    for datagram in &dropped {
        asker.send(datagram);
    }
    for (xid, server) in [(8, Some(&SERVER[..])), (9, None)] {
        let answer = asker.ask(&v6_query(xid, by_duid, target, Some(&ME), server));
        let message = v6::Message::parse(&answer).expect("an answer");
        assert_eq!(message.transaction_id(), xid, "nothing came before it");
    }
    let counted = || {
        let log = daemon.log();
        let silent = log.lines().filter_map(|line| line.split_once(": not answered on")).map(|(before, _)| before);
        let more =
            |before: &str| before.strip_suffix(" more within a second, such as")?.rsplit(' ').next()?.parse().ok();
        silent.map(|before| more(before).unwrap_or(1)).sum::<usize>()
    };
    common::eventually("all of them are counted", || counted() == dropped.len());
}

//= rfc5007-4.1.2.1-11
//= rfc5007-4.1.2.1-12
//= rfc5007-4.4.1-02
//= rfc5007-4.4.1-09
//= rfc5007-4.4.1-10
//= rfc5007-4.4.1-11
//= rfc5007-4.4.1-12
//= rfc5007-4.4.1-14
//= rfc5460-4-04
//= rfc5460-4-05
#[test]
fn each_answer_of_dhcpv6_names_both_sides_and_tells_of_one_client_or_its_links_or_why_not() {
    let daemon = daemon();
    let asker = Asker::new(daemon.listener("v6-udp"));
    let clients = |code: u16, value: &[u8]| -> Vec<(u16, Vec<u8>)> { vec![(code, value.to_vec())] };
    let address = |address: &str| {
        let octets = address.parse::<std::net::Ipv6Addr>().expect("an address").octets();
        clients(5, &[&octets[..], &[0; 8]].concat())
    };
    let cleo = [0, 3, 0, 1, 2, 0, 0, 0, 0, 3];
    let relay = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x99];
    let line = [0, 0, 9, 0xbf, b'a', b'b', b'c'];
    // Query-type, query-options, status, clients told of, links told of.
    let cases = [
        (1, address("2001:db8:1::10"), None, 1, 0),
        (1, address("2001:db8:1::99"), None, 0, 0),
        (1, address("2001:db8:5::1"), Some(9), 0, 0),
        (1, vec![], Some(8), 0, 0),
        (2, clients(1, &DUID), None, 0, 2),
        (2, clients(1, &cleo), None, 0, 0),
        (2, vec![], Some(8), 0, 0),
        (3, clients(53, &relay), Some(10), 0, 0),
        (4, vec![], Some(10), 0, 0),
        (5, clients(37, &line), Some(10), 0, 0),
        (200, clients(1, &DUID), Some(7), 0, 0),
    ];
    for (xid, (query_type, options, status, told, links)) in (1..).zip(cases) {
        let options: Vec<_> = options.iter().map(|(code, value)| (*code, value.as_slice())).collect();
        let answer = asker.ask(&v6_query(xid, v6::QueryType(query_type), &options, Some(&ME), None));
        let message = v6::Message::parse(&answer).expect("an answer");
        assert_eq!((message.message_type(), message.transaction_id()), (v6::MessageType::LEASE_QUERY_REPLY, xid));
        assert_eq!(message.client_id(), Ok(Some(&ME[..])));
        assert_eq!(message.server_id(), Ok(Some(&SERVER[..])));
        let found = message.status().expect("well-formed").map(|status| status.code.0);
        assert_eq!(found, status, "query-type {query_type}");
        let data = message.options().iter().filter(|(code, _)| *code == v6::OptionCode::CLIENT_DATA).count();
        assert_eq!(data, told, "query-type {query_type}");
        let found: Vec<_> = message.client_links().expect("well-formed").into_iter().flatten().collect();
        assert_eq!(found.len(), links, "query-type {query_type}");
    }
}

//= rfc5007-4.4.3-01
#[test]
fn a_relayed_query_is_answered_the_way_it_came() {
    let daemon = daemon();
    let asker = Asker::new(daemon.listener("v6-udp"));
    let query = v6_query(1, v6::QueryType::BY_CLIENT_ID, &[(1, &DUID)], Some(&ME), None);
    assert_eq!(asker.ask(&query)[0], 15, "directly, to the port that it came from");
    let put = |out: &mut Vec<u8>, code: u8, value: &[u8]| {
        out.extend_from_slice(&[0, code]);
        out.extend_from_slice(&u16::try_from(value.len()).expect("it is short").to_be_bytes());
        out.extend_from_slice(value);
    };
    let (link, peer) = ([0x20; 16], [0xfe; 16]);
    let mut relayed = [&[12, 3][..], &link, &peer].concat();
    put(&mut relayed, 18, b"eth0");
    // The relay does not listen on port 547 (RFC 8357 section 5.2).
    put(&mut relayed, 135, &[0, 0]);
    put(&mut relayed, 9, &query);
    let answer = asker.ask(&relayed);
    assert_eq!(answer[..34], [&[13, 3][..], &link, &peer].concat());
    let options = v6::Options::parse(&answer[34..], 34).expect("options");
    assert_eq!(options.find(v6::OptionCode::INTERFACE_ID), Some(&b"eth0"[..]));
    let inside = options.find(v6::OptionCode::RELAY_MESSAGE).expect("the answer");
    assert_eq!(v6::Message::parse(inside).expect("a message").message_type(), v6::MessageType::LEASE_QUERY_REPLY);
}

//= rfc5007-4.4.1-01
#[test]
fn queries_leave_the_leases_as_they_are() {
    let daemon = daemon();
    let view = |listener: &str| {
        let server = daemon.listener(listener).to_string();
        let mut records = records(&common::bulk(&server, &["--options", "12,23"]));
        for record in &mut records {
            record.as_object_mut().expect("an object").remove("base-time");
        }
        records
    };
    let before = [view("v4-tcp"), view("v6-tcp")];
    let asker = Asker::new(daemon.listener("v6-udp"));
    let mut random = fastrand::Rng::with_seed(7);
    let query = v6_query(1, v6::QueryType::BY_CLIENT_ID, &[(1, &DUID)], Some(&ME), None);
    for _ in 0..2000 {
        let mut spoilt = query.clone();
        let place = random.usize(4..spoilt.len());
        spoilt[place] = random.u8(..);
        asker.send(&spoilt);
    }
    for (listener, arguments) in
        [("v4-udp", ["--mac", "02:00:00:00:00:0a"]), ("v6-udp", ["--duid", ANNE]), ("v6-udp", ["--duid", CLEO])]
    {
        assert!(query_succeeds(daemon.listener(listener), &arguments));
    }
    assert_eq!([view("v4-tcp"), view("v6-tcp")], before);
}

fn query_succeeds(server: SocketAddr, arguments: &[&str]) -> bool {
    query(server, arguments).status.success()
}

/// Ends a flood when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

//= rfc4388-7-01
#[test]
fn a_flood_of_queries_neither_fills_the_memory_nor_holds_up_others() {
    let daemon = daemon();
    let by_duid = v6_query(1, v6::QueryType::BY_CLIENT_ID, &[(1, &DUID)], Some(&ME), None);
    let header = v4::Header {
        ciaddr: Ipv4Addr::new(10, 0, 0, 11),
        giaddr: Ipv4Addr::LOCALHOST,
        ..v4::Header::new(v4::BOOT_REQUEST, 7)
    };
    let mut by_address = Vec::new();
    v4::MessageWriter::datagram(&mut by_address, &header, v4::MessageType::LEASE_QUERY).finish().expect("it is short");
    let ended = AtomicBool::new(false);
    let flood = |listener: &str, datagram: &[u8]| {
        let asker = Asker::new(daemon.listener(listener));
        asker.0.set_nonblocking(true).expect("a mode");
        let mut sent = 0_u32;
        // Nobody reads the answers.
        while !ended.load(Ordering::Relaxed) || sent < 100_000 {
            if asker.0.send(datagram).is_ok() {
                sent += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        // Also when an assertion fails.
        let _ends = End(&ended);
        scope.spawn(|| flood("v4-udp", &by_address));
        scope.spawn(|| flood("v6-udp", &by_duid));
        let mut first = 0;
        for round in 0..20 {
            assert_eq!(daemon.records(&["--mac", "02:00:00:00:00:0a"]).len(), 2, "TCP goes on");
            if round == 4 {
                first = daemon.memory();
            }
        }
        let grown = daemon.memory().saturating_sub(first);
        assert!(grown < 32 << 20, "{grown} octets more");
    });
    assert!(query_succeeds(daemon.listener("v4-udp"), &["--address", "10.0.0.11"]));
    assert!(query_succeeds(daemon.listener("v6-udp"), &["--duid", ANNE]));
}

//= rfc4388-6.4.2-15
#[test]
fn option_82_is_passed_on_from_server_to_server() {
    let root = Daemon::start(&format!("{}{PUSH}", active(LISTEN)));
    root.push_all(&leases_v4());
    let udp = listen_udp("v4", "127.0.0.1:0");
    let mirror = Daemon::start(&format!("{udp}{LISTEN}{REQUESTOR}{}", follow("v4", root.address())));
    common::eventually("it is passed on", || {
        let output = query(mirror.listener("v4-udp"), &["--address", "10.0.0.11"]);
        let records = records(&output);
        records.first().is_some_and(|record| record["relay-agent-information"] == OPTION_82)
    });
}
