use std::collections::BTreeMap;

use crate::Time;

/// Record numbers by the second at which somebody has to look at them.
///
/// A record has one entry that counts, the one at the second it remembers itself. A renewal leaves it where it is: when
/// it fires, the record is put to its new time. So renewals, the most frequent change, cost nothing here.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    seconds: BTreeMap<u32, Vec<u32>>,
}

impl Timers {
    pub(crate) fn insert(&mut self, at: Time, record: u32) {
        self.seconds.entry(at.0).or_default().push(record);
    }

    /// The first second at which something is due.
    pub(crate) fn first(&self) -> Option<Time> {
        self.seconds.first_key_value().map(|(second, _)| Time(*second))
    }

    /// Takes the records of the first second that is not after `now`.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<(Time, Vec<u32>)> {
        let entry = self.seconds.first_entry().filter(|entry| *entry.key() <= now.0)?;
        let second = Time(*entry.key());
        Some((second, entry.remove()))
    }
}
