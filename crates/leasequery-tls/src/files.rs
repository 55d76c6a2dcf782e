use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{TlsError, provider};

/// Reads a file that others may not read, or not write, as a whole: the sections of one kind in it.
fn sections<T: PemObject>(file: &Path, what: &str) -> Result<Vec<T>, TlsError> {
    let text = leasequery_live::files::read(file).map_err(|error| TlsError::Unreadable(file.to_owned(), error))?;
    let bad = |error: PemError| TlsError::Bad(file.to_owned(), format!("not a PEM file: {error}"));
    let found = T::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>().map_err(bad)?;
    if found.is_empty() {
        return Err(TlsError::Bad(file.to_owned(), format!("there is no {what} in it, in PEM")));
    }
    Ok(found)
}

/// How many certificates may come with one, to lead to its authority: as many as a path may have in webpki, which tries
/// what could be above what. With each of one name that takes several times as long, and two are many.
pub(super) const MAX_INTERMEDIATES: usize = 6;

/// A certificate with those between it and its authority, and its key.
pub(super) fn certified_key(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = sections::<CertificateDer<'static>>(certificate, "certificate")?;
    if chain.len() > 1 + MAX_INTERMEDIATES {
        let problem =
            format!("{} certificates are in it, and at most {MAX_INTERMEDIATES} behind the own one", chain.len());
        return Err(TlsError::Bad(certificate.to_owned(), format!("{problem} are sent")));
    }
    let mut keys = sections::<PrivateKeyDer<'static>>(key, "private key")
        .map_err(|error| if is_encrypted(key) { TlsError::Bad(key.to_owned(), ENCRYPTED.to_owned()) } else { error })?;
    CertifiedKey::from_der(chain, keys.swap_remove(0), &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::Mismatch { key: key.to_owned(), certificate: certificate.to_owned() }
        }
        rustls::Error::InvalidCertificate(_) => TlsError::Bad(certificate.to_owned(), error.to_string()),
        _ => TlsError::Bad(key.to_owned(), format!("no private key that can be used: {error}")),
    })
}

/// Nobody is there to type a password.
const ENCRYPTED: &str = "the private key in it is encrypted; openssl pkey writes it without a password";

fn is_encrypted(key: &Path) -> bool {
    leasequery_live::files::read_to_string(key).is_ok_and(|text| text.contains("ENCRYPTED"))
}

/// Why others could get at a private key, if they could.
pub fn exposure(key: &Path) -> Option<String> {
    let mode = leasequery_live::files::exposure(key)?;
    Some(format!("{}: others may get at this private key ({mode})", key.display()))
}

/// The authorities that are believed.
pub(super) fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in sections::<CertificateDer<'static>>(file, "certificate")? {
        roots.add(certificate).map_err(|error| {
            TlsError::Bad(file.to_owned(), format!("a certificate in it cannot be that of an authority: {error}"))
        })?;
    }
    Ok(roots)
}

/// Lists of certificates that have been revoked, in PEM or one in DER.
pub(super) fn revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let octets = leasequery_live::files::read(file).map_err(|error| TlsError::Unreadable(file.to_owned(), error))?;
    // Authorities publish them in DER: a sequence, where PEM is text.
    if octets.first() == Some(&0x30) {
        return Ok(vec![octets.into()]);
    }
    sections(file, "certificate revocation list")
}
