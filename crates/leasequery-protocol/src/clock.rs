//! The difference between the server's clock and ours.

use leasequery_store::Time;

/// An estimate of the skew between a server's clock and the local one, refined by every message (RFC 6926 section 2).
///
/// A message is under way for a while, and its base-time may have been held back before: both only make base-time minus
/// arrival smaller. So the largest such difference is nearest to the truth. Only recent ones count, or a clock that
/// drifts or is stepped the other way would never be followed: those of this stretch of [`STRETCH`] seconds and of the
/// one before. A single late message, however late, moves nothing.
///
/// Clocks are also stepped, and some are wrong by years. A difference that is far from what was seen before may be that,
/// or a time that means nothing: it is believed when the next message has it too, and then nothing counts that was seen
/// before. Until then the message is taken as one that does not say when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skew {
    /// The largest difference in this stretch, server's seconds less local seconds, and when the stretch began.
    current: Option<(i64, Time)>,
    /// The largest difference in the stretch before.
    previous: Option<i64>,
    /// One that was far off, in the message before.
    doubted: Option<i64>,
    /// What there is was found by an earlier run: ours may be another clock by now.
    remembered: bool,
}

/// Local seconds of a stretch: some keep-alives fit into it, and minutes of late messages do not fill two.
pub const STRETCH: u32 = 150;
/// Seconds by which a difference may be off without being doubted: no message that is just late, or was held back, is
/// so late.
const FAR: i64 = 3600;

impl Skew {
    /// What an earlier run knew of a clock. If it is far from what the first message has that says what that clock shows now,
    /// it counts no more: either clock may have been set since.
    pub fn remembered(seconds: i64) -> Self {
        Self { previous: Some(seconds), remembered: true, ..Self::default() }
    }

    /// Whether nothing has been seen of the clock since it was [remembered](Self::remembered).
    pub fn is_remembered(&self) -> bool {
        self.remembered
    }

    /// Takes the base-time of a message that arrived at `arrival`. Says whether it is to be believed.
    #[inline]
    pub fn observe(&mut self, base_time: Time, arrival: Time) -> bool {
        let seen = difference(base_time, arrival);
        if std::mem::take(&mut self.remembered)
            && self.known().is_some_and(|known| seen.abs_diff(known) > FAR.unsigned_abs())
        {
            *self = Self::default();
        }
        if self.known().is_some_and(|known| seen.abs_diff(known) > FAR.unsigned_abs()) && !self.believe(seen) {
            return false;
        }
        self.doubted = None;
        match &mut self.current {
            // It does not if the local clock was set back.
            Some((largest, began)) if *began <= arrival && arrival.since(*began) < STRETCH => {
                *largest = seen.max(*largest);
            }
            ended => {
                self.previous = ended.map(|(largest, _)| largest).or(self.previous);
                self.current = Some((seen, arrival));
            }
        }
        true
    }

    /// Takes a base-time that lies in the past: it says nothing of the server's clock, except that this is not behind
    /// it. Says whether it is to be believed.
    pub fn observe_past(&mut self, base_time: Time, arrival: Time) -> bool {
        let seen = difference(base_time, arrival);
        match self.known() {
            Some(known) if seen - FAR > known => {
                let remembered = self.remembered;
                let believed = self.believe(seen);
                if believed {
                    *self = Self { previous: Some(seen), remembered, ..*self };
                }
                believed
            }
            _ => true,
        }
    }

    /// After the server's clock was set back: all that is known is that this is its time.
    pub fn anew(base_time: Time, arrival: Time) -> Self {
        Self { current: Some((difference(base_time, arrival), arrival)), ..Self::default() }
    }

    /// Whether a difference that is far off is true: if it is about that of the message before, it is the only one that
    /// counts from now on.
    fn believe(&mut self, seen: i64) -> bool {
        let again = self.doubted.is_some_and(|doubted| doubted.abs_diff(seen) <= FAR.unsigned_abs());
        *self = if again { Self::default() } else { Self { doubted: Some(seen), ..*self } };
        again
    }

    fn known(&self) -> Option<i64> {
        self.current.map(|(largest, _)| largest).max(self.previous)
    }

    /// Takes the base-time of a message that was asked for so many seconds before it arrived, and may have been stamped at
    /// any time in between: a response that was long in finding something to tell is stamped when it began, or when it
    /// tells. What is known already and agrees with that stays.
    pub fn observe_late(&mut self, base_time: Time, arrival: Time, waited: u32) -> bool {
        let least = i64::from(base_time.0) - i64::from(arrival.0);
        let seen = self.seconds().clamp(least, least + i64::from(waited));
        self.observe(shift(arrival, seen), arrival)
    }

    /// Seconds by which the server's clock is ahead of the local one. As long as nothing is known they are taken to be
    /// equal (RFC 6926 section 6.2.6).
    pub fn seconds(&self) -> i64 {
        self.known().unwrap_or_default()
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

/// When a message was made, by the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) at: Time,
    /// The server said so; else it was made about when it came (RFC 7653 section 8.5).
    pub(crate) said: bool,
}

impl Made {
    pub(crate) fn new(base_time: Option<Time>, skew: Skew, arrival: Time) -> Self {
        base_time.map_or(Self { at: skew.to_server(arrival), said: false }, Self::said)
    }

    pub(crate) fn said(base_time: Time) -> Self {
        Self { at: base_time, said: true }
    }
}

fn difference(base_time: Time, arrival: Time) -> i64 {
    i64::from(base_time.0) - i64::from(arrival.0)
}

/// Keeps to the scale, short of its end, which means infinite.
fn shift(time: Time, seconds: i64) -> Time {
    let shifted = (i64::from(time.0) + seconds).clamp(0, i64::from(u32::MAX - 1));
    Time(u32::try_from(shifted).unwrap_or_default())
}

#[cfg(test)]
mod tests;
