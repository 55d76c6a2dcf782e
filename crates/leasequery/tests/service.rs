//! The daemon as a service: what its manager is told, and whom what it makes belongs to.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Daemon, LISTEN, PATIENCE, PUSH, REQUESTOR, leasequery, network};

#[test]
fn the_service_manager_is_told_of_each_stage() {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let manager = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let next = || {
        let mut input = [0; 1000];
        let length = manager.recv(&mut input).expect("a word");
        String::from_utf8_lossy(&input[..length]).into_owned()
    };
    let config = format!("{LISTEN}{REQUESTOR}");
    std::fs::write(directory.path().join("leasequery.toml"), &config).expect("written");
    let mut program = leasequery();
    program.env("NOTIFY_SOCKET", directory.path().join("notify"));
    let mut daemon = Daemon::start_in(Arc::clone(&directory), program);
    assert_eq!(next(), format!("READY=1\nSTATUS={}", daemon.ready.trim_end()));
    daemon.signal("HUP");
    assert_eq!(next(), "RELOADING=1");
    assert_eq!(next(), format!("READY=1\nSTATUS={}", daemon.ready.trim_end()));
    daemon.configure("nonsense");
    daemon.signal("HUP");
    assert_eq!(next(), "RELOADING=1");
    assert!(next().starts_with(&format!("READY=1\nSTATUS={}; the old configuration stays: ", daemon.ready.trim_end())));
    daemon.signal("TERM");
    assert_eq!(next(), "STOPPING=1");
    assert!(daemon.wait().success());
}

/// Everything below a directory, with its mode.
fn modes(directory: &Path, found: &mut Vec<(PathBuf, u32)>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let kind = std::fs::symlink_metadata(&path).expect("it is there");
        found.push((path.clone(), kind.permissions().mode() & 0o777));
        if kind.is_dir() {
            modes(&path, found);
        }
    }
}

//= rfc7724-9-04
//= rfc7653-security-01
#[test]
fn what_is_kept_is_nobody_elses_business() {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    // One that somebody made for it beforehand.
    let state = directory.path().join("state");
    std::fs::create_dir(&state).expect("a directory");
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    let config = format!("state-dir = \"state\"\n{LISTEN}{REQUESTOR}{PUSH}{}", network("10.0.0.1-10.0.0.9"));
    std::fs::write(directory.path().join("leasequery.toml"), config).expect("written");
    let mut program = std::process::Command::new("sh");
    program.args(["-c", "umask 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_leasequery")]);
    let daemon = Daemon::start_in(Arc::clone(&directory), program);
    daemon.push_all(&[serde_json::json!({
        "protocol": "v4", "address": "10.0.0.5", "state": "active", "mac": "02:00:00:00:00:05",
        "expires": "2090-01-01T00:00:00Z",
    })]);
    let mut found = Vec::new();
    modes(&state, &mut found);
    assert!(found.len() > 4, "{found:?}");
    for (path, mode) in found {
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    let socket = std::fs::metadata(daemon.path("push.sock")).expect("it is there");
    assert_eq!(socket.permissions().mode() & 0o777, 0o660);
}
