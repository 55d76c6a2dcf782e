//! The requestor's side: one [`Connection`] for each TCP connection, one [`Exchange`] for each query over UDP.
//!
//! What DHCPv4 and DHCPv6 share is in [`connection`](Connection): framing, several queries side by side, timers, and
//! what makes a connection useless. What they differ in is behind [`Protocol`].

mod connection;
mod exchange;
mod failure;
mod negotiation;
mod protocol;
pub mod v4;
pub mod v6;

pub use connection::{Connection, Timeouts};
pub use exchange::{Exchange, Poll, Schedule};
pub use failure::{Failure, Fault, QueryError, Violation};
pub use negotiation::{Negotiation, Refusal, Step};
pub use protocol::{ActiveStatus, Done, Event, Outstanding, Protocol};
