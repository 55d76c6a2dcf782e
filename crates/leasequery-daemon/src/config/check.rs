//! From what stands in the file to what holds together.

mod http;
mod listen;
mod network;
mod requestor;
mod source;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use leasequery_protocol::requestor::Timeouts;
use leasequery_record::Protocol;
use leasequery_record::parse_vpn;
use leasequery_store::VpnName;
use toml::Spanned;

use super::raw::Word;
use super::{Config, Limits, Problem, Source, raw};

pub(super) use http::http;

pub(super) fn check(raw: raw::Config, directory: &Path) -> Result<Config, Problem> {
    let mut warnings = Vec::new();
    let limits = limits(&raw.limits, &mut warnings)?;
    let tls = raw.tls.as_ref().map(|raw| tls::server(raw, directory)).transpose()?;
    if let Some(tls) = &raw.tls {
        warnings.extend(leasequery_tls::exposure(&directory.join(tls.get_ref().key.get_ref())));
    }
    let listeners = listen::listeners(&raw.listen, tls.is_some())?;
    let http = raw.http.as_ref().map(|raw| http(raw, &listeners, tls.is_some())).transpose()?;
    let mut certificates: Vec<_> = tls.iter().map(|tls| tls.certificate().clone()).collect();
    let requestors = requestor::requestors(&raw.requestor, &listeners, http.as_ref(), directory, &mut warnings)?;
    let may_be_active = requestors.0.iter().any(|requestor| requestor.policy.allow.active);
    if listeners.iter().any(|listener| listener.active) && !may_be_active {
        warnings.push("no requestor may send active queries: allow = [\"bulk\", \"active\"] permits them".to_owned());
    }
    let sources = source::sources(&raw.source, directory, &mut certificates)?;
    warnings.extend(certificates.iter().flat_map(|certificate| certificate.notes().iter().cloned()));
    warnings.extend(sources.iter().filter_map(|source| match source {
        Source::Leasequery { tls: Some(tls), .. } => leasequery_tls::exposure(&tls.key),
        _ => None,
    }));
    warnings.extend(sources.iter().filter_map(short_patience));
    let (networks, links) = network::networks(&raw.network)?;
    if listeners.is_empty() && http.is_none() {
        warnings.push("there is no [[listen]]: nobody can ask".to_owned());
    } else if requestors.0.is_empty() {
        warnings.push("there is no [[requestor]]: every connection will be closed".to_owned());
    }
    if sources.is_empty() {
        warnings.push("there is no [[source]]: no lease will ever be known".to_owned());
    }
    let state_dir = raw.state_dir.map(|path| directory.join(path));
    Ok(Config {
        state_dir,
        listeners,
        http,
        tls,
        certificates,
        requestors: Arc::new(requestors),
        limits,
        sources,
        networks,
        links,
        warnings,
        named: Vec::new(),
    })
}

/// A warning if a source waits for less than the default.
fn short_patience(source: &Source) -> Option<String> {
    let Source::Leasequery { active_receive_timeout, .. } = source else { return None };
    let recommended = Timeouts::default().active_receive;
    (*active_receive_timeout < recommended).then(|| {
        format!(
            "active-receive-timeout of source {} is {active_receive_timeout:?}: less than {recommended:?} is not \
             recommended (RFC 7724 section 5.3)",
            source.name()
        )
    })
}

fn limits(raw: &raw::Limits, warnings: &mut Vec<String>) -> Result<Limits, Problem> {
    let mut limits = Limits::default();
    for (value, limit) in [
        (&raw.connections, &mut limits.connections),
        (&raw.connections_per_requestor, &mut limits.connections_per_requestor),
        (&raw.queries_per_connection, &mut limits.queries_per_connection),
    ] {
        let Some(value) = value else { continue };
        let number = usize::try_from(*value.get_ref()).ok().filter(|number| (1..=1_000_000).contains(number));
        *limit = number.ok_or_else(|| Problem::new(value.span(), "must be from 1 to 1000000"))?;
    }
    if raw.connections_per_requestor.is_none() {
        limits.connections_per_requestor = limits.connections;
    }
    for (name, value, limit, section) in [
        ("data-timeout", &raw.data_timeout, &mut limits.data_timeout, "RFC 6926 section 6.3"),
        ("active-send-timeout", &raw.active_send_timeout, &mut limits.active_send_timeout, "RFC 7724 section 5.3"),
        ("active-idle-timeout", &raw.active_idle_timeout, &mut limits.active_idle_timeout, "RFC 7724 section 5.3"),
    ] {
        let Some(seconds) = value else { continue };
        let value = *seconds.get_ref();
        if !(0.05..=1e6).contains(&value) {
            return Err(Problem::new(seconds.span(), format!("{name} is in seconds, from 0.05 to 1000000")));
        }
        let recommended = limit.as_secs_f64();
        if value < recommended {
            warnings.push(format!(
                "limits.{name} is {value}: less than {recommended} seconds is not recommended ({section})"
            ));
        }
        *limit = Duration::from_secs_f64(value);
    }
    if let Some(history) = &raw.history {
        let parsed = history.get_ref().parse::<SignedDuration>().ok();
        let seconds = parsed.and_then(|duration| u32::try_from(duration.as_secs()).ok());
        limits.history = seconds.ok_or_else(|| {
            let text =
                format!("history \"{}\" is not a duration; \"24h\" or \"90m\" would be right", history.get_ref());
            Problem::new(history.span(), text)
        })?;
    }
    Ok(limits)
}

fn protocol(text: &Spanned<Word>) -> Result<Protocol, Problem> {
    match &**text.get_ref() {
        "v4" => Ok(Protocol::V4),
        "v6" => Ok(Protocol::V6),
        other => {
            Err(Problem::new(text.span(), format!("protocol \"{other}\" is unknown; \"v4\" or \"v6\" would be right")))
        }
    }
}

/// Code of an option of a protocol.
fn option_code(protocol: Protocol, code: &Spanned<i64>) -> Result<u16, Problem> {
    let (most, name) = match protocol {
        Protocol::V4 => (254, "a DHCPv4 option has a code from 1 to 254"),
        Protocol::V6 => (65_535, "an option has a code from 1 to 65535"),
    };
    let number = u16::try_from(*code.get_ref()).ok().filter(|code| (1..=most).contains(code));
    number.ok_or_else(|| Problem::new(code.span(), name))
}

fn vpn(text: &Spanned<String>) -> Result<VpnName, Problem> {
    parse_vpn(text.get_ref()).map_err(|problem| Problem::new(text.span(), problem))
}

/// A duration that may be left out.
fn period(name: &str, raw: Option<&Spanned<Word>>, default: Duration) -> Result<Duration, Problem> {
    let Some(raw) = raw else { return Ok(default) };
    let parsed = raw.get_ref().parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.filter(|duration| !duration.is_zero()).ok_or_else(|| {
        let text = format!("{name} \"{}\" is not a duration; \"60s\" or \"1h\" would be right", raw.get_ref());
        Problem::new(raw.span(), text)
    })
}
