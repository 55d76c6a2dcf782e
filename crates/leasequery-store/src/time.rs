use std::fmt;

/// Whole seconds since 1970-01-01T00:00:00Z, unsigned: what 32 bits on the wire can say, until 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u32);

impl Time {
    /// The expiry of a lease that never ends (RFC 2131 section 3.3).
    pub const INFINITE: Self = Self(u32::MAX);

    /// `seconds` later; what would pass the end of the scale, or starts there, is [`Time::INFINITE`].
    #[must_use]
    pub const fn plus(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// `seconds` earlier, but not before 1970.
    #[must_use]
    pub const fn minus(self, seconds: u32) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Seconds from `earlier` to this; 0 if `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
