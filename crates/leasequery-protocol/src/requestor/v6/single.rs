use std::net::Ipv6Addr;
use std::sync::Arc;

use leasequery_store::Time;
use leasequery_wire::DecodeError;
use leasequery_wire::v6::{Message, MessageType, MessageWriter, OptionCode, StatusCode};
use thiserror::Error;

use super::query::{Primary, Selector, wanted};
use super::{Layout, QueryError, Record, status};
use crate::clock::{Made, Skew};

/// A query over UDP (RFC 5007 section 4.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleQuery {
    /// What it is about: an address or a DUID. All else is for queries over TCP (RFC 5460 section 4).
    pub selector: Selector,
    /// Codes of options wanted besides the usual ones.
    pub options: Vec<u16>,
    /// The requestor's own DUID.
    pub client_id: Arc<[u8]>,
    /// The DUID of the only server that is to answer; for queries that more than one server gets.
    pub server_id: Option<Vec<u8>>,
}

/// What a server answers.
#[derive(Debug)]
pub enum Answer<'a> {
    /// The leases of the client on one link; none if the server knows of none.
    Leases(Vec<Record<'a>>),
    /// The client is on several links: each has to be asked for (RFC 5007 section 4.3.3).
    Links(Vec<Ipv6Addr>),
    /// It cannot or will not answer, for this reason.
    Failed(StatusCode, String),
}

/// Why a datagram is not the answer that is awaited (RFC 5007 section 4.2.2). Anybody can send one, so it fails nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Ignored {
    /// Its octets are no message, or an option is malformed.
    #[error("malformed message: {0}")]
    Malformed(#[from] DecodeError),
    /// It is something else than a LEASEQUERY-REPLY.
    #[error("{0} is no answer to the query")]
    UnexpectedType(MessageType),
    /// It answers another query.
    #[error("its transaction-id is {0:#08x}, not that of the query")]
    OtherXid(u32),
    /// It is from nobody, or for another requestor.
    #[error("LEASEQUERY-REPLY {0}")]
    Unaddressed(&'static str),
}

impl SingleQuery {
    /// Appends the query. On an error nothing is appended.
    pub fn write(&self, xid: u32, out: &mut Vec<u8>) -> Result<(), QueryError> {
        if !matches!(self.selector.primary, Primary::Address(_) | Primary::ClientId(_)) {
            return Err(QueryError::OnlyTcp);
        }
        self.selector.check()?;
        let options = wanted(&self.options)?;
        let mut writer = MessageWriter::datagram(out, MessageType::LEASE_QUERY, xid);
        writer.option(OptionCode::CLIENT_ID, &self.client_id);
        if let Some(server_id) = &self.server_id {
            writer.option(OptionCode::SERVER_ID, server_id);
        }
        self.selector.write(&options, &mut writer);
        Ok(writer.finish()?)
    }

    /// Reads a datagram that came at `arrival`, by the local clock, while this query was outstanding with `xid`.
    pub fn read<'a>(&self, xid: u32, datagram: &'a [u8], arrival: Time) -> Result<Answer<'a>, Ignored> {
        let message = Message::parse(datagram)?;
        if message.message_type() != MessageType::LEASE_QUERY_REPLY {
            return Err(Ignored::UnexpectedType(message.message_type()));
        }
        if message.transaction_id() != xid {
            return Err(Ignored::OtherXid(message.transaction_id()));
        }
        let server: Arc<[u8]> = message.server_id()?.ok_or(Ignored::Unaddressed("without OPTION_SERVERID"))?.into();
        let client = message.client_id()?.ok_or(Ignored::Unaddressed("without OPTION_CLIENTID"))?;
        if client != &*self.client_id {
            return Err(Ignored::Unaddressed("with the OPTION_CLIENTID of another requestor"));
        }
        match status(&message)? {
            (StatusCode::SUCCESS, _) => {}
            (code, text) => return Ok(Answer::Failed(code, text)),
        }
        if let Some(links) = message.client_links()? {
            return Ok(Answer::Links(links.collect()));
        }
        // Times count from when the message was made, which is now, whether or not it says so.
        let mut skew = Skew::default();
        let base_time = super::base_time(&message)?;
        if let Some(base_time) = base_time {
            skew.observe(base_time, arrival);
        }
        let mut records = Vec::new();
        let mut layout = Layout::default();
        let leases = if layout.find(&message)? { layout.leases() } else { 0 };
        let layout = Arc::new(layout);
        for nth in 0..leases {
            records.extend(Record::new(
                datagram,
                &layout,
                nth,
                Made::new(base_time, skew, arrival),
                Some(&server),
                skew,
            )?);
        }
        Ok(Answer::Leases(records))
    }
}
