use std::net::{IpAddr, SocketAddr};

use leasequery_wire::DecodeError;
use thiserror::Error;

/// What to do about a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The answer has been appended to the output.
    Answer {
        /// Where it goes.
        to: SocketAddr,
        /// Whether it had to go without the relay's information because that did not fit, which is to be counted (RFC
        /// 3046 section 2.2).
        without_relay_info: bool,
    },
    /// Nothing is sent: there is no status on UDP, and an answer to just anybody would help whoever forges addresses.
    Silence(Silence),
}

/// Why a datagram is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Silence {
    /// Its octets are no message, or something that the answer depends on is malformed.
    #[error("malformed message: {0}")]
    Malformed(#[from] DecodeError),
    /// It is not from a requestor.
    #[error("op is {0}, not 1 (BOOTREQUEST)")]
    NotARequest(u8),
    /// It is a message of another type: what a DHCP server gets and a leasequery server overhears.
    #[error("a message of type {0} is no leasequery")]
    NotAQuery(u8),
    /// No answer to it would be of use (RFC 5007 section 4.2.1).
    #[error("{0}")]
    Unusable(&'static str),
    /// It does not say where the answer goes (RFC 4388 section 6.4.3).
    #[error("giaddr is zero")]
    NoGiaddr,
    /// Where it came from, or where the answer would go, is no requestor that may send single queries.
    #[error("{0} may not send queries over UDP")]
    NotPermitted(IpAddr),
    /// It says with none, or with several, of the possible selectors what it is about (RFC 4388 section 6.3).
    #[error("a query has exactly one of ciaddr, MAC address and client-identifier, or only a Remote ID, this one {0}")]
    Selectors(usize),
    /// So many bindings that may not be told of are in front of one that may that nobody has time to find it.
    #[error("too many bindings have been looked at without a result")]
    TooMuch,
}
