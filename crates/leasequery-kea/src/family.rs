//! What differs between the lease files of DHCPv4 and of DHCPv6. All else there is once, for both.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::ops::Range;

use leasequery_store::{Key, Store, Time, Update, VpnIndex};
use serde_json::{Map, Value};

use super::columns::{Fields, Places};
use super::config::{Config, Scopes};
use super::mapping::Lists;
use super::row::{KeaState, Row, RowError};

/// The longest hardware address that Kea knows (`HWAddr::MAX_HWADDR_LEN`).
pub(super) const MAX_HARDWARE: usize = 20;

/// One of the two protocols, as Kea keeps its leases.
pub trait Family: Sized + Copy + Debug + Eq + Send + Sync + 'static {
    /// What a binding is about.
    type Key: Key;
    /// What Kea tells its leases apart by: the address alone, also that of a prefix.
    type Address: Copy + Debug + Display + Eq + Send;
    /// Addresses that have been seen.
    type Seen: Seen<Self::Address>;
    /// Where the columns are that only this family has.
    type Columns: Clone + Debug + Eq + Send;
    /// What only this family has in its rows.
    type Own: Clone + Debug + Eq + Send;
    /// Memory that decoding a row takes for a moment.
    type Scratch: Debug + Default + Send;
    /// What is taken from the subnets of Kea's configuration.
    type Subnets: Clone + Debug + Default + PartialEq + Hash + Send + Sync;

    /// The columns of a lease file, in the order in which every version of Kea writes as many of them as it knows.
    const COLUMNS: &'static [&'static str];
    /// What it is called.
    const NAME: &'static str;
    /// The column with the identifier of the client.
    const CLIENT_ID: &'static str;
    /// States of leases by their numbers.
    const STATES: &'static [KeaState];
    /// Whether the end of a lease is told together with its last client, also where Kea writes an end without a client.
    const LAST_CLIENT: bool;
    /// What is missing where Kea does not keep it.
    const RELAY_DATA: &'static str;
    /// The object in Kea's configuration.
    const SCOPE: &'static str;
    /// The list of subnets in it.
    const SUBNETS: &'static str;
    /// The lease file of a Kea that is not told otherwise.
    const LEASE_FILE: &'static str;

    /// Finds the columns that only this family has.
    fn columns(places: &mut Places<'_>) -> Result<Self::Columns, RowError>;
    /// Reads an address.
    fn address(text: &[u8]) -> Option<Self::Address>;
    /// Whether the address of a row can be a client's. No reply could tell of any other (RFC 6926 section 7.3).
    fn is_of_client(row: &Row<Self>) -> bool;
    /// Whether a row tells whose lease it is by the hardware address.
    fn is_by_hardware(row: &Row<Self>) -> bool;
    /// Reads the identifier of a client and appends it to `bytes`.
    fn client_id(text: &[u8], bytes: &mut Vec<u8>) -> Result<Range<usize>, RowError>;
    /// Reads what only this family has. `hostname` is already among the `bytes`, to which octets are appended.
    fn own(
        fields: &Fields<'_>,
        columns: &Self::Columns,
        hostname: Range<usize>,
        bytes: &mut Vec<u8>,
    ) -> Result<Self::Own, RowError>;
    /// Appends the relay information in an escaped user context, as the store has it, and says where it is.
    fn relay(
        context: &[u8],
        bytes: &mut Vec<u8>,
        own: &mut Self::Own,
        scratch: &mut Self::Scratch,
    ) -> Result<Range<usize>, Unreadable>;

    /// What the binding of a row is about.
    fn key(row: &Row<Self>, vpn: VpnIndex) -> Self::Key;
    /// Adds options, ascending by code, Remote IDs and Relay-IDs of a row, whose octets are in `bytes`.
    fn lists<'a>(row: &Row<Self>, bytes: &'a [u8], lists: &mut Lists<'a>);
    /// Adds to an update what only this family has.
    fn complete<'a>(
        update: &mut Update<'a, Self::Key>,
        row: &Row<Self>,
        bytes: &'a [u8],
        cltt: Time,
        store: &Store<Self::Key>,
        config: Option<&Config<Self>>,
    );

    /// Takes a subnet from Kea's configuration: the scopes from the subnet to the global one, its number, and which link
    /// it is on. The subnets of a link come one after the other. What cannot be taken is added to `warnings`.
    fn subnet(subnets: &mut Self::Subnets, scopes: &Scopes<'_>, id: u32, link: usize, warnings: &mut Vec<String>);
    /// Takes what is configured outside of the subnets.
    fn global(_subnets: &mut Self::Subnets, _scope: &Map<String, Value>, _warnings: &mut Vec<String>) {}
}

/// A set of addresses, as large as the leases in a file are many.
pub trait Seen<A>: Debug + Default {
    /// Whether it has been seen.
    fn contains(&mut self, address: A) -> bool;
    /// It is seen now.
    fn insert(&mut self, address: A);
}

/// There is relay information, and it makes no sense.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;
