//! DHCPv6: RFC 8415, 4649, 5007, 5460 and 7653.

mod code;
mod lease;
mod message;
mod options;
mod query;
mod relay;
mod writer;

use std::net::Ipv6Addr;

pub use code::{MessageType, OptionCode, QueryType, StatusCode};
pub use lease::{ClientData, Lease};
pub use message::{Message, Status};
pub use options::Options;
pub use query::Query;
pub use relay::{MAX_HOPS, Relay, RelayData, write_relayed};
pub use writer::{MessageWriter, Open};

/// Octets before the options: type and transaction id (RFC 8415 section 8).
pub const MIN_MESSAGE: usize = 4;
/// A transaction id has 24 bits (RFC 8415 section 8).
pub const MAX_TRANSACTION_ID: u32 = 0x00ff_ffff;
/// A lifetime that does not end (RFC 8415 section 7.7).
pub const INFINITE: u32 = u32::MAX;

/// A DUID has a type of two octets, and at most 128 octets behind it (RFC 8415 section 11.1).
const DUID_LENGTH: std::ops::RangeInclusive<usize> = 2..=130;

/// Whether these octets can be a DUID. What is in them is nobody's business but their owner's (RFC 8415 section 11).
pub fn is_duid(bytes: &[u8]) -> bool {
    DUID_LENGTH.contains(&bytes.len())
}

/// The first 16 octets as an address, and what is behind them.
fn split_address(bytes: &[u8]) -> Option<(Ipv6Addr, &[u8])> {
    bytes.split_first_chunk::<16>().map(|(octets, rest)| (Ipv6Addr::from(*octets), rest))
}
