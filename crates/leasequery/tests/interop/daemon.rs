//! `leasequery serve` and `leasequery bulk` as child processes.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::family::Family;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_leasequery");

/// A running daemon; it is killed when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    directory: PathBuf,
    /// Where it listens for TCP.
    pub(crate) address: String,
    /// Where it listens for single queries.
    pub(crate) udp: String,
}

impl Daemon {
    /// Starts with listeners on free ports, open to the loopback, and `sources` in the configuration.
    pub(crate) fn start(family: Family, directory: &Path, sources: &str) -> Self {
        let listen = |transport: &str, more: &str| {
            let (name, address) = (family.name(), SocketAddr::new(family.loopback(), 0));
            format!("[[listen]]\nprotocol = \"{name}\"\ntransport = \"{transport}\"\naddress = \"{address}\"\n{more}")
        };
        let config = format!(
            "state-dir = \"state\"\n{}{}[[requestor]]\nname = \"test\"\naddresses = [\"127.0.0.0/8\", \"::1\"]\n\
             allow = [\"udp\", \"bulk\", \"active\"]\n{sources}",
            listen("tcp", "tls = \"off\"\nactive = true\n"),
            listen("udp", ""),
        );
        std::fs::write(directory.join("leasequery.toml"), config).expect("the configuration is written");
        let (child, [address, udp]) = launch(directory);
        Self { child, directory: directory.to_owned(), address, udp }
    }

    /// Kills without a warning and starts again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.child.kill().expect("the daemon is there");
        self.child.wait().expect("it ends");
        (self.child, [self.address, self.udp]) = launch(&self.directory);
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(status.success());
    }

    /// What `leasequery bulk` prints.
    pub(crate) fn bulk(&self, selectors: &[&str]) -> Vec<Value> {
        print("bulk", &self.address, selectors)
    }

    /// What `leasequery query` prints.
    pub(crate) fn query(&self, selectors: &[&str]) -> Vec<Value> {
        print("query", &self.udp, selectors)
    }

    /// What the daemon has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("serve.log")).expect("there is a log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the daemon\n{}", self.log());
        }
    }
}

fn print(command: &str, server: &str, selectors: &[&str]) -> Vec<Value> {
    let output = Command::new(BINARY)
        .args([command, server, "--format", "json"])
        .args(selectors)
        .stderr(Stdio::inherit())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{command} {selectors:?}: {}", output.status);
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("each line is a record")).collect()
}

fn launch(directory: &Path) -> (Child, [String; 2]) {
    let log: File = OpenOptions::new().create(true).append(true).open(directory.join("serve.log")).expect("a log");
    let mut child = Command::new(BINARY)
        .args(["serve", "--config", "leasequery.toml"])
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("serve starts");
    let mut ready = String::new();
    let stdout = child.stdout.take().expect("its output is piped");
    BufReader::new(stdout).read_line(&mut ready).expect("it writes a line");
    let listener = |name: &str| {
        let found =
            ready.split_whitespace().find_map(|word| word.split_once('=').filter(|(key, _)| key.ends_with(name)));
        found.unwrap_or_else(|| panic!("not ready: '{ready}'")).1.to_owned()
    };
    (child, ["-tcp", "-udp"].map(listener))
}

/// Pushes lines into a socket, and gives the answers.
pub(crate) fn push(socket: &Path, lines: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("the socket is there");
    stream.write_all(lines.as_bytes()).expect("it takes lines");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}
