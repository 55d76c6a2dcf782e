//! The requestor's side of DHCPv4 Bulk Leasequery, driven by scripted servers and a fake clock.

mod active;
mod limits;
mod peer;
mod query;
mod replies;
mod selectors;
mod several;
mod status;
mod stream;
mod time;
mod timeouts;
mod violations;
mod vpn;
