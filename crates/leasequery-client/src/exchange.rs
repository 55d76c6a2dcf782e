//! The shell of a query over UDP: one socket, and a query that is sent again until it is answered.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use leasequery_protocol::requestor::{Exchange, Poll, QueryError, Schedule};

/// Why there is no answer.
#[derive(Debug)]
pub enum ExchangeError {
    /// It cannot be asked.
    Query(QueryError),
    /// The socket failed.
    Socket(io::Error),
    /// None came in time.
    NoAnswer {
        /// Why what came last was none.
        ignored: Option<String>,
    },
}

/// Sends a query and waits for what `read` takes for its answer, for as long as the schedule and `timeout` permit. What
/// `read` refuses to take is ignored.
pub fn exchange<T>(
    socket: &UdpSocket,
    server: SocketAddr,
    schedule: Schedule,
    timeout: Duration,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), QueryError>,
    mut read: impl FnMut(&[u8]) -> Result<T, String>,
) -> Result<T, ExchangeError> {
    let mut query = Vec::new();
    write(&mut query).map_err(ExchangeError::Query)?;
    let start = Instant::now();
    let mut sending = Exchange::new(schedule, fastrand::u64(..));
    let mut input = vec![0; 65_536];
    let mut ignored = None;
    loop {
        let now = start.elapsed();
        let due = match sending.poll(now) {
            Poll::Send => {
                match socket.send_to(&query, server) {
                    // Nobody listened there a moment ago; that may change.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    sent => drop(sent.map_err(ExchangeError::Socket)?),
                }
                continue;
            }
            Poll::Wait(due) => due.min(timeout),
            Poll::Failed => return Err(ExchangeError::NoAnswer { ignored }),
        };
        if now >= timeout {
            return Err(ExchangeError::NoAnswer { ignored });
        }
        // Zero would mean for ever.
        let left = due.saturating_sub(now).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(left)).map_err(ExchangeError::Socket)?;
        match socket.recv_from(&mut input) {
            Ok((length, _)) => match read(&input[..length]) {
                Ok(answer) => return Ok(answer),
                Err(reason) => ignored = Some(reason),
            },
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => return Err(ExchangeError::Socket(error)),
        }
    }
}
