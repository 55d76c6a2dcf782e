//! What is said of the daemon.

use crate::client::get;
use crate::common::{Daemon, LISTEN, REQUESTOR, eventually, network};

const HTTP: &str = "[http]\naddress = \"127.0.0.1:0\"\n";

#[test]
fn it_is_ready_once_every_source_was_whole() {
    let source = "[[source]]\ntype = \"kea-memfile\"\nprotocol = \"v4\"\npath = \"leases.csv\"\n";
    let daemon = Daemon::start_waiting(&format!("{LISTEN}{REQUESTOR}{source}{HTTP}"));
    assert_eq!(get(&daemon, "/health").status, 200);
    let waiting = get(&daemon, "/ready");
    assert_eq!(waiting.status, 503);
    let said = waiting.json();
    assert_eq!(said["ready"], false);
    let name = said["waiting-for"][0]["source"].as_str().expect("a name");
    assert!(name.ends_with("leases.csv"), "{said}");
    assert!(said["waiting-for"][0]["since"].is_string() && said["waiting-for"][0]["reason"].is_string(), "{said}");
    let status = get(&daemon, "/status").json();
    assert_eq!((&status["ready"], &status["sources"][0]["state"]), (&false.into(), &"waiting".into()));

    let header =
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n";
    std::fs::write(daemon.path("leases.csv"), header).expect("written");
    eventually("it is ready", || get(&daemon, "/ready").status == 200);
    assert_eq!(get(&daemon, "/status").json()["ready"], true);
    // What was known stays known.
    std::fs::remove_file(daemon.path("leases.csv")).expect("removed");
    assert_eq!(get(&daemon, "/ready").status, 200);
}

#[test]
fn the_status_tells_of_stores() {
    let daemon = Daemon::start(&format!("{LISTEN}{REQUESTOR}{}{HTTP}", network("10.0.0.1-10.0.0.9")));
    let status = get(&daemon, "/status").json();
    for key in ["ready", "sources", "requestors", "outlets", "stores", "listeners", "state-dir", "version", "uptime"] {
        assert!(!status[key].is_null(), "{key}: {status}");
    }
    assert_eq!(status["stores"]["v4"]["configured"], 9, "{status}");
}
