use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tracing::warn;

/// Connections that were closed at once. Anybody can make them, so what is the same for an address is told in sum.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Those that were told of since `began`, with how many came after them.
    told: HashMap<(IpAddr, &'static str), u64>,
    /// Those that were one too many addresses.
    others: u64,
    began: Option<Instant>,
}

/// How often an address is told of.
const PERIOD: Duration = Duration::from_secs(1);
/// Addresses that are told of in that time.
const MANY: usize = 256;

impl Refusals {
    /// Tells of one, or counts it.
    pub(super) fn note(&mut self, peer: SocketAddr, reason: &'static str) {
        self.began.get_or_insert_with(Instant::now);
        let many = self.told.len() >= MANY;
        match self.told.entry((peer.ip(), reason)) {
            Entry::Occupied(mut more) => *more.get_mut() += 1,
            Entry::Vacant(_) if many => self.others += 1,
            Entry::Vacant(told) => {
                warn!("{peer}: closed: {reason}");
                told.insert(0);
            }
        }
    }

    /// Waits until there is something to tell in sum.
    pub(super) async fn due(&self) {
        match self.began {
            Some(began) => tokio::time::sleep(PERIOD.saturating_sub(began.elapsed())).await,
            None => std::future::pending().await,
        }
    }

    /// Tells of those that were counted.
    pub(super) fn report(&mut self) {
        for ((peer, reason), more) in self.told.drain().filter(|(_, more)| *more > 0) {
            warn!("{peer}: closed {more} times more within a second: {reason}");
        }
        if self.others > 0 {
            warn!("{} connections of further addresses were closed within a second", self.others);
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_flood_is_bounded() {
        let mut refusals = Refusals::default();
        for number in 0..10_000_u32 {
            refusals.note((number.to_be_bytes(), 7).into(), "no requestor has this address");
        }
        refusals.note(([0, 0, 0, 0], 8).into(), "no requestor has this address");
        assert_eq!((refusals.told.len(), refusals.others), (MANY, 10_000 - MANY as u64));
        assert_eq!(refusals.told.values().sum::<u64>(), 1);
        refusals.report();
        assert!(refusals.told.is_empty() && refusals.others == 0 && refusals.began.is_none());
    }
}
