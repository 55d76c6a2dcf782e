//! DHCPv6: Leasequery as a server answers it, over UDP (RFC 5007 section 4.4), in bulk (RFC 5460 section 7) and active
//! (RFC 7653 section 9).

mod bulk;
mod client;
mod reply;
mod response;
mod selection;
mod single;

use std::net::IpAddr;
use std::sync::Arc;

use leasequery_store::{Store, V6Key};
use leasequery_wire::v6::{MIN_MESSAGE, Message, MessageType, MessageWriter, OptionCode, StatusCode};
use leasequery_wire::{DecodeError, TooLong};

use crate::asker;

use super::{Admission, Asked, Beside, CloseReason, Place, Policy, Protocol, Security};

pub use bulk::BulkQuery;
pub use response::ActiveResponse;
pub use single::answer;

/// Seconds from 1970, where the store counts from, to 2000, where DHCPv6 does (RFC 7653 section 2).
const EPOCH: u32 = 946_684_800;

/// A time of the store as DHCPv6 counts it; what was before 2000 is the beginning.
fn wire_time(time: leasequery_store::Time) -> u32 {
    time.0.saturating_sub(EPOCH)
}

/// A time of DHCPv6 as the store counts it; what is after the end of its scale in 2106 is the end.
fn store_time(seconds: u32) -> leasequery_store::Time {
    leasequery_store::Time(seconds.saturating_add(EPOCH))
}

/// A query being answered.
type V6Query = Asked<BulkQuery, ActiveResponse>;

/// DHCPv6 on a connection with one requestor.
#[derive(Debug)]
pub struct V6 {
    server_id: Arc<[u8]>,
    policy: Arc<Policy>,
    active: bool,
    security: Security,
    /// Where the requestor is.
    peer: Option<IpAddr>,
}

impl V6 {
    /// `server_id` is the server's DUID. Active queries are answered only where that has been enabled (RFC 7653 section
    /// 9.1).
    pub fn new(server_id: Arc<[u8]>, policy: Arc<Policy>, active: bool) -> Self {
        Self { server_id, policy, active, security: Security::Off, peer: None }
    }

    /// For a requestor at this address: it may be a server too, that knows what is still waited for here.
    #[must_use]
    pub fn with_peer(self, peer: IpAddr) -> Self {
        Self { peer: Some(peer), ..self }
    }

    /// Requires TLS: secure mode (RFC 7653 section 9.1).
    #[must_use]
    pub fn secure(self) -> Self {
        Self { security: Security::Required, ..self }
    }

    /// What nobody could make sense of an answer to (RFC 5007 section 4.2.1). There, where a requestor waits for one, the
    /// connection is closed.
    fn check(&self, message: &Message<'_>) -> Result<(), CloseReason> {
        let query = message.message_type() == MessageType::LEASE_QUERY;
        if query && message.client_id()?.is_none() {
            return Err(CloseReason::Unusable("a query without OPTION_CLIENTID"));
        }
        if message.server_id()?.is_some_and(|server| *server != *self.server_id) {
            return Err(CloseReason::Unusable("a query to another server"));
        }
        if query && message.options().find(OptionCode::QUERY).is_none() {
            return Err(CloseReason::Unusable("a query without OPTION_LQ_QUERY"));
        }
        Ok(())
    }

    fn query(&self, message: &Message<'_>, beside: Beside, store: &Store<V6Key>) -> Result<V6Query, Refusal> {
        let active = message.message_type() == MessageType::ACTIVE_LEASE_QUERY;
        if active && !self.active {
            return Err(Refusal {
                status: StatusCode::NOT_SUPPORTED,
                text: "active queries are not answered here".to_owned(),
            });
        }
        let asker = || asker::read_v6(message.options().find(OptionCode::USER_CLASS), self.peer);
        match beside {
            Beside::Active => {
                Err(Refusal::not_allowed("an active query is being answered here, and nothing beside it"))
            }
            Beside::Bulk if active => Err(Refusal::not_allowed("an active query has to be alone on its connection")),
            _ if active => {
                response::active_query(message, &self.server_id, &self.policy, asker(), store).map(V6Query::Active)
            }
            _ => BulkQuery::new(message, &self.server_id, &self.policy, asker(), store).map(V6Query::Bulk),
        }
    }

    /// Appends the LEASEQUERY-REPLY that answers a refused query (RFC 5460 section 7.2). The connection of an active one
    /// is closed (RFC 7653 section 9.3).
    fn refuse(
        &self,
        message: &Message<'_>,
        refusal: Refusal,
        beside: Beside,
        store: &Store<V6Key>,
        out: &mut Vec<u8>,
    ) -> Admission<V6Query> {
        let Refusal { status, text } = refusal;
        let xid = message.transaction_id();
        let mut writer = MessageWriter::frame(out, MessageType::LEASE_QUERY_REPLY, xid);
        identify(&mut writer, &self.server_id, message.client_id().ok().flatten());
        // The time of now would be taken for a resume point, and the active query may not have come so far.
        if reply::asks_base_time(message) && beside != Beside::Active {
            writer.u32(OptionCode::BASE_TIME, wire_time(store.now()));
        }
        writer.status(status, &text);
        finish(writer);
        let active = message.message_type() == MessageType::ACTIVE_LEASE_QUERY;
        Admission::Refused { xid, status: status.into(), text, close: active || beside == Beside::Active }
    }
}

impl Protocol for V6 {
    type Key = V6Key;
    type Query = V6Query;

    const MIN_MESSAGE: usize = MIN_MESSAGE;

    // RFC 7653 has no such rule, and a record of many messages takes a fraction of the time.
    const SHARES_RECORDS: bool = true;

    fn admit(&mut self, message: &[u8], place: Place, store: &Store<V6Key>, out: &mut Vec<u8>) -> Admission<V6Query> {
        let Place { first, beside } = place;
        let message = match Message::parse(message) {
            Ok(message) => message,
            Err(error) => return Admission::Close(error.into()),
        };
        if message.message_type() != MessageType::START_TLS
            && let Some(reason) = self.security.forbids()
        {
            return Admission::Close(reason);
        }
        match message.message_type() {
            MessageType::LEASE_QUERY | MessageType::ACTIVE_LEASE_QUERY => {
                if let Err(reason) = self.check(&message) {
                    return Admission::Close(reason);
                }
                match self.query(&message, beside, store) {
                    Ok(query) => Admission::Query(query),
                    Err(refusal) => self.refuse(&message, refusal, beside, store, out),
                }
            }
            // No status says that the handshake may begin; options are of no account (RFC 7653 section 9.1).
            MessageType::START_TLS if self.security == Security::Required => {
                self.security = Security::Begun;
                let mut writer = MessageWriter::frame(out, MessageType::REPLY, message.transaction_id());
                identify(&mut writer, &self.server_id, message.client_id().ok().flatten());
                finish(writer);
                Admission::Secure
            }
            // Served in the clear: TLS is refused and the connection left to the requestor (RFC 7653 section 9.1).
            MessageType::START_TLS if first => {
                let (status, text) = (StatusCode::TLS_CONNECTION_REFUSED, "this listener has no TLS".to_owned());
                let xid = message.transaction_id();
                let mut writer = MessageWriter::frame(out, MessageType::REPLY, xid);
                identify(&mut writer, &self.server_id, message.client_id().ok().flatten());
                writer.status(status, &text);
                finish(writer);
                Admission::Refused { xid, status: status.into(), text, close: false }
            }
            other => Admission::Close(CloseReason::Unsupported(other.into())),
        }
    }

    fn set_policy(&mut self, policy: &Arc<Policy>) -> bool {
        std::mem::replace(&mut self.policy, Arc::clone(policy)) != *policy
    }
}

/// Why a query is refused, and how that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    fn malformed(text: impl Into<String>) -> Self {
        Self::new(StatusCode::MALFORMED_QUERY, text)
    }

    fn not_allowed(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ALLOWED, text)
    }
}

fn malformed(error: DecodeError) -> Refusal {
    Refusal::malformed(error.to_string())
}

/// Appends who answers whom (RFC 5007 section 4.4.1).
fn identify(writer: &mut MessageWriter<'_>, server_id: &[u8], client_id: Option<&[u8]>) {
    writer.option(OptionCode::SERVER_ID, server_id);
    if let Some(client_id) = client_id {
        writer.option(OptionCode::CLIENT_ID, client_id);
    }
}

/// Ends a message that cannot be too long.
fn finish(writer: MessageWriter<'_>) {
    let result: Result<(), TooLong> = writer.finish();
    debug_assert_eq!(result, Ok(()), "a few small options always fit");
}
