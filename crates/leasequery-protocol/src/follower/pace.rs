use std::time::Duration;

use fastrand::Rng;

/// When the next attempt to connect may be made: the first at once, others no closer together than a distance, measured
/// from start to start (RFC 7724 section 7.1).
#[derive(Debug)]
pub(super) struct Pace {
    distance: Duration,
    attempted: Option<Duration>,
    next: Duration,
}

impl Pace {
    pub(super) fn new(distance: Duration) -> Self {
        Self { distance, attempted: None, next: Duration::ZERO }
    }

    pub(super) fn next(&self) -> Duration {
        self.next
    }

    pub(super) fn attempt(&mut self, now: Duration, random: &mut Rng) {
        self.attempted = Some(now);
        // Requestors that lost their server together do not come back together for ever.
        self.next = now + self.distance + self.distance.mul_f64(random.f64() / 10.0);
    }

    /// What there was has ended. A server that ended it may need a moment before it can begin anew.
    pub(super) fn rest(&mut self, now: Duration, random: &mut Rng) {
        let moment = (self.distance / 8).min(Duration::from_secs(2));
        self.next = self.next.max(now + moment.mul_f64(0.5 + random.f64() / 2.0));
    }

    /// The next attempt is not a repetition of the last one.
    pub(super) fn clear(&mut self, now: Duration) {
        self.next = now;
    }
}
