//! Reads Kea's lease files in the plainest way, to judge the program by: the last row of an address counts, and lifetime
//! 0 takes it away.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::Path;

use serde_json::Value;

use super::family::Family;

/// A lease that Kea says is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Of DHCPv4.
    pub(crate) mac: String,
    /// Of DHCPv6 the DUID.
    pub(crate) client_id: String,
    pub(crate) last_transaction: i64,
    pub(crate) expires: i64,
    /// Of DHCPv4 option 82, of DHCPv6 the Relay-Forward.
    pub(crate) relay_info: String,
}

/// All leases that are active at `now`, by address, or prefix and length.
pub(crate) fn active(family: Family, directory: &Path, now: i64) -> BTreeMap<String, Lease> {
    let mut leases = BTreeMap::new();
    let read = |suffix: &str| std::fs::read_to_string(directory.join(format!("{}{suffix}", family.leases()))).ok();
    let past = match read(".completed") {
        Some(completed) => vec![completed],
        None => [".2", ".1"].into_iter().filter_map(read).collect(),
    };
    for text in past.into_iter().chain(read("")) {
        for row in text.lines().skip(1) {
            let columns: Vec<&str> = row.split(',').collect();
            let (place, [lifetime, expire, state], lease) = match family {
                Family::V4 => v4(&columns),
                Family::V6 => v6(&columns),
            }
            .unwrap_or_else(|| panic!("a row of another form: {row}"));
            let (lifetime, expires): (i64, i64) = (lifetime.parse().expect(row), expire.parse().expect(row));
            leases.remove(&place);
            if lifetime > 0 && state == "0" && expires > now {
                leases.insert(place, Lease { last_transaction: expires - lifetime, expires, ..lease });
            }
        }
    }
    if family == Family::V6 {
        heard(&mut leases);
    }
    leases
}

/// What a row is about, its lifetime, expiry and state, and the rest.
type Row<'a> = (String, [&'a str; 3], Lease);

fn v4<'a>(columns: &[&'a str]) -> Option<Row<'a>> {
    let [address, mac, client_id, lifetime, expire, _, _, _, _, state, context, ..] = *columns else { return None };
    let relay_info = context.split("\"0x").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let lease = lease(mac, client_id, relay_info.to_lowercase());
    Some((address.to_owned(), [lifetime, expire, state], lease))
}

fn v6<'a>(columns: &[&'a str]) -> Option<Row<'a>> {
    let [address, duid, lifetime, expire, _, _, kind, _, length, _, _, _, _, state, context, ..] = *columns else {
        return None;
    };
    let place = if kind == "2" { format!("{address}/{length}") } else { address.to_owned() };
    Some((place, [lifetime, expire, state], lease("", duid, relay_forward(context))))
}

fn lease(mac: &str, client_id: &str, relay_info: String) -> Lease {
    let (mac, client_id) = (mac.to_owned(), client_id.replace(':', ""));
    Lease { mac, client_id, last_transaction: 0, expires: 0, relay_info }
}

/// The Relay-Forward of the one relay that the tests have.
fn relay_forward(context: &str) -> String {
    let context: Value = serde_json::from_str(&context.replace("&#x2c", ",")).unwrap_or_default();
    let relay = &context["ISC"]["relays"][0];
    let Some(hop) = relay["hop"].as_u64() else { return String::new() };
    let address = |name: &str| {
        let address: Ipv6Addr = relay[name].as_str().and_then(|text| text.parse().ok()).expect("an address");
        format!("{:032x}", address.to_bits())
    };
    let options = relay["options"].as_str().unwrap_or_default().trim_start_matches("0x").to_lowercase();
    format!("0c{hop:02x}{}{}{options}", address("link"), address("peer"))
}

/// All leases of a client on a link are told of together, with the time at which it was heard last (RFC 5007 section
/// 4.1.2.3). There is one link.
fn heard(leases: &mut BTreeMap<String, Lease>) {
    let mut last = BTreeMap::new();
    for lease in leases.values() {
        let known = last.entry(lease.client_id.clone()).or_insert(lease.last_transaction);
        *known = lease.last_transaction.max(*known);
    }
    for lease in leases.values_mut() {
        lease.last_transaction = last[&lease.client_id];
    }
}
