use std::fmt::Write;

use leasequery_protocol::server::Allow;

use crate::config::{Config, Source};

/// What a configuration means, a line each.
pub fn describe(config: &Config) -> String {
    let mut text = String::new();
    let names: Vec<_> = config
        .requestors
        .0
        .iter()
        .map(|requestor| {
            let addresses: Vec<_> = requestor.addresses.iter().map(ToString::to_string).collect();
            format!("{} ({}: {})", requestor.policy.name, addresses.join(", "), kinds(requestor.policy.allow))
        })
        .collect();
    let who = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    for listener in &config.listeners {
        let active = if listener.active { "with active queries" } else { "no active queries" };
        line(
            &mut text,
            format_args!("listen v4 tcp {}: in the clear, no TLS; {active}; may ask: {who}", listener.address),
        );
    }
    for source in &config.sources {
        match source {
            Source::KeaMemfile { kea_config: None, .. } => {
                line(
                    &mut text,
                    format_args!("source {}: without kea-config, so no pools and no timers", source.name()),
                );
            }
            _ => line(&mut text, format_args!("source {}", source.name())),
        }
    }
    let ranges: usize = config.networks.iter().map(|network| network.ranges.len()).sum();
    if ranges > 0 {
        line(&mut text, format_args!("networks: {ranges} ranges"));
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

fn kinds(allow: Allow) -> &'static str {
    match (allow.bulk, allow.active) {
        (true, true) => "bulk and active",
        (true, false) => "bulk",
        (false, true) => "active",
        (false, false) => "nothing here",
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}
