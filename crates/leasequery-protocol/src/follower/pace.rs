use std::time::Duration;

use fastrand::Rng;

/// When the next attempt to connect may be made: the first at once, others no closer together than a distance, measured
/// from start to start (RFC 7724 section 7.1).
///
/// That is about failures. A server that said goodbye will most likely be back in a moment, so whoever was told comes back
/// at once, and then after twice as long each time, until it is answered or the distance is reached.
#[derive(Debug)]
pub(super) struct Pace {
    distance: Duration,
    attempted: Option<Duration>,
    next: Duration,
    /// The server is expected back, and has not answered since it said goodbye.
    expected: bool,
    /// How long to wait for it the next time.
    patience: Duration,
    /// Attempts in a row that were answered, but not with what was asked for: each is as much work as a successful one.
    vain: u32,
}

/// After so many of them the distance grows no more.
const MOST_VAIN: u32 = 3;

/// How long a server that said goodbye is given at first.
const SOON: Duration = Duration::from_secs(1);

impl Pace {
    pub(super) fn new(distance: Duration) -> Self {
        Self { distance, attempted: None, next: Duration::ZERO, expected: false, patience: SOON, vain: 0 }
    }

    pub(super) fn next(&self) -> Duration {
        self.next
    }

    pub(super) fn attempt(&mut self, now: Duration, random: &mut Rng) {
        self.attempted = Some(now);
        if self.is_expected() {
            self.next = now + self.wait(random);
            self.patience *= 2;
        } else {
            self.next = now + self.far(random);
        }
    }

    /// The server has answered.
    pub(super) fn answered(&mut self, random: &mut Rng) {
        if std::mem::take(&mut self.expected)
            && let Some(attempted) = self.attempted
        {
            self.next = attempted + self.far(random);
        }
    }

    /// What there was has ended. A server that ended it may need a moment before it can begin anew.
    pub(super) fn rest(&mut self, now: Duration, random: &mut Rng) {
        let moment = (self.distance / 8).min(Duration::from_secs(2));
        self.next = self.next.max(now + moment.mul_f64(0.5 + random.f64() / 2.0));
    }

    /// The server has said goodbye. One that says little else is left alone for longer each time.
    pub(super) fn part(&mut self, now: Duration, random: &mut Rng) {
        if self.attempted.is_some_and(|attempted| now.saturating_sub(attempted) >= self.distance) {
            self.patience = SOON;
        }
        self.expected = true;
        if self.is_expected() {
            self.next = now + self.wait(random);
            self.patience *= 2;
        } else {
            self.rest(now, random);
        }
    }

    /// The attempt was in vain, though it was answered. The next one takes its time, the longer the more there were.
    pub(super) fn be_patient(&mut self) {
        self.vain = (self.vain + 1).min(MOST_VAIN);
    }

    /// The next attempt is not a repetition of the last one.
    pub(super) fn clear(&mut self, now: Duration) {
        self.next = now;
        self.vain = 0;
    }

    /// Whether the server may be back any moment.
    pub(super) fn is_expected(&self) -> bool {
        self.expected && self.patience < self.distance
    }

    /// How long it is waited for: not by all who were told at the same time.
    fn wait(&self, random: &mut Rng) -> Duration {
        self.patience.mul_f64(0.25 + 0.75 * random.f64())
    }

    /// Requestors that lost their server together do not come back together for ever.
    fn far(&self, random: &mut Rng) -> Duration {
        let distance = self.distance * (1 << self.vain);
        distance + distance.mul_f64(random.f64() / 10.0)
    }
}
