//! HTTP: how the daemon is, for people, scripts and Prometheus.
//!
//! A client is a requestor like those of leasequery itself: `access.rs` says who may ask what. Each route has a file of its
//! own, and a line in `route.rs`.

mod access;
mod answer;
mod health;
mod metrics;
mod ready;
mod route;
mod site;
mod status;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::anyhow;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use leasequery_live::refusals::{self, Kind};
use leasequery_live::registry;
use leasequery_live::turns::step_back;
use leasequery_tls::{Identity, TlsError};
use rustls::ServerConfig;
use socket2::{SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::config::Http;
use crate::listeners::{Place, Places, Standing, unbound};
use access::Asker;
use answer::Body;
pub use site::Site;

/// A bound socket for HTTP.
#[derive(Debug)]
pub struct Front {
    socket: TcpListener,
    address: SocketAddr,
    secure: bool,
}

/// Connections at a time, and of one address.
const CONNECTIONS: usize = 2048;
const CONNECTIONS_OF_ONE: usize = 1024;
/// The same for addresses that are not listed, which are told so.
const STRANGERS: usize = 32;
const STRANGERS_OF_ONE: usize = 4;
/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// Connections accepted before others have the thread.
const AT_ONCE: usize = 32;
/// How long the handshake of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take for the head of a request, and do nothing between two requests.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client may take nothing of an answer.
const STALLED: Duration = Duration::from_secs(30);
/// How long it may take to end the answers that are being sent at the end.
const GRACE: Duration = Duration::from_secs(1);
/// Octets of a request's head, and headers in it.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 64;

impl Front {
    /// How many connections there may be.
    pub(crate) const CONNECTIONS: usize = CONNECTIONS;

    /// How many of one address.
    pub(crate) const CONNECTIONS_OF_ONE: usize = CONNECTIONS_OF_ONE;

    /// Binds without answering yet.
    pub fn bind(http: &Http) -> anyhow::Result<Self> {
        let bind = || -> std::io::Result<TcpListener> {
            let socket =
                Socket::new(socket2::Domain::for_address(http.address), Type::STREAM, Some(socket2::Protocol::TCP))?;
            // A restart must not wait for connections of the last run to be forgotten.
            socket.set_reuse_address(true)?;
            socket.bind(&http.address.into())?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket.into())
        };
        let socket = bind()
            .map_err(|error| anyhow!("cannot listen on {} (HTTP): {}", http.address, unbound(http.address, &error)))?;
        Ok(Self { address: socket.local_addr()?, socket, secure: http.secure })
    }

    /// The address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the daemon ends.
    pub async fn run(self, site: Arc<Site>, places: Arc<Places>) {
        let mut access = site.around.access.clone();
        let strangers = Places::new(STRANGERS, STRANGERS_OF_ONE);
        let part =
            site.around.registry.enter(registry::Kind::Listener, format!("{} {}", Http::NAME, self.address), None);
        let standing = Standing::new(&part, &places, Arc::clone(&site.refusals));
        let mut connections = JoinSet::new();
        let mut accepted = 0_usize;
        let mut report = tokio::time::interval(refusals::PERIOD);
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !access.is_over() {
            tokio::select! {
                next = self.socket.accept() => match next {
                    Ok((stream, peer)) => {
                        match self.admit(peer, &site, &places, &strangers) {
                            Ok((tls, place)) => drop(connections.spawn(serve(stream, peer, tls, place, Arc::clone(&site)))),
                            Err(reason) => site.refuse(peer, Kind::NotServed(reason), || format!("closed: {reason}")),
                        }
                        accepted += 1;
                        standing.accepted.fetch_add(1, Ordering::Relaxed);
                        if accepted.is_multiple_of(AT_ONCE) {
                            step_back().await;
                        }
                    }
                    Err(error) => {
                        // Out of descriptors or memory: others may give some back.
                        site.refuse(self.address, Kind::NotAccepted, || format!("cannot accept: {error}"));
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                _ = report.tick() => site.refusals.report(),
                Some(_) = connections.join_next() => {}
                () = access.over() => {}
            }
        }
        drop(self.socket);
        while connections.join_next().await.is_some() {}
        site.refusals.report();
    }

    /// Gives a connection its place, or says why it is closed at once. Of those who are not listed few are told that they are
    /// not, and none where that takes a handshake.
    fn admit(
        &self,
        peer: SocketAddr,
        site: &Site,
        places: &Arc<Places>,
        strangers: &Arc<Places>,
    ) -> Result<(Option<Arc<ServerConfig>>, Place), &'static str> {
        let permissions = site.around.access.permissions();
        let is_known = peer.ip().to_canonical().is_loopback() || permissions.requestors.lists(peer.ip());
        if !self.secure {
            let place = if is_known { places } else { strangers }.take(peer.ip())?;
            return Ok((None, place));
        }
        if !is_known {
            return Err("no requestor has this address");
        }
        let certificates = permissions.tls.as_ref().ok_or("there is no [tls] in the configuration any more")?;
        let config = certificates.https().map_err(|_: TlsError| "TLS cannot be set up")?;
        Ok((Some(config), places.take(peer.ip())?))
    }
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, peer: SocketAddr, tls: Option<Arc<ServerConfig>>, place: Place, site: Arc<Site>) {
    let _ = stream.set_nodelay(true);
    // Whoever takes nothing of an answer is given up by the system.
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(STALLED));
    let local = stream.local_addr().unwrap_or(peer);
    let Some(config) = tls else {
        let asker = Asker { peer, local, secure: false, certificate: None };
        return converse(stream, asker, &place, site).await;
    };
    let handshake = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream));
    let secured = match handshake.await {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => return site.refuse(peer, Kind::no_tls(&error.to_string()), || format!("no TLS: {error}")),
        Err(_) => return site.refuse(peer, Kind::no_tls("slow"), || "no TLS: the handshake took too long".to_owned()),
    };
    let certificate = secured.get_ref().1.peer_certificates().and_then(Identity::of_chain);
    converse(secured, Asker { peer, local, secure: true, certificate }, &place, site).await;
}

/// Answers the requests of a connection.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, asker: Asker, place: &Place, site: Arc<Site>) {
    let (peer, mut access) = (asker.peer, site.around.access.clone());
    let asker = Arc::new(asker);
    let service = service_fn(|request: Request<Incoming>| {
        let (site, asker) = (Arc::clone(&site), Arc::clone(&asker));
        async move {
            place.set_idle(false);
            let response = answer(&site, &asker, request).await;
            place.set_idle(true);
            Ok::<Response<Body>, Infallible>(response)
        }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_header_size(HEAD)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(stream), service)
    );
    place.set_idle(true);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { tokio::select! { () = place.wanted() => {}, () = access.over() => {} } } => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GRACE, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!("{peer}: HTTP: {error}");
    }
}

/// Answers one request, in a turn of its own.
async fn answer(site: &Arc<Site>, asker: &Arc<Asker>, request: Request<Incoming>) -> Response<Body> {
    let (head, _) = request.into_parts();
    let route = route::Route::of(head.uri.path());
    let response = match access::judge(site, asker, &head, route.as_ref()) {
        Ok(policy) => {
            let mut share = site.around.turns.share(asker.peer.ip());
            share.begin().await;
            let ask = route::Ask { site: Arc::clone(site), asker: Arc::clone(asker), head, policy, share };
            match &route {
                Some(route) => route.answer(ask).await,
                None => answer::error(hyper::StatusCode::NOT_FOUND, "there is no such page; / has a list of them"),
            }
        }
        Err(refused) => {
            let response = refused.answer();
            let status = response.status();
            site.refuse(asker.peer, Kind::RefusedHttp(status.as_u16()), || {
                format!("HTTP: {} {} refused: {status}", head.method, head.uri.path())
            });
            response
        }
    };
    site.count(route.as_ref().map_or("other", route::Route::name), response.status());
    answer::finish(response)
}
