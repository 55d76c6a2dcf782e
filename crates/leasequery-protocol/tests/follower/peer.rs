//! A follower with a store, and a server that says what it is told to.

use std::net::Ipv4Addr;
use std::time::Duration;

use leasequery_protocol::follower::V4Wanted;
use leasequery_protocol::follower::{Event, Follower, Link, Observer, Origin, Position, Settings, Told};
use leasequery_protocol::requestor::Timeouts;
use leasequery_protocol::requestor::v4::{Record, V4};
use leasequery_store::{Binding, Budget, SourceId, State, Store, Time, V4Key};
use leasequery_wire::v4::{BOOT_REPLY, Header, Message, MessageType, MessageWriter, OptionCode, StatusCode, Vpn};
use leasequery_wire::{Framing, split_frame};

/// Both clocks at the start of every test.
pub(crate) const NOW: Time = Time(1_700_000_000);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

/// What the observer was given, in short, and why there is nothing to be had.
#[derive(Default)]
pub(crate) struct Log(pub(crate) Vec<String>, Vec<String>);

impl Observer<V4> for Log {
    fn record(&mut self, record: &Record<'_>, told: Told<V4Key>, origin: Origin) {
        let last = record.address().octets()[3];
        self.0.push(format!("{origin:?} {last} {:?}", told.change));
    }

    fn gone(&mut self, binding: &Binding<'_, V4Key>, _: &Store<V4Key>) {
        self.0.push(format!("gone {}", binding.key().address.octets()[3]));
    }

    fn event(&mut self, event: &Event) {
        if let Event::Warning(reason) | Event::Disconnected(reason) | Event::Refused(reason) = event {
            self.1.push(reason.clone());
        }
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
    pub(crate) all_vpns: bool,
    pub(crate) list: Vec<u8>,
    pub(crate) octets: Vec<u8>,
}

/// The follower and all around it.
pub(crate) struct Scene {
    pub(crate) follower: Follower<V4>,
    pub(crate) store: Store<V4Key>,
    pub(crate) source: SourceId,
    pub(crate) now: Duration,
    /// Seconds by which our own clock has been stepped.
    pub(crate) stepped: i64,
    log: Log,
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

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(None, settings())
    }

    pub(crate) fn with(position: Option<Position>, settings: Settings) -> Self {
        Self::seeded(position, settings, 7)
    }

    pub(crate) fn seeded(position: Option<Position>, settings: Settings, seed: u64) -> Self {
        let mut store = Store::new(leasequery_store::Settings::default());
        store.advance(NOW);
        let source = store.source("server").unwrap();
        let follower =
            Follower::new(V4Wanted { options: vec![12], ..V4Wanted::default() }, source, position, settings, seed);
        Self { follower, store, source, now: Duration::ZERO, stepped: 0, log: Log::default() }
    }

    /// Lets time pass, on both clocks.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.store.advance(self.local());
        self.work();
    }

    /// Our own clock is stepped.
    pub(crate) fn step(&mut self, seconds: i64) {
        self.stepped += seconds;
        self.wait(0);
    }

    /// What our own clock shows.
    pub(crate) fn local(&self) -> Time {
        let shown = i64::from(self.time().0) + self.stepped;
        Time(u32::try_from(shown).unwrap())
    }

    /// What the server's clock shows.
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
            self.store.advance(self.local());
            self.work();
        }
        panic!("it goes round in circles");
    }

    /// Opens the connection that is asked for, and reads the query.
    #[track_caller]
    pub(crate) fn answer(&mut self, expected: Link) -> Asked {
        let link = self.follower.poll_connect(self.now);
        assert_eq!(link, Some(expected));
        self.accept(expected)
    }

    /// Opens a connection, and reads the query.
    #[track_caller]
    pub(crate) fn accept(&mut self, link: Link) -> Asked {
        self.follower.handle_connected(link, self.now, PEER.into(), &mut self.store);
        let octets = self.follower.poll_transmit(link).to_vec();
        self.follower.handle_sent(link, self.now, octets.len());
        self.work();
        let Ok(Framing::Frame { body, rest }) = split_frame(&octets, 240) else { panic!("a query") };
        assert!(rest.is_empty(), "one query on a connection");
        let message = Message::parse(body).unwrap();
        Asked {
            kind: message.message_type(),
            xid: message.xid(),
            since: message.query_start_time().unwrap().map(Time),
            until: message.query_end_time().unwrap().map(Time),
            all_vpns: message.vpn().unwrap() == Some(Vpn::All),
            list: message.parameter_request_list().unwrap().unwrap_or_default().to_vec(),
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
            self.say(Link::Active, &status(active.xid, StatusCode::CONNECTION_ACTIVE, Some(self.time())));
        }
        panic!("nothing is asked for");
    }

    pub(crate) fn refuse(&mut self, link: Link) {
        self.follower.handle_unreachable(link, "refused");
        self.work();
    }

    pub(crate) fn say(&mut self, link: Link, octets: &[u8]) {
        self.follower.handle_bytes(link, octets);
        self.work();
    }

    pub(crate) fn close(&mut self, link: Link) {
        self.follower.handle_eof(link);
        self.work();
    }

    pub(crate) fn work(&mut self) {
        while self.bite() {}
    }

    /// Works for as long as the store is given away at a time, and says whether there is more to do.
    pub(crate) fn bite(&mut self) -> bool {
        self.follower.advance(self.now, &mut self.store, &mut self.log, 3)
    }

    /// What has happened since the last call.
    pub(crate) fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log.0)
    }

    /// Why there is nothing to be had, as was said since the last call.
    pub(crate) fn reasons(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log.1)
    }

    pub(crate) fn resume(&self) -> Option<Time> {
        self.follower.position().map(|position| position.resume)
    }

    /// Leases of which the copy knows.
    pub(crate) fn leased(&self) -> Vec<u8> {
        let budget = Budget::unlimited();
        let all = self.store.scan(leasequery_store::Selector::All, leasequery_store::VpnRange::All, None, &budget);
        all.filter_map(|entry| match entry {
            leasequery_store::Entry::Bound(binding) if binding.state() == State::Active => {
                Some(binding.key().address.octets()[3])
            }
            _ => None,
        })
        .collect()
    }

    /// The initial state, told at the time of now: leases of these addresses; then the active query is asked.
    #[track_caller]
    pub(crate) fn begin(&mut self, addresses: &[u8]) -> Asked {
        let bulk = self.answer(Link::Bulk);
        let time = self.time();
        for number in addresses {
            self.say(Link::Bulk, &lease(bulk.xid, *number, time));
        }
        self.say(Link::Bulk, &done(bulk.xid, Some(time), None));
        let active = self.answer(Link::Active);
        self.say(Link::Active, &status(active.xid, StatusCode::CATCH_UP_COMPLETE, Some(time)));
        active
    }
}

/// A lease of a day, made in the second of the base-time.
pub(crate) fn lease(xid: u32, number: u8, base_time: Time) -> Vec<u8> {
    binding(xid, MessageType::LEASE_ACTIVE, number, Some(base_time))
}

/// A lease of a day, made so many seconds before the base-time.
pub(crate) fn aged_lease(xid: u32, number: u8, base_time: Time, ago: u32) -> Vec<u8> {
    aged(xid, MessageType::LEASE_ACTIVE, number, Some(base_time), ago)
}

/// A lease that is over.
pub(crate) fn ended(xid: u32, number: u8, base_time: Time) -> Vec<u8> {
    binding(xid, MessageType::LEASE_UNASSIGNED, number, Some(base_time))
}

pub(crate) fn binding(xid: u32, kind: MessageType, number: u8, base_time: Option<Time>) -> Vec<u8> {
    aged(xid, kind, number, base_time, 0)
}

fn aged(xid: u32, kind: MessageType, number: u8, base_time: Option<Time>, ago: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mac = [2, 0, 0, 0, 0, number];
    let header = Header { ciaddr: address(number), htype: 1, chaddr: &mac, ..Header::new(BOOT_REPLY, xid) };
    let mut writer = MessageWriter::frame(&mut out, &header, kind);
    if let Some(base_time) = base_time {
        writer.u32(OptionCode::BASE_TIME, base_time.0);
    }
    if kind == MessageType::LEASE_ACTIVE {
        writer.u32(OptionCode::LEASE_TIME, 86_400 - ago);
    } else {
        writer.u8(OptionCode::DHCP_STATE, 4);
    }
    writer.u32(OptionCode::START_TIME_OF_STATE, ago);
    writer.u32(OptionCode::CLIENT_LAST_TRANSACTION_TIME, ago);
    writer.finish().unwrap();
    out
}

/// An address that is merely configured.
pub(crate) fn free(xid: u32, number: u8, base_time: Time) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header { ciaddr: address(number), ..Header::new(BOOT_REPLY, xid) };
    let mut writer = MessageWriter::frame(&mut out, &header, MessageType::LEASE_UNASSIGNED);
    writer.u32(OptionCode::BASE_TIME, base_time.0);
    writer.u8(OptionCode::DHCP_STATE, 1);
    writer.finish().unwrap();
    out
}

pub(crate) fn status(xid: u32, code: StatusCode, base_time: Option<Time>) -> Vec<u8> {
    about(MessageType::LEASE_QUERY_STATUS, xid, base_time, Some((code, "")))
}

/// An active query is not permitted, and why.
pub(crate) fn refusal(xid: u32, text: &str) -> Vec<u8> {
    about(MessageType::LEASE_QUERY_STATUS, xid, None, Some((StatusCode::NOT_ALLOWED, text)))
}

pub(crate) fn done(xid: u32, base_time: Option<Time>, code: Option<StatusCode>) -> Vec<u8> {
    about(MessageType::LEASE_QUERY_DONE, xid, base_time, code.map(|code| (code, "")))
}

fn about(kind: MessageType, xid: u32, base_time: Option<Time>, status: Option<(StatusCode, &str)>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, &Header::new(BOOT_REPLY, xid), kind);
    if let Some(base_time) = base_time {
        writer.u32(OptionCode::BASE_TIME, base_time.0);
    }
    if let Some((code, text)) = status {
        writer.status(code, text);
    }
    writer.finish().unwrap();
    out
}

/// A binding of which the server cannot tell.
pub(crate) fn failure(xid: u32, number: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header { ciaddr: address(number), ..Header::new(BOOT_REPLY, xid) };
    let mut writer = MessageWriter::frame(&mut out, &header, MessageType::LEASE_ACTIVE);
    writer.status(StatusCode::UNSPEC_FAIL, "broken");
    writer.finish().unwrap();
    out
}
