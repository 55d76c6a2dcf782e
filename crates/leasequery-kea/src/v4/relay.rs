//! The relay agent information in a row's user context, as `store-extended-info` leaves it there.

use std::ops::Range;

use leasequery_wire::v4::{RelayAgentInformation, SubOption};
use memchr::memchr;
use serde_json::Value;

use super::super::family::Unreadable;
use super::super::hex::decode;
use super::super::row::unescape;

/// Where the relay information was put. Empty ranges stand for what is not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The sub-options of option 82.
    pub(super) sub_options: Range<usize>,
    pub(super) remote_id: Range<usize>,
    pub(super) relay_id: Range<usize>,
}

/// Appends the sub-options of option 82 that an escaped user context holds. None are there unless Kea was told to keep
/// them.
pub(super) fn read(context: &[u8], bytes: &mut Vec<u8>) -> Result<Found, Unreadable> {
    let start = bytes.len();
    // Where Kea's own text is followed by others' the quick look fails, and a thorough one decides.
    let read = match exact(context) {
        Some(hex) if decode(hex, bytes) => Ok(()),
        _ => {
            bytes.truncate(start);
            by_json(context, bytes)
        }
    };
    let checked = read.and_then(|()| RelayAgentInformation::parse(&bytes[start..]).map_err(|_| Unreadable));
    match checked {
        Ok(info) => {
            let mut relay = Found { sub_options: start..bytes.len(), ..Found::default() };
            let mut at = start;
            for (code, value) in info.sub_options() {
                let place = at + 2..at + 2 + value.len();
                at = place.end;
                match code {
                    SubOption::REMOTE_ID if relay.remote_id.is_empty() => relay.remote_id = place,
                    SubOption::RELAY_ID if relay.relay_id.is_empty() => relay.relay_id = place,
                    _ => {}
                }
            }
            Ok(relay)
        }
        Err(Unreadable) => {
            bytes.truncate(start);
            Err(Unreadable)
        }
    }
}

/// The hex digits in the text that Kea itself writes when nobody else has anything to put there, escaped as it is;
/// `None` if it is another text.
fn exact(context: &[u8]) -> Option<&[u8]> {
    let rest = context.strip_prefix(b"{ \"ISC\": { \"relay-agent-info\": ")?;
    if let Some(rest) = rest.strip_prefix(b"\"0x") {
        // Up to 2.3.1.
        return rest.strip_suffix(b"\" } }");
    }
    // Since 2.3.2, with copies of two of the sub-options before all of them.
    let rest = without(rest.strip_prefix(b"{ ")?, b"\"relay-id\": \"")?;
    let rest = without(rest, b"\"remote-id\": \"")?;
    rest.strip_prefix(b"\"sub-options\": \"0x")?.strip_suffix(b"\" } } }")
}

/// What is behind a member, if that is there.
fn without<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let Some(value) = text.strip_prefix(name) else { return Some(text) };
    value[memchr(b'"', value)?..].strip_prefix(b"\"&#x2c ")
}

/// Appends what any other JSON holds.
fn by_json(context: &[u8], bytes: &mut Vec<u8>) -> Result<(), Unreadable> {
    let text = unescape(context, bytes);
    let parsed = serde_json::from_slice::<Value>(&bytes[text.clone()]);
    bytes.truncate(text.start);
    let context = parsed.ok().filter(Value::is_object).ok_or(Unreadable)?;
    let hex = match &context["ISC"]["relay-agent-info"] {
        Value::Null => return Ok(()),
        Value::String(hex) => hex,
        Value::Object(info) => match info.get("sub-options") {
            Some(Value::String(hex)) => hex,
            _ => return Err(Unreadable),
        },
        _ => return Err(Unreadable),
    };
    if decode(hex.strip_prefix("0x").unwrap_or(hex).as_bytes(), bytes) { Ok(()) } else { Err(Unreadable) }
}

#[cfg(test)]
mod tests;
