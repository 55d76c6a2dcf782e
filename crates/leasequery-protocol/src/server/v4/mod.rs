//! DHCPv4: Bulk Leasequery as a server answers it (RFC 6926 section 8).

mod query;
mod reply;
mod window;

use std::net::Ipv4Addr;
use std::sync::Arc;

use leasequery_store::{Store, V4Key};
use leasequery_wire::v4::{BOOT_REPLY, BOOT_REQUEST, Header, MIN_MESSAGE, Message, MessageType, StatusCode};
use leasequery_wire::v4::{MessageWriter, OptionCode};
use leasequery_wire::{DecodeError, Problem};

use super::{Admission, CloseReason, Policy, Protocol};

pub use query::BulkQuery;
pub use reply::ReplyPlan;

/// DHCPv4 on a connection with one requestor.
#[derive(Debug)]
pub struct V4 {
    server_id: Ipv4Addr,
    policy: Arc<Policy>,
}

impl V4 {
    /// `server_id` is what replies name as server-identifier (option 54).
    pub fn new(server_id: Ipv4Addr, policy: Arc<Policy>) -> Self {
        Self { server_id, policy }
    }

    /// What holds for queries to come.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }
}

impl V4 {
    /// Appends the one message that answers a refused query (RFC 6926 section 8.2).
    fn refuse(&self, xid: u32, refusal: Refusal, store: &Store<V4Key>, out: &mut Vec<u8>) -> Admission<BulkQuery> {
        let Refusal { status, text } = refusal;
        let mut writer = MessageWriter::frame(out, &Header::new(BOOT_REPLY, xid), MessageType::LEASE_QUERY_DONE);
        writer.address(OptionCode::SERVER_IDENTIFIER, self.server_id);
        writer.u32(OptionCode::BASE_TIME, store.now().0);
        writer.status(status, &text);
        finish(writer);
        Admission::Answered { xid, status, text }
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
    type Query = BulkQuery;

    const MIN_MESSAGE: usize = MIN_MESSAGE;

    fn admit(&mut self, message: &[u8], first: bool, store: &Store<V4Key>, out: &mut Vec<u8>) -> Admission<BulkQuery> {
        let message = match Message::parse(message) {
            Ok(message) => message,
            Err(error) => match overlong_hardware(message, error) {
                Some(xid) => return self.refuse(xid, Refusal::malformed(error.to_string()), store, out),
                None => return Admission::Close(error.into()),
            },
        };
        if message.op() != BOOT_REQUEST {
            return Admission::Close(CloseReason::NotARequest(message.op()));
        }
        let xid = message.xid();
        match message.message_type() {
            MessageType::BULK_LEASE_QUERY => match BulkQuery::new(&message, self.server_id, &self.policy, store) {
                Ok(query) => Admission::Query(query),
                Err(refusal) => self.refuse(xid, refusal, store, out),
            },
            // Served in the clear: TLS is refused and the connection left to the requestor (RFC 7724 section 8.1).
            MessageType::TLS if first => {
                let (status, text) = (StatusCode::TLS_CONNECTION_REFUSED, "this listener has no TLS".to_owned());
                let mut writer = MessageWriter::frame(out, &Header::new(BOOT_REPLY, xid), MessageType::TLS);
                writer.status(status, &text);
                finish(writer);
                Admission::Answered { xid, status, text }
            }
            other => Admission::Close(CloseReason::Unsupported(other)),
        }
    }
}

/// Transaction id of a bulk query in which nothing but hlen is wrong: more than chaddr can hold. Such a query is answered
/// like any other that breaks the rules (RFC 6926 section 8.2).
fn overlong_hardware(message: &[u8], error: DecodeError) -> Option<u32> {
    const HLEN: usize = 2;
    let Problem::HardwareLength(_) = error.problem else { return None };
    let mut readable = message.to_vec();
    *readable.get_mut(HLEN)? = 0;
    let message = Message::parse(&readable).ok()?;
    let is_query = message.op() == BOOT_REQUEST && message.message_type() == MessageType::BULK_LEASE_QUERY;
    is_query.then(|| message.xid())
}

/// Ends a message that cannot be too long.
fn finish(writer: MessageWriter<'_>) {
    let result = writer.finish();
    debug_assert_eq!(result, Ok(()), "a few fixed options always fit");
}
