//! Bytes ⇄ messages of DHCP Leasequery: headers, options and TCP framing.
//!
//! Decoding borrows: [`v4::Message`] is a validated view of the octets it was made from. Encoding appends:
//! [`v4::MessageWriter`] adds one message to the end of a buffer that the caller reuses. Neither allocates on the
//! common path, and no input makes either panic. Sockets, clocks and the rules of the protocol live elsewhere.

mod error;
mod framing;
pub mod v4;

pub use error::{DecodeError, Problem, TooLong};
pub use framing::{FrameFault, Framing, MAX_MESSAGE, split_frame};
