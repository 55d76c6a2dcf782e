//! When files that nobody has followed, or somebody else than Kea has written, are taken for a state of the leases.
//!
//! Who copies a file over another one, or edits it, cuts it first and then writes it in pieces. What is missing in the
//! meantime has not ended. So nothing is taken from such files until they have been at rest for a while. Where somebody
//! keeps writing behind that it may be Kea: its rows are about what happens now ([`Follower::is_kea_writing`]), unless it
//! has the file open that is being written over. Otherwise it has to be nothing but whole rows for longer.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use leasequery_live::wall_clock;

use super::family::Family;
use super::files::{Names, Past, View, ends_with_newline};
use super::follower::Follower;
use super::lines;
use super::row::Row;

/// How long nothing may happen to the files.
pub(super) const REST: Duration = Duration::from_secs(1);
/// How many times as long the current file may grow by whole rows instead. Pieces of a copy hardly ever end with a row.
const WHOLE_ROWS: u32 = 30;
/// How many seconds old a transaction may be that Kea has just written down.
const NEW: i64 = 10;

/// What happens to the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Motion {
    /// Nothing, for long enough, or for longer nothing but whole rows.
    pub(super) at_rest: bool,
    /// Nothing, for much longer than that.
    pub(super) for_long: bool,
    /// Since the last look nothing but whole rows.
    pub(super) by_rows: bool,
}

/// How long the files have been what they are.
#[derive(Debug)]
pub(super) struct Rest {
    seen: Option<Seen>,
    enough: Duration,
}

#[derive(Debug)]
struct Seen {
    view: View,
    since: Instant,
    /// Since when the current file has been growing by whole rows only.
    rows_since: Instant,
}

impl Rest {
    pub(super) fn new(enough: Duration) -> Self {
        Self { seen: None, enough }
    }

    /// How long a file has to be at rest.
    pub(super) fn enough(&self) -> Duration {
        self.enough
    }

    /// What was seen before does not count any more.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }

    /// Whether nothing is waited for.
    pub(super) fn is_hasty(&self) -> bool {
        self.enough.is_zero()
    }

    /// Takes one more look. The first one tells only how long ago anything was changed.
    pub(super) fn look(&mut self, view: View, names: &Names) -> io::Result<Motion> {
        let now = Instant::now();
        let (mut first, mut longer) = (false, false);
        let seen = match &mut self.seen {
            Some(seen) if seen.view == view => seen,
            Some(seen) if is_longer(&view, &seen.view) => {
                (seen.view, seen.since, longer) = (view, now, true);
                seen
            }
            seen => {
                first = true;
                seen.insert(Seen { view, since: now, rows_since: now })
            }
        };
        let by_rows = ends_with_newline(&names.current)?;
        if !by_rows {
            seen.rows_since = now;
        }
        let seen_still = (!first && !longer).then(|| seen.since.elapsed());
        let still = seen_still.max(unchanged_for(&view).filter(|_| !self.enough.is_zero()));
        let lasts = |times: u32| still.is_some_and(|still| still >= self.enough * times);
        let rows = !first && seen.rows_since.elapsed() >= self.enough * WHOLE_ROWS && seen.rows_since < seen.since;
        Ok(Motion { at_rest: lasts(1) || rows, for_long: lasts(WHOLE_ROWS) || rows, by_rows: longer && by_rows })
    }
}

impl<F: Family> Follower<F> {
    /// Whether it is Kea that makes a file longer: the last row is about a transaction of just now. Then the file is what
    /// Kea has, which has read it before, or begun it.
    pub(super) fn is_kea_writing(&self, motion: Motion) -> io::Result<bool> {
        if !motion.by_rows {
            return Ok(false);
        }
        let file = leasequery_live::files::open(&self.path)?;
        let Some((header, begin)) = lines::header::<F>(&file)? else { return Ok(false) };
        let end = lines::behind_last_newline(&file, begin, file.metadata()?.len())?;
        let line = if end > begin { lines::line_before(&file, end)? } else { Vec::new() };
        let row = Row::read(&line, &header, &mut Vec::new(), &mut F::Scratch::default());
        let now = i64::from(wall_clock().0);
        Ok(row.is_ok_and(|row| (now - NEW..=now + NEW).contains(&(row.expire - i64::from(row.valid_lifetime)))))
    }

    /// Whether there is nothing but a header in the file.
    pub(super) fn is_bare(&self) -> io::Result<bool> {
        let file = leasequery_live::files::open(&self.path)?;
        Ok(lines::header::<F>(&file)?.is_none_or(|(_, begin)| file.metadata().is_ok_and(|now| now.len() <= begin)))
    }
}

/// For how long nothing about any of the files has been changed, as far as the clock tells.
fn unchanged_for(view: &View) -> Option<Duration> {
    let Past { completed, second, first } = view.past;
    let last = [view.current, completed, second, first].iter().flatten().map(|stamp| stamp.changed).max()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    now.checked_sub(Duration::from_nanos(u64::try_from(last).ok()?))
}

/// Whether nothing has happened but that the current file has become longer.
fn is_longer(view: &View, before: &View) -> bool {
    let longer = match (view.current, before.current) {
        (Some(now), Some(before)) => now.identity == before.identity && now.size > before.size,
        _ => false,
    };
    longer && view.past == before.past
}

#[cfg(test)]
mod tests;
