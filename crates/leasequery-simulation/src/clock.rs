use std::time::Duration;

use leasequery_store::Time;

/// The time when every simulation begins, for a clock that is right.
const BEGIN: u64 = 1_790_000_000;

/// The clock of a machine, which need not be right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// Milliseconds by which it is ahead.
    pub(crate) ahead: i64,
    /// Millionths by which it is too fast.
    pub(crate) drift: i64,
}

impl Clock {
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
