use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use leasequery_store::{About, Binding, Entry, Store, Time, Unknown, V4Key, VpnHold, VpnIndex, VpnName, VpnRange};
use leasequery_wire::TooLong;
use leasequery_wire::v4::{BOOT_REPLY, Header, Message, MessageType, MessageWriter, OptionCode, StatusCode, Vpn};
use leasequery_wire::v4::{RelayAgentInformation, SubOption};

use super::{Policy, Refusal, ReplyPlan, finish, malformed};
use crate::server::policy::NO_LONGER;
use crate::server::{Notice, Shed, Wording};

/// Why a response cannot go on.
const OTHER_VPNS: &str = "other VPNs are permitted now";

/// How the messages of one response are made, and how many bindings they have told of.
#[derive(Debug)]
pub struct Response {
    pub(super) xid: u32,
    /// The dhcp-parameter-request-list of the query.
    list: Option<Vec<u8>>,
    plan: ReplyPlan,
    policy: Arc<Policy>,
    server_id: Ipv4Addr,
    /// Whether a message has been made: the first one names the server (RFC 6926 section 7.3).
    begun: bool,
    pub(super) replies: u64,
    /// What did not fit, until the connection tells of it.
    pub(super) shed: Vec<Shed>,
}

impl Response {
    /// The response to a query.
    pub(super) fn new(message: &Message<'_>, server_id: Ipv4Addr, policy: &Arc<Policy>) -> Result<Self, Refusal> {
        let list = message.parameter_request_list().map_err(malformed)?.map(<[u8]>::to_vec);
        Ok(Self {
            xid: message.xid(),
            plan: ReplyPlan::new(list.as_deref(), &policy.withhold),
            list,
            policy: Arc::clone(policy),
            server_id,
            begun: false,
            replies: 0,
            shed: Vec::new(),
        })
    }

    /// Changes what holds for the rest of the response. It cannot go on if other VPNs may be seen than were when it
    /// began.
    pub(super) fn set_policy(&mut self, policy: &Arc<Policy>) -> Result<(), &'static str> {
        if policy.vpns != self.policy.vpns {
            return Err(OTHER_VPNS);
        }
        self.replace_policy(policy);
        Ok(())
    }

    fn replace_policy(&mut self, policy: &Arc<Policy>) {
        self.plan = ReplyPlan::new(self.list.as_deref(), &policy.withhold);
        self.policy = Arc::clone(policy);
    }

    /// Whether a message has been made.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn has_base_time(&self) -> bool {
        self.plan.has_base_time()
    }

    /// Appends the message about an entry, with all times counted from `base_time`, unless it is in a VPN that the
    /// requestor may not see.
    #[inline]
    pub(super) fn entry(
        &mut self,
        entry: &Entry<'_, V4Key>,
        base_time: Time,
        store: &Store<V4Key>,
        out: &mut Vec<u8>,
    ) -> Result<(), TooLong> {
        let vpn = entry.key().vpn;
        let name = if vpn == VpnIndex::DEFAULT { None } else { store.vpn_name(vpn) };
        if !self.policy.permits(name) || !is_own(&self.policy, entry) {
            return Ok(());
        }
        let server_id = (!self.begun).then_some(self.server_id);
        if !self.plan.encode(entry, self.xid, server_id, name.map(wire_vpn), base_time, out)? {
            self.shed.push(self.plan.shed(entry));
        }
        self.begun = true;
        self.replies += 1;
        Ok(())
    }

    /// Appends a message about the response itself.
    pub(super) fn about(
        &mut self,
        kind: MessageType,
        base_time: Option<Time>,
        status: Option<(StatusCode, &str)>,
        out: &mut Vec<u8>,
    ) {
        let mut writer = MessageWriter::frame(out, &Header::new(BOOT_REPLY, self.xid), kind);
        if !std::mem::replace(&mut self.begun, true) {
            writer.address(OptionCode::SERVER_IDENTIFIER, self.server_id);
        }
        if let Some(base_time) = base_time {
            writer.u32(OptionCode::BASE_TIME, base_time.0);
        }
        if let Some((code, text)) = status {
            writer.status(code, text);
        }
        finish(writer);
    }
}

/// Whether an entry may be told of to a requestor that is told of the bindings of some relays only. What tells which relay
/// it was is an address of it in option 82: Server Identifier Override (RFC 5107), or Link Selection (RFC 3527).
pub(super) fn is_own(policy: &Policy, entry: &Entry<'_, V4Key>) -> bool {
    if policy.relays.is_none() {
        return true;
    }
    let Entry::Bound(binding) = entry else { return false };
    let info = binding.relay_info().and_then(|info| RelayAgentInformation::parse(info).ok());
    let address = |(code, value): (SubOption, &[u8])| match code {
        SubOption::SERVER_IDENTIFIER_OVERRIDE | SubOption::LINK_SELECTION => {
            <[u8; 4]>::try_from(value).ok().map(|octets| IpAddr::from(Ipv4Addr::from(octets)))
        }
        _ => None,
    };
    policy.permits_relays(info.into_iter().flat_map(|info| info.sub_options().filter_map(address)))
}

/// The response to a DHCPACTIVELEASEQUERY.
#[derive(Debug)]
pub struct ActiveResponse {
    pub(super) response: Response,
    pub(super) vpns: VpnRange,
    /// Its VPN is the same as long as it lasts.
    pub(super) _hold: VpnHold,
    /// Where the requestor listens itself.
    pub(super) asker: Vec<SocketAddr>,
}

impl Wording<V4Key> for ActiveResponse {
    fn xid(&self) -> u32 {
        self.response.xid
    }

    fn binding(
        &mut self,
        binding: Binding<'_, V4Key>,
        base_time: Time,
        store: &Store<V4Key>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let key = binding.key();
        // What is in doubt is told anew, or ends, when it is so no longer: that is a change, too.
        if matches!(self.vpns, VpnRange::One(vpn) if vpn != key.vpn) || store.is_doubted(&binding) {
            return Ok(());
        }
        // Who did not ask for the base-time counts from when the message comes.
        let base_time = if self.response.has_base_time() { base_time } else { store.now() };
        let told = self.response.entry(&Entry::Bound(binding), base_time, store, out);
        told.map_err(|error| format!("{}: {error}", key.address))
    }

    fn unknown<'s>(&self, store: &'s Store<V4Key>) -> Option<Unknown<'s>> {
        store.unknown(About::Bindings, &self.asker)
    }

    /// A status carries base-time whatever was listed: the resume point of a quiet network would grow old without it.
    fn notice(&mut self, notice: Notice, base_time: Time, text: &str, out: &mut Vec<u8>) {
        let code = match notice {
            Notice::ConnectionActive => StatusCode::CONNECTION_ACTIVE,
            Notice::CatchUpComplete => StatusCode::CATCH_UP_COMPLETE,
            Notice::DataMissing => StatusCode::DATA_MISSING,
            Notice::QueryTerminated => StatusCode::QUERY_TERMINATED,
        };
        self.response.about(MessageType::LEASE_QUERY_STATUS, Some(base_time), Some((code, text)), out);
    }

    /// What may be seen no more is in the requestor's copy, and no message takes it back; its query ends.
    fn set_policy(&mut self, policy: &Arc<Policy>) -> Result<bool, &'static str> {
        if !policy.allow.active {
            return Err(NO_LONGER);
        }
        if !policy.permits_vpns_of(&self.response.policy) {
            return Err(OTHER_VPNS);
        }
        let wider = policy.is_wider_than(&self.response.policy);
        self.response.replace_policy(policy);
        Ok(wider)
    }

    fn is_news_since(&self, since: Time) -> bool {
        self.response.policy.is_news_in(Some(since), None)
    }

    fn replies(&self) -> u64 {
        self.response.replies
    }

    fn take_shed(&mut self) -> Vec<Shed> {
        std::mem::take(&mut self.response.shed)
    }
}

fn wire_vpn(name: &VpnName) -> Vpn<'_> {
    match name {
        VpnName::Name(name) => Vpn::Name(name),
        VpnName::Id(id) => Vpn::Id(*id),
    }
}
