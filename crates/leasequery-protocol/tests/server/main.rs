//! The server's side of DHCPv4 Leasequery, single, bulk and active: octets in, octets out, with a fake clock and a real store.

mod active;
mod active_refusals;
mod active_timers;
mod base_time;
mod catch_up;
mod closing;
mod dump;
mod framing;
mod hostile;
mod options;
mod own_bindings;
mod parallel;
mod refusals;
mod secure;
mod selectors;
mod single;
mod single_hostile;
mod single_options;
mod single_refusals;
mod states;
mod support;
mod time;
mod timers;
mod vpn;
mod watch;
mod window;
