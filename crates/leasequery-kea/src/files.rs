//! The files of Kea's lease storage, looked at and read at moments when Kea and its cleanup may be moving them.
//!
//! A cleanup renames the current file to `.1` and begins a new one; a process of its own merges `.2` and `.1` into
//! `.output`, renames that to `.completed`, removes `.2` and `.1`, and renames `.completed` to `.2`. A file that has got
//! the name `.1`, `.2` or `.completed` does not change any more.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use leasequery_live::files;

/// What a file is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Nanoseconds since 1970 when it was made, where the file system knows: numbers of files are used again.
    pub(super) made: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let made = metadata.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        let made = made.and_then(|made| u64::try_from(made.as_nanos()).ok()).unwrap_or_default();
        Self { device: metadata.dev(), inode: metadata.ino(), made }
    }
}

/// All that can be seen of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) identity: Identity,
    pub(super) size: u64,
    /// Nanoseconds since 1970 when its content was changed, which whoever does so may set as they like.
    pub(super) modified: i64,
    /// Nanoseconds since 1970 when anything about it was changed, its name included.
    pub(super) changed: i64,
    /// Whether it has a name anywhere.
    pub(super) is_named: bool,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(rest);
        Self {
            identity: Identity::of(metadata),
            size: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            is_named: metadata.nlink() > 0,
        }
    }

    /// That of what bears this name now; `None` if nothing does.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(metadata) => files::check(&metadata).map(|()| Some(Self::of(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether this is a file that may have been renamed since, and nothing else.
    fn is_moved(&self, before: &Self) -> bool {
        (self.identity, self.size, self.modified) == (before.identity, before.size, before.modified)
    }
}

/// What the files are called.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) current: PathBuf,
    completed: PathBuf,
    second: PathBuf,
    pub(super) first: PathBuf,
}

impl Names {
    pub(super) fn new(current: PathBuf) -> Self {
        let with = |suffix| {
            let mut name = OsString::from(&current);
            name.push(suffix);
            PathBuf::from(name)
        };
        let (completed, second, first) = (with(".completed"), with(".2"), with(".1"));
        Self { current, completed, second, first }
    }

    /// Whether the file has been rotated away and nothing has happened to it since.
    pub(super) fn is_rotated(&self, file: Identity) -> io::Result<bool> {
        Ok(Stamp::at(&self.first)?.is_some_and(|first| first.identity == file))
    }
}

/// The files that do not change any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Past {
    pub(super) completed: Option<Stamp>,
    pub(super) second: Option<Stamp>,
    pub(super) first: Option<Stamp>,
}

impl Past {
    pub(super) fn at(names: &Names) -> io::Result<Self> {
        // In the order in which a cleanup makes them vanish last.
        let (first, second) = (Stamp::at(&names.first)?, Stamp::at(&names.second)?);
        Ok(Self { completed: Stamp::at(&names.completed)?, second, first })
    }

    /// Whether there is one of those that are there only between the beginning of a rotation and the end of a cleanup.
    pub(super) fn is_cleaning(&self) -> bool {
        self.completed.is_some() || self.first.is_some()
    }

    /// Whether nothing has happened since `before` but steps of a cleanup. Anything else was done by somebody who is not
    /// Kea, also that a file has the same name and another size or time.
    pub(super) fn follows(&self, before: &Self) -> bool {
        if self == before {
            return true;
        }
        if !before.is_cleaning() {
            return false;
        }
        // That its files are merged, or were before.
        let merged = |file: &Stamp| match &before.completed {
            Some(completed) => file.is_moved(completed),
            None => [before.second, before.first].iter().flatten().all(|old| old.identity != file.identity),
        };
        match (&self.completed, self.second, self.first) {
            (Some(completed), second, first) => {
                let removed = |now: Option<Stamp>, before| now.is_none() || now == before;
                merged(completed)
                    && removed(second, before.second)
                    && removed(first, before.first)
                    // `.2` goes before `.1`.
                    && (first.is_some() || second.is_none())
            }
            (None, Some(second), None) => merged(&second),
            _ => false,
        }
    }
}

/// All files, as they are called at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub(super) current: Option<Stamp>,
    pub(super) past: Past,
}

impl View {
    pub(super) fn at(names: &Names) -> io::Result<Self> {
        Ok(Self { current: Stamp::at(&names.current)?, past: Past::at(names)? })
    }
}

/// The files that together have all leases, in the order in which their rows count.
#[derive(Debug)]
pub(super) struct FileSet {
    /// Files that do not change any more.
    pub(super) past: Vec<File>,
    /// The file that Kea appends to; `None` if there is none at the moment.
    pub(super) current: Option<File>,
    /// What they all were when they were opened.
    pub(super) view: View,
}

/// How often it is tried to find the files at rest, and how long between two tries.
const TRIES: usize = 2000;
const PAUSE: Duration = Duration::from_micros(500);

impl FileSet {
    /// Opens the files such that together they are one state of the leases. A current file that stays missing for a
    /// second is taken to be empty: Kea has died between renaming it and making a new one, or was never started.
    pub(super) fn open(names: &Names) -> io::Result<Self> {
        let paths = [&names.completed, &names.second, &names.first, &names.current];
        for attempt in 1..=TRIES {
            // While they are open their inodes are not used for other files, so that comparing these is sound.
            let mut open = Vec::new();
            for path in paths {
                open.push(open_if_there(path)?);
            }
            let (mut still, mut stamps) = (true, Vec::new());
            for (path, file) in paths.iter().zip(&open) {
                let opened = file.as_ref().map(File::metadata).transpose()?.map(|metadata| Stamp::of(&metadata));
                still &= Stamp::at(path)?.map(|stamp| stamp.identity) == opened.map(|stamp| stamp.identity);
                stamps.push(opened);
            }
            let complete = open.last().is_some_and(Option::is_some);
            if still && (complete || attempt == TRIES) {
                let mut open = open.into_iter();
                let (completed, second, first) = (open.next().flatten(), open.next().flatten(), open.next().flatten());
                // What is completed has the others in it already.
                let past = match completed {
                    Some(completed) => vec![completed],
                    None => second.into_iter().chain(first).collect(),
                };
                let stamp = |place: usize| stamps.get(place).copied().flatten();
                let seen = Past { completed: stamp(0), second: stamp(1), first: stamp(2) };
                let view = View { current: stamp(3), past: seen };
                return Ok(Self { past, current: open.next().flatten(), view });
            }
            std::thread::sleep(PAUSE);
        }
        Err(io::Error::new(ErrorKind::TimedOut, "the lease files do not come to rest"))
    }
}

fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match files::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file ends with a newline.
pub(super) fn ends_with_newline(path: &Path) -> io::Result<bool> {
    let Some(file) = open_if_there(path)? else { return Ok(false) };
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(false) };
    let mut octet = [0];
    Ok(file.read_at(&mut octet, last)? == 1 && octet == *b"\n")
}

#[cfg(test)]
mod tests;
