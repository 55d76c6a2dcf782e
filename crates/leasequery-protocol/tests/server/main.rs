//! The server's side of DHCPv4 Bulk and Active Leasequery: octets in, octets out, with a fake clock and a real store.

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
mod parallel;
mod refusals;
mod selectors;
mod states;
mod support;
mod time;
mod timers;
mod vpn;
mod watch;
mod window;
