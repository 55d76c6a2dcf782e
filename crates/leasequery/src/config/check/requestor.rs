use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use leasequery_protocol::server::{Allow, Policy};
use toml::Spanned;

use super::{option_code, vpn};
use crate::config::{Problem, Protocol, Requestor, Requestors, raw};

pub(super) fn requestors(
    raw: &[raw::Requestor],
    in_the_clear: bool,
    warnings: &mut Vec<String>,
) -> Result<Requestors, Problem> {
    let mut names = HashSet::new();
    let mut owners = HashMap::new();
    let mut requestors = Vec::new();
    for requestor in raw {
        let name = requestor.name.get_ref().as_str();
        if !names.insert(name) {
            return Err(Problem::new(requestor.name.span(), format!("two requestors are named \"{name}\"")));
        }
        if requestor.certificate_names.is_some() && in_the_clear {
            warnings.push(format!(
                "requestor \"{name}\": certificate-names are for TLS; where a listener has none, its address alone lets \
                 it in"
            ));
        }
        let certificate_names = requestor.certificate_names.as_ref().map(super::tls::names).transpose()?;
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
        let mut policy = policy(requestor)?;
        if requestor.own_bindings_only {
            policy.relays = Some(addresses.iter().map(|net| (net.network(), net.prefix_len())).collect());
        }
        if policy.allow.active && !policy.allow.bulk {
            warnings.push(format!(
                "requestor \"{name}\" may send active queries and no bulk ones: it has no way to fill gaps (RFC 7724 \
                 section 8)"
            ));
        }
        requestors.push(Requestor { addresses, certificate_names, policy: Arc::new(policy) });
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
    let withhold = raw.withhold_options.iter().map(|code| option_code(Protocol::V6, code));
    let vpns = raw.vpns.as_ref().map(|vpns| vpns.iter().map(vpn).collect::<Result<Vec<_>, _>>()).transpose()?;
    Ok(Policy {
        name: raw.name.get_ref().clone(),
        allow,
        withhold: withhold.collect::<Result<_, _>>()?,
        relays: None,
        vpns,
        widened: None,
    })
}
