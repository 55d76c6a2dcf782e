//! Bytes ⇄ messages of DHCP Leasequery: headers, options and TCP framing.
//!
//! Decoding borrows: [`v4::Message`] and [`v6::Message`] are validated views of the octets they were made from. Encoding
//! appends: [`v4::MessageWriter`] and [`v6::MessageWriter`] add one message to the end of a buffer that the caller reuses. Neither allocates on the
//! common path, and no input makes either panic. Sockets, clocks and the rules of the protocol live elsewhere.

mod code;
mod error;
mod framing;
mod text;
pub mod v4;
pub mod v6;

pub use error::{DecodeError, Problem, TooLong};
pub use framing::{FrameFault, Framing, MAX_MESSAGE, split_frame};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
