//! The `leasequery` program: sources, TCP shells, configuration, command line and output. The rules of the protocol are
//! in `leasequery-protocol`, the bindings in `leasequery-store`.

mod age;
pub mod cli;
pub mod config;
mod demo;
mod duid;
mod exchange;
pub mod family;
mod files;
pub mod follow;
pub mod output;
pub mod record;
pub mod requestor;
pub mod serve;
pub mod source;
pub mod tls;
pub mod verify;
pub mod watch;
