//! Connections as TCP makes them: octets in order, late, in pieces, and at some point no more.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Under way, with the times of arrival.
    flight: VecDeque<(Duration, Vec<u8>)>,
    /// Arrived and not read.
    arrived: Vec<u8>,
    /// Octets that may be under way or unread: the buffers of both sockets.
    capacity: usize,
    delay: Duration,
    /// How long an octet takes, and until when the line is busy.
    octet: Duration,
    busy_until: Duration,
    /// When the end arrives, if there is one.
    end: Option<Duration>,
    /// The reader takes nothing before this time.
    stopped_until: Duration,
    /// What is sent vanishes, and nobody learns of it.
    pub(crate) lost: bool,
}

impl Pipe {
    pub(crate) fn new(random: &mut Rng) -> Self {
        let slowest = if random.u8(..) < 64 { 900_000 } else { 20_000 };
        Self {
            flight: VecDeque::new(),
            arrived: Vec::new(),
            capacity: if random.u8(..) < 64 { random.usize(300..3000) } else { 65_536 },
            delay: Duration::from_micros(random.u64(10..=slowest)),
            octet: if random.u8(..) < 32 { Duration::from_nanos(random.u64(1000..1_000_000)) } else { Duration::ZERO },
            busy_until: Duration::ZERO,
            end: None,
            stopped_until: Duration::ZERO,
            lost: false,
        }
    }

    /// Sends as much as there is room for.
    pub(crate) fn write(&mut self, now: Duration, bytes: &[u8], random: &mut Rng) -> usize {
        let used: usize = self.flight.iter().map(|(_, piece)| piece.len()).sum::<usize>() + self.arrived.len();
        let taken = bytes.len().min(self.capacity.saturating_sub(used));
        if self.lost || self.end.is_some() {
            // The other end is gone; the buffer of the sender still takes what fits.
            return taken;
        }
        let mut rest = &bytes[..taken];
        while !rest.is_empty() {
            let length = if random.u8(..) < 200 { rest.len() } else { random.usize(1..=rest.len()) };
            let (piece, behind) = rest.split_at(length);
            let last = self.flight.back().map_or(Duration::ZERO, |(at, _)| *at);
            let jitter = self.delay.mul_f64(random.f64() / 2.0);
            let took = self.octet.saturating_mul(u32::try_from(length).unwrap_or(u32::MAX));
            self.busy_until = self.busy_until.max(now) + took;
            self.flight.push_back(((self.busy_until + self.delay + jitter).max(last), piece.to_vec()));
            rest = behind;
        }
        taken
    }

    /// Ends the stream behind what was sent, or, if it is cut, somewhere within it.
    pub(crate) fn end(&mut self, now: Duration, cut: bool, random: &mut Rng) {
        if self.end.is_some() {
            return;
        }
        if cut {
            let under_way: usize = self.flight.iter().map(|(_, piece)| piece.len()).sum();
            let mut left = random.usize(0..=under_way);
            self.flight.retain_mut(|(_, piece)| {
                piece.truncate(left);
                left -= piece.len();
                !piece.is_empty()
            });
        }
        let last = self.flight.back().map_or(now, |(at, _)| *at);
        self.end = Some(last.max(now + self.delay));
    }

    /// The reader takes nothing until then.
    pub(crate) fn stop_until(&mut self, until: Duration) {
        self.stopped_until = until;
    }

    /// What can be read now.
    pub(crate) fn read(&mut self, now: Duration) -> Vec<u8> {
        while self.flight.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, piece)) = self.flight.pop_front() {
                self.arrived.extend_from_slice(&piece);
            }
        }
        if now < self.stopped_until || self.lost {
            return Vec::new();
        }
        std::mem::take(&mut self.arrived)
    }

    /// Whether the end has been read.
    pub(crate) fn has_ended(&self, now: Duration) -> bool {
        !self.lost
            && self.end.is_some_and(|end| end <= now)
            && now >= self.stopped_until
            && self.flight.is_empty()
            && self.arrived.is_empty()
    }

    /// When there is something new to be read.
    pub(crate) fn next(&self, now: Duration) -> Option<Duration> {
        if self.lost {
            return None;
        }
        let arrival = self.flight.front().map(|(at, _)| *at);
        let waiting = (!self.arrived.is_empty()).then_some(now);
        [arrival, waiting, self.end.filter(|end| *end > now)]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(self.stopped_until))
    }
}

/// A connection between a requestor and a server.
#[derive(Debug)]
pub(crate) struct Tcp {
    pub(crate) client: Client,
    pub(crate) server: usize,
    pub(crate) to_server: Pipe,
    pub(crate) to_client: Pipe,
    /// Gone on that side: closed, or with its process.
    pub(crate) client_gone: bool,
    pub(crate) server_gone: bool,
}

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) node: usize,
    pub(crate) follower: usize,
    pub(crate) link: leasequery_protocol::follower::Link,
}

impl Tcp {
    pub(crate) fn new(client: Client, server: usize, random: &mut Rng) -> Self {
        Self {
            client,
            server,
            to_server: Pipe::new(random),
            to_client: Pipe::new(random),
            client_gone: false,
            server_gone: false,
        }
    }

    /// The network breaks it.
    pub(crate) fn cut(&mut self, now: Duration, random: &mut Rng) {
        match random.u8(0..4) {
            // One side never learns of it.
            0 => {
                self.to_client.lost = true;
                self.to_server.end(now, true, random);
            }
            1 => {
                self.to_server.lost = true;
                self.to_client.end(now, true, random);
            }
            _ => {
                self.to_server.end(now, true, random);
                self.to_client.end(now, true, random);
            }
        }
    }

    pub(crate) fn close_client(&mut self, now: Duration, random: &mut Rng) {
        self.client_gone = true;
        self.to_server.end(now, false, random);
    }

    pub(crate) fn close_server(&mut self, now: Duration, random: &mut Rng) {
        self.server_gone = true;
        self.to_client.end(now, false, random);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.client_gone && self.server_gone
    }
}
