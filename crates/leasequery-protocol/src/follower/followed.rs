use std::fmt::Debug;
use std::net::IpAddr;

use leasequery_store::{Binding, Key, SourceId, Store, Time};

use crate::requestor::Protocol;

/// A protocol whose servers can be followed.
pub trait Followed: Protocol {
    /// What its bindings are about.
    type Key: Key;
    /// Which bindings, and what about them.
    type Wanted: Debug + Clone + Send + 'static;

    /// Whether a bulk answer also tells which addresses are merely configured.
    const TELLS_CONFIGURED: bool;

    /// Whether a bulk answer also tells of leases that ended, as far as they are not forgotten.
    const TELLS_ENDS: bool;

    /// The protocol on a connection with a server at this address.
    fn with_peer(wanted: &Self::Wanted, peer: IpAddr) -> Self;

    /// Whether it makes a difference that a server knows what it means to ask for all VPNs.
    fn wants_all_vpns(wanted: &Self::Wanted) -> bool;

    /// A query for all that is wanted, or for what changed in a span of time. `all_vpns` is whether the server knows what
    /// it means to ask for all VPNs.
    fn bulk_query(wanted: &Self::Wanted, span: Span, all_vpns: bool) -> Self::Query;

    /// A query for changes, beginning with those since a time.
    fn active_query(wanted: &Self::Wanted, since: Option<Time>) -> Self::Query;

    /// Whether a record tells only that a client no longer has what `source` said another one has. It is about that client
    /// and not about what is known of the address, so it is not taken.
    fn is_of_former_client(_record: &Self::Record<'_>, _source: SourceId, _store: &Store<Self::Key>) -> bool {
        false
    }

    /// Takes a record into the store as what `source` says. `None` if the store cannot take it.
    fn commit(
        record: &Self::Record<'_>,
        origin: Origin,
        source: SourceId,
        store: &mut Store<Self::Key>,
    ) -> Option<Told<Self::Key>>;

    /// That the store cannot take a record, for people.
    fn refused(record: &Self::Record<'_>) -> String;

    /// The base-time that came with a record, by the server's clock.
    fn base_time(record: &Self::Record<'_>) -> Option<Time>;

    /// Which binding a record is about, if the store has heard of its VPN.
    fn key(record: &Self::Record<'_>, store: &Store<Self::Key>) -> Option<Self::Key>;
}

/// A span of time by the server's clock, both ends included; an end that is absent is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first second.
    pub since: Option<Time>,
    /// The last second.
    pub until: Option<Time>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told<K> {
    /// What it is about.
    pub key: K,
    /// What it changed in the store.
    pub change: Change,
    /// Since when the address is configured, if that is all that is said of it.
    pub free_since: Option<Time>,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing.
    None,
    /// Nothing but times.
    Times,
    /// Whose it is, or in which state, or what is known of its client.
    Lease,
}

/// Why the follower was told of a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the state that the copy began with.
    Initial,
    /// It changed while nobody listened.
    CatchUp,
    /// It has just changed.
    Live,
    /// It changed in a time of which the server could not tell by itself.
    Gap,
    /// It was asked for to find what is no longer there.
    Sweep,
    /// It changed since the last time that was asked.
    Poll,
}

impl Origin {
    /// Whether it answers a bulk query.
    pub fn is_bulk(self) -> bool {
        !matches!(self, Self::CatchUp | Self::Live)
    }
}

/// Who wants to know what a follower does.
pub trait Observer<P: Followed> {
    /// Is told what the store has of a binding before a record about it is taken.
    fn before(&mut self, _record: &P::Record<'_>, _store: &Store<P::Key>) {}

    /// Takes a record that has been taken into the store.
    fn record(&mut self, record: &P::Record<'_>, told: Told<P::Key>, origin: Origin);

    /// Takes a binding that was ended because the server no longer has it.
    fn gone(&mut self, binding: &Binding<'_, P::Key>, store: &Store<P::Key>);

    /// Takes a turn in the course of things.
    fn event(&mut self, event: &Event);
}

/// A turn in the course of things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server takes connections; after it had taken some and was silent, it answers.
    Connected,
    /// The state that the copy begins with is complete.
    InitialComplete,
    /// All changes that nobody listened to have been told.
    CatchUpComplete,
    /// The server cannot tell of all of them; the gap is asked for.
    DataMissing,
    /// The gap has been filled.
    GapFilled,
    /// Everything has been asked for again, and what was not told of is gone.
    Swept,
    /// The server cannot be followed, for this reason, until there is [`Connected`](Self::Connected) again.
    Disconnected(String),
    /// The server has no Active Leasequery and is asked again and again instead, for this reason.
    Polling(String),
    /// The server does not answer a bulk query, and says so by a status.
    Refused(String),
    /// The server does not know everything itself yet, for this reason. What it knows has been told, and what it learns will
    /// be.
    Incomplete(String),
    /// Something that should be looked at.
    Warning(String),
}
