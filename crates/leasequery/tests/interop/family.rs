//! What differs between Kea's two servers, and between what they are followed with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::kea::{RESERVED, Settings};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// As configurations call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }

    /// Kea's server.
    pub(crate) fn server(self) -> &'static str {
        match self {
            Self::V4 => "kea-dhcp4",
            Self::V6 => "kea-dhcp6",
        }
    }

    /// Its lease file.
    pub(crate) fn leases(self) -> &'static str {
        match self {
            Self::V4 => "leases4.csv",
            Self::V6 => "leases6.csv",
        }
    }

    pub(crate) fn loopback(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    /// The source of a daemon that follows it.
    pub(crate) fn kea_source(self) -> String {
        let (name, leases) = (self.name(), self.leases());
        format!(
            "[[source]]\ntype = \"kea-memfile\"\nprotocol = \"{name}\"\npath = \"{leases}\"\nkea-config = \"kea.conf\"\n"
        )
    }

    /// What its configuration is called, and what is in it besides what both servers have.
    pub(crate) fn kea_config(self, settings: &Settings) -> (&'static str, String) {
        match self {
            Self::V4 => (
                "Dhcp4",
                format!(
                    r#""interfaces-config": {{ "interfaces": ["lo"], "dhcp-socket-type": "udp" }},
  "subnet4": [ {{ "id": 7, "subnet": "10.77.0.0/16", "pools": [ {{ "pool": "10.77.1.0 - 10.77.4.255" }}, ],
                 "relay": {{ "ip-addresses": ["127.0.0.1"] }},
                 "reservations": [ {{ "hw-address": "02:00:00:00:00:01", "ip-address": "{RESERVED}" }} ] }} ],"#
                ),
            ),
            Self::V6 => (
                "Dhcp6",
                format!(
                    r#""interfaces-config": {{ "interfaces": ["lo/::1"] }},
  "server-id": {{ "type": "LL", "htype": 1, "identifier": "020000000001", "persist": false }},
  "preferred-lifetime": {preferred},
  "subnet6": [ {{ "id": 7, "subnet": "2001:db8:77::/64", "interface": "lo", "rapid-commit": true,
                 "pools": [ {{ "pool": "2001:db8:77::/116" }}, ],
                 "pd-pools": [ {{ "prefix": "2001:db8:f000::", "prefix-len": 44, "delegated-len": 56 }} ],
                 "relay": {{ "ip-addresses": ["::1"] }} }} ],"#,
                    preferred = settings.valid_lifetime / 2
                ),
            ),
        }
    }
}
