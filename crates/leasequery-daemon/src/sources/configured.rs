use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use leasequery_kea as kea;
use leasequery_live::{SharedStore, Stores};
use leasequery_record::Protocol;
use leasequery_store::{Key, Network, SourceId, Store, Time, V4Key, VpnIndex, VpnName};
use tracing::{error, warn};

use crate::config::{Config, ConfigError, Source};

/// What is configured, here and in the DHCP servers: the addresses and links, and what else their sources need to know.
#[derive(Debug)]
pub struct Configured {
    stores: Stores,
    v4: KeaConfigs<kea::v4::V4>,
    v6: KeaConfigs<kea::v6::V6>,
}

/// Kea's configurations by the sources they belong to.
#[derive(Debug)]
struct KeaConfigs<F: kea::Family>(Mutex<HashMap<SourceId, Arc<kea::CurrentConfig<F>>>>);

/// A source that follows a lease file and has a configuration of Kea's.
#[derive(Debug)]
struct KeaFiles {
    source: SourceId,
    config: PathBuf,
    /// How the configuration is named in ours, with the place.
    named: String,
    leases: PathBuf,
}

/// Reads what the sources read when they start, for nothing but its mistakes.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    for source in &config.sources {
        let Source::KeaMemfile { protocol, kea_config: Some(path), .. } = source else { continue };
        let read = match protocol {
            Protocol::V4 => kea::v4::KeaConfig::load(path).map(drop).map_err(|problem| problem.to_string()),
            Protocol::V6 => kea::v6::KeaConfig::load(path).map(drop).map_err(|problem| problem.to_string()),
        };
        read.map_err(|problem| config.problem_with(path, format!("kea-config: {problem}")))?;
    }
    Ok(())
}

impl Configured {
    /// Reads everything and tells the stores what is configured.
    pub fn new(stores: Stores, config: &Config) -> Arc<Self> {
        let configured = Self { stores, v4: KeaConfigs::new(), v6: KeaConfigs::new() };
        configured.reload(config);
        Arc::new(configured)
    }

    /// Reads everything anew. A file of Kea's that cannot be read leaves what it said before; if it has not said anything,
    /// it is not known what that source has configured.
    pub fn reload(&self, config: &Config) {
        self.v4.load(kea_files(config, Protocol::V4, &self.stores.v4), &self.stores.v4);
        self.v6.load(kea_files(config, Protocol::V6, &self.stores.v6), &self.stores.v6);
        self.set_networks(config);
        self.set_links(config);
    }

    /// Kea's configuration for a source of DHCPv4, if it has one.
    pub fn kea_v4(&self, source: SourceId) -> Option<Arc<kea::v4::CurrentConfig>> {
        self.v4.get(source)
    }

    /// Kea's configuration for a source of DHCPv6, if it has one.
    pub fn kea_v6(&self, source: SourceId) -> Option<Arc<kea::v6::CurrentConfig>> {
        self.v6.get(source)
    }

    fn set_networks(&self, config: &Config) {
        self.stores.v4.write(|store| {
            let since = store.now();
            let mut networks = Vec::new();
            let index = |store: &mut Store<V4Key>, name: &Option<VpnName>| match name {
                Some(name) => store.vpn(None, name),
                None => Some(VpnIndex::DEFAULT),
            };
            for network in &config.networks {
                if let Some(vpn) = index(store, &network.vpn) {
                    networks.extend(networks_of(vpn, &network.ranges, since));
                }
            }
            store.set_networks(None, &networks);
            for source in &config.sources {
                let Source::KeaMemfile { protocol: Protocol::V4, vpn, kea_config, .. } = source else { continue };
                let (Some(id), Some(vpn)) = (store.source(&source.name()), index(store, vpn)) else { continue };
                let ranges = match self.v4.read(id) {
                    Some(kea) => kea.ranges().to_vec(),
                    None if kea_config.is_none() => Vec::new(),
                    // What an earlier run knew of it stands.
                    None => continue,
                };
                store.set_networks(Some(id), &networks_of(vpn, &ranges, since));
            }
        });
    }

    fn set_links(&self, config: &Config) {
        self.stores.v6.write(|store| {
            store.set_links(None, config.links.clone());
            for source in &config.sources {
                let Source::KeaMemfile { protocol: Protocol::V6, .. } = source else { continue };
                let Some(id) = store.source(&source.name()) else { continue };
                if let Some(kea) = self.v6.read(id) {
                    store.set_links(Some(id), kea.links());
                }
            }
        });
    }
}

/// Ranges of addresses as the store has them.
fn networks_of(vpn: VpnIndex, ranges: &[(Ipv4Addr, Ipv4Addr)], since: Time) -> Vec<Network<V4Key>> {
    let key = |address| V4Key { vpn, address };
    ranges.iter().map(|(first, last)| Network { first: key(*first), last: key(*last), since }).collect()
}

/// The sources of a protocol that have a configuration of Kea's.
fn kea_files<K: Key>(ours: &Config, wanted: Protocol, shared: &SharedStore<K>) -> Vec<KeaFiles> {
    let files = ours.sources.iter().filter_map(|source| match source {
        Source::KeaMemfile { protocol, kea_config: Some(config), path, .. } if *protocol == wanted => {
            let source = shared.write(|store| store.source(&source.name()))?;
            let named = ours.problem_with(config, "kea-config".to_owned()).to_string();
            Some(KeaFiles { source, config: config.clone(), named, leases: path.clone() })
        }
        _ => None,
    });
    files.collect()
}

impl<F: kea::Family> KeaConfigs<F> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn get(&self, source: SourceId) -> Option<Arc<kea::CurrentConfig<F>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&source).cloned()
    }

    /// That of a source, if it has ever been read.
    fn read(&self, source: SourceId) -> Option<Arc<kea::Config<F>>> {
        self.get(source).filter(|config| config.is_read()).map(|config| config.get())
    }

    fn load(&self, all: Vec<KeaFiles>, shared: &SharedStore<F::Key>) {
        for files in all {
            let source = files.source;
            match kea::Config::load(&files.config) {
                Ok(kea) => {
                    self.set(kea, &files);
                    shared.write(|store| store.set_configured(source));
                }
                Err(problem) if self.read(source).is_some() => error!("{}: the old one stays: {problem}", files.named),
                Err(problem) => {
                    let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    known.entry(source).or_default();
                    drop(known);
                    let kept = shared.write(|store| {
                        let kept = !store.networks_of(Some(source)).is_empty();
                        if !kept {
                            store.await_networks(source, &format!("kea-config: {problem}"));
                        }
                        kept
                    });
                    let stays =
                        if kept { "what the last run knew of it stays" } else { "what is configured is not known" };
                    error!("{}: {problem}: {stays}, and the lease file is served", files.named);
                }
            }
        }
    }

    fn set(&self, kea: kea::Config<F>, files: &KeaFiles) {
        let (path, leases) = (files.config.display(), &files.leases);
        for warning in kea.warnings() {
            warn!("{path}: {warning}");
        }
        match kea.lease_file() {
            kea::LeaseFile::At(file) if is_same_file(file, leases) => {}
            kea::LeaseFile::At(file) => {
                warn!("{path}: the lease file is {}, but {} is followed", file.display(), leases.display());
            }
            kea::LeaseFile::None(reason) => warn!("{path}: there is no lease file: {reason}"),
        }
        if let Some(subnets) = kea.without_extended_info() {
            warn!(
                "{path}: store-extended-info is off ({subnets}): Kea keeps no {} there, and queries by Remote ID or \
                 Relay-ID will find nothing",
                F::RELAY_DATA
            );
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&files.source) {
            Some(current) => current.set(kea),
            None => {
                known.insert(files.source, Arc::new(kea::CurrentConfig::new(kea)));
            }
        }
    }
}

/// Whether a file that Kea knows by one name may be the one that is followed by another. Kea sees relative names from a
/// directory of its own.
fn is_same_file(kea: &Path, followed: &Path) -> bool {
    if kea.is_relative() {
        return kea.file_name() == followed.file_name();
    }
    kea == followed || matches!((kea.canonicalize(), followed.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
