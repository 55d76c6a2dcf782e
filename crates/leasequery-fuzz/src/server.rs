//! A requestor at a TCP connection of the server, while leases and permissions change.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use leasequery_protocol::server::{Allow, CloseReason, Connection, Event, Limits, Policy, Protocol, Turn};
use leasequery_store::{Budget, Store, Time};
use leasequery_wire::{Framing, split_frame};

use crate::family::{Family, V4, V6};
use crate::input::Input;

/// Where the relays of some DHCPv6 bindings are.
const RELAYS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0);
/// Queries side by side.
const QUERIES: usize = 3;
/// Octets asked for at a time by who takes everything.
const PLENTY: usize = 1 << 16;
/// Turns within which all queries of the longest input are answered.
const TURNS: usize = 5000;

/// Runs one input: the protocol and how it is served, then what happens, one thing after the other.
///
/// All that is said is whole messages, no more than one behind the room and the last words. Messages are judged in their
/// order, each of them, up to the one that closes the connection. Every query has its last message. A response to a
/// bulk query tells of nothing twice, over DHCPv6 unless something changes meanwhile, and one to a query for everything
/// leaves nothing out. The base-times of a response never decrease, and none that is a resume point is
/// ahead of a change that is untold. Whatever is due can be done, and then nothing is due. A connection closes once.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.u8();
    if flags & 1 == 0 { Wheel::<V4>::new(flags).turn(input) } else { Wheel::<V6>::new(flags).turn(input) }
}

/// Inputs to begin with: every query, alone and in company, while something changes.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for flags in [0_u8, 1, 2, 3, 4, 5] {
        for query in 0..18 {
            // Ask, take, change, take, wait, take all, close.
            let ask = [4, query, 1, 0];
            let changes = [13, 0, query, 13, 4, 3, 13, 3, 9];
            let alone = [&[flags][..], &ask, &[8, 1, 0], &changes, &[8, 0, 9, 10, 0, 9, 12, 12, 9, 15, 9]].concat();
            let company = [&[flags][..], &ask, &[4, query ^ 1, 2, 0], &[8, 0, 200], &changes, &ask, &[9, 16]].concat();
            seeds.extend([alone, company]);
        }
    }
    for flags in [0, 1] {
        // Active, and more changes than there is room for.
        let changes: Vec<u8> = (0..9).flat_map(|number| [13, 0, 3 * number]).collect();
        seeds.push(
            [&[flags][..], &[4, 1, 1, 0, 9], &changes, &[8, 1, 0, 8, 0, 9, 10, 0, 9, 3, 0, 12, 11, 255, 9]].concat(),
        );
    }
    for (flags, query) in [(0_u8, 0_u8), (0, 5), (1, 0), (1, 5), (1, 8)] {
        // What may be told changes in the middle of a response.
        for (before, after) in [(0x8f, 0x0f), (0x0f, 0x8f), (0x0f, 0x7f)] {
            for turns in [1, 4, 7, 10] {
                let (begin, some) = ([flags, 17, before, 0, 4, query, 1, 0], [8, 1, 0].repeat(turns));
                seeds.push([&begin[..], &some, &[17, after, 12, 8, 1, 0, 9, 9]].concat());
            }
        }
    }
    let queries = [(0, V4::queries()), (1, V6::queries())];
    for (flags, frame) in queries.into_iter().flat_map(|(flags, frames)| frames.into_iter().map(move |f| (flags, f))) {
        let length = u16::try_from(frame.len()).unwrap_or_default().to_be_bytes();
        seeds.push([&[flags, 1], &length[..], &frame, &[9, 12, 9]].concat());
    }
    seeds
}

/// A query that was begun or refused.
#[derive(Debug, Default)]
struct Answer {
    /// How many there were with this transaction id, and how many last messages.
    asked: usize,
    ended: usize,
    latest: Option<Time>,
    told: BTreeSet<Vec<u8>>,
    /// Leases or permissions have changed since it began.
    changed: bool,
    /// If it is about everything, what could be told of all the time.
    expected: Option<BTreeSet<Vec<u8>>>,
}

struct Wheel<F: Family> {
    connection: Connection<F::Server>,
    store: Store<F::Key>,
    policy: Policy,
    now: Duration,
    /// Octets of the last output that have not been taken.
    unsent: usize,
    /// What the requestor said, and how much of it has been judged.
    said: Vec<u8>,
    judged: usize,
    answers: BTreeMap<u32, Answer>,
    /// Of the active query: whether it is catching up, and the resume point of its requestor.
    catching_up: bool,
    resume: Option<Time>,
    active: bool,
    closed: bool,
}

impl<F: Family> Wheel<F> {
    fn new(flags: u8) -> Self {
        let allow = Allow { udp: true, bulk: true, active: flags & 2 == 0 };
        let policy = Policy { name: "fuzz".to_owned(), allow, ..Policy::default() };
        let protocol = F::server(Arc::new(policy.clone()), flags & 8 == 0, flags & 4 != 0);
        let limits = Limits { queries: QUERIES, ..Limits::default() };
        let now = Duration::from_secs(1000);
        Self {
            connection: Connection::new(protocol, limits, now),
            store: F::store(),
            policy,
            now,
            unsent: 0,
            said: Vec::new(),
            judged: 0,
            answers: BTreeMap::new(),
            catching_up: false,
            resume: None,
            active: false,
            closed: false,
        }
    }

    fn turn(mut self, mut input: Input<'_>) {
        let queries = F::queries();
        while !input.is_empty() && !self.closed {
            match input.u8() % 18 {
                0 => {
                    let length = input.u8().into();
                    self.say(input.piece(length));
                }
                1 => {
                    let length = input.u16().into();
                    self.say(input.piece(length));
                }
                2 | 3 => {
                    // Damaged in one place.
                    let mut frame = queries[input.below(queries.len())].clone();
                    F::put_xid(&mut frame, input.u8() % 6);
                    let place = input.u16();
                    if let Some(octet) = frame.get_mut(usize::from(place)) {
                        *octet = input.u8();
                    }
                    self.say(&frame);
                }
                4..=6 => {
                    let mut frame = queries[input.below(queries.len())].clone();
                    F::put_xid(&mut frame, input.u8() % 6);
                    let cut = frame.len() - input.below(8).min(frame.len());
                    self.say(&frame[..cut]);
                }
                7 | 8 => {
                    self.take(input.u16().into(), 0);
                }
                9 => self.take_all(),
                10 => {
                    let unsent = input.u16().into();
                    self.take(input.u16().into(), unsent);
                }
                11 => {
                    let written = input.below(self.unsent + 1);
                    self.progress(written);
                }
                12 => self.wait(),
                13 => {
                    F::change(&mut self.store, input.u8(), input.u8());
                    self.note_change();
                }
                14 => self.later(input.u16()),
                15 => self.eof(),
                16 => self.terminate(),
                _ => self.permit(&mut input),
            }
        }
        if !self.closed {
            self.progress(self.unsent);
            self.take_all();
        }
    }

    fn say(&mut self, octets: &[u8]) {
        if self.connection.wants_read() {
            self.connection.handle_bytes(self.now, octets);
            self.said.extend_from_slice(octets);
        }
    }

    fn eof(&mut self) {
        if self.connection.wants_read() {
            self.connection.handle_eof();
        }
    }

    fn later(&mut self, seconds: u16) {
        self.now += Duration::from_secs(seconds.into());
        self.store.advance(self.store.now().plus(seconds.into()));
        self.note_change();
    }

    fn note_change(&mut self) {
        let tellable = F::tellable(&self.store, self.policy.relays.is_some());
        for answer in self.answers.values_mut() {
            answer.changed = true;
            if let Some(expected) = &mut answer.expected {
                expected.retain(|key| tellable.contains(key));
            }
        }
    }

    /// What is due is done.
    fn wait(&mut self) {
        let Some(due) = self.connection.poll_timeout() else { return };
        let seconds = due.saturating_sub(self.now).as_secs();
        self.later(u16::try_from(seconds).unwrap_or(u16::MAX));
        self.now = self.now.max(due);
        if self.connection.handle_timeout(self.now) {
            self.check(&[], usize::MAX);
            assert!(self.closed, "who takes nothing is left");
            return;
        }
        self.take_all();
        if !self.closed && self.unsent == 0 {
            assert!(self.connection.poll_timeout().is_none_or(|due| due > self.now), "what was due is done");
        }
    }

    /// One turn, of which `unsent` octets are not taken.
    fn take(&mut self, room: usize, unsent: usize) -> Turn {
        if self.unsent > 0 || self.closed {
            return Turn::Idle;
        }
        let mut out = Vec::new();
        let turn = self.connection.poll_transmit(self.now, &self.store, &mut out, room);
        self.check(&out, room);
        match turn {
            Turn::Idle => self.check_idle(),
            Turn::Secure => {
                let behind = self.connection.begin_tls();
                assert!(self.said.ends_with(&behind), "what came in the clear is given back");
                self.judged = self.next().map_or(self.judged, |(_, end)| end);
                assert_eq!(self.said.len() - self.judged, behind.len());
                self.said.clear();
                self.judged = 0;
            }
            Turn::More => {}
            Turn::Close => assert!(self.closed),
        }
        self.unsent = out.len();
        self.progress(out.len().saturating_sub(unsent));
        turn
    }

    fn take_all(&mut self) {
        for _ in 0..TURNS {
            match self.take(PLENTY, 0) {
                Turn::Idle | Turn::Close => return,
                Turn::More | Turn::Secure => {}
            }
        }
        panic!("there is no end of it");
    }

    fn progress(&mut self, written: usize) {
        if self.unsent > 0 && !self.closed {
            self.unsent -= written.min(self.unsent);
            self.connection.handle_progress(self.now, written, self.unsent);
        }
    }

    fn terminate(&mut self) {
        let mut out = Vec::new();
        self.connection.terminate(&self.store, &mut out, "over");
        self.check(&out, usize::MAX);
        assert!(self.closed);
    }

    fn permit(&mut self, input: &mut Input<'_>) {
        let flags = input.u8();
        self.policy.allow = Allow { udp: true, bulk: flags & 3 != 0, active: flags & 0x0c != 0 };
        self.policy.withhold = vec![u16::from(input.u8())];
        self.policy.vpns = (flags & 0x70 == 0x70).then(Vec::new);
        self.policy.relays = (flags & 0x80 != 0).then(|| vec![([192, 0, 2, 0].into(), 24), (RELAYS.into(), 64)]);
        self.note_change();
        let mut out = Vec::new();
        self.connection.set_policy(&Arc::new(self.policy.clone()), &self.store, &mut out);
        self.check(&out, usize::MAX);
        self.unsent += out.len();
        self.progress(out.len());
    }

    /// The next message that has not been judged, and its end.
    fn next(&self) -> Option<(&[u8], usize)> {
        match split_frame(&self.said[self.judged..], F::Server::MIN_MESSAGE) {
            Ok(Framing::Frame { body, rest }) => Some((body, self.said.len() - rest.len())),
            _ => None,
        }
    }

    /// Where nothing is to be done there is no message that nobody has looked at, and something to wait for.
    fn check_idle(&self) {
        let rest = &self.said[self.judged..];
        let next = split_frame(rest, F::Server::MIN_MESSAGE);
        assert!(matches!(next, Ok(Framing::NeedMore { .. })), "{next:?}");
        assert!(self.connection.wants_read());
        assert!(self.connection.poll_timeout().is_some());
    }

    fn check(&mut self, out: &[u8], room: usize) {
        assert!(!self.closed || out.is_empty(), "the last word is the last");
        let events: Vec<_> = std::iter::from_fn(|| self.connection.poll_event()).collect();
        let mut closing = None;
        for event in events {
            assert!(closing.is_none(), "nothing happens behind the end");
            match event {
                Event::Started { xid } => {
                    let everything = self.next().is_some_and(|(body, _)| F::asks_everything(body));
                    self.catching_up = self.next().is_some_and(|(body, _)| F::asks_catch_up(body));
                    self.judge(xid);
                    let answer = self.answers.entry(xid).or_default();
                    answer.asked += 1;
                    // Of two with the same transaction id in one turn nobody knows where the first one ends.
                    let alone = answer.asked == answer.ended + 1;
                    answer.expected =
                        (everything && alone).then(|| F::tellable(&self.store, self.policy.relays.is_some()));
                    self.resume = None;
                }
                Event::Refused { xid, .. } => {
                    self.judge(xid);
                    let answer = self.answers.entry(xid).or_default();
                    answer.asked += 1;
                    answer.expected = None;
                }
                Event::Done { xid, .. } | Event::Shed { xid, .. } => assert!(self.answers.contains_key(&xid)),
                Event::Closing(reason) => closing = Some(reason),
            }
        }
        self.active |= self.connection.is_active();
        self.check_output(out, room, closing.is_some());
        if let Some(reason) = closing {
            self.check_closing(&reason);
        } else {
            self.check_resume();
        }
    }

    /// Each message is judged, in their order.
    fn judge(&mut self, xid: u32) {
        let Some((body, end)) = self.next() else { panic!("{xid:#x} was judged before it was whole") };
        assert_eq!(F::xid(body), xid);
        self.judged = end;
    }

    fn check_output(&mut self, mut rest: &[u8], room: usize, closing: bool) {
        let (length, mut beyond) = (rest.len(), 0);
        while !rest.is_empty() {
            beyond += usize::from(length - rest.len() >= room);
            let Ok(Framing::Frame { body, rest: behind }) = split_frame(rest, F::Server::MIN_MESSAGE) else {
                panic!("the output has a part of a message");
            };
            rest = behind;
            let Some(facts) = F::facts(body) else { panic!("the server sent no message: {body:02x?}") };
            let Some(answer) = self.answers.get_mut(&facts.xid) else {
                // The answer to a request for TLS is no event.
                assert!(facts.may_be_last, "an answer to nothing: {body:02x?}");
                continue;
            };
            if let Some(base_time) = facts.base_time {
                assert!(answer.latest <= Some(base_time), "{base_time:?} after {:?}", answer.latest);
                answer.latest = Some(base_time);
            }
            self.catching_up &= !facts.ends_catch_up;
            if self.active && !self.catching_up {
                self.resume = self.resume.max(facts.base_time);
            }
            if !self.active {
                let twice = F::told(body).into_iter().filter(|told| !answer.told.insert(told.clone())).count();
                assert!(twice == 0 || (answer.changed && !F::ONCE_THOUGH_CHANGED), "told of twice: {body:02x?}");
            }
            if facts.may_be_last {
                let expected = answer.expected.take_if(|_| facts.completes).unwrap_or_default();
                let missing: Vec<_> = expected.difference(&answer.told).collect();
                assert!(missing.is_empty(), "complete without {missing:02x?}");
                answer.ended += 1;
                answer.latest = None;
                answer.told.clear();
                // A refusal may have the transaction id of a response that goes on.
                answer.changed &= answer.ended < answer.asked;
            }
        }
        // What is begun within the room may end behind it, with it a catch-up phase, and a connection with a word to each
        // query.
        let most = if closing { 1 + QUERIES } else { 1 };
        assert!(beyond <= most, "{beyond} messages beyond {room} octets");
    }

    fn check_resume(&self) {
        let Some(resume) = self.resume.filter(|_| self.connection.is_active()) else { return };
        let told = self.connection.told_up_to();
        let budget = Budget::unlimited();
        if let Some(untold) = told.and_then(|told| self.store.changes(told, &budget).next()) {
            assert!(untold.changed() >= resume, "changed at {}, is untold, and {resume} was said", untold.changed());
        }
    }

    fn check_closing(&mut self, reason: &CloseReason) {
        assert!(!self.closed, "a connection closes once");
        self.closed = true;
        assert!(!self.connection.wants_read());
        let next = split_frame(&self.said[self.judged..], F::Server::MIN_MESSAGE);
        match reason {
            CloseReason::Frame(fault) => assert_eq!(next, Err(*fault), "what came before has been judged"),
            CloseReason::Malformed(_)
            | CloseReason::NotARequest(_)
            | CloseReason::Unsupported(_)
            | CloseReason::Insecure
            | CloseReason::Unusable(_)
            | CloseReason::RepeatedXid(_) => assert!(matches!(next, Ok(Framing::Frame { .. })), "{reason}: {next:?}"),
            _ => {}
        }
        if *reason == CloseReason::Blocked {
            return;
        }
        let unended = self.answers.values().map(|answer| answer.asked.saturating_sub(answer.ended)).sum::<usize>();
        // Who has gone hears no last word of a query without end.
        let unheard = usize::from(self.active && *reason == CloseReason::Peer);
        assert!(unended <= unheard, "{reason}: {:?}", self.answers);
    }
}
