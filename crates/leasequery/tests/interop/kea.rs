//! A real Kea on the loopback, without privileges, and perfdhcp for traffic.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::tool;

/// A running kea-dhcp4; it is killed when it is dropped.
pub(crate) struct Kea {
    child: Child,
    directory: PathBuf,
    server_port: u16,
    client_port: u16,
}

/// What differs between the tests.
pub(crate) struct Settings {
    pub(crate) valid_lifetime: u32,
    /// Seconds between two cleanups of the lease file; 0 is never.
    pub(crate) lfc_interval: u32,
    pub(crate) extended_info: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { valid_lifetime: 600, lfc_interval: 0, extended_info: true }
    }
}

/// The pool: 1,024 addresses, written in Kea's dialect of JSON.
pub(crate) const POOL: usize = 1024;
/// An address reserved outside the pool.
pub(crate) const RESERVED: &str = "10.77.200.9";

impl Kea {
    pub(crate) fn start(directory: &Path, settings: &Settings) -> Self {
        let Settings { valid_lifetime, lfc_interval, extended_info } = settings;
        let config = format!(
            r#"# A comment, as people write them.
{{ "Dhcp4": {{
  "interfaces-config": {{ "interfaces": ["lo"], "dhcp-socket-type": "udp" }},
  "lease-database": {{ "type": "memfile", "name": "{leases}", "lfc-interval": {lfc_interval} }},
  "valid-lifetime": {valid_lifetime}, "calculate-tee-times": true,
  "store-extended-info": {extended_info}, // needed for relay data
  "expired-leases-processing": {{ "reclaim-timer-wait-time": 1, "flush-reclaimed-timer-wait-time": 3,
                                  "hold-reclaimed-time": 4 }},
  "subnet4": [ {{ "id": 7, "subnet": "10.77.0.0/16", "pools": [ {{ "pool": "10.77.1.0 - 10.77.4.255" }}, ],
                 "relay": {{ "ip-addresses": ["127.0.0.1"] }},
                 "reservations": [ {{ "hw-address": "02:00:00:00:00:01", "ip-address": "{RESERVED}" }} ] }} ],
  "loggers": [ {{ "name": "kea-dhcp4", "severity": "WARN",
                 "output_options": [ {{ "output": "{log}" }} ] }} ]
}} }}
"#,
            leases = directory.join("leases4.csv").display(),
            log = directory.join("kea.log").display(),
        );
        std::fs::write(directory.join("kea.conf"), config).expect("the configuration is written");
        let (server_port, client_port) = (free_port(), free_port());
        let child = launch(directory, server_port, client_port);
        Self { child, directory: directory.to_owned(), server_port, client_port }
    }

    /// Kills without a warning and starts again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.child.kill().expect("Kea is there");
        self.child.wait().expect("it ends");
        let run = self.directory.join("run");
        for entry in std::fs::read_dir(&run).expect("its directory").flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
        // A cleanup that goes on keeps Kea from starting.
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.directory.join("leases4.csv.pid").exists() && Instant::now() < deadline {
            sleep(Duration::from_millis(20));
        }
        self.child = launch(&self.directory, self.server_port, self.client_port);
    }

    /// Starts clients that come through a relay with this option 82, and does not wait for them.
    pub(crate) fn traffic(&self, mac: &str, option82: &str, arguments: &[&str]) -> Traffic {
        let mut command = tool("perfdhcp");
        command.arg("-4").args(["-b", &format!("mac={mac}")]).args(arguments);
        if !option82.is_empty() {
            command.args(["-o", &format!("82,{option82}")]);
        }
        command.args(["-l", "lo", "-W", "300000"]);
        command.args(["-L", &self.client_port.to_string(), "-N", &self.server_port.to_string(), "127.0.0.1"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("perfdhcp starts");
        Traffic(child)
    }
}

impl Drop for Kea {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running perfdhcp.
pub(crate) struct Traffic(Child);

impl Traffic {
    /// Waits for its end. Its exit code tells nothing: releases, which nobody answers, count as lost.
    pub(crate) fn finish(mut self) {
        self.0.wait().expect("perfdhcp ends");
    }
}

/// Option 82 with circuit-id, remote-id and relay-id.
pub(crate) fn option82(circuit_id: &str, remote_id: &str, relay_id: &str) -> String {
    let mut hex = String::new();
    for (code, value) in [(1, circuit_id), (2, remote_id), (12, relay_id)] {
        write!(hex, "{code:02x}{:02x}{value}", value.len() / 2).expect("a string takes it");
    }
    hex
}

fn launch(directory: &Path, server_port: u16, client_port: u16) -> Child {
    let run = directory.join("run");
    std::fs::create_dir_all(&run).expect("its directory");
    let start = || {
        tool("kea-dhcp4")
            .arg("-c")
            .arg(directory.join("kea.conf"))
            .args(["-p", &server_port.to_string(), "-P", &client_port.to_string()])
            .env("KEA_PIDFILE_DIR", &run)
            .env("KEA_LOCKFILE_DIR", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Kea starts")
    };
    let mut child = start();
    // It is up once somebody holds its port. On a busy machine it may find something of its last run, and end again.
    let deadline = Instant::now() + Duration::from_mins(1);
    while UdpSocket::bind(("127.0.0.1", server_port)).is_ok() {
        assert!(
            Instant::now() < deadline,
            "Kea does not come up: {:?}",
            std::fs::read_to_string(directory.join("kea.log"))
        );
        if child.try_wait().expect("it can be asked").is_some() {
            child = start();
        }
        sleep(Duration::from_millis(20));
    }
    child
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("its address").port()
}
