//! IPv4 addresses as Kea writes them, and sets of them.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::super::family::Seen;

/// Four numbers, with no zeros before them, and three dots.
#[inline]
pub(super) fn address(text: &[u8]) -> Option<Ipv4Addr> {
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
        let written = length == 1 || length > 1 && rest.first() != Some(&b'0');
        *octet = u8::try_from(value).ok().filter(|_| written)?;
        rest = &rest[length..];
        if place < 3 {
            rest = rest.strip_prefix(b".")?;
        }
    }
    rest.is_empty().then(|| octets.into())
}

/// A set of addresses, with a bit for each in the networks of 256 that occur.
#[derive(Debug, Default)]
pub struct Addresses {
    networks: HashMap<u32, usize>,
    bits: Vec<[u64; 4]>,
    /// The network that was looked for last, and its place among the bits: rows of a network often come together.
    last: Option<(u32, usize)>,
}

impl Seen<Ipv4Addr> for Addresses {
    fn contains(&mut self, address: Ipv4Addr) -> bool {
        let (word, bit) = place(address);
        self.find(address).is_some_and(|network| self.bits[network][word] & bit != 0)
    }

    fn insert(&mut self, address: Ipv4Addr) {
        let network = self.find(address).unwrap_or_else(|| {
            self.bits.push([0; 4]);
            let network = self.bits.len() - 1;
            self.networks.insert(address.to_bits() >> 8, network);
            network
        });
        let (word, bit) = place(address);
        self.bits[network][word] |= bit;
    }
}

impl Addresses {
    fn find(&mut self, address: Ipv4Addr) -> Option<usize> {
        let number = address.to_bits() >> 8;
        if let Some((_, network)) = self.last.filter(|(last, _)| *last == number) {
            return Some(network);
        }
        let network = self.networks.get(&number).copied()?;
        self.last = Some((number, network));
        Some(network)
    }
}

/// Which word of its network an address is in, and which bit of that it is.
fn place(address: Ipv4Addr) -> (usize, u64) {
    let [.., last] = address.octets();
    (usize::from(last >> 6), 1 << (last & 63))
}

#[cfg(test)]
mod tests;
