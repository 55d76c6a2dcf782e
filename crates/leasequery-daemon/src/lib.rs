//! The daemon: sources, live stores and listeners in one process.
//!
//! [`config`] is what it is told to do, [`sources`] commit to the live stores, [`listeners`] tell of them, and [`run`] is
//! its life from the start to the end.

mod access;
mod around;
mod callers;
mod certificates;
pub mod config;
mod describe;
mod descriptors;
pub mod http;
pub mod listeners;
mod manager;
mod process;
mod prospect;
mod run;
pub mod sources;
mod state;
mod widened;

pub use access::{Access, Permissions};
pub use around::Around;
pub use callers::{Callers, Tally};
pub use describe::describe;
pub use prospect::Prospect;
pub use run::{Failure, run, runtime};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
