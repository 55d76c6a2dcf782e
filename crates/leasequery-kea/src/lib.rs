//! The lease file of a running Kea (`memfile`), followed live.
//!
//! Kea appends a row for each change, before it answers its client, and now and then rotates the file and has a process
//! of its own clean up what has become superfluous. [`Follower`] reads every row once through all of that.
//!
//! How files are followed, read and compared is the same for DHCPv4 and DHCPv6. [`Family`] is what differs, and there is
//! one implementation of it in [`v4`] and one in [`v6`].

mod again;
mod cast;
pub mod columns;
mod config;
mod family;
mod files;
mod follower;
mod hex;
mod json;
mod lines;
pub mod mapping;
mod position;
mod print;
mod rest;
mod row;
mod snapshot;
mod status;
pub mod v4;
pub mod v6;
mod watch;
mod whole;

pub use config::{Config, CurrentConfig, LeaseFile};
pub use family::Family;
pub use row::{KeaState, RowError};
pub use status::{SharedStatus, Status};
pub use v4::{Batch, Follower, Header, KeaConfig, Row};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
