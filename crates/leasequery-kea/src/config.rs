//! What Kea's configuration says about addresses, timers and links.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};

use super::cast;
use super::family::Family;
use super::json::{self, JsonError};

/// The part of Kea's configuration that leasequery needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Config<F: Family> {
    pub(super) subnets: F::Subnets,
    count: usize,
    /// Numbers of the subnets for which Kea keeps no relay information, of all subnets.
    without_extended_info: Vec<u32>,
    lease_file: LeaseFile,
    warnings: Vec<String>,
}

/// Where Kea keeps its leases (kea's `lease-database`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseFile {
    /// In this file; a relative name is seen from Kea's directory.
    At(PathBuf),
    /// In no file, and why.
    None(String),
}

/// A configuration that can be exchanged while somebody uses it. It begins as one of which nothing is known.
#[derive(Debug)]
pub struct CurrentConfig<F: Family> {
    config: RwLock<Arc<Config<F>>>,
    /// How often it was exchanged.
    generation: AtomicU64,
}

impl<F: Family> CurrentConfig<F> {
    /// Begins with `config`.
    pub fn new(config: Config<F>) -> Self {
        let current = Self::default();
        current.set(config);
        current
    }

    /// Whether it has ever been read.
    pub fn is_read(&self) -> bool {
        self.generation() > 0
    }

    /// How often it was exchanged.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What holds now.
    pub fn get(&self) -> Arc<Config<F>> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What holds from now on.
    pub fn set(&self, config: Config<F>) {
        if self.is_read() && *self.get() == config {
            return;
        }
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl<F: Family> Default for CurrentConfig<F> {
    fn default() -> Self {
        Self { config: RwLock::new(Arc::new(Config::unread())), generation: AtomicU64::new(0) }
    }
}

/// The scopes from the innermost to the global one; the first that has a value decides.
pub(super) type Scopes<'a> = [&'a Map<String, Value>];

impl<F: Family> Config<F> {
    /// That of which nothing is known.
    pub(super) fn unread() -> Self {
        Self {
            subnets: F::Subnets::default(),
            count: 0,
            without_extended_info: Vec::new(),
            lease_file: LeaseFile::At(F::LEASE_FILE.into()),
            warnings: Vec::new(),
        }
    }

    /// Reads Kea's configuration.
    pub fn load(file: &Path) -> Result<Self, JsonError> {
        Self::load_with(file, &leasequery_live::files::read)
    }

    /// Reads Kea's configuration from files that `read` knows.
    pub fn load_with(file: &Path, read: &dyn Fn(&Path) -> io::Result<Vec<u8>>) -> Result<Self, JsonError> {
        let root = json::load(file, read)?;
        Self::from_json(&root)
            .ok_or_else(|| JsonError::new(file, &format!("there is no object \"{}\" in it", F::SCOPE)))
    }

    pub(super) fn from_json(root: &Value) -> Option<Self> {
        let global = root.get(F::SCOPE)?.as_object()?;
        let mut config = Self { lease_file: lease_file(global, F::LEASE_FILE), ..Self::unread() };
        for (name, what) in [
            ("hosts-database", "reservations"),
            ("hosts-databases", "reservations"),
            ("config-control", "subnets, pools and options"),
        ] {
            if global.contains_key(name) {
                config.warnings.push(format!("{name}: {what} may be in a database, which is not seen here"));
            }
        }
        // Kea before 2.6 counts the subnets that have no number, those of shared networks first.
        let mut number = 0;
        // A link is a shared network, or else a subnet.
        let mut link = 0;
        for network in objects(global.get("shared-networks")) {
            for subnet in objects(network.get(F::SUBNETS)) {
                config.add_subnet(&[subnet, network, global], &mut number, link);
            }
            link += 1;
        }
        for subnet in objects(global.get(F::SUBNETS)) {
            config.add_subnet(&[subnet, global], &mut number, link);
            link += 1;
        }
        F::global(&mut config.subnets, global, &mut config.warnings);
        Some(config)
    }

    /// Where Kea keeps its leases.
    pub fn lease_file(&self) -> &LeaseFile {
        &self.lease_file
    }

    /// What could not be taken as it stands there.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Names the subnets for which Kea keeps no relay information, if there are any.
    pub fn without_extended_info(&self) -> Option<String> {
        match self.without_extended_info.len() {
            0 => None,
            all if all == self.count => Some("in all subnets".to_owned()),
            _ => {
                let numbers: Vec<_> = self.without_extended_info.iter().take(20).map(ToString::to_string).collect();
                Some(format!(
                    "in {} of {} subnets: {}",
                    self.without_extended_info.len(),
                    self.count,
                    numbers.join(", ")
                ))
            }
        }
    }

    fn add_subnet(&mut self, scopes: &Scopes<'_>, number: &mut u32, link: usize) {
        let Some(subnet) = scopes.first() else { return };
        let id = subnet.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()).filter(|id| *id != 0);
        let id = id.unwrap_or_else(|| {
            *number += 1;
            *number
        });
        F::subnet(&mut self.subnets, scopes, id, link, &mut self.warnings);
        self.count += 1;
        if !find(scopes, "store-extended-info").and_then(Value::as_bool).unwrap_or(false) {
            self.without_extended_info.push(id);
        }
    }
}

fn lease_file(global: &Map<String, Value>, usual: &str) -> LeaseFile {
    let name = match global.get("lease-database").and_then(Value::as_object) {
        None => None,
        Some(database) => {
            match database.get("type").and_then(Value::as_str) {
                None | Some("memfile") => {}
                Some(other) => return LeaseFile::None(format!("leases are kept in {other}")),
            }
            if database.get("persist").and_then(Value::as_bool) == Some(false) {
                return LeaseFile::None("\"persist\" is false".to_owned());
            }
            database.get("name").and_then(Value::as_str)
        }
    };
    LeaseFile::At(name.unwrap_or(usual).into())
}

/// A number of seconds or the like, for which Kea takes any number and keeps 32 bits of it.
pub(super) fn number(value: &Value) -> Option<u32> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "that is what Kea does")]
    value.as_i64().map(|number| number as u32)
}

/// A network: an address, a slash and a length that may begin with a sign or zeros, with blanks anywhere.
pub(super) fn network(text: &str) -> Option<(&str, u8)> {
    let (address, length) = text.split_once('/')?;
    Some((address, u8::try_from(cast::u32("prefix", length.as_bytes()).ok()?).ok()?))
}

/// The objects in a list.
pub(super) fn objects(list: Option<&Value>) -> impl Iterator<Item = &Map<String, Value>> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The value that holds in the innermost scope.
pub(super) fn find<'a>(scopes: &Scopes<'a>, name: &str) -> Option<&'a Value> {
    scopes.iter().find_map(|scope| scope.get(name))
}

#[cfg(test)]
mod tests;
