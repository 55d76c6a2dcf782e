//! The `leasequery` program: the command line, output for people, and the demonstration. The daemon, the sockets and the
//! rules are in crates of their own.

pub mod cli;
mod demo;
pub mod http;
pub mod output;
pub mod verify;
pub mod watch;
