//! Where leases come from. A source turns somebody's lease state into commits and resumes where it stopped.

pub mod kea;
pub mod leasequery;
pub mod push;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use leasequery_store::{Network, SourceId, Store, V4Key, VpnIndex, VpnName};
use tracing::{error, warn};

use crate::config::{Config, Source};
use crate::serve::Stores;

/// What is configured, here and in the DHCP servers: the addresses, and what else their sources need to know.
#[derive(Debug)]
pub struct Configured {
    stores: Stores,
    /// Kea's configurations by the sources they belong to.
    kea: Mutex<HashMap<SourceId, Arc<kea::CurrentConfig>>>,
}

/// Reads what the sources read when they start, for nothing but its mistakes.
pub fn check(config: &Config) -> anyhow::Result<()> {
    for source in &config.sources {
        if let Source::KeaMemfile { kea_config: Some(path), .. } = source {
            kea::KeaConfig::load(path).context("kea-config")?;
        }
    }
    Ok(())
}

impl Configured {
    /// Reads everything and tells the store which addresses are configured.
    pub fn new(stores: Stores, config: &Config) -> anyhow::Result<Arc<Self>> {
        let configured = Self { stores, kea: Mutex::new(HashMap::new()) };
        for (id, path, leases) in configured.kea_files(config) {
            let kea = kea::KeaConfig::load(&path).with_context(|| "kea-config")?;
            configured.set_kea(id, kea, &path, &leases);
        }
        configured.set_networks(config);
        Ok(Arc::new(configured))
    }

    /// Reads everything anew. A file of Kea's that cannot be read leaves what it said before.
    pub fn reload(&self, config: &Config) {
        for (id, path, leases) in self.kea_files(config) {
            match kea::KeaConfig::load(&path) {
                Ok(kea) => self.set_kea(id, kea, &path, &leases),
                Err(problem) => error!("kea-config: the old one stays: {problem}"),
            }
        }
        self.set_networks(config);
    }

    /// Kea's configuration for a source, if it has one.
    pub fn kea_config(&self, source: SourceId) -> Option<Arc<kea::CurrentConfig>> {
        self.kea.lock().unwrap_or_else(PoisonError::into_inner).get(&source).cloned()
    }

    /// Configurations of Kea's, with the lease files that are followed.
    fn kea_files(&self, config: &Config) -> Vec<(SourceId, PathBuf, PathBuf)> {
        let files = config.sources.iter().filter_map(|source| match source {
            Source::KeaMemfile { kea_config: Some(kea_config), path, .. } => {
                let id = self.stores.v4.write(|store| store.source(&source.name()))?;
                Some((id, kea_config.clone(), path.clone()))
            }
            _ => None,
        });
        files.collect()
    }

    fn set_kea(&self, id: SourceId, kea: kea::KeaConfig, path: &Path, leases: &Path) {
        for warning in kea.warnings() {
            warn!("{}: {warning}", path.display());
        }
        match kea.lease_file() {
            kea::LeaseFile::At(file) if is_same_file(file, leases) => {}
            kea::LeaseFile::At(file) => {
                warn!("{}: the lease file is {}, but {} is followed", path.display(), file.display(), leases.display());
            }
            kea::LeaseFile::None(reason) => warn!("{}: there is no lease file: {reason}", path.display()),
        }
        if let Some(subnets) = kea.without_extended_info() {
            warn!(
                "{}: store-extended-info is off ({subnets}): Kea keeps no relay agent information there, and queries by \
                 Remote ID or Relay-ID will find nothing",
                path.display()
            );
        }
        let mut known = self.kea.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&id) {
            Some(current) => current.set(kea),
            None => {
                known.insert(id, Arc::new(kea::CurrentConfig::new(kea)));
            }
        }
    }

    fn set_networks(&self, config: &Config) {
        let kea = self.kea.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.stores.v4.write(|store| {
            let since = store.now();
            let mut networks = Vec::new();
            let mut add = |vpn: VpnIndex, ranges: &[(std::net::Ipv4Addr, std::net::Ipv4Addr)]| {
                networks.extend(ranges.iter().map(|(first, last)| Network {
                    first: V4Key { vpn, address: *first },
                    last: V4Key { vpn, address: *last },
                    since,
                }));
            };
            let index = |store: &mut Store<V4Key>, name: &Option<VpnName>| match name {
                Some(name) => store.vpn(name),
                None => Some(VpnIndex::DEFAULT),
            };
            for network in &config.networks {
                if let Some(vpn) = index(store, &network.vpn) {
                    add(vpn, &network.ranges);
                }
            }
            for source in &config.sources {
                let Source::KeaMemfile { vpn, .. } = source else { continue };
                let (Some(id), Some(vpn)) = (store.source(&source.name()), index(store, vpn)) else { continue };
                if let Some(kea) = kea.get(&id) {
                    add(vpn, kea.get().ranges());
                }
            }
            store.set_networks(None, &networks);
        });
        self.stores.v6.write(|store| store.set_links(None, config.links.clone()));
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
