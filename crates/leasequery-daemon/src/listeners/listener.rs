use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use leasequery_live::refusals::{self, Refusals};
use leasequery_live::registry::Kind;
use leasequery_live::turns::step_back;
use leasequery_protocol::server::Limits;
use leasequery_protocol::server::v4::V4;
use leasequery_protocol::server::v6::V6;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tracing::debug;

use super::connection::{self, Guest};
use super::places::Places;
use super::standing::Standing;
use super::unbound;
use crate::around::Around;
use crate::callers::Caller;
use crate::config::{self, Service, Transport};

/// A bound TCP listener.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    name: &'static str,
    service: Service,
    active: bool,
    secure: bool,
}

/// Connections accepted before others have the thread, even in a flood: those that are closed at once take some
/// microseconds each.
const AT_ONCE: usize = 32;
/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

impl Listener {
    /// Binds without serving yet.
    pub fn bind(listener: &config::Listener) -> anyhow::Result<Self> {
        let bind = || -> std::io::Result<TcpListener> {
            let socket = Socket::new(Domain::for_address(listener.address), Type::STREAM, Some(Protocol::TCP))?;
            if listener.address.is_ipv6() {
                // The same port over IPv4 may be another listener's.
                socket.set_only_v6(true)?;
            }
            // A restart must not wait for connections of the last run to be forgotten.
            socket.set_reuse_address(true)?;
            socket.bind(&listener.address.into())?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket.into())
        };
        let bound = bind().map_err(|error| {
            let (address, reason) = (listener.address, unbound(listener.address, &error));
            anyhow::anyhow!("cannot listen on {address}: {reason}")
        })?;
        Ok(Self {
            address: bound.local_addr()?,
            socket: bound,
            name: listener.name(),
            service: listener.service.clone(),
            active: listener.active,
            secure: listener.secure,
        })
    }

    /// What it is, as the line that says where it listens calls it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it serves.
    pub fn protocol(&self) -> leasequery_record::Protocol {
        match self.service {
            Service::V4 { .. } => leasequery_record::Protocol::V4,
            Service::V6 { .. } => leasequery_record::Protocol::V6,
        }
    }

    /// The address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections until the daemon ends, then waits for them to say their last words.
    pub async fn run(self, around: Around, limits: Limits, places: Arc<Places>) {
        let mut access = around.access.clone();
        let part =
            around.registry.enter(Kind::Listener, format!("{} {}", self.name, self.address), Some(self.protocol()));
        let standing = Standing::new(&part, &places, Arc::default());
        let refusals = Arc::clone(&standing.refusals);
        let entrance = Entrance { around, limits, places, refusals: Arc::clone(&refusals) };
        let mut tasks = JoinSet::new();
        let mut accepted = 0_usize;
        let mut report = tokio::time::interval(refusals::PERIOD);
        report.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !access.is_over() {
            tokio::select! {
                next = self.socket.accept() => match next {
                    Ok((stream, peer)) => {
                        if let Err(reason) = self.admit(stream, peer, &entrance, &mut tasks) {
                            refusals.note(peer, peer.ip(), refusals::Kind::NotServed(reason), || format!("closed: {reason}"));
                        }
                        accepted += 1;
                        standing.accepted.fetch_add(1, Ordering::Relaxed);
                        if accepted.is_multiple_of(AT_ONCE) {
                            step_back().await;
                        }
                    }
                    Err(error) => {
                        // Out of descriptors or memory: others may give some back.
                        refusals.note(self.address, self.address.ip(), refusals::Kind::NotAccepted, || format!("cannot accept: {error}"));
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                _ = report.tick() => refusals.report(),
                Some(_) = tasks.join_next() => {}
                () = access.over() => {}
            }
        }
        drop(self.socket);
        while tasks.join_next().await.is_some() {}
        refusals.report();
    }

    /// Serves a connection, or closes it at once and says why: if nobody listed has this address (RFC 6926 section 8.1), or
    /// if there are too many already.
    fn admit(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        entrance: &Entrance,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), &'static str> {
        let found = entrance.around.access.permissions().requestors.find(peer.ip(), Transport::Tcp).cloned();
        let policy = found.ok_or("no requestor has this address")?;
        let place = entrance.places.take(peer.ip())?;
        debug!("{peer}: connected as {}", policy.name);
        let local = stream.local_addr().unwrap_or(self.address);
        let guest = Guest {
            peer,
            policy: Arc::clone(&policy),
            limits: entrance.limits,
            share: entrance.around.turns.share(peer.ip()),
            place,
            refusals: Arc::clone(&entrance.refusals),
            access: entrance.around.access.clone(),
        };
        let Around { registry, callers, stores, .. } = &entrance.around;
        let name = guest.policy.name.clone();
        match &self.service {
            Service::V4 { server_id } => {
                let protocol = V4::new(super::server_id(*server_id, local), policy, self.active).with_peer(peer.ip());
                let protocol = if self.secure { protocol.secure() } else { protocol };
                let shared = Arc::clone(&stores.v4);
                let caller = Caller::enter(registry, callers, &name, peer, &shared);
                tasks.spawn(async move { connection::serve(stream, protocol, guest, caller, &shared).await });
            }
            Service::V6 { server_id } => {
                let protocol = V6::new(Arc::clone(server_id), policy, self.active).with_peer(peer.ip());
                let protocol = if self.secure { protocol.secure() } else { protocol };
                let shared = Arc::clone(&stores.v6);
                let caller = Caller::enter(registry, callers, &name, peer, &shared);
                tasks.spawn(async move { connection::serve(stream, protocol, guest, caller, &shared).await });
            }
        }
        Ok(())
    }
}

/// What all connections of a listener share.
struct Entrance {
    around: Around,
    limits: Limits,
    places: Arc<Places>,
    refusals: Arc<Refusals>,
}
