//! A bulk session, dissected by tshark.
//!
//! tshark knows DHCPv4 over UDP only, so each message of the session, which is recorded at the socket, is put into a
//! datagram of a capture file.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::daemon::{Daemon, push};
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

/// A capture file in which each message is a datagram between two DHCP ports. Link type 101 is raw IP.
fn capture(path: &Path, messages: &[Vec<u8>]) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for message in messages {
        let udp_length = u16::try_from(8 + message.len()).expect("it fits");
        let mut packet = vec![0x45, 0];
        packet.extend_from_slice(&(20 + udp_length).to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend_from_slice(&[0, 67, 0, 67]);
        packet.extend_from_slice(&udp_length.to_be_bytes());
        packet.extend_from_slice(&[0, 0]);
        packet.extend_from_slice(message);
        let length = u32::try_from(packet.len()).expect("it fits");
        for word in [0, 0, length, length] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&packet);
    }
    std::fs::write(path, file).expect("the capture is written");
}

pub(crate) fn every_reply() {
    let directory = TempDir::new().expect("a directory");
    let daemon = Daemon::start(directory.path(), CONFIG);
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
    let file = directory.path().join("session.pcap");
    capture(&file, &messages);
    let packets = dissect(&file);
    assert_eq!(packets.len(), messages.len());
    for packet in &packets {
        let text = packet.to_string();
        assert!(!text.contains("_ws.malformed") && !text.contains("\"_ws.expert.severity\":\"8388608\""), "{text}");
    }

    let field = |packet: &Value, name: &str| -> Vec<String> {
        let values = packet["_source"]["layers"][name].as_array().into_iter().flatten();
        values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
    };
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
    let daemon = Daemon::start(directory.path(), &more);
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
    let mut stream = TcpStream::connect(&daemon.address).expect("a connection");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
    stream.write_all(&framed(&active)).expect("the query is sent");
    let mut received = Vec::new();
    let mut read_until = |condition: &dyn Fn(&[Vec<u8>]) -> bool| {
        let mut piece = [0; 4096];
        while !condition(&whole_frames(&received)) {
            let length = stream.read(&mut piece).expect("more comes");
            assert!(length > 0, "the stream goes on");
            received.extend_from_slice(&piece[..length]);
        }
    };
    read_until(&|frames| frames.len() >= 2);
    lease("10.0.0.2", "active");
    lease("10.0.0.1", "released");
    read_until(&|frames| frames.len() >= 5);
    daemon.terminate();
    let mut words = Vec::new();
    stream.read_to_end(&mut words).expect("the last words come");
    received.extend_from_slice(&words);

    let mut messages = vec![active];
    messages.extend(frames(&received));
    let file = directory.path().join("session.pcap");
    capture(&file, &messages);
    let packets = dissect(&file);
    assert_eq!(packets.len(), messages.len());
    let field =
        |packet: &Value, name: &str| packet["_source"]["layers"][name][0].as_str().unwrap_or_default().to_owned();
    let seen: Vec<_> = packets
        .iter()
        .map(|packet| {
            let text = packet.to_string();
            assert!(!text.contains("_ws.malformed") && !text.contains("\"_ws.expert.severity\":\"8388608\""), "{text}");
            [
                field(packet, "dhcp.option.dhcp"),
                field(packet, "dhcp.ip.client"),
                field(packet, "dhcp.option.bulk_lease.status_code"),
            ]
            .join(" ")
        })
        .filter(|line| !line.ends_with(" 6"))
        .collect();
    let expected = ["16 0.0.0.0 ", "13 10.0.0.1 ", "17 0.0.0.0 7", "13 10.0.0.2 ", "11 10.0.0.1 ", "17 0.0.0.0 2"];
    assert_eq!(seen, expected, "and keep-alives in between");
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
fn dissect(file: &Path) -> Vec<Value> {
    let fields = [
        "dhcp.ip.client",
        "dhcp.hw.mac_addr",
        "dhcp.option.dhcp",
        "dhcp.option.type",
        "dhcp.option.hostname",
        "dhcp.option.ip_address_lease_time",
        "dhcp.option.bulk_lease.dhcp_state",
        "dhcp.option.bulk_lease.data_source",
        "dhcp.option.bulk_lease.status_code",
        "_ws.malformed",
        "_ws.expert.severity",
        "_ws.expert.message",
    ];
    let mut command = tool("tshark");
    command.arg("-r").arg(file).args(["-T", "json"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it writes JSON")
}
