//! What must hold whatever octets come, at each place where they come from somebody else.
//!
//! A [`Target`] takes octets, makes of them what its place could be given, and panics if something does not hold. It runs
//! under libFuzzer (`fuzz/`), and in the tests of this crate over its seeds, over what was ever found, and over some
//! thousand mutations of both.

#![allow(clippy::missing_panics_doc, reason = "a panic is how a target says that something does not hold")]

pub mod config;
pub mod datagrams;
mod family;
pub mod follower;
pub mod framing;
mod input;
pub mod kea_config;
pub mod kea_files;
pub mod kea_leases;
mod mutation;
pub mod push;
mod records;
pub mod requestor;
pub mod server;
pub mod tls;
pub mod wire_v4;
pub mod wire_v6;

pub use mutation::Mutator;

/// A place where octets come from somebody else.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The longest input that is worth a try, in octets.
    pub longest: usize,
}

/// All of them.
pub const TARGETS: [Target; 13] = [
    Target { name: "wire_v4", run: wire_v4::run, seeds: wire_v4::seeds, longest: 1 << 16 },
    Target { name: "wire_v6", run: wire_v6::run, seeds: wire_v6::seeds, longest: 1 << 16 },
    Target { name: "framing", run: framing::run, seeds: framing::seeds, longest: 1 << 16 },
    Target { name: "server", run: server::run, seeds: server::seeds, longest: 1 << 12 },
    Target { name: "requestor", run: requestor::run, seeds: requestor::seeds, longest: 1 << 12 },
    Target { name: "follower", run: follower::run, seeds: follower::seeds, longest: 1 << 12 },
    Target { name: "datagrams", run: datagrams::run, seeds: datagrams::seeds, longest: 1 << 13 },
    Target { name: "kea_leases", run: kea_leases::run, seeds: kea_leases::seeds, longest: 1 << 14 },
    Target { name: "kea_config", run: kea_config::run, seeds: kea_config::seeds, longest: 1 << 13 },
    Target { name: "kea_files", run: kea_files::run, seeds: kea_files::seeds, longest: 1 << 8 },
    Target { name: "push", run: push::run, seeds: push::seeds, longest: 1 << 13 },
    Target { name: "tls", run: tls::run, seeds: tls::seeds, longest: 1 << 10 },
    Target { name: "config", run: config::run, seeds: config::seeds, longest: 1 << 13 },
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
