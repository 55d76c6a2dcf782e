mod v4;
mod v6;

use std::fmt::{Debug, Display};
use std::hash::Hash;

use crate::VpnIndex;

pub use v4::V4Key;
pub use v6::V6Key;
pub(crate) use v6::first_of;

/// What a binding is about. Keys order by VPN first.
pub trait Key: Copy + Ord + Eq + Hash + Debug + Display + Send + Sync + 'static {
    /// Room in a record for a hardware address of six octets and its type; none where hardware addresses say nothing of
    /// who a client is.
    type Inline: Copy + Debug + Default + PartialEq + AsRef<[u8]> + AsMut<[u8]> + Send + Sync;
    /// Finds the record of a key, and the keys behind a key in their order.
    type Map: KeyMap<Self>;

    /// Whether a client's bindings are told of together, so that each has to be found from the others.
    const TOGETHER: bool;

    /// The VPN it belongs to.
    fn vpn(self) -> VpnIndex;
    /// The least key of a VPN.
    fn first_of(vpn: VpnIndex) -> Self;
    /// The greatest key of a VPN.
    fn last_of(vpn: VpnIndex) -> Self;
    /// The next key of the same VPN, if there is one.
    fn successor(self) -> Option<Self>;
    /// The previous key of the same VPN, if there is one.
    fn predecessor(self) -> Option<Self>;
    /// How many keys there are from this one to `last`, both included.
    fn distance(self, last: Self) -> u64;
    /// Appends octets whose order is the order of the keys.
    fn write(self, out: &mut Vec<u8>);
    /// Reads what [`write`](Self::write) wrote.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// An ordered map from keys to record numbers.
pub trait KeyMap<K>: Debug + Default + Send + Sync {
    /// Keys and record numbers in key order.
    type Range<'a>: Debug + Iterator<Item = (K, u32)>
    where
        Self: 'a;

    /// The record of `key`.
    fn find(&self, key: K) -> Option<u32>;
    /// Adds or replaces.
    fn insert(&mut self, key: K, record: u32);
    /// Takes out.
    fn remove(&mut self, key: K);
    /// Everything from `first` on.
    fn range(&self, first: K) -> Self::Range<'_>;
}
