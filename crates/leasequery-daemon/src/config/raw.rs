//! The configuration as it stands in the file. Everything that is checked later knows its place.

use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Config {
    pub(super) state_dir: Option<String>,
    #[serde(default)]
    pub(super) listen: Vec<Spanned<Listen>>,
    pub(super) tls: Option<Spanned<Tls>>,
    #[serde(default)]
    pub(super) requestor: Vec<Requestor>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) source: Vec<Source>,
    #[serde(default)]
    pub(super) network: Vec<Network>,
    pub(super) http: Option<Spanned<toml::Table>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: Spanned<String>,
    pub(super) key: Spanned<String>,
    pub(super) client_ca: Spanned<String>,
    pub(super) crl: Option<Spanned<String>>,
}

/// `"off"`, or what secure mode needs.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "tls is \"off\", or { ca = \"…\", certificate = \"…\", key = \"…\", server-name = \"…\" }"
)]
pub(super) enum SourceTls {
    Word(String),
    Files(ClientTls),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ClientTls {
    pub(super) ca: String,
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) server_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Listen {
    pub(super) protocol: Spanned<String>,
    pub(super) transport: Spanned<String>,
    pub(super) address: Spanned<String>,
    pub(super) tls: Option<Spanned<String>>,
    pub(super) active: Option<Spanned<bool>>,
    pub(super) server_id: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Requestor {
    pub(super) name: Spanned<String>,
    pub(super) addresses: Spanned<Vec<Spanned<String>>>,
    pub(super) certificate_names: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) allow: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) withhold_options: Vec<Spanned<i64>>,
    #[serde(default)]
    pub(super) own_bindings_only: bool,
    pub(super) vpns: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) connections: Option<Spanned<i64>>,
    pub(super) connections_per_requestor: Option<Spanned<i64>>,
    pub(super) queries_per_connection: Option<Spanned<i64>>,
    pub(super) data_timeout: Option<Spanned<f64>>,
    pub(super) active_send_timeout: Option<Spanned<f64>>,
    pub(super) active_idle_timeout: Option<Spanned<f64>>,
    pub(super) history: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Source {
    #[serde(rename = "type")]
    pub(super) kind: Spanned<String>,
    pub(super) protocol: Option<Spanned<String>>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) kea_config: Option<Spanned<String>>,
    pub(super) vpn: Option<Spanned<String>>,
    pub(super) server: Option<Spanned<String>>,
    pub(super) link: Option<Spanned<String>>,
    pub(super) tls: Option<Spanned<SourceTls>>,
    pub(super) options: Option<Spanned<Vec<Spanned<i64>>>>,
    pub(super) poll: Option<Spanned<String>>,
    pub(super) sweep: Option<Spanned<String>>,
    pub(super) active_receive_timeout: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Network {
    pub(super) protocol: Spanned<String>,
    #[serde(default)]
    pub(super) ranges: Vec<Spanned<String>>,
    pub(super) vpn: Option<Spanned<String>>,
    pub(super) link: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) prefixes: Vec<Spanned<String>>,
}
