use std::net::{Ipv6Addr, SocketAddr};

use leasequery_store::Time;
use leasequery_wire::v6::{MessageType, MessageWriter, OptionCode, QueryType, is_duid};

use super::EPOCH;
use crate::asker;
use crate::requestor::QueryError;

/// A query over TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// For what there is.
    Bulk(BulkQuery),
    /// For what changes.
    Active(ActiveQuery),
}

impl From<BulkQuery> for Query {
    fn from(query: BulkQuery) -> Self {
        Self::Bulk(query)
    }
}

impl From<&BulkQuery> for Query {
    fn from(query: &BulkQuery) -> Self {
        Self::Bulk(query.clone())
    }
}

impl From<ActiveQuery> for Query {
    fn from(query: ActiveQuery) -> Self {
        Self::Active(query)
    }
}

/// Whose bindings a query is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// What they have in common.
    pub primary: Primary,
    /// Only those on the link of this address.
    pub link: Option<Ipv6Addr>,
}

/// What bindings have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Primary {
    /// Nothing, or the link if one is named.
    #[default]
    All,
    /// Their client has this address, or a prefix around it (RFC 5007 section 4.1.2.1).
    Address(Ipv6Addr),
    /// Their client has this DUID (RFC 5007 section 4.1.2.1).
    ClientId(Vec<u8>),
    /// They were made through the relay with this DUID (RFC 5460 section 5.3.1).
    RelayId(Vec<u8>),
    /// They were made under this Remote-ID, its enterprise number in front (RFC 5460 section 5.3.3).
    RemoteId(Vec<u8>),
}

impl Selector {
    fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    fn query_type(&self) -> QueryType {
        match self.primary {
            Primary::All => QueryType::BY_LINK_ADDRESS,
            Primary::Address(_) => QueryType::BY_ADDRESS,
            Primary::ClientId(_) => QueryType::BY_CLIENT_ID,
            Primary::RelayId(_) => QueryType::BY_RELAY_ID,
            Primary::RemoteId(_) => QueryType::BY_REMOTE_ID,
        }
    }

    /// What cannot be said is refused: cut short it would be another query.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        let (what, id, least, most) = match &self.primary {
            Primary::All | Primary::Address(_) => return Ok(()),
            Primary::ClientId(id) => ("DUID", id, 2, 130),
            Primary::RelayId(id) => ("Relay-ID", id, 2, 130),
            Primary::RemoteId(id) => ("Remote-ID with its enterprise number", id, 5, 60_000),
        };
        if (least..=most).contains(&id.len()) {
            Ok(())
        } else {
            Err(QueryError::Length { what, length: id.len(), least, most })
        }
    }

    /// Appends OPTION_LQ_QUERY.
    pub(super) fn write(&self, options: &[OptionCode], writer: &mut MessageWriter<'_>) {
        let query = writer.query(self.query_type(), self.link.unwrap_or(Ipv6Addr::UNSPECIFIED));
        match &self.primary {
            Primary::All => {}
            Primary::Address(address) => writer.lease(*address, None, 0, 0),
            Primary::ClientId(id) => writer.option(OptionCode::CLIENT_ID, id),
            Primary::RelayId(id) => writer.option(OptionCode::RELAY_ID, id),
            Primary::RemoteId(id) => writer.option(OptionCode::REMOTE_ID, id),
        }
        request(options, writer);
        writer.close(query);
    }
}

/// An active query (RFC 7653 section 8.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActiveQuery {
    /// Whose bindings.
    pub selector: Selector,
    /// Also what changed at this time or later, by the server's clock.
    pub since: Option<Time>,
    /// Codes of options wanted besides the usual ones.
    pub options: Vec<u16>,
}

/// A query for what there is (RFC 5460 section 6.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BulkQuery {
    /// Whose bindings.
    pub selector: Selector,
    /// Only what changed at this time or later, by the server's clock.
    pub since: Option<Time>,
    /// Only what changed at this time or earlier, by the server's clock.
    pub until: Option<Time>,
    /// Codes of options wanted besides the usual ones.
    pub options: Vec<u16>,
}

impl Query {
    /// Appends the query as a frame. On an error nothing is appended.
    pub(super) fn write(
        &self,
        client_id: &[u8],
        listeners: &[SocketAddr],
        xid: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), QueryError> {
        let (selector, options) = match self {
            Self::Bulk(query) => (&query.selector, &query.options),
            Self::Active(query) => (&query.selector, &query.options),
        };
        selector.check()?;
        let options = wanted(options)?;
        debug_assert!(is_duid(client_id), "the caller has made it");
        let time = |code, time: Option<Time>, writer: &mut MessageWriter<'_>| {
            if let Some(time) = time {
                writer.u32(code, wire_time(time));
            }
        };
        let mut writer = match self {
            Self::Bulk(query) => {
                let mut writer = MessageWriter::frame(out, MessageType::LEASE_QUERY, xid);
                writer.option(OptionCode::CLIENT_ID, client_id);
                request(&options, &mut writer);
                // RFC 5460 knows no query for everything. All that changed since the beginning of time is everything.
                match query.since {
                    None if selector.is_everything() => writer.u32(OptionCode::START_TIME, 0),
                    since => time(OptionCode::START_TIME, since, &mut writer),
                }
                time(OptionCode::END_TIME, query.until, &mut writer);
                selector.write(&options, &mut writer);
                writer
            }
            Self::Active(query) => {
                let mut writer = MessageWriter::frame(out, MessageType::ACTIVE_LEASE_QUERY, xid);
                writer.option(OptionCode::CLIENT_ID, client_id);
                request(&options, &mut writer);
                time(OptionCode::START_TIME, query.since, &mut writer);
                // Whoever wants everything does not say so (RFC 7653 section 6.2.1).
                if !selector.is_everything() {
                    selector.write(&options, &mut writer);
                }
                writer
            }
        };
        if let Some(classes) = asker::write_v6(listeners) {
            writer.option(OptionCode::USER_CLASS, &classes);
        }
        Ok(writer.finish()?)
    }
}

/// A time of the store as DHCPv6 counts it; what was before 2000 is the beginning.
fn wire_time(time: Time) -> u32 {
    time.0.saturating_sub(EPOCH)
}

/// What is asked for: the base-time, for it is the resume point, relay data, and what the caller wants. RFC 7653 does not
/// say which of the two lists the base-time belongs to, so all is asked for in both.
pub(super) fn wanted(options: &[u16]) -> Result<Vec<OptionCode>, QueryError> {
    let mut list = vec![OptionCode::BASE_TIME, OptionCode::RELAY_DATA];
    for code in options {
        if *code == 0 {
            return Err(QueryError::OptionCode(0));
        }
        if !list.contains(&OptionCode(*code)) {
            list.push(OptionCode(*code));
        }
    }
    Ok(list)
}

/// Appends OPTION_ORO.
fn request(options: &[OptionCode], writer: &mut MessageWriter<'_>) {
    let list: Vec<u8> = options.iter().flat_map(|code| code.0.to_be_bytes()).collect();
    writer.option(OptionCode::REQUEST, &list);
}
