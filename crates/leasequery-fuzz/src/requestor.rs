//! A server that says whatever it likes, at a TCP connection of the requestor.

use std::collections::BTreeMap;
use std::time::Duration;

use leasequery_protocol::requestor::{ActiveStatus, Connection, Event, Failure, Timeouts};
use leasequery_wire::{Framing, split_frame};

use crate::family::{Family, NOW, V4, V6};
use crate::input::Input;
use crate::records::text;

/// The first transaction id.
const FIRST: u32 = 7;

/// Runs one input: the protocol and what is asked for, then what the server does, one thing after the other.
///
/// A response is complete only with its last message. What is told does not depend on the pieces in which it came. Each
/// event stands in the octets. A failure is the end, and stays what it was. Whoever waits has something to wait for.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if input.bool() { Wheel::<V6>::new(&mut input).turn(input) } else { Wheel::<V4>::new(&mut input).turn(input) }
}

/// Inputs to begin with: answers of all sorts to queries of all sorts.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for protocol in [0, 1] {
        for question in 0..6 {
            let whole = [3, 0, 2, 1, 0, 0, 3, 0, 4, 2, 1, 8, 3, 0, 6, 1, 1, 0, 0, 3, 0, 5, 0, 1, 8, 0, 5];
            seeds.push([&[protocol, 0, question][..], &whole].concat());
            seeds.push([&[protocol, 1, question, question + 1], &whole[..], &[4, 3, 1, 2, 3, 4, 5, 6]].concat());
        }
        let frames = if protocol == 0 { V4::messages() } else { V6::messages() };
        for frame in frames {
            let length = u16::try_from(frame.len()).unwrap_or_default().to_be_bytes();
            seeds.push([&[protocol, 0, 1, 1], &length[..], &frame, &[5]].concat());
        }
    }
    seeds
}

struct Wheel<F: Family> {
    connection: Connection<F>,
    questions: Vec<u8>,
    now: Duration,
    /// All that the server said, and how much of it has been told of.
    said: Vec<u8>,
    told: usize,
    /// How many ends of responses have been seen, by transaction id.
    ends: BTreeMap<u32, usize>,
    outstanding: usize,
    events: Vec<String>,
    ended: bool,
    failure: Option<Failure>,
}

impl<F: Family> Wheel<F> {
    fn new(input: &mut Input<'_>) -> Self {
        let questions: Vec<u8> = (0..=input.u8() % 3).map(|_| input.u8()).collect();
        let connection = asked::<F>(&questions);
        let outstanding = questions.len();
        Self {
            connection,
            questions,
            now: Duration::ZERO,
            said: Vec::new(),
            told: 0,
            ends: BTreeMap::new(),
            outstanding,
            events: Vec::new(),
            ended: false,
            failure: None,
        }
    }

    fn turn(mut self, mut input: Input<'_>) {
        let mut timed_out = false;
        while !input.is_empty() && self.failure.is_none() {
            match input.u8() % 8 {
                0 => {
                    let length = input.u8().into();
                    self.say(input.piece(length));
                }
                1 => {
                    let length = input.u16().into();
                    self.say(input.piece(length));
                }
                // A message in two pieces, or a cut one.
                2 | 3 => {
                    let (cut, mut frame) = (input.u8(), Vec::new());
                    F::reply(&mut input, FIRST + u32::from(cut & 3), NOW, &mut frame);
                    let (first, rest) = frame.split_at(usize::from(cut).min(frame.len()));
                    self.say(first);
                    if cut >= 8 {
                        self.listen();
                    }
                    self.say(rest);
                }
                4 => {
                    let sent = input.below(300);
                    self.connection.handle_sent(self.now, sent);
                }
                5 => {
                    self.connection.handle_eof();
                    self.ended = true;
                }
                6 => self.now += Duration::from_secs(input.u8().into()),
                _ => {
                    if let Some(due) = self.connection.poll_timeout() {
                        self.now = self.now.max(due);
                        self.failure = self.connection.handle_timeout(self.now).err();
                        timed_out = true;
                    }
                }
            }
            if self.failure.is_none() {
                self.listen();
            }
        }
        if let Some(failure) = &self.failure {
            assert_eq!(self.connection.poll_event(self.now, NOW).err().as_ref(), Some(failure));
            assert_eq!(self.connection.handle_timeout(self.now).err().as_ref(), Some(failure));
            assert_eq!(self.connection.poll_timeout(), None);
            assert!(!self.connection.wants_close(), "a failure is no success");
        }
        if !timed_out {
            self.at_once();
        }
    }

    fn say(&mut self, octets: &[u8]) {
        self.said.extend_from_slice(octets);
        self.connection.handle_bytes(octets);
    }

    /// Takes what has come.
    fn listen(&mut self) {
        loop {
            match self.connection.poll_event(self.now, NOW) {
                Ok(Some(event)) => {
                    let (text, end) = describe::<F>(&event);
                    if let Some(xid) = end {
                        self.outstanding -= 1;
                        *self.ends.entry(xid).or_default() += 1;
                    }
                    self.events.push(text);
                }
                Ok(None) => break,
                Err(failure) => {
                    self.failure = Some(failure);
                    break;
                }
            }
            // A message of 28 octets is the shortest that tells of a lease.
            assert!(self.events.len() <= 1 + self.said.len() / 6, "more is told than there is");
        }
        self.check();
    }

    fn check(&mut self) {
        // A failed connection stops within a message.
        while let Ok(Framing::Frame { body, rest }) = split_frame(&self.said[self.told..], F::MIN_MESSAGE) {
            let facts = F::facts(body).filter(|facts| facts.may_be_last || self.failure.is_some());
            self.told = self.said.len() - rest.len();
            if let Some(end) = facts.and_then(|facts| self.ends.get_mut(&facts.xid)) {
                *end = end.saturating_sub(1);
            }
        }
        assert!(self.ends.values().all(|left| *left == 0), "complete without a last message: {:?}", self.events);
        let wants_close = self.outstanding == 0 && self.failure.is_none();
        assert_eq!(self.connection.wants_close(), wants_close);
        if self.failure.is_none() {
            assert!(wants_close || !self.ended, "cut off, and nobody says so");
            assert!(wants_close || self.connection.poll_timeout().is_some(), "it waits for something");
        }
    }

    /// The same octets at once tell the same.
    fn at_once(self) {
        let mut connection = asked::<F>(&self.questions);
        connection.handle_bytes(&self.said);
        let mut events = Vec::new();
        let failure = loop {
            match connection.poll_event(Duration::ZERO, NOW) {
                Ok(Some(event)) => events.push(describe::<F>(&event).0),
                Ok(None) => break None,
                Err(failure) => break Some(failure),
            }
        };
        assert_eq!(events, self.events);
        // An end that came behind the octets is none of theirs.
        assert_eq!(failure, self.failure.filter(|failure| !matches!(failure, Failure::Closed | Failure::Unanswered)));
    }
}

fn asked<F: Family>(questions: &[u8]) -> Connection<F> {
    let peer = [192, 0, 2, 1].into();
    let mut connection = Connection::new(F::with_peer(&F::wanted(), peer), Timeouts::default(), FIRST);
    for question in questions {
        assert!(connection.ask(Duration::ZERO, F::question(*question)).is_ok(), "it can be asked");
    }
    assert!(!connection.poll_transmit().is_empty());
    connection
}

/// An event as text, and the transaction id of the response that it ends.
fn describe<F: Family>(event: &Event<F::Record<'_>>) -> (String, Option<u32>) {
    match event {
        Event::Record { xid, record } => (format!("{xid} {}", text(&F::view(record))), None),
        Event::Failed { xid, about, status, text } => (format!("{xid} {about} {status} {text}"), None),
        Event::Discarded { xid } => (format!("{xid} discarded"), None),
        Event::Status { xid, status, base_time, text } => {
            let end = matches!(status, ActiveStatus::Ended(_)).then_some(*xid);
            (format!("{xid} {status:?} {base_time:?} {text}"), end)
        }
        Event::Done { xid, done } => (format!("{xid} {done:?}"), Some(*xid)),
    }
}
