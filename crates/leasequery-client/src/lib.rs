//! Sockets and TLS around the requestor's state machines: one query over UDP ([`exchange`]), one bulk answer ([`fetch`]),
//! and a server that is followed ([`follow`]).

pub mod duid;
mod exchange;
mod fetch;
mod follow;
mod server;

pub use exchange::{ExchangeError, exchange};
pub use fetch::{FetchError, Sink, Target, fetch};
pub use follow::{Companion, Upstream, follow};
pub use server::Server;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
