use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use leasequery_client::Server;
use leasequery_protocol::requestor::Timeouts;
use leasequery_record::Protocol;
use leasequery_tls::OwnCertificate;
use toml::Spanned;

use super::{option_code, period, vpn};
use crate::config::raw::Word;
use crate::config::{Problem, Source, plain, raw};

/// What kinds of source there are.
const SOURCES: &str = "\"kea-memfile\", \"push\" and \"leasequery\" would be right";

/// The sources; the certificates with which others are followed are added to `certificates`.
pub(super) fn sources(
    raw: &[raw::Source],
    directory: &Path,
    certificates: &mut Vec<OwnCertificate>,
) -> Result<Vec<Source>, Problem> {
    let mut names = HashSet::new();
    raw.iter()
        .map(|raw| {
            let (source, span) = match &**raw.kind.get_ref() {
                "kea-memfile" => kea_source(raw, directory)?,
                "push" => push_source(raw, directory)?,
                "leasequery" => leasequery_source(raw, directory, certificates)?,
                other => {
                    let text = format!("source type \"{other}\" is unknown; {SOURCES}");
                    return Err(Problem::new(raw.kind.span(), text));
                }
            };
            let identity = match &source {
                Source::KeaMemfile { path, .. } | Source::Push { path } => {
                    format!("path {}", plain(path).display())
                }
                Source::Leasequery { protocol, .. } => format!("name \"{}\" ({protocol})", source.name()),
            };
            if !names.insert(identity.clone()) {
                return Err(Problem::new(span, format!("two sources have the {identity}")));
            }
            Ok(source)
        })
        .collect()
}

/// The keys of a source that is another server.
const OF_SERVERS: &[&str] = &["server", "tls", "options", "poll", "sweep", "active-receive-timeout"];

/// Refuses keys that this kind of source does not have.
fn has_none(raw: &raw::Source, names: &[&str], why: &str) -> Result<(), Problem> {
    let spans = [
        ("protocol", raw.protocol.as_ref().map(Spanned::span)),
        ("path", raw.path.as_ref().map(Spanned::span)),
        ("kea-config", raw.kea_config.as_ref().map(Spanned::span)),
        ("link", raw.link.as_ref().map(Spanned::span)),
        ("vpn", raw.vpn.as_ref().map(Spanned::span)),
        ("server", raw.server.as_ref().map(Spanned::span)),
        ("tls", raw.tls.as_ref().map(Spanned::span)),
        ("options", raw.options.as_ref().map(Spanned::span)),
        ("poll", raw.poll.as_ref().map(Spanned::span)),
        ("sweep", raw.sweep.as_ref().map(Spanned::span)),
        ("active-receive-timeout", raw.active_receive_timeout.as_ref().map(Spanned::span)),
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

fn protocol(raw: &raw::Source) -> Result<Protocol, Problem> {
    match &raw.protocol {
        Some(protocol) => super::protocol(protocol),
        None => Err(Problem::new(raw.kind.span(), "this source needs protocol = \"v4\" or \"v6\"")),
    }
}

/// Refuses what only the other protocol has.
fn only_of(protocol: Protocol, raw: &raw::Source) -> Result<(), Problem> {
    match protocol {
        Protocol::V4 => has_none(raw, &["link"], "DHCPv4 has no links, so there is no key"),
        Protocol::V6 => has_none(raw, &["vpn"], "leasequery of DHCPv6 knows no VPNs, so there is no key"),
    }
}

fn kea_source(raw: &raw::Source, directory: &Path) -> Result<(Source, Range<usize>), Problem> {
    let path = needed(raw, "path", raw.path.as_ref())?;
    has_none(raw, OF_SERVERS, "only a source of type \"leasequery\" has a key")?;
    has_none(raw, &["link"], "only a source of type \"leasequery\" has a key")?;
    let protocol = protocol(raw)?;
    only_of(protocol, raw)?;
    let kea_config = raw.kea_config.as_ref().map(|path| directory.join(path.get_ref()));
    let vpn = raw.vpn.as_ref().map(vpn).transpose()?;
    Ok((Source::KeaMemfile { protocol, path: absolute(path, directory)?, kea_config, vpn }, path.span()))
}

fn push_source(raw: &raw::Source, directory: &Path) -> Result<(Source, Range<usize>), Problem> {
    let path = needed(raw, "path", raw.path.as_ref())?;
    has_none(raw, OF_SERVERS, "only a source of type \"leasequery\" has a key")?;
    has_none(raw, &["protocol", "kea-config", "vpn", "link"], "a push source's records say it, so it has no key")?;
    Ok((Source::Push { path: absolute(path, directory)? }, path.span()))
}

/// From wherever the program is started.
fn absolute(path: &Spanned<String>, directory: &Path) -> Result<PathBuf, Problem> {
    std::path::absolute(directory.join(path.get_ref())).map_err(|error| Problem::new(path.span(), error.to_string()))
}

fn leasequery_source(
    raw: &raw::Source,
    directory: &Path,
    certificates: &mut Vec<OwnCertificate>,
) -> Result<(Source, Range<usize>), Problem> {
    let server = needed(raw, "server", raw.server.as_ref())?;
    has_none(raw, &["path", "kea-config"], "a source of type \"leasequery\" has no key")?;
    let protocol = protocol(raw)?;
    only_of(protocol, raw)?;
    let address = server.get_ref().parse::<Server>().map_err(|text| Problem::new(server.span(), text))?;
    let tls = match &raw.tls {
        Some(tls) => super::tls::client(tls, &address, directory, certificates)?,
        None => {
            let text = "this source needs tls = { ca = \"…\", certificate = \"…\", key = \"…\" }, or tls = \"off\" to follow \
                        in the clear, over a network you trust";
            return Err(Problem::new(raw.kind.span(), text));
        }
    };
    let source = Source::Leasequery {
        protocol,
        server: address.at(protocol),
        tls,
        link: raw.link.as_ref().map(link).transpose()?,
        vpn: raw.vpn.as_ref().map(vpn).transpose()?,
        options: raw
            .options
            .iter()
            .flat_map(Spanned::get_ref)
            .map(|code| option_code(protocol, code))
            .collect::<Result<_, _>>()?,
        poll: period("poll", raw.poll.as_ref(), Duration::from_mins(1))?,
        sweep: period("sweep", raw.sweep.as_ref(), Duration::from_hours(1))?,
        active_receive_timeout: period(
            "active-receive-timeout",
            raw.active_receive_timeout.as_ref(),
            Timeouts::default().active_receive,
        )?,
    };
    Ok((source, server.span()))
}

fn link(text: &Spanned<Word>) -> Result<Ipv6Addr, Problem> {
    let parsed = text.get_ref().parse().ok().filter(|address: &Ipv6Addr| !address.is_unspecified());
    parsed.ok_or_else(|| {
        let text_ = format!("\"{}\" is no address on a link; \"2001:db8:1::\" would be right", text.get_ref());
        Problem::new(text.span(), text_)
    })
}
