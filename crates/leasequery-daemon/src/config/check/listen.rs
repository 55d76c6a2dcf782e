use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use leasequery_record::Protocol;
use leasequery_record::parse_hex;
use leasequery_wire::v6::is_duid;
use toml::Spanned;

use crate::config::raw::Word;
use crate::config::{Listener, Problem, Service, Transport, raw};

pub(super) fn listeners(raw: &[Spanned<raw::Listen>], tls: bool) -> Result<Vec<Listener>, Problem> {
    let mut taken = HashSet::new();
    raw.iter()
        .map(|listen| {
            let listener = listener(listen, tls)?;
            if listener.address.port() != 0 && !taken.insert((listener.transport, listener.address)) {
                let text = format!("two listeners have the address {}", listener.address);
                return Err(Problem::new(listen.get_ref().address.span(), text));
            }
            Ok(listener)
        })
        .collect()
}

fn listener(raw: &Spanned<raw::Listen>, tls: bool) -> Result<Listener, Problem> {
    let listen = raw.get_ref();
    let protocol = super::protocol(&listen.protocol)?;
    let transport = match &**listen.transport.get_ref() {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        other => {
            let text = format!("transport \"{other}\" is unknown; \"tcp\" or \"udp\" would be right");
            return Err(Problem::new(listen.transport.span(), text));
        }
    };
    let secure = match transport {
        Transport::Tcp => is_secure(raw, tls)?,
        Transport::Udp => {
            let found = [
                ("tls", listen.tls.as_ref().map(Spanned::span)),
                ("active", listen.active.as_ref().map(Spanned::span)),
            ];
            for (name, span) in found {
                if let Some(span) = span {
                    return Err(Problem::new(span, format!("only a listener for TCP has a key {name}")));
                }
            }
            false
        }
    };
    let address = socket_address(&listen.address, protocol)?;
    let service = match protocol {
        Protocol::V4 => Service::V4 { server_id: v4_server_id(listen, address)? },
        Protocol::V6 => Service::V6 { server_id: v6_server_id(listen)? },
    };
    let active = listen.active.as_ref().is_some_and(|active| *active.get_ref());
    Ok(Listener { address, transport, service, active, secure })
}

/// Whether TLS is required, which it is unless something else is said: neither serving at all nor serving active queries
/// may open a listener in the clear (RFC 7724 section 8.1, RFC 7653 section 9.1).
fn is_secure(raw: &Spanned<raw::Listen>, has_tls: bool) -> Result<bool, Problem> {
    let no_tls = "TLS needs certificates: add [tls] with certificate, key and client-ca, or write tls = \"off\" to serve \
                  in the clear, on a network you trust";
    match &raw.get_ref().tls {
        Some(tls) if &**tls.get_ref() == "off" => Ok(false),
        Some(tls) if &**tls.get_ref() == "required" && has_tls => Ok(true),
        None if has_tls => Ok(true),
        Some(tls) if &**tls.get_ref() == "required" => Err(Problem::new(tls.span(), no_tls)),
        Some(tls) => {
            let text = format!("tls = \"{}\" is unknown; \"required\" and \"off\" would be right", tls.get_ref());
            Err(Problem::new(tls.span(), text))
        }
        None => Err(Problem::new(raw.span(), no_tls)),
    }
}

fn v4_server_id(listen: &raw::Listen, address: SocketAddr) -> Result<Option<Ipv4Addr>, Problem> {
    let Some(id) = &listen.server_id else {
        if address.is_ipv6() {
            let text = "an IPv6 address cannot be the server-identifier of DHCPv4; add server-id = \"ADDRESS\"";
            return Err(Problem::new(listen.address.span(), text));
        }
        return Ok(None);
    };
    let parsed = id.get_ref().parse::<Ipv4Addr>().ok().filter(|address| !address.is_unspecified());
    parsed.map(Some).ok_or_else(|| {
        let text = format!("server-id \"{}\" is not an IPv4 address of the server, like \"192.0.2.1\"", id.get_ref());
        Problem::new(id.span(), text)
    })
}

fn v6_server_id(listen: &raw::Listen) -> Result<Arc<[u8]>, Problem> {
    let Some(id) = &listen.server_id else { return Ok(leasequery_client::duid::own()) };
    let duid = parse_hex(id.get_ref()).ok().filter(|duid| is_duid(duid));
    duid.map(Into::into).ok_or_else(|| {
        let text = format!("server-id \"{}\" is not a DUID in hex, like \"00030001020000000001\"", id.get_ref());
        Problem::new(id.span(), text)
    })
}

fn socket_address(text: &Spanned<Word>, protocol: Protocol) -> Result<SocketAddr, Problem> {
    let value = text.get_ref();
    let address = value.parse::<SocketAddr>().ok();
    let address =
        address.or_else(|| value.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, protocol.default_port())));
    address.ok_or_else(|| {
        Problem::new(
            text.span(),
            match protocol {
                Protocol::V4 => {
                    format!("\"{value}\" is not an address; \"192.0.2.1\" or \"192.0.2.1:67\" would be right")
                }
                Protocol::V6 => {
                    format!("\"{value}\" is not an address; \"2001:db8::1\" or \"[2001:db8::1]:547\" would be right")
                }
            },
        )
    })
}
