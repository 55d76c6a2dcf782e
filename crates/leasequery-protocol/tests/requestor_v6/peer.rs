//! A requestor with a fake clock, and the octets of scripted servers, put together by hand.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::requestor::v6::{BulkQuery, Query, Record, Times, V6};
use leasequery_protocol::requestor::{ActiveStatus, Connection, Done, Event, Failure, Fault, Timeouts};
use leasequery_store::{Time, V6Key};

/// Local time at the start of each test, 2025-01-01T00:00:00Z.
pub(crate) const START: Time = Time(1_735_689_600);
/// The same in seconds since 2000, as the messages have it.
pub(crate) const START_2000: u32 = 789_004_800;
/// First transaction id of each test.
pub(crate) const XID: u32 = 0x01_0203;
/// The requestor's DUID.
pub(crate) const OWN: [u8; 6] = [0, 3, 0, 1, 0xaa, 0xbb];
/// The server's DUID.
pub(crate) const SERVER: [u8; 4] = [0, 4, 0x51, 0x52];
/// DUID of a client.
pub(crate) const CLIENT: [u8; 5] = [0, 2, 0xc1, 0xc2, 0xc3];

pub(crate) const REPLY: u8 = 15;
pub(crate) const DONE: u8 = 16;
pub(crate) const DATA: u8 = 17;

/// One connection, its clock, and what it has told.
#[derive(Debug)]
pub(crate) struct Requestor {
    pub(crate) connection: Connection<V6>,
    pub(crate) now: Duration,
}

/// An event that outlives its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Record(u32, Row),
    Failed(u32, leasequery_protocol::code::StatusCode, String),
    Discarded(u32),
    Status(u32, ActiveStatus, Option<Time>, String),
    Done(u32, Done),
}

/// Link-address and options of a relay.
pub(crate) type Hop = (Ipv6Addr, Vec<(u16, Vec<u8>)>);

/// A record that outlives its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: V6Key,
    pub(crate) active: bool,
    pub(crate) client_id: Vec<u8>,
    pub(crate) on_link: Option<Ipv6Addr>,
    pub(crate) times: Times,
    pub(crate) base_time: Time,
    pub(crate) has_base_time: bool,
    pub(crate) server: Option<Vec<u8>>,
    /// Peer and message.
    pub(crate) relay_data: Option<(Ipv6Addr, Vec<u8>)>,
    pub(crate) relays: Vec<Hop>,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Row {
    /// All that is to be read in a record.
    pub(crate) fn new(record: &Record<'_>) -> Self {
        let owned = |(code, value): (leasequery_wire::v6::OptionCode, &[u8])| (code.0, value.to_vec());
        Self {
            key: record.key(),
            active: record.is_active(),
            client_id: record.client_id().to_vec(),
            on_link: record.on_link(),
            times: record.times(),
            base_time: record.base_time(),
            has_base_time: record.has_base_time(),
            server: record.server().map(<[u8]>::to_vec),
            relay_data: record.relay_data().map(|data| (data.peer, data.message.to_vec())),
            relays: record.relays().map(|relay| (relay.link, relay.options.iter().map(owned).collect())).collect(),
            options: record.options().map(owned).collect(),
        }
    }
}

impl Requestor {
    pub(crate) fn new() -> Self {
        Self { connection: Connection::new(V6::new(Arc::from(OWN)), Timeouts::default(), XID), now: Duration::ZERO }
    }

    /// A requestor that has sent one bulk query for everything, which has the transaction id [`XID`].
    pub(crate) fn asking() -> Self {
        let mut requestor = Self::new();
        assert_eq!(requestor.ask(BulkQuery::default()), XID);
        requestor
    }

    /// The same where the LEASEQUERY-REPLY, about 2001:db8::99, has come.
    pub(crate) fn begun() -> Self {
        let mut requestor = Self::asking();
        assert_eq!(keys(&requestor.events(&reply(XID, &lease(0x99)))), [(XID, address(0x99))]);
        requestor
    }

    /// A requestor that has sent an active query, which has the transaction id [`XID`].
    pub(crate) fn following(since: Option<Time>) -> Self {
        let mut requestor = Self::new();
        let query = leasequery_protocol::requestor::v6::ActiveQuery { since, ..Default::default() };
        assert_eq!(requestor.ask(query), XID);
        requestor
    }

    /// Asks and sends the query at once.
    pub(crate) fn ask(&mut self, query: impl Into<Query>) -> u32 {
        let xid = self.connection.ask(self.now, query).unwrap();
        let length = self.connection.poll_transmit().len();
        self.connection.handle_sent(self.now, length);
        xid
    }

    /// The local time.
    pub(crate) fn wall(&self) -> Time {
        START.plus(u32::try_from(self.now.as_secs()).unwrap())
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    pub(crate) fn receive(&mut self, octets: &[u8]) {
        self.connection.handle_bytes(octets);
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Result<Option<Seen>, Failure> {
        let (now, wall) = (self.now, self.wall());
        Ok(self.connection.poll_event(now, wall)?.map(|event| match event {
            Event::Record { xid, record } => Seen::Record(xid, Row::new(&record)),
            Event::Failed { xid, status, text, .. } => Seen::Failed(xid, status, text),
            Event::Status { xid, status, base_time, text } => Seen::Status(xid, status, base_time, text),
            Event::Discarded { xid } => Seen::Discarded(xid),
            Event::Done { xid, done } => Seen::Done(xid, done),
        }))
    }

    /// All events there are now, and what ended them.
    pub(crate) fn drain(&mut self) -> (Vec<Seen>, Option<Failure>) {
        let mut events = Vec::new();
        loop {
            match self.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, None),
                Err(failure) => return (events, Some(failure)),
            }
        }
    }

    /// The events that these octets make, of which none may be a failure.
    #[track_caller]
    pub(crate) fn events(&mut self, octets: &[u8]) -> Vec<Seen> {
        self.receive(octets);
        let (events, failure) = self.drain();
        assert_eq!(failure, None);
        events
    }

    /// The records that these octets make, and nothing else.
    #[track_caller]
    pub(crate) fn rows(&mut self, octets: &[u8]) -> Vec<Row> {
        let row = |event| match event {
            Seen::Record(_, row) => row,
            other => panic!("no record: {other:?}"),
        };
        self.events(octets).into_iter().map(row).collect()
    }

    /// The one record that these octets make.
    #[track_caller]
    pub(crate) fn row(&mut self, octets: &[u8]) -> Row {
        let mut rows = self.rows(octets);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    /// The end that these octets make.
    #[track_caller]
    pub(crate) fn done(&mut self, octets: &[u8]) -> Done {
        match self.events(octets).as_slice() {
            [Seen::Done(_, done)] => done.clone(),
            events => panic!("not one end: {events:?}"),
        }
    }

    /// What is wrong with the message that these octets are, of which nothing has been told.
    #[track_caller]
    pub(crate) fn fault(&mut self, octets: &[u8]) -> Fault {
        self.receive(octets);
        match self.drain() {
            (events, Some(Failure::Message { fault, .. })) if events.is_empty() => fault,
            other => panic!("no fault: {other:?}"),
        }
    }
}

/// The address 2001:db8::`last`.
pub(crate) fn address(last: u16) -> V6Key {
    V6Key::new(ip(last))
}

pub(crate) fn ip(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

/// The prefix 2001:db8:1:`number`00::/56.
pub(crate) fn prefix(number: u8) -> V6Key {
    V6Key::prefix(prefix_ip(number), 56)
}

pub(crate) fn prefix_ip(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 1, u16::from(number) << 8, 0, 0, 0, 0)
}

/// An option.
pub(crate) fn opt(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&code.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
}

/// OPTION_IAADDR, with options of its own.
pub(crate) fn ia_address(last: u16, preferred: u32, valid: u32, options: &[u8]) -> Vec<u8> {
    opt(5, &[&ip(last).octets()[..], &preferred.to_be_bytes(), &valid.to_be_bytes(), options].concat())
}

/// OPTION_IAPREFIX, with options of its own.
pub(crate) fn ia_prefix(number: u8, preferred: u32, valid: u32, options: &[u8]) -> Vec<u8> {
    let value = [&preferred.to_be_bytes()[..], &valid.to_be_bytes(), &[56], &prefix_ip(number).octets(), options];
    opt(26, &value.concat())
}

/// OPTION_CLIENT_DATA.
pub(crate) fn client_data(options: &[Vec<u8>]) -> Vec<u8> {
    opt(45, &options.concat())
}

/// OPTION_CLT_TIME.
pub(crate) fn clt(seconds: u32) -> Vec<u8> {
    opt(46, &seconds.to_be_bytes())
}

/// OPTION_LQ_BASE_TIME, in seconds since 2000.
pub(crate) fn base_time(seconds: u32) -> Vec<u8> {
    opt(100, &seconds.to_be_bytes())
}

/// OPTION_STATUS_CODE.
pub(crate) fn status(code: u16, text: &str) -> Vec<u8> {
    opt(13, &[&code.to_be_bytes(), text.as_bytes()].concat())
}

/// OPTION_CLIENT_DATA about 2001:db8::`last`, heard of five seconds ago, for an hour.
pub(crate) fn lease(last: u16) -> Vec<u8> {
    client_data(&[opt(1, &CLIENT), ia_address(last, 1800, 3600, &[]), clt(5)])
}

/// A message in its frame.
pub(crate) fn message(kind: u8, xid: u32, options: &[u8]) -> Vec<u8> {
    let [zero, a, b, c] = xid.to_be_bytes();
    assert_eq!(zero, 0);
    framed(&[&[kind, a, b, c], options].concat())
}

/// A LEASEQUERY-REPLY by the server to the requestor, with these options besides a base-time.
pub(crate) fn reply(xid: u32, options: &[u8]) -> Vec<u8> {
    bare_reply(xid, &[&base_time(START_2000), options].concat())
}

/// A LEASEQUERY-REPLY by the server to the requestor, with just these options besides.
pub(crate) fn bare_reply(xid: u32, options: &[u8]) -> Vec<u8> {
    message(REPLY, xid, &[&opt(2, &SERVER), &opt(1, &OWN), options].concat())
}

/// A LEASEQUERY-DATA with a base-time.
pub(crate) fn data(xid: u32, options: &[u8]) -> Vec<u8> {
    message(DATA, xid, &[&base_time(START_2000), options].concat())
}

/// A LEASEQUERY-DONE without anything.
pub(crate) fn done(xid: u32) -> Vec<u8> {
    message(DONE, xid, &[])
}

/// The key of each record, by transaction id, in the order in which they came.
pub(crate) fn keys(events: &[Seen]) -> Vec<(u32, V6Key)> {
    let key = |event: &Seen| match event {
        Seen::Record(xid, row) => Some((*xid, row.key)),
        _ => None,
    };
    events.iter().filter_map(key).collect()
}

/// The message in a frame, taken out of it.
pub(crate) fn body(frame: &[u8]) -> &[u8] {
    let length = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
    assert_eq!(frame.len(), 2 + length);
    &frame[2..]
}

/// Puts a length prefix before octets.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

/// Code and value of each option in some octets.
pub(crate) fn options(mut octets: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut options = Vec::new();
    while let [a, b, c, d, behind @ ..] = octets {
        let (value, rest) = behind.split_at(usize::from(u16::from_be_bytes([*c, *d])));
        options.push((u16::from_be_bytes([*a, *b]), value.to_vec()));
        octets = rest;
    }
    assert!(octets.is_empty());
    options
}
