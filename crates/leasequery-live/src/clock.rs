use std::time::{SystemTime, UNIX_EPOCH};

use leasequery_record::time_text;
use leasequery_store::{Key, Store, Time};
use tracing::{info, warn};

/// What a store's clock shows, to be compared with what it showed before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    now: Time,
    era: u32,
    steps: u32,
    /// There is something that it matters for.
    matters: bool,
}

impl Clock {
    pub(crate) fn of<K: Key>(store: &Store<K>) -> Self {
        let matters = store.sources().next().is_some();
        Self { now: store.now(), era: store.era(), steps: store.steps(), matters }
    }

    /// Says how the clock was stepped since, if it was. A wrong clock is worth a line: what was told by it was wrong, too.
    pub(crate) fn tell(self, after: Self, v6: bool) {
        if after.steps == self.steps || !self.matters {
            return;
        }
        let (protocol, from, to) = (if v6 { "v6" } else { "v4" }, time_text(self.now), time_text(after.now));
        if after.era == self.era {
            info!(
                "{protocol}: the clock went forward from {from} to {to}: leases that ended in between are expired; other \
                 servers are asked again what is leased"
            );
        } else {
            warn!(
                "{protocol}: the clock was set back from {from} to {to}: a new era; the history begins anew, active \
                 queries end, leases that expired too early live again, and all sources are read again"
            );
        }
    }
}

/// The local time.
pub fn wall_clock() -> Time {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Time(u32::try_from(seconds).unwrap_or(u32::MAX))
}
