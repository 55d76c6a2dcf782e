//! The lease files of DHCPv4.

mod address;
mod config;
mod relay;

use std::net::Ipv4Addr;
use std::ops::{Range, RangeInclusive};

use leasequery_store::{Hardware, State, Store, Time, Update, V4Key, VpnIndex};
use leasequery_wire::v4::OptionCode;
use serde_json::{Map, Value};

use super::columns::{self, Fields, Places};
use super::config::Scopes;
use super::family::{Family, MAX_HARDWARE, Unreadable};
use super::hex;
use super::mapping::{self, Lists};
use super::row::{self, KeaState, RowError, wrong};
use super::{config as kea, follower};

/// DHCPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V4;

/// Follows a lease file of DHCPv4.
pub type Follower = follower::Follower<V4>;
/// Rows of DHCPv4.
pub type Batch = mapping::Batch<V4>;
/// Columns of DHCPv4.
pub type Header = columns::Header<V4>;
/// A row of DHCPv4.
pub type Row = row::Row<V4>;
/// Kea's configuration of DHCPv4.
pub type KeaConfig = kea::Config<V4>;
/// Kea's configuration of DHCPv4, as it is now.
pub type CurrentConfig = kea::CurrentConfig<V4>;

/// What only DHCPv4 has in its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Hardware address.
    pub hwaddr: Range<usize>,
    /// Remote ID, a part of the relay information.
    pub remote_id: Range<usize>,
    /// Relay-ID, a part of the relay information.
    pub relay_id: Range<usize>,
}

/// Kea keeps no other hardware types, nor which it is.
const ETHERNET: u8 = 1;
/// Octets of a hardware address that there is room for in a message (RFC 2131 section 2).
const CHADDR: usize = 16;
/// Octets of a client-identifier: RFC 2132 section 9.14 says that there are two at least, and an option has no more.
const CLIENT_ID: RangeInclusive<usize> = 2..=255;

impl Family for V4 {
    type Key = V4Key;
    type Address = Ipv4Addr;
    type Seen = address::Addresses;
    /// Of the hardware address.
    type Columns = usize;
    type Own = Own;
    type Scratch = ();
    type Subnets = config::Subnets;

    #[rustfmt::skip]
    const COLUMNS: &'static [&'static str] = &[
        "address", "hwaddr", "client_id", "valid_lifetime", "expire", "subnet_id", "fqdn_fwd", "fqdn_rev", "hostname", "state",
        "user_context", "pool_id",
    ];
    const NAME: &'static str = "DHCPv4";
    const CLIENT_ID: &'static str = "client_id";
    const STATES: &'static [KeaState] =
        &[KeaState::Assigned, KeaState::Declined, KeaState::Reclaimed, KeaState::Released];
    const LAST_CLIENT: bool = false;
    const RELAY_DATA: &'static str = "relay agent information";
    const SCOPE: &'static str = "Dhcp4";
    const SUBNETS: &'static str = "subnet4";
    const LEASE_FILE: &'static str = "/var/lib/kea/kea-leases4.csv";

    fn columns(places: &mut Places<'_>) -> Result<usize, RowError> {
        places.need("hwaddr")
    }

    #[inline]
    fn address(text: &[u8]) -> Option<Ipv4Addr> {
        address::address(text)
    }

    #[inline]
    fn is_of_client(row: &Row) -> bool {
        !row.address.is_unspecified()
    }

    #[inline]
    fn is_by_hardware(row: &Row) -> bool {
        !row.own.hwaddr.is_empty()
    }

    #[inline]
    fn client_id(text: &[u8], bytes: &mut Vec<u8>) -> Result<Range<usize>, RowError> {
        let id = hex::identifier(Self::CLIENT_ID, text, bytes)?;
        if id.is_empty() || CLIENT_ID.contains(&id.len()) { Ok(id) } else { Err(wrong(Self::CLIENT_ID, text)) }
    }

    #[inline]
    fn own(fields: &Fields<'_>, hwaddr: &usize, _hostname: Range<usize>, bytes: &mut Vec<u8>) -> Result<Own, RowError> {
        let text = fields.get(*hwaddr);
        let hwaddr = hex::octets("hwaddr", text, bytes)?;
        if hwaddr.len() > MAX_HARDWARE {
            return Err(wrong("hwaddr", text));
        }
        Ok(Own { hwaddr, remote_id: 0..0, relay_id: 0..0 })
    }

    #[inline]
    fn relay(context: &[u8], bytes: &mut Vec<u8>, own: &mut Own, (): &mut ()) -> Result<Range<usize>, Unreadable> {
        let found = relay::read(context, bytes)?;
        (own.remote_id, own.relay_id) = (found.remote_id, found.relay_id);
        Ok(found.sub_options)
    }

    #[inline]
    fn key(row: &Row, vpn: VpnIndex) -> V4Key {
        V4Key { vpn, address: row.address }
    }

    #[inline]
    fn lists<'a>(row: &Row, bytes: &'a [u8], lists: &mut Lists<'a>) {
        lists.add_option(OptionCode::HOST_NAME.0.into(), &bytes[row.hostname.clone()]);
        lists.add_remote_id(&bytes[row.own.remote_id.clone()]);
        lists.add_relay_id(&bytes[row.own.relay_id.clone()]);
    }

    #[inline]
    fn complete<'a>(
        update: &mut Update<'a, V4Key>,
        row: &Row,
        bytes: &'a [u8],
        cltt: Time,
        _store: &Store<V4Key>,
        config: Option<&KeaConfig>,
    ) {
        let address = &bytes[row.own.hwaddr.clone()];
        // One that does not fit into chaddr is not told, and the client is known by its identifier (RFC 4390 section 2.1).
        let told = (1..=CHADDR).contains(&address.len());
        update.hardware = told.then_some(Hardware { htype: ETHERNET, address });
        if let Some(config) = config.filter(|_| update.state == State::Active) {
            let (renew, rebind) = config.timers(row.subnet_id, row.valid_lifetime);
            update.renews = renew.map(|seconds| cltt.plus(seconds));
            update.rebinds = rebind.map(|seconds| cltt.plus(seconds));
        }
    }

    fn subnet(subnets: &mut config::Subnets, scopes: &Scopes<'_>, id: u32, _link: usize, warnings: &mut Vec<String>) {
        subnets.add(scopes, id, warnings);
    }

    fn global(subnets: &mut config::Subnets, scope: &Map<String, Value>, warnings: &mut Vec<String>) {
        subnets.add_reservations(scope, "outside the subnets", warnings);
    }
}

impl Row {
    /// Reads a line, without its newline. Octets are appended to `bytes`.
    #[inline]
    pub fn parse(line: &[u8], header: &Header, bytes: &mut Vec<u8>) -> Result<Self, RowError> {
        Self::read(line, header, bytes, &mut ())
    }
}
