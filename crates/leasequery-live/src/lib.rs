//! The live store: what sources commit to and outlets tell of, and what all of them share.
//!
//! [`SharedStore`] is a store that many look at, a bite at a time, with its clock kept right. Beside it are the durable
//! copy ([`disk`]), whose turn it is ([`turns`]), what peers can have logged ([`refusals`]), how each part is
//! ([`registry`]), what is the matter with sources ([`health`]), and whether it is all over ([`Running`]).

mod age;
mod clock;
pub mod disk;
mod feed;
pub mod files;
pub mod health;
mod lifecycle;
pub mod refusals;
pub mod registry;
mod store;
pub mod turns;

pub use age::age;
pub use clock::wall_clock;
pub use feed::Feed;
pub use lifecycle::{Lifecycle, Running};
pub use store::{SharedStore, Stores, keep_time};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
