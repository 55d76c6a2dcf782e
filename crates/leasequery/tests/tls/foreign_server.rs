//! The requestor and a server with another TLS: that of OpenSSL, through Python.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Output, Stdio};

use leasequery_testing::pki::{Authority, Files, Pki};
use serde_json::Value;

use crate::common::{records, stderr};
use crate::{ME, SERVER, assert_fails, run, tool};

const VERSIONS: [&str; 2] = ["TLSv1_3", "TLSv1_2"];

/// A server for one connection.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// With a certificate, and an authority for those of requestors; `None` if there is no Python.
    fn start(protocol: &str, files: &Files, ca: Option<&Path>, version: &str) -> Option<Self> {
        let mut command = tool("python3")?;
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/server.py"));
        command.arg(protocol).arg(&files.certificate).arg(&files.key).arg(ca.unwrap_or(Path::new("-"))).arg(version);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = process.stdout.as_mut().expect("piped");
        let mut port = Vec::new();
        while port.last() != Some(&b'\n') {
            let mut octet = [0];
            stdout.read_exact(&mut octet).expect("the port");
            port.extend(octet);
        }
        let address = format!("127.0.0.1:{}", String::from_utf8_lossy(&port).trim());
        Some(Self { process, address })
    }

    /// What it saw in the end.
    fn saw(self) -> Value {
        let output = self.process.wait_with_output().expect("it ends");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

/// Asks, and says what each side saw; `None` if there is no Python.
fn ask(protocol: &str, server: &Files, ca: Option<&Path>, version: &str, me: &Files) -> Option<(Output, Value)> {
    let server = Server::start(protocol, server, ca, version)?;
    let flag = format!("--{protocol}");
    let output = run("bulk", &server.address, me, &[&flag, "--server-name", SERVER, "--timeout", "10"]);
    Some((output, server.saw()))
}

//= rfc7525-3.1.1-01
//= rfc7653-tls-15
#[test]
fn openssl_answers_inside_of_both_versions() {
    let pki = Pki::new();
    let elliptic = (pki.files("server", &[SERVER]), pki.files("me", &[ME]));
    let rsa = (pki.rsa("rsa-server", &[SERVER]), pki.rsa("rsa-me", &[ME]));
    for (protocol, prelude, (server, me), old) in
        [("v4", 18, elliptic, "ECDHE-ECDSA-CHACHA20-POLY1305"), ("v6", 23, rsa, "ECDHE-RSA-CHACHA20-POLY1305")]
    {
        for (version, cipher) in [("TLSv1_3", "TLS_AES_256_GCM_SHA384"), ("TLSv1_2", old)] {
            let Some((output, saw)) = ask(protocol, &server, Some(&pki.path("ca.pem")), version, &me) else { return };
            assert!(output.status.success(), "{output:?} {saw}");
            let records = records(&output);
            assert_eq!(records.len(), 1, "{output:?}");
            assert_eq!(records[0]["address"], if protocol == "v4" { "10.0.0.5" } else { "2001:db8:1::10" });
            assert_eq!((&saw["prelude"], &saw["query"]), (&prelude.into(), &14.into()), "{saw}");
            assert_eq!((saw["cipher"].as_str(), saw["name"].as_str()), (Some(cipher), Some(SERVER)), "{saw}");
            assert_eq!(saw["requestor"][0], ME, "{saw}");
            // Both said that nothing more would come.
            assert_eq!((&saw["end"], &saw["closed"]), (&"".into(), &true.into()), "{saw}");
        }
    }
}

//= rfc7724-7.2-11
//= rfc7724-7.2-13
//= rfc7653-tls-15
//= rfc7653-tls-18
#[test]
fn openssl_is_not_asked_if_its_certificate_is_not_good() {
    let pki = Pki::new();
    let me = pki.files("me", &[ME]);
    let cases = [
        (
            pki.files("other", &["other.example.net"]),
            "is not for the name dhcp.example.net, but for",
            "bad certificate",
        ),
        (pki.expired("expired", &[SERVER]), "the certificate of the server has expired", "certificate expired"),
        (
            pki.signed("stranger", &[SERVER], &Authority::new("stranger"), |_| ()),
            "issued by an authority that is not in the file of authorities",
            "unknown ca",
        ),
    ];
    for (server, words, alert) in &cases {
        for protocol in ["v4", "v6"] {
            for version in VERSIONS {
                let Some((output, saw)) = ask(protocol, server, Some(&pki.path("ca.pem")), version, &me) else {
                    return;
                };
                assert_fails(&output, words);
                assert_eq!(saw["query"], Value::Null, "{saw}");
                // The server is told why.
                assert!(saw["error"].as_str().is_some_and(|error| error.contains(alert)), "{saw}");
            }
        }
    }
}

//= rfc7724-8.1-22
//= rfc7653-tls-34
#[test]
fn a_server_that_does_not_ask_who_asks_is_not_asked() {
    let pki = Pki::new();
    let (server, me) = (pki.files("server", &[SERVER]), pki.files("me", &[ME]));
    for protocol in ["v4", "v6"] {
        for version in VERSIONS {
            let Some((output, saw)) = ask(protocol, &server, None, version, &me) else { return };
            assert_fails(&output, "the server does not ask for our certificate, and both sides have to show one");
            assert_eq!(saw["query"], Value::Null, "{saw}");
        }
    }
}

#[test]
fn what_openssl_objects_to_is_told() {
    let pki = Pki::new();
    let server = pki.files("server", &[SERVER]);
    let cases = [
        (pki.expired("old", &[ME]), "our certificate has expired"),
        (
            pki.signed("stranger", &[ME], &Authority::new("stranger"), |_| ()),
            "it does not know the authority that issued",
        ),
    ];
    for (me, words) in &cases {
        for version in VERSIONS {
            let Some((output, saw)) = ask("v4", &server, Some(&pki.path("ca.pem")), version, me) else { return };
            assert_eq!(output.status.code(), Some(3), "{output:?} {saw}");
            assert!(stderr(&output).contains(words), "{output:?} {saw}");
        }
    }
}
