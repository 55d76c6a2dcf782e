//! The configuration file.

use std::path::Path;

use leasequery_daemon::config::Config;
use toml::Value;

/// Where relative names are seen from: there is nothing.
const DIRECTORY: &str = "/nonexistent/leasequery-fuzz/leasequery.toml";

/// Runs one input, the text of a configuration.
///
/// It is a configuration, or an error at a line and a column that there are.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if toml::from_str::<toml::Table>(text).is_ok_and(|table| table.iter().any(|(key, value)| leaves(key, value))) {
        return;
    }
    match Config::check(text, Path::new(DIRECTORY)) {
        Ok(config) => {
            assert!(config.warnings.iter().all(|warning| !warning.is_empty() && !warning.contains('\n')));
            assert!(config.limits.connections > 0 && config.limits.queries_per_connection > 0);
            assert!(!config.limits.data_timeout.is_zero());
            assert!(config.tls.is_none(), "there are no certificates");
            assert!(!config.listeners.iter().any(|listener| listener.secure));
            for (first, last) in config.networks.iter().flat_map(|network| &network.ranges) {
                assert!(first <= last, "{first} {last}");
            }
            for source in &config.sources {
                assert!(!source.name().is_empty());
            }
        }
        Err(error) => {
            let shown = error.to_string();
            let Some((line, column)) = error.place() else { panic!("an error without a place: {shown}") };
            let columns = text.split('\n').nth(line - 1).map(|line| line.chars().count() + 1);
            assert!(columns.is_some_and(|columns| (1..=columns).contains(&column)), "{shown}");
            assert!(shown.starts_with(&format!("{DIRECTORY}:{line}:{column}: ")), "{shown}");
        }
    }
}

/// Inputs to begin with: the examples of the documentation, and every key.
pub fn seeds() -> Vec<Vec<u8>> {
    let documents = [include_str!("../../../README.md"), include_str!("../../../docs/configuration.md")];
    let blocks = documents.iter().flat_map(|text| text.split("```toml\n").skip(1));
    let examples = blocks.filter_map(|block| block.split("```").next()).map(|block| {
        // Those in lists are indented, which TOML does not mind.
        block.as_bytes().to_vec()
    });
    examples.chain([EVERY_KEY.as_bytes().to_vec()]).collect()
}

/// Whether a file would be read that is somewhere else: what is named here is somebody's.
fn leaves(key: &str, value: &Value) -> bool {
    const READ: [&str; 5] = ["certificate", "key", "client-ca", "crl", "ca"];
    match value {
        Value::Table(table) => table.iter().any(|(key, value)| leaves(key, value)),
        Value::Array(values) => values.iter().any(|value| leaves(key, value)),
        Value::String(name) => READ.contains(&key) && (name.starts_with('/') || name.contains("..")),
        _ => false,
    }
}

const EVERY_KEY: &str = r#"
state-dir = "state"

[[listen]]
protocol = "v4"
transport = "tcp"
address = "192.0.2.1:6767"
tls = "off"
active = true
server-id = "192.0.2.2"

[[listen]]
protocol = "v6"
transport = "udp"
address = "[::1]:0"
server-id = "00:03:00:01:02:00:00:00:00:01"

[[requestor]]
name = "bng-1"
addresses = ["192.0.2.0/24", "2001:db8::/32"]
allow = ["udp", "bulk", "active"]
withhold-options = [12, 81]
own-bindings-only = true
vpns = ["blue", "00005e:00000001"]

[limits]
connections = 3
connections-per-requestor = 1
queries-per-connection = 2
data-timeout = 301.5
active-send-timeout = 120
active-idle-timeout = 60.5
history = "90m"

[[source]]
type = "kea-memfile"
protocol = "v4"
path = "kea-leases4.csv"
kea-config = "/etc/kea/kea-dhcp4.conf"
vpn = "blue"

[[source]]
type = "push"
path = "/run/push.sock"

[[source]]
type = "leasequery"
protocol = "v6"
server = "dhcp.example.net"
tls = "off"
options = [23]
link = "2001:db8:1::1"
poll = "90s"
sweep = "2h"

[[network]]
protocol = "v4"
ranges = ["10.0.0.10-10.0.0.250", "10.1.0.0/16", "10.9.9.9"]
vpn = "blue"

[[network]]
protocol = "v6"
link = "2001:db8:1::1"
prefixes = ["2001:db8:1::/64", "2001:db8:f000::/36"]
"#;
