use std::net::Ipv4Addr;
use std::sync::Arc;

use leasequery_store::{Entry, Hardware, Key, Selector, State, Store, Time, V4Key, VpnIndex, VpnName, VpnRange};
use leasequery_wire::v4::{BOOT_REPLY, Header, Message, MessageType, MessageWriter, OptionCode, StatusCode, Vpn};
use leasequery_wire::{DecodeError, TooLong};

use super::window::Window;
use super::{Policy, Refusal, ReplyPlan, finish};
use crate::server::{Progress, Query};

/// A DHCPBULKLEASEQUERY being answered.
#[derive(Debug)]
pub struct BulkQuery {
    primary: Primary,
    vpns: VpnRange,
    /// The last key that was looked at.
    after: Option<V4Key>,
    response: Response,
}

/// How the replies are made, and how many there have been.
#[derive(Debug)]
struct Response {
    xid: u32,
    window: Window,
    /// Ended bindings are told of too: only a query for all addresses asks for them (RFC 6926 section 8.2).
    ended: bool,
    plan: ReplyPlan,
    policy: Arc<Policy>,
    server_id: Ipv4Addr,
    /// Whether a message of the response has been made: the first one names the server (RFC 6926 section 7.3).
    begun: bool,
    replies: u64,
}

/// The primary query, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Primary {
    All,
    Hardware { htype: u8, address: Vec<u8> },
    ClientId(Vec<u8>),
    RemoteId(Vec<u8>),
    RelayId(Vec<u8>),
}

impl Primary {
    fn selector(&self) -> Selector<'_> {
        match self {
            Self::All => Selector::All,
            Self::Hardware { htype, address } => Selector::Hardware(Hardware { htype: *htype, address }),
            Self::ClientId(id) => Selector::ClientId(id),
            Self::RemoteId(id) => Selector::RemoteId(id),
            Self::RelayId(id) => Selector::RelayId(id),
        }
    }
}

impl BulkQuery {
    /// Reads a query, or says why it is refused.
    pub(super) fn new(
        message: &Message<'_>,
        server_id: Ipv4Addr,
        policy: &Arc<Policy>,
        store: &Store<V4Key>,
    ) -> Result<Self, Refusal> {
        if !policy.allow.bulk {
            return Err(Refusal::not_allowed(format!("{} may not send bulk queries", policy.name)));
        }
        for (field, address) in
            [("ciaddr", message.ciaddr()), ("yiaddr", message.yiaddr()), ("siaddr", message.siaddr())]
        {
            if !address.is_unspecified() {
                return Err(Refusal::malformed(format!("{field} is {address}, it must be zero in a bulk query")));
            }
        }
        let primary = primary(message)?;
        let vpns = vpns(message, policy, store)?;
        let response = Response {
            xid: message.xid(),
            window: window(message)?,
            ended: primary == Primary::All,
            plan: ReplyPlan::new(message.parameter_request_list().map_err(malformed)?, &policy.withhold),
            policy: Arc::clone(policy),
            server_id,
            begun: false,
            replies: 0,
        };
        Ok(Self { primary, vpns, after: before(vpns), response })
    }
}

impl Response {
    fn done(&mut self, now: Time, out: &mut Vec<u8>, status: Option<(StatusCode, &str)>) {
        let header = Header::new(BOOT_REPLY, self.xid);
        let mut writer = MessageWriter::frame(out, &header, MessageType::LEASE_QUERY_DONE);
        if !std::mem::replace(&mut self.begun, true) {
            writer.address(OptionCode::SERVER_IDENTIFIER, self.server_id);
        }
        if self.plan.has_base_time() {
            writer.u32(OptionCode::BASE_TIME, now.0);
        }
        if let Some((code, text)) = status {
            writer.status(code, text);
        }
        finish(writer);
    }

    /// Appends the reply about an entry, if it is one to tell of.
    #[inline]
    fn reply(&mut self, entry: &Entry<'_, V4Key>, store: &Store<V4Key>, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let wanted = match entry {
            Entry::Bound(binding) => (self.ended || binding.state() == State::Active) && self.window.matches(binding),
            Entry::Free { since, .. } => self.window.matches_free(*since, store.history_floor()),
        };
        let vpn = entry.key().vpn;
        let name = if vpn == VpnIndex::DEFAULT { None } else { store.vpn_name(vpn) };
        if !wanted || !self.policy.permits(name) {
            return Ok(());
        }
        let server_id = (!self.begun).then_some(self.server_id);
        self.plan.encode(entry, self.xid, server_id, name.map(wire_vpn), store.now(), out)?;
        self.begun = true;
        self.replies += 1;
        Ok(())
    }
}

impl Query<V4Key> for BulkQuery {
    fn xid(&self) -> u32 {
        self.response.xid
    }

    fn advance(&mut self, store: &Store<V4Key>, out: &mut Vec<u8>, room: usize, examine: usize) -> Progress {
        let mut scan = store.scan(self.primary.selector(), self.vpns, self.after);
        for _ in 0..examine {
            let Some(entry) = scan.next() else {
                self.response.done(store.now(), out, None);
                return Progress::Done;
            };
            self.after = Some(entry.key());
            if let Err(error) = self.response.reply(&entry, store, out) {
                return Progress::Failed(format!("{}: {error}", entry.key().address));
            }
            if out.len() >= room {
                break;
            }
        }
        Progress::More
    }

    fn terminate(&mut self, store: &Store<V4Key>, out: &mut Vec<u8>, reason: &str) {
        self.response.done(store.now(), out, Some((StatusCode::QUERY_TERMINATED, reason)));
    }

    fn replies(&self) -> u64 {
        self.response.replies
    }
}

fn malformed(error: DecodeError) -> Refusal {
    Refusal::malformed(error.to_string())
}

/// Finds the primary query: one of four identifiers, or none of them for all addresses.
fn primary(message: &Message<'_>) -> Result<Primary, Refusal> {
    let mut found = Vec::new();
    // A habitual htype says nothing without an address behind it.
    if !message.chaddr().is_empty() {
        found.push(Primary::Hardware { htype: message.htype(), address: message.chaddr().to_vec() });
    } else if message.chaddr_field() != [0; 16] {
        return Err(Refusal::malformed("hlen is 0, but chaddr is not zero"));
    }
    if let Some(id) = message.client_identifier() {
        if id.len() < 2 {
            let text = format!("client-identifier has {} octets, it has 2 or more (RFC 2132 section 9.14)", id.len());
            return Err(Refusal::malformed(text));
        }
        found.push(Primary::ClientId(id.to_vec()));
    }
    if let Some(info) = message.relay_agent_information().map_err(malformed)? {
        for (name, id, query) in [
            ("Remote ID", info.remote_id(), Primary::RemoteId as fn(Vec<u8>) -> Primary),
            ("Relay-ID", info.relay_id(), Primary::RelayId),
        ] {
            match id {
                Some([]) => return Err(Refusal::malformed(format!("{name} is empty"))),
                Some(id) => found.push(query(id.to_vec())),
                None => {}
            }
        }
    }
    match found.len() {
        0 => Ok(Primary::All),
        1 => Ok(found.swap_remove(0)),
        several => Err(Refusal::not_allowed(format!(
            "{several} of MAC address, client-identifier, Remote ID and Relay-ID are given, a query has at most one"
        ))),
    }
}

/// Finds the VPNs to look in. Sub-option 151 of option 82 wins over option 221 (RFC 6607 section 7.3).
fn vpns(message: &Message<'_>, policy: &Policy, store: &Store<V4Key>) -> Result<VpnRange, Refusal> {
    let relayed = match message.relay_agent_information().map_err(malformed)? {
        Some(info) => info.vpn().map_err(malformed)?,
        None => None,
    };
    if relayed == Some(Vpn::All) {
        return Err(Refusal::malformed("sub-option 151 of option 82 cannot select all VPNs"));
    }
    let name = match relayed.or(message.vpn().map_err(malformed)?) {
        None | Some(Vpn::Default) => return Ok(VpnRange::One(VpnIndex::DEFAULT)),
        Some(Vpn::All) => return Ok(VpnRange::All),
        Some(Vpn::Name(name)) => VpnName::Name(name.into()),
        Some(Vpn::Id(id)) => VpnName::Id(id),
    };
    // The same text for a VPN that is not there and one that is not for this requestor.
    let known = store.find_vpn(&name).filter(|_| policy.permits(Some(&name)));
    known.map(VpnRange::One).ok_or_else(|| Refusal::not_allowed("this VPN is not served to this requestor"))
}

/// The last key before the VPN looked in: a client's bindings in other VPNs, which may be many, are not even walked over.
fn before(vpns: VpnRange) -> Option<V4Key> {
    match vpns {
        VpnRange::One(VpnIndex(vpn)) => vpn.checked_sub(1).map(|previous| V4Key::last_of(VpnIndex(previous))),
        VpnRange::All => None,
    }
}

fn window(message: &Message<'_>) -> Result<Window, Refusal> {
    let start = message.query_start_time().map_err(malformed)?.map(Time);
    let end = message.query_end_time().map_err(malformed)?.map(Time);
    match (start, end) {
        (Some(start), Some(end)) if start > end => {
            Err(Refusal::malformed(format!("query-start-time {start} is after query-end-time {end}")))
        }
        _ => Ok(Window { start, end }),
    }
}

fn wire_vpn(name: &VpnName) -> Vpn<'_> {
    match name {
        VpnName::Name(name) => Vpn::Name(name),
        VpnName::Id(id) => Vpn::Id(*id),
    }
}
