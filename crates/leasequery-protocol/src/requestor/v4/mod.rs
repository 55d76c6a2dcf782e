//! DHCPv4: Bulk Leasequery as a requestor asks and reads it (RFC 6926 section 7).

mod query;
mod record;

use std::net::Ipv4Addr;

use leasequery_store::Time;
use leasequery_wire::v4::{MIN_MESSAGE, Message, MessageType, StatusCode, Vpn};

use super::{Done, Failure, Protocol, Reply, Violation};
use crate::clock::Skew;

pub use query::{BulkQuery, Primary, VpnChoice};
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
pub struct Outstanding {
    vpn: VpnChoice,
    /// From the first message of the response (RFC 6926 section 7.3).
    server: Option<Ipv4Addr>,
    begun: bool,
    resume_point: Option<Time>,
}

impl Outstanding {
    /// Notes what a message tells about its response, and gives the base-time that its times count from.
    fn note(&mut self, message: &Message<'_>, skew: &mut Skew, arrival: Time) -> Result<Time, Failure> {
        let base_time = message.base_time()?.map(Time);
        if let Some(base_time) = base_time {
            skew.observe(base_time, arrival);
        }
        if let Some(server) = message.server_identifier()? {
            self.server = Some(server);
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.resume_point = base_time;
        }
        Ok(base_time.unwrap_or_else(|| skew.to_server(arrival)))
    }

    /// Refuses a reply about another VPN than the one asked for.
    fn check_vpn(&self, vpn: Option<Vpn<'_>>) -> Result<(), Failure> {
        let vpn = vpn.unwrap_or(Vpn::Default);
        let right = match &self.vpn {
            VpnChoice::All => vpn != Vpn::All,
            VpnChoice::Default => vpn == Vpn::Default,
            VpnChoice::Name(name) => vpn == Vpn::Name(name),
            VpnChoice::Id(id) => vpn == Vpn::Id(*id),
        };
        if right {
            return Ok(());
        }
        Err(Violation::WrongVpn { found: format!("{vpn:?}"), asked: format!("{:?}", self.vpn) }.into())
    }
}

impl Protocol for V4 {
    type Query = BulkQuery;
    type Outstanding = Outstanding;
    type Record<'a> = Record<'a>;

    const MIN_MESSAGE: usize = MIN_MESSAGE;

    fn write(&self, query: &BulkQuery, xid: u32, out: &mut Vec<u8>) -> Outstanding {
        query.write(xid, out);
        Outstanding { vpn: query.vpn.clone(), server: self.peer, begun: false, resume_point: None }
    }

    fn xid(message: &[u8]) -> Option<u32> {
        message.get(4..8)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn kind(message: &[u8]) -> MessageType {
        Message::parse(message).map_or(MessageType(0), |message| message.message_type())
    }

    fn is_final(kind: MessageType) -> bool {
        kind == MessageType::LEASE_QUERY_DONE
    }

    fn read<'a>(
        &self,
        message: &'a [u8],
        query: &mut Outstanding,
        skew: &mut Skew,
        arrival: Time,
    ) -> Result<Reply<Record<'a>>, Failure> {
        let message = Message::parse(message)?;
        let kind = message.message_type();
        if kind != MessageType::LEASE_ACTIVE && kind != MessageType::LEASE_UNASSIGNED {
            return Err(Violation::UnexpectedType(kind).into());
        }
        let base_time = query.note(&message, skew, arrival)?;
        if let Some(status) = message.status()?
            && status.code != StatusCode::SUCCESS
        {
            return Ok(Reply::Failed { status: status.code, text: status.text.into_owned() });
        }
        if message.ciaddr().is_unspecified() {
            return Err(Violation::NoAddress(kind).into());
        }
        query.check_vpn(message.vpn()?)?;
        Ok(Reply::Record(Record::new(message, base_time, query.server, *skew)?))
    }

    fn read_final(
        &self,
        message: &[u8],
        mut query: Outstanding,
        skew: &mut Skew,
        arrival: Time,
    ) -> Result<Done, Failure> {
        let message = Message::parse(message)?;
        query.note(&message, skew, arrival)?;
        let (status, text) = match message.status()? {
            Some(status) => (status.code, status.text.into_owned()),
            // No status-code is success (RFC 6926 section 6.2.2).
            None => (StatusCode::SUCCESS, String::new()),
        };
        Ok(Done { status, text, resume_point: query.resume_point })
    }
}
