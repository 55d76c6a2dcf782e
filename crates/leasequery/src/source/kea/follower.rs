use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use leasequery_store::{SourceId, VpnIndex};
use tracing::{debug, error, info, warn};

use super::columns::Header;
use super::config::CurrentConfig;
use super::family::Family;
use super::files::{FileSet, Identity, rotated};
use super::lines::{Current, Next, SETTLED};
use super::mapping::Batch;
use super::position::Position;
use super::row::RowError;
use super::status::{Complaints, SharedStatus};
use super::watch::Watch;
use crate::serve::SharedStore;

/// Follows one lease file for as long as the daemon runs.
#[derive(Debug)]
pub struct Follower<F: Family> {
    pub(super) path: PathBuf,
    pub(super) config: Option<Arc<CurrentConfig<F>>>,
    pub(super) source: SourceId,
    pub(super) vpn: VpnIndex,
    pub(super) shared: Arc<SharedStore<F::Key>>,
    pub(super) status: Arc<SharedStatus>,
    pub(super) complaints: Complaints,
    pub(super) batch: Batch<F>,
    current: Option<Current<F>>,
    /// Since when there has been no file of the name.
    absent: Option<Instant>,
    settled: Duration,
    /// It has been tried to go on where a former run stopped.
    begun: bool,
}

/// Rows put into the store at a time: it is locked for a tenth of a millisecond.
pub(super) const BATCH: usize = 256;
/// How long nobody looks if nothing is heard. It also bounds the delay where the system tells of nothing, as on a
/// network file system.
const PERIOD: Duration = Duration::from_millis(50);
/// How long a file may be missing before that is worth a word: a rotation takes a fraction of a millisecond.
const PATIENCE: Duration = Duration::from_secs(1);

impl<F: Family> Follower<F> {
    /// Follows the lease file at `path`, whose leases are in `vpn`.
    pub fn new(
        path: PathBuf,
        config: Option<Arc<CurrentConfig<F>>>,
        source: SourceId,
        vpn: VpnIndex,
        shared: Arc<SharedStore<F::Key>>,
    ) -> Self {
        Self {
            path,
            config,
            source,
            vpn,
            shared,
            status: Arc::default(),
            complaints: Complaints::default(),
            batch: Batch::default(),
            current: None,
            absent: None,
            settled: SETTLED,
            begun: false,
        }
    }

    /// How it goes, to be asked while it runs.
    pub fn status(&self) -> Arc<SharedStatus> {
        Arc::clone(&self.status)
    }

    /// Follows the file until `stop` says so. `loaded` is dropped once the first load has been done, or there is nothing
    /// to load.
    pub fn run<T>(mut self, stop: &dyn Fn() -> bool, loaded: T) {
        let mut loaded = Some(loaded);
        let begun = Instant::now();
        // The directory is watched before the first look, so that nothing falls between.
        let mut watch = Watch::new(&self.path);
        let mut pause = PERIOD;
        while !stop() {
            let problem = match self.step() {
                Ok(()) => {
                    pause = PERIOD;
                    let missing = self.absent.is_some_and(|since| since.elapsed() >= PATIENCE);
                    missing.then(|| "there is no such file; waiting for Kea".to_owned())
                }
                Err(problem) => {
                    // All of it is looked at again, and less and less often.
                    self.current = None;
                    self.batch.clear();
                    pause = (pause * 2).min(PATIENCE);
                    Some(problem.to_string())
                }
            };
            let reads = problem.is_none() && self.current.is_some();
            // What is known is served, also if there is nothing new to be had.
            if reads || begun.elapsed() >= PATIENCE {
                drop(loaded.take());
            }
            self.report(problem);
            self.complaints.sum_up(&self.path);
            watch.wait(pause);
        }
    }

    /// Reads what is new, once.
    fn step(&mut self) -> io::Result<()> {
        if self.current.is_none() {
            return self.begin();
        }
        self.read_on()?;
        let Some(current) = &self.current else { return Ok(()) };
        match Identity::at(&self.path)? {
            None => {
                // Between renaming the file and making a new one, or for longer.
                self.absent.get_or_insert_with(Instant::now);
                return Ok(());
            }
            Some(named) if named != current.identity => return self.change_over(),
            Some(_) => self.absent = None,
        }
        if current.is_shorter()? {
            warn!("{}: has become shorter; reading it all again", self.path.display());
            return self.read_all();
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.absent.is_some() && Identity::at(&self.path)?.is_none() {
            return Ok(());
        }
        let resumed = self.resume();
        // What the last run told of last may have been cleaned away since, and with it every trace of what became of it.
        // That is known before anybody is served.
        let repeats = std::mem::replace(&mut self.begun, true) || matches!(resumed, Ok(true));
        if !repeats && self.shared.lose_unwritten() {
            warn!("{}: cannot repeat what the last run did not write, the history begins anew", self.path.display());
        }
        if resumed? {
            return Ok(());
        }
        self.read_all()
    }

    /// Goes on where a former run stopped, if the file is still what it was.
    fn resume(&mut self) -> io::Result<bool> {
        let position = self.shared.read(|store| store.position(self.source).and_then(Position::from_bytes));
        let (Some(position), Ok(file)) = (position, crate::files::open(&self.path)) else { return Ok(false) };
        let Some(header) = position.find_in(&file)? else { return Ok(false) };
        info!("{}: going on at line {}", self.path.display(), position.line + 1);
        self.absent = None;
        self.current = Some(self.load_behind(file, header, position)?);
        self.read_on()?;
        Ok(true)
    }

    /// Reads all files as one state and brings the store to it.
    fn read_all(&mut self) -> io::Result<()> {
        self.current = None;
        let files = FileSet::open(&self.path)?;
        if files.current.is_none() {
            self.absent.get_or_insert_with(Instant::now);
            if files.past.is_empty() {
                // That is no state of anything: Kea's disk may not be there.
                return Ok(());
            }
            // Kea died in the middle of a rotation: what there is counts until it begins a new file.
        } else {
            self.absent = None;
        }
        self.current = self.load_all(files)?;
        self.read_on()
    }

    /// The name means another file.
    fn change_over(&mut self) -> io::Result<()> {
        // Kea closed the old file before it renamed it, so what is there now is all there will be.
        self.read_on()?;
        let Some(current) = &self.current else { return Ok(()) };
        let next = match crate::files::open(&self.path) {
            Ok(next) => next,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        self.absent = None;
        // As long as the old file is called `.1` no second rotation can have happened: the new one is its successor.
        // A cleanup takes that name away, but one that has much to read takes its time, and else all is soon read.
        if Identity::at(&rotated(&self.path))? == Some(current.identity) {
            debug!("{}: rotated", self.path.display());
            self.finish()?;
            self.current = Some(Current::begin(next)?);
            return self.read_on();
        }
        if self.is_backup(current.identity)? {
            // The file that lease4-write makes is all there is. The older ones still have what was deleted since.
            info!("{}: rewritten by Kea; reading it all again", self.path.display());
            self.current = self.load_all(FileSet { past: Vec::new(), current: Some(next) })?;
            return self.read_on();
        }
        debug!("{}: replaced; reading it all again", self.path.display());
        self.read_all()
    }

    /// Whether a file is kept under the name that the lease4-write command gives to the one it replaces.
    fn is_backup(&self, file: Identity) -> io::Result<bool> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut begins = self.path.file_name().unwrap_or_default().to_owned();
        begins.push(".bak");
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_name().as_bytes().starts_with(begins.as_bytes()) && Identity::at(&entry.path())? == Some(file)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes the lines that have been added.
    fn read_on(&mut self) -> io::Result<()> {
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
                Next::Header => {}
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
        let position = current.map(|current| Position::of(current).to_bytes());
        let rows = self.batch.len() as u64;
        self.shared.write(|store| {
            self.batch.commit(store, self.source, self.vpn, config.as_deref());
            if let Some(position) = position {
                store.set_position(self.source, position);
            }
        });
        self.status.update(|status| {
            status.rows += rows;
            status.unreadable_relays = self.batch.unreadable;
        });
    }

    fn report(&self, problem: Option<String>) {
        self.status.update(|status| {
            if status.problem != problem {
                match &problem {
                    Some(problem) => error!("{}: {problem}; what is known goes on being served", self.path.display()),
                    None => info!("{}: can be read again", self.path.display()),
                }
                status.problem = problem;
            }
        });
    }
}

#[cfg(test)]
mod tests;
