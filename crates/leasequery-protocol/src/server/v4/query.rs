use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use leasequery_store::{
    About, Budget, Entry, Hardware, Selector, State, Store, Time, V4Key, VpnHold, VpnIndex, VpnName, VpnRange,
};
use leasequery_wire::v4::{Message, MessageType, StatusCode, Vpn};

use super::response::{ActiveResponse, Response};
use super::{Policy, Refusal, malformed};
use crate::server::policy::NO_LONGER;
use crate::server::window::Window;
use crate::server::{Active, Progress, Query, Scope, Shed};

/// A DHCPBULKLEASEQUERY being answered.
#[derive(Debug)]
pub struct BulkQuery {
    primary: Primary,
    vpns: VpnRange,
    /// Its keys, or its VPN, mean the same as long as it lasts.
    _hold: VpnHold,
    window: Window,
    /// The last key that was looked at.
    after: Option<V4Key>,
    /// What the last message was stamped with, or the time of the query.
    stamp: Time,
    /// Where the requestor listens itself.
    asker: Vec<SocketAddr>,
    /// Why the answer cannot be complete: what was not known at any moment of it may be behind the last key.
    unknown: Option<String>,
    response: Response,
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
        asker: Vec<SocketAddr>,
        store: &Store<V4Key>,
    ) -> Result<Self, Refusal> {
        if !policy.allow.bulk {
            return Err(Refusal::not_allowed(format!("{} may not send bulk queries", policy.name)));
        }
        no_addresses(message)?;
        let primary = primary(message)?;
        let vpns = asked_vpns(message, policy, store)?.unwrap_or(VpnRange::One(VpnIndex::DEFAULT));
        let response = Response::new(message, server_id, policy)?;
        let window = window(message, store)?.for_policy(policy);
        let hold = match vpns {
            VpnRange::One(vpn) => store.hold_vpn(vpn),
            VpnRange::All => store.hold_vpns(),
        };
        Ok(Self { primary, vpns, _hold: hold, window, after: None, stamp: store.now(), asker, unknown: None, response })
    }

    /// Whether an entry is one to tell of.
    #[inline]
    fn wants(&self, entry: &Entry<'_, V4Key>, store: &Store<V4Key>) -> bool {
        match entry {
            // Ended bindings are told of too if all addresses are asked for (RFC 6926 section 8.2).
            Entry::Bound(binding) if binding.state() == State::Active => {
                self.window.matches(binding) && !store.is_doubted(binding)
            }
            Entry::Bound(binding) => {
                self.primary == Primary::All
                    && self.window.matches(binding)
                    && (!binding.state().is_ended() || self.is_known(entry, store))
            }
            Entry::Free { since, .. } => {
                self.window.matches_free(*since, store.history_floor()) && self.is_known(entry, store)
            }
        }
    }

    /// Whether nobody who has not been heard yet may have leased an address.
    #[inline]
    fn is_known(&self, entry: &Entry<'_, V4Key>, store: &Store<V4Key>) -> bool {
        store.is_known() || store.unknown(About::Key(entry.key()), &self.asker).is_none()
    }

    /// Notes why not everything is known, if so.
    fn note_unknown(&mut self, store: &Store<V4Key>) {
        if self.unknown.is_none() {
            let about = if self.primary == Primary::All { About::Everything } else { About::Bindings };
            self.unknown = store.unknown(about, &self.asker).map(|unknown| unknown.to_string());
        }
    }

    /// What the next message is stamped with. The first one has the time when the answer began, however long it took to
    /// find something to tell: the requestor comes back with it, and what changed behind the cursor since then is told it
    /// then.
    fn stamp(&mut self, store: &Store<V4Key>) -> Time {
        if self.response.has_begun() {
            // The last words may be spoken after the clock was set back.
            self.stamp = self.stamp.max(store.now());
        }
        self.stamp
    }

    fn done(&mut self, store: &Store<V4Key>, status: Option<(StatusCode, &str)>, out: &mut Vec<u8>) {
        let base_time = self.stamp(store);
        let base_time = self.response.has_base_time().then_some(base_time);
        self.response.about(MessageType::LEASE_QUERY_DONE, base_time, status, out);
    }
}

impl Query<V4Key> for BulkQuery {
    fn xid(&self) -> u32 {
        self.response.xid
    }

    fn advance(&mut self, store: &Store<V4Key>, out: &mut Vec<u8>, room: usize, budget: &Budget) -> Progress {
        self.note_unknown(store);
        let mut scan = store.scan(self.primary.selector(), self.vpns, self.after, budget);
        for entry in scan.by_ref() {
            if self.wants(&entry, store) {
                let base_time = self.stamp(store);
                if let Err(error) = self.response.entry(&entry, base_time, store, out) {
                    return Progress::Failed(format!("{}: {error}", entry.key().address));
                }
            }
            if out.len() >= room {
                break;
            }
        }
        self.after = scan.cursor();
        if scan.is_over() {
            // Nothing was broken off, which QueryTerminated would mean (RFC 6926 section 8.5): what is known was told, and the
            // connection goes on.
            let unknown = self.unknown.take();
            self.done(store, unknown.as_deref().map(|text| (StatusCode::UNSPEC_FAIL, text)), out);
            return Progress::Done;
        }
        Progress::More
    }

    fn scope(&self) -> Scope {
        if self.primary == Primary::All && self.window.is_open() { Scope::Everything } else { Scope::Part }
    }

    fn terminate(&mut self, store: &Store<V4Key>, out: &mut Vec<u8>, reason: &str) {
        self.done(store, Some((StatusCode::QUERY_TERMINATED, reason)), out);
    }

    fn set_policy(&mut self, policy: &Arc<Policy>) -> Result<(), &'static str> {
        if policy.allow.bulk { self.response.set_policy(policy) } else { Err(NO_LONGER) }
    }

    fn replies(&self) -> u64 {
        self.response.replies
    }

    fn take_shed(&mut self) -> Vec<Shed> {
        std::mem::take(&mut self.response.shed)
    }
}

/// Reads an active query, or says why it is refused (RFC 7724 section 8.2).
pub(super) fn active_query(
    message: &Message<'_>,
    server_id: Ipv4Addr,
    policy: &Arc<Policy>,
    asker: Vec<SocketAddr>,
    store: &Store<V4Key>,
) -> Result<Active<ActiveResponse>, Refusal> {
    if !policy.allow.active {
        return Err(Refusal::not_allowed(format!("{} may not send active queries", policy.name)));
    }
    no_addresses(message)?;
    if !matches!(primary(message), Ok(Primary::All)) {
        return Err(Refusal::malformed("an active query is about all bindings, it has no selector"));
    }
    if message.query_end_time().map_err(malformed)?.is_some() {
        return Err(Refusal::malformed("an active query has no query-end-time"));
    }
    let since = message.query_start_time().map_err(malformed)?.map(Time);
    // What is not asked for is told all the same: nothing is said of VPNs, and all updates are to be sent.
    let vpns = asked_vpns(message, policy, store)?.unwrap_or(VpnRange::All);
    let response = Response::new(message, server_id, policy)?;
    // Where it is about all VPNs it remembers none.
    let hold = match vpns {
        VpnRange::One(vpn) => store.hold_vpn(vpn),
        VpnRange::All => VpnHold::default(),
    };
    Ok(Active::new(ActiveResponse { response, vpns, _hold: hold, asker }, since, store))
}

fn no_addresses(message: &Message<'_>) -> Result<(), Refusal> {
    for (field, address) in [("ciaddr", message.ciaddr()), ("yiaddr", message.yiaddr()), ("siaddr", message.siaddr())] {
        if !address.is_unspecified() {
            return Err(Refusal::malformed(format!("{field} is {address}, it must be zero in a query over TCP")));
        }
    }
    Ok(())
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

/// The VPNs that a query names, if it does. Sub-option 151 of option 82 wins over option 221 (RFC 6607 section 7.3).
fn asked_vpns(message: &Message<'_>, policy: &Policy, store: &Store<V4Key>) -> Result<Option<VpnRange>, Refusal> {
    let relayed = match message.relay_agent_information().map_err(malformed)? {
        Some(info) => info.vpn().map_err(malformed)?,
        None => None,
    };
    if relayed == Some(Vpn::All) {
        return Err(Refusal::malformed("sub-option 151 of option 82 cannot select all VPNs"));
    }
    let name = match relayed.or(message.vpn().map_err(malformed)?) {
        None => return Ok(None),
        Some(Vpn::Default) => return Ok(Some(VpnRange::One(VpnIndex::DEFAULT))),
        Some(Vpn::All) => return Ok(Some(VpnRange::All)),
        Some(Vpn::Name(name)) => VpnName::Name(name.into()),
        Some(Vpn::Id(id)) => VpnName::Id(id),
    };
    // The same text for a VPN that is not there and one that is not for this requestor.
    let known = store.find_vpn(&name).filter(|_| policy.permits(Some(&name)));
    let known = known.map(VpnRange::One);
    known.map(Some).ok_or_else(|| Refusal::not_allowed("this VPN is not served to this requestor"))
}

fn window(message: &Message<'_>, store: &Store<V4Key>) -> Result<Window, Refusal> {
    let start = message.query_start_time().map_err(malformed)?.map(Time);
    let end = message.query_end_time().map_err(malformed)?.map(Time);
    match (start, end) {
        (Some(start), Some(end)) if start > end => {
            Err(Refusal::malformed(format!("query-start-time {start} is after query-end-time {end}")))
        }
        _ => Ok(Window { start, end }.in_store(store)),
    }
}
