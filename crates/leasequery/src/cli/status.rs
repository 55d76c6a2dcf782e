use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use leasequery_daemon::config::Config;
use leasequery_live::age;
use serde_json::Value;

use super::{Ending, help};
use crate::http::{self, Url};

/// How a daemon is.
#[derive(Debug, Args)]
#[command(after_long_help = help::STATUS)]
pub(super) struct Status {
    /// Where the daemon answers HTTP, http://HOST:PORT; without it the configuration says so
    url: Option<Url>,
    /// The configuration of the daemon
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    config: Option<PathBuf>,
    /// How to print; without it a table on a terminal, and JSON elsewhere
    #[arg(long)]
    format: Option<Format>,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// All that is known.
    Json,
}

/// Where the configuration of a daemon is.
const USUAL: &str = "/etc/leasequery/leasequery.toml";

impl Status {
    pub(super) fn run(self) -> Result<(), Ending> {
        let url = match self.url {
            Some(url) => url,
            None => configured(self.config.as_deref().unwrap_or(Path::new(USUAL)))?,
        };
        let timeout = Duration::from_secs(self.timeout.max(1));
        let text = http::get(&url, "/status", timeout).map_err(|problem| Ending::Peer(format!("{url}: {problem}")))?;
        let status: Value = serde_json::from_str(&text)
            .map_err(|problem| Ending::Peer(format!("{url}: this is no status of a daemon: {problem}")))?;
        let wrong = wrong(&status);
        let usual = if std::io::stdout().is_terminal() { Format::Table } else { Format::Json };
        let out = match self.format.unwrap_or(usual) {
            Format::Json => format!("{status}\n"),
            Format::Table => table(&status, wrong.is_empty()),
        };
        std::io::stdout().write_all(out.as_bytes())?;
        if wrong.is_empty() { Ok(()) } else { Err(Ending::Status(wrong.join("\nerror: "))) }
    }
}

/// Where the daemon of a configuration is.
fn configured(file: &Path) -> Result<Url, Ending> {
    let http = Config::http_of(file).map_err(|error| Ending::Usage(error.to_string()))?;
    let usage = |text: &str| Ending::Usage(format!("{}: {text}", file.display()));
    let http = http.ok_or_else(|| usage("there is no [http], so this daemon does not say how it is"))?;
    if http.address.port() == 0 {
        return Err(usage("[http] has port 0, and the daemon alone knows which it took: give its URL"));
    }
    if http.secure {
        return Err(usage(
            "the daemon answers over HTTPS, which this command does not speak; an address of loopback can \
                          be without TLS",
        ));
    }
    let ip = match http.address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(Url::new(&std::net::SocketAddr::new(ip, http.address.port()).to_string()))
}

/// The kinds of part that have a state, and how they are called.
const PARTS: [(&str, &str); 5] = [
    ("sources", "source"),
    ("listeners", "listener"),
    ("outlets", "outlet"),
    ("state-dir", "disk"),
    ("certificates", "certificate"),
];

/// The parts of a kind.
fn parts<'a>(status: &'a Value, kind: &str) -> &'a [Value] {
    status[kind].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(part: &'a Value, name: &str) -> &'a str {
    part[name].as_str().unwrap_or_default()
}

/// What is not as it should be.
fn wrong(status: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (kind, called) in PARTS {
        for part in parts(status, kind).iter().filter(|part| text(part, "state") != "well") {
            let (name, state, word) = (text(part, "name"), text(part, "state"), text(part, "word"));
            let colon = if word.is_empty() { "" } else { ": " };
            wrong.push(format!("{called} {name} is {state} since {}{colon}{word}", text(part, "since")));
        }
    }
    if wrong.is_empty() && status["ready"] != true {
        wrong.push("it is not ready".to_owned());
    }
    wrong
}

fn table(status: &Value, is_whole: bool) -> String {
    let up = age(Duration::from_secs(status["uptime"].as_u64().unwrap_or_default()));
    let state = if is_whole { "whole" } else { "degraded" };
    let mut out = format!("leasequery {}, up {up}: {state}\n", text(status, "version"));
    for (kind, called) in PARTS {
        let rows = parts(status, kind).iter().map(|part| {
            let name = [text(part, "name"), text(part, "protocol")].join(" ");
            [name.trim_end().to_owned(), text(part, "state").to_owned(), text(part, "word").to_owned()]
        });
        section(&mut out, [called, "state", ""], rows);
    }
    let stores = ["v4", "v6"].map(|protocol| {
        let store = &status["stores"][protocol];
        [protocol.to_owned(), store["active"].to_string(), store["configured"].to_string()]
    });
    section(&mut out, ["store", "leases", "configured addresses"], stores.into_iter());
    let requestors = parts(status, "requestors").iter().map(|block| {
        let connections = parts(block, "connections");
        let lag = connections
            .iter()
            .filter_map(|one| one["lag"].as_f64())
            .fold(None, |most: Option<f64>, lag| Some(most.map_or(lag, |most| most.max(lag))));
        let behind = lag.map_or(String::new(), |lag| format!("{lag:.0} s"));
        [text(block, "name").to_owned(), connections.len().to_string(), behind]
    });
    section(&mut out, ["requestor", "connections", "behind"], requestors);
    // Names come from a configuration, words from anywhere; they must not move the cursor of a terminal.
    out.replace(|char: char| char.is_control() && char != '\n', "?")
}

/// Rows with titles, if there are any.
fn section(out: &mut String, titles: [&str; 3], rows: impl Iterator<Item = [String; 3]>) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let rows: Vec<_> = [titles.map(str::to_uppercase)].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1)];
    out.push('\n');
    for row in &rows {
        let pad = |column: usize| " ".repeat(widths[column] - row[column].chars().count() + 2);
        let line = [&row[0], &*pad(0), &row[1], &*pad(1), &row[2]].concat();
        out.push_str(line.trim_end());
        out.push('\n');
    }
}
