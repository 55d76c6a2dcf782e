//! Kea's leases, through the daemon, as a requestor sees them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use super::PATIENCE;
use super::daemon::Daemon;
use super::family::Family;
use super::kea::{Kea, POOL, RESERVED, Settings, option82};
use super::lease_file::{self, Lease};

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()).expect("a time")
}

fn seconds(value: &Value) -> i64 {
    value.as_str().expect("a time").parse::<jiff::Timestamp>().expect("RFC 3339").as_second()
}

/// The active leases among records, in the form of the lease file.
pub(crate) fn leases(records: &[Value]) -> BTreeMap<String, Lease> {
    let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    // Of the other protocol a field is not there.
    let either = |record: &Value, v4: &str, v6: &str| text(record, v4) + &text(record, v6);
    let lease = |record: &Value| Lease {
        mac: text(record, "mac"),
        client_id: either(record, "client-id", "duid"),
        last_transaction: seconds(&record["client-last-transaction-time"]),
        expires: seconds(&record["expires"]),
        relay_info: either(record, "relay-agent-information", "relay-message"),
    };
    records
        .iter()
        .filter(|record| record["state"] == "active")
        .map(|r| (either(r, "address", "prefix"), lease(r)))
        .collect()
}

/// Waits until the daemon has what the files say, and gives that. Times are left out: the daemon may be asked within
/// another second than the files were read in.
fn settled(family: Family, daemon: &Daemon, directory: &Path) -> BTreeMap<String, Lease> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let expected = lease_file::active(family, directory, now());
        let found = leases(&daemon.bulk(&[]));
        if found == expected {
            return expected;
        }
        if Instant::now() > deadline {
            for (address, lease) in &expected {
                if found.get(address) != Some(lease) {
                    println!("{address}: Kea has {lease:?}\n  the daemon has {:?}", found.get(address));
                }
            }
            for address in found.keys().filter(|address| !expected.contains_key(*address)) {
                println!("{address}: only the daemon has it");
            }
            panic!("the daemon differs from Kea's files");
        }
        sleep(Duration::from_millis(200));
    }
}

fn by(leases: &BTreeMap<String, Lease>, wanted: impl Fn(&Lease) -> bool) -> BTreeMap<String, Lease> {
    leases.iter().filter(|(_, lease)| wanted(lease)).map(|(address, lease)| (address.clone(), lease.clone())).collect()
}

pub(crate) fn every_selector() {
    let family = Family::V4;
    let directory = TempDir::new().expect("a directory");
    let kea = Kea::start(directory.path(), &Settings::default());
    let (first, second) =
        (option82("657468302f31", "aabbccddee01", "0a0b"), option82("657468302f32", "aabbccddee02", "0a0b0c"));
    kea.traffic("00:0c:01:00:00:00", &first, &["-r", "100", "-n", "60", "-R", "60"]).finish();
    let daemon = Daemon::start(family, directory.path(), &family.kea_source());
    sleep(Duration::from_secs(2));
    let between = now();
    sleep(Duration::from_millis(1100));
    kea.traffic("00:0c:02:00:00:00", &second, &["-r", "100", "-n", "40", "-R", "40"]).finish();
    let expected = settled(family, &daemon, directory.path());
    // perfdhcp does not ask again where it was too slow itself.
    assert!(expected.len() > 50, "there was traffic: {}", expected.len());

    let all = daemon.bulk(&[]);
    assert_eq!(all.len(), POOL + 1, "every address of pool and reservation, once");
    assert!(all.iter().any(|record| record["address"] == RESERVED && record["state"] == "available"));
    let sample = all.iter().find(|record| record["state"] == "active").expect("a lease");
    // T1 and T2 by Kea's calculate-tee-times: half and seven eighths of 600 s.
    let last = seconds(&sample["client-last-transaction-time"]);
    assert_eq!((seconds(&sample["renews"]) - last, seconds(&sample["rebinds"]) - last), (300, 525));

    for (remote_id, relay_id, info) in [("aabbccddee01", "0a0b", &first), ("aabbccddee02", "0a0b0c", &second)] {
        let of_relay = by(&expected, |lease| lease.relay_info == *info);
        assert!(!of_relay.is_empty());
        assert_eq!(leases(&daemon.bulk(&["--remote-id", remote_id])), of_relay);
        assert_eq!(leases(&daemon.bulk(&["--relay-id", relay_id])), of_relay);
    }
    assert_eq!(daemon.bulk(&["--relay-id", "0a"]), Vec::<Value>::new(), "a prefix of a Relay-ID is another one");
    for lease in expected.values().step_by(9) {
        assert_eq!(leases(&daemon.bulk(&["--mac", &lease.mac])), by(&expected, |other| other.mac == lease.mac));
        let same = by(&expected, |other| other.client_id == lease.client_id);
        assert_eq!(leases(&daemon.bulk(&["--client-id", &lease.client_id])), same);
    }
    let (since, until) = (between.to_string(), (between - 1).to_string());
    let late = by(&expected, |lease| lease.last_transaction >= between);
    assert_eq!(leases(&daemon.bulk(&["--since", &since])), late);
    assert_eq!(leases(&daemon.bulk(&["--until", &until])), by(&expected, |lease| lease.last_transaction < between));
    assert_eq!(leases(&daemon.bulk(&["--since", &since, "--relay-id", "0a0b0c"])), late);
    assert_eq!(daemon.bulk(&["--since", &since, "--relay-id", "0a0b"]), Vec::<Value>::new());
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a string takes it");
        text
    })
}

/// Clients whose relays say who they are, which perfdhcp cannot do over DHCPv6.
pub(crate) fn relayed_v6() {
    let family = Family::V6;
    let directory = TempDir::new().expect("a directory");
    let kea = Kea::start(directory.path(), &Settings { family, ..Settings::default() });
    let daemon = Daemon::start(family, directory.path(), &family.kea_source());
    let duid = |number: u8| [0, 3, 0, 1, 2, 0, 0, 0, 0, number];
    let remote_id = |number: u8| [0, 0, 9, 0xbf, b'l', b'i', b'n', b'e', number];
    let relay_id = |number: u8| [0, 2, 0, 0, 9, 0xbf, number];
    for number in 0..20 {
        kea.lease_v6(&duid(number), &remote_id(number % 4), &relay_id(number % 2));
    }
    let expected = settled(family, &daemon, directory.path());
    assert_eq!(expected.len(), 40, "each has an address and a prefix");
    let find = |arguments: &[&str]| leases(&daemon.bulk(arguments));
    for number in 0..4 {
        let id = hex(&remote_id(number));
        let of_line = by(&expected, |lease| lease.relay_info.contains(&id));
        assert_eq!(of_line.len(), 10);
        assert_eq!(find(&["--remote-id", &id]), of_line);
        assert_eq!(find(&["--remote-id", &id[8..], "--enterprise", "2495"]), of_line);
    }
    for number in 0..2 {
        let id = hex(&relay_id(number));
        assert_eq!(find(&["--relay-id", &id]), by(&expected, |lease| lease.relay_info.contains(&id)));
    }
    assert_eq!(find(&["--link", "2001:db8:77::"]), expected, "what is delegated is on the link of its subnet");
    for (place, lease) in expected.iter().step_by(7) {
        let same = by(&expected, |other| other.client_id == lease.client_id);
        assert_eq!(find(&["--duid", &lease.client_id]), same);
        let inside = place.replace("::/56", "::7");
        assert_eq!(find(&["--address", &inside]), same);
        for arguments in [["--duid", &lease.client_id], ["--address", &inside]] {
            assert_eq!(leases(&daemon.query(&arguments)), same, "and over UDP");
        }
    }
    let record = daemon.bulk(&["--duid", &hex(&duid(5))]).remove(0);
    assert_eq!(
        (record["remote-id"].as_str(), record["relay-id"].as_str()),
        (Some(&*hex(&remote_id(1))), Some(&*hex(&relay_id(1))))
    );
    let last = seconds(&record["client-last-transaction-time"]);
    assert_eq!((seconds(&record["expires"]) - last, seconds(&record["preferred-until"]) - last), (600, 300));
}

pub(crate) fn new_lease() {
    let family = Family::V4;
    let directory = TempDir::new().expect("a directory");
    let kea = Kea::start(directory.path(), &Settings { lfc_interval: 1, ..Settings::default() });
    let daemon = Daemon::start(family, directory.path(), &family.kea_source());
    let traffic = kea.traffic("00:0c:01:00:00:00", "", &["-r", "100", "-p", "5", "-R", "600"]);
    let (mut seen, start) = (Vec::new(), Instant::now());
    while seen.len() < 20 {
        assert!(start.elapsed() < PATIENCE, "there is no traffic");
        // Whoever is last in the file has just got his lease.
        let text = std::fs::read_to_string(directory.path().join("leases4.csv")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |newline| &text[..newline]);
        let mac = whole.lines().skip(1).last().and_then(|row| row.split(',').nth(1)).map(str::to_owned);
        let Some(mac) = mac.filter(|mac| !mac.is_empty() && !seen.contains(mac)) else {
            sleep(Duration::from_millis(5));
            continue;
        };
        while daemon.bulk(&["--mac", &mac]).is_empty() {
            assert!(start.elapsed() < PATIENCE, "{mac} is not visible though it got its lease");
        }
        seen.push(mac);
    }
    traffic.finish();
    settled(family, &daemon, directory.path());
}

pub(crate) fn cleanups(family: Family) {
    let directory = TempDir::new().expect("a directory");
    let settings = Settings { valid_lifetime: 4, lfc_interval: 1, family, ..Settings::default() };
    let kea = Kea::start(directory.path(), &settings);
    let daemon = Daemon::start(family, directory.path(), &family.kea_source());
    let relay = option82("657468302f31", "aabbccddee01", "0a0b");
    let traffic = ["-r", "300", "-p", "8", "-R", "800", "-f", "60", "-F", "60"];
    kea.traffic("00:0c:01:00:00:00", &relay, &traffic).finish();
    settled(family, &daemon, directory.path());
    let log = daemon.log();
    assert!(!log.contains("skipped"), "every row was read: {log}");
    // All that is not renewed runs out by itself.
    let deadline = Instant::now() + PATIENCE;
    let records = loop {
        let records = daemon.bulk(&[]);
        if leases(&records).is_empty() {
            break records;
        }
        assert!(Instant::now() < deadline, "these do not run out: {:?}", leases(&records));
        sleep(Duration::from_millis(200));
    };
    if family == Family::V6 {
        assert_eq!(records, Vec::<Value>::new(), "DHCPv6 tells of leases alone");
        return;
    }
    assert_eq!(records.len(), POOL + 1);
    let ended = records.iter().filter(|record| record.get("mac").is_some()).count();
    assert!(ended > 100, "ended leases are still known with their last clients: {ended}");
}

pub(crate) fn kills(family: Family) {
    let directory = TempDir::new().expect("a directory");
    let mut kea = Kea::start(directory.path(), &Settings { lfc_interval: 1, family, ..Settings::default() });
    let mut daemon = Daemon::start(family, directory.path(), &family.kea_source());
    kea.traffic("00:0a:00:00:00:00", "", &["-r", "50", "-n", "20", "-R", "20"]).finish();
    let early = settled(family, &daemon, directory.path());
    let starts = |daemon: &Daemon| -> BTreeMap<String, i64> {
        if family == Family::V6 {
            // DHCPv6 does not tell of it.
            return BTreeMap::new();
        }
        let records = daemon.bulk(&[]);
        let early = records.iter().filter(|record| early.contains_key(record["address"].as_str().unwrap_or_default()));
        early.map(|r| (r["address"].to_string(), seconds(&r["start-time-of-state"]))).collect()
    };
    let began = starts(&daemon);
    sleep(Duration::from_millis(1500));

    let relay = option82("657468302f31", "aabbccddee01", "0a0b");
    let traffic =
        kea.traffic("00:0c:01:00:00:00", &relay, &["-r", "200", "-p", "12", "-R", "600", "-f", "40", "-F", "40"]);
    for _ in 0..2 {
        sleep(Duration::from_millis(1500));
        daemon.kill_and_restart();
        sleep(Duration::from_millis(1500));
        kea.kill_and_restart();
    }
    sleep(Duration::from_millis(500));
    daemon.kill_and_restart();
    traffic.finish();
    let expected = settled(family, &daemon, directory.path());
    assert!(expected.len() > 100, "there was traffic: {}", expected.len());
    assert_eq!(starts(&daemon), began, "a restart does not change since when a lease is held");
    if family == Family::V4 {
        assert_eq!(daemon.bulk(&[]).len(), POOL + 1);
    }
}

pub(crate) fn no_extended_info() {
    let family = Family::V4;
    let directory = TempDir::new().expect("a directory");
    let kea = Kea::start(directory.path(), &Settings { extended_info: false, ..Settings::default() });
    let relay = option82("657468302f31", "aabbccddee01", "0a0b");
    kea.traffic("00:0c:01:00:00:00", &relay, &["-r", "100", "-n", "10", "-R", "10"]).finish();
    let daemon = Daemon::start(family, directory.path(), &family.kea_source());
    settled(family, &daemon, directory.path());
    assert_eq!(daemon.bulk(&["--remote-id", "aabbccddee01"]), Vec::<Value>::new());
    let log = daemon.log();
    assert!(log.contains("store-extended-info is off"), "{log}");
    assert!(log.contains("10 of 10 leases have no relay agent information"), "{log}");
}
