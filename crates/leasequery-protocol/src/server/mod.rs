//! The server's side: one [`Connection`] for each TCP connection, one [`Verdict`] for each datagram.
//!
//! What DHCPv4 and DHCPv6 share is in [`connection`](Connection): framing, several queries side by side, limits,
//! timers, closing. What they differ in is behind [`Protocol`].

mod active;
mod asked;
mod connection;
mod policy;
mod single;
pub mod v4;
pub mod v6;
mod window;

use std::fmt;
use std::sync::Arc;

use leasequery_store::{Budget, Key, Revision, Store};

use crate::code::StatusCode;

pub use active::{Active, Notice, Wording};
pub use asked::Asked;
pub use connection::{CloseReason, Connection, Event, Limits, Served, Turn};
pub use policy::{Allow, Policy};
pub use single::{Silence, Verdict};

/// What a protocol makes of a message on a TCP connection.
#[derive(Debug)]
pub enum Admission<Q> {
    /// A query to be answered.
    Query(Q),
    /// The answer is already in the output.
    Refused {
        /// Transaction id of the query.
        xid: u32,
        /// The status it was answered with.
        status: StatusCode,
        /// What is wrong, for people.
        text: String,
        /// Whether the connection has to be closed.
        close: bool,
    },
    /// A request for TLS, whose answer is already in the output: whatever follows belongs to TLS.
    Secure,
    /// Nothing that may be answered; the connection has to be closed.
    Close(CloseReason),
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// Not at all: insecure mode. TLS is refused.
    #[default]
    Off,
    /// By TLS, which has to be asked for before anything else: secure mode.
    Required,
    /// By TLS, which was asked for.
    Begun,
}

impl Security {
    /// Why a message has no place on a connection that is not secured yet (RFC 7724 section 8.1, RFC 7653 section 9.1).
    fn forbids(self) -> Option<CloseReason> {
        (self == Self::Required).then_some(CloseReason::Insecure)
    }
}

/// Where on its connection a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// It is the first message.
    pub first: bool,
    /// What is being answered beside it.
    pub beside: Beside,
}

/// What a connection is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// Bulk queries.
    Bulk,
    /// An active query, beside which there can be no other (RFC 7724 section 8.3).
    Active,
}

/// The messages of one protocol, seen from the server.
pub trait Protocol {
    /// What its bindings are about.
    type Key: Key;
    /// A query being answered.
    type Query: Query<Self::Key>;

    /// The least octets a message has; a frame that announces fewer is a fault.
    const MIN_MESSAGE: usize;

    /// Whether messages may share a record of TLS.
    const SHARES_RECORDS: bool;

    /// Judges a message.
    fn admit(
        &mut self,
        message: &[u8],
        place: Place,
        store: &Store<Self::Key>,
        out: &mut Vec<u8>,
    ) -> Admission<Self::Query>;

    /// Changes what holds for queries to come; says whether that is anything new.
    fn set_policy(&mut self, policy: &Arc<Policy>) -> bool;
}

/// How far the answer to a query has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// There may be more to tell.
    More,
    /// Everything has been told, and more will come.
    Waiting,
    /// The final message of the response has been made.
    Done,
    /// It cannot be finished: the connection has to be closed (RFC 6926 section 8.5). Says why, for people.
    Failed(String),
}

/// How much a query is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Some of what there is.
    Part,
    /// Everything there is.
    Everything,
    /// What changes from now on.
    Changes,
    /// What changed since a time, and changes from now on.
    CatchUp,
}

/// A query being answered: a cursor into the store and the rules for its replies.
pub trait Query<K: Key> {
    /// Transaction id.
    fn xid(&self) -> u32;

    /// Appends replies, until the budget is spent or `out` holds `room` octets.
    fn advance(&mut self, store: &Store<K>, out: &mut Vec<u8>, room: usize, budget: &Budget) -> Progress;

    /// Whether it goes on for ever, alone on its connection.
    fn is_active(&self) -> bool {
        false
    }

    /// How much it is about.
    fn scope(&self) -> Scope {
        Scope::Part
    }

    /// Appends what tells the requestor of an active query that the connection is still alive.
    fn keep_alive(&mut self, _store: &Store<K>, _out: &mut Vec<u8>) {}

    /// Appends the final message of a response that is broken off (QueryTerminated).
    fn terminate(&mut self, store: &Store<K>, out: &mut Vec<u8>, reason: &str);

    /// Up to which change everything has been told, if it is an active query.
    fn told_up_to(&self) -> Option<Revision> {
        None
    }

    /// Changes what holds for the rest of the response, or says why it cannot go on.
    fn set_policy(&mut self, policy: &Arc<Policy>) -> Result<(), &'static str>;

    /// How many bindings have been told of.
    fn replies(&self) -> u64;

    /// What did not fit the messages since the last call.
    fn take_shed(&mut self) -> Vec<Shed> {
        Vec::new()
    }
}

/// What a message went without: it has 65,535 octets at most (RFC 3046 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shed {
    /// The address or prefix it was about.
    pub about: String,
    /// Codes of the options that would have been in it.
    pub options: Vec<u16>,
}

impl fmt::Display for Shed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<_> = self.options.iter().map(u16::to_string).collect();
        write!(f, "{} was told without options {}, which do not fit a message", self.about, options.join(", "))
    }
}
