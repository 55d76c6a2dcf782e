//! When files that somebody else than Kea has written are taken for a state of the leases.
//!
//! Who copies a file over another one, or edits it, cuts it first and then writes it in pieces. What is missing in the
//! meantime has not ended. So nothing is taken from such files until they have been at rest for a while; where Kea keeps
//! writing behind that, until it has been nothing but whole rows for longer.

use std::io;
use std::time::{Duration, Instant};

use super::files::{Names, View, ends_with_newline};

/// How long nothing may happen to the files.
pub(super) const REST: Duration = Duration::from_secs(1);
/// How many times as long the current file may grow by whole rows instead. Pieces of a copy hardly ever end with a row.
const WHOLE_ROWS: u32 = 30;

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

    /// Takes one more look, and says whether they have been at rest for long enough. The first look never tells that.
    pub(super) fn look(&mut self, view: View, names: &Names) -> io::Result<bool> {
        let now = Instant::now();
        let seen = match &mut self.seen {
            Some(seen) if seen.view == view => {
                if seen.since.elapsed() >= self.enough {
                    return Ok(true);
                }
                seen
            }
            Some(seen) if is_longer(&view, &seen.view) => {
                (seen.view, seen.since) = (view, now);
                seen
            }
            seen => {
                *seen = Some(Seen { view, since: now, rows_since: now });
                return Ok(false);
            }
        };
        if !ends_with_newline(&names.current)? {
            seen.rows_since = now;
        }
        Ok(seen.rows_since.elapsed() >= self.enough * WHOLE_ROWS && seen.rows_since < seen.since)
    }
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
