//! `leasequery watch` against the daemon, as processes.

mod common;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use common::*;
use leasequery_wire::v4::StatusCode;
use serde_json::{Value, json};

fn config() -> String {
    format!("state-dir = \"state\"\n{}{PUSH}", active(LISTEN))
}

fn lease(last: u8, state: &str) -> Value {
    json!({
        "protocol": "v4", "address": format!("10.0.0.{last}"), "state": state, "mac": format!("02:00:00:00:00:{last:02x}"),
        "expires": "2090-01-01T00:00:00Z",
    })
}

//= rfc7724-4-01
#[test]
fn the_present_state_comes_first_and_then_every_change() {
    let daemon = Daemon::start(&config());
    daemon.push_all(&[lease(1, "active"), lease(2, "released")]);
    let watch = Watch::of(&daemon, &[]);
    watch.expect(&["connected", "10.0.0.1 active", "10.0.0.2 released", "initial-complete", "catch-up-complete"]);
    daemon.push_all(&[lease(3, "active")]);
    watch.expect(&["10.0.0.3 active"]);
    daemon.push_all(&[lease(1, "released")]);
    watch.expect(&["10.0.0.1 released"]);
}

#[test]
fn without_the_initial_state_there_are_only_changes() {
    let daemon = Daemon::start_in_detail(&config());
    daemon.push_all(&[lease(1, "active")]);
    let watch = Watch::of(&daemon, &["--no-initial"]);
    watch.expect(&["connected"]);
    // It is connected before its query is there.
    eventually("the query is there", || daemon.log().contains("): query 0x"));
    daemon.push_all(&[lease(2, "active")]);
    watch.expect(&["10.0.0.2 active"]);
}

//= rfc7724-7.1-03
//= rfc7724-7.3-09
#[test]
fn a_server_that_restarts_is_found_again_and_tells_what_changed_meanwhile() {
    let mut daemon = Daemon::start(&config());
    daemon.push_all(&[lease(1, "active")]);
    let server = daemon.address();
    // The same port again after the restart.
    daemon.configure(&config().replace("127.0.0.1:0", &server.to_string()));
    let watch = Watch::of(&daemon, &[]);
    watch.expect(&["connected", "10.0.0.1 active", "initial-complete", "catch-up-complete"]);
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    watch.expect(&["disconnected"]);
    let daemon = Daemon::start_in(std::sync::Arc::clone(&daemon.directory), leasequery());
    daemon.push_all(&[lease(2, "active")]);
    let mut seen = vec![watch.next(), watch.next(), watch.next()];
    seen.retain(|line| line != "connected");
    seen.sort();
    assert_eq!(seen, ["10.0.0.2 active", "catch-up-complete"], "and nothing that was told before");
}

#[test]
fn a_state_file_lets_the_next_run_go_on_where_the_last_one_stopped() {
    let daemon = Daemon::start(&config());
    daemon.push_all(&[lease(1, "active")]);
    let state = daemon.path("watch.state");
    let state = state.to_str().expect("UTF-8");
    let first = Watch::of(&daemon, &["--state", state]);
    first.expect(&["connected", "10.0.0.1 active", "initial-complete", "catch-up-complete"]);
    daemon.push_all(&[lease(2, "active")]);
    first.expect(&["10.0.0.2 active"]);
    // What is told in one second moves the position past those before it.
    let mut states = ["active", "released"].into_iter().cycle();
    eventually("where it stands is written down", || {
        daemon.push_all(&[lease(4, states.next().expect("there are more"))]);
        std::fs::metadata(state).is_ok()
    });
    drop(first);
    daemon.push_all(&[lease(1, "released"), lease(3, "active")]);
    let lines = Watch::of(&daemon, &["--state", state]).until("catch-up-complete");
    for told in ["10.0.0.3 active", "10.0.0.1 released"] {
        assert!(lines.contains(&told.to_owned()), "{lines:?}");
    }
    assert!(!lines.contains(&"initial-complete".to_owned()), "{lines:?}");

    let other = Watch::start("127.0.0.1:1", &["--state", state]);
    assert_eq!(other.rest().1, Some(2), "a position belongs to its server");
}

//= rfc7724-7.4.1-13
#[test]
fn a_server_without_history_says_so_and_is_asked_for_what_is_missing() {
    let without = config().replace("state-dir = \"state\"\n", "");
    let mut daemon = Daemon::start(&without);
    let server = daemon.address();
    daemon.configure(&without.replace("127.0.0.1:0", &server.to_string()));
    daemon.push_all(&[lease(1, "active"), lease(2, "active")]);
    let watch = Watch::of(&daemon, &[]);
    watch.expect(&["connected", "10.0.0.1 active", "10.0.0.2 active", "initial-complete", "catch-up-complete"]);
    daemon.signal("TERM");
    daemon.wait();
    watch.expect(&["disconnected"]);
    let daemon = Daemon::start_in(std::sync::Arc::clone(&daemon.directory), leasequery());
    daemon.push_all(&[lease(2, "active"), lease(3, "active")]);
    let mut seen = Vec::new();
    // If it is connected again before the push, it hears of that later.
    while !["gap-filled", "10.0.0.3 active"].iter().all(|line| seen.iter().any(|seen| seen == line)) {
        seen.push(watch.next());
    }
    seen.retain(|line| line != "connected" && !line.starts_with("10.0.0.2"));
    seen.sort();
    assert_eq!(seen, ["10.0.0.1 available", "10.0.0.3 active", "data-missing", "gap-filled"]);
}

#[test]
fn a_server_without_active_leasequery_is_polled() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{PUSH}"));
    daemon.push_all(&[lease(1, "active")]);
    let watch = Watch::of(&daemon, &["--poll", "300ms"]);
    watch.expect(&["connected", "10.0.0.1 active", "initial-complete", "polling"]);
    daemon.push_all(&[lease(2, "active")]);
    watch.expect(&["10.0.0.2 active"]);
    daemon.push_all(&[lease(2, "released")]);
    watch.expect(&["10.0.0.2 released"]);
}

//= rfc7724-5.3-05
//= rfc5460-5.6-07
#[test]
fn a_server_that_says_nothing_is_left_after_the_time_that_is_said() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = server.local_addr().expect("an address").to_string();
    let start = Instant::now();
    let watch = Watch::start(&address, &["--no-initial", "--active-receive-timeout", "400ms"]);
    let (mut stream, _) = server.accept().expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut query = Vec::new();
    stream.read_to_end(&mut query).expect("its end");
    assert!(start.elapsed() >= Duration::from_millis(400) && !query.is_empty(), "{:?}", start.elapsed());
    watch.expect(&["connected", "disconnected"]);
}

#[test]
fn changes_of_nothing_but_times_can_be_left_out() {
    let daemon = Daemon::start(&config());
    daemon.push_all(&[lease(1, "active")]);
    let watch = Watch::of(&daemon, &["--ignore-renewals"]);
    watch.expect(&["connected", "10.0.0.1 active", "initial-complete", "catch-up-complete"]);
    let mut renewed = lease(1, "active");
    renewed["expires"] = json!("2095-01-01T00:00:00Z");
    daemon.push_all(&[renewed, lease(2, "active")]);
    watch.expect(&["10.0.0.2 active"]);
}

#[test]
fn a_command_is_run_for_each_changed_lease() {
    let daemon = Daemon::start(&config());
    daemon.push_all(&[lease(1, "active")]);
    let out = daemon.path("executed");
    let command = format!("cat >> {}", out.display());
    let watch = Watch::of(&daemon, &["--exec", &command]);
    watch.expect(&["connected", "10.0.0.1 active", "initial-complete", "catch-up-complete"]);
    daemon.push_all(&[lease(2, "active"), lease(1, "released")]);
    let read = || std::fs::read_to_string(&out).unwrap_or_default();
    eventually("both were run", || read().lines().count() == 2);
    let records: Vec<Value> = read().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&records[0]["address"], &records[0]["state"]), (&json!("10.0.0.2"), &json!("active")));
    assert_eq!((&records[1]["address"], &records[1]["state"]), (&json!("10.0.0.1"), &json!("released")));
}

#[test]
fn people_get_rows_and_quiet_lines_in_between() {
    let daemon = Daemon::start(&config());
    daemon.push_all(&[lease(1, "active")]);
    let (lines, code) = Watch::of(&daemon, &["--format", "table", "--for", "4s"]).rest();
    assert_eq!(code, Some(0));
    assert!(lines[0].starts_with("ADDRESS") && lines[0].contains("CHANGE"), "{lines:?}");
    assert!(lines[1] == "-- connected" && lines[2].starts_with("10.0.0.1 "), "{lines:?}");
    assert_eq!(lines[3..], ["-- initial-complete", "-- catch-up-complete"]);
}

#[test]
fn exit_codes_tell_what_went_wrong_at_first() {
    assert_eq!(Watch::start("127.0.0.1:1", &[]).rest().1, Some(3), "nobody is there");
    assert_eq!(Watch::start("127.0.0.1:1", &["--no-such-thing"]).rest().1, Some(2));
    let refusing = scripted(|xid, stream| {
        stream.write_all(&done(xid, Some((StatusCode::NOT_ALLOWED, "not today")))).expect("sent");
    });
    assert_eq!(Watch::start(&refusing.to_string(), &["--vpn", "blue"]).rest().1, Some(1), "it refuses");
}

#[test]
fn a_state_file_that_cannot_be_written_is_an_error_before_anything_is_printed() {
    let daemon = Daemon::start(&config());
    let file = daemon.path("none/watch.state");
    let output = common::leasequery()
        .args(["watch", &daemon.address().to_string(), "--for", "1s", "--state"])
        .arg(&file)
        .output()
        .expect("the program runs");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
    assert!(common::stderr(&output).contains(&format!("{}: there is no directory", file.display())), "{output:?}");
}

/// A server that knows nothing of the past when it starts, on a port that stays.
fn forgetful() -> (Daemon, String) {
    let without = config().replace("state-dir = \"state\"\n", "");
    let daemon = Daemon::start(&without);
    let server = daemon.address().to_string();
    daemon.configure(&without.replace("127.0.0.1:0", &server));
    (daemon, server)
}

fn restarted(mut daemon: Daemon) -> Daemon {
    daemon.signal("TERM");
    daemon.wait();
    Daemon::start_in(std::sync::Arc::clone(&daemon.directory), leasequery())
}

/// What a command has written, in order: addresses and states.
fn executed(file: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut found: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|record| {
            format!("{} {}", record["address"].as_str().expect("text"), record["state"].as_str().expect("text"))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn the_command_is_run_for_whatever_differs_from_what_the_last_run_told() {
    let (daemon, server) = forgetful();
    daemon.push_all(&[lease(1, "active"), lease(4, "active"), lease(5, "active")]);
    let (state, out) = (daemon.path("watch.state"), daemon.path("executed"));
    let command = format!("cat >> {}", out.display());
    let arguments = ["--state", state.to_str().expect("UTF-8"), "--exec", &command];
    let first = Watch::start(&server, &arguments);
    first.until("catch-up-complete");
    first.end();
    assert_eq!(executed(&out), [""; 0], "what there is at the beginning is no change");
    let daemon = restarted(daemon);
    daemon.push_all(&[lease(1, "active"), lease(9, "active")]);
    let second = Watch::start(&server, &arguments);
    let mut lines = second.until("gap-filled");
    lines.extend(second.until("initial-complete"));
    assert!(lines.contains(&"data-missing".to_owned()), "{lines:?}");
    let expected = ["10.0.0.4 available", "10.0.0.5 available", "10.0.0.9 active"];
    eventually("all of it is dealt with", || executed(&out) == expected);
    // The whole state is told once more, and what has gone.
    for told in expected.into_iter().chain(["10.0.0.1 active"]) {
        assert!(lines.contains(&told.to_owned()), "{told}: {lines:?}");
    }
    drop((second, daemon));
}

#[test]
fn a_command_that_fails_is_run_again_with_the_state_of_then() {
    let daemon = Daemon::start(&config());
    let (out, flag) = (daemon.path("executed"), daemon.path("flag"));
    let (state, command) = (
        daemon.path("watch.state"),
        format!("test -e {} || {{ touch {}; exit 3; }}; cat >> {}", flag.display(), flag.display(), out.display()),
    );
    let watch = Watch::of(&daemon, &["--state", state.to_str().expect("UTF-8"), "--exec", &command]);
    watch.until("catch-up-complete");
    daemon.push_all(&[lease(2, "active")]);
    eventually("it was run again", || executed(&out) == ["10.0.0.2 active"]);
    watch.end();
    assert!(state.exists());
}

#[test]
fn a_command_that_goes_on_and_on_is_ended_and_the_next_run_deals_with_the_rest() {
    let daemon = Daemon::start(&config());
    let (state, out) = (daemon.path("watch.state"), daemon.path("executed"));
    let state = state.to_str().expect("UTF-8");
    let first = Watch::of(&daemon, &["--state", state]);
    first.until("catch-up-complete");
    first.end();
    let watch = Watch::of(&daemon, &["--state", state, "--exec", "sleep 1000; true", "--for", "4s"]);
    watch.until("catch-up-complete");
    daemon.push_all(&[lease(2, "active"), lease(3, "active")]);
    let said = watch.said();
    assert!(said.contains("--exec has not dealt with 2 leases: "), "{said}");
    assert!(said.contains("--exec for 10.0.0.2: signal: 15"), "{said}");
    let command = format!("cat >> {}", out.display());
    let watch = Watch::of(&daemon, &["--state", state, "--exec", &command]);
    eventually("the rest was dealt with", || executed(&out) == ["10.0.0.2 active", "10.0.0.3 active"]);
    drop(watch);
}

#[test]
fn of_what_was_told_as_a_change_the_end_is_told_too_when_data_are_missing() {
    let (daemon, server) = forgetful();
    daemon.push_all(&[lease(1, "active")]);
    let state = daemon.path("watch.state");
    let arguments = ["--no-initial", "--state", state.to_str().expect("UTF-8")];
    let first = Watch::start(&server, &arguments);
    first.until("connected");
    // What it begins with is written down at once, whether or not anything changes.
    eventually("where it stands is written down", || state.exists());
    first.end();
    daemon.push_all(&[lease(20, "active")]);
    let second = Watch::start(&server, &arguments);
    second.until("10.0.0.20 active");
    second.until("catch-up-complete");
    let daemon = restarted(daemon);
    let mut lines = second.until("gap-filled");
    assert!(lines.contains(&"10.0.0.20 available".to_owned()), "{lines:?}");
    daemon.push_all(&[lease(20, "active")]);
    second.until("10.0.0.20 active");
    second.end();
    let daemon = restarted(daemon);
    daemon.push_all(&[lease(1, "active"), lease(2, "active")]);
    let third = Watch::start(&server, &arguments);
    lines = third.until("gap-filled");
    assert!(lines.contains(&"10.0.0.20 available".to_owned()), "{lines:?}");
    drop((third, daemon));
}
