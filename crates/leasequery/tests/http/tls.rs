//! HTTPS, asked by OpenSSL.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use leasequery_testing::pki::{Files, Pki};
use serde_json::Value;

use crate::client::Answer;
use crate::common::{Daemon, LISTEN, eventually};

/// OpenSSL, if it is there. Otherwise a test is left out, which is a failure where nothing may be.
fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    assert!(found || std::env::var_os("LEASEQUERY_REQUIRE_INTEROP").is_none(), "openssl is missing");
    found
}

/// Asks within TLS; nothing comes back if there is none.
fn ask(server: SocketAddr, pki: &Pki, own: Option<&Files>, host: &str, path: &str) -> Option<Answer> {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-quiet", "-verify_return_error", "-connect", &server.to_string(), "-CAfile"]);
    openssl.arg(pki.path("ca.pem")).args(["-verify_hostname", "dhcp.example.net"]);
    if let Some(own) = own {
        openssl.arg("-cert").arg(&own.certificate).arg("-key").arg(&own.key);
    }
    let mut child =
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("openssl runs");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut input = child.stdin.take().expect("piped");
    let _ = input.write_all(request.as_bytes());
    // It reads on as long as its input is open.
    let output = child.wait_with_output().expect("it ends");
    drop(input);
    (!output.stdout.is_empty()).then(|| Answer::read(&mut &*output.stdout))
}

fn config(server: &Files, more: &str) -> String {
    let Files { ca, certificate, key } = server;
    let [certificate, key, ca] = [certificate, key, ca].map(|path| path.display());
    let files = format!("certificate = \"{certificate}\"\nkey = \"{key}\"\nclient-ca = \"{ca}\"\n");
    format!("{LISTEN}[http]\naddress = \"127.0.0.1:0\"\ntls = \"required\"\n[tls]\n{files}{more}")
}

#[test]
fn https_has_the_configured_certificate_and_asks_for_one() {
    if !has_openssl() {
        return;
    }
    let (pki, foreign) = (Pki::new(), Pki::named("somebody else"));
    let server = pki.files("server", &["dhcp.example.net"]);
    let daemon = Daemon::start(&config(&server, ""));
    let address = daemon.listener("http");
    let status = |own: Option<&Files>, host: &str| ask(address, &pki, own, host, "/status").map(|answer| answer.status);
    assert_eq!(status(None, "dhcp.example.net"), Some(200));
    assert_eq!(status(None, "other.example.net"), Some(421));
    assert_eq!(status(Some(&pki.files("client", &["client.example"])), "localhost"), Some(200));
    assert_eq!(status(Some(&foreign.files("client", &["client.example"])), "localhost"), None);
    let answer = ask(address, &pki, None, "localhost", "/status").expect("an answer");
    let until = answer.json()["certificates"][0]["until"].as_str().map(str::to_owned);
    assert!(until.is_some_and(|until| until.as_str() > "2027"), "{answer:?}");
    // In the clear nothing is said there.
    let clear = std::panic::catch_unwind(|| crate::client::ask(address, "GET", "/status", &[]));
    assert!(clear.is_err());
}

#[test]
fn a_reload_changes_the_certificate_and_who_may_ask() {
    if !has_openssl() {
        return;
    }
    let pki = Pki::new();
    let daemon = Daemon::start(&config(&pki.files("old", &["dhcp.example.net", "old.example.net"]), ""));
    let address = daemon.listener("http");
    let status = |host: &str| ask(address, &pki, None, host, "/status");
    assert_eq!(status("old.example.net").expect("an answer").status, 200);
    let names = |answer: Answer| -> Vec<Value> {
        let blocks = answer.json()["requestors"].as_array().expect("a list").clone();
        blocks.into_iter().map(|block| block["name"].clone()).collect()
    };
    assert!(names(status("localhost").expect("an answer")).is_empty());
    let block = "[[requestor]]\nname = \"later\"\naddresses = [\"192.0.2.1\"]\n";
    daemon.configure(&config(&pki.files("new", &["dhcp.example.net", "new.example.net"]), block));
    daemon.signal("HUP");
    eventually("it has the new certificate", || {
        status("new.example.net").is_some_and(|answer| answer.status == 200)
            && status("old.example.net").is_some_and(|answer| answer.status == 421)
    });
    assert_eq!(names(status("localhost").expect("an answer")), ["later"]);
}
