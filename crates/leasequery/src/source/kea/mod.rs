//! The lease file of a running Kea (`memfile`), followed live.
//!
//! Kea appends a row for each change, before it answers its client, and now and then rotates the file and has a process
//! of its own clean up what has become superfluous. [`Follower`] reads every row once through all of that.

mod config;
mod files;
mod follower;
mod json;
mod lines;
mod mapping;
mod position;
mod relay;
mod row;
mod snapshot;
mod status;
mod watch;

pub use config::{CurrentConfig, KeaConfig, LeaseFile};
pub use follower::Follower;
pub use mapping::Batch;
pub use row::{Header, KeaState, Row, RowError};
pub use status::{SharedStatus, Status};
