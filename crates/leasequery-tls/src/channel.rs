use std::fmt;
use std::sync::Arc;

use leasequery_wire::{Framing, split_frame};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, CommonState, Error, ProtocolVersion, ServerConfig};

use super::{Identity, TlsError, explain};

/// One end of a TLS connection, without a socket: octets from the socket in, octets for it out, and the same for what is
/// inside.
#[derive(Debug)]
pub struct Channel {
    end: End,
    /// Octets up to which messages share a record.
    room: usize,
    /// The name that the peer has to have, for people.
    name: String,
    /// Octets from the socket that are no whole record yet.
    incoming: Vec<u8>,
    /// What the socket has to send beside messages: the handshake, alerts.
    outgoing: Vec<u8>,
    /// Nothing has come yet.
    untouched: bool,
    peer_closed: bool,
    /// It has failed, or was closed here. rustls must not be asked any more: about whatever came it would say another alert,
    /// and find that a fault of its own.
    ended: bool,
}

/// Without buffers of its own rustls is a tenth faster with the many small records that messages are.
enum End {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// What came of one step.
enum Step {
    /// There may be another one.
    Again,
    /// The peer will say nothing more.
    PeerClosed,
    /// More octets are needed for another one.
    Idle,
}

/// Room for what is around the content of records, of which the longest message takes five, and for a change of keys.
const AROUND: usize = 256;
/// Octets that a record may hold (RFC 8446 section 5.1).
const RECORD: usize = 16_384;
/// Octets of a record's header; the last two are the length of what follows (RFC 8446 section 5.1).
const HEADER: usize = 5;

impl Channel {
    /// The server's end. `shares_records` says whether messages may share a record.
    pub(super) fn server(config: Arc<ServerConfig>, shares_records: bool) -> Result<Self, TlsError> {
        let room = if shares_records { RECORD } else { 0 };
        Self::new(End::Server(UnbufferedServerConnection::new(config)?), room, String::new())
    }

    /// The requestor's end.
    pub(super) fn client(config: Arc<ClientConfig>, server: ServerName<'static>, name: &str) -> Result<Self, TlsError> {
        Self::new(End::Client(UnbufferedClientConnection::new(config, server)?), 0, name.to_owned())
    }

    fn new(end: End, room: usize, name: String) -> Result<Self, TlsError> {
        let (incoming, outgoing) = (Vec::new(), Vec::new());
        let mut channel =
            Self { end, room, name, incoming, outgoing, untouched: true, peer_closed: false, ended: false };
        // The client's first words.
        channel.process(&mut [], &mut Vec::new()).1?;
        Ok(channel)
    }

    /// Takes octets from the socket, which are worthless afterwards; what was inside of them is appended to `plain`. On an
    /// error the connection is of no more use, but [`transmit`](Self::transmit) has an alert that tells the peer why. The
    /// error says it for people; whatever comes after it is ignored.
    pub fn receive(&mut self, mut octets: &mut [u8], plain: &mut Vec<u8>) -> Result<(), String> {
        let untouched = self.untouched && !octets.is_empty();
        self.untouched &= octets.is_empty();
        while !octets.is_empty() && !self.peer_closed && !self.ended {
            // Records are decrypted where they are, except for one that came in pieces, and those of the handshake, whose
            // messages may go over several.
            let missing = if self.is_handshaking() { None } else { missing(&self.incoming) };
            let apart = missing.map_or(octets.len(), |missing| missing.min(octets.len()));
            let (piece, rest) = octets.split_at_mut(apart);
            let result;
            if piece.is_empty() {
                let (used, outcome) = self.process(rest, plain);
                self.incoming.extend_from_slice(&rest[used..]);
                (octets, result) = (&mut [], outcome);
            } else {
                let mut incoming = std::mem::take(&mut self.incoming);
                incoming.extend_from_slice(piece);
                let (used, outcome) = self.process(&mut incoming, plain);
                incoming.drain(..used);
                self.incoming = incoming;
                (octets, result) = (rest, outcome);
            }
            result.map_err(|error| explain::failure(&error, self.peer_is(), &self.name, untouched))?;
        }
        Ok(())
    }

    /// Takes what there is in `octets`. Says how many were used.
    fn process(&mut self, octets: &mut [u8], plain: &mut Vec<u8>) -> (usize, Result<(), Error>) {
        let (mut used, mut result) = (0, Ok(()));
        // After a failure alerts are all that may be asked for.
        while result.is_ok() || self.state().wants_write() {
            let rest = &mut octets[used..];
            let (discard, step) = match &mut self.end {
                End::Client(tls) => step(tls.process_tls_records(rest), plain, &mut self.outgoing),
                End::Server(tls) => step(tls.process_tls_records(rest), plain, &mut self.outgoing),
            };
            used += discard;
            match step {
                Ok(Step::Again) => {}
                Ok(Step::PeerClosed) => self.peer_closed = true,
                Ok(Step::Idle) => break,
                Err(error) => {
                    self.ended = true;
                    result = Err(error);
                }
            }
        }
        (used, result)
    }

    /// Encrypts messages with their length prefixes, and appends the records to `out`. A message that is longer than a
    /// record may be takes as many as it needs. Before the end of the handshake there is nobody to tell anything. On an
    /// error the connection is of no more use.
    pub fn send(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.transmit(out);
        if frames.is_empty() || self.is_handshaking() || self.ended {
            return Ok(());
        }
        let (incoming, room) = (&mut self.incoming, self.room);
        let result = match &mut self.end {
            End::Client(tls) => encrypt(tls.process_tls_records(incoming), frames, room, out),
            End::Server(tls) => encrypt(tls.process_tls_records(incoming), frames, room, out),
        };
        self.ended |= result.is_err();
        result.map_err(|error| explain::failure(&error, self.peer_is(), &self.name, false))
    }

    /// Appends what the socket has to send beside messages: the handshake, alerts.
    pub fn transmit(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.outgoing);
    }

    /// Tells the peer that nothing more will come, and ignores what still comes. Within the handshake the end of the connection
    /// has to say it.
    pub fn close(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (incoming, outgoing) = (&mut self.incoming, &mut self.outgoing);
        match &mut self.end {
            End::Client(tls) => close(tls.process_tls_records(incoming), outgoing),
            End::Server(tls) => close(tls.process_tls_records(incoming), outgoing),
        }
    }

    fn state(&self) -> &CommonState {
        match &self.end {
            End::Client(tls) => tls,
            End::Server(tls) => tls,
        }
    }

    /// What the other side is, for people.
    fn peer_is(&self) -> &'static str {
        match &self.end {
            End::Client(_) => "the server",
            End::Server(_) => "the requestor",
        }
    }

    /// Whether the handshake goes on.
    pub fn is_handshaking(&self) -> bool {
        self.state().is_handshaking()
    }

    /// Whether it has failed, or was closed here: all that is left to send is an alert.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the peer has said that nothing more will come.
    pub fn is_closed_by_peer(&self) -> bool {
        self.peer_closed
    }

    /// Who the peer is, once the handshake is over.
    pub fn peer(&self) -> Option<Identity> {
        if self.is_handshaking() {
            return None;
        }
        self.state().peer_certificates().and_then(Identity::of_chain)
    }

    /// How the connection is protected, for people.
    pub fn describe(&self) -> String {
        let version = match self.state().protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            _ => "TLS 1.2",
        };
        let suite = self.state().negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        suite.map_or_else(|| version.to_owned(), |suite| format!("{version}, {suite}"))
    }
}

impl fmt::Debug for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Client(_) => "Client",
            Self::Server(_) => "Server",
        })
    }
}

/// How many octets are missing of a record that has begun, or of its header. `None` if it is whole, and waits for another
/// one.
fn missing(record: &[u8]) -> Option<usize> {
    match record {
        [] => Some(0),
        [_, _, _, a, b, content @ ..] => {
            usize::from(u16::from_be_bytes([*a, *b])).checked_sub(content.len()).filter(|missing| *missing > 0)
        }
        part => Some(HEADER - part.len()),
    }
}

/// Acts on what rustls says. Says how many octets have been used, too.
fn step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    plain: &mut Vec<u8>,
    outgoing: &mut Vec<u8>,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = state.and_then(|state| {
        Ok(match state {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    plain.extend_from_slice(record.payload);
                    discard += record.discard;
                }
                Step::Again
            }
            ConnectionState::EncodeTlsData(mut data) => {
                // It says how long it is when there is no room.
                if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
                    let start = outgoing.len();
                    outgoing.resize(start + size.required_size, 0);
                    data.encode(&mut outgoing[start..]).map_err(|error| Error::General(error.to_string()))?;
                }
                Step::Again
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Step::Again
            }
            ConnectionState::PeerClosed => Step::PeerClosed,
            // Early data are never accepted.
            _ => Step::Idle,
        })
    });
    (discard, step)
}

/// Encrypts whole messages.
fn encrypt<D>(
    status: UnbufferedStatus<'_, '_, D>,
    mut frames: &[u8],
    room: usize,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let ConnectionState::WriteTraffic(mut traffic) = status.state? else { return Ok(()) };
    while !frames.is_empty() {
        let (together, rest) = frames.split_at(messages_in(frames, room));
        let start = out.len();
        out.resize(start + together.len() + AROUND, 0);
        let written = traffic.encrypt(together, &mut out[start..]);
        out.truncate(start + *written.as_ref().unwrap_or(&0));
        written.map_err(|error| Error::General(error.to_string()))?;
        frames = rest;
    }
    Ok(())
}

/// Says that this end closes, if anything can be said.
fn close<D>(status: UnbufferedStatus<'_, '_, D>, outgoing: &mut Vec<u8>) {
    if let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state {
        let start = outgoing.len();
        outgoing.resize(start + AROUND, 0);
        let written = traffic.queue_close_notify(&mut outgoing[start..]).unwrap_or(0);
        outgoing.truncate(start + written);
    }
}

/// Octets of the messages that share a record: as many as there is room for, and at least one.
fn messages_in(frames: &[u8], room: usize) -> usize {
    let mut length = 0;
    while let Ok(Framing::Frame { rest, .. }) = split_frame(&frames[length..], 0) {
        let next = frames.len() - rest.len();
        if length > 0 && next > room {
            break;
        }
        length = next;
    }
    // A part of a message does not come here.
    if length == 0 { frames.len() } else { length }
}
