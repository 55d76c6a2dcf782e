//! A server that says whatever it likes, and is followed.

use std::time::Duration;

use leasequery_protocol::follower::{Event, Follower, LINKS, Link, Observer, Origin, Position, Settings, Told};
use leasequery_store::{Binding, SourceId, Store};
use leasequery_wire::{Framing, split_frame};

use crate::family::{Family, NOW, V4, V6};
use crate::input::Input;
use crate::records::{Printed, text};

/// Messages taken at a time.
const BUDGET: usize = 3;
/// Turns within which the longest input is taken.
const TURNS: usize = 5000;
/// Connections that are opened in a moment.
const ATTEMPTS: usize = 20;

/// Runs one input: the protocol and how it is followed, then what the server does on both connections.
///
/// The copy is called complete, and a lease ended because the server has it no longer, only behind the last message of a
/// bulk response. What is kept is where the follower stands. It always waits for something, and is not left waiting for
/// ever; there is an end of work, and of attempts to connect. Without a failure nothing is opened twice.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if input.bool() { Wheel::<V6>::new(&mut input).turn(input) } else { Wheel::<V4>::new(&mut input).turn(input) }
}

/// Inputs to begin with: whole courses, in both protocols.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    // Leases and the end of the response on one connection, leases and statuses on the other.
    let bulk = [2, 1, 2, 1, 0, 0, 1, 0, 9, 0, 9, 2, 1, 2, 2, 0, 0, 2, 0, 9, 0, 9, 2, 1, 4, 0, 1, 0, 2, 1, 6, 0, 1, 0];
    let active = [2, 0, 5, 0, 0, 7, 2, 0, 0, 1, 0, 0, 1, 0, 3, 2, 0, 2, 0, 0, 0, 1, 0, 5, 2, 0, 5, 9, 12, 0, 5];
    for protocol in [0, 1] {
        for how in 0..16 {
            let course = [&bulk[..], &[5], &active, &[5, 3, 0, 5, 5], &active, &bulk, &[3, 1, 5, 4, 9, 5, 6, 5], &bulk];
            seeds.push([&[protocol, how, 40, 200][..], &course.concat()].concat());
        }
        let frames = if protocol == 0 { V4::messages() } else { V6::messages() };
        for (number, mut frame) in frames.into_iter().enumerate() {
            let length = u16::try_from(frame.len()).unwrap_or_default().to_be_bytes();
            let link = u8::from(number % 2 == 0);
            if protocol == 0 {
                V4::put_xid(&mut frame, 0);
            } else {
                V6::put_xid(&mut frame, 0);
            }
            seeds.push([&[protocol, 0, 0, 0, 1, link], &length[..], &frame, &[5]].concat());
        }
    }
    seeds
}

struct Wheel<F: Family> {
    follower: Follower<F>,
    store: Store<F::Key>,
    source: SourceId,
    settings: Settings,
    now: Duration,
    /// Of each connection: the transaction id of the query, and what the server has said.
    xids: [u32; 2],
    said: [Vec<u8>; 2],
    log: Log,
}

/// What the follower says of itself.
#[derive(Default)]
struct Log {
    events: Vec<Event>,
    gone: usize,
    records: usize,
}

impl<F: Family> Observer<F> for Log {
    fn record(&mut self, record: &F::Record<'_>, told: Told<F::Key>, origin: Origin) {
        self.records += 1;
        text(&F::view(record));
        assert!(told.free_since.is_none() || origin.is_bulk() || F::TELLS_CONFIGURED);
    }

    fn gone(&mut self, binding: &Binding<'_, F::Key>, store: &Store<F::Key>) {
        self.gone += 1;
        text(&F::view_of(binding, store));
    }

    fn event(&mut self, event: &Event) {
        self.events.push(event.clone());
    }
}

fn place(link: Link) -> usize {
    usize::from(link == Link::Bulk)
}

impl<F: Family> Wheel<F>
where
    Store<F::Key>: Printed,
{
    fn new(input: &mut Input<'_>) -> Self {
        let how = input.u8();
        let settings = Settings {
            sweep: (how & 1 == 0).then_some(Duration::from_hours(1)),
            initial: how & 2 == 0,
            kept: how & 4 == 0,
            ..Settings::default()
        };
        let (ago, skew) = (input.u8(), input.u8());
        let position = (how & 8 != 0).then(|| Position { resume: NOW.minus(ago.into()), skew: i64::from(skew) - 128 });
        let mut store = if how & 16 == 0 { Store::new(leasequery_store::Settings::default()) } else { F::store() };
        store.advance(NOW);
        let source = store.source("server").unwrap_or_default();
        Self {
            follower: Follower::new(F::wanted(), source, position, settings.clone(), 7),
            store,
            source,
            settings,
            now: Duration::ZERO,
            xids: [0; 2],
            said: [Vec::new(), Vec::new()],
            log: Log::default(),
        }
    }

    fn turn(mut self, mut input: Input<'_>) {
        self.work(true);
        while !input.is_empty() {
            let mut reachable = true;
            match input.u8() % 8 {
                0 | 1 => {
                    let link = LINKS[input.below(2)];
                    let length = input.u16().into();
                    self.say(link, input.piece(length));
                }
                2 => {
                    let link = LINKS[input.below(2)];
                    let mut frame = Vec::new();
                    let time = NOW.plus(u32::try_from(self.now.as_secs()).unwrap_or_default());
                    F::reply(&mut input, self.xids[place(link)], time, &mut frame);
                    self.say(link, &frame);
                }
                3 => self.follower.handle_eof(LINKS[input.below(2)]),
                4 => self.later(self.now + Duration::from_secs(input.u8().into())),
                5 => self.wait(),
                6 => {
                    reachable = false;
                    self.wait();
                }
                _ => match input.u8() {
                    0 => self.restart(),
                    1 => self.follower.handle_broken(LINKS[input.below(2)], "broken"),
                    cut => {
                        let link = LINKS[usize::from(cut & 1)];
                        let mut frame = Vec::new();
                        F::reply(&mut input, self.xids[place(link)], NOW, &mut frame);
                        self.say(link, &frame[..usize::from(cut).min(frame.len())]);
                    }
                },
            }
            self.work(reachable);
            self.check();
        }
        self.store.print();
    }

    fn say(&mut self, link: Link, octets: &[u8]) {
        if self.follower.is_open(link) {
            self.said[place(link)].extend_from_slice(octets);
            self.follower.handle_bytes(link, octets);
        }
    }

    fn later(&mut self, now: Duration) {
        self.now = now;
        self.store.advance(NOW.plus(u32::try_from(now.as_secs()).unwrap_or(u32::MAX)));
    }

    fn wait(&mut self) {
        if let Some(due) = self.follower.poll_timeout() {
            self.later(self.now.max(due));
        }
    }

    /// As after a new start of the process, with what has been kept.
    fn restart(&mut self) {
        let position = self.store.position(self.source).and_then(Position::from_bytes);
        self.follower = Follower::new(F::wanted(), self.source, position, self.settings.clone(), 8);
    }

    /// Turns the wheel until nothing more is to be done now.
    fn work(&mut self, reachable: bool) {
        for _ in 0..ATTEMPTS {
            let mut turns = 0;
            while self.advance() {
                turns += 1;
                assert!(turns < TURNS, "there is no end of it");
            }
            let Some(link) = self.follower.poll_connect(self.now) else { return };
            assert!(!self.follower.is_open(link), "nothing is opened twice");
            if !reachable {
                self.follower.handle_unreachable(link, "refused");
                continue;
            }
            self.follower.handle_connected(link, self.now, [192, 0, 2, 1].into(), &mut self.store);
            let query = self.follower.poll_transmit(link);
            assert!(!query.is_empty(), "something is asked");
            self.xids[place(link)] = F::xid(&query[2..]);
            let length = query.len();
            self.follower.handle_sent(link, self.now, length);
            self.said[place(link)].clear();
        }
        panic!("it connects without end");
    }

    fn advance(&mut self) -> bool {
        let more = self.follower.advance(self.now, &mut self.store, &mut self.log, BUDGET);
        let log = std::mem::take(&mut self.log);
        let complete = |event: &Event| matches!(event, Event::InitialComplete | Event::GapFilled | Event::Swept);
        if log.gone > 0 || log.events.iter().any(complete) {
            // What is initial without anything to begin with is complete at once.
            let nothing = !self.settings.initial && log.gone == 0;
            assert!(nothing || self.bulk_has_ended(), "{:?} without a last message", log.events);
        }
        more
    }

    fn bulk_has_ended(&self) -> bool {
        let mut rest = &self.said[place(Link::Bulk)][..];
        while let Ok(Framing::Frame { body, rest: behind }) = split_frame(rest, F::MIN_MESSAGE) {
            if F::facts(body).is_some_and(|facts| facts.may_be_last) {
                return true;
            }
            rest = behind;
        }
        false
    }

    fn check(&self) {
        let due = self.follower.poll_timeout();
        assert!(due.is_some_and(|due| due > self.now), "{due:?} at {:?}", self.now);
        let patience = self.settings.timeouts.data.max(self.settings.timeouts.active_receive);
        for link in LINKS {
            // A server that says nothing is left.
            assert!(!self.follower.is_open(link) || due <= Some(self.now + patience));
            assert!(self.follower.is_open(link) || self.follower.poll_transmit(link).is_empty());
        }
        let kept = self.store.position(self.source).and_then(Position::from_bytes);
        let stands = self.follower.position();
        assert!(kept.is_none() || stands.is_none() || kept == stands, "{kept:?} is kept of {stands:?}");
    }
}
