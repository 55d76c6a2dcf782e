//! A store, queries, and a connection between them.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::server::v6::V6;
use leasequery_protocol::server::{Allow, CloseReason, Connection, Event, Limits, Policy, Turn};
use leasequery_store::{Link, Outcome, Settings, SourceId, State, Store, Time, Update, V6Key};
use leasequery_wire::v6::{Message, MessageType, MessageWriter, OptionCode, Options, QueryType, StatusCode};
use leasequery_wire::{Framing, split_frame};

/// The server's clock at the start of every test.
pub(crate) const NOW: Time = Time(1_700_000_000);
/// Seconds from 1970 to 2000, where DHCPv6 counts from.
pub(crate) const EPOCH: u32 = 946_684_800;
pub(crate) const SERVER: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0xfe];
pub(crate) const REQUESTOR: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0xaa];
/// More than any test makes.
pub(crate) const PLENTY: usize = usize::MAX;
pub(crate) const TIMEOUT: Duration = Duration::from_mins(5);
/// The transaction id of a query that is given none.
pub(crate) const XID: u32 = 0x01_02_03;

pub(crate) const ALICE: &[u8] = b"\0\x03\0\x01alice";
pub(crate) const BOB: &[u8] = b"\0\x03\0\x01bob";

/// An address on the link with this number, one of 64 bits.
pub(crate) fn address(link: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, link, 0, 0, 0, host)
}

pub(crate) fn key(link: u16, host: u16) -> V6Key {
    V6Key::new(address(link, host))
}

/// A prefix of 56 bits, far from all links.
pub(crate) fn delegated(number: u16) -> V6Key {
    V6Key::prefix(Ipv6Addr::new(0x2001, 0xdb8, 0xd000, number << 8, 0, 0, 0, 0), 56)
}

/// An active lease of an hour.
pub(crate) fn lease(key: V6Key, client: &[u8]) -> Update<'_, V6Key> {
    Update {
        client_id: Some(client),
        expires: Some(NOW.plus(3600)),
        last_transaction: Some(NOW),
        ..Update::new(key, State::Active)
    }
}

/// Some client of many.
pub(crate) fn client(number: u16) -> Vec<u8> {
    [&[0, 3, 0, 1, 9, 9][..], &number.to_be_bytes()].concat()
}

/// Options, encoded.
pub(crate) fn options(options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (code, value) in options {
        octets.extend_from_slice(&code.to_be_bytes());
        octets.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        octets.extend_from_slice(value);
    }
    octets
}

/// A store with one source.
pub(crate) struct World {
    pub(crate) store: Store<V6Key>,
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

    pub(crate) fn commit(&mut self, update: &Update<'_, V6Key>) {
        assert_ne!(self.store.commit(self.source, update), Outcome::Refused);
    }

    pub(crate) fn release(&mut self, key: V6Key) {
        self.store.end_lease(self.source, key, State::Released);
    }

    /// Configures links, each with its networks, the first of which gives it its name.
    pub(crate) fn configure(&mut self, links: &[&[(Ipv6Addr, u8)]]) {
        let link = |networks: &&[(Ipv6Addr, u8)]| Link { address: networks[0].0, networks: networks.to_vec() };
        self.store.set_links(None, links.iter().map(link).collect());
    }

    /// The answer to one query on a connection of its own.
    pub(crate) fn ask(&self, query: &Query) -> Vec<Reply> {
        self.ask_as(query, permitted())
    }

    pub(crate) fn ask_as(&self, query: &Query, policy: Policy) -> Vec<Reply> {
        let mut connection = connection(policy, Limits::default(), TIMEOUT);
        connection.handle_bytes(TIMEOUT, &query.frame());
        let mut out = Vec::new();
        while connection.poll_transmit(TIMEOUT, &self.store, &mut out, PLENTY) == Turn::More {}
        replies(&out)
    }

    /// The clients that one query is told of, after checking that it succeeds.
    pub(crate) fn told(&self, query: &Query) -> Vec<Data> {
        answer(&self.ask(query))
    }

    /// The keys that one query is told of, after checking that it succeeds.
    pub(crate) fn keys(&self, query: &Query) -> Vec<V6Key> {
        keys(&self.told(query))
    }
}

/// All keys of an answer, in its order.
pub(crate) fn keys(data: &[Data]) -> Vec<V6Key> {
    data.iter().flat_map(Data::keys).collect()
}

pub(crate) fn connection(policy: Policy, limits: Limits, now: Duration) -> Connection<V6> {
    Connection::new(V6::new(SERVER.into(), Arc::new(policy), true), limits, now)
}

/// The policy of a requestor that may ask for anything.
pub(crate) fn permitted() -> Policy {
    Policy { name: "bng-1".to_owned(), allow: Allow { udp: true, bulk: true, active: true }, ..Policy::default() }
}

/// A store that goes on changing, and a connection to it whose clock goes with that of the store.
pub(crate) struct Watch {
    pub(crate) world: World,
    pub(crate) connection: Connection<V6>,
    pub(crate) now: Duration,
    pub(crate) turn: Turn,
}

impl Watch {
    pub(crate) fn new(world: World) -> Self {
        Self::with(world, permitted(), Limits::default())
    }

    pub(crate) fn with(world: World, policy: Policy, limits: Limits) -> Self {
        Self::around(world, V6::new(SERVER.into(), Arc::new(policy), true), limits)
    }

    pub(crate) fn around(world: World, protocol: V6, limits: Limits) -> Self {
        let now = Duration::from_secs(1000);
        Self { world, connection: Connection::new(protocol, limits, now), now, turn: Turn::Idle }
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.connection.handle_bytes(self.now, octets);
    }

    /// What the server says in one turn, as it goes out.
    pub(crate) fn octets(&mut self, room: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.turn = self.connection.poll_transmit(self.now, &self.world.store, &mut out, room);
        out
    }

    pub(crate) fn turn(&mut self, room: usize) -> Vec<Reply> {
        replies(&self.octets(room))
    }

    /// All that the server has to say for now.
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

    pub(crate) fn set_policy(&mut self, policy: Policy) -> Vec<Reply> {
        let mut out = Vec::new();
        self.connection.set_policy(&Arc::new(policy), &self.world.store, &mut out);
        replies(&out)
    }

    pub(crate) fn later(&mut self, seconds: u32) {
        self.now += Duration::from_secs(seconds.into());
        self.world.store.advance(self.world.store.now().plus(seconds));
    }

    /// Lets the timers act; whether the connection has to be dropped at once.
    pub(crate) fn timeout(&mut self) -> bool {
        self.connection.handle_timeout(self.now)
    }

    /// What is said `seconds` later, once the timers have acted.
    pub(crate) fn listen_after(&mut self, seconds: u32) -> Vec<Reply> {
        self.later(seconds);
        assert!(!self.timeout());
        self.listen()
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

    /// That nothing is said any more, whatever happens.
    pub(crate) fn assert_over(&mut self) {
        self.world.commit(&lease(key(0xffff, 1), BOB));
        assert_eq!(self.listen(), []);
        assert_eq!(self.turn, Turn::Close);
        assert_eq!(self.connection.outstanding(), 0);
        assert!(!self.connection.wants_read());
        assert_eq!(self.connection.poll_timeout(), None);
    }
}

/// A query in the making.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) kind: MessageType,
    pub(crate) xid: u32,
    pub(crate) client_id: Option<Vec<u8>>,
    /// Options of the message, besides those that have a field.
    pub(crate) outer: Vec<(OptionCode, Vec<u8>)>,
    /// `OPTION_LQ_QUERY`.
    pub(crate) selector: Option<(QueryType, Ipv6Addr)>,
    pub(crate) inner: Vec<(OptionCode, Vec<u8>)>,
}

impl Query {
    pub(crate) fn of_kind(kind: MessageType) -> Self {
        let client_id = Some(REQUESTOR.to_vec());
        Self { kind, xid: XID, client_id, outer: Vec::new(), selector: None, inner: Vec::new() }
    }

    pub(crate) fn by(query_type: QueryType) -> Self {
        Self { selector: Some((query_type, Ipv6Addr::UNSPECIFIED)), ..Self::of_kind(MessageType::LEASE_QUERY) }
    }

    pub(crate) fn address(address: Ipv6Addr) -> Self {
        Self::by(QueryType::BY_ADDRESS).inner(OptionCode::IA_ADDRESS, &[&address.octets()[..], &[0; 8]].concat())
    }

    pub(crate) fn client(duid: &[u8]) -> Self {
        Self::by(QueryType::BY_CLIENT_ID).inner(OptionCode::CLIENT_ID, duid)
    }

    pub(crate) fn relay(duid: &[u8]) -> Self {
        Self::by(QueryType::BY_RELAY_ID).inner(OptionCode::RELAY_ID, duid)
    }

    /// The value has the enterprise number in front.
    pub(crate) fn remote(value: &[u8]) -> Self {
        Self::by(QueryType::BY_REMOTE_ID).inner(OptionCode::REMOTE_ID, value)
    }

    pub(crate) fn link(link: Ipv6Addr) -> Self {
        Self::by(QueryType::BY_LINK_ADDRESS).on(link)
    }

    /// About everything: all links, since 2000.
    pub(crate) fn everything() -> Self {
        Self::by(QueryType::BY_LINK_ADDRESS).since(Time(EPOCH))
    }

    /// Only on this link.
    pub(crate) fn on(mut self, link: Ipv6Addr) -> Self {
        self.selector.as_mut().unwrap().1 = link;
        self
    }

    pub(crate) fn xid(self, xid: u32) -> Self {
        Self { xid, ..self }
    }

    pub(crate) fn client_id(self, client_id: Option<&[u8]>) -> Self {
        Self { client_id: client_id.map(<[u8]>::to_vec), ..self }
    }

    /// As an active query.
    pub(crate) fn active(self) -> Self {
        Self { kind: MessageType::ACTIVE_LEASE_QUERY, ..self }
    }

    pub(crate) fn since(self, time: Time) -> Self {
        self.outer(OptionCode::START_TIME, &time.0.wrapping_sub(EPOCH).to_be_bytes())
    }

    pub(crate) fn until(self, time: Time) -> Self {
        self.outer(OptionCode::END_TIME, &time.0.wrapping_sub(EPOCH).to_be_bytes())
    }

    /// Asks for options of the message.
    pub(crate) fn request(self, codes: &[u16]) -> Self {
        self.outer(OptionCode::REQUEST, &list(codes))
    }

    /// Asks for options about the clients.
    pub(crate) fn about(self, codes: &[u16]) -> Self {
        self.inner(OptionCode::REQUEST, &list(codes))
    }

    pub(crate) fn base_time(self) -> Self {
        self.request(&[100])
    }

    pub(crate) fn outer(mut self, code: OptionCode, value: &[u8]) -> Self {
        self.outer.push((code, value.to_vec()));
        self
    }

    pub(crate) fn inner(mut self, code: OptionCode, value: &[u8]) -> Self {
        self.inner.push((code, value.to_vec()));
        self
    }

    /// The message with its length prefix.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        let mut writer = MessageWriter::frame(&mut frame, self.kind, self.xid);
        if let Some(client_id) = &self.client_id {
            writer.option(OptionCode::CLIENT_ID, client_id);
        }
        if let Some((query_type, link)) = self.selector {
            let open = writer.query(query_type, link);
            for (code, value) in &self.inner {
                writer.option(*code, value);
            }
            writer.close(open);
        }
        for (code, value) in &self.outer {
            writer.option(*code, value);
        }
        writer.finish().unwrap();
        frame
    }
}

fn list(codes: &[u16]) -> Vec<u8> {
    codes.iter().flat_map(|code| code.to_be_bytes()).collect()
}

/// An active query about everything, whose answers are to have a base-time.
pub(crate) fn active() -> Query {
    Query::of_kind(MessageType::ACTIVE_LEASE_QUERY).base_time()
}

/// Cuts output into messages; there must be nothing but whole ones.
pub(crate) fn replies(mut octets: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !octets.is_empty() {
        let Ok(Framing::Frame { body, rest }) = split_frame(octets, 4) else {
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

/// A lease as a message tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) key: V6Key,
    pub(crate) preferred: u32,
    pub(crate) valid: u32,
}

/// What a message tells of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) client: Vec<u8>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) clt: u32,
    /// The options.
    pub(crate) octets: Vec<u8>,
}

impl Data {
    pub(crate) fn keys(&self) -> impl Iterator<Item = V6Key> {
        self.leases.iter().map(|lease| lease.key)
    }

    pub(crate) fn option(&self, code: u16) -> Option<&[u8]> {
        Options::parse(&self.octets, 0).unwrap().find(OptionCode(code))
    }

    /// Codes of its options in their order.
    pub(crate) fn codes(&self) -> Vec<u16> {
        Options::parse(&self.octets, 0).unwrap().iter().map(|(code, _)| code.0).collect()
    }
}

impl Reply {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.0).unwrap()
    }

    pub(crate) fn kind(&self) -> MessageType {
        self.message().message_type()
    }

    pub(crate) fn xid(&self) -> u32 {
        self.message().transaction_id()
    }

    /// Codes of the message's options in their order.
    pub(crate) fn codes(&self) -> Vec<u16> {
        self.message().options().iter().map(|(code, _)| code.0).collect()
    }

    pub(crate) fn option(&self, code: OptionCode) -> Option<&[u8]> {
        self.message().options().find(code)
    }

    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.message().status().unwrap().map(|status| status.code)
    }

    pub(crate) fn text(&self) -> String {
        self.message().status().unwrap().map(|status| status.text.into_owned()).unwrap_or_default()
    }

    pub(crate) fn base_time(&self) -> Option<Time> {
        self.message().base_time().unwrap().map(|seconds| Time(seconds.wrapping_add(EPOCH)))
    }

    /// What it tells of a client. Whatever a message says has to be well-formed.
    pub(crate) fn data(&self) -> Option<Data> {
        let data = self.message().client_data().unwrap()?;
        let leases = data.leases().map(|lease| {
            let lease = lease.unwrap();
            assert_eq!(lease.options.bytes(), []);
            let key = match lease.prefix_length {
                None => V6Key::new(lease.address),
                Some(length) => V6Key::prefix(lease.address, length),
            };
            Lease { key, preferred: lease.preferred, valid: lease.valid }
        });
        Some(Data {
            client: data.client_id().unwrap().expect("a client has a DUID").to_vec(),
            leases: leases.collect(),
            clt: data.clt_time().unwrap().expect("a client was heard once"),
            octets: data.options().bytes().to_vec(),
        })
    }
}

/// What a query was told, after checking that the answer is one to a successful bulk query.
pub(crate) fn answer(replies: &[Reply]) -> Vec<Data> {
    let (first, later) = replies.split_first().expect("every query is answered");
    assert_eq!((first.kind(), first.status()), (MessageType::LEASE_QUERY_REPLY, None), "{}", first.text());
    let Some((done, later)) = later.split_last() else {
        assert_eq!(first.data(), None, "a LEASEQUERY-REPLY with data is followed by a LEASEQUERY-DONE");
        return Vec::new();
    };
    assert_eq!((done.kind(), done.status()), (MessageType::LEASE_QUERY_DONE, None));
    assert!(later.iter().all(|reply| reply.kind() == MessageType::LEASE_QUERY_DATA));
    let messages = std::iter::once(first).chain(later);
    messages.map(|reply| reply.data().expect("a message before the last one tells of a client")).collect()
}

/// The text of a refusal with this status, which has to be the only message.
pub(crate) fn refusal(replies: &[Reply], status: StatusCode) -> String {
    let [reply] = replies else { panic!("{} messages instead of a refusal", replies.len()) };
    assert_eq!((reply.kind(), reply.status()), (MessageType::LEASE_QUERY_REPLY, Some(status)), "{}", reply.text());
    assert_eq!(reply.data(), None);
    reply.text()
}

/// What a message of an active response is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// Leases that are there, or are over.
    Leases(Vec<(V6Key, bool)>),
    /// A status.
    Status(StatusCode),
    /// Nothing: a keep-alive, or the beginning.
    Nothing,
}

pub(crate) const COMPLETE: Said = Said::Status(StatusCode::CATCH_UP_COMPLETE);
pub(crate) const MISSING: Said = Said::Status(StatusCode::DATA_MISSING);
pub(crate) const TERMINATED: Said = Said::Status(StatusCode::QUERY_TERMINATED);

/// A lease that is there.
pub(crate) fn there(key: V6Key) -> Said {
    Said::Leases(vec![(key, true)])
}

/// A lease that is over.
pub(crate) fn over(key: V6Key) -> Said {
    Said::Leases(vec![(key, false)])
}

pub(crate) fn said(replies: &[Reply]) -> Vec<Said> {
    let said = |reply: &Reply| match (reply.status(), reply.data()) {
        (Some(status), data) => {
            assert_eq!(data, None, "a status comes alone");
            Said::Status(status)
        }
        (None, Some(data)) => {
            let lease = |lease: &Lease| {
                assert!(lease.preferred <= lease.valid);
                (lease.key, lease.valid > 0)
            };
            Said::Leases(data.leases.iter().map(lease).collect())
        }
        (None, None) => Said::Nothing,
    };
    replies.iter().map(said).collect()
}
