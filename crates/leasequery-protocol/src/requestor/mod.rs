//! The requestor's side: one [`Connection`] for each TCP connection.

mod connection;
pub mod v4;

pub use connection::{Connection, Done, Event, Failure, Protocol, Reply, Timeouts, Violation};
