//! IPv6 addresses as Kea writes them, and sets of them.

use std::collections::HashSet;
use std::net::Ipv6Addr;

use super::super::family::Seen;

/// Groups of hex digits joined by colons, of which two in a row stand for zeros. The standard library reads the same, but
/// takes several times as long, and there are three addresses in a row.
pub(super) fn address(text: &[u8]) -> Option<Ipv6Addr> {
    let mut groups = [0_u16; 8];
    let (mut count, mut gap) = (0, None);
    let mut rest = text;
    if let Some(behind) = rest.strip_prefix(b"::") {
        (gap, rest) = (Some(0), behind);
    }
    while !rest.is_empty() {
        let (mut value, mut length) = (0, 0);
        while let Some(digit) = rest.get(length).and_then(|byte| digit(*byte)) {
            value = value << 4 | digit;
            length += 1;
            if length > 4 {
                return None;
            }
        }
        if rest.get(length) == Some(&b'.') {
            // The last four octets as an IPv4 address: nobody leases such ones.
            return str::from_utf8(text).ok()?.parse().ok();
        }
        *groups.get_mut(count).filter(|_| length > 0)? = value;
        count += 1;
        rest = match &rest[length..] {
            [b':', b':', behind @ ..] if gap.is_none() => {
                gap = Some(count);
                behind
            }
            [b':', behind @ ..] if !behind.is_empty() => behind,
            [] => break,
            _ => return None,
        };
    }
    match gap {
        Some(gap) if count < 8 => {
            groups[gap..].rotate_right(8 - count);
            // What is behind the gap stands at the end now, and zeros in it.
            Some(groups.into())
        }
        None if count == 8 => Some(groups.into()),
        _ => None,
    }
}

#[inline]
fn digit(byte: u8) -> Option<u16> {
    match byte {
        b'0'..=b'9' => Some(u16::from(byte - b'0')),
        b'a'..=b'f' => Some(u16::from(byte - b'a' + 10)),
        b'A'..=b'F' => Some(u16::from(byte - b'A' + 10)),
        _ => None,
    }
}

/// Addresses are too far apart for anything else.
impl Seen<Ipv6Addr> for HashSet<Ipv6Addr> {
    fn contains(&mut self, address: Ipv6Addr) -> bool {
        HashSet::contains(self, &address)
    }

    fn insert(&mut self, address: Ipv6Addr) {
        HashSet::insert(self, address);
    }
}

#[cfg(test)]
mod tests;
