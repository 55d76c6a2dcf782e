use std::net::IpAddr;

use rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

/// Names that people are told: a certificate may have thousands.
const NAMES: usize = 4;

/// The certificate that a peer has shown and proved to have the key of, and those that came with it.
#[derive(Debug, Clone)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    intermediates: Box<[CertificateDer<'static>]>,
}

impl Identity {
    /// Of a certificate.
    pub fn new(certificate: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Self {
        let owned = |certificate: &CertificateDer<'_>| certificate.clone().into_owned();
        Self { certificate: owned(certificate), intermediates: intermediates.iter().map(owned).collect() }
    }

    /// Of a certificate with those that came behind it.
    pub fn of_chain(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let (certificate, intermediates) = chain.split_first()?;
        Some(Self::new(certificate, intermediates))
    }

    /// The certificate.
    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What came with it, to lead to its authority.
    pub(super) fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }

    /// Whether a DNS name or an address is one of the certificate's subject alternative names. A name with a wildcard is
    /// the same only as itself: a certificate for all hosts of a domain is not that of each requestor in it.
    pub fn has(&self, name: &str) -> bool {
        let Ok(certificate) = EndEntityCert::try_from(&self.certificate) else { return false };
        match name.parse::<IpAddr>() {
            Ok(address) => certificate.verify_is_valid_for_subject_name(&ServerName::IpAddress(address.into())).is_ok(),
            Err(_) => certificate.valid_dns_names().any(|found| found.eq_ignore_ascii_case(name)),
        }
    }

    /// Whether one of these is, or nothing in particular is demanded.
    pub fn has_one_of(&self, names: Option<&[String]>) -> bool {
        names.is_none_or(|names| names.iter().any(|name| self.has(name)))
    }

    /// Whether it is for the host that a URL names so, wildcards included (RFC 9110 section 4.3.4).
    pub fn is_for(&self, host: &str) -> bool {
        let Ok(name) = ServerName::try_from(host) else { return false };
        EndEntityCert::try_from(&self.certificate)
            .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(&name).is_ok())
    }

    /// Its DNS names, for people.
    pub fn describe(&self) -> String {
        let names: Vec<String> = EndEntityCert::try_from(&self.certificate)
            .map(|certificate| certificate.valid_dns_names().map(ToOwned::to_owned).collect())
            .unwrap_or_default();
        match names.len() {
            0 => "a certificate without DNS names".to_owned(),
            1..=NAMES => names.join(", "),
            more => format!("{} and {} more names", names[..NAMES].join(", "), more - NAMES),
        }
    }
}
