//! Who may ask what: a client of HTTP is a requestor.
//!
//! What shows no lease is open on loopback, and elsewhere to whoever is listed. Leases are for listed requestors with
//! `allow = ["http"]`, whose policy holds.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Response, StatusCode};
use leasequery_protocol::server::Policy;
use leasequery_tls::Identity;

use super::Site;
use super::answer::{self, Body};
use super::route::Route;
use crate::config::{Proof, Refusal, Requestors};

/// Who asks on a connection.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) peer: SocketAddr,
    /// The address of ours that was connected to.
    pub(super) local: SocketAddr,
    /// The connection is secured by TLS.
    pub(super) secure: bool,
    pub(super) certificate: Option<Identity>,
}

impl Asker {
    fn is_near(&self) -> bool {
        self.peer.ip().to_canonical().is_loopback()
    }

    fn proof<'a>(&'a self, token: Option<&'a [u8]>) -> Proof<'a> {
        Proof { secure: self.secure, certificate: self.certificate.as_ref(), token }
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It does not say to which server it is.
    NoHost,
    /// It is to another server.
    NotOurs,
    /// A page of another server asks.
    Foreign,
    /// It wants more than to look.
    Method,
    /// It is nobody who may ask this. Says whether a token was shown.
    Requestor(Refusal, bool),
}

impl Refused {
    pub(super) fn answer(self) -> Response<Body> {
        let (status, text) = match self {
            Self::NoHost => (StatusCode::BAD_REQUEST, "one header Host is needed"),
            Self::NotOurs => {
                let text = "the header Host has neither the address that was asked nor a name in the certificate or in \
                            http.names";
                (StatusCode::MISDIRECTED_REQUEST, text)
            }
            Self::Foreign => (StatusCode::FORBIDDEN, "pages of other servers may not ask"),
            Self::Method => return answer::not_allowed(),
            Self::Requestor(Refusal::WantsToken, shown) => return answer::unauthorized(shown),
            Self::Requestor(Refusal::Unlisted, _) => {
                (StatusCode::FORBIDDEN, "no [[requestor]] has this address and the certificate that was shown")
            }
            Self::Requestor(Refusal::NotAllowed, _) => {
                let text =
                    "the [[requestor]] with this address may not ask over HTTP; allow = [\"http\"] would permit it";
                (StatusCode::FORBIDDEN, text)
            }
        };
        answer::error(status, text)
    }
}

/// Gives the policy of who may be told of leases, if the route tells of any; or says why the request is refused.
pub(super) fn judge(
    site: &Site,
    asker: &Asker,
    head: &Parts,
    route: Option<&Route>,
) -> Result<Option<Arc<Policy>>, Refused> {
    let host = host(head).ok_or(Refused::NoHost)?;
    if !is_ours(&host, site, asker) {
        return Err(Refused::NotOurs);
    }
    if is_foreign(&head.headers, &host, asker.secure) {
        return Err(Refused::Foreign);
    }
    if head.method != Method::GET && head.method != Method::HEAD {
        return Err(Refused::Method);
    }
    let permissions = site.around.access.permissions();
    // It may have been revoked since the connection began.
    if let (Some(certificate), Some(tls)) = (&asker.certificate, &permissions.tls)
        && tls.judge(certificate).is_err()
    {
        return Err(Refused::Requestor(Refusal::Unlisted, false));
    }
    match route {
        Some(route) if route.shows_leases() => permit(&permissions.requestors, asker, &head.headers).map(Some),
        _ if asker.is_near() || permissions.requestors.knows(asker.peer.ip(), asker.proof(None)) => Ok(None),
        _ => Err(Refused::Requestor(Refusal::Unlisted, false)),
    }
}

/// The policy of who may be told of leases.
fn permit(requestors: &Requestors, asker: &Asker, headers: &HeaderMap) -> Result<Arc<Policy>, Refused> {
    let token = single(headers, &AUTHORIZATION).and_then(bearer);
    let found = requestors.over_http(asker.peer.ip(), asker.proof(token));
    found.cloned().map_err(|why| Refused::Requestor(why, token.is_some()))
}

/// The value of a header that there is once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none()).map(hyper::header::HeaderValue::as_bytes)
}

/// The token in a header (RFC 6750 section 2.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Where the request is to go: in the target of the request, or else in its header (RFC 9112 section 3.2.2).
fn host(head: &Parts) -> Option<Authority> {
    let header = single(&head.headers, &HOST)?;
    let authority = head.uri.authority().cloned();
    authority.or_else(|| Authority::try_from(header).ok()).filter(|authority| !authority.as_str().contains('@'))
}

/// Whether a name is ours. A page of somebody else, whose name leads here all of a sudden (DNS rebinding), has another one.
fn is_ours(host: &Authority, site: &Site, asker: &Asker) -> bool {
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = name.parse::<IpAddr>() {
        return address.to_canonical() == asker.local.ip().to_canonical();
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let certificate = || {
        let permissions = site.around.access.permissions();
        let own = permissions.tls.as_ref().filter(|_| asker.secure).and_then(|tls| tls.identity());
        own.is_some_and(|own| own.is_for(&name))
    };
    name == "localhost" || site.names.contains(&name) || certificate()
}

/// Whether a page of another server asks (RFC 6454 section 7).
fn is_foreign(headers: &HeaderMap, host: &Authority, secure: bool) -> bool {
    if !headers.contains_key(ORIGIN) {
        return false;
    }
    let own = format!("{}://{host}", if secure { "https" } else { "http" });
    single(headers, &ORIGIN).is_none_or(|origin| !origin.eq_ignore_ascii_case(own.as_bytes()))
}
