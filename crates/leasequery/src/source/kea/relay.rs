//! The relay agent information in a row's user context, as `store-extended-info` leaves it there.

use std::ops::Range;

use leasequery_wire::v4::RelayAgentInformation;
use serde_json::Value;

use super::row::{digit, unescape};

/// There is relay information, and it makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Appends the sub-options of option 82 that an escaped user context holds. None are there unless Kea was told to keep
/// them.
pub(super) fn sub_options(context: &[u8], bytes: &mut Vec<u8>) -> Result<Range<usize>, Unreadable> {
    let text = unescape(context, bytes);
    let start = text.end;
    // The text goes at the end: what is found is appended behind it first.
    let found = match exact(&bytes[text.clone()]) {
        Some(hex) => Ok(Some(text.start + hex.start..text.start + hex.end)),
        None => by_json(&bytes[text.clone()]).map(|hex| {
            hex.map(|hex| {
                bytes.extend_from_slice(hex.as_bytes());
                start..bytes.len()
            })
        }),
    };
    let result = match found {
        Ok(Some(hex)) => decode(hex, text.start, bytes),
        Ok(None) => Ok(0),
        Err(unreadable) => Err(unreadable),
    };
    let length = result.as_ref().map_or(0, |length| *length);
    bytes.truncate(text.start + length);
    let info = text.start..bytes.len();
    result?;
    if RelayAgentInformation::parse(&bytes[info.clone()]).is_err() {
        bytes.truncate(info.start);
        return Err(Unreadable);
    }
    Ok(info)
}

/// Turns the hex digits at `hex` into octets at `to`, which is before them or where they begin, and says how many.
fn decode(hex: Range<usize>, to: usize, bytes: &mut [u8]) -> Result<usize, Unreadable> {
    if !hex.len().is_multiple_of(2) {
        return Err(Unreadable);
    }
    let mut length = 0;
    for place in hex.step_by(2) {
        let (Some(high), Some(low)) = (digit(bytes[place]), digit(bytes[place + 1])) else { return Err(Unreadable) };
        bytes[to + length] = high << 4 | low;
        length += 1;
    }
    Ok(length)
}

/// The hex digits in the text that Kea itself writes when nobody else has anything to put there; `None` if it is
/// another text.
fn exact(text: &[u8]) -> Option<Range<usize>> {
    const BEGIN: &[u8] = b"{ \"ISC\": { \"relay-agent-info\": ";
    const SUB_OPTIONS: &[u8] = b"\"sub-options\": \"0x";
    let rest = text.strip_prefix(BEGIN)?;
    let (start, end): (usize, &[u8]) = match rest.strip_prefix(b"\"0x") {
        // Up to 2.3.1.
        Some(_) => (BEGIN.len() + 3, b"\" } }"),
        // Since 2.3.2; remote-id and relay-id, which may stand before, are copies of sub-options.
        None => (BEGIN.len() + memchr::memmem::find(rest, SUB_OPTIONS)? + SUB_OPTIONS.len(), b"\" } } }"),
    };
    let length = text.len().checked_sub(start + end.len())?;
    (text[start + length..] == *end && !text[start..start + length].contains(&b'"')).then_some(start..start + length)
}

/// The hex digits in any other JSON.
fn by_json(text: &[u8]) -> Result<Option<String>, Unreadable> {
    let context: Value = serde_json::from_slice(text).map_err(|_| Unreadable)?;
    let hex = match &context["ISC"]["relay-agent-info"] {
        Value::Null => return Ok(None),
        Value::String(hex) => hex,
        Value::Object(info) => match info.get("sub-options") {
            Some(Value::String(hex)) => hex,
            _ => return Err(Unreadable),
        },
        _ => return Err(Unreadable),
    };
    Ok(Some(hex.strip_prefix("0x").unwrap_or(hex).to_owned()))
}

#[cfg(test)]
mod tests;
