//! A store, queries, and a connection between them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::server::v4::{V4, answer};
use leasequery_protocol::server::{CloseReason, Connection, Event, Limits, Policy, Silence, Turn, Verdict};
use leasequery_store::{
    Hardware, Network, Outcome, Settings, SourceId, State, Store, Time, Update, V4Key, VpnIndex, VpnName,
};
use leasequery_wire::v4::{BOOT_REQUEST, Header, Message, MessageType, MessageWriter, OptionCode, StatusCode};
use leasequery_wire::{Framing, split_frame};

/// The server's clock at the start of every test.
pub(crate) const NOW: Time = Time(1_700_000_000);
/// The server's address.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Where single queries come from.
pub(crate) const REQUESTOR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
/// More than any test makes.
pub(crate) const PLENTY: usize = usize::MAX;
pub(crate) const TIMEOUT: Duration = Duration::from_mins(5);

pub(crate) const MAC_1: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const MAC_2: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// An answer without addresses.
pub(crate) const NOTHING: [Ipv4Addr; 0] = [];

pub(crate) fn ethernet(address: &[u8; 6]) -> Hardware<'_> {
    Hardware { htype: 1, address }
}

/// The address 10.0.0.0 plus a number.
pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 + number)
}

/// That address in the default VPN.
pub(crate) fn key(number: u32) -> V4Key {
    V4Key::new(address(number))
}

/// An active lease of an hour.
pub(crate) fn lease(key: V4Key) -> Update<'static, V4Key> {
    Update { expires: Some(NOW.plus(3600)), last_transaction: Some(NOW), ..Update::new(key, State::Active) }
}

/// Sub-options of option 82, encoded.
pub(crate) fn relay_info(sub_options: &[(u8, &[u8])]) -> Vec<u8> {
    sub_options
        .iter()
        .flat_map(|(code, value)| [&[*code, u8::try_from(value.len()).unwrap()], *value].concat())
        .collect()
}

/// A store with one source.
pub(crate) struct World {
    pub(crate) store: Store<V4Key>,
    pub(crate) source: SourceId,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let mut store = Store::new(settings);
        store.advance(NOW);
        let source = store.source("test").unwrap();
        Self { store, source }
    }

    pub(crate) fn commit(&mut self, update: &Update<'_, V4Key>) {
        assert_ne!(self.store.commit(self.source, update), Outcome::Refused);
    }

    /// Configures the addresses from `first` to `last`, since an hour ago.
    pub(crate) fn configure(&mut self, first: V4Key, last: V4Key) {
        self.store.set_networks(None, &[Network { first, last, since: NOW.minus(3600) }]);
    }

    pub(crate) fn vpn(&mut self, name: &str) -> VpnIndex {
        self.store.vpn(None, &VpnName::Name(name.as_bytes().into())).unwrap()
    }

    pub(crate) fn connect(&self) -> Peer<'_> {
        Peer::new(self, Policy::default(), Limits::default())
    }

    pub(crate) fn connect_as(&self, policy: Policy) -> Peer<'_> {
        Peer::new(self, policy, Limits::default())
    }

    pub(crate) fn connect_with(&self, limits: Limits) -> Peer<'_> {
        Peer::new(self, Policy::default(), limits)
    }

    /// The answer to one query on a connection of its own.
    pub(crate) fn ask(&self, query: &Query) -> Vec<Reply> {
        self.connect().ask(query)
    }

    /// The answer to a datagram from port 67 of the requestor, who may do what these policies say, if there is one.
    pub(crate) fn datagram(&self, datagram: &[u8], policy: &Policy) -> (Verdict, Vec<Reply>) {
        let permit = |_| Some(Arc::new(policy.clone()));
        let mut out = b"before".to_vec();
        let verdict = answer(datagram, (REQUESTOR, 67).into(), SERVER, permit, &self.store, &mut out);
        let made = out.strip_prefix(b"before").expect("the output is appended to");
        let replies = if made.is_empty() { Vec::new() } else { vec![Reply(made.to_vec())] };
        assert_eq!(matches!(verdict, Verdict::Answer { .. }), !replies.is_empty());
        (verdict, replies)
    }

    /// The answer to a single query, which has to be there and has to be whole.
    #[track_caller]
    pub(crate) fn single(&self, query: &Query) -> Reply {
        self.single_as(query, &Policy::default())
    }

    #[track_caller]
    pub(crate) fn single_as(&self, query: &Query, policy: &Policy) -> Reply {
        let (verdict, mut replies) = self.datagram(&query.datagram(), policy);
        let to = (REQUESTOR, 67).into();
        assert_eq!(verdict, Verdict::Answer { to, without_relay_info: false });
        replies.remove(0)
    }

    /// Why a query is not answered.
    #[track_caller]
    pub(crate) fn silence(&self, query: &Query) -> Silence {
        match self.datagram(&query.datagram(), &Policy::default()).0 {
            Verdict::Silence(silence) => silence,
            verdict @ Verdict::Answer { .. } => panic!("{verdict:?}"),
        }
    }

    /// The addresses that one query is told of, after checking that it succeeds.
    pub(crate) fn addresses(&self, query: &Query) -> Vec<Ipv4Addr> {
        bindings(&self.ask(query)).iter().map(Reply::address).collect()
    }
}

/// The other end of a connection to a store that does not change.
pub(crate) struct Peer<'w> {
    world: &'w World,
    pub(crate) connection: Connection<V4>,
    pub(crate) now: Duration,
    pub(crate) turn: Turn,
}

impl<'w> Peer<'w> {
    fn new(world: &'w World, policy: Policy, limits: Limits) -> Self {
        let now = Duration::from_secs(1000);
        Self { world, connection: connection(policy, limits, now), now, turn: Turn::Idle }
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.connection.handle_bytes(self.now, octets);
    }

    /// What the server says in one turn.
    pub(crate) fn turn(&mut self, room: usize) -> Vec<Reply> {
        let mut out = Vec::new();
        self.turn = self.connection.poll_transmit(self.now, &self.world.store, &mut out, room);
        replies(&out)
    }

    /// All that the server has to say.
    pub(crate) fn listen(&mut self) -> Vec<Reply> {
        let mut all = Vec::new();
        loop {
            all.extend(self.turn(PLENTY));
            if self.turn != Turn::More {
                return all;
            }
        }
    }

    pub(crate) fn ask(&mut self, query: &Query) -> Vec<Reply> {
        assert!(self.connection.wants_read());
        self.send(&query.frame());
        self.listen()
    }

    pub(crate) fn terminate(&mut self, reason: &str) -> Vec<Reply> {
        let mut out = Vec::new();
        self.connection.terminate(&self.world.store, &mut out, reason);
        replies(&out)
    }

    pub(crate) fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Lets the timers act; whether the connection has to be dropped at once.
    pub(crate) fn timeout(&mut self) -> bool {
        self.connection.handle_timeout(self.now)
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// Why the connection was closed, if it was.
    pub(crate) fn closed(&mut self) -> Option<CloseReason> {
        self.events().into_iter().find_map(|event| match event {
            Event::Closing(reason) => Some(reason),
            _ => None,
        })
    }
}

pub(crate) fn connection(policy: Policy, limits: Limits, now: Duration) -> Connection<V4> {
    let active = policy.allow.active;
    Connection::new(V4::new(SERVER, Arc::new(policy), active), limits, now)
}

/// A query in the making; without anything it is the query for all addresses.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) header: Header<'static>,
    pub(crate) kind: MessageType,
    /// Hardware address, htype and hlen as they go out.
    hardware: Option<(u8, u8, [u8; 16])>,
    options: Vec<(OptionCode, Vec<u8>)>,
}

impl Query {
    pub(crate) fn all() -> Self {
        Self {
            header: Header::new(BOOT_REQUEST, 0x0102_0304),
            kind: MessageType::BULK_LEASE_QUERY,
            hardware: None,
            options: Vec::new(),
        }
    }

    pub(crate) fn of_kind(kind: MessageType) -> Self {
        Self { kind, ..Self::all() }
    }

    /// A query over UDP, of a requestor at 192.0.2.9; what it is about has to be added.
    pub(crate) fn single() -> Self {
        let mut query = Self::of_kind(MessageType::LEASE_QUERY);
        query.header.giaddr = REQUESTOR;
        query
    }

    /// With this ciaddr.
    pub(crate) fn address(mut self, address: Ipv4Addr) -> Self {
        self.header.ciaddr = address;
        self
    }

    pub(crate) fn giaddr(mut self, address: Ipv4Addr) -> Self {
        self.header.giaddr = address;
        self
    }

    pub(crate) fn xid(mut self, xid: u32) -> Self {
        self.header.xid = xid;
        self
    }

    pub(crate) fn mac(self, mac: [u8; 6]) -> Self {
        self.hardware(1, &mac)
    }

    pub(crate) fn hardware(self, htype: u8, octets: &[u8]) -> Self {
        self.raw_hardware(htype, u8::try_from(octets.len()).unwrap(), octets)
    }

    /// With whatever hlen.
    pub(crate) fn raw_hardware(mut self, htype: u8, hlen: u8, octets: &[u8]) -> Self {
        let mut chaddr = [0; 16];
        chaddr[..octets.len()].copy_from_slice(octets);
        self.hardware = Some((htype, hlen, chaddr));
        self
    }

    pub(crate) fn client_id(self, id: &[u8]) -> Self {
        self.option(OptionCode::CLIENT_IDENTIFIER, id)
    }

    pub(crate) fn remote_id(self, id: &[u8]) -> Self {
        self.relay_info(&[(2, id)])
    }

    pub(crate) fn relay_id(self, id: &[u8]) -> Self {
        self.relay_info(&[(12, id)])
    }

    pub(crate) fn relay_info(self, sub_options: &[(u8, &[u8])]) -> Self {
        self.option(OptionCode::RELAY_AGENT_INFORMATION, &relay_info(sub_options))
    }

    pub(crate) fn since(self, time: Time) -> Self {
        self.option(OptionCode::QUERY_START_TIME, &time.0.to_be_bytes())
    }

    pub(crate) fn until(self, time: Time) -> Self {
        self.option(OptionCode::QUERY_END_TIME, &time.0.to_be_bytes())
    }

    /// With option 221 as it stands.
    pub(crate) fn vpn(self, payload: &[u8]) -> Self {
        self.option(OptionCode::VPN_SELECTION, payload)
    }

    pub(crate) fn list(self, codes: &[u8]) -> Self {
        self.option(OptionCode::PARAMETER_REQUEST_LIST, codes)
    }

    pub(crate) fn option(mut self, code: OptionCode, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    /// The message with its length prefix.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        let mut writer = MessageWriter::frame(&mut frame, &self.header, self.kind);
        for (code, value) in &self.options {
            writer.option(*code, value);
        }
        writer.finish().unwrap();
        if let Some((htype, hlen, chaddr)) = self.hardware {
            (frame[3], frame[4]) = (htype, hlen);
            frame[30..46].copy_from_slice(&chaddr);
        }
        frame
    }

    /// The message as it goes over UDP.
    pub(crate) fn datagram(&self) -> Vec<u8> {
        self.frame().split_off(2)
    }
}

/// Cuts output into messages; there must be nothing but whole ones.
pub(crate) fn replies(mut octets: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !octets.is_empty() {
        let Ok(Framing::Frame { body, rest }) = split_frame(octets, 240) else {
            panic!("the output has a part of a message");
        };
        replies.push(Reply(body.to_vec()));
        octets = rest;
    }
    replies
}

/// A message from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply(pub(crate) Vec<u8>);

impl Reply {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.0).unwrap()
    }

    pub(crate) fn kind(&self) -> MessageType {
        self.message().message_type()
    }

    pub(crate) fn xid(&self) -> u32 {
        self.message().xid()
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        self.message().ciaddr()
    }

    pub(crate) fn option(&self, code: OptionCode) -> Option<Vec<u8>> {
        self.message().option(code).map(<[u8]>::to_vec)
    }

    /// A value of four octets.
    pub(crate) fn number(&self, code: OptionCode) -> Option<u32> {
        self.option(code).map(|value| u32::from_be_bytes(value.try_into().unwrap()))
    }

    /// Codes of all options but the message type, each as often as it stands there, in their order.
    pub(crate) fn codes(&self) -> Vec<u8> {
        let mut codes = Vec::new();
        let mut rest = &self.0[240..];
        while let [code, length, behind @ ..] = rest {
            codes.push(*code);
            rest = &behind[usize::from(*length)..];
        }
        assert_eq!(rest, [255], "options end with the end mark, and nothing is behind it");
        assert_eq!(codes.remove(0), OptionCode::MESSAGE_TYPE.0);
        codes
    }

    pub(crate) fn status(&self) -> Option<(StatusCode, String)> {
        self.message().status().unwrap().map(|status| (status.code, status.text.into_owned()))
    }
}

/// The replies before the final one, which has to say that all went well.
pub(crate) fn bindings(replies: &[Reply]) -> &[Reply] {
    let (done, bindings) = replies.split_last().expect("every query is answered");
    assert_eq!((done.kind(), done.status()), (MessageType::LEASE_QUERY_DONE, None));
    for reply in bindings {
        assert!([MessageType::LEASE_ACTIVE, MessageType::LEASE_UNASSIGNED].contains(&reply.kind()));
    }
    bindings
}

/// The text of a refusal with this status, which has to be the only message.
pub(crate) fn refusal(replies: &[Reply], status: StatusCode) -> String {
    let [reply] = replies else { panic!("{} messages instead of a refusal", replies.len()) };
    assert_eq!(reply.kind(), MessageType::LEASE_QUERY_DONE);
    let (code, text) = reply.status().expect("a refusal has a status");
    assert_eq!(code, status, "{text}");
    text
}
