//! The directory of the durable copy: whose it is, who may get at it, and what becomes of what cannot be used.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use leasequery_store::durable::DurableError;
use nix::libc;
use tracing::warn;

use super::usable;

/// A directory that is this process's until it ends.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    /// Locked, with the number of this process in it.
    lock: Mutex<File>,
}

/// Which file or directory it is, whatever its name.
type Identity = (u64, u64);

fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino())
}

/// The database of a protocol in the directory.
#[derive(Debug)]
pub(super) struct Database {
    place: Arc<Place>,
    path: PathBuf,
    /// As which directory it was opened.
    opened: Option<Identity>,
}

impl Database {
    /// Of a protocol, not opened yet.
    pub(super) fn new(place: &Arc<Place>, protocol: &str) -> Self {
        Self { place: Arc::clone(place), path: place.of(protocol), opened: None }
    }

    /// Opens it, in a directory that is ours. If that was removed or moved away, another one takes its place.
    pub(super) fn open<T: Send>(
        &mut self,
        open: impl Fn(&Path) -> Result<T, DurableError> + Sync,
    ) -> Result<T, DurableError> {
        self.place.hold().map_err(|problem| DurableError::System(io::Error::other(format!("{problem:#}"))))?;
        let opened = usable(&self.place.name(), &self.path, || open(&self.path))?;
        self.opened = std::fs::metadata(&self.path).ok().as_ref().map(identity);
        Ok(opened)
    }

    /// Fails if what is written does not come into the directory any more: what was removed takes it, and nobody will
    /// ever read it.
    pub(super) fn check(&self) -> Result<(), DurableError> {
        let found = std::fs::metadata(&self.path).ok().as_ref().map(identity);
        if self.place.is_held() && found == self.opened {
            return Ok(());
        }
        let problem = "it was removed, moved away or exchanged";
        Err(DurableError::System(io::Error::new(io::ErrorKind::NotFound, problem)))
    }
}

impl Place {
    /// Makes the directory, or takes one that is there and that nobody else has.
    pub fn take(path: &Path) -> anyhow::Result<Arc<Self>> {
        let lock = take(path).with_context(|| format!("state-dir {}", path.display()))?;
        Ok(Arc::new(Self { path: path.to_owned(), lock: Mutex::new(lock) }))
    }

    /// Where something of this name is in it.
    pub fn of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether the directory that has this name is the one that was taken.
    fn is_held(&self) -> bool {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let found = std::fs::metadata(self.path.join(LOCK));
        matches!((lock.metadata(), found), (Ok(ours), Ok(found)) if identity(&ours) == identity(&found))
    }

    /// Takes it again, if it is not the one that was taken.
    fn hold(&self) -> anyhow::Result<()> {
        if !self.is_held() {
            let lock = take(&self.path)?;
            *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = lock;
        }
        Ok(())
    }

    /// As logs call it.
    pub fn name(&self) -> String {
        format!("state-dir {}", self.path.display())
    }
}

/// The file that says whose the directory is.
const LOCK: &str = "lock";

fn take(path: &Path) -> anyhow::Result<File> {
    prepare(path)?;
    lock(&path.join(LOCK))
}

/// Refuses a directory in which everybody could change what is served, and warns about one that others can look into.
fn prepare(path: &Path) -> anyhow::Result<()> {
    if std::fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
        bail!("it is a file; a directory would be right");
    }
    // Leases are as secret here as on the DHCP server (RFC 7724 section 9).
    DirBuilder::new().recursive(true).mode(0o700).create(path).context("it cannot be made")?;
    let found = std::fs::metadata(path)?;
    let mode = found.permissions().mode() & 0o777;
    check_mode(mode)?;
    if mode & 0o077 != 0 {
        warn!("state-dir {}: others may look into it (mode {mode:04o}); 0700 would be right", path.display());
    }
    if found.uid() != nix::unistd::geteuid().as_raw() {
        warn!("state-dir {}: it is another user's (uid {})", path.display(), found.uid());
    }
    Ok(())
}

/// Everybody who can write into it could change what is served.
fn check_mode(mode: u32) -> anyhow::Result<()> {
    ensure!(mode & 0o002 == 0, "everybody may write into it (mode {mode:04o}); 0700 would be right");
    Ok(())
}

/// Looks at a directory that is there without taking it.
pub fn inspect(path: &Path) -> anyhow::Result<()> {
    check_mode(std::fs::metadata(path)?.permissions().mode() & 0o777)?;
    if let Ok(lock) = File::open(path.join(LOCK))
        && matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
    {
        bail!("another leasequery has it");
    }
    Ok(())
}

/// Two processes on one directory would each take the other one's changes for damage.
fn lock(path: &Path) -> anyhow::Result<File> {
    let options = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NONBLOCK);
        options.open(path)
    };
    let mut file = options().map_err(DurableError::from)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // It may be about to write it.
            let _ = file.take(20).read_to_string(&mut text);
            match text.trim().parse::<u32>() {
                Ok(process) => bail!("another leasequery has it, process {process}"),
                Err(_) => bail!("another leasequery has it"),
            }
        }
        Err(TryLockError::Error(error)) => return Err(DurableError::System(error).into()),
    }
    // A full disk must not keep a process from serving what is on it; the lock alone counts.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Moves a database out of the way that will never be usable, and says where it is now. Nothing is thrown away: somebody
/// may want to know what happened to it.
pub(super) fn set_aside(directory: &Path, problem: &DurableError) -> io::Result<PathBuf> {
    let why = match problem {
        DurableError::Layout(layout) => format!("layout-{layout}"),
        _ => "damaged".to_owned(),
    };
    let stem = format!("{}.{why}-{}", directory.display(), Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    let names = std::iter::once(stem.clone()).chain((2_u32..).map(|nth| format!("{stem}-{nth}")));
    let name = names.map(PathBuf::from).find(|name| !name.exists()).unwrap_or_default();
    std::fs::rename(directory, &name)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        let problem = format!("{:#}", Place::take(path).expect_err("it is not taken"));
        problem.replace(&format!("state-dir {}: ", path.display()), "")
    }

    #[test]
    fn who_has_a_directory_is_told_to_whoever_comes_second() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place::take(directory.path()).expect("it is free");
        assert_eq!(refusal(directory.path()), format!("another leasequery has it, process {}", std::process::id()));
        drop(place);
        Place::take(directory.path()).expect("it is free again");
    }

    #[test]
    fn what_is_no_directory_of_ours_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        std::fs::write(&file, "text").expect("written");
        assert_eq!(refusal(&file), "it is a file; a directory would be right");
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).expect("a mode");
        assert_eq!(refusal(directory.path()), "everybody may write into it (mode 0777); 0700 would be right");
    }

    #[test]
    fn what_is_set_aside_keeps_its_contents_and_takes_no_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = directory.path().join("v4");
        let mut names = Vec::new();
        for nth in 0..3 {
            std::fs::create_dir(&database).expect("a directory");
            std::fs::write(database.join("file"), nth.to_string()).expect("written");
            let problem = if nth == 2 { DurableError::Layout(2) } else { DurableError::Damaged(String::new()) };
            names.push(set_aside(&database, &problem).expect("moved"));
        }
        for (nth, name) in names.iter().enumerate() {
            assert_eq!(std::fs::read_to_string(name.join("file")).expect("it is there"), nth.to_string());
            let text = name.display().to_string();
            assert!(text.contains(if nth == 2 { "v4.layout-2-2" } else { "v4.damaged-2" }), "{text}");
        }
    }
}
