//! Sources over restarts: which one is the same, what becomes of what one told that is no longer configured, and what is
//! said of one that cannot be read any more.

mod common;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::{Daemon, LISTEN, PATIENCE, PUSH, Watch, active, eventually, follow, leasequery, records, stderr};
use tempfile::TempDir;

const HEADER: &str =
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";

/// Rows of clients that have the addresses 10.0.0.N for ever.
fn leases(numbers: &[u8]) -> String {
    let row = |n: &u8| format!("10.0.0.{n},02:00:00:00:00:0{n},,4294967295,5795168800,1,0,0,,0,\n");
    HEADER.to_owned() + &numbers.iter().map(row).collect::<String>()
}

fn kea(path: impl AsRef<Path>) -> String {
    let path = path.as_ref().display();
    format!("[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v4\"\npath = \"{path}\"\n")
}

fn directory(numbers: &[u8]) -> Arc<TempDir> {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    std::fs::create_dir(directory.path().join("kea")).expect("a directory");
    std::fs::write(directory.path().join("kea/leases.csv"), leases(numbers)).expect("written");
    directory
}

fn configure(directory: &TempDir, sources: &str) {
    let config = format!("state-dir = \"state\"\n{}{sources}", active(LISTEN));
    std::fs::write(directory.path().join("leasequery.toml"), config).expect("written");
}

fn start(directory: &Arc<TempDir>, sources: &str) -> Daemon {
    configure(directory, sources);
    Daemon::start_waiting_in(Arc::clone(directory), leasequery())
}

fn end(mut daemon: Daemon) {
    daemon.signal("TERM");
    assert!(daemon.wait().success());
}

/// Who has what, whether the answer is complete or not.
fn leased(daemon: &Daemon) -> Vec<String> {
    let found = records(&daemon.bulk(&[]));
    found.iter().filter(|record| record["state"] == "active").map(common::place).collect()
}

/// What the service manager is told.
struct Manager(UnixDatagram);

impl Manager {
    fn new(directory: &TempDir) -> (Self, Command) {
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut program = leasequery();
        program.env("NOTIFY_SOCKET", directory.path().join("notify"));
        (Self(socket), program)
    }

    /// The next status in which there is this.
    fn status(&self, word: &str) -> String {
        loop {
            let mut input = [0; 2000];
            let length = self.0.recv(&mut input).unwrap_or_else(|_| panic!("no status with {word:?}"));
            let text = String::from_utf8_lossy(&input[..length]).into_owned();
            if let Some((_, status)) = text.split_once("STATUS=")
                && status.contains(word)
            {
                return status.to_owned();
            }
        }
    }
}

#[test]
fn a_source_is_the_same_however_its_file_is_written() {
    let directory = directory(&[1, 2]);
    let daemon = start(&directory, &kea("kea/leases.csv"));
    eventually("it is read", || leased(&daemon).len() == 2);
    end(daemon);
    // Only what is remembered tells of it now.
    std::fs::remove_file(directory.path().join("kea/leases.csv")).expect("it is there");
    for path in [directory.path().join("kea/leases.csv"), "./kea/../kea//leases.csv".into()] {
        let daemon = start(&directory, &kea(path));
        eventually("it is ready", || !daemon.printed().is_empty());
        assert_eq!(leased(&daemon), ["10.0.0.1", "10.0.0.2"]);
        assert!(!daemon.log().contains("no longer configured"), "{}", daemon.log());
        end(daemon);
    }
}

#[test]
fn what_a_departed_source_told_stands_until_all_others_have_been_read() {
    let directory = directory(&[1, 2, 3]);
    let daemon = start(&directory, &kea("kea/leases.csv"));
    eventually("it is read", || leased(&daemon).len() == 3);
    end(daemon);
    // A typing mistake.
    let daemon = start(&directory, &(kea("kea/leasse.csv") + PUSH));
    eventually("it is missed", || daemon.log().contains("there is no such file"));
    let answer = daemon.bulk(&[]);
    assert!(stderr(&answer).starts_with("error: UnspecFail: not everything is known yet: "), "{answer:?}");
    assert_eq!(leased(&daemon).len(), 3);
    let watch = Watch::of(&daemon, &[]);
    watch.expect(&["connected", "10.0.0.1 active", "10.0.0.2 active", "10.0.0.3 active"]);
    assert!(!daemon.log().contains("of its bindings ended"), "{}", daemon.log());
    // Which was none: the file has been moved, and what it has had not ended at any moment.
    std::fs::write(directory.path().join("kea/leasse.csv"), leases(&[1, 3])).expect("written");
    assert_eq!(watch.next(), "10.0.0.2 available");
    eventually("that is said", || {
        daemon
            .log()
            .lines()
            .any(|line| line.contains("WARN") && line.contains("/kea/leases.csv is no longer configured: 1 of"))
    });
    assert_eq!(leased(&daemon), ["10.0.0.1", "10.0.0.3"]);
    daemon.push_all(&[serde_json::json!({
        "protocol": "v4", "address": "10.0.0.9", "state": "active", "mac": "02:00:00:00:00:09",
    })]);
    let told = watch.until("10.0.0.9 active");
    assert!(
        ["10.0.0.1 available", "10.0.0.3 available"].iter().all(|end| told.iter().all(|line| line != end)),
        "nobody else's lease has ended: {told:?}"
    );
}

#[test]
fn what_is_served_as_an_earlier_run_knew_it_is_not_called_known() {
    let directory = directory(&[1]);
    let daemon = start(&directory, &kea("kea/leases.csv"));
    eventually("it is read", || leased(&daemon).len() == 1);
    end(daemon);
    let file = directory.path().join("kea/leases.csv");
    std::fs::remove_file(&file).expect("it is there");
    let (manager, program) = Manager::new(&directory);
    let daemon = Daemon::start_in(Arc::clone(&directory), program);
    assert!(daemon.bulk(&[]).status.success(), "once it was whole it is served");
    let status = manager.status("what the last run knew is served, as it was ");
    assert!(status.starts_with("ready v4-tcp="), "{status}");
    assert!(status.contains("leases.csv (since 20") && status.contains("there is no such file"), "{status}");
    assert!(!daemon.log().contains("everything it has is known"), "{}", daemon.log());
    std::fs::write(&file, leases(&[1, 2])).expect("written");
    eventually("it is read again", || daemon.log().contains("leases.csv: everything it has is known"));
    let ready = daemon.ready.trim_end().to_owned();
    while manager.status("ready") != ready {}
    assert_eq!(leased(&daemon).len(), 2);
}

#[test]
fn the_service_manager_is_told_when_a_server_that_is_followed_goes_away() {
    let server = Daemon::start(&format!("{}{PUSH}", active(LISTEN)));
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    configure(&directory, &follow("v4", server.address()));
    let (manager, program) = Manager::new(&directory);
    let daemon = Daemon::start_in(Arc::clone(&directory), program);
    let ready = daemon.ready.trim_end().to_owned();
    while manager.status("ready") != ready {}
    let name = format!("leasequery {} (since 20", server.address());
    drop(server);
    let status = manager.status("disconnected: ");
    assert!(status.starts_with(&format!("{ready}; {name}")), "{status}");
    // What came of a reload is no answer to how it is.
    daemon.signal("HUP");
    let status = manager.status("ready");
    assert!(status.starts_with(&format!("{ready}; {name}")), "{status}");
    eventually("it is reloaded", || daemon.log().contains("SIGHUP: "));
}

#[test]
fn a_mirror_that_comes_back_knows_everything_once_it_has_compared_all_of_it() {
    let server = Daemon::start(&format!("{}{PUSH}", active(LISTEN)));
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let sources = follow("v4", server.address());
    end(start(&directory, &sources));
    configure(&directory, &sources);
    for _ in 0..2 {
        let daemon = Daemon::start_in(Arc::clone(&directory), leasequery());
        eventually("it is known", || {
            daemon.log().contains(&format!("{}: everything it has is known", server.address()))
        });
        end(daemon);
    }
}
