//! What is said when something is wrong: the thing, the place, and what would be right.

mod common;

use std::net::{TcpListener, UdpSocket};
use std::process::Output;

use common::*;

fn run(arguments: &[&str]) -> Output {
    leasequery().args(arguments).output().expect("the program runs")
}

/// A command that fails in a certain way, before anything is printed, and says all of these.
fn assert_says(arguments: &[&str], code: i32, parts: &[&str]) {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    assert_eq!(stdout(&output), "", "{arguments:?}");
    for part in parts {
        assert!(stderr(&output).contains(part), "{arguments:?} does not say {part:?}: {output:?}");
    }
}

#[test]
fn mistakes_in_arguments_are_told_with_what_would_be_right() {
    assert_says(&["bulk", "::1:44387"], 2, &["'::1:44387' is no IPv6 address", "'[::1]:44387'"]);
    assert_says(&["bulk", "localhost", "--options", "foo"], 2, &["'foo' is no code of a DHCP option", "1 to 254"]);
    assert_says(&["bulk", "localhost", "--mac", "zz"], 2, &["'02:00:00:00:00:0a' would be one"]);
    assert_says(&["bulk", "localhost", "--v6", "--remote-id", "0102"], 2, &["--enterprise N"]);
    assert_says(&["bulk", "localhost", "--formt", "json"], 2, &["'--format'"]);
}

#[test]
fn a_file_of_records_that_is_not_there_is_no_server_either() {
    assert_says(&["verify", "./nothere.json", "127.0.0.1:1"], 2, &["./nothere.json: there is no such file"]);
    assert_says(&["verify", "nothere.invalid", "127.0.0.1:1"], 3, &["there is no file nothere.invalid, and no server"]);
}

#[test]
fn whoever_does_not_answer_is_named_with_what_it_may_be() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
    assert_says(&["bulk", &closed], 3, &[&closed, "Connection refused"]);
    assert_says(&["watch", &closed], 3, &[&closed, "Connection refused"]);
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let server = silent.local_addr().expect("an address").to_string();
    let query = ["query", &server, "--address", "10.0.0.1", "--timeout", "0.2"];
    assert_says(&query, 3, &[&server, "in 0.2 seconds", "may not be permitted to ask"]);
}

#[test]
fn the_wrong_protocol_may_be_why_a_server_says_nothing() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}"));
    let server = daemon.address().to_string();
    assert_says(&["bulk", &server, "--v6"], 3, &["closed the connection without a word", "--tls", "--v4"]);
}

#[test]
fn a_server_that_was_never_reached_is_no_success_when_the_time_is_over() {
    let daemon = Daemon::start(&format!("{LISTEN}{}", REQUESTOR.replace("127.0.0.1", "192.0.2.1")));
    let server = daemon.address().to_string();
    for more in [&[][..], &["--no-initial"]] {
        let output = run(&[&["watch", &server, "--for", "1s"], more].concat());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(stderr(&output).contains(&format!("note: {server} is tried again in ")), "{output:?}");
        let end = stderr(&output).lines().last().unwrap_or_default().to_owned();
        assert!(end.starts_with(&format!("error: {server}: the server closed the connection")), "{output:?}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = silent.local_addr().expect("an address").to_string();
    let output = run(&["watch", &server, "--for", "0.3s"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).contains("it has not answered"), "{output:?}");
}

#[test]
fn a_server_that_has_nothing_to_tell_is_a_success() {
    let daemon = Daemon::start(&format!("{}{PUSH}", active(LISTEN)));
    let server = daemon.address().to_string();
    for more in [&[][..], &["--no-initial"]] {
        let output = run(&[&["watch", &server, "--for", "0.5s"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[test]
fn a_state_file_needs_a_directory_before_anything_is_printed() {
    let daemon = Daemon::start(&format!("{}{PUSH}", active(LISTEN)));
    let arguments = ["watch", &daemon.address().to_string(), "--for", "1s", "--state", "/nowhere/there/x"];
    assert_says(&arguments, 2, &["/nowhere/there/x: there is no directory /nowhere/there"]);
}

#[test]
fn a_port_that_is_taken_says_how_to_find_by_whom() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("leasequery.toml");
    std::fs::write(&file, format!("{}{REQUESTOR}", LISTEN.replace("127.0.0.1:0", &address))).expect("written");
    let file = file.to_str().expect("UTF-8");
    let parts = [&*format!("cannot listen on {address}: somebody listens there already"), "ss -lntup"];
    assert_says(&["serve", "--config", file], 2, &parts);
}

#[test]
fn a_configuration_of_kea_that_is_missing_has_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("leasequery.toml");
    let source = "[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v4\"\npath = \"l.csv\"\nkea-config = \"no.conf\"\n";
    std::fs::write(&file, [source, LISTEN, REQUESTOR].concat()).expect("written");
    let file = file.to_str().expect("UTF-8");
    let place = format!("error: {file}:5:14: kea-config: ");
    assert_says(&["serve", "--check", "--config", file], 2, &[&place, "no.conf: cannot be read"]);
}
