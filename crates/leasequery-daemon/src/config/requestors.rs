//! Who may ask.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use leasequery_protocol::server::Policy;
use leasequery_tls::Identity;

use super::Transport;

/// A requestor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requestor {
    /// Where it comes from.
    pub addresses: Vec<IpNet>,
    /// Of these its certificate has to have one, where TLS is required; `None` takes any that the authority vouches for.
    pub certificate_names: Option<Arc<[String]>>,
    /// What it may ask and be told.
    pub policy: Arc<Policy>,
}

impl Requestor {
    /// Whether there is anything that it may ask this way.
    pub(super) fn may_use(&self, transport: Transport) -> bool {
        let allow = self.policy.allow;
        match transport {
            Transport::Tcp => allow.bulk || allow.active,
            Transport::Udp => allow.udp,
        }
    }
}

/// Who may ask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requestors(pub Vec<Requestor>);

impl Requestors {
    /// What the peer at this address may do, where nothing but the address tells who it is; `None` if it is not listed.
    pub fn find(&self, peer: IpAddr, transport: Transport) -> Option<&Arc<Policy>> {
        self.choose(peer, transport, |_| true)
    }

    /// What the peer at this address with this certificate may do (RFC 7724 section 8.1, RFC 7653 section 9.1).
    pub fn identified(&self, peer: IpAddr, certificate: &Identity) -> Option<&Arc<Policy>> {
        self.choose(peer, Transport::Tcp, |requestor| certificate.has_one_of(requestor.certificate_names.as_deref()))
    }

    /// The names one of which the certificate of a peer at this address has to have; `None` takes any.
    pub fn certificate_names(&self, peer: IpAddr) -> Option<Arc<[String]>> {
        let mut all = Vec::new();
        for (_, requestor) in self.at(peer) {
            all.extend(requestor.certificate_names.as_ref()?.iter().cloned());
        }
        // Who is not listed is told that, and nothing of certificates.
        (!all.is_empty()).then(|| all.into())
    }

    /// The longest prefix decides, and if there are two, the first who may ask anything this way.
    fn choose(&self, peer: IpAddr, transport: Transport, fits: impl Fn(&Requestor) -> bool) -> Option<&Arc<Policy>> {
        let fitting = self.at(peer).filter(|(_, requestor)| fits(requestor)).enumerate();
        let best =
            fitting.max_by_key(|(nth, (length, requestor))| (*length, requestor.may_use(transport), Reverse(*nth)));
        best.map(|(_, (_, requestor))| &requestor.policy)
    }

    /// Those with this address, and the length of the prefix that has it.
    fn at(&self, peer: IpAddr) -> impl Iterator<Item = (u8, &Requestor)> {
        let peer = peer.to_canonical();
        self.0.iter().filter_map(move |requestor| {
            let nets = requestor.addresses.iter().filter(|net| net.contains(&peer));
            nets.map(IpNet::prefix_len).max().map(|length| (length, requestor))
        })
    }
}
