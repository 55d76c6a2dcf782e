//! The configuration of Kea.

use std::cell::Cell;
use std::io;
use std::path::Path;

use leasequery_kea::{Config, Family, v4, v6};
use leasequery_store::{Network, Settings, Store, Time, V4Key, V6Key};

/// Files that one input may have read: of files that include each other there could be without end.
const FILES: u32 = 50;

/// Runs one input: files, the first of which is the configuration; the others can be included by their numbers.
///
/// It is a configuration, or an error at a place that there is. Stores take what is configured.
pub fn run(data: &[u8]) {
    let files: Vec<&[u8]> = data.split(|octet| *octet == 0).collect();
    if let Some(config) = load::<v4::V4>(&files) {
        let mut store = Store::new(Settings::default());
        store.advance(Time(1));
        let networks: Vec<_> = config
            .ranges()
            .iter()
            .map(|(first, last)| {
                assert!(first <= last, "{first} {last}");
                Network { first: V4Key::new(*first), last: V4Key::new(*last), since: Time(1) }
            })
            .collect();
        store.set_networks(None, &networks);
        assert!(config.ranges().iter().all(|(first, _)| store.is_configured(V4Key::new(*first))));
        for (subnet, lifetime) in [(0, 0), (1, 1), (1, 3600), (2, u32::MAX), (u32::MAX, 60)] {
            let (renew, rebind) = config.timers(subnet, lifetime);
            let end = rebind.unwrap_or(lifetime);
            assert!(renew.is_none_or(|renew| 0 < renew && renew < end), "{renew:?} of {end}");
            assert!(rebind.is_none_or(|rebind| 0 < rebind && rebind < lifetime), "{rebind:?} of {lifetime}");
        }
    }
    if let Some(config) = load::<v6::V6>(&files) {
        let mut store = Store::<V6Key>::new(Settings::default());
        let links = config.links();
        store.set_links(None, links.clone());
        for link in &links {
            store.spans_of(link.address).windows(2).for_each(|pair| assert!(pair[0].1 < pair[1].0, "{pair:?}"));
        }
        for subnet in [0, 1, 2, u32::MAX] {
            assert!(config.link_of(subnet).is_none_or(|address| links.iter().any(|link| link.address == address)));
        }
    }
}

/// Inputs to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    let v4 = r#"{ "Dhcp4": { // all of it
  "lease-database": { "type": "memfile", "name": "/var/lib/kea/kea-leases4.csv", "persist": true },
  "store-extended-info": true, "renew-timer": 100, "rebind-timer": 150,
  "reservations": [ { "ip-address": "10.9.9.9" }, { "hostname": "none" } ],
  "shared-networks": [ { "name": "a", "renew-timer": 50, "subnet4": [ { "id": 3, "subnet": "10.1.0.0/24", "pools": [ { "pool": "10.1.0.0/30" } ] } ] } ],
  "subnet4": [ { "id": 1, "calculate-tee-times": true, "t1-percent": 0.25, "t2-percent": 0.5, /* why */
    "pools": [ { "pool": "10.2.0.10 - 10.2.0.20" }, { "pool": "10.2.1.1-10.2.1.2" }, ], # left over
    "reservations": [ { "ip-address": "10.2.0.200" } ] }, <?include "1"?> ], } }"#;
    let v6 = r#"{ "Dhcp6": { "relay": { "ip-addresses": [ "2001:db8:99::9" ] },
  "shared-networks": [ { "name": "a", "relay": { "ip-address": "fd77::1" }, "subnet6": [ { "id": 1, "subnet": "2001:db8:1::/64" }, { "id": 2, "subnet": " 2001:db8:3::7 / 64 " } ] } ],
  "subnet6": [ { "id": 4, "subnet": "2001:db8:4::/64", "pools": [ { "pool": "2001:db8:4::1-2001:db8:4::ff" } ], "reservations": [ { "ip-addresses": [ "2001:db8:4::7" ], "prefixes": [ "2001:db8:f100::/56" ] } ],
    "pd-pools": [ { "prefix": "2001:db8:f000::", "prefix-len": 36, "delegated-len": 56 } ] } ] } }"#;
    let dialect = b"# B\xfcro\n{ \"Dhcp4\": { <? include \"1\" ?>,, \"t1-percent\": .45, \"renew-timer\": 0600 } }\0\"subnet4\": [ ],";
    vec![
        dialect.to_vec(),
        [v4, "\0{ \"renew-timer\": 7 }"].concat().into(),
        v6.into(),
        v4.replace("\"memfile\"", "\"mysql\"").into(),
        b"{ \"Dhcp4\": <?include \"0\"?> }".to_vec(),
    ]
}

fn load<F: Family>(files: &[&[u8]]) -> Option<Config<F>> {
    let left = Cell::new(FILES);
    let read = |file: &Path| {
        left.set(left.get().saturating_sub(1));
        let number = file.to_str().and_then(|name| name.parse::<usize>().ok());
        let found = number.and_then(|number| files.get(number)).filter(|_| left.get() > 0);
        found.map(|file| file.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    let config = match Config::<F>::load_with(Path::new("0"), &read) {
        Ok(config) => config,
        Err(error) => {
            check_place(&error.to_string(), files);
            return None;
        }
    };
    assert!(config.warnings().iter().all(|warning| !warning.is_empty()));
    let _ = (config.without_extended_info(), config.lease_file());
    Some(config)
}

/// `FILE:LINE:COLUMN: …` names a place in the file. A file that is not there has none, but may have any name.
fn check_place(error: &str, files: &[&[u8]]) {
    if error.contains(": cannot be read: ") {
        return;
    }
    let mut parts = error.splitn(4, ':');
    let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok());
    let (Some(file), Some(line), Some(column)) = (number(), number(), number()) else { return };
    let text = String::from_utf8_lossy(files.get(file).copied().unwrap_or_default());
    // Behind the last character is a place as well.
    let columns = text.split('\n').nth(line - 1).map(|line| line.chars().count() + 1);
    assert!(columns.is_some_and(|columns| (1..=columns).contains(&column)), "{error}");
}
