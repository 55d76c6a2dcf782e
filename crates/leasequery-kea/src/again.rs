//! Reading all of a file again that is followed, where nothing is wrong with the file: what its rows are told with has
//! changed, the store has lost some of them, or a file before it has been replaced.
//!
//! Nobody but Kea has touched what is followed, so it is one state of the leases up to where it ends when the reading
//! begins, however busy Kea is, and goes on behind that row by row. There is nothing to wait for.

use std::io;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::family::Family;
use super::files::{FileSet, Past};
use super::follower::Follower;

/// How long to be content with having read all of it, whatever another source loses meanwhile.
const BETWEEN: Duration = Duration::from_mins(1);

/// Whether and how what is followed is read again.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// It is to be read again. Until that is done there is no place to go on from.
    pub(super) wanted: bool,
    /// The lease4-write command has made the current file, and all there is is in it.
    pub(super) alone: bool,
    /// Until when it is not read again because another source lost what both had.
    pub(super) not_before: Option<Instant>,
}

impl<F: Family> Follower<F> {
    /// All of it is to be read again. Whoever comes back before that is done has nothing to go on from.
    pub(super) fn want_again(&mut self) {
        self.again.wanted = true;
        self.feed.shared.write(|store| store.set_position(self.feed.source, Vec::new()));
    }

    /// Reads it again if the store has got leases of it that another source had.
    pub(super) fn notice_loss(&mut self) {
        if self.again.wanted
            || self.current.is_none()
            || self.again.not_before.is_some_and(|at| Instant::now() < at)
            || !self.feed.shared.read(|store| store.is_asked(self.feed.source))
        {
            return;
        }
        info!("{}: has leases that another source no longer has; reading it all again", self.path.display());
        self.again.not_before = Some(Instant::now() + BETWEEN);
        self.want_again();
    }

    /// Does so, if that is wanted. In the middle of a rotation the next look will.
    pub(super) fn read_again(&mut self) -> io::Result<()> {
        let Some(current) = self.current.as_ref().filter(|_| self.again.wanted) else { return Ok(()) };
        let mut files = FileSet::open(&self.names)?;
        let (Some(seen), past) = (files.view.current, files.view.past) else { return Ok(()) };
        if seen.identity != current.identity || past != self.past {
            return Ok(());
        }
        // A row that was taken without its newline stays taken. While something comes behind it there is no telling what it
        // will be.
        let taken = current.taken_end();
        if taken.is_some_and(|at| at != seen.size) {
            return Ok(());
        }
        if self.again.alone {
            files.past.clear();
        }
        self.current = self.load_all(files, taken.is_some())?;
        self.adopt();
        self.read_on()
    }

    /// Whether the files before the current one are what was read of them, or what Kea's cleanups make of that. If
    /// somebody else has replaced one, all is read again once they have been at rest; the current one is followed meanwhile.
    pub(super) fn is_past_settled(&mut self) -> io::Result<bool> {
        let past = Past::at(&self.names)?;
        if past == self.past {
            self.odd = None;
            return Ok(true);
        }
        if past.follows(&self.past) {
            (self.past, self.odd) = (past, None);
            // Who comes back has to know it too: what was merged is told from what somebody has replaced by that.
            if let Some(current) = self.current.take() {
                if current.line > 0 {
                    self.put(Some(&current));
                }
                self.current = Some(current);
            }
            return Ok(true);
        }
        let current = self.current.as_ref().map(|current| current.identity);
        if past.first.map(|first| first.identity) == current {
            // In the middle of a rotation.
            return Ok(true);
        }
        let since = match self.odd {
            Some((odd, since)) if odd == past => since,
            _ => {
                // Not all of them are looked at in the same moment.
                let since = Instant::now();
                self.odd = Some((past, since));
                return Ok(!self.again.wanted);
            }
        };
        if since.elapsed() >= self.rest.enough() {
            warn!("{}: another file of the set has been replaced; reading all again", self.path.display());
            (self.past, self.odd) = (past, None);
            self.again.alone = false;
            self.want_again();
            return Ok(true);
        }
        Ok(since.elapsed() < self.settled)
    }
}
