use std::net::Ipv4Addr;

use leasequery_store::{Binding, Entry, State, Time, V4Key};
use leasequery_wire::TooLong;
use leasequery_wire::v4::{BOOT_REPLY, DataSource, Header, MessageType, MessageWriter, OptionCode, Vpn};

use crate::server::Shed;

/// Which options the replies to a query have, in which order: worked out once, when the query comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyPlan {
    fields: Vec<Field>,
    /// Option 82 is the last one, wherever it was listed (RFC 3046 section 2.2).
    relay_info: bool,
}

/// What goes into an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    LeaseTime,
    RenewalTime,
    RebindingTime,
    ClientId,
    LastTransaction,
    BaseTime,
    StartOfState,
    DhcpState,
    DataSource,
    /// An option that is kept with the binding.
    Stored(OptionCode),
}

/// Asked for if a query over TCP has no list of its own.
const DEFAULT_LIST: [u8; 8] = [
    OptionCode::LEASE_TIME.0,
    OptionCode::CLIENT_IDENTIFIER.0,
    OptionCode::RELAY_AGENT_INFORMATION.0,
    OptionCode::CLIENT_LAST_TRANSACTION_TIME.0,
    OptionCode::BASE_TIME.0,
    OptionCode::START_TIME_OF_STATE.0,
    OptionCode::DHCP_STATE.0,
    OptionCode::DATA_SOURCE.0,
];

/// Asked for if a single query over UDP has no list of its own: what a client would have been told, as far as it is
/// known here (RFC 4388 section 6.2).
const DEFAULT_SINGLE_LIST: [u8; 6] = [
    OptionCode::LEASE_TIME.0,
    OptionCode::RENEWAL_TIME.0,
    OptionCode::REBINDING_TIME.0,
    OptionCode::CLIENT_IDENTIFIER.0,
    OptionCode::RELAY_AGENT_INFORMATION.0,
    OptionCode::CLIENT_LAST_TRANSACTION_TIME.0,
];

impl ReplyPlan {
    /// From the dhcp-parameter-request-list of a bulk or active query, less what is withheld. The list's order is kept
    /// (RFC 2132 section 9.8) and each option comes once (RFC 2131 section 4.3.1).
    pub(super) fn new(list: Option<&[u8]>, withhold: &[u16]) -> Self {
        Self::from_list(list.unwrap_or(&DEFAULT_LIST), withhold)
    }

    /// The same for a single query over UDP.
    pub(super) fn single(list: Option<&[u8]>, withhold: &[u16]) -> Self {
        Self::from_list(list.unwrap_or(&DEFAULT_SINGLE_LIST), withhold)
    }

    fn from_list(list: &[u8], withhold: &[u16]) -> Self {
        let mut plan = Self { fields: Vec::new(), relay_info: false };
        for code in list.iter().copied().filter(|code| !withhold.contains(&u16::from(*code))) {
            let field = match OptionCode(code) {
                OptionCode::LEASE_TIME => Field::LeaseTime,
                OptionCode::RENEWAL_TIME => Field::RenewalTime,
                OptionCode::REBINDING_TIME => Field::RebindingTime,
                OptionCode::CLIENT_IDENTIFIER => Field::ClientId,
                OptionCode::CLIENT_LAST_TRANSACTION_TIME => Field::LastTransaction,
                OptionCode::BASE_TIME => Field::BaseTime,
                OptionCode::START_TIME_OF_STATE => Field::StartOfState,
                OptionCode::DHCP_STATE => Field::DhcpState,
                OptionCode::DATA_SOURCE => Field::DataSource,
                OptionCode::RELAY_AGENT_INFORMATION => {
                    plan.relay_info = true;
                    continue;
                }
                // They belong to the message, not to the binding, or are not the list's to decide.
                OptionCode::MESSAGE_TYPE
                | OptionCode::OVERLOAD
                | OptionCode::SERVER_IDENTIFIER
                | OptionCode::PARAMETER_REQUEST_LIST
                | OptionCode::AUTHENTICATION
                | OptionCode::ASSOCIATED_IP
                | OptionCode::STATUS_CODE
                | OptionCode::QUERY_START_TIME
                | OptionCode::QUERY_END_TIME
                | OptionCode::VPN_SELECTION
                | OptionCode(0 | 255) => continue,
                stored => Field::Stored(stored),
            };
            if !plan.fields.contains(&field) {
                plan.fields.push(field);
            }
        }
        plan
    }

    pub(super) fn has_base_time(&self) -> bool {
        self.fields.contains(&Field::BaseTime)
    }

    pub(super) fn has_relay_info(&self) -> bool {
        self.relay_info
    }

    /// Appends the options about a binding, without option 82, to a message that must not pass `limit` octets. The last
    /// ones of the list yield to the first ones (RFC 2131 section 2); one that could never be there takes no other with
    /// it.
    pub(super) fn put_within(
        &self,
        writer: &mut MessageWriter<'_>,
        binding: &Binding<'_, V4Key>,
        now: Time,
        limit: usize,
    ) {
        let begin = writer.len();
        for field in &self.fields {
            let length = writer.len();
            put(writer, *field, binding, now);
            let end = writer.len();
            if end > limit {
                writer.truncate(length);
                if begin + (end - length) <= limit {
                    break;
                }
            }
        }
    }

    /// Appends the reply about an entry, made at `now`. A reply that would not fit a frame goes without what makes it long,
    /// the client's and the relay's own octets (RFC 3046 section 2.2); if that is not enough, nothing is appended. Says
    /// whether the reply is whole.
    #[inline]
    pub(super) fn encode(
        &self,
        entry: &Entry<'_, V4Key>,
        xid: u32,
        server_id: Option<Ipv4Addr>,
        vpn: Option<Vpn<'_>>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<bool, TooLong> {
        match self.encode_as(entry, xid, server_id, vpn, now, out, true) {
            Ok(()) => Ok(true),
            Err(_) => self.encode_as(entry, xid, server_id, vpn, now, out, false).map(|()| false),
        }
    }

    /// What a reply about an entry goes without if it is not whole.
    #[cold]
    pub(super) fn shed(&self, entry: &Entry<'_, V4Key>) -> Shed {
        let mut options = Vec::new();
        if let Entry::Bound(binding) = entry {
            options.extend(self.fields.iter().filter_map(|field| match field {
                Field::ClientId => binding.client_id().map(|_| OptionCode::CLIENT_IDENTIFIER),
                Field::Stored(code) => binding.option(u16::from(code.0)).map(|_| *code),
                _ => None,
            }));
            options
                .extend(binding.relay_info().filter(|_| self.relay_info).map(|_| OptionCode::RELAY_AGENT_INFORMATION));
        }
        let options = options.into_iter().map(|code| u16::from(code.0)).collect();
        Shed { about: entry.key().address.to_string(), options }
    }

    #[inline]
    #[allow(clippy::too_many_arguments, reason = "the parts of one message")]
    fn encode_as(
        &self,
        entry: &Entry<'_, V4Key>,
        xid: u32,
        server_id: Option<Ipv4Addr>,
        vpn: Option<Vpn<'_>>,
        now: Time,
        out: &mut Vec<u8>,
        whole: bool,
    ) -> Result<(), TooLong> {
        let mut header = Header { ciaddr: entry.key().address, ..Header::new(BOOT_REPLY, xid) };
        let binding = match entry {
            Entry::Bound(binding) => Some(binding),
            Entry::Free { .. } => None,
        };
        if let Some(hardware) = binding.and_then(Binding::hardware) {
            header.htype = hardware.htype;
            header.chaddr = hardware.address;
        }
        let active = binding.is_some_and(|binding| binding.state() == State::Active);
        let kind = if active { MessageType::LEASE_ACTIVE } else { MessageType::LEASE_UNASSIGNED };
        let mut writer = MessageWriter::frame(out, &header, kind);
        if let Some(server_id) = server_id {
            writer.address(OptionCode::SERVER_IDENTIFIER, server_id);
        }
        for field in &self.fields {
            match (field, entry) {
                (Field::BaseTime, _) => writer.u32(OptionCode::BASE_TIME, now.0),
                (Field::ClientId | Field::Stored(_), _) if !whole => {}
                (_, Entry::Bound(binding)) => put(&mut writer, *field, binding, now),
                (Field::StartOfState, Entry::Free { since, .. }) => {
                    writer.u32(OptionCode::START_TIME_OF_STATE, now.since(*since));
                }
                (Field::DhcpState, Entry::Free { .. }) => writer.u8(OptionCode::DHCP_STATE, State::Available as u8),
                (_, Entry::Free { .. }) => {}
            }
        }
        if let Some(vpn) = vpn {
            writer.vpn(vpn);
        }
        if let Some(info) = binding.and_then(Binding::relay_info)
            && self.relay_info
            && whole
        {
            writer.option(OptionCode::RELAY_AGENT_INFORMATION, info);
        }
        writer.finish()
    }
}

/// Appends one option about a binding, if there is something to say. All times count from `now`, which is the base-time
/// of the message (RFC 6926 section 6.2.3).
#[inline]
fn put(writer: &mut MessageWriter<'_>, field: Field, binding: &Binding<'_, V4Key>, now: Time) {
    let active = binding.state() == State::Active;
    let ahead = |time: Option<Time>| time.filter(|time| active && *time > now).map(|time| time.since(now));
    match field {
        // For every state that ends by itself (RFC 6926 section 8.3).
        Field::LeaseTime => {
            if let Some(expires) = binding.expires().filter(|_| !binding.state().is_ended()) {
                let left = if expires == Time::INFINITE { u32::MAX } else { expires.since(now) };
                writer.u32(OptionCode::LEASE_TIME, left);
            }
        }
        // Left out once they have passed (RFC 4388 section 6.4.2).
        Field::RenewalTime => {
            if let Some(left) = ahead(binding.renews()) {
                writer.u32(OptionCode::RENEWAL_TIME, left);
            }
        }
        Field::RebindingTime => {
            if let Some(left) = ahead(binding.rebinds()) {
                writer.u32(OptionCode::REBINDING_TIME, left);
            }
        }
        Field::ClientId => {
            if let Some(id) = binding.client_id() {
                writer.option(OptionCode::CLIENT_IDENTIFIER, id);
            }
        }
        Field::LastTransaction => {
            if let Some(time) = binding.last_transaction() {
                writer.u32(OptionCode::CLIENT_LAST_TRANSACTION_TIME, now.since(time));
            }
        }
        Field::BaseTime => writer.u32(OptionCode::BASE_TIME, now.0),
        Field::StartOfState => writer.u32(OptionCode::START_TIME_OF_STATE, now.since(binding.start_of_state())),
        Field::DhcpState => writer.u8(OptionCode::DHCP_STATE, binding.state() as u8),
        Field::DataSource => {
            if binding.is_remote() {
                writer.u8(OptionCode::DATA_SOURCE, DataSource::REMOTE.0);
            }
        }
        Field::Stored(code) => {
            if let Some(value) = binding.option(u16::from(code.0)) {
                writer.option(code, value);
            }
        }
    }
}
