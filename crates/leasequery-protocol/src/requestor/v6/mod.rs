//! DHCPv6: Leasequery as a requestor asks and reads it (RFC 5007 section 4.3, RFC 5460 section 6, RFC 7653 section 8).

mod layout;
mod query;
mod record;
mod single;

use std::net::SocketAddr;
use std::sync::Arc;

use leasequery_store::Time;
use leasequery_wire::DecodeError;
use leasequery_wire::v6::{MAX_TRANSACTION_ID, MIN_MESSAGE, Message, MessageType, MessageWriter, StatusCode};

use super::{ActiveStatus, Done, Event, Fault, Outstanding, Protocol, QueryError, Refusal, Violation};
use crate::clock::{Made, Skew};

pub use layout::Layout;
pub use query::{ActiveQuery, BulkQuery, Primary, Query, Selector};
pub use record::{Record, Times};
pub use single::{Answer, Ignored, SingleQuery};

/// Seconds from 1970, where the store counts from, to 2000, where DHCPv6 does (RFC 7653 section 2).
const EPOCH: u32 = 946_684_800;

/// DHCPv6 on a connection with one server.
#[derive(Debug, Clone)]
pub struct V6 {
    client_id: Arc<[u8]>,
    /// Where this requestor listens itself.
    listeners: Arc<[SocketAddr]>,
}

impl V6 {
    /// `client_id` is the requestor's own DUID.
    pub fn new(client_id: Arc<[u8]>) -> Self {
        Self { client_id, listeners: Arc::default() }
    }

    /// Says where this requestor is a server itself, so that nobody waits for it to hear what only it can know.
    #[must_use]
    pub fn listening(self, listeners: Arc<[SocketAddr]>) -> Self {
        Self { listeners, ..self }
    }

    /// Who a LEASEQUERY-REPLY is from, if it is from anybody and for us (RFC 5007 section 4.2.2).
    fn check(&self, message: &Message<'_>) -> Result<Arc<[u8]>, Fault> {
        let server = message.server_id()?.ok_or(Violation::Unaddressed("without OPTION_SERVERID"))?;
        match message.client_id()? {
            None => Err(Violation::Unaddressed("without OPTION_CLIENTID").into()),
            Some(client) if *client != *self.client_id => {
                Err(Violation::Unaddressed("with the OPTION_CLIENTID of another requestor").into())
            }
            Some(_) => Ok(server.into()),
        }
    }
}

/// What is remembered of a query while it is outstanding.
#[derive(Debug)]
pub struct Memory {
    active: bool,
    /// The catch-up phase of an active response, whose base-times lie in the past.
    catching_up: bool,
    /// Who answers, once the LEASEQUERY-REPLY has come.
    server: Option<Arc<[u8]>>,
    /// Base-time of that message, less the time for which it was waited for.
    first_base_time: Option<Time>,
    /// The base-time of the latest message, if it is to be believed.
    base_time: Option<Time>,
    begun: bool,
}

impl Memory {
    /// Notes the base-time of a message if it is to be believed. `waited` is for how many seconds the first message of a
    /// bulk response was waited for.
    fn note(&mut self, message: &Message<'_>, waited: u32, skew: &mut Skew, arrival: Time) -> Result<(), DecodeError> {
        self.base_time = base_time(message)?.filter(|base_time| match waited {
            _ if self.catching_up => skew.observe_past(*base_time, arrival),
            0 => skew.observe(*base_time, arrival),
            waited => skew.observe_late(*base_time, arrival, waited),
        });
        if !std::mem::replace(&mut self.begun, true) {
            self.first_base_time = self.base_time.map(|base_time| base_time.minus(waited));
        }
        Ok(())
    }

    /// The `nth` lease that a message tells of, and whether there is another.
    fn tell<'a>(
        &self,
        message: &'a [u8],
        nth: usize,
        layout: &Arc<Layout>,
        skew: Skew,
        arrival: Time,
    ) -> Result<(Event<Record<'a>>, bool), Fault> {
        let (xid, made) = (layout.xid, Made::new(self.base_time, skew, arrival));
        Ok(match Record::new(message, layout, nth, made, self.server.as_ref(), skew)? {
            Some(record) => {
                let more = !record.is_last();
                (Event::Record { xid, record }, more)
            }
            None => (Event::Discarded { xid }, false),
        })
    }

    fn done(&self, (status, text): (StatusCode, String)) -> Done {
        let resume_point =
            self.first_base_time.filter(|_| status == StatusCode::SUCCESS || status == StatusCode::UNSPEC_FAIL);
        Done { status: status.into(), text, resume_point }
    }
}

/// The base-time by the scale of the store, which ends in 2106, and the end means never; DHCPv6 counts until 2136.
fn base_time(message: &Message<'_>) -> Result<Option<Time>, DecodeError> {
    Ok(message.base_time()?.map(|seconds| Time(seconds.saturating_add(EPOCH).min(u32::MAX - 1))))
}

/// What a message says of itself, or its response. No status is success (RFC 8415 section 21.13).
fn status(message: &Message<'_>) -> Result<(StatusCode, String), DecodeError> {
    Ok(match message.status()? {
        Some(status) => (status.code, status.text.into_owned()),
        None => (StatusCode::SUCCESS, String::new()),
    })
}

impl Protocol for V6 {
    type Query = Query;
    type QueryError = QueryError;
    type Memory = Memory;
    type Layout = Arc<Layout>;
    type Record<'a> = Record<'a>;

    const MIN_MESSAGE: usize = MIN_MESSAGE;
    const MAX_TRANSACTION_ID: u32 = MAX_TRANSACTION_ID;

    fn is_active(query: &Query) -> bool {
        matches!(query, Query::Active(_))
    }

    fn write(&self, query: &Query, xid: u32, out: &mut Vec<u8>) -> Result<Memory, QueryError> {
        query.write(&self.client_id, &self.listeners, xid, out)?;
        let catching_up = matches!(query, Query::Active(ActiveQuery { since: Some(_), .. }));
        let active = Self::is_active(query);
        Ok(Memory { active, catching_up, server: None, first_base_time: None, base_time: None, begun: false })
    }

    /// No options (RFC 7653 section 8.1).
    fn write_tls(xid: u32, out: &mut Vec<u8>) {
        let result = MessageWriter::frame(out, MessageType::START_TLS, xid).finish();
        debug_assert_eq!(result, Ok(()), "a message without options always fits");
    }

    /// What else is in the REPLY is of no account: RFC 7653 section 8.1 says nothing about it.
    fn read_tls(message: &[u8], xid: u32) -> Result<(), Refusal> {
        let message = Message::parse(message)?;
        let kind = message.message_type();
        if kind != MessageType::REPLY || message.transaction_id() != xid {
            return Err(Refusal::NoSuchAnswer { kind: kind.into(), xid: message.transaction_id() });
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
        nth: usize,
        layout: &mut Arc<Layout>,
        outstanding: &mut Outstanding<Memory>,
        skew: &mut Skew,
        arrival: Time,
    ) -> Result<(Event<Record<'a>>, bool), Fault> {
        if nth > 0 {
            let memory = outstanding.find(layout.xid, MessageType(layout.kind))?;
            return memory.tell(message, nth, layout, *skew, arrival);
        }
        let octets = message;
        let message = Message::parse(octets)?;
        let (xid, kind) = (message.transaction_id(), message.message_type());
        let Memory { active, ref server, .. } = *outstanding.find(xid, kind)?;
        let waited = if active || server.is_some() { 0 } else { outstanding.waited(xid) };
        let memory = outstanding.find(xid, kind)?;
        match kind {
            MessageType::LEASE_QUERY_REPLY if memory.server.is_none() => {
                memory.server = Some(self.check(&message)?);
            }
            MessageType::LEASE_QUERY_DATA | MessageType::LEASE_QUERY_DONE if memory.server.is_some() => {}
            MessageType::LEASE_QUERY_REPLY | MessageType::LEASE_QUERY_DATA | MessageType::LEASE_QUERY_DONE => {
                return Err(Violation::OutOfTurn(kind.into()).into());
            }
            other => return Err(Violation::UnexpectedType(other.into()).into()),
        }
        let event = if memory.active {
            about_active(&message, outstanding, skew, arrival)?
        } else {
            about_bulk(&message, waited, outstanding, skew, arrival)?
        };
        if let Some(event) = event {
            return Ok((event, false));
        }
        let memory = outstanding.find(xid, kind)?;
        memory.note(&message, waited, skew, arrival)?;
        if !Arc::make_mut(layout).find(&message)? {
            return Ok((Event::Discarded { xid }, false));
        }
        memory.tell(octets, nth, layout, *skew, arrival)
    }
}

/// What a message of a bulk response is, if it is not about a client.
fn about_bulk<'a>(
    message: &Message<'_>,
    waited: u32,
    outstanding: &mut Outstanding<Memory>,
    skew: &mut Skew,
    arrival: Time,
) -> Result<Option<Event<Record<'a>>>, Fault> {
    let (xid, kind) = (message.transaction_id(), message.message_type());
    let status = status(message)?;
    let tells = message.client_data()?.is_some() && status.0 == StatusCode::SUCCESS;
    let ends = match kind {
        // Nothing comes behind an error, nor if there is nothing to tell (RFC 5460 section 6.3.1).
        MessageType::LEASE_QUERY_REPLY => !tells,
        MessageType::LEASE_QUERY_DONE => true,
        _ => false,
    };
    if ends {
        let mut memory = outstanding.end(xid, kind)?;
        memory.note(message, waited, skew, arrival)?;
        return Ok(Some(Event::Done { xid, done: memory.done(status) }));
    }
    Ok(match status {
        (StatusCode::SUCCESS, _) => None,
        (status, text) => {
            outstanding.find(xid, kind)?.note(message, waited, skew, arrival)?;
            Some(Event::Failed { xid, about: "a client".to_owned(), status: status.into(), text })
        }
    })
}

/// What a message of an active response is, if it is not about a client.
fn about_active<'a>(
    message: &Message<'_>,
    outstanding: &mut Outstanding<Memory>,
    skew: &mut Skew,
    arrival: Time,
) -> Result<Option<Event<Record<'a>>>, Fault> {
    let (xid, kind) = (message.transaction_id(), message.message_type());
    let (code, text) = status(message)?;
    let status = match code {
        code if kind == MessageType::LEASE_QUERY_DONE => ActiveStatus::Ended(code.into()),
        StatusCode::SUCCESS if message.client_data()?.is_some() => return Ok(None),
        StatusCode::SUCCESS => ActiveStatus::Alive,
        StatusCode::CATCH_UP_COMPLETE => ActiveStatus::CatchUpComplete,
        // It ends the catch-up phase and not the response, even in the first message (RFC 7653 section 8.4).
        StatusCode::DATA_MISSING => ActiveStatus::DataMissing,
        code if kind == MessageType::LEASE_QUERY_REPLY => ActiveStatus::Ended(code.into()),
        code => ActiveStatus::Other(code.into()),
    };
    let memory = outstanding.find(xid, kind)?;
    if matches!(status, ActiveStatus::CatchUpComplete | ActiveStatus::DataMissing) {
        memory.catching_up = false;
    }
    memory.note(message, 0, skew, arrival)?;
    let base_time = memory.base_time;
    if matches!(status, ActiveStatus::Ended(_)) {
        outstanding.end(xid, kind)?;
    }
    Ok(Some(Event::Status { xid, status, base_time, text }))
}
