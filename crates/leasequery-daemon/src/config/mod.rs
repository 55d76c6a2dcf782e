//! The configuration of `serve`: read, checked as a whole, and without side effects.

mod check;
mod http;
mod mistakes;
mod raw;
mod requestors;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use leasequery_record::Protocol;
use leasequery_store::{Link, VpnName};
use leasequery_tls as tls;
use serde::de::DeserializeOwned;

pub use http::{Http, Token};
pub use requestors::{OverHttp, Proof, Refusal, Requestor, Requestors};

/// A configuration that holds together.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the durable copy is; `None` keeps nothing over a restart.
    pub state_dir: Option<PathBuf>,
    /// Where to listen.
    pub listeners: Vec<Listener>,
    /// Where HTTP is answered, if it is.
    pub http: Option<Http>,
    /// Certificates, as they were when the configuration was read.
    pub tls: Option<Arc<tls::Server>>,
    /// All certificates that are shown to somebody: the server's, and those with which others are followed.
    pub certificates: Vec<tls::OwnCertificate>,
    /// Who may ask.
    pub requestors: Arc<Requestors>,
    /// Limits.
    pub limits: Limits,
    /// Whose leases are served.
    pub sources: Vec<Source>,
    /// Addresses configured here.
    pub networks: Vec<NetworkConfig>,
    /// Links of DHCPv6 configured here.
    pub links: Vec<Link>,
    /// What is accepted and should be looked at all the same.
    pub warnings: Vec<String>,
    /// Where files are named that are read later, for what is wrong with those.
    named: Vec<Named>,
}

/// Where a configuration names a file.
#[derive(Debug, Clone)]
struct Named {
    path: PathBuf,
    file: PathBuf,
    /// Line and column, both from 1.
    place: (usize, usize),
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// For what.
    pub transport: Transport,
    /// What is answered there.
    pub service: Service,
    /// Whether active queries are answered.
    pub active: bool,
    /// Whether TLS is required.
    pub secure: bool,
}

/// How queries come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// On connections.
    Tcp,
    /// One by one.
    Udp,
}

/// What a listener answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// DHCPv4.
    V4 {
        /// What replies name as the server; `None` is the address asked.
        server_id: Option<Ipv4Addr>,
    },
    /// DHCPv6.
    V6 {
        /// The server's DUID.
        server_id: Arc<[u8]>,
    },
}

impl Listener {
    /// How it is called in logs, and in the line that says where it listens.
    pub fn name(&self) -> &'static str {
        match (&self.service, self.transport) {
            (Service::V4 { .. }, Transport::Tcp) => "v4-tcp",
            (Service::V4 { .. }, Transport::Udp) => "v4-udp",
            (Service::V6 { .. }, Transport::Tcp) => "v6-tcp",
            (Service::V6 { .. }, Transport::Udp) => "v6-udp",
        }
    }
}

/// Limits of connections and of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections of each listener (BULK_LQ_MAX_CONNS).
    pub connections: usize,
    /// Connections of one address to each listener.
    pub connections_per_requestor: usize,
    /// Queries answered side by side on a connection.
    pub queries_per_connection: usize,
    /// BULK_LQ_DATA_TIMEOUT.
    pub data_timeout: Duration,
    /// ACTIVE_LQ_SEND_TIMEOUT.
    pub active_send_timeout: Duration,
    /// ACTIVE_LQ_IDLE_TIMEOUT.
    pub active_idle_timeout: Duration,
    /// Seconds for which ended bindings are kept.
    pub history: u32,
}

impl Default for Limits {
    /// RFC 6926 section 6.3, RFC 7724 section 5.3, and a day.
    fn default() -> Self {
        Self {
            connections: 10,
            connections_per_requestor: 10,
            queries_per_connection: 4,
            data_timeout: Duration::from_mins(5),
            active_send_timeout: Duration::from_mins(2),
            active_idle_timeout: Duration::from_mins(1),
            history: 24 * 60 * 60,
        }
    }
}

/// Where leases come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A lease file of Kea.
    KeaMemfile {
        /// Whose leases are in it.
        protocol: Protocol,
        /// The file.
        path: PathBuf,
        /// Kea's configuration.
        kea_config: Option<PathBuf>,
        /// The VPN of all its leases.
        vpn: Option<VpnName>,
    },
    /// Another leasequery server.
    Leasequery {
        /// Which it is asked for.
        protocol: Protocol,
        /// `HOST:PORT`.
        server: String,
        /// What secure mode needs; `None` follows in the clear.
        tls: Option<tls::Client>,
        /// The only link to follow.
        link: Option<Ipv6Addr>,
        /// The only VPN to follow.
        vpn: Option<VpnName>,
        /// Codes of options that it is asked for besides the usual ones.
        options: Vec<u16>,
        /// How often it is asked for changes if it has no Active Leasequery.
        poll: Duration,
        /// How often it is asked for everything, to find what is no longer there.
        sweep: Duration,
        /// `ACTIVE_LQ_RCV_TIMEOUT`: after how long without a message a connection with an active query is given up.
        active_receive_timeout: Duration,
    },
    /// A Unix socket that takes records.
    Push {
        /// The socket.
        path: PathBuf,
    },
}

impl Source {
    /// Whose leases it has; `None` is of both.
    pub fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::KeaMemfile { protocol, .. } | Self::Leasequery { protocol, .. } => Some(*protocol),
            Self::Push { .. } => None,
        }
    }

    /// How the source is called in logs and in the store, which keeps by it what it told: however it is written in the
    /// configuration, and whether it can be had or not.
    pub fn name(&self) -> String {
        match self {
            Self::KeaMemfile { path, .. } => format!("kea-memfile {}", plain(path).display()),
            Self::Leasequery { server, vpn: Some(vpn), .. } => {
                format!("leasequery {server} VPN {}", leasequery_record::vpn_name_text(vpn))
            }
            Self::Leasequery { server, link: Some(link), .. } => format!("leasequery {server} link {link}"),
            Self::Leasequery { server, .. } => format!("leasequery {server}"),
            Self::Push { path } => format!("push {}", plain(path).display()),
        }
    }
}

/// A path without `.` and `..`. It need not be there, so links are not followed, and it is not for opening.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            // The parent of the root is the root.
            Component::ParentDir => drop(plain.pop()),
            _ => plain.push(component),
        }
    }
    plain
}

/// Addresses configured here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// First and last address of each range.
    pub ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Their VPN.
    pub vpn: Option<VpnName>,
}

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    /// Line and column, both from 1.
    place: Option<(usize, usize)>,
    text: String,
}

impl ConfigError {
    /// Line and column, both from 1; `None` if there is no text.
    pub fn place(&self) -> Option<(usize, usize)> {
        self.place
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.text)
    }
}

impl std::error::Error for ConfigError {}

/// A problem at a place in the text.
#[derive(Debug)]
struct Problem {
    span: Range<usize>,
    text: String,
}

impl Problem {
    fn new(span: Range<usize>, text: impl Into<String>) -> Self {
        Self { span, text: text.into() }
    }

    fn in_file(self, text: &str, file: &Path) -> ConfigError {
        let place = Some(line_and_column(text, self.span.start));
        ConfigError { file: file.to_owned(), place, text: self.text }
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    leasequery_live::files::read_to_string(file).map_err(|error| ConfigError {
        file: file.to_owned(),
        place: None,
        text: format!("cannot be read: {error}"),
    })
}

impl Config {
    /// Reads and checks a file.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::check(&read(file)?, file)
    }

    /// Where the daemon of a configuration answers HTTP, if it does. Nothing else is looked at: whoever asks the daemon how it is
    /// need not be able to read its certificates.
    pub fn http_of(file: &Path) -> Result<Option<Http>, ConfigError> {
        let text = read(file)?;
        let http = mistakes::parse::<raw::Config>(&text)
            .and_then(|raw| raw.http.as_ref().map(|http| check::http(http, &[], raw.tls.is_some())).transpose());
        http.map_err(|problem| problem.in_file(&text, file))
    }

    /// Checks the text of a file. Nothing is read but the certificates that it names.
    pub fn check(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let directory = file.parent().unwrap_or(Path::new(""));
        let checked = mistakes::parse::<raw::Config>(text).and_then(|raw| {
            let named = raw.source.iter().filter_map(|source| source.kea_config.as_ref()).map(|path| Named {
                path: directory.join(path.get_ref()),
                file: file.to_owned(),
                place: line_and_column(text, path.span().start),
            });
            let named = named.collect();
            Ok(Self { named, ..check::check(raw, directory)? })
        });
        checked.map_err(|problem| problem.in_file(text, file))
    }

    /// What is wrong with a file that the configuration names: with the place where it does.
    pub fn problem_with(&self, path: &Path, text: String) -> ConfigError {
        match self.named.iter().find(|named| named.path == path) {
            Some(named) => ConfigError { file: named.file.clone(), place: Some(named.place), text },
            None => ConfigError { file: path.to_owned(), place: None, text },
        }
    }
}

/// Reads a file of tables, each with a name, whose mistakes are told as those of a configuration are.
pub fn read_tables<T: DeserializeOwned>(file: &Path) -> Result<BTreeMap<String, T>, ConfigError> {
    let error = |place, text| ConfigError { file: file.to_owned(), place, text };
    let text = std::fs::read_to_string(file).map_err(|problem| error(None, format!("cannot be read: {problem}")))?;
    mistakes::parse(&text).map_err(|problem| error(Some(line_and_column(&text, problem.span.start)), problem.text))
}

/// Line and column of an offset, in characters and from 1.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests;
