use std::path::PathBuf;

use clap::Args;
use leasequery_client::Server;
use leasequery_tls::Client;

use super::Ending;
use super::whom::Profile;

/// Secure mode.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
#[allow(clippy::struct_field_names, reason = "they are the names of the options")]
pub(super) struct Tls {
    /// Ask inside of TLS, and not at all without it; whoever names one of its files means that, too
    #[arg(long, env = "LEASEQUERY_TLS", value_parser = clap::builder::FalseyValueParser::new())]
    tls: bool,
    /// The authority that vouches for the server (PEM)
    #[arg(long, value_name = "FILE", env = "LEASEQUERY_CA")]
    ca: Option<PathBuf>,
    /// The own certificate, with those between it and its authority (PEM)
    #[arg(long, value_name = "FILE", env = "LEASEQUERY_CERT")]
    cert: Option<PathBuf>,
    /// The key of the own certificate (PEM)
    #[arg(long, value_name = "FILE", env = "LEASEQUERY_KEY")]
    key: Option<PathBuf>,
    /// The name or address that the server's certificate has to have, if it is not HOST
    #[arg(long, value_name = "NAME", env = "LEASEQUERY_SERVER_NAME")]
    server_name: Option<String>,
}

impl Tls {
    /// What secure mode with a server needs, if it is wanted. The files are tried at once. Both sides show certificates
    /// (RFC 7724 section 8.1), so none of them can be left out.
    pub(super) fn client(&self, server: &Server, profile: &Profile) -> Result<Option<Client>, Ending> {
        let ca = self.ca.as_ref().or(profile.ca.as_ref());
        let certificate = self.cert.as_ref().or(profile.cert.as_ref());
        let key = self.key.as_ref().or(profile.key.as_ref());
        let name = self.server_name.as_ref().or(profile.server_name.as_ref());
        if !self.tls && ca.is_none() && certificate.is_none() && key.is_none() && name.is_none() {
            return Ok(None);
        }
        let (Some(ca), Some(certificate), Some(key)) = (ca, certificate, key) else {
            let all = [("--ca", ca), ("--cert", certificate), ("--key", key)];
            let missing: Vec<_> = all.iter().filter(|(_, file)| file.is_none()).map(|(option, _)| *option).collect();
            let text = format!("TLS needs certificates on both sides: {} FILE is missing", missing.join(" FILE, "));
            return Err(Ending::Usage(text));
        };
        let server_name = name.cloned().unwrap_or_else(|| server.host().to_owned());
        let client = Client { ca: ca.clone(), certificate: certificate.clone(), key: key.clone(), server_name };
        client.channel().map_err(|error| Ending::Usage(error.to_string()))?;
        Ok(Some(client))
    }
}
