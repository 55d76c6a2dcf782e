//! The shell of a requestor: a TCP connection around the state machine of `leasequery_protocol::requestor`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use leasequery_live::wall_clock;
use leasequery_protocol::requestor::{Connection, Done, Event, Failure, Protocol, QueryError, Timeouts};
use leasequery_tls::{Channel, Client, SecureError, secure};
use thiserror::Error;

/// Why a query came to no end.
#[derive(Debug, Error)]
pub enum FetchError {
    /// It cannot be asked.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Nobody answers there.
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    /// The server is no server, or not one to be trusted.
    #[error(transparent)]
    Secure(#[from] SecureError),
    /// The socket failed.
    #[error("the connection broke: {0}")]
    Socket(io::Error),
    /// The server did not answer as it has to, or not in time.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// Whoever takes the records failed.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
}

/// Who takes what comes.
pub trait Sink<P: Protocol> {
    /// Takes what the server says about one address.
    fn record(&mut self, record: &P::Record<'_>) -> io::Result<()>;

    /// Is told that the server could not tell about one address.
    fn failed(&mut self, _text: String) {}

    /// Nothing more has come yet.
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Octets read at a time.
const INPUT: usize = 256 * 1024;

/// The server that is asked.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Where it may be.
    pub addresses: &'a [SocketAddr],
    /// What secure mode needs; `None` is in the clear.
    pub tls: Option<&'a Client>,
}

/// Asks the first of the addresses that answers, and gives each record to `sink`, until the final message. `timeout`
/// bounds each wait for the server.
pub fn fetch<P: Protocol<QueryError = QueryError>>(
    target: Target<'_>,
    protocol: impl Fn(IpAddr) -> P,
    query: &P::Query,
    timeout: Duration,
    sink: &mut impl Sink<P>,
) -> Result<Done, FetchError> {
    // What cannot be said is found out before anybody is bothered.
    protocol(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).write(query, 0, &mut Vec::new())?;
    let stream = connect(target.addresses, timeout)?;
    let peer = stream.peer_addr().map_err(FetchError::Socket)?.ip();
    let mut pipe = Pipe { stream, tls: None, plain: Vec::new(), out: Vec::new() };
    if let Some(client) = target.tls {
        // No query is sent on a connection that was not secured (RFC 7724 section 7.2).
        let (channel, plain) = secure::<P>(&mut pipe.stream, client, timeout)?;
        (pipe.tls, pipe.plain) = (Some(channel), plain);
    }
    let start = Instant::now();
    let timeouts = Timeouts { data: timeout, ..Timeouts::default() };
    let mut connection = Connection::new(protocol(peer), timeouts, fastrand::u32(..));
    connection.ask(start.elapsed(), query.clone())?;
    connection.handle_bytes(&std::mem::take(&mut pipe.plain));
    let mut input = vec![0; INPUT];
    loop {
        let (now, arrival) = (start.elapsed(), wall_clock());
        while let Some(event) = connection.poll_event(now, arrival)? {
            match event {
                Event::Record { record, .. } => sink.record(&record).map_err(FetchError::Output)?,
                Event::Failed { about, status, text, .. } => sink.failed(format!("{about}: {status}: {text}")),
                // Only an active query has a status.
                Event::Status { .. } | Event::Discarded { .. } => {}
                Event::Done { done, .. } => {
                    // Everything has been read, so this closes without a reset (RFC 6926 section 7.8).
                    pipe.close();
                    return Ok(done);
                }
            }
        }
        sink.pause().map_err(FetchError::Output)?;

        let left = connection.poll_timeout().unwrap_or(timeout).saturating_sub(start.elapsed());
        // Zero would mean for ever.
        let left = left.max(Duration::from_millis(1));
        pipe.stream.set_read_timeout(Some(left)).map_err(FetchError::Socket)?;
        pipe.stream.set_write_timeout(Some(left)).map_err(FetchError::Socket)?;
        let unsent = connection.poll_transmit();
        let result = if unsent.is_empty() && pipe.out.is_empty() {
            pipe.receive(&mut input, &mut connection)
        } else {
            pipe.send(unsent).map(|sent| connection.handle_sent(start.elapsed(), sent))
        };
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                connection.handle_timeout(start.elapsed())?;
            }
            // A reset tells no more than a close (RFC 6926 section 7.8).
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
                connection.handle_eof();
            }
            Err(error) => return Err(FetchError::Socket(error)),
        }
    }
}

/// A socket, and TLS on it.
struct Pipe {
    stream: TcpStream,
    tls: Option<Channel>,
    /// What came inside of TLS.
    plain: Vec<u8>,
    /// What is encrypted and has still to be sent.
    out: Vec<u8>,
}

impl Pipe {
    /// Sends something, and says how much of `unsent` need not be sent any more.
    fn send(&mut self, unsent: &[u8]) -> io::Result<usize> {
        let Some(channel) = &mut self.tls else { return self.stream.write(unsent) };
        channel.send(unsent, &mut self.out).map_err(io::Error::other)?;
        // What is encrypted cannot be taken back, so the rest is sent with the next turn. A query is small.
        match self.stream.write(&self.out) {
            Ok(sent) => drop(self.out.drain(..sent)),
            Err(error) if unsent.is_empty() => return Err(error),
            Err(_) => {}
        }
        Ok(unsent.len())
    }

    fn receive<P: Protocol>(&mut self, input: &mut [u8], connection: &mut Connection<P>) -> io::Result<()> {
        let length = self.stream.read(input)?;
        if length == 0 {
            connection.handle_eof();
            return Ok(());
        }
        let Some(channel) = &mut self.tls else {
            connection.handle_bytes(&input[..length]);
            return Ok(());
        };
        let result = channel.receive(&mut input[..length], &mut self.plain);
        connection.handle_bytes(&self.plain);
        self.plain.clear();
        // An alert, or an answer to the server's change of keys.
        channel.transmit(&mut self.out);
        match result {
            Err(reason) => {
                let _ = self.stream.write(&self.out);
                connection.handle_broken(&reason);
            }
            Ok(()) if channel.is_closed_by_peer() => connection.handle_eof(),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Closes gracefully.
    fn close(&mut self) {
        if let Some(channel) = &mut self.tls {
            channel.close();
            channel.transmit(&mut self.out);
            let _ = self.stream.write_all(&self.out);
        }
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

fn connect(addresses: &[SocketAddr], timeout: Duration) -> Result<TcpStream, FetchError> {
    let mut failure = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(FetchError::Connect(*address, error)),
        }
    }
    Err(failure.unwrap_or_else(|| FetchError::Socket(io::Error::from(io::ErrorKind::AddrNotAvailable))))
}
