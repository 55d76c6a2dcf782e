//! What is said beside the records, on standard error.

mod common;

use common::*;
use serde_json::{Value, json};

fn lease(last: u8, state: &str) -> Value {
    json!({
        "protocol": "v4", "address": format!("10.0.0.{last}"), "state": state, "mac": format!("02:00:00:00:00:{last:02x}"),
        "expires": "2090-01-01T00:00:00Z",
    })
}

fn both() -> Daemon {
    let udp = listen_udp("v4", "127.0.0.1:0") + &listen_udp("v6", "[::1]:0");
    Daemon::start(&format!("{LISTEN}{LISTEN_V6}{udp}{REQUESTOR}{PUSH}{}", network("10.0.0.1-10.0.0.9")))
}

#[test]
fn a_bulk_query_is_summed_up_unless_it_is_to_be_quiet() {
    let daemon = both();
    daemon.push_all(&[lease(1, "active"), lease(2, "released")]);
    let output = daemon.bulk(&[]);
    assert!(stderr(&output).starts_with("9 bindings, 1 of them active, in "), "{output:?}");
    assert_eq!(stderr(&output).lines().count(), 1, "{output:?}");
    let output = daemon.bulk(&["--quiet"]);
    assert_eq!((stdout(&output).lines().count(), stderr(&output).as_str()), (9, ""));
}

#[test]
fn a_time_may_be_how_long_ago_it_was() {
    let daemon = both();
    daemon.push_all(&[lease(1, "active")]);
    assert_eq!(daemon.addresses(&["--since", "1h", "--mac", "02:00:00:00:00:01"]), ["10.0.0.1"]);
    assert_eq!(daemon.addresses(&["--until", "1h", "--mac", "02:00:00:00:00:01"]), [""; 0]);
    let output = daemon.bulk(&["--since", "yesterday"]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("such as '1h'"), "{output:?}");
}

#[test]
fn what_is_probably_why_nothing_was_found_is_said() {
    let daemon = both();
    let v6 = daemon.listener("v6-tcp").to_string();
    for (output, hint) in [
        (bulk(&v6, &["--remote-id", "text:line-00466"]), "--enterprise"),
        (bulk(&v6, &["--remote-id", "0102", "--enterprise", "9"]), "store-extended-info"),
        (bulk(&v6, &["--duid", "02:00:00:00:00:01"]), "00030001"),
        (bulk(&v6, &[]), "nothing is leased there"),
        (daemon.bulk(&["--relay-id", "0102"]), "store-extended-info"),
        (daemon.bulk(&["--client-id", "02:00:00:00:00:01"]), "--mac"),
        (daemon.bulk(&["--since", "2090-01-01T00:00:00Z"]), "in the future"),
    ] {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = stderr(&output).lines().any(|line| line.starts_with("note: ") && line.contains(hint));
        assert!(said, "{hint}: {output:?}");
    }
    let nobody = daemon.bulk(&["--mac", "02:00:00:00:00:77"]);
    assert!(!stderr(&nobody).contains("note: "), "a client may have no lease: {nobody:?}");
}

#[test]
fn nobody_has_it_is_something_else_than_nobody_knows() {
    let daemon = both();
    let ask = |server: String, arguments: &[&str]| {
        let output = leasequery().args(["query", &server]).args(arguments).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        output
    };
    let v4 = daemon.listener("v4-udp").to_string();
    let free = ask(v4.clone(), &["--address", "10.0.0.3"]);
    assert!(stderr(&free).starts_with("note: DHCPLEASEUNASSIGNED: nobody has 10.0.0.3"), "{free:?}");
    assert_eq!(records(&free)[0]["state"], "available");
    let foreign = ask(v4.clone(), &["--address", "192.0.2.3"]);
    assert!(stderr(&foreign).starts_with("note: DHCPLEASEUNKNOWN: 192.0.2.3 is not the server's"), "{foreign:?}");
    assert_eq!(stdout(&foreign), "");
    let client = ask(v4, &["--mac", "02:00:00:00:00:77"]);
    assert!(stderr(&client).contains("DHCPLEASEUNKNOWN: the server knows of no lease of this client"), "{client:?}");
    let duid = ask(daemon.listener("v6-udp").to_string(), &["--duid", "00030001020000000001"]);
    assert!(stderr(&duid).contains("no lease"), "{duid:?}");
}

#[test]
fn colours_are_for_whoever_wants_them() {
    let red = |arguments: &[&str], no_color: bool| {
        let mut command = leasequery();
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let output = command.args(["bulk", "127.0.0.1:1"]).args(arguments).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        stderr(&output).contains('\x1b')
    };
    assert!(!red(&[], false), "not in a pipe");
    assert!(red(&["--color", "always"], false));
    assert!(red(&["--color", "always"], true), "what is said is meant");
    assert!(!red(&["--color", "never"], false));
}
