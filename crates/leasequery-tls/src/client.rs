use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, SignatureScheme};

use super::own::{OwnCertificate, Side};
use super::{Channel, TlsError, files, provider};

/// What a requestor needs for secure mode. The files are read for each connection, so that one that goes on for months
/// takes renewed certificates when it connects again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The authority that vouches for the server.
    pub ca: PathBuf,
    /// The own certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The name that the server's certificate has to have.
    pub server_name: String,
}

impl Client {
    /// The own certificate, as it is in the files now. Fails if it is not one for a requestor.
    pub fn certificate(&self) -> Result<OwnCertificate, TlsError> {
        let certified = files::certified_key(&self.certificate, &self.key)?;
        OwnCertificate::of(&self.certificate, &certified.cert, Side::Requestor)
    }

    /// The requestor's end of a connection.
    pub fn channel(&self) -> Result<Channel, TlsError> {
        self.begin().map(|(channel, _)| channel)
    }

    /// The same, with whether the server asks for the own certificate.
    pub(super) fn begin(&self) -> Result<(Channel, Asked), TlsError> {
        let name =
            ServerName::try_from(self.server_name.clone()).map_err(|_| TlsError::Name(self.server_name.clone()))?;
        let certificate = files::certified_key(&self.certificate, &self.key)?;
        let asked = Asked::default();
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(files::roots(&self.ca)?)
            .with_client_cert_resolver(Arc::new(Own { certificate: certificate.into(), asked: asked.clone() }));
        // The server's certificate is judged each time.
        config.resumption = Resumption::disabled();
        Ok((Channel::client(Arc::new(config), name, &self.server_name)?, asked))
    }
}

/// Whether the server has asked for the requestor's certificate.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(Arc<AtomicBool>);

impl Asked {
    pub(super) fn was_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The requestor's certificate, which is shown if the server asks for it.
#[derive(Debug)]
struct Own {
    certificate: SingleCertAndKey,
    asked: Asked,
}

impl ResolvesClientCert for Own {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.0.store(true, Ordering::Relaxed);
        ResolvesClientCert::resolve(&self.certificate, authorities, schemes)
    }

    fn has_certs(&self) -> bool {
        true
    }
}
