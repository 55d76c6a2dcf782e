//! DHCPv6 as whoever runs the program meets it: `bulk`, `watch`, `verify` and `serve`, as processes.

mod common;

use std::sync::Arc;

use common::v6::*;
use common::*;
use serde_json::{Value, json};

fn config() -> String {
    format!("state-dir = \"state\"\n{}{PUSH}{LINKS}", active(LISTEN_V6))
}

fn daemon() -> Daemon {
    let daemon = Daemon::start(&format!("{LISTEN_V6}{SERVER_ID}{REQUESTOR}{PUSH}{LINKS}"));
    daemon.push_all(&leases());
    daemon
}

/// What is found, in order.
fn found(daemon: &Daemon, arguments: &[&str]) -> Vec<String> {
    let mut found = daemon.addresses(arguments);
    found.sort();
    found
}

/// Exit code and standard error of a query that fails.
fn refused(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, String) {
    let output = daemon.bulk(arguments);
    assert!(output.stdout.is_empty(), "{output:?}");
    (output.status.code(), stderr(&output))
}

#[test]
fn without_a_selector_every_lease_is_printed_once() {
    assert_eq!(found(&daemon(), &[]), EVERYTHING, "and none that is over");
}

#[test]
fn each_selector_finds_its_leases() {
    let daemon = daemon();
    let find = |arguments: &[&str]| found(&daemon, arguments);
    // Who has the address is asked for: what else he has on the link comes with it.
    assert_eq!(find(&["--address", "2001:db8:1::10"]), ["2001:db8:1::10", "2001:db8:f000:100::/56"]);
    assert_eq!(find(&["--address", "2001:db8:f000:123::7"]), ["2001:db8:1::10", "2001:db8:f000:100::/56"]);
    assert_eq!(find(&["--address", "2001:db8:1::99"]), [""; 0]);
    assert_eq!(find(&["--duid", ANNE]), ["2001:db8:1::10", "2001:db8:2::10", "2001:db8:f000:100::/56"]);
    assert_eq!(find(&["--duid", CLEO]), [""; 0]);
    assert_eq!(find(&["--duid", ANNE, "--link", "2001:db8:2::"]), ["2001:db8:2::10"]);
    assert_eq!(find(&["--remote-id", LINE_1]), ["2001:db8:1::10", "2001:db8:f000:100::/56"]);
    assert_eq!(find(&["--remote-id", "616264", "--enterprise", "2495"]), ["2001:db8:1::11"]);
    assert_eq!(find(&["--remote-id", "616264", "--enterprise", "2496"]), [""; 0]);
    let behind_relay = ["2001:db8:1::10", "2001:db8:1::11", "2001:db8:f000:100::/56"];
    assert_eq!(find(&["--relay-id", RELAY]), behind_relay);
    assert_eq!(find(&["--relay-id", RELAY, "--link", "2001:db8:2::"]), [""; 0]);
    assert_eq!(find(&["--relay-id", ANNE]), [""; 0]);
    assert_eq!(find(&["--link", "2001:db8:1::5"]), behind_relay, "by any address on it");
    assert_eq!(find(&["--link", "2001:db8:2::"]), ["2001:db8:2::10", "2001:db8:9::11"]);
}

//= alq6-5-01
#[test]
fn times_select_what_changed() {
    let daemon = daemon();
    let find = |arguments: &[&str]| found(&daemon, arguments);
    assert_eq!(find(&["--since", "2026-01-02T00:00:00Z"]), EVERYTHING, "all of it became known just now");
    assert_eq!(find(&["--since", "2090-01-01T00:00:00Z"]), [""; 0]);
    assert_eq!(find(&["--until", "2026-01-01T00:00:00Z"]), [""; 0]);
    assert_eq!(find(&["--until", "1767312000", "--link", "2001:db8:2::"]), ["2001:db8:2::10", "2001:db8:9::11"]);
    assert_eq!(find(&["--since", "2026-01-02T00:00:00Z", "--relay-id", ANNE]), [""; 0]);
}

#[test]
fn json_has_the_fields_of_a_lease_in_one_order() {
    let daemon = daemon();
    let output = daemon.bulk(&["--remote-id", LINE_1, "--format", "json", "--options", "23"]);
    let rest = [
        &format!(r#""state":"active","duid":"{ANNE}","client-last-transaction-time":"2026-01-02T00:00:00Z""#),
        r#""expires":"2090-01-01T00:00:00Z","preferred-until":"2089-01-01T00:00:00Z""#,
        &format!(r#""relay-peer":"2001:db8:ff::1","relay-message":"{}""#, relay_message()),
        &format!(r#""remote-id":"{LINE_1}","remote-id-text":"abc","relay-id":"{RELAY}""#),
        r#""options":{"23":"20010db8000000000000000000000053"},"server":"00030001020000000077","base-time":""#,
    ]
    .join(",");
    let text = stdout(&output);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, place) in lines.iter().zip([r#""address":"2001:db8:1::10""#, r#""prefix":"2001:db8:f000:100::/56""#]) {
        let expected = format!("{{\"protocol\":\"v6\",{place},{rest}");
        assert!(line.starts_with(&expected) && line.ends_with("Z\"}"), "{line}\n{expected}");
    }
}

#[test]
fn csv_has_a_column_for_each_field() {
    let output = daemon().bulk(&["--remote-id", LINE_1, "--format", "csv", "--options", "23"]);
    let text = stdout(&output);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let names: Vec<_> = lines[0].split(',').collect();
    let values: Vec<_> = lines[2].split(',').collect();
    assert_eq!(names.len(), values.len(), "{text}");
    let value = |name: &str| values[names.iter().position(|other| *other == name).expect("a column")];
    for (name, expected) in [
        ("protocol", "v6"),
        ("address", ""),
        ("prefix", "2001:db8:f000:100::/56"),
        ("state", "active"),
        ("mac", ""),
        ("duid", ANNE),
        ("client-last-transaction-time", "2026-01-02T00:00:00Z"),
        ("expires", "2090-01-01T00:00:00Z"),
        ("preferred-until", "2089-01-01T00:00:00Z"),
        ("relay-peer", "2001:db8:ff::1"),
        ("remote-id", LINE_1),
        ("relay-id", RELAY),
        ("options", "23=20010db8000000000000000000000053"),
        ("server", "00030001020000000077"),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
}

#[test]
fn a_table_shows_addresses_and_prefixes_and_whose_they_are() {
    let output = daemon().bulk(&["--remote-id", LINE_1, "--format", "table"]);
    let text = stdout(&output);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (column, values) in [
        ("ADDRESS", ["2001:db8:1::10", "2001:db8:f000:100::/56"]),
        ("STATE", ["active"; 2]),
        ("DUID", [ANNE; 2]),
        ("EXPIRES", ["2090-01-01T00:00:00Z"; 2]),
        ("REMOTE-ID", [LINE_1; 2]),
    ] {
        let place = lines[0].find(column).unwrap_or_else(|| panic!("{column}: {text}"));
        for (line, value) in lines[1..].iter().zip(values) {
            assert!(line[place..].starts_with(value), "{column}: {text}");
        }
    }
}

#[test]
fn what_was_printed_can_be_pushed_and_is_printed_the_same() {
    let first = daemon();
    let second = Daemon::start(&format!("{LISTEN_V6}{SERVER_ID}{REQUESTOR}{PUSH}{LINKS}"));
    assert_eq!(second.push(&stdout(&first.bulk(&["--options", "23"]))), [json!({"committed": 5})]);
    let same_order = |daemon: &Daemon| {
        let mut records = daemon.view();
        records.sort_by_key(place);
        records
    };
    assert_eq!(same_order(&second), same_order(&first));
}

#[test]
fn errors_of_the_server_are_told_by_name_and_exit_with_1() {
    let daemon = daemon();
    for unknown in [["--address", "2001:db8:5::1"], ["--link", "2001:db8:5::1"]] {
        let (code, text) = refused(&daemon, &unknown);
        assert_eq!(code, Some(1), "{unknown:?}");
        assert!(text.starts_with("error: NotConfigured: 2001:db8:5::1"), "{text}");
    }
    let daemon = Daemon::start(&format!("{LISTEN_V6}{REQUESTOR}allow = [\"udp\"]\n{PUSH}"));
    let (code, text) = refused(&daemon, &["--duid", ANNE]);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("error: NotAllowed: "), "{text}");
}

#[test]
fn nothing_found_is_a_success() {
    let daemon = Daemon::start(&format!("{LISTEN_V6}{REQUESTOR}{LINKS}"));
    for arguments in [&[][..], &["--duid", ANNE], &["--link", "2001:db8:2::"]] {
        let (code, text) = refused(&daemon, arguments);
        assert!(code == Some(0) && text.starts_with("0 bindings"), "{arguments:?}: {text}");
    }
}

#[test]
fn wrong_usage_is_told_before_anything_is_sent() {
    // Nobody listens there: an attempt to connect would end with 3.
    let run = |arguments: &[&str]| {
        let output = bulk("[::1]:1", arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        stderr(&output)
    };
    assert!(run(&["--mac", "020000000001"]).contains("--mac is for DHCPv4"));
    assert!(run(&["--client-id", "0102"]).contains("--client-id is for DHCPv4"));
    assert!(run(&["--vpn", "blue"]).contains("--vpn is for DHCPv4"));
    assert!(run(&["--address", "10.0.0.1"]).contains("IPv4"));
    assert!(run(&["--duid", "00"]).contains("DUID"));
    assert!(run(&["--remote-id", "616263"]).contains("enterprise"));
    assert!(run(&["--enterprise", "2495"]).contains("--remote-id"));
    assert!(run(&["--duid", ANNE, "--relay-id", RELAY]).contains("cannot be used with"));
    assert!(run(&["--link", "10.0.0.1"]).starts_with("error: "));
    assert!(run(&["--v4", "--duid", ANNE]).contains("--duid is for DHCPv6"));
    assert!(run(&["--options", "0"]).starts_with("error: "));
}

//= rfc5460-5.6-04
//= rfc5460-5.6-05
#[test]
fn nobody_there_ends_with_3_and_is_looked_for_at_port_547_unless_another_is_given() {
    for (server, asked) in [("[::1]:1", "[::1]:1"), ("[::1]", "[::1]:547"), ("::1", "[::1]:547")] {
        let output = bulk(server, &["--duid", ANNE]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(stderr(&output).contains(&format!("{asked}: ")), "{output:?}");
    }
}

//= rfc5460-5.6-01
//= rfc5460-5.6-02
//= rfc5460-5.6-03
//= rfc5460-5.6-08 (both)
#[test]
fn the_server_listens_on_port_547_unless_another_is_given_and_warns_of_short_timeouts() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("leasequery.toml");
    let check = |address: &str, limits: &str| {
        let config = format!("{}{REQUESTOR}{PUSH}[limits]\n{limits}", LISTEN_V6.replace("[::1]:0", address));
        std::fs::write(&file, config).expect("written");
        let output = leasequery().args(["serve", "--check", "--config"]).arg(&file).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        stdout(&output)
    };
    for (address, listen) in [("::", "[::]:547"), ("::1", "[::1]:547"), ("[::1]:5547", "[::1]:5547")] {
        let text = check(address, "");
        assert!(text.contains(&format!("listen v6 tcp {listen}")) && !text.contains("warning"), "{text}");
    }
    for (name, value) in [("data-timeout", 299), ("active-send-timeout", 119), ("active-idle-timeout", 59)] {
        let text = check("::1", &format!("{name} = {value}\n"));
        assert!(text.lines().any(|line| line.starts_with("warning") && line.contains(name)), "{text}");
        assert!(!check("::1", &format!("{name} = {}\n", value + 1)).contains("warning"));
    }
}

//= rfc5007-4.4.2-06
//= rfc5007-5-03
#[test]
fn options_are_printed_when_asked_for_unless_withheld() {
    let options = |daemon: &Daemon, arguments: &[&str]| {
        daemon.records(&[&["--remote-id", LINE_1], arguments].concat())[0]["options"].clone()
    };
    let open = daemon();
    assert_eq!(options(&open, &[]), Value::Null);
    assert_eq!(options(&open, &["--options", "23,24"]), json!({"23": "20010db8000000000000000000000053"}));

    let withholding = Daemon::start(&format!("{LISTEN_V6}{REQUESTOR}withhold-options = [23, 37]\n{PUSH}{LINKS}"));
    withholding.push_all(&leases());
    let record = &withholding.records(&["--address", "2001:db8:1::10", "--options", "23"])[0];
    assert_eq!(record["options"], Value::Null);
    assert_eq!(record["remote-id"], Value::Null, "not even inside of relay data");
    assert_eq!(record["relay-id"], RELAY);
    assert!(!record["relay-message"].as_str().expect("it is told").contains(LINE_1), "{record}");
}

#[test]
fn a_relay_may_see_no_more_than_what_was_leased_through_it() {
    let addresses = REQUESTOR.replace("\"::1\"", "\"::1\", \"2001:db8:ff::1\"");
    let udp = listen_udp("v6", "[::1]:0");
    let daemon = Daemon::start(&format!("{LISTEN_V6}{udp}{addresses}own-bindings-only = true\n{PUSH}{LINKS}"));
    let elsewhere = [("relay-peer", json!("2001:db8:ff::2")), ("remote-id", json!(LINE_1))];
    daemon.push_all(&[leases(), vec![with(lease("2001:db8:2::55", CLEO, "active"), &elsewhere)]].concat());
    let own = ["2001:db8:1::10", "2001:db8:1::11", "2001:db8:f000:100::/56"];
    assert_eq!(found(&daemon, &[]), own);
    assert_eq!(found(&daemon, &["--remote-id", LINE_1]), [own[0], own[2]]);
    assert_eq!(found(&daemon, &["--duid", CLEO]), [""; 0]);
    let query = |duid: &str| {
        let server = daemon.listener("v6-udp").to_string();
        let output = leasequery().args(["query", &server, "--duid", duid]).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let mut places: Vec<_> = records(&output).iter().map(place).collect();
        places.sort();
        places
    };
    assert_eq!(query(ANNE), [own[0], own[2]], "and over UDP");
    assert_eq!(query(CLEO), [""; 0]);
}

#[test]
fn lines_that_cannot_be_taken_are_answered_one_by_one() {
    let daemon = Daemon::start(&format!("{LISTEN_V6}{REQUESTOR}{PUSH}{LINKS}"));
    let good = lease("2001:db8:1::10", ANNE, "active");
    let bad = |fields: &[(&str, Value)]| with(good.clone(), fields);
    let lines = [
        (good.clone(), ""),
        (bad(&[("address", json!("10.0.0.1"))]), "address: '10.0.0.1' is not an IPv6 address"),
        (bad(&[("prefix", json!("2001:db8:f000::/56"))]), "prefix: a record has an address or a prefix"),
        (bad(&[("address", Value::Null)]), "address: missing"),
        (bad(&[("address", Value::Null), ("prefix", json!("2001:db8:f000::1/56"))]), "prefix: "),
        (bad(&[("duid", Value::Null)]), "duid: missing"),
        (bad(&[("duid", json!("00"))]), "duid: "),
        (bad(&[("vpn", json!("blue"))]), "vpn: "),
        (bad(&[("client-id", json!("0102"))]), "client-id: "),
        (bad(&[("remote-id", json!("616263"))]), "remote-id: has an enterprise number"),
        (bad(&[("relay-message", json!("0c00"))]), "relay-message: "),
        (bad(&[("relay-message", json!(relay_message())), ("relay-id", json!(ANNE))]), "relay-id: is not the one"),
        (bad(&[("preferred-until", json!("soon"))]), "preferred-until: "),
        (bad(&[("options", json!({"65536": "00"}))]), "options: "),
        (bad(&[("state", Value::Null)]), "state: missing"),
        (lease("2001:db8:1::11", BERT, "active"), ""),
    ];
    let text: Vec<_> = lines.iter().map(|(line, _)| line.to_string()).collect();
    let mut answers = daemon.push(&text.join("\n"));
    assert_eq!(answers.pop(), Some(json!({"committed": 2})));
    let expected: Vec<_> = (1..).zip(&lines).filter(|(_, (_, problem))| !problem.is_empty()).collect();
    assert_eq!(answers.len(), expected.len(), "{answers:#?}");
    for (answer, (number, (line, problem))) in answers.iter().zip(expected) {
        assert_eq!(answer["line"], number, "{answer}");
        assert!(answer["error"].as_str().expect("a text").starts_with(problem), "{line}: {answer}");
    }
    assert_eq!(found(&daemon, &[]), ["2001:db8:1::10", "2001:db8:1::11"]);
}

/// A lease that runs out soon, but not before somebody could have been told of it.
fn short(lease: Value) -> Value {
    let soon = jiff::Timestamp::now().as_second() + 5;
    let soon = jiff::Timestamp::from_second(soon).expect("in range").to_string();
    with(lease, &[("expires", json!(soon)), ("preferred-until", Value::Null)])
}

#[test]
fn a_lease_runs_out_by_itself() {
    let daemon = daemon();
    daemon.push_all(&[short(lease("2001:db8:1::77", CLEO, "active"))]);
    eventually("it has run out", || daemon.addresses(&["--duid", CLEO]).is_empty());
}

//= alq6-2-02
//= alq6-4-01
#[test]
fn the_present_state_comes_first_and_then_every_change() {
    let daemon = Daemon::start(&config());
    daemon.push_all(&leases()[..5]);
    let watch = Watch::of(&daemon, &[]);
    watch.expect(&["connected"]);
    let mut initial: Vec<_> = std::iter::repeat_with(|| watch.next()).take(EVERYTHING.len()).collect();
    initial.sort();
    assert_eq!(initial, EVERYTHING.map(|place| format!("{place} active")));
    watch.expect(&["initial-complete", "catch-up-complete"]);
    daemon.push_all(&[lease("2001:db8:2::33", CLEO, "active")]);
    watch.expect(&["2001:db8:2::33 active"]);
    daemon.push_all(&[json!({"op": "delete", "protocol": "v6", "address": "2001:db8:2::33"})]);
    let record = watch.record();
    assert_eq!((record["address"].as_str(), record["duid"].as_str()), (Some("2001:db8:2::33"), Some(CLEO)));
    assert_ne!(record["state"], "active");
    assert_eq!(record["expires"], Value::Null, "it has no future: {record}");
    daemon.push_all(&[lease("2001:db8:f000:200::/56", CLEO, "active")]);
    watch.expect(&["2001:db8:f000:200::/56 active"]);
    daemon.push_all(&[short(lease("2001:db8:2::34", CLEO, "active"))]);
    watch.expect(&["2001:db8:2::34 active"]);
    let record = watch.record();
    assert_eq!(record["address"], "2001:db8:2::34", "it has run out");
    assert_ne!(record["state"], "active");
    daemon.push_all(&[lease("2001:db8:f000:200::/56", CLEO, "released")]);
    let record = watch.record();
    assert_eq!(record["prefix"], "2001:db8:f000:200::/56");
    assert_ne!(record["state"], "active");
}

//= alq6-6.2.1-05
#[test]
fn one_link_alone_can_be_watched() {
    let daemon = Daemon::start(&config());
    daemon.push_all(&leases()[..5]);
    let watch = Watch::of(&daemon, &["--link", "2001:db8:2::1"]);
    watch.expect(&["connected"]);
    let mut initial = [watch.next(), watch.next()];
    initial.sort();
    assert_eq!(initial, ["2001:db8:2::10 active", "2001:db8:9::11 active"]);
    watch.expect(&["initial-complete", "catch-up-complete"]);
    daemon.push_all(&[lease("2001:db8:1::33", CLEO, "active"), lease("2001:db8:2::34", CLEO, "active")]);
    watch.expect(&["2001:db8:2::34 active"]);
    assert_eq!(Watch::of(&daemon, &["--vpn", "blue"]).rest().1, Some(2), "VPNs are for DHCPv4");
}

#[test]
fn changes_of_nothing_but_times_can_be_left_out() {
    let daemon = Daemon::start(&config());
    daemon.push_all(&[lease("2001:db8:1::10", ANNE, "active")]);
    let watch = Watch::of(&daemon, &["--ignore-renewals"]);
    watch.expect(&["connected", "2001:db8:1::10 active", "initial-complete", "catch-up-complete"]);
    let renewed =
        [("expires", json!("2091-01-01T00:00:00Z")), ("client-last-transaction-time", json!("2026-02-02T00:00:00Z"))];
    daemon.push_all(&[with(lease("2001:db8:1::10", ANNE, "active"), &renewed)]);
    daemon.push_all(&[lease("2001:db8:1::11", BERT, "active")]);
    watch.expect(&["2001:db8:1::11 active"]);
    daemon.push_all(&[lease("2001:db8:1::10", CLEO, "active")]);
    watch.expect(&["2001:db8:1::10 active"]);
}

#[test]
fn a_state_file_lets_the_next_run_go_on_where_the_last_one_stopped() {
    let daemon = Daemon::start(&config());
    daemon.push_all(&[lease("2001:db8:1::10", ANNE, "active")]);
    let state = daemon.path("watch.state");
    let state = state.to_str().expect("UTF-8");
    let first = Watch::of(&daemon, &["--state", state]);
    first.expect(&["connected", "2001:db8:1::10 active", "initial-complete", "catch-up-complete"]);
    daemon.push_all(&[lease("2001:db8:1::11", BERT, "active")]);
    first.expect(&["2001:db8:1::11 active"]);
    // What is told in one second moves the position past those before it.
    let mut states = ["active", "released"].into_iter().cycle();
    eventually("where it stands is written down", || {
        daemon.push_all(&[lease("2001:db8:1::13", BERT, states.next().expect("there are more"))]);
        std::fs::metadata(state).is_ok()
    });
    drop(first);
    daemon.push_all(&[lease("2001:db8:1::10", ANNE, "released"), lease("2001:db8:1::12", CLEO, "active")]);
    let lines = Watch::of(&daemon, &["--state", state]).until("catch-up-complete");
    assert!(lines.contains(&"2001:db8:1::12 active".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("2001:db8:1::10 ") && !line.ends_with(" active")), "{lines:?}");
    assert!(!lines.contains(&"initial-complete".to_owned()), "{lines:?}");
}

#[test]
fn a_command_is_run_for_each_changed_lease() {
    let daemon = Daemon::start(&config());
    daemon.push_all(&[lease("2001:db8:1::10", ANNE, "active")]);
    let out = daemon.path("executed");
    let watch = Watch::of(&daemon, &["--exec", &format!("cat >> {}", out.display())]);
    watch.expect(&["connected", "2001:db8:1::10 active", "initial-complete", "catch-up-complete"]);
    daemon.push_all(&[lease("2001:db8:f000:200::/56", BERT, "active"), lease("2001:db8:1::10", ANNE, "released")]);
    let read = || std::fs::read_to_string(&out).unwrap_or_default();
    eventually("both were run", || read().lines().count() == 2);
    let records: Vec<Value> = read().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&records[0]["prefix"], &records[0]["duid"]), (&json!("2001:db8:f000:200::/56"), &json!(BERT)));
    assert_eq!((&records[1]["address"], &records[1]["duid"]), (&json!("2001:db8:1::10"), &json!(ANNE)));
    assert_ne!(records[1]["state"], "active");
}

#[test]
fn a_server_without_active_leasequery_is_polled() {
    let daemon = Daemon::start(&format!("{LISTEN_V6}{REQUESTOR}{PUSH}{LINKS}"));
    daemon.push_all(&[lease("2001:db8:1::10", ANNE, "active")]);
    let watch = Watch::of(&daemon, &["--poll", "300ms"]);
    watch.expect(&["connected", "2001:db8:1::10 active", "initial-complete", "polling"]);
    daemon.push_all(&[lease("2001:db8:1::11", BERT, "active")]);
    watch.expect(&["2001:db8:1::11 active"]);
}

#[test]
fn copies_are_equal_or_each_difference_is_listed() {
    let (a, b) = (daemon(), daemon());
    let (at_a, at_b) = (a.address().to_string(), b.address().to_string());
    let output = verify(&at_a, &at_b, &["--format", "table"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), "equal: 5 addresses, 5 leased\n"));

    a.push_all(&[lease("2001:db8:f000:200::/56", CLEO, "active"), lease("2001:db8:2::40", CLEO, "active")]);
    b.push_all(&[lease("2001:db8:2::40", BERT, "active")]);
    let output = verify(&at_a, &at_b, &["--settle", "0s", "--format", "table"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let lines: Vec<_> = text.lines().collect();
    let whose = format!("2001:db8:2::40  duid: {CLEO} | {BERT}");
    assert!(lines.iter().any(|line| line.starts_with(&whose)), "{text}");
    assert!(lines.contains(&"2001:db8:f000:200::/56  active only in A"), "{text}");

    let file = a.path("printed");
    let name = file.to_str().expect("UTF-8");
    std::fs::write(&file, stdout(&a.bulk(&["--format", "json"]))).expect("it is written");
    assert_eq!(verify(name, &at_a, &[]).status.code(), Some(0));
    assert_eq!(verify(name, &at_b, &["--settle", "0s"]).status.code(), Some(1));
}

fn mirror_of(daemon: &Daemon) -> Daemon {
    let config = format!(
        "state-dir = \"state\"\n{}{LINKS}[limits]\nactive-idle-timeout = 0.3\n{}",
        active(LISTEN_V6),
        follow("v6", daemon.address())
    );
    Daemon::start(&config)
}

fn sorted(daemon: &Daemon) -> Vec<Value> {
    let mut records = daemon.view();
    records.sort_by_key(place);
    records
}

#[test]
fn a_mirror_serves_on_what_its_server_says() {
    let root = Daemon::start(&config());
    root.push_all(&leases());
    let mirror = mirror_of(&root);
    let same = |what: &str| {
        eventually(what, || sorted(&mirror) == sorted(&root));
        let output = verify(&root.address().to_string(), &mirror.address().to_string(), &[]);
        assert!(output.status.success(), "{what}: {output:?}");
    };
    same("the first state is there");
    root.push_all(&[lease("2001:db8:1::10", ANNE, "released"), lease("2001:db8:f000:200::/56", CLEO, "active")]);
    same("changes are there");
    assert_eq!(found(&mirror, &["--remote-id", LINE_2]), ["2001:db8:1::11"], "identifiers are found there, too");
    assert_eq!(found(&mirror, &["--duid", CLEO]), ["2001:db8:f000:200::/56"]);
}

#[test]
fn whoever_follows_a_mirror_is_never_told_that_what_another_client_got_is_free() {
    let root = Daemon::start(&config());
    let mirror = mirror_of(&root);
    root.push_all(&[lease("2001:db8:1::10", ANNE, "active"), lease("2001:db8:1::11", BERT, "active")]);
    eventually("the first state is there", || sorted(&mirror) == sorted(&root));
    let watch = Watch::of(&mirror, &[]);
    watch.until("catch-up-complete");
    for client in [BERT, CLEO, ANNE] {
        root.push_all(&[lease("2001:db8:1::10", client, "active")]);
        watch.expect(&["2001:db8:1::10 active"]);
    }
    root.push_all(&[lease("2001:db8:1::10", ANNE, "released"), lease("2001:db8:1::11", CLEO, "active")]);
    watch.expect(&["2001:db8:1::10 available", "2001:db8:1::11 active"]);
    assert_eq!(sorted(&mirror), sorted(&root));
}

#[test]
fn a_mirror_that_is_killed_has_everything_again_with_or_without_its_server() {
    let mut root = Daemon::start(&config());
    root.push_all(&leases());
    // The same port again after a restart.
    root.configure(&config().replace("[::1]:0", &root.address().to_string()));
    let mut mirror = mirror_of(&root);
    eventually("the first state is there", || sorted(&mirror) == sorted(&root));
    let before = sorted(&mirror);
    root.signal("TERM");
    root.wait();
    mirror.signal("KILL");
    mirror.wait();
    let mirror = Daemon::start_in(Arc::clone(&mirror.directory), leasequery());
    assert_eq!(sorted(&mirror), before);
    let root = Daemon::start_in(Arc::clone(&root.directory), leasequery());
    root.push_all(&[lease("2001:db8:1::10", ANNE, "released"), lease("2001:db8:1::44", CLEO, "active")]);
    eventually("what changed is there", || sorted(&mirror) == sorted(&root));
}

#[test]
fn one_daemon_serves_both_protocols() {
    let v4 = json!({"protocol": "v4", "address": "10.0.0.1", "state": "active", "mac": "02:00:00:00:00:01"});
    let [udp_v4, udp_v6] = [listen_udp("v4", "127.0.0.1:0"), listen_udp("v6", "[::1]:0")];
    let ranges = network("10.0.0.1-10.0.0.3");
    let config = format!("state-dir = \"state\"\n{LISTEN}{LISTEN_V6}{udp_v4}{udp_v6}{REQUESTOR}{PUSH}{LINKS}{ranges}");
    let mut daemon = Daemon::start(&config);
    let listeners = ["v4-tcp", "v6-tcp", "v4-udp", "v6-udp"].map(|name| daemon.listener(name));
    assert_eq!(listeners.map(|address| address.is_ipv4()), [true, false, true, false]);
    // In one stream, and each goes where it belongs.
    daemon.push_all(&[&leases()[..], &[v4]].concat());
    let places = |daemon: &Daemon, name: &str, arguments: &[&str]| {
        let output = bulk(&daemon.listener(name).to_string(), arguments);
        let mut places: Vec<_> = records(&output).iter().map(place).collect();
        places.sort();
        places
    };
    let check = |daemon: &Daemon| {
        assert_eq!(places(daemon, "v4-tcp", &[]), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        assert_eq!(places(daemon, "v6-tcp", &[]), EVERYTHING);
        // The wrong protocol on a listener is no query that it knows.
        let output = bulk(&daemon.listener("v4-tcp").to_string(), &["--v6"]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    };
    check(&daemon);
    daemon.signal("KILL");
    daemon.wait();
    check(&Daemon::start_in(Arc::clone(&daemon.directory), leasequery()));
}

#[test]
fn sighup_takes_links_and_requestors_anew() {
    let base = format!("{LISTEN_V6}{PUSH}");
    let daemon = Daemon::start(&format!("{base}{REQUESTOR}{LINKS}"));
    daemon.push_all(&leases());
    // The link of what is delegated is another one now, and there is a third.
    let [first, second] = ["2001:db8:1::/64", "2001:db8:2::/64"];
    let prefixes = "prefixes = [\"2001:db8:f000::/36\"]\n";
    let link = |link: &str| format!("[[network]]\nprotocol = \"v6\"\nlink = \"{link}\"\n");
    assert_eq!(refused(&daemon, &["--link", "2001:db8:3::"]).0, Some(1));
    let links = format!("{}{}{prefixes}{}", link(first), link(second), link("2001:db8:3::/64"));
    daemon.configure(&format!("{base}{REQUESTOR}{links}"));
    daemon.signal("HUP");
    eventually("the new link is known", || daemon.bulk(&["--link", "2001:db8:3::"]).status.success());
    assert_eq!(found(&daemon, &["--link", first.trim_end_matches("/64")]), ["2001:db8:1::10", "2001:db8:1::11"]);
    let on_second = ["2001:db8:2::10", "2001:db8:9::11", "2001:db8:f000:100::/56"];
    assert_eq!(found(&daemon, &["--link", "2001:db8:2::"]), on_second);

    daemon.configure(&format!("{base}{}{links}", REQUESTOR.replace(", \"::1\"", "")));
    daemon.signal("HUP");
    eventually("who is no longer listed is closed", || daemon.bulk(&[]).status.code() == Some(3));
    daemon.configure(&format!("{base}{REQUESTOR}withhold-options = [37]\n{links}"));
    daemon.signal("HUP");
    eventually("who is listed again is answered", || daemon.bulk(&[]).status.success());
    let records = daemon.records(&["--relay-id", RELAY]);
    assert!(!records.is_empty() && records.iter().all(|record| record["remote-id"].is_null()), "{records:?}");
}
