//! A real Kea on the loopback, without privileges, and perfdhcp for traffic.

use std::fmt::Write as _;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::family::Family;
use super::tool;

/// A running server of Kea's; it is killed when it is dropped.
pub(crate) struct Kea {
    child: Child,
    family: Family,
    directory: PathBuf,
    server_port: u16,
    client_port: u16,
}

/// What differs between the tests.
pub(crate) struct Settings {
    pub(crate) family: Family,
    pub(crate) valid_lifetime: u32,
    /// Seconds between two cleanups of the lease file; 0 is never.
    pub(crate) lfc_interval: u32,
    pub(crate) extended_info: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { family: Family::V4, valid_lifetime: 600, lfc_interval: 0, extended_info: true }
    }
}

/// The pool of DHCPv4: 1,024 addresses, written in Kea's dialect of JSON.
pub(crate) const POOL: usize = 1024;
/// An address reserved outside the pool.
pub(crate) const RESERVED: &str = "10.77.200.9";

impl Kea {
    pub(crate) fn start(directory: &Path, settings: &Settings) -> Self {
        let Settings { family, valid_lifetime, lfc_interval, extended_info } = settings;
        let (server, own) = family.kea_config(settings);
        let config = format!(
            r#"# A comment, as people write them.
{{ "{server}": {{
  {own}
  "lease-database": {{ "type": "memfile", "name": "{leases}", "lfc-interval": {lfc_interval} }},
  "valid-lifetime": {valid_lifetime}, "calculate-tee-times": true,
  "store-extended-info": {extended_info}, // needed for relay data
  "expired-leases-processing": {{ "reclaim-timer-wait-time": 1, "flush-reclaimed-timer-wait-time": 3,
                                  "hold-reclaimed-time": 4 }},
  "loggers": [ {{ "name": "{logger}", "severity": "WARN",
                 "output_options": [ {{ "output": "{log}" }} ] }} ]
}} }}
"#,
            leases = directory.join(family.leases()).display(),
            logger = family.server(),
            log = directory.join("kea.log").display(),
        );
        Self::start_with(directory, *family, &config)
    }

    /// Starts with this configuration.
    pub(crate) fn start_with(directory: &Path, family: Family, config: &str) -> Self {
        std::fs::write(directory.join("kea.conf"), config).expect("the configuration is written");
        let (server_port, client_port) = (free_port(family), free_port(family));
        let child = launch(family, directory, server_port, client_port);
        Self { child, family, directory: directory.to_owned(), server_port, client_port }
    }

    /// Kills without a warning and starts again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Kills without a warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("Kea is there");
        self.child.wait().expect("it ends");
    }

    /// Starts again after it was killed.
    pub(crate) fn restart(&mut self) {
        let run = self.directory.join("run");
        for entry in std::fs::read_dir(&run).expect("its directory").flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
        let cleanup = self.directory.join(format!("{}.pid", self.family.leases()));
        // A cleanup that goes on keeps Kea from starting.
        let deadline = Instant::now() + Duration::from_secs(10);
        while cleanup.exists() && Instant::now() < deadline {
            sleep(Duration::from_millis(20));
        }
        self.child = launch(self.family, &self.directory, self.server_port, self.client_port);
    }

    /// Starts clients that come through a relay, of DHCPv4 with this option 82 and with hardware addresses from there on,
    /// and does not wait for them. Clients of DHCPv6 are new ones each time, ask for an address and a prefix, and their
    /// relay adds no options.
    pub(crate) fn traffic(&self, mac: &str, option82: &str, arguments: &[&str]) -> Traffic {
        let mut command = tool("perfdhcp");
        match self.family {
            Family::V4 => command.arg("-4").args(["-b", &format!("mac={mac}")]),
            Family::V6 => command.args(["-6", "-A", "1", "-e", "address-and-prefix"]),
        };
        command.args(arguments);
        if !option82.is_empty() && self.family == Family::V4 {
            command.args(["-o", &format!("82,{option82}")]);
        }
        command.args(["-l", "lo", "-W", "300000"]);
        command.args(["-L", &self.client_port.to_string(), "-N", &self.server_port.to_string()]);
        command.arg(self.family.loopback().to_string());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("perfdhcp starts");
        Traffic(child)
    }

    /// A client of DHCPv6 gets an address and a prefix at once, through a relay that says who it is and where the client
    /// is.
    pub(crate) fn lease_v6(&self, duid: &[u8], remote_id: &[u8], relay_id: &[u8]) {
        let put = |out: &mut Vec<u8>, code: u16, value: &[u8]| {
            out.extend_from_slice(&code.to_be_bytes());
            out.extend_from_slice(&u16::try_from(value.len()).expect("it is short").to_be_bytes());
            out.extend_from_slice(value);
        };
        // A SOLICIT with rapid commit, for one address and one prefix.
        let mut solicit = vec![1, 0, 0, 7];
        put(&mut solicit, 1, duid);
        put(&mut solicit, 14, &[]);
        put(&mut solicit, 8, &[0, 0]);
        put(&mut solicit, 3, &[0; 12]);
        put(&mut solicit, 25, &[0; 12]);
        let mut relayed = vec![12, 0];
        relayed.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        relayed.extend_from_slice(&Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa).octets());
        put(&mut relayed, 37, remote_id);
        put(&mut relayed, 53, relay_id);
        put(&mut relayed, 9, &solicit);
        let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, self.client_port)).expect("nobody else relays now");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut answer = [0; 2048];
        for _ in 0..4 {
            socket.send_to(&relayed, SocketAddr::from((Ipv6Addr::LOCALHOST, self.server_port))).expect("it is sent");
            if socket.recv(&mut answer).is_ok() {
                assert_eq!(answer[0], 13, "a RELAY-REPL");
                return;
            }
        }
        panic!("Kea does not answer");
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

fn launch(family: Family, directory: &Path, server_port: u16, client_port: u16) -> Child {
    let run = directory.join("run");
    std::fs::create_dir_all(&run).expect("its directory");
    let start = || {
        tool(family.server())
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
    while UdpSocket::bind((family.loopback(), server_port)).is_ok() {
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

fn free_port(family: Family) -> u16 {
    let socket = UdpSocket::bind((family.loopback(), 0)).expect("a free port");
    socket.local_addr().expect("its address").port()
}
