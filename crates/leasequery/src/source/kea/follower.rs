use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use leasequery_store::{SourceId, VpnIndex};
use memchr::{memchr, memchr_iter};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tracing::{debug, error, info, warn};

use super::config::CurrentConfig;
use super::files::{FileSet, Identity, rotated};
use super::mapping::Batch;
use super::row::{Header, Row};
use crate::serve::SharedStore;

/// Follows one lease file for as long as the daemon runs.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    config: Option<Arc<CurrentConfig>>,
    source: SourceId,
    vpn: VpnIndex,
    shared: Arc<SharedStore>,
    batch: Batch,
    current: Option<Current>,
    /// There was no current file at the last look.
    waiting: bool,
}

/// The file that Kea appends to, and how far it has been read.
#[derive(Debug)]
struct Current {
    file: File,
    identity: Identity,
    header: Option<Header>,
    /// Octets taken; the next one begins a line.
    offset: u64,
    /// Lines taken.
    line: u64,
    /// Where the file ended, when it last ended within a line. A row that Kea could not finish is glued to the next one
    /// there.
    torn: Option<u64>,
    /// The last line taken, to know the file again.
    last: u64,
}

/// Rows put into the store at a time: it is locked for a tenth of a millisecond.
const BATCH: usize = 256;
/// Octets read at a time.
const BLOCK: usize = 256 * 1024;
/// The longest line that is waited for; relay data has a few kilobytes at most.
const LINE: usize = 1 << 20;
/// How long nobody looks if nothing is heard of the directory, and if nothing can be heard.
const WATCHED: Duration = Duration::from_millis(250);
const POLLED: Duration = Duration::from_millis(50);

impl Follower {
    /// Follows the lease file at `path`, whose leases are in `vpn`.
    pub fn new(
        path: PathBuf,
        config: Option<Arc<CurrentConfig>>,
        source: SourceId,
        vpn: VpnIndex,
        shared: Arc<SharedStore>,
    ) -> Self {
        let batch = Batch::default();
        Self { path, config, source, vpn, shared, batch, current: None, waiting: false }
    }

    /// Follows the file until `stop` says so. `loaded` is dropped once the first load has been done.
    pub fn run<T>(mut self, stop: &dyn Fn() -> bool, loaded: T) {
        let mut loaded = Some(loaded);
        let mut reported = String::new();
        let mut watch = None;
        let mut absent_since = None;
        while !stop() {
            // The directory is watched before the first look, so that nothing falls between.
            if watch.is_none() {
                watch = self.watch();
            }
            match self.step() {
                Ok(()) if self.current.is_some() => {
                    reported.clear();
                    absent_since = None;
                    drop(loaded.take());
                }
                Ok(()) => {
                    let since = *absent_since.get_or_insert_with(Instant::now);
                    self.report(&mut reported, "no lease file yet; waiting for Kea".to_owned());
                    // Kea may never have been started: what there is is served.
                    if since.elapsed() > Duration::from_secs(1) {
                        drop(loaded.take());
                    }
                }
                Err(problem) => {
                    self.report(
                        &mut reported,
                        format!("cannot be read, what is known goes on being served: {problem}"),
                    );
                    self.current = None;
                    std::thread::sleep(POLLED);
                }
            }
            match &watch {
                Some((_, events)) => match events.recv_timeout(WATCHED) {
                    Ok(()) => while events.try_recv().is_ok() {},
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => watch = None,
                },
                None => std::thread::sleep(POLLED),
            }
        }
    }

    /// Reads what is new, once.
    fn step(&mut self) -> io::Result<()> {
        if self.current.is_none() {
            if self.waiting && Identity::at(&self.path)?.is_none() {
                return Ok(());
            }
            if !self.resume()? {
                return self.snapshot();
            }
        }
        self.read_on()?;
        let Some(current) = &self.current else { return Ok(()) };
        let named = Identity::at(&self.path)?;
        if named == Some(current.identity) {
            if current.file.metadata()?.len() < current.offset {
                warn!("{}: has become shorter; reading it all again", self.path.display());
                return self.snapshot();
            }
            return Ok(());
        }
        if named.is_none() {
            // Between renaming the file and making a new one.
            return Ok(());
        }
        // Kea closed the old file before it renamed it, so what is there now is all there will be.
        self.read_on()?;
        let next = File::open(&self.path)?;
        let Some(current) = &self.current else { return Ok(()) };
        // As long as the old file is called `.1` no second rotation can have happened: the new one is its successor.
        if Identity::at(&rotated(&self.path))? == Some(current.identity) {
            debug!("{}: rotated", self.path.display());
            self.current = Some(Current::begin(next)?);
            return self.read_on();
        }
        debug!("{}: replaced; reading it all again", self.path.display());
        self.snapshot()
    }

    /// Wakes the follower when something happens in the directory. Without that it looks often.
    fn watch(&self) -> Option<(RecommendedWatcher, Receiver<()>)> {
        let (sender, events) = channel();
        let watcher = notify::recommended_watcher(move |_| {
            let _ = sender.send(());
        });
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let watching = watcher.and_then(|mut watcher| {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match watching {
            Ok(watcher) => Some((watcher, events)),
            Err(problem) => {
                debug!("{}: not watched, so looked at every {POLLED:?}: {problem}", directory.display());
                None
            }
        }
    }

    fn report(&self, reported: &mut String, text: String) {
        if *reported != text {
            error!("{}: {text}", self.path.display());
            *reported = text;
        }
    }

    /// Goes on where a former run stopped, if the file is still what it was.
    fn resume(&mut self) -> io::Result<bool> {
        let position = self.shared.read(|store| store.position(self.source).map(<[u8]>::to_vec));
        let Some(position) = position.as_deref().and_then(Position::read) else { return Ok(false) };
        let Ok(file) = File::open(&self.path) else { return Ok(false) };
        let mut current = Current::begin(file)?;
        if current.identity != position.identity || !current.take_up(&position)? {
            return Ok(false);
        }
        info!("{}: going on at line {}", self.path.display(), current.line + 1);
        self.current = Some(current);
        self.read_on()?;
        Ok(true)
    }

    /// Reads all files as one state and brings the store to it.
    fn snapshot(&mut self) -> io::Result<()> {
        let start = Instant::now();
        self.current = None;
        let files = FileSet::open(&self.path)?;
        let Some(file) = files.current else {
            // Kea has never run, or died in the middle of a rotation: what there is counts until it begins a new file.
            self.waiting = true;
            return self.load(&files.past, None).map(|_| ());
        };
        self.waiting = false;
        let mut current = Current::begin(file)?;
        let rows = self.load(&files.past, Some(&mut current))?;
        self.current = Some(current);
        self.commit();
        let seconds = start.elapsed().as_secs_f64();
        info!("{}: read {rows} rows in {seconds:.2} s", self.path.display());
        self.warn_of_missing_relays();
        Ok(())
    }

    /// Loads files into the store. Only the last row of an address counts, so that no connection is told of states that
    /// were over long ago. Says how many rows there were.
    fn load(&mut self, past: &[File], mut current: Option<&mut Current>) -> io::Result<u64> {
        let source = self.source;
        let empty = self.shared.read(|store| store.counts().bindings == 0);
        let mut last: HashMap<Ipv4Addr, u64> = HashMap::new();
        if !empty {
            let mut number = 0;
            let mut note = |_: u64, line: &[u8], _: &Header| {
                number += 1;
                last.extend(address_of(line).map(|address| (address, number)));
            };
            for file in past {
                Current::begin(file.try_clone()?)?.lines(true, &mut note)?;
            }
            if let Some(current) = &current {
                Current::begin(current.file.try_clone()?)?.lines(false, &mut note)?;
            }
        }
        self.shared.write(|store| store.begin_sweep(source));
        let mut number = 0;
        let mut take = |nth: u64, line: &[u8], header: &Header| {
            number += 1;
            // What has come since the first pass counts in any case.
            let superseded = |address| last.get(&address).is_some_and(|last| number < *last);
            if !address_of(line).is_some_and(superseded) {
                self.take(nth, line, header);
            }
        };
        for file in past {
            Current::begin(file.try_clone()?)?.lines(true, &mut take)?;
        }
        if let Some(current) = &mut current {
            current.lines(false, &mut take)?;
        }
        self.commit();
        let gone = self.shared.write(|store| store.end_sweep(source));
        if gone > 0 {
            info!("{}: {gone} leases are no longer there", self.path.display());
        }
        Ok(number)
    }

    /// Takes the lines that have been added.
    fn read_on(&mut self) -> io::Result<()> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        let result = current.lines(false, &mut |nth, line: &[u8], header: &Header| self.take(nth, line, header));
        self.current = Some(current);
        self.commit();
        result
    }

    fn take(&mut self, number: u64, line: &[u8], header: &Header) {
        if let Err(problem) = self.batch.add(line, header) {
            warn!("{}:{number}: skipped: {problem}", self.path.display());
        }
        if self.batch.len() >= BATCH {
            self.put();
        }
    }

    /// Puts what has been read into the store, and how far that was.
    fn commit(&mut self) {
        if !self.batch.is_empty() {
            self.put();
        }
        let position = self.current.as_ref().map(|current| Position::of(current).write());
        if let Some(position) = position {
            let source = self.source;
            if self.shared.read(|store| store.position(source) != Some(&position)) {
                self.shared.write(|store| store.set_position(source, position));
            }
        }
    }

    fn put(&mut self) {
        let config = self.config.as_ref().map(|config| config.get());
        self.shared.write(|store| self.batch.commit(store, self.source, self.vpn, config.as_deref()));
    }

    /// Says how many leases nobody can find by their relay.
    fn warn_of_missing_relays(&self) {
        let (source, mut active, mut without) = (self.source, 0_u64, 0_u64);
        let mut after = leasequery_store::Revision::default();
        loop {
            let mut seen = 0;
            self.shared.read(|store| {
                for binding in store.changes(after).take(BATCH) {
                    seen += 1;
                    after = binding.revision();
                    let ours = binding.source() == source && binding.state() == leasequery_store::State::Active;
                    active += u64::from(ours);
                    without += u64::from(ours && binding.relay_info().is_none());
                }
            });
            if seen == 0 {
                break;
            }
        }
        if without > 0 {
            warn!(
                "{}: {without} of {active} leases have no relay agent information, and queries by Remote ID or Relay-ID \
                 do not find them; set \"store-extended-info\": true in Kea's configuration",
                self.path.display()
            );
        }
        if self.batch.unreadable > 0 {
            warn!(
                "{}: {} rows have relay agent information that cannot be read",
                self.path.display(),
                self.batch.unreadable
            );
        }
    }
}

impl Current {
    /// Begins at the start of a file.
    fn begin(file: File) -> io::Result<Self> {
        let identity = Identity::of(&file.metadata()?);
        Ok(Self { file, identity, header: None, offset: 0, line: 0, torn: None, last: 0 })
    }

    /// Gives each whole line that has not been given to `take`, with its number; the header is not given. The rest
    /// behind the last newline is left for later, unless the file is `finished`: then nothing more will come.
    fn lines(&mut self, finished: bool, take: &mut dyn FnMut(u64, &[u8], &Header)) -> io::Result<()> {
        let mut buffer = vec![0; BLOCK];
        let mut filled = 0;
        let mut end = self.offset;
        loop {
            if filled == buffer.len() {
                if buffer.len() > LINE {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("line {} has no end", self.line + 1),
                    ));
                }
                buffer.resize(buffer.len() * 2, 0);
            }
            let length = self.file.read_at(&mut buffer[filled..], end)?;
            let at_end = length == 0;
            end += length as u64;
            filled += length;
            let start = end - filled as u64;
            let mut used = 0;
            let mut last = None;
            for newline in memchr_iter(b'\n', &buffer[..filled]) {
                last = Some(used..newline);
                self.line(&buffer[used..newline], take);
                used = newline + 1;
                self.offset = start + used as u64;
            }
            self.last = last.map_or(self.last, |line| hash(&buffer[line]));
            buffer.copy_within(used..filled, 0);
            filled -= used;
            if at_end {
                if filled > 0 && finished {
                    self.line(&buffer[..filled], take);
                }
                self.torn = self.torn.or((filled > 0).then_some(end));
                return Ok(());
            }
        }
    }

    fn line(&mut self, line: &[u8], take: &mut dyn FnMut(u64, &[u8], &Header)) {
        self.line += 1;
        let torn = self.torn.take().and_then(|torn| usize::try_from(torn.checked_sub(self.offset)?).ok());
        let Some(header) = &self.header else {
            match Header::parse(line) {
                Ok(header) => self.header = Some(header),
                Err(problem) => error!("line {}: {problem}", self.line),
            }
            return;
        };
        match torn.and_then(|torn| unglue(line, torn, header)) {
            Some((fragment, row)) => {
                take(self.line, fragment, header);
                take(self.line, row, header);
            }
            None => take(self.line, line, header),
        }
    }

    /// Places itself behind the last line of a former run; says whether the file still has that line there.
    fn take_up(&mut self, position: &Position) -> io::Result<bool> {
        if self.file.metadata()?.len() < position.offset {
            return Ok(false);
        }
        let mut first = vec![0; 4096];
        let length = self.file.read_at(&mut first, 0)?;
        let Some(newline) = memchr(b'\n', &first[..length]) else { return Ok(false) };
        let Ok(header) = Header::parse(&first[..newline]) else { return Ok(false) };
        let from = position.offset.saturating_sub(LINE as u64);
        let mut before = Vec::new();
        io::BufReader::new(ReadFrom { file: &self.file, at: from })
            .take(position.offset - from)
            .read_to_end(&mut before)?;
        let Some(line) = before.strip_suffix(b"\n") else { return Ok(false) };
        let line = &line[memchr::memrchr(b'\n', line).map_or(0, |newline| newline + 1)..];
        self.header = Some(header);
        (self.offset, self.line, self.last) = (position.offset, position.line, position.last);
        Ok(hash(line) == position.last)
    }
}

/// Reads a file without moving anybody's position in it.
struct ReadFrom<'a> {
    file: &'a File,
    at: u64,
}

impl Read for ReadFrom<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

/// The address that a row is about.
fn address_of(line: &[u8]) -> Option<Ipv4Addr> {
    let address = &line[..memchr(b',', line).unwrap_or(line.len())];
    std::str::from_utf8(address).ok()?.parse().ok()
}

/// Parts a row that Kea could not finish from the next one, which it wrote behind it without a newline. The file was
/// once seen to end at `torn`, which in itself means nothing: a row may come in pieces. But two rows in one line have more
/// columns than the second one alone, or make no sense as one.
fn unglue<'a>(line: &'a [u8], torn: usize, header: &Header) -> Option<(&'a [u8], &'a [u8])> {
    let is_row = |piece: &[u8]| Row::parse(piece, header, &mut Vec::new()).is_ok_and(|row| !row.relay_unreadable);
    let columns = |piece: &[u8]| memchr_iter(b',', piece).count();
    let (fragment, row) = line.split_at_checked(torn)?;
    (is_row(row) && (columns(line) > columns(row) || !is_row(line))).then_some((fragment, row))
}

/// How far a file has been read, as it is kept with the store.
#[derive(Debug, PartialEq, Eq)]
struct Position {
    identity: Identity,
    offset: u64,
    line: u64,
    last: u64,
}

impl Position {
    fn of(current: &Current) -> Self {
        Self { identity: current.identity, offset: current.offset, line: current.line, last: current.last }
    }

    fn write(&self) -> Vec<u8> {
        let numbers = [self.identity.device, self.identity.inode, self.offset, self.line, self.last];
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let [device, inode, offset, line, last] = *numbers.iter().map(|n| u64::from_be_bytes(*n)).collect::<Vec<_>>()
        else {
            return None;
        };
        Some(Self { identity: Identity { device, inode }, offset, line, last })
    }
}

/// FNV-1a: a line is only compared with itself, and the value is kept over restarts.
fn hash(line: &[u8]) -> u64 {
    line.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
