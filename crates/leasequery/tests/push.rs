//! The push source: what a client sends and is answered.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;

use common::{Daemon, LISTEN, PATIENCE, PUSH, REQUESTOR, eventually, leasequery, push};
use serde_json::{Value, json};

fn daemon() -> Daemon {
    Daemon::start(&format!("{LISTEN}{REQUESTOR}{PUSH}"))
}

fn lease(last: u32) -> Value {
    let [a, b, c, d] = (0x0a00_0000 + last).to_be_bytes();
    json!({"protocol": "v4", "address": format!("{a}.{b}.{c}.{d}"), "state": "active",
           "mac": format!("02:00:00:{b:02x}:{c:02x}:{d:02x}"), "expires": "2100-01-01T00:00:00Z"})
}

#[test]
fn the_socket_is_for_its_owner_and_group() {
    let daemon = daemon();
    let metadata = std::fs::metadata(daemon.path("push.sock")).expect("it is there");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
}

#[test]
fn a_bad_line_is_answered_with_its_number_and_the_others_are_taken() {
    let daemon = daemon();
    let lines = format!(
        "{}\n\nnonsense\n{{\"protocol\": \"v4\", \"address\": \"10.0.0.2\"}}\n  \r\n{}\n\u{e4}\n{}",
        lease(1),
        lease(3),
        lease(4)
    );
    let answers = daemon.push(&lines);
    let numbers: Vec<_> = answers.iter().filter_map(|answer| answer["line"].as_u64()).collect();
    assert_eq!(numbers, [3, 4, 7]);
    assert!(answers[1]["error"].as_str().expect("a text").starts_with("state"), "{answers:?}");
    assert_eq!(answers.last(), Some(&json!({"committed": 3})), "the last line needs no newline");
    assert_eq!(daemon.addresses(&[]), ["10.0.0.1", "10.0.0.3", "10.0.0.4"]);
}

#[test]
fn an_error_is_answered_while_the_client_goes_on() {
    let daemon = daemon();
    let mut stream = UnixStream::connect(daemon.path("push.sock")).expect("the push socket is there");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut answers = BufReader::new(stream.try_clone().expect("the same stream"));
    let mut answer = String::new();
    stream.write_all(format!("{}\n?\n", lease(1)).as_bytes()).expect("sent");
    answers.read_line(&mut answer).expect("an answer");
    let refusal: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(refusal["line"], 2, "{answer}");
    assert_eq!(daemon.addresses(&[]), ["10.0.0.1"], "the line before it is taken");
    // Not a line yet, so nothing happens; then it is one.
    let line = lease(2).to_string();
    stream.write_all(&line.as_bytes()[..20]).expect("sent");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(daemon.addresses(&[]).len(), 1);
    stream.write_all(&line.as_bytes()[20..]).expect("sent");
    stream.write_all(b"\n").expect("sent");
    eventually("the second lease", || daemon.addresses(&[]).len() == 2);
    stream.shutdown(Shutdown::Write).expect("shut down");
    answer.clear();
    answers.read_line(&mut answer).expect("an answer");
    assert_eq!(answer, "{\"committed\": 2}\n");
    assert_eq!(answers.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn a_line_without_end_is_refused_without_being_kept() {
    let daemon = daemon();
    let mut octets = vec![b'x'; 3 << 20];
    octets.push(b'\n');
    octets.extend_from_slice(lease(1).to_string().as_bytes());
    let answers = push(&daemon.path("push.sock"), &octets);
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert_eq!(answers[0]["line"], 1);
    assert!(answers[0]["error"].as_str().expect("a text").contains("1048576"), "{answers:?}");
    assert_eq!(answers[1], json!({"committed": 1}));
}

#[test]
fn a_client_that_reads_its_answers_last_is_answered_all_the_same() {
    let daemon = daemon();
    let bad = "{\"protocol\": \"v4\"}\n".repeat(20_000);
    let answers = daemon.push(&bad);
    assert_eq!(answers.len(), 20_001);
    assert_eq!(answers[19_999]["line"], 20_000);
    assert_eq!(answers[20_000], json!({"committed": 0}));
}

#[test]
fn a_client_that_reads_no_answers_is_dropped_in_the_end() {
    let daemon = daemon();
    let mut stream = UnixStream::connect(daemon.path("push.sock")).expect("the push socket is there");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let bad = "{\"protocol\": \"v4\"}\n".repeat(10_000);
    eventually("the server gave up", || stream.write_all(bad.as_bytes()).is_err());
    eventually("the log line", || daemon.log().contains("does not read its answers"));
    daemon.push_all(&[lease(1)]);
}

#[test]
fn delete_removes_a_lease() {
    let daemon = daemon();
    daemon.push_all(&[lease(1), lease(2)]);
    daemon.push_all(&[json!({"op": "delete", "protocol": "v4", "address": "10.0.0.1"})]);
    assert_eq!(daemon.addresses(&["--mac", "02:00:00:00:00:01"]), [""; 0]);
    let states: Vec<_> = daemon.records(&[]).iter().map(|record| record["state"].clone()).collect();
    assert_eq!(states, ["available", "active"], "that it ended can still be told");
}

#[test]
fn many_clients_push_at_once() {
    let daemon = Arc::new(daemon());
    let clients: Vec<_> = (0..16_u32)
        .map(|client| {
            let socket = daemon.path("push.sock");
            std::thread::spawn(move || {
                let lines: Vec<_> = (1..=500).map(|number| lease(client * 500 + number).to_string()).collect();
                push(&socket, lines.join("\n").as_bytes())
            })
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().expect("the client ends"), [json!({"committed": 500})]);
    }
    assert_eq!(daemon.addresses(&[]).len(), 8000);
}

#[test]
fn a_client_that_breaks_off_harms_nobody() {
    let daemon = daemon();
    let mut stream = UnixStream::connect(daemon.path("push.sock")).expect("the push socket is there");
    stream.write_all(format!("{}\n{{\"protocol\"", lease(1)).as_bytes()).expect("sent");
    drop(stream);
    assert_eq!(daemon.push(&lease(2).to_string()), [json!({"committed": 1})]);
    eventually("both leases", || daemon.addresses(&[]) == ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let file = directory.path().join("leasequery.toml");
    std::fs::write(&file, format!("{LISTEN}{REQUESTOR}{PUSH}")).expect("written");
    let socket = directory.path().join("push.sock");
    drop(UnixListener::bind(&socket).expect("a socket"));
    assert!(socket.exists());
    let daemon = Daemon::start_in(Arc::clone(&directory), leasequery());
    daemon.push_all(&[lease(1)]);

    let output = leasequery().args(["serve", "--config"]).arg(&file).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(common::stderr(&output).contains("push.sock"), "{output:?}");
    daemon.push_all(&[lease(2)]);
    drop(daemon);

    std::fs::remove_file(&socket).expect("a killed daemon leaves it");
    std::fs::write(&socket, "precious").expect("written");
    let output = leasequery().args(["serve", "--config"]).arg(&file).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(std::fs::read(&socket).expect("still there"), b"precious");
}

#[test]
fn a_lease_expires_by_itself() {
    let daemon = daemon();
    let mut short = lease(1);
    let soon = jiff::Timestamp::now().as_second() + 1;
    short["expires"] = json!(jiff::Timestamp::from_second(soon).expect("in range").to_string());
    daemon.push_all(&[short]);
    eventually("it has expired", || {
        let records = daemon.records(&[]);
        records[0]["state"] == "expired" && {
            assert_eq!(
                records[0]["start-time-of-state"],
                json!(jiff::Timestamp::from_second(soon).expect("in range").to_string())
            );
            true
        }
    });
}

#[test]
fn identifiers_are_asked_for_as_they_are_printed() {
    let daemon = daemon();
    let mut first = lease(1);
    first["remote-id"] = json!("text:line-00239");
    first["client-id"] = json!("01:02:0A:00:00:00:01");
    daemon.push_all(&[first, lease(2)]);
    for selector in [
        ["--remote-id", "text:line-00239"],
        ["--remote-id", "6c696e652d3030323339"],
        ["--remote-id", "0x6C696E652D3030323339"],
        ["--client-id", "01:02:0a:00:00:00:01"],
        ["--client-id", "01-02-0A-00-00-00-01"],
    ] {
        assert_eq!(daemon.addresses(&selector), ["10.0.0.1"], "{selector:?}");
    }
    let record = &daemon.records(&["--remote-id", "text:line-00239"])[0];
    assert_eq!(
        (&record["remote-id"], &record["remote-id-text"]),
        (&json!("6c696e652d3030323339"), &json!("line-00239"))
    );
    let table = common::stdout(&daemon.bulk(&["--format", "table", "--remote-id", "text:line-00239"]));
    assert!(table.contains("6c696e652d3030323339 (line-00239)"), "{table}");
}

#[test]
fn a_socket_that_was_removed_is_made_again_and_one_of_a_successor_is_left_alone() {
    let mut daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{PUSH}"));
    let socket = daemon.path("push.sock");
    std::fs::remove_file(&socket).expect("it is there");
    eventually("it is made again", || socket.exists());
    daemon.push_all(&[json!({"protocol": "v4", "address": "10.0.0.1", "state": "active"})]);
    assert!(daemon.log().contains("the socket was removed, and is made again"), "{}", daemon.log());

    // Stopped, so that it does not see the other one before it ends.
    daemon.signal("STOP");
    std::fs::remove_file(&socket).expect("it is there");
    let successor = UnixListener::bind(&socket).expect("the name is free");
    daemon.signal("TERM");
    daemon.signal("CONT");
    daemon.wait();
    assert!(socket.exists());
    drop(successor);
}
