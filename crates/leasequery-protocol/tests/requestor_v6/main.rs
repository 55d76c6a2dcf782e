//! The requestor's side of DHCPv6 Leasequery, single, bulk and active, driven by scripted servers and a fake clock.

mod active;
mod malformed;
mod merge;
mod peer;
mod query;
mod relay;
mod replies;
mod sessions;
mod several;
mod single;
mod single_sessions;
mod stream;
mod time;
mod timeouts;
