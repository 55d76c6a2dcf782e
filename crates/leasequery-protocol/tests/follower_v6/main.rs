//! Following a DHCPv6 server: what is asked for when, and what is made of the answers.

mod copies;
mod course;
mod ends;
mod gaps;
mod hostile;
mod peer;
mod polling;
