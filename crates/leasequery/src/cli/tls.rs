use std::path::PathBuf;

use clap::Args;
use leasequery_client::Server;
use leasequery_tls::Client;

use super::Ending;

/// Secure mode.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_field_names, reason = "they are the names of the options")]
pub(super) struct Tls {
    /// Ask inside of TLS, and not at all without it
    #[arg(long, requires_all = ["ca", "cert", "key"])]
    tls: bool,
    /// The authority that vouches for the server (PEM)
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca: Option<PathBuf>,
    /// The own certificate, with those between it and its authority (PEM)
    #[arg(long, value_name = "FILE", requires = "tls")]
    cert: Option<PathBuf>,
    /// The key of the own certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls")]
    key: Option<PathBuf>,
    /// The name or address that the server's certificate has to have, if it is not HOST
    #[arg(long, value_name = "NAME", requires = "tls")]
    server_name: Option<String>,
}

impl Tls {
    /// What secure mode with a server needs, if it is wanted. The files are tried at once. Both sides show certificates
    /// (RFC 7724 section 8.1), so none of them can be left out.
    pub(super) fn client(&self, server: &Server) -> Result<Option<Client>, Ending> {
        let (true, Some(ca), Some(certificate), Some(key)) = (self.tls, &self.ca, &self.cert, &self.key) else {
            return Ok(None);
        };
        let server_name = self.server_name.clone().unwrap_or_else(|| server.host().to_owned());
        let client = Client { ca: ca.clone(), certificate: certificate.clone(), key: key.clone(), server_name };
        client.channel().map_err(|error| Ending::Usage(error.to_string()))?;
        Ok(Some(client))
    }
}
