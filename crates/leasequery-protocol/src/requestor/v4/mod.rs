//! DHCPv4 as a requestor asks and reads it: single queries over UDP (RFC 4388 section 6.2), Bulk and Active Leasequery
//! over TCP (RFC 6926 section 7, RFC 7724 section 7).

mod query;
mod record;
mod single;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use leasequery_store::Time;
use leasequery_wire::DecodeError;
use leasequery_wire::v4::Vpn;
use leasequery_wire::v4::{
    BOOT_REPLY, BOOT_REQUEST, Header, MIN_MESSAGE, Message, MessageType, MessageWriter, StatusCode,
};

use super::{ActiveStatus, Done, Event, Fault, Outstanding, Protocol, QueryError, Refusal, Violation};
use crate::clock::{Made, Skew};

pub use query::{ActiveQuery, BulkQuery, Primary, Query, VpnChoice};
pub use record::{Record, Times};
pub use single::{Answer, Ignored, SingleQuery, Target, is_full};

/// DHCPv4 on a connection with one server.
#[derive(Debug, Clone)]
pub struct V4 {
    /// Names the server where its messages do not.
    peer: Option<Ipv4Addr>,
    /// Where this requestor listens itself.
    listeners: Arc<[SocketAddr]>,
}

impl V4 {
    /// `peer` is the server's address, for servers that send no server-identifier.
    pub fn new(peer: Option<Ipv4Addr>) -> Self {
        Self { peer, listeners: Arc::default() }
    }

    /// Says where this requestor is a server itself, so that nobody waits for it to hear what only it can know.
    #[must_use]
    pub fn listening(self, listeners: Arc<[SocketAddr]>) -> Self {
        Self { listeners, ..self }
    }
}

/// What is remembered of a query while it is outstanding.
#[derive(Debug)]
pub struct Memory {
    active: bool,
    /// The catch-up phase of an active response, whose base-times lie in the past.
    catching_up: bool,
    vpn: VpnChoice,
    /// The server's own name for itself: the first one that came counts for the whole response (RFC 6926 section 7.3).
    server_id: Option<Ipv4Addr>,
    begun: bool,
    /// Base-time of the first message, less the time for which it was waited for.
    first_base_time: Option<Time>,
}

impl Memory {
    /// Notes what a message tells about its response, and gives its base-time if it is to be believed. `waited` is for how
    /// many seconds the first message of a bulk response was waited for.
    #[inline]
    fn note(
        &mut self,
        message: &Message<'_>,
        waited: u32,
        skew: &mut Skew,
        arrival: Time,
    ) -> Result<Option<Time>, DecodeError> {
        let base_time = base_time(message)?.filter(|base_time| match waited {
            _ if self.catching_up => skew.observe_past(*base_time, arrival),
            0 => skew.observe(*base_time, arrival),
            waited => skew.observe_late(*base_time, arrival, waited),
        });
        if self.server_id.is_none() {
            self.server_id = message.server_identifier()?;
        }
        if !self.begun {
            self.begun = true;
            self.first_base_time = base_time.map(|base_time| base_time.minus(waited));
        }
        Ok(base_time)
    }

    fn check_vpn(&self, found: Vpn<'_>) -> Result<(), Violation> {
        if self.vpn.covers(found) {
            return Ok(());
        }
        Err(Violation::WrongVpn { found: query::describe(found), asked: self.vpn.to_string() })
    }

    /// Reads the final message.
    fn end(mut self, message: &Message<'_>, waited: u32, skew: &mut Skew, arrival: Time) -> Result<Done, DecodeError> {
        self.note(message, waited, skew, arrival)?;
        let (status, text) = status(message)?;
        let resume_point =
            self.first_base_time.filter(|_| status == StatusCode::SUCCESS || status == StatusCode::UNSPEC_FAIL);
        Ok(Done { status: status.into(), text, resume_point })
    }
}

/// The base-time; the end of the scale means never, which it is not.
fn base_time(message: &Message<'_>) -> Result<Option<Time>, DecodeError> {
    Ok(message.base_time()?.map(|seconds| Time(seconds.min(u32::MAX - 1))))
}

/// What a message says of itself, or its response. No status-code is success (RFC 6926 section 6.2.2).
fn status(message: &Message<'_>) -> Result<(StatusCode, String), DecodeError> {
    Ok(match message.status()? {
        Some(status) => (status.code, status.text.into_owned()),
        None => (StatusCode::SUCCESS, String::new()),
    })
}

/// Reads what a server says about an active response. Some servers end it as if it were a bulk response.
fn active_status<'a>(
    message: &Message<'_>,
    outstanding: &mut Outstanding<Memory>,
    skew: &mut Skew,
    arrival: Time,
) -> Result<Event<Record<'a>>, Fault> {
    let (xid, kind) = (message.xid(), message.message_type());
    let (code, text) = status(message)?;
    let status = match code {
        code if kind == MessageType::LEASE_QUERY_DONE => ActiveStatus::Ended(code.into()),
        StatusCode::SUCCESS | StatusCode::CONNECTION_ACTIVE => ActiveStatus::Alive,
        StatusCode::CATCH_UP_COMPLETE => ActiveStatus::CatchUpComplete,
        StatusCode::DATA_MISSING => ActiveStatus::DataMissing,
        StatusCode::UNSPEC_FAIL
        | StatusCode::QUERY_TERMINATED
        | StatusCode::MALFORMED_QUERY
        | StatusCode::NOT_ALLOWED => ActiveStatus::Ended(code.into()),
        code => ActiveStatus::Other(code.into()),
    };
    let memory = outstanding.find(xid, kind)?;
    if matches!(status, ActiveStatus::CatchUpComplete | ActiveStatus::DataMissing) {
        memory.catching_up = false;
    }
    let base_time = memory.note(message, 0, skew, arrival)?;
    if matches!(status, ActiveStatus::Ended(_)) {
        outstanding.end(xid, kind)?;
    }
    Ok(Event::Status { xid, status, base_time, text })
}

/// Whether a message tells of nothing at all: a keep-alive in the manner of some servers.
fn is_empty(message: &Message<'_>) -> bool {
    message.ciaddr().is_unspecified() && message.chaddr().is_empty() && message.client_identifier().is_none()
}

impl Protocol for V4 {
    type Query = Query;
    type QueryError = QueryError;
    type Memory = Memory;
    type Layout = ();
    type Record<'a> = Record<'a>;

    const MIN_MESSAGE: usize = MIN_MESSAGE;

    fn is_active(query: &Query) -> bool {
        matches!(query, Query::Active(_))
    }

    fn write(&self, query: &Query, xid: u32, out: &mut Vec<u8>) -> Result<Memory, QueryError> {
        let (vpn, catching_up) = match query {
            Query::Bulk(query) => {
                query.write(&self.listeners, xid, out)?;
                (query.vpn.clone(), false)
            }
            Query::Active(query) => {
                query.write(&self.listeners, xid, out)?;
                (query.vpn.clone().unwrap_or(VpnChoice::All), query.since.is_some())
            }
        };
        let active = Self::is_active(query);
        Ok(Memory { active, catching_up, vpn, server_id: None, begun: false, first_base_time: None })
    }

    /// No options: all that has to be said is the type (RFC 7724 section 7.2).
    fn write_tls(xid: u32, out: &mut Vec<u8>) {
        let result = MessageWriter::frame(out, &Header::new(BOOT_REQUEST, xid), MessageType::TLS).finish();
        debug_assert_eq!(result, Ok(()), "a message without options always fits");
    }

    fn read_tls(message: &[u8], xid: u32) -> Result<(), Refusal> {
        let message = Message::parse(message)?;
        let kind = message.message_type();
        if message.op() != BOOT_REPLY || kind != MessageType::TLS || message.xid() != xid {
            return Err(Refusal::NoSuchAnswer { kind: kind.into(), xid: message.xid() });
        }
        match status(&message)? {
            (StatusCode::SUCCESS, _) => Ok(()),
            (status, text) => Err(Refusal::Refused { status: status.into(), text }),
        }
    }

    #[inline]
    fn read<'a>(
        &self,
        message: &'a [u8],
        _nth: usize,
        _layout: &mut (),
        outstanding: &mut Outstanding<Memory>,
        skew: &mut Skew,
        arrival: Time,
    ) -> Result<(Event<Record<'a>>, bool), Fault> {
        read(self.peer, message, outstanding, skew, arrival).map(|event| (event, false))
    }
}

#[inline]
fn read<'a>(
    peer: Option<Ipv4Addr>,
    message: &'a [u8],
    outstanding: &mut Outstanding<Memory>,
    skew: &mut Skew,
    arrival: Time,
) -> Result<Event<Record<'a>>, Fault> {
    let message = Message::parse(message)?;
    let (xid, kind) = (message.xid(), message.message_type());
    let Memory { active, begun, .. } = *outstanding.find(xid, kind)?;
    if active && (matches!(kind, MessageType::LEASE_QUERY_STATUS | MessageType::LEASE_QUERY_DONE)) {
        return active_status(&message, outstanding, skew, arrival);
    }
    let waited = if active || begun { 0 } else { outstanding.waited(xid) };
    if kind == MessageType::LEASE_QUERY_DONE {
        let memory = outstanding.end(xid, kind)?;
        return Ok(Event::Done { xid, done: memory.end(&message, waited, skew, arrival)? });
    }
    let memory = outstanding.find(xid, kind)?;
    if kind != MessageType::LEASE_ACTIVE && kind != MessageType::LEASE_UNASSIGNED {
        return Err(Violation::UnexpectedType(kind.into()).into());
    }
    let base_time = memory.note(&message, waited, skew, arrival)?;
    if let Some(status) = message.status()?
        && status.code != StatusCode::SUCCESS
    {
        let about = message.ciaddr().to_string();
        return Ok(Event::Failed { xid, about, status: status.code.into(), text: status.text.into_owned() });
    }
    if active && is_empty(&message) {
        return Ok(Event::Status { xid, status: ActiveStatus::Alive, base_time, text: String::new() });
    }
    if message.ciaddr().is_unspecified() {
        return Err(Violation::NoAddress(kind.into()).into());
    }
    memory.check_vpn(message.vpn()?.unwrap_or(Vpn::Default))?;
    let server = memory.server_id.or(peer);
    Ok(Event::Record { xid, record: Record::new(message, Made::new(base_time, *skew, arrival), server, *skew)? })
}
