//! The rules of the leasequery RFCs as state machines without I/O.
//!
//! [`server`] is what a server answers to a query, [`requestor`] what a requestor does with a reply. Octets and the time
//! go in; octets, events and the next deadline come out. Sockets, threads and clocks are the caller's: he turns the
//! wheel of input, output, events and timer, and every cut, delay and slow reader is a plain unit test.

mod asker;
pub mod clock;
pub mod code;
pub mod follower;
pub mod requestor;
pub mod server;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
