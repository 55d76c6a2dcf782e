use std::time::Duration;

use fastrand::Rng;

/// When a query over UDP is sent again, and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// DHCPv4: after 4 seconds, then twice as long each time, up to 64 seconds, each give or take one second; never given
    /// up (RFC 2131 section 4.1, RFC 4388 section 6.6).
    V4,
    /// DHCPv6: after 1 second, then about twice as long each time, up to 10 seconds, each give or take a tenth; given up
    /// after five transmissions (RFC 5007 section 4.1.4, RFC 3315 section 14).
    V6,
}

/// LQ_TIMEOUT, LQ_MAX_RT and LQ_MAX_RC (RFC 5007 section 4.1.4).
const LQ_TIMEOUT: Duration = Duration::from_secs(1);
const LQ_MAX_RT: Duration = Duration::from_secs(10);
const LQ_MAX_RC: u32 = 5;

/// What to do with a query that has not been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Send it, the same octets each time.
    Send,
    /// Wait for an answer until then.
    Wait(Duration),
    /// Give it up.
    Failed,
}

/// A query over UDP on its way: sent again and again, at distances that are random so that requestors that lost their
/// server together do not come back together.
///
/// Times are durations since an arbitrary start, the same for all calls.
#[derive(Debug)]
pub struct Exchange {
    schedule: Schedule,
    random: Rng,
    transmissions: u32,
    /// From the last transmission to what comes next, and when that is.
    interval: Duration,
    due: Duration,
}

impl Exchange {
    /// The seed decides the random distances.
    pub fn new(schedule: Schedule, seed: u64) -> Self {
        let random = Rng::with_seed(seed);
        Self { schedule, random, transmissions: 0, interval: Duration::ZERO, due: Duration::ZERO }
    }

    /// What to do now; [`Poll::Send`] is said once for each transmission, the first time at once.
    pub fn poll(&mut self, now: Duration) -> Poll {
        if self.transmissions > 0 && now < self.due {
            return Poll::Wait(self.due);
        }
        if self.schedule == Schedule::V6 && self.transmissions == LQ_MAX_RC {
            return Poll::Failed;
        }
        self.interval = match self.schedule {
            Schedule::V4 => self.next_v4(),
            Schedule::V6 => self.next_v6(),
        };
        self.transmissions = self.transmissions.saturating_add(1);
        self.due = now.saturating_add(self.interval);
        Poll::Send
    }

    fn next_v4(&mut self) -> Duration {
        let seconds = 4_u64 << self.transmissions.min(4);
        Duration::from_secs(seconds - 1) + Duration::from_secs(2).mul_f64(self.random.f64())
    }

    fn next_v6(&mut self) -> Duration {
        if self.transmissions == 0 {
            return LQ_TIMEOUT.mul_f64(1.0 + self.tenth());
        }
        let next = self.interval.mul_f64(2.0 + self.tenth());
        if next > LQ_MAX_RT { LQ_MAX_RT.mul_f64(1.0 + self.tenth()) } else { next }
    }

    /// RAND: from -0.1 to 0.1.
    fn tenth(&mut self) -> f64 {
        (self.random.f64() * 2.0 - 1.0) / 10.0
    }
}
