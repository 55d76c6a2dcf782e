//! What Prometheus is given, and what is given away for it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::client::{ask, get};
use crate::common::{Daemon, LISTEN, active, network};

const HTTP: &str = "[http]\naddress = \"127.0.0.1:0\"\n";

/// promtool, if it is there. Otherwise a test is left out, which is a failure where nothing may be.
fn promtool() -> Option<Command> {
    if Command::new("promtool").arg("--version").output().is_ok() {
        return Some(Command::new("promtool"));
    }
    assert!(std::env::var_os("LEASEQUERY_REQUIRE_INTEROP").is_none(), "promtool is missing (scripts/test installs it)");
    eprintln!("LEFT OUT: promtool is missing");
    None
}

/// A daemon with something of everything, and names that are meant to break out of quotes.
fn daemon() -> Daemon {
    let sources = "[[source]]\ntype = \"push\"\npath = \"push\\\"}\\\\ 1.sock\"\n";
    let more = "[[requestor]]\nname = \"a\\\"b\\\\c\\nd\"\naddresses = [\"192.0.2.1\"]\n";
    Daemon::start(&format!("state-dir = \"state\"\n{}{more}{sources}{}{HTTP}", active(LISTEN), network("10.0.0.0/24")))
}

#[test]
fn metrics_are_as_prometheus_wants_them() {
    let daemon = daemon();
    let _ = daemon.bulk(&[]);
    let metrics = get(&daemon, "/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "leasequery_ready 1.0",
        "leasequery_configured_addresses{protocol=\"v4\"} 256.0",
        "leasequery_requestor_full_answers_total{requestor=\"me\"} 1.0",
        "leasequery_requestor_connections{requestor=\"a\\\"b\\\\c\\nd\"} 0.0",
    ] {
        assert!(metrics.body.lines().any(|found| found == line), "{line}: {}", metrics.body);
    }
    let open = ask(
        daemon.listener("http"),
        "GET",
        "/metrics",
        &["Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1"],
    );
    assert!(
        open.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")),
        "{open:?}"
    );
    assert!(open.body.ends_with("# EOF\n"), "{}", open.body);

    let Some(mut promtool) = promtool() else { return };
    let mut check =
        promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    check.stdin.take().expect("piped").write_all(metrics.body.as_bytes()).expect("it reads");
    let found = check.wait_with_output().expect("it ends");
    assert!(found.status.success(), "{}\n{}", String::from_utf8_lossy(&found.stderr), metrics.body);
}

fn dist(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist").join(name);
    path.canonicalize().expect("it is there").display().to_string()
}

#[test]
fn the_alerting_rules_are_right_and_ring_when_they_should() {
    let Some(_) = promtool() else { return };
    for (command, file) in [("check", "prometheus/leasequery.rules.yml"), ("test", "prometheus/leasequery.test.yml")] {
        let mut promtool = Command::new("promtool");
        let found = promtool.args([command, "rules", &dist(file)]).output().expect("it runs");
        assert!(found.status.success(), "{file}: {found:?}");
    }
}

/// Names of metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words.filter(|word| word.starts_with("leasequery_")).collect()
}

/// A board that asks for what there is not shows nothing, and nobody knows why.
#[test]
fn board_and_rules_ask_for_metrics_that_are_there() {
    let daemon = daemon();
    let _ = daemon.bulk(&[]);
    let metrics = get(&daemon, "/metrics").body;
    // What is there only while somebody watches, with TLS, or of another source.
    let sometimes = BTreeSet::from([
        "leasequery_requestor_lag_seconds",
        "leasequery_requestor_headroom_seconds",
        "leasequery_requestor_behind_changes",
        "leasequery_certificate_until_timestamp_seconds",
        "leasequery_source_behind_bytes",
    ]);
    let documented = include_str!("../../../../docs/http.md");
    for file in ["prometheus/leasequery.rules.yml", "grafana/leasequery.json"] {
        let text = std::fs::read_to_string(dist(file)).expect("readable");
        let asked = names(&text);
        assert!(!asked.is_empty(), "{file}");
        for name in asked {
            assert!(names(&metrics).contains(name) || sometimes.contains(name), "{file}: {name}");
        }
    }
    for name in names(&metrics) {
        assert!(names(documented).contains(name), "docs/http.md says nothing of {name}");
    }
    let board: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dist("grafana/leasequery.json")).expect("readable"))
            .expect("JSON");
    assert_eq!(board["templating"]["list"][0]["type"], "datasource", "the variable that all panels use");
}
