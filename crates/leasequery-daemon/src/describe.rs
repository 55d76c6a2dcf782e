use std::fmt::Write;

use leasequery_protocol::server::Allow;
use leasequery_record::Protocol;

use crate::config::{Config, Listener, Requestor, Source, Transport};

/// What a configuration means, a line each.
pub fn describe(config: &Config) -> String {
    let mut text = String::new();
    for listener in &config.listeners {
        let names: Vec<_> = config
            .requestors
            .0
            .iter()
            .filter(|requestor| requestor.can_ask(listener))
            .map(|requestor| {
                let addresses: Vec<_> = requestor.addresses.iter().map(ToString::to_string).collect();
                format!("{} ({}: {})", requestor.policy.name, addresses.join(", "), kinds(requestor.policy.allow))
            })
            .collect();
        let who = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        let what = match listener.transport {
            Transport::Udp => "single queries",
            Transport::Tcp if listener.active => "with active queries",
            Transport::Tcp => "no active queries",
        };
        let protection = protection(listener, config);
        let name = listener.name().replace('-', " ");
        line(&mut text, format_args!("listen {name} {}: {protection}{what}; may ask: {who}", listener.address));
    }
    if let Some(http) = &config.http {
        let names: Vec<_> =
            config.requestors.0.iter().filter(|requestor| requestor.over_http.allowed).map(name).collect();
        let who = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        let protection = if http.secure { "TLS" } else { "in the clear, no TLS" };
        line(&mut text, format_args!("http {}: {protection}; may ask for leases: {who}", http.address));
    }
    for source in &config.sources {
        match source {
            Source::KeaMemfile { kea_config: None, protocol: Protocol::V4, .. } => {
                line(
                    &mut text,
                    format_args!("source {}: without kea-config, so no pools and no timers", source.name()),
                );
            }
            Source::KeaMemfile { kea_config: None, protocol: Protocol::V6, .. } => {
                line(&mut text, format_args!("source v6 {}: without kea-config, so no links", source.name()));
            }
            _ if source.protocol() == Some(Protocol::V6) => {
                line(&mut text, format_args!("source v6 {}", source.name()));
            }
            _ => line(&mut text, format_args!("source {}", source.name())),
        }
    }
    let ranges: usize = config.networks.iter().map(|network| network.ranges.len()).sum();
    if ranges > 0 {
        line(&mut text, format_args!("networks: {ranges} ranges"));
    }
    if !config.links.is_empty() {
        line(&mut text, format_args!("networks: {} links", config.links.len()));
    }
    match &config.state_dir {
        Some(directory) => line(&mut text, format_args!("state: {}", directory.display())),
        None => line(&mut text, format_args!("state: none is kept over a restart")),
    }
    for warning in &config.warnings {
        line(&mut text, format_args!("warning: {warning}"));
    }
    text
}

/// A requestor of HTTP.
fn name(requestor: &Requestor) -> String {
    let addresses: Vec<_> = requestor.addresses.iter().map(ToString::to_string).collect();
    let token = if requestor.over_http.token.is_some() { ", with a token" } else { "" };
    format!("{} ({}{token})", requestor.policy.name, addresses.join(", "))
}

/// How a listener is protected.
fn protection(listener: &Listener, config: &Config) -> String {
    match (&config.tls, listener.transport) {
        (_, Transport::Udp) => String::new(),
        (Some(tls), _) if listener.secure => {
            format!("TLS required, certificates of requestors from {}; ", tls.authority().display())
        }
        _ => "in the clear, no TLS; ".to_owned(),
    }
}

fn kinds(allow: Allow) -> String {
    let kinds = [(allow.udp, "UDP"), (allow.bulk, "bulk"), (allow.active, "active")];
    let kinds: Vec<_> = kinds.into_iter().filter(|(allowed, _)| *allowed).map(|(_, kind)| kind).collect();
    if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(" and ") }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}
