use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use leasequery_store::{Budget, Revision, Store};
use leasequery_wire::{DecodeError, FrameFault, Framing, split_frame};
use thiserror::Error;

use crate::code::{MessageType, StatusCode};

use super::{Admission, Beside, Place, Policy, Progress, Protocol, Query, Scope, Shed};

/// Limits of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Queries answered side by side; further ones are not read until one is done (RFC 6926 section 8.4). At least one
    /// is answered.
    pub queries: usize,
    /// BULK_LQ_DATA_TIMEOUT (RFC 6926 section 6.3): how long the connection may be blocked or idle.
    pub data_timeout: Duration,
    /// ACTIVE_LQ_SEND_TIMEOUT (RFC 7724 section 5.3): how long the connection of an active query may be blocked.
    pub active_send_timeout: Duration,
    /// ACTIVE_LQ_IDLE_TIMEOUT (RFC 7724 section 5.3): after how long without a message an active query is told that its
    /// connection is still alive.
    pub active_idle_timeout: Duration,
}

impl Default for Limits {
    /// Four queries; 300, 120 and 60 seconds.
    fn default() -> Self {
        Self {
            queries: 4,
            data_timeout: Duration::from_mins(5),
            active_send_timeout: Duration::from_mins(2),
            active_idle_timeout: Duration::from_mins(1),
        }
    }
}

/// Why a connection was closed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// The requestor closed it, and everything it had asked for has been sent.
    #[error("closed by the requestor")]
    Peer,
    /// No query was outstanding, or a query did not come to its end, for BULK_LQ_DATA_TIMEOUT.
    #[error("no complete query within the data timeout")]
    Idle,
    /// The requestor took no data for BULK_LQ_DATA_TIMEOUT, or ACTIVE_LQ_SEND_TIMEOUT.
    #[error("the requestor does not take its data")]
    Blocked,
    /// A length prefix that cannot be one.
    #[error("{0}")]
    Frame(#[from] FrameFault),
    /// Not a DHCP message.
    #[error("malformed message: {0}")]
    Malformed(#[from] DecodeError),
    /// A message that a server sends.
    #[error("op is {0}, a query has 1")]
    NotARequest(u8),
    /// A type that has no place on a TCP connection (RFC 7724 section 8.1.1), or not at this point of it.
    #[error("{0} has no place here")]
    Unsupported(MessageType),
    /// Anything but a request for TLS, where TLS is required (RFC 7724 section 8.1, RFC 7653 section 9.1).
    #[error("TLS is required here, and the first message does not ask for it")]
    Insecure,
    /// A query that no answer could be made sense of (RFC 5007 section 4.2.1).
    #[error("{0}")]
    Unusable(&'static str),
    /// A second query with the xid of one that is being answered.
    #[error("xid {0:#010x} is in use by another query")]
    RepeatedXid(u32),
    /// A query that was refused in a way that leaves nothing to be done.
    #[error("query {0:#010x} was refused")]
    Refused(u32),
    /// The clock of the store was set back since the first query.
    #[error("the clock was set back, and the history begins anew")]
    SetBack,
    /// The server ended it.
    #[error("terminated: {0}")]
    Terminated(String),
    /// A response could not be finished (RFC 6926 section 8.5).
    #[error("query {xid:#010x} was aborted: {reason}")]
    Aborted {
        /// Transaction id of the query.
        xid: u32,
        /// What went wrong.
        reason: String,
    },
}

/// What happened on a connection, for logs and counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A query is being answered.
    Started {
        /// Its transaction id.
        xid: u32,
    },
    /// A query has been answered to its end.
    Done {
        /// Its transaction id.
        xid: u32,
        /// How many bindings it was told of.
        replies: u64,
    },
    /// A query was refused.
    Refused {
        /// Its transaction id.
        xid: u32,
        /// The status it was answered with.
        status: StatusCode,
        /// The text it was answered with.
        text: String,
    },
    /// Something that was asked for did not fit a message.
    Shed {
        /// Transaction id of the query.
        xid: u32,
        /// What it was.
        shed: Shed,
    },
    /// Nothing more will be read or made; what has been made is still to be sent.
    Closing(CloseReason),
}

/// What a requestor has had so far, for counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Served {
    /// Queries that were begun.
    pub queries: u64,
    /// Queries that were refused.
    pub refused: u64,
    /// Bindings told of in answers that came to their end.
    pub bindings: u64,
    /// Answers about everything there is that came to their end.
    pub everything: u64,
    /// Active queries that asked for what had changed since a time.
    pub catch_ups: u64,
}

/// What [`Connection::poll_transmit`] has left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing until there is input or a timeout.
    Idle,
    /// More replies, as soon as there is room for them.
    More,
    /// TLS: what follows in both directions is inside it. The owner has to call [`Connection::begin_tls`].
    Secure,
    /// Nothing ever: close the connection once everything has been sent.
    Close,
}

/// A TCP connection as the server sees it.
///
/// The owner turns a wheel: give input ([`handle_bytes`](Self::handle_bytes), only while
/// [`wants_read`](Self::wants_read)), take output ([`poll_transmit`](Self::poll_transmit)) and write it, tell of the
/// progress ([`handle_progress`](Self::handle_progress)), take the events, and sleep until something comes or
/// [`poll_timeout`](Self::poll_timeout) is due ([`handle_timeout`](Self::handle_timeout)). Output is made only when it
/// is asked for, so a reader that stops costs no memory.
///
/// ```text
///           EOF from the requestor          all answered
///   Open ───────────────────────► HalfClosed ───────────► Closing
///     └──── fault, timeout, terminate ──────────────────────▲
/// ```
///
/// Times are durations since an arbitrary start, the same for all calls.
#[derive(Debug)]
pub struct Connection<P: Protocol> {
    protocol: P,
    limits: Limits,
    phase: Phase,
    /// Received and not yet judged. Bounded: it is not added to while it holds a whole message.
    input: Vec<u8>,
    /// The queries being answered; the front one is next.
    queries: VecDeque<P::Query>,
    first: bool,
    /// TLS has been asked for and not begun: nothing that comes before it is a message.
    securing: bool,
    /// Since when there is nothing to do: since the connection was accepted, the last query was done, or the message
    /// that is incomplete began. What follows within a message does not count, or a drip of octets would hold the
    /// connection for ever.
    quiet_since: Duration,
    /// Since when the requestor takes nothing.
    blocked_since: Option<Duration>,
    /// When an active query was last told something.
    told_at: Duration,
    /// The era of the store's clock in which it was asked first. In another one times mean something else.
    era: Option<u32>,
    events: VecDeque<Event>,
    served: Served,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Queries are read and answered.
    Open,
    /// The requestor has closed its sending side; what it asked for is still answered.
    HalfClosed,
    /// Nothing more is read or made.
    Closing,
}

/// What moves a connection from one phase to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The requestor closes its sending side.
    Eof,
    /// A fault, a timer, the server's wish, or everything has been answered behind an end of input.
    End,
}

impl Phase {
    /// All transitions there are.
    const fn after(self, step: Step) -> Self {
        match (self, step) {
            (Self::Open | Self::HalfClosed, Step::Eof) => Self::HalfClosed,
            (Self::Open | Self::HalfClosed, Step::End) | (Self::Closing, Step::Eof | Step::End) => Self::Closing,
        }
    }
}

/// The budget of one turn, so that it holds the store for a fraction of a millisecond even if nothing matches.
const TURN: usize = 2048;
/// What of it a query may spend before the next one has its turn.
const BITE: usize = 64;

impl<P: Protocol> Connection<P> {
    /// A connection accepted at `now`.
    pub fn new(protocol: P, limits: Limits, now: Duration) -> Self {
        Self {
            protocol,
            limits: Limits { queries: limits.queries.max(1), ..limits },
            phase: Phase::Open,
            input: Vec::new(),
            queries: VecDeque::new(),
            first: true,
            securing: false,
            quiet_since: now,
            blocked_since: None,
            told_at: now,
            era: None,
            events: VecDeque::new(),
            served: Served::default(),
        }
    }

    /// Whether more input may be given: not while as many queries run as may, nor while a whole message waits. Beside an
    /// active query there is nothing to be asked, but its end of input must not go unnoticed.
    pub fn wants_read(&self) -> bool {
        self.phase == Phase::Open && self.has_place() && !self.has_message()
    }

    /// Takes octets from the requestor.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) {
        if self.phase != Phase::Open {
            return;
        }
        if self.input.is_empty() && !bytes.is_empty() {
            self.quiet_since = now;
        }
        self.input.extend_from_slice(bytes);
    }

    /// The requestor has closed its sending side. What it asked for is sent to the end, then the connection is closed; an
    /// active query, which has no end, ends here (RFC 7724 section 8.4).
    pub fn handle_eof(&mut self) {
        self.phase = self.phase.after(Step::Eof);
    }

    /// TLS begins ([`Turn::Secure`]). Gives what the requestor sent behind its request: it came in plain text, so it may be
    /// the beginning of the handshake and is never taken for a message. From now on the connection is given what was inside
    /// of TLS. The data timeout goes on from the request, so that it holds for the handshake as well (RFC 7724 section 8.1).
    pub fn begin_tls(&mut self) -> Vec<u8> {
        self.securing = false;
        std::mem::take(&mut self.input)
    }

    /// Tells how the last write went: `written` octets were taken, `unsent` remain.
    pub fn handle_progress(&mut self, now: Duration, written: usize, unsent: usize) {
        if unsent == 0 {
            if self.blocked_since.take().is_some() {
                // The last message counts from when it was sent, not from when it was made.
                self.quiet_since = now;
                self.told_at = now;
            }
        } else if written > 0 || self.blocked_since.is_none() {
            self.blocked_since = Some(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let keep_alive = (self.is_active() && self.blocked_since.is_none() && self.phase == Phase::Open)
            .then_some(self.told_at.saturating_add(self.limits.active_idle_timeout));
        [self.fatal_timeout(), keep_alive].into_iter().flatten().min()
    }

    /// When the connection has to be given up.
    fn fatal_timeout(&self) -> Option<Duration> {
        let Limits { data_timeout, active_send_timeout, .. } = self.limits;
        if let Some(since) = self.blocked_since {
            return Some(since.saturating_add(if self.is_active() { active_send_timeout } else { data_timeout }));
        }
        // A message that has begun has to be finished, whatever else goes on.
        let idle = self.queries.is_empty() || (self.is_active() && !self.input.is_empty());
        (idle && self.phase == Phase::Open).then_some(self.quiet_since.saturating_add(data_timeout))
    }

    /// Acts on timers that are due; harmless if none is. Says whether the connection has to be dropped at once because
    /// the requestor does not take what was made for it. If not, what there is to say about it comes with the next turn.
    pub fn handle_timeout(&mut self, now: Duration) -> bool {
        if !self.is_overdue(now) {
            return false;
        }
        let blocked = self.blocked_since.is_some();
        if blocked {
            self.close(CloseReason::Blocked);
        } else if self.queries.is_empty() {
            self.close(CloseReason::Idle);
        }
        blocked
    }

    fn is_overdue(&self, now: Duration) -> bool {
        self.fatal_timeout().is_some_and(|due| due <= now)
    }

    /// Appends whole messages to `out` until it holds `room` octets or there is nothing to say. Queries that wait in the
    /// input are begun, and those being answered take turns.
    pub fn poll_transmit(&mut self, now: Duration, store: &Store<P::Key>, out: &mut Vec<u8>, room: usize) -> Turn {
        if self.phase == Phase::Closing {
            return Turn::Close;
        }
        if self.blocked_since.is_none() && !self.queries.is_empty() && self.is_overdue(now) {
            self.abort(CloseReason::Idle, store, out);
        }
        if self.era.is_some_and(|era| era != store.era()) {
            // What was said before was said by another clock, and base-times never decrease. Who comes back with one of them
            // is told that data are missing.
            self.abort(CloseReason::SetBack, store, out);
        }
        let mut left = TURN;
        let mut waiting = false;
        loop {
            self.begin_queries(now, store, out, room);
            if self.securing && self.phase == Phase::Open {
                return Turn::Secure;
            }
            if self.phase == Phase::HalfClosed && self.is_active() {
                self.close(CloseReason::Peer);
            }
            if left == 0 || out.len() >= room {
                break;
            }
            let Some(mut query) = self.queries.pop_front() else { break };
            // A query that is alone need not be interrupted.
            let bite = if self.queries.is_empty() { left } else { BITE.min(left) };
            let budget = Budget::new(bite);
            let before = out.len();
            let progress = query.advance(store, out, room, &budget);
            left -= (bite - budget.left()).max(1);
            let xid = query.xid();
            self.events.extend(query.take_shed().into_iter().map(|shed| Event::Shed { xid, shed }));
            if out.len() > before {
                self.told_at = now;
            }
            match progress {
                Progress::More => self.queries.push_back(query),
                Progress::Waiting => {
                    if now >= self.told_at.saturating_add(self.limits.active_idle_timeout) {
                        query.keep_alive(store, out);
                        self.told_at = now;
                    }
                    self.queries.push_back(query);
                    waiting = true;
                    break;
                }
                Progress::Done => {
                    self.served.bindings += query.replies();
                    self.served.everything += u64::from(query.scope() == Scope::Everything);
                    self.events.push_back(Event::Done { xid, replies: query.replies() });
                    if self.queries.is_empty() {
                        self.quiet_since = now;
                    }
                }
                Progress::Failed(reason) => {
                    self.queries.push_front(query);
                    self.abort(CloseReason::Aborted { xid, reason }, store, out);
                }
            }
        }
        match self.phase {
            Phase::Closing => Turn::Close,
            Phase::HalfClosed if self.securing => {
                self.close(CloseReason::Peer);
                Turn::Close
            }
            _ if waiting && !self.has_message() => Turn::Idle,
            _ if !self.queries.is_empty() || self.has_message() => Turn::More,
            Phase::HalfClosed => {
                self.close(CloseReason::Peer);
                Turn::Close
            }
            Phase::Open => Turn::Idle,
        }
    }

    /// Breaks off: each query being answered gets its final message with QueryTerminated, then the connection is closed
    /// (RFC 6926 section 8.5).
    pub fn terminate(&mut self, store: &Store<P::Key>, out: &mut Vec<u8>, reason: &str) {
        self.abort(CloseReason::Terminated(reason.to_owned()), store, out);
    }

    /// What the requestor has had so far.
    pub fn served(&self) -> Served {
        self.served
    }

    /// What is being answered next, if anything is.
    pub fn scope(&self) -> Option<Scope> {
        self.queries.front().map(Query::scope)
    }

    /// What has happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Changes what holds for queries to come, and for those being answered. If one of them cannot go on, the connection
    /// ends.
    pub fn set_policy(&mut self, policy: &Arc<Policy>, store: &Store<P::Key>, out: &mut Vec<u8>) {
        if !self.protocol.set_policy(policy) {
            return;
        }
        let problem = self.queries.iter_mut().find_map(|query| query.set_policy(policy).err());
        if let Some(reason) = problem {
            self.terminate(store, out, reason);
        }
    }

    /// Up to which change everything has been told, if an active query is being answered.
    pub fn told_up_to(&self) -> Option<Revision> {
        self.queries.front().and_then(Query::told_up_to)
    }

    /// How many queries are being answered.
    pub fn outstanding(&self) -> usize {
        self.queries.len()
    }

    /// Whether an active query is being answered: then there is something to send whenever the store changes.
    pub fn is_active(&self) -> bool {
        self.queries.front().is_some_and(Query::is_active)
    }

    /// Whether another message can be judged.
    fn has_place(&self) -> bool {
        self.is_active() || self.queries.len() < self.limits.queries
    }

    fn has_message(&self) -> bool {
        !matches!(split_frame(&self.input, P::MIN_MESSAGE), Ok(Framing::NeedMore { .. }))
    }

    /// Judges messages in the input while there is a place for another query, and room for what is said to it at once.
    fn begin_queries(&mut self, now: Duration, store: &Store<P::Key>, out: &mut Vec<u8>, room: usize) {
        let mut input = std::mem::take(&mut self.input);
        let mut rest = input.as_slice();
        while self.phase != Phase::Closing && !self.securing && self.has_place() && out.len() < room {
            match split_frame(rest, P::MIN_MESSAGE) {
                Ok(Framing::NeedMore { .. }) => break,
                Ok(Framing::Frame { body, rest: behind }) => {
                    self.judge(now, body, store, out);
                    rest = behind;
                    self.quiet_since = now;
                }
                Err(fault) => self.abort(fault.into(), store, out),
            }
        }
        let used = input.len() - rest.len();
        input.drain(..used);
        if self.phase != Phase::Closing {
            self.input = input;
        }
    }

    fn judge(&mut self, now: Duration, message: &[u8], store: &Store<P::Key>, out: &mut Vec<u8>) {
        let beside = match self.queries.front() {
            None => Beside::Nothing,
            Some(query) if query.is_active() => Beside::Active,
            Some(_) => Beside::Bulk,
        };
        let place = Place { first: std::mem::take(&mut self.first), beside };
        match self.protocol.admit(message, place, store, out) {
            Admission::Query(query) if self.queries.iter().any(|other| other.xid() == query.xid()) => {
                self.abort(CloseReason::RepeatedXid(query.xid()), store, out);
            }
            Admission::Query(query) => {
                self.era.get_or_insert(store.era());
                self.served.queries += 1;
                self.served.catch_ups += u64::from(query.scope() == Scope::CatchUp);
                self.events.push_back(Event::Started { xid: query.xid() });
                self.told_at = now;
                self.queries.push_back(query);
            }
            Admission::Refused { xid, status, text, close } => {
                self.served.refused += 1;
                self.events.push_back(Event::Refused { xid, status, text });
                if close {
                    self.abort(CloseReason::Refused(xid), store, out);
                }
            }
            Admission::Secure => self.securing = true,
            Admission::Close(reason) => self.abort(reason, store, out),
        }
    }

    /// Closes, and tells those whose queries are broken off by it why (RFC 6926 section 8.5).
    fn abort(&mut self, reason: CloseReason, store: &Store<P::Key>, out: &mut Vec<u8>) {
        for mut query in std::mem::take(&mut self.queries) {
            query.terminate(store, out, &reason.to_string());
        }
        self.close(reason);
    }

    /// All queries end with their connection (RFC 6926 section 8.5).
    fn close(&mut self, reason: CloseReason) {
        if self.phase == Phase::Closing {
            return;
        }
        self.phase = self.phase.after(Step::End);
        self.queries.clear();
        self.input = Vec::new();
        self.events.push_back(Event::Closing(reason));
    }
}

#[cfg(test)]
mod tests;
