use std::net::{IpAddr, Ipv6Addr};

use clap::Args;
use leasequery_protocol::requestor::v4::{self, VpnChoice};
use leasequery_protocol::requestor::v6;
use leasequery_record::{Protocol, parse_identifier, parse_mac, parse_vpn};
use leasequery_store::{Time, VpnName};

use super::{Ending, parse_moment};
use crate::output::Columns;

/// What to ask for. At most one of the first group; without one everything is asked for.
#[derive(Debug, Args)]
pub(super) struct Selectors {
    /// The lease of this address, for DHCPv6 also of a prefix around it (not in a bulk query over DHCPv4)
    #[arg(long, group = "primary", value_name = "A")]
    pub(super) address: Option<IpAddr>,
    /// Leases of this hardware address
    #[arg(long, group = "primary", value_name = "M", value_parser = parse_mac_argument)]
    pub(super) mac: Option<Octets>,
    /// Type of the hardware address
    #[arg(long, requires = "mac", default_value_t = 1, value_name = "N")]
    htype: u8,
    /// Leases of this client-identifier: hex, with colons or without, or text:NAME
    #[arg(long, group = "primary", value_name = "HEX", value_parser = parse_identifier_argument)]
    pub(super) client_id: Option<Octets>,
    /// Leases of this DUID (DHCPv6)
    #[arg(long, group = "primary", value_name = "HEX", value_parser = parse_identifier_argument)]
    pub(super) duid: Option<Octets>,
    /// Leases made under this Remote ID: hex or text:NAME
    #[arg(long, group = "primary", value_name = "HEX", value_parser = parse_identifier_argument)]
    pub(super) remote_id: Option<Octets>,
    /// Enterprise number of the Remote-ID (DHCPv6)
    #[arg(long, requires = "remote_id", value_name = "N")]
    pub(super) enterprise: Option<u32>,
    /// Leases made through the relay with this Relay-ID: hex or text:NAME
    #[arg(long, group = "primary", value_name = "HEX", value_parser = parse_identifier_argument)]
    pub(super) relay_id: Option<Octets>,
    /// Leases on the link of this address (DHCPv6)
    #[arg(long, value_name = "A")]
    pub(super) link: Option<Ipv6Addr>,
    /// Only what changed at this time or later: RFC 3339, Unix seconds, or a duration back from now (1h)
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub(super) since: Option<Time>,
    /// Only what changed at this time or earlier: RFC 3339, Unix seconds, or a duration back from now (1h)
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub(super) until: Option<Time>,
    /// In this VPN
    #[arg(long, value_name = "NAME|OUI:INDEX|all", value_parser = parse_vpn_choice)]
    vpn: Option<VpnChoice>,
    /// Ask for these DHCP options besides the usual ones
    #[arg(long, value_name = "CODE,…", value_delimiter = ',', value_parser = parse_option_code)]
    pub(super) options: Vec<u16>,
}

/// A value of octets. (clap takes a bare `Vec` for a repeated argument.)
#[derive(Debug, Clone)]
pub(super) struct Octets(pub(super) Vec<u8>);

fn parse_identifier_argument(text: &str) -> Result<Octets, String> {
    match parse_identifier(text)? {
        octets if octets.is_empty() => Err("must not be empty".to_owned()),
        octets if octets.len() > 253 => Err("has more octets than a query can carry".to_owned()),
        octets => Ok(Octets(octets)),
    }
}

fn parse_mac_argument(text: &str) -> Result<Octets, String> {
    parse_mac(text).map(Octets)
}

impl Selectors {
    /// The columns of a table of what is found.
    pub(super) fn columns(&self, protocol: Protocol) -> Columns {
        Columns { protocol, options: !self.options.is_empty(), vpns: self.vpn.is_some(), changes: false }
    }

    /// The bulk query of DHCPv4 that was asked for.
    pub(super) fn v4_bulk(self) -> Result<v4::BulkQuery, Ending> {
        if self.address.is_some() {
            let text =
                "Bulk Leasequery over DHCPv4 has no query by address (RFC 6926 section 7.2); `query` asks for one";
            return Err(Ending::Usage(text.to_owned()));
        }
        refuse(
            "DHCPv6",
            &[
                ("--duid", self.duid.is_some()),
                ("--link", self.link.is_some()),
                ("--enterprise", self.enterprise.is_some()),
            ],
        )?;
        let options = v4_options(&self.options)?;
        let primary = match (self.mac, self.client_id, self.remote_id, self.relay_id) {
            (Some(mac), ..) => v4::Primary::Hardware { htype: self.htype, address: mac.0 },
            (_, Some(id), ..) => v4::Primary::ClientId(id.0),
            (_, _, Some(id), _) => v4::Primary::RemoteId(id.0),
            (.., Some(id)) => v4::Primary::RelayId(id.0),
            _ => v4::Primary::All,
        };
        let vpn = self.vpn.unwrap_or_default();
        Ok(v4::BulkQuery { primary, since: self.since, until: self.until, vpn, options })
    }

    /// What a single query over DHCPv4 is about.
    pub(super) fn v4_target(&self) -> Result<v4::Target, Ending> {
        refuse(
            "DHCPv6",
            &[
                ("--duid", self.duid.is_some()),
                ("--link", self.link.is_some()),
                ("--enterprise", self.enterprise.is_some()),
            ],
        )?;
        self.refuse_bulk("--relay-id", self.relay_id.is_some())?;
        match (&self.address, &self.mac, &self.client_id, &self.remote_id) {
            (Some(IpAddr::V4(address)), ..) => Ok(v4::Target::Address(*address)),
            (Some(IpAddr::V6(address)), ..) => {
                Err(Ending::Usage(format!("{address} is an IPv6 address, and DHCPv4 is asked for")))
            }
            (_, Some(mac), ..) => Ok(v4::Target::Hardware { htype: self.htype, address: mac.0.clone() }),
            (_, _, Some(id), _) => Ok(v4::Target::ClientId(id.0.clone())),
            (.., Some(id)) => Ok(v4::Target::RemoteId(id.0.clone())),
            _ => Err(Ending::Usage(
                "say what to ask for: --address, --mac, --client-id or --remote-id; `bulk` asks for everything"
                    .to_owned(),
            )),
        }
    }

    /// In which VPN a single query looks.
    pub(super) fn vpn_choice(&self) -> VpnChoice {
        self.vpn.clone().unwrap_or_default()
    }

    /// What a single query over DHCPv6 is about.
    pub(super) fn v6_target(self) -> Result<v6::Selector, Ending> {
        self.refuse_v4()?;
        self.refuse_bulk("--relay-id", self.relay_id.is_some())?;
        self.refuse_bulk("--remote-id", self.remote_id.is_some())?;
        if self.address.is_none() && self.duid.is_none() {
            let text = "say what to ask for: --address or --duid; `bulk` asks for everything";
            return Err(Ending::Usage(text.to_owned()));
        }
        self.v6_selector()
    }

    /// Refuses what only a query over TCP can ask for.
    fn refuse_bulk(&self, name: &str, given: bool) -> Result<(), Ending> {
        let times = [("--since", self.since.is_some()), ("--until", self.until.is_some())];
        match times.into_iter().chain([(name, given)]).find(|(_, given)| *given) {
            Some((name, _)) => Err(Ending::Usage(format!("{name} is for queries over TCP: `bulk` has it"))),
            None => Ok(()),
        }
    }

    /// The bulk query of DHCPv6 that was asked for.
    pub(super) fn v6_bulk(self) -> Result<v6::BulkQuery, Ending> {
        let (since, until, options) = (self.since, self.until, self.options.clone());
        Ok(v6::BulkQuery { selector: self.v6_selector()?, since, until, options })
    }

    fn refuse_v4(&self) -> Result<(), Ending> {
        refuse(
            "DHCPv4",
            &[("--mac", self.mac.is_some()), ("--client-id", self.client_id.is_some()), ("--vpn", self.vpn.is_some())],
        )
    }

    fn v6_selector(self) -> Result<v6::Selector, Ending> {
        self.refuse_v4()?;
        let primary = match (self.address, self.duid, self.remote_id, self.relay_id) {
            (Some(IpAddr::V6(address)), ..) => v6::Primary::Address(address),
            (Some(IpAddr::V4(address)), ..) => {
                return Err(Ending::Usage(format!("{address} is an IPv4 address, and DHCPv6 is asked for")));
            }
            (_, Some(duid), ..) => v6::Primary::ClientId(duid.0),
            (_, _, Some(id), _) if self.enterprise.is_none() && id.0.len() <= size_of::<u32>() => {
                let text = "a Remote-ID of DHCPv6 has an enterprise number in front (RFC 4649): --enterprise N";
                return Err(Ending::Usage(text.to_owned()));
            }
            (_, _, Some(id), _) => {
                // In front of the identifier, or given by itself.
                let number = self.enterprise.map(u32::to_be_bytes);
                v6::Primary::RemoteId([number.as_ref().map_or(&[][..], |number| &number[..]), &id.0].concat())
            }
            (.., Some(id)) => v6::Primary::RelayId(id.0),
            _ => v6::Primary::All,
        };
        Ok(v6::Selector { primary, link: self.link })
    }
}

fn refuse(protocol: &str, arguments: &[(&str, bool)]) -> Result<(), Ending> {
    match arguments.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Ending::Usage(format!("{name} is for {protocol}"))),
        None => Ok(()),
    }
}

pub(super) fn parse_option_code(text: &str) -> Result<u16, String> {
    let code = text.parse().ok().filter(|code| *code > 0);
    code.ok_or_else(|| {
        format!(
            "'{text}' is no code of a DHCP option: a number from 1 to 254, for DHCPv6 to 65535, like 12 (Host Name)"
        )
    })
}

/// Codes of DHCPv4 options.
pub(super) fn v4_options(options: &[u16]) -> Result<Vec<u8>, Ending> {
    let code = |code: &u16| u8::try_from(*code).ok().filter(|code| *code < 255);
    let codes = options.iter().map(|option| {
        code(option)
            .ok_or_else(|| Ending::Usage(format!("--options: {option} is no code of a DHCPv4 option, 1 to 254")))
    });
    codes.collect()
}

pub(super) fn parse_vpn_choice(text: &str) -> Result<VpnChoice, String> {
    Ok(match text {
        "all" => VpnChoice::All,
        name => match parse_vpn(name)? {
            VpnName::Name(name) => VpnChoice::Name(name.to_vec()),
            VpnName::Id(id) => VpnChoice::Id(id),
        },
    })
}
