//! The store: what is known now about each address, in the orders in which leasequery asks for it.
//!
//! A [`Binding`] is the present knowledge about one address. The store keeps bindings ordered by key (a bulk query is a
//! cursor over keys), ordered by recency (each binding once, at its last change: catching up is a cursor over
//! revisions) and indexed by the identifiers that queries name. Both kinds of cursor are plain values that stay valid
//! while the store changes, so that nobody has to hold a lock, or a copy, for longer than a bite: every walk takes a
//! [`Budget`], and stops where that is spent.
//!
//! The store is one machine for both protocols, generic over the [`Key`]. It knows neither wire formats nor sockets,
//! and the time is what its owner says it is ([`Store::advance`]).

#![cfg_attr(not(feature = "durable"), allow(dead_code, reason = "the durable copy asks for it"))]

mod arena;
mod attributes;
mod better;
mod binding;
mod budget;
mod commit;
mod coverage;
mod crowd;
mod doubt;
#[cfg(feature = "durable")]
pub mod durable;
mod era;
mod former;
mod image;
mod index;
mod key;
mod links;
mod marks;
mod network;
mod recency;
mod records;
mod scan;
mod siblings;
mod store;
mod time;
mod timers;
mod vouch;
mod vpn;
mod witness;

pub use binding::{Binding, Hardware, Start, State, Update};
pub use budget::Budget;
pub use coverage::{About, Standing, Unknown};
pub use era::{BACK, Eras, Spans};
pub use former::Place;
pub use image::{CorruptRecord, Image, Metadata, SourceMetadata};
pub use key::{Key, KeyMap, V4Key, V6Key};
pub use links::Link;
pub use network::{Network, NetworkChange};
pub use recency::Revision;
pub use scan::{Changes, Entry, Scan, Selector, VpnRange};
pub use store::{Counts, Outcome, Settings, SourceId, Store};
pub use time::Time;
pub use vouch::SweepEnd;
pub use vpn::{VpnHold, VpnIndex, VpnName};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
