//! The wheel around one server connection: input, output, events, timer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use leasequery_protocol::server::{Connection, Event, Limits, Policy, Protocol, Turn};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::{debug, info};

use super::{Control, SharedStore};

/// Octets made at a time: as much as one write takes at full speed.
const ROOM: usize = 64 * 1024;
/// The same for an active query, which may stay for ever and be one of thousands.
const ACTIVE_ROOM: usize = 24 * 1024;
/// Octets read at a time: some queries, and no more of them than a connection may well have waiting.
const INPUT: usize = 4096;
/// How long a closed connection is drained, so that it does not end in a reset.
const LINGER: Duration = Duration::from_secs(1);

/// How long to sleep without a timer.
const FOREVER: Duration = Duration::from_hours(1);

/// Serves one connection to its end.
pub(super) async fn serve<P: Protocol>(
    mut stream: TcpStream,
    peer: SocketAddr,
    protocol: P,
    policy: Arc<Policy>,
    limits: Limits,
    shared: &SharedStore<P::Key>,
    mut control: watch::Receiver<Control>,
) {
    let _ = stream.set_nodelay(true);
    let start = Instant::now();
    let mut policy = policy;
    let mut connection = Connection::new(protocol, limits, Duration::ZERO);
    let mut changes = None;
    let mut out = Vec::new();
    let mut sent = 0;
    let mut input = [0; INPUT];
    loop {
        if control.has_changed().unwrap_or(true) {
            let reason = permission(&control.borrow_and_update(), peer, &mut policy);
            shared.read_now(|store| match reason {
                Some(reason) => connection.terminate(store, &mut out, reason),
                None => connection.set_policy(&policy, store, &mut out),
            });
        }
        // Before each turn, so that a query that comes while another is being answered has its share at once.
        if connection.wants_read() {
            match stream.try_read(&mut input) {
                Ok(0) => connection.handle_eof(),
                Ok(length) => connection.handle_bytes(start.elapsed(), &input[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    debug!("{peer}: receiving failed: {error}");
                    return;
                }
            }
        }
        let mut turn = Turn::Idle;
        if sent == out.len() {
            out.clear();
            sent = 0;
            let room = if connection.is_active() { ACTIVE_ROOM } else { ROOM };
            turn = shared.read_now(|store| connection.poll_transmit(start.elapsed(), store, &mut out, room));
            if connection.is_active() && changes.is_none() {
                watch_for_death(&stream, limits.active_send_timeout);
                changes = Some(shared.changes());
                // What was committed before somebody listened.
                turn = Turn::More;
            }
        }
        while let Some(event) = connection.poll_event() {
            log(peer, &policy, &event);
        }
        if sent < out.len() {
            let written = match stream.try_write(&out[sent..]) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => {
                    debug!("{peer}: sending failed: {error}");
                    return;
                }
            };
            sent += written;
            connection.handle_progress(start.elapsed(), written, out.len() - sent);
            if written > 0 {
                turn = Turn::More;
            }
        } else if turn == Turn::Close {
            break;
        }
        if turn == Turn::More {
            // A peer that takes everything at once must not keep the thread for itself.
            tokio::task::yield_now().await;
            continue;
        }

        let reading = connection.wants_read().then_some(Interest::READABLE);
        let writing = (sent < out.len()).then_some(Interest::WRITABLE);
        let interest = match (reading, writing) {
            (Some(reading), Some(writing)) => reading | writing,
            (reading, writing) => reading.or(writing).unwrap_or(Interest::ERROR),
        };
        let due = connection.poll_timeout().map_or(FOREVER, |due| due.saturating_sub(start.elapsed()));
        let mut told = false;
        if sent == out.len() {
            // A connection may be quiet for days.
            (out, sent) = (Vec::new(), 0);
            told = true;
        }
        tokio::select! {
            _ = stream.ready(interest) => {}
            () = beat(&mut changes), if told => {}
            // If the daemon's side is gone, the next turn finds out.
            _ = control.changed() => control.mark_changed(),
            () = tokio::time::sleep(due) => if connection.handle_timeout(start.elapsed()) {
                while let Some(event) = connection.poll_event() {
                    log(peer, &policy, &event);
                }
                return;
            },
        }
    }
    close(&mut stream, &mut input).await;
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

/// Why a connection has to end now, if it has to; else the policy that holds for it from now on.
fn permission(control: &Control, peer: SocketAddr, policy: &mut Arc<Policy>) -> Option<&'static str> {
    if control.shutdown {
        return Some("the server is ending");
    }
    match control.requestors.find(peer.ip()) {
        Some(found) => {
            *policy = Arc::clone(found);
            None
        }
        None => Some("no longer permitted"),
    }
}

/// Closes without a reset: what the peer still sends is taken and dropped for a moment (RFC 6926 section 8.5).
async fn close(stream: &mut TcpStream, input: &mut [u8]) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let drain = async { while matches!(stream.read(input).await, Ok(length) if length > 0) {} };
    let _ = tokio::time::timeout(LINGER, drain).await;
}

fn log(peer: SocketAddr, policy: &Policy, event: &Event) {
    let name = &policy.name;
    match event {
        Event::Started { xid } => debug!("{peer} ({name}): query {xid:#010x}"),
        Event::Done { xid, replies } => info!("{peer} ({name}): query {xid:#010x} answered: {replies} bindings"),
        Event::Refused { xid, status, text } => info!("{peer} ({name}): query {xid:#010x} refused: {status}: {text}"),
        Event::Closing(reason) => info!("{peer} ({name}): {reason}"),
    }
}
