//! The requestor's side of DHCPv6 Bulk and Active Leasequery, driven by scripted servers and a fake clock.

mod malformed;
mod peer;
mod query;
mod replies;
mod several;
mod stream;
