//! Kea's leases, through the daemon, as a requestor sees them.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use super::daemon::Daemon;
use super::kea::{Kea, POOL, RESERVED, Settings, option82};
use super::lease_file::{self, Lease};

pub(crate) const SOURCE: &str =
    "[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v4\"\npath = \"leases4.csv\"\nkea-config = \"kea.conf\"\n";

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()).expect("a time")
}

fn seconds(value: &Value) -> i64 {
    value.as_str().expect("a time").parse::<jiff::Timestamp>().expect("RFC 3339").as_second()
}

/// The active leases among records, in the form of the lease file.
pub(crate) fn leases(records: &[Value]) -> BTreeMap<String, Lease> {
    let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let lease = |record: &Value| Lease {
        mac: text(record, "mac"),
        client_id: text(record, "client-id"),
        last_transaction: seconds(&record["client-last-transaction-time"]),
        expires: seconds(&record["expires"]),
        relay_info: text(record, "relay-agent-information"),
    };
    records.iter().filter(|record| record["state"] == "active").map(|r| (text(r, "address"), lease(r))).collect()
}

/// Waits until the daemon has what the files say, and gives that. Times are left out: the daemon may be asked within
/// another second than the files were read in.
fn settled(daemon: &Daemon, directory: &Path) -> BTreeMap<String, Lease> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let expected = lease_file::active(directory, now());
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
    let directory = TempDir::new().expect("a directory");
    let kea = Kea::start(directory.path(), &Settings::default());
    let (first, second) =
        (option82("657468302f31", "aabbccddee01", "0a0b"), option82("657468302f32", "aabbccddee02", "0a0b0c"));
    kea.traffic("00:0c:01:00:00:00", &first, &["-r", "100", "-n", "60", "-R", "60"]).finish();
    let daemon = Daemon::start(directory.path(), SOURCE);
    sleep(Duration::from_secs(2));
    let between = now();
    sleep(Duration::from_millis(1100));
    kea.traffic("00:0c:02:00:00:00", &second, &["-r", "100", "-n", "40", "-R", "40"]).finish();
    let expected = settled(&daemon, directory.path());
    assert_eq!(expected.len(), 100, "perfdhcp got all its leases");

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

pub(crate) fn new_lease() {
    let directory = TempDir::new().expect("a directory");
    let kea = Kea::start(directory.path(), &Settings { lfc_interval: 1, ..Settings::default() });
    let daemon = Daemon::start(directory.path(), SOURCE);
    let traffic = kea.traffic("00:0c:01:00:00:00", "", &["-r", "100", "-p", "5", "-R", "600"]);
    let mut seen = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(5);
    while seen.len() < 20 && Instant::now() < deadline {
        // Whoever is last in the file has just got his lease.
        let text = std::fs::read_to_string(directory.path().join("leases4.csv")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |newline| &text[..newline]);
        let mac = whole.lines().skip(1).last().and_then(|row| row.split(',').nth(1)).map(str::to_owned);
        let Some(mac) = mac.filter(|mac| !mac.is_empty() && !seen.contains(mac)) else {
            sleep(Duration::from_millis(5));
            continue;
        };
        let start = Instant::now();
        while daemon.bulk(&["--mac", &mac]).is_empty() {
            assert!(start.elapsed() < Duration::from_secs(1), "{mac} is not visible a second after it got its lease");
        }
        seen.push(mac);
    }
    traffic.finish();
    assert_eq!(seen.len(), 20, "there was traffic");
    settled(&daemon, directory.path());
}

pub(crate) fn cleanups() {
    let directory = TempDir::new().expect("a directory");
    let settings = Settings { valid_lifetime: 4, lfc_interval: 1, ..Settings::default() };
    let kea = Kea::start(directory.path(), &settings);
    let daemon = Daemon::start(directory.path(), SOURCE);
    let relay = option82("657468302f31", "aabbccddee01", "0a0b");
    let traffic = ["-r", "300", "-p", "8", "-R", "800", "-f", "60", "-F", "60"];
    kea.traffic("00:0c:01:00:00:00", &relay, &traffic).finish();
    settled(&daemon, directory.path());
    let log = daemon.log();
    assert!(!log.contains("skipped"), "every row was read: {log}");
    // All that is not renewed runs out by itself.
    sleep(Duration::from_secs(6));
    let records = daemon.bulk(&[]);
    assert_eq!(records.len(), POOL + 1);
    assert_eq!(leases(&records), BTreeMap::new());
    let ended = records.iter().filter(|record| record.get("mac").is_some()).count();
    assert!(ended > 100, "ended leases are still known with their last clients: {ended}");
}

pub(crate) fn kills() {
    let directory = TempDir::new().expect("a directory");
    let mut kea = Kea::start(directory.path(), &Settings { lfc_interval: 1, ..Settings::default() });
    let mut daemon = Daemon::start(directory.path(), SOURCE);
    kea.traffic("00:0a:00:00:00:00", "", &["-r", "50", "-n", "20", "-R", "20"]).finish();
    let early = settled(&daemon, directory.path());
    let starts = |daemon: &Daemon| -> BTreeMap<String, i64> {
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
    let expected = settled(&daemon, directory.path());
    assert!(expected.len() > 100, "there was traffic: {}", expected.len());
    assert_eq!(starts(&daemon), began, "a restart does not change since when a lease is held");
    assert_eq!(daemon.bulk(&[]).len(), POOL + 1);
}

pub(crate) fn no_extended_info() {
    let directory = TempDir::new().expect("a directory");
    let kea = Kea::start(directory.path(), &Settings { extended_info: false, ..Settings::default() });
    let relay = option82("657468302f31", "aabbccddee01", "0a0b");
    kea.traffic("00:0c:01:00:00:00", &relay, &["-r", "100", "-n", "10", "-R", "10"]).finish();
    let daemon = Daemon::start(directory.path(), SOURCE);
    settled(&daemon, directory.path());
    assert_eq!(daemon.bulk(&["--remote-id", "aabbccddee01"]), Vec::<Value>::new());
    let log = daemon.log();
    assert!(log.contains("store-extended-info is off"), "{log}");
    assert!(log.contains("10 of 10 leases have no relay agent information"), "{log}");
}
