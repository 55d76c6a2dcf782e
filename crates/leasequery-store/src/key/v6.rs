use std::collections::{BTreeMap, btree_map};
use std::net::Ipv6Addr;

use super::{Key, KeyMap};
use crate::VpnIndex;

/// DHCPv6: an address, or a delegated prefix. All are in the default VPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V6Key {
    address: Ipv6Addr,
    /// Length of the prefix, or [`ADDRESS`](Self::ADDRESS).
    length: u8,
}

impl V6Key {
    /// In place of a length: an address, which is something else than a prefix of 128 bits.
    const ADDRESS: u8 = u8::MAX;

    /// An address.
    pub const fn new(address: Ipv6Addr) -> Self {
        Self { address, length: Self::ADDRESS }
    }

    /// A delegated prefix of at most 128 bits; what is behind them in `address` is dropped.
    pub const fn prefix(address: Ipv6Addr, length: u8) -> Self {
        let length = if length > 128 { 128 } else { length };
        Self { address: first_of(address, length), length }
    }

    /// The address, or the first one of the prefix.
    pub const fn address(self) -> Ipv6Addr {
        self.address
    }

    /// Length of the prefix in bits, if it is one.
    pub const fn prefix_length(self) -> Option<u8> {
        if self.length == Self::ADDRESS { None } else { Some(self.length) }
    }

    /// The least key inside a prefix.
    pub const fn first_in(address: Ipv6Addr, length: u8) -> Self {
        Self { address: first_of(address, length), length: 0 }
    }

    /// The greatest key inside a prefix.
    pub const fn last_in(address: Ipv6Addr, length: u8) -> Self {
        let address = Ipv6Addr::from_bits(address.to_bits() | !mask(length));
        Self { address, length: Self::ADDRESS }
    }

    const fn bits(self) -> u128 {
        self.address.to_bits()
    }
}

const fn mask(length: u8) -> u128 {
    match length {
        0 => 0,
        length @ 1..=127 => !(u128::MAX >> length),
        _ => u128::MAX,
    }
}

/// The first address of a prefix.
pub(crate) const fn first_of(address: Ipv6Addr, length: u8) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & mask(length))
}

impl std::fmt::Display for V6Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.prefix_length() {
            None => write!(f, "{}", self.address),
            Some(length) => write!(f, "{}/{length}", self.address),
        }
    }
}

impl Key for V6Key {
    type Inline = [u8; 0];
    type Map = Tree;

    const TOGETHER: bool = true;

    fn vpn(self) -> VpnIndex {
        VpnIndex::DEFAULT
    }

    fn first_of(_vpn: VpnIndex) -> Self {
        Self { address: Ipv6Addr::UNSPECIFIED, length: 0 }
    }

    fn last_of(_vpn: VpnIndex) -> Self {
        Self::new(Ipv6Addr::from_bits(u128::MAX))
    }

    fn successor(self) -> Option<Self> {
        match self.length.checked_add(1) {
            Some(length) => Some(Self { length, ..self }),
            None => Some(Self { address: Ipv6Addr::from_bits(self.bits().checked_add(1)?), length: 0 }),
        }
    }

    fn predecessor(self) -> Option<Self> {
        match self.length.checked_sub(1) {
            Some(length) => Some(Self { length, ..self }),
            None => Some(Self::new(Ipv6Addr::from_bits(self.bits().checked_sub(1)?))),
        }
    }

    fn distance(self, last: Self) -> u64 {
        let addresses = last.bits().saturating_sub(self.bits()).saturating_add(1);
        u64::try_from(addresses).unwrap_or(u64::MAX)
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.address.octets());
        out.push(self.length);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (address, &[length]) = bytes.split_first_chunk::<16>()? else { return None };
        let address = Ipv6Addr::from(*address);
        match length {
            Self::ADDRESS => Some(Self::new(address)),
            0..=128 => Some(Self::prefix(address, length)),
            _ => None,
        }
    }
}

/// A tree, because addresses are sparse; and how many prefixes there are of each length, to find those around an
/// address.
#[derive(Debug)]
pub struct Tree {
    records: BTreeMap<V6Key, u32>,
    lengths: [u32; 129],
}

impl Default for Tree {
    fn default() -> Self {
        Self { records: BTreeMap::new(), lengths: [0; 129] }
    }
}

impl Tree {
    /// The delegated prefixes that an address is inside of, the longest first.
    pub(crate) fn around(&self, address: Ipv6Addr) -> impl Iterator<Item = u32> {
        let lengths = (0..=128_u8).rev().filter(|length| self.lengths[usize::from(*length)] > 0);
        lengths.filter_map(move |length| self.find(V6Key::prefix(address, length)))
    }

    fn count(&mut self, key: V6Key) -> Option<&mut u32> {
        self.lengths.get_mut(usize::from(key.length))
    }
}

impl KeyMap<V6Key> for Tree {
    type Range<'a> = TreeRange<'a>;

    fn find(&self, key: V6Key) -> Option<u32> {
        self.records.get(&key).copied()
    }

    fn insert(&mut self, key: V6Key, record: u32) {
        if self.records.insert(key, record).is_none()
            && let Some(count) = self.count(key)
        {
            *count += 1;
        }
    }

    fn remove(&mut self, key: V6Key) {
        if self.records.remove(&key).is_some()
            && let Some(count) = self.count(key)
        {
            *count -= 1;
        }
    }

    fn range(&self, first: V6Key) -> TreeRange<'_> {
        TreeRange(self.records.range(first..))
    }
}

/// Walks over the tree.
#[derive(Debug)]
pub struct TreeRange<'a>(btree_map::Range<'a, V6Key, u32>);

impl Iterator for TreeRange<'_> {
    type Item = (V6Key, u32);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, record)| (*key, *record))
    }
}

#[cfg(test)]
mod tests;
