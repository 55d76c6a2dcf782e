//! Queries over UDP: many datagrams a system call, and one look at the store for all of them.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use leasequery_live::Stores;
use leasequery_live::refusals::{Kind, PERIOD, Refusals};
use leasequery_live::registry::{self, Figure, Part, State, Value};
use leasequery_live::turns::{BITE, Who};
use leasequery_protocol::server::{Silence, Verdict, v4, v6};
use leasequery_record::Protocol as Which;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, sendmsg,
    setsockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::{info, warn};

use super::unbound;
use crate::around::Around;
use crate::config::{self, Requestors, Service, Transport};

/// A bound UDP socket, whose queries are answered by a thread of its own.
#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    address: SocketAddr,
    name: &'static str,
    service: Service,
}

/// Datagrams taken at a time.
const BATCH: usize = 64;
/// Octets of the longest query that is read: relayed by many relays it is still shorter.
const LENGTH: usize = 8192;
/// How often the thread looks whether the daemon has ended.
const LOOK: Duration = Duration::from_millis(200);
/// Octets that may wait in the socket while a batch is answered.
const WAITING: usize = 4 << 20;

/// A datagram that came.
#[derive(Debug)]
struct Received {
    from: SocketAddr,
    /// The address of ours that it was sent to, if the socket has several.
    to: Option<IpAddr>,
    length: usize,
}

/// An answer, in the output of the batch.
#[derive(Debug)]
struct Answer {
    octets: Range<usize>,
    to: SocketAddr,
    from: Option<IpAddr>,
}

impl Datagrams {
    /// Binds without serving yet.
    pub fn bind(listener: &config::Listener) -> anyhow::Result<Self> {
        let bind = || -> std::io::Result<UdpSocket> {
            let socket = Socket::new(Domain::for_address(listener.address), Type::DGRAM, Some(Protocol::UDP))?;
            if listener.address.is_ipv6() {
                // The same port over IPv4 may be another listener's.
                socket.set_only_v6(true)?;
            }
            // The system may permit less.
            let _ = socket.set_recv_buffer_size(WAITING);
            socket.bind(&listener.address.into())?;
            socket.set_read_timeout(Some(LOOK))?;
            if listener.address.ip().is_unspecified() {
                // An answer comes from where the query went.
                match listener.address {
                    SocketAddr::V4(_) => setsockopt(&socket, Ipv4PacketInfo, &true)?,
                    SocketAddr::V6(_) => setsockopt(&socket, Ipv6RecvPacketInfo, &true)?,
                }
            }
            Ok(socket.into())
        };
        let socket = bind().map_err(|error| {
            let (address, reason) = (listener.address, unbound(listener.address, &error));
            anyhow::anyhow!("cannot listen on {address} (UDP): {reason}")
        })?;
        Ok(Self { address: socket.local_addr()?, socket, name: listener.name(), service: listener.service.clone() })
    }

    /// What it is, as the line that says where it listens calls it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers queries until the daemon ends.
    pub fn run(self, around: &Around) {
        let Around { stores, access, turns, registry, .. } = around;
        let protocol = match self.service {
            Service::V4 { .. } => Which::V4,
            Service::V6 { .. } => Which::V6,
        };
        let part = registry.enter(registry::Kind::Listener, format!("{} {}", self.name, self.address), Some(protocol));
        let mut buffers = vec![vec![0; LENGTH]; BATCH];
        let mut headers = MultiHeaders::preallocate(BATCH, Some(nix::cmsg_space!(libc::in6_pktinfo)));
        let mut answering = MultiHeaders::preallocate(BATCH, None);
        let (mut received, mut answers, mut out) = (Vec::new(), Vec::new(), Vec::new());
        let mut tally = Tally::new(self.name, self.address, &part);
        while !access.is_over() {
            received.clear();
            match self.receive(&mut buffers, &mut headers, &mut received) {
                Ok(()) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => {}
                Err(error) => {
                    warn!("{} {}: cannot receive: {error}", self.name, self.address);
                    std::thread::sleep(LOOK);
                }
            }
            answers.clear();
            out.clear();
            tally.received.fetch_add(received.len() as u64, Ordering::Relaxed);
            if !received.is_empty() {
                let requestors = Arc::clone(&access.permissions().requestors);
                // It shares with others as long as there is something to answer.
                let mut share = turns.share(Who::Datagrams(self.address));
                for (received, buffers) in received.chunks(BITE).zip(buffers.chunks(BITE)) {
                    share.pass_in_thread();
                    self.answer(received, buffers, stores, &requestors, &mut tally, (&mut answers, &mut out));
                }
                tally.answered.fetch_add(answers.len() as u64, Ordering::Relaxed);
                self.send(&answers, &out, &mut answering);
            }
            tally.report();
        }
    }

    /// Waits for a datagram, and takes what else has come.
    fn receive(
        &self,
        buffers: &mut [Vec<u8>],
        headers: &mut MultiHeaders<SockaddrStorage>,
        received: &mut Vec<Received>,
    ) -> nix::Result<()> {
        let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        for message in recvmmsg(self.socket.as_raw_fd(), headers, slices.iter_mut(), flags, None)? {
            // A query that was cut is none.
            let length = if message.flags.contains(MsgFlags::MSG_TRUNC) { 0 } else { message.bytes };
            let to = message.cmsgs().ok().and_then(|mut all| all.find_map(|one| destination(&one)));
            let from = message.address.as_ref().and_then(source);
            received.push(Received { from: from.unwrap_or(self.address), to, length });
        }
        Ok(())
    }

    fn answer(
        &self,
        received: &[Received],
        buffers: &[Vec<u8>],
        stores: &Stores,
        requestors: &Requestors,
        tally: &mut Tally,
        (answers, out): (&mut Vec<Answer>, &mut Vec<u8>),
    ) {
        let permit = |address| requestors.find(address, Transport::Udp).cloned();
        // It is told of when the store is no longer held.
        let mut silent = Vec::new();
        let mut take = |one: &Received, before: usize, after: usize, verdict: Verdict| match verdict {
            Verdict::Answer { to, without_relay_info } => {
                tally.without_relay_info += u64::from(without_relay_info);
                answers.push(Answer { octets: before..after, to, from: one.to });
            }
            Verdict::Silence(silence) => silent.push((one.from, silence)),
        };
        let datagrams = received.iter().zip(buffers).map(|(one, buffer)| (one, &buffer[..one.length]));
        match &self.service {
            Service::V4 { server_id } => stores.v4.read_now(|store| {
                for (one, datagram) in datagrams {
                    let before = out.len();
                    let local = SocketAddr::new(one.to.unwrap_or(self.address.ip()), self.address.port());
                    let server_id = super::server_id(*server_id, local);
                    let verdict = v4::answer(datagram, one.from, server_id, permit, store, out);
                    take(one, before, out.len(), verdict);
                }
            }),
            Service::V6 { server_id } => stores.v6.read_now(|store| {
                for (one, datagram) in datagrams {
                    let before = out.len();
                    let verdict = v6::answer(datagram, one.from, server_id, permit, store, out);
                    take(one, before, out.len(), verdict);
                }
            }),
        }
        for (from, silence) in silent {
            tally.silence(from, silence);
        }
    }

    /// Sends what can be sent: what cannot is asked for again.
    fn send(&self, answers: &[Answer], out: &[u8], headers: &mut MultiHeaders<SockaddrStorage>) {
        let socket = self.socket.as_raw_fd();
        if self.address.ip().is_unspecified() {
            for answer in answers {
                let octets = [IoSlice::new(&out[answer.octets.clone()])];
                let to = SockaddrStorage::from(answer.to);
                let _ = with_source(answer.from, |source| {
                    sendmsg(socket, &octets, source, MsgFlags::MSG_DONTWAIT, Some(&to))
                });
            }
            return;
        }
        let slices: Vec<_> = answers.iter().map(|answer| [IoSlice::new(&out[answer.octets.clone()])]).collect();
        let to: Vec<_> = answers.iter().map(|answer| Some(SockaddrStorage::from(answer.to))).collect();
        let mut sent = 0;
        while sent < slices.len() {
            match sendmmsg(socket, headers, &slices[sent..], &to[sent..], [], MsgFlags::MSG_DONTWAIT) {
                Ok(results) => sent += results.count().max(1),
                // This one cannot be sent; those behind it may.
                Err(_) => sent += 1,
            }
        }
    }
}

/// Gives what makes a datagram come from one of our addresses.
fn with_source<T>(source: Option<IpAddr>, send: impl FnOnce(&[ControlMessage<'_>]) -> T) -> T {
    match source {
        None => send(&[]),
        Some(IpAddr::V4(address)) => {
            let address = libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) };
            let info =
                libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: libc::in_addr { s_addr: 0 } };
            send(&[ControlMessage::Ipv4PacketInfo(&info)])
        }
        Some(IpAddr::V6(address)) => {
            let address = libc::in6_addr { s6_addr: address.octets() };
            let info = libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: 0 };
            send(&[ControlMessage::Ipv6PacketInfo(&info)])
        }
    }
}

/// Where a datagram went, if this says it.
fn destination(message: &ControlMessageOwned) -> Option<IpAddr> {
    match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes())),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    }
}

fn source(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4(SocketAddrV4::from(*address)));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6(SocketAddrV6::from(*address))))
}

/// What was not answered, or not in full. Anybody can send anything, so it is told in sum.
#[derive(Debug)]
struct Tally {
    name: &'static str,
    address: SocketAddr,
    received: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
    refusals: Arc<Refusals>,
    without_relay_info: u64,
    reported: Instant,
}

impl Tally {
    fn new(name: &'static str, address: SocketAddr, part: &Part) -> Self {
        let (received, answered) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let refusals = Arc::<Refusals>::default();
        part.set(State::Well, "listening");
        part.show({
            let (received, answered, refusals) = (Arc::clone(&received), Arc::clone(&answered), Arc::clone(&refusals));
            move || {
                let count = |name, help, number: &AtomicU64| {
                    Figure::new(name, help, Value::Count(number.load(Ordering::Relaxed)))
                };
                vec![
                    count("received", "Datagrams that came", &received),
                    count("answered", "Datagrams that were answered", &answered),
                    super::standing::refused(&refusals),
                ]
            }
        });
        Self { name, address, received, answered, refusals, without_relay_info: 0, reported: Instant::now() }
    }

    fn silence(&self, from: SocketAddr, silence: Silence) {
        let kind = Kind::Silence(std::mem::discriminant(&silence));
        self.refusals.note(from, from.ip(), kind, || format!("not answered on {}: {silence}", self.name));
    }

    fn report(&mut self) {
        if self.reported.elapsed() < PERIOD {
            return;
        }
        self.reported = Instant::now();
        self.refusals.report();
        let Self { name, address, without_relay_info, .. } = self;
        if *without_relay_info > 0 {
            info!("{name} {address}: {without_relay_info} answers went without option 82, which did not fit");
        }
        *without_relay_info = 0;
    }
}
