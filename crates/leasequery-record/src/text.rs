//! How the values of a record are written and read.

use std::io::Write;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use jiff::civil::date as date_of;
use jiff::fmt::temporal::Pieces;
use leasequery_store::{Time, VpnName};
use leasequery_wire::v4::Vpn;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends octets as lower-case hex without separators.
pub(super) fn push_hex(out: &mut Vec<u8>, octets: &[u8]) {
    let start = out.len();
    out.resize(start + 2 * octets.len(), 0);
    for (text, octet) in out[start..].as_chunks_mut().0.iter_mut().zip(octets) {
        *text = hex(*octet);
    }
}

/// Appends a hardware address as hex with colons.
pub(super) fn push_mac(out: &mut Vec<u8>, octets: &[u8]) {
    for (place, octet) in octets.iter().enumerate() {
        if place > 0 {
            out.push(b':');
        }
        out.extend_from_slice(&hex(*octet));
    }
}

fn hex(octet: u8) -> [u8; 2] {
    [DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]
}

/// Appends a number in decimal.
pub(super) fn push_number(out: &mut Vec<u8>, number: u16) {
    let mut divisor = 10_000;
    while divisor > number.max(1) {
        divisor /= 10;
    }
    while divisor > 0 {
        out.push(DIGITS[usize::from(number / divisor % 10)]);
        divisor /= 10;
    }
}

/// Appends what is short and comes seldom.
pub(super) fn push_text(out: &mut Vec<u8>, text: impl std::fmt::Display) {
    // Writing to memory does not fail.
    let _ = write!(out, "{text}");
}

/// Appends an address with dots.
pub(super) fn push_address(out: &mut Vec<u8>, address: Ipv4Addr) {
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        push_number(out, octet.into());
    }
}

/// What is written for the end of a lease that has none; RFC 3339 has no such time.
const NEVER: &str = "never";

/// Appends a time as RFC 3339 in UTC.
pub(super) fn push_time(out: &mut Vec<u8>, time: Time) {
    if time == Time::INFINITE {
        out.extend_from_slice(NEVER.as_bytes());
        return;
    }
    let mut text = *b"0000-00-00T00:00:00Z";
    let (days, second) = (time.0 / 86_400, time.0 % 86_400);
    let (year, month, day) = date(days);
    let mut put = |place: usize, number: u32| {
        text[place] = DIGITS[(number / 10 % 10) as usize];
        text[place + 1] = DIGITS[(number % 10) as usize];
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, month);
    put(8, day);
    put(11, second / 3600);
    put(14, second / 60 % 60);
    put(17, second % 60);
    out.extend_from_slice(&text);
}

/// Year, month and day of a day counted from 1970-01-01. A general formatter takes longer than all the rest of a record,
/// which has up to six times. Years are counted from March here, so that the leap day is their last.
fn date(days: u32) -> (u32, u32, u32) {
    // Days since 1600-03-01, when a cycle of 400 years began.
    let day = days + 135_080;
    let (cycle, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // March to January have 31 and 30 days in a pattern of five months with 153.
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let year = 1600 + 400 * cycle + year + u32::from(month >= 10);
    (year, if month < 10 { month + 3 } else { month - 9 }, day_of_month)
}

/// Reads hex as everybody prints it: with or without `0x` in front, and with colons or hyphens between octets, or nothing.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let Some(separator) = digits.chars().find(|digit| matches!(digit, ':' | '-')) else { return plain_hex(digits) };
    let octet = |piece: &str| match piece.as_bytes() {
        [_] => plain_hex(&format!("0{piece}")),
        [_, _] => plain_hex(piece),
        _ => Err(String::new()),
    };
    let octets = digits.split(separator).map(octet).collect::<Result<Vec<_>, _>>();
    octets.map(|octets| octets.concat()).map_err(|_| {
        format!("'{text}' is not hex; '00030001', '00:03:00:01', '00-03-00-01' or '0x00030001' would be right")
    })
}

/// Reads an identifier: hex, or `text:` and what is printed of it.
pub fn parse_identifier(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_prefix("text:") {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => parse_hex(text),
    }
}

/// An identifier as text, if all of it can be printed.
pub(super) fn printable(octets: &[u8]) -> Option<&str> {
    let is_text = !octets.is_empty() && octets.iter().all(|octet| matches!(octet, b' '..=b'~'));
    str::from_utf8(octets).ok().filter(|_| is_text)
}

/// Reads hex without separators.
fn plain_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return Err(format!("'{text}' has an odd number of hex digits"));
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("'{text}' is not hex; text is written as 'text:…'"))
}

/// Reads a hardware address: octets with colons or hyphens in between, pairs of octets with dots, or plain hex.
pub fn parse_mac(text: &str) -> Result<Vec<u8>, String> {
    let (separator, digits) = match text.bytes().find(|byte| b":-.".contains(byte)) {
        Some(b'.') => ('.', 4),
        Some(separator) => (char::from(separator), 2),
        None => (' ', text.len()),
    };
    let wrong = || format!("'{text}' is not a hardware address; '02:00:00:00:00:0a' would be one");
    if text.split(separator).any(|piece| piece.len() != digits) {
        return Err(wrong());
    }
    let address = plain_hex(&text.replace(separator, "")).map_err(|_| wrong())?;
    match address.len() {
        1..=16 => Ok(address),
        length => Err(format!("a hardware address has 1 to 16 octets, '{text}' has {length}")),
    }
}

/// Reads a time: RFC 3339, or seconds since 1970.
pub fn parse_time(text: &str) -> Result<Time, String> {
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => match text.parse::<Timestamp>() {
            Ok(time) => time.as_second(),
            Err(_) if is_last_day(text) => i64::MAX,
            Err(_) => return Err(format!("'{text}' is neither an RFC 3339 time nor seconds since 1970")),
        },
    };
    match u32::try_from(seconds) {
        Ok(seconds) => Ok(Time(seconds)),
        Err(_) if seconds > 0 => Ok(Time::INFINITE),
        Err(_) => Err(format!("'{text}' is before 1970")),
    }
}

/// Whether a text is a time on the last day that RFC 3339 has, of which jiff cannot take all of in UTC. It is what some
/// write for a lease without end.
fn is_last_day(text: &str) -> bool {
    let pieces = Pieces::parse(text).ok().filter(|pieces| pieces.time().is_some() && pieces.offset().is_some());
    pieces.is_some_and(|pieces| pieces.date() >= date_of(9999, 12, 30))
}

/// Reads a time at which something ends, if it does.
pub fn parse_end(text: &str) -> Result<Time, String> {
    if text == NEVER { Ok(Time::INFINITE) } else { parse_time(text) }
}

/// Reads the name of a VPN: `OUI:INDEX` in hex, or any other ASCII text (RFC 6607 section 3.5).
pub fn parse_vpn(text: &str) -> Result<VpnName, String> {
    match text {
        "" => return Err("the name of a VPN cannot be empty".to_owned()),
        "all" => return Err("'all' is not the name of a VPN, it means all of them".to_owned()),
        _ if !text.is_ascii() || text.contains('\0') => {
            return Err(format!("the name of a VPN is ASCII text, '{}' is not", text.escape_debug()));
        }
        _ if text.len() > 254 => return Err(format!("the name of a VPN has at most 254 octets, not {}", text.len())),
        _ => {}
    }
    let id = text.split_once(':').filter(|(oui, index)| oui.len() == 6 && index.len() == 8);
    let id = id.and_then(|(oui, index)| plain_hex(&format!("{oui}{index}")).ok()?.try_into().ok());
    Ok(id.map_or_else(|| VpnName::Name(text.as_bytes().into()), VpnName::Id))
}

/// Octets as lower-case hex without separators.
pub fn hex_text(octets: &[u8]) -> String {
    written(|out| push_hex(out, octets))
}

/// A hardware address as hex with colons.
pub fn mac_text(octets: &[u8]) -> String {
    written(|out| push_mac(out, octets))
}

/// A time as RFC 3339 in UTC.
pub fn time_text(time: Time) -> String {
    written(|out| push_time(out, time))
}

/// The name of a VPN.
pub fn vpn_text(vpn: Vpn<'_>) -> String {
    match vpn {
        Vpn::Default => String::new(),
        Vpn::All => "all".to_owned(),
        Vpn::Name(name) => String::from_utf8_lossy(name).into_owned(),
        Vpn::Id(id) => format!("{}:{}", hex_text(&id[..3]), hex_text(&id[3..])),
    }
}

/// The name of a VPN.
pub fn vpn_name_text(name: &VpnName) -> String {
    match name {
        VpnName::Name(name) => vpn_text(Vpn::Name(name)),
        VpnName::Id(id) => vpn_text(Vpn::Id(*id)),
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
