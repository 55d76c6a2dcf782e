//! The shell of a follower: two TCP connections around the state machine of `leasequery_protocol::follower`.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use leasequery_live::SharedStore;
use leasequery_protocol::follower::{Followed, Follower, LINKS, Link, Observer};
use leasequery_tls::{Channel, Client, secure_async};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

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

/// The server that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// `HOST:PORT`.
    pub address: String,
    /// What secure mode needs; `None` is in the clear.
    pub tls: Option<Client>,
}

impl Upstream {
    /// In the clear.
    pub fn plain(address: String) -> Self {
        Self { address, tls: None }
    }
}

/// One of the connections.
#[derive(Debug)]
enum Socket {
    None,
    Connecting(JoinHandle<Result<Open, String>>),
    Open(Open),
}

/// An open connection.
#[derive(Debug)]
struct Open {
    stream: TcpStream,
    tls: Option<Box<Secured>>,
}

/// TLS on it.
#[derive(Debug)]
struct Secured {
    channel: Channel,
    /// What came inside of it and has not been taken.
    plain: Vec<u8>,
    /// What the socket has to send.
    out: Vec<u8>,
}

/// Follows a server until `stop` is ready.
pub async fn follow<P: Followed + 'static>(
    server: &Upstream,
    follower: &mut Follower<P>,
    shared: &SharedStore<P::Key>,
    companion: &mut impl Companion<P>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let start = Instant::now();
    let mut sockets = [Socket::None, Socket::None];
    let mut input = vec![0; INPUT];
    let mut stop = std::pin::pin!(stop);
    let mut asked = shared.asked();
    loop {
        while let Some(link) = follower.poll_connect(start.elapsed()) {
            sockets[place(link)] = Socket::Connecting(tokio::spawn(connect::<P>(server.clone())));
        }
        for link in LINKS {
            if let Socket::Open(open) = &mut sockets[place(link)]
                && let Err(reason) = carry(open, link, follower, start, &mut input)
            {
                follower.handle_broken(link, &reason);
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
            Ok(()) = asked.changed() => {}
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

async fn connect<P: Followed>(server: Upstream) -> Result<Open, String> {
    let connect = async {
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect(&server.address));
        let stream = stream.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let mut stream = connect.await.map_err(|error: io::Error| format!("no connection: {error}"))?;
    let Some(client) = &server.tls else { return Ok(Open { stream, tls: None }) };
    let (channel, plain) = secure_async::<P>(&mut stream, client).await.map_err(|error| error.to_string())?;
    Ok(Open { stream, tls: Some(Box::new(Secured { channel, plain, out: Vec::new() })) })
}

/// Sends what is to be sent and takes what has come, as far as that goes without waiting. Fails if TLS does.
fn carry<P: Followed>(
    open: &mut Open,
    link: Link,
    follower: &mut Follower<P>,
    start: Instant,
    input: &mut [u8],
) -> Result<(), String> {
    match &mut open.tls {
        None => carry_plain(&open.stream, link, follower, start, input),
        Some(secured) => return carry_secured(&open.stream, secured, link, follower, start, input),
    }
    Ok(())
}

fn carry_plain<P: Followed>(
    stream: &TcpStream,
    link: Link,
    follower: &mut Follower<P>,
    start: Instant,
    input: &mut [u8],
) {
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

fn carry_secured<P: Followed>(
    stream: &TcpStream,
    secured: &mut Secured,
    link: Link,
    follower: &mut Follower<P>,
    start: Instant,
    input: &mut [u8],
) -> Result<(), String> {
    let Secured { channel, plain, out } = secured;
    let unsent = follower.poll_transmit(link);
    let made = unsent.len();
    channel.send(unsent, out)?;
    let mut ended = !flush(stream, out);
    if made > 0 {
        // What is encrypted cannot be taken back; a query is small, and there is room for it.
        follower.handle_sent(link, start.elapsed(), made);
    }
    let mut result = Ok(());
    match stream.try_read(input) {
        Ok(0) => ended = true,
        Ok(length) => result = channel.receive(&mut input[..length], plain),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        // A reset tells no more than a close (RFC 6926 section 7.8).
        Err(_) => ended = true,
    }
    if !plain.is_empty() {
        follower.handle_bytes(link, plain);
        plain.clear();
    }
    // An alert, or an answer to the server's change of keys.
    channel.transmit(out);
    flush(stream, out);
    if ended || channel.is_closed_by_peer() {
        follower.handle_eof(link);
    }
    result
}

/// Sends as much as goes without waiting; says whether the connection is still there.
fn flush(stream: &TcpStream, out: &mut Vec<u8>) -> bool {
    while !out.is_empty() {
        match stream.try_write(out) {
            Ok(sent) => drop(out.drain(..sent)),
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}

/// Waits until something can be done with a socket; gives the outcome of connecting, if that is what it was.
async fn ready(socket: &mut Socket, sent: bool) -> Option<Result<Open, String>> {
    match socket {
        Socket::None => std::future::pending().await,
        Socket::Connecting(task) => {
            Some(task.await.unwrap_or_else(|_| Err("no connection: it was given up".to_owned())))
        }
        Socket::Open(Open { stream, tls }) => {
            if sent && tls.as_ref().is_none_or(|tls| tls.out.is_empty()) {
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
    connected: Option<Result<Open, String>>,
    socket: &mut Socket,
    follower: &mut Follower<P>,
    start: Instant,
    shared: &SharedStore<P::Key>,
) {
    let Some(connected) = connected else { return };
    let addressed = |open: Open| match open.stream.peer_addr() {
        Ok(peer) => Ok((peer, open)),
        Err(error) => Err(format!("no connection: {error}")),
    };
    match connected.and_then(addressed) {
        Ok((peer, open)) => {
            shared.write(|store| follower.handle_connected(link, start.elapsed(), peer.ip(), store));
            *socket = Socket::Open(open);
        }
        Err(reason) => {
            *socket = Socket::None;
            follower.handle_unreachable(link, &reason);
        }
    }
}
