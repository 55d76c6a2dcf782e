//! What the daemon answers over HTTP, and to whom.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod client;
mod prometheus;
mod status;
mod tls;
