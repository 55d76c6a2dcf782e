use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use leasequery_store::{
    About, Binding, Budget, Entry, Hardware, Selector, State, Store, Time, V4Key, VpnIndex, VpnName,
};
use leasequery_wire::v4::{BOOT_REPLY, BOOT_REQUEST, Header, Message, MessageType, MessageWriter, OptionCode};
use leasequery_wire::v4::{SubOption, Vpn};
use leasequery_wire::{DecodeError, Problem};

use super::response::is_own;
use super::{Policy, ReplyPlan, finish};
use crate::server::{Silence, Verdict};

/// Where requestors and relays await answers (RFC 2131 section 4.1).
const SERVER_PORT: u16 = 67;
/// What every receiver accepts: a datagram of so many octets (RFC 2131 section 2).
const MIN_DATAGRAM: u16 = 576;
/// Octets of an address in associated-ip.
const ADDRESS: usize = 4;
/// The budget of a query, besides what its answer can carry: more than are looked at to find the latest.
const SINGLE: usize = 1024;
/// Octets of the IP and UDP headers, which the limit includes.
const HEADERS: usize = 20 + 8;

/// Answers one datagram that came `from` somewhere (RFC 4388 section 6.4, RFC 6148 section 4).
///
/// `server_id` is what the answer names as server-identifier (option 54), `permit` what a requestor may do, if there is
/// one with such an address. Both the source of the datagram and giaddr have to be permitted: the one is easily forged,
/// and the answer goes to the other. What either may not be told is not told.
///
/// Nothing is answered but valid queries, and the store stays as it is.
pub fn answer(
    datagram: &[u8],
    from: SocketAddr,
    server_id: Ipv4Addr,
    permit: impl Fn(IpAddr) -> Option<Arc<Policy>>,
    store: &Store<V4Key>,
    out: &mut Vec<u8>,
) -> Verdict {
    let permit = |address: IpAddr| {
        let policy = permit(address).filter(|policy| policy.allow.udp);
        policy.ok_or(Silence::NotPermitted(address))
    };
    respond(datagram, from, server_id, permit, store, out).unwrap_or_else(Verdict::Silence)
}

fn respond(
    datagram: &[u8],
    from: SocketAddr,
    server_id: Ipv4Addr,
    permit: impl Fn(IpAddr) -> Result<Arc<Policy>, Silence>,
    store: &Store<V4Key>,
    out: &mut Vec<u8>,
) -> Result<Verdict, Silence> {
    // A socket for both families tells of IPv4 addresses as mapped ones.
    let source = from.ip().to_canonical();
    let sender = permit(source)?;
    let message = Message::parse(datagram)?;
    if message.op() != BOOT_REQUEST {
        return Err(Silence::NotARequest(message.op()));
    }
    if message.message_type() != MessageType::LEASE_QUERY {
        return Err(Silence::NotAQuery(message.message_type().0));
    }
    let giaddr = message.giaddr();
    if giaddr.is_unspecified() {
        return Err(Silence::NoGiaddr);
    }
    let receiver = permit(giaddr.into())?;
    let query = Query::read(&message, server_id, [&sender, &receiver], store)?;
    let without_relay_info = query.answer(store, out)?;
    // Without privileges nobody can listen on port 67. To the very address and port a query came from is safe as well.
    let port = if source == IpAddr::V4(giaddr) { from.port() } else { SERVER_PORT };
    Ok(Verdict::Answer { to: (giaddr, port).into(), without_relay_info })
}

/// A valid query, and how it is answered.
struct Query<'m> {
    message: &'m Message<'m>,
    server_id: Ipv4Addr,
    subject: Subject<'m>,
    /// Where to look; `None` if there is no such VPN for this requestor.
    vpn: Option<SelectedVpn<'m>>,
    plan: ReplyPlan,
    policies: [&'m Policy; 2],
    /// Whether the other addresses of a client may be told.
    associated: bool,
    /// Octets that the answer has at most, without the end mark.
    limit: usize,
}

/// What a query is about.
enum Subject<'m> {
    /// An address.
    Address(Ipv4Addr),
    /// Whoever, or whatever, has leases.
    Holder(Selector<'m>),
}

/// A VPN that the requestor may see.
struct SelectedVpn<'m> {
    vpn: VpnIndex,
    /// The octets that select it, if the query has any.
    selection: Option<&'m [u8]>,
}

impl<'m> Query<'m> {
    fn read(
        message: &'m Message<'m>,
        server_id: Ipv4Addr,
        policies: [&'m Policy; 2],
        store: &Store<V4Key>,
    ) -> Result<Self, Silence> {
        let withheld = policies.map(|policy| policy.withhold.as_slice()).concat();
        let datagram = message.max_message_size()?.unwrap_or(MIN_DATAGRAM).max(MIN_DATAGRAM);
        Ok(Self {
            message,
            server_id,
            subject: subject(message)?,
            vpn: selected_vpn(message, policies, store)?,
            policies,
            plan: ReplyPlan::single(message.parameter_request_list()?, &withheld),
            associated: !withheld.contains(&u16::from(OptionCode::ASSOCIATED_IP.0)),
            limit: usize::from(datagram) - HEADERS - 1,
        })
    }

    /// Appends the answer. Returns whether it had to go without option 82.
    fn answer(&self, store: &Store<V4Key>, out: &mut Vec<u8>) -> Result<bool, Silence> {
        let now = store.now();
        let Some(SelectedVpn { vpn, .. }) = self.vpn else { return Ok(self.unknown(out)) };
        Ok(match self.subject {
            Subject::Address(address) => {
                let key = V4Key { vpn, address };
                match store.lookup(key) {
                    Some(binding) if !self.is_own(&binding) => self.unknown(out),
                    Some(binding) if is_active(&binding, now) => self.active(&binding, &[binding], now, out),
                    // There is no definitive information (RFC 4388 section 6.4.1), and whoever has it may be another server.
                    _ if store.unknown(About::Key(key), &[]).is_some() => self.unknown(out),
                    binding if binding.is_some() || store.is_configured(key) => self.unassigned(address, out),
                    _ => self.unknown(out),
                }
            }
            Subject::Holder(selector) => {
                let room = self.limit / ADDRESS;
                let budget = Budget::new(SINGLE + room);
                let told = |binding: &Binding<'_, V4Key>| is_active(binding, now) && self.is_own(binding);
                let held: Vec<_> = store.latest(selector, vpn, &budget).filter(told).take(room).collect();
                match held.first() {
                    Some(latest) => self.active(latest, &held, now, out),
                    // There may be one behind those that were looked at.
                    None if budget.is_spent() => return Err(Silence::TooMuch),
                    None => self.unknown(out),
                }
            }
        })
    }

    fn is_own(&self, binding: &Binding<'_, V4Key>) -> bool {
        self.policies.iter().all(|policy| is_own(policy, &Entry::Bound(*binding)))
    }

    /// What is leased, with what else the same client has, the latest first (RFC 4388 section 6.4.2).
    fn active(&self, binding: &Binding<'_, V4Key>, held: &[Binding<'_, V4Key>], now: Time, out: &mut Vec<u8>) -> bool {
        let mut header = Header { ciaddr: binding.key().address, ..self.header() };
        if let Some(hardware) = binding.hardware() {
            header.htype = hardware.htype;
            header.chaddr = hardware.address;
        }
        let mut writer = self.begin(&header, MessageType::LEASE_ACTIVE, out);
        let measure = |writer: &mut MessageWriter<'_>, put: &dyn Fn(&mut MessageWriter<'_>)| {
            let before = writer.len();
            put(writer);
            let length = writer.len() - before;
            writer.truncate(before);
            length
        };
        // Option 82 is the last one, but others that were asked for make room for it (RFC 3046 section 2.2).
        let relay_info = binding.relay_info().filter(|_| self.plan.has_relay_info());
        let reserved = relay_info.map_or(0, |info| {
            measure(&mut writer, &|writer| {
                self.put(writer, OptionCode::RELAY_AGENT_INFORMATION, info);
            })
        });
        let limit = self.limit - reserved;
        let options = |writer: &mut MessageWriter<'_>| self.plan.put_within(writer, binding, now, limit);
        if held.len() > 1 && self.associated {
            // As many as there is room for, the latest ones.
            let room = limit.saturating_sub(writer.len() + measure(&mut writer, &options));
            let fit = addresses_in(room);
            let addresses: Vec<u8> = held.iter().take(fit).flat_map(|held| held.key().address.octets()).collect();
            if !addresses.is_empty() {
                writer.option(OptionCode::ASSOCIATED_IP, &addresses);
            }
        }
        options(&mut writer);
        let fits = relay_info.is_none_or(|info| self.put(&mut writer, OptionCode::RELAY_AGENT_INFORMATION, info));
        finish(writer);
        !fits
    }

    /// An address of ours that is not leased. Its last client is nobody's business (RFC 4388 section 6.4.2).
    fn unassigned(&self, address: Ipv4Addr, out: &mut Vec<u8>) -> bool {
        let header = Header { ciaddr: address, ..self.header() };
        finish(self.begin(&header, MessageType::LEASE_UNASSIGNED, out));
        false
    }

    /// Nothing that is known here. A query by Remote ID gets its option 82 back (RFC 6148 section 4.3).
    fn unknown(&self, out: &mut Vec<u8>) -> bool {
        let mut writer = self.begin(&self.header(), MessageType::LEASE_UNKNOWN, out);
        let relay_info = match self.subject {
            Subject::Holder(Selector::RemoteId(_)) => self.message.option(OptionCode::RELAY_AGENT_INFORMATION),
            _ => None,
        };
        let fits = relay_info.is_none_or(|info| self.put(&mut writer, OptionCode::RELAY_AGENT_INFORMATION, info));
        finish(writer);
        !fits
    }

    fn header(&self) -> Header<'static> {
        Header { giaddr: self.message.giaddr(), ..Header::new(BOOT_REPLY, self.message.xid()) }
    }

    /// Begins an answer with what each has: the server, and the VPN it looked in as the query selected it, if it did
    /// (RFC 6607 section 7.1).
    fn begin<'b>(&self, header: &Header<'_>, kind: MessageType, out: &'b mut Vec<u8>) -> MessageWriter<'b> {
        let mut writer = MessageWriter::datagram(out, header, kind);
        writer.address(OptionCode::SERVER_IDENTIFIER, self.server_id);
        if let Some(selection) = self.vpn.as_ref().and_then(|vpn| vpn.selection) {
            self.put(&mut writer, OptionCode::VPN_SELECTION, selection);
        }
        writer
    }

    /// Appends an option if it fits as a whole: none is ever cut.
    fn put(&self, writer: &mut MessageWriter<'_>, code: OptionCode, value: &[u8]) -> bool {
        let length = writer.len();
        writer.option(code, value);
        let fits = writer.len() <= self.limit;
        if !fits {
            writer.truncate(length);
        }
        fits
    }
}

/// Whether an address is leased, even if nobody has noted yet that it no longer is.
fn is_active(binding: &Binding<'_, V4Key>, now: Time) -> bool {
    binding.state() == State::Active && binding.expires().is_none_or(|expires| expires > now)
}

/// How many addresses there is room for in a message: each 63 of them have a code and a length in front (RFC 3396 section
/// 5).
fn addresses_in(room: usize) -> usize {
    const PART: usize = 63;
    let whole = PART * ADDRESS + 2;
    room / whole * PART + (room % whole).saturating_sub(2) / ADDRESS
}

/// What a query is about: exactly one thing. Option 82 counts only where there is nothing else (RFC 6148 section 5).
fn subject<'m>(message: &'m Message<'_>) -> Result<Subject<'m>, Silence> {
    let address = Some(message.ciaddr()).filter(|address| !address.is_unspecified()).map(Subject::Address);
    let hardware = hardware(message)?.map(Selector::Hardware).map(Subject::Holder);
    let client_id = match message.client_identifier() {
        Some(id) => Some(Subject::Holder(Selector::ClientId(of_length(OptionCode::CLIENT_IDENTIFIER.0, id, 2)?))),
        None => None,
    };
    let mut found = [address, hardware, client_id].into_iter().flatten();
    match (found.next(), found.count()) {
        (Some(subject), 0) => Ok(subject),
        (Some(_), others) => Err(Silence::Selectors(1 + others)),
        (None, _) => match message.relay_agent_information()?.and_then(|info| info.remote_id()) {
            Some(id) => Ok(Subject::Holder(Selector::RemoteId(of_length(SubOption::REMOTE_ID.0, id, 1)?))),
            None => Err(Silence::Selectors(0)),
        },
    }
}

/// The MAC address, if there is one: a habitual htype alone is none.
fn hardware<'m>(message: &Message<'m>) -> Result<Option<Hardware<'m>>, DecodeError> {
    const HLEN: usize = 2;
    let address = message.chaddr();
    if address.is_empty() && message.chaddr_field() != [0; 16] {
        return Err(DecodeError { offset: HLEN, problem: Problem::HardwareLength(0) });
    }
    Ok(Some(Hardware { htype: message.htype(), address }).filter(|hardware| !hardware.address.is_empty()))
}

/// An identifier, if it has as many octets as it has to.
fn of_length(code: u8, id: &[u8], least: usize) -> Result<&[u8], DecodeError> {
    if id.len() >= least {
        return Ok(id);
    }
    let expected = if least == 1 { "1 or more" } else { "2 or more" };
    Err(DecodeError { offset: 0, problem: Problem::Length { code: code.into(), length: id.len(), expected } })
}

/// The VPN to look in. `None` if this server has no such VPN, or not for this requestor: it never looks in another one
/// instead (RFC 6607 section 7.1).
fn selected_vpn<'m>(
    message: &'m Message<'_>,
    policies: [&Policy; 2],
    store: &Store<V4Key>,
) -> Result<Option<SelectedVpn<'m>>, DecodeError> {
    // Sub-option 151 of option 82 wins over option 221 (RFC 6607 section 7.3).
    let relayed = message.relay_agent_information()?.and_then(|info| info.find(SubOption::VSS));
    let Some(selection) = relayed.or_else(|| message.option(OptionCode::VPN_SELECTION)) else {
        return Ok(Some(SelectedVpn { vpn: VpnIndex::DEFAULT, selection: None }));
    };
    let name = match Vpn::parse(OptionCode::VPN_SELECTION.0, selection) {
        Ok(Vpn::Default) => return Ok(Some(SelectedVpn { vpn: VpnIndex::DEFAULT, selection: Some(selection) })),
        // All VPNs are for bulk queries (RFC 6926 section 6.2.9), and types that nobody has assigned for none.
        Ok(Vpn::All) | Err(DecodeError { problem: Problem::Value { .. }, .. }) => return Ok(None),
        Ok(Vpn::Name(name)) => VpnName::Name(name.into()),
        Ok(Vpn::Id(id)) => VpnName::Id(id),
        Err(error) => return Err(error),
    };
    let known = store.find_vpn(&name).filter(|_| policies.iter().all(|policy| policy.permits(Some(&name))));
    Ok(known.map(|vpn| SelectedVpn { vpn, selection: Some(selection) }))
}
