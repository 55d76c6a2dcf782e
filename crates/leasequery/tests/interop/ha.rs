//! Two servers of Kea's that are a pair (HA), and one daemon that follows the lease files of both: whatever happens to one
//! of them, nobody is told that a lease ended which the other one has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::PATIENCE;
use super::daemon::{BINARY, Daemon};
use super::family::Family;
use super::kea::{Kea, option82};
use super::lease_file;
use super::live::now;
use super::proxy::Proxy;

const FAMILY: Family = Family::V4;
const NAMES: [&str; 2] = ["first", "second"];

/// How the two share the work.
#[derive(Clone, Copy)]
struct Mode {
    name: &'static str,
    /// What the second one is called in it.
    role: &'static str,
}

pub(crate) fn hot_standby() {
    lose_nothing(Mode { name: "hot-standby", role: "standby" });
}

pub(crate) fn load_balancing() {
    lose_nothing(Mode { name: "load-balancing", role: "secondary" });
}

/// Where Kea has its hooks, if the one for pairs is among them. Debian has them in a directory for each architecture.
pub(crate) fn hooks() -> Option<PathBuf> {
    let below = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let candidates = below.chain(["/usr/lib".into(), "/usr/local/lib".into()]).map(|path| path.join("kea/hooks"));
    candidates.into_iter().find(|path| path.join(super::HA).exists())
}

/// Clients by their addresses.
type Leases = BTreeMap<String, String>;

/// The pair.
struct Pair {
    mode: Mode,
    /// Of each its own lease file and configuration.
    directory: TempDir,
    servers: [Kea; 2],
    /// Where they talk to each other.
    ports: [u16; 2],
    /// Addresses of leases that one of them had not told the other one of when it was killed. Nobody was given those, and
    /// the other one may give them to somebody else.
    untold: BTreeSet<String>,
}

impl Pair {
    fn start(mode: Mode) -> Self {
        let directory = TempDir::new().expect("a directory");
        let ports = [free_port(), free_port()];
        let servers = [0, 1].map(|which| {
            let own = directory.path().join(NAMES[which]);
            std::fs::create_dir(&own).expect("its directory");
            Kea::start_with(&own, FAMILY, &configuration(mode, which, &own, ports))
        });
        let pair = Self { mode, directory, servers, ports, untold: BTreeSet::new() };
        pair.until_both_serve();
        pair
    }

    fn directory(&self, which: usize) -> PathBuf {
        self.directory.path().join(NAMES[which])
    }

    /// Waits until a server is in a state.
    fn until(&self, which: usize, state: &str) {
        let (deadline, wanted) = (Instant::now() + PATIENCE, format!("\"state\": \"{state}\""));
        loop {
            let answer = ask(self.ports[which]).unwrap_or_default();
            if answer.contains(&wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "{} does not become {state}: {answer}", NAMES[which]);
            sleep(Duration::from_millis(100));
        }
    }

    fn until_both_serve(&self) {
        for which in [0, 1] {
            self.until(which, self.mode.name);
        }
    }

    /// The same clients ask both, as over a relay that knows both: each serves its own ones.
    fn traffic(&self, to: &[usize], mac: &str, arguments: &[&str]) {
        let relay = option82("657468302f31", "aabbccddee01", "0a0b");
        let running: Vec<_> = to.iter().map(|which| self.servers[*which].traffic(mac, &relay, arguments)).collect();
        running.into_iter().for_each(super::kea::Traffic::finish);
    }

    /// Who has which address by a server's file.
    fn leases(&self, which: usize) -> Leases {
        let leases = lease_file::active(FAMILY, &self.directory(which), now());
        leases.into_iter().map(|(address, lease)| (address, lease.mac)).collect()
    }

    /// All but what is untold.
    fn shared(&self, mut leases: Leases) -> Leases {
        leases.retain(|address, _| !self.untold.contains(address));
        leases
    }

    /// One is gone, the other one serves all clients, also new ones, and then the first one comes back.
    fn without(&mut self, lost: usize, mac: &str, meanwhile: impl FnOnce(&Path)) {
        self.servers[lost].kill();
        self.until(1 - lost, "partner-down");
        let other = self.leases(1 - lost);
        let untold = self.leases(lost).into_iter().filter(|(address, mac)| other.get(address) != Some(mac));
        self.untold.extend(untold.map(|(address, _)| address));
        meanwhile(&self.directory(lost));
        self.traffic(&[1 - lost], CLIENTS, TRAFFIC);
        self.traffic(&[1 - lost], mac, TRAFFIC);
        self.servers[lost].restart();
        self.until_both_serve();
    }
}

/// Those who come again and again, and never go.
const CLIENTS: &str = "00:0c:01:00:00:00";
const TRAFFIC: &[&str] = &["-r", "100", "-n", "60", "-R", "60"];

fn lose_nothing(mode: Mode) {
    let mut pair = Pair::start(mode);
    let source = |name| {
        format!(
            "[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v4\"\npath = \"{name}/leases4.csv\"\n\
             kea-config = \"{name}/kea.conf\"\n"
        )
    };
    let mut daemon = Daemon::start(FAMILY, pair.directory.path(), &NAMES.map(source).concat());
    let proxy = Proxy::start(FAMILY.loopback(), &daemon.address);
    let witness = Witness::start(&proxy.address.to_string());

    pair.traffic(&[0, 1], CLIENTS, TRAFFIC);
    agree(&pair, &daemon, &witness);
    let before = pair.leases(0);
    assert!(before.len() > 20, "there was traffic: {}", before.len());

    // Killed in the middle of traffic; it comes back with what it had.
    let relay = option82("657468302f31", "aabbccddee02", "0a0b");
    let under_way = pair.servers.each_ref().map(|kea| kea.traffic("00:0c:02:00:00:00", &relay, TRAFFIC));
    sleep(Duration::from_millis(300));
    pair.without(0, "00:0c:03:00:00:00", |_| ());
    under_way.into_iter().for_each(super::kea::Traffic::finish);
    agree(&pair, &daemon, &witness);

    // Each comes back with nothing, as on a new disk, and gets everything from its partner. Meanwhile the daemon is killed,
    // and has to know who vouches for what.
    for (lost, mac) in [(0, "00:0c:04:00:00:00"), (1, "00:0c:05:00:00:00")] {
        let told = pair.leases(1 - lost);
        pair.without(lost, mac, |directory| {
            std::fs::remove_file(directory.join(FAMILY.leases())).expect("it had leases");
            daemon.kill_and_restart();
            proxy.lead_to(&daemon.address);
            proxy.cut();
        });
        agree(&pair, &daemon, &witness);
        let known = witness.active();
        assert!(told.iter().all(|(address, mac)| known.get(address) == Some(mac)), "all that was told is known");
    }
    assert!(daemon.log().contains("has leases that another source no longer has"), "whoever has them was asked");
    assert_eq!(
        witness.ends().difference(&pair.untold).count(),
        0,
        "these were never anything else than leases of their clients"
    );

    // What is released on one is deleted on both: that is an end.
    let releases = ["-r", "100", "-p", "3", "-R", "40", "-f", "20", "-F", "40"];
    pair.traffic(&[0, 1], "00:0d:01:00:00:00", &releases);
    agree(&pair, &daemon, &witness);
    assert!(witness.ends().difference(&pair.untold).count() > 0, "what was released is told");
    let active = witness.active();
    assert!(before.iter().all(|(address, mac)| active.get(address) == Some(mac)), "by their clients, nobody else's");
}

/// Waits until the files of both, the daemon and whoever watches it say the same.
fn agree(pair: &Pair, daemon: &Daemon, witness: &Witness) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let all = [pair.leases(0), pair.leases(1), active(&daemon.bulk(&[])), witness.active()];
        let [first, second, bulk, told] = all.map(|leases| pair.shared(leases));
        if first == second && bulk == first && told == first {
            return;
        }
        if Instant::now() > deadline {
            let all = [&first, &second, &bulk, &told];
            let addresses: BTreeSet<_> = all.iter().flat_map(|leases| leases.keys()).collect();
            for address in addresses {
                let says = all.map(|leases| leases.get(address).map_or("-", String::as_str));
                if says.iter().any(|client| *client != says[0]) {
                    println!("{address}: the servers, the daemon and its witness have {says:?}");
                }
            }
            panic!("they differ");
        }
        sleep(Duration::from_millis(200));
    }
}

fn active(records: &[Value]) -> Leases {
    let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let active = records.iter().filter(|record| record["state"] == "active");
    active.map(|record| (text(record, "address"), text(record, "mac"))).collect()
}

/// A requestor that remembers everything it was told.
struct Witness {
    child: Child,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Witness {
    fn start(server: &str) -> Self {
        let mut child = Command::new(BINARY)
            .args(["watch", server, "--retry", "200ms"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("watch starts");
        let (told, stdout) = (Arc::<Mutex<Vec<Value>>>::default(), child.stdout.take().expect("piped"));
        let lines = Arc::clone(&told);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let record = serde_json::from_str(&line).expect("each line is a record");
                lines.lock().expect("not poisoned").push(record);
            }
        });
        Self { child, told }
    }

    /// What it knows now.
    fn active(&self) -> Leases {
        let told = self.told.lock().expect("not poisoned");
        let last: BTreeMap<_, _> = told.iter().map(|record| (record["address"].to_string(), record.clone())).collect();
        active(&last.into_values().collect::<Vec<_>>())
    }

    /// The addresses of which it was told, after a lease of somebody's, that he no longer has it.
    fn ends(&self) -> BTreeSet<String> {
        let (mut has, mut ends) = (BTreeMap::new(), BTreeSet::new());
        for record in &*self.told.lock().expect("not poisoned") {
            let Some(address) = record["address"].as_str() else { continue };
            let client = (record["state"] == "active").then(|| record["mac"].clone());
            let before = has.insert(address.to_owned(), client.clone()).flatten();
            if before.is_some() && before != client {
                ends.insert(address.to_owned());
            }
        }
        ends
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let ends: Vec<_> = self.ends().into_iter().take(3).collect();
            for record in self.told.lock().expect("not poisoned").iter() {
                let ended = ends.iter().any(|address| record["address"] == **address);
                if ended || record["event"].is_string() {
                    eprintln!("--- told: {record}");
                }
            }
        }
    }
}

fn configuration(mode: Mode, which: usize, directory: &Path, ports: [u16; 2]) -> String {
    let Mode { name: mode_name, role } = mode;
    // Who balances load has a pool for each server, out of which the other one takes when it is alone.
    let pools = match mode_name {
        "load-balancing" => {
            r#"{ "pool": "10.77.1.0 - 10.77.2.255", "client-class": "HA_first" },
               { "pool": "10.77.3.0 - 10.77.4.255", "client-class": "HA_second" }"#
        }
        _ => r#"{ "pool": "10.77.1.0 - 10.77.4.255" }"#,
    };
    format!(
        r#"{{ "Dhcp4": {{
  "interfaces-config": {{ "interfaces": ["lo"], "dhcp-socket-type": "udp" }},
  "subnet4": [ {{ "id": 7, "subnet": "10.77.0.0/16", "pools": [ {pools} ],
                 "relay": {{ "ip-addresses": ["127.0.0.1"] }} }} ],
  "lease-database": {{ "type": "memfile", "name": "{directory}/leases4.csv", "lfc-interval": 0 }},
  "valid-lifetime": 600, "store-extended-info": true,
  "multi-threading": {{ "enable-multi-threading": true, "thread-pool-size": 2 }},
  "hooks-libraries": [
    {{ "library": "{hooks}/libdhcp_lease_cmds.so" }},
    {{ "library": "{hooks}/libdhcp_ha.so", "parameters": {{ "high-availability": [ {{
      "this-server-name": "{this}", "mode": "{mode_name}", "sync-page-limit": 50,
      "heartbeat-delay": 300, "max-response-delay": 1000, "max-ack-delay": 500, "max-unacked-clients": 0,
      "multi-threading": {{ "enable-multi-threading": true, "http-dedicated-listener": true,
                           "http-listener-threads": 2, "http-client-threads": 2 }},
      "peers": [ {{ "name": "first", "url": "http://127.0.0.1:{first}/", "role": "primary" }},
                 {{ "name": "second", "url": "http://127.0.0.1:{second}/", "role": "{role}" }} ] }} ] }} }} ],
  "loggers": [ {{ "name": "kea-dhcp4", "severity": "WARN",
                 "output_options": [ {{ "output": "{directory}/kea.log" }} ] }} ]
}} }}
"#,
        directory = directory.display(),
        hooks = hooks().expect("the test is left out without").display(),
        this = NAMES[which],
        first = ports[0],
        second = ports[1],
    )
}

/// What a server says of itself to its partner.
fn ask(port: u16) -> std::io::Result<String> {
    let command = r#"{"command":"ha-heartbeat","service":["dhcp4"]}"#;
    let mut stream = TcpStream::connect((FAMILY.loopback(), port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{command}",
        command.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn free_port() -> u16 {
    TcpListener::bind((FAMILY.loopback(), 0)).and_then(|socket| socket.local_addr()).expect("a free port").port()
}
