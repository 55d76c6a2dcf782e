use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv6Net;
use leasequery_record::parse_end;
use leasequery_store::Time;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What somebody says about one address: the record as it is printed, less what is of no account here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Lease {
    address: Option<IpAddr>,
    prefix: Option<Ipv6Net>,
    vpn: Option<String>,
    pub(super) state: String,
    pub(super) htype: Option<u8>,
    pub(super) mac: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) duid: Option<String>,
    pub(super) relay_agent_information: Option<String>,
    pub(super) relay_peer: Option<IpAddr>,
    pub(super) relay_message: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "time")]
    pub(super) start_time_of_state: Option<Time>,
    #[serde(default, deserialize_with = "time")]
    pub(super) client_last_transaction_time: Option<Time>,
    #[serde(default, deserialize_with = "time")]
    pub(super) expires: Option<Time>,
    #[serde(default, deserialize_with = "time")]
    pub(super) renews: Option<Time>,
    #[serde(default, deserialize_with = "time")]
    pub(super) rebinds: Option<Time>,
    #[serde(default, deserialize_with = "time")]
    pub(super) preferred_until: Option<Time>,
    /// The record as it came, for whoever wants to see it.
    #[serde(skip)]
    pub(super) record: Box<str>,
}

/// All states that there are.
const STATES: [&str; 8] =
    ["available", "active", "expired", "released", "abandoned", "reset", "remote", "transitioning"];

/// A VPN and an address or prefix; no VPN is the default one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) vpn: Option<String>,
    pub(super) address: IpAddr,
    /// Length of the prefix, if it is one.
    pub(super) length: Option<u8>,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            None => write!(f, "{}", self.address),
            Some(length) => write!(f, "{}/{length}", self.address),
        }
    }
}

/// What one side says, by address.
#[derive(Debug, Default)]
pub(super) struct Leases {
    by_key: BTreeMap<Key, Lease>,
    /// Whether it says which addresses are configured; a file that tells of changes alone does not.
    pub(super) configured: bool,
}

impl Leases {
    /// Nothing, yet.
    pub(super) fn new(configured: bool) -> Self {
        Self { by_key: BTreeMap::new(), configured }
    }

    /// Adds a lease. What was said before about the address holds no longer.
    pub(super) fn add(&mut self, lease: Lease) {
        self.configured |= lease.is_merely_configured();
        self.by_key.insert(lease.key(), lease);
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Lease> {
        self.by_key.get(key)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Lease)> {
        self.by_key.iter()
    }

    /// The addresses that either side knows.
    pub(super) fn keys_of_both<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Key> {
        let others = other.by_key.keys().filter(|key| !self.by_key.contains_key(*key));
        self.by_key.keys().chain(others)
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse_end(&text)).transpose().map_err(serde::de::Error::custom)
}

impl Lease {
    /// Reads a line; one that tells of an event is no record, and no mistake.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if value.get("event").is_some() {
            return Ok(None);
        }
        let mut lease = Self::deserialize(&value).map_err(|error| error.to_string())?;
        if lease.address.is_none() && lease.prefix.is_none() {
            return Err("neither address nor prefix".to_owned());
        }
        if !STATES.contains(&lease.state.as_str()) {
            return Err(format!("\"{}\" is no state; {} are", lease.state, STATES.join(", ")));
        }
        // Ethernet, unless it is said.
        lease.htype = lease.htype.or(lease.mac.as_ref().map(|_| 1));
        lease.record = line.trim_end().into();
        Ok(Some(lease))
    }

    pub(super) fn key(&self) -> Key {
        let vpn = self.vpn.clone();
        match (self.address, self.prefix) {
            (Some(address), _) => Key { vpn, address, length: None },
            (None, Some(net)) => Key { vpn, address: net.network().into(), length: Some(net.prefix_len()) },
            // Such a line has not been read.
            (None, None) => Key { vpn, address: Ipv4Addr::UNSPECIFIED.into(), length: None },
        }
    }

    /// The value of an option, in hex.
    pub(super) fn option(&self, code: u16) -> Option<&String> {
        self.options.get(&code.to_string())
    }

    /// Whether it says of whom the address is, or was.
    pub(super) fn has_client(&self) -> bool {
        self.mac.is_some() || self.client_id.is_some() || self.duid.is_some()
    }

    /// Whether all that is said is that the address is configured, which only DHCPv4 does.
    pub(super) fn is_merely_configured(&self) -> bool {
        matches!(self.address, Some(IpAddr::V4(_))) && self.state == "available" && !self.has_client()
    }

    /// Whether nobody holds the address any more, or ever did.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state.as_str(), "available" | "expired" | "released" | "reset")
    }
}
