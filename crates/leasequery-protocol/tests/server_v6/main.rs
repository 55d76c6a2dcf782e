//! The server's side of DHCPv6 Leasequery, single, bulk and active: octets in, octets out, with a fake clock and a real store.

mod active;
mod active_timers;
mod base_time;
mod catch_up;
mod changing;
mod closing;
mod coverage;
mod framing;
mod grouping;
mod hostile;
mod links;
mod options;
mod own_bindings;
mod parallel;
mod refusals;
mod relay_data;
mod replies;
mod secure;
mod selectors;
mod single;
mod single_hostile;
mod single_options;
mod single_refusals;
mod single_relayed;
mod support;
mod time;
