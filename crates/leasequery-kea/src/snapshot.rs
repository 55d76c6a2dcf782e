//! Reading lease files as a state instead of as a history.
//!
//! They are read from their ends, so that the first row of an address is the one that counts, and no connection is told
//! of states that were over long ago.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::time::Instant;

use jiff::Timestamp;
use leasequery_live::wall_clock;
use leasequery_store::{Budget, SweepEnd};
use tracing::{info, warn};

use super::columns::Header;
use super::family::{Family, Seen};
use super::files::{FileSet, Stamp};
use super::follower::{BATCH, Follower};
use super::lines::{self, Current};
use super::position::Position;
use super::print::Print;
use super::row::{Row, RowError};

/// What has been seen on the way.
#[derive(Debug)]
struct Pass<F: Family> {
    seen: F::Seen,
    rows: u64,
    leases: u64,
    without_relay: u64,
}

/// A place in the file that grows, behind its header.
#[derive(Debug)]
pub(super) struct Start<F: Family> {
    pub(super) header: Header<F>,
    pub(super) offset: u64,
    /// Lines before it.
    pub(super) line: u64,
    /// What those are.
    pub(super) print: Print,
}

/// Bindings looked at while the store is locked, to find what is no longer there.
const LOOKS: usize = 4096;
/// Broken lines of one file that are told by their numbers.
const TOLD: usize = 10;

impl<F: Family> Follower<F> {
    /// Brings the store to the state that the files have together, and goes on behind that.
    /// What is behind the last newline of the current file counts if that is at rest.
    pub(super) fn load_all(&mut self, files: FileSet, at_rest: bool) -> io::Result<Option<Current<F>>> {
        let (start, source) = (Instant::now(), self.feed.source);
        let mut older = Vec::new();
        for file in &files.past {
            // Whatever is wrong with a file, better it is found before anything changes.
            if let Some((header, begin)) = lines::header(file)? {
                older.push((file, header, begin));
            }
        }
        let current = match files.current {
            Some(file) => Some((lines::header(&file)?, file)),
            None => None,
        };
        // Should this be interrupted, the next run has to begin anew.
        self.feed.shared.write(|store| {
            store.begin_sweep(source);
            store.set_position(source, Vec::new());
        });
        self.past = files.view.past;
        let mut pass = Pass::default();
        let current = match current {
            Some((Some((header, begin)), file)) => {
                let print = Print::of(&file, begin)?;
                let start = Start { header, offset: begin, line: 1, print };
                Some(self.load_to_end(&mut pass, file, start, at_rest)?)
            }
            Some((None, file)) => Some(Current::begin(file)?),
            None => None,
        };
        for (file, header, begin) in older.iter().rev() {
            self.load_finished(&mut pass, file, header, *begin)?;
        }
        self.put(None);
        let mut end = SweepEnd::default();
        while !self.feed.shared.write(|store| store.end_sweep(source, &mut end, &Budget::new(LOOKS))) {}
        self.again.wanted = false;
        let whole = current.as_ref().filter(|current| current.line > 0);
        if let Some(position) = whole.map(|current| Position::of(current, self.past, self.terms).to_bytes()) {
            self.feed.shared.write(|store| {
                if store.era() == self.era {
                    store.set_position(source, position);
                }
            });
        }
        let gone = end.ended();
        self.whole.has_past = !older.is_empty();
        info!("{}: read {} rows in {:.2} s", self.path.display(), pass.rows, start.elapsed().as_secs_f64());
        if gone > 0 {
            info!("{}: {gone} leases are no longer there", self.path.display());
        }
        self.status.update(|status| {
            status.full_reads += 1;
            status.last_full_read = Some(Timestamp::now());
            (status.leases, status.without_relay) = (pass.leases, pass.without_relay);
        });
        self.warn_of_missing_relays(&pass);
        Ok(current)
    }

    /// Brings the store to the state that the file has by now, given all that was before a position in it. The store may
    /// know more than that position says: it may have been written to disk a moment later.
    pub(super) fn load_behind(&mut self, file: File, start: Start<F>) -> io::Result<Current<F>> {
        let current = self.load_to_end(&mut Pass::default(), file, start, false)?;
        self.put(Some(&current));
        Ok(current)
    }

    /// Loads what is behind a place in the file that grows, up to its last newline, or up to its end if it is at rest and
    /// that makes a row.
    fn load_to_end(
        &mut self,
        pass: &mut Pass<F>,
        file: File,
        start: Start<F>,
        at_rest: bool,
    ) -> io::Result<Current<F>> {
        let Start { header, offset: begin, line: before, mut print } = start;
        let seen = Stamp::of(&file.metadata()?);
        let end = lines::behind_last_newline(&file, begin, seen.size)?;
        let torn = at_rest && end < seen.size;
        let taken = torn && self.load_rest(pass, &file, &header, end..seen.size)?;
        let mut last = Vec::new();
        let mut note = |nth, place, line: &[u8]| {
            if nth == 0 {
                last.extend_from_slice(line);
            }
            print.add(place, line);
        };
        let count = self.load(pass, &file, &header, begin..end, before, &mut note)?;
        if count == 0 {
            // The line before is the last one.
            last = lines::line_before(&file, begin)?;
        }
        let mut current = Current::at(file, seen, Some(header), (end, before + count), last, print);
        if torn {
            current.note_rest(seen.size, taken);
        }
        Ok(current)
    }

    /// Loads what is behind the last newline of a file, if Kea would take it; says whether it would.
    fn load_rest(
        &mut self,
        pass: &mut Pass<F>,
        file: &File,
        header: &Header<F>,
        places: Range<u64>,
    ) -> io::Result<bool> {
        let now = i64::from(wall_clock().0);
        let mut whole = false;
        lines::backwards(file, places, &mut |_, _, line| {
            whole = header.is_whole(line);
            let known = header.address_of(line).is_some_and(|address| pass.seen.contains(address));
            if whole && !known && self.batch.add(line, header).is_ok() {
                pass.rows += 1;
                self.batch.last().into_iter().for_each(|row| pass.note(row, now));
            }
            Ok(())
        })?;
        Ok(whole)
    }

    /// Loads a file to which nothing will be added.
    fn load_finished(&mut self, pass: &mut Pass<F>, file: &File, header: &Header<F>, begin: u64) -> io::Result<()> {
        let length = file.metadata()?.len();
        let end = lines::behind_last_newline(file, begin, length)?;
        let whole = end == length || self.load_rest(pass, file, header, end..length)?;
        let count = self.load(pass, file, header, begin..end, 1, &mut |_, _, _| ())?;
        if !whole {
            self.skip(count + 2, &RowError::Torn);
        }
        Ok(())
    }

    /// Loads what is between two places, with `before` lines before them. Gives each line, the last one first, and says
    /// how many there were.
    fn load(
        &mut self,
        pass: &mut Pass<F>,
        file: &File,
        header: &Header<F>,
        places: Range<u64>,
        before: u64,
        note: &mut dyn FnMut(u64, u64, &[u8]),
    ) -> io::Result<u64> {
        let now = i64::from(wall_clock().0);
        let (mut broken, mut skipped) = (Vec::new(), 0_u64);
        let count = lines::backwards(file, places, &mut |nth, place, line| {
            note(nth, place, line);
            pass.rows += 1;
            if header.address_of(line).is_some_and(|address| pass.seen.contains(address)) {
                return Ok(());
            }
            match self.batch.add(line, header) {
                Ok(()) => self.batch.last().into_iter().for_each(|row| pass.note(row, now)),
                Err(problem) if broken.len() < TOLD => broken.push((nth, problem)),
                Err(_) => skipped += 1,
            }
            if self.batch.len() >= BATCH {
                self.put(None);
            }
            Ok(())
        })?;
        for (nth, problem) in broken.iter().rev() {
            self.skip(before + count - nth, problem);
        }
        if skipped > 0 {
            warn!("{}: {skipped} more lines were skipped", self.path.display());
            self.status.update(|status| status.broken += skipped);
        }
        Ok(count)
    }

    /// Says how many leases nobody can find by their relay.
    fn warn_of_missing_relays(&self, pass: &Pass<F>) {
        if pass.without_relay > 0 {
            let off = self.config.as_ref().and_then(|config| config.get().without_extended_info());
            let why = match off {
                Some(subnets) => format!("store-extended-info is off in Kea's configuration ({subnets})"),
                None => "set \"store-extended-info\": true in Kea's configuration if it is off".to_owned(),
            };
            warn!(
                "{}: {} of {} leases have no {}, and queries by Remote ID or Relay-ID do not find them: {why}",
                self.path.display(),
                pass.without_relay,
                pass.leases,
                F::RELAY_DATA,
            );
        }
        if self.batch.unreadable > 0 {
            let (path, unreadable) = (self.path.display(), self.batch.unreadable);
            warn!("{path}: {unreadable} rows have {} that cannot be read", F::RELAY_DATA);
        }
    }
}

impl<F: Family> Default for Pass<F> {
    fn default() -> Self {
        Self { seen: F::Seen::default(), rows: 0, leases: 0, without_relay: 0 }
    }
}

impl<F: Family> Pass<F> {
    fn note(&mut self, row: &Row<F>, now: i64) {
        self.seen.insert(row.address);
        if row.is_in_force(now) {
            self.leases += 1;
            self.without_relay += u64::from(row.relay_info.is_empty());
        }
    }
}
