use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use leasequery_client::Server;
use leasequery_tls::{self as tls, OwnCertificate, TlsError};
use rustls::pki_types::DnsName;
use toml::Spanned;

use crate::config::{Problem, raw};

/// Reads the certificates: what is wrong with them should be known before anything is bound.
pub(super) fn server(raw: &Spanned<raw::Tls>, directory: &Path) -> Result<Arc<tls::Server>, Problem> {
    let files = raw.get_ref();
    let path = |file: &Spanned<String>| directory.join(file.get_ref());
    let (certificate, key, client_ca) = (path(&files.certificate), path(&files.key), path(&files.client_ca));
    let crl = files.crl.as_ref().map(path);
    let loaded = tls::Server::load(&certificate, &key, &client_ca, crl.as_deref());
    loaded.map(Arc::new).map_err(|error| {
        let about = match &error {
            TlsError::Unreadable(file, _) | TlsError::Bad(file, _) | TlsError::Mismatch { key: file, .. } => Some(file),
            _ => None,
        };
        let keys = [Some(&files.certificate), Some(&files.key), Some(&files.client_ca), files.crl.as_ref()];
        let place = keys.into_iter().flatten().find(|key| about == Some(&path(key)));
        Problem::new(place.map_or_else(|| raw.span(), Spanned::span), error.to_string())
    })
}

/// What secure mode needs to follow a server; the files are tried at once.
pub(super) fn client(
    tls: &Spanned<raw::SourceTls>,
    server: &Server,
    directory: &Path,
    certificates: &mut Vec<OwnCertificate>,
) -> Result<Option<tls::Client>, Problem> {
    let files = match tls.get_ref() {
        raw::SourceTls::Word(word) if &**word == "off" => return Ok(None),
        raw::SourceTls::Word(word) => {
            let text = format!(
                "tls = \"{word}\" is unknown; \"off\" or {{ ca = \"…\", certificate = \"…\", key = \"…\" }} would be right"
            );
            return Err(Problem::new(tls.span(), text));
        }
        raw::SourceTls::Files(files) => files,
    };
    let client = tls::Client {
        ca: directory.join(&files.ca),
        certificate: directory.join(&files.certificate),
        key: directory.join(&files.key),
        server_name: files.server_name.clone().unwrap_or_else(|| server.host().to_owned()),
    };
    let bad = |error: TlsError| Problem::new(tls.span(), error.to_string());
    client.channel().map_err(bad)?;
    certificates.push(client.certificate().map_err(bad)?);
    Ok(Some(client))
}

/// Names of certificates: DNS names and addresses.
pub(super) fn names(raw: &Spanned<Vec<Spanned<String>>>) -> Result<Arc<[String]>, Problem> {
    if raw.get_ref().is_empty() {
        let text = "without a name no certificate would be accepted; leave certificate-names out to accept any";
        return Err(Problem::new(raw.span(), text));
    }
    let name = |text: &Spanned<String>| {
        let value = text.get_ref();
        if value.parse::<IpAddr>().is_ok() || DnsName::try_from(value.as_str()).is_ok() {
            Ok(value.clone())
        } else {
            let text_ = format!("\"{value}\" is neither a DNS name nor an address that a certificate could have");
            Err(Problem::new(text.span(), text_))
        }
    };
    raw.get_ref().iter().map(name).collect()
}
