use std::net::Ipv4Addr;

use ipnet::{Ipv4Net, Ipv6Net};
use leasequery_record::Protocol;
use leasequery_store::Link;
use toml::Spanned;

use super::vpn;
use crate::config::raw::Word;
use crate::config::{NetworkConfig, Problem, raw};

/// Addresses of DHCPv4, and links of DHCPv6.
pub(super) fn networks(raw: &[raw::Network]) -> Result<(Vec<NetworkConfig>, Vec<Link>), Problem> {
    let (mut networks, mut links) = (Vec::new(), Vec::new());
    for raw in raw {
        match super::protocol(&raw.protocol)? {
            Protocol::V4 => networks.push(network(raw)?),
            Protocol::V6 => links.push(link(raw)?),
        }
    }
    Ok((networks, links))
}

fn network(raw: &raw::Network) -> Result<NetworkConfig, Problem> {
    let others = [raw.link.as_ref().map(Spanned::span), raw.prefixes.first().map(Spanned::span)];
    if let Some(span) = others.into_iter().flatten().next() {
        return Err(Problem::new(span, "only a network of DHCPv6 has this; ranges would be right"));
    }
    if raw.ranges.is_empty() {
        return Err(Problem::new(raw.protocol.span(), "this network needs ranges = [\"10.0.0.10-10.0.0.250\"]"));
    }
    let ranges = raw.ranges.iter().map(range).collect::<Result<_, _>>()?;
    Ok(NetworkConfig { ranges, vpn: raw.vpn.as_ref().map(vpn).transpose()? })
}

fn link(raw: &raw::Network) -> Result<Link, Problem> {
    let others = [raw.ranges.first().map(Spanned::span), raw.vpn.as_ref().map(Spanned::span)];
    if let Some(span) = others.into_iter().flatten().next() {
        return Err(Problem::new(span, "only a network of DHCPv4 has this; link and prefixes would be right"));
    }
    let link = raw.link.as_ref();
    let link =
        link.ok_or_else(|| Problem::new(raw.protocol.span(), "this network needs link = \"2001:db8:1::/64\""))?;
    let link = prefix(link)?;
    let delegated = raw.prefixes.iter().map(prefix).collect::<Result<Vec<_>, _>>()?;
    let networks = [link].into_iter().chain(delegated).map(|net| (net.network(), net.prefix_len()));
    Ok(Link { address: link.network(), networks: networks.collect() })
}

fn prefix(text: &Spanned<Word>) -> Result<Ipv6Net, Problem> {
    text.get_ref().parse::<Ipv6Net>().map(|net| net.trunc()).map_err(|_| {
        let text_ = format!("\"{}\" is not a prefix; \"2001:db8:1::/64\" would be right", text.get_ref());
        Problem::new(text.span(), text_)
    })
}

fn range(text: &Spanned<Word>) -> Result<(Ipv4Addr, Ipv4Addr), Problem> {
    let value = text.get_ref();
    if let Ok(net) = value.parse::<Ipv4Net>() {
        return Ok((net.network(), net.broadcast()));
    }
    let parts = value.split_once('-').unwrap_or((&**value, &**value));
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
