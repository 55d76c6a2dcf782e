//! Daemons that follow other daemons, as processes.

mod common;

use std::sync::Arc;

use common::*;
use serde_json::{Value, json};

fn root() -> Daemon {
    Daemon::start(&format!("state-dir = \"state\"\n{}{PUSH}{}", active(LISTEN), network("10.0.0.1-10.0.0.9")))
}

fn mirror_of(servers: &[&Daemon], more: &str) -> Daemon {
    Daemon::start(&mirror_config(servers, more))
}

fn mirror_config(servers: &[&Daemon], more: &str) -> String {
    let sources: String = servers.iter().map(|server| follow("v4", server.address()) + more).collect();
    format!("state-dir = \"state\"\n{}\n[limits]\nactive-idle-timeout = 0.3\n{sources}", active(LISTEN))
}

fn lease(last: u8, state: &str) -> Value {
    json!({
        "protocol": "v4", "address": format!("10.0.0.{last}"), "state": state, "mac": format!("02:00:00:00:00:{last:02x}"),
        "client-last-transaction-time": "2026-01-01T00:00:00Z", "expires": "2090-01-01T00:00:00Z",
        "relay-agent-information": "0204aabbccdd",
    })
}

#[test]
fn a_chain_of_daemons_says_at_its_end_what_is_said_at_its_beginning() {
    let root = root();
    root.push_all(&[lease(1, "active"), lease(2, "released")]);
    let middle = mirror_of(&[&root], "");
    let end = mirror_of(&[&middle], "");
    let same = |what: &str| {
        eventually(what, || end.view() == root.view() && middle.view() == root.view());
        let (root, end) = (root.address().to_string(), end.address().to_string());
        let output = verify(&root, &end, &[]);
        assert!(output.status.success(), "{what}: {output:?}");
    };
    same("the first state is everywhere");
    root.push_all(&[lease(3, "active"), lease(1, "released")]);
    same("changes are everywhere");
    assert_eq!(root.records(&["--mac", "02:00:00:00:00:03"])[0]["data-source"], "local");
    assert_eq!(end.records(&["--mac", "02:00:00:00:00:03"])[0]["data-source"], "remote");
    assert_eq!(end.addresses(&["--remote-id", "aabbccdd"]), ["10.0.0.3"], "identifiers are found there, too");
}

#[test]
fn a_mirror_that_is_killed_has_everything_again() {
    let root = root();
    root.push_all(&[lease(1, "active"), lease(2, "active")]);
    let mut mirror = mirror_of(&[&root], "");
    eventually("the first state is there", || mirror.view() == root.view());
    mirror.signal("KILL");
    mirror.wait();
    root.push_all(&[lease(1, "released"), lease(3, "active")]);
    let mirror = Daemon::start_in(Arc::clone(&mirror.directory), leasequery());
    eventually("what changed meanwhile is there", || mirror.view() == root.view());
}

#[test]
fn a_mirror_without_a_copy_is_not_ready_before_it_has_one() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("its address")
    };
    let config = active(LISTEN) + &follow("v4", gone);
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("leasequery.toml"), config).expect("written");
    let mut child = leasequery()
        .args(["serve", "--config"])
        .arg(directory.path().join("leasequery.toml"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    child.kill().expect("it is there");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.stdout.is_empty(), "nobody who asked would be told the truth");
}

/// What left the server while nobody listened, and no change tells of it.
#[test]
fn a_sweep_finds_what_is_no_longer_there() {
    let mut root = root();
    let config = std::fs::read_to_string(root.path("leasequery.toml")).expect("it is there");
    let server = root.address().to_string();
    root.push_all(&[lease(1, "active"), lease(2, "active")]);
    let mirror = mirror_of(&[&root], "sweep = \"300ms\"\n");
    eventually("the first state is there", || mirror.view() == root.view());
    root.signal("TERM");
    root.wait();
    std::fs::remove_dir_all(root.path("state")).expect("it forgets everything");
    root.configure(&config.replace("127.0.0.1:0", &server));
    let root = Daemon::start_in(Arc::clone(&root.directory), leasequery());
    root.push_all(&[lease(2, "active")]);
    let leased = |daemon: &Daemon| -> Vec<String> {
        let records = daemon.records(&[]);
        let leased = records.iter().filter(|record| record["state"] == "active");
        leased.map(|record| record["address"].as_str().unwrap_or_default().to_owned()).collect()
    };
    eventually("what is gone is gone", || leased(&mirror) == ["10.0.0.2"]);
}

//= rfc6926-7.6-01
#[test]
fn of_two_servers_the_one_that_heard_later_of_the_client_is_believed() {
    let (first, second) = (root(), root());
    let heard = |time: &str, mac: &str| {
        let mut record = lease(1, "active");
        record["client-last-transaction-time"] = json!(time);
        record["mac"] = json!(mac);
        record
    };
    first.push_all(&[heard("2026-02-01T00:00:00Z", "02:00:00:00:00:0a"), lease(2, "active")]);
    second.push_all(&[heard("2026-03-01T00:00:00Z", "02:00:00:00:00:0b"), lease(3, "active")]);
    let mirror = mirror_of(&[&first, &second], "");
    let believed = |mac: &str| {
        eventually("the later one is believed", || {
            let records = mirror.records(&[]);
            let leased: Vec<_> = records.iter().filter(|record| record["state"] == "active").collect();
            leased.len() == 3 && leased[0]["mac"] == mac
        });
    };
    believed("02:00:00:00:00:0b");
    first.push_all(&[heard("2026-04-01T00:00:00Z", "02:00:00:00:00:0a")]);
    believed("02:00:00:00:00:0a");
}

/// Neither the server nor the mirror has anything to say or to do of its own accord for an hour.
#[test]
fn a_server_that_has_what_another_source_lost_is_asked_at_once() {
    const MAC: [&str; 2] = ["--mac", "02:00:00:00:00:01"];
    let quiet = "[limits]\nactive-idle-timeout = 3600\n";
    let root = Daemon::start(&format!("{}{PUSH}{quiet}", active(LISTEN)));
    root.push_all(&[lease(1, "active")]);
    let source = follow("v4", root.address());
    let mirror = Daemon::start(&format!("{}{PUSH}{quiet}{source}sweep = \"1h\"\n", active(LISTEN)));
    // It listens to changes.
    root.push_all(&[lease(2, "active")]);
    eventually("a change is there", || mirror.addresses(&[]) == ["10.0.0.1", "10.0.0.2"]);

    let mut later = lease(1, "active");
    later["client-last-transaction-time"] = json!("2026-01-01T01:00:00Z");
    mirror.push_all(&[later]);
    assert_eq!(mirror.records(&MAC)[0]["client-last-transaction-time"], "2026-01-01T01:00:00Z");
    mirror.push_all(&[json!({ "op": "delete", "protocol": "v4", "address": "10.0.0.1" })]);
    eventually("what the server says itself is there", || {
        let record = mirror.records(&MAC).remove(0);
        assert_eq!(record["state"], "active", "the server had it all the time");
        record["client-last-transaction-time"] == "2026-01-01T00:00:00Z"
    });
}
