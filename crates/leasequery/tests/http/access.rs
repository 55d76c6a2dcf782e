//! Who is answered, and who is not.

use crate::client::{ask, get};
use crate::common::Daemon;

const HTTP: &str = "[http]\naddress = \"127.0.0.1:0\"\nnames = [\"Leases.example.net\"]\n";

#[test]
fn what_shows_no_lease_is_open_on_loopback() {
    let daemon = Daemon::start(HTTP);
    for path in ["/health", "/ready", "/status"] {
        let answer = get(&daemon, path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        for (name, value) in [
            ("cache-control", Some("no-store")),
            ("x-content-type-options", Some("nosniff")),
            ("access-control-allow-origin", None),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
    }
    assert_eq!(get(&daemon, "/nothing").status, 404);
}

#[test]
fn nothing_but_looking_is_permitted() {
    let daemon = Daemon::start(HTTP);
    let server = daemon.listener("http");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ANYTHING"] {
        let answer = ask(server, method, "/status", &[]);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let (whole, head) = (ask(server, "GET", "/health", &[]), ask(server, "HEAD", "/health", &[]));
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(head.header("content-length"), whole.header("content-length"));
}

/// A page of somebody else whose name leads to this machine all of a sudden sends that name.
#[test]
fn only_requests_to_names_of_ours_are_answered() {
    let daemon = Daemon::start(HTTP);
    let server = daemon.listener("http");
    let status = |path: &str, headers: &[&str]| ask(server, "GET", path, headers).status;
    for host in ["evil.example", "evil.example:80", "127.0.0.2", "[::1]", "127.0.0.1.evil.example", "localhost.evil"] {
        assert_eq!(status("/status", &[&format!("Host: {host}")]), 421, "{host}");
    }
    for host in ["127.0.0.1", "localhost", "LOCALHOST:1", "localhost.", "leases.example.net:9467"] {
        assert_eq!(status("/status", &[&format!("Host: {host}")]), 200, "{host}");
    }
    // The target counts where it names a server.
    assert_eq!(status("http://evil.example/status", &["Host: 127.0.0.1"]), 421);
    assert_eq!(status("http://localhost/status", &["Host: evil.example"]), 200);
    for headers in [&["Host:"][..], &["Host: a@127.0.0.1"], &["Host: 127.0.0.1", "Host: evil.example"]] {
        assert_eq!(status("/status", headers), 400, "{headers:?}");
    }
}

#[test]
fn pages_of_other_servers_may_not_ask() {
    let daemon = Daemon::start(HTTP);
    let server = daemon.listener("http");
    let status = |origin: &str| ask(server, "GET", "/status", &[&format!("Origin: {origin}")]).status;
    assert_eq!(status(&format!("http://{server}")), 200);
    for origin in ["http://evil.example", "null", "http://127.0.0.1", &format!("https://{server}")] {
        assert_eq!(status(origin), 403, "{origin}");
    }
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let daemon = Daemon::start(HTTP);
    let server = daemon.listener("http");
    let long = format!("X: {}", "x".repeat(20_000));
    assert_eq!(ask(server, "GET", "/health", &[&long]).status, 431);
    let many = vec!["X: y"; 100];
    assert_eq!(ask(server, "GET", "/health", &many).status, 431);
}
