//! What has to be known of DHCPv4 and DHCPv6 to drive what is generic over them.

mod v4;
mod v6;

use std::collections::BTreeSet;
use std::sync::Arc;

use leasequery_protocol::server::{self, Policy};
use leasequery_store::{Store, Time};

use crate::input::Input;

pub(crate) use leasequery_protocol::requestor::v4::V4;
pub(crate) use leasequery_protocol::requestor::v6::V6;
pub(crate) use v4::SERVER as V4_SERVER;
pub(crate) use v6::{REQUESTOR as V6_REQUESTOR, SERVER as V6_SERVER, relayed};

/// The clock of every store when an input begins.
pub(crate) const NOW: Time = Time(1_700_000_000);

/// What a message says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) xid: u32,
    pub(crate) base_time: Option<Time>,
    /// Whether it is the last one of a catch-up phase.
    pub(crate) ends_catch_up: bool,
    /// Whether it may be the last one of a response.
    pub(crate) may_be_last: bool,
    /// Whether it says that a bulk response is complete.
    pub(crate) completes: bool,
}

/// A protocol with both its ends.
pub(crate) trait Family: leasequery_record::Family {
    /// The server's side.
    type Server: server::Protocol<Key = Self::Key>;

    /// The server's side of a connection.
    fn server(policy: Arc<Policy>, active: bool, secure: bool) -> Self::Server;

    /// A store with some dozens of bindings of all sorts.
    fn store() -> Store<Self::Key>;

    /// Something that happens to the store.
    fn change(store: &mut Store<Self::Key>, what: u8, number: u8);

    /// Frames that requestors send, right and wrong.
    fn queries() -> Vec<Vec<u8>>;

    /// Writes a transaction id into a frame.
    fn put_xid(frame: &mut [u8], xid: u8);

    /// The transaction id of a message, whatever else is in it.
    fn xid(body: &[u8]) -> u32;

    /// Reads a message; `None` if it is none.
    fn facts(body: &[u8]) -> Option<Facts>;

    /// Whether a response to a bulk query tells of nothing twice, also while something changes.
    const ONCE_THOUGH_CHANGED: bool;

    /// Whether a query asks for a catch-up phase.
    fn asks_catch_up(body: &[u8]) -> bool;

    /// What a message of a bulk response tells of.
    fn told(body: &[u8]) -> Vec<Vec<u8>>;

    /// Whether a message is a bulk query for everything in the default VPN.
    fn asks_everything(body: &[u8]) -> bool;

    /// What such a query is told of, as [`told`](Self::told) gives it: by who may be told of everything, or of what came
    /// through relays.
    fn tellable(store: &Store<Self::Key>, relayed: bool) -> BTreeSet<Vec<u8>>;

    /// Appends a frame of a server, most of the time one that has a place.
    fn reply(input: &mut Input<'_>, xid: u32, now: Time, out: &mut Vec<u8>);

    /// Something to ask for.
    fn question(number: u8) -> Self::Query;

    /// What is followed.
    fn wanted() -> Self::Wanted;

    /// Frames of both sides.
    fn messages() -> Vec<Vec<u8>> {
        let mut messages = Self::queries();
        for number in 0..32_u8 {
            let octets: Vec<u8> = (0..48).map(|place| number.wrapping_mul(place ^ 5)).collect();
            let mut frame = Vec::new();
            Self::reply(&mut Input::new(&octets), 7, NOW, &mut frame);
            messages.push(frame);
        }
        messages
    }
}
