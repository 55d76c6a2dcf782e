//! Kea's leases at the end of a chain: Kea, a daemon beside it, a daemon that follows that one, and a requestor that
//! watches the second. Processes are killed and connections are cut all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::PATIENCE;
use super::daemon::{BINARY, Daemon};
use super::family::Family;
use super::kea::{Kea, Settings, option82};
use super::lease_file::{self, Lease};
use super::live::{leases, now};
use super::proxy::Proxy;

/// Seconds of trouble; `LEASEQUERY_TROUBLE` asks for more.
const TROUBLE: u64 = 15;

/// What a requestor has printed.
#[derive(Default)]
struct Printed {
    /// The last word about each address, over all its runs.
    known: BTreeMap<String, Value>,
    /// The addresses that were printed since it began to print everything.
    since: BTreeSet<String>,
}

impl Printed {
    fn record(&mut self, address: String, record: Value) {
        self.since.insert(address.clone());
        self.known.insert(address, record);
    }

    /// Everything is printed when a run begins without having been told of anything, and once more after changes are
    /// missing that nobody can tell: what was not among it is gone. Over DHCPv6 nothing else says so.
    fn event(&mut self, event: &str) {
        match event {
            "data-missing" => self.since.clear(),
            "initial-complete" => {
                let since = std::mem::take(&mut self.since);
                self.known.retain(|address, _| since.contains(address));
            }
            _ => {}
        }
    }
}

/// A requestor.
struct Watch {
    child: Child,
    server: String,
    directory: std::path::PathBuf,
    printed: Arc<Mutex<Printed>>,
    events: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    fn start(directory: &std::path::Path, server: &str) -> Self {
        let (printed, events) = (Arc::default(), Arc::default());
        let child = launch(directory, server, &printed, &events);
        Self { child, server: server.to_owned(), directory: directory.to_owned(), printed, events }
    }

    fn kill_and_restart(&mut self) {
        self.child.kill().expect("it is there");
        self.child.wait().expect("it ends");
        self.child = launch(&self.directory, &self.server, &self.printed, &self.events);
    }

    /// It ends by itself if its first attempt finds nobody.
    fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it can be asked").is_none()
    }

    fn leases(&self) -> BTreeMap<String, Lease> {
        let records: Vec<Value> = self.printed.lock().expect("not poisoned").known.values().cloned().collect();
        leases(&records)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- events: {:?}", self.events.lock().expect("not poisoned"));
        }
    }
}

fn launch(
    directory: &std::path::Path,
    server: &str,
    printed: &Arc<Mutex<Printed>>,
    events: &Arc<Mutex<Vec<String>>>,
) -> Child {
    let mut child = Command::new(BINARY)
        .args(["watch", server, "--retry", "400ms", "--state", "watch.state"])
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("watch starts");
    let stdout = child.stdout.take().expect("piped");
    let (printed, events) = (Arc::clone(printed), Arc::clone(events));
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // A process that is killed may leave half a line, which its next run says again.
            let Ok(record) = serde_json::from_str::<Value>(&line) else { continue };
            let mut printed = printed.lock().expect("not poisoned");
            if let Some(address) = record["address"].as_str().or(record["prefix"].as_str()) {
                let address = address.to_owned();
                printed.record(address, record);
            } else if let Some(event) = record["event"].as_str() {
                printed.event(event);
                events.lock().expect("not poisoned").push(event.to_owned());
            }
        }
    });
    child
}

pub(crate) fn trouble(family: Family) {
    let seconds = std::env::var("LEASEQUERY_TROUBLE").ok().and_then(|text| text.parse().ok()).unwrap_or(TROUBLE);
    let (first_directory, second_directory) =
        (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
    let mut kea = Kea::start(
        first_directory.path(),
        &Settings { family, valid_lifetime: 60, lfc_interval: 2, ..Settings::default() },
    );
    let mut first = Daemon::start(family, first_directory.path(), &family.kea_source());
    let before = Proxy::start(family.loopback(), &first.address);
    let source = format!(
        "[[source]]\ntype = \"leasequery\"\nprotocol = \"{}\"\nserver = \"{}\"\ntls = \"off\"\n[limits]\nactive-idle-timeout = 0.4\n",
        family.name(),
        before.address
    );
    let mut second = Daemon::start(family, second_directory.path(), &source);
    let behind = Proxy::start(family.loopback(), &second.address);
    let mut watch = Watch::start(second_directory.path(), &behind.address.to_string());

    let relay = option82("657468302f31", "aabbccddee01", "0a0b");
    let period = (seconds + 2).to_string();
    let traffic =
        kea.traffic("00:0c:01:00:00:00", &relay, &["-r", "200", "-p", &period, "-R", "700", "-f", "60", "-F", "40"]);
    let mut random = fastrand::Rng::with_seed(now().unsigned_abs());
    let (start, mut troubles) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(seconds) {
        sleep(Duration::from_millis(random.u64(100..900)));
        troubles += 1;
        match random.u8(0..8) {
            0 => {
                first.kill_and_restart();
                before.lead_to(&first.address);
            }
            1 => {
                second.kill_and_restart();
                behind.lead_to(&second.address);
            }
            2 => watch.kill_and_restart(),
            3 if seconds > 60 => kea.kill_and_restart(),
            3 | 4 => before.cut(),
            5 => behind.cut(),
            _ => {
                before.cut();
                behind.cut();
            }
        }
        if !watch.is_running() {
            watch.kill_and_restart();
        }
    }
    traffic.finish();
    if !watch.is_running() {
        watch.kill_and_restart();
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let expected = lease_file::active(family, first_directory.path(), now());
        let (middle, end) = (leases(&second.bulk(&[])), watch.leases());
        if near(&middle, &expected) && near(&end, &expected) {
            println!("{troubles} troubles in {seconds} s, {} leases at the end", expected.len());
            assert_verified(&first.address, &second.address);
            return;
        }
        if Instant::now() > deadline {
            for (name, found) in [("daemon", &middle), ("requestor", &end)] {
                for address in expected.keys().chain(found.keys()).filter(|a| found.get(*a) != expected.get(*a)) {
                    println!("{address}: Kea has {:?}, the {name} has {:?}", expected.get(address), found.get(address));
                }
            }
            panic!("the copies differ from Kea's file after {troubles} troubles");
        }
        sleep(Duration::from_millis(300));
        if !watch.is_running() {
            watch.kill_and_restart();
        }
    }
}

/// That `leasequery verify` finds the same.
fn assert_verified(first: &str, second: &str) {
    let output = Command::new(BINARY).args(["verify", first, second, "--settle", "90s"]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Whether both have the same leases; times may differ by two seconds, because they went through several clocks.
fn near(found: &BTreeMap<String, Lease>, expected: &BTreeMap<String, Lease>) -> bool {
    found.len() == expected.len()
        && found.iter().all(|(address, lease)| {
            expected.get(address).is_some_and(|other| {
                (&lease.mac, &lease.client_id, &lease.relay_info) == (&other.mac, &other.client_id, &other.relay_info)
                    && lease.last_transaction.abs_diff(other.last_transaction) <= 2
                    && lease.expires.abs_diff(other.expires) <= 2
            })
        })
}
