//! The difference between the server's clock and ours.

use leasequery_store::Time;

/// An estimate of the skew between a server's clock and the local one, refined by every message (RFC 6926 section 2).
///
/// A message is under way for a while, and its base-time may have been held back before: both only make base-time minus
/// arrival smaller. So the largest such difference is nearest to the truth. Only recent ones count, or a clock that
/// drifts or is stepped the other way would never be followed: those of this stretch of [`STRETCH`] seconds and of the
/// one before. A single late message, however late, moves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skew {
    /// The largest difference in this stretch, server's seconds less local seconds, and when the stretch began.
    current: Option<(i64, Time)>,
    /// The largest difference in the stretch before.
    previous: Option<i64>,
}

/// Local seconds of a stretch: some keep-alives fit into it, and minutes of late messages do not fill two.
pub const STRETCH: u32 = 150;

impl Skew {
    /// What was known of a clock earlier.
    pub fn remembered(seconds: i64) -> Self {
        Self { current: None, previous: Some(seconds) }
    }

    /// Takes the base-time of a message that arrived at `arrival`.
    #[inline]
    pub fn observe(&mut self, base_time: Time, arrival: Time) {
        let seen = i64::from(base_time.0) - i64::from(arrival.0);
        match &mut self.current {
            Some((largest, began)) if arrival.since(*began) < STRETCH => *largest = seen.max(*largest),
            ended => {
                self.previous = ended.map(|(largest, _)| largest).or(self.previous);
                self.current = Some((seen, arrival));
            }
        }
    }

    /// Takes the base-time of a message that was asked for so many seconds before it arrived, and may have been stamped at
    /// any time in between: a response that was long in finding something to tell is stamped when it began, or when it
    /// tells. What is known already and agrees with that stays.
    pub fn observe_late(&mut self, base_time: Time, arrival: Time, waited: u32) {
        let least = i64::from(base_time.0) - i64::from(arrival.0);
        let seen = self.seconds().clamp(least, least + i64::from(waited));
        self.observe(shift(arrival, seen), arrival);
    }

    /// Seconds by which the server's clock is ahead of the local one. As long as nothing is known they are taken to be
    /// equal (RFC 6926 section 6.2.6).
    pub fn seconds(&self) -> i64 {
        self.current.map(|(largest, _)| largest).max(self.previous).unwrap_or_default()
    }

    /// A time of the server by the local clock. An infinite time stays infinite.
    pub fn to_local(&self, server: Time) -> Time {
        if server == Time::INFINITE {
            return server;
        }
        shift(server, -self.seconds())
    }

    /// A local time by the server's clock. An infinite time stays infinite.
    pub fn to_server(&self, local: Time) -> Time {
        if local == Time::INFINITE {
            return local;
        }
        shift(local, self.seconds())
    }
}

/// Keeps to the scale, short of its end, which means infinite.
fn shift(time: Time, seconds: i64) -> Time {
    let shifted = (i64::from(time.0) + seconds).clamp(0, i64::from(u32::MAX - 1));
    Time(u32::try_from(shifted).unwrap_or_default())
}

#[cfg(test)]
mod tests;
