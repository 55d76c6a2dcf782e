//! Who has which lease of DHCPv6, in the tests.

use leasequery_wire::v6::{MIN_MESSAGE, Message, MessageType, MessageWriter, OptionCode, QueryType, StatusCode};
use serde_json::{Value, json};

use super::{Next, Peer};

/// Octets of the shortest message.
pub const LEAST: usize = MIN_MESSAGE;

/// A query over TCP for the leases of a client.
pub fn bulk_query(xid: u32, duid: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, MessageType::LEASE_QUERY, xid);
    writer.option(OptionCode::CLIENT_ID, &[0, 2, 0, 7]);
    let query = writer.query(QueryType::BY_CLIENT_ID, std::net::Ipv6Addr::UNSPECIFIED);
    writer.option(OptionCode::CLIENT_ID, duid);
    writer.close(query);
    writer.finish().expect("a short message");
    out
}

/// A query for every change that asks for base-times.
pub fn active_query(xid: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, MessageType::ACTIVE_LEASE_QUERY, xid);
    writer.option(OptionCode::CLIENT_ID, &[0, 2, 0, 7]);
    writer.option(OptionCode::REQUEST, &OptionCode::BASE_TIME.0.to_be_bytes());
    writer.finish().expect("a short message");
    out
}

/// The next message of a stream: type, transaction id, status, and whether it has a base-time.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub kind: MessageType,
    pub xid: u32,
    pub status: Option<StatusCode>,
    pub base_time: bool,
}

/// Reads it, or finds out how the stream ended.
pub fn next(peer: &mut Peer) -> Result<Said, Next> {
    let body = peer.next_body()?;
    let message = Message::parse(&body).expect("a message");
    let status = message.status().expect("well-formed").map(|status| status.code);
    let base_time = message.base_time().expect("well-formed").is_some();
    Ok(Said { kind: message.message_type(), xid: message.transaction_id(), status, base_time })
}

pub const ANNE: &str = "00030001020000000001";
pub const BERT: &str = "00030001020000000002";
pub const CLEO: &str = "00030001020000000003";
/// Enterprise number 2495, then three octets.
pub const LINE_1: &str = "000009bf616263";
pub const LINE_2: &str = "000009bf616264";
pub const RELAY: &str = "00030001020000000099";

/// Two links: one with prefixes to delegate, and one without.
pub const LINKS: &str = r#"
[[network]]
protocol = "v6"
link = "2001:db8:1::/64"
prefixes = ["2001:db8:f000::/36"]

[[network]]
protocol = "v6"
link = "2001:db8:2::/64"
"#;

pub const SERVER_ID: &str = "server-id = \"00030001020000000077\"\n";

/// A Relay-Forward with Interface-Id, Remote-ID and Relay-ID, as a relay on the first link would make it.
pub fn relay_message() -> String {
    let link = "20010db8000100000000000000000001";
    let peer = "fe800000000000000000000000000001";
    format!("0c00{link}{peer}0012000465746830{}{}", option(37, LINE_1), option(53, RELAY))
}

pub fn option(code: u16, value: &str) -> String {
    format!("{code:04x}{:04x}{value}", value.len() / 2)
}

pub fn lease(place: &str, duid: &str, state: &str) -> Value {
    let mut lease = json!({
        "protocol": "v6", "state": state, "duid": duid, "expires": "2090-01-01T00:00:00Z",
        "preferred-until": "2089-01-01T00:00:00Z", "client-last-transaction-time": "2026-01-02T00:00:00Z",
    });
    lease[if place.contains('/') { "prefix" } else { "address" }] = json!(place);
    lease
}

pub fn with(mut lease: Value, fields: &[(&str, Value)]) -> Value {
    for (name, value) in fields {
        lease[name] = value.clone();
    }
    lease
}

/// Anne has an address and a prefix on the first link, and an address on the second; Bert has an address on the first,
/// and another one that is in no network but was said to be on the second. Cleo's is over.
pub fn leases() -> Vec<Value> {
    let relayed = [("relay-peer", json!("2001:db8:ff::1")), ("relay-message", json!(relay_message()))];
    let options = [("options", json!({"23": "20010db8000000000000000000000053"}))];
    let made = [("remote-id", json!(LINE_2)), ("relay-id", json!(RELAY)), ("relay-peer", json!("2001:db8:ff::1"))];
    vec![
        with(lease("2001:db8:1::10", ANNE, "active"), &[&relayed[..], &options].concat()),
        with(lease("2001:db8:f000:100::/56", ANNE, "active"), &[&relayed[..], &options].concat()),
        lease("2001:db8:2::10", ANNE, "active"),
        with(lease("2001:db8:1::11", BERT, "active"), &made),
        with(lease("2001:db8:9::11", BERT, "active"), &[("link", json!("2001:db8:2::"))]),
        lease("2001:db8:2::12", CLEO, "released"),
    ]
}

pub const EVERYTHING: [&str; 5] =
    ["2001:db8:1::10", "2001:db8:1::11", "2001:db8:2::10", "2001:db8:9::11", "2001:db8:f000:100::/56"];
