use std::net::IpAddr;

use leasequery_store::{Time, VpnName};

/// Which kinds of query a requestor may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allow {
    /// Single queries over UDP (RFC 4388, RFC 5007).
    pub udp: bool,
    /// Bulk queries over TCP (RFC 6926, RFC 5460).
    pub bulk: bool,
    /// Active queries over TCP (RFC 7724, RFC 7653).
    pub active: bool,
}

impl Default for Allow {
    /// UDP and bulk.
    fn default() -> Self {
        Self { udp: true, bulk: true, active: false }
    }
}

/// Why a response ends that must not go on.
pub(super) const NO_LONGER: &str = "no longer permitted";

/// Seconds after which every connection knows what is permitted anew, and whoever is served by it is told.
const MOMENT: u32 = 10;

/// What one requestor may ask for and be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// For logs.
    pub name: String,
    /// Which kinds of query.
    pub allow: Allow,
    /// Codes of options that are never sent to it (RFC 4388 section 6.4.2, RFC 5007 section 4.4.2).
    pub withhold: Vec<u16>,
    /// If not `None`, it is told only of bindings that were made through a relay with an address in one of these networks:
    /// first address and length.
    pub relays: Option<Vec<(IpAddr, u8)>>,
    /// The VPNs it may see besides the default one; `None` is all (RFC 6607 section 9).
    pub vpns: Option<Vec<VpnName>>,
    /// When it was last permitted more than before: to whoever was told up to then, all that is there may be news.
    pub widened: Option<Time>,
}

impl Policy {
    /// Whether it may be told anything that `other` forbids.
    pub fn is_wider_than(&self, other: &Self) -> bool {
        fn beyond<T: PartialEq>(new: Option<&Vec<T>>, old: Option<&Vec<T>>) -> bool {
            match (new, old) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(new), Some(old)) => new.iter().any(|permitted| !old.contains(permitted)),
            }
        }
        other.withhold.iter().any(|code| !self.withhold.contains(code))
            || beyond(self.relays.as_ref(), other.relays.as_ref())
            || beyond(self.vpns.as_ref(), other.vpns.as_ref())
    }

    /// Whether it may see every VPN that `other` may.
    pub fn permits_vpns_of(&self, other: &Self) -> bool {
        match (&self.vpns, &other.vpns) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(new), Some(old)) => old.iter().all(|vpn| new.contains(vpn)),
        }
    }

    /// Whether everything may have changed for this requestor since a time, and until another one.
    pub(super) fn is_news_in(&self, since: Option<Time>, until: Option<Time>) -> bool {
        self.widened.is_some_and(|widened| {
            since.is_none_or(|since| since <= widened.plus(MOMENT)) && until.is_none_or(|until| until >= widened)
        })
    }

    /// Whether it may be told of a binding that was made through relays with these addresses.
    pub fn permits_relays(&self, mut addresses: impl Iterator<Item = IpAddr>) -> bool {
        self.relays.as_ref().is_none_or(|networks| {
            addresses.any(|address| networks.iter().any(|(first, length)| contains(*first, *length, address)))
        })
    }

    /// Whether it may see a VPN; `None` is the default one.
    pub fn permits(&self, vpn: Option<&VpnName>) -> bool {
        match (vpn, &self.vpns) {
            (None, _) | (_, None) => true,
            (Some(vpn), Some(permitted)) => permitted.contains(vpn),
        }
    }
}

/// Whether an address is in a network.
fn contains(first: IpAddr, length: u8, address: IpAddr) -> bool {
    let same =
        |difference: u128, bits: u32| difference.checked_shr(bits.saturating_sub(length.into())).unwrap_or(0) == 0;
    match (first, address) {
        (IpAddr::V4(first), IpAddr::V4(address)) => same((first.to_bits() ^ address.to_bits()).into(), 32),
        (IpAddr::V6(first), IpAddr::V6(address)) => same(first.to_bits() ^ address.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_shares_its_bits() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (first, length, address, inside) in [
            ("192.0.2.0", 24, "192.0.2.255", true),
            ("192.0.2.0", 24, "192.0.3.0", false),
            ("192.0.2.1", 32, "192.0.2.1", true),
            ("192.0.2.1", 32, "192.0.2.2", false),
            ("0.0.0.0", 0, "255.1.2.3", true),
            ("0.0.0.0", 0, "::1", false),
            ("2001:db8::", 32, "2001:db8:ffff::1", true),
            ("2001:db8::", 32, "2001:db9::1", false),
            ("::", 0, "ffff::", true),
            ("::1", 128, "::1", true),
        ] {
            assert_eq!(contains(ip(first), length, ip(address)), inside, "{first}/{length} {address}");
        }
    }
}
