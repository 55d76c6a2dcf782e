//! `leasequery verify` against daemons, as processes.

mod common;

use common::*;
use serde_json::{Value, json};

fn daemon() -> Daemon {
    Daemon::start(&format!("{LISTEN}{REQUESTOR}{PUSH}{}", network("10.0.0.1-10.0.0.9")))
}

fn lease(last: u8, state: &str) -> Value {
    json!({
        "protocol": "v4", "address": format!("10.0.0.{last}"), "state": state, "mac": format!("02:00:00:00:00:{last:02x}"),
        "start-time-of-state": "2026-01-01T00:00:00Z", "expires": "2090-01-01T00:00:00Z",
    })
}

#[test]
fn copies_are_equal_or_each_difference_is_listed() {
    let (a, b) = (daemon(), daemon());
    let (at_a, at_b) = (a.address().to_string(), b.address().to_string());
    a.push_all(&[lease(1, "active"), lease(2, "released")]);
    b.push_all(&[lease(1, "active")]);
    let output = verify(&at_a, &at_b, &["--format", "table"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
    assert_eq!(stderr(&output), "equal: 9 addresses, 1 leased\n");

    a.push_all(&[lease(3, "active"), lease(4, "active")]);
    let mut other = lease(4, "active");
    other["mac"] = json!("02:00:00:00:00:ff");
    b.push_all(&[other]);
    let output = verify(&at_a, &at_b, &["--settle", "0s", "--format", "table"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stdout(&output),
        "10.0.0.3  state: active | available\n10.0.0.4  mac: 02:00:00:00:00:04 | 02:00:00:00:00:ff\n"
    );
    assert!(stderr(&output).contains("2 of 9 addresses differ"));

    let output = verify(&at_a, &at_b, &["--settle", "0s"]);
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[1]["difference"], "differs");
    assert_eq!((&lines[1]["address"], &lines[1]["fields"]), (&json!("10.0.0.4"), &json!(["mac"])));
    assert_eq!(
        (&lines[1]["a"]["mac"], &lines[1]["b"]["mac"]),
        (&json!("02:00:00:00:00:04"), &json!("02:00:00:00:00:ff"))
    );
}

#[test]
fn what_settles_is_no_difference() {
    let (a, b) = (daemon(), daemon());
    a.push_all(&[lease(1, "active")]);
    let socket = b.path("push.sock");
    let later = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(800));
        push(&socket, lease(1, "active").to_string().as_bytes());
    });
    let output = verify(&a.address().to_string(), &b.address().to_string(), &["--settle", "90s"]);
    later.join().expect("it was pushed");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_file_of_records_can_be_compared_with_a_server() {
    let b = daemon();
    let at_b = b.address().to_string();
    b.push_all(&[lease(1, "active"), lease(2, "active")]);
    let file = b.path("printed");
    let name = file.to_str().expect("UTF-8");
    // As `watch` prints it: what changed later stands below.
    let lines = [json!({"event": "connected"}), lease(2, "released"), lease(1, "active"), lease(2, "active")];
    let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
    std::fs::write(&file, lines.join("\n")).expect("it is written");
    assert_eq!(verify(name, &at_b, &[]).status.code(), Some(0));
    std::fs::write(&file, format!("{}\n{{\"address\": 7}}\n", lines[1])).expect("it is written");
    let output = verify(name, &at_b, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("printed:2: "), "{}", stderr(&output));
}

#[test]
fn a_side_that_cannot_be_asked_is_named() {
    let a = daemon();
    let at_a = a.address().to_string();
    let output = verify(&at_a, "127.0.0.1:1", &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("127.0.0.1:1"), "{}", stderr(&output));
    let refusing = Daemon::start(&format!("{LISTEN}{REQUESTOR}allow = [\"udp\"]\n"));
    let output = verify(&at_a, &refusing.address().to_string(), &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("NotAllowed"), "{}", stderr(&output));
    assert_eq!(verify("no server:x", &at_a, &[]).status.code(), Some(2));
}

#[test]
fn options_are_compared_if_they_are_asked_for() {
    let (a, b) = (daemon(), daemon());
    let (at_a, at_b) = (a.address().to_string(), b.address().to_string());
    let named = |name: &str| {
        let mut lease = lease(1, "active");
        lease["options"] = json!({"12": name});
        lease
    };
    a.push_all(&[named("6161")]);
    b.push_all(&[named("6262")]);
    let output = verify(&at_a, &at_b, &["--settle", "0s"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
    assert!(stderr(&output).contains("equal: 9 addresses, 1 leased"), "never silent: {}", stderr(&output));
    let output = verify(&at_a, &at_b, &["--settle", "0s", "--options", "12", "--format", "table"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).starts_with("10.0.0.1  options: "), "{}", stdout(&output));

    // What was printed with options is what the server that printed it says.
    let printed = leasequery().args(["bulk", &at_a, "--options", "12", "--format", "json"]).output().expect("it runs");
    let file = a.path("printed");
    std::fs::write(&file, &printed.stdout).expect("it is written");
    let name = file.to_str().expect("UTF-8");
    for more in [&[][..], &["--options", "12"], &["--options", "12,15"]] {
        let output = verify(name, &at_a, more);
        assert_eq!(output.status.code(), Some(0), "{more:?}: {output:?}");
    }
    assert_eq!(verify(name, &at_b, &["--settle", "0s", "--options", "12"]).status.code(), Some(1));
}

#[test]
fn an_address_that_one_side_has_not_configured_is_a_difference() {
    let b = Daemon::start(&format!("{LISTEN}{REQUESTOR}{PUSH}{}", network("10.0.0.1-10.0.0.8")));
    let output =
        verify(&daemon().address().to_string(), &b.address().to_string(), &["--settle", "0s", "--format", "table"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "10.0.0.9  available only in A\n");
}
