use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use leasequery_live::Feed;
use leasequery_live::registry::State;
use leasequery_store::{Store, VpnIndex};
use tracing::{debug, error, info, warn};

use super::again::Again;
use super::columns::Header;
use super::config::{CurrentConfig, LeaseFile};
use super::family::Family;
use super::files::{FileSet, Identity, Names, Past, Stamp, View, ends_with_newline};
use super::lines::{Current, Next, SETTLED};
use super::mapping::Batch;
use super::position::{Position, Terms};
use super::rest::{Motion, REST, Rest};
use super::row::RowError;
use super::snapshot::Start;
use super::status::{Complaints, SharedStatus};
use super::watch::Watch;
use super::whole::Whole;

/// Follows one lease file for as long as the daemon runs.
#[derive(Debug)]
pub struct Follower<F: Family> {
    pub(super) path: PathBuf,
    pub(super) names: Names,
    pub(super) config: Option<Arc<CurrentConfig<F>>>,
    pub(super) vpn: VpnIndex,
    pub(super) feed: Feed<F::Key>,
    pub(super) status: Arc<SharedStatus>,
    pub(super) complaints: Complaints,
    pub(super) batch: Batch<F>,
    pub(super) current: Option<Current<F>>,
    /// The files before that one, all of which has been read.
    pub(super) past: Past,
    /// Which file was read last.
    pub(super) known: Option<Identity>,
    /// What the files before are, if that is not what has been read and no cleanup of Kea's explains it, and since when.
    pub(super) odd: Option<(Past, Instant)>,
    pub(super) rest: Rest,
    /// Why there is nothing to be read, and since when.
    pub(super) absent: Option<(Absence, Instant)>,
    pub(super) settled: Duration,
    /// Somebody who wrote into the file has closed it.
    closed: bool,
    /// It has been tried to go on where a former run stopped.
    begun: bool,
    pub(super) whole: Whole,
    /// Which configuration of Kea's holds.
    generation: u64,
    /// What rows are told with.
    pub(super) terms: Terms,
    /// The files may well be what they were: nothing has been seen that tells otherwise.
    hopeful: bool,
    /// The era of the store's clock in which the files were read.
    pub(super) era: u32,
    pub(super) again: Again,
}

/// Why there is nothing that could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    Missing,
    /// An empty file, and no others of which it could be the successor, is no state of anything either.
    Empty,
    /// It has no name any more, and nevertheless it is what is found under its name: a mount of a single file.
    Unnamed,
    /// Somebody is writing it.
    Unsettled,
}

impl Absence {
    /// How long it may last before that is worth a word: a rotation takes a fraction of a millisecond.
    fn patience(self) -> Duration {
        match self {
            Self::Missing | Self::Empty | Self::Unnamed => PATIENCE,
            Self::Unsettled => 5 * PATIENCE,
        }
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Missing => {
                "there is no such file (if it is mounted into a container by itself, mount its directory instead); \
                 waiting for Kea"
            }
            Self::Empty => "it is empty, which is no state of anything; waiting for Kea",
            Self::Unnamed => {
                "Kea has moved it away and removed it, and what comes after it cannot be seen here: the file is mounted \
                 by itself, mount its directory instead"
            }
            Self::Unsettled => "somebody is writing it; waiting until that is done",
        }
    }
}

/// Rows put into the store at a time: it is locked for a tenth of a millisecond.
pub(super) const BATCH: usize = 256;
/// How long nobody looks if nothing is heard. It also bounds the delay where the system tells of nothing, as on a
/// network file system.
const PERIOD: Duration = Duration::from_millis(50);
/// How long there may be nothing to read before that is worth a word, and how long nobody looks after an error.
const PATIENCE: Duration = Duration::from_secs(1);

impl<F: Family> Follower<F> {
    /// Follows the lease file at `path`, whose leases are in `vpn`.
    pub fn new(path: PathBuf, config: Option<Arc<CurrentConfig<F>>>, vpn: VpnIndex, feed: Feed<F::Key>) -> Self {
        let era = feed.shared.read(Store::era);
        let generation = config.as_ref().map_or(0, |config| config.generation());
        let terms = feed.shared.read(|store| Terms::of(store.vpn_name(vpn), config.as_deref()));
        let status = Arc::<SharedStatus>::default();
        feed.part.show({
            let status = Arc::clone(&status);
            move || status.get().figures()
        });
        Self {
            names: Names::new(path.clone()),
            path,
            config,
            vpn,
            feed,
            status,
            complaints: Complaints::default(),
            batch: Batch::default(),
            current: None,
            past: Past::default(),
            known: None,
            odd: None,
            rest: Rest::new(REST),
            absent: None,
            settled: SETTLED,
            closed: false,
            begun: false,
            hopeful: true,
            era,
            again: Again::default(),
            whole: Whole::default(),
            generation,
            terms,
        }
    }

    /// How it goes, to be asked while it runs.
    pub fn status(&self) -> Arc<SharedStatus> {
        Arc::clone(&self.status)
    }

    /// Follows the file until `stop` says so. What it has is known once all of it has been read.
    pub fn run(mut self, stop: &dyn Fn() -> bool) {
        let begun = Instant::now();
        // The directory is watched before the first look, so that nothing falls between.
        let mut watch = Watch::new(&self.path);
        let mut pause = PERIOD;
        while !stop() {
            let problem = match self.look(watch.take_closed()) {
                Ok(()) => {
                    pause = PERIOD;
                    match self.absent {
                        Some((what, since)) if since.elapsed() >= what.patience() => Some(what.reason().to_owned()),
                        // What was wrong has not been found to be right.
                        Some(_) => self.status.get().problem,
                        None => None,
                    }
                }
                Err(problem) => {
                    // All of it is looked at again, and less and less often.
                    pause = (pause * 2).min(PATIENCE);
                    Some(problem.to_string())
                }
            };
            self.cover(problem.as_deref(), begun.elapsed() >= PATIENCE);
            self.report(problem);
            self.complaints.sum_up(&self.path);
            watch.wait(pause);
        }
    }

    /// Waits for nothing: what has been the same at two looks is at rest.
    #[must_use]
    pub fn hasty(self) -> Self {
        Self { settled: Duration::ZERO, rest: Rest::new(Duration::ZERO), ..self }
    }

    /// Reads what is new, once. `closed` says that somebody who wrote into the file has closed it.
    pub fn look(&mut self, closed: bool) -> io::Result<()> {
        self.closed = closed;
        let result = self.read_news();
        if result.is_err() {
            (self.current, self.hopeful, self.absent) = (None, true, None);
            self.batch.clear();
        }
        result
    }

    /// Reads what is new, if it is in a file at all.
    fn read_news(&mut self) -> io::Result<()> {
        if let Some(config) = &self.config {
            let generation = config.generation();
            if let LeaseFile::None(reason) = config.get().lease_file() {
                return Err(io::Error::other(format!("this is no file that Kea keeps its leases in: {reason}")));
            }
            // Rows that were read without it, or with another one, are told of with its links and timers.
            if std::mem::replace(&mut self.generation, generation) != generation {
                self.terms = self.feed.shared.read(|store| Terms::of(store.vpn_name(self.vpn), Some(config)));
                if self.begun {
                    self.want_again();
                }
            }
        }
        self.step()
    }

    /// Reads what is new in the files, once.
    fn step(&mut self) -> io::Result<()> {
        let era = self.feed.shared.read(Store::era);
        if std::mem::replace(&mut self.era, era) != era {
            // What the wrong clock ended and forgot is still in the files. The store knows no position any more.
            info!("{}: the clock was set back; reading it all again", self.path.display());
            self.want_again();
        }
        let Some(current) = &mut self.current else { return self.begin() };
        let Some(stamp) = Stamp::at(&self.names.current)? else {
            // Between renaming the file and making a new one, or for longer.
            self.miss(Absence::Missing);
            return self.read_on();
        };
        if stamp.identity != current.identity {
            return self.change_over();
        }
        if !stamp.is_named {
            self.miss(Absence::Unnamed);
            return self.read_on();
        }
        if current.is_rewritten(stamp, self.closed, self.settled)? {
            warn!("{}: has been written over; reading it all again", self.path.display());
            return self.begin_again();
        }
        if self.is_past_settled()? {
            self.absent = None;
        } else {
            self.miss(Absence::Unsettled);
        }
        self.read_on()?;
        self.take_rested()?;
        self.notice_loss();
        self.read_again()
    }

    fn begin(&mut self) -> io::Result<()> {
        let view = View::at(&self.names)?;
        if view.current.is_none() && self.absent.is_some_and(|(what, _)| what == Absence::Missing) {
            return Ok(());
        }
        let motion = self.rest.look(view, &self.names)?;
        let hopeful = std::mem::take(&mut self.hopeful);
        let resumed = if motion.at_rest || hopeful { self.resume(&view) } else { Ok(false) };
        // What the last run told of last may have been cleaned away since, and with it every trace of what became of it.
        // That is known before anybody is served.
        if !std::mem::replace(&mut self.begun, true) && !matches!(resumed, Ok(true)) {
            self.lose_unwritten();
        }
        if resumed? { self.read_again() } else { self.read_all(&view, motion) }
    }

    fn lose_unwritten(&self) {
        if self.feed.shared.lose_unwritten() {
            warn!("{}: cannot repeat what the last run did not write, the history begins anew", self.path.display());
        }
    }

    /// Does not believe any more what is known of the files.
    fn begin_again(&mut self) -> io::Result<()> {
        (self.current, self.odd) = (None, None);
        self.rest.forget();
        self.begin()
    }

    /// Goes on where a former run stopped, if the file is still what it was. Should another one of the set not be, all of it
    /// is read again.
    fn resume(&mut self, view: &View) -> io::Result<bool> {
        let position = self.feed.shared.read(|store| store.position(self.feed.source).and_then(Position::from_bytes));
        let (Some(position), Ok(file)) = (position, leasequery_live::files::open(&self.path)) else { return Ok(false) };
        (self.known, self.past) = (Some(position.identity), position.past);
        let Some((header, print)) = position.find_in(&file)? else { return Ok(false) };
        info!("{}: going on at line {}", self.path.display(), position.line + 1);
        if view.past.follows(&position.past) {
            self.past = view.past;
        } else {
            self.lose_unwritten();
            self.want_again();
        }
        if !self.terms.allow(position.terms) {
            info!(
                "{}: has another VPN or configuration of Kea's than before; reading it all again",
                self.path.display()
            );
            self.want_again();
        }
        self.absent = None;
        self.rest.forget();
        let start = Start { header, offset: position.offset, line: position.line, print };
        self.current = Some(self.load_behind(file, start)?);
        self.read_on()?;
        Ok(true)
    }

    /// Reads all files as one state and brings the store to it, as soon as they are one.
    fn read_all(&mut self, view: &View, motion: Motion) -> io::Result<()> {
        self.current = None;
        match view.current {
            // Kea died in the middle of a rotation: what there is counts until it begins a new file.
            None if view.past.is_cleaning() => self.miss(Absence::Missing),
            // That is no state of anything: Kea's disk may not be there.
            None => {
                self.miss(Absence::Missing);
                return Ok(());
            }
            Some(current) if !current.is_named => {
                self.miss(Absence::Unnamed);
                return Ok(());
            }
            Some(current) if current.size == 0 && !view.past.is_cleaning() => {
                self.miss(Absence::Empty);
                return Ok(());
            }
            Some(current) if !self.is_state(view, current.identity, motion)? => {
                self.miss(Absence::Unsettled);
                return Ok(());
            }
            Some(_) => self.absent = None,
        }
        let files = FileSet::open(&self.names)?;
        let same = files.view.past == view.past
            && files.view.current.map(|current| current.identity) == view.current.map(|current| current.identity);
        if !same {
            // It goes on, and is looked at again.
            return Ok(());
        }
        let at_rest = motion.at_rest && files.view == *view;
        self.again.alone = false;
        self.current = self.load_all(files, at_rest)?;
        // As long as it cannot be read it is at rest.
        self.rest.forget();
        self.adopt();
        self.read_on()
    }

    /// Whether a file that is not known is one state of the leases, and not one that somebody is writing.
    fn is_state(&self, view: &View, current: Identity, motion: Motion) -> io::Result<bool> {
        let Some(known) = self.known else {
            return Ok(motion.at_rest
                || self.rest.is_hasty() && ends_with_newline(&self.path)?
                || self.is_kea_writing(motion)?);
        };
        // Kea has begun it, as what it has done with those before tells.
        if known != current && (view.past != self.past || self.is_kea_writing(motion)?) {
            return Ok(true);
        }
        // A header alone is what there is first when a file is written over.
        Ok(motion.at_rest && (motion.for_long || !self.is_bare()?))
    }

    pub(super) fn miss(&mut self, what: Absence) {
        match &mut self.absent {
            Some((known, _)) if *known == what => {}
            absent => *absent = Some((what, Instant::now())),
        }
    }

    /// Knows which file is followed.
    pub(super) fn adopt(&mut self) {
        self.odd = None;
        if let Some(current) = &self.current {
            self.known = Some(current.identity);
        }
    }

    /// The name means another file.
    fn change_over(&mut self) -> io::Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let stamp = Stamp::of(&current.file.metadata()?);
        if current.is_rewritten(stamp, self.closed, self.settled)? {
            warn!("{}: was written over before it was moved away; reading all again", self.path.display());
            return self.begin_again();
        }
        // Kea closed the old file before it renamed it, so what is there now is all there will be.
        self.read_on()?;
        let Some(current) = &self.current else { return Ok(()) };
        let next = match leasequery_live::files::open(&self.path) {
            Ok(next) => next,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        self.absent = None;
        // As long as the old file is called `.1` no second rotation can have happened: the new one is its successor.
        // A cleanup takes that name away, but one that has much to read takes its time, and else all is soon read.
        if self.names.is_rotated(current.identity)? {
            debug!("{}: rotated", self.path.display());
            self.finish()?;
            self.past.first = Stamp::at(&self.names.first)?;
            self.again.alone = false;
            self.current = Some(Current::begin(next)?);
            self.adopt();
            return self.read_on();
        }
        if self.is_backup(current.identity)? {
            // The file that lease4-write makes is all there is. The older ones still have what was deleted since.
            info!("{}: rewritten by Kea; reading it all again", self.path.display());
            let view = View { current: Some(Stamp::of(&next.metadata()?)), past: Past::at(&self.names)? };
            self.current = self.load_all(FileSet { past: Vec::new(), current: Some(next), view }, false)?;
            self.again.alone = true;
            self.adopt();
            return self.read_on();
        }
        debug!("{}: replaced; reading it all again", self.path.display());
        self.begin_again()
    }

    /// Whether a file is kept under the name that the lease4-write command gives to the one it replaces.
    fn is_backup(&self, file: Identity) -> io::Result<bool> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut begins = self.path.file_name().unwrap_or_default().to_owned();
        begins.push(".bak");
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_name().as_bytes().starts_with(begins.as_bytes())
                && Stamp::at(&entry.path())?.map(|stamp| stamp.identity) == Some(file)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes the lines that have been added.
    pub(super) fn read_on(&mut self) -> io::Result<()> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        let result = self.take_lines(&mut current);
        self.current = Some(current);
        result
    }

    fn take_lines(&mut self, current: &mut Current<F>) -> io::Result<()> {
        let mut taken = false;
        while let Some(next) = current.next(self.settled)? {
            taken = true;
            let Some(header) = &current.header else { continue };
            match next {
                Next::Header | Next::Taken => {}
                Next::Row(row) => self.take(current.line, current.text(&row), header),
                Next::Glued(fragment, row) => {
                    self.take_fragment(current.line, current.text(&fragment), header);
                    self.take(current.line, current.text(&row), header);
                }
                Next::Broken(problem) => self.skip(current.line, &problem),
            }
            if self.batch.len() >= BATCH {
                self.put(Some(current));
                taken = false;
                let behind = current.behind()?;
                self.status.update(|status| status.behind = behind);
            }
        }
        if taken {
            self.put(Some(current));
        }
        let behind = current.behind()?;
        self.status.update(|status| status.behind = behind);
        Ok(())
    }

    /// Takes what is behind the last newline of the old file, as Kea does when it cleans up.
    fn finish(&mut self) -> io::Result<()> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let rest = current.rest()?;
        if let (false, Some(header)) = (rest.is_empty(), &current.header) {
            self.take_fragment(current.line + 1, &rest, header);
            self.put(None);
        }
        Ok(())
    }

    /// Takes what is behind the last newline once the file has been at rest, as Kea does when it reads it.
    fn take_rested(&mut self) -> io::Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let Some(rest) = current.rested(self.rest.enough())? else { return Ok(()) };
        let (line, header) = (current.line + 1, current.header.clone());
        if let Some(header) = header.filter(|header| header.is_whole(&rest)) {
            current.note_taken();
            self.take(line, &rest, &header);
            self.put(None);
        }
        Ok(())
    }

    fn take_fragment(&mut self, line: u64, text: &[u8], header: &Header<F>) {
        if header.is_whole(text) { self.take(line, text, header) } else { self.skip(line, &RowError::Torn) }
    }

    fn take(&mut self, line: u64, text: &[u8], header: &Header<F>) {
        if let Err(problem) = self.batch.add(text, header) {
            self.skip(line, &problem);
        }
    }

    pub(super) fn skip(&mut self, line: u64, problem: &RowError) {
        self.complaints.skipped(&self.path, line, problem);
        self.status.update(|status| status.broken += 1);
    }

    /// Puts what has been read into the store, together with how far that was.
    pub(super) fn put(&mut self, current: Option<&Current<F>>) {
        let config = self.config.as_ref().map(|config| config.get());
        let position = current.map(|current| Position::of(current, self.past, self.terms).to_bytes());
        let rows = self.batch.len() as u64;
        self.feed.shared.write(|store| {
            self.batch.commit(store, self.feed.source, self.vpn, config.as_deref());
            if let Some(position) = position.filter(|_| store.era() == self.era && !self.again.wanted) {
                store.set_position(self.feed.source, position);
            }
        });
        self.status.update(|status| {
            if rows > 0 {
                status.rows += rows;
                status.last_row = Some(Timestamp::now());
            }
            status.unreadable_relays = self.batch.unreadable;
        });
    }

    fn report(&self, problem: Option<String>) {
        match &problem {
            Some(problem) if self.whole.is_known() => self.feed.part.set(State::Degraded, problem),
            Some(problem) => self.feed.part.set(State::Down, problem),
            None => self.feed.part.set(State::Well, "followed"),
        }
        self.status.update(|status| {
            if status.problem != problem {
                match &problem {
                    Some(problem) if self.whole.is_known() => {
                        error!("{}: {problem}; what is known goes on being served", self.path.display());
                    }
                    Some(problem) => error!("{}: {problem}; so its leases are not known", self.path.display()),
                    None => info!("{}: can be read again", self.path.display()),
                }
                status.problem = problem;
            }
        });
    }
}

#[cfg(test)]
mod tests;
