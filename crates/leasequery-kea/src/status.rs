//! What people are told of a source.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use leasequery_live::registry::{Figure, Value};
use tracing::warn;

/// How the following of a lease file goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Octets of the lease file that have not been read yet.
    pub behind: u64,
    /// Rows read since the start, superseded ones included.
    pub rows: u64,
    /// Lines that are no rows.
    pub broken: u64,
    /// Rows whose relay agent information makes no sense.
    pub unreadable_relays: u64,
    /// How often all files had to be read.
    pub full_reads: u64,
    /// Leases in the files when all of them were read last.
    pub leases: u64,
    /// How many of those had no relay agent information.
    pub without_relay: u64,
    /// When that was.
    pub last_full_read: Option<Timestamp>,
    /// When a row was read last.
    pub last_row: Option<Timestamp>,
    /// Why the leases are not followed at the moment.
    pub problem: Option<String>,
}

impl Status {
    /// As the registry tells it.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![
            Figure::new("rows", "Rows read, superseded ones included", Value::Count(self.rows)),
            Figure::new("skipped", "Lines that are no rows", Value::Count(self.broken)),
            Figure::new(
                "unreadable-relays",
                "Rows whose relay agent information makes no sense",
                Value::Count(self.unreadable_relays),
            ),
            Figure::new("full-reads", "How often all files were read", Value::Count(self.full_reads)),
            Figure::new("leases", "Leases in the files at the last full read", Value::Level(self.leases)),
            Figure::new("without-relay", "How many of those have no relay data", Value::Level(self.without_relay)),
            Figure::new("behind", "Octets of the lease file that are still to be read", Value::Octets(self.behind)),
        ];
        let times = [
            ("last-full-read", "When all files were read last", self.last_full_read),
            ("last-change", "When something new came last", self.last_row),
        ];
        let times = times.into_iter().filter_map(|(name, help, at)| Some(Figure::new(name, help, Value::Time(at?))));
        figures.extend(times);
        figures
    }
}

/// The status, as others may look at it at any time.
#[derive(Debug, Default)]
pub struct SharedStatus(Mutex<Status>);

impl SharedStatus {
    /// How it goes now.
    pub fn get(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Tells of broken lines, a few of them by their numbers: a disk that was full can leave thousands.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    since: Option<Instant>,
    told: u32,
    untold: u64,
}

/// Lines told by their numbers in a period.
const TOLD: u32 = 10;
const PERIOD: Duration = Duration::from_secs(10);

impl Complaints {
    /// A line was skipped.
    pub(super) fn skipped(&mut self, path: &Path, line: u64, problem: &dyn Display) {
        self.since.get_or_insert_with(Instant::now);
        if self.told < TOLD {
            self.told += 1;
            warn!("{}:{line}: skipped: {problem}", path.display());
        } else {
            self.untold += 1;
        }
    }

    /// Tells how many more there were, when a period is over.
    pub(super) fn sum_up(&mut self, path: &Path) {
        if self.since.is_some_and(|since| since.elapsed() >= PERIOD) {
            if self.untold > 0 {
                warn!("{}: {} more lines were skipped", path.display(), self.untold);
            }
            *self = Self::default();
        }
    }
}
