//! A requestor with a fake clock, and the octets of scripted servers.

use std::net::Ipv4Addr;
use std::time::Duration;

use leasequery_protocol::requestor::v4::{BulkQuery, Record, Times, V4};
use leasequery_protocol::requestor::{ActiveStatus, Connection, Done, Event, Failure, Fault, Timeouts};
use leasequery_store::Time;
use leasequery_wire::v4::{BOOT_REPLY, Header, MessageType, MessageWriter, OptionCode, State, Vpn};

/// Local time at the start of each test, 2025-01-01T00:00:00Z.
pub(crate) const START: Time = Time(1_735_689_600);
/// First transaction id of each test.
pub(crate) const XID: u32 = 0x0102_0304;
/// The server's address, as the socket tells it.
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// One connection, its clock, and what it has told.
#[derive(Debug)]
pub(crate) struct Requestor {
    pub(crate) connection: Connection<V4>,
    pub(crate) now: Duration,
}

/// An event that outlives its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Record(u32, Row),
    Failed(u32, String, leasequery_protocol::code::StatusCode, String),
    Status(u32, ActiveStatus, Option<Time>, String),
    Done(u32, Done),
}

/// A record that outlives its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) address: Ipv4Addr,
    pub(crate) vpn: Option<String>,
    pub(crate) state: State,
    pub(crate) hardware: Option<(u8, Vec<u8>)>,
    pub(crate) client_id: Option<Vec<u8>>,
    pub(crate) times: Times,
    pub(crate) relay_info: Option<Vec<u8>>,
    pub(crate) remote_id: Option<Vec<u8>>,
    pub(crate) relay_id: Option<Vec<u8>>,
    pub(crate) options: Vec<(u8, Vec<u8>)>,
    pub(crate) remote: bool,
    pub(crate) server: Option<Ipv4Addr>,
    pub(crate) base_time: Time,
}

impl Row {
    pub(crate) fn new(record: &Record<'_>) -> Self {
        let relay = record.relay_agent_information();
        Self {
            address: record.address(),
            vpn: record.vpn().map(|vpn| match vpn {
                Vpn::Name(name) => String::from_utf8(name.to_vec()).unwrap(),
                other => format!("{other:?}"),
            }),
            state: record.state(),
            hardware: record.hardware().map(|hardware| (hardware.htype, hardware.address.to_vec())),
            client_id: record.client_id().map(<[u8]>::to_vec),
            times: record.times(),
            relay_info: record.relay_info().map(<[u8]>::to_vec),
            remote_id: relay.and_then(|relay| relay.remote_id()).map(<[u8]>::to_vec),
            relay_id: relay.and_then(|relay| relay.relay_id()).map(<[u8]>::to_vec),
            options: record.options().map(|(code, value)| (code.0, value.to_vec())).collect(),
            remote: record.is_remote(),
            server: record.server(),
            base_time: record.base_time(),
        }
    }
}

impl Requestor {
    pub(crate) fn new() -> Self {
        Self { connection: Connection::new(V4::new(Some(PEER)), Timeouts::default(), XID), now: Duration::ZERO }
    }

    /// A requestor that has sent one query for everything, which has the transaction id [`XID`].
    pub(crate) fn asking() -> Self {
        Self::asking_for(&BulkQuery::default())
    }

    /// A requestor that has sent one query, which has the transaction id [`XID`].
    pub(crate) fn asking_for(query: &BulkQuery) -> Self {
        let mut requestor = Self::new();
        assert_eq!(requestor.ask(query), XID);
        requestor
    }

    /// Asks and sends the query at once.
    pub(crate) fn ask(&mut self, query: &BulkQuery) -> u32 {
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
            Event::Failed { xid, about, status, text } => Seen::Failed(xid, about, status, text),
            Event::Status { xid, status, base_time, text } => Seen::Status(xid, status, base_time, text),
            Event::Discarded { xid } => panic!("query {xid} was told of nothing"),
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

    /// The one record that these octets make.
    #[track_caller]
    pub(crate) fn record(&mut self, octets: &[u8]) -> Row {
        match self.events(octets).as_slice() {
            [Seen::Record(_, row)] => row.clone(),
            events => panic!("not one record: {events:?}"),
        }
    }

    /// The end that these octets make.
    #[track_caller]
    pub(crate) fn done(&mut self, octets: &[u8]) -> Done {
        match self.events(octets).as_slice() {
            [Seen::Done(_, done)] => done.clone(),
            events => panic!("not one end: {events:?}"),
        }
    }

    /// What is wrong with the message that these octets are.
    #[track_caller]
    pub(crate) fn fault(&mut self, octets: &[u8]) -> Fault {
        self.receive(octets);
        match self.drain().1 {
            Some(Failure::Message { fault, .. }) => fault,
            other => panic!("no fault: {other:?}"),
        }
    }
}

/// The address 10.0.0.`last`.
pub(crate) fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

/// A message in its frame, with the options that `fill` appends.
pub(crate) fn message(
    kind: MessageType,
    xid: u32,
    ciaddr: Ipv4Addr,
    fill: impl FnOnce(&mut MessageWriter<'_>),
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::frame(&mut out, &Header { ciaddr, ..Header::new(BOOT_REPLY, xid) }, kind);
    fill(&mut writer);
    writer.finish().unwrap();
    out
}

/// A DHCPLEASEACTIVE about 10.0.0.`last` with a base-time and what `fill` appends.
pub(crate) fn active_with(xid: u32, last: u8, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    message(MessageType::LEASE_ACTIVE, xid, address(last), |writer| {
        writer.u32(OptionCode::BASE_TIME, START.0);
        fill(writer);
    })
}

/// A DHCPLEASEACTIVE about 10.0.0.`last`.
pub(crate) fn active(xid: u32, last: u8) -> Vec<u8> {
    active_with(xid, last, |_| {})
}

/// A DHCPLEASEUNASSIGNED about 10.0.0.`last`.
pub(crate) fn unassigned(xid: u32, last: u8) -> Vec<u8> {
    message(MessageType::LEASE_UNASSIGNED, xid, address(last), |writer| writer.u32(OptionCode::BASE_TIME, START.0))
}

/// A DHCPLEASEQUERYDONE without a status.
pub(crate) fn done(xid: u32) -> Vec<u8> {
    message(MessageType::LEASE_QUERY_DONE, xid, Ipv4Addr::UNSPECIFIED, |writer| {
        writer.u32(OptionCode::BASE_TIME, START.0);
    })
}

/// A DHCPLEASEQUERYDONE whose status-code has these octets.
pub(crate) fn done_with(xid: u32, status: &[u8]) -> Vec<u8> {
    message(MessageType::LEASE_QUERY_DONE, xid, Ipv4Addr::UNSPECIFIED, |writer| {
        writer.option(OptionCode::STATUS_CODE, status);
    })
}

/// The address of each record, by transaction id, in the order in which they came.
pub(crate) fn addresses(events: &[Seen]) -> Vec<(u32, Ipv4Addr)> {
    let address = |event: &Seen| match event {
        Seen::Record(xid, row) => Some((*xid, row.address)),
        _ => None,
    };
    events.iter().filter_map(address).collect()
}

/// The message in a frame, taken out of it.
pub(crate) fn body(frame: &[u8]) -> &[u8] {
    let length = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
    assert_eq!(frame.len(), 2 + length);
    &frame[2..]
}

/// Puts a length prefix before octets.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = u16::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// Code and value of each option as it stands in a message, without joining pieces.
pub(crate) fn raw_options(message: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut options = Vec::new();
    let mut rest = &message[240..];
    while let [code, length, behind @ ..] = rest {
        let (value, next) = behind.split_at(usize::from(*length));
        options.push((*code, value.to_vec()));
        rest = next;
    }
    assert_eq!(rest, [255]);
    options
}
