//! The requestor's side of DHCPv4 Leasequery, single, bulk and active, driven by scripted servers and a fake clock.

mod active;
mod exchange;
mod limits;
mod peer;
mod query;
mod replies;
mod selectors;
mod several;
mod single;
mod status;
mod stream;
mod time;
mod timeouts;
mod violations;
mod vpn;
