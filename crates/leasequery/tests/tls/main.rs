//! Secure mode, with the program at both ends and with peers that do it wrong.

mod asking;
mod certificates;
mod chains;
#[path = "../common/mod.rs"]
mod common;
mod foreign_requestor;
mod foreign_server;

mod prelude;
mod s_client;
mod secrets;

use std::process::{Command, Output};

use leasequery_testing::pki::{Files, Pki};
use serde_json::{Value, json};

use common::{Daemon, PUSH, eventually, leasequery, network, stderr};

/// Who the server is, and who asks: both at this address, by names.
const SERVER: &str = "dhcp.example.net";
const ME: &str = "bng-1.example.net";

fn config(server: &Files, more: &str, requestor: &str) -> String {
    let table = server.table();
    format!(
        r#"
{table}{more}

[[listen]]
protocol = "v4"
transport = "tcp"
address = "127.0.0.1:0"
active = true

[[listen]]
protocol = "v6"
transport = "tcp"
address = "127.0.0.1:0"
active = true
tls = "required"

[[requestor]]
name = "me"
addresses = ["127.0.0.1"]
allow = ["bulk", "active"]
{requestor}
{PUSH}{}"#,
        network("10.0.0.1-10.0.0.9")
    )
}

struct World {
    pki: Pki,
    server: Files,
    me: Files,
    daemon: Daemon,
}

fn world(more: &str, requestor: &str) -> World {
    let pki = Pki::new();
    let (server, me) = (pki.files("server", &[SERVER, "127.0.0.1"]), pki.files("me", &[ME]));
    let daemon = Daemon::start(&config(&server, more, requestor));
    World { pki, server, me, daemon }
}

impl World {
    fn bulk(&self, files: &Files, more: &[&str]) -> Output {
        run("bulk", &self.daemon.address().to_string(), files, more)
    }

    fn v6(&self) -> String {
        let listener = self.daemon.ready.split_whitespace().find_map(|word| word.strip_prefix("v6-tcp="));
        listener.expect("a listener").to_owned()
    }
}

fn run(command: &str, server: &str, files: &Files, more: &[&str]) -> Output {
    leasequery().args([command, server]).args(files.options()).args(more).output().expect("the program runs")
}

/// What is logged may be read a moment later.
fn eventually_logged(daemon: &Daemon, words: &str) {
    eventually(words, || daemon.log().contains(words));
}

/// That a command failed for want of TLS, with these words.
fn assert_fails(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(output).contains(words), "{words}: {output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

/// A command that may not be there. Then a test is left out, which is a failure where nothing may be.
fn tool(name: &str) -> Option<Command> {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", name]).output().expect("sh runs");
    if found.status.success() {
        return Some(Command::new(name));
    }
    assert!(std::env::var_os("LEASEQUERY_REQUIRE_INTEROP").is_none(), "{name} is missing (scripts/test installs it)");
    eprintln!("LEFT OUT: {name} is missing");
    None
}

fn lease(last: u8) -> Value {
    json!({
        "protocol": "v4", "address": format!("10.0.0.{last}"), "state": "active", "mac": format!("02:00:00:00:00:{last:02x}"),
        "client-last-transaction-time": "2026-01-01T00:00:00Z", "expires": "2090-01-01T00:00:00Z",
    })
}

fn lease_v6() -> Value {
    json!({
        "protocol": "v6", "address": "2001:db8:1::10", "link": "2001:db8:1::", "state": "active",
        "duid": "00030001020000000001", "iaid": 1,
        "client-last-transaction-time": "2026-01-01T00:00:00Z", "expires": "2090-01-01T00:00:00Z",
    })
}
