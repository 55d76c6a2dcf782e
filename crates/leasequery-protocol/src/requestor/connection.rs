use std::time::Duration;

use leasequery_store::Time;
use leasequery_wire::v4::{MessageType, StatusCode};
use leasequery_wire::{DecodeError, FrameFault, Framing, split_frame};
use thiserror::Error;

use crate::clock::Skew;

/// How long a requestor waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// BULK_LQ_DATA_TIMEOUT (RFC 6926 section 6.3): without progress in sending, or in receiving what is outstanding.
    pub data: Duration,
}

impl Default for Timeouts {
    /// 300 seconds.
    fn default() -> Self {
        Self { data: Duration::from_mins(5) }
    }
}

/// A rule that the server broke.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Violation {
    /// A message that belongs to no query (RFC 6926 section 7.3): no query has this xid, or none has it any more.
    #[error("{kind} with xid {xid:#010x}, which no outstanding query has")]
    UnknownXid {
        /// The message.
        kind: MessageType,
        /// Its transaction id.
        xid: u32,
    },
    /// A type that is no answer to a bulk query (RFC 6926 section 7.3).
    #[error("{0} is no answer to a bulk query")]
    UnexpectedType(MessageType),
    /// A reply about no address (RFC 6926 section 7.3).
    #[error("{0} with zero ciaddr")]
    NoAddress(MessageType),
    /// A reply about another VPN than the query (RFC 6607 section 6): such a server has not understood it.
    #[error("a reply about {found} to a query about {asked}")]
    WrongVpn {
        /// The VPN of the reply.
        found: String,
        /// The VPN of the query.
        asked: String,
    },
}

/// Why a connection is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// The server closed it before its final message.
    #[error("the server closed the connection before DHCPLEASEQUERYDONE")]
    Closed,
    /// The server stopped sending.
    #[error("no data from the server for {} seconds", .0.as_secs_f64())]
    NoData(Duration),
    /// The server takes no data.
    #[error("the server has not taken the query for {} seconds", .0.as_secs_f64())]
    Blocked(Duration),
    /// A length prefix that cannot be one.
    #[error("protocol violation: {0}")]
    Frame(#[from] FrameFault),
    /// A message that is malformed.
    #[error("protocol violation: malformed message: {0}")]
    Malformed(#[from] DecodeError),
    /// A message that has no place.
    #[error("protocol violation: {0}")]
    Violation(#[from] Violation),
}

/// What a server's message is, to the machinery that both protocols share.
#[derive(Debug)]
pub enum Reply<R> {
    /// Knowledge about one binding.
    Record(R),
    /// A reply about one binding that the server could not make (RFC 6926 section 6.2.2). It is no knowledge.
    Failed {
        /// What happened.
        status: StatusCode,
        /// Text for people.
        text: String,
    },
}

/// The final message of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What became of the query.
    pub status: StatusCode,
    /// Text for people.
    pub text: String,
    /// Base-time of the first message of the response, in the server's clock. A later query for changes has to start
    /// from there: what was sent early may have changed while the rest came (RFC 6926 section 7.4).
    pub resume_point: Option<Time>,
}

/// The messages of one protocol, seen from the requestor.
pub trait Protocol {
    /// A query, as the caller describes it.
    type Query;
    /// What is remembered of a query while it is outstanding.
    type Outstanding;
    /// Knowledge about one binding, borrowed from the message.
    type Record<'a>;

    /// The least octets a message has; a frame that announces fewer is a fault.
    const MIN_MESSAGE: usize;

    /// Appends the query's message.
    fn write(&self, query: &Self::Query, xid: u32, out: &mut Vec<u8>) -> Self::Outstanding;

    /// The transaction id of a message.
    fn xid(message: &[u8]) -> Option<u32>;

    /// The type of a message, for errors.
    fn kind(message: &[u8]) -> MessageType;

    /// Whether a message ends its response.
    fn is_final(kind: MessageType) -> bool;

    /// Reads a message that tells of a binding; a base-time goes into the skew before times are converted.
    fn read<'a>(
        &self,
        message: &'a [u8],
        query: &mut Self::Outstanding,
        skew: &mut Skew,
        arrival: Time,
    ) -> Result<Reply<Self::Record<'a>>, Failure>;

    /// Reads the final message of a response.
    fn read_final(
        &self,
        message: &[u8],
        query: Self::Outstanding,
        skew: &mut Skew,
        arrival: Time,
    ) -> Result<Done, Failure>;
}

/// What has come.
#[derive(Debug)]
pub enum Event<R> {
    /// Knowledge about one binding.
    Record {
        /// Transaction id of the query.
        xid: u32,
        /// The knowledge.
        record: R,
    },
    /// A binding that the server could not tell of.
    Failed {
        /// Transaction id of the query.
        xid: u32,
        /// What happened.
        status: StatusCode,
        /// Text for people.
        text: String,
    },
    /// The end of a response.
    Done {
        /// Transaction id of the query.
        xid: u32,
        /// How it ended.
        done: Done,
    },
}

/// A TCP connection as the requestor sees it.
///
/// The owner sends what [`poll_transmit`](Self::poll_transmit) gives, hands in what arrives, and takes the events one by
/// one with [`poll_event`](Self::poll_event): messages are read only when they are asked for, so a slow consumer simply
/// reads from the socket more slowly and nothing grows. A [`Failure`] ends the connection, and with it all queries that
/// are outstanding; what was received completely stays valid (RFC 6926 section 7.8).
#[derive(Debug)]
pub struct Connection<P: Protocol> {
    protocol: P,
    timeouts: Timeouts,
    skew: Skew,
    next_xid: u32,
    outstanding: Vec<(u32, P::Outstanding)>,
    output: Vec<u8>,
    input: Vec<u8>,
    /// How much of the input has been read.
    read: usize,
    ended: bool,
    sending_since: Option<Duration>,
    waiting_since: Duration,
}

impl<P: Protocol> Connection<P> {
    /// A connection on which nothing has been sent. Transaction ids count up from `first_xid`, so each is used once in
    /// the life of the connection (RFC 6926 section 7.1).
    pub fn new(protocol: P, timeouts: Timeouts, first_xid: u32) -> Self {
        Self {
            protocol,
            timeouts,
            skew: Skew::default(),
            next_xid: first_xid,
            outstanding: Vec::new(),
            output: Vec::new(),
            input: Vec::new(),
            read: 0,
            ended: false,
            sending_since: None,
            waiting_since: Duration::ZERO,
        }
    }

    /// Adds a query to what is to be sent, and gives its transaction id.
    pub fn ask(&mut self, now: Duration, query: &P::Query) -> u32 {
        let xid = self.next_xid;
        self.next_xid = self.next_xid.wrapping_add(1);
        let outstanding = self.protocol.write(query, xid, &mut self.output);
        if self.outstanding.is_empty() {
            self.waiting_since = now;
        }
        self.outstanding.push((xid, outstanding));
        self.sending_since.get_or_insert(now);
        xid
    }

    /// What is to be sent.
    pub fn poll_transmit(&self) -> &[u8] {
        &self.output
    }

    /// Tells how many octets of [`poll_transmit`](Self::poll_transmit) were sent.
    pub fn handle_sent(&mut self, now: Duration, sent: usize) {
        self.output.drain(..sent.min(self.output.len()));
        if sent > 0 {
            self.sending_since = (!self.output.is_empty()).then_some(now);
            self.waiting_since = now;
        }
    }

    /// Takes octets from the server.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) {
        self.input.drain(..self.read);
        self.read = 0;
        self.input.extend_from_slice(bytes);
        self.waiting_since = now;
    }

    /// The server has closed its sending side.
    pub fn handle_eof(&mut self) {
        self.ended = true;
    }

    /// Reads the next message, if there is a whole one. `wall` is the local time.
    pub fn poll_event(&mut self, wall: Time) -> Result<Option<Event<P::Record<'_>>>, Failure> {
        let message = match split_frame(&self.input[self.read..], P::MIN_MESSAGE)? {
            Framing::Frame { body, .. } => {
                let start = self.read + 2;
                self.read = start + body.len();
                &self.input[start..self.read]
            }
            Framing::NeedMore { .. } if self.ended && !self.outstanding.is_empty() => return Err(Failure::Closed),
            Framing::NeedMore { .. } => return Ok(None),
        };
        let found = P::xid(message).and_then(|xid| self.outstanding.iter().position(|(other, _)| *other == xid));
        let Some(place) = found else {
            let xid = P::xid(message).unwrap_or_default();
            return Err(Violation::UnknownXid { kind: P::kind(message), xid }.into());
        };
        if P::is_final(P::kind(message)) {
            let (xid, query) = self.outstanding.swap_remove(place);
            let done = self.protocol.read_final(message, query, &mut self.skew, wall)?;
            return Ok(Some(Event::Done { xid, done }));
        }
        let (xid, query) = &mut self.outstanding[place];
        Ok(Some(match self.protocol.read(message, query, &mut self.skew, wall)? {
            Reply::Record(record) => Event::Record { xid: *xid, record },
            Reply::Failed { status, text } => Event::Failed { xid: *xid, status, text },
        }))
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do. One timer for the connection, not one for each
    /// query: a server may well answer them one after the other (RFC 6926 section 7.7).
    pub fn poll_timeout(&self) -> Option<Duration> {
        let waiting = (!self.outstanding.is_empty()).then_some(self.waiting_since);
        [self.sending_since, waiting].into_iter().flatten().min().map(|since| since + self.timeouts.data)
    }

    /// Fails if a timer is due; harmless if none is.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Failure> {
        if self.sending_since.is_some_and(|since| now >= since + self.timeouts.data) {
            return Err(Failure::Blocked(self.timeouts.data));
        }
        if !self.outstanding.is_empty() && now >= self.waiting_since + self.timeouts.data {
            return Err(Failure::NoData(self.timeouts.data));
        }
        Ok(())
    }

    /// Whether queries are outstanding. If none is and none is to come, the connection should be closed, gracefully
    /// (RFC 6926 section 7.8).
    pub fn is_outstanding(&self) -> bool {
        !self.outstanding.is_empty()
    }

    /// How far the server's clock is ahead.
    pub fn skew(&self) -> Skew {
        self.skew
    }
}

#[cfg(test)]
mod tests;
