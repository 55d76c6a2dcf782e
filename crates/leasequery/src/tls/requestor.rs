use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;

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
    /// The requestor's end of a connection.
    pub fn channel(&self) -> Result<Channel, TlsError> {
        let name =
            ServerName::try_from(self.server_name.clone()).map_err(|_| TlsError::Name(self.server_name.clone()))?;
        let certificate = files::certified_key(&self.certificate, &self.key)?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(files::roots(&self.ca)?)
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
        // The server's certificate is judged each time.
        config.resumption = Resumption::disabled();
        Channel::client(Arc::new(config), name, &self.server_name)
    }
}
