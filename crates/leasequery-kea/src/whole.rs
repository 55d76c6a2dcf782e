//! Whether what has been read of a lease file is the state of all leases.

use std::time::{Duration, Instant};

use tracing::warn;

use super::config::LeaseFile;
use super::family::Family;
use super::follower::{Absence, Follower};
use super::status::Status;

/// What is known of a lease file as a whole.
#[derive(Debug, Default)]
pub(super) struct Whole {
    known: bool,
    /// What is known is what an earlier run knew.
    kept: bool,
    /// There were files that a cleanup leaves: they have all leases, also if the current one is just being made.
    pub(super) has_past: bool,
    /// What the store was told to wait for.
    why: Option<String>,
}

/// How long a file is waited for by whoever looks once: somebody may be writing it.
const ONCE: Duration = Duration::from_secs(2);

impl Whole {
    pub(super) fn is_known(&self) -> bool {
        self.known
    }
}

impl<F: Family> Follower<F> {
    /// Tells the store whether what it has of this source is the state of the leases. A file with a header is one, even if
    /// there is nothing else in it: Kea begins it so. A file that is missing, or empty, is none: Kea's disk may not be
    /// there. What an earlier run has read stands if nothing can be had for a moment (`late`), and not if there is something
    /// else that has not been read yet.
    pub(super) fn cover(&mut self, problem: Option<&str>, late: bool) {
        let elsewhere = self.config.as_ref().is_some_and(|kea| matches!(kea.get().lease_file(), LeaseFile::None(_)));
        let unread = match self.absent {
            Some((absence, _)) => absence == Absence::Unsettled,
            None => self.again.wanted && problem.is_none(),
        };
        // After the clock was set back the store may know it no longer.
        let known = self.whole.known && self.feed.shared.read(|store| store.was_whole(self.feed.source));
        if known && !self.whole.kept && !elsewhere && !unread {
            return;
        }
        let has_header = self.current.as_ref().is_some_and(|current| current.header.is_some());
        let why = match problem {
            Some(problem) => problem,
            None if !unread && (self.absent.is_none() && has_header || self.whole.has_past) => {
                (self.whole.kept, self.whole.why) = (false, None);
                self.whole.known = self.feed.shared.write(|store| {
                    let is_of_today = store.era() == self.era;
                    if is_of_today {
                        store.set_whole(self.feed.source);
                    }
                    is_of_today
                });
                return;
            }
            None => self.absent.map_or("it is being read", |(absence, _)| absence.reason()),
        };
        if known && !elsewhere && !unread {
            return;
        }
        (self.whole.known, self.whole.kept) = (false, false);
        if late && !elsewhere && !unread && self.feed.shared.write(|store| store.keep_whole(self.feed.source)) {
            (self.whole.known, self.whole.kept) = (true, true);
            warn!("{}: {}: {why}", self.path.display(), self.feed.shared.kept());
        } else if self.whole.why.as_deref() != Some(why) {
            self.whole.why = Some(why.to_owned());
            self.feed.shared.write(|store| store.await_source(self.feed.source, why));
        }
    }

    /// Reads it once, for whoever wants to know what it has: an error is what `run` would report for ever, a problem in the
    /// status what it would wait for.
    pub fn look_once(mut self) -> Result<Status, String> {
        let begun = Instant::now();
        loop {
            self.look(false).map_err(|error| error.to_string())?;
            let has_header = self.current.as_ref().is_some_and(|current| current.header.is_some());
            let absence = self.absent.map(|(absence, _)| absence.reason().to_owned());
            if (absence.is_none() && has_header) || begun.elapsed() >= ONCE {
                self.status.update(|status| status.problem = absence);
                return Ok(self.status.get());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
