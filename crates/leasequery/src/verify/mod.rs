//! Proving a copy: two sides are asked for everything, again and again until what differs has had time to settle.

mod compare;
mod lease;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leasequery_client::{FetchError, Sink, Target, fetch};
use leasequery_protocol::follower::Followed;
use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::requestor::v4::{self, V4, VpnChoice};
use leasequery_protocol::requestor::v6::{self, V6};
use leasequery_record::Family;
use leasequery_record::Protocol;
use leasequery_tls::Client;

use compare::{Rules, differences};
use lease::{Key, Lease, Leases};

/// Where one side's records come from.
#[derive(Debug)]
pub enum Side {
    /// A server.
    Server {
        /// How it is called.
        name: String,
        /// What it is asked for.
        protocol: Protocol,
        /// Where it may be.
        addresses: Vec<SocketAddr>,
        /// What secure mode needs; `None` is in the clear.
        tls: Option<Client>,
    },
    /// Records, one a line.
    File(PathBuf),
}

/// Why a side has nothing to say.
#[derive(Debug)]
pub enum SideError {
    /// The server refuses, by a status.
    Refused(String),
    /// The server cannot be reached or breaks the protocol.
    Peer(String),
    /// The file cannot be read.
    File(String),
}

/// An address about which the sides differ.
#[derive(Debug)]
pub struct Difference {
    key: Key,
    fields: Vec<&'static str>,
    a: Option<Lease>,
    b: Option<Lease>,
}

/// What came of comparing.
#[derive(Debug)]
pub struct Verdict {
    /// What differs, by address.
    pub differences: Vec<Difference>,
    /// Addresses that either side knows.
    pub addresses: usize,
    /// Those that are leased, as A has it.
    pub leased: usize,
}

/// What both sides are asked for, and how long they are waited for.
#[derive(Debug)]
pub struct Asked {
    /// Codes of options that are compared, too.
    pub options: Vec<u16>,
    /// What differs no longer after this time is no difference.
    pub settle: Duration,
    /// How long to wait for data.
    pub timeout: Duration,
}

/// How long to wait before both are asked again.
const ROUND: Duration = Duration::from_millis(500);

/// Compares two sides. What differs is reported if it still does after a while, and never agreed in between: a copy of
/// something that changes all the time is always a moment behind.
///
/// What is being done is given to `tell`.
pub fn verify(a: &Side, b: &Side, asked: &Asked, tell: &dyn Fn(String)) -> Result<Verdict, SideError> {
    let Asked { options, settle, .. } = asked;
    let start = Instant::now();
    let compare = |a: &Leases, b: &Leases, key: &Key| {
        let rules = Rules { options, configured: a.configured && b.configured };
        differences(a.get(key), b.get(key), rules)
    };
    let read = |side: &Side| {
        tell(format!("reading {side}"));
        side.read(asked)
    };
    let (mut new_a, mut new_b) = (read(a)?, read(b)?);
    let mut keys: Vec<Key> = new_a.keys_of_both(&new_b).cloned().collect();
    keys.retain(|key| !compare(&new_a, &new_b, key).is_empty());
    loop {
        if keys.is_empty() || start.elapsed() >= *settle {
            keys.sort();
            let difference = |key: Key| Difference {
                fields: compare(&new_a, &new_b, &key),
                a: new_a.get(&key).cloned(),
                b: new_b.get(&key).cloned(),
                key,
            };
            let addresses = new_a.keys_of_both(&new_b).count();
            let leased = new_a.iter().filter(|(_, lease)| lease.state == "active").count();
            return Ok(Verdict { differences: keys.into_iter().map(difference).collect(), addresses, leased });
        }
        tell(format!("{} addresses differ so far; they may settle", keys.len()));
        std::thread::sleep(ROUND.min(*settle));
        let (old_a, old_b) = (new_a, new_b);
        (new_a, new_b) = (read(a)?, read(b)?);
        keys.retain(|key| {
            let views = [(&new_a, &new_b), (&old_a, &new_b), (&new_a, &old_b)];
            views.iter().all(|(a, b)| !compare(a, b, key).is_empty())
        });
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server { name, .. } => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Side {
    fn read(&self, asked: &Asked) -> Result<Leases, SideError> {
        match self {
            Self::File(path) => read_file(path),
            Self::Server { name, protocol, addresses, tls } => {
                let target = Target { addresses, tls: tls.as_ref() };
                match protocol {
                    Protocol::V4 => ask_v4(name, target, asked),
                    Protocol::V6 => ask_v6(name, target, asked),
                }
            }
        }
    }
}

fn read_file(path: &PathBuf) -> Result<Leases, SideError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| SideError::File(format!("{}: {error}", path.display())))?;
    let mut leases = Leases::new(false);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let lease = Lease::parse(line)
            .map_err(|problem| SideError::File(format!("{}:{}: {problem}", path.display(), number + 1)))?;
        // Of what was printed about an address, the last word holds.
        if let Some(lease) = lease {
            leases.add(lease);
        }
    }
    Ok(leases)
}

/// Asks for everything, in all VPNs if the server knows what that is.
fn ask_v4(name: &str, target: Target<'_>, asked: &Asked) -> Result<Leases, SideError> {
    let protocol = |peer| V4::with_peer(&V4Wanted::default(), peer);
    // Codes beyond those of DHCPv4 have been refused.
    let options: Vec<u8> = asked.options.iter().filter_map(|code| u8::try_from(*code).ok()).collect();
    let everything = |vpn| v4::Query::Bulk(v4::BulkQuery { vpn, options: options.clone(), ..v4::BulkQuery::default() });
    match ask(name, target, protocol, &everything(VpnChoice::All), asked.timeout)? {
        Answer::Complete(leases) => Ok(leases),
        Answer::Refused(_) => ask(name, target, protocol, &everything(VpnChoice::Default), asked.timeout)?.complete(),
    }
}

/// Asks for everything.
fn ask_v6(name: &str, target: Target<'_>, asked: &Asked) -> Result<Leases, SideError> {
    let duid = leasequery_client::duid::own();
    let query = v6::Query::Bulk(v6::BulkQuery { options: asked.options.clone(), ..v6::BulkQuery::default() });
    ask(name, target, |_| V6::new(Arc::clone(&duid)), &query, asked.timeout)?.complete()
}

/// What came of asking.
enum Answer {
    Complete(Leases),
    /// The server does not answer such a query.
    Refused(String),
}

impl Answer {
    fn complete(self) -> Result<Leases, SideError> {
        match self {
            Self::Complete(leases) => Ok(leases),
            Self::Refused(text) => Err(SideError::Refused(text)),
        }
    }
}

fn ask<P: Family>(
    name: &str,
    target: Target<'_>,
    protocol: impl Fn(IpAddr) -> P,
    query: &P::Query,
    timeout: Duration,
) -> Result<Answer, SideError> {
    let mut sink = Collect { leases: Leases::new(true), line: Vec::new(), problem: None, untold: None };
    let done = fetch(target, protocol, query, timeout, &mut sink).map_err(|error: FetchError| {
        SideError::Peer(format!("{name}: {}", sink.problem.take().unwrap_or_else(|| error.to_string())))
    })?;
    let text = || format!("{name}: {}: {}", done.status, done.text);
    match done.status {
        status if status.is_success() => match sink.untold {
            None => Ok(Answer::Complete(sink.leases)),
            Some(untold) => Err(SideError::Refused(format!("{name}: it does not tell of everything: {untold}"))),
        },
        status if status.is_refusal() => Ok(Answer::Refused(text())),
        _ => Err(SideError::Refused(text())),
    }
}

struct Collect {
    leases: Leases,
    line: Vec<u8>,
    /// What is wrong with a record.
    problem: Option<String>,
    /// A binding that the server could not tell of.
    untold: Option<String>,
}

impl<P: Family> Sink<P> for Collect {
    fn record(&mut self, record: &P::Record<'_>) -> io::Result<()> {
        self.line.clear();
        P::view(record).write_json(&mut self.line);
        let line = String::from_utf8_lossy(&self.line);
        match Lease::parse(&line) {
            Ok(lease) => lease.into_iter().for_each(|lease| self.leases.add(lease)),
            Err(problem) => {
                self.problem = Some(format!("{}: {problem}", line.trim_end()));
                return Err(io::Error::other("a record cannot be compared"));
            }
        }
        Ok(())
    }

    fn failed(&mut self, text: String) {
        self.untold.get_or_insert(text);
    }
}

impl Difference {
    /// For people.
    pub fn write_line(&self, out: &mut impl Write) -> io::Result<()> {
        let address = &self.key;
        let vpn = self.key.vpn.as_ref().map(|vpn| format!(" in VPN {vpn}")).unwrap_or_default();
        let what = match (&self.a, &self.b) {
            (Some(a), Some(b)) if a.is_ended() == b.is_ended() => {
                let fields: Vec<_> = self.fields.iter().map(|field| self.both(field)).collect();
                fields.join(", ")
            }
            (Some(a), Some(b)) => format!("state: {} | {}", a.state, b.state),
            (Some(a), None) => format!("{} only in A", a.state),
            (None, Some(b)) => format!("{} only in B", b.state),
            (None, None) => return Ok(()),
        };
        // Names of VPNs come from a server.
        let line = format!("{address}{vpn}  {what}").replace(char::is_control, "?");
        writeln!(out, "{line}")
    }

    /// A field, as both sides have it.
    fn both(&self, field: &str) -> String {
        let value = |lease: &Option<Lease>| {
            let record: Option<serde_json::Value> =
                lease.as_ref().and_then(|lease| serde_json::from_str(&lease.record).ok());
            record.and_then(|record| record.get(field).map(ToString::to_string)).unwrap_or_else(|| "-".to_owned())
        };
        format!("{field}: {} | {}", value(&self.a), value(&self.b)).replace('"', "")
    }

    /// For programs: a JSON object on one line.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let record = |lease: &Option<Lease>| -> serde_json::Value {
            lease.as_ref().and_then(|lease| serde_json::from_str(&lease.record).ok()).unwrap_or_default()
        };
        let address = self.key.to_string();
        let difference = match (&self.a, &self.b) {
            (_, None) => "only-in-a",
            (None, _) => "only-in-b",
            _ => "differs",
        };
        let mut line = serde_json::json!({
            (if address.contains('/') { "prefix" } else { "address" }): address, "difference": difference, "fields": self.fields,
            "a": record(&self.a), "b": record(&self.b),
        });
        if let Some(vpn) = &self.key.vpn {
            line["vpn"] = vpn.as_str().into();
        }
        writeln!(out, "{line}")
    }
}
