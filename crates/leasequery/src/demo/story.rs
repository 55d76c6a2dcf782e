//! What the demonstration prints.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use leasequery_record::{hex_text, mac_text, time_text};

use super::network::{AccessNetwork, Identity, RELAYS, Tally};
use super::{Copies, Settings};
use crate::output::quoted;

/// What there is, and what to try.
pub(super) fn introduction(
    settings: &Settings,
    [v4, v6]: [SocketAddr; 2],
    network: &AccessNetwork,
    resident: &Identity,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let requestors = match settings.requestors {
        1 => "one, keeps a copy: everything first, then every change as it happens".to_owned(),
        several => format!("{several}, each keeps a copy: everything first, then every change as it happens"),
    };
    writeln!(out, "A DHCP server's leases, served and asked for: the whole system in this process.")?;
    writeln!(out)?;
    writeln!(
        out,
        "  network     simulated: {RELAYS} relays, {} addresses, {} changes a second",
        network.size(),
        settings.rate
    )?;
    writeln!(out, "  server      DHCPv4 leasequery (RFC 4388, RFC 6926, RFC 7724) on {v4}, TCP and UDP")?;
    writeln!(out, "              DHCPv6 leasequery (RFC 5007, RFC 5460, RFC 7653) on {v6}, TCP and UDP")?;
    writeln!(out, "  requestor   {requestors}")?;
    writeln!(out)?;
    writeln!(out, "Ask it yourself, from another terminal:")?;
    writeln!(out)?;
    let relay_id = hex_text(resident.relay_id.as_bytes());
    let remote_id = hex_text(resident.remote_id.as_bytes());
    for (arguments, meaning) in [
        (String::new(), "every address, leased or not"),
        (format!(" --mac {}", mac_text(&resident.mac)), "one client"),
        (format!(" --relay-id {relay_id}"), &format!("everyone behind {}", resident.relay_id)),
        (format!(" --remote-id {remote_id}"), &format!("who is on {}", resident.remote_id)),
        (format!(" --since {} --format json", since()), "what has changed since now"),
    ] {
        writeln!(out, "  # {meaning}")?;
        writeln!(out, "  {} bulk {v4}{arguments}", settings.program)?;
    }
    let v6 = format!("{}{}", quoted(&v6.to_string()), if v6.is_ipv4() { " --v6" } else { "" });
    let duid = hex_text(&[&[0, 3, 0, 1][..], &resident.mac].concat());
    for (command, meaning) in [
        (format!("query {v4} --mac {}", mac_text(&resident.mac)), "one client, in a single datagram"),
        (format!("bulk {v6}"), "every address and delegated prefix"),
        (format!("query {v6} --duid {duid}"), "what the same client has over DHCPv6"),
    ] {
        writeln!(out, "  # {meaning}")?;
        writeln!(out, "  {} {command}", settings.program)?;
    }
    writeln!(out, "  # every change as it happens")?;
    writeln!(out, "  {} watch {v4} --no-initial", settings.program)?;
    writeln!(out, "  {} watch {v6} --no-initial", settings.program)?;
    writeln!(out)?;
    if settings.duration.is_none() {
        writeln!(out, "Ctrl-C ends it.")?;
        writeln!(out)?;
    }
    out.flush()
}

fn since() -> String {
    time_text(leasequery_live::wall_clock())
}

/// What happened in the last second.
pub(super) fn second(elapsed: Duration, changes: u64, active: usize, copies: &[Copies]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let (initial, heard) = copies
        .iter()
        .flat_map(|copy| [copy.v4.received(), copy.v6.received()])
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let seconds = elapsed.as_secs();
    let told = format!("told of {initial} bindings and then of {heard} changes");
    let who = match copies.len() {
        1 => "requestor".to_owned(),
        several => format!("{several} requestors"),
    };
    writeln!(out, "{seconds:>4} s   {changes:>6} changes, {active:>5} leased   {who}: {told}")?;
    out.flush()
}

/// How it ended.
pub(super) fn summary(elapsed: Duration, total: u64, tally: Tally, copies: &[Copies], equal: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out)?;
    writeln!(
        out,
        "The network stands still after {:.0} s and {total} changes: {} leases granted, {} renewed, {} released,\n\
         {} declined, {} ran out.",
        elapsed.as_secs_f64(),
        tally.granted,
        tally.renewed,
        tally.released,
        tally.declined,
        total.saturating_sub(tally.changes()),
    )?;
    let (known, active) = copies.first().map(|copy| copy.v4.counts()).unwrap_or_default();
    let (leases, _) = copies.first().map(|copy| copy.v6.counts()).unwrap_or_default();
    let whose = match copies.len() {
        1 => "The requestor's copy".to_owned(),
        several => format!("Each of the {several} requestors' copies"),
    };
    if equal {
        writeln!(
            out,
            "{whose} equals the server's store: {known} addresses, {active} of them leased; over DHCPv6, where every\n\
             change was one as well, {leases} leases of addresses and prefixes."
        )?;
    } else {
        writeln!(out, "{whose} should equal the server's store and does not.")?;
    }
    out.flush()
}
