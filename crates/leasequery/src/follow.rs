//! The shell of a follower: two TCP connections around the state machine of `leasequery_protocol::follower`.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use leasequery_protocol::follower::{Followed, Follower, LINKS, Link, Observer};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::serve::SharedStore;

/// Who takes part in following a server.
pub trait Companion<P: Followed>: Observer<P> {
    /// Is called between turns, when nobody holds the store. An error ends the following.
    fn pause(&mut self, follower: &Follower<P>) -> io::Result<()>;
}

/// Octets read at a time.
const INPUT: usize = 256 * 1024;
/// Messages taken at a time, so that others get at the store.
const BITE: usize = 256;
/// How long to try to connect.
const CONNECT: Duration = Duration::from_secs(20);
/// How long to sleep without a timer.
const FOREVER: Duration = Duration::from_hours(1);

/// One of the connections.
#[derive(Debug)]
enum Socket {
    None,
    Connecting(JoinHandle<io::Result<TcpStream>>),
    Open(TcpStream),
}

/// Follows the server at `HOST:PORT` until `stop` is ready.
pub async fn follow<P: Followed>(
    server: &str,
    follower: &mut Follower<P>,
    shared: &SharedStore<P::Key>,
    companion: &mut impl Companion<P>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let start = Instant::now();
    let mut sockets = [Socket::None, Socket::None];
    let mut input = vec![0; INPUT];
    let mut stop = std::pin::pin!(stop);
    loop {
        while let Some(link) = follower.poll_connect(start.elapsed()) {
            sockets[place(link)] = Socket::Connecting(tokio::spawn(connect(server.to_owned())));
        }
        for link in LINKS {
            if let Socket::Open(stream) = &sockets[place(link)] {
                carry(stream, link, follower, start, &mut input);
            }
        }
        let mut more = true;
        while more {
            more = shared.write(|store| follower.advance(start.elapsed(), store, companion, BITE));
            companion.pause(follower)?;
            if more {
                // Others have something to do as well.
                tokio::task::yield_now().await;
            }
        }
        for link in LINKS {
            let socket = &mut sockets[place(link)];
            if matches!(socket, Socket::Open(_)) && !follower.is_open(link) {
                *socket = Socket::None;
            }
        }
        let due = follower.poll_timeout().map_or(FOREVER, |due| due.saturating_sub(start.elapsed()));
        let [active, bulk] = &mut sockets;
        tokio::select! {
            () = &mut stop => return Ok(()),
            connected = ready(active, follower.poll_transmit(Link::Active).is_empty()) => {
                finish_connecting(Link::Active, connected, active, follower, start, shared);
            }
            connected = ready(bulk, follower.poll_transmit(Link::Bulk).is_empty()) => {
                finish_connecting(Link::Bulk, connected, bulk, follower, start, shared);
            }
            () = tokio::time::sleep(due) => {}
        }
    }
}

fn place(link: Link) -> usize {
    match link {
        Link::Active => 0,
        Link::Bulk => 1,
    }
}

async fn connect(server: String) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(&server));
    let stream = stream.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends what is to be sent and takes what has come, as far as that goes without waiting.
fn carry<P: Followed>(stream: &TcpStream, link: Link, follower: &mut Follower<P>, start: Instant, input: &mut [u8]) {
    let unsent = follower.poll_transmit(link);
    let sent = if unsent.is_empty() { Ok(0) } else { stream.try_write(unsent) };
    match sent {
        Ok(sent) => follower.handle_sent(link, start.elapsed(), sent),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(_) => return follower.handle_eof(link),
    }
    match stream.try_read(input) {
        Ok(0) => follower.handle_eof(link),
        Ok(length) => follower.handle_bytes(link, &input[..length]),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        // A reset tells no more than a close (RFC 6926 section 7.8).
        Err(_) => follower.handle_eof(link),
    }
}

/// Waits until something can be done with a socket; gives the outcome of connecting, if that is what it was.
async fn ready(socket: &mut Socket, sent: bool) -> Option<io::Result<TcpStream>> {
    match socket {
        Socket::None => std::future::pending().await,
        Socket::Connecting(task) => {
            Some(task.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::Interrupted))))
        }
        Socket::Open(stream) => {
            if sent {
                let _ = stream.readable().await;
            } else {
                let _ = stream.ready(tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE).await;
            }
            None
        }
    }
}

fn finish_connecting<P: Followed>(
    link: Link,
    connected: Option<io::Result<TcpStream>>,
    socket: &mut Socket,
    follower: &mut Follower<P>,
    start: Instant,
    shared: &SharedStore<P::Key>,
) {
    let Some(connected) = connected else { return };
    match connected.and_then(|stream| Ok((stream.peer_addr()?, stream))) {
        Ok((peer, stream)) => {
            shared.write(|store| follower.handle_connected(link, start.elapsed(), peer.ip(), store));
            *socket = Socket::Open(stream);
        }
        Err(error) => {
            *socket = Socket::None;
            follower.handle_unreachable(link, &format!("no connection: {error}"));
        }
    }
}
