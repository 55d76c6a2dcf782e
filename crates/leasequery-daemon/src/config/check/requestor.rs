use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use leasequery_protocol::server::{Allow, Policy};
use leasequery_record::Protocol;
use toml::Spanned;

use super::{option_code, vpn};
use crate::config::raw::Word;
use crate::config::{Http, Listener, OverHttp, Problem, Requestor, Requestors, Token, raw};

pub(super) fn requestors(
    raw: &[raw::Requestor],
    listeners: &[Listener],
    http: Option<&Http>,
    directory: &Path,
    warnings: &mut Vec<String>,
) -> Result<Requestors, Problem> {
    let in_the_clear = listeners.iter().any(|listener| !listener.secure) || http.is_some_and(|http| !http.secure);
    let mut names = HashSet::new();
    let mut requestors: Vec<Requestor> = Vec::new();
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
        let texts = requestor.addresses.get_ref();
        let addresses = texts.iter().map(prefix).collect::<Result<Vec<_>, _>>()?;
        let mut policy = policy(requestor)?;
        let over_http = over_http(requestor, directory, warnings)?;
        if over_http.allowed && http.is_none() {
            warnings.push(format!("requestor \"{name}\" may ask over HTTP, and there is no [http]"));
        }
        if requestor.own_bindings_only {
            policy.relays = Some(addresses.iter().map(|net| (net.network(), net.prefix_len())).collect());
        }
        if policy.allow.active && !policy.allow.bulk {
            warnings.push(format!(
                "requestor \"{name}\" may send active queries and no bulk ones: it has no way to fill gaps (RFC 7724 \
                 section 8)"
            ));
        }
        let this = Requestor { addresses, certificate_names, policy: Arc::new(policy), over_http };
        for (text, net) in texts.iter().zip(&this.addresses) {
            for other in requestors.iter().filter(|other| other.addresses.contains(net)) {
                if let Some(why) = confusion(other, &this, listeners, http) {
                    let other = &other.policy.name;
                    let problem =
                        format!("requestor \"{other}\" has {net} already, so it would not be clear who asks: {why}");
                    return Err(Problem::new(text.span(), problem));
                }
            }
        }
        requestors.push(this);
    }
    Ok(Requestors(requestors))
}

/// Why nothing would tell two requestors with the same prefix apart, if so. Certificates do, where there is TLS (RFC 7724
/// section 8.1, RFC 7653 section 9.1), and that only one of them may ask this way.
fn confusion(one: &Requestor, other: &Requestor, listeners: &[Listener], http: Option<&Http>) -> Option<String> {
    let http = http.filter(|_| one.over_http.allowed && other.over_http.allowed);
    let tokens_tell =
        matches!((&one.over_http.token, &other.over_http.token), (Some(one), Some(other)) if one != other);
    if http.is_some_and(|http| !http.secure) && !tokens_tell {
        return Some("over HTTP without TLS the address alone tells that, or a token-file of each".to_owned());
    }
    let shared = |listener: &&Listener| one.may_use(listener.transport) && other.may_use(listener.transport);
    let mut shared = listeners.iter().filter(shared);
    if let Some(clear) = shared.clone().find(|listener| !listener.secure) {
        let (name, address) = (clear.name(), clear.address);
        return Some(format!("without TLS, as on {name} {address}, the address alone tells that"));
    }
    if shared.next().is_none() && (http.is_none() || tokens_tell) {
        return None;
    }
    let (Some(names), Some(others)) = (&one.certificate_names, &other.certificate_names) else {
        return Some("both need certificate-names".to_owned());
    };
    let same = |name: &&String| others.iter().any(|other| is_same_name(name, other));
    names.iter().find(same).map(|name| format!("both have the certificate-name \"{name}\""))
}

fn is_same_name(one: &str, other: &str) -> bool {
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}

fn prefix(text: &Spanned<Word>) -> Result<IpNet, Problem> {
    let value = text.get_ref();
    let net = value.parse::<IpNet>().ok().or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from));
    net.map(|net| without_mapping(net.trunc())).ok_or_else(|| {
        let text_ = format!("\"{value}\" is neither an address nor a prefix; \"192.0.2.0/24\" would be right");
        Problem::new(text.span(), text_)
    })
}

/// IPv4 addresses as such, which is how peers are known, also those of sockets of IPv6.
fn without_mapping(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(net, IpNet::V4)
}

/// The kind of query that comes over HTTP.
const HTTP: &str = "http";

fn over_http(raw: &raw::Requestor, directory: &Path, warnings: &mut Vec<String>) -> Result<OverHttp, Problem> {
    let allowed = raw.allow.iter().flatten().any(|kind| &**kind.get_ref() == HTTP);
    let Some(file) = &raw.token_file else { return Ok(OverHttp { allowed, token: None }) };
    if !allowed {
        return Err(Problem::new(file.span(), "a token is for HTTP, which allow = [\"http\"] permits"));
    }
    let path = directory.join(file.get_ref());
    let problem = |text: String| Problem::new(file.span(), format!("token-file {}: {text}", path.display()));
    let text =
        leasequery_live::files::read_to_string(&path).map_err(|error| problem(format!("cannot be read: {error}")))?;
    let token = Token::new(&text).ok_or_else(|| {
        let least = Token::LEAST;
        problem(format!(
            "a token has at least {least} letters, digits, or - . _ ~ + / =; openssl rand -hex 32 makes one"
        ))
    })?;
    warnings.extend(
        leasequery_live::files::exposure(&path)
            .map(|mode| format!("{}: others may read this token ({mode})", path.display())),
    );
    Ok(OverHttp { allowed, token: Some(token) })
}

fn policy(raw: &raw::Requestor) -> Result<Policy, Problem> {
    let allow = match &raw.allow {
        None => Allow::default(),
        Some(kinds) => {
            let mut allow = Allow { udp: false, bulk: false, active: false };
            for kind in kinds {
                match &**kind.get_ref() {
                    "udp" => allow.udp = true,
                    "bulk" => allow.bulk = true,
                    "active" => allow.active = true,
                    HTTP => {}
                    other => {
                        let text = format!(
                            "\"{other}\" is no kind of query; \"udp\", \"bulk\", \"active\" and \"{HTTP}\" are"
                        );
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
