use leasequery_store::VpnName;

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

/// What one requestor may ask for and be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// For logs.
    pub name: String,
    /// Which kinds of query.
    pub allow: Allow,
    /// Codes of options that are never sent to it (RFC 4388 section 6.4.2, RFC 5007 section 4.4.2).
    pub withhold: Vec<u16>,
    /// The VPNs it may see besides the default one; `None` is all (RFC 6607 section 9).
    pub vpns: Option<Vec<VpnName>>,
}

impl Policy {
    /// Whether it may see a VPN; `None` is the default one.
    pub fn permits(&self, vpn: Option<&VpnName>) -> bool {
        match (vpn, &self.vpns) {
            (None, _) | (_, None) => true,
            (Some(vpn), Some(permitted)) => permitted.contains(vpn),
        }
    }
}
