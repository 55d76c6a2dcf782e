//! What is said of the daemon, and that its numbers come to their right values.

use std::process::Output;

use serde_json::{Value, json};

use crate::client::get;
use crate::common::{
    Daemon, LISTEN, Watch, active, eventually, follow, free_port, leasequery, listen_udp, network, stdout,
};

const HTTP: &str = "[http]\naddress = \"127.0.0.1:0\"\n";
const PUSH: &str = "[[source]]\ntype = \"push\"\npath = \"push.sock\"\n";

fn status(daemon: &Daemon) -> Value {
    let answer = get(daemon, "/status");
    assert_eq!(answer.status, 200);
    answer.json()
}

fn lease(last: u8) -> Value {
    json!({
        "protocol": "v4", "address": format!("10.0.0.{last}"), "state": "active", "mac": format!("02:00:00:00:00:{last:02x}"),
        "client-last-transaction-time": "2026-01-01T00:00:00Z", "expires": "2090-01-01T00:00:00Z",
    })
}

#[test]
fn it_is_ready_once_every_source_was_whole() {
    let source = "[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v4\"\npath = \"leases.csv\"\n";
    let daemon = Daemon::start_waiting(&format!("{}{source}{HTTP}", active(LISTEN)));
    assert_eq!(get(&daemon, "/health").status, 200);
    let waiting = get(&daemon, "/ready");
    assert_eq!(waiting.status, 503);
    let said = waiting.json();
    assert_eq!(said["ready"], false);
    let name = said["waiting-for"][0]["source"].as_str().expect("a name");
    assert!(name.ends_with("leases.csv"), "{said}");
    assert!(said["waiting-for"][0]["since"].is_string() && said["waiting-for"][0]["reason"].is_string(), "{said}");
    let found = status(&daemon);
    assert_eq!((&found["ready"], &found["sources"][0]["state"]), (&false.into(), &"waiting".into()));
    assert_eq!(found["sources"][0]["since"], said["waiting-for"][0]["since"]);

    let header =
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
    std::fs::write(daemon.path("leases.csv"), header).expect("written");
    eventually("it is ready", || get(&daemon, "/ready").status == 200);
    assert_eq!(status(&daemon)["ready"], true);
    // What was known stays known.
    std::fs::remove_file(daemon.path("leases.csv")).expect("removed");
    assert_eq!(get(&daemon, "/ready").status, 200);
}

#[test]
fn it_tells_of_stores_and_of_sources() {
    let daemon = Daemon::start(&format!("{}{PUSH}{}{HTTP}", active(LISTEN), network("10.0.0.1-10.0.0.9")));
    daemon.push_all(&[lease(1), lease(2)]);
    let found = status(&daemon);
    for key in [
        "ready",
        "sources",
        "requestors",
        "outlets",
        "stores",
        "listeners",
        "state-dir",
        "certificates",
        "version",
        "uptime",
    ] {
        assert!(!found[key].is_null(), "{key}: {found}");
    }
    let v4 = &found["stores"]["v4"];
    assert_eq!((&v4["configured"], &v4["bindings"], &v4["active"]), (&9.into(), &2.into(), &2.into()), "{found}");
    let push = &found["sources"][0];
    assert_eq!((&push["state"], &push["records"]), (&"well".into(), &2.into()), "{found}");
}

#[test]
fn it_tells_of_who_is_connected_and_how_far_it_is_behind() {
    let daemon = Daemon::start(&format!("{}{PUSH}{HTTP}", active(LISTEN)));
    let me = || status(&daemon)["requestors"][0].clone();
    assert_eq!((&me()["name"], &me()["connections"], &me()["accepted"]), (&"me".into(), &json!([]), &Value::Null));
    let watch = Watch::start(&daemon.address().to_string(), &[]);
    let connection =
        || me()["connections"].as_array().and_then(|all| all.iter().find(|one| one["position"].is_u64()).cloned());
    eventually("it watches", || connection().is_some());
    daemon.push_all(&[lease(1), lease(2)]);
    let revision = || status(&daemon)["stores"]["v4"]["revision"].clone();
    eventually("it has been told", || connection().is_some_and(|found| found["position"] == revision()));
    let found = connection().expect("it is there");
    assert_eq!((&found["behind-changes"], &found["lag"]), (&0.into(), &0.0.into()), "{found}");
    assert!(found["headroom"].is_number() && found["sent"].as_u64() > Some(0), "{found}");
    assert!(found["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")), "{found}");
    assert!(me()["full-answers"].as_u64() >= Some(1), "{}", me());
    drop(watch);
    eventually("it has gone", || me()["connections"] == json!([]));
    assert!(me()["sent"].as_u64() > Some(0), "what it had is not forgotten: {}", me());
}

#[test]
fn it_tells_of_listeners_and_of_who_is_refused() {
    let config = format!(
        "{LISTEN}{}[[requestor]]\nname = \"other\"\naddresses = [\"192.0.2.1\"]\n{HTTP}",
        listen_udp("v4", "127.0.0.1:0")
    );
    let daemon = Daemon::start(&config);
    drop(daemon.connect());
    let listeners = || status(&daemon)["listeners"].as_array().expect("a list").clone();
    let named = |name: &str| {
        let found = listeners().into_iter().find(|one| one["name"].as_str().is_some_and(|text| text.starts_with(name)));
        found.unwrap_or_else(|| panic!("no {name}: {:?}", listeners()))
    };
    eventually("it is refused", || named("v4-tcp")["refused"] == 1);
    assert_eq!(named("v4-tcp")["accepted"], 1);
    assert_eq!(named("v4-udp")["received"], 0);
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    udp.send_to(b"nothing", daemon.listener("v4-udp")).expect("sent");
    eventually("it is not answered", || named("v4-udp")["refused"] == 1);
    assert_eq!((&named("v4-udp")["received"], &named("v4-udp")["answered"]), (&1.into(), &0.into()));
    assert_eq!(crate::client::ask(daemon.listener("http"), "POST", "/status", &[]).status, 405);
    assert_eq!(named("http")["refused"], 1);
}

#[test]
fn it_tells_how_far_the_disk_is() {
    let daemon = Daemon::start(&format!("state-dir = \"state\"\n{}{PUSH}{HTTP}", active(LISTEN)));
    daemon.push_all(&[lease(1)]);
    let disk = || status(&daemon)["state-dir"][0].clone();
    eventually("it is on disk", || disk()["behind-changes"] == 0 && disk()["durable-revision"].as_u64() > Some(0));
    assert_eq!((&disk()["state"], &disk()["protocol"]), (&"well".into(), &"v4".into()));
    assert!(disk()["age"].as_f64() < Some(60.0), "{}", disk());
}

fn ask(arguments: &[&str]) -> Output {
    leasequery().arg("status").args(arguments).output().expect("the program runs")
}

#[test]
fn the_command_says_what_is_wrong_and_how_wrong_that_is() {
    let daemon = Daemon::start(&format!("{}{PUSH}{HTTP}", active(LISTEN)));
    let url = format!("http://{}", daemon.listener("http"));
    let whole = ask(&[&url, "--format", "table"]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    for words in ["whole", "push.sock", "v4-tcp", "me"] {
        assert!(stdout(&whole).contains(words), "{words}: {}", stdout(&whole));
    }
    let json: Value = serde_json::from_slice(&ask(&[&url, "--format", "json"]).stdout).expect("JSON");
    assert_eq!(json["ready"], true);

    let nobody = free_port();
    let waiting = Daemon::start_waiting(&format!("{}{}{HTTP}", active(LISTEN), follow("v4", nobody)));
    let degraded = ask(&[&format!("http://{}", waiting.listener("http"))]);
    assert_eq!(degraded.status.code(), Some(1), "{degraded:?}");
    assert!(String::from_utf8_lossy(&degraded.stderr).contains(&nobody.to_string()), "{degraded:?}");

    let unreachable = ask(&[&format!("http://{nobody}")]);
    assert_eq!(unreachable.status.code(), Some(3), "{unreachable:?}");
    for wrong in ["ftp://127.0.0.1", "127.0.0.1:9467", "http://"] {
        assert_eq!(ask(&[wrong]).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn the_command_finds_the_daemon_by_its_configuration() {
    let port = free_port();
    let daemon = Daemon::start(&format!("{}[http]\naddress = \"{port}\"\n", active(LISTEN)));
    let config = daemon.path("leasequery.toml").display().to_string();
    assert_eq!(ask(&["--config", &config]).status.code(), Some(0));
    std::fs::write(daemon.path("other.toml"), active(LISTEN)).expect("written");
    let other = ask(&["--config", &daemon.path("other.toml").display().to_string()]);
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    assert!(String::from_utf8_lossy(&other.stderr).contains("[http]"), "{other:?}");
}
