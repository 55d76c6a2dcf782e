//! Reads Kea's lease files in the plainest way, to judge the program by: the last row of an address counts, and lifetime
//! 0 takes it away.

use std::collections::BTreeMap;
use std::path::Path;

/// A lease that Kea says is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) mac: String,
    pub(crate) client_id: String,
    pub(crate) last_transaction: i64,
    pub(crate) expires: i64,
    pub(crate) relay_info: String,
}

/// All leases that are active at `now`, by address.
pub(crate) fn active(directory: &Path, now: i64) -> BTreeMap<String, Lease> {
    let mut leases = BTreeMap::new();
    let read = |suffix: &str| std::fs::read_to_string(directory.join(format!("leases4.csv{suffix}"))).ok();
    let past = match read(".completed") {
        Some(completed) => vec![completed],
        None => [".2", ".1"].into_iter().filter_map(read).collect(),
    };
    for text in past.into_iter().chain(read("")) {
        for row in text.lines().skip(1) {
            let columns: Vec<&str> = row.split(',').collect();
            let [address, mac, client_id, lifetime, expire, _, _, _, _, state, context, ..] = columns[..] else {
                panic!("a row of another form: {row}");
            };
            let (lifetime, expires): (i64, i64) = (lifetime.parse().expect(row), expire.parse().expect(row));
            leases.remove(address);
            if lifetime > 0 && state == "0" && expires > now {
                let relay_info =
                    context.split("\"0x").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
                let lease = Lease {
                    mac: mac.to_owned(),
                    client_id: client_id.replace(':', ""),
                    last_transaction: expires - lifetime,
                    expires,
                    relay_info: relay_info.to_lowercase(),
                };
                leases.insert(address.to_owned(), lease);
            }
        }
    }
    leases
}
