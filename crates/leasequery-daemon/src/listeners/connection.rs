//! The wheel around one server connection: input, output, events, timer.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leasequery_live::SharedStore;
use leasequery_live::refusals::{Kind, Refusals};
use leasequery_live::turns::{ACTIVE_ROOM, ROOM, Share};
use leasequery_protocol::server::{Connection, Event, Limits, Policy, Protocol, Turn};
use leasequery_tls::{Identity, TlsError};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::debug;

use super::places::Place;
use super::wire::{Received, Wire};
use crate::access::Access;
use crate::callers::Caller;
use crate::config::Transport;

/// Octets read at a time: some queries, and no more of them than a connection may well have waiting.
const INPUT: usize = 4096;
/// How long a closed connection is drained, so that it does not end in a reset.
const LINGER: Duration = Duration::from_secs(1);
/// Octets that are drained. A peer that goes on and on has its reset.
const DRAINED: usize = 64 * 1024;

/// How long to sleep without a timer.
const FOREVER: Duration = Duration::from_hours(1);

/// Who is served, and with what.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) peer: SocketAddr,
    pub(super) policy: Arc<Policy>,
    pub(super) limits: Limits,
    pub(super) share: Share,
    pub(super) place: Place,
    pub(super) refusals: Arc<Refusals>,
    pub(super) access: Access,
}

/// Serves one connection to its end.
pub(super) async fn serve<P: Protocol>(
    mut stream: TcpStream,
    protocol: P,
    guest: Guest,
    mut caller: Caller,
    shared: &Arc<SharedStore<P::Key>>,
) {
    let _ = stream.set_nodelay(true);
    let Guest { peer, policy, limits, mut share, place, refusals, mut access } = guest;
    let start = Instant::now();
    let connection = Connection::new(protocol, limits, Duration::ZERO);
    let (wire, out) = (Wire::default(), Vec::new());
    let mut session = Session { peer, policy, connection, wire, out, start, shared, refusals, judged: false };
    let mut changes = None;
    let mut sent = 0;
    let mut wanted = false;
    let mut input = [0; INPUT];
    loop {
        share.begin().await;
        if std::mem::take(&mut wanted) {
            session.terminate("idle, and its place is wanted for another requestor");
        }
        if access.has_news() {
            session.judge(&access);
        }
        // Before each turn, so that a query that comes while another is being answered has its share at once.
        if session.wants_read() && !session.read(&stream, &mut input, &access) {
            return;
        }
        let mut turn = Turn::Idle;
        let has_sent = sent == session.out.len();
        if has_sent {
            session.out.clear();
            sent = 0;
            turn = session.transmit();
            if session.connection.is_active() && changes.is_none() {
                watch_for_death(&stream, limits.active_send_timeout);
                changes = Some(shared.changes());
                // What was committed before somebody listened.
                turn = Turn::More;
            }
        }
        session.log();
        if std::mem::take(&mut session.judged) {
            let subject = session.wire.peer().map(Identity::describe);
            caller.identify(&session.policy.name, subject, shared);
        }
        if turn == Turn::Secure {
            if let Err(error) = session.begin_tls(&access) {
                session.note_no_tls(&error.to_string());
                return;
            }
            turn = Turn::More;
        }
        if sent < session.out.len() {
            let written = match stream.try_write(&session.out[sent..]) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => {
                    debug!("{peer}: sending failed: {error}");
                    return;
                }
            };
            sent += written;
            caller.note(&session.connection, written);
            session.connection.handle_progress(start.elapsed(), written, session.out.len() - sent);
            // If this was all there is to say, there is nothing more to do.
            let was_all = has_sent && turn == Turn::Idle && sent == session.out.len();
            if written > 0 && !was_all {
                turn = Turn::More;
            }
        } else if turn == Turn::Close {
            break;
        }
        if turn == Turn::More {
            // A peer that takes everything at once must not keep the thread for itself.
            share.pass().await;
            continue;
        }
        caller.note(&session.connection, 0);
        share.end().await;

        let reading = session.wants_read().then_some(Interest::READABLE);
        let writing = (sent < session.out.len()).then_some(Interest::WRITABLE);
        let interest = match (reading, writing) {
            (Some(reading), Some(writing)) => reading | writing,
            (reading, writing) => reading.or(writing).unwrap_or(Interest::ERROR),
        };
        let due = session.connection.poll_timeout().map_or(FOREVER, |due| due.saturating_sub(start.elapsed()));
        let mut told = false;
        session.wire.rest();
        if sent == session.out.len() {
            (session.out, sent) = (Vec::new(), 0);
            told = true;
        }
        place.set_idle(told && session.connection.outstanding() == 0);
        tokio::select! {
            _ = stream.ready(interest) => {}
            () = place.wanted() => wanted = true,
            () = beat(&mut changes), if told => {}
            () = access.news() => {}
            () = tokio::time::sleep(due) => if session.connection.handle_timeout(start.elapsed()) {
                session.log();
                return;
            },
        }
        place.set_idle(false);
    }
    drop(share);
    close(&mut stream, &mut input).await;
}

/// A connection with what is between it and its socket.
struct Session<'a, P: Protocol> {
    peer: SocketAddr,
    policy: Arc<Policy>,
    connection: Connection<P>,
    wire: Wire,
    /// What the socket has to send.
    out: Vec<u8>,
    start: Instant,
    shared: &'a SharedStore<P::Key>,
    refusals: Arc<Refusals>,
    /// Who it is has been judged anew.
    judged: bool,
}

impl<P: Protocol> Session<'_, P> {
    fn wants_read(&self) -> bool {
        self.connection.wants_read() && !self.wire.is_broken()
    }

    /// Makes what there is to say.
    fn transmit(&mut self) -> Turn {
        let (connection, shared, now) = (&mut self.connection, self.shared, self.start.elapsed());
        let room = if connection.is_active() { ACTIVE_ROOM } else { ROOM };
        let turn = if self.wire.is_broken() {
            Turn::Close
        } else {
            self.wire
                .make(&mut self.out, |made| shared.read_now(|store| connection.poll_transmit(now, store, made, room)))
        };
        if turn == Turn::Close {
            self.wire.close(&mut self.out);
        }
        turn
    }

    /// Reads what has come. Says whether the connection is still there.
    fn read(&mut self, stream: &TcpStream, input: &mut [u8], access: &Access) -> bool {
        match stream.try_read(input) {
            Ok(0) if self.wire.is_handshaking() => {
                self.note_no_tls("closed within the TLS handshake");
                return false;
            }
            Ok(0) => self.connection.handle_eof(),
            Ok(length) => self.receive(&mut input[..length], access),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                debug!("{}: receiving failed: {error}", self.peer);
                return false;
            }
        }
        true
    }

    /// Takes octets from the socket.
    fn receive(&mut self, octets: &mut [u8], access: &Access) {
        match self.wire.receive(octets, self.start.elapsed(), &mut self.connection) {
            Ok(Received::Taken) => {}
            Ok(Received::Identity) => {
                if let Some(how) = self.wire.describe() {
                    self.note(Kind::Secured, || how);
                }
                // Who may ask may have changed since the handshake began.
                self.judge(access);
                self.wire.release(self.start.elapsed(), &mut self.connection);
            }
            Err(reason) => self.note_no_tls(&reason),
        }
    }

    /// Begins TLS, with the certificates of now.
    fn begin_tls(&mut self, access: &Access) -> Result<(), TlsError> {
        let mut behind = self.connection.begin_tls();
        let (channel, judge) = {
            let permissions = access.permissions();
            let names = permissions.requestors.certificate_names(self.peer.ip());
            let Some(tls) = &permissions.tls else { return Err(TlsError::None) };
            (tls.channel(names, P::SHARES_RECORDS)?, Arc::clone(tls))
        };
        self.wire.begin_tls(channel, judge);
        self.receive(&mut behind, access);
        Ok(())
    }

    /// Acts on who may ask now.
    fn judge(&mut self, access: &Access) {
        self.judged = true;
        if let Err(reason) = permission(access, self.peer, &mut self.wire, &mut self.policy) {
            return self.terminate(&reason);
        }
        let (connection, shared, policy) = (&mut self.connection, self.shared, &self.policy);
        self.wire.make(&mut self.out, |made| shared.read_now(|store| connection.set_policy(policy, store, made)));
    }

    /// Ends it, with last words where a query is being answered.
    fn terminate(&mut self, reason: &str) {
        let (connection, shared) = (&mut self.connection, self.shared);
        self.wire.make(&mut self.out, |made| shared.read_now(|store| connection.terminate(store, made, reason)));
    }

    /// Tells of what has happened. A requestor may ask again and again, and be refused, so this is told in sum, too.
    fn log(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Started { xid } => debug!("{} ({}): query {xid:#010x}", self.peer, self.policy.name),
                Event::Done { xid, replies } => {
                    self.note(Kind::Answered, || format!("query {xid:#010x} answered: {replies} bindings"));
                }
                Event::Refused { xid, status, text } => {
                    self.note(Kind::Refused(status), || format!("query {xid:#010x} refused: {status}: {text}"));
                }
                Event::Shed { xid, shed } => self.note(Kind::Shed, || format!("query {xid:#010x}: {shed}")),
                Event::Closing(reason) => {
                    self.note(Kind::Ended(std::mem::discriminant(&reason)), || reason.to_string());
                }
            }
        }
    }

    fn note_no_tls(&self, reason: &str) {
        self.note(Kind::no_tls(reason), || reason.to_owned());
    }

    fn note(&self, kind: Kind, text: impl FnOnce() -> String) {
        let peer = format_args!("{} ({})", self.peer, self.policy.name);
        self.refusals.note(peer, self.peer.ip(), kind, text);
    }
}

/// Waits for the next change, if changes are told of here.
async fn beat(changes: &mut Option<watch::Receiver<()>>) {
    match changes {
        // The sender lives as long as the store.
        Some(changes) => drop(changes.changed().await),
        None => std::future::pending().await,
    }
}

/// Lets the system end a connection whose other side is gone: a few small messages fit the socket for many minutes
/// before anything blocks.
fn watch_for_death(stream: &TcpStream, timeout: Duration) {
    if let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(timeout)) {
        debug!("no timeout of the system's own: {error}");
    }
}

/// Finds the policy that holds for a connection from now on. Fails with why the connection has to end now.
fn permission(
    access: &Access,
    peer: SocketAddr,
    wire: &mut Wire,
    policy: &mut Arc<Policy>,
) -> Result<(), Cow<'static, str>> {
    if access.is_over() {
        return Err("the server is ending".into());
    }
    let permissions = access.permissions();
    let requestors = &permissions.requestors;
    let by_address = requestors.find(peer.ip(), Transport::Tcp);
    if by_address.is_some()
        && let Some(tls) = &permissions.tls
    {
        wire.judge(tls)?;
    }
    let found = match wire.peer() {
        Some(certificate) => requestors.identified(peer.ip(), certificate),
        // Without TLS, or before it, it is the address alone that tells who it is.
        None => by_address,
    };
    match (found, by_address) {
        (Some(found), _) => {
            *policy = Arc::clone(found);
            Ok(())
        }
        (None, Some(_)) => Err("its certificate is no longer permitted".into()),
        (None, None) => Err("no longer permitted".into()),
    }
}

/// Closes without a reset: what the peer still sends is taken and dropped for a moment (RFC 6926 section 8.5).
async fn close(stream: &mut TcpStream, input: &mut [u8]) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let drain = async {
        let mut left = DRAINED;
        while left > 0
            && let Ok(length @ 1..) = stream.read(input).await
        {
            left = left.saturating_sub(length);
        }
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}
