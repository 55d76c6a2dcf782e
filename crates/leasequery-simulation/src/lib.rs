//! Servers, requestors and chains of them in one thread, in simulated time over a simulated network, all from one seed.
//!
//! Leases change at random while connections are cut at any octet, processes crash and start again with what was on
//! their disks, readers stop and clocks are stepped. When all is quiet again, each copy has to equal its server.

mod check;
mod clock;
mod copy;
mod disk;
mod family;
mod faults;
mod holders;
mod mutation;
mod network;
mod node;
mod octets;
mod pairs;
mod plan;
mod server;
mod tree;
mod v4;
mod v6;
mod world;

pub use mutation::Mutation;
pub use world::{Failure, Options, Protocol, Report, run};
