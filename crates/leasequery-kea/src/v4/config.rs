//! What Kea's configuration says about the addresses and timers of DHCPv4.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Map, Value};

use super::super::config::{Scopes, find, network, number, objects};
use super::KeaConfig;

/// What is taken from the subnets.
#[derive(Debug, Clone, PartialEq, Default, Hash)]
pub struct Subnets {
    /// Pools and reserved addresses.
    ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// By subnet number.
    timers: BTreeMap<u32, Timers>,
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

impl Hash for Timers {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { renew, rebind, calculate, renew_share, rebind_share } = self;
        (renew, rebind, calculate, renew_share.to_bits(), rebind_share.to_bits()).hash(state);
    }
}

impl KeaConfig {
    /// First and last address of everything that is configured.
    pub fn ranges(&self) -> &[(Ipv4Addr, Ipv4Addr)] {
        &self.subnets.ranges
    }

    /// Seconds from a lease's last transaction to renewal and rebinding, where Kea tells its clients any.
    pub fn timers(&self, subnet: u32, lifetime: u32) -> (Option<u32>, Option<u32>) {
        let Some(timers) = self.subnets.timers.get(&subnet) else { return (None, None) };
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
}

impl Subnets {
    pub(super) fn add(&mut self, scopes: &Scopes<'_>, id: u32, warnings: &mut Vec<String>) {
        let Some(subnet) = scopes.first() else { return };
        for pool in objects(subnet.get("pools")).filter_map(|pool| pool.get("pool")) {
            match pool.as_str().and_then(range) {
                Some(range) => self.ranges.push(range),
                None => warnings.push(format!(
                    "subnet {id}: pool {pool} is neither FIRST - LAST nor a prefix: its addresses are not configured"
                )),
            }
        }
        self.add_reservations(subnet, &format!("subnet {id}"), warnings);
        let seconds = |name: &str| find(scopes, name).and_then(number);
        let share = |name: &str, default| find(scopes, name).and_then(Value::as_f64).unwrap_or(default);
        let timers = Timers {
            renew: seconds("renew-timer"),
            rebind: seconds("rebind-timer"),
            calculate: find(scopes, "calculate-tee-times").and_then(Value::as_bool).unwrap_or(false),
            renew_share: share("t1-percent", 0.5),
            rebind_share: share("t2-percent", 0.875),
        };
        self.timers.insert(id, timers);
    }

    /// Reserved addresses may lie outside every pool and are configured all the same.
    pub(super) fn add_reservations(&mut self, scope: &Map<String, Value>, place: &str, warnings: &mut Vec<String>) {
        for reserved in objects(scope.get("reservations")).filter_map(|reservation| reservation.get("ip-address")) {
            match reserved.as_str().and_then(|text| text.parse::<Ipv4Addr>().ok()) {
                Some(address) => self.ranges.push((address, address)),
                None => warnings.push(format!("{place}: reserved address {reserved} is none")),
            }
        }
    }
}

/// `FIRST - LAST` or a prefix, of which every address counts.
fn range(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        return (first <= last).then_some((first, last));
    }
    let (address, length) = network(&text)?;
    let net = Ipv4Net::new(address.parse().ok()?, length).ok()?;
    // Kea begins at the address that stands there, also if it is not the first one of the prefix.
    Some((net.addr(), net.broadcast()))
}

#[cfg(test)]
mod tests;
