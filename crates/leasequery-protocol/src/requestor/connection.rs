use std::ops::Range;
use std::time::Duration;

use leasequery_store::Time;
use leasequery_wire::{Framing, split_frame};

use super::{Event, Failure, Fault, Outstanding, Protocol};
use crate::clock::Skew;

/// How long a requestor waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// BULK_LQ_DATA_TIMEOUT (RFC 6926 section 6.3): without progress in sending, or in receiving what is outstanding.
    pub data: Duration,
    /// ACTIVE_LQ_RCV_TIMEOUT (RFC 7724 section 5.3): without a message while an active query is outstanding.
    pub active_receive: Duration,
}

impl Default for Timeouts {
    /// 300 and 120 seconds.
    fn default() -> Self {
        Self { data: Duration::from_mins(5), active_receive: Duration::from_mins(2) }
    }
}

/// A TCP connection as the requestor sees it.
///
/// The owner turns a wheel: send what [`poll_transmit`](Self::poll_transmit) gives and tell how far that went
/// ([`handle_sent`](Self::handle_sent)), take events with [`poll_event`](Self::poll_event) until there is none, and only
/// then read ([`handle_bytes`](Self::handle_bytes), [`handle_eof`](Self::handle_eof)) or sleep until
/// [`poll_timeout`](Self::poll_timeout). Messages are taken apart only when they are asked for, so a slow consumer simply
/// reads from the socket more slowly: the input never holds more than one unfinished message and the last piece read.
///
/// A [`Failure`] ends the connection, and with it all queries that are outstanding; every call says so again. What was
/// received completely before stays valid (RFC 6926 section 7.8).
///
/// `now` is a duration since an arbitrary start, the same for all calls.
#[derive(Debug)]
pub struct Connection<P: Protocol> {
    protocol: P,
    timeouts: Timeouts,
    skew: Skew,
    next_xid: u32,
    /// What was asked last, if anything was.
    asked: Option<Kind>,
    outstanding: Outstanding<P::Memory>,
    output: Vec<u8>,
    input: Input,
    /// The message that was read last, if it tells of more bindings, and of how many it has told.
    unread: Option<(Range<usize>, usize)>,
    layout: P::Layout,
    /// The server has closed its sending side.
    ended: bool,
    /// Why, if it was not the server that closed it.
    broken: Option<String>,
    failure: Option<Failure>,
    /// Since when the server takes nothing of the output.
    sending_since: Option<Duration>,
    /// Since when the server gives nothing.
    waiting_since: Duration,
    /// There may be messages in the input: while the owner is busy with them he does not wait for the server.
    busy: bool,
    /// Messages that had begun when the timer for the server did.
    heard: u64,
}

/// What sort of query. An active one is alone on its connection and has a timer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bulk,
    Active,
}

impl<P: Protocol> Connection<P> {
    /// A connection on which nothing has been sent. Transaction ids count up from `first_xid`, so each is used once in
    /// the life of the connection (RFC 6926 section 7.1).
    pub fn new(protocol: P, timeouts: Timeouts, first_xid: u32) -> Self {
        Self {
            protocol,
            timeouts,
            skew: Skew::default(),
            next_xid: first_xid & P::MAX_TRANSACTION_ID,
            asked: None,
            outstanding: Outstanding::default(),
            output: Vec::new(),
            input: Input::default(),
            unread: None,
            layout: P::Layout::default(),
            ended: false,
            broken: None,
            failure: None,
            sending_since: None,
            waiting_since: Duration::ZERO,
            busy: false,
            heard: 0,
        }
    }

    /// Adds a query to what is to be sent, and gives its transaction id.
    pub fn ask(&mut self, now: Duration, query: impl Into<P::Query>) -> Result<u32, P::QueryError> {
        let (xid, query) = (self.next_xid, query.into());
        let memory = self.protocol.write(&query, xid, &mut self.output)?;
        self.next_xid = self.next_xid.wrapping_add(1) & P::MAX_TRANSACTION_ID;
        self.asked = Some(if P::is_active(&query) { Kind::Active } else { Kind::Bulk });
        if self.outstanding.is_empty() {
            self.waiting_since = now;
        }
        self.outstanding.add(xid, memory, now);
        self.sending_since.get_or_insert(now);
        Ok(xid)
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
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if self.failure.is_none() && !bytes.is_empty() {
            let dropped = self.input.add(bytes, self.unread.as_ref().map(|(range, _)| range.start));
            if let Some((range, _)) = &mut self.unread {
                *range = range.start - dropped..range.end - dropped;
            }
            self.busy = true;
        }
    }

    /// The server has closed the connection, in whatever manner. What it sent before can still be taken.
    pub fn handle_eof(&mut self) {
        self.ended = true;
    }

    /// What protects the connection has failed. What came before can still be taken.
    pub fn handle_broken(&mut self, reason: &str) {
        self.ended = true;
        self.broken = Some(reason.to_owned());
    }

    /// Reads the next message, if there is a whole one. `wall` is the local time.
    #[inline]
    pub fn poll_event(&mut self, now: Duration, wall: Time) -> Result<Option<Event<P::Record<'_>>>, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let next = match self.unread.take() {
            Some(unread) => Ok(Some(unread)),
            None => self.input.next(P::MIN_MESSAGE).map(|next| next.map(|range| (range, 0))),
        };
        let fault = match next {
            Ok(Some((range, nth))) => {
                self.outstanding.set_now(now);
                let message = &self.input.bytes[range.clone()];
                match self.protocol.read(message, nth, &mut self.layout, &mut self.outstanding, &mut self.skew, wall) {
                    Ok((event, more)) => {
                        self.unread = more.then_some((range, nth + 1));
                        return Ok(Some(event));
                    }
                    Err(fault) => fault,
                }
            }
            Ok(None) => {
                let heard = std::mem::replace(&mut self.heard, self.input.messages) != self.input.messages;
                // A long bulk reply may be on its way for a while, but what is said of changes is in messages (RFC 7724
                // section 7.4).
                if std::mem::take(&mut self.busy) && (heard || !self.is_active()) {
                    self.waiting_since = now;
                }
                if self.ended && !self.outstanding.is_empty() {
                    let closed = if self.input.is_untouched() { Failure::Unanswered } else { Failure::Closed };
                    let failure = self.broken.take().map_or(closed, Failure::Broken);
                    self.failure = Some(failure.clone());
                    return Err(failure);
                }
                return Ok(None);
            }
            Err(fault) => fault,
        };
        let failure = Failure::Message { number: self.input.messages, fault };
        self.failure = Some(failure.clone());
        Err(failure)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do. One timer for the connection, not one for each
    /// query: a server may well answer them one after the other (RFC 6926 section 7.7). It does not run while there are
    /// messages to take.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.failure.is_some() {
            return None;
        }
        let sending = self.sending_since.map(|since| since + self.timeouts.data);
        // Nobody answers an active query before it has been sent.
        let unasked = self.outstanding.is_empty() || (self.is_active() && sending.is_some());
        let waiting = (!unasked && !self.busy).then(|| self.waiting_since + self.patience());
        [sending, waiting].into_iter().flatten().min()
    }

    /// Fails if a timer is due; harmless if none is.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        let blocked = self.sending_since.is_some_and(|since| now >= since + self.timeouts.data);
        let failure = if blocked { Failure::Blocked(self.timeouts.data) } else { Failure::NoData(self.patience()) };
        self.failure = Some(failure.clone());
        Err(failure)
    }

    /// How long the server may say nothing.
    fn patience(&self) -> Duration {
        if self.is_active() { self.timeouts.active_receive } else { self.timeouts.data }
    }

    fn is_active(&self) -> bool {
        self.asked == Some(Kind::Active)
    }

    /// Whether all that was asked has been answered. If no other query is in sight the connection should be closed now,
    /// gracefully (RFC 6926 section 7.8).
    pub fn wants_close(&self) -> bool {
        self.asked.is_some() && self.outstanding.is_empty() && self.failure.is_none()
    }

    /// How far the server's clock is ahead.
    pub fn skew(&self) -> Skew {
        self.skew
    }

    /// Begins with what is known of the server's clock from elsewhere.
    pub fn set_skew(&mut self, skew: Skew) {
        self.skew = skew;
    }
}

/// What has been received and not yet taken.
#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    /// How many of them have been taken.
    taken: usize,
    /// Messages begun so far.
    messages: u64,
}

impl Input {
    /// Whether nothing has ever come.
    fn is_untouched(&self) -> bool {
        self.messages == 0 && self.bytes.is_empty()
    }

    /// Adds octets and drops those that have been taken, unless they are still `needed` from some place on. Says how many
    /// were dropped.
    fn add(&mut self, bytes: &[u8], needed: Option<usize>) -> usize {
        let dropped = needed.unwrap_or(self.taken);
        self.bytes.drain(..dropped);
        self.taken -= dropped;
        self.bytes.extend_from_slice(bytes);
        dropped
    }

    /// Takes the next message, if there is a whole one: where it is in `bytes`.
    #[inline]
    fn next(&mut self, minimum: usize) -> Result<Option<Range<usize>>, Fault> {
        match split_frame(&self.bytes[self.taken..], minimum) {
            Ok(Framing::NeedMore { .. }) => Ok(None),
            Ok(Framing::Frame { body, rest }) => {
                let end = self.bytes.len() - rest.len();
                let message = end - body.len()..end;
                self.messages += 1;
                self.taken = end;
                Ok(Some(message))
            }
            Err(fault) => {
                self.messages += 1;
                Err(fault.into())
            }
        }
    }
}

#[cfg(test)]
mod tests;
