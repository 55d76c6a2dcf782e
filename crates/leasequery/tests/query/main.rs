//! `leasequery query`: single queries over UDP, to the daemon and to servers that misbehave.

#[path = "../common/mod.rs"]
mod common;
mod listener;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Output;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::v6::{ANNE, BERT, CLEO, LINE_1, LINKS, RELAY, SERVER_ID};
use common::{Daemon, LISTEN, LISTEN_V6, PUSH, REQUESTOR, leasequery, listen_udp, network, place, records, stderr};
use leasequery_wire::{v4, v6};
use serde_json::{Value, json};

const OPTION_82: &str = "010161020272310c026531";

/// One client with two addresses behind one Remote ID, and another one.
fn leases_v4() -> Vec<Value> {
    let lease = |last: u8, mac: &str, heard: &str| {
        json!({"protocol": "v4", "address": format!("10.0.0.{last}"), "state": "active", "mac": mac,
               "client-last-transaction-time": heard, "expires": "2090-01-01T00:00:00Z",
               "relay-agent-information": OPTION_82, "options": {"12": "686f7374"}})
    };
    let mut other = lease(13, "02:00:00:00:00:0b", "2026-01-03T00:00:00Z");
    other["client-id"] = json!("ff0a0b");
    other["relay-agent-information"] = Value::Null;
    vec![
        lease(11, "02:00:00:00:00:0a", "2026-01-01T00:00:00Z"),
        lease(12, "02:00:00:00:00:0a", "2026-01-02T00:00:00Z"),
        other,
        json!({"protocol": "v4", "address": "10.0.0.14", "state": "released", "mac": "02:00:00:00:00:0c"}),
    ]
}

fn config() -> String {
    let [v4, v6] = [listen_udp("v4", "127.0.0.1:0"), listen_udp("v6", "[::1]:0") + SERVER_ID];
    format!("{LISTEN}{LISTEN_V6}{SERVER_ID}{v4}{v6}{REQUESTOR}{PUSH}{LINKS}{}", network("10.0.0.8/29"))
}

fn daemon() -> Daemon {
    let daemon = Daemon::start(&config());
    daemon.push_all(&[leases_v4(), common::v6::leases()].concat());
    daemon
}

fn query(server: SocketAddr, arguments: &[&str]) -> Output {
    leasequery().args(["query", &server.to_string()]).args(arguments).output().expect("the program runs")
}

/// The addresses and prefixes in the answers to a query, which has to succeed.
fn found(server: SocketAddr, arguments: &[&str]) -> Vec<String> {
    let output = query(server, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let mut found: Vec<_> = records(&output).iter().map(place).collect();
    found.sort();
    found
}

/// A server that answers each datagram as the script says, which is told how many came before. What came is given, too.
fn scripted(
    local: &str,
    mut script: impl FnMut(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (SocketAddr, Receiver<Vec<u8>>) {
    let socket = UdpSocket::bind(local).expect("a socket");
    let address = socket.local_addr().expect("an address");
    let (sender, received) = channel();
    std::thread::spawn(move || {
        let mut input = vec![0; 65_536];
        for number in 0.. {
            let Ok((length, from)) = socket.recv_from(&mut input) else { return };
            for answer in script(number, &input[..length]) {
                let _ = socket.send_to(&answer, from);
            }
            if sender.send(input[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    (address, received)
}

#[test]
fn leases_of_dhcpv4_are_found_by_what_identifies_them() {
    let daemon = daemon();
    let server = daemon.listener("v4-udp");
    assert_eq!(found(server, &["--address", "10.0.0.11"]), ["10.0.0.11"]);
    let both = ["10.0.0.11", "10.0.0.12"];
    assert_eq!(found(server, &["--mac", "02:00:00:00:00:0a"]), both, "the other address is asked for, too");
    assert_eq!(found(server, &["--mac", "02:00:00:00:00:0a", "--htype", "6"]), [""; 0]);
    assert_eq!(found(server, &["--client-id", "ff0a0b"]), ["10.0.0.13"]);
    assert_eq!(found(server, &["--remote-id", "7231"]), both);

    let output = query(server, &["--address", "10.0.0.11", "--options", "12", "--format", "json"]);
    let record = &records(&output)[0];
    for (name, value) in [
        ("protocol", json!("v4")),
        ("address", json!("10.0.0.11")),
        ("state", json!("active")),
        ("mac", json!("02:00:00:00:00:0a")),
        ("expires", json!("2090-01-01T00:00:00Z")),
        ("relay-agent-information", json!(OPTION_82)),
        ("remote-id", json!("7231")),
        ("relay-id", json!("6531")),
        ("options", json!({"12": "686f7374"})),
        ("server", json!("127.0.0.1")),
    ] {
        assert_eq!(record[name], value, "{name}: {record}");
    }
    let output = query(server, &["--address", "10.0.0.14"]);
    assert_eq!(records(&output)[0]["state"], "available");
    assert_eq!(records(&output)[0]["mac"], Value::Null, "its last client is nobody's business");
}

//= rfc5007-4.1.2.1-06
//= rfc5007-4.1.2.1-07
//= rfc5007-4.3.3-04
//= rfc5007-4.4.1-05
//= rfc5007-4.4.1-06
//= rfc5007-4.4.1-08
#[test]
fn leases_of_dhcpv6_are_found_by_address_and_duid_on_all_links_of_their_client() {
    let daemon = daemon();
    let server = daemon.listener("v6-udp");
    let on_first = ["2001:db8:1::10", "2001:db8:f000:100::/56"];
    assert_eq!(found(server, &["--address", "2001:db8:1::10"]), on_first);
    assert_eq!(found(server, &["--address", "2001:db8:f000:123::7"]), on_first, "in the prefix");
    assert_eq!(found(server, &["--address", "2001:db8:1::11"]), ["2001:db8:1::11"], "whose it is, and nobody else's");
    assert_eq!(found(server, &["--duid", ANNE]), ["2001:db8:1::10", "2001:db8:2::10", "2001:db8:f000:100::/56"]);
    assert_eq!(found(server, &["--duid", BERT]), ["2001:db8:1::11", "2001:db8:9::11"]);
    assert_eq!(found(server, &["--duid", ANNE, "--link", "2001:db8:2::9"]), ["2001:db8:2::10"]);
    let last = common::v6::lease("2001:db8:2::77", CLEO, "active");
    daemon.push_all(&[last]);
    assert_eq!(found(server, &["--duid", CLEO]), ["2001:db8:2::77"], "on the last link");

    let output = query(server, &["--address", "2001:db8:f000:100::1", "--options", "23"]);
    let record = records(&output).into_iter().find(|record| record["prefix"].is_string()).expect("the prefix");
    for (name, value) in [
        ("protocol", json!("v6")),
        ("prefix", json!("2001:db8:f000:100::/56")),
        ("state", json!("active")),
        ("duid", json!(ANNE)),
        ("client-last-transaction-time", json!("2026-01-02T00:00:00Z")),
        ("expires", json!("2090-01-01T00:00:00Z")),
        ("preferred-until", json!("2089-01-01T00:00:00Z")),
        ("relay-peer", json!("2001:db8:ff::1")),
        ("remote-id", json!(LINE_1)),
        ("relay-id", json!(RELAY)),
        ("options", json!({"23": "20010db8000000000000000000000053"})),
        ("server", json!("00030001020000000077")),
    ] {
        assert_eq!(record[name], value, "{name}: {record}");
    }
}

//= rfc5007-4.1.2.2-03
#[test]
fn all_leases_of_a_client_on_a_link_are_told_of() {
    let daemon = daemon();
    let mine = ["2001:db8:2::71", "2001:db8:2::72", "2001:db8:2::73"];
    let mut leases: Vec<_> = mine.iter().map(|place| common::v6::lease(place, CLEO, "active")).collect();
    // What is delegated is on the first link, unless it is said where the client is.
    let prefix = common::v6::lease("2001:db8:f000:300::/56", CLEO, "active");
    leases.push(common::v6::with(prefix, &[("link", json!("2001:db8:2::"))]));
    leases.push(common::v6::lease("2001:db8:2::74", CLEO, "released"));
    daemon.push_all(&leases);
    let expected = [&mine[..], &["2001:db8:f000:300::/56"]].concat();
    assert_eq!(found(daemon.listener("v6-udp"), &["--duid", CLEO]), expected);
    assert_eq!(found(daemon.listener("v6-udp"), &["--address", mine[1]]), expected);
}

//= rfc5007-4.3.3-05
//= rfc5007-4.4.1-13
#[test]
fn nothing_found_is_a_success() {
    let daemon = daemon();
    for (listener, arguments) in [
        ("v4-udp", ["--address", "10.9.9.9"]),
        ("v4-udp", ["--mac", "02:00:00:00:00:0c"]),
        ("v4-udp", ["--client-id", "ff0a0c"]),
        ("v4-udp", ["--remote-id", "7232"]),
        ("v6-udp", ["--address", "2001:db8:1::99"]),
        ("v6-udp", ["--duid", CLEO]),
    ] {
        let output = query(daemon.listener(listener), &arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty() && stderr(&output).starts_with("note: "), "{arguments:?}: {output:?}");
    }
}

//= rfc5007-4.4.1-07
#[test]
fn an_error_of_the_server_is_told_by_name_and_exits_with_1() {
    let daemon = daemon();
    let server = daemon.listener("v6-udp");
    for arguments in [&["--address", "2001:db8:5::1"][..], &["--duid", ANNE, "--link", "2001:db8:5::1"]] {
        let output = query(server, arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert!(stderr(&output).starts_with("error: NotConfigured: 2001:db8:5::1"), "{output:?}");
    }
}

#[test]
fn who_is_not_listed_is_not_answered() {
    for requestor in [REQUESTOR.replace("127.0.0.1\", \"::1", "192.0.2.1"), format!("{REQUESTOR}allow = [\"bulk\"]\n")]
    {
        let config = config().replace(REQUESTOR, &requestor);
        let daemon = Daemon::start(&config);
        for (listener, arguments) in [("v4-udp", ["--address", "10.0.0.9"]), ("v6-udp", ["--duid", ANNE])] {
            let server = daemon.listener(listener);
            let output = query(server, &[&arguments[..], &["--timeout", "0.5"]].concat());
            assert_eq!(output.status.code(), Some(3), "{output:?}");
            assert!(output.stdout.is_empty(), "{output:?}");
            assert!(stderr(&output).contains(&format!("no answer from {server}")), "{output:?}");
            common::eventually("the log tells", || {
                let log = daemon.log();
                log.lines().any(|line| line.contains(listener) && line.contains("not answered"))
            });
        }
    }
}

//= rfc5460-3-02
#[test]
fn wrong_usage_is_told_before_anything_is_sent() {
    // Nobody is there: waiting for an answer would end with 3.
    let run = |server: &str, arguments: &[&str]| {
        let output = query(server.parse().expect("an address"), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        stderr(&output)
    };
    assert!(run("127.0.0.1:1", &[]).contains("--address, --mac, --client-id or --remote-id"));
    assert!(run("127.0.0.1:1", &["--relay-id", "01"]).contains("bulk"));
    assert!(run("127.0.0.1:1", &["--mac", "020000000001", "--since", "1"]).contains("bulk"));
    assert!(run("127.0.0.1:1", &["--duid", ANNE]).contains("DHCPv6"));
    assert!(run("127.0.0.1:1", &["--address", "::1"]).contains("IPv6"));
    assert!(run("[::1]:1", &[]).contains("--address or --duid"));
    assert!(run("[::1]:1", &["--relay-id", RELAY]).contains("bulk"));
    assert!(run("[::1]:1", &["--remote-id", LINE_1]).contains("bulk"));
    assert!(run("[::1]:1", &["--link", "2001:db8:1::"]).contains("--address or --duid"));
    assert!(run("[::1]:1", &["--mac", "020000000001"]).contains("DHCPv4"));
    assert!(run("[::1]:1", &["--duid", ANNE, "--giaddr", "127.0.0.1"]).contains("DHCPv4"));
}

fn v4_answer(query: &[u8]) -> Vec<u8> {
    let query = v4::Message::parse(query).expect("a query");
    let header = v4::Header { ciaddr: query.ciaddr(), ..v4::Header::new(v4::BOOT_REPLY, query.xid()) };
    let mut out = Vec::new();
    let mut writer = v4::MessageWriter::datagram(&mut out, &header, v4::MessageType::LEASE_ACTIVE);
    writer.u32(v4::OptionCode::LEASE_TIME, 600);
    writer.finish().expect("a short message");
    out
}

/// An answer about an address, from a server and for a requestor.
fn v6_answer(xid: u32, server: Option<&[u8]>, client: Option<&[u8]>, address: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = v6::MessageWriter::datagram(&mut out, v6::MessageType::LEASE_QUERY_REPLY, xid);
    for (code, id) in [(v6::OptionCode::SERVER_ID, server), (v6::OptionCode::CLIENT_ID, client)] {
        if let Some(id) = id {
            writer.option(code, id);
        }
    }
    let data = writer.open(v6::OptionCode::CLIENT_DATA);
    writer.option(v6::OptionCode::CLIENT_ID, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    writer.lease(address.parse().expect("an address"), None, 300, 600);
    writer.u32(v6::OptionCode::CLT_TIME, 7);
    writer.close(data);
    writer.finish().expect("a short message");
    out
}

/// Message-level OPTION_CLIENTID and transaction id of a query.
fn asker(query: &[u8]) -> (Vec<u8>, u32) {
    let message = v6::Message::parse(query).expect("a query");
    (message.client_id().expect("well-formed").expect("there is one").to_vec(), message.transaction_id())
}

//= rfc5007-4.3.2-08
#[test]
fn a_query_that_is_lost_is_sent_again_as_it_was() {
    let (server, received) =
        scripted("127.0.0.1:0", |number, query| if number == 0 { vec![] } else { vec![v4_answer(query)] });
    assert_eq!(found(server, &["--address", "10.0.0.1"]), ["10.0.0.1"]);
    let sent: Vec<_> = received.iter().take(2).collect();
    assert_eq!(sent[0], sent[1]);

    let (server, received) = scripted("[::1]:0", |number, query| {
        let (client, xid) = asker(query);
        if number == 0 { vec![] } else { vec![v6_answer(xid, Some(&[0, 2]), Some(&client), "2001:db8::7")] }
    });
    assert_eq!(found(server, &["--address", "2001:db8::7"]), ["2001:db8::7"]);
    let sent: Vec<_> = received.iter().take(2).collect();
    assert_eq!(sent[0], sent[1]);
}

//= rfc5007-4.2.2-01
//= rfc5007-4.2.2-02
//= rfc5007-4.2.2-03
//= rfc5007-4.2.2-04
//= rfc5007-4.2.1-01
#[test]
fn what_is_not_the_answer_is_passed_over() {
    let (server, _received) = scripted("[::1]:0", |_, query| {
        let (client, xid) = asker(query);
        let (server, other) = ([0, 2, 9], [0, 2, 8]);
        vec![
            v6_answer(xid, None, Some(&client), "2001:db8::1"),
            v6_answer(xid, Some(&server), None, "2001:db8::2"),
            v6_answer(xid, Some(&server), Some(&other), "2001:db8::3"),
            v6_answer((xid + 1) & 0xff_ffff, Some(&server), Some(&client), "2001:db8::4"),
            query.to_vec(),
            vec![15, 1],
            v6_answer(xid, Some(&server), Some(&client), "2001:db8::7"),
        ]
    });
    assert_eq!(found(server, &["--address", "2001:db8::7"]), ["2001:db8::7"]);
}

//= rfc5007-4.3.3-01
//= rfc5007-4.3.3-06
#[test]
fn the_status_says_whether_data_count() {
    for (status, code, told) in [(&[][..], 0, 1), (&[0, 13, 0, 2, 0, 0], 0, 1), (&[0, 13, 0, 2, 0, 9], 1, 0)] {
        let (server, _received) = scripted("[::1]:0", move |_, query| {
            let (client, xid) = asker(query);
            vec![[&v6_answer(xid, Some(&[0, 2, 9]), Some(&client), "2001:db8::7")[..], status].concat()]
        });
        let output = query(server, &["--address", "2001:db8::7"]);
        assert_eq!((output.status.code(), records(&output).len()), (Some(code), told), "{output:?}");
    }
}

#[test]
fn an_answer_that_is_none_is_told_with_the_timeout() {
    let (server, _received) = scripted("[::1]:0", |_, query| {
        let (client, xid) = asker(query);
        vec![v6_answer(xid, None, Some(&client), "2001:db8::1")]
    });
    let output = query(server, &["--address", "2001:db8::1", "--timeout", "3"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(output.stdout.is_empty() && stderr(&output).contains("OPTION_SERVERID"), "{output:?}");
}

//= rfc5007-4.1.2.1-05
//= rfc5007-4.1.2.1-08
//= rfc5007-4.1.2.1-09
//= rfc5007-4.3.1-01
//= rfc5007-4.3.1-02
//= rfc5007-4.3.1-03
#[test]
fn a_query_of_dhcpv6_says_who_asks_and_what_for() {
    let (server, received) = scripted("[::1]:0", |_, query| {
        let (client, xid) = asker(query);
        vec![v6_answer(xid, Some(&[0, 2]), Some(&client), "2001:db8::7")]
    });
    for arguments in [["--address", "2001:db8::7"], ["--duid", ANNE]] {
        assert!(
            query(server, &[&arguments[..], &["--options", "23", "--link", "2001:db8:4::"]].concat()).status.success()
        );
    }
    let sent: Vec<_> = received.iter().take(2).collect();
    let messages: Vec<_> = sent.iter().map(|query| v6::Message::parse(query).expect("a query")).collect();
    assert_ne!(messages[0].transaction_id(), messages[1].transaction_id());
    for message in &messages {
        assert_eq!(message.message_type(), v6::MessageType::LEASE_QUERY);
        let count = |code| message.options().iter().filter(|(other, _)| *other == code).count();
        assert_eq!((count(v6::OptionCode::CLIENT_ID), count(v6::OptionCode::QUERY)), (1, 1));
        let query = message.query().expect("well-formed").expect("it is there");
        assert_eq!(query.link, "2001:db8:4::".parse::<std::net::Ipv6Addr>().expect("an address"));
        let requested: Vec<_> = query.options.requested().expect("well-formed").collect();
        assert!(requested.contains(&v6::OptionCode(23)), "{requested:?}");
    }
    let [by_address, by_duid] = [0, 1].map(|place| messages[place].query().expect("well-formed").expect("it is there"));
    assert_eq!(by_address.query_type, v6::QueryType::BY_ADDRESS);
    assert_eq!(by_address.address(), Ok(Some("2001:db8::7".parse().expect("an address"))));
    assert_eq!(by_duid.query_type, v6::QueryType::BY_CLIENT_ID);
    let target = by_duid.options.find(v6::OptionCode::CLIENT_ID).expect("the client's DUID");
    assert_eq!(target, [0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    assert_ne!(asker(&sent[1]).0, target, "the requestor has a DUID of its own");
}

//= rfc4388-6.2-01
//= rfc4388-5-02
#[test]
fn answers_of_dhcpv4_are_awaited_at_giaddr() {
    let (server, received) = scripted("127.0.0.1:0", |_, query| vec![v4_answer(query)]);
    assert_eq!(found(server, &["--address", "10.0.0.1"]), ["10.0.0.1"]);
    assert_eq!(found(server, &["--address", "10.0.0.1", "--giaddr", "192.0.2.7"]), ["10.0.0.1"]);
    let sent: Vec<_> = received.iter().take(2).collect();
    let messages: Vec<_> = sent.iter().map(|query| v4::Message::parse(query).expect("a query")).collect();
    assert_eq!(messages[0].giaddr(), Ipv4Addr::LOCALHOST, "where the query came from");
    assert_eq!(messages[1].giaddr(), Ipv4Addr::new(192, 0, 2, 7));
    assert!(messages.iter().all(|message| message.ciaddr() == Ipv4Addr::new(10, 0, 0, 1)), "a query by address");
}

//= rfc4388-6.4.3-03
#[test]
fn a_server_that_answers_to_port_67_alone_is_heard_or_the_reason_is_said() {
    let server = || {
        let (server, received) = scripted("127.0.0.1:0", |_, _| vec![]);
        std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            for query in received {
                let _ = socket.send_to(&v4_answer(&query), "127.0.0.1:67");
            }
        });
        query(server, &["--address", "10.0.0.1", "--timeout", "2"])
    };
    // Whoever runs the tests may bind port 67 or not, and another test may have it just now.
    let output = server();
    let unheard = |output: &Output| {
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert!(stderr(output).contains("port 67, where some servers send every answer, could not be bound"));
    };
    if output.status.success() {
        assert_eq!(records(&output)[0]["address"], "10.0.0.1");
    } else {
        unheard(&output);
    }
    // Whoever has it now, another one cannot have it; those who may not have it need not be kept from it.
    // A DHCP server of this machine keeps it.
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut taken = UdpSocket::bind("127.0.0.1:67");
    while taken.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
        taken = UdpSocket::bind("127.0.0.1:67");
    }
    unheard(&server());
}

#[test]
fn an_answer_without_room_for_another_address_may_not_name_them_all() {
    // 1500 octets with the headers in front: a code, a length and an address have to fit.
    for (length, full) in [(1466, false), (1467, true)] {
        let (server, _received) = scripted("127.0.0.1:0", move |number, query| {
            if number > 0 {
                return vec![v4_answer(query)];
            }
            let query = v4::Message::parse(query).expect("a query");
            let header =
                v4::Header { ciaddr: Ipv4Addr::new(10, 0, 0, 1), ..v4::Header::new(v4::BOOT_REPLY, query.xid()) };
            let answer = |padding: usize| {
                let mut out = Vec::new();
                let mut writer = v4::MessageWriter::datagram(&mut out, &header, v4::MessageType::LEASE_ACTIVE);
                writer.option(v4::OptionCode::ASSOCIATED_IP, &[10, 0, 0, 1, 10, 0, 0, 2]);
                writer.option(v4::OptionCode(43), &vec![0; padding]);
                writer.finish().expect("a message");
                out
            };
            let answer = (1..length).map(answer).find(|answer| answer.len() == length);
            vec![answer.expect("a padding that makes it so long")]
        });
        let output = query(server, &["--client-id", "0102"]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(records(&output).iter().map(place).collect::<Vec<_>>(), ["10.0.0.1", "10.0.0.2"]);
        let note = stderr(&output).contains("the answer names 2 addresses and has room for no more");
        assert_eq!(note, full, "{length}: {output:?}");
    }
}

/// Of a client's two addresses the server tells of the first one, and then says no more.
#[test]
fn what_was_found_is_printed_though_the_rest_is_not_answered() {
    let (server, _received) = scripted("127.0.0.1:0", |number, query| {
        if number > 0 {
            return Vec::new();
        }
        let query = v4::Message::parse(query).expect("a query");
        let header = v4::Header { ciaddr: Ipv4Addr::new(10, 0, 0, 1), ..v4::Header::new(v4::BOOT_REPLY, query.xid()) };
        let mut out = Vec::new();
        let mut writer = v4::MessageWriter::datagram(&mut out, &header, v4::MessageType::LEASE_ACTIVE);
        writer.option(v4::OptionCode::ASSOCIATED_IP, &[10, 0, 0, 1, 10, 0, 0, 2]);
        writer.finish().expect("a short message");
        vec![out]
    });
    let output = query(server, &["--client-id", "0102", "--timeout", "1"]);
    let found: Vec<_> = records(&output).iter().map(place).collect();
    assert_eq!(found, ["10.0.0.1"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).contains("10.0.0.2"), "{output:?}");

    let (server, _received) = scripted("[::1]:0", |number, query| {
        let (client, xid) = asker(query);
        let mut out = Vec::new();
        let mut writer = v6::MessageWriter::datagram(&mut out, v6::MessageType::LEASE_QUERY_REPLY, xid);
        writer.option(v6::OptionCode::SERVER_ID, &[0, 2]);
        writer.option(v6::OptionCode::CLIENT_ID, &client);
        let links: [std::net::Ipv6Addr; 2] = ["2001:db8:1::", "2001:db8:2::"].map(|link| link.parse().expect("a link"));
        match number {
            0 => writer.option(v6::OptionCode::CLIENT_LINK, &links.map(|link| link.octets()).concat()),
            1 => return vec![v6_answer(xid, Some(&[0, 2]), Some(&client), "2001:db8:1::7")],
            _ => return Vec::new(),
        }
        writer.finish().expect("a short message");
        vec![out]
    });
    let output = query(server, &["--duid", ANNE, "--timeout", "1"]);
    let found: Vec<_> = records(&output).iter().map(place).collect();
    assert_eq!(found, ["2001:db8:1::7"], "{output:?}");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).contains("2001:db8:2::"), "{output:?}");
}
