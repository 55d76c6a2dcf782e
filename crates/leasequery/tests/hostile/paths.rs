//! What others could put where the daemon looks: it says what is wrong, and never waits for it.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use leasequery_testing::pki::Pki;
use tempfile::TempDir;

use crate::common::{Daemon, LISTEN, PUSH, REQUESTOR, eventually, leasequery, stderr};

fn configured(config: &str) -> Arc<TempDir> {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("leasequery.toml"), config).expect("written");
    Arc::new(directory)
}

/// What the daemon says instead of starting, which has to be one line.
fn refusal(directory: &TempDir) -> String {
    let config = directory.path().join("leasequery.toml");
    let output = leasequery().args(["serve", "--config"]).arg(config).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = stderr(&output);
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    errors[0].to_owned()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
}

#[test]
fn a_push_socket_is_not_made_where_something_else_is() {
    let directory = configured(&format!("{LISTEN}{REQUESTOR}{PUSH}"));
    let socket = directory.path().join("push.sock");
    symlink("/nowhere", &socket).expect("made");
    assert!(refusal(&directory).ends_with("push.sock cannot be made: there is a symbolic link"));
    assert!(socket.is_symlink(), "it is still there");
    std::fs::remove_file(&socket).expect("ours");

    std::fs::create_dir(&socket).expect("made");
    assert!(refusal(&directory).ends_with("push.sock cannot be made: there is something that is no socket"));
    std::fs::remove_dir(&socket).expect("ours");

    set_mode(directory.path(), 0o777);
    let words = "push.sock cannot be made: everybody may write into its directory, and could put another socket there";
    assert!(refusal(&directory).ends_with(words));
    assert!(!socket.exists());
    // What others have put there they cannot exchange.
    set_mode(directory.path(), 0o1777);
    let daemon = Daemon::start_in(Arc::clone(&directory), leasequery());
    assert!(refusal(&directory).ends_with("push.sock cannot be made: another process listens on it"));
    assert!(daemon.push("").contains(&serde_json::json!({ "committed": 0 })));
}

#[test]
fn a_push_socket_is_for_owner_and_group_whatever_the_umask() {
    for umask in ["000", "077"] {
        let directory = configured(&format!("{LISTEN}{REQUESTOR}{PUSH}"));
        let mut program = Command::new("sh");
        program.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_leasequery")]);
        let daemon = Daemon::start_in(directory, program);
        let found = std::fs::metadata(daemon.path("push.sock")).expect("it is there");
        assert_eq!(found.permissions().mode() & 0o777, 0o660);
    }
}

#[test]
fn so_many_clients_of_a_push_socket_are_served_and_further_ones_wait() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{PUSH}"));
    let before = daemon.descriptors();
    let connect = || UnixStream::connect(daemon.path("push.sock")).expect("the socket is there");
    let mut clients: Vec<_> = (0..60).map(|_| connect()).collect();
    eventually("it says so", || daemon.log().contains("32 clients at a time, further ones have to wait"));
    assert!(daemon.descriptors() <= before + 32);
    let mut last = clients.pop().expect("one of sixty");
    last.shutdown(Shutdown::Write).expect("shut down");
    last.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let mut answer = String::new();
    assert!(last.read_to_string(&mut answer).is_err(), "it waits");
    drop(clients);
    last.set_read_timeout(Some(crate::common::PATIENCE)).expect("a timeout");
    last.read_to_string(&mut answer).expect("its turn has come");
    assert_eq!(answer, "{\"committed\": 0}\n");
}

//= rfc7724-9-04
//= rfc7653-security-01
#[test]
fn a_state_dir_that_everybody_may_write_into_is_refused() {
    let directory = configured(&format!("state-dir = \"state\"\n{LISTEN}{REQUESTOR}{PUSH}"));
    let state = directory.path().join("state");
    std::fs::create_dir(&state).expect("made");
    set_mode(&state, 0o777);
    let words = "state: everybody may write into it (mode 0777); 0700 would be right";
    assert!(refusal(&directory).ends_with(words), "{}", refusal(&directory));

    set_mode(&state, 0o755);
    let daemon = Daemon::start_in(Arc::clone(&directory), leasequery());
    eventually("it is said", || daemon.log().contains("others may look into it (mode 0755)"));
    drop(daemon);
    set_mode(&state, 0o700);
    let daemon = Daemon::start_in(directory, leasequery());
    assert!(!daemon.log().contains("others may look into it"), "{}", daemon.log());
}

#[test]
fn a_private_key_that_others_may_read_is_warned_about() {
    let pki = Pki::new();
    let server = pki.files("server", &["127.0.0.1"]);
    let directory = configured(&format!("{}{LISTEN}{REQUESTOR}{PUSH}", server.table()));
    let check = || {
        let config = directory.path().join("leasequery.toml");
        let output =
            leasequery().args(["serve", "--check", "--config"]).arg(config).output().expect("the program runs");
        assert!(output.status.success(), "{output:?}");
        crate::common::stdout(&output)
    };
    for mode in [0o644, 0o604, 0o666] {
        set_mode(&server.key, mode);
        let warning = format!("server.key: others may get at this private key (mode {mode:04o})");
        assert!(check().contains(&warning), "{}", check());
    }
    set_mode(&server.key, 0o600);
    assert!(!check().contains("private key"), "{}", check());

    std::fs::remove_file(&server.key).expect("ours");
    make_fifo(&server.key);
    let text = refusal(&directory);
    assert!(
        text.contains("leasequery.toml:3:") && text.contains("it is a FIFO or a device, not a regular file"),
        "{text}"
    );
}

#[test]
fn a_lease_file_that_is_none_is_not_waited_for() {
    let kea = |more: &str| {
        format!(
            "{LISTEN}{REQUESTOR}[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v4\"\npath = \"leases.csv\"\n{more}"
        )
    };
    let directory = configured(&kea(""));
    let leases = directory.path().join("leases.csv");
    make_fifo(&leases);
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_leasequery"))
        .args(["serve", "--config"])
        .arg(directory.path().join("leasequery.toml"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut log = daemon.stderr.take().expect("piped");
    let mut text = Vec::new();
    let mut piece = [0; 1000];
    while !String::from_utf8_lossy(&text).contains("leases.csv: it is a FIFO or a device, not a regular file") {
        let length = log.read(&mut piece).expect("it says something");
        assert_ne!(length, 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&piece[..length]);
    }
    // Once there is a file it is read.
    std::fs::remove_file(&leases).expect("ours");
    let mut file = std::fs::File::create(&leases).expect("made");
    writeln!(
        file,
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context"
    )
    .expect("written");
    while !String::from_utf8_lossy(&text).contains("ready v4-tcp") {
        let length = log.read(&mut piece).expect("it says something");
        assert_ne!(length, 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&piece[..length]);
    }
    daemon.kill().expect("it runs");
    daemon.wait().expect("it ends");

    let directory = configured(&kea("kea-config = \"kea.conf\"\n"));
    make_fifo(&directory.path().join("kea.conf"));
    // The daemon serves the leases all the same; --check says what is wrong.
    let config = directory.path().join("leasequery.toml");
    let output = leasequery().args(["serve", "--check", "--config"]).arg(config).output().expect("the program runs");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("kea.conf") && text.contains("it is a FIFO or a device, not a regular file"), "{text}");
}

#[test]
fn as_many_descriptors_are_taken_as_there_may_be_and_too_few_are_warned_about() {
    for (limits, hard, words) in
        [("-S -n 64", None, None), ("-n 200", Some("200"), Some("of 200 that the system permits"))]
    {
        let directory = configured(&format!("{LISTEN}{REQUESTOR}[limits]\nconnections = 180\n"));
        let mut program = Command::new("sh");
        program.args(["-c", &format!("ulimit {limits}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_leasequery")]);
        let daemon = Daemon::start_in(directory, program);
        let line = daemon.limit("Max open files");
        let [soft, found] = [line[0].as_str(), line[1].as_str()];
        assert_eq!(soft, found);
        assert!(hard.is_none_or(|hard| hard == found), "{line:?}");
        if let Some(words) = words {
            eventually("it is said", || daemon.log().contains(words));
        }
    }
}
