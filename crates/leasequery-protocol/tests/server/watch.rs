//! A store that goes on changing, and an active query to it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::server::v4::V4;
use leasequery_protocol::server::{Allow, CloseReason, Connection, Event, Limits, Policy, Turn};
use leasequery_store::Time;
use leasequery_wire::v4::{MessageType, OptionCode, StatusCode};

use crate::support::*;

/// The policy of a requestor that may ask for anything.
pub(crate) fn permitted() -> Policy {
    Policy { name: "bng-1".to_owned(), allow: Allow { udp: true, bulk: true, active: true }, ..Policy::default() }
}

pub(crate) fn active() -> Query {
    Query::of_kind(MessageType::ACTIVE_LEASE_QUERY)
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// A DHCPLEASEACTIVE about the address with this number.
    Leased(u32),
    /// A DHCPLEASEUNASSIGNED.
    Free(u32),
    /// A DHCPLEASEQUERYSTATUS.
    Status(StatusCode),
    /// No part of an active response.
    Other(MessageType),
}

pub(crate) const COMPLETE: Said = Said::Status(StatusCode::CATCH_UP_COMPLETE);
pub(crate) const MISSING: Said = Said::Status(StatusCode::DATA_MISSING);
pub(crate) const ALIVE: Said = Said::Status(StatusCode::CONNECTION_ACTIVE);
pub(crate) const TERMINATED: Said = Said::Status(StatusCode::QUERY_TERMINATED);

pub(crate) fn said(replies: &[Reply]) -> Vec<Said> {
    let number = |reply: &Reply| reply.address().to_bits() - address(0).to_bits();
    let said = |reply: &Reply| match reply.kind() {
        MessageType::LEASE_ACTIVE => Said::Leased(number(reply)),
        MessageType::LEASE_UNASSIGNED => Said::Free(number(reply)),
        MessageType::LEASE_QUERY_STATUS => {
            assert_eq!(reply.address(), Ipv4Addr::UNSPECIFIED);
            Said::Status(reply.status().expect("a status message has a status").0)
        }
        other => Said::Other(other),
    };
    replies.iter().map(said).collect()
}

pub(crate) fn base_time(reply: &Reply) -> Option<Time> {
    reply.number(OptionCode::BASE_TIME).map(Time)
}

/// A connection whose clock goes with that of the store.
pub(crate) struct Watch {
    pub(crate) world: World,
    pub(crate) connection: Connection<V4>,
    pub(crate) now: Duration,
    pub(crate) turn: Turn,
}

impl Watch {
    pub(crate) fn new(world: World) -> Self {
        Self::with(world, permitted(), Limits::default())
    }

    pub(crate) fn with(world: World, policy: Policy, limits: Limits) -> Self {
        let now = Duration::from_secs(1000);
        let connection = Connection::new(V4::new(SERVER, Arc::new(policy), true), limits, now);
        Self { world, connection, now, turn: Turn::Idle }
    }

    /// With an active query that has no query-start-time, to which nothing is said yet.
    pub(crate) fn begun(world: World) -> Self {
        let mut watch = Self::new(world);
        assert_eq!(watch.ask(&active()), []);
        watch
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        assert!(self.connection.wants_read());
        self.connection.handle_bytes(self.now, octets);
    }

    /// What the server says in one turn.
    pub(crate) fn turn(&mut self, room: usize) -> Vec<Reply> {
        let mut out = Vec::new();
        self.turn = self.connection.poll_transmit(self.now, &self.world.store, &mut out, room);
        replies(&out)
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

    /// What is said `seconds` later, once the timers have acted.
    pub(crate) fn listen_after(&mut self, seconds: u32) -> Vec<Reply> {
        self.later(seconds);
        assert!(!self.connection.handle_timeout(self.now));
        self.listen()
    }

    /// Why the connection was closed, if it was.
    pub(crate) fn closed(&mut self) -> Option<CloseReason> {
        std::iter::from_fn(|| self.connection.poll_event()).find_map(|event| match event {
            Event::Closing(reason) => Some(reason),
            _ => None,
        })
    }

    /// That nothing is said any more, whatever happens.
    pub(crate) fn assert_over(&mut self) {
        self.world.commit(&lease(key(0xffff)));
        assert_eq!(self.listen(), []);
        assert_eq!(self.turn, Turn::Close);
        assert_eq!(self.connection.outstanding(), 0);
        assert!(!self.connection.wants_read());
        assert_eq!(self.connection.poll_timeout(), None);
    }
}
