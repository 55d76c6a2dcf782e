use std::time::Duration;

use leasequery_store::Time;

/// The time when every simulation begins, for a clock that is right.
const BEGIN: u64 = 1_790_000_000;

/// The clock of a machine, which need not be right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// Milliseconds by which it is ahead.
    pub(crate) ahead: i64,
    /// Milliseconds by which it was ahead before it was stepped.
    pub(crate) right: i64,
    /// Millionths by which it is too fast.
    pub(crate) drift: i64,
}

impl Clock {
    /// One that nobody has stepped yet.
    pub(crate) fn new(ahead: i64, drift: i64) -> Self {
        Self { ahead, right: ahead, drift }
    }

    /// Whether it is not as it was at first.
    pub(crate) fn is_wrong(self) -> bool {
        self.ahead != self.right
    }

    /// What it shows.
    pub(crate) fn wall(self, now: Duration) -> Time {
        let true_time = i64::try_from(BEGIN * 1000).unwrap_or_default() + milliseconds(now);
        let shown = true_time + self.ahead + milliseconds(now) * self.drift / 1_000_000;
        Time(u32::try_from(shown / 1000).unwrap_or_default())
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
