use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};
use thiserror::Error;

use super::own::{OwnCertificate, Side};
use super::{Channel, Identity, TlsError, explain, files, provider, revocation};

/// The certificates of a server, and how it judges those of requestors. It is made anew when the files have changed.
#[derive(Debug, Clone)]
pub struct Server {
    certificate: Arc<CertifiedKey>,
    verifier: Arc<dyn ClientCertVerifier>,
    own: OwnCertificate,
    /// Who vouches for requestors, for people.
    authority: PathBuf,
    /// The file of revoked ones, and until when each list in it is up to date.
    revoked: Option<(PathBuf, Vec<Timestamp>)>,
}

impl Server {
    /// Reads the files: own certificate and key, the authority of the requestors' certificates, revoked ones.
    pub fn load(certificate: &Path, key: &Path, client_ca: &Path, crl: Option<&Path>) -> Result<Self, TlsError> {
        let certified = files::certified_key(certificate, key)?;
        let own = OwnCertificate::of(certificate, &certified.cert, Side::Server)?;
        let roots = Arc::new(files::roots(client_ca)?);
        let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider());
        let mut revoked = None;
        if let Some(file) = crl {
            // Whoever no list tells of is refused: a file with the lists of somebody else must not look like protection.
            let lists = revocation::lists(file, &roots)?;
            revoked = Some((file.to_owned(), revocation::next_updates(&lists)));
            verifier = verifier.with_crls(lists);
        }
        let verifier = verifier.build().map_err(|error| {
            let file = crl.unwrap_or(client_ca);
            TlsError::Bad(file.to_owned(), error.to_string())
        })?;
        Ok(Self { certificate: Arc::new(certified), verifier, own, authority: client_ca.to_owned(), revoked })
    }

    /// The server's end of a connection. Of a requestor that is known by names, the certificate has to have one of them.
    /// `shares_records` says whether messages may share a record.
    pub fn channel(&self, names: Option<Arc<[String]>>, shares_records: bool) -> Result<Channel, TlsError> {
        Channel::server(Arc::new(self.config(names, true)?), shares_records)
    }

    /// What HTTPS needs. A client is asked for a certificate, and may have none: who it is may be told by a token, and some of
    /// what is there is for everybody.
    pub fn https(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = self.config(None, false)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn config(&self, names: Option<Arc<[String]>>, mandatory: bool) -> Result<ServerConfig, TlsError> {
        let verifier = Arc::new(Named { inner: Arc::clone(&self.verifier), names, mandatory });
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&self.certificate))));
        // A session that is taken up again would not be judged again: not by a list of revoked certificates that came
        // in between, nor by who may ask now.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.ignore_client_order = true;
        Ok(config)
    }

    /// The own certificate.
    pub fn identity(&self) -> Option<Identity> {
        Identity::of_chain(&self.certificate.cert)
    }

    /// Judges the certificate of a requestor once more: a list of revoked ones may have come since it was shown, or another
    /// authority, and it may have ended. Fails with why it is no longer good.
    pub fn judge(&self, requestor: &Identity) -> Result<(), String> {
        let judged =
            self.verifier.verify_client_cert(requestor.certificate(), requestor.intermediates(), UnixTime::now());
        judged.map(drop).map_err(|error| explain::failure(&error, "the requestor", "", false))
    }

    /// The own certificate.
    pub fn certificate(&self) -> &OwnCertificate {
        &self.own
    }

    /// The lists of revoked certificates that are out of date.
    pub fn outdated(&self, now: Timestamp) -> Vec<String> {
        self.revoked.as_ref().map(|(file, updates)| revocation::outdated(file, updates, now)).unwrap_or_default()
    }

    /// The file of the authority that vouches for requestors.
    pub fn authority(&self) -> &Path {
        &self.authority
    }
}

/// So many certificates came with one.
#[derive(Debug, Error)]
#[error("{0} other certificates came with it, more than {max}", max = files::MAX_INTERMEDIATES)]
struct TooMany(usize);

/// Judges a requestor's certificate by its authority, and by its names. It is done within the handshake, so that it ends
/// with an alert before anything is said (RFC 7724 section 8.1).
#[derive(Debug)]
struct Named {
    inner: Arc<dyn ClientCertVerifier>,
    names: Option<Arc<[String]>>,
    /// Whether there has to be one.
    mandatory: bool,
}

impl ClientCertVerifier for Named {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if intermediates.len() > files::MAX_INTERMEDIATES {
            return Err(CertificateError::Other(OtherError(Arc::new(TooMany(intermediates.len())))).into());
        }
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        if Identity::new(end_entity, &[]).has_one_of(self.names.as_deref()) {
            Ok(verified)
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
