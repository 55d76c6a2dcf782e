//! One row of a lease file.

use std::net::Ipv4Addr;
use std::ops::Range;

use memchr::memchr;
use thiserror::Error;

use super::relay;

/// Why a row was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RowError {
    /// Fewer columns than every version of Kea writes.
    #[error("{0} columns, a lease has at least {1}")]
    Columns(usize, usize),
    /// A value that its column cannot have.
    #[error("column {column}: '{value}' is wrong")]
    Value {
        /// Name of the column.
        column: &'static str,
        /// What stands there.
        value: String,
    },
    /// A first line that is not the header of a DHCPv4 lease file.
    #[error("the first line is not the header of a DHCPv4 lease file: column {0} is missing")]
    Header(&'static str),
}

/// Where the columns are that a lease is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    address: usize,
    hwaddr: usize,
    client_id: usize,
    valid_lifetime: usize,
    expire: usize,
    subnet_id: usize,
    hostname: usize,
    state: Option<usize>,
    user_context: Option<usize>,
}

/// Columns that any version may have; what is behind them is ignored.
const COLUMNS: usize = 24;

/// A lease as a row has it. Octets are in the buffer that the row was decoded into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The address, Kea's key.
    pub address: Ipv4Addr,
    /// Hardware address; empty if there is none.
    pub hwaddr: Range<usize>,
    /// Client-identifier with its type; empty if there is none.
    pub client_id: Range<usize>,
    /// Seconds; 0 removes the lease, 0xffffffff is for ever.
    pub valid_lifetime: u32,
    /// Seconds since 1970. For an infinite lease beyond 32 bits.
    pub expire: i64,
    /// Number of its subnet.
    pub subnet_id: u32,
    /// Host name; empty if there is none.
    pub hostname: Range<usize>,
    /// Kea's state.
    pub state: u8,
    /// Sub-options of option 82; empty if there are none.
    pub relay_info: Range<usize>,
    /// Whether there is relay information that could not be read.
    pub relay_unreadable: bool,
}

impl Header {
    /// Reads the first line of a file.
    pub fn parse(line: &[u8]) -> Result<Self, RowError> {
        let find = |name: &str| line.split(|byte| *byte == b',').position(|column| column == name.as_bytes());
        let need = |name: &'static str| find(name).filter(|place| *place < COLUMNS).ok_or(RowError::Header(name));
        Ok(Self {
            address: need("address")?,
            hwaddr: need("hwaddr")?,
            client_id: need("client_id")?,
            valid_lifetime: need("valid_lifetime")?,
            expire: need("expire")?,
            subnet_id: need("subnet_id")?,
            hostname: need("hostname")?,
            state: find("state"),
            user_context: find("user_context"),
        })
    }
}

impl Row {
    /// Reads a line, without its newline. Octets are appended to `bytes`. Rows need not be as wide as the header: a Kea
    /// of another version may have appended them.
    pub fn parse(line: &[u8], header: &Header, bytes: &mut Vec<u8>) -> Result<Self, RowError> {
        let mut columns = [&[][..]; COLUMNS];
        let mut count = 0;
        let mut rest = line;
        while count < COLUMNS {
            let comma = memchr(b',', rest);
            columns[count] = &rest[..comma.unwrap_or(rest.len())];
            count += 1;
            match comma {
                Some(comma) => rest = &rest[comma + 1..],
                None => break,
            }
        }
        if count <= header.hostname {
            return Err(RowError::Columns(count, header.hostname + 1));
        }
        let optional = |place: Option<usize>| place.and_then(|place| columns.get(place)).copied().unwrap_or_default();
        let state = match optional(header.state) {
            [] => 0,
            text => number("state", text)?,
        };
        let mut row = Self {
            address: address(columns[header.address])?,
            hwaddr: octets("hwaddr", columns[header.hwaddr], bytes)?,
            client_id: octets("client_id", columns[header.client_id], bytes)?,
            valid_lifetime: number("valid_lifetime", columns[header.valid_lifetime])?,
            expire: number("expire", columns[header.expire])?,
            subnet_id: number("subnet_id", columns[header.subnet_id])?,
            hostname: unescape(columns[header.hostname], bytes),
            state,
            relay_info: 0..0,
            relay_unreadable: false,
        };
        if row.hwaddr.len() > 16 {
            return Err(wrong("hwaddr", columns[header.hwaddr]));
        }
        let context = optional(header.user_context);
        if !context.is_empty() {
            match relay::sub_options(context, bytes) {
                Ok(range) => row.relay_info = range,
                Err(relay::Unreadable) => row.relay_unreadable = true,
            }
        }
        Ok(row)
    }
}

fn wrong(column: &'static str, value: &[u8]) -> RowError {
    let value = String::from_utf8_lossy(&value[..value.len().min(80)]).into_owned();
    RowError::Value { column, value }
}

fn number<T: TryFrom<i64>>(column: &'static str, text: &[u8]) -> Result<T, RowError> {
    let (digits, negative) = match text {
        [b'-', digits @ ..] => (digits, true),
        digits => (digits, false),
    };
    // Twelve digits are more than any time needs, and fewer than overflow.
    if digits.is_empty() || digits.len() > 12 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(wrong(column, text));
    }
    let value = digits.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    T::try_from(if negative { -value } else { value }).map_err(|_| wrong(column, text))
}

fn address(text: &[u8]) -> Result<Ipv4Addr, RowError> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| wrong("address", text))
}

/// Two hex digits an octet, joined by colons.
fn octets(column: &'static str, text: &[u8], bytes: &mut Vec<u8>) -> Result<Range<usize>, RowError> {
    let start = bytes.len();
    if text.is_empty() {
        return Ok(start..start);
    }
    for piece in text.chunks(3) {
        match piece {
            [high, low] | [high, low, b':'] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => bytes.push(high << 4 | low),
                _ => return Err(wrong(column, text)),
            },
            _ => return Err(wrong(column, text)),
        }
    }
    if text.ends_with(b":") {
        return Err(wrong(column, text));
    }
    Ok(start..bytes.len())
}

/// The value of a hex digit of either case.
#[inline]
pub(super) fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Kea escapes a byte as `&#x` and two hex digits; anything else stands for itself.
pub(super) fn unescape(text: &[u8], bytes: &mut Vec<u8>) -> Range<usize> {
    let start = bytes.len();
    let mut rest = text;
    while let Some(place) = memchr(b'&', rest) {
        bytes.extend_from_slice(&rest[..place]);
        rest = &rest[place..];
        match rest {
            [b'&', b'#', b'x', high, low, behind @ ..] if let (Some(high), Some(low)) = (digit(*high), digit(*low)) => {
                bytes.push(high << 4 | low);
                rest = behind;
            }
            _ => {
                bytes.push(b'&');
                rest = &rest[1..];
            }
        }
    }
    bytes.extend_from_slice(rest);
    start..bytes.len()
}

#[cfg(test)]
mod tests;
