use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use leasequery_kea as kea;
use leasequery_live::{Running, SharedStore, Stores};
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
    /// What was read last of ours.
    ours: Mutex<Config>,
}

/// Kea's configurations by the sources they belong to.
#[derive(Debug)]
struct KeaConfigs<F: kea::Family> {
    known: Mutex<HashMap<SourceId, Arc<kea::CurrentConfig<F>>>>,
    /// Why those that have never been read cannot be.
    problems: Mutex<HashMap<SourceId, String>>,
}

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
        let ours = Mutex::new(config.clone());
        let configured = Self { stores, v4: KeaConfigs::new(), v6: KeaConfigs::new(), ours };
        configured.reload(config);
        Arc::new(configured)
    }

    /// Reads everything anew. A file of Kea's that cannot be read leaves what it said before; if it has not said anything,
    /// it is not known what that source has configured.
    pub fn reload(&self, config: &Config) {
        let mut ours = lock(&self.ours);
        self.v4.load(kea_files(config, Protocol::V4, &self.stores.v4), &self.stores.v4);
        self.v6.load(kea_files(config, Protocol::V6, &self.stores.v6), &self.stores.v6);
        self.set_networks(config);
        self.set_links(config);
        ours.clone_from(config);
    }

    /// Reads the files of Kea's that could never be read, as soon as they can be: nobody has to say that they are there.
    pub async fn wait_for_files(self: Arc<Self>, mut running: Running) {
        loop {
            tokio::select! {
                () = running.over() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
            let configured = Arc::clone(&self);
            // Nothing can be done about one that panics, and the next one may not.
            let _ = tokio::task::spawn_blocking(move || configured.read_missing()).await;
        }
    }

    fn read_missing(&self) {
        if !self.v4.is_any_missing() && !self.v6.is_any_missing() {
            return;
        }
        let config = lock(&self.ours);
        let mut v4 = kea_files(&config, Protocol::V4, &self.stores.v4);
        v4.retain(|files| self.v4.is_missing(files.source));
        if self.v4.load(v4, &self.stores.v4) {
            self.set_networks(&config);
        }
        let mut v6 = kea_files(&config, Protocol::V6, &self.stores.v6);
        v6.retain(|files| self.v6.is_missing(files.source));
        if self.v6.load(v6, &self.stores.v6) {
            self.set_links(&config);
        }
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

/// How often it is looked whether a file can be read.
const AGAIN: Duration = Duration::from_secs(1);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F: kea::Family> KeaConfigs<F> {
    fn new() -> Self {
        Self { known: Mutex::default(), problems: Mutex::default() }
    }

    fn get(&self, source: SourceId) -> Option<Arc<kea::CurrentConfig<F>>> {
        lock(&self.known).get(&source).cloned()
    }

    fn is_missing(&self, source: SourceId) -> bool {
        lock(&self.problems).contains_key(&source)
    }

    fn is_any_missing(&self) -> bool {
        !lock(&self.problems).is_empty()
    }

    /// That of a source, if it has ever been read.
    fn read(&self, source: SourceId) -> Option<Arc<kea::Config<F>>> {
        self.get(source).filter(|config| config.is_read()).map(|config| config.get())
    }

    /// Reads configurations, and says whether any could be.
    fn load(&self, all: Vec<KeaFiles>, shared: &SharedStore<F::Key>) -> bool {
        let mut has_read = false;
        for files in all {
            let source = files.source;
            match kea::Config::load(&files.config) {
                Ok(kea) => {
                    has_read = true;
                    lock(&self.problems).remove(&source);
                    self.set(kea, &files);
                    shared.write(|store| store.set_configured(source));
                }
                Err(problem) if self.read(source).is_some() => error!("{}: the old one stays: {problem}", files.named),
                Err(problem) => {
                    lock(&self.known).entry(source).or_default();
                    let problem = problem.to_string();
                    if lock(&self.problems).insert(source, problem.clone()).is_some_and(|before| before == problem) {
                        // That has been said.
                        continue;
                    }
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
        has_read
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
        let mut known = lock(&self.known);
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
