//! Failures of TLS in words that tell what to change.

use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError, Error, OtherError};

/// Why TLS failed. `peer` is what the other side is, `name` what the server was expected to be called, and `untouched`
/// says that these were the first octets of the peer.
pub(super) fn failure(error: &Error, peer: &str, name: &str, untouched: bool) -> String {
    match error {
        Error::NoCertificatesPresented => {
            format!("{peer} shows no certificate, and both sides have to show one")
        }
        Error::InvalidCertificate(problem) => certificate(problem, peer, name),
        Error::AlertReceived(alert) => format!("{peer} ends TLS: {}", alert_text(*alert)),
        Error::InvalidMessage(_) if untouched => format!("{peer} does not speak TLS: {error}"),
        Error::PeerIncompatible(_) => {
            format!("{peer} and this side have no version or cipher of TLS in common: {error}")
        }
        _ => format!("TLS failed: {error}"),
    }
}

fn certificate(problem: &CertificateError, peer: &str, name: &str) -> String {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {peer} has expired, or a clock is wrong: {problem}")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {peer} is not valid yet, or a clock is wrong: {problem}")
        }
        CertificateError::Revoked => format!("the certificate of {peer} has been revoked"),
        CertificateError::UnknownRevocationStatus => {
            format!("no list in crl tells whether the certificate of {peer}, or one it depends on, has been revoked")
        }
        CertificateError::UnknownIssuer => {
            format!("the certificate of {peer} was issued by an authority that is not in the file of authorities")
        }
        CertificateError::BadSignature => format!(
            "the certificate of {peer} was not issued by the authority in the file of authorities, which has the name of \
             the one that did: the files of two authorities may be mixed up"
        ),
        CertificateError::NotValidForName => format!("the certificate of {peer} is not for the name {name}"),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let presented: Vec<_> = presented.iter().map(|presented| plain(presented)).collect();
            let presented = if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") };
            format!(
                "the certificate of {peer} is not for the name {name}, but for {presented}; server-name says which name to \
                 expect"
            )
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("the certificate of {peer} is not for this side of a connection: {problem}")
        }
        CertificateError::ApplicationVerificationFailure => {
            format!("the certificate of {peer} has none of the certificate-names of requestors with its address")
        }
        CertificateError::Other(OtherError(problem)) => {
            format!("the certificate of {peer} is not acceptable: {problem}")
        }
        _ => format!("the certificate of {peer} is not acceptable: {problem}"),
    }
}

/// A name in a certificate, without its kind.
fn plain(presented: &str) -> String {
    let name = presented.split_once('(').and_then(|(_, name)| name.strip_suffix(')')).unwrap_or(presented);
    let name = name.trim_matches('"');
    name.parse::<IpAddr>().map_or_else(|_| name.to_owned(), |address| address.to_string())
}

/// What the peer objects to.
fn alert_text(alert: AlertDescription) -> String {
    let text = match alert {
        AlertDescription::UnknownCA => "it does not know the authority that issued our certificate",
        AlertDescription::DecryptError => {
            "it cannot verify our certificate; the files of two authorities may be mixed up"
        }
        AlertDescription::CertificateExpired => "our certificate has expired, or is not valid yet",
        AlertDescription::CertificateRevoked => "our certificate has been revoked",
        AlertDescription::CertificateRequired => "it demands a certificate",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => "it does not accept our certificate",
        AlertDescription::AccessDenied => "our certificate has no name that it permits",
        AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => {
            "it has no version or cipher of TLS in common with us, or demands a certificate"
        }
        _ => return format!("{alert:?}"),
    };
    format!("{text} ({alert:?})")
}
