//! The server's side of DHCPv6 Bulk and Active Leasequery: octets in, octets out, with a fake clock and a real store.

mod active;
mod changing;
mod framing;
mod grouping;
mod links;
mod options;
mod refusals;
mod relay_data;
mod replies;
mod selectors;
mod support;
mod time;
