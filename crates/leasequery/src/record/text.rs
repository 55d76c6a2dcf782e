//! How the values of a record are written and read.

use std::fmt;

use jiff::Timestamp;
use leasequery_store::{Time, VpnName};
use leasequery_wire::v4::Vpn;
use serde::{Serialize, Serializer};

/// Octets as lower-case hex without separators.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

/// A hardware address as hex with colons.
#[derive(Debug, Clone, Copy)]
pub struct Mac<'a>(pub &'a [u8]);

/// A time as RFC 3339 in UTC. A lease without end has the last time of the scale, 2106-02-07T06:28:15Z.
#[derive(Debug, Clone, Copy)]
pub struct Rfc3339(pub Time);

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes octets as hex in one go for all but the longest values.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8], separator: Option<u8>) -> fmt::Result {
    for (nth, piece) in bytes.chunks(64).enumerate() {
        let mut text = [0_u8; 3 * 64];
        let mut length = 0;
        for (place, byte) in piece.iter().enumerate() {
            if let Some(separator) = separator.filter(|_| nth + place > 0) {
                text[length] = separator;
                length += 1;
            }
            text[length] = DIGITS[usize::from(byte >> 4)];
            text[length + 1] = DIGITS[usize::from(byte & 15)];
            length += 2;
        }
        f.write_str(std::str::from_utf8(&text[..length]).map_err(|_| fmt::Error)?)?;
    }
    Ok(())
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0, None)
    }
}

impl fmt::Display for Mac<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0, Some(b':'))
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(i64::from(self.0.0)) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}

macro_rules! serialize_as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

serialize_as_text!(Hex<'_>, Mac<'_>, Rfc3339);

/// Reads hex without separators.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return Err(format!("'{text}' has an odd number of hex digits"));
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("'{text}' is not hex"))
}

/// Reads a hardware address: hex, with colons or hyphens or nothing between the octets.
pub fn parse_mac(text: &str) -> Result<Vec<u8>, String> {
    let address = parse_hex(&text.replace([':', '-'], "")).map_err(|_| format!("'{text}' is not a hardware address"))?;
    match address.len() {
        1..=16 => Ok(address),
        length => Err(format!("a hardware address has 1 to 16 octets, '{text}' has {length}")),
    }
}

/// Reads a time: RFC 3339, or seconds since 1970.
pub fn parse_time(text: &str) -> Result<Time, String> {
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => text
            .parse::<Timestamp>()
            .map_err(|_| format!("'{text}' is neither an RFC 3339 time nor seconds since 1970"))?
            .as_second(),
    };
    match u32::try_from(seconds) {
        Ok(seconds) => Ok(Time(seconds)),
        Err(_) if seconds > 0 => Ok(Time::INFINITE),
        Err(_) => Err(format!("'{text}' is before 1970")),
    }
}

/// Reads the name of a VPN: `OUI:INDEX` in hex, else any other name; the empty one is the default VPN.
pub fn parse_vpn(text: &str) -> Option<VpnName> {
    if text.is_empty() {
        return None;
    }
    let id = text.split_once(':').filter(|(oui, index)| oui.len() == 6 && index.len() == 8);
    let id = id.and_then(|(oui, index)| parse_hex(&format!("{oui}{index}")).ok()?.try_into().ok());
    Some(id.map_or_else(|| VpnName::Name(text.as_bytes().into()), VpnName::Id))
}

/// Writes the name of a VPN.
pub fn vpn_text(vpn: Vpn<'_>) -> String {
    match vpn {
        Vpn::Default => String::new(),
        Vpn::All => "all".to_owned(),
        Vpn::Name(name) => String::from_utf8_lossy(name).into_owned(),
        Vpn::Id(id) => format!("{}:{}", Hex(&id[..3]), Hex(&id[3..])),
    }
}

#[cfg(test)]
mod tests;
