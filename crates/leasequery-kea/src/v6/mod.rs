//! The lease files of DHCPv6.

mod address;
mod config;
mod fqdn;
mod relay;

use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::ops::Range;

use leasequery_store::{State, Store, Time, Update, V6Key, VpnIndex};
use leasequery_wire::v6::{OptionCode, Relay, is_duid};

use super::cast;
use super::columns::{self, Fields, Places};
use super::config::Scopes;
use super::family::{Family, MAX_HARDWARE, Unreadable};
use super::hex;
use super::mapping::{self, INFINITE, Lists};
use super::row::{self, KeaState, RowError, wrong};
use super::{config as kea, follower};

/// DHCPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V6;

/// Follows a lease file of DHCPv6.
pub type Follower = follower::Follower<V6>;
/// Rows of DHCPv6.
pub type Batch = mapping::Batch<V6>;
/// Columns of DHCPv6.
pub type Header = columns::Header<V6>;
/// A row of DHCPv6.
pub type Row = row::Row<V6>;
/// Kea's configuration of DHCPv6.
pub type KeaConfig = kea::Config<V6>;
/// Kea's configuration of DHCPv6, as it is now.
pub type CurrentConfig = kea::CurrentConfig<V6>;

/// Where the columns are that only DHCPv6 has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pref_lifetime: usize,
    lease_type: usize,
    iaid: usize,
    prefix_len: usize,
    hwaddr: Option<usize>,
    hwtype: Option<usize>,
    hwaddr_source: Option<usize>,
}

/// What only DHCPv6 has in its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Length of a delegated prefix; of an address there is none.
    pub prefix_length: Option<u8>,
    /// Seconds for which it is preferred; 0xffffffff is for ever.
    pub pref_lifetime: u32,
    /// OPTION_CLIENT_FQDN, made of the host name.
    pub fqdn: Range<usize>,
    /// OPTION_CLIENT_LINKLAYER_ADDR, made of hardware address and type.
    pub link_layer: Range<usize>,
}

/// The hardware type where Kea has kept none.
const ETHERNET: u16 = 1;

impl Family for V6 {
    type Key = V6Key;
    type Address = Ipv6Addr;
    type Seen = HashSet<Ipv6Addr>;
    type Columns = Columns;
    type Own = Own;
    type Scratch = relay::Scratch;
    type Subnets = config::Subnets;

    #[rustfmt::skip]
    const COLUMNS: &'static [&'static str] = &[
        "address", "duid", "valid_lifetime", "expire", "subnet_id", "pref_lifetime", "lease_type", "iaid", "prefix_len",
        "fqdn_fwd", "fqdn_rev", "hostname", "hwaddr", "state", "user_context", "hwtype", "hwaddr_source", "pool_id",
    ];
    const NAME: &'static str = "DHCPv6";
    const CLIENT_ID: &'static str = "duid";
    /// The last one is that of an address which the client made by itself and told of (RFC 9686): it has it.
    const STATES: &'static [KeaState] =
        &[KeaState::Assigned, KeaState::Declined, KeaState::Reclaimed, KeaState::Released, KeaState::Assigned];
    const LAST_CLIENT: bool = true;
    const RELAY_DATA: &'static str = "relay data";
    const SCOPE: &'static str = "Dhcp6";
    const SUBNETS: &'static str = "subnet6";
    const LEASE_FILE: &'static str = "/var/lib/kea/kea-leases6.csv";

    fn columns(places: &mut Places<'_>) -> Result<Columns, RowError> {
        Ok(Columns {
            pref_lifetime: places.need("pref_lifetime")?,
            lease_type: places.need("lease_type")?,
            iaid: places.need("iaid")?,
            prefix_len: places.need("prefix_len")?,
            hwaddr: places.find("hwaddr"),
            hwtype: places.find("hwtype"),
            hwaddr_source: places.find("hwaddr_source"),
        })
    }

    fn address(text: &[u8]) -> Option<Ipv6Addr> {
        address::address(text)
    }

    fn is_of_client(row: &Row) -> bool {
        row.own.prefix_length.is_some() || !(row.address.is_unspecified() || row.address.is_multicast())
    }

    /// Only a DUID tells of one.
    fn is_by_hardware(_row: &Row) -> bool {
        false
    }

    fn client_id(text: &[u8], bytes: &mut Vec<u8>) -> Result<Range<usize>, RowError> {
        let start = bytes.len();
        // How Kea up to 2.3.7 writes that there is no client, and how it does so since.
        if matches!(text, b"" | b"00" | b"00:00:00") {
            return Ok(start..start);
        }
        let duid = hex::identifier(Self::CLIENT_ID, text, bytes)?;
        if is_duid(&bytes[duid.clone()]) { Ok(duid) } else { Err(wrong(Self::CLIENT_ID, text)) }
    }

    fn own(
        fields: &Fields<'_>,
        columns: &Columns,
        hostname: Range<usize>,
        bytes: &mut Vec<u8>,
    ) -> Result<Own, RowError> {
        let text = fields.get(columns.prefix_len);
        if !cast::is_i32(text) {
            return Err(wrong("prefix_len", text));
        }
        let kind = fields.get(columns.lease_type);
        let prefix_length = match cast::u32("lease_type", kind)? {
            // Temporary addresses are no different here, and of an address the length is nobody's concern.
            0 | 1 => None,
            2 => match cast::u16("prefix_len", text).map(u8::try_from) {
                Ok(Ok(length @ 0..=128)) => Some(length),
                _ => return Err(wrong("prefix_len", text)),
            },
            _ => return Err(wrong("lease_type", kind)),
        };
        // Nobody is told of it, but it has to make sense.
        cast::u32("iaid", fields.get(columns.iaid))?;
        Ok(Own {
            prefix_length,
            pref_lifetime: cast::u32("pref_lifetime", fields.get(columns.pref_lifetime))?,
            fqdn: fqdn::write(hostname, bytes),
            link_layer: link_layer(fields, columns, bytes),
        })
    }

    fn relay(
        context: &[u8],
        bytes: &mut Vec<u8>,
        _own: &mut Own,
        scratch: &mut relay::Scratch,
    ) -> Result<Range<usize>, Unreadable> {
        relay::read(context, bytes, scratch)
    }

    /// There are no VPNs in DHCPv6 leasequery.
    fn key(row: &Row, _vpn: VpnIndex) -> V6Key {
        match row.own.prefix_length {
            Some(length) => V6Key::prefix(row.address, length),
            None => V6Key::new(row.address),
        }
    }

    fn lists<'a>(row: &Row, bytes: &'a [u8], lists: &mut Lists<'a>) {
        lists.add_option(OptionCode::CLIENT_FQDN.0, &bytes[row.own.fqdn.clone()]);
        lists.add_option(OptionCode::CLIENT_LINK_LAYER_ADDRESS.0, &bytes[row.own.link_layer.clone()]);
        let Some((_, message)) = bytes[row.relay_info.clone()].split_first_chunk::<16>() else { return };
        // The one nearest to the client comes last, and is put before the others.
        for relay in Relay::chain(message).flatten() {
            lists.add_remote_id(relay.options.find(OptionCode::REMOTE_ID).unwrap_or_default());
            lists.add_relay_id(relay.options.find(OptionCode::RELAY_ID).unwrap_or_default());
        }
    }

    fn complete<'a>(
        update: &mut Update<'a, V6Key>,
        row: &Row,
        _bytes: &'a [u8],
        cltt: Time,
        store: &Store<V6Key>,
        config: Option<&KeaConfig>,
    ) {
        if update.state == State::Active {
            let preferred = row.own.pref_lifetime;
            update.renews = Some(if preferred == INFINITE { Time::INFINITE } else { cltt.plus(preferred) });
        }
        let link = config.and_then(|config| config.link_of(row.subnet_id));
        update.link = link.and_then(|link| store.name_link(update.key, link));
    }

    fn subnet(subnets: &mut config::Subnets, scopes: &Scopes<'_>, id: u32, link: usize, warnings: &mut Vec<String>) {
        subnets.add(scopes, id, link, warnings);
    }
}

/// Makes OPTION_CLIENT_LINKLAYER_ADDR of what Kea knows of the hardware (RFC 6939). Where that makes no sense there is
/// none, and the lease is what it is, as for Kea itself.
fn link_layer(fields: &Fields<'_>, columns: &Columns, bytes: &mut Vec<u8>) -> Range<usize> {
    let start = bytes.len();
    let text = fields.optional(columns.hwaddr).unwrap_or_default();
    let source = match fields.optional(columns.hwaddr_source) {
        None | Some(b"") => Ok(0),
        Some(text) => cast::u32("hwaddr_source", text),
    };
    let htype = match fields.optional(columns.hwtype) {
        None | Some(b"") => Ok(ETHERNET),
        Some(text) => cast::u16("hwtype", text),
    };
    if let (false, Ok(htype), Ok(_)) = (text.is_empty(), htype, source) {
        bytes.extend_from_slice(&htype.to_be_bytes());
        match hex::octets("hwaddr", text, bytes) {
            Ok(address) if address.len() <= MAX_HARDWARE => return start..address.end,
            _ => bytes.truncate(start),
        }
    }
    start..start
}

#[cfg(test)]
mod tests;
