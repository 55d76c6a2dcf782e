//! Who may ask.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use leasequery_protocol::server::Policy;
use leasequery_tls::Identity;

use super::{Token, Transport};

/// A requestor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requestor {
    /// Where it comes from.
    pub addresses: Vec<IpNet>,
    /// Of these its certificate has to have one, where TLS is required; `None` takes any that the authority vouches for.
    pub certificate_names: Option<Arc<[String]>>,
    /// What it may ask and be told.
    pub policy: Arc<Policy>,
    /// Whether it may ask over HTTP.
    pub over_http: OverHttp,
}

/// What a requestor may do over HTTP, where the rest of its policy holds, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OverHttp {
    /// Whether it may be told of leases there.
    pub allowed: bool,
    /// What it has to show there; `None` is nothing.
    pub token: Option<Token>,
}

/// What tells who an HTTP client is, besides its address.
#[derive(Debug, Clone, Copy, Default)]
pub struct Proof<'a> {
    /// The connection is secured: certificates tell, as on listeners with TLS.
    pub secure: bool,
    /// Its certificate, if it has shown one.
    pub certificate: Option<&'a Identity>,
    /// The token of this request, if there is one.
    pub token: Option<&'a [u8]>,
}

impl Proof<'_> {
    /// Whether the certificate is that of a requestor.
    fn identifies(&self, requestor: &Requestor) -> bool {
        let names = requestor.certificate_names.as_deref();
        !self.secure || names.is_none() || self.certificate.is_some_and(|certificate| certificate.has_one_of(names))
    }
}

/// Why an HTTP client is not told of leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody who is listed has its address and its certificate.
    Unlisted,
    /// Whoever that is may not ask over HTTP.
    NotAllowed,
    /// A token would permit it.
    WantsToken,
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

    /// What an HTTP client may be told of leases.
    pub fn over_http(&self, peer: IpAddr, proof: Proof<'_>) -> Result<&Arc<Policy>, Refusal> {
        let shows = |token: &Token| proof.token.is_some_and(|shown| token.is(shown));
        let fits =
            |requestor: &Requestor| proof.identifies(requestor) && requestor.over_http.token.as_ref().is_none_or(shows);
        let is_allowed = |requestor: &Requestor| requestor.over_http.allowed;
        match self.best(peer, is_allowed, fits) {
            Some(requestor) if is_allowed(requestor) => Ok(&requestor.policy),
            found => {
                let wants_token = self.at(peer).any(|(_, requestor)| {
                    is_allowed(requestor) && proof.identifies(requestor) && requestor.over_http.token.is_some()
                });
                Err(match found {
                    _ if wants_token => Refusal::WantsToken,
                    Some(_) => Refusal::NotAllowed,
                    None => Refusal::Unlisted,
                })
            }
        }
    }

    /// Whether somebody is listed with this address.
    pub fn lists(&self, peer: IpAddr) -> bool {
        self.at(peer).next().is_some()
    }

    /// Whether somebody is listed with this address, and with the certificate that was shown.
    pub fn knows(&self, peer: IpAddr, proof: Proof<'_>) -> bool {
        self.at(peer).any(|(_, requestor)| proof.identifies(requestor))
    }

    fn choose(&self, peer: IpAddr, transport: Transport, fits: impl Fn(&Requestor) -> bool) -> Option<&Arc<Policy>> {
        self.best(peer, |requestor| requestor.may_use(transport), fits).map(|requestor| &requestor.policy)
    }

    /// The longest prefix decides, and if there are two, the first who may ask anything this way.
    fn best(
        &self,
        peer: IpAddr,
        may_ask: impl Fn(&Requestor) -> bool,
        fits: impl Fn(&Requestor) -> bool,
    ) -> Option<&Requestor> {
        let fitting = self.at(peer).filter(|(_, requestor)| fits(requestor)).enumerate();
        let best = fitting.max_by_key(|(nth, (length, requestor))| (*length, may_ask(requestor), Reverse(*nth)));
        best.map(|(_, (_, requestor))| requestor)
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

#[cfg(test)]
mod tests {
    use leasequery_testing::pki::Pki;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    const ONE: &str = "1111111111111111";
    const OTHER: &str = "2222222222222222";

    fn block(name: &str, net: &str, allowed: bool, token: Option<&str>, names: &[&str]) -> Requestor {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        Requestor {
            addresses: vec![net.parse().expect("a prefix")],
            certificate_names: (!names.is_empty()).then(|| names.into()),
            policy: Arc::new(Policy { name: name.to_owned(), ..Policy::default() }),
            over_http: OverHttp { allowed, token: token.map(|token| Token::new(token).expect("a token")) },
        }
    }

    fn ask<'a>(blocks: &'a Requestors, peer: [u8; 4], proof: Proof<'_>) -> Result<&'a str, Refusal> {
        blocks.over_http(peer.into(), proof).map(|policy| policy.name.as_str())
    }

    #[test]
    fn over_http_addresses_and_tokens_tell_who_asks() {
        let blocks = Requestors(vec![
            block("open", "192.0.2.0/24", true, None, &[]),
            block("shy", "192.0.2.1/32", false, None, &[]),
            block("one", "192.0.2.2/32", true, Some(ONE), &[]),
            block("other", "198.51.100.1/32", true, Some(OTHER), &[]),
            block("same", "198.51.100.1/32", true, Some(ONE), &[]),
        ]);
        let shown = |token: &'static str| Proof { token: Some(token.as_bytes()), ..Proof::default() };
        for (peer, proof, expected) in [
            ([192, 0, 2, 9], Proof::default(), Ok("open")),
            // The longest prefix decides, also where it permits nothing.
            ([192, 0, 2, 1], Proof::default(), Err(Refusal::NotAllowed)),
            ([192, 0, 2, 2], shown(ONE), Ok("one")),
            // Who does not prove to be somebody is whoever else has the address.
            ([192, 0, 2, 2], Proof::default(), Ok("open")),
            ([198, 51, 100, 1], shown(OTHER), Ok("other")),
            ([198, 51, 100, 1], shown(ONE), Ok("same")),
            ([198, 51, 100, 1], shown("3333333333333333"), Err(Refusal::WantsToken)),
            ([198, 51, 100, 1], shown("111111111111111"), Err(Refusal::WantsToken)),
            ([198, 51, 100, 1], Proof::default(), Err(Refusal::WantsToken)),
            ([203, 0, 113, 1], shown(ONE), Err(Refusal::Unlisted)),
        ] {
            assert_eq!(ask(&blocks, peer, proof), expected, "{peer:?} {proof:?}");
        }
    }

    #[test]
    fn over_https_certificates_tell_who_asks_as_elsewhere() {
        let pki = Pki::new();
        let certificate = |name: &str| {
            let files = pki.files(name, &[name]);
            let der = CertificateDer::from_pem_file(files.certificate).expect("a certificate");
            Identity::new(&der, &[])
        };
        let (good, bad) = (certificate("bng-1.example"), certificate("bng-2.example"));
        let blocks = Requestors(vec![block("named", "192.0.2.1/32", true, Some(ONE), &["bng-1.example"])]);
        let peer = [192, 0, 2, 1];
        let proof = |secure, certificate, token| Proof { secure, certificate, token };
        let one = Some(ONE.as_bytes());
        assert_eq!(ask(&blocks, peer, proof(true, Some(&good), one)), Ok("named"));
        assert_eq!(ask(&blocks, peer, proof(true, Some(&good), None)), Err(Refusal::WantsToken));
        assert_eq!(ask(&blocks, peer, proof(true, Some(&bad), one)), Err(Refusal::Unlisted));
        assert_eq!(ask(&blocks, peer, proof(true, None, one)), Err(Refusal::Unlisted));
        // Where nothing is secured, certificates are not looked at.
        assert_eq!(ask(&blocks, peer, proof(false, None, one)), Ok("named"));
        assert!(blocks.knows(peer.into(), proof(true, Some(&good), None)) && blocks.lists(peer.into()));
        assert!(!blocks.knows(peer.into(), proof(true, None, None)));
    }

    #[test]
    fn a_token_is_not_shown_in_logs() {
        assert_eq!(format!("{:?}", Token::new(ONE)), "Some(Token)");
    }
}
