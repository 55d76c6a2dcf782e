//! From what stands in the file to what holds together.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use jiff::SignedDuration;
use leasequery_protocol::server::{Allow, Policy};
use leasequery_store::VpnName;
use toml::Spanned;

use super::{Config, DEFAULT_PORT, Limits, Listener, NetworkConfig, Problem, Requestor, Requestors, Source, raw};
use crate::cli::Server;
use crate::record::parse_vpn;

pub(super) fn check(raw: raw::Config, directory: &Path) -> Result<Config, Problem> {
    if let Some(tls) = &raw.tls {
        let text = "this version has no TLS yet: leave [tls] out and write tls = \"off\" in [[listen]]";
        return Err(Problem::new(tls.span(), text));
    }
    if let Some(http) = &raw.http {
        return Err(Problem::new(http.span(), "this version has no status page yet: leave [http] out"));
    }
    let mut warnings = Vec::new();
    let limits = limits(&raw.limits, &mut warnings)?;
    let listeners = listeners(&raw.listen)?;
    let requestors = requestors(&raw.requestor, &mut warnings)?;
    let may_be_active = requestors.0.iter().any(|requestor| requestor.policy.allow.active);
    if listeners.iter().any(|listener| listener.active) && !may_be_active {
        warnings.push("no requestor may send active queries: allow = [\"bulk\", \"active\"] permits them".to_owned());
    }
    let sources = sources(&raw.source, directory)?;
    let networks = raw.network.iter().map(network).collect::<Result<_, _>>()?;
    if listeners.is_empty() {
        warnings.push("there is no [[listen]]: nobody can ask".to_owned());
    } else if requestors.0.is_empty() {
        warnings.push("there is no [[requestor]]: every connection will be closed".to_owned());
    }
    if sources.is_empty() {
        warnings.push("there is no [[source]]: no lease will ever be known".to_owned());
    }
    let state_dir = raw.state_dir.map(|path| directory.join(path));
    Ok(Config { state_dir, listeners, requestors: Arc::new(requestors), limits, sources, networks, warnings })
}

fn only_v4(protocol: &Spanned<String>) -> Result<(), Problem> {
    match protocol.get_ref().as_str() {
        "v4" => Ok(()),
        "v6" => Err(Problem::new(protocol.span(), "this version has no DHCPv6 yet; \"v4\" would be right")),
        other => Err(Problem::new(protocol.span(), format!("protocol \"{other}\" is unknown; \"v4\" would be right"))),
    }
}

fn listeners(raw: &[Spanned<raw::Listen>]) -> Result<Vec<Listener>, Problem> {
    let mut taken = HashSet::new();
    raw.iter()
        .map(|listen| {
            let listener = listener(listen)?;
            if listener.address.port() != 0 && !taken.insert(listener.address) {
                let text = format!("two listeners have the address {}", listener.address);
                return Err(Problem::new(listen.get_ref().address.span(), text));
            }
            Ok(listener)
        })
        .collect()
}

fn listener(raw: &Spanned<raw::Listen>) -> Result<Listener, Problem> {
    let listen = raw.get_ref();
    only_v4(&listen.protocol)?;
    match listen.transport.get_ref().as_str() {
        "tcp" => {}
        "udp" => {
            let text = "this version answers no queries over UDP yet; \"tcp\" would be right";
            return Err(Problem::new(listen.transport.span(), text));
        }
        other => {
            let text = format!("transport \"{other}\" is unknown; \"tcp\" would be right");
            return Err(Problem::new(listen.transport.span(), text));
        }
    }
    let no_tls = "this version has no TLS yet: write tls = \"off\" to serve in the clear, on a network you trust";
    match &listen.tls {
        Some(tls) if tls.get_ref() == "off" => {}
        Some(tls) if tls.get_ref() == "required" => return Err(Problem::new(tls.span(), no_tls)),
        Some(tls) => {
            let text = format!("tls = \"{}\" is unknown; \"required\" and \"off\" would be right", tls.get_ref());
            return Err(Problem::new(tls.span(), text));
        }
        None => return Err(Problem::new(raw.span(), no_tls)),
    }
    let address = socket_address(&listen.address)?;
    let server_id = listen.server_id.as_ref().map(|id| {
        let address = id.get_ref().parse::<Ipv4Addr>().ok().filter(|address| !address.is_unspecified());
        address.ok_or_else(|| {
            let text =
                format!("server-id \"{}\" is not an IPv4 address of the server, like \"192.0.2.1\"", id.get_ref());
            Problem::new(id.span(), text)
        })
    });
    let server_id = server_id.transpose()?;
    if server_id.is_none() && address.is_ipv6() {
        let text = "an IPv6 address cannot be the server-identifier of DHCPv4; add server-id = \"ADDRESS\"";
        return Err(Problem::new(listen.address.span(), text));
    }
    Ok(Listener { address, server_id, active: listen.active.as_ref().is_some_and(|active| *active.get_ref()) })
}

fn socket_address(text: &Spanned<String>) -> Result<SocketAddr, Problem> {
    let value = text.get_ref();
    let address = value.parse::<SocketAddr>().ok();
    let address = address.or_else(|| value.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DEFAULT_PORT)));
    address.ok_or_else(|| {
        Problem::new(
            text.span(),
            format!("\"{value}\" is not an address; \"192.0.2.1\" or \"192.0.2.1:67\" would be right"),
        )
    })
}

fn requestors(raw: &[raw::Requestor], warnings: &mut Vec<String>) -> Result<Requestors, Problem> {
    let mut names = HashSet::new();
    let mut owners = HashMap::new();
    let mut requestors = Vec::new();
    for requestor in raw {
        let name = requestor.name.get_ref().as_str();
        if !names.insert(name) {
            return Err(Problem::new(requestor.name.span(), format!("two requestors are named \"{name}\"")));
        }
        if let Some(own) = requestor.own_bindings_only.as_ref().filter(|own| *own.get_ref()) {
            let text =
                "own-bindings-only needs the relay's address, which DHCPv4 bindings do not carry; false would be right";
            return Err(Problem::new(own.span(), text));
        }
        if requestor.certificate_names.is_some() {
            warnings.push(format!(
                "requestor \"{name}\": certificate-names are for TLS, which this version does not have yet; its address \
                 alone lets it in"
            ));
        }
        if requestor.addresses.get_ref().is_empty() {
            return Err(Problem::new(requestor.addresses.span(), "a requestor needs at least one address"));
        }
        let mut addresses = Vec::new();
        for text in requestor.addresses.get_ref() {
            let net = prefix(text)?;
            if let Some(owner) = owners.insert(net, name).filter(|owner| *owner != name) {
                let text_ = format!("requestor \"{owner}\" has {net} already, so it would not be clear who asks");
                return Err(Problem::new(text.span(), text_));
            }
            addresses.push(net);
        }
        let policy = policy(requestor)?;
        if policy.allow.active && !policy.allow.bulk {
            warnings.push(format!(
                "requestor \"{name}\" may send active queries and no bulk ones: it has no way to fill gaps (RFC 7724 \
                 section 8)"
            ));
        }
        requestors.push(Requestor { addresses, policy: Arc::new(policy) });
    }
    Ok(Requestors(requestors))
}

fn prefix(text: &Spanned<String>) -> Result<IpNet, Problem> {
    let value = text.get_ref();
    let net = value.parse::<IpNet>().ok().or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from));
    net.map(|net| net.trunc()).ok_or_else(|| {
        let text_ = format!("\"{value}\" is neither an address nor a prefix; \"192.0.2.0/24\" would be right");
        Problem::new(text.span(), text_)
    })
}

fn policy(raw: &raw::Requestor) -> Result<Policy, Problem> {
    let allow = match &raw.allow {
        None => Allow::default(),
        Some(kinds) => {
            let mut allow = Allow { udp: false, bulk: false, active: false };
            for kind in kinds {
                match kind.get_ref().as_str() {
                    "udp" => allow.udp = true,
                    "bulk" => allow.bulk = true,
                    "active" => allow.active = true,
                    other => {
                        let text = format!("\"{other}\" is no kind of query; \"udp\", \"bulk\", \"active\" are");
                        return Err(Problem::new(kind.span(), text));
                    }
                }
            }
            allow
        }
    };
    let withhold = raw.withhold_options.iter().map(option_code);
    let vpns = raw.vpns.as_ref().map(|vpns| vpns.iter().map(vpn).collect::<Result<Vec<_>, _>>()).transpose()?;
    Ok(Policy { name: raw.name.get_ref().clone(), allow, withhold: withhold.collect::<Result<_, _>>()?, vpns })
}

fn option_code(code: &Spanned<i64>) -> Result<u8, Problem> {
    let number = u8::try_from(*code.get_ref()).ok().filter(|code| (1..=254).contains(code));
    number.ok_or_else(|| Problem::new(code.span(), "a DHCPv4 option has a code from 1 to 254"))
}

fn vpn(text: &Spanned<String>) -> Result<VpnName, Problem> {
    parse_vpn(text.get_ref()).map_err(|problem| Problem::new(text.span(), problem))
}

fn limits(raw: &raw::Limits, warnings: &mut Vec<String>) -> Result<Limits, Problem> {
    let mut limits = Limits::default();
    for (value, limit) in
        [(&raw.connections, &mut limits.connections), (&raw.queries_per_connection, &mut limits.queries_per_connection)]
    {
        let Some(value) = value else { continue };
        let number = usize::try_from(*value.get_ref()).ok().filter(|number| (1..=1_000_000).contains(number));
        *limit = number.ok_or_else(|| Problem::new(value.span(), "must be from 1 to 1000000"))?;
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

/// What kinds of source there are.
const SOURCES: &str = "\"kea-memfile\", \"push\" and \"leasequery\" would be right";

fn sources(raw: &[raw::Source], directory: &Path) -> Result<Vec<Source>, Problem> {
    let mut names = HashSet::new();
    raw.iter()
        .map(|raw| {
            let (source, span) = match raw.kind.get_ref().as_str() {
                "kea-memfile" => kea_source(raw, directory)?,
                "push" => push_source(raw, directory)?,
                "leasequery" => leasequery_source(raw)?,
                other => {
                    let text = format!("source type \"{other}\" is unknown; {SOURCES}");
                    return Err(Problem::new(raw.kind.span(), text));
                }
            };
            let identity = match &source {
                Source::KeaMemfile { path, .. } | Source::Push { path } => format!("path {}", path.display()),
                Source::Leasequery { .. } => source.name(),
            };
            if !names.insert(identity.clone()) {
                return Err(Problem::new(span, format!("two sources have the {identity}")));
            }
            Ok(source)
        })
        .collect()
}

/// Refuses keys that this kind of source does not have.
fn has_none(raw: &raw::Source, names: &[&str], why: &str) -> Result<(), Problem> {
    let spans = [
        ("protocol", raw.protocol.as_ref().map(Spanned::span)),
        ("path", raw.path.as_ref().map(Spanned::span)),
        ("kea-config", raw.kea_config.as_ref().map(Spanned::span)),
        ("vpn", raw.vpn.as_ref().map(Spanned::span)),
        ("server", raw.server.as_ref().map(Spanned::span)),
        ("tls", raw.tls.as_ref().map(Spanned::span)),
        ("options", raw.options.as_ref().map(Spanned::span)),
        ("poll", raw.poll.as_ref().map(Spanned::span)),
        ("sweep", raw.sweep.as_ref().map(Spanned::span)),
    ];
    let found = spans.into_iter().find_map(|(name, span)| Some((name, span.filter(|_| names.contains(&name))?)));
    found.map_or(Ok(()), |(name, span)| Err(Problem::new(span, format!("{why} {name}"))))
}

fn needed<'a>(
    raw: &raw::Source,
    name: &str,
    value: Option<&'a Spanned<String>>,
) -> Result<&'a Spanned<String>, Problem> {
    value.ok_or_else(|| Problem::new(raw.kind.span(), format!("this source needs {name} = \"…\"")))
}

fn needs_v4(raw: &raw::Source) -> Result<(), Problem> {
    match &raw.protocol {
        Some(protocol) => only_v4(protocol),
        None => Err(Problem::new(raw.kind.span(), "this source needs protocol = \"v4\"")),
    }
}

fn kea_source(raw: &raw::Source, directory: &Path) -> Result<(Source, Range<usize>), Problem> {
    let path = needed(raw, "path", raw.path.as_ref())?;
    has_none(raw, &["server", "tls", "options", "poll", "sweep"], "only a source of type \"leasequery\" has a key")?;
    needs_v4(raw)?;
    let kea_config = raw.kea_config.as_ref().map(|path| directory.join(path.get_ref()));
    let vpn = raw.vpn.as_ref().map(vpn).transpose()?;
    Ok((Source::KeaMemfile { path: directory.join(path.get_ref()), kea_config, vpn }, path.span()))
}

fn push_source(raw: &raw::Source, directory: &Path) -> Result<(Source, Range<usize>), Problem> {
    let path = needed(raw, "path", raw.path.as_ref())?;
    has_none(raw, &["server", "tls", "options", "poll", "sweep"], "only a source of type \"leasequery\" has a key")?;
    has_none(raw, &["protocol", "kea-config", "vpn"], "a push source's records say it, so it has no key")?;
    Ok((Source::Push { path: directory.join(path.get_ref()) }, path.span()))
}

fn leasequery_source(raw: &raw::Source) -> Result<(Source, Range<usize>), Problem> {
    let server = needed(raw, "server", raw.server.as_ref())?;
    has_none(raw, &["path", "kea-config"], "a source of type \"leasequery\" has no key")?;
    needs_v4(raw)?;
    let no_tls = "this version has no TLS yet: write tls = \"off\" to follow in the clear, over a network you trust";
    match &raw.tls {
        Some(tls) if tls.get_ref().as_str() == Some("off") => {}
        Some(tls) => return Err(Problem::new(tls.span(), no_tls)),
        None => return Err(Problem::new(raw.kind.span(), no_tls)),
    }
    let address = server.get_ref().parse::<Server>().map_err(|text| Problem::new(server.span(), text))?;
    let source = Source::Leasequery {
        server: address.to_string(),
        vpn: raw.vpn.as_ref().map(vpn).transpose()?,
        options: raw.options.iter().flat_map(Spanned::get_ref).map(option_code).collect::<Result<_, _>>()?,
        poll: period("poll", raw.poll.as_ref(), Duration::from_mins(1))?,
        sweep: period("sweep", raw.sweep.as_ref(), Duration::from_hours(1))?,
    };
    Ok((source, server.span()))
}

/// A duration that may be left out.
fn period(name: &str, raw: Option<&Spanned<String>>, default: Duration) -> Result<Duration, Problem> {
    let Some(raw) = raw else { return Ok(default) };
    let parsed = raw.get_ref().parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.filter(|duration| !duration.is_zero()).ok_or_else(|| {
        let text = format!("{name} \"{}\" is not a duration; \"60s\" or \"1h\" would be right", raw.get_ref());
        Problem::new(raw.span(), text)
    })
}

fn network(raw: &raw::Network) -> Result<NetworkConfig, Problem> {
    only_v4(&raw.protocol)?;
    if let Some(value) = raw.link.as_ref().or(raw.prefixes.as_ref()) {
        return Err(Problem::new(value.span(), "only a network of DHCPv6 has this; ranges would be right"));
    }
    if raw.ranges.is_empty() {
        return Err(Problem::new(raw.protocol.span(), "this network needs ranges = [\"10.0.0.10-10.0.0.250\"]"));
    }
    let ranges = raw.ranges.iter().map(range).collect::<Result<_, _>>()?;
    Ok(NetworkConfig { ranges, vpn: raw.vpn.as_ref().map(vpn).transpose()? })
}

fn range(text: &Spanned<String>) -> Result<(Ipv4Addr, Ipv4Addr), Problem> {
    let value = text.get_ref();
    if let Ok(net) = value.parse::<Ipv4Net>() {
        return Ok((net.network(), net.broadcast()));
    }
    let parts = value.split_once('-').unwrap_or((value, value));
    let ends = (parts.0.trim().parse::<Ipv4Addr>(), parts.1.trim().parse::<Ipv4Addr>());
    let (Ok(first), Ok(last)) = ends else {
        let text_ = format!("\"{value}\" is not a range; \"10.0.0.10-10.0.0.250\" or \"10.1.0.0/16\" would be right");
        return Err(Problem::new(text.span(), text_));
    };
    if first > last {
        return Err(Problem::new(text.span(), format!("{first} is after {last}; the lower address comes first")));
    }
    Ok((first, last))
}
