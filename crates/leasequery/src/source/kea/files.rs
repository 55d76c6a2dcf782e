//! The files of Kea's lease storage, read at moments when Kea and its cleanup may be moving them.
//!
//! A cleanup renames the current file to `.1` and begins a new one; a process of its own merges `.2` and `.1` into
//! `.output`, renames that to `.completed`, removes `.2` and `.1`, and renames `.completed` to `.2`. A file that has got
//! the name `.1`, `.2` or `.completed` does not change any more.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::files;

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

    /// What bears this name now; `None` if nothing does.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::of(&metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The name of the file that a cleanup has rotated away.
pub(super) fn rotated(path: &Path) -> PathBuf {
    with_suffix(path, ".1")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The files that together have all leases, in the order in which their rows count.
#[derive(Debug)]
pub(super) struct FileSet {
    /// Files that do not change any more.
    pub(super) past: Vec<File>,
    /// The file that Kea appends to; `None` if there is none at the moment.
    pub(super) current: Option<File>,
}

/// How often it is tried to find the files at rest, and how long between two tries.
const TRIES: usize = 2000;
const PAUSE: Duration = Duration::from_micros(500);

impl FileSet {
    /// Opens the files such that together they are one state of the leases. A current file that stays missing for a
    /// second is taken to be empty: Kea has died between renaming it and making a new one, or was never started.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let names = [with_suffix(path, ".completed"), with_suffix(path, ".2"), rotated(path), path.to_owned()];
        for attempt in 1..=TRIES {
            // While they are open their inodes are not used for other files, so that comparing these is sound.
            let mut open = Vec::new();
            for name in &names {
                open.push(open_if_there(name)?);
            }
            let mut still = true;
            for (name, file) in names.iter().zip(&open) {
                let opened = file.as_ref().map(File::metadata).transpose()?.map(|metadata| Identity::of(&metadata));
                still &= Identity::at(name)? == opened;
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
                return Ok(Self { past, current: open.next().flatten() });
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
