use std::net::{IpAddr, SocketAddr};

use toml::Spanned;

use crate::config::{Http, Listener, Problem, Transport, raw};

pub(in crate::config) fn http(
    raw: &Spanned<raw::Http>,
    listeners: &[Listener],
    has_tls: bool,
) -> Result<Http, Problem> {
    let http = raw.get_ref();
    let text = &**http.address.get_ref();
    let address = text.parse::<SocketAddr>().ok();
    let address = address.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, Http::PORT)));
    let address = address.ok_or_else(|| {
        let text = format!("\"{text}\" is not an address; \"127.0.0.1:{}\" would be right", Http::PORT);
        Problem::new(http.address.span(), text)
    })?;
    let taken = |listener: &Listener| listener.transport == Transport::Tcp && listener.address == address;
    if address.port() != 0 && listeners.iter().any(taken) {
        return Err(Problem::new(http.address.span(), format!("a [[listen]] has the address {address} already")));
    }
    let secure = is_secure(raw, address, has_tls)?;
    let names = http.names.iter().map(|name| name.get_ref().trim_end_matches('.').to_ascii_lowercase()).collect();
    Ok(Http { address, secure, names })
}

/// Whether TLS is spoken: beyond this machine it is, unless something else is said.
fn is_secure(raw: &Spanned<raw::Http>, address: SocketAddr, has_tls: bool) -> Result<bool, Problem> {
    let no_tls = "beyond loopback HTTP needs TLS, and TLS needs certificates: add [tls] with certificate, key and \
                  client-ca, or write tls = \"off\" to answer in the clear, on a network you trust";
    match &raw.get_ref().tls {
        Some(tls) if &**tls.get_ref() == "off" => Ok(false),
        Some(tls) if &**tls.get_ref() == "required" && has_tls => Ok(true),
        Some(tls) if &**tls.get_ref() == "required" => Err(Problem::new(tls.span(), no_tls)),
        Some(tls) => {
            let text = format!("tls = \"{}\" is unknown; \"required\" and \"off\" would be right", tls.get_ref());
            Err(Problem::new(tls.span(), text))
        }
        None if address.ip().to_canonical().is_loopback() => Ok(false),
        None if has_tls => Ok(true),
        None => Err(Problem::new(raw.span(), no_tls)),
    }
}
