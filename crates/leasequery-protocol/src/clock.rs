//! The difference between the server's clock and ours.

use leasequery_store::Time;

/// An estimate of the skew between a server's clock and the local one, kept for each connection and refined by every
/// message (RFC 6926 section 2).
///
/// A message is under way for a while, and its base-time may have been held back before: both only make base-time minus
/// arrival smaller. So the largest such difference is nearest to the truth, and counts at once. For a clock that drifts
/// the other way it has to be forgotten: every [`DECAY`] seconds without confirmation allow one message to lower the
/// estimate by one second. So a single late message, however late, moves it by a second at most, and a clock that loses
/// one second in [`DECAY`] is followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Skew {
    /// Server's seconds less local seconds, and the local time up to which the lack of confirmation has been charged.
    estimate: Option<(i64, Time)>,
}

/// Local seconds without confirmation that lower the estimate by one: several times as fast as a clock drifts that loses
/// a second an hour, and slow enough that minutes of late messages do little harm.
pub const DECAY: u32 = 600;

impl Skew {
    /// Takes the base-time of a message that arrived at `arrival`.
    #[inline]
    pub fn observe(&mut self, base_time: Time, arrival: Time) {
        let seen = i64::from(base_time.0) - i64::from(arrival.0);
        self.estimate = match self.estimate {
            Some((estimate, charged)) if seen < estimate => {
                if arrival.since(charged) >= DECAY {
                    Some((estimate - 1, charged.plus(DECAY)))
                } else {
                    self.estimate
                }
            }
            _ => Some((seen, arrival)),
        };
    }

    /// Seconds by which the server's clock is ahead of the local one. As long as nothing is known they are taken to be
    /// equal (RFC 6926 section 6.2.6).
    pub fn seconds(&self) -> i64 {
        self.estimate.map_or(0, |(estimate, _)| estimate)
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
