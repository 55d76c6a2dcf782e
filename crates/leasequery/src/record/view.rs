use leasequery_protocol::requestor::v4::Record;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::net::Ipv4Addr;

use super::{Hex, Mac, Rfc3339, vpn_text};

/// A record as it is printed. Fields that are not known are left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct View<'a> {
    /// `"v4"`.
    pub protocol: &'static str,
    /// The address.
    pub address: Ipv4Addr,
    /// The VPN, unless it is the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpn: Option<String>,
    /// State by its name in the record; a number if the state has none.
    pub state: StateText,
    /// Type of hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub htype: Option<u8>,
    /// Hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac<'a>>,
    /// Option 61.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<Hex<'a>>,
    /// Since when the address is in its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time_of_state: Option<Rfc3339>,
    /// When the client was last heard about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_last_transaction_time: Option<Rfc3339>,
    /// When the state ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Rfc3339>,
    /// When the client renews.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renews: Option<Rfc3339>,
    /// When the client rebinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebinds: Option<Rfc3339>,
    /// The sub-options of option 82.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_agent_information: Option<Hex<'a>>,
    /// Sub-option 2 of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<Hex<'a>>,
    /// Sub-option 12 of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_id: Option<Hex<'a>>,
    /// Further options by code.
    #[serde(skip_serializing_if = "Options::is_empty")]
    pub options: Options<'a>,
    /// `"local"` or `"remote"`.
    pub data_source: &'static str,
    /// The server that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Ipv4Addr>,
    /// When it says so, by its own clock.
    pub base_time: Rfc3339,
}

/// A state by its name, or by its number if it has none.
#[derive(Debug, Clone, Copy)]
pub struct StateText(pub leasequery_wire::v4::State);

impl Serialize for StateText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.name() {
            Some(name) => serializer.serialize_str(name),
            None => serializer.collect_str(&self.0),
        }
    }
}

/// The further options of a record.
#[derive(Debug)]
pub struct Options<'a>(&'a Record<'a>);

impl Options<'_> {
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.0.options().next().is_none()
    }

    /// Code and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Hex<'_>)> {
        self.0.options().map(|(code, value)| (code.0, Hex(value)))
    }
}

impl Serialize for Options<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (code, value) in self.iter() {
            map.serialize_entry(&code, &value)?;
        }
        map.end()
    }
}

impl<'a> View<'a> {
    /// What a server said about one address.
    pub fn new(record: &'a Record<'a>) -> Self {
        let hardware = record.hardware();
        let times = record.times();
        let relay = record.relay_agent_information();
        Self {
            protocol: "v4",
            address: record.address(),
            vpn: record.vpn().map(vpn_text),
            state: StateText(record.state()),
            htype: hardware.map(|hardware| hardware.htype),
            mac: hardware.map(|hardware| Mac(hardware.address)),
            client_id: record.client_id().map(Hex),
            start_time_of_state: times.start_of_state.map(Rfc3339),
            client_last_transaction_time: times.last_transaction.map(Rfc3339),
            expires: times.expires.map(Rfc3339),
            renews: times.renews.map(Rfc3339),
            rebinds: times.rebinds.map(Rfc3339),
            relay_agent_information: record.relay_info().map(Hex),
            remote_id: relay.and_then(|relay| relay.remote_id()).map(Hex),
            relay_id: relay.and_then(|relay| relay.relay_id()).map(Hex),
            options: Options(record),
            data_source: if record.is_remote() { "remote" } else { "local" },
            server: record.server(),
            base_time: Rfc3339(record.base_time()),
        }
    }
}
