//! DHCPv4: Bulk Leasequery as a requestor asks and reads it (RFC 6926 section 7).

mod query;
mod record;

use std::net::Ipv4Addr;

use leasequery_store::Time;
use leasequery_wire::DecodeError;
use leasequery_wire::v4::{MIN_MESSAGE, Message, MessageType, StatusCode, Vpn};

use super::{Done, Event, Fault, Outstanding, Protocol, Violation};
use crate::clock::Skew;

pub use query::{BulkQuery, Primary, QueryError, VpnChoice};
pub use record::{Record, Times};

/// DHCPv4 on a connection with one server.
#[derive(Debug, Clone, Copy)]
pub struct V4 {
    /// Names the server where its messages do not.
    peer: Option<Ipv4Addr>,
}

impl V4 {
    /// `peer` is the server's address, for servers that send no server-identifier.
    pub fn new(peer: Option<Ipv4Addr>) -> Self {
        Self { peer }
    }
}

/// What is remembered of a query while it is outstanding.
#[derive(Debug)]
pub struct Memory {
    vpn: VpnChoice,
    /// The server's own name for itself: the first one that came counts for the whole response (RFC 6926 section 7.3).
    server_id: Option<Ipv4Addr>,
    begun: bool,
    /// Base-time of the first message.
    first_base_time: Option<Time>,
}

impl Memory {
    /// Notes what a message tells about its response, and gives the base-time that its times count from.
    #[inline]
    fn note(&mut self, message: &Message<'_>, skew: &mut Skew, arrival: Time) -> Result<Time, DecodeError> {
        let base_time = message.base_time()?.map(Time);
        if let Some(base_time) = base_time {
            skew.observe(base_time, arrival);
        }
        if self.server_id.is_none() {
            self.server_id = message.server_identifier()?;
        }
        if !self.begun {
            self.begun = true;
            self.first_base_time = base_time;
        }
        // A server that does not know the option has made the message about when it came.
        Ok(base_time.unwrap_or_else(|| skew.to_server(arrival)))
    }

    fn check_vpn(&self, found: Vpn<'_>) -> Result<(), Violation> {
        if self.vpn.covers(found) {
            return Ok(());
        }
        Err(Violation::WrongVpn { found: query::describe(found), asked: self.vpn.to_string() })
    }

    /// Reads the final message.
    fn end(mut self, message: &Message<'_>, skew: &mut Skew, arrival: Time) -> Result<Done, DecodeError> {
        self.note(message, skew, arrival)?;
        let (status, text) = match message.status()? {
            Some(status) => (status.code, status.text.into_owned()),
            // No status-code is success (RFC 6926 section 6.2.2).
            None => (StatusCode::SUCCESS, String::new()),
        };
        let resume_point = self.first_base_time.filter(|_| status == StatusCode::SUCCESS);
        Ok(Done { status, text, resume_point })
    }
}

impl Protocol for V4 {
    type Query = BulkQuery;
    type QueryError = QueryError;
    type Memory = Memory;
    type Record<'a> = Record<'a>;

    const MIN_MESSAGE: usize = MIN_MESSAGE;

    fn write(&self, query: &BulkQuery, xid: u32, out: &mut Vec<u8>) -> Result<Memory, QueryError> {
        query.write(xid, out)?;
        Ok(Memory { vpn: query.vpn.clone(), server_id: None, begun: false, first_base_time: None })
    }

    #[inline]
    fn read<'a>(
        &self,
        message: &'a [u8],
        outstanding: &mut Outstanding<Memory>,
        skew: &mut Skew,
        arrival: Time,
    ) -> Result<Event<Record<'a>>, Fault> {
        let message = Message::parse(message)?;
        let (xid, kind) = (message.xid(), message.message_type());
        if kind == MessageType::LEASE_QUERY_DONE {
            let memory = outstanding.end(xid, kind)?;
            return Ok(Event::Done { xid, done: memory.end(&message, skew, arrival)? });
        }
        let memory = outstanding.find(xid, kind)?;
        if kind != MessageType::LEASE_ACTIVE && kind != MessageType::LEASE_UNASSIGNED {
            return Err(Violation::UnexpectedType(kind).into());
        }
        let base_time = memory.note(&message, skew, arrival)?;
        if let Some(status) = message.status()?
            && status.code != StatusCode::SUCCESS
        {
            let about = message.ciaddr().to_string();
            return Ok(Event::Failed { xid, about, status: status.code, text: status.text.into_owned() });
        }
        if message.ciaddr().is_unspecified() {
            return Err(Violation::NoAddress(kind).into());
        }
        memory.check_vpn(message.vpn()?.unwrap_or(Vpn::Default))?;
        let server = memory.server_id.or(self.peer);
        Ok(Event::Record { xid, record: Record::new(message, base_time, server, *skew)? })
    }
}
