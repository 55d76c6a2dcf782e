//! What a daemon has that is asked by who does everything right, and by who misbehaves.

#![allow(unreachable_pub, reason = "everything is of one program")]

use leasequery_testing::pki::Files;
use leasequery_wire::v4::{BOOT_REQUEST, Header, MessageType, MessageWriter};
use serde_json::{Value, json};

use crate::common::PUSH;

/// Connections that misbehave, at least.
pub const CROWD: usize = 200;
/// Leases that are pushed; behind them there are addresses without end.
pub const LEASES: u32 = 20_000;
/// Places that an address can have at each listener; some of the crowd are too many.
pub const OF_ONE: usize = 150;
/// How many of the crowd want TLS.
pub const SECURE: usize = 50;

pub fn config(server: &Files, timeout: f64) -> String {
    let listen = |transport: &str, more: &str| {
        format!("[[listen]]\nprotocol = \"v4\"\ntransport = \"{transport}\"\naddress = \"127.0.0.1:0\"\n{more}\n")
    };
    format!(
        r#"
{}
{}{}{}
[[requestor]]
name = "good"
addresses = ["127.0.0.1"]
allow = ["bulk", "active"]

[[requestor]]
name = "bad"
addresses = ["127.0.0.2"]
allow = ["udp", "bulk", "active"]

[[network]]
protocol = "v4"
ranges = ["10.0.0.0/8"]

[limits]
connections = 240
connections-per-requestor = {OF_ONE}
data-timeout = {timeout}
active-send-timeout = {timeout}
{PUSH}"#,
        server.table(),
        listen("tcp", "tls = \"off\"\nactive = true"),
        listen("tcp", "tls = \"required\"\nactive = true"),
        listen("udp", ""),
    )
}

pub fn lease(number: u32, round: usize) -> Value {
    let [_, a, b, c] = number.to_be_bytes();
    json!({
        "protocol": "v4", "address": format!("10.{a}.{b}.{c}"), "state": "active",
        "mac": format!("02:00:00:{a:02x}:{b:02x}:{c:02x}"), "client-id": format!("ff{number:08x}{round:08x}"),
        "expires": "2100-01-01T00:00:00Z",
    })
}

/// A message without options.
pub fn message(xid: u32, kind: MessageType) -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::frame(&mut out, &Header::new(BOOT_REQUEST, xid), kind).finish().expect("a short message");
    out
}
