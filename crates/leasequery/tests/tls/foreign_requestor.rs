//! A peer with another TLS: that of OpenSSL, through Python.

use leasequery_testing::pki::Files;
use serde_json::Value;

use crate::{ME, eventually, tool, world};

/// What the peer saw; `None` if there is no Python.
pub(crate) fn ask(port: u16, ca: &std::path::Path, files: Option<&Files>, version: &str) -> Option<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/requestor.py");
    let mut command = tool("python3")?;
    command.arg(script).arg(port.to_string()).arg(ca);
    match files {
        Some(files) => command.arg(&files.certificate).arg(&files.key),
        None => command.args(["-", "-"]),
    };
    let output = command.arg(version).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

//= rfc7525-3.1.1-01
//= rfc7724-5.1-02
//= rfc7724-5.1-03
//= rfc7653-tls-36
#[test]
fn openssl_asks_and_finds_each_message_in_a_record() {
    let world = world("", "");
    let port = world.daemon.address().port();
    for (version, cipher, overhead) in
        [("TLSv1_3", "TLS_AES_128_GCM_SHA256", 1 + 16), ("TLSv1_2", "ECDHE-ECDSA-CHACHA20-POLY1305", 16)]
    {
        let Some(seen) = ask(port, &world.me.ca, Some(&world.me), version) else { return };
        assert_eq!(seen["cipher"], cipher, "{seen}");
        let lengths = |name: &str| -> Vec<u64> {
            seen[name].as_array().expect("lengths").iter().filter_map(Value::as_u64).collect()
        };
        let messages = lengths("messages");
        assert_eq!(messages.len(), 10, "nine addresses and the end");
        let expected: Vec<u64> = messages.iter().map(|length| 2 + length + overhead).collect();
        let mut records = lengths("records");
        // The end may come together with an alert that says so.
        records.truncate(expected.len());
        assert_eq!(records, expected);
    }
}

//= rfc7724-8.1-22
//= rfc7653-tls-34
#[test]
fn a_requestor_without_a_certificate_is_refused() {
    let world = world("", "");
    let port = world.daemon.address().port();
    for version in ["TLSv1_3", "TLSv1_2"] {
        let Some(seen) = ask(port, &world.me.ca, None, version) else { return };
        assert!(seen["error"].is_string(), "{seen}");
    }
    eventually("the log", || {
        world.daemon.log().matches("the requestor shows no certificate, and both sides have to show one").count() == 2
    });
    let stranger = world.pki.expired("old", &[ME]);
    let Some(seen) = ask(port, &world.me.ca, Some(&stranger), "TLSv1_2") else { return };
    assert!(seen["error"].as_str().is_some_and(|error| error.contains("expired")), "{seen}");
}
