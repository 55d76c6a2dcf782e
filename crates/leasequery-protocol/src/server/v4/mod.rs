//! DHCPv4 as a server answers it: single queries over UDP (RFC 4388 section 6.4), Bulk and Active Leasequery over TCP
//! (RFC 6926 section 8, RFC 7724 section 8).

mod query;
mod reply;
mod response;
mod single;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use leasequery_store::{Store, V4Key};
use leasequery_wire::v4::{BOOT_REPLY, BOOT_REQUEST, Header, MIN_MESSAGE, Message, MessageType, StatusCode};
use leasequery_wire::v4::{MessageWriter, OptionCode};
use leasequery_wire::{DecodeError, Problem};

use crate::asker;

use super::{Admission, Asked, Beside, CloseReason, Place, Policy, Protocol, Security};

pub use query::BulkQuery;
pub use reply::ReplyPlan;
pub use response::{ActiveResponse, Response};
pub use single::answer;

/// A query being answered.
type V4Query = Asked<BulkQuery, ActiveResponse>;

/// DHCPv4 on a connection with one requestor.
#[derive(Debug)]
pub struct V4 {
    server_id: Ipv4Addr,
    policy: Arc<Policy>,
    active: bool,
    security: Security,
    /// Where the requestor is.
    peer: Option<IpAddr>,
}

impl V4 {
    /// `server_id` is what replies name as server-identifier (option 54). Active queries are answered only where that
    /// has been enabled (RFC 7724 section 8.1).
    pub fn new(server_id: Ipv4Addr, policy: Arc<Policy>, active: bool) -> Self {
        Self { server_id, policy, active, security: Security::Off, peer: None }
    }

    /// For a requestor at this address: it may be a server too, that knows what is still waited for here.
    #[must_use]
    pub fn with_peer(self, peer: IpAddr) -> Self {
        Self { peer: Some(peer), ..self }
    }

    /// Requires TLS: secure mode (RFC 7724 section 8.1).
    #[must_use]
    pub fn secure(self) -> Self {
        Self { security: Security::Required, ..self }
    }

    /// Appends the one message that answers a refused query: DHCPLEASEQUERYDONE for a bulk query (RFC 6926 section 8.2),
    /// DHCPLEASEQUERYSTATUS for an active one, whose connection is then closed (RFC 7724 section 8.2).
    fn refuse(
        &self,
        query: (u32, MessageType),
        refusal: Refusal,
        beside: Beside,
        store: &Store<V4Key>,
        out: &mut Vec<u8>,
    ) -> Admission<V4Query> {
        let (xid, asked) = query;
        let Refusal { status, text } = refusal;
        let active = asked == MessageType::ACTIVE_LEASE_QUERY;
        let kind = if active { MessageType::LEASE_QUERY_STATUS } else { MessageType::LEASE_QUERY_DONE };
        let mut writer = MessageWriter::frame(out, &Header::new(BOOT_REPLY, xid), kind);
        writer.address(OptionCode::SERVER_IDENTIFIER, self.server_id);
        if beside != Beside::Active {
            // The time of now would be taken for a resume point, and the active query may not have come so far.
            writer.u32(OptionCode::BASE_TIME, store.now().0);
        }
        writer.status(status, &text);
        finish(writer);
        Admission::Refused { xid, status: status.into(), text, close: active || beside == Beside::Active }
    }

    /// Whether messages of this type are answered here.
    fn serves(&self, kind: MessageType) -> bool {
        kind == MessageType::BULK_LEASE_QUERY || (kind == MessageType::ACTIVE_LEASE_QUERY && self.active)
    }

    fn query(&self, message: &Message<'_>, beside: Beside, store: &Store<V4Key>) -> Result<V4Query, Refusal> {
        let active = message.message_type() == MessageType::ACTIVE_LEASE_QUERY;
        let asker = || asker::read_v4(message.option(OptionCode::USER_CLASS), self.peer);
        match beside {
            Beside::Active => {
                Err(Refusal::not_allowed("an active query is being answered here, and nothing beside it"))
            }
            Beside::Bulk if active => Err(Refusal::not_allowed("an active query has to be alone on its connection")),
            _ if active => {
                query::active_query(message, self.server_id, &self.policy, asker(), store).map(V4Query::Active)
            }
            _ => BulkQuery::new(message, self.server_id, &self.policy, asker(), store).map(V4Query::Bulk),
        }
    }
}

/// Why a query is refused, and how that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    fn malformed(text: impl Into<String>) -> Self {
        Self { status: StatusCode::MALFORMED_QUERY, text: text.into() }
    }

    fn not_allowed(text: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_ALLOWED, text: text.into() }
    }
}

impl Protocol for V4 {
    type Key = V4Key;
    type Query = V4Query;

    const MIN_MESSAGE: usize = MIN_MESSAGE;

    // RFC 7724 section 5.1.
    const SHARES_RECORDS: bool = false;

    fn admit(&mut self, message: &[u8], place: Place, store: &Store<V4Key>, out: &mut Vec<u8>) -> Admission<V4Query> {
        let Place { first, beside } = place;
        let message = match Message::parse(message) {
            Ok(message) => message,
            Err(_) if self.security == Security::Required => return Admission::Close(CloseReason::Insecure),
            Err(error) => match overlong_hardware(message, error).filter(|(_, asked)| self.serves(*asked)) {
                Some(query) => return self.refuse(query, Refusal::malformed(error.to_string()), beside, store, out),
                None => return Admission::Close(error.into()),
            },
        };
        if message.op() != BOOT_REQUEST {
            return Admission::Close(CloseReason::NotARequest(message.op()));
        }
        let (xid, kind) = (message.xid(), message.message_type());
        if kind != MessageType::TLS
            && let Some(reason) = self.security.forbids()
        {
            return Admission::Close(reason);
        }
        match kind {
            kind if self.serves(kind) => match self.query(&message, beside, store) {
                Ok(query) => Admission::Query(query),
                Err(refusal) => self.refuse((xid, kind), refusal, beside, store, out),
            },
            // No status-code says that the handshake may begin; options are of no account (RFC 7724 section 8.1).
            MessageType::TLS if self.security == Security::Required => {
                self.security = Security::Begun;
                finish(MessageWriter::frame(out, &Header::new(BOOT_REPLY, xid), MessageType::TLS));
                Admission::Secure
            }
            // Served in the clear: TLS is refused and the connection left to the requestor (RFC 7724 section 8.1).
            MessageType::TLS if first => {
                let (status, text) = (StatusCode::TLS_CONNECTION_REFUSED, "this listener has no TLS".to_owned());
                let mut writer = MessageWriter::frame(out, &Header::new(BOOT_REPLY, xid), MessageType::TLS);
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

/// Transaction id and type of a query in which nothing but hlen is wrong: more than chaddr can hold. Such a query is
/// answered like any other that breaks the rules (RFC 6926 section 8.2).
fn overlong_hardware(message: &[u8], error: DecodeError) -> Option<(u32, MessageType)> {
    const HLEN: usize = 2;
    let Problem::HardwareLength(_) = error.problem else { return None };
    let mut readable = message.to_vec();
    *readable.get_mut(HLEN)? = 0;
    let message = Message::parse(&readable).ok()?;
    (message.op() == BOOT_REQUEST).then(|| (message.xid(), message.message_type()))
}

fn malformed(error: DecodeError) -> Refusal {
    Refusal::malformed(error.to_string())
}

/// Ends a message that cannot be too long.
fn finish(writer: MessageWriter<'_>) {
    let result = writer.finish();
    debug_assert_eq!(result, Ok(()), "a few fixed options always fit");
}
