//! A follower with a store, and a server that says what it is told to.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::follower::V6Wanted;
use leasequery_protocol::follower::{Event, Follower, Link, Observer, Origin, Position, Settings, Told};
use leasequery_protocol::requestor::Timeouts;
use leasequery_protocol::requestor::v6::{Record, Selector, V6};
use leasequery_store::{Binding, Budget, Entry, SourceId, State, Store, Time, V6Key, VpnRange};
use leasequery_wire::v6::{Message, MessageType, MessageWriter, OptionCode, StatusCode};
use leasequery_wire::{Framing, split_frame};

/// Both clocks at the start of every test.
pub(crate) const NOW: Time = Time(1_700_000_000);
pub(crate) const PEER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, 1);
/// DUIDs of the follower and of the server.
pub(crate) const OWN: [u8; 4] = [0, 3, 0xaa, 0xbb];
pub(crate) const SERVER: [u8; 4] = [0, 3, 0x51, 0x52];

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn address(number: u8) -> V6Key {
    V6Key::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()))
}

/// Time of the server's as its messages have it.
pub(crate) fn wire(time: Time) -> u32 {
    time.0.wrapping_sub(946_684_800)
}

fn last(key: V6Key) -> u8 {
    key.address().octets()[15]
}

/// What the observer was given, in short.
#[derive(Default)]
pub(crate) struct Log(pub(crate) Vec<String>);

impl Observer<V6> for Log {
    fn record(&mut self, record: &Record<'_>, told: Told<V6Key>, origin: Origin) {
        self.0.push(format!("{origin:?} {} {:?}", last(record.key()), told.change));
    }

    fn gone(&mut self, binding: &Binding<'_, V6Key>, _: &Store<V6Key>) {
        self.0.push(format!("gone {}", last(binding.key())));
    }

    fn event(&mut self, event: &Event) {
        self.0.push(match event {
            Event::Warning(_) => "Warning".to_owned(),
            Event::Disconnected(_) => "Disconnected".to_owned(),
            Event::Polling(_) => "Polling".to_owned(),
            Event::Refused(_) => "Refused".to_owned(),
            other => format!("{other:?}"),
        });
    }
}

/// A query that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) kind: MessageType,
    pub(crate) xid: u32,
    pub(crate) since: Option<Time>,
    pub(crate) until: Option<Time>,
    /// Octets of OPTION_LQ_QUERY.
    pub(crate) query: Option<Vec<u8>>,
    pub(crate) octets: Vec<u8>,
}

impl Asked {
    /// Whether it is the query for everything there is.
    pub(crate) fn is_whole(&self) -> bool {
        self.kind == MessageType::LEASE_QUERY && self.since == Some(EVER) && self.until.is_none()
    }
}

/// The first second that DHCPv6 has: all that changed since is everything.
pub(crate) const EVER: Time = Time(946_684_800);

/// The follower and all around it.
pub(crate) struct Scene {
    pub(crate) follower: Follower<V6>,
    pub(crate) store: Store<V6Key>,
    pub(crate) source: SourceId,
    pub(crate) now: Duration,
    pub(crate) log: Log,
    /// Whether the LEASEQUERY-REPLY has been said on each connection.
    begun: [bool; 2],
}

pub(crate) fn settings() -> Settings {
    Settings {
        retry: seconds(60),
        poll: seconds(30),
        sweep: Some(seconds(3600)),
        timeouts: Timeouts { data: seconds(300), active_receive: seconds(120) },
        ..Settings::default()
    }
}

pub(crate) fn wanted() -> V6Wanted {
    V6Wanted { selector: Selector::default(), options: vec![39], client_id: Arc::from(OWN), listeners: Arc::default() }
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(None, settings())
    }

    /// One that stopped 500 seconds ago.
    pub(crate) fn back() -> Self {
        Self::with(Some(Position { resume: NOW.minus(500), skew: 0 }), settings())
    }

    pub(crate) fn with(position: Option<Position>, settings: Settings) -> Self {
        Self::wanting(wanted(), position, settings)
    }

    pub(crate) fn wanting(wanted: V6Wanted, position: Option<Position>, settings: Settings) -> Self {
        let mut store = Store::new(leasequery_store::Settings::default());
        store.advance(NOW);
        let source = store.source("server").unwrap();
        let follower = Follower::new(wanted, source, position, settings, 7);
        Self { follower, store, source, now: Duration::ZERO, log: Log::default(), begun: [false; 2] }
    }

    /// Lets time pass, on both clocks.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.store.advance(self.time());
        self.work();
    }

    pub(crate) fn time(&self) -> Time {
        NOW.plus(u32::try_from(self.now.as_secs()).unwrap())
    }

    /// Waits until it wants something, and gives the link it then opens.
    #[track_caller]
    pub(crate) fn next_connection(&mut self) -> Link {
        for _ in 0..100 {
            if let Some(link) = self.follower.poll_connect(self.now) {
                return link;
            }
            let due = self.follower.poll_timeout().expect("it waits for something");
            self.now = due.max(self.now + Duration::from_millis(1));
            self.store.advance(self.time());
            self.work();
        }
        panic!("it goes round in circles");
    }

    /// Opens the connection that is asked for, and reads the query.
    #[track_caller]
    pub(crate) fn answer(&mut self, expected: Link) -> Asked {
        assert_eq!(self.follower.poll_connect(self.now), Some(expected));
        self.accept(expected)
    }

    /// Opens a connection, and reads the query.
    #[track_caller]
    pub(crate) fn accept(&mut self, link: Link) -> Asked {
        self.begun[place(link)] = false;
        self.follower.handle_connected(link, self.now, PEER.into(), &mut self.store);
        let octets = self.follower.poll_transmit(link).to_vec();
        self.follower.handle_sent(link, self.now, octets.len());
        self.work();
        let Ok(Framing::Frame { body, rest }) = split_frame(&octets, 4) else { panic!("a query") };
        assert!(rest.is_empty(), "one query on a connection");
        let message = Message::parse(body).unwrap();
        let time = |code| message.options().u32(code).unwrap().map(|time| Time(time.wrapping_add(946_684_800)));
        Asked {
            kind: message.message_type(),
            xid: message.transaction_id(),
            since: time(OptionCode::START_TIME),
            until: time(OptionCode::END_TIME),
            query: message.options().find(OptionCode::QUERY).map(<[u8]>::to_vec),
            octets: body.to_vec(),
        }
    }

    /// Keeps the active response alive until everything is asked for.
    #[track_caller]
    pub(crate) fn until_sweep(&mut self, active: &Asked) -> Asked {
        for _ in 0..1000 {
            if self.follower.poll_connect(self.now) == Some(Link::Bulk) {
                return self.accept(Link::Bulk);
            }
            self.wait(50);
            self.say(Link::Active, &alive(active.xid, self.time()));
        }
        panic!("nothing is asked for");
    }

    pub(crate) fn refuse(&mut self, link: Link) {
        self.follower.handle_unreachable(link, "refused");
        self.work();
    }

    /// Says whole messages. The first one on a connection is made a LEASEQUERY-REPLY.
    pub(crate) fn say(&mut self, link: Link, octets: &[u8]) {
        let octets = self.worded(link, octets);
        self.hear(link, &octets);
    }

    /// The same, before it is said.
    pub(crate) fn worded(&mut self, link: Link, octets: &[u8]) -> Vec<u8> {
        let mut rest = octets;
        let mut out = Vec::new();
        while let Ok(Framing::Frame { body, rest: behind }) = split_frame(rest, 4) {
            if std::mem::replace(&mut self.begun[place(link)], true) {
                out.extend(framed(body));
            } else {
                let ids = [&[0, 2, 0, 4][..], &SERVER, &[0, 1, 0, 4], &OWN].concat();
                out.extend(framed(&[&[15], &body[1..4], &ids, &body[4..]].concat()));
            }
            rest = behind;
        }
        assert!(rest.is_empty(), "whole messages");
        out
    }

    /// Lets octets come as they are.
    pub(crate) fn hear(&mut self, link: Link, octets: &[u8]) {
        self.follower.handle_bytes(link, octets);
        self.work();
    }

    pub(crate) fn close(&mut self, link: Link) {
        self.follower.handle_eof(link);
        self.work();
    }

    pub(crate) fn work(&mut self) {
        while self.follower.advance(self.now, &mut self.store, &mut self.log, 3) {}
    }

    /// Takes one event on each connection at most.
    pub(crate) fn step(&mut self) -> bool {
        self.follower.advance(self.now, &mut self.store, &mut self.log, 1)
    }

    /// What has happened since the last call.
    pub(crate) fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log.0)
    }

    pub(crate) fn resume(&self) -> Option<Time> {
        self.follower.position().map(|position| position.resume)
    }

    /// What is kept with the store for a restart.
    pub(crate) fn kept(&self) -> Option<Time> {
        self.store.position(self.source).and_then(Position::from_bytes).map(|position| position.resume)
    }

    /// Leases of which the copy knows.
    pub(crate) fn leased(&self) -> Vec<u8> {
        let budget = Budget::unlimited();
        let all = self.store.scan(leasequery_store::Selector::All, VpnRange::All, None, &budget);
        all.filter_map(|entry| match entry {
            Entry::Bound(binding) if binding.state() == State::Active => Some(last(binding.key())),
            _ => None,
        })
        .collect()
    }

    /// The initial state, told at the time of now: leases of these addresses; then the active query is asked.
    #[track_caller]
    pub(crate) fn begin(&mut self, numbers: &[u8]) -> Asked {
        let bulk = self.answer(Link::Bulk);
        let time = self.time();
        for number in numbers {
            self.say(Link::Bulk, &lease(bulk.xid, *number, time));
        }
        self.say(Link::Bulk, &done(bulk.xid, Some(time), None));
        let active = self.answer(Link::Active);
        self.say(Link::Active, &alive(active.xid, time));
        self.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(time)));
        active
    }
}

fn place(link: Link) -> usize {
    usize::from(link == Link::Bulk)
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

fn message(kind: MessageType, xid: u32, base_time: Option<Time>, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, kind, xid);
    if let Some(time) = base_time {
        writer.u32(OptionCode::BASE_TIME, wire(time));
    }
    fill(&mut writer);
    writer.finish().unwrap();
    out
}

/// A LEASEQUERY-DATA about leases of one client, of so many seconds, made in the second of the base-time.
pub(crate) fn client(xid: u32, leases: &[(u8, u32)], base_time: Option<Time>) -> Vec<u8> {
    message(MessageType::LEASE_QUERY_DATA, xid, base_time, |writer| {
        let data = writer.open(OptionCode::CLIENT_DATA);
        writer.option(OptionCode::CLIENT_ID, &[0, 2, leases[0].0]);
        for (number, valid) in leases {
            writer.lease(address(*number).address(), None, valid / 2, *valid);
        }
        writer.u32(OptionCode::CLT_TIME, 0);
        writer.close(data);
    })
}

/// A lease of a day.
pub(crate) fn lease(xid: u32, number: u8, base_time: Time) -> Vec<u8> {
    client(xid, &[(number, 86_400)], Some(base_time))
}

/// A lease that is over.
pub(crate) fn ended(xid: u32, number: u8, base_time: Time) -> Vec<u8> {
    client(xid, &[(number, 0)], Some(base_time))
}

/// A LEASEQUERY-DATA without anything but a base-time.
pub(crate) fn alive(xid: u32, base_time: Time) -> Vec<u8> {
    message(MessageType::LEASE_QUERY_DATA, xid, Some(base_time), |_| {})
}

pub(crate) fn status(xid: u32, code: StatusCode, base_time: Option<Time>) -> Vec<u8> {
    message(MessageType::LEASE_QUERY_DATA, xid, base_time, |writer| writer.status(code, ""))
}

/// The end of a response: a LEASEQUERY-DONE, or, if nothing has been said, a LEASEQUERY-REPLY.
pub(crate) fn done(xid: u32, base_time: Option<Time>, code: Option<StatusCode>) -> Vec<u8> {
    message(MessageType::LEASE_QUERY_DONE, xid, base_time, |writer| {
        if let Some(code) = code {
            writer.status(code, "");
        }
    })
}
