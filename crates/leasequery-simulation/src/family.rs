//! What the simulation has to know of DHCPv4 and DHCPv6 besides their rules.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;

use fastrand::Rng;
use leasequery_protocol::follower::Followed;
use leasequery_protocol::server::{self, Policy};
use leasequery_store::{Binding, SourceId, Store, Time};

use crate::copy::{Contact, Name, Seen};
use crate::octets::Octets;

/// A protocol, as the simulation knows it.
pub(crate) trait Family: Followed<Key: Debug> + Octets + Debug + 'static {
    /// As traces call it.
    const NAME: &'static str;
    /// Whether an answer to a bulk query tells of leases that ended.
    const BULK_TELLS_ENDS: bool;
    /// Whether what is told of a lease may be what was heard of its client about another one.
    const SHARES_CONTACTS: bool;

    /// The server's side.
    type Server: server::Protocol<Key = Self::Key, Query: Debug> + Debug;
    /// What happens on a DHCP server.
    type Row: Row<Self::Key>;
    /// What its administrator tells a server.
    type Configured: Debug + Default;

    /// The server's side of a connection.
    fn server(policy: Arc<Policy>) -> Self::Server;

    /// What is followed: everything.
    fn wanted() -> Self::Wanted;

    /// The address of every server.
    fn peer() -> IpAddr;

    /// What a server is configured with when the simulation begins.
    fn first_configured(random: &mut Rng) -> Self::Configured;

    /// What a running server is configured with later on.
    fn other_configured(now: Time, random: &mut Rng) -> Self::Configured;

    /// Tells a store what is configured.
    fn configure(configured: &Self::Configured, store: &mut Store<Self::Key>);

    /// Name of a key in a store.
    fn name(key: Self::Key, store: &Store<Self::Key>) -> Name;

    /// What a record says, and about what.
    fn seen(record: &Self::Record<'_>) -> (Name, Seen);

    /// What a store knows of a binding, if that can be told. `there` asks for what the server that told of it had said;
    /// else it is what this one says.
    fn seen_of(binding: &Binding<'_, Self::Key>, there: bool) -> Option<Seen>;

    /// What may be told as the last that was heard about a lease.
    fn contacts(binding: &Binding<'_, Self::Key>, store: &Store<Self::Key>) -> Vec<Contact>;

    /// Compares what is configured, if the protocol has a way to tell of it. Each server comes with the seconds by which
    /// its clock is ahead.
    fn compare_configured(_copy: &Store<Self::Key>, _servers: &[(&Store<Self::Key>, i64)]) -> Result<(), String> {
        Ok(())
    }
}

/// A change of a lease, as a lease file has it.
pub(crate) trait Row<K: leasequery_store::Key>: Debug + Clone {
    /// What happens next.
    fn random(at: Time, random: &mut Rng) -> Self;

    /// Which lease it is about.
    fn place(&self) -> (u8, u32);

    /// What it is about.
    fn name(&self) -> Name;

    /// Until when somebody has a lease by it, if so.
    fn leased_until(&self) -> Option<Time>;

    /// Whether it says that there is something, and not that something is over.
    fn holds(&self) -> bool;

    /// Puts it into the store as a follower of a lease file does.
    fn commit(&self, source: SourceId, store: &mut Store<K>);
}

/// What remains of a file when it is cleaned up: the last word about each lease, if it still holds.
pub(crate) fn clean_up<K: leasequery_store::Key, R: Row<K>>(rows: &mut Vec<R>) {
    let mut known = std::collections::BTreeSet::new();
    rows.reverse();
    rows.retain(|row| known.insert(row.place()) && row.holds());
    rows.reverse();
}
