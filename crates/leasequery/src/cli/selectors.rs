use clap::Args;
use leasequery_protocol::requestor::v4::{BulkQuery, Primary, VpnChoice};
use leasequery_store::{Time, VpnName};

use super::Ending;
use crate::record::{parse_hex, parse_mac, parse_time, parse_vpn};

/// What to ask for. At most one of the first group; without one everything is asked for.
#[derive(Debug, Args)]
pub(super) struct Selectors {
    /// Leases of this address (not in a bulk query over DHCPv4)
    #[arg(long, group = "primary", value_name = "A")]
    address: Option<String>,
    /// Leases of this hardware address
    #[arg(long, group = "primary", value_name = "M", value_parser = parse_mac_argument)]
    mac: Option<Octets>,
    /// Type of the hardware address
    #[arg(long, requires = "mac", default_value_t = 1, value_name = "N")]
    htype: u8,
    /// Leases of this client-identifier
    #[arg(long, group = "primary", value_name = "HEX", value_parser = parse_hex_argument)]
    client_id: Option<Octets>,
    /// Leases of this DUID (DHCPv6)
    #[arg(long, group = "primary", value_name = "HEX")]
    duid: Option<String>,
    /// Leases made under this Remote ID
    #[arg(long, group = "primary", value_name = "HEX", value_parser = parse_hex_argument)]
    remote_id: Option<Octets>,
    /// Leases made through the relay with this Relay-ID
    #[arg(long, group = "primary", value_name = "HEX", value_parser = parse_hex_argument)]
    relay_id: Option<Octets>,
    /// Leases on this link (DHCPv6)
    #[arg(long, group = "primary", value_name = "A")]
    link: Option<String>,
    /// Only what changed at this time or later (RFC 3339 or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Time>,
    /// Only what changed at this time or earlier (RFC 3339 or Unix seconds)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Time>,
    /// In this VPN
    #[arg(long, value_name = "NAME|OUI:INDEX|all", value_parser = parse_vpn_choice)]
    vpn: Option<VpnChoice>,
    /// Ask for these DHCP options besides the usual ones
    #[arg(long, value_name = "CODE,…", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=254))]
    options: Vec<u8>,
}

/// A value of octets. (clap takes a bare `Vec` for a repeated argument.)
#[derive(Debug, Clone)]
struct Octets(Vec<u8>);

fn parse_hex_argument(text: &str) -> Result<Octets, String> {
    match parse_hex(text)? {
        octets if octets.is_empty() => Err("must not be empty".to_owned()),
        octets if octets.len() > 253 => Err("has more octets than a query can carry".to_owned()),
        octets => Ok(Octets(octets)),
    }
}

fn parse_mac_argument(text: &str) -> Result<Octets, String> {
    parse_mac(text).map(Octets)
}

impl Selectors {
    /// The bulk query that was asked for, if DHCPv4 has it.
    pub(super) fn bulk_query(self) -> Result<BulkQuery, Ending> {
        if self.address.is_some() {
            let text = "Bulk Leasequery over DHCPv4 has no query by address (RFC 6926 section 7.2)";
            return Err(Ending::Usage(text.to_owned()));
        }
        for (name, value) in [("--duid", &self.duid), ("--link", &self.link)] {
            if value.is_some() {
                return Err(Ending::Usage(format!("{name} is for DHCPv6, which this version does not have")));
            }
        }
        let primary = match (self.mac, self.client_id, self.remote_id, self.relay_id) {
            (Some(mac), ..) => Primary::Hardware { htype: self.htype, address: mac.0 },
            (_, Some(id), ..) => Primary::ClientId(id.0),
            (_, _, Some(id), _) => Primary::RemoteId(id.0),
            (.., Some(id)) => Primary::RelayId(id.0),
            _ => Primary::All,
        };
        let vpn = self.vpn.unwrap_or_default();
        Ok(BulkQuery { primary, since: self.since, until: self.until, vpn, options: self.options })
    }
}

pub(super) fn parse_vpn_choice(text: &str) -> Result<VpnChoice, String> {
    Ok(match text {
        "all" => VpnChoice::All,
        name => match parse_vpn(name)? {
            VpnName::Name(name) => VpnChoice::Name(name.into()),
            VpnName::Id(id) => VpnChoice::Id(id),
        },
    })
}
