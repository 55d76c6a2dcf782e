//! What `serve` will meet: looked at without changing anything, for `serve --check`.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use jiff::Timestamp;
use leasequery_kea::{self as kea, LeaseFile, Status};
use leasequery_live::registry::Registry;
use leasequery_live::{Feed, Stores};
use leasequery_record::Protocol;
use leasequery_store::{Settings, VpnIndex};
use nix::unistd::{AccessFlags, access};

use crate::config::{Config, Listener, Source, Transport};
use crate::listeners::unbound;
use crate::sources::Configured;

/// What was found.
#[derive(Debug, Default)]
pub struct Prospect {
    /// What is there, a line each.
    pub summary: String,
    /// What will surprise.
    pub warnings: Vec<String>,
    /// What cannot work.
    pub errors: Vec<String>,
}

impl Prospect {
    /// Looks at everything that a configuration names on this machine. The files of Kea's that it names can be read.
    pub fn of(config: &Config) -> Self {
        let mut prospect = Self::default();
        for listener in &config.listeners {
            prospect.look_at_listener(listener);
        }
        if let Some(http) = &config.http {
            prospect.judge(http.address, TcpListener::bind(http.address).map(drop), &format!("http {}", http.address));
        }
        prospect.look_at_requestors(config);
        if let Some(directory) = &config.state_dir {
            prospect.look_at_state(directory);
        }
        prospect.look_at_sources(config);
        prospect.look_at_certificates(config);
        prospect
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.summary, "{line}");
    }

    /// Takes the address for a moment and gives it back.
    fn look_at_listener(&mut self, listener: &Listener) {
        let address = listener.address;
        let taken = match listener.transport {
            Transport::Tcp => TcpListener::bind(address).map(drop),
            Transport::Udp => UdpSocket::bind(address).map(drop),
        };
        self.judge(address, taken, &format!("listen {} {address}", listener.name().replace('-', " ")));
    }

    fn judge(&mut self, address: SocketAddr, taken: std::io::Result<()>, what: &str) {
        let Err(error) = taken else { return };
        let problem = format!("{what}: {}", unbound(address, &error));
        match error.kind() {
            // It may be the daemon that is to be restarted.
            ErrorKind::AddrInUse => self.warnings.push(problem),
            _ => self.errors.push(problem),
        }
    }

    /// Who can ask nowhere, whatever he may ask.
    fn look_at_requestors(&mut self, config: &Config) {
        for requestor in &config.requestors.0 {
            let asks = |listener: &&Listener| requestor.can_ask(listener);
            if requestor.over_http.allowed && config.http.is_some() {
                continue;
            }
            if !config.listeners.is_empty() && !config.listeners.iter().any(|listener| asks(&listener)) {
                self.warnings.push(format!(
                    "requestor \"{}\" cannot ask anywhere: no listener is of the family of its addresses and takes the kinds \
                     of query that it may send",
                    requestor.policy.name
                ));
            }
        }
    }

    fn look_at_state(&mut self, directory: &Path) {
        let what = format!("state-dir {}", directory.display());
        let existing = directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
        if !existing.is_dir() {
            self.errors.push(format!("{what}: {} is no directory", existing.display()));
        } else if access(existing, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
            self.errors.push(format!("{what}: this user may not write into {}", existing.display()));
        } else if directory.exists()
            && let Err(problem) = leasequery_live::disk::inspect(directory)
        {
            // It may be the daemon that is to be restarted.
            self.warnings.push(format!("{what}: {problem}"));
        }
    }

    fn look_at_certificates(&mut self, config: &Config) {
        let now = Timestamp::now();
        for certificate in &config.certificates {
            self.errors.extend(certificate.fault(now));
            self.warnings.extend(certificate.reminder(now).map(|(_, reminder)| reminder));
        }
        self.warnings.extend(config.tls.iter().flat_map(|tls| tls.outdated(now)));
    }

    fn look_at_sources(&mut self, config: &Config) {
        let (stores, registry) = (Stores::new(Settings::default()), Registry::default());
        let configured = Configured::new(stores.clone(), config);
        for source in &config.sources {
            let Source::KeaMemfile { protocol, path, vpn, kea_config } = source else { continue };
            match protocol {
                Protocol::V4 => {
                    let Some(feed) = Feed::open(&registry, &source.name(), &stores.v4) else { continue };
                    let vpn = vpn.as_ref().and_then(|vpn| stores.v4.write(|store| store.vpn(None, vpn)));
                    let kea = configured.kea_v4(feed.source);
                    let pools = kea.as_ref().map(|kea| {
                        let config = kea.get();
                        let addresses: u64 = config
                            .ranges()
                            .iter()
                            .map(|(first, last)| u64::from(u32::from(*last) - u32::from(*first)) + 1)
                            .sum();
                        format!("{} pools and reservations with {addresses} addresses", config.ranges().len())
                    });
                    self.look_at_kea(kea.as_ref().map(|kea| kea.get()).as_deref(), kea_config.as_deref());
                    let vpn = vpn.unwrap_or(VpnIndex::DEFAULT);
                    let follower = kea::Follower::new(path.clone(), kea, vpn, feed);
                    self.look_at_leases(&source.name(), pools, follower.look_once());
                }
                Protocol::V6 => {
                    let Some(feed) = Feed::open(&registry, &source.name(), &stores.v6) else { continue };
                    let kea = configured.kea_v6(feed.source);
                    let links = kea.as_ref().map(|kea| format!("{} links", kea.get().links().len()));
                    self.look_at_kea(kea.as_ref().map(|kea| kea.get()).as_deref(), kea_config.as_deref());
                    let follower = kea::v6::Follower::new(path.clone(), kea, VpnIndex::DEFAULT, feed);
                    self.look_at_leases(&source.name(), links, follower.look_once());
                }
            }
        }
    }

    fn look_at_kea<F: kea::Family>(&mut self, kea: Option<&kea::Config<F>>, path: Option<&Path>) {
        let (Some(kea), Some(path)) = (kea, path) else { return };
        let path = path.display();
        self.warnings.extend(kea.warnings().iter().map(|warning| format!("{path}: {warning}")));
        if let LeaseFile::None(reason) = kea.lease_file() {
            self.errors.push(format!("{path}: there is no lease file that could be followed: {reason}"));
        }
        if let Some(subnets) = kea.without_extended_info() {
            self.warnings
                .push(format!("{path}: store-extended-info is off ({subnets}): nothing is found by its relay"));
        }
    }

    fn look_at_leases(&mut self, name: &str, configured: Option<String>, found: Result<Status, String>) {
        let configured = configured.map(|what| format!("; {what}")).unwrap_or_default();
        match found {
            Ok(Status { leases, without_relay, broken, problem, .. }) => {
                let with = leases.saturating_sub(without_relay);
                self.line(format_args!(
                    "{name}: {leases} leases, {with} with relay data and {without_relay} without{configured}"
                ));
                if broken > 0 {
                    self.warnings.push(format!("{name}: {broken} lines are no rows"));
                }
                self.warnings.extend(problem.map(|problem| format!("{name}: {problem}")));
            }
            Err(problem) => self.errors.push(format!("{name}: {problem}")),
        }
    }
}

impl crate::config::Requestor {
    /// Whether it can send anything to a listener that is answered there.
    pub fn can_ask(&self, listener: &Listener) -> bool {
        let SocketAddr::V4(_) = listener.address else {
            return self.addresses.iter().any(|net| net.addr().is_ipv6()) && self.is_served(listener);
        };
        self.addresses.iter().any(|net| net.addr().is_ipv4()) && self.is_served(listener)
    }

    fn is_served(&self, listener: &Listener) -> bool {
        let allow = self.policy.allow;
        match listener.transport {
            Transport::Udp => allow.udp,
            Transport::Tcp => allow.bulk || (allow.active && listener.active),
        }
    }
}
