//! Sessions, dissected by tshark.
//!
//! The messages are recorded at the socket and put into a capture file. tshark knows DHCPv4 over UDP only, so each message
//! of DHCPv4 becomes a datagram; Bulk Leasequery over DHCPv6 it knows as a stream.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::daemon::{Daemon, push};
use super::family::Family;
use super::tool;

const CONFIG: &str = "[[source]]\ntype = \"push\"\npath = \"push.sock\"\n\
                      [[network]]\nprotocol = \"v4\"\nranges = [\"10.0.0.1-10.0.0.9\"]\n";

/// A DHCPBULKLEASEQUERY as octets, worked out by hand: header, cookie, option 53, then `options`, then the end.
fn query(xid: u8, options: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[0] = 1;
    message[7] = xid;
    message.extend_from_slice(&[99, 130, 83, 99, 53, 1, 14]);
    message.extend_from_slice(options);
    message.push(255);
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a message fits a frame");
    [&length.to_be_bytes(), message].concat()
}

fn frames(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = octets.split_first_chunk() {
        let (message, behind) = rest.split_at(usize::from(u16::from_be_bytes(*prefix)));
        messages.push(message.to_vec());
        octets = behind;
    }
    messages
}

/// What messages travel in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    /// DHCPv4 datagrams.
    UdpV4,
    /// DHCPv6 datagrams.
    UdpV6,
    /// A stream of DHCPv6 Bulk Leasequery.
    TcpV6,
}

/// A capture file of messages between two DHCP ports. Link type 101 is raw IP.
fn capture(path: &Path, carrier: Carrier, messages: &[Vec<u8>]) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    let mut sequence = 1_u32;
    for message in messages {
        let packet = match carrier {
            Carrier::UdpV4 => ip_v4(&udp(67, message)),
            Carrier::UdpV6 => ip_v6(17, &udp(547, message)),
            Carrier::TcpV6 => {
                let octets = framed(message);
                let packet = ip_v6(6, &tcp(sequence, &octets));
                sequence += u32::try_from(octets.len()).expect("it fits");
                packet
            }
        };
        let length = u32::try_from(packet.len()).expect("it fits");
        for word in [0, 0, length, length] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&packet);
    }
    std::fs::write(path, file).expect("the capture is written");
}

fn ip_v4(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).expect("it fits").to_be_bytes();
    let header = [0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
    [&[0x45, 0][..], &length, &header, payload].concat()
}

fn ip_v6(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("it fits").to_be_bytes();
    let loopback = std::net::Ipv6Addr::LOCALHOST.octets();
    [&[0x60, 0, 0, 0][..], &length, &[kind, 64], &loopback, &loopback, payload].concat()
}

/// tshark does not look at checksums.
fn udp(port: u16, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + message.len()).expect("it fits").to_be_bytes();
    [&port.to_be_bytes()[..], &port.to_be_bytes(), &length, &[0, 1], message].concat()
}

/// A segment to port 547: for all that tshark cares, one side may say everything.
fn tcp(sequence: u32, octets: &[u8]) -> Vec<u8> {
    let (ports, rest) = ([0x9c, 0x40, 0x02, 0x23], [0, 0, 0, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    [&ports[..], &sequence.to_be_bytes(), &rest, octets].concat()
}

/// Captures messages, and gives what tshark makes of each, none of which may be malformed.
fn dissected(directory: &Path, carrier: Carrier, messages: &[Vec<u8>]) -> Vec<Value> {
    let file = directory.join("session.pcap");
    capture(&file, carrier, messages);
    let packets = dissect(&file, carrier);
    assert_eq!(packets.len(), messages.len());
    for packet in &packets {
        let text = packet.to_string();
        let error = format!("\"_ws.expert.severity\":\"{}\"", 8_388_608);
        assert!(!text.contains("_ws.malformed") && !text.replace(['[', ']'], "").contains(&error), "{text}");
    }
    packets
}

/// The values of a field.
fn field(packet: &Value, name: &str) -> Vec<String> {
    let values = packet["_source"]["layers"][name].as_array().into_iter().flatten();
    values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

pub(crate) fn every_reply() {
    let directory = TempDir::new().expect("a directory");
    let daemon = Daemon::start(Family::V4, directory.path(), CONFIG);
    let states = ["available", "expired", "released", "abandoned", "reset", "remote", "transitioning"];
    let mut lines = String::from(
        r#"{"protocol":"v4","address":"10.0.0.1","state":"active","mac":"02:00:00:00:00:0a","client-id":"01020000000000aa","client-last-transaction-time":"2026-01-01T00:00:00Z","expires":"2106-02-07T06:28:15Z","relay-agent-information":"0106657468302f31020552454d3141","options":{"12":"686f7374"},"data-source":"remote"}
{"protocol":"v4","vpn":"blue","address":"10.0.0.1","state":"active","mac":"02:00:00:00:00:0b"}
"#,
    );
    for (number, state) in (2..).zip(states) {
        let record = serde_json::json!({
            "protocol": "v4", "address": format!("10.0.0.{number}"), "state": state, "mac": "02:00:00:00:00:0c",
        });
        lines.push_str(&record.to_string());
        lines.push('\n');
    }
    assert_eq!(push(&directory.path().join("push.sock"), &lines), "{\"committed\": 9}\n");

    let list = [55, 12, 152, 51, 58, 59, 153, 91, 156, 157, 61, 12, 60, 82];
    let all_vpns = [&list[..], &[221, 1, 254]].concat();
    let malformed = [&list[..], &[154, 4, 0, 0, 0, 2, 155, 4, 0, 0, 0, 1]].concat();
    let mut octets = Vec::new();
    for (xid, options) in [(1, &all_vpns), (2, &malformed)] {
        octets.extend_from_slice(&framed(&query(xid, options)));
    }
    let mut stream = TcpStream::connect(&daemon.address).expect("a connection");
    stream.write_all(&octets).expect("the queries are sent");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("the answers come");

    let mut messages = frames(&octets);
    let replies = frames(&received);
    assert_eq!(replies.len(), 10 + 2, "ten addresses and two final messages");
    messages.extend(replies);
    let packets = dissected(directory.path(), Carrier::UdpV4, &messages);
    let find = |address: &str, vpn: bool| {
        let matching = |packet: &&Value| {
            field(packet, "dhcp.ip.client") == [address]
                && field(packet, "dhcp.option.type").contains(&"221".to_owned()) == vpn
        };
        packets.iter().find(matching).unwrap_or_else(|| panic!("no reply about {address}"))
    };
    let active = find("10.0.0.1", false);
    assert_eq!(field(active, "dhcp.option.dhcp"), ["13"]);
    assert_eq!(field(active, "dhcp.hw.mac_addr"), ["02:00:00:00:00:0a"]);
    assert_eq!(field(active, "dhcp.option.bulk_lease.dhcp_state"), ["2"]);
    assert_eq!(field(active, "dhcp.option.bulk_lease.data_source"), ["1"]);
    assert_eq!(field(active, "dhcp.option.ip_address_lease_time"), ["4294967295"]);
    assert_eq!(field(active, "dhcp.option.hostname"), ["host"]);
    assert_eq!(field(find("10.0.0.1", true), "dhcp.hw.mac_addr"), ["02:00:00:00:00:0b"]);
    for (number, state) in (2..).zip(["1", "3", "4", "5", "6", "7", "8"]) {
        let reply = find(&format!("10.0.0.{number}"), false);
        assert_eq!(field(reply, "dhcp.option.dhcp"), ["11"], "state {state}");
        assert_eq!(field(reply, "dhcp.option.bulk_lease.dhcp_state"), [state]);
        assert_eq!(field(reply, "dhcp.hw.mac_addr"), ["02:00:00:00:00:0c"]);
    }
    assert_eq!(field(find("10.0.0.9", false), "dhcp.option.bulk_lease.dhcp_state"), ["1"], "never leased");
    let done: Vec<_> = packets.iter().filter(|packet| field(packet, "dhcp.option.dhcp") == ["15"]).collect();
    let statuses: Vec<_> = done.iter().flat_map(|packet| field(packet, "dhcp.option.bulk_lease.status_code")).collect();
    assert_eq!((done.len(), statuses), (2, vec!["3".to_owned()]), "one final message with MalformedQuery");
}

/// An active session: catching up, changes as they happen, keep-alives and the last words.
pub(crate) fn active_session() {
    let directory = TempDir::new().expect("a directory");
    let more = format!("{CONFIG}[limits]\nactive-idle-timeout = 0.2\n");
    let daemon = Daemon::start(Family::V4, directory.path(), &more);
    let socket = directory.path().join("push.sock");
    let lease = |address: &str, state: &str| {
        let record = serde_json::json!({
            "protocol": "v4", "address": address, "state": state, "mac": "02:00:00:00:00:0c",
            "relay-agent-information": "0204aabbccdd",
        });
        push(&socket, &format!("{record}\n"))
    };
    let since = u32::try_from(super::live::now()).expect("this century").to_be_bytes();
    lease("10.0.0.1", "active");
    let list = [55, 8, 152, 51, 153, 91, 156, 157, 61, 82];
    let mut active = query(1, &[&list[..], &[154, 4], &since[..]].concat());
    active[242] = 16;
    let mut session = Session::start(&daemon, &active);
    session.read_until(&|frames| frames.len() >= 2);
    lease("10.0.0.2", "active");
    lease("10.0.0.1", "released");
    session.read_until(&|frames| frames.len() >= 5);
    daemon.terminate();
    let messages = [vec![active], session.rest()].concat();
    let packets = dissected(directory.path(), Carrier::UdpV4, &messages);
    let first = |packet: &Value, name: &str| field(packet, name).into_iter().next().unwrap_or_default();
    let seen: Vec<_> = packets
        .iter()
        .map(|packet| {
            [
                first(packet, "dhcp.option.dhcp"),
                first(packet, "dhcp.ip.client"),
                first(packet, "dhcp.option.bulk_lease.status_code"),
            ]
            .join(" ")
        })
        .filter(|line| !line.ends_with(" 6"))
        .collect();
    let expected = ["16 0.0.0.0 ", "13 10.0.0.1 ", "17 0.0.0.0 7", "13 10.0.0.2 ", "11 10.0.0.1 ", "17 0.0.0.0 2"];
    assert_eq!(seen, expected, "and keep-alives in between");
}

/// A connection with an active query on it.
struct Session {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Session {
    fn start(daemon: &Daemon, query: &[u8]) -> Self {
        let mut stream = TcpStream::connect(&daemon.address).expect("a connection");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
        stream.write_all(&framed(query)).expect("the query is sent");
        Self { stream, received: Vec::new() }
    }

    fn frames(&self) -> Vec<Vec<u8>> {
        whole_frames(&self.received)
    }

    fn read_until(&mut self, condition: &dyn Fn(&[Vec<u8>]) -> bool) {
        let mut piece = [0; 4096];
        while !condition(&self.frames()) {
            let length = self.stream.read(&mut piece).expect("more comes");
            assert!(length > 0, "the stream goes on");
            self.received.extend_from_slice(&piece[..length]);
        }
    }

    /// All messages, up to the last words.
    fn rest(mut self) -> Vec<Vec<u8>> {
        self.stream.read_to_end(&mut self.received).expect("the last words come");
        frames(&self.received)
    }
}

/// The messages that have come as a whole.
fn whole_frames(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = octets.split_first_chunk()
        && let Some((message, behind)) = rest.split_at_checked(usize::from(u16::from_be_bytes(*prefix)))
    {
        messages.push(message.to_vec());
        octets = behind;
    }
    messages
}

/// What tshark makes of a capture.
fn dissect(file: &Path, carrier: Carrier) -> Vec<Value> {
    const V4: &[&str] = &[
        "dhcp.ip.client",
        "dhcp.ip.relay",
        "dhcp.hw.mac_addr",
        "dhcp.option.dhcp",
        "dhcp.option.dhcp_server_id",
        "dhcp.option.type",
        "dhcp.option.hostname",
        "dhcp.option.ip_address_lease_time",
        "dhcp.option.bulk_lease.dhcp_state",
        "dhcp.option.bulk_lease.data_source",
        "dhcp.option.bulk_lease.status_code",
    ];
    const V6: &[&str] = &[
        "dhcpv6.msgtype",
        "dhcpv6.bulk_leasequery.msgtype",
        "dhcpv6.xid",
        "dhcpv6.option.type",
        "dhcpv6.status_code",
        "dhcpv6.duid.bytes",
        "dhcpv6.iaaddr.ip",
        "dhcpv6.iaaddr.valid_lifetime",
        "dhcpv6.iaprefix.pref_addr",
        "dhcpv6.iaprefix.pref_len",
        "dhcpv6.iaprefix.valid_lifetime",
        "dhcpv6.dns_server",
        "dhcpv6.remoteid.enterprise",
        "dhcpv6.remoteid_enterprise_id",
        "dhcpv6.lq_relay_data_peer_addr",
        "dhcpv6.lq_client_link",
    ];
    let fields = if carrier == Carrier::UdpV4 { V4 } else { V6 };
    let mut command = tool("tshark");
    command.arg("-r").arg(file).args(["-T", "json"]);
    for field in fields.iter().chain(&["_ws.malformed", "_ws.expert.severity", "_ws.expert.message"]) {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it writes JSON")
}

/// The values of a field of octets, in hex: not all versions of tshark put colons in between.
fn octets(packet: &Value, name: &str) -> Vec<String> {
    field(packet, name).iter().map(|text| text.replace(':', "")).collect()
}

const LINKS: &str = "[[source]]\ntype = \"push\"\npath = \"push.sock\"\n\
                     [[network]]\nprotocol = \"v6\"\nlink = \"2001:db8:1::/64\"\nprefixes = [\"2001:db8:f000::/36\"]\n\
                     [[network]]\nprotocol = \"v6\"\nlink = \"2001:db8:2::/64\"\n";

/// The client's.
const DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 1];
const RELAY: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x99];
/// The requestor has a DUID of its own.
const REQUESTOR: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 7];
const LINE: [u8; 7] = [0, 0, 9, 0xbf, b'a', b'b', b'c'];

/// An address and a prefix of one client, with everything that can be told, and an address of the same client elsewhere.
fn leases_v6() -> String {
    let everything = r#""state":"active","duid":"00030001020000000001","expires":"2106-02-07T06:28:15Z","client-last-transaction-time":"2026-01-01T00:00:00Z","relay-peer":"2001:db8:ff::1","remote-id":"000009bf616263","relay-id":"00030001020000000099","options":{"23":"20010db8000000000000000000000053"}"#;
    format!(
        "{{\"protocol\":\"v6\",\"address\":\"2001:db8:1::10\",{everything}}}\n\
         {{\"protocol\":\"v6\",\"prefix\":\"2001:db8:f000:100::/56\",{everything}}}\n\
         {{\"protocol\":\"v6\",\"address\":\"2001:db8:2::10\",\"state\":\"active\",\"duid\":\"00030001020000000001\"}}\n"
    )
}

fn option_v6(code: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("it is short");
    [&[0, code, 0, length], value].concat()
}

/// A query of DHCPv6, worked out by hand: type, transaction id, the requestor's DUID, base-times, and what is asked for
/// with OPTION_LQ_RELAY_DATA and DNS servers.
fn query_v6(kind: u8, xid: u8, query_type: u8, link: [u8; 16], target: &[u8]) -> Vec<u8> {
    let inside = [&[query_type][..], &link, target, &option_v6(6, &[0, 47, 0, 23])].concat();
    [&[kind, 0, 0, xid][..], &option_v6(1, &REQUESTOR), &option_v6(6, &[0, 100]), &option_v6(44, &inside)].concat()
}

/// What is told of the client on the first link, in whichever session.
fn assert_told(packet: &Value) {
    assert!(octets(packet, "dhcpv6.duid.bytes").contains(&super::live::hex(&DUID)), "{packet}");
    assert_eq!(field(packet, "dhcpv6.iaaddr.ip"), ["2001:db8:1::10"]);
    assert_eq!(field(packet, "dhcpv6.iaaddr.valid_lifetime"), ["4294967295"]);
    assert_eq!(field(packet, "dhcpv6.iaprefix.pref_addr"), ["2001:db8:f000:100::"]);
    assert_eq!(field(packet, "dhcpv6.iaprefix.pref_len"), ["56"]);
    assert_eq!(field(packet, "dhcpv6.dns_server"), ["2001:db8::53"]);
    assert_eq!(field(packet, "dhcpv6.lq_relay_data_peer_addr"), ["2001:db8:ff::1"]);
}

/// The Relay-Forward in what is told of a client. tshark takes it for a text there, so it gets it as a message of its own.
fn assert_relayed(directory: &Path, message: &[u8]) {
    let peer: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let place = message.windows(16).position(|octets| octets == peer).expect("the relay's address");
    let length = usize::from(u16::from_be_bytes([message[place - 2], message[place - 1]]));
    let relayed = message[place + 16..place + length].to_vec();
    let packet = dissected(directory, Carrier::UdpV6, &[relayed]).remove(0);
    assert_eq!(field(&packet, "dhcpv6.msgtype"), ["12"]);
    assert_eq!(field(&packet, "dhcpv6.remoteid.enterprise"), ["2495"]);
    assert_eq!(octets(&packet, "dhcpv6.remoteid_enterprise_id"), ["616263"]);
    assert_eq!(octets(&packet, "dhcpv6.duid.bytes"), [super::live::hex(&RELAY)]);
}

pub(crate) fn every_reply_v6() {
    let directory = TempDir::new().expect("a directory");
    let daemon = Daemon::start(Family::V6, directory.path(), LINKS);
    assert_eq!(push(&directory.path().join("push.sock"), &leases_v6()), "{\"committed\": 3}\n");
    let any = [0; 16];
    let first: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];
    let queries = [
        query_v6(14, 1, 1, any, &option_v6(5, &[&first[..], &[0; 8]].concat())),
        query_v6(14, 2, 2, any, &option_v6(1, &DUID)),
        query_v6(14, 3, 3, any, &option_v6(53, &RELAY)),
        query_v6(14, 4, 4, first, &[]),
        query_v6(14, 5, 5, any, &option_v6(37, &LINE)),
        query_v6(14, 6, 2, any, &[]),
        query_v6(14, 7, 4, [0x20; 16], &[]),
    ];
    let mut stream = TcpStream::connect(&daemon.address).expect("a connection");
    for query in &queries {
        stream.write_all(&framed(query)).expect("the queries are sent");
    }
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("the answers come");
    let messages = [queries.to_vec(), frames(&received)].concat();
    let packets = dissected(directory.path(), Carrier::TcpV6, &messages);
    assert_relayed(directory.path(), messages.iter().find(|message| message[..4] == [15, 0, 0, 1]).expect("an answer"));
    let mut answers = BTreeMap::new();
    for (message, packet) in messages.iter().zip(&packets).skip(queries.len()) {
        assert_eq!(field(packet, "dhcpv6.bulk_leasequery.msgtype"), [message[0].to_string()]);
        answers.entry(message[3]).or_insert_with(Vec::new).push((message[0], packet));
    }
    let kinds = |xid: u8| answers[&xid].iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
    for xid in [1, 3, 4, 5] {
        assert_eq!(kinds(xid), [15, 16], "query {xid}");
        assert_told(answers[&xid][0].1);
    }
    assert_eq!(kinds(2), [15, 17, 16], "on two links");
    for (xid, status) in [(6, "8"), (7, "9")] {
        assert_eq!(kinds(xid), [15]);
        assert_eq!(field(answers[&xid][0].1, "dhcpv6.status_code"), [status]);
    }
}

/// An active session: catching up, a change, a lease that ends, keep-alives and the last words.
pub(crate) fn active_session_v6() {
    let directory = TempDir::new().expect("a directory");
    let daemon = Daemon::start(Family::V6, directory.path(), &format!("{LINKS}[limits]\nactive-idle-timeout = 0.2\n"));
    let socket = directory.path().join("push.sock");
    let since = u32::try_from(super::live::now() - 946_684_800).expect("this century").to_be_bytes();
    push(&socket, &leases_v6());
    let options = [option_v6(1, &REQUESTOR), option_v6(6, &[0, 100, 0, 47, 0, 23]), option_v6(101, &since)].concat();
    let active = [&[22, 0, 0, 1][..], &options].concat();
    let mut session = Session::start(&daemon, &active);
    // What was there before may come from before the query's start-time, too.
    session.read_until(&|frames| frames.iter().any(|frame| frame.windows(6).any(|w| w == [0, 13, 0, 2, 0, 13])));
    let caught_up = session.frames().len();
    push(&socket, r#"{"protocol":"v6","address":"2001:db8:2::10","state":"released"}"#);
    session.read_until(&|frames| frames.len() > caught_up + 1);
    daemon.terminate();
    let messages = session.rest();
    let packets = dissected(directory.path(), Carrier::TcpV6, &messages);
    let told = packets.iter().find(|packet| field(packet, "dhcpv6.iaprefix.pref_len") == ["56"]);
    assert_told(told.expect("the client on the first link"));
    let ended = packets.iter().rfind(|packet| field(packet, "dhcpv6.iaaddr.ip") == ["2001:db8:2::10"]);
    assert_eq!(field(ended.expect("the end of a lease"), "dhcpv6.iaaddr.valid_lifetime"), ["0"]);
    let last = packets.last().expect("the last words");
    assert_eq!(field(last, "dhcpv6.bulk_leasequery.msgtype"), ["16"]);
    assert_eq!(field(last, "dhcpv6.status_code"), ["11"]);
}

/// Single queries of both protocols, and their answers.
pub(crate) fn single_queries() {
    let directory = TempDir::new().expect("a directory");
    let ask = |server: &str, local: &str, query: &[u8]| {
        let socket = UdpSocket::bind(local).expect("a socket");
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
        socket.send_to(query, server).expect("it is sent");
        let mut answer = vec![0; 4096];
        let length = socket.recv(&mut answer).expect("an answer");
        vec![query.to_vec(), answer[..length].to_vec()]
    };

    let daemon = Daemon::start(Family::V4, directory.path(), CONFIG);
    let lease = r#"{"protocol":"v4","address":"10.0.0.1","state":"active","mac":"02:00:00:00:00:0a","expires":"2106-02-07T06:28:15Z","relay-agent-information":"0106657468302f31020552454d3141","options":{"12":"686f7374"}}"#;
    push(&directory.path().join("push.sock"), lease);
    let mut query = query(1, &[55, 4, 51, 82, 91, 12]);
    query[242] = 10;
    query[12..16].copy_from_slice(&[10, 0, 0, 1]);
    query[24..28].copy_from_slice(&[127, 0, 0, 1]);
    let packets = dissected(directory.path(), Carrier::UdpV4, &ask(&daemon.udp, "127.0.0.1:0", &query));
    assert_eq!(field(&packets[0], "dhcp.option.dhcp"), ["10"]);
    for (name, value) in [
        ("dhcp.option.dhcp", "13"),
        ("dhcp.ip.client", "10.0.0.1"),
        ("dhcp.ip.relay", "127.0.0.1"),
        ("dhcp.hw.mac_addr", "02:00:00:00:00:0a"),
        ("dhcp.option.dhcp_server_id", "127.0.0.1"),
        ("dhcp.option.ip_address_lease_time", "4294967295"),
        ("dhcp.option.hostname", "host"),
    ] {
        assert_eq!(field(&packets[1], name), [value], "{name}");
    }
    drop(daemon);

    let directory = TempDir::new().expect("a directory");
    let daemon = Daemon::start(Family::V6, directory.path(), LINKS);
    push(&directory.path().join("push.sock"), &leases_v6());
    let prefix: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0xf0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let by_address = query_v6(14, 1, 1, [0; 16], &option_v6(5, &[&prefix[..], &[0; 8]].concat()));
    let by_duid = query_v6(14, 2, 2, [0; 16], &option_v6(1, &DUID));
    let malformed = query_v6(14, 3, 2, [0; 16], &[]);
    let messages = [by_address, by_duid, malformed].map(|query| ask(&daemon.udp, "[::1]:0", &query)).concat();
    let packets = dissected(directory.path(), Carrier::UdpV6, &messages);
    let kinds: Vec<_> = packets.iter().flat_map(|packet| field(packet, "dhcpv6.msgtype").into_iter().take(1)).collect();
    assert_eq!(kinds, ["14", "15", "14", "15", "14", "15"]);
    assert_told(&packets[1]);
    assert_relayed(directory.path(), &messages[1]);
    assert_eq!(field(&packets[3], "dhcpv6.lq_client_link"), ["2001:db8:1::", "2001:db8:2::"]);
    assert_eq!(field(&packets[5], "dhcpv6.status_code"), ["8"]);
}
