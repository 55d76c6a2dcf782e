//! One row of a lease file.

use std::ops::Range;

use memchr::memchr;
use thiserror::Error;

use super::cast;
use super::columns::{Fields, Header};
use super::family::{Family, Unreadable};
use super::hex::pair;

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
    /// A lease that nobody has and that was not declined. Kea discards it, and never writes one.
    #[error("a lease of nobody")]
    Nobody,
    /// It ends like a line of another system, with what is no value of the last column. Kea discards such a row.
    #[error("a carriage return at its end")]
    CarriageReturn,
    /// The beginning of a row, whose end Kea could not write.
    #[error("a row without its end")]
    Torn,
    /// A line that no lease can fill.
    #[error("a line of more than {0} octets")]
    Length(usize),
    /// A first line that is not the header of a lease file of this family.
    #[error("the first line is not the header of a {0} lease file: column {1} is missing")]
    Header(&'static str, &'static str),
    /// A header in which something that has to be there is behind the host name, where rows may end.
    #[error("the columns are not in the order of a {0} lease file")]
    Order(&'static str),
}

/// A lease as a row has it. Octets are in the buffer that the row was decoded into; an empty range is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<F: Family> {
    /// The address, Kea's key.
    pub address: F::Address,
    /// Client-identifier with its type, or DUID.
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
    /// How the client's message came to Kea, as the store keeps it.
    pub relay_info: Range<usize>,
    /// Whether there is relay information that could not be read.
    pub relay_unreadable: bool,
    /// What only rows of this family have.
    pub own: F::Own,
}

/// Kea's states of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeaState {
    /// 0: in use, or offered, or over and not yet noticed. Also 4, an address that a DHCPv6 client made by itself and
    /// told of (Kea 2.7 and later).
    Assigned,
    /// 1: in quarantine.
    Declined,
    /// 2: over, and kept in case the client returns.
    Reclaimed,
    /// 3: given back, and kept in case the client returns (Kea 2.7 and later).
    Released,
}

impl<F: Family> Row<F> {
    /// Reads a line, without its newline. Octets are appended to `bytes`.
    #[inline]
    pub fn read(
        line: &[u8],
        header: &Header<F>,
        bytes: &mut Vec<u8>,
        scratch: &mut F::Scratch,
    ) -> Result<Self, RowError> {
        // Too large to be handed over.
        let mut fields = Fields::default();
        header.split(line, &mut fields)?;
        let address_text = fields.get(header.address);
        let address = F::address(address_text).ok_or_else(|| wrong("address", address_text))?;
        let client_id = F::client_id(fields.get(header.client_id), bytes)?;
        let hostname = unescape(fields.get(header.hostname), bytes);
        let mut row = Self {
            address,
            client_id,
            valid_lifetime: cast::u32("valid_lifetime", fields.get(header.valid_lifetime))?,
            expire: cast::time("expire", fields.get(header.expire))?,
            subnet_id: cast::u32("subnet_id", fields.get(header.subnet_id))?,
            hostname: hostname.clone(),
            // In files of the first schema there are no states.
            state: fields.optional(header.state).map_or(Ok(KeaState::Assigned), state::<F>)?,
            relay_info: 0..0,
            relay_unreadable: false,
            own: F::own(&fields, &header.own, hostname, bytes)?,
        };
        if !F::is_of_client(&row) {
            return Err(wrong("address", address_text));
        }
        if row.client_id.is_empty() && !F::is_by_hardware(&row) && row.state != KeaState::Declined {
            return Err(RowError::Nobody);
        }
        if let Some(context) = fields.optional(header.user_context).filter(|context| !context.is_empty()) {
            match F::relay(context, bytes, &mut row.own, scratch) {
                Ok(relay_info) => row.relay_info = relay_info,
                Err(Unreadable) => row.relay_unreadable = true,
            }
        }
        Ok(row)
    }

    /// Whether it is a lease that somebody has.
    pub fn is_in_force(&self, now: i64) -> bool {
        self.state == KeaState::Assigned && self.valid_lifetime > 0 && self.expire > now
    }
}

#[cold]
pub(super) fn wrong(column: &'static str, value: &[u8]) -> RowError {
    let value = String::from_utf8_lossy(&value[..value.len().min(80)]).into_owned();
    RowError::Value { column, value }
}

#[inline]
fn state<F: Family>(text: &[u8]) -> Result<KeaState, RowError> {
    let number = usize::try_from(cast::u32("state", text)?);
    // Kea takes any number, but what one means that is not known here nobody can tell.
    let known = number.ok().and_then(|number| F::STATES.get(number));
    known.copied().ok_or_else(|| wrong("state", text))
}

/// Kea escapes a byte as `&#x` and two hex digits; anything else stands for itself.
#[inline]
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
