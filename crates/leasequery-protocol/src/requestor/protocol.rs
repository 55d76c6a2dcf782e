use std::time::Duration;

use leasequery_store::Time;

use super::{Fault, Refusal, Violation};
use crate::clock::Skew;
use crate::code::{MessageType, StatusCode};

/// The messages of one protocol, seen from the requestor.
pub trait Protocol {
    /// A query, as the caller describes it.
    type Query: Clone;
    /// Why a query cannot be asked.
    type QueryError;
    /// What is remembered of a query while it is outstanding.
    type Memory: std::fmt::Debug + Send + 'static;
    /// What is remembered of the message at hand while it is read for each of its bindings, so that all of them together
    /// cost no more than it is long.
    type Layout: std::fmt::Debug + Default + Send + 'static;
    /// Knowledge about one binding, borrowed from the message.
    type Record<'a>;

    /// The least octets a message has; a frame that announces fewer is a fault.
    const MIN_MESSAGE: usize;
    /// The highest transaction id.
    const MAX_TRANSACTION_ID: u32 = u32::MAX;

    /// Whether a query goes on for ever, alone on its connection.
    fn is_active(query: &Self::Query) -> bool;

    /// Appends the query's frame. On an error nothing is appended.
    fn write(&self, query: &Self::Query, xid: u32, out: &mut Vec<u8>) -> Result<Self::Memory, Self::QueryError>;

    /// Appends the frame that asks for TLS (RFC 7724 section 7.2, RFC 7653 section 8.1).
    fn write_tls(xid: u32, out: &mut Vec<u8>);

    /// Judges the answer to that: no status, or success, says that the handshake may begin.
    fn read_tls(message: &[u8], xid: u32) -> Result<(), Refusal>;

    /// Reads a message, finds its query and, if it ends the response, takes the query out. A base-time goes into the
    /// skew before times are converted. `arrival` is local time. A message about several bindings is read again for each
    /// of them: this is the `nth` time, and the answer says whether there is another. The `layout` is what the first time
    /// has left.
    fn read<'a>(
        &self,
        message: &'a [u8],
        nth: usize,
        layout: &mut Self::Layout,
        outstanding: &mut Outstanding<Self::Memory>,
        skew: &mut Skew,
        arrival: Time,
    ) -> Result<(Event<Self::Record<'a>>, bool), Fault>;
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
    /// A binding that the server could not tell of: no knowledge, but something for the log. The query goes on (RFC 6926
    /// section 6.2.2).
    Failed {
        /// Transaction id of the query.
        xid: u32,
        /// The binding, for people.
        about: String,
        /// What happened.
        status: StatusCode,
        /// The server's text for people.
        text: String,
    },
    /// A message that tells of nothing, or not enough: it is as if it had not come (RFC 5460 section 6.3, RFC 5007 section
    /// 4.3.3).
    Discarded {
        /// Transaction id of the query.
        xid: u32,
    },
    /// What the server says about an active response.
    Status {
        /// Transaction id of the query.
        xid: u32,
        /// What it means.
        status: ActiveStatus,
        /// The base-time that came with it, in the server's clock.
        base_time: Option<Time>,
        /// The server's text for people.
        text: String,
    },
    /// The end of a response to a bulk query.
    Done {
        /// Transaction id of the query.
        xid: u32,
        /// How it ended.
        done: Done,
    },
}

/// What a server says about an active response (RFC 7724 section 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActiveStatus {
    /// It is still there.
    Alive,
    /// Everything that changed since query-start-time has been told.
    CatchUpComplete,
    /// Not everything that changed since query-start-time can be told.
    DataMissing,
    /// The response has ended, for this reason.
    Ended(StatusCode),
    /// A status without a meaning here. The response goes on.
    Other(StatusCode),
}

/// The final message of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What became of the query. Anything but success means that the response is incomplete.
    pub status: StatusCode,
    /// The server's text for people.
    pub text: String,
    /// Where a later query for changes has to start, in the server's clock: the base-time of the first message of the
    /// response, because what was sent early may have changed while the rest came (RFC 6926 section 7.4); or, if that
    /// message was long in coming, when the query was asked, because a server may stamp it when it sends it, and what it
    /// looked at before may have changed since. Absent if the query failed, or if that message had no base-time.
    pub resume_point: Option<Time>,
}

/// The queries that have not been answered to their end, by transaction id. There are few at a time.
#[derive(Debug)]
pub struct Outstanding<M> {
    queries: Vec<Asked<M>>,
    now: Duration,
}

/// A query that was asked.
#[derive(Debug)]
struct Asked<M> {
    xid: u32,
    at: Duration,
    memory: M,
}

/// A first message that comes within this time was stamped when the query was asked, as near as whole seconds tell.
const PROMPT: Duration = Duration::from_secs(1);

impl<M> Outstanding<M> {
    /// The query that a message of this type answers (RFC 6926 section 7.3).
    #[inline]
    pub fn find(&mut self, xid: u32, kind: impl Into<MessageType>) -> Result<&mut M, Violation> {
        let found = self.queries.iter_mut().find(|asked| asked.xid == xid);
        found.map(|asked| &mut asked.memory).ok_or_else(|| Violation::UnknownXid { kind: kind.into(), xid })
    }

    /// Takes out the query that a message of this type ends.
    pub fn end(&mut self, xid: u32, kind: impl Into<MessageType>) -> Result<M, Violation> {
        let place = self.queries.iter().position(|asked| asked.xid == xid);
        let place = place.ok_or_else(|| Violation::UnknownXid { kind: kind.into(), xid })?;
        Ok(self.queries.swap_remove(place).memory)
    }

    /// For how many seconds, rounded up, a query has been waiting for its first message; none if that is prompt.
    pub(super) fn waited(&self, xid: u32) -> u32 {
        let asked = self.queries.iter().find(|asked| asked.xid == xid);
        let waited = asked.map_or(Duration::ZERO, |asked| self.now.saturating_sub(asked.at));
        if waited < PROMPT { 0 } else { u32::try_from(waited.as_secs()).unwrap_or(u32::MAX).saturating_add(1) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    pub(super) fn add(&mut self, xid: u32, memory: M, now: Duration) {
        self.queries.push(Asked { xid, at: now, memory });
    }

    /// Sets what is now, from the same start as for what is added.
    #[inline]
    pub(super) fn set_now(&mut self, now: Duration) {
        self.now = now;
    }
}

impl<M> Default for Outstanding<M> {
    fn default() -> Self {
        Self { queries: Vec::new(), now: Duration::ZERO }
    }
}
