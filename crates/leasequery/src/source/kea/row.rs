//! One row of a lease file.

use std::net::Ipv4Addr;
use std::ops::Range;

use memchr::{memchr, memchr_iter};
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
    /// The beginning of a row, whose end Kea could not write.
    #[error("a row without its end")]
    Torn,
    /// A line that no lease can fill.
    #[error("a line of more than {0} octets")]
    Length(usize),
    /// A first line that is not the header of a DHCPv4 lease file.
    #[error("the first line is not the header of a DHCPv4 lease file: column {0} is missing")]
    Header(&'static str),
    /// A header in which something that has to be there is behind the host name, where rows may end.
    #[error("the columns are not in the order of a DHCPv4 lease file")]
    Order,
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
    fqdn_fwd: usize,
    fqdn_rev: usize,
    hostname: usize,
    state: Option<usize>,
    user_context: Option<usize>,
    /// How many columns have to be looked for; what is behind them is ignored.
    columns: usize,
}

/// Columns that any version may have.
const COLUMNS: usize = 24;

/// A lease as a row has it. Octets are in the buffer that the row was decoded into; an empty range is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The address, Kea's key.
    pub address: Ipv4Addr,
    /// Hardware address.
    pub hwaddr: Range<usize>,
    /// Client-identifier with its type.
    pub client_id: Range<usize>,
    /// Seconds; 0 removes the lease, 0xffffffff is for ever.
    pub valid_lifetime: u32,
    /// Seconds since 1970. For an infinite lease beyond 32 bits.
    pub expire: i64,
    /// Number of its subnet.
    pub subnet_id: u32,
    /// Host name.
    pub hostname: Range<usize>,
    /// What Kea says the lease is.
    pub state: KeaState,
    /// Sub-options of option 82.
    pub relay_info: Range<usize>,
    /// Remote ID, a part of them.
    pub remote_id: Range<usize>,
    /// Relay-ID, a part of them.
    pub relay_id: Range<usize>,
    /// Whether there is relay information that could not be read.
    pub relay_unreadable: bool,
}

/// Kea's states of a DHCPv4 lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeaState {
    /// 0: in use, or offered, or over and not yet noticed.
    Assigned,
    /// 1: in quarantine.
    Declined,
    /// 2: over, and kept in case the client returns.
    Reclaimed,
    /// 3: given back, and kept in case the client returns (Kea 2.7 and later).
    Released,
}

impl Header {
    /// Reads the first line of a file.
    pub fn parse(line: &[u8]) -> Result<Self, RowError> {
        let find = |name: &str| line.split(|byte| *byte == b',').position(|column| column == name.as_bytes());
        let find = |name| find(name).filter(|place| *place < COLUMNS);
        let need = |name: &'static str| find(name).ok_or(RowError::Header(name));
        let mut header = Self {
            address: need("address")?,
            hwaddr: need("hwaddr")?,
            client_id: need("client_id")?,
            valid_lifetime: need("valid_lifetime")?,
            expire: need("expire")?,
            subnet_id: need("subnet_id")?,
            fqdn_fwd: need("fqdn_fwd")?,
            fqdn_rev: need("fqdn_rev")?,
            hostname: need("hostname")?,
            state: find("state"),
            user_context: find("user_context"),
            columns: 0,
        };
        let before = [header.address, header.hwaddr, header.client_id, header.valid_lifetime, header.expire];
        let before = before.into_iter().chain([header.subnet_id, header.fqdn_fwd, header.fqdn_rev]);
        if before.max() > Some(header.hostname) {
            return Err(RowError::Order);
        }
        header.columns = header.state.max(header.user_context).map_or(0, |last| last + 1).max(header.hostname + 1);
        Ok(header)
    }
}

impl Header {
    /// The address that a line is about, whatever else it says.
    pub fn address_of(&self, line: &[u8]) -> Option<Ipv4Addr> {
        address(line.split(|byte| *byte == b',').nth(self.address)?)
    }

    /// Whether a line without a newline is all of a row: Kea takes such a one at the end of a file if it has every
    /// column and what is in them makes sense.
    pub fn is_whole(&self, line: &[u8]) -> bool {
        let columns = memchr_iter(b',', line).count() + 1;
        columns >= self.columns && Row::parse(line, self, &mut Vec::new()).is_ok_and(|row| !row.relay_unreadable)
    }
}

impl Row {
    /// Reads a line, without its newline. Octets are appended to `bytes`. Rows need not be as wide as the header: a Kea
    /// of another version may have appended them.
    pub fn parse(line: &[u8], header: &Header, bytes: &mut Vec<u8>) -> Result<Self, RowError> {
        let mut columns = [&[][..]; COLUMNS];
        let (mut count, mut start) = (0, 0);
        let ends = memchr_iter(b',', line).chain(std::iter::once(line.len()));
        for (column, end) in columns.iter_mut().zip(ends).take(header.columns) {
            *column = &line[start..end];
            (count, start) = (count + 1, end + 1);
        }
        if count <= header.hostname {
            return Err(RowError::Columns(count, header.hostname + 1));
        }
        for (column, place) in [("fqdn_fwd", header.fqdn_fwd), ("fqdn_rev", header.fqdn_rev)] {
            // They tell nothing of interest, except whether this is one row and not parts of several.
            if !matches!(columns[place], b"0" | b"1") {
                return Err(wrong(column, columns[place]));
            }
        }
        let optional = |place: Option<usize>| place.filter(|place| *place < count).map(|place| columns[place]);
        let text = columns[header.address];
        // In files of the first schema there are no states.
        let mut row = Self {
            address: address(text).ok_or_else(|| wrong("address", text))?,
            hwaddr: octets("hwaddr", columns[header.hwaddr], bytes)?,
            client_id: octets("client_id", columns[header.client_id], bytes)?,
            valid_lifetime: number("valid_lifetime", columns[header.valid_lifetime])?,
            expire: number("expire", columns[header.expire])?,
            subnet_id: number("subnet_id", columns[header.subnet_id])?,
            hostname: unescape(columns[header.hostname], bytes),
            state: optional(header.state).map_or(Ok(KeaState::Assigned), state)?,
            relay_info: 0..0,
            remote_id: 0..0,
            relay_id: 0..0,
            relay_unreadable: false,
        };
        if row.hwaddr.len() > 16 {
            return Err(wrong("hwaddr", columns[header.hwaddr]));
        }
        if let Some(context) = optional(header.user_context).filter(|context| !context.is_empty()) {
            match relay::read(context, bytes) {
                Ok(relay) => {
                    (row.relay_info, row.remote_id, row.relay_id) =
                        (relay.sub_options, relay.remote_id, relay.relay_id);
                }
                Err(relay::Unreadable) => row.relay_unreadable = true,
            }
        }
        Ok(row)
    }
}

#[cold]
fn wrong(column: &'static str, value: &[u8]) -> RowError {
    let value = String::from_utf8_lossy(&value[..value.len().min(80)]).into_owned();
    RowError::Value { column, value }
}

fn state(text: &[u8]) -> Result<KeaState, RowError> {
    match text {
        b"0" => Ok(KeaState::Assigned),
        b"1" => Ok(KeaState::Declined),
        b"2" => Ok(KeaState::Reclaimed),
        b"3" => Ok(KeaState::Released),
        _ => Err(wrong("state", text)),
    }
}

fn number<T: TryFrom<i64>>(column: &'static str, text: &[u8]) -> Result<T, RowError> {
    let (digits, negative) = match text {
        [b'-', digits @ ..] => (digits, true),
        digits => (digits, false),
    };
    // Twelve digits are more than any time needs, and fewer than overflow.
    let mut sound = (1..=12).contains(&digits.len());
    let mut value = 0_i64;
    for digit in digits.iter().take(12) {
        let digit = digit.wrapping_sub(b'0');
        sound &= digit < 10;
        value = value * 10 + i64::from(digit);
    }
    let value = T::try_from(if negative { -value } else { value });
    value.ok().filter(|_| sound).ok_or_else(|| wrong(column, text))
}

/// Four numbers and three dots.
fn address(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut rest = text;
    for (place, octet) in octets.iter_mut().enumerate() {
        let mut value = 0_u16;
        let mut length = 0;
        while let Some(digit) = rest.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            value = value * 10 + u16::from(digit);
            length += 1;
            if length > 3 {
                return None;
            }
        }
        *octet = u8::try_from(value).ok().filter(|_| length > 0)?;
        rest = &rest[length..];
        if place < 3 {
            rest = rest.strip_prefix(b".")?;
        }
    }
    rest.is_empty().then(|| octets.into())
}

/// Two hex digits an octet, joined by colons.
fn octets(column: &'static str, text: &[u8], bytes: &mut Vec<u8>) -> Result<Range<usize>, RowError> {
    let start = bytes.len();
    if text.is_empty() {
        return Ok(start..start);
    }
    let (pieces, [high, low]) = text.as_chunks::<3>() else { return Err(wrong(column, text)) };
    let mut sound = true;
    bytes.extend(pieces.iter().map(|[high, low, colon]| {
        sound &= *colon == b':';
        pair([*high, *low], &mut sound)
    }));
    bytes.push(pair([*high, *low], &mut sound));
    if sound { Ok(start..bytes.len()) } else { Err(wrong(column, text)) }
}

/// The octet that two hex digits of either case stand for; `sound` is cleared if they are none.
#[inline]
pub(super) fn pair([high, low]: [u8; 2], sound: &mut bool) -> u8 {
    const NONE: u8 = 0xff;
    const DIGITS: [u8; 256] = {
        let mut digits = [NONE; 256];
        let mut value = 0_u8;
        while value < 16 {
            digits[b"0123456789abcdef"[value as usize] as usize] = value;
            digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
            value += 1;
        }
        digits
    };
    let (high, low) = (DIGITS[usize::from(high)], DIGITS[usize::from(low)]);
    *sound &= (high | low) != NONE;
    high << 4 | low
}

/// Kea escapes a byte as `&#x` and two hex digits; anything else stands for itself.
pub(super) fn unescape(text: &[u8], bytes: &mut Vec<u8>) -> Range<usize> {
    let start = bytes.len();
    let mut rest = text;
    while let Some(place) = memchr(b'&', rest) {
        bytes.extend_from_slice(&rest[..place]);
        rest = &rest[place..];
        let mut sound = false;
        if let [b'&', b'#', b'x', high, low, behind @ ..] = rest {
            sound = true;
            let octet = pair([*high, *low], &mut sound);
            if sound {
                bytes.push(octet);
                rest = behind;
            }
        }
        if !sound {
            bytes.push(b'&');
            rest = &rest[1..];
        }
    }
    bytes.extend_from_slice(rest);
    start..bytes.len()
}

#[cfg(test)]
mod tests;
