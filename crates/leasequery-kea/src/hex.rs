//! Octets in hex, as Kea takes them in lease files.

use std::ops::Range;

use super::row::{RowError, wrong};

/// Octets of one or two digits each, joined by colons: hardware addresses (`HWAddr::fromText`).
#[inline]
pub(super) fn octets(column: &'static str, text: &[u8], bytes: &mut Vec<u8>) -> Result<Range<usize>, RowError> {
    let start = bytes.len();
    if text.is_empty() {
        return Ok(start..start);
    }
    // As Kea itself writes them.
    if let (pieces, [high, low]) = text.as_chunks::<3>() {
        let mut sound = true;
        bytes.extend(pieces.iter().map(|[high, low, colon]| {
            sound &= *colon == b':';
            pair([*high, *low], &mut sound)
        }));
        bytes.push(pair([*high, *low], &mut sound));
        if sound {
            return Ok(start..bytes.len());
        }
        bytes.truncate(start);
    }
    if joined(text, b':', bytes) { Ok(start..bytes.len()) } else { Err(wrong(column, text)) }
}

/// Identifiers of clients, which Kea also takes with spaces instead of colons, or with nothing in between, where `0x` may
/// stand in front and a leading zero is not needed.
#[inline]
pub(super) fn identifier(column: &'static str, text: &[u8], bytes: &mut Vec<u8>) -> Result<Range<usize>, RowError> {
    if text.contains(&b':') { octets(column, text, bytes) } else { without_colons(column, text, bytes) }
}

#[cold]
fn without_colons(column: &'static str, text: &[u8], bytes: &mut Vec<u8>) -> Result<Range<usize>, RowError> {
    let start = bytes.len();
    let sound = if text.contains(&b' ') {
        joined(text, b' ', bytes)
    } else {
        let digits = text.strip_prefix(b"0x").filter(|digits| !digits.is_empty()).unwrap_or(text);
        if digits.len().is_multiple_of(2) { decode(digits, bytes) } else { decode(&[b"0", digits].concat(), bytes) }
    };
    if sound { Ok(start..bytes.len()) } else { Err(wrong(column, text)) }
}

#[cold]
fn joined(text: &[u8], by: u8, bytes: &mut Vec<u8>) -> bool {
    let start = bytes.len();
    let sound = text.split(|byte| *byte == by).all(|piece| match *piece {
        [low] => decode(&[b'0', low], bytes),
        [high, low] => decode(&[high, low], bytes),
        _ => false,
    });
    if !sound {
        bytes.truncate(start);
    }
    sound
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

/// Appends what the hex digits stand for; says whether they are that.
pub(super) fn decode(hex: &[u8], bytes: &mut Vec<u8>) -> bool {
    let (pairs, rest) = hex.as_chunks::<2>();
    let mut sound = rest.is_empty();
    bytes.extend(pairs.iter().map(|digits| pair(*digits, &mut sound)));
    sound
}

#[cfg(test)]
mod tests;
