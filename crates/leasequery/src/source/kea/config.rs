//! What Kea's configuration says about addresses and timers.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ipnet::Ipv4Net;
use serde_json::{Map, Value};

use super::json::{self, JsonError};

/// The part of Kea's configuration that leasequery needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KeaConfig {
    /// Pools and reserved addresses.
    ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// By subnet number.
    timers: HashMap<u32, Timers>,
    /// Numbers of the subnets for which Kea keeps no relay information, of all subnets.
    without_extended_info: Vec<u32>,
    subnets: usize,
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

impl Default for LeaseFile {
    fn default() -> Self {
        Self::At("/var/lib/kea/kea-leases4.csv".into())
    }
}

/// Renewal and rebinding of a subnet (kea's `renew-timer`, `rebind-timer`, `calculate-tee-times`).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Timers {
    renew: Option<u32>,
    rebind: Option<u32>,
    calculate: bool,
    renew_share: f64,
    rebind_share: f64,
}

/// A configuration that can be exchanged while somebody uses it.
#[derive(Debug)]
pub struct CurrentConfig(RwLock<Arc<KeaConfig>>);

impl CurrentConfig {
    /// Begins with `config`.
    pub fn new(config: KeaConfig) -> Self {
        Self(RwLock::new(Arc::new(config)))
    }

    /// What holds now.
    pub fn get(&self) -> Arc<KeaConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What holds from now on.
    pub fn set(&self, config: KeaConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

/// The scopes from the innermost to the global one; the first that has a value decides.
type Scopes<'a> = [&'a Map<String, Value>];

impl KeaConfig {
    /// Reads Kea's DHCPv4 configuration.
    pub fn load(file: &Path) -> Result<Self, JsonError> {
        let root = json::load(file)?;
        Self::from_json(&root).ok_or_else(|| JsonError::new(file, "there is no object \"Dhcp4\" in it"))
    }

    fn from_json(root: &Value) -> Option<Self> {
        let global = root.get("Dhcp4")?.as_object()?;
        let mut config = Self { lease_file: lease_file(global), ..Self::default() };
        // Kea before 2.6 counts the subnets that have no number, those of shared networks first.
        let mut number = 0;
        for network in objects(global.get("shared-networks")) {
            for subnet in objects(network.get("subnet4")) {
                config.add_subnet(&[subnet, network, global], &mut number);
            }
        }
        for subnet in objects(global.get("subnet4")) {
            config.add_subnet(&[subnet, global], &mut number);
        }
        config.add_reservations(global, "outside the subnets");
        Some(config)
    }

    /// First and last address of everything that is configured.
    pub fn ranges(&self) -> &[(Ipv4Addr, Ipv4Addr)] {
        &self.ranges
    }

    /// Where Kea keeps its leases.
    pub fn lease_file(&self) -> &LeaseFile {
        &self.lease_file
    }

    /// What could not be taken as it stands there.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Seconds from a lease's last transaction to renewal and rebinding, where Kea tells its clients any.
    pub fn timers(&self, subnet: u32, lifetime: u32) -> (Option<u32>, Option<u32>) {
        let Some(timers) = self.timers.get(&subnet) else { return (None, None) };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast keeps within the type")]
        let share = |share: f64| {
            (timers.calculate && lifetime != u32::MAX).then(|| (f64::from(lifetime) * share).round() as u32)
        };
        // Kea leaves out what is not within the lease, and a T1 that is not before T2.
        let within = |timer: Option<u32>, ceiling| timer.filter(|timer| (1..ceiling).contains(timer));
        let rebind = within(timers.rebind.or_else(|| share(timers.rebind_share)), lifetime);
        let renew = timers.renew.or_else(|| share(timers.renew_share));
        (within(renew, rebind.unwrap_or(lifetime)), rebind)
    }

    /// Names the subnets for which Kea keeps no relay information, if there are any.
    pub fn without_extended_info(&self) -> Option<String> {
        match self.without_extended_info.len() {
            0 => None,
            all if all == self.subnets => Some("in all subnets".to_owned()),
            _ => {
                let numbers: Vec<_> = self.without_extended_info.iter().take(20).map(ToString::to_string).collect();
                Some(format!(
                    "in {} of {} subnets: {}",
                    self.without_extended_info.len(),
                    self.subnets,
                    numbers.join(", ")
                ))
            }
        }
    }

    fn add_subnet(&mut self, scopes: &Scopes<'_>, number: &mut u32) {
        let Some(subnet) = scopes.first() else { return };
        let id = subnet.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()).filter(|id| *id != 0);
        let id = id.unwrap_or_else(|| {
            *number += 1;
            *number
        });
        for pool in objects(subnet.get("pools")).filter_map(|pool| pool.get("pool")) {
            match pool.as_str().and_then(range) {
                Some(range) => self.ranges.push(range),
                None => self.warnings.push(format!(
                    "subnet {id}: pool {pool} is neither FIRST - LAST nor a prefix: its addresses are not configured"
                )),
            }
        }
        self.add_reservations(subnet, &format!("subnet {id}"));
        let seconds = |name: &str| find(scopes, name).and_then(Value::as_u64).and_then(|s| u32::try_from(s).ok());
        let share = |name: &str, default| find(scopes, name).and_then(Value::as_f64).unwrap_or(default);
        let timers = Timers {
            renew: seconds("renew-timer"),
            rebind: seconds("rebind-timer"),
            calculate: find(scopes, "calculate-tee-times").and_then(Value::as_bool).unwrap_or(false),
            renew_share: share("t1-percent", 0.5),
            rebind_share: share("t2-percent", 0.875),
        };
        self.timers.insert(id, timers);
        self.subnets += 1;
        if !find(scopes, "store-extended-info").and_then(Value::as_bool).unwrap_or(false) {
            self.without_extended_info.push(id);
        }
    }

    /// Reserved addresses may lie outside every pool and are configured all the same.
    fn add_reservations(&mut self, scope: &Map<String, Value>, place: &str) {
        for reserved in objects(scope.get("reservations")).filter_map(|reservation| reservation.get("ip-address")) {
            match reserved.as_str().and_then(|text| text.parse::<Ipv4Addr>().ok()) {
                Some(address) => self.ranges.push((address, address)),
                None => self.warnings.push(format!("{place}: reserved address {reserved} is none")),
            }
        }
    }
}

fn lease_file(global: &Map<String, Value>) -> LeaseFile {
    let Some(database) = global.get("lease-database").and_then(Value::as_object) else { return LeaseFile::default() };
    match database.get("type").and_then(Value::as_str) {
        None | Some("memfile") => {}
        Some(other) => return LeaseFile::None(format!("leases are kept in {other}")),
    }
    if database.get("persist").and_then(Value::as_bool) == Some(false) {
        return LeaseFile::None("\"persist\" is false".to_owned());
    }
    database.get("name").and_then(Value::as_str).map_or_else(LeaseFile::default, |name| LeaseFile::At(name.into()))
}

fn objects(list: Option<&Value>) -> impl Iterator<Item = &Map<String, Value>> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn find<'a>(scopes: &Scopes<'a>, name: &str) -> Option<&'a Value> {
    scopes.iter().find_map(|scope| scope.get(name))
}

/// `FIRST - LAST` or a prefix, of which every address counts.
fn range(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        return (first <= last).then_some((first, last));
    }
    let net: Ipv4Net = text.parse().ok()?;
    Some((net.network(), net.broadcast()))
}

#[cfg(test)]
mod tests;
