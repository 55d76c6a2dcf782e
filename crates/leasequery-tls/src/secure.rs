//! The beginning of a connection in secure mode, for a requestor: the request for TLS, then the handshake.

use std::io::{self, Read, Write};
use std::net::TcpStream as BlockingStream;
use std::time::{Duration, Instant};

use leasequery_protocol::requestor::{Negotiation, Protocol, Refusal, Step};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::Asked;
use super::{Channel, Client, TlsError};

/// Why a connection cannot be secured. It is closed then, and nothing is said in the clear (RFC 7724 section 7.2, RFC 7653
/// section 8.1).
#[derive(Debug, Error)]
pub enum SecureError {
    /// The files or the name are no good.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server does not begin TLS.
    #[error("{}{}", .0, advice(.0))]
    Refusal(#[from] Refusal),
    /// The handshake failed.
    #[error("no TLS: {0}")]
    Handshake(String),
    /// The server does not want to know who asks. Both sides show certificates (RFC 7724 section 8.1, RFC 7653 section
    /// 9.1).
    #[error("no TLS: the server does not ask for our certificate, and both sides have to show one")]
    OneSided,
    /// The server closed within the handshake.
    #[error("no TLS: the server closed the connection within the handshake")]
    Closed,
    /// The handshake took too long.
    #[error("no TLS: the handshake took more than {} seconds", .0.as_secs_f64())]
    Slow(Duration),
    /// The socket failed.
    #[error("no TLS: the connection broke: {0}")]
    Socket(#[from] io::Error),
}

/// What the person who asks may change. Without TLS nothing is asked unless somebody says so.
fn advice(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Refused { .. } => "; it may answer in the clear (without --tls; of a source, with tls = \"off\")",
        _ => "",
    }
}

/// How long the request and the handshake may take, each. The RFCs name no time; waiting for data for five minutes suits a
/// server that has much to look up, which is not so here.
const PATIENCE: Duration = Duration::from_secs(30);
/// Octets read at a time.
const INPUT: usize = 4096;

/// The request and the handshake, without I/O.
struct Securing {
    negotiation: Option<Negotiation>,
    channel: Channel,
    asked: Asked,
    out: Vec<u8>,
    /// What came inside of TLS already.
    plain: Vec<u8>,
}

impl Securing {
    fn new<P: Protocol>(client: &Client) -> Result<Self, TlsError> {
        let negotiation = Negotiation::new::<P>(fastrand::u32(..));
        let out = negotiation.poll_transmit().to_vec();
        // What is wrong with the files is found out before anything is said.
        let (channel, asked) = client.begin()?;
        Ok(Self { negotiation: Some(negotiation), channel, asked, out, plain: Vec::new() })
    }

    fn is_done(&self) -> bool {
        self.negotiation.is_none() && !self.channel.is_handshaking()
    }

    /// Takes octets. On an error there may be an alert to be sent.
    fn receive(&mut self, octets: &mut [u8]) -> Result<(), SecureError> {
        if octets.is_empty() {
            return Err(if self.negotiation.is_some() { Refusal::Closed.into() } else { SecureError::Closed });
        }
        let result = match &mut self.negotiation {
            Some(negotiation) => match negotiation.handle_bytes(octets)? {
                Step::Waiting => return Ok(()),
                Step::Begin => {
                    self.negotiation = None;
                    Ok(())
                }
            },
            None => self.channel.receive(octets, &mut self.plain).map_err(SecureError::Handshake),
        };
        self.channel.transmit(&mut self.out);
        result?;
        if self.is_done() && !self.asked.was_asked() { Err(SecureError::OneSided) } else { Ok(()) }
    }

    fn late(&self, patience: Duration) -> SecureError {
        if self.negotiation.is_some() { Refusal::NoAnswer(patience).into() } else { SecureError::Slow(patience) }
    }
}

/// Secures a connection that has just been opened. Gives what came inside of TLS already, too.
pub fn secure<P: Protocol>(
    stream: &mut BlockingStream,
    client: &Client,
    patience: Duration,
) -> Result<(Channel, Vec<u8>), SecureError> {
    let patience = patience.min(PATIENCE);
    let mut securing = Securing::new::<P>(client)?;
    let start = Instant::now();
    let mut input = [0; INPUT];
    let mut result = Ok(());
    loop {
        stream.set_write_timeout(Some(patience))?;
        let written = stream.write_all(&securing.out);
        securing.out.clear();
        // Why the handshake failed matters more than whether the peer could be told.
        result?;
        written?;
        if securing.is_done() {
            return Ok((securing.channel, securing.plain));
        }
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(securing.late(patience));
        }
        stream.set_read_timeout(Some(left))?;
        result = match stream.read(&mut input) {
            Ok(length) => securing.receive(&mut input[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(securing.late(patience));
            }
            // A reset tells no more than a close.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => securing.receive(&mut []),
            Err(error) => return Err(error.into()),
        };
    }
}

/// The same without blocking.
pub async fn secure_async<P: Protocol>(
    stream: &mut TcpStream,
    client: &Client,
) -> Result<(Channel, Vec<u8>), SecureError> {
    let mut securing = Securing::new::<P>(client)?;
    let start = Instant::now();
    let mut input = [0; INPUT];
    let mut result = Ok(());
    loop {
        let left = PATIENCE.saturating_sub(start.elapsed());
        let turn = async {
            let written = stream.write_all(&securing.out).await;
            securing.out.clear();
            std::mem::replace(&mut result, Ok(()))?;
            written?;
            if securing.is_done() {
                return Ok(None);
            }
            match stream.read(&mut input).await {
                Ok(length) => Ok(Some(length)),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Some(0)),
                Err(error) => Err(SecureError::from(error)),
            }
        };
        match tokio::time::timeout(left, turn).await {
            Ok(Ok(Some(length))) => result = securing.receive(&mut input[..length]),
            Ok(Ok(None)) => return Ok((securing.channel, securing.plain)),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(securing.late(PATIENCE)),
        }
    }
}
